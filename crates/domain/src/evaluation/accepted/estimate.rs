//! The pooled estimate of a version over its suite epochs (EVALUATION 5.6, rule 2).

use super::{
    super::{
        acceptance::{LN_ZERO, pooled},
        cost::{CostErrors, cost_index},
        price::{log_sigma, micro, price},
        report::{CostSamples, ratios_of},
    },
    DecisionError, EpochEvidence, VersionEvidence,
};

/// The pooled estimate of a version.
pub(super) struct Estimate {
    pub(super) micro: i64,
    pub(super) sigma: f64,
    pub(super) sigma_cost: f64,
    pub(super) cost_index: f64,
}

impl Estimate {
    pub(super) fn of(version: &VersionEvidence) -> Result<Self, DecisionError> {
        let (index, errors) = match version.cost_held {
            Some(held) => (held, CostErrors::default()),
            None => {
                let samples = CostSamples {
                    rounds: &version.rounds,
                    ln_memory: &version.ln_memory,
                    ln_energy: &version.ln_energy,
                };
                let (ratios, errors) =
                    ratios_of(samples).ok_or(DecisionError::Incomplete("two rounds of cost"))?;
                (cost_index(&ratios), errors)
            }
        };
        let latest = version.epochs.last().ok_or(DecisionError::Incomplete("an epoch"))?;
        let sigma = |e: &EpochEvidence| log_sigma(e.bits, e.q_genesis, index, e.se, &errors);
        // Where several evaluators agreed, their consensus is the epoch's price, and what it has beyond the items is its cost part.
        let ln = |e: &EpochEvidence| match e.agreed {
            Some(agreed) => agreed.ln_price,
            None => libm::log(price(e.bits, e.q_genesis, index)),
        };
        let items = |e: &EpochEvidence| {
            e.agreed.map_or_else(|| sigma(e).items, |agreed| agreed.sigma_items)
        };
        let cost = latest.agreed.map_or_else(|| sigma(latest).cost, |agreed| agreed.sigma_cost);
        let lives = |e: &EpochEvidence| {
            e.agreed.map_or(e.bits > 0.0, |agreed| agreed.ln_price > LN_ZERO + 1e-12)
        };
        // Quality 0 in the latest epoch is a price of 0; older epochs of quality 0 have no logarithm and are left out.
        let live: Vec<&EpochEvidence> = version.epochs.iter().filter(|e| lives(e)).collect();
        let (micro, sigma) = if !lives(latest) || live.len() == 1 {
            // One epoch is its own mean: its integer price, without a detour through ln and exp.
            let credits = price(latest.bits, latest.q_genesis, index);
            let own = latest.agreed.map_or_else(|| micro(credits), |agreed| agreed.price_micro);
            (own, libm::hypot(items(latest), cost))
        } else {
            let epochs: Vec<(f64, f64)> = live.iter().map(|e| (ln(e), items(e))).collect();
            let mean = pooled(&epochs, cost).ok_or(DecisionError::Incomplete("an epoch"))?;
            (micro(libm::exp(mean.ln_price)), mean.sigma)
        };
        Ok(Self { micro, sigma, sigma_cost: cost, cost_index: index })
    }
}
