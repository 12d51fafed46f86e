//! One fund, followed from its first batch on.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    brinson::{Before, MarkPeriod},
    market::Market,
    moves::{Segment, Standing},
    publishers::Payments,
    sources::Lots,
};
use crate::{
    amount::{Femto, PPB_ONE, Ppb, PriceNano, Shares},
    fund::{Effect, Entry, GlAccount, Kind, Meta, Outcome, Restriction},
    index::IndexLevel,
    name::Name,
};

/// A strike as it was frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrikePoint {
    /// Its number, from 1.
    pub number: u64,
    /// Its day.
    pub day: i64,
    /// NAV after fees, before orders.
    pub nav: Femto,
    /// Shares, frozen with it.
    pub shares: Shares,
    /// The index level at its marks; none before the first rebalance.
    pub level: Option<PriceNano>,
}

/// A strike with the way that led to it.
#[derive(Clone, Debug)]
pub(super) struct Struck {
    pub(super) point: StrikePoint,
    /// From the freeze before to this one.
    pub(super) segment: Segment,
}

/// A moment at which prices counted: a strike, a change of weights, or both.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// The strike; none for weights that changed at other prices than a strike's.
    pub(super) strike: Option<u64>,
    /// Prices that are not those of the row before; none for what was delisted since.
    pub(super) changes: BTreeMap<Name, Option<PriceNano>>,
    /// Whether weights changed at these prices.
    pub(super) rebalanced: bool,
}

/// What is remembered of one fund.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    day: i64,
    paused: bool,
    prices: BTreeMap<Name, PriceNano>,
    /// Prices since the last row.
    changes: BTreeMap<Name, Option<PriceNano>>,
    publishers: BTreeMap<Name, Name>,
    standing: Standing,
    /// The ledger's value of what is held, by model.
    values: BTreeMap<Name, Femto>,
    pub(super) lots: Lots,
    pub(super) market: Market,
    pub(super) payments: Payments,
    level: Option<IndexLevel>,
    /// NAV, purchases and sales of a batch while its entries are read.
    batch: Option<(Femto, [Femto; 2])>,
    open: Segment,
    pub(super) strikes: Vec<Arc<Struck>>,
    pub(super) rows: Vec<Arc<Row>>,
}

impl Trail {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// NAV and shares now: what the ledger says, from the moves alone.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// The fund's day.
    #[must_use]
    pub const fn day(&self) -> i64 {
        self.day
    }

    /// Every strike, in order.
    pub fn strikes(&self) -> impl ExactSizeIterator<Item = &StrikePoint> {
        self.strikes.iter().map(|struck| &struck.point)
    }

    /// The publisher of each model that was admitted.
    #[must_use]
    pub const fn publishers(&self) -> &BTreeMap<Name, Name> {
        &self.publishers
    }

    /// Follows an entry of the fund.
    pub(super) fn post(&mut self, fund: &Name, entry: &Entry, outcome: &Outcome) {
        self.lots.post(fund, entry, outcome);
        self.payments.post(entry);
        self.market.post(entry, self.day, &self.prices);
        if let (Kind::Mark, Meta::Marks { prices, .. }) = (entry.kind, &entry.meta) {
            self.mark(entry, prices);
        }
        self.trade(entry);
        self.standing = self.open.post(fund, entry, self.standing);
        for line in &entry.gl {
            if let GlAccount::Units(model) = &line.account {
                *self.values.entry(model.clone()).or_default() += line.delta;
            }
        }
        if let (Kind::Strike, Meta::Strike { day, epoch, nav, shares, .. }) =
            (entry.kind, &entry.meta)
        {
            self.day = *day;
            self.strike(*epoch, *nav, *shares);
        }
    }

