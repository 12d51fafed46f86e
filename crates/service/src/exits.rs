//! What an owner can always do with what is his: leave in kind, fetch claims, give away, take out; and what income and vesting pay.

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Shares, Units},
    fund::{Account, Asset, Event, ExitQuote, FundState, Kind, Outcome, State, quote_exit},
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    dealing::{check_own_dealing, end_delisted_windows},
    funds::ledger_command,
    holds::release_all,
    moment::LedgerAt,
    token::{Caller, Scope},
};

/// Leaving at once, for a part of everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RedeemInKind {
    /// The fund.
    pub fund: Name,
    /// Shares that are given back.
    pub shares: Shares,
    /// Models whose units are left to the fund.
    #[serde(default)]
    pub skip: Vec<Name>,
}

/// What a leaver in kind received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedInKind {
    /// The event's number in the journal.
    pub event: i64,
    /// Credits.
    pub cash: Cash,
    /// Units by model.
    pub units: BTreeMap<Name, Units>,
}

/// A gift to another party.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransferAsset {
    /// Who receives.
    pub to: Name,
    /// What.
    pub asset: Asset,
    /// How much, in the smallest steps of the asset.
    pub amount: i64,
}

/// Today, or the fund's day where that is later, because a server with a clock ahead of ours moved it: leaving waits for no clock.
pub(crate) fn fund_day(state: &State, fund: &Name, now: Timestamp) -> i64 {
    now.day().max(state.fund(fund).map_or(0, FundState::day))
}

/// Most models that one leaving skips.
const SKIP_MAX: usize = 1_000;

#[derive(Serialize)]
struct Amount<'a> {
    owner: &'a Name,
    amount: Cash,
}

#[derive(Serialize)]
struct OfModel<'a> {
    fund: &'a Name,
    model: &'a Name,
}

#[derive(Serialize)]
struct Royalty<'a> {
    model: &'a Name,
    amount: Cash,
}

