//! Requests at the instant window.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use service::PlaceWindowRequest;

use crate::{
    error::api_error,
    scalars::{Decimal9, NameText, ShareQuantity},
    scope::{caller, service},
    types::order::{Order, order_of},
};

/// Input of `windowRequestPlace`.
#[derive(InputObject)]
struct WindowRequestPlaceInput {
    /// The fund, whose rules have a window.
    fund: NameText,
    /// How many of the bearer's shares: at least a millionth of those that there are.
    shares: ShareQuantity,
    /// The least for one share, after the levy, in credits: where the window pays less he keeps them all. Without it any price is taken,
    /// and the price is not his to know: it is told behind the cut-off, and whoever joins in kind or trades until the strike can make it
    /// lower. None, or zero, for any price.
    least: Option<Decimal9>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `windowRequestPlace`.
#[derive(SimpleObject)]
struct WindowRequestPlacePayload {
    /// The request, an order like others: `orderCancel` takes it back until the cut-off.
    order: Order,
}

/// Requests at the instant window.
#[derive(Default)]
pub(super) struct WindowMutation;

#[Object]
impl WindowMutation {
    /// Asks the instant window of a fund for cash: the next strike pays at the bid, out of a part of the fund's cash and the same part of
    /// every holding, and gives the other shares back, or all where the bid is below `least`. One request an owner at a time. Its
    /// price rests on marks, so that it waits while a valuation is in doubt, and an insider does not use it before the mark knows what he
    /// may know: what he asked for before returns to him when a version is published. Scope `invest`.
    async fn window_request_place(
        &self,
        context: &Context<'_>,
        input: WindowRequestPlaceInput,
    ) -> Result<WindowRequestPlacePayload> {
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        let least = input.least.map(|least| least.0);
        let wanted = PlaceWindowRequest { fund: input.fund.0, shares: input.shares.0, least };
        let placed = service(context)?.place_window_request(caller, key, &wanted).await;
        let order = order_of(context, placed.map_err(api_error)?).await?;
        Ok(WindowRequestPlacePayload { order })
    }
}
