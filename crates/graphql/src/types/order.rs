//! Orders of both sides.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use domain::{amount::Units, name::Name};
use service::{Order as OrderValue, OrderSize, OrderSlice as SliceValue, OrderState as StateValue};

use super::{fund::OrderFill, window::OrderPayment};
use crate::{
    error::api_error,
    scalars::{Credits, NameText, ShareQuantity, Time, UnitQuantity},
    scope::service,
};

/// Where an order stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderState {
    /// The next strike settles it; a subscription and one at the instant window wait longer while a price is in doubt.
    Waiting,
    /// A strike settled it.
    Settled,
    /// Its owner took it back.
    Cancelled,
}

/// What an order wants.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderSide {
    /// Shares for credits.
    Subscription,
    /// A slice of what the fund holds, for shares.
    Redemption,
    /// Credits for shares, at the instant window.
    Window,
}

/// An order for a strike: credits for shares, shares for a slice of what the fund holds, or shares for cash at the instant window.
#[derive(Clone, Debug)]
pub(crate) struct Order(pub(crate) OrderValue);

/// An order for a strike: credits for shares, shares for a slice of what the fund holds, or shares for cash at the instant window.
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

    /// What is wanted.
    async fn side(&self) -> OrderSide {
        match self.0.size {
            OrderSize::Subscription(_) => OrderSide::Subscription,
            OrderSize::Redemption(_) => OrderSide::Redemption,
            OrderSize::Window(_) => OrderSide::Window,
        }
    }

    /// Credits to be turned into shares; null otherwise.
    async fn amount(&self) -> Option<Credits> {
        match self.0.size {
            OrderSize::Subscription(amount) => Some(Credits(amount)),
            OrderSize::Redemption(_) | OrderSize::Window(_) => None,
        }
    }

    /// Shares to be given back; null for a subscription.
    async fn shares(&self) -> Option<ShareQuantity> {
        match self.0.size {
            OrderSize::Subscription(_) => None,
            OrderSize::Redemption(shares) | OrderSize::Window(shares) => {
                Some(ShareQuantity(shares))
            }
        }
    }

    /// Where it stands.
    async fn state(&self) -> OrderState {
        match self.0.state {
            StateValue::Waiting => OrderState::Waiting,
            StateValue::Filled(_) | StateValue::Sliced(_) | StateValue::Paid(_) => {
                OrderState::Settled
            }
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

    /// What the instant window paid; null otherwise.
    async fn payment(&self) -> Option<OrderPayment> {
        match &self.0.state {
            StateValue::Paid(paid) => Some(OrderPayment::from(paid)),
            _ => None,
        }
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
