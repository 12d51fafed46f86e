//! How many rounds a run has, and whether they are what the plan says (EVALUATION 4, rule 2).

use super::{
    ReportError,
    form::CostRound,
    timing::{batch_items, round_logs},
    void::gpu_reason,
};
use crate::evaluation::{
    measurement::{Interrupted, Measurement, RoundMeasurement},
    params::PARAMS,
    statistics::Replicated,
};

pub(super) fn check(measurement: &Measurement, overhead_ms: f64) -> Result<(), ReportError> {
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
        check_marks(round, &field)?;
    }
    check_count(measurement, overhead_ms)
}

/// Refuses marks of interruption that are not one for each draw.
fn check_marks(
    round: &RoundMeasurement,
    field: &dyn Fn(&str) -> String,
) -> Result<(), ReportError> {
    let Some(Interrupted { single_stream, offline }) = &round.interrupted else { return Ok(()) };
    for (name, marks, draws) in [
        ("single_stream", single_stream, round.single_stream.model.len()),
        ("offline", offline, round.offline.model.len()),
    ] {
        if marks.len() != draws || marks.bytes().any(|mark| !matches!(mark, b'0' | b'1')) {
            let reason = format!("{} marks for {draws} draws", marks.len());
            return ReportError::inconsistent(field(&format!("interrupted.{name}")), reason);
        }
    }
    Ok(())
}

/// Whether the plan wants another round after those of `measurement`: the fewest always, then until the 95 % intervals of time and
/// latency are at most 2 % to either side, looked at every eighth round (EVALUATION 4, rule 2).
///
/// Looks are declared beforehand, since whoever looks after every round stops on luck.
#[must_use]
pub fn wants_round(measurement: &Measurement, overhead_ms: f64) -> bool {
    let done = measurement.rounds.len();
    let (least, most) = planned_rounds(measurement);
    if done < least {
        return true;
    }
    let look = (done - least).is_multiple_of(PARAMS.rounds_between_looks);
    done < most && !(look && is_precise(measurement, done, overhead_ms))
}

fn planned_rounds(measurement: &Measurement) -> (usize, usize) {
    let least = measurement.protocol.rounds as usize;
    let most = measurement.protocol.rounds_max.map_or(least, |most| most as usize);
    // Without a reference there is nothing whose precision more rounds would serve.
    if measurement.reference.is_none() { (least, least) } else { (least, most.max(least)) }
}

/// Whether the first `count` rounds are precise.
fn is_precise(measurement: &Measurement, count: usize, overhead_ms: f64) -> bool {
    let items = batch_items(measurement);
    let counted = measurement.rounds.iter().take(count).filter(|r| gpu_reason(r).is_none());
    let logs: Option<Vec<_>> = counted.map(|r| round_logs(r, items, overhead_ms)).collect();
    let within = |log: fn(&CostRound) -> f64| {
        let logs = logs.as_ref().map(|logs| logs.iter().map(log).collect::<Vec<_>>());
        let mean = logs.and_then(|logs| Replicated::of(&logs));
        mean.is_some_and(|mean| {
            let interval = mean.log_interval(0.95);
            interval.high - interval.low <= 2.0 * PARAMS.half_width_max
        })
    };
    within(|round| round.ln_time) && within(|round| round.ln_latency)
}

/// Whether as many rounds were run as the plan says: no fewer, and no more in search of better luck.
fn check_count(measurement: &Measurement, overhead_ms: f64) -> Result<(), ReportError> {
    let done = measurement.rounds.len();
    let (least, most) = planned_rounds(measurement);
    let looks = (least..done).step_by(PARAMS.rounds_between_looks.max(1));
    let mut early = looks.filter(|count| is_precise(measurement, *count, overhead_ms));
    let reason = if done < least || done > most {
        format!("{done} measured, {least} to {most} planned")
    } else if let Some(count) = early.next().filter(|_| most > least) {
        format!("{done} measured; {count} were precise enough, and the plan stops there")
    } else if wants_round(measurement, overhead_ms) {
        format!("{done} measured; the plan wants more")
    } else {
        return Ok(());
    };
    ReportError::inconsistent("rounds", reason)
}
