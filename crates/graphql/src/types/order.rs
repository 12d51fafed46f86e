//! Orders of both sides.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use domain::{amount::Units, name::Name};
use service::{Order as OrderValue, OrderSize, OrderSlice as SliceValue, OrderState as StateValue};

use super::{evidence::OrderProof, fund::OrderFill};
use crate::{
    error::api_error,
    scalars::{Credits, NameText, ShareQuantity, Time, UnitQuantity},
    scope::{caller, service},
};

/// Where an order stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderState {
    /// The next strike settles it; a subscription waits longer while a price is in doubt.
    Waiting,
    /// A strike settled it.
    Settled,
    /// Its owner took it back.
    Cancelled,
}

/// An order for a strike: credits for shares, or shares for a slice of what the fund holds.
#[derive(Clone, Debug)]
pub(crate) struct Order(pub(crate) OrderValue);

/// An order for a strike: credits for shares, or shares for a slice of what the fund holds.
#[Object]
impl Order {
    /// Its id: the number of its event in the journal. Orders with a smaller number than the strike's are in the strike; where prices were bound
    /// before, those with a smaller number than the cut-off's.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The fund.
    async fn fund(&self) -> NameText {
        NameText(self.0.fund.clone())
    }

    /// Whose it is.
    async fn owner(&self) -> NameText {
        NameText(self.0.owner.clone())
    }

    /// Credits to be turned into shares; null for a redemption.
    async fn amount(&self) -> Option<Credits> {
        match self.0.size {
            OrderSize::Subscription(amount) => Some(Credits(amount)),
            OrderSize::Redemption(_) => None,
        }
    }

    /// Shares to be given back; null for a subscription.
    async fn shares(&self) -> Option<ShareQuantity> {
        match self.0.size {
            OrderSize::Subscription(_) => None,
            OrderSize::Redemption(shares) => Some(ShareQuantity(shares)),
        }
    }

    /// Where it stands.
    async fn state(&self) -> OrderState {
        match self.0.state {
            StateValue::Waiting => OrderState::Waiting,
            StateValue::Filled(_) | StateValue::Sliced(_) => OrderState::Settled,
            StateValue::Cancelled => OrderState::Cancelled,
        }
    }

    /// What a subscription got; null otherwise.
    async fn fill(&self) -> Option<OrderFill> {
        match &self.0.state {
            StateValue::Filled(fill) => Some(OrderFill::from(fill)),
            _ => None,
        }
    }

    /// What a redemption got; null otherwise.
    async fn slice(&self) -> Option<OrderSlice> {
        match &self.0.state {
            StateValue::Sliced(slice) => Some(OrderSlice::from(slice)),
            _ => None,
        }
    }

    /// What shows that it is in the closed book of a strike, the last that was closed while it waited; the same as the file
    /// `/v1/orders/{id}/proof`. Null where it is in none: it came after the cut-off, nobody bound the prices before, or no head has the
    /// cut-off yet. Its owner's, and the operator's.
    #[graphql(complexity = "200 + child_complexity")]
    async fn proof(&self, context: &Context<'_>) -> Result<Option<OrderProof>> {
        let found = service(context)?.evidence_of(caller(context)?, &self.0).await;
        found.map_err(api_error)?.map(OrderProof::new).transpose()
    }

    /// When it was placed.
    async fn placed_at(&self) -> Time {
        Time(self.0.placed_at)
    }
}

/// What a redemption order got: a part of everything, at no mark.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct OrderSlice {
    /// The strike.
    strike: i64,
    /// Cash, to be claimed at once.
    cash: Credits,
    /// Units, sold for the leavers in the next three batches and delivered where they are not.
    units: Vec<UnitsOfModel>,
}

impl From<&SliceValue> for OrderSlice {
    fn from(slice: &SliceValue) -> Self {
        Self {
            strike: slice.strike,
            cash: Credits(slice.cash),
            units: UnitsOfModel::list(&slice.units),
        }
    }
}

/// Units of one model.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct UnitsOfModel {
    /// The model.
    pub(crate) model: NameText,
    /// Units.
    pub(crate) units: UnitQuantity,
}

impl UnitsOfModel {
    /// One for each model, by name.
    pub(crate) fn list(units: &BTreeMap<Name, Units>) -> Vec<Self> {
        let of = |(model, units): (&Name, &Units)| Self {
            model: NameText(model.clone()),
            units: UnitQuantity(*units),
        };
        units.iter().map(of).collect()
    }
}

/// The order of an id, which exists.
pub(crate) async fn order_of(context: &Context<'_>, id: i64) -> Result<Order> {
    let order = service(context)?.find_order(id).await.map_err(api_error)?;
    let absent =
        || api_error(service::ServiceError::Absent { kind: "order", name: id.to_string() });
    order.map(Order).ok_or_else(absent)
}
