//! Which methodologies a fund may have here: checked, kept by this installation, and not drained by any attack that is known.

use domain::{fund::Methodology, simulation::attacks::attack_all};

use crate::{ServiceError, prices::BREAKER};

/// Seeds of each attack: a fixed amount of work, some tenths of a second.
const SEEDS: std::ops::Range<u64> = 1..17;

/// Reads rules and lets them through the gate.
///
/// # Errors
/// [`ServiceError::Invalid`] for what is no methodology, and those of [`check`].
pub(crate) async fn read(text: &str) -> Result<Methodology, ServiceError> {
    let rules = Methodology::parse(text).map_err(|e| ServiceError::invalid("methodology", e))?;
    check(&rules).await?;
    Ok(rules)
}

/// Whether a fund may have these rules; for every place where rules come in, a new fund as well as a new version.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad value and for a rule that this installation would not keep, [`ServiceError::Drainable`] where an
/// attack earns.
pub async fn check(rules: &Methodology) -> Result<(), ServiceError> {
    rules.validate().map_err(|e| ServiceError::invalid("methodology", e))?;
    check_enforced(rules)?;
    let rules = rules.clone();
    let attacked = tokio::task::spawn_blocking(move || attack_all(&rules, &SEEDS));
    // An attack that cannot even be played says nothing of the rules, so they are not known to be safe.
    let found = attacked
        .await
        .map_err(ServiceError::internal)?
        .map_err(|e| ServiceError::invalid("methodology", e))?;
    match found.iter().find(|earned| earned.is_too_much()) {
        None => Ok(()),
        Some(earned) => Err(ServiceError::Drainable {
            attack: earned.attack,
            seed: earned.seed,
            earned_micro: earned.micro(),
        }),
    }
}

/// Refuses a rule that this installation would show and not keep.
fn check_enforced(rules: &Methodology) -> Result<(), ServiceError> {
    let breaker = |ppb: u64| i64::try_from(ppb).unwrap_or(i64::MAX);
    for (name, given, kept) in [
        ("quorum", rules.quorum, 1),
        (
            "breaker_reevaluation_ppb",
            rules.breaker_reevaluation_ppb,
            breaker(BREAKER.re_evaluation_ppb),
        ),
        (
            "breaker_new_version_ppb",
            rules.breaker_new_version_ppb,
            breaker(BREAKER.new_version_ppb),
        ),
    ] {
        if given != kept {
            let reason =
                format!("{name} is {given}; this installation keeps {kept} and nothing else");
            return Err(ServiceError::invalid("methodology", reason));
        }
    }
    Ok(())
}
