//! From raw nanoseconds to cost ratios (EVALUATION 4, rules 1 to 4).

use super::{
    form::{Control, CostRecord, CostRound, Latencies, Quantile, TimeRecord},
    void::{CONTROL_CONFIDENCE, control_reasons, gpu_reason, model_reasons},
};
use crate::evaluation::{
    cost::{CostErrors, CostRatios, time_ratio},
    measurement::{EnergyBlock, Measurement, RoundMeasurement, Sides, SweepPoint},
    statistics::{Replicated, median, nearest_rank, order_statistic_ranks},
};

pub(super) const NS_PER_MS: f64 = 1e6;

/// The cost of a run, or why it is void.
pub(super) enum Cost {
    Measured(Box<CostRecord>),
    Void(Vec<String>),
}

pub(super) fn median_ns(times: &[u64]) -> Option<f64> {
    let times: Vec<f64> = times.iter().map(|ns| *ns as f64).collect();
    median(&times)
}

/// Items of an offline batch of model and reference: the fastest size of the sweep, or the plan's where there was none.
pub(super) fn batch_items(measurement: &Measurement) -> [f64; 2] {
    let planned = measurement.protocol.offline_batch_items;
    let best = |points: &[SweepPoint]| {
        fastest(points).map_or(f64::from(planned), |point| f64::from(point.items))
    };
    measurement
        .sweep
        .as_ref()
        .map_or([f64::from(planned); 2], |sweep| [best(&sweep.model), best(&sweep.reference)])
}

/// The size with the least time for an item, the smallest of equals; none without times.
#[must_use]
pub fn fastest(points: &[SweepPoint]) -> Option<&SweepPoint> {
    let timed = points.iter().filter_map(|point| Some((point.item_ns()?, point)));
    timed.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.items.cmp(&b.1.items))).map(|(_, point)| point)
}

/// The draws that nothing interrupted, if they are at least half (EVALUATION 4, rule 1); all of them otherwise.
fn clean(sides: &Sides, interrupted: Option<&str>) -> Sides {
    let Some(marks) = interrupted.filter(|marks| marks.len() == sides.model.len()) else {
        return sides.clone();
    };
    let quiet = marks.bytes().filter(|mark| *mark == b'0').count();
    if quiet * 2 < marks.len() {
        return sides.clone();
    }
    let keep = |times: &[u64]| {
        let kept = times.iter().zip(marks.bytes()).filter(|(_, mark)| *mark == b'0');
        kept.map(|(ns, _)| *ns).collect()
    };
    let Sides { model, reference, control } = sides;
    Sides { model: keep(model), reference: keep(reference), control: keep(control) }
}

/// The ratios of one round; none where a side was not timed.
pub(super) fn round_logs(
    round: &RoundMeasurement,
    items: [f64; 2],
    overhead_ms: f64,
) -> Option<CostRound> {
    let marks = round.interrupted.as_ref();
    let single = clean(&round.single_stream, marks.map(|marks| marks.single_stream.as_str()));
    let batches = clean(&round.offline, marks.map(|marks| marks.offline.as_str()));
    let offline = |times: &[u64], items: f64| Some(median_ns(times)? / items / NS_PER_MS);
    let p90 = |times: &[u64]| Some(nearest_rank(times, 0.9)? as f64 / NS_PER_MS);
    let ln = |model, reference| libm::log(time_ratio(model, reference, overhead_ms));
    let ratio = |(control, reference): (&u64, &u64)| {
        ln(*control as f64 / NS_PER_MS, *reference as f64 / NS_PER_MS)
    };
    let control: Vec<f64> = single.control.iter().zip(&single.reference).map(ratio).collect();
    Some(CostRound {
        ln_time: ln(offline(&batches.model, items[0])?, offline(&batches.reference, items[1])?),
        ln_latency: ln(p90(&single.model)?, p90(&single.reference)?),
        ln_control: median(&control)?,
    })
}

/// What the ratios of a run, or of several runs of one version, rest on.
#[derive(Clone, Copy, Debug)]
pub(in crate::evaluation) struct CostSamples<'a> {
    /// Rounds.
    pub rounds: &'a [CostRound],
    /// ln of the memory ratio of each pair of children.
    pub ln_memory: &'a [f64],
    /// ln of the energy ratio of each pair of blocks; empty where it is not measured.
    pub ln_energy: &'a [f64],
}

/// Cost ratios with errors from their replicates; none with fewer than two rounds, or without memory.
pub(in crate::evaluation) fn ratios_of(
    samples: CostSamples<'_>,
) -> Option<(CostRatios, CostErrors)> {
    let over = |log: fn(&CostRound) -> f64| {
        Replicated::of(&samples.rounds.iter().map(log).collect::<Vec<_>>())
    };
    let time = over(|round| round.ln_time)?;
    let latency = over(|round| round.ln_latency)?;
    let memory = match samples.ln_memory {
        [] => return None,
        // One child a side tells no error.
        [one] => (*one, 0.0),
        several => {
            let memory = Replicated::of(several)?;
            (memory.log_mean, memory.log_se)
        }
    };
    let energy = Replicated::of(samples.ln_energy);
    let ratios = CostRatios {
        time: time.ratio(),
        latency: latency.ratio(),
        memory: libm::exp(memory.0),
        energy: energy.as_ref().map(Replicated::ratio),
    };
    let errors = CostErrors {
        time: time.log_se,
        latency: latency.log_se,
        memory: memory.1,
        energy: energy.map(|energy| energy.log_se),
    };
    Some((ratios, errors))
}

