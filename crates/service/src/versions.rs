//! Versions: immutable releases of a model, each a checkpoint and the graph that gives it meaning.

use domain::{checkpoint::bind_files, digest::Digest, name::Name, time::Timestamp};
use serde::{Deserialize, Serialize};
use store::{
    AliasMoveRow, Moment, StoreTransaction, VersionRow, alias_move, model_version,
    registered_model, stored_object,
};

use crate::roles::Right;
use crate::{
    Service, ServiceError,
    citing::cite,
    command::{Begun, Request, Unit},
    dealing::record_moment,
    holds::hold_insiders,
    lineage::{VersionName, record_publication},
    log::{NewLeaf, append_leaf},
    models::Model,
    objects::wanted_tensors,
    token::{Caller, Scope},
    visibility::Reader,
};

/// The alias whose version prices a model.
pub const LISTED: &str = "listed";

/// A published version.
#[derive(Clone, Debug)]
pub struct Version {
    /// Row id.
    pub id: String,
    /// The model's row id.
    pub model_id: String,
    /// Counts the versions of the model from 1.
    pub ordinal: i64,
    /// Its name, unique in the model.
    pub name: Name,
    /// SHA-256 of the canonical JSON of model, version, checkpoint and graph ([`PublishVersion`]): by the checkpoint's digest it
    /// covers every byte of weights, index and shards' names included. Card, licence and tags are revisions of the model, and the
    /// declared base is the publisher's word: none of them enters, so that no word changes what a price cites.
    pub digest: Digest,
    /// The safetensors file; of a checkpoint in shards, the document that names index and shards.
    pub checkpoint: Digest,
    /// The weightless graph.
    pub graph: Digest,
    /// Who published it.
    pub published_by: Name,
    /// When.
    pub published_at: Timestamp,
}

impl TryFrom<VersionRow> for Version {
    type Error = ServiceError;

    fn try_from(row: VersionRow) -> Result<Self, ServiceError> {
        Ok(Self {
            id: row.id,
            model_id: row.model_id,
            ordinal: row.ordinal,
            name: row.name.parse().map_err(ServiceError::internal)?,
            digest: row.digest.parse().map_err(ServiceError::internal)?,
            checkpoint: row.checkpoint_digest.parse().map_err(ServiceError::internal)?,
            graph: row.graph_digest.parse().map_err(ServiceError::internal)?,
            published_by: row.published_by.parse().map_err(ServiceError::internal)?,
            published_at: Timestamp::from_millis(row.published_at),
        })
    }
}

/// A publication and what it was made from; without a base it is serialised like the publication alone.
#[derive(Serialize)]
struct Publication<'a> {
    #[serde(flatten)]
    version: &'a PublishVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a VersionName>,
}

/// What is to be published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublishVersion {
    /// The model.
    pub model: Name,
    /// The new version's name.
    pub version: Name,
    /// The stored safetensors file, or the document of stored shards.
    pub checkpoint: Digest,
    /// The stored graph.
    pub graph: Digest,
}

impl Service {
    /// Publishes a version of the caller's model: both objects are stored and bind.
    ///
    /// # Errors
    /// [`ServiceError::Binding`] with the tensor that does not fit, [`ServiceError::Exists`], [`ServiceError::NotOwner`],
    /// [`ServiceError::Absent`].
    pub async fn publish_version(
        &self,
        caller: &Caller,
        key: &str,
        input: &PublishVersion,
    ) -> Result<Version, ServiceError> {
        self.publish_version_from(caller, key, input, None).await
    }

