//! Sealed bids: owners seal, open and take them back, the operator or the calendar calls them, and the strike after their opening trades
//! with them in its own transaction (ops/decisions/0047).

use domain::{
    amount::Cash,
    digest::Digest,
    fund::{Bid, Event, FundState},
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    dealing::check_no_part,
    eligibility::eligible_marks,
    exits::fund_day,
    funds::ledger_command,
    ledger::LedgerUnit,
    rebalances::Planned,
    strikes::FundOnly,
    token::{Caller, Scope},
};

/// Sealing bids.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealBids {
    /// The fund.
    pub fund: Name,
    /// The most that they may cost, their deposit included.
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
    /// Seals bids of the caller's for the fund's next auction; a part of the budget is held until its batch.
    ///
    /// # Errors
    /// [`ServiceError::OwnModel`] for one who has a part in a model of the fund, [`ServiceError::Rejected`] with the ledger's
    /// code: `auction` where the fund has none, `exists` where something of the caller's is sealed already.
    pub async fn seal_bids(
        &self,
        caller: &Caller,
        key: &str,
        input: &SealBids,
    ) -> Result<String, ServiceError> {
        self.get_fund(&input.fund).await?;
        let mut ledger = ledger_command!(self, caller, &[Scope::Invest], key, "bids_seal", input);
        // What he knows before others is of the price of units too. What was sealed before is opened like everybody's.
        check_no_part(&ledger, &input.fund, &caller.owner).await?;
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

    /// Takes back what the caller sealed, where no call or no batch came for it.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code: `auction` before that, `nothing` where nothing is sealed.
    pub async fn take_back_bids(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<String, ServiceError> {
        self.get_fund(fund).await?;
        let input = FundOnly { fund };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "bids_take_back", &input);
        let day = fund_day(&ledger.state, fund, caller.now);
        let (fund, who) = (fund.clone(), caller.owner.clone());
        let subject = fund.to_string();
        ledger.post(&Event::TakeBackBids { fund, who, day }).await?;
        ledger.finish(&subject.clone(), subject).await
    }

    /// Begins the time for opening what was sealed until now; the first day comes back on which what is shut may be lost. The next strike
    /// from then on trades with what is open, at its marks.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code: `nothing` where nothing is sealed.
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

    /// Calls the bids of a fund on the day from which their opening is over with the day of its next review, of which the cut-off is given:
    /// what is sealed later waits for the review after it, so that nobody holds one up.
    ///
    /// # Errors
    /// As [`call_bids`](Self::call_bids).
    pub(crate) async fn call_bids_before(
        &self,
        caller: &Caller,
        fund: &Name,
        review: Timestamp,
    ) -> Result<(), ServiceError> {
        let state = self.ledger().await?;
        let Some(found) = state.fund(fund) else { return Ok(()) };
        let (auction, params) = (found.auction(), found.params().auction);
        let waits = auction.call().is_none() && !auction.sealed().is_empty();
        let Some(params) = params.filter(|_| waits && !found.restrictions().is_paused()) else {
            return Ok(());
        };
        let days = params.opening_days.saturating_add(1);
        let today = fund_day(&state, fund, caller.now);
        if review.day().saturating_sub(days) != today {
            return Ok(());
        }
        // A call that a pause took back is none: what is sealed after it is called by another.
        let key = format!("calendar/{fund}/call/{today}/{}", auction.orders());
        self.call_bids(caller, &key, fund).await.map(drop)
    }
}

/// Ends the time for opening where it is over, before the prices are set that what is open will meet, and asks for purses again where a
/// strike met nobody. Where prices are bound already, the strike after theirs is the one. Which models may have weight is said here too:
/// nothing is decided between the strike and its batch.
pub(crate) async fn end_opening(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(), ServiceError> {
    let day = fund_day(&ledger.state, fund, ledger.unit.caller.now);
    let is_over = |found: &FundState| {
        found.open_commitment().is_none()
            && found.auction().call().is_some_and(|call| !call.marked)
            && found.opening_until().is_none_or(|until| day >= until)
    };
    if ledger.state.fund(fund).is_some_and(is_over) {
        ledger.post(&Event::CloseBids { fund: fund.clone(), day }).await?;
        eligible_marks(ledger, fund).await?;
    }
    Ok(())
}

/// Trades with what is open, where the strike that was just posted met it. A plan that the rules or the ledger refuse leaves the strike as
/// it is: the bids wait for the next one. No auction keeps a fund from its strikes.
pub(crate) async fn trade_if_met(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(), ServiceError> {
    if !ledger.state.fund(fund).is_some_and(FundState::meets_bids) {
        return Ok(());
    }
    let untraded = |error: &ServiceError| {
        tracing::warn!(%fund, cause = %error.chain(), "bids are open, and nothing is traded");
    };
    let planned = match Planned::of(ledger, fund).await {
        Ok(planned) => planned,
        Err(error @ (ServiceError::Invalid { .. } | ServiceError::Rejected(_))) => {
            untraded(&error);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    match planned.post(ledger, fund).await {
        Err(error @ ServiceError::Rejected(_)) => {
            untraded(&error);
            Ok(())
        }
        posted => posted.map(drop),
    }
}