/// The cost of the model against the reference, unless the run is void.
pub(super) fn cost(measurement: &Measurement, overhead_ms: f64) -> Cost {
    let items = batch_items(measurement);
    let (mut rounds, mut dropped) = (Vec::new(), Vec::new());
    for round in &measurement.rounds {
        match (gpu_reason(round), round_logs(round, items, overhead_ms)) {
            (Some(reason), _) => dropped.push(format!("round {}: {reason}", round.number)),
            (None, Some(logs)) => rounds.push(logs),
            (None, None) => {
                let reason = "a round has no times of reference or control".to_owned();
                return Cost::Void(vec![reason]);
            }
        }
    }
    if dropped.len() * 2 > measurement.rounds.len() {
        return Cost::Void(dropped);
    }
    let ln_memory = memory_logs(measurement);
    if ln_memory.is_empty() {
        return Cost::Void(vec!["peak memory was not measured on both sides".to_owned()]);
    }
    let ln_energy = energy_logs(measurement);
    let samples = CostSamples { rounds: &rounds, ln_memory: &ln_memory, ln_energy: &ln_energy };
    let control = Replicated::of(&rounds.iter().map(|r| r.ln_control).collect::<Vec<_>>());
    let (Some((ratios, se_ln)), Some(control)) = (ratios_of(samples), control) else {
        let reason = format!("{} rounds give no error of the cost; at least 2", rounds.len());
        return Cost::Void(vec![reason]);
    };
    let mut reasons = control_reasons(&control);
    reasons.extend(model_reasons(measurement, overhead_ms));
    if !reasons.is_empty() {
        return Cost::Void(reasons);
    }
    let interval = control.log_interval(CONTROL_CONFIDENCE);
    let control =
        Control { ln_mean: control.log_mean, ln_low: interval.low, ln_high: interval.high };
    let several = |logs: Vec<f64>| if logs.len() > 1 { logs } else { Vec::new() };
    Cost::Measured(Box::new(CostRecord {
        ratios,
        se_ln,
        rounds,
        dropped,
        ln_memory: several(ln_memory),
        ln_energy,
        batch_items: measurement.sweep.as_ref().map(|_| items.map(|items| items as u32)),
        control,
    }))
}

/// ln of the memory ratio of each pair of children; empty where a side was not measured.
fn memory_logs(measurement: &Measurement) -> Vec<f64> {
    let Some(reference) = &measurement.reference else { return Vec::new() };
    let ln = |model: u64, reference: u64| {
        (model > 0 && reference > 0).then(|| libm::log(model as f64 / reference as f64))
    };
    let model = &measurement.model;
    if !model.peaks.is_empty() && model.peaks.len() == reference.peaks.len() {
        let pairs = model.peaks.iter().zip(&reference.peaks);
        return pairs.map(|(m, r)| ln(*m, *r)).collect::<Option<Vec<_>>>().unwrap_or_default();
    }
    let both = model.peak_bytes.zip(reference.peak_bytes);
    both.and_then(|(model, reference)| ln(model, reference)).into_iter().collect()
}

/// ln of the energy ratio of each pair of blocks; empty where one of them counted nothing.
fn energy_logs(measurement: &Measurement) -> Vec<f64> {
    let item = |block: &EnergyBlock| {
        (block.millijoules > 0 && block.items > 0)
            .then(|| block.millijoules as f64 / block.items as f64)
    };
    let pairs = measurement.energy.iter();
    let logs = pairs.map(|pair| Some(libm::log(item(&pair.model)? / item(&pair.reference)?)));
    logs.collect::<Option<Vec<_>>>().filter(|logs| logs.len() > 1).unwrap_or_default()
}

/// Times of all rounds together; none without rounds.
pub(super) fn times(measurement: &Measurement) -> Option<TimeRecord> {
    let [model_items, reference_items] = batch_items(measurement);
    let all = |pick: fn(&RoundMeasurement) -> &Vec<u64>| {
        measurement.rounds.iter().flat_map(|round| pick(round).iter().copied()).collect::<Vec<_>>()
    };
    let offline =
        |times: Vec<u64>, items: f64| median_ns(&times).map(|median| median / items / NS_PER_MS);
    Some(TimeRecord {
        model: latencies(all(|round| &round.single_stream.model))?,
        reference: latencies(all(|round| &round.single_stream.reference)),
        model_offline_ms: offline(all(|round| &round.offline.model), model_items)?,
        reference_offline_ms: offline(all(|round| &round.offline.reference), reference_items),
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