    /// Publishes a version that the caller declares to be made from another one, which he may read.
    ///
    /// # Errors
    /// Those of [`Service::publish_version`]; [`ServiceError::Absent`] for a base that the caller does not see.
    pub async fn publish_version_from(
        &self,
        caller: &Caller,
        key: &str,
        input: &PublishVersion,
        base: Option<&VersionName>,
    ) -> Result<Version, ServiceError> {
        let model = self.get_model_for(caller, &input.model, Right::Maintain).await?;
        let reader = Reader::from(caller);
        // Whoever only knows a digest shall not get its bytes by publishing it.
        self.check_checkpoint_readable(&reader, input.checkpoint).await?;
        self.check_object_readable(&reader, input.graph).await?;
        let base_version = match base {
            Some(name) => Some(self.resolve_base(&reader, name).await?),
            None => None,
        };
        let publication = Publication { version: input, base };
        let request = Request {
            caller,
            scope: &[Scope::Publish],
            key,
            operation: "version_publish",
            input: &publication,
        };
        // The objects are immutable, so they may be checked before the transaction, which then stays short.
        self.check_binding(input.checkpoint, input.graph).await?;
        self.account_for(&[input.checkpoint, input.graph], caller.now).await?;
        let guard = self.ledger.lock().await;
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return self.get_version_by_id(&id).await,
            Begun::Fresh(unit) => unit.about(&model),
        };
        let mut ledger = self.lock_ledger(guard, unit).await?;
        let unit = &ledger.unit;
        cite(&unit.transaction, &[input.checkpoint, input.graph]).await?;
        if model_version::find(&unit.transaction, &model.id, input.version.as_str())
            .await?
            .is_some()
        {
            return Err(ServiceError::Exists {
                kind: "version",
                name: format!("{}/{}", model.name, input.version),
            });
        }
        let row = new_row(unit, &model.id, input).await?;
        model_version::insert(&unit.transaction, row.clone()).await?;
        record_publication(unit, &row.id, input.checkpoint, base_version.as_ref()).await?;
        let told = serde_json::json!({
            "version": input.version, "digest": row.digest, "checkpoint": row.checkpoint_digest,
        });
        let version: Version = row.try_into()?;
        ledger.unit.append_leaf(NewLeaf::publish(&model, &version)).await?;
        let moment = (version.id.as_str(), model.id.as_str());
        record_moment(&ledger.unit.transaction, moment, Moment::Published).await?;
        // What insiders ordered before waits for the strike that knows the version.
        hold_insiders(&mut ledger, &model.name, None).await?;
        ledger.unit.tell(&model, "version.published", told);
        ledger.finish(&format!("{}/{}", model.name, input.version), version.id.clone()).await?;
        Ok(version)
    }

    /// Checks that both objects are registered, of the right kind, and fit tensor by tensor.
    pub(crate) async fn check_binding(
        &self,
        checkpoint: Digest,
        graph: Digest,
    ) -> Result<(), ServiceError> {
        for (field, digest, kind) in [
            ("checkpoint", checkpoint, store::ObjectKind::Checkpoint),
            ("graph", graph, store::ObjectKind::Graph),
        ] {
            let row = stored_object::find(&self.store, &digest.hex()).await?;
            let row = row.ok_or_else(|| ServiceError::absent("object", digest.to_string()))?;
            if row.kind != kind {
                return Err(ServiceError::invalid(
                    field,
                    format!("object {digest} is not of this kind"),
                ));
            }
        }
        let read = self.objects.read(graph).await.map_err(ServiceError::from);
        let wanted = wanted_tensors(&self.absent_if_collected(graph, read).await?)?;
        let headers = self.headers_of(checkpoint).await?;
        bind_files(&headers.iter().collect::<Vec<_>>(), &wanted)?;
        Ok(())
    }

    /// The version of a row id.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_version_by_id(&self, id: &str) -> Result<Version, ServiceError> {
        let row = model_version::find_by_id(&self.store, id).await?;
        row.ok_or_else(|| ServiceError::absent("version", id))?.try_into()
    }

    /// A version of a model by name.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_version(
        &self,
        model: &Model,
        name: &Name,
    ) -> Result<Option<Version>, ServiceError> {
        model_version::find(&self.store, &model.id, name.as_str())
            .await?
            .map(Version::try_from)
            .transpose()
    }

    /// Versions of a model in the order of publication.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_versions(
        &self,
        model: &Model,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Version>, ServiceError> {
        model_version::list(&self.store, &model.id, after, limit)
            .await?
            .into_iter()
            .map(Version::try_from)
            .collect()
    }

    /// The version that an alias points at.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_alias(
        &self,
        model: &Model,
        alias: &str,
    ) -> Result<Option<Version>, ServiceError> {
        match alias_move::current(&self.store, &model.id, alias).await? {
            Some(row) => self.get_version_by_id(&row.version_id).await.map(Some),
            None => Ok(None),
        }
    }
}

async fn new_row(
    unit: &Unit,
    model_id: &str,
    input: &PublishVersion,
) -> Result<VersionRow, ServiceError> {
    Ok(VersionRow {
        id: unit.id("version"),
        model_id: model_id.to_owned(),
        ordinal: model_version::max_ordinal(&unit.transaction, model_id).await?.unwrap_or(0) + 1,
        name: input.version.to_string(),
        digest: version_digest(input)?.hex(),
        checkpoint_digest: input.checkpoint.hex(),
        graph_digest: input.graph.hex(),
        published_by: unit.owner().to_owned(),
        published_at: unit.now(),
    })
}

/// Moves the alias `listed` to a version that has a valid evaluation; the move is a row, and no row if nothing moves.
pub(crate) async fn list_version(
    transaction: &StoreTransaction,
    version: &VersionRow,
    reason: &str,
    now: i64,
) -> Result<(), ServiceError> {
    let current = alias_move::current(transaction, &version.model_id, LISTED).await?;
    if current.as_ref().is_some_and(|row| row.version_id == version.id) {
        return Ok(());
    }
    let row = AliasMoveRow {
        model_id: version.model_id.clone(),
        alias: LISTED.to_owned(),
        seq: current.map_or(1, |row| row.seq + 1),
        version_id: version.id.clone(),
        moved_by: version.published_by.clone(),
        reason: reason.to_owned(),
        moved_at: now,
    };
    alias_move::insert(transaction, row).await?;
    let model = registered_model::get_by_id(transaction, &version.model_id).await?.try_into()?;
    let alias: Name = LISTED.parse().map_err(ServiceError::internal)?;
    let (version, at) = (version.clone().try_into()?, Timestamp::from_millis(now));
    append_leaf(transaction, NewLeaf::alias_move(&model, &alias, &version, at)).await?;
    Ok(())
}

fn version_digest(input: &PublishVersion) -> Result<Digest, ServiceError> {
    domain::canonical::to_string(input)
        .map(|text| Digest::of(text.as_bytes()))
        .map_err(ServiceError::internal)
}
