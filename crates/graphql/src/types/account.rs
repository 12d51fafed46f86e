//! Balances of a login.

use async_graphql::{ComplexObject, Context, Result, SimpleObject};
use domain::{
    amount::{Cash, Shares, Units},
    fund::{Account as LedgerAccount, Asset},
    name::Name,
};

use crate::{
    error::api_error,
    scalars::{Credits, NameText, ShareQuantity, UnitQuantity},
    scope::service,
};

/// What an owner has on the ledger. A login sees its own accounts only; the operator sees all.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(complex)]
pub(crate) struct Account {
    /// The owner.
    owner: NameText,
}

impl Account {
    pub(crate) const fn new(owner: Name) -> Self {
        Self { owner: NameText(owner) }
    }

    fn ledger_account(&self) -> LedgerAccount {
        LedgerAccount::Person(self.owner.0.clone())
    }
}

#[ComplexObject]
impl Account {
    /// Settlement credits that are free.
    async fn cash(&self, context: &Context<'_>) -> Result<Credits> {
        let state = service(context)?.ledger().await.map_err(api_error)?;
        Ok(Credits(Cash::from_micro(state.balance(&self.ledger_account(), &Asset::Cash))))
    }

    /// Credits that redemptions and recoveries have left for it: `cashClaim` fetches them.
    async fn claim(&self, context: &Context<'_>) -> Result<Credits> {
        let state = service(context)?.ledger().await.map_err(api_error)?;
        let account = LedgerAccount::Claim(self.owner.0.clone());
        Ok(Credits(Cash::from_micro(state.balance(&account, &Asset::Cash))))
    }

    /// Shares of a fund.
    async fn shares(&self, context: &Context<'_>, fund: NameText) -> Result<ShareQuantity> {
        let state = service(context)?.ledger().await.map_err(api_error)?;
        Ok(ShareQuantity(Shares::from_nano(
            state.balance(&self.ledger_account(), &Asset::Share(fund.0)),
        )))
    }

    /// Units of a model.
    async fn units(&self, context: &Context<'_>, model: NameText) -> Result<UnitQuantity> {
        let state = service(context)?.ledger().await.map_err(api_error)?;
        Ok(UnitQuantity(Units::from_micro(
            state.balance(&self.ledger_account(), &Asset::Unit(model.0)),
        )))
    }
}
