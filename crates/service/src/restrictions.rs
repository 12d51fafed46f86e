//! Who may hold shares of a fund and what is paused, as the operator says it: each change is an event of the ledger.

use domain::{
    fund::{Event, FundState},
    name::Name,
};
use serde::Serialize;

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    funds::ledger_command,
    moment::LedgerAt,
    token::{Caller, Scope},
};

/// What restricts a fund, without the owners that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundRestrictions {
    /// Whether only owners on its list may receive shares.
    pub allow_list_on: bool,
    /// Whether it takes no orders to buy, moves no shares between owners and trades nothing.
    pub paused: bool,
    /// Whether strikes leave subscriptions waiting because a price is in doubt.
    pub subscriptions_held: bool,
}

impl FundRestrictions {
    pub(crate) const fn of(fund: &FundState) -> Self {
        let lists = fund.restrictions();
        Self {
            allow_list_on: lists.has_allow_list(),
            paused: lists.is_paused(),
            subscriptions_held: fund.holds_subscriptions(),
        }
    }
}

/// A list of owners of a fund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerList {
    /// Those who may receive shares while the list counts.
    Allowed,
    /// Those who are frozen.
    Frozen,
}

#[derive(Serialize)]
struct Switch<'a> {
    fund: &'a Name,
    on: bool,
}

#[derive(Serialize)]
struct SwitchOwner<'a> {
    fund: &'a Name,
    owner: &'a Name,
    on: bool,
}

impl Service {
    /// Freezes an owner in a fund or ends that: no shares come to him and he gives none away; whatever he has he may take out.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code: `owner` for those whom fees flow to,
    /// `nothing` where it is so already.
    pub async fn freeze_owner(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        owner: &Name,
        frozen: bool,
    ) -> Result<String, ServiceError> {
        self.get_fund(fund).await?;
        let input = SwitchOwner { fund, owner, on: frozen };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "owner_freeze", &input);
        ledger.post(&Event::Freeze { fund: fund.clone(), who: owner.clone(), frozen }).await?;
        ledger.finish(&format!("{fund} {owner}"), fund.to_string()).await
    }

    /// Puts an owner on the list of those who may receive shares of a fund, or takes him off.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn allow_owner(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        owner: &Name,
        allowed: bool,
    ) -> Result<String, ServiceError> {
        self.get_fund(fund).await?;
        let input = SwitchOwner { fund, owner, on: allowed };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "owner_allow", &input);
        ledger.post(&Event::Allow { fund: fund.clone(), who: owner.clone(), allowed }).await?;
        ledger.finish(&format!("{fund} {owner}"), fund.to_string()).await
    }

    /// Lets the list of a fund count, or not; who stands on it is kept.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn set_allow_list(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        on: bool,
    ) -> Result<String, ServiceError> {
        self.get_fund(fund).await?;
        let input = Switch { fund, on };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "allow_list_set", &input);
        ledger.post(&Event::SetAllowList { fund: fund.clone(), on }).await?;
        ledger.finish(fund.as_str(), fund.to_string()).await
    }

    /// Pauses a fund or ends the pause. Leaving is never paused.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn pause_fund(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        paused: bool,
    ) -> Result<String, ServiceError> {
        self.get_fund(fund).await?;
        let input = Switch { fund, on: paused };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "fund_pause", &input);
        ledger.post(&Event::Pause { fund: fund.clone(), paused }).await?;
        ledger.finish(fund.as_str(), fund.to_string()).await
    }

    /// Owners on a list of a fund on a ledger, by name after `after`, at most `limit`; only the operator reads it.
    ///
    /// # Errors
    /// [`ServiceError::Scope`], [`ServiceError::Absent`].
    pub fn list_restricted(
        &self,
        caller: &Caller,
        fund: &Name,
        list: OwnerList,
        after: Option<&str>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<Name>, ServiceError> {
        if !caller.may(Scope::Operate) {
            return Err(Scope::Operate.into());
        }
        let found =
            ledger.state.fund(fund).ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
        let owners = match list {
            OwnerList::Allowed => found.restrictions().allowed(),
            OwnerList::Frozen => found.restrictions().frozen(),
        };
        let later = owners.iter().filter(|who| after.is_none_or(|after| who.as_str() > after));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(later.take(limit).cloned().collect())
    }
}
