//! Statements of an owner.

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use domain::{
    amount::{Cash, Shares, Units},
    fund::{Account, Asset},
};
use service::{
    Balance as BalanceValue, Place, Posting as PostingValue, Purse as PurseValue,
    Statement as StatementValue,
};

use crate::{
    error::invalid,
    pagination::{Page, PageArguments},
    scalars::{NameText, Time},
    scope::service,
};

/// Which of an owner's two accounts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "PurseValue")]
pub(crate) enum Purse {
    /// What is his and free.
    Own,
    /// Credits that are left for him until `cashClaim` fetches them.
    Claim,
}

/// What kind of account stands on the other side of a posting.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CounterAccount {
    /// Where assets are issued and redeemed.
    Issue,
    /// Outside the ledger.
    Outside,
    /// A party, the owner himself included.
    Party,
    /// A fund.
    Fund,
    /// Orders that wait.
    Escrow,
    /// Credits to be claimed.
    Claim,
    /// Units of leavers.
    Leavers,
    /// Units never sold.
    Primary,
    /// A publisher's bond, and proceeds that have not vested.
    Publisher,
    /// What a delisting has set aside.
    SetAside,
}

impl From<&Account> for CounterAccount {
    fn from(account: &Account) -> Self {
        match account {
            Account::Issue => Self::Issue,
            Account::Outside => Self::Outside,
            Account::Person(_) => Self::Party,
            Account::Fund(_) | Account::Locked(_) => Self::Fund,
            Account::EscrowSubscriptions(_) | Account::EscrowRedemptions(_) => Self::Escrow,
            Account::Claim(_) => Self::Claim,
            Account::Liquidation { .. } => Self::Leavers,
            Account::Primary(_) => Self::Primary,
            Account::Bond(_) | Account::EscrowPublisher(_) => Self::Publisher,
            Account::Side { .. } => Self::SetAside,
        }
    }
}

/// What an owner had at one moment, every posting since then, and what he had at another: opening plus postings is closing, exactly.
#[derive(Clone, Debug)]
pub(crate) struct Statement(pub(crate) StatementValue);

/// What an owner had at one moment, every posting since then, and what he had at another: opening plus postings is closing, exactly.
#[Object]
impl Statement {
    /// Whose it is.
    async fn owner(&self) -> NameText {
        NameText(self.0.owner.clone())
    }

    /// Where it begins: what was recorded later is in it.
    async fn from(&self) -> Time {
        Time(self.0.from.as_of)
    }

    /// Where it ends: what was recorded by then is in it.
    async fn to(&self) -> Time {
        Time(self.0.to.as_of)
    }

    /// What he had before, by asset.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn opening(&self, first: Option<i32>, after: Option<String>) -> Result<Page<Balance>> {
        balances(self.0.opening(), &PageArguments::new(first, after)?)
    }

    /// What he had after, by asset.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn closing(&self, first: Option<i32>, after: Option<String>) -> Result<Page<Balance>> {
        balances(self.0.closing(), &PageArguments::new(first, after)?)
    }

    /// Every movement between the two, in the order of the journal.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn postings(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Posting>> {
        let page = PageArguments::new(first, after)?;
        let place = |cursor: &String| {
            Place::parse(cursor).ok_or_else(|| invalid("after", "is no cursor of this list"))
        };
        let after = page.after.as_ref().map(place).transpose()?;
        let rows = service(context)?.list_postings(&self.0, after, page.limit()).await;
        page.page(rows, |posting| posting.place.to_string(), Posting::from)
    }
}

/// A page out of all balances, which are few and in one order.
fn balances(all: Vec<BalanceValue>, page: &PageArguments) -> Result<Page<Balance>> {
    let after = page.after_number()?;
    let rows = (1_i64..).zip(all).filter(|(number, _)| after.is_none_or(|after| *number > after));
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let rows = rows.take(limit).collect();
    page.page(Ok(rows), |(number, _)| number.to_string(), |(_, balance)| balance.into())
}

/// A balance that is not nothing.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Balance {
    /// `CASH`, `U:model`, `SHARE:fund` or `SC:fund:model`.
    asset: String,
    /// The account.
    purse: Purse,
    /// An exact decimal, with six digits for cash and units and nine for shares and claims.
    amount: String,
}

impl From<BalanceValue> for Balance {
    fn from(balance: BalanceValue) -> Self {
        Self {
            amount: amount(&balance.asset, balance.amount),
            asset: balance.asset.to_string(),
            purse: balance.purse.into(),
        }
    }
}

/// A movement of one asset, seen from one account of the owner.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Posting {
    /// The number of its event in the journal.
    event: i64,
    /// When it was recorded.
    at: Time,
    /// Kind of the journal's entry, such as `deposit`, `subscribe`, `settle_subscription`, `claim`.
    kind: String,
    /// `CASH`, `U:model`, `SHARE:fund` or `SC:fund:model`.
    asset: String,
    /// The account.
    purse: Purse,
    /// What it gained, an exact decimal; negative for what it gave.
    delta: String,
    /// What stands on the other side.
    counter: CounterAccount,
}

impl From<PostingValue> for Posting {
    fn from(posting: PostingValue) -> Self {
        Self {
            event: posting.place.leg.event_seq,
            at: Time(posting.at),
            delta: amount(&posting.asset, posting.delta),
            asset: posting.asset.to_string(),
            purse: posting.place.purse.into(),
            counter: CounterAccount::from(&posting.counter),
            kind: posting.kind,
        }
    }
}

fn amount(asset: &Asset, steps: i64) -> String {
    match asset {
        Asset::Cash => Cash::from_micro(steps).to_string(),
        Asset::Unit(_) => Units::from_micro(steps).to_string(),
        Asset::Share(_) | Asset::SideClaim { .. } => Shares::from_nano(steps).to_string(),
    }
}
