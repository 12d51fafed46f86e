//! Every attack on one methodology: what it earned at most, and whether that is too much.

use super::{ATTACKS, bids_left_shut, churn};
use crate::fund::{FundParams, Methodology, Rejection};

/// An attack on rules that a fund's parameters do not hold; what it earned, in 1e-15 credits at true value.
pub type RuleAttack = fn(&Methodology, u64) -> Result<i128, Rejection>;

/// Every attack on what a methodology says of trades, by its name.
pub const RULE_ATTACKS: [(&str, RuleAttack); 2] =
    [("churn through the spread", churn), ("bids left shut", bids_left_shut)];

/// 1e-15 credits in a micro-credit.
const FEMTO_PER_MICRO: i128 = 1_000_000_000;
/// Forty sales of units at most, each rounded up to a micro-credit in the attacker's favour.
const ROUNDING_MICRO: i128 = 40;

/// The most that an attack earned over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earned {
    /// The attack.
    pub attack: &'static str,
    /// The most, in 1e-15 credits; below nothing where every seed lost.
    pub femto: i128,
    /// The seed that earned it.
    pub seed: u64,
}

impl Earned {
    /// The same in whole micro-credits, rounded down.
    #[must_use]
    pub const fn micro(&self) -> i128 {
        self.femto.div_euclid(FEMTO_PER_MICRO)
    }

    /// Whether it is more than the rounding of the trades that it is measured by.
    #[must_use]
    pub const fn is_too_much(&self) -> bool {
        self.micro() > ROUNDING_MICRO
    }
}

/// A step of an attack that the engine refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attack}, seed {seed}: {rejection}")]
pub struct AttackError {
    /// The attack.
    pub attack: &'static str,
    /// The seed.
    pub seed: u64,
    /// The refusal.
    pub rejection: Rejection,
}

/// Runs every attack over `seeds`, which are not none.
///
/// # Errors
/// The first step that is refused: an attack that did not take place says nothing.
pub fn attack_all(
    rules: &Methodology,
    seeds: &std::ops::Range<u64>,
) -> Result<Vec<Earned>, AttackError> {
    // These attacks trade with a counterparty at the mark; what a band around it gives is played by the attacks on trades.
    let params = FundParams { auction: None, ..rules.fund_params() };
    let mut found = Vec::with_capacity(ATTACKS.len() + RULE_ATTACKS.len());
    for (name, attack) in ATTACKS {
        found.push(most(name, seeds, |seed| attack(&params, seed))?);
    }
    for (name, attack) in RULE_ATTACKS {
        found.push(most(name, seeds, |seed| attack(rules, seed))?);
    }
    Ok(found)
}

fn most(
    attack: &'static str,
    seeds: &std::ops::Range<u64>,
    run: impl Fn(u64) -> Result<i128, Rejection>,
) -> Result<Earned, AttackError> {
    let mut most = Earned { attack, femto: i128::MIN, seed: seeds.start };
    for seed in seeds.clone() {
        let femto = run(seed).map_err(|rejection| AttackError { attack, seed, rejection })?;
        if femto > most.femto {
            most = Earned { attack, femto, seed };
        }
    }
    Ok(most)
}
