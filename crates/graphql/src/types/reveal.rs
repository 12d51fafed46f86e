//! Prices that are bound before a cut-off and told after it.

use async_graphql::SimpleObject;
use service::{CutOff as CutOffValue, StrikeCommitment as CommitmentValue};

use crate::scalars::{NameText, Price, Sha256, Time};

/// How the prices of a strike are bound: committed to before the cut-off, so that whoever sets them does not know the orders, and told
/// after it, so that whoever orders does not know the prices.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Commitment {
    /// The strike that it is for.
    number: i64,
    /// SHA-256 over the canonical JSON of fund, number, prices, estimates (decimal texts of 1e-9 credits) and salt. The log has it in a
    /// leaf of kind `commitment`.
    digest: Sha256,
    /// Number of its event in the journal: an order with a larger id met prices that were bound when it was not known.
    event: i64,
    /// When it was made.
    committed_at: Time,
    /// The cut-off. Null while orders are taken.
    cut_off: Option<CutOff>,
    /// The root over the orders of the closed book, each under a salt of its own; the log has it in a leaf of kind `orders`, under a
    /// head that was signed before the prices were told. Null while orders are taken.
    book_root: Option<Sha256>,
    /// When the prices were told. Null while they are not, and for ever where they were withheld: joiners of the book had everything
    /// back then.
    revealed_at: Option<Time>,
    /// What the commitment was salted with, 64 hexadecimal digits. Null where the prices are not told.
    salt: Option<String>,
    /// The prices that were bound. Empty where they are not told.
    prices: Vec<BoundPrice>,
}

/// The cut-off of a strike.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct CutOff {
    /// Number of its event in the journal: an order with a larger id waits for the strike after.
    event: i64,
    /// When.
    at: Time,
    /// Orders in the book; they are settled by this strike and cannot be taken back.
    orders: i64,
}

/// A price that was bound.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BoundPrice {
    /// The model.
    model: NameText,
    /// The accepted price. Null where an estimate alone was bound.
    price: Option<Price>,
    /// The pooled estimate. Null where the price stands for it.
    estimate: Option<Price>,
}

impl From<CutOffValue> for CutOff {
    fn from(value: CutOffValue) -> Self {
        Self { event: value.event, at: Time(value.at), orders: value.orders }
    }
}

impl From<CommitmentValue> for Commitment {
    fn from(value: CommitmentValue) -> Self {
        let told = value.told.as_ref();
        let models =
            told.into_iter().flat_map(|told| told.prices.keys().chain(told.estimates.keys()));
        let models: std::collections::BTreeSet<_> = models.cloned().collect();
        let prices = models.into_iter().map(|model| BoundPrice {
            price: told.and_then(|told| told.prices.get(&model)).copied().map(Price),
            estimate: told.and_then(|told| told.estimates.get(&model)).copied().map(Price),
            model: NameText(model),
        });
        Self {
            number: value.number,
            digest: Sha256(value.digest),
            event: value.event,
            committed_at: Time(value.committed_at),
            book_root: value.cut_off.as_ref().map(|cut_off| Sha256(cut_off.root)),
            revealed_at: told.map(|told| Time(told.at)),
            salt: told.map(|told| told.salt.to_string()),
            prices: prices.collect(),
            cut_off: value.cut_off.map(CutOff::from),
        }
    }
}
