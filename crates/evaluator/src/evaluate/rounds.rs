//! What is measured beside the answers: memory, batch sizes, times, energy.

use std::iter;

use domain::evaluation::{
    EnergyPair, Measurement, RoundMeasurement, SubjectMeasurement, Sweep, SweepPoint,
    report::{fastest, wants_round},
};

use super::{Evaluator, Launched, read_outputs, wrong_answer};
use crate::{
    error::{EvaluationError, Stage},
    outputs::apart,
    protocol::{Answer, Task, outputs_file},
    subject::Prepared,
    timing::Random,
};

/// Streams of random numbers: rounds have their number, the rest what no round has.
const ENERGY_STREAM: u64 = u64::MAX;

impl Evaluator<'_> {
    /// Fills in memory, sweep, rounds and energy.
    pub(super) fn time(&self, measurement: &mut Measurement) -> Result<(), EvaluationError> {
        self.measure_memory(measurement)?;
        if self.sweeps() {
            let reference = match &self.reference {
                Some(reference) => self.sweep(reference)?,
                None => Vec::new(),
            };
            measurement.sweep = Some(Sweep { model: self.sweep(&self.model)?, reference });
        }
        let sizes = self.offline_items(measurement);
        let overhead_ms = self.request.suite.cost.overhead_ms;
        while wants_round(measurement, overhead_ms) {
            let number = u32::try_from(measurement.rounds.len()).unwrap_or(u32::MAX);
            measurement.rounds.push(self.round(number, sizes)?);
        }
        if self.measures_energy() {
            measurement.energy = self.energy(sizes)?;
        }
        Ok(())
    }

    /// Whether batch sizes are tried: without rounds there is nothing to try them for.
    pub(super) fn sweeps(&self) -> bool {
        !self.request.protocol.sweep.is_empty() && self.request.protocol.rounds > 0
    }

    /// Whether energy is asked for and there is a device that may count it.
    pub(super) fn measures_energy(&self) -> bool {
        let protocol = &self.request.protocol;
        protocol.rounds > 0
            && protocol.energy_pairs.is_some()
            && self.request.device.cuda().is_some()
            && self.reference.is_some()
    }

    /// Peak memory of both sides, child after child in turns, so that a drift of the machine meets both.
    ///
    /// On the processor both sides' children run at the same time: each has its memory to itself and nothing is timed. A device's
    /// memory is counted for all processes together, so there they take turns.
    fn measure_memory(&self, measurement: &mut Measurement) -> Result<(), EvaluationError> {
        let (mut model, mut reference) = (Vec::new(), Vec::new());
        for _ in 0..self.request.protocol.memory_children.unwrap_or(1) {
            let first = self.launch_memory(&self.model)?;
            let Some(prepared) = &self.reference else {
                model.push(self.peak_bytes(first)?);
                continue;
            };
            if self.request.device.cuda().is_some() {
                model.push(self.peak_bytes(first)?);
                reference.push(self.peak_bytes(self.launch_memory(prepared)?)?);
            } else {
                let second = self.launch_memory(prepared)?;
                model.push(self.peak_bytes(first)?);
                reference.push(self.peak_bytes(second)?);
            }
        }
        put_peaks(&mut measurement.model, &model);
        if let Some(measured) = &mut measurement.reference {
            put_peaks(measured, &reference);
        }
        Ok(())
    }

    fn launch_memory(&self, subject: &Prepared) -> Result<Launched, EvaluationError> {
        let offline_batch_items = u64::from(self.request.protocol.offline_batch_items);
        let task = Task::Memory { subject: subject.job(), offline_batch_items };
        self.launch(Stage::Memory(subject.side), task, &[subject])
    }

    fn peak_bytes(&self, launched: Launched) -> Result<Option<u64>, EvaluationError> {
        let stage = launched.stage;
        match self.collect(launched)?.0 {
            Answer::Memory { peak_bytes } => Ok(peak_bytes),
            _ => Err(wrong_answer(stage)),
        }
    }

    /// Times of one side by batch size. Where memory ends the child instead of a call, fewer sizes are tried.
    fn sweep(&self, subject: &Prepared) -> Result<Vec<SweepPoint>, EvaluationError> {
        let stage = Stage::Sweep(subject.side);
        let mut sizes = self.request.protocol.sweep.clone();
        loop {
            let task = Task::Sweep { subject: subject.job_of_any_size(), sizes: sizes.clone() };
            match self.child(stage, task, &[subject]) {
                Ok((Answer::Sweep { points }, _)) => return Ok(points),
                Ok(_) => return Err(wrong_answer(stage)),
                Err(EvaluationError::OutOfMemory { .. }) if sizes.len() > 1 => {
                    sizes.pop();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Items of an offline batch of model and reference.
    fn offline_items(&self, measurement: &Measurement) -> [u64; 2] {
        let planned = self.request.protocol.offline_batch_items;
        let best = |points: &[SweepPoint]| fastest(points).map_or(planned, |point| point.items);
        let sizes = measurement.sweep.as_ref();
        sizes
            .map_or([planned; 2], |sweep| [best(&sweep.model), best(&sweep.reference)])
            .map(u64::from)
    }

    /// One timed round in a child of its own.
    fn round(
        &self,
        number: u32,
        offline_items: [u64; 2],
    ) -> Result<RoundMeasurement, EvaluationError> {
        let protocol = &self.request.protocol;
        let task = Task::Round {
            number,
            seed: self.seed_of(u64::from(number)),
            pairs: protocol.pairs,
            offline_batches: protocol.offline_batches,
            offline_items,
            model: self.model.job_of_any_size(),
            reference: self.reference.as_ref().map(Prepared::job_of_any_size),
        };
        let subjects = iter::once(&self.model).chain(&self.reference).collect::<Vec<_>>();
        let stage = Stage::Round(number);
        let (answer, folder) = self.child(stage, task, &subjects)?;
        let Answer::Round { mut round, timed } = answer else { return Err(wrong_answer(stage)) };
        if let (Some(timed), Some(scored)) = (timed, &*self.scored.borrow()) {
            let bytes = read_outputs(&folder.path().join(outputs_file(0)))?;
            let axis = self.output_axis(&self.model, &self.plan.output);
            round.apart = apart(scored, &timed, &bytes, axis);
        }
        Ok(*round)
    }

    /// Energy of both sides, in one child; empty where the device does not count it.
    fn energy(&self, offline_items: [u64; 2]) -> Result<Vec<EnergyPair>, EvaluationError> {
        let Some(reference) = &self.reference else { return Ok(Vec::new()) };
        let task = Task::Energy {
            seed: self.seed_of(ENERGY_STREAM),
            pairs: self.request.protocol.energy_pairs.unwrap_or(0),
            offline_items,
            model: self.model.job_of_any_size(),
            reference: reference.job_of_any_size(),
        };
        match self.child(Stage::Energy, task, &[&self.model, reference])?.0 {
            Answer::Energy { pairs } => Ok(pairs),
            _ => Err(wrong_answer(Stage::Energy)),
        }
    }

    /// Children draw from streams of their own, whatever order they run in.
    fn seed_of(&self, stream: u64) -> u64 {
        let seed = self.request.protocol.seed ^ stream.wrapping_add(1).rotate_left(32);
        Random::new(seed).next()
    }
}

/// Writes the peaks of all children, and the median among them; nothing where the system did not tell one.
fn put_peaks(subject: &mut SubjectMeasurement, peaks: &[Option<u64>]) {
    let mut known: Vec<u64> = peaks.iter().copied().flatten().collect();
    if known.len() < peaks.len() {
        return;
    }
    if known.len() > 1 {
        subject.peaks.clone_from(&known);
    }
    known.sort_unstable();
    subject.peak_bytes = known.get(known.len().saturating_sub(1) / 2).copied();
}
