//! Where shares and units change hands beside the strike: the instant window for small leavers, and the auction of a rebalance
//! (ops/decisions/0045).

use domain::{
    amount::Shares,
    digest::Digest,
    fund::{Bid, Event, FundState, State, bid_commitment},
    name::Name,
};
use serde::{Deserialize, Serialize};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    exits::fund_day,
    funds::ledger_command,
    ledger::LedgerUnit,
    token::{Caller, Scope},
};

#[derive(Serialize)]
struct WindowRequest<'a> {
    fund: &'a Name,
    owner: &'a Name,
    shares: Shares,
}

#[derive(Serialize)]
struct WindowCancel<'a> {
    fund: &'a Name,
    owner: &'a Name,
}

#[derive(Serialize)]
struct SealBids<'a> {
    fund: &'a Name,
    owner: &'a Name,
    commitment: Digest,
}

/// Bids that are opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenBids {
    /// The fund.
    pub fund: Name,
    /// What was sealed.
    pub bids: Vec<Bid>,
    /// The salt that it was sealed with.
    pub salt: Digest,
}

impl Service {
    /// Asks the instant window of a fund for cash; it is paid before the next strike, as far as its budget reaches.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with `window` where it has none, or another code of the ledger.
    pub async fn request_window(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        shares: Shares,
    ) -> Result<i64, ServiceError> {
        self.get_fund(fund).await?;
        let input = WindowRequest { fund, owner: &caller.owner, shares };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "window_request", &input);
        let who = caller.owner.clone();
        let event = Event::RequestWindow { fund: fund.clone(), who, shares };
        let (event, _) = ledger.post(&event).await?;
        ledger.finish(fund.as_str(), event).await
    }

    /// Takes back all that the caller asked of a fund's window and that waits; the number of requests comes back.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with `nothing` where nothing waits.
    pub async fn cancel_window(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<u64, ServiceError> {
        self.get_fund(fund).await?;
        let input = WindowCancel { fund, owner: &caller.owner };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "window_cancel", &input);
        let mut taken = 0;
        loop {
            let waiting = ledger.state.fund(fund).map_or(&[][..], |f| f.window().requests());
            let place = waiting.iter().position(|(owner, _)| *owner == caller.owner);
            if place.is_none() && taken > 0 {
                break;
            }
            // Without a place the ledger says that there is nothing to take back.
            let place = place.map_or(u64::MAX, |place| place as u64);
            let (fund, who) = (fund.clone(), caller.owner.clone());
            ledger.post(&Event::CancelWindow { fund, who, place }).await?;
            taken += 1;
        }
        ledger.finish(fund.as_str(), taken).await
    }

    /// Seals bids of the caller's for the batch after a fund's next strike; the deposit that its rules ask for waits with them.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with `auction` where the fund has none or takes none now, or another code of the ledger.
    pub async fn seal_bids(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        commitment: Digest,
    ) -> Result<i64, ServiceError> {
        self.get_fund(fund).await?;
        let input = SealBids { fund, owner: &caller.owner, commitment };
        let mut ledger = ledger_command!(self, caller, &[Scope::Invest], key, "bids_seal", &input);
        let who = caller.owner.clone();
        let event = Event::SealBids { fund: fund.clone(), who, commitment };
        let (event, _) = ledger.post(&event).await?;
        ledger.finish(fund.as_str(), event).await
    }

    /// Opens what the caller has sealed, after the strike; the deposit returns.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with `auction` for other bids than were sealed and before the strike, or another code of the ledger.
    pub async fn open_bids(
        &self,
        caller: &Caller,
        key: &str,
        input: &OpenBids,
    ) -> Result<i64, ServiceError> {
        self.get_fund(&input.fund).await?;
        let mut ledger = ledger_command!(self, caller, &[Scope::Invest], key, "bids_open", input);
        let (fund, who) = (input.fund.clone(), caller.owner.clone());
        let event = Event::OpenBids { fund, who, bids: input.bids.clone(), salt: input.salt };
        let (event, _) = ledger.post(&event).await?;
        ledger.finish(input.fund.as_str(), event).await
    }
}

/// What the caller has to send to seal these bids; nothing is recorded.
#[must_use]
pub fn commitment_of(fund: &Name, owner: &Name, bids: &[Bid], salt: &Digest) -> Digest {
    bid_commitment(fund, owner, salt, bids)
}

/// Shares of an owner that wait at a fund's window.
#[must_use]
pub fn waiting_at_window(state: &State, fund: &Name, owner: &Name) -> Shares {
    let requests = state.fund(fund).map_or(&[][..], |fund| fund.window().requests());
    let own = requests.iter().filter(|(who, _)| who == owner);
    Shares::from_nano(own.fold(0_i64, |sum, (_, shares)| sum.saturating_add(shares.as_nano())))
}

/// Pays the window at the marks that were just set, before the strike of the same day, unless joiners are held back: then it waits too.
pub(crate) async fn pay_window(
    ledger: &mut LedgerUnit<'_>,
    caller: &Caller,
    fund: &Name,
) -> Result<(), ServiceError> {
    let pays = |state: &FundState| {
        let open = state.params().window.is_some() && !state.window().requests().is_empty();
        open && (state.winding() || !state.subscriptions_wait())
    };
    if !ledger.state.fund(fund).is_some_and(pays) {
        return Ok(());
    }
    let day = fund_day(&ledger.state, fund, caller.now);
    ledger.post(&Event::PayWindow { fund: fund.clone(), day }).await.map(|_| ())
}
