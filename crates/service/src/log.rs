//! The log: what happened, as typed leaves under one hash tree, in the transaction of what they are about (ops/decisions/0030, 0031).
//!
//! Leaves are one sequence under the ledger's lock. The tree is never held in memory: the few finished subtrees at its edge are read,
//! and those that a leaf finishes are written with it. A head is signed by the process that has the key, in the same transaction where
//! it is at hand, otherwise at its next look.

use std::collections::BTreeMap;

use domain::{
    digest::Digest,
    evaluation::{PriceDecision, Report},
    name::Name,
    proof::{
        AcceptedPrice, BookRoot, Frontier, LeafRecord, LogKey, Node, RoundVotes, SignedHead,
        merkle::{consistency_path, inclusion_path},
    },
    time::Timestamp,
};
use store::{
    Connection, LogHeadRow, LogLeafRow, LogNodeRow, StoreTransaction, log_head, log_leaf, log_node,
    model_access,
};

use crate::{
    Service, ServiceError,
    log_gap::{frontier_at, sign_at, sign_strikes},
    models::Model,
    moment::next_moment,
    versions::Version,
    visibility::Reader,
};

/// A leaf that is to be appended.
pub(crate) struct NewLeaf {
    record: LeafRecord,
    /// What it is about, as rows name it: by it the leaf is found again.
    subject: String,
    model_id: Option<String>,
    evidence: Option<String>,
    at: Timestamp,
}

impl NewLeaf {
    fn of_model(record: LeafRecord, subject: String, model_id: &str, at: Timestamp) -> Self {
        Self { record, subject, model_id: Some(model_id.to_owned()), evidence: None, at }
    }

    pub(crate) fn of_fund(record: LeafRecord, subject: String, at: Timestamp) -> Self {
        Self { record, subject, model_id: None, evidence: None, at }
    }

    /// A version was published.
    pub(crate) fn publish(model: &Model, version: &Version) -> Self {
        let at = version.published_at;
        let record = LeafRecord::Publish {
            at,
            model: model.name.clone(),
            version: version.name.clone(),
            checkpoint: version.checkpoint,
            graph: version.graph,
        };
        Self::of_model(record, version.id.clone(), &model.id, at)
    }

    /// An alias points to another version.
    pub(crate) fn alias_move(
        model: &Model,
        alias: &Name,
        version: &Version,
        at: Timestamp,
    ) -> Self {
        let record = LeafRecord::AliasMove {
            at,
            model: model.name.clone(),
            alias: alias.clone(),
            version: version.name.clone(),
            checkpoint: version.checkpoint,
            graph: version.graph,
        };
        Self::of_model(record, format!("{}@{alias}", model.id), &model.id, at)
    }

    /// A version was yanked.
    pub(crate) fn yank(model: &Model, version: &Version, at: Timestamp) -> Self {
        let record = LeafRecord::Yank {
            at,
            model: model.name.clone(),
            version: version.name.clone(),
            checkpoint: version.checkpoint,
            graph: version.graph,
        };
        Self::of_model(record, version.id.clone(), &model.id, at)
    }

    /// A report was recorded.
    pub(crate) fn report(report: &Report, digest: Digest, model_id: &str, at: Timestamp) -> Self {
        let record = LeafRecord::Report {
            at,
            report: digest,
            checkpoint: report.model.digest,
            graph: report.model.graph,
            suite: report.suite.digest,
            samples: report.samples,
            evaluator: report.evaluator.clone(),
        };
        Self::of_model(record, digest.hex(), model_id, at)
    }

    /// A price was decided on; the votes of a round are kept beside the leaf, which names them by digest.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] for numbers that have no canonical JSON.
    pub(crate) fn accepted_price(
        model: &Model,
        seq: i64,
        decision: &PriceDecision,
        votes: Option<&RoundVotes>,
        at: Timestamp,
    ) -> Result<Self, ServiceError> {
        let (name, number) = (model.name.clone(), seq.unsigned_abs());
        let accepted = AcceptedPrice::of(at, name, number, decision, votes);
        let record = LeafRecord::AcceptedPrice(accepted.map_err(ServiceError::internal)?);
        let evidence = votes.map(domain::canonical::to_string).transpose();
        let leaf = Self::of_model(record, decision_subject(&model.id, seq), &model.id, at);
        Ok(Self { evidence: evidence.map_err(ServiceError::internal)?, ..leaf })
    }

