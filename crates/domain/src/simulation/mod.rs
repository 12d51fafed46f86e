//! The deterministic simulation of the fund engine: one seed drives everything.
//!
//! A run is a sequence of lives. Each draws its own parameters, weights and rates of faults (swarm testing) and sends random
//! requests through a process with a journal, where requests come twice, late or again under their key, answers are lost,
//! storage refuses, and the process is killed before or after a batch is appended. Beside the engine runs an independent
//! model, written from the Python reference; after each event codes, touched balances, NAV, shares and high-water mark are
//! compared, and every so often everything. The invariants of FUND 3 that concern the engine are asserted by their numbers:
//! 1 to 16, 18 to 26, 33, 38 to 40; 17 is a test of [`attacks`].
//!
//! The model knows one fund on the ledger, as the reference does; several funds are left to the properties of the engine.
//! A failure says seed, life, step, invariant, and a shortened list of requests that breaks the same rule.

mod action;
pub mod attacks;
mod cast;
mod checks;
mod client;
mod compare;
mod journal;
mod life;
mod model;
mod mutation;
mod random;
mod shrink;
mod swarm;

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

pub use mutation::{MUTATIONS, Mutation};

use self::{
    action::Action,
    checks::Violation,
    client::Client,
    life::{Counts, Life, Settings},
    random::Random,
    shrink::Plan,
};
use crate::{digest::Digest, fund::Kind};

/// Events of one life; keeps memory small and draws new parameters often.
const LIFE_EVENTS: u64 = 1_000;
/// Requests that shortening a trace may serve.
const SHRINK_BUDGET: usize = 300_000;
/// The whole state is checked after so many events.
const FULL_EVERY: u64 = 100;
/// One life in so many is replayed from the text of its batches too.
const TEXT_EVERY: u64 = 4;

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// All draws follow from it.
    pub seed: u64,
    /// Events at least: requests that reached the engine, refused ones included, repetitions not.
    pub steps: u64,
}

/// What was simulated; the same options give the same summary on any machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Requests that reached the engine.
    pub events: u64,
    /// Of those, refused with a code.
    pub refused: u64,
    /// Strikes.
    pub strikes: u64,
    /// Redemption orders settled.
    pub slices: u64,
    /// Subscription orders that received shares.
    pub subscriptions_filled: u64,
    /// Processes killed.
    pub kills: u64,
    /// Times that a state was rebuilt from the journal and compared.
    pub replays: u64,
    /// Requests under a key that had been used.
    pub duplicates: u64,
    /// Times that storage refused a batch.
    pub append_refusals: u64,
    /// Strikes dealt again in other orders.
    pub strikes_dealt_again: u64,
    /// Holders that left in kind at the end.
    pub left_in_kind: u64,
    /// Funds whose shares had reached the bound of the ledger, so that the last strike was refused with `limit`.
    pub funds_at_bound: u64,
    /// Funds that were winding up at the end of their life.
    pub funds_wound_up: u64,
    /// Entries in the journal, by kind.
    pub entries: BTreeMap<Kind, u64>,
    /// Refusals by code; `key` is not counted among the events.
    pub codes: BTreeMap<&'static str, u64>,
    /// Lives, each with a fund of its own.
    pub lives: u64,
    /// SHA-256 over the final states of all lives; 64 hexadecimal digits by [`Digest::hex`].
    pub digest: Digest,
}

/// A rule that does not hold, with all that is needed to see it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// The life, from 0.
    pub life: u64,
    /// The request within the life, from 0.
    pub step: usize,
    /// The number of the invariant in FUND 3; none where the independent model says otherwise.
    pub invariant: Option<u8>,
    /// `invariant N: …` or `model: …`, with the numbers.
    pub text: String,
    /// A shortened list of requests that breaks the same rule, in order, or after which the end of the life does: a last strike,
    /// three batches, everybody's leaving in kind, a replay.
    pub trace: Vec<String>,
    /// What the shortened list breaks, with its own numbers.
    pub trace_text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} life {} step {}: {}", self.seed, self.life, self.step, self.text)?;
        write!(f, "\nshortened to {} requests:", self.trace.len())?;
        self.trace.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        write!(f, "\n  {}", self.trace_text)
    }
}

/// Runs the simulation.
///
/// # Errors
/// The first rule that does not hold.
pub fn run(options: &Options) -> Result<Summary, Failure> {
    Simulation::new(options.seed).run(options.steps)
}

