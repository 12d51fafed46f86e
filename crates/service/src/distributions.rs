//! The publishers' part of the management fee, paid out of the pool (FUND 1.2, ops/decisions/0041).

use std::collections::BTreeMap;

use domain::{
    amount::Shares,
    fund::{Event, Rejection, divide_fees},
    name::Name,
};
use serde::{Deserialize, Serialize};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    funds::ledger_command,
    token::{Caller, Scope},
};

/// What a distribution did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistributedFees {
    /// The event's number in the journal.
    pub event: i64,
    /// The first strike of the span.
    pub from: u64,
    /// The last strike of the span.
    pub to: u64,
    /// Who received how much.
    pub parts: BTreeMap<Name, Shares>,
}

#[derive(Serialize)]
struct FeesOf<'a> {
    fund: &'a Name,
}

impl Service {
    /// Pays what the management fee has put into the publishers' pool, for all strikes since the last distribution, by value held and fee
    /// share, to the contributors of each model. Each strike is divided by the fee shares that the journal said before it, so nothing
    /// depends on the moment at which the operator asks.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with `nothing` where nobody receives anything.
    pub async fn distribute_fees(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<DistributedFees, ServiceError> {
        self.get_fund(fund).await?;
        let input = FeesOf { fund };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "fees_distribute", &input);
        let (from, to, parts) = {
            let state = &ledger.state;
            let found =
                state.fund(fund).ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
            let restated = ledger.restated(fund);
            let restated = restated.ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
            let (from, to) = (found.distributed().saturating_add(1), found.epoch());
            let split = |model: &Name| state.model(model).map_or(&[][..], |m| m.contributors());
            let pool = &found.params().publisher_pool;
            let parts = divide_fees(restated.fee_spans(from, to), &BTreeMap::new(), split, pool);
            let mut parts = parts.map_err(ServiceError::internal)?;
            // What is due to one who may receive no shares now stays in the pool.
            parts.retain(|owner, _| found.restrictions().may_receive(owner));
            (from, to, parts)
        };
        if from > to {
            return Err(Rejection::Nothing { what: "distribute since the last strike" }.into());
        }
        let event = Event::DistributeFees {
            fund: fund.clone(),
            from,
            to,
            fee_shares: BTreeMap::new(),
            parts: parts.clone(),
        };
        let (event, _) = ledger.post(&event).await?;
        ledger.finish(fund.as_str(), DistributedFees { event, from, to, parts }).await
    }
}
