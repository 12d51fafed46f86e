//! Weights under rules that look at the basket that there is: the same `Methodology::plan` as live, over rows.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Target;
use crate::{
    amount::PriceNano,
    fund::{Methodology, MethodologyError, Note, Plan, RebalanceHistory, Review, Reviewed},
    index::DenseLevel,
    name::Name,
};

/// What rebalances leave to one another.
pub(super) struct Ruled<'a> {
    models: &'a [Name],
    publishers: Vec<Name>,
    /// The day of each model's first price, counted from 0: a day is a strike here.
    admitted: Vec<Option<u64>>,
    history: RebalanceHistory,
}

/// A target, and how it came about.
pub(super) struct RuledTarget {
    pub(super) target: Target,
    pub(super) turnover: u64,
    pub(super) notes: Vec<Note>,
}

impl<'a> Ruled<'a> {
    /// Over `models`; one without a publisher is a publisher of its own, by a name that no other has.
    pub(super) fn new(models: &'a [Name], publishers: &BTreeMap<Name, Name>) -> Self {
        let taken: BTreeSet<&Name> = publishers.values().collect();
        let own = |model: &Name| {
            let free =
                |name: &Name| !taken.contains(name) && (name == model || !models.contains(name));
            let other = (0..=taken.len()).filter_map(|n| format!("own-{n}-{model}").parse().ok());
            let mut names = std::iter::once(model.clone()).chain(other);
            names.find(free).unwrap_or_else(|| model.clone())
        };
        let of = |model: &Name| publishers.get(model).cloned().unwrap_or_else(|| own(model));
        Self {
            models,
            publishers: models.iter().map(of).collect(),
            admitted: vec![None; models.len()],
            history: RebalanceHistory::new(),
        }
    }

    /// Remembers which models have a price on day `day`.
    pub(super) fn see(&mut self, day: u64, row: &[i64]) {
        for (admitted, price) in self.admitted.iter_mut().zip(row) {
            if *price >= 0 && admitted.is_none() {
                *admitted = Some(day);
            }
        }
    }

    /// The weights of a rebalance at the prices of `row`.
    pub(super) fn target(
        &mut self,
        rules: &Methodology,
        level: Option<&DenseLevel>,
        (row, is_gone): (&[i64], impl Fn(usize) -> bool),
    ) -> Result<RuledTarget, MethodologyError> {
        let plan = rules.plan(&self.review(level, row, &is_gone))?;
        let mut parts = vec![0; row.len()];
        for (part, model) in parts.iter_mut().zip(self.models) {
            *part = plan.weights.get(model).map_or(0, |w| w.as_ppb().unsigned_abs());
        }
        let priced =
            (0..row.len()).filter(|column| row[*column] >= 0 && !is_gone(*column)).collect();
        let Plan { cash, turnover, notes, history, .. } = plan;
        self.history = history;
        let target = Target { parts, priced, cash: cash.as_ppb().unsigned_abs() };
        Ok(RuledTarget { target, turnover: turnover.as_ppb().unsigned_abs(), notes })
    }

    fn review(
        &self,
        level: Option<&DenseLevel>,
        row: &[i64],
        is_gone: impl Fn(usize) -> bool,
    ) -> Review {
        let (mut models, mut held) = (BTreeMap::new(), BTreeMap::new());
        let quantities = level.map_or(&[][..], DenseLevel::quantities);
        for (column, price) in row.iter().enumerate().filter(|(_, price)| **price >= 0) {
            let name = &self.models[column];
            let reviewed = Reviewed {
                publisher: self.publishers[column].clone(),
                price: PriceNano::from_nano(*price),
                admitted: self.admitted[column].unwrap_or_default(),
            };
            // As live: what is delisted is no candidate, and its basket sells it.
            if !is_gone(column) {
                models.insert(name.clone(), reviewed);
            }
            // A value beyond 128 bits has no level either, which is told before.
            let quantity = quantities.get(column).copied().unwrap_or(0);
            if quantity > 0 {
                let value = quantity.saturating_mul(u128::from(price.unsigned_abs()));
                held.insert(name.clone(), value);
            }
        }
        let left_out = level.map_or(0, DenseLevel::left_out);
        Review { models, held, left_out, history: self.history.clone() }
    }
}
