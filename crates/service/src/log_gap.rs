//! Heads for what happened while nobody signed: a server without the log's key appends leaves, and its strikes need heads between them.
//!
//! A strike proves itself by two heads, one with it and one with the strike before and without it (ops/decisions/0030). Where several
//! strikes stand between two looks of whoever has the key, one head for all of them would leave the later ones without a proof. The
//! subtrees of every earlier size are rows, so the signer signs what the log was after each of these strikes, at the time of signing.

use domain::{
    name::Name,
    proof::{Frontier, LogKey},
    time::Timestamp,
};
use store::{Connection, LogHeadRow, StoreTransaction, log_head, log_leaf};

use crate::{
    ServiceError,
    log::{nodes, number, peaks},
};

/// Leaves read from the database at a time.
const PAGE_LEAVES: u64 = 100;

/// The edge of the log as it was at `size` leaves.
pub(crate) async fn frontier_at<C: Connection>(
    connection: &C,
    size: u64,
) -> Result<Frontier, ServiceError> {
    let edge = peaks(size);
    let known = nodes(connection, &edge).await?;
    let edge = edge.iter().filter_map(|node| known.get(node).copied()).collect();
    Frontier::from_parts(size, edge).map_err(ServiceError::internal)
}

/// Signs the log at an edge.
pub(crate) async fn sign_at(
    transaction: &StoreTransaction,
    key: &LogKey,
    log: &Name,
    edge: &Frontier,
    at: Timestamp,
) -> Result<(), ServiceError> {
    let head = key.sign(log, edge.size(), edge.root(), at).map_err(ServiceError::internal)?;
    let row = LogHeadRow {
        size: number(head.size)?,
        log: head.log.to_string(),
        root: head.root.hex(),
        signed_at: head.at.as_millis(),
        public_key: head.public_key.hex(),
        signature: head.signature,
    };
    Ok(log_head::insert(transaction, row).await?)
}

/// Signs what the log was after each strike that no head has yet, but for a strike that is the last leaf of all.
pub(crate) async fn sign_strikes(
    transaction: &StoreTransaction,
    key: &LogKey,
    log: &Name,
    (signed, size): (u64, u64),
    at: Timestamp,
) -> Result<(), ServiceError> {
    let mut after = number(signed)? - 1;
    loop {
        let page = log_leaf::list_of_kind(transaction, "strike", after, PAGE_LEAVES).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.leaf_index;
        for leaf in &page {
            let with_it = leaf.leaf_index.unsigned_abs() + 1;
            if with_it < size {
                let edge = frontier_at(transaction, with_it).await?;
                sign_at(transaction, key, log, &edge, at).await?;
            }
        }
    }
}
