//! `modelfolio sim`: the deterministic simulation of the fund engine.

use std::time::Instant;

use domain::simulation::Simulation;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::{Failure, print};

/// Arguments of `modelfolio sim`.
#[derive(Debug, clap::Args)]
pub(crate) struct SimArguments {
    /// Everything follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events at least.
    #[arg(long, default_value_t = 200_000)]
    steps: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the engine beside an independent model under injected faults.
///
/// # Errors
/// [`Failure::Input`] with seed, step, invariant and a shortened trace if a rule does not hold.
#[expect(
    clippy::disallowed_methods,
    reason = "it tells events a second, and nothing follows from it"
)]
pub(crate) fn run(arguments: &SimArguments) -> Result<(), Failure> {
    let bar = ProgressBar::new(arguments.steps);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} events, {eta} left") {
        bar.set_style(style);
    }
    let start = Instant::now();
    let ran = Simulation::new(arguments.seed)
        .run_with(arguments.steps, |events| bar.set_position(events));
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let summary = ran.map_err(|failure| Failure::Input(failure.to_string()))?;
    if arguments.json {
        let mut value = serde_json::to_value(&summary).map_err(Failure::environment)?;
        value["seconds"] = seconds.into();
        return print(&format!("{value}\n"));
    }
    let rate = summary.events as f64 / seconds.max(f64::MIN_POSITIVE);
    print(&format!(
        "{} events in {} lives: {} refused, {} strikes, {} slices, {} subscriptions filled\n\
         {} kills, {} replays, {} duplicates, {} refusals of storage, {} funds wound up; every invariant held\n\
         {rate:.0} events/s\n{}\n",
        summary.events,
        summary.lives,
        summary.refused,
        summary.strikes,
        summary.slices,
        summary.subscriptions_filled,
        summary.kills,
        summary.replays,
        summary.duplicates,
        summary.append_refusals,
        summary.funds_wound_up,
        summary.digest.hex(),
    ))
}