    /// Takes over an effect of the fund, after the entries of its batch.
    pub(super) fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Priced { prices, .. } => {
                for (model, price) in prices {
                    if self.prices.insert(model.clone(), *price) != Some(*price) {
                        self.changes.insert(model.clone(), Some(*price));
                    }
                }
            }
            Effect::Progressed { progress, .. } => self.day = progress.day,
            Effect::Restricted { change: Restriction::Paused(on), .. } => self.paused = *on,
            _ => {}
        }
    }

    pub(super) fn admit(&mut self, model: &Name, publisher: &Name) {
        self.publishers.insert(model.clone(), publisher.clone());
    }

    /// A batch was held with new weights.
    pub(super) fn rebalance(&mut self, weights: &BTreeMap<Name, Ppb>, passes: bool) {
        if !passes {
            // One that waits for bids says nothing of what can be sold on a day.
            self.market.batch(self.day);
        }
        if self.paused || passes {
            // The batch of a pause, or while bids wait, trades nothing: basket and level stay, as in the proof of strikes.
            self.batch = None;
            return;
        }
        let (nav, [bought, sold]) =
            self.batch.take().unwrap_or((self.standing.nav, [Femto::ZERO; 2]));
        self.open.turnover.push(part_of(bought.max(sold), nav));
        let moved = match &mut self.level {
            Some(level) => level.rebase(weights, &self.prices),
            None => IndexLevel::start(weights, &self.prices).map(|level| self.level = Some(level)),
        };
        if moved.is_err() {
            // As for the proof of strikes: there is no level any more.
            self.level = None;
        }
        let changes = std::mem::take(&mut self.changes);
        match self.rows.last_mut().map(Arc::make_mut) {
            Some(row) if changes.is_empty() && !row.rebalanced => row.rebalanced = true,
            _ => self.rows.push(Arc::new(Row { strike: None, changes, rebalanced: true })),
        }
    }

    pub(super) fn lists(&self, model: &Name) -> bool {
        self.prices.contains_key(model)
    }

    /// A model is delisted for ever.
    pub(super) fn delist(&mut self, model: &Name) {
        self.changes.insert(model.clone(), None);
    }

    fn mark(&mut self, entry: &Entry, prices: &BTreeMap<Name, PriceNano>) {
        let Some(basket) = &self.level else { return };
        let gains = entry.gl.iter().filter_map(|line| match &line.account {
            GlAccount::Units(model) => Some((model.clone(), line.delta)),
            _ => None,
        });
        let before = Before {
            nav: self.standing.nav,
            values: &self.values,
            prices: &self.prices,
            publishers: &self.publishers,
            basket,
        };
        self.open.marks.extend(MarkPeriod::of(&before, prices, &gains.collect()));
    }

    /// Counts what the fund buys and sells at the mark.
    fn trade(&mut self, entry: &Entry) {
        let place = match entry.kind {
            Kind::Buy => 0,
            Kind::Sell => 1,
            _ => return,
        };
        let (_, sums) = self.batch.get_or_insert((self.standing.nav, [Femto::ZERO; 2]));
        for line in &entry.gl {
            if matches!(line.account, GlAccount::Units(_)) {
                sums[place] += if line.delta < Femto::ZERO { -line.delta } else { line.delta };
            }
        }
    }

    fn strike(&mut self, number: u64, nav: Femto, shares: Shares) {
        let level = self.level.as_ref().and_then(|level| level.level(&self.prices).ok());
        let point = StrikePoint { number, day: self.day, nav, shares, level };
        let segment = std::mem::take(&mut self.open);
        self.strikes.push(Arc::new(Struck { point, segment }));
        let changes = std::mem::take(&mut self.changes);
        self.rows.push(Arc::new(Row { strike: Some(number), changes, rebalanced: false }));
    }
}

/// A part in ppb, rounded down; nothing of nothing.
pub(super) fn part_of(part: Femto, whole: Femto) -> Ppb {
    use crate::amount::{Rounding, U256, mul_div};
    let size = |value: Femto| value.as_femto().map(|v| U256::from(v.max(0).unsigned_abs()));
    let one = U256::from(PPB_ONE.unsigned_abs());
    let parts = size(part)
        .zip(size(whole))
        .and_then(|(part, whole)| mul_div(part, one, whole, Rounding::Floor));
    Ppb::from_ppb(parts.and_then(|parts| i64::try_from(parts).ok()).unwrap_or(0))
}
