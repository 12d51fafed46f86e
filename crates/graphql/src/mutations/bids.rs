//! Sealed bids on what a fund's rebalance trades.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use domain::{digest::Digest, fund::Salt};
use service::{OpenBids, SealBids};

use super::fund::fund_now;
use crate::{
    error::{api_error, invalid},
    scalars::{Credits, NameText, Sha256},
    scope::{caller, service},
    types::{auction::BidInput, fund::Fund},
};

/// Input of `bidsSeal`.
#[derive(InputObject)]
struct BidsSealInput {
    /// The fund.
    fund: NameText,
    /// The most that these bids may cost: a part of it is held as a deposit, and trades, bought and sold together, move at most the rest.
    budget: Credits,
    /// SHA-256 of: `mf.bids.v1`, the fund's name and the bidder's, each followed by a zero byte; the salt, 32 bytes; then for each bid the
    /// model's name and a zero byte, one byte for the side (0 buys, 1 sells), the units in millionths and the limit in 1e-9 credits, each
    /// as 64 bits, little endian. `modelfolio bids seal` computes it without any server.
    commitment: Sha256,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `bidsOpen`.
#[derive(InputObject)]
struct BidsOpenInput {
    /// The fund.
    fund: NameText,
    /// What was sealed, in the same order: at most 200 bids, one a model and side.
    bids: Vec<BidInput>,
    /// What made the commitment unguessable: 64 hexadecimal digits.
    salt: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `bidsTakeBack`.
#[derive(InputObject)]
struct BidsTakeBackInput {
    /// The fund.
    fund: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `bidsCall`.
#[derive(InputObject)]
struct BidsCallInput {
    /// The fund.
    fund: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// A fund after a change of its auction.
#[derive(SimpleObject)]
struct BidsPayload {
    /// The fund.
    fund: Fund,
}

/// Sealed bids on what a fund's rebalance trades.
#[derive(Default)]
pub(super) struct BidsMutation;

#[Object]
impl BidsMutation {
    /// Seals bids of the bearer's for the next auction: nobody learns them before they are opened. One set at a time.
    /// Who publishes, maintains or is paid for a model of the fund does not bid (`own_dealing`). Every bid is worth at least `minimum` at the
    /// mark that it is opened at, or the set is not opened. Scope `invest`.
    async fn bids_seal(&self, context: &Context<'_>, input: BidsSealInput) -> Result<BidsPayload> {
        let (budget, commitment) = (input.budget.0, input.commitment.0);
        let wanted = SealBids { fund: input.fund.0, budget, commitment };
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        service(context)?.seal_bids(caller, key, &wanted).await.map_err(api_error)?;
        Ok(BidsPayload { fund: fund_now(context, &wanted.fund).await? })
    }

    /// Opens what the bearer sealed, after its call and before its opening is over. The deposit returns with the batch. Whoever stays shut, and
    /// whoever has not got what he says when the opening ends (the rest of the budget where he buys, the units that he sells), loses it to
    /// the fund. Scope `invest`.
    async fn bids_open(&self, context: &Context<'_>, input: BidsOpenInput) -> Result<BidsPayload> {
        let salt: Salt = input.salt.parse().map_err(|e| invalid("salt", format!("{e}")))?;
        let bids = input.bids.into_iter().map(Into::into).collect();
        let salt = Digest::from_bytes(*salt.as_bytes());
        let wanted = OpenBids { fund: input.fund.0, bids, salt };
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        service(context)?.open_bids(caller, key, &wanted).await.map_err(api_error)?;
        Ok(BidsPayload { fund: fund_now(context, &wanted.fund).await? })
    }

    /// Takes back what the bearer sealed, deposit and all: where no call came for 31 days, where no batch came for 31 days after the opening,
    /// and where no model is left. Scope `invest`.
    async fn bids_take_back(
        &self,
        context: &Context<'_>,
        input: BidsTakeBackInput,
    ) -> Result<BidsPayload> {
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        service(context)?.take_back_bids(caller, key, &input.fund.0).await.map_err(api_error)?;
        Ok(BidsPayload { fund: fund_now(context, &input.fund.0).await? })
    }

    /// Begins the time for opening what is sealed. The first strike whose prices are set when it is over rebalances too, at its marks; a
    /// calendar calls by itself, so that this strike is that of the review. Scope `operate`.
    async fn bids_call(&self, context: &Context<'_>, input: BidsCallInput) -> Result<BidsPayload> {
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        service(context)?.call_bids(caller, key, &input.fund.0).await.map_err(api_error)?;
        Ok(BidsPayload { fund: fund_now(context, &input.fund.0).await? })
    }
}
