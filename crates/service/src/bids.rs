//! Sealed bids: owners seal and open them, the operator or the calendar calls them, and the batch ends what is called
//! (ops/decisions/0047).

use domain::{
    amount::Cash,
    digest::Digest,
    fund::{Bid, Event, FundState, Rejection},
    name::Name,
};
use serde::{Deserialize, Serialize};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    dealing::check_own_dealing,
    exits::fund_day,
    funds::ledger_command,
    ledger::LedgerUnit,
    strikes::FundOnly,
    token::{Caller, Scope},
};

/// Sealing bids.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealBids {
    /// The fund.
    pub fund: Name,
    /// The most cash that their trades may move.
    pub budget: Cash,
    /// What seals them.
    pub commitment: Digest,
}

/// Opening what was sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenBids {
    /// The fund.
    pub fund: Name,
    /// What was sealed.
    pub bids: Vec<Bid>,
    /// What made it unguessable.
    pub salt: Digest,
}

impl Service {
    /// Seals bids of the caller's for the fund's auction after a later strike; a part of the budget is held until then.
    ///
    /// # Errors
    /// [`ServiceError::OwnDealing`] for one who may know of a version before the mark does, [`ServiceError::Rejected`] with the ledger's
    /// code: `auction` where the fund has none, `exists` where something of the caller's is sealed already.
    pub async fn seal_bids(
        &self,
        caller: &Caller,
        key: &str,
        input: &SealBids,
    ) -> Result<String, ServiceError> {
        self.get_fund(&input.fund).await?;
        let mut ledger = ledger_command!(self, caller, &[Scope::Invest], key, "bids_seal", input);
        // What he knows is of the price of units too. What was sealed before he knew it is opened like everybody's.
        check_own_dealing(&ledger, &input.fund, &caller.owner).await?;
        let event = Event::SealBids {
            fund: input.fund.clone(),
            who: caller.owner.clone(),
            budget: input.budget,
            commitment: input.commitment,
        };
        ledger.post(&event).await?;
        ledger.finish(input.fund.as_str(), input.fund.to_string()).await
    }

    /// Opens what the caller sealed, after its call.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code: `auction` before the call and after its end, and for other bids than were
    /// sealed.
    pub async fn open_bids(
        &self,
        caller: &Caller,
        key: &str,
        input: &OpenBids,
    ) -> Result<String, ServiceError> {
        self.get_fund(&input.fund).await?;
        let mut ledger = ledger_command!(self, caller, &[Scope::Invest], key, "bids_open", input);
        let event = Event::OpenBids {
            fund: input.fund.clone(),
            who: caller.owner.clone(),
            bids: input.bids.clone(),
            salt: input.salt,
        };
        ledger.post(&event).await?;
        ledger.finish(input.fund.as_str(), input.fund.to_string()).await
    }

    /// Begins the time for opening what was sealed before the fund's last strike; the first day on which a batch may come without what is
    /// shut comes back.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code: `nothing` where nothing was sealed before the last strike.
    pub async fn call_bids(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<i64, ServiceError> {
        self.get_fund(fund).await?;
        let input = FundOnly { fund };
        let mut ledger = ledger_command!(self, caller, &[Scope::Operate], key, "bids_call", &input);
        let day = fund_day(&ledger.state, fund, caller.now);
        ledger.post(&Event::CallBids { fund: fund.clone(), day }).await?;
        let until = ledger.state.fund(fund).and_then(FundState::opening_until).unwrap_or(day);
        ledger.finish(fund.as_str(), until).await
    }

    /// Whether a batch of the fund has to wait for its bids on the day of the caller's clock; what nobody has called yet is called.
    ///
    /// # Errors
    /// As [`call_bids`](Self::call_bids).
    pub(crate) async fn bids_wait(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<bool, ServiceError> {
        let state = self.ledger().await?;
        let Some(found) = state.fund(fund).filter(|found| found.awaits_bids()) else {
            return Ok(false);
        };
        let until = match found.opening_until() {
            Some(until) => until,
            // A call may be taken back by a pause: the next one follows a later strike.
            None => self.call_bids(caller, &format!("{key}/call/{}", found.epoch()), fund).await?,
        };
        Ok(fund_day(&state, fund, caller.now) < until)
    }
}

/// Ends the time for opening before a batch, where it is over.
///
/// # Errors
/// [`ServiceError::Rejected`] with `auction` while bids wait: a batch without weights would pass, and be no rebalance.
pub(crate) async fn end_opening(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(), ServiceError> {
    let day = fund_day(&ledger.state, fund, ledger.unit.caller.now);
    let is_over = |found: &FundState| {
        found.awaits_bids() && found.opening_until().is_some_and(|until| day >= until)
    };
    if ledger.state.fund(fund).is_some_and(is_over) {
        ledger.post(&Event::CloseBids { fund: fund.clone(), day }).await?;
    }
    if ledger.state.fund(fund).is_some_and(FundState::awaits_bids) {
        let why = "trades when its bids have been called, and opened or lost";
        return Err(Rejection::Auction { fund: fund.clone(), why }.into());
    }
    Ok(())
}