    /// A fund has rules.
    pub(crate) fn methodology(fund: &Name, methodology: Digest, at: Timestamp) -> Self {
        let fund = fund.clone();
        let subject = fund.to_string();
        let record = LeafRecord::Methodology { at, effective_day: None, fund, methodology };
        Self::of_fund(record, subject, at)
    }

    /// A fund will have rules, from a day on.
    pub(crate) fn announcement(
        fund: &Name,
        subject: String,
        methodology: Digest,
        (effective_day, at): (i64, Timestamp),
    ) -> Self {
        let (fund, effective_day) = (fund.clone(), Some(effective_day));
        let record = LeafRecord::Methodology { at, effective_day, fund, methodology };
        Self::of_fund(record, subject, at)
    }

    /// The prices of a strike to come are bound.
    pub(crate) fn commitment(fund: &Name, number: u64, commitment: Digest, at: Timestamp) -> Self {
        let record = LeafRecord::Commitment { at, fund: fund.clone(), number, commitment };
        Self::of_fund(record, format!("{fund}/{number}"), at)
    }

    /// The book of a strike to come is closed.
    pub(crate) fn orders(
        (fund, number): (&Name, u64),
        commitment: Digest,
        (cut_off, book): (u64, BookRoot),
        at: Timestamp,
    ) -> Self {
        let (subject, fund) = (format!("{fund}/{number}"), fund.clone());
        let BookRoot { root, count } = book;
        let record = LeafRecord::Orders { at, fund, number, commitment, cut_off, root, count };
        Self::of_fund(record, subject, at)
    }

    /// A fund was struck; behind the record's digest stands that of its root over balances.
    pub(crate) fn strike(
        fund: &Name,
        number: u64,
        (record, balances): (Digest, Option<Digest>),
        at: Timestamp,
    ) -> Self {
        let (subject, fund) = (format!("{fund}/{number}"), fund.clone());
        Self::of_fund(LeafRecord::Strike { at, fund, number, record, balances }, subject, at)
    }

    /// A strike was restated; `at` is when it was known.
    pub(crate) fn restatement(
        fund: &Name,
        (strike, number): (u64, u64),
        record: Digest,
    ) -> impl FnOnce(Timestamp) -> Self {
        let fund = fund.clone();
        move |at| {
            let subject = format!("{fund}/{strike}/{number}");
            let leaf = LeafRecord::Restatement { at, fund, strike, number, record };
            Self::of_fund(leaf, subject, at)
        }
    }
}

/// How the leaf of a decision is found.
pub(crate) fn decision_subject(model_id: &str, seq: i64) -> String {
    format!("{model_id}/{seq}")
}

/// Appends a leaf in the transaction of what it is about; it takes the ledger's lock until that ends.
pub(crate) async fn append_leaf(
    transaction: &StoreTransaction,
    new: NewLeaf,
) -> Result<(), ServiceError> {
    transaction.lock_ledger().await?;
    let body = new.record.to_canonical().map_err(ServiceError::internal)?;
    let hash = new.record.hash().map_err(ServiceError::internal)?;
    let mut edge = frontier(transaction).await?;
    let row = LogLeafRow {
        leaf_index: number(edge.size())?,
        kind: new.record.kind().to_owned(),
        subject: new.subject,
        model_id: new.model_id,
        body,
        evidence: new.evidence,
        leaf_hash: hash.hex(),
        recorded_at: new.at.as_millis(),
    };
    log_leaf::insert(transaction, row).await?;
    let finished = edge.append(hash).into_iter().map(|(node, hash)| {
        let (level, node_index) = place(node)?;
        Ok(LogNodeRow { level, node_index, hash: hash.hex() })
    });
    let finished = finished.collect::<Result<Vec<_>, ServiceError>>()?;
    Ok(log_node::insert_all(transaction, finished).await?)
}

pub(crate) fn number(size: u64) -> Result<i64, ServiceError> {
    i64::try_from(size).map_err(ServiceError::internal)
}

fn place(node: Node) -> Result<(i64, i64), ServiceError> {
    Ok((i64::from(node.level), number(node.index)?))
}

/// The complete subtrees of a tree of `size` leaves, the largest first.
pub(crate) fn peaks(size: u64) -> Vec<Node> {
    let (mut start, mut nodes) = (0, Vec::new());
    for level in (0..u64::BITS).rev().filter(|level| (size >> level) & 1 == 1) {
        nodes.push(Node { level, index: start >> level });
        start += 1 << level;
    }
    nodes
}

