//! The record of a strike: everything that the strike was computed from, and what came out, each input named by digest (FUND 6.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{balance::BalanceRoot, commitment::CommitmentFacts, steps};
use crate::{
    amount::{Cash, Femto, Ppb, PriceNano, Shares, Units},
    canonical::{self, CanonicalError},
    digest::Digest,
    fund,
    name::Name,
};

/// A strike as the log keeps it: its canonical JSON is what the leaf names. The form is `schema/strike.schema.json`.
///
/// Amounts are decimal strings of whole steps, and the name of a field says which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrikeRecord {
    /// Version of this form: 1.
    pub record_version: u32,
    /// Digest of the rules.
    pub methodology: Digest,
    /// Where the price of each model comes from.
    pub sources: BTreeMap<Name, PriceSource>,
    /// What follows from the journal.
    pub facts: StrikeFacts,
    /// Root over all balances of shares after the strike; none before there were any.
    pub balances: Option<BalanceRoot>,
    /// Hash of the previous strike's leaf; none for the first.
    pub previous: Option<Digest>,
}

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSource {
    /// Hash of the leaf of the latest decision, whose price and estimate these are.
    pub decision: Digest,
    /// The report of that decision.
    pub report: Digest,
}

/// What [`Watch`](super::Watch) derives from the journal: the same from the same events, on any machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrikeFacts {
    /// The fund.
    pub fund: Name,
    /// The number of the strike, from 1.
    pub number: u64,
    /// The fund's day.
    pub day: i64,
    /// Number of the strike's event in the journal, from 1.
    pub sequence: u64,
    /// Number of the event that closed the book, or, without a commitment, of the last one before the prices were set: no later order is
    /// in this strike.
    pub cut_off: u64,
    /// How its prices were bound; none where nobody committed to them before the cut-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<CommitmentFacts>,
    /// Prices that the strike was computed at, by model; delisted ones are not among them.
    pub prices: BTreeMap<Name, MarkedPrice>,
    /// Cash of the fund, frozen.
    #[serde(rename = "cash_micro", with = "steps")]
    pub cash: Cash,
    /// Units of the fund, frozen, by model.
    #[serde(rename = "units_micro", with = "steps::by_name")]
    pub units: BTreeMap<Name, Units>,
    /// Every order since the last strike, in the order of the journal.
    pub orders: Vec<Order>,
    /// What was charged before the freeze, and the levy.
    pub fees: Fees,
    /// NAV, frozen.
    #[serde(rename = "nav_femto")]
    pub nav: Femto,
    /// NAV at the larger of price and estimate of each name.
    #[serde(rename = "ask_femto")]
    pub ask: Femto,
    /// Shares, frozen.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// NAV per share, rounded down; none beyond the range of a price.
    #[serde(rename = "nav_per_share_nano", with = "steps::optional")]
    pub nav_per_share: Option<PriceNano>,
    /// Subscription orders, filled in the order of placing.
    pub fills: Vec<FillRecord>,
    /// Redemption orders, settled in the order of placing.
    pub slices: Vec<SliceRecord>,
    /// What the instant window paid before the strike, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub window: Vec<WindowRecord>,
    /// The high-water mark after the strike.
    pub high_water: HighWater,
    /// Whether the fund is winding up.
    pub winding: bool,
    /// The index level at the strike's prices; none before the first rebalance.
    #[serde(rename = "level_nano", with = "steps::optional")]
    pub level: Option<PriceNano>,
    /// Weights of the invested part that the methodology gives at the strike's prices; none where its caps leave no room.
    #[serde(rename = "weights_ppb")]
    pub weights: Option<BTreeMap<Name, Ppb>>,
    /// The ledger's chain after the event of the cut-off.
    pub state_before: Digest,
    /// The ledger's chain after the strike's event.
    pub state_after: Digest,
}

/// A price and the estimate beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkedPrice {
    /// The accepted price.
    #[serde(rename = "price_nano", with = "steps")]
    pub price: PriceNano,
    /// The pooled estimate; none where the price stands for it.
    #[serde(rename = "estimate_nano", with = "steps::optional")]
    pub estimate: Option<PriceNano>,
}

