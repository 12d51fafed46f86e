//! From raw nanoseconds to cost ratios (EVALUATION 4, rules 1 to 4).

use super::{
    ReportError,
    form::{Control, CostRecord, CostRound, Latencies, Quantile, TimeRecord},
};
use crate::evaluation::{
    cost::{CostErrors, CostRatios, time_ratio},
    measurement::{Measurement, RoundMeasurement},
    params::PARAMS,
    statistics::{Replicated, median, nearest_rank, order_statistic_ranks},
};

const NS_PER_MS: f64 = 1e6;
const CONTROL_CONFIDENCE: f64 = 0.99;

/// The cost of a run, or why it is void.
pub(super) enum Cost {
    Measured(Box<CostRecord>),
    Void(Vec<String>),
}

/// Refuses rounds that contradict the plan, each other or the clock.
pub(super) fn check(measurement: &Measurement) -> Result<(), ReportError> {
    let (rounds, planned) = (measurement.rounds.len(), measurement.protocol.rounds);
    if rounds != planned as usize {
        return ReportError::inconsistent(
            "rounds",
            format!("{rounds} measured, {planned} planned"),
        );
    }
    for (index, round) in measurement.rounds.iter().enumerate() {
        let field = |name: &str| format!("rounds[{index}].{name}");
        if round.number as usize != index {
            return ReportError::inconsistent(field("number"), format!("{}", round.number));
        }
        for (name, sides) in [("single_stream", &round.single_stream), ("offline", &round.offline)]
        {
            let expected = sides.model.len();
            if expected == 0 {
                return ReportError::inconsistent(field(name), "the model has no times");
            }
            for (side, times) in [("reference", &sides.reference), ("control", &sides.control)] {
                if !times.is_empty() && times.len() != expected {
                    let reason = format!("{} times, the model has {expected}", times.len());
                    return ReportError::inconsistent(field(&format!("{name}.{side}")), reason);
                }
            }
            let mut all = sides.model.iter().chain(&sides.reference).chain(&sides.control);
            if all.any(|ns| *ns == 0) {
                return ReportError::inconsistent(field(name), "a time of 0 ns");
            }
        }
    }
    Ok(())
}

fn median_ns(times: &[u64]) -> Option<f64> {
    let times: Vec<f64> = times.iter().map(|ns| *ns as f64).collect();
    median(&times)
}

/// The ratios of one round; none where a side was not timed.
fn round_logs(round: &RoundMeasurement, batch_items: f64, overhead_ms: f64) -> Option<CostRound> {
    let offline = |times: &[u64]| Some(median_ns(times)? / batch_items / NS_PER_MS);
    let p90 = |times: &[u64]| Some(nearest_rank(times, 0.9)? as f64 / NS_PER_MS);
    let (batches, single) = (&round.offline, &round.single_stream);
    let ln = |model, reference| libm::log(time_ratio(model, reference, overhead_ms));
    let ratio = |(control, reference): (&u64, &u64)| {
        ln(*control as f64 / NS_PER_MS, *reference as f64 / NS_PER_MS)
    };
    let control: Vec<f64> = single.control.iter().zip(&single.reference).map(ratio).collect();
    Some(CostRound {
        ln_time: ln(offline(&batches.model)?, offline(&batches.reference)?),
        ln_latency: ln(p90(&single.model)?, p90(&single.reference)?),
        ln_control: median(&control)?,
    })
}

/// Cost ratios with errors from their rounds; none with fewer than two rounds.
pub(in crate::evaluation) fn ratios_of(
    rounds: &[CostRound],
    ln_memory: f64,
) -> Option<(CostRatios, CostErrors)> {
    let over =
        |log: fn(&CostRound) -> f64| Replicated::of(&rounds.iter().map(log).collect::<Vec<_>>());
    let time = over(|round| round.ln_time)?;
    let latency = over(|round| round.ln_latency)?;
    let ratios = CostRatios {
        time: time.ratio(),
        latency: latency.ratio(),
        memory: libm::exp(ln_memory),
        energy: None,
    };
    // Peak bytes are measured once, in a child of their own: they have no error between rounds.
    let errors =
        CostErrors { time: time.log_se, latency: latency.log_se, memory: 0.0, energy: None };
    Some((ratios, errors))
}