/// The edge of the log as its rows have it.
async fn frontier<C: Connection>(connection: &C) -> Result<Frontier, ServiceError> {
    frontier_at(connection, log_leaf::size(connection).await?.unsigned_abs()).await
}

pub(crate) async fn nodes<C: Connection>(
    connection: &C,
    wanted: &[Node],
) -> Result<BTreeMap<Node, Digest>, ServiceError> {
    let places = wanted.iter().map(|node| place(*node)).collect::<Result<Vec<_>, _>>()?;
    let rows = log_node::list(connection, &places).await?;
    let node = |row: LogNodeRow| {
        let level = u32::try_from(row.level).map_err(ServiceError::internal)?;
        let node = Node { level, index: row.node_index.unsigned_abs() };
        Ok((node, row.hash.parse().map_err(ServiceError::internal)?))
    };
    rows.into_iter().map(node).collect()
}

/// A path out of the rows: `derive` is asked twice, first for the subtrees that it reads, then with them.
async fn path<C: Connection>(
    connection: &C,
    derive: impl Fn(&mut dyn FnMut(Node) -> Option<Digest>) -> Option<Vec<Digest>> + Send + Sync,
) -> Result<Option<Vec<Digest>>, ServiceError> {
    let mut wanted = Vec::new();
    let any = Digest::from_bytes([0; 32]);
    let noted = derive(&mut |node| {
        wanted.push(node);
        Some(any)
    });
    if noted.is_none() {
        return Ok(None);
    }
    let known = nodes(connection, &wanted).await?;
    let path = derive(&mut |node| known.get(&node).copied());
    path.map(Some).ok_or_else(|| ServiceError::internal("a subtree of the log is not there"))
}

/// The path of a leaf in the log of `size` leaves; none where it is not in it.
pub(crate) async fn inclusion<C: Connection>(
    connection: &C,
    index: u64,
    size: u64,
) -> Result<Option<Vec<Digest>>, ServiceError> {
    path(connection, |read| inclusion_path(index, size, read)).await
}

/// The path from the log of `old` leaves to that of `new`; none where it shrank.
pub(crate) async fn consistency<C: Connection>(
    connection: &C,
    old: u64,
    new: u64,
) -> Result<Option<Vec<Digest>>, ServiceError> {
    path(connection, |read| consistency_path(old, new, read)).await
}

/// Signs what the log is now, if nothing signed it yet, under the ledger's lock.
///
/// A log has one key for ever: a process with another one signs nothing, and says so. Time does not go back from head to head.
/// Each strike since the last head gets a head of its own first.
pub(crate) async fn sign_head(
    transaction: &StoreTransaction,
    key: &LogKey,
    now: Timestamp,
) -> Result<bool, ServiceError> {
    transaction.lock_ledger().await?;
    let edge = frontier(transaction).await?;
    let latest = log_head::latest(transaction).await?;
    let public = key.public().map_err(ServiceError::internal)?.hex();
    let (log, at) = match &latest {
        Some(latest) if latest.size.unsigned_abs() >= edge.size() => return Ok(false),
        Some(latest) if latest.public_key != public => {
            tracing::error!(
                log_key = latest.public_key,
                own_key = public,
                "the log has another key; its heads are left to whoever has it"
            );
            return Ok(false);
        }
        Some(latest) => {
            let before = Timestamp::from_millis(latest.signed_at);
            (latest.log.parse().map_err(ServiceError::internal)?, now.max(before))
        }
        None => (log_name(&public)?, now),
    };
    let signed = latest.map_or(0, |latest| latest.size.unsigned_abs());
    sign_strikes(transaction, key, &log, (signed, edge.size()), at).await?;
    sign_at(transaction, key, &log, &edge, at).await?;
    Ok(true)
}

/// What a log is called: after its first key, so that no two installations' logs have one name.
fn log_name(public_key: &str) -> Result<Name, ServiceError> {
    let digits: String = public_key.chars().take(16).collect();
    format!("log-{digits}").parse().map_err(ServiceError::internal)
}

/// A head as it was signed.
pub(crate) fn read_head(row: LogHeadRow) -> Result<SignedHead, ServiceError> {
    Ok(SignedHead {
        log: row.log.parse().map_err(ServiceError::internal)?,
        size: row.size.unsigned_abs(),
        root: row.root.parse().map_err(ServiceError::internal)?,
        at: Timestamp::from_millis(row.signed_at),
        public_key: row.public_key.parse().map_err(ServiceError::internal)?,
        signature: row.signature,
    })
}

