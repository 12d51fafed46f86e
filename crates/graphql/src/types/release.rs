//! What is said about models and versions: aliases, yanks, lineage, structure, cards, grants.

use async_graphql::{Context, Object, Result, SimpleObject};
use service::{
    AliasMove as MoveValue, Card as CardValue, Grant as GrantValue, Lineage as LineageValue,
    Pin as PinValue, StructureView, Yank as YankValue,
};

use super::model::Version;
use crate::{
    error::api_error,
    scalars::{NameText, Sha256, Time, WholeNumber},
    scope::service,
};

/// A move of an alias: the last one says where it points.
#[derive(Clone, Debug)]
pub(crate) struct AliasMove(pub(crate) MoveValue);

/// A move of an alias: the last one says where it points.
#[Object]
impl AliasMove {
    /// The alias, such as `listed` or `champion`.
    async fn alias(&self) -> &str {
        &self.0.alias
    }

    /// Counts the moves of this alias from 1.
    async fn number(&self) -> i64 {
        self.0.seq
    }

    /// The version that it points at from then on.
    async fn version(&self, context: &Context<'_>) -> Result<Version> {
        service(context)?
            .get_version_by_id(&self.0.version_id)
            .await
            .map(Version)
            .map_err(api_error)
    }

    /// Who moved it; for `listed` the publisher of the version whose evaluation did.
    async fn moved_by(&self) -> NameText {
        NameText(self.0.moved_by.clone())
    }

    /// Why.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// When.
    async fn moved_at(&self) -> Time {
        Time(self.0.moved_at)
    }
}

/// Why an alias stays where it is although evaluations would move it.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Pin {
    /// Why.
    reason: String,
    /// Who set it.
    set_by: NameText,
    /// When.
    set_at: Time,
}

impl From<PinValue> for Pin {
    fn from(value: PinValue) -> Self {
        Self { reason: value.reason, set_by: NameText(value.set_by), set_at: Time(value.set_at) }
    }
}

/// The withdrawal of a version from new use. It stays readable and downloadable.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Yank {
    /// Why.
    reason: String,
    /// Who yanked it.
    yanked_by: NameText,
    /// When.
    yanked_at: Time,
}

impl From<YankValue> for Yank {
    fn from(value: YankValue) -> Self {
        Self {
            reason: value.reason,
            yanked_by: NameText(value.yanked_by),
            yanked_at: Time(value.yanked_at),
        }
    }
}

/// What a version was made from.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Lineage {
    /// The base, by the word of the publisher.
    base: Version,
    /// Bytes of tensors that both have, over all bytes of the version's tensors, from the tensors' keys: measured, whatever was
    /// declared. Null for a version without bytes.
    equal_share: Option<f64>,
    /// When it was declared.
    declared_at: Time,
}

impl From<LineageValue> for Lineage {
    fn from(value: LineageValue) -> Self {
        Self {
            base: Version(value.base),
            equal_share: value.equal_share,
            declared_at: Time(value.declared_at),
        }
    }
}

/// What a checkpoint is made of, whatever its numbers are.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Structure {
    /// Elements of all tensors.
    parameters: WholeNumber,
    /// Element types, as safetensors names them.
    dtypes: Vec<String>,
    /// SHA-256 over sorted names and shapes: equal for every checkpoint of one architecture, whatever the element types.
    signature: Sha256,
}

impl From<StructureView> for Structure {
    fn from(value: StructureView) -> Self {
        Self {
            parameters: WholeNumber(value.parameters),
            dtypes: value.dtypes,
            signature: Sha256(value.signature),
        }
    }
}

/// A revision of what a publisher says about a model.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ModelCard {
    /// Counts the revisions from 1.
    revision: i64,
    /// Markdown.
    text: String,
    /// Licence; null: not stated.
    licence: Option<String>,
    /// Tags.
    tags: Vec<String>,
    /// Who wrote it.
    written_by: NameText,
    /// When.
    written_at: Time,
}

impl From<CardValue> for ModelCard {
    fn from(value: CardValue) -> Self {
        Self {
            revision: value.revision,
            text: value.text,
            licence: value.licence,
            tags: value.tags,
            written_by: NameText(value.written_by),
            written_at: Time(value.written_at),
        }
    }
}

/// A login that may read a private model.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct AccessGrant {
    /// Who may read.
    grantee: NameText,
    /// Who granted it.
    granted_by: NameText,
    /// When.
    granted_at: Time,
}

impl From<GrantValue> for AccessGrant {
    fn from(value: GrantValue) -> Self {
        Self {
            grantee: NameText(value.grantee),
            granted_by: NameText(value.granted_by),
            granted_at: Time(value.granted_at),
        }
    }
}
