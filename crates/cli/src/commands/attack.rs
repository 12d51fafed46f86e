//! `modelfolio attack`: what attacks on dealing earn under a methodology.

use std::path::PathBuf;

use domain::{
    fund::Methodology,
    simulation::attacks::{Earned, attack_all},
};
use serde_json::json;

use crate::exit::{Failure, print};

/// Arguments of `modelfolio attack`.
#[derive(Debug, clap::Args)]
pub(crate) struct AttackArguments {
    /// The rules, as JSON.
    #[arg(long)]
    methodology: PathBuf,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds of each attack.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs every attack and says the most that it earned; more than the rounding of the trades that it is measured by is too much.
///
/// # Errors
/// [`Failure::Input`] for rules that are none, and if an attack earns.
pub(crate) fn run(arguments: &AttackArguments) -> Result<(), Failure> {
    let path = arguments.methodology.display();
    let text = std::fs::read_to_string(&arguments.methodology)
        .map_err(|e| Failure::Input(format!("{path}: {e}")))?;
    let rules = Methodology::parse(&text)
        .map_err(|e| Failure::Input(format!("{path}: {}", crate::exit::chain(&e))))?;
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.seeds);
    let found = attack_all(&rules, &seeds).map_err(|e| Failure::Input(format!("{path}: {e}")))?;
    let earning: Vec<&str> =
        found.iter().filter(|earned| earned.is_too_much()).map(|earned| earned.attack).collect();
    if arguments.json {
        let one = |earned: &Earned| json!({ "attack": earned.attack, "earned_femto_at_most": earned.femto.to_string() });
        let attacks: Vec<_> = found.iter().map(one).collect();
        let answer =
            json!({ "ok": earning.is_empty(), "seeds": arguments.seeds, "attacks": attacks });
        print(&format!("{answer}\n"))?;
    } else {
        let line =
            |e: &Earned| format!("{:<24} {:>16} micro-credits at most\n", e.attack, e.micro());
        print(&found.iter().map(line).collect::<String>())?;
    }
    if earning.is_empty() {
        return Ok(());
    }
    Err(Failure::Input(format!("{path}: these attacks earn: {}", earning.join(", "))))
}
