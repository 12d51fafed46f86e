//! Those whom the instant window paid before a strike: the same shares at the right bid.

use std::collections::BTreeMap;

use super::{RestateError, ceil};
use crate::{
    amount::{Cash, Femto, PriceNano, Shares, Units},
    fund::{
        batch::Batch,
        fund_state::FundState,
        kind::Kind,
        math::K,
        outcome::Outcome,
        state::State,
        window::{Depth, WindowFill, bid_nav},
    },
    name::Name,
};
use num_bigint::BigInt;

/// What the window of a strike dealt at, and what everybody got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowDealt {
    bid: Femto,
    cash: Cash,
    depth: Depth,
    fills: Vec<WindowFill>,
    supply: Shares,
    units: BTreeMap<Name, Units>,
    /// What each was said to be worth.
    worth: BTreeMap<Name, PriceNano>,
}

/// What the window paid an owner, and what it should have paid him for the same shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaverPart {
    /// Whose shares.
    pub who: Name,
    /// Shares that he gave, the levy among them.
    pub shares: Shares,
    /// What he was paid.
    pub paid: Cash,
    /// What he should have been paid.
    pub right: Cash,
    /// What he lost.
    pub loss: Cash,
    /// What he got too much, which is the fund's loss.
    pub gain: Cash,
}

impl WindowDealt {
    /// What a payment is about to deal at.
    #[must_use]
    pub fn before(state: &State, fund: &FundState) -> Self {
        let live = fund.prices().iter().filter(|(model, _)| !state.is_delisted(model));
        let worth = |(model, price): (&Name, &PriceNano)| {
            (model.clone(), worth(*price, fund.estimate(model)))
        };
        Self {
            bid: Femto::ZERO,
            cash: fund.cash(state),
            depth: fund.window.depth.clone(),
            fills: Vec::new(),
            supply: fund.shares(state),
            units: live.clone().map(|(m, _)| (m.clone(), fund.units(state, m))).collect(),
            worth: live.map(worth).collect(),
        }
    }

    /// The same with what the payment of a day did; none where the batch is none.
    #[must_use]
    pub fn paid(self, day: i64, batch: &Batch) -> Option<Self> {
        let Outcome::Window(fills) = &batch.outcome else { return None };
        let fees = batch.entries.iter().filter(|entry| entry.kind == Kind::MgmtFee);
        let made = fees.flat_map(|entry| &entry.custody).map(|leg| i128::from(leg.amount));
        let supply = i128::from(self.supply.as_nano()) + made.sum::<i128>();
        let mut dealt = Self {
            depth: self.depth.at(supply, day),
            fills: fills.clone(),
            supply: Shares::from_nano(i64::try_from(supply).ok()?),
            ..self
        };
        dealt.bid = dealt.bid_at(|model| dealt.worth.get(model).copied().unwrap_or_default());
        Some(dealt)
    }

    /// What it paid at.
    pub(super) const fn bid(&self) -> Femto {
        self.bid
    }

    /// Cash and units at the bid, where units are worth so much.
    pub(super) fn bid_at(&self, worth: impl Fn(&Name) -> PriceNano) -> Femto {
        let units = self.units.iter().map(|(model, units)| (model, i128::from(units.as_micro())));
        Femto::from_femto(bid_nav(&self.depth, i128::from(self.cash.as_micro()), units, worth))
    }

    /// What everybody should have been paid for what he gave. What is too little is rounded up for him, what is too much for the fund.
    pub(super) fn leavers(&self, bid: Femto) -> Result<Vec<LeaverPart>, RestateError> {
        let bid = BigInt::from(bid.as_femto().unwrap_or(i128::MAX));
        let unit = BigInt::from(self.supply.as_nano()) * K;
        let part = |fill: &WindowFill| {
            let net = fill.shares.as_nano() - fill.levy.as_nano();
            let who = fill.who.as_str();
            let least = (&bid * net) / &unit;
            let right = ceil(&(&bid * net), &unit, who)?;
            let paid = BigInt::from(fill.cash.as_micro());
            // Who was paid the right sum, rounded down, has what he should have.
            let short = if paid < least {
                right.as_micro().saturating_sub(fill.cash.as_micro())
            } else {
                0
            };
            let over = ceil(&(&paid - &least).max(BigInt::ZERO), &BigInt::from(1), who)?;
            Ok(LeaverPart {
                who: fill.who.clone(),
                shares: fill.shares,
                paid: fill.cash,
                right,
                loss: Cash::from_micro(short),
                gain: over,
            })
        };
        self.fills.iter().filter(|fill| fill.shares > Shares::ZERO).map(part).collect()
    }
}

/// The smaller of price and estimate.
pub(super) fn worth(price: PriceNano, estimate: Option<PriceNano>) -> PriceNano {
    crate::fund::window::worth(price, estimate)
}
