//! The cost index: what a model costs to run, against the reference on the same machine (EVALUATION 5.4).

use serde::{Deserialize, Serialize};

use super::params::PARAMS;

/// Ratios model/reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRatios {
    /// Offline time for a sample, by [`time_ratio`].
    pub time: f64,
    /// Single-stream p90, by [`time_ratio`].
    pub latency: f64,
    /// Peak bytes.
    pub memory: f64,
    /// Energy for a sample; none where it is not measured: time then has its weight too.
    pub energy: Option<f64>,
}

/// Standard errors of ln of the [`CostRatios`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostErrors {
    /// Of time.
    pub time: f64,
    /// Of latency.
    pub latency: f64,
    /// Of memory.
    pub memory: f64,
    /// Of energy; none where it is not measured.
    pub energy: Option<f64>,
}

/// (model + t0)/(reference + t0), all in milliseconds.
#[must_use]
pub fn time_ratio(model_ms: f64, reference_ms: f64, overhead_ms: f64) -> f64 {
    (model_ms + overhead_ms) / (reference_ms + overhead_ms)
}

/// The cost index c = Π ratio^α; each ratio counts at least as 2^−6, dearer is never clamped.
#[must_use]
pub fn cost_index(ratios: &CostRatios) -> f64 {
    let alpha = PARAMS.alpha;
    let log = |ratio: f64| libm::log2(ratio).max(PARAMS.ratio_floor_log2);
    let (energy, time_alpha) = match ratios.energy {
        Some(energy) => (alpha.energy * log(energy), alpha.time),
        None => (0.0, alpha.time + alpha.energy),
    };
    let rest = alpha.latency * log(ratios.latency) + alpha.memory * log(ratios.memory);
    libm::exp2(energy + rest + time_alpha * log(ratios.time))
}
