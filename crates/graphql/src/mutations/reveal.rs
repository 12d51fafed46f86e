//! The two-sided strike: prices are bound, then orders closed; `fundStrike` tells the prices.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::fund::fund_now;
use crate::{
    error::api_error,
    scalars::{NameText, Sha256},
    scope::{caller, service},
    types::fund::Fund,
};

/// Input of `pricesCommit`.
#[derive(InputObject)]
struct PricesCommitInput {
    /// The fund.
    fund: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `pricesCommit`.
#[derive(SimpleObject)]
struct PricesCommitPayload {
    /// The fund after it.
    fund: Fund,
    /// What binds to the prices.
    commitment: Sha256,
}

/// Input of `ordersClose`.
#[derive(InputObject)]
struct OrdersCloseInput {
    /// The fund.
    fund: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `ordersClose`.
#[derive(SimpleObject)]
struct OrdersClosePayload {
    /// The fund after it.
    fund: Fund,
    /// The salted root over the closed book.
    book_root: Sha256,
}

/// Prices that are bound, and books that are closed.
#[derive(Default)]
pub(super) struct RevealMutation;

#[Object]
impl RevealMutation {
    /// Binds the prices of a fund's next strike to those that are accepted now and tells nobody. What is accepted later is not in that
    /// strike. Refused with `commitment` while prices are bound already: nobody chooses between two. Scope `operate`.
    async fn prices_commit(
        &self,
        context: &Context<'_>,
        input: PricesCommitInput,
    ) -> Result<PricesCommitPayload> {
        let (fund, key) = (&input.fund.0, &input.idempotency_key);
        let done = service(context)?.commit_prices(caller(context)?, key, fund).await;
        let commitment = Sha256(done.map_err(api_error)?);
        Ok(PricesCommitPayload { fund: fund_now(context, fund).await?, commitment })
    }

    /// Closes the book of a fund's next strike, after its prices were bound: orders that wait are in it and cannot be taken back, later
    /// ones wait for the strike after. A head that has the root over the book is signed with it. A book that has waited three days for
    /// its strike opens when an owner takes an order back. Scope `operate`.
    async fn orders_close(
        &self,
        context: &Context<'_>,
        input: OrdersCloseInput,
    ) -> Result<OrdersClosePayload> {
        let (fund, key) = (&input.fund.0, &input.idempotency_key);
        let done = service(context)?.close_orders(caller(context)?, key, fund).await;
        let book_root = Sha256(done.map_err(api_error)?);
        Ok(OrdersClosePayload { fund: fund_now(context, fund).await?, book_root })
    }
}
