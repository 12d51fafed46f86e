//! What rules must satisfy before a fund may have them, at its creation or later.

use domain::fund::Methodology;

use crate::{ServiceError, prices::BREAKER};

/// Reads rules and lets them through the gate.
///
/// # Errors
/// [`ServiceError::Invalid`] with the parameter that is wrong.
pub(crate) async fn read(text: &str) -> Result<Methodology, ServiceError> {
    let rules = Methodology::parse(text).map_err(|e| ServiceError::invalid("methodology", e))?;
    check(&rules).await?;
    Ok(rules)
}

/// Refuses rules that this installation would show and not keep.
pub(crate) async fn check(rules: &Methodology) -> Result<(), ServiceError> {
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
