//! Asking the instant window, and bidding in the auction of a rebalance.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use domain::fund::Bid;
use service::OpenBids;

use super::fund::fund_now;
use crate::{
    error::api_error,
    scalars::{NameText, Price, Sha256, ShareQuantity, UnitQuantity},
    scope::{caller, service},
    types::{fund::Fund, venue::BidSide},
};

/// Input of `windowRequest`.
#[derive(InputObject)]
struct WindowRequestInput {
    /// The fund.
    fund: NameText,
    /// How many of the bearer's shares.
    shares: ShareQuantity,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `windowCancel`.
#[derive(InputObject)]
struct WindowCancelInput {
    /// The fund.
    fund: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `bidsSeal`.
#[derive(InputObject)]
struct BidsSealInput {
    /// The fund.
    fund: NameText,
    /// SHA-256 over `mf.bids.v1`, fund, owner, the salt's 32 bytes, and for each bid model, side (0 buys, 1 sells), units and limit in
    /// their smallest steps; texts end with a zero byte, numbers are 64 bits, little endian.
    commitment: Sha256,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// One bid.
#[derive(InputObject)]
struct BidInput {
    /// The model.
    model: NameText,
    /// In which direction.
    side: BidSide,
    /// How many units at most.
    units: UnitQuantity,
    /// The most a buyer pays for a unit, the least a seller takes.
    limit: Price,
}

/// Input of `bidsOpen`.
#[derive(InputObject)]
struct BidsOpenInput {
    /// The fund.
    fund: NameText,
    /// What was sealed, in the same order.
    bids: Vec<BidInput>,
    /// The salt that it was sealed with.
    salt: Sha256,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// A fund after a change at its window or auction.
#[derive(SimpleObject)]
struct VenuePayload {
    /// The fund.
    fund: Fund,
}

/// Asking the instant window, and bidding in the auction of a rebalance.
#[derive(Default)]
pub(crate) struct VenueMutation;

/// Asking the instant window, and bidding in the auction of a rebalance.
#[Object]
impl VenueMutation {
    /// Asks a fund's instant window for cash before the next strike: at the bid, as far as its budget reaches, everybody the same part of
    /// his holding; what is not paid returns. Scope `invest`.
    async fn window_request(
        &self,
        context: &Context<'_>,
        input: WindowRequestInput,
    ) -> Result<VenuePayload> {
        let (fund, key) = (&input.fund.0, &input.idempotency_key);
        let done =
            service(context)?.request_window(caller(context)?, key, fund, input.shares.0).await;
        done.map_err(api_error)?;
        Ok(VenuePayload { fund: fund_now(context, fund).await? })
    }

    /// Takes back all that the bearer asked of a fund's window and that waits. Scope `invest`.
    async fn window_cancel(
        &self,
        context: &Context<'_>,
        input: WindowCancelInput,
    ) -> Result<VenuePayload> {
        let (fund, key) = (&input.fund.0, &input.idempotency_key);
        service(context)?.cancel_window(caller(context)?, key, fund).await.map_err(api_error)?;
        Ok(VenuePayload { fund: fund_now(context, fund).await? })
    }

    /// Seals bids for the batch after a fund's next strike, with the deposit that its rules ask for. Scope `invest`.
    async fn bids_seal(&self, context: &Context<'_>, input: BidsSealInput) -> Result<VenuePayload> {
        let (fund, key) = (&input.fund.0, &input.idempotency_key);
        let done =
            service(context)?.seal_bids(caller(context)?, key, fund, input.commitment.0).await;
        done.map_err(api_error)?;
        Ok(VenuePayload { fund: fund_now(context, fund).await? })
    }

    /// Opens what the bearer has sealed, after the strike and before the batch; the deposit returns. Scope `invest`.
    async fn bids_open(&self, context: &Context<'_>, input: BidsOpenInput) -> Result<VenuePayload> {
        let bid = |bid: BidInput| Bid {
            limit: bid.limit.0,
            model: bid.model.0,
            side: bid.side.into(),
            units: bid.units.0,
        };
        let bids = input.bids.into_iter().map(bid).collect();
        let opened = OpenBids { fund: input.fund.0, bids, salt: input.salt.0 };
        let key = &input.idempotency_key;
        let done = service(context)?.open_bids(caller(context)?, key, &opened).await;
        done.map_err(api_error)?;
        Ok(VenuePayload { fund: fund_now(context, &opened.fund).await? })
    }
}
