//! The notional portfolio: what a fund without fees and flows would be worth, if its counterparties took every trade (FUND 2.1, 2.18).

use crate::{
    amount::{Cash, Femto},
    fund::{Methodology, trading},
};

/// 1e9: steps of 1e-15 in a step of cash.
const K: i128 = crate::amount::PPB_ONE as i128;

/// Cash and units, and the rules of the methodology that bear on trades.
pub(super) struct Portfolio {
    cash: i128,
    units: Vec<i128>,
    cash_part: i128,
    reserve: i128,
    spread: i128,
}

impl Portfolio {
    /// All in cash.
    pub(super) fn start(capital: Cash, models: usize, rules: &Methodology) -> Self {
        Self {
            cash: i128::from(capital.as_micro()),
            units: vec![0; models],
            cash_part: i128::from(rules.cash_ppb),
            reserve: i128::from(rules.reserve_micro),
            spread: i128::from(rules.spread_ppb),
        }
    }

    /// `K·cash + Σ q·P`, exact; nothing where it passes 127 bits.
    pub(super) fn nav(&self, row: &[i64]) -> Option<i128> {
        let start = self.cash.checked_mul(K)?;
        self.units
            .iter()
            .zip(row)
            .filter(|(units, _)| **units > 0)
            .try_fold(start, |sum, (units, price)| {
                sum.checked_add(units.checked_mul(i128::from(*price))?)
            })
    }

    /// The same as an amount.
    pub(super) fn nav_femto(&self, row: &[i64]) -> Option<Femto> {
        self.nav(row).map(Femto::from_femto)
    }

    /// Trades to the weights at the prices of `row`: sells first, in the order of the columns, as a fund's rebalance does.
    pub(super) fn rebalance(&mut self, weights: &[u64], row: &[i64]) -> Option<()> {
        let nav = self.nav(row)?;
        let invested = trading::invested(nav, self.cash_part);
        let floor = trading::cash_to_keep(nav, self.cash_part).max(self.reserve);
        let mut purchases = Vec::new();
        for (column, (weight, price)) in weights.iter().zip(row).enumerate() {
            let (price, held) = (i128::from(*price), self.units[column]);
            if price <= 0 {
                continue;
            }
            let target = trading::target_units(invested, i128::from(*weight), price);
            if target < held {
                let traded = trading::selling_price(price, self.spread);
                self.cash = self.cash.checked_add(trading::proceeds(held - target, traded))?;
                self.units[column] = target;
            } else if target > held {
                purchases.push((column, price, target - held));
            }
        }
        for (column, price, wanted) in purchases {
            let traded = trading::buying_price(price, self.spread);
            let units = wanted.min(trading::affordable(self.cash, floor, traded));
            self.cash -= trading::cost(units, traded);
            self.units[column] = self.units[column].checked_add(units)?;
        }
        Some(())
    }
}