impl MarkedPrice {
    /// What joiners pay: the larger of price and estimate.
    #[must_use]
    pub fn ask(&self) -> PriceNano {
        self.estimate.map_or(self.price, |estimate| estimate.max(self.price))
    }
}

/// An order that the strike settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Number of its event in the journal, from 1.
    pub sequence: u64,
    /// What is wanted.
    pub kind: OrderKind,
    /// Micro-credits of a subscription, nano-shares of a redemption or of a request at the window.
    #[serde(with = "steps")]
    pub amount: i64,
    /// Whose.
    pub who: Name,
}

/// What an order wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Shares for cash.
    Subscription,
    /// A slice for shares.
    Redemption,
    /// Cash for shares, at the instant window.
    Window,
}

/// What a strike charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// Days that the management fee was charged for.
    pub days: u64,
    /// Shares made for it.
    #[serde(rename = "management_nano", with = "steps")]
    pub management: Shares,
    /// Shares made for the performance fee.
    #[serde(rename = "performance_nano", with = "steps")]
    pub performance: Shares,
    /// What joiners left in the fund.
    #[serde(rename = "levy_micro", with = "steps")]
    pub levy: Cash,
}

/// NAV and shares of the high-water mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HighWater {
    /// NAV.
    #[serde(rename = "nav_femto")]
    pub nav: Femto,
    /// Shares.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
}

/// What a subscription order received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillRecord {
    /// Whose.
    pub who: Name,
    /// What was ordered for.
    #[serde(rename = "cash_micro", with = "steps")]
    pub cash: Cash,
    /// Shares received.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// What they cost.
    #[serde(rename = "cost_micro", with = "steps")]
    pub cost: Cash,
    /// What stayed in the fund beside it.
    #[serde(rename = "levy_micro", with = "steps")]
    pub levy: Cash,
}

impl From<&fund::Fill> for FillRecord {
    fn from(fill: &fund::Fill) -> Self {
        let fund::Fill { cash, cost, levy, shares, who } = fill;
        Self { who: who.clone(), cash: *cash, shares: *shares, cost: *cost, levy: *levy }
    }
}

/// What a redemption order received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceRecord {
    /// Whose.
    pub who: Name,
    /// Shares given back.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// Cash, at once.
    #[serde(rename = "cash_micro", with = "steps")]
    pub cash: Cash,
    /// Units, to be sold or delivered.
    #[serde(rename = "units_micro", with = "steps::by_name")]
    pub units: BTreeMap<Name, Units>,
}

impl From<&fund::Slice> for SliceRecord {
    fn from(slice: &fund::Slice) -> Self {
        let fund::Slice { cash, shares, units, who } = slice;
        Self { who: who.clone(), shares: *shares, cash: *cash, units: units.clone() }
    }
}

/// What the instant window paid for a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowRecord {
    /// Whose.
    pub who: Name,
    /// Shares asked for.
    #[serde(rename = "requested_nano", with = "steps")]
    pub requested: Shares,
    /// Shares given back, the levy among them; the rest returned.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// Shares whose value stayed in the fund.
    #[serde(rename = "levy_nano", with = "steps")]
    pub levy: Shares,
    /// Cash, at once.
    #[serde(rename = "cash_micro", with = "steps")]
    pub cash: Cash,
}

impl From<&fund::WindowFill> for WindowRecord {
    fn from(fill: &fund::WindowFill) -> Self {
        let fund::WindowFill { cash, levy, requested, shares, who } = fill;
        let (requested, shares) = (*requested, *shares);
        Self { who: who.clone(), requested, shares, levy: *levy, cash: *cash }
    }
}

impl StrikeRecord {
    /// The version of the form that this program writes.
    pub const VERSION: u32 = 1;

    /// The record as canonical JSON.
    ///
    /// # Errors
    /// [`CanonicalError`] for a count or day beyond 2^53 − 1, which the engine never reaches.
    pub fn to_canonical(&self) -> Result<String, CanonicalError> {
        canonical::to_string(self)
    }

    /// The digest of the canonical JSON: what the strike's leaf names.
    ///
    /// # Errors
    /// As [`to_canonical`](Self::to_canonical).
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        canonical::digest_of(self)
    }
}