/// A simulation, with its settings.
#[derive(Clone, Debug)]
pub struct Simulation {
    seed: u64,
    mutation: Option<Mutation>,
    compare: bool,
    budget: usize,
}

impl Simulation {
    /// All draws follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, mutation: None, compare: true, budget: SHRINK_BUDGET }
    }

    /// Puts a fault into every batch that has a place for it: the run is then expected to fail.
    #[must_use]
    pub const fn mutation(mut self, mutation: Mutation) -> Self {
        self.mutation = Some(mutation);
        self
    }

    /// Leaves the independent model out, so that the numbered invariants stand alone.
    #[must_use]
    pub const fn invariants_alone(mut self) -> Self {
        self.compare = false;
        self
    }

    /// Bounds how many requests shortening a trace may serve; 0 leaves it as long as it is.
    #[must_use]
    pub const fn shrink_budget(mut self, requests: usize) -> Self {
        self.budget = requests;
        self
    }

    /// Runs lives until `steps` events are done.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn run(&self, steps: u64) -> Result<Summary, Failure> {
        self.run_with(steps, |_| {})
    }

    /// As [`run`](Self::run), and tells after each life how many events are done.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn run_with(&self, steps: u64, mut tell: impl FnMut(u64)) -> Result<Summary, Failure> {
        let mut total = Counts::default();
        let (mut lives, mut wound_up, mut digests) = (0, 0, Vec::new());
        while total.events < steps {
            let events = LIFE_EVENTS.min(steps - total.events);
            let (counts, winding, digest) = self.live(lives, events)?;
            total.add(&counts);
            wound_up += u64::from(winding);
            digests.extend_from_slice(digest.as_bytes());
            lives += 1;
            tell(total.events);
        }
        Ok(Summary {
            events: total.events,
            refused: total.refused,
            strikes: total.strikes,
            slices: total.slices,
            subscriptions_filled: total.filled,
            kills: total.kills,
            replays: total.replays,
            duplicates: total.duplicates,
            append_refusals: total.append_refusals,
            strikes_dealt_again: total.forks,
            left_in_kind: total.left_in_kind,
            funds_at_bound: total.at_bound,
            funds_wound_up: wound_up,
            entries: total.entries,
            codes: total.codes,
            lives,
            digest: Digest::of(&digests),
        })
    }

    fn live(&self, index: u64, events: u64) -> Result<(Counts, bool, Digest), Failure> {
        let mut client = Client::new(Random::part(self.seed, index));
        let settings = Settings {
            mutation: self.mutation,
            compare: self.compare,
            full_every: FULL_EVERY,
            forks: client.swarm.forks,
        };
        let mut life = Life::new(settings);
        let mut trace = Vec::new();
        let plan = Plan { settings, ends: false };
        if let Err(violation) = play(&mut client, &mut life, events, &mut trace) {
            return Err(self.failure(index, trace, plan, violation));
        }
        match life.end(index.is_multiple_of(TEXT_EVERY)) {
            Ok(digest) => Ok((life.counts, life.model.facts.winding, digest)),
            Err(violation) => {
                Err(self.failure(index, trace, Plan { settings, ends: true }, violation))
            }
        }
    }

    /// Says what broke, with a trace made short.
    fn failure(&self, life: u64, trace: Vec<Action>, plan: Plan, violation: Violation) -> Failure {
        let step = trace.len().saturating_sub(1);
        let trace = shrink::shrink(trace, plan, violation.invariant, self.budget);
        let Violation { invariant, text } = violation;
        let trace_text = shrink::first_failure(&trace, plan).map_or_else(String::new, |f| f.1.text);
        let trace = trace.iter().map(ToString::to_string).collect();
        Failure { seed: self.seed, life, step, invariant, text, trace, trace_text }
    }
}

/// Plays one life to its end: what the client draws, and what is still under way.
fn play(
    client: &mut Client,
    life: &mut Life,
    events: u64,
    trace: &mut Vec<Action>,
) -> Result<(), Violation> {
    for action in client.opening(&life.model.cast.clone()) {
        trace.push(action.clone());
        life.serve(&action)?;
    }
    while life.counts.events < events {
        let action = client.next(&life.model);
        trace.push(action.clone());
        if !life.serve(&action)? {
            client.unanswered(&action);
        }
    }
    // Faults stop here, and everything under way arrives.
    for action in std::mem::take(&mut client.pending) {
        let action = Action { fault: action::Fault::None, ..action };
        trace.push(action.clone());
        life.serve(&action)?;
    }
    Ok(())
}