/// A leaf as somebody may read it.
#[derive(Clone, Debug)]
pub struct LogLeaf {
    /// Its number, from 0.
    pub index: i64,
    /// Its kind.
    pub kind: String,
    /// The canonical JSON that is hashed; none where the leaf is about a model that the reader does not see.
    pub body: Option<String>,
    /// Its hash.
    pub hash: Digest,
    /// When it was appended.
    pub recorded_at: Timestamp,
}

impl Service {
    /// Signs what was appended since the last head; `false` where there is nothing, or this process has no key.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails; the next call signs.
    pub async fn sign_log(&self, now: Timestamp) -> Result<bool, ServiceError> {
        let Some(key) = &self.log_key else { return Ok(false) };
        // The look costs no lock: most of the time there is nothing to sign.
        let size = log_leaf::size(&self.store).await?;
        if log_head::latest(&self.store).await?.is_some_and(|head| head.size >= size) {
            return Ok(false);
        }
        let transaction = self.store.begin().await?;
        transaction.lock_ledger().await?;
        // Later than what was recorded: an answer about a moment before this does not know the head.
        let at = next_moment(&transaction, now).await?;
        let signed = sign_head(&transaction, key, at).await?;
        if signed {
            transaction.commit().await?;
        }
        Ok(signed)
    }

    /// The latest signed head; none before a server has signed one.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn log_head(&self) -> Result<Option<SignedHead>, ServiceError> {
        log_head::latest(&self.store).await?.map(read_head).transpose()
    }

    /// Leaves in order after a number, at most `limit`; all hashes, and the text of what the reader may see.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_log(
        &self,
        reader: &Reader,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<LogLeaf>, ServiceError> {
        let mut seen = BTreeMap::new();
        let mut leaves = Vec::new();
        for row in log_leaf::list(&self.store, after, limit).await? {
            let is_seen = match &row.model_id {
                None => true,
                Some(id) => match seen.get(id) {
                    Some(is_seen) => *is_seen,
                    None => {
                        let found =
                            model_access::find_by_id(&self.store, reader.reading(), id).await?;
                        seen.insert(id.clone(), found.is_some());
                        found.is_some()
                    }
                },
            };
            leaves.push(LogLeaf {
                index: row.leaf_index,
                kind: row.kind,
                body: is_seen.then_some(row.body),
                hash: row.leaf_hash.parse().map_err(ServiceError::internal)?,
                recorded_at: Timestamp::from_millis(row.recorded_at),
            });
        }
        Ok(leaves)
    }

    /// The path from a leaf to the root of the log of its first `size` leaves.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] where the log has no such leaf or size.
    pub async fn log_inclusion(&self, index: i64, size: i64) -> Result<Vec<Digest>, ServiceError> {
        self.check_size("size", size).await?;
        let refused = || {
            let reason = format!("leaf {index} is not among the first {size}");
            ServiceError::invalid("index", reason)
        };
        let at = u64::try_from(index).map_err(|_| refused())?;
        inclusion(&self.store, at, size.unsigned_abs()).await?.ok_or_else(refused)
    }

    /// The path that shows the log of `from` leaves inside that of `to`.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] where the log is not that large, or `from` is more than `to`.
    pub async fn log_consistency(&self, from: i64, to: i64) -> Result<Vec<Digest>, ServiceError> {
        self.check_size("to", to).await?;
        let refused = || {
            ServiceError::invalid(
                "from",
                format!("is {from}; expected at most {to}, and none below 0"),
            )
        };
        let old = u64::try_from(from).map_err(|_| refused())?;
        consistency(&self.store, old, to.unsigned_abs()).await?.ok_or_else(refused)
    }

    async fn check_size(&self, field: &'static str, size: i64) -> Result<(), ServiceError> {
        let most = log_leaf::size(&self.store).await?;
        if (0..=most).contains(&size) {
            return Ok(());
        }
        Err(ServiceError::invalid(field, format!("is {size}; the log has {most} leaves")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the subtrees at the edge are those that the tree itself has there, at every size.
    #[test]
    fn edges_are_those_of_the_tree() {
        let mut edge = Frontier::new();
        let mut known = BTreeMap::new();
        for size in 1..=130_u8 {
            known.extend(edge.append(Digest::of(&[size])));
            let found: Vec<Digest> = peaks(edge.size()).iter().map(|node| known[node]).collect();
            assert_eq!(found, edge.peaks(), "of {size} leaves");
        }
    }
}
