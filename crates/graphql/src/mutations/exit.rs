//! What an owner can always do with what is his, and what income and vesting pay.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use domain::{
    amount::{Cash, Shares},
    fund::Asset,
};
use service::{RedeemInKind, TransferAsset};

use crate::{
    error::{api_error, invalid},
    scalars::{Credits, NameText, ShareQuantity},
    scope::{caller, service},
    types::{
        account::Account,
        order::{Order, UnitsOfModel, order_of},
    },
};

/// Input of `redemptionOrderPlace`.
#[derive(InputObject)]
struct RedemptionOrderPlaceInput {
    /// The fund.
    fund: NameText,
    /// How many of the bearer's shares.
    shares: ShareQuantity,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `orderCancel`.
#[derive(InputObject)]
struct OrderCancelInput {
    /// An order of the bearer's that waits.
    order: ID,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `orderGiveBack`.
#[derive(InputObject)]
struct OrderGiveBackInput {
    /// An order to buy that is held back.
    order: ID,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// An order after a change.
#[derive(SimpleObject)]
struct OrderPayload {
    /// The order.
    order: Order,
}

/// Input of `inKindRedeem`.
#[derive(InputObject)]
struct InKindRedeemInput {
    /// The fund.
    fund: NameText,
    /// How many of the bearer's shares.
    shares: ShareQuantity,
    /// Models whose units are left to the fund.
    #[graphql(default)]
    skip: Vec<NameText>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `inKindRedeem`.
#[derive(SimpleObject)]
struct InKindRedeemPayload {
    /// Credits received.
    cash: Credits,
    /// Units received.
    units: Vec<UnitsOfModel>,
    /// The bearer's balances after it.
    account: Account,
}

/// Input of `cashClaim`.
#[derive(InputObject)]
struct CashClaimInput {
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `cashWithdraw`.
#[derive(InputObject)]
struct CashWithdrawInput {
    /// How many of the bearer's credits.
    amount: Credits,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `assetTransfer`.
#[derive(InputObject)]
struct AssetTransferInput {
    /// Who receives.
    to: NameText,
    /// `CASH`, `SHARE:` and a fund, `U:` and a model, or `SC:` with fund and model for what a delisted model still brings.
    asset: String,
    /// How much, a decimal: six digits of credits and units, nine of shares and claims.
    amount: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// An account after a change.
#[derive(SimpleObject)]
struct AccountPayload {
    /// The bearer's balances after it.
    account: Account,
}

/// Input of `modelVest`.
#[derive(InputObject)]
struct ModelVestInput {
    /// The fund that bought.
    fund: NameText,
    /// The model.
    model: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `modelVest`.
#[derive(SimpleObject)]
struct ModelVestPayload {
    /// What the contributors were paid together.
    paid: Credits,
}

/// Input of `royaltyPay`.
#[derive(InputObject)]
struct RoyaltyPayInput {
    /// The model that earned it.
    model: NameText,
    /// How much.
    amount: Credits,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `royaltyPay`.
#[derive(SimpleObject)]
struct RoyaltyPayPayload {
    /// The model.
    model: NameText,
}

/// Input of `modelDelist`.
#[derive(InputObject)]
struct ModelDelistInput {
    /// The fund that asks; it receives what cannot be divided among several.
    fund: NameText,
    /// The model.
    model: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `modelDelist`.
#[derive(SimpleObject)]
struct ModelDelistPayload {
    /// The model, which no fund lists any more.
    model: NameText,
}

/// What an owner can always do with what is his, and what income and vesting pay.
#[derive(Default)]
pub(super) struct ExitMutation;

#[Object]
impl ExitMutation {
    /// Places a redemption order of the bearer's: the next strike gives a part of everything for the shares. No mark is used and nothing
    /// suspends it. Scope `invest`.
    async fn redemption_order_place(
        &self,
        context: &Context<'_>,
        input: RedemptionOrderPlaceInput,
    ) -> Result<OrderPayload> {
        let (key, fund, shares) = (&input.idempotency_key, &input.fund.0, input.shares.0);
        let placed = service(context)?.place_redemption(caller(context)?, key, fund, shares).await;
        Ok(OrderPayload { order: order_of(context, placed.map_err(api_error)?).await? })
    }

    /// Takes an order of the bearer's back while it waits. Scope `invest`.
    async fn order_cancel(
        &self,
        context: &Context<'_>,
        input: OrderCancelInput,
    ) -> Result<OrderPayload> {
        let id = input.order.parse().map_err(|_| invalid("order", "is no order id"))?;
        let key = &input.idempotency_key;
        let cancelled = service(context)?.cancel_order(caller(context)?, key, id).await;
        Ok(OrderPayload { order: order_of(context, cancelled.map_err(api_error)?).await? })
    }

