//! What third parties paid for units of the fund and its leavers, beside the mark, over the last days.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    amount::{PPB_ONE, Ppb, PriceNano, Units},
    fund::{Entry, Kind, Leg, Meta},
    name::Name,
};

/// Days of the fund's clock that a sale counts, its own day included.
pub const WINDOW_DAYS: i64 = 90;

/// Sales of one model on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DaySales {
    day: i64,
    units: i128,
    /// Σ units · clearing price over mark, in ppb.
    weighted: i128,
}

/// The last sale of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSale {
    /// The fund's day.
    pub day: i64,
    /// Clearing price over the mark at that moment, rounded down.
    pub over_mark: Ppb,
}

/// Sales by model, and the days on which there was a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Market {
    sales: BTreeMap<Name, VecDeque<DaySales>>,
    last: BTreeMap<Name, LastSale>,
    batches: VecDeque<i64>,
}

impl Market {
    /// A batch was held on a day, whether or not anybody traded.
    pub(super) fn batch(&mut self, day: i64) {
        if self.batches.back() != Some(&day) {
            self.batches.push_back(day);
        }
        while self.batches.front().is_some_and(|first| !in_window(*first, day)) {
            self.batches.pop_front();
        }
    }

    /// Counts a sale by the fund or by leavers. A purchase is none, from whomever: it says what the fund paid, not what it would get.
    pub(super) fn post(&mut self, entry: &Entry, day: i64, prices: &BTreeMap<Name, PriceNano>) {
        let (Kind::Sell | Kind::LiqSell, Meta::Trade { counterparty, model, price, .. }) =
            (entry.kind, &entry.meta)
        else {
            return;
        };
        let mark = prices.get(model).map_or(0, |mark| i128::from(mark.as_nano()));
        let sold = |leg: &&Leg| leg.to == *counterparty;
        let units = entry.custody.iter().find(sold).map_or(0, |leg| i128::from(leg.amount));
        let ratio = i128::from(price.as_nano()) * i128::from(PPB_ONE);
        let Some(ratio) = ratio.checked_div(mark).filter(|_| units > 0) else { return };
        let over_mark = Ppb::from_ppb(i64::try_from(ratio).unwrap_or(i64::MAX));
        self.last.insert(model.clone(), LastSale { day, over_mark });
        let days = self.sales.entry(model.clone()).or_default();
        let weighted = units.saturating_mul(i128::from(over_mark.as_ppb()));
        match days.back_mut() {
            Some(today) if today.day == day => {
                today.units += units;
                today.weighted = today.weighted.saturating_add(weighted);
            }
            _ => days.push_back(DaySales { day, units, weighted }),
        }
        while days.front().is_some_and(|first| !in_window(first.day, day)) {
            days.pop_front();
        }
    }

    /// The average of clearing price over mark by units, rounded down, at most 1; nothing without a sale in the window.
    pub(super) fn over_mark(&self, model: &Name, day: i64) -> Option<Ppb> {
        let (units, weighted) = self.sum(model, day);
        let average = weighted.checked_div(units)?;
        Some(Ppb::from_ppb(i64::try_from(average).unwrap_or(PPB_ONE).min(PPB_ONE)))
    }

    /// Units sold in the window.
    pub(super) fn sold(&self, model: &Name, day: i64) -> Units {
        Units::from_micro(i64::try_from(self.sum(model, day).0).unwrap_or(i64::MAX))
    }

    /// Batch days that `units` take at what was sold a batch day in the window, rounded up; nothing without a sale.
    pub(super) fn batch_days(&self, model: &Name, units: Units, day: i64) -> Option<u64> {
        if units == Units::ZERO {
            return Some(0);
        }
        let batches = self.batches.iter().filter(|at| in_window(**at, day)).count() as i128;
        let (sold, _) = self.sum(model, day);
        let days = (i128::from(units.as_micro()) * batches + sold - 1).checked_div(sold)?;
        u64::try_from(days).ok()
    }

    pub(super) fn last(&self, model: &Name) -> Option<LastSale> {
        self.last.get(model).copied()
    }

    fn sum(&self, model: &Name, day: i64) -> (i128, i128) {
        let days = self.sales.get(model).into_iter().flatten();
        let days = days.filter(|sales| in_window(sales.day, day));
        days.fold((0, 0), |(units, weighted), sales| {
            (units + sales.units, weighted.saturating_add(sales.weighted))
        })
    }
}

const fn in_window(day: i64, today: i64) -> bool {
    day > today.saturating_sub(WINDOW_DAYS)
}
