//! The log, and where a strike stands in it.

use async_graphql::{Context, Object, Result, SimpleObject};
use domain::{digest::Digest, proof::SignedHead};
use service::{LogLeaf as LeafValue, StrikeProof as ProofValue};

use crate::{
    error::api_error,
    pagination::{Page, PageArguments},
    scalars::{NameText, Sha256, Time},
    scope::{reader, service},
};

/// The log of everything that prices and strikes rest on: one hash tree (RFC 9162) over typed leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log;

/// The log of everything that prices and strikes rest on: one hash tree (RFC 9162) over typed leaves.
#[Object]
impl Log {
    /// What the log is now, signed. Null before a server has signed it.
    async fn head(&self, context: &Context<'_>) -> Result<Option<LogHead>> {
        let head = service(context)?.log_head().await.map_err(api_error)?;
        Ok(head.map(LogHead::from))
    }

    /// The first signed head of at least so many leaves: whoever kept an older one finds the next. Null where none is that large.
    async fn head_of(&self, context: &Context<'_>, size: i64) -> Result<Option<LogHead>> {
        let head = service(context)?.log_head_of(size).await.map_err(api_error)?;
        Ok(head.map(LogHead::from))
    }

    /// The first leaf with a hash. Null where the log has none.
    async fn leaf(&self, context: &Context<'_>, hash: Sha256) -> Result<Option<LogLeaf>> {
        let found = service(context)?.find_log_leaf(&reader(context)?, hash.0).await;
        Ok(found.map_err(api_error)?.map(LogLeaf::from))
    }

    /// The leaves in order; the cursor is the number of a leaf.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn leaves(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<LogLeaf>> {
        let page = PageArguments::new(first, after)?;
        let (service, reader) = (service(context)?, reader(context)?);
        let rows = service.list_log(&reader, page.after_number()?, page.limit()).await;
        page.page(rows, |leaf| leaf.index.to_string(), LogLeaf::from)
    }

    /// The path from a leaf, by its number from 0, to the root of the log's first `size` leaves.
    #[graphql(complexity = "100")]
    async fn inclusion(&self, context: &Context<'_>, index: i64, size: i64) -> Result<Vec<Sha256>> {
        let path = service(context)?.log_inclusion(index, size).await;
        path.map(hashes).map_err(api_error)
    }

    /// The path that shows the log of `from` leaves inside that of `to`.
    #[graphql(complexity = "100")]
    async fn consistency(&self, context: &Context<'_>, from: i64, to: i64) -> Result<Vec<Sha256>> {
        let path = service(context)?.log_consistency(from, to).await;
        path.map(hashes).map_err(api_error)
    }
}

fn hashes(path: Vec<Digest>) -> Vec<Sha256> {
    path.into_iter().map(Sha256).collect()
}

/// What the log was at a moment, signed with ed25519 over `mf.head.v1`, log, size, root, time and key.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct LogHead {
    /// What the log is called.
    log: NameText,
    /// Leaves.
    size: i64,
    /// Root of the tree.
    root: Sha256,
    /// When, by the server's clock; it never goes back from head to head.
    at: Time,
    /// The log's key, 64 hexadecimal digits; the same for all heads.
    public_key: String,
    /// The signature, 128 hexadecimal digits.
    signature: String,
}

impl From<SignedHead> for LogHead {
    fn from(head: SignedHead) -> Self {
        Self {
            log: NameText(head.log),
            size: i64::try_from(head.size).unwrap_or(i64::MAX),
            root: Sha256(head.root),
            at: Time(head.at),
            public_key: head.public_key.hex(),
            signature: head.signature,
        }
    }
}

/// One entry of the log.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct LogLeaf {
    /// Its number, from 0.
    index: i64,
    /// `publish`, `alias_move`, `yank`, `report`, `accepted_price`, `methodology`, `methodology_adoption`, `methodology_withdrawal`,
    /// `commitment`, `orders`, `strike` or `restatement`.
    kind: String,
    /// The canonical JSON that is hashed; null where it is about a model that the bearer does not see.
    body: Option<String>,
    /// SHA-256 over a zero byte and the JSON.
    hash: Sha256,
    /// When it was appended.
    recorded_at: Time,
}

impl From<LeafValue> for LogLeaf {
    fn from(leaf: LeafValue) -> Self {
        Self {
            index: leaf.index,
            kind: leaf.kind,
            body: leaf.body,
            hash: Sha256(leaf.hash),
            recorded_at: Time(leaf.recorded_at),
        }
    }
}

/// Where a strike stands in the log.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct StrikeProof {
    /// Number of its leaf, from 0.
    leaf_index: i64,
    /// The path from the leaf to the head's root.
    path: Vec<Sha256>,
    /// The first signed head that has the leaf.
    head: LogHead,
}

impl From<ProofValue> for StrikeProof {
    fn from(proof: ProofValue) -> Self {
        Self { leaf_index: proof.leaf_index, path: hashes(proof.path), head: proof.head.into() }
    }
}