impl Service {
    /// Gives shares of the caller's back at once for a part of every asset. It needs no price and no counterparty, and nothing suspends
    /// it.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn redeem_in_kind(
        &self,
        caller: &Caller,
        key: &str,
        input: &RedeemInKind,
    ) -> Result<ReceivedInKind, ServiceError> {
        self.get_fund(&input.fund).await?;
        if input.skip.len() > SKIP_MAX {
            let reason = format!("names {} models; at most {SKIP_MAX}", input.skip.len());
            return Err(ServiceError::invalid("skip", reason));
        }
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "in_kind_redeem", input);
        let event = Event::InKind {
            fund: input.fund.clone(),
            who: caller.owner.clone(),
            shares: input.shares,
            day: fund_day(&ledger.state, &input.fund, caller.now),
            skip: input.skip.clone(),
        };
        let (event, batch) = ledger.post(&event).await?;
        let mut received =
            ReceivedInKind { event, cash: Cash::from_micro(0), units: BTreeMap::new() };
        let person = Account::Person(caller.owner.clone());
        let entries = batch.entries.iter().filter(|entry| entry.kind == Kind::InKind);
        for leg in entries.flat_map(|entry| &entry.custody).filter(|leg| leg.to == person) {
            match &leg.asset {
                Asset::Cash => received.cash = Cash::from_micro(leg.amount),
                Asset::Unit(model) => {
                    received.units.insert(model.clone(), Units::from_micro(leg.amount));
                }
                _ => {}
            }
        }
        ledger.finish(input.fund.as_str(), received).await
    }

    /// What so many shares of a fund get at a strike on the day of a ledger. A trade before it or, under a performance fee, a new gain gives another
    /// number; other orders do not.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub fn quote_exit(
        &self,
        fund: &Name,
        shares: Shares,
        ledger: &LedgerAt,
    ) -> Result<ExitQuote, ServiceError> {
        let state = &*ledger.state;
        if state.fund(fund).is_none() {
            return Err(ServiceError::absent("fund", fund.as_str()));
        }
        Ok(quote_exit(state, fund, shares, fund_day(state, fund, ledger.as_of))?)
    }

    /// Fetches what redemptions and recoveries have left for the caller.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with `nothing` where there is none.
    pub async fn claim_cash(&self, caller: &Caller, key: &str) -> Result<String, ServiceError> {
        let who = &caller.owner;
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest, Scope::Publish], key, "cash_claim", who);
        ledger.post(&Event::Claim { who: who.clone() }).await?;
        ledger.finish(who.as_str(), who.to_string()).await
    }

    /// Takes credits of the caller's out: they have left the ledger for good, and whoever keeps the money behind it pays them. Nobody else
    /// can take them.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code.
    pub async fn withdraw_cash(
        &self,
        caller: &Caller,
        key: &str,
        amount: Cash,
    ) -> Result<String, ServiceError> {
        let owner = &caller.owner;
        let input = Amount { owner, amount };
        let scope = [Scope::Invest, Scope::Publish];
        let mut ledger = ledger_command!(self, caller, &scope, key, "cash_withdraw", &input);
        ledger.post(&Event::Withdraw { who: owner.clone(), amount }).await?;
        ledger.finish(owner.as_str(), owner.to_string()).await
    }

    /// Gives something of the caller's to another party.
    ///
    /// # Errors
    /// [`ServiceError::OwnDealing`] for shares of a fund, where either may know of a version before its mark does;
    /// [`ServiceError::Rejected`] with the ledger's code.
    pub async fn transfer_asset(
        &self,
        caller: &Caller,
        key: &str,
        input: &TransferAsset,
    ) -> Result<String, ServiceError> {
        let scope = [Scope::Invest, Scope::Publish];
        let mut ledger = ledger_command!(self, caller, &scope, key, "asset_transfer", input);
        if let Asset::Share(fund) = &input.asset {
            for party in [&caller.owner, &input.to] {
                check_own_dealing(&ledger, fund, party).await?;
            }
        }
        let event = Event::Transfer {
            who: caller.owner.clone(),
            to: input.to.clone(),
            asset: input.asset.clone(),
            amount: input.amount,
        };
        ledger.post(&event).await?;
        let (who, to) = (&caller.owner, &input.to);
        ledger.finish(&format!("{who} to {to}"), who.to_string()).await
    }

    /// Pays the contributors of a model what has vested of its sales to a fund; the sum comes back.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with `nothing` before anything has vested.
    pub async fn vest_model(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        model: &Name,
    ) -> Result<Cash, ServiceError> {
        self.get_fund(fund).await?;
        let input = OfModel { fund, model };
        // It pays whom it must, whoever asks.
        let scope = [Scope::Publish, Scope::Invest, Scope::Operate];
        let mut ledger = ledger_command!(self, caller, &scope, key, "model_vest", &input);
        let day = fund_day(&ledger.state, fund, caller.now);
        let event = Event::Vest { fund: fund.clone(), model: model.clone(), day };
        let (_, batch) = ledger.post(&event).await?;
        let Outcome::Vested(paid) = batch.outcome else {
            return Err(ServiceError::internal("a vesting without outcome"));
        };
        ledger.finish(&format!("{fund}/{model}"), paid).await
    }

    /// Pays income of a model to all who hold its units.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code.
    pub async fn pay_royalty(
        &self,
        caller: &Caller,
        key: &str,
        model: &Name,
        amount: Cash,
    ) -> Result<String, ServiceError> {
        let input = Royalty { model, amount };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "royalty_pay", &input);
        ledger.post(&Event::Royalty { model: model.clone(), amount }).await?;
        ledger.finish(model.as_str(), model.to_string()).await
    }

    /// Writes a model down to nothing in every fund that lists it, for ever; bond and unvested proceeds go to the holders.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn delist_model(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        model: &Name,
    ) -> Result<String, ServiceError> {
        self.get_fund(fund).await?;
        let input = OfModel { fund, model };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "model_delist", &input);
        let event = Event::Delist { fund: fund.clone(), model: model.clone() };
        let (event_seq, _) = ledger.post(&event).await?;
        end_delisted_windows(&ledger, model, event_seq).await?;
        release_all(&mut ledger, model).await?;
        ledger.finish(&format!("{fund}/{model}"), fund.to_string()).await
    }
}
