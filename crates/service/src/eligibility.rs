//! Which models of a fund may have weight at a rebalance, said in the journal, so that the proof of a strike knows it too.

use domain::{
    fund::{Event, FundState},
    name::Name,
};

use crate::{
    ServiceError,
    funds::{ModelMark, accepted_marks},
    ledger::LedgerUnit,
    likeness::ineligible_model,
};

/// The models of a fund that may have weight. What has changed since the last rebalance is posted first, in the rebalance's own
/// transaction: so the weights follow from the journal, and one that is refused leaves nothing.
pub(crate) async fn eligible_marks(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<Vec<ModelMark>, ServiceError> {
    let mut eligible = Vec::new();
    for mark in accepted_marks(ledger, fund).await? {
        // What is like another publisher's and says nothing of it gets no weight until a person has looked; its mark stays.
        let reason = ineligible_model(&ledger.unit.transaction, &mark.model_id).await?;
        let is_said = |state: &FundState| state.is_eligible(&mark.model) == reason.is_none();
        if !ledger.state.fund(fund).is_some_and(is_said) {
            let (fund, model) = (fund.clone(), mark.model.clone());
            ledger.post(&Event::SetEligible { fund, model, eligible: reason.is_none() }).await?;
        }
        match reason {
            None => eligible.push(mark),
            Some(reason) => {
                tracing::warn!(%fund, model = %mark.model, reason, "no weight at this rebalance");
            }
        }
    }
    Ok(eligible)
}
