//! Funds, money, orders, strikes.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use domain::{amount::PriceNano, name::Name};
use service::AdmitModel;

use crate::{
    error::api_error,
    moment::ledger_now,
    scalars::{Credits, Decimal9, NameText},
    scope::{caller, service},
    types::{
        account::Account,
        fund::Fund,
        order::{Order, order_of},
        strike::Strike,
    },
};

/// Input of `fundCreate`.
#[derive(InputObject)]
struct FundCreateInput {
    /// The new fund's name.
    name: NameText,
    /// The rules, as JSON text.
    methodology: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of a change to a fund.
#[derive(SimpleObject)]
struct FundPayload {
    /// The fund after it.
    fund: Fund,
}

/// Input of `cashDeposit`.
#[derive(InputObject)]
struct CashDepositInput {
    /// Whose credits they become.
    owner: NameText,
    /// How many.
    amount: Credits,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `cashDeposit`.
#[derive(SimpleObject)]
struct CashDepositPayload {
    /// The owner's balances after it.
    account: Account,
}

/// Input of `modelAdmit`.
#[derive(InputObject)]
struct ModelAdmitInput {
    /// The fund.
    fund: NameText,
    /// The model; it has an accepted price.
    model: NameText,
    /// What the publisher posts, and loses at a delisting.
    bond: Credits,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `fundSeed`.
#[derive(InputObject)]
struct FundSeedInput {
    /// The fund.
    fund: NameText,
    /// Who pays.
    owner: NameText,
    /// How much; it buys shares at par.
    amount: Credits,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `subscriptionOrderPlace`.
#[derive(InputObject)]
struct SubscriptionOrderPlaceInput {
    /// The fund.
    fund: NameText,
    /// How much of the bearer's credits; the next strike turns them into shares.
    amount: Credits,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `subscriptionOrderPlace`.
#[derive(SimpleObject)]
struct SubscriptionOrderPlacePayload {
    /// The order.
    order: Order,
}

/// Input of `fundStrike`.
#[derive(InputObject)]
struct FundStrikeInput {
    /// The fund.
    fund: NameText,
    /// Strikes without telling the prices that were bound: marks stay, joiners of the closed book have their money back, leavers get
    /// their slices, and everybody can see it.
    #[graphql(default)]
    withhold: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `fundStrike`.
#[derive(SimpleObject)]
struct FundStrikePayload {
    /// The strike.
    strike: Strike,
}

/// Input of `fundRebalance`.
#[derive(InputObject)]
struct FundRebalanceInput {
    /// The fund.
    fund: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `fundRebalance`.
#[derive(SimpleObject)]
struct FundRebalancePayload {
    /// The fund after it.
    fund: Fund,
    /// The strike that it follows.
    strike: i64,
    /// Index level at the change of weights.
    level: Decimal9,
    /// Trades that happened.
    trades: i64,
}

/// Funds, money, orders, strikes.
#[derive(Default)]
pub(super) struct FundMutation;

#[Object]
impl FundMutation {
    /// Creates a fund under a methodology. Scope `operate`.
    async fn fund_create(
        &self,
        context: &Context<'_>,
        input: FundCreateInput,
    ) -> Result<FundPayload> {
        let created = service(context)?.create_fund(
            caller(context)?,
            &input.idempotency_key,
            &input.name.0,
            &input.methodology,
        );
        created.await.map_err(api_error)?;
        fund_payload(context, &input.name.0).await
    }

    /// Credits an owner with settlement credits from outside. Scope `operate`.
    async fn cash_deposit(
        &self,
        context: &Context<'_>,
        input: CashDepositInput,
    ) -> Result<CashDepositPayload> {
        let deposited = service(context)?.deposit_cash(
            caller(context)?,
            &input.idempotency_key,
            &input.owner.0,
            input.amount.0,
        );
        deposited.await.map_err(api_error)?;
        Ok(CashDepositPayload { account: Account::new(input.owner.0) })
    }

    /// Admits a model to a fund at its accepted price. Scope `operate`.
    async fn model_admit(
        &self,
        context: &Context<'_>,
        input: ModelAdmitInput,
    ) -> Result<FundPayload> {
        let admit = AdmitModel { fund: input.fund.0, model: input.model.0, bond: input.bond.0 };
        service(context)?
            .admit_model(caller(context)?, &input.idempotency_key, &admit)
            .await
            .map_err(api_error)?;
        fund_payload(context, &admit.fund).await
    }

    /// Opens a fund with its first money, at par. Scope `operate`.
    async fn fund_seed(&self, context: &Context<'_>, input: FundSeedInput) -> Result<FundPayload> {
        let (fund, owner) = (&input.fund.0, &input.owner.0);
        let seeded = service(context)?.seed_fund(
            caller(context)?,
            &input.idempotency_key,
            fund,
            owner,
            input.amount.0,
        );
        seeded.await.map_err(api_error)?;
        fund_payload(context, fund).await
    }

    /// Places a subscription order of the bearer's. Scope `invest`.
    async fn subscription_order_place(
        &self,
        context: &Context<'_>,
        input: SubscriptionOrderPlaceInput,
    ) -> Result<SubscriptionOrderPlacePayload> {
        let placed = service(context)?.place_subscription(
            caller(context)?,
            &input.idempotency_key,
            &input.fund.0,
            input.amount.0,
        );
        let id = placed.await.map_err(api_error)?;
        Ok(SubscriptionOrderPlacePayload { order: order_of(context, id).await? })
    }

    /// Strikes a fund: marks prices, charges fees, fixes NAV, settles orders. Where prices were bound and orders closed before
    /// (`pricesCommit`, `ordersClose`), it tells those prices and settles the closed book; otherwise it marks what is accepted now, and
    /// nothing shows that whoever struck did not know the orders. Where the opening of sealed bids is over, it rebalances too. Scope `operate`.
    async fn fund_strike(
        &self,
        context: &Context<'_>,
        input: FundStrikeInput,
    ) -> Result<FundStrikePayload> {
        let service = service(context)?;
        let number = service
            .strike_fund(caller(context)?, &input.idempotency_key, &input.fund.0, input.withhold)
            .await
            .map_err(api_error)?;
        let strike = service.get_strike(&input.fund.0, number).await.map_err(api_error)?;
        Ok(FundStrikePayload { strike: Strike(strike) })
    }

    /// Rebalances a fund to the weights of its methodology, once after every strike. From a call of sealed bids on it is refused
    /// (`auction`): the strike after their opening rebalances. Scope `operate`.
    async fn fund_rebalance(
        &self,
        context: &Context<'_>,
        input: FundRebalanceInput,
    ) -> Result<FundRebalancePayload> {
        let service = service(context)?;
        let done = service
            .rebalance_fund(caller(context)?, &input.idempotency_key, &input.fund.0)
            .await
            .map_err(api_error)?;
        let fund = fund_payload(context, &done.fund).await?.fund;
        let level = Decimal9(PriceNano::from_nano(done.level_nano));
        Ok(FundRebalancePayload { fund, strike: done.strike, level, trades: done.trades as i64 })
    }
}

async fn fund_payload(context: &Context<'_>, name: &Name) -> Result<FundPayload> {
    Ok(FundPayload { fund: fund_now(context, name).await? })
}

/// A fund after a change of it.
pub(super) async fn fund_now(context: &Context<'_>, name: &Name) -> Result<Fund> {
    let ledger = ledger_now(context).await?;
    service(context)?.view_fund(name, &ledger).await.map(Fund).map_err(api_error)
}