/// The cost of the model against the reference, unless the run is void.
pub(super) fn cost(measurement: &Measurement, overhead_ms: f64) -> Cost {
    let batch_items = f64::from(measurement.protocol.offline_batch_items);
    let logs = |round| round_logs(round, batch_items, overhead_ms);
    let Some(rounds) = measurement.rounds.iter().map(logs).collect::<Option<Vec<_>>>() else {
        return Cost::Void(vec!["a round has no times of reference or control".to_owned()]);
    };
    let peak = |side: Option<u64>| side.filter(|bytes| *bytes > 0);
    let model_peak = peak(measurement.model.peak_bytes);
    let reference_peak = measurement.reference.as_ref().and_then(|r| peak(r.peak_bytes));
    let (Some(model_peak), Some(reference_peak)) = (model_peak, reference_peak) else {
        return Cost::Void(vec!["peak memory was not measured on both sides".to_owned()]);
    };
    let ln_memory = libm::log(model_peak as f64 / reference_peak as f64);
    let control = Replicated::of(&rounds.iter().map(|r| r.ln_control).collect::<Vec<_>>());
    let (Some((ratios, se_ln)), Some(control)) = (ratios_of(&rounds, ln_memory), control) else {
        let reason = format!("{} rounds give no error of the cost; at least 2", rounds.len());
        return Cost::Void(vec![reason]);
    };
    let void_reasons = control_reasons(&control);
    if !void_reasons.is_empty() {
        return Cost::Void(void_reasons);
    }
    let interval = control.log_interval(CONTROL_CONFIDENCE);
    let control =
        Control { ln_mean: control.log_mean, ln_low: interval.low, ln_high: interval.high };
    Cost::Measured(Box::new(CostRecord { ratios, se_ln, rounds, control }))
}

/// What the A/A control says against a run (EVALUATION 4, rule 2).
fn control_reasons(control: &Replicated) -> Vec<String> {
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

/// Times of all rounds together; none without rounds.
pub(super) fn times(measurement: &Measurement) -> Option<TimeRecord> {
    let batch_items = f64::from(measurement.protocol.offline_batch_items);
    let all = |pick: fn(&RoundMeasurement) -> &Vec<u64>| {
        measurement.rounds.iter().flat_map(|round| pick(round).iter().copied()).collect::<Vec<_>>()
    };
    let offline =
        |times: Vec<u64>| median_ns(&times).map(|median| median / batch_items / NS_PER_MS);
    Some(TimeRecord {
        model: latencies(all(|round| &round.single_stream.model))?,
        reference: latencies(all(|round| &round.single_stream.reference)),
        model_offline_ms: offline(all(|round| &round.offline.model))?,
        reference_offline_ms: offline(all(|round| &round.offline.reference)),
    })
}

fn latencies(mut times: Vec<u64>) -> Option<Latencies> {
    times.sort_unstable();
    let at = |rank: u64| times.get(rank as usize - 1).map(|ns| *ns as f64 / NS_PER_MS);
    let quantile = |q: f64| {
        let ranks = order_statistic_ranks(times.len() as u64, q, 0.95);
        Some(Quantile {
            ms: nearest_rank(&times, q)? as f64 / NS_PER_MS,
            low: ranks.and_then(|ranks| at(ranks.0)),
            high: ranks.and_then(|ranks| at(ranks.1)),
        })
    };
    Some(Latencies {
        p50: quantile(0.5)?,
        p90: quantile(0.9)?,
        p95: quantile(0.95)?,
        p99: quantile(0.99)?,
    })
}
