//! A report's price as a function of how often each item counts: what a bootstrap of the suite's cases needs.

use super::{
    Report,
    scoring::{Rules, Signed, is_share, outcomes, signed},
    verify::recorded_suite,
};
use crate::{
    evaluation::{
        measurement::{Measurement, SubjectMeasurement},
        price::{price, price_slope},
        quality::{TaskQuality, q_choice, quality},
    },
    suite::Suite,
};

/// One subject's quality as a function of how often each item counts.
#[derive(Clone, Debug, PartialEq)]
struct ItemQuality {
    signed: f64,
    se: f64,
    /// Bits by which each item moves quality, without their mean.
    influence: Vec<f64>,
    /// Which items were right, where quality follows from their share, and what a blind answer gets.
    share: Option<(Vec<bool>, f64)>,
}

impl ItemQuality {
    fn of(rules: Rules<'_>, subject: &SubjectMeasurement) -> Option<Self> {
        let Signed { q, se, mut influence, .. } = signed(rules, subject)?;
        let Suite { task, metric, .. } = *rules.suite;
        let mean = influence.iter().sum::<f64>() / influence.len().max(1) as f64;
        influence.iter_mut().for_each(|value| *value -= mean);
        let right = outcomes(task, metric, subject).filter(|_| is_share(metric));
        let share = right.zip(rules.chance);
        let share =
            share.map(|(right, chance)| (right.bytes().map(|byte| byte == b'1').collect(), chance));
        Some(Self { signed: q, se, influence, share })
    }

    /// Quality where each item counts so many times: exact for a share, to the first order for what is none.
    fn resampled(&self, times: &[u32]) -> f64 {
        match &self.share {
            Some((right, chance)) => {
                let counted = right.iter().zip(times).filter(|(right, _)| **right);
                let k = counted.map(|(_, times)| u64::from(*times)).sum();
                q_choice(k, right.len() as u64, *chance)
            }
            None => {
                let moved = self.influence.iter().zip(times);
                let sum = moved.map(|(value, times)| value * f64::from(*times)).sum::<f64>();
                self.signed + sum / self.influence.len().max(1) as f64
            }
        }
    }
}

/// What a report's price rests on, item by item: the model's and its references' outcomes on the same items, and the price formula with the
/// report's own cost index and anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemPrice {
    model: ItemQuality,
    /// None of those whose outputs are no finite numbers.
    references: Vec<Option<ItemQuality>>,
    /// The model is the reference itself: it has no difference to itself.
    same: bool,
    bits: f64,
    q_genesis: f64,
    cost_index: f64,
}

impl ItemPrice {
    /// Reads what a report's price rests on out of its measurement; nothing where it has no price, or its metric no items.
    #[must_use]
    pub fn of(report: &Report, measurement: &Measurement) -> Option<Self> {
        report.price_micro?;
        let suite = recorded_suite(report);
        let rules = Rules { suite: &suite, chance: report.suite.chance };
        let model = ItemQuality::of(rules, &measurement.model)?;
        let first = measurement.reference.as_ref()?;
        let panel = &measurement.panel;
        let member = |subject: &SubjectMeasurement| {
            ItemQuality::of(rules, subject).filter(|_| subject.finite)
        };
        let references: Vec<_> = std::iter::once(first).chain(panel).map(member).collect();
        let items = model.influence.len();
        let fits = |member: &ItemQuality| member.influence.len() == items;
        if items == 0 || !references.iter().flatten().all(fits) {
            return None;
        }
        let bytes = |subject: &SubjectMeasurement| (subject.checkpoint, subject.graph);
        Some(Self {
            same: panel.is_empty() && bytes(&measurement.model) == bytes(first),
            model,
            references,
            bits: report.quality_bits?,
            q_genesis: report.suite.q_genesis?,
            cost_index: report.cost_index?,
        })
    }

    /// Items, or documents.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.model.influence.len()
    }

    /// The price in credits where each item counts so many times, at the report's cost index; with all of them once it is the report's.
    #[must_use]
    pub fn price(&self, times: &[u32]) -> f64 {
        let of = |member: &Option<ItemQuality>| member.as_ref().map_or(0.0, |m| m.resampled(times));
        let q_ref = self.references.iter().map(of).sum::<f64>() / self.references.len() as f64;
        let q = if self.same { q_ref } else { self.model.resampled(times) };
        let task = TaskQuality { weight: 1.0, q, se: self.model.se, q_ref };
        let bits = quality(&[task], self.q_genesis).map_or(0.0, |quality| quality.bits);
        price(bits, self.q_genesis, self.cost_index)
    }

    /// d ln P / dQ at the report's quality.
    #[must_use]
    pub fn slope(&self) -> f64 {
        price_slope(self.bits, self.q_genesis, self.cost_index)
    }

    /// Bits by which each item moves the difference of model and references, with mean 0.
    #[must_use]
    pub fn difference(&self) -> Vec<f64> {
        if self.same {
            return vec![0.0; self.items()];
        }
        let references = self.references();
        self.model.influence.iter().zip(references).map(|(own, theirs)| own - theirs).collect()
    }

    /// Bits by which each item moves the mean of the references, with mean 0.
    #[must_use]
    pub fn references(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.items()];
        for member in self.references.iter().flatten() {
            for (sum, value) in mean.iter_mut().zip(&member.influence) {
                *sum += value / self.references.len() as f64;
            }
        }
        mean
    }
}