    /// Gives an order to buy back that is held back, because its owner counts as one who may know of a version: where he was named without
    /// him, nobody keeps his money. After thirty days he may take it back himself. Scope `operate`.
    async fn order_give_back(
        &self,
        context: &Context<'_>,
        input: OrderGiveBackInput,
    ) -> Result<OrderPayload> {
        let id = input.order.parse().map_err(|_| invalid("order", "is no order id"))?;
        let key = &input.idempotency_key;
        let given = service(context)?.give_back_order(caller(context)?, key, id).await;
        Ok(OrderPayload { order: order_of(context, given.map_err(api_error)?).await? })
    }

    /// Gives shares of the bearer's back at once for a part of every asset. It needs no price, no strike and no counterparty, and nothing
    /// suspends it. Scope `invest`.
    async fn in_kind_redeem(
        &self,
        context: &Context<'_>,
        input: InKindRedeemInput,
    ) -> Result<InKindRedeemPayload> {
        let skip = input.skip.into_iter().map(|name| name.0).collect();
        let wanted = RedeemInKind { fund: input.fund.0, shares: input.shares.0, skip };
        let caller = caller(context)?;
        let received =
            service(context)?.redeem_in_kind(caller, &input.idempotency_key, &wanted).await;
        let received = received.map_err(api_error)?;
        Ok(InKindRedeemPayload {
            cash: Credits(received.cash),
            units: UnitsOfModel::list(&received.units),
            account: Account::new(caller.owner.clone()),
        })
    }

    /// Fetches what redemptions and recoveries have left for the bearer. Scope `invest` or `publish`.
    async fn cash_claim(
        &self,
        context: &Context<'_>,
        input: CashClaimInput,
    ) -> Result<AccountPayload> {
        let caller = caller(context)?;
        service(context)?.claim_cash(caller, &input.idempotency_key).await.map_err(api_error)?;
        Ok(AccountPayload { account: Account::new(caller.owner.clone()) })
    }

    /// Takes credits of the bearer's off the ledger, for good. Scope `invest` or `publish`.
    async fn cash_withdraw(
        &self,
        context: &Context<'_>,
        input: CashWithdrawInput,
    ) -> Result<AccountPayload> {
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        service(context)?.withdraw_cash(caller, key, input.amount.0).await.map_err(api_error)?;
        Ok(AccountPayload { account: Account::new(caller.owner.clone()) })
    }

    /// Gives something of the bearer's to another party. Scope `invest` or `publish`.
    async fn asset_transfer(
        &self,
        context: &Context<'_>,
        input: AssetTransferInput,
    ) -> Result<AccountPayload> {
        let asset: Asset = input.asset.parse().map_err(|e| invalid("asset", format!("{e}")))?;
        let amount = match &asset {
            Asset::Cash | Asset::Unit(_) => input.amount.parse::<Cash>().map(Cash::as_micro),
            Asset::Share(_) | Asset::SideClaim { .. } => {
                input.amount.parse::<Shares>().map(Shares::as_nano)
            }
        };
        let amount = amount.map_err(|e| invalid("amount", format!("{e}")))?;
        let (caller, wanted) = (caller(context)?, TransferAsset { to: input.to.0, asset, amount });
        service(context)?
            .transfer_asset(caller, &input.idempotency_key, &wanted)
            .await
            .map_err(api_error)?;
        Ok(AccountPayload { account: Account::new(caller.owner.clone()) })
    }

    /// Pays the contributors of a model what has vested of its sales to a fund: nothing for 90 days, then in a line over 270. Any scope
    /// but `evaluate`.
    async fn model_vest(
        &self,
        context: &Context<'_>,
        input: ModelVestInput,
    ) -> Result<ModelVestPayload> {
        let (key, fund, model) = (&input.idempotency_key, &input.fund.0, &input.model.0);
        let paid = service(context)?.vest_model(caller(context)?, key, fund, model).await;
        Ok(ModelVestPayload { paid: Credits(paid.map_err(api_error)?) })
    }

    /// Pays income of a model to all who hold its units, and by its contributors' split what nobody has bought yet. Scope `operate`.
    async fn royalty_pay(
        &self,
        context: &Context<'_>,
        input: RoyaltyPayInput,
    ) -> Result<RoyaltyPayPayload> {
        let (key, model) = (&input.idempotency_key, &input.model.0);
        let caller = caller(context)?;
        service(context)?
            .pay_royalty(caller, key, model, input.amount.0)
            .await
            .map_err(api_error)?;
        Ok(RoyaltyPayPayload { model: input.model })
    }

    /// Writes a model down to nothing in every fund that lists it, for ever; its bond and unvested proceeds go to the holders of record.
    /// Scope `operate`.
    async fn model_delist(
        &self,
        context: &Context<'_>,
        input: ModelDelistInput,
    ) -> Result<ModelDelistPayload> {
        let (key, fund, model) = (&input.idempotency_key, &input.fund.0, &input.model.0);
        let caller = caller(context)?;
        service(context)?.delist_model(caller, key, fund, model).await.map_err(api_error)?;
        Ok(ModelDelistPayload { model: input.model })
    }
}
