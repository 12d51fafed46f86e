//! The publishers' part of the management fee.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use domain::amount::Shares;

use crate::{
    error::api_error,
    scalars::{NameText, ShareQuantity},
    scope::{caller, service},
};

/// Input of `feesDistribute`.
#[derive(InputObject)]
struct FeesDistributeInput {
    /// The fund.
    fund: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `feesDistribute`.
#[derive(SimpleObject)]
struct FeesDistributePayload {
    /// The first strike of the span.
    from: i64,
    /// The last strike of the span.
    to: i64,
    /// How many contributors received something.
    receivers: i64,
    /// Shares that they received together.
    shares: ShareQuantity,
}

/// The publishers' part of the management fee.
#[derive(Default)]
pub(super) struct DistributionMutation;

#[Object]
impl DistributionMutation {
    /// Pays the publishers' part of the management fee out of the pool, for all strikes since the last time: by the value of each model
    /// that was held and by its fee share, to its contributors. What a copy does not earn stays in the pool. Scope `operate`.
    async fn fees_distribute(
        &self,
        context: &Context<'_>,
        input: FeesDistributeInput,
    ) -> Result<FeesDistributePayload> {
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        let done = service(context)?.distribute_fees(caller, key, &input.fund.0).await;
        let done = done.map_err(api_error)?;
        let sum = done.parts.values().fold(0_i64, |sum, part| sum.saturating_add(part.as_nano()));
        Ok(FeesDistributePayload {
            from: i64::try_from(done.from).unwrap_or(i64::MAX),
            to: i64::try_from(done.to).unwrap_or(i64::MAX),
            receivers: i64::try_from(done.parts.len()).unwrap_or(i64::MAX),
            shares: ShareQuantity(Shares::from_nano(sum)),
        })
    }
}
