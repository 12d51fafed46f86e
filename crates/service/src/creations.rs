//! Creation in kind: shares at once for the exact slice of what a fund holds.

use domain::{
    amount::{Cash, Shares, Units},
    fund::{Account, Asset, CreateQuote, Event, Kind, quote_create},
    name::Name,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    dealing::check_own_dealing,
    exits::fund_day,
    funds::ledger_command,
    moment::LedgerAt,
    token::{Caller, Scope},
};

/// What a creator in kind gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenInKind {
    /// The event's number in the journal.
    pub event: i64,
    /// Credits.
    pub cash: Cash,
    /// Units by model.
    pub units: BTreeMap<Name, Units>,
}

#[derive(Serialize)]
struct CreateInKind<'a> {
    fund: &'a Name,
    owner: &'a Name,
    shares: Shares,
}

impl Service {
    /// Makes shares for the caller, who brings the exact slice of cash and units. It needs no price and no strike, and a price in doubt
    /// does not suspend it. The minimum order does not apply: it is a value, which needs a mark, and it keeps rounding small that goes to
    /// the fund here.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn create_in_kind(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        shares: Shares,
    ) -> Result<GivenInKind, ServiceError> {
        self.get_fund(fund).await?;
        let input = CreateInKind { fund, owner: &caller.owner, shares };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "in_kind_create", &input);
        check_own_dealing(&ledger, fund, &caller.owner).await?;
        let event = Event::CreateInKind {
            fund: fund.clone(),
            who: caller.owner.clone(),
            shares,
            day: fund_day(&ledger.state, fund, caller.now),
        };
        let (event, batch) = ledger.post(&event).await?;
        let mut given = GivenInKind { event, cash: Cash::ZERO, units: BTreeMap::new() };
        let person = Account::Person(caller.owner.clone());
        let entries = batch.entries.iter().filter(|entry| entry.kind == Kind::CreateInKind);
        for leg in entries.flat_map(|entry| &entry.custody).filter(|leg| leg.from == person) {
            match &leg.asset {
                Asset::Cash => given.cash = Cash::from_micro(leg.amount),
                Asset::Unit(model) => {
                    given.units.insert(model.clone(), Units::from_micro(leg.amount));
                }
                _ => {}
            }
        }
        ledger.finish(fund.as_str(), given).await
    }

    /// What so many shares cost in kind on the day of a ledger. A trade of the fund before it gives another slice; a mark does not.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub fn quote_create(
        &self,
        fund: &Name,
        shares: Shares,
        ledger: &LedgerAt,
    ) -> Result<CreateQuote, ServiceError> {
        let state = &*ledger.state;
        if state.fund(fund).is_none() {
            return Err(ServiceError::absent("fund", fund.as_str()));
        }
        Ok(quote_create(state, fund, shares, fund_day(state, fund, ledger.as_of))?)
    }
}
