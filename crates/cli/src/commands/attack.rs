//! `modelfolio attack`: what attacks on dealing earn under a methodology.

use std::path::PathBuf;

use domain::{fund::Methodology, simulation::attacks::ATTACKS};
use serde_json::json;

use crate::exit::{Failure, print};

/// 1e-15 credits in a micro-credit.
const FEMTO_PER_MICRO: i128 = 1_000_000_000;

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
        .map_err(|e| Failure::Input(format!("{path}: {}", crate::exit::chain(&e))))?
        .fund_params();
    let (mut found, mut out, mut earning) = (Vec::new(), String::new(), Vec::new());
    for (name, attack) in ATTACKS {
        let mut most = i128::MIN;
        for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
            // A refusal ends an attack with nothing gained beyond what was measured.
            let earned = attack(&rules, seed)
                .map_err(|e| Failure::Input(format!("{path}: {name}, seed {seed}: {e}")))?;
            most = most.max(earned);
        }
        let micro = most.div_euclid(FEMTO_PER_MICRO);
        out += &format!("{name:<24} {micro:>16} micro-credits at most\n");
        found.push(json!({ "attack": name, "earned_femto_at_most": most.to_string() }));
        // Rounding of what is bought and sold on the way is below a micro-credit a trade.
        if micro > ROUNDING_MICRO {
            earning.push(name);
        }
    }
    if arguments.json {
        let answer =
            json!({ "ok": earning.is_empty(), "seeds": arguments.seeds, "attacks": found });
        print(&format!("{answer}\n"))?;
    } else {
        print(&out)?;
    }
    if earning.is_empty() {
        return Ok(());
    }
    Err(Failure::Input(format!("{path}: these attacks earn: {}", earning.join(", "))))
}

/// Forty sales of units at most, each rounded up to a micro-credit in the attacker's favour.
const ROUNDING_MICRO: i128 = 40;
