//! Who may hold shares of a fund, and what is paused.

use async_graphql::{Context, Object, Result};
use domain::name::Name;
use service::{FundRestrictions, LedgerAt, OwnerList, Scope};

use crate::{
    pagination::{Page, PageArguments},
    scalars::NameText,
    scope::{request, service},
};

/// Who may receive shares of a fund, and what waits or is paused. None of it keeps anybody from leaving.
#[derive(Clone, Debug)]
pub(crate) struct Restrictions {
    pub(crate) fund: Name,
    pub(crate) value: FundRestrictions,
    /// The ledger that is told of.
    pub(crate) ledger: LedgerAt,
}

/// Who may receive shares of a fund, and what waits or is paused. None of it keeps anybody from leaving.
#[Object(name = "FundRestrictions")]
impl Restrictions {
    /// Whether only owners on the fund's list may receive its shares.
    async fn allow_list_on(&self) -> bool {
        self.value.allow_list_on
    }

    /// Whether the fund takes no subscriptions, moves no shares between owners and trades nothing; subscriptions that wait go on waiting.
    async fn paused(&self) -> bool {
        self.value.paused
    }

    /// Whether strikes leave subscriptions waiting because a price is in doubt; a pause is another reason.
    async fn subscriptions_held(&self) -> bool {
        self.value.subscriptions_held
    }

    /// Owners on the list of those who may receive shares, by name; it is kept while it does not count. Null without scope `operate`.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn allowed(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<Page<RestrictedOwner>>> {
        self.owners(context, OwnerList::Allowed, PageArguments::new(first, after)?).await
    }

    /// Owners that are frozen, by name: no shares come to them and they give none away. Null without scope `operate`.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn frozen(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<Page<RestrictedOwner>>> {
        self.owners(context, OwnerList::Frozen, PageArguments::new(first, after)?).await
    }
}

impl Restrictions {
    async fn owners(
        &self,
        context: &Context<'_>,
        list: OwnerList,
        page: PageArguments,
    ) -> Result<Option<Page<RestrictedOwner>>> {
        let operator = request(context)?.caller.as_ref().filter(|c| c.may(Scope::Operate));
        let Some(caller) = operator else { return Ok(None) };
        let (after, limit) = (page.after.as_deref(), page.limit());
        let (fund, ledger) = (&self.fund, &self.ledger);
        let rows = service(context)?.list_restricted(caller, fund, list, after, limit, ledger);
        page.page(rows, ToString::to_string, RestrictedOwner).map(Some)
    }
}

/// An owner on a list of a fund.
#[derive(Clone, Debug)]
pub(crate) struct RestrictedOwner(Name);

/// An owner on a list of a fund.
#[Object]
impl RestrictedOwner {
    /// Who.
    async fn owner(&self) -> NameText {
        NameText(self.0.clone())
    }
}
