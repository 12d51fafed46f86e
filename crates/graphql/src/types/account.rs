//! Balances of a login.

use async_graphql::{Context, Object, Result};
use domain::{
    amount::{Cash, Shares, Units},
    fund::{Account as LedgerAccount, Asset},
    name::Name,
};
use service::LedgerAt;

use super::{evidence::BalanceProofAnswer, statement::Statement};
use crate::{
    error::{api_error, invalid},
    moment::{ledger_at, ledger_now},
    scalars::{Credits, NameText, ShareQuantity, Time, UnitQuantity},
    scope::{caller, request, service},
};

/// What an owner has on the ledger. A login sees its own accounts only; the operator sees all.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    owner: Name,
    /// None for what the ledger is when it is read.
    ledger: Option<LedgerAt>,
}

impl Account {
    /// The account as it is.
    pub(crate) const fn new(owner: Name) -> Self {
        Self { owner, ledger: None }
    }

    /// The account as it was.
    pub(crate) const fn at(owner: Name, ledger: LedgerAt) -> Self {
        Self { owner, ledger: Some(ledger) }
    }

    async fn ledger(&self, context: &Context<'_>) -> Result<LedgerAt> {
        match &self.ledger {
            Some(ledger) => Ok(ledger.clone()),
            None => ledger_now(context).await,
        }
    }

    async fn balance(&self, context: &Context<'_>, asset: &Asset) -> Result<i64> {
        let account = LedgerAccount::Person(self.owner.clone());
        Ok(self.ledger(context).await?.state.balance(&account, asset))
    }
}

/// What an owner has on the ledger. A login sees its own accounts only; the operator sees all.
#[Object]
impl Account {
    /// The owner.
    async fn owner(&self) -> NameText {
        NameText(self.owner.clone())
    }

    /// When the last thing that this answer knows was recorded: an event of the ledger, a price, a calendar, a word about a dealing day,
    /// proposed rules. Asked as `asOf`, it gives this answer again, whatever is recorded later; null on an empty ledger.
    async fn recorded_at(&self, context: &Context<'_>) -> Result<Option<Time>> {
        Ok(self.ledger(context).await?.recorded_at.map(Time))
    }

    /// Settlement credits that are free.
    async fn cash(&self, context: &Context<'_>) -> Result<Credits> {
        Ok(Credits(Cash::from_micro(self.balance(context, &Asset::Cash).await?)))
    }

    /// Credits that redemptions and recoveries have left for it: `cashClaim` fetches them.
    async fn claim(&self, context: &Context<'_>) -> Result<Credits> {
        let account = LedgerAccount::Claim(self.owner.clone());
        let state = self.ledger(context).await?.state;
        Ok(Credits(Cash::from_micro(state.balance(&account, &Asset::Cash))))
    }

    /// From one moment to another: opening balances, every posting, closing balances. Without `to` it ends now, or at the moment of the
    /// account, and never later than that.
    #[graphql(complexity = "crate::moment::cost(Some(&from), to.as_ref(), child_complexity)")]
    async fn statement(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What was recorded later than this is in it.")] from: Time,
        #[graphql(desc = "What was recorded by then is in it.")] to: Option<Time>,
    ) -> Result<Statement> {
        let now = request(context)?.now;
        let to = match to {
            Some(_) => {
                let to = ledger_at(context, to, None).await?;
                let asked = self.ledger.as_ref().filter(|asked| asked.known_at.is_some());
                if asked.is_some_and(|asked| asked.seq < to.seq) {
                    return Err(invalid("to", "is later than the moment of the account"));
                }
                to
            }
            None => self.ledger(context).await?,
        };
        let statement = service(context)?.statement(&self.owner, from.0, to, now).await;
        Ok(Statement(statement.map_err(api_error)?))
    }

    /// What it had of a fund's shares after a strike, proven by the log alone; the same as the file
    /// `/v1/strikes/{fund}/{number}/balance`. Scope `invest`; the operator sees anybody's.
    #[graphql(complexity = "200 + child_complexity")]
    async fn balance_proof(
        &self,
        context: &Context<'_>,
        fund: NameText,
        #[graphql(desc = "The number of the strike.")] strike: i64,
    ) -> Result<BalanceProofAnswer> {
        let (caller, at) = (caller(context)?, self.ledger.as_ref());
        let of = (&fund.0, strike);
        let found = service(context)?.balance_evidence(caller, &self.owner, of, at).await;
        BalanceProofAnswer::new(found.map_err(api_error)?)
    }

    /// Shares of a fund.
    async fn shares(&self, context: &Context<'_>, fund: NameText) -> Result<ShareQuantity> {
        let shares = self.balance(context, &Asset::Share(fund.0)).await?;
        Ok(ShareQuantity(Shares::from_nano(shares)))
    }

    /// Units of a model.
    async fn units(&self, context: &Context<'_>, model: NameText) -> Result<UnitQuantity> {
        let units = self.balance(context, &Asset::Unit(model.0)).await?;
        Ok(UnitQuantity(Units::from_micro(units)))
    }
}
