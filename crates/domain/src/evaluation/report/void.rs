//! What makes a run void: not noisy, but worth nothing (EVALUATION 4, rules 2, 8 and 12).

use super::timing::{NS_PER_MS, median_ns};
use crate::evaluation::{
    cost::time_ratio,
    measurement::{GpuRound, GpuState, Measurement, RoundMeasurement},
    params::PARAMS,
    statistics::Replicated,
};

/// Confidence of the interval in which the control must hold 0.
pub(super) const CONTROL_CONFIDENCE: f64 = 0.99;

/// What a GPU may say of its clocks without anything being wrong: it idles, or keeps clocks that somebody set.
const HARMLESS: [&str; 3] = ["gpu_idle", "applications_clocks_setting", "none"];

/// What the A/A control says against a run (EVALUATION 4, rule 2).
pub(super) fn control_reasons(control: &Replicated) -> Vec<String> {
    let mut reasons = Vec::new();
    let (mean, limit) = (control.log_mean, PARAMS.control_ln_max);
    if mean.abs() > limit {
        reasons.push(format!("the control reads ln {mean:.6} against itself; at most {limit}"));
    }
    if control.rounds >= PARAMS.control_interval_rounds {
        let interval = control.log_interval(CONTROL_CONFIDENCE);
        if interval.low > 0.0 || interval.high < 0.0 {
            let (low, high) = (interval.low, interval.high);
            reasons.push(format!("the control's 99 % interval {low:.6} to {high:.6} excludes 0"));
        }
    }
    reasons
}

/// What the model's own outputs and times say against a run: it answers otherwise when it is timed, or remembers its answers.
pub(super) fn model_reasons(measurement: &Measurement, overhead_ms: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    let worst = |pick: fn(&crate::evaluation::Apart) -> u64| {
        measurement.rounds.iter().filter_map(|round| round.apart.as_ref().map(pick)).max()
    };
    for (what, ppm) in [
        ("single calls", worst(|apart| apart.single_stream_ppm)),
        ("offline batches", worst(|apart| apart.offline_ppm)),
    ] {
        if let Some(ppm) = ppm.filter(|ppm| *ppm > PARAMS.timed_apart_ppm_max) {
            let (percent, limit) = (ppm as f64 / 1e4, PARAMS.timed_apart_ppm_max as f64 / 1e4);
            reasons.push(format!(
                "outputs of timed {what} lie {percent:.2} % from the scored ones; at most {limit} %"
            ));
        }
    }
    let logs = measurement.rounds.iter().filter_map(|round| repeated_log(round, overhead_ms));
    let logs: Vec<f64> = logs.collect();
    if !logs.is_empty() {
        let ratio = libm::exp(logs.iter().sum::<f64>() / logs.len() as f64);
        let least = PARAMS.repeated_ratio_min;
        if ratio < least {
            reasons.push(format!(
                "one input again and again takes {ratio:.4} of the time of distinct ones; at least {least}"
            ));
        }
    }
    reasons
}

/// ln of repeated over distinct single-item time, t0 included; none where it was not tried.
fn repeated_log(round: &RoundMeasurement, overhead_ms: f64) -> Option<f64> {
    let repeated = median_ns(round.repeated.as_deref()?)? / NS_PER_MS;
    let distinct = median_ns(&round.single_stream.model)? / NS_PER_MS;
    Some(libm::log(time_ratio(repeated, distinct, overhead_ms)))
}

/// Why a round on a GPU counts for nothing (EVALUATION 4, rule 8); none where it counts.
pub(super) fn gpu_reason(round: &RoundMeasurement) -> Option<String> {
    let GpuRound { model, reference, ecc_errors } = round.gpu.as_ref()?;
    let states = std::iter::once(model).chain(reference);
    for state in states.clone() {
        let mut told = state.throttle_reasons.iter().flatten();
        if let Some(reason) = told.find(|reason| !HARMLESS.contains(&reason.as_str())) {
            return Some(format!("the GPU was slowed by {reason}"));
        }
        if let Some(others) = state.processes.filter(|count| *count > 1) {
            return Some(format!("{others} processes computed on the GPU; ours is one"));
        }
    }
    if let Some(errors) = ecc_errors.filter(|errors| *errors > 0) {
        return Some(format!("{errors} memory errors of the GPU were not corrected"));
    }
    let clock = |state: &GpuState| state.sm_clock_mhz.filter(|mhz| *mhz > 0).map(f64::from);
    let (fast, slow) = clock(model).zip(reference.as_ref().and_then(clock))?;
    let apart = (libm::log(fast) - libm::log(slow)).abs();
    (apart > libm::log(1.0 + PARAMS.sm_clock_apart_max))
        .then(|| format!("the GPU ran the model at {fast} MHz and the reference at {slow} MHz"))
}
