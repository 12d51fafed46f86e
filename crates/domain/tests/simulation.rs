//! The simulation of the fund engine: clean over many seeds, the same on every run, and able to fail.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::simulation::{MUTATIONS, Mutation, Options, Simulation, run};

/// Events over all seeds together; the environment may ask for more.
fn events() -> u64 {
    let asked = std::env::var("MODELFOLIO_SIM_EVENTS").ok();
    asked.map_or(200_000, |text| text.parse().unwrap())
}

/// Proves that many lives over many seeds, with duplicates, lost answers, kills and bad arguments, break no invariant and agree
/// with the independent model, and that they did everything that they are there for.
#[test]
fn many_seeds_are_clean() {
    let seeds = 40;
    let steps = events() / seeds;
    let mut done = 0;
    for seed in 0..seeds {
        let summary = match run(&Options { seed, steps }) {
            Ok(summary) => summary,
            Err(failure) => panic!("{failure}"),
        };
        if seed == 0 { eprintln!("{summary:?}"); }
        done += summary.events;
    }
    assert!(done >= steps * seeds);
}
