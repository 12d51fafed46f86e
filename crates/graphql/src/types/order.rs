//! Orders of both sides.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use domain::{
    amount::{PriceNano, Units},
    name::Name,
};
use service::{
    LedgerAt, Order as OrderValue, OrderSize, OrderSlice as SliceValue, OrderState as StateValue,
};

use super::{evidence::OrderProof, fund::OrderFill, window::OrderPayment};
use crate::{
    error::api_error,
    moment::ledger_at,
    scalars::{Credits, Decimal9, NameText, ShareQuantity, Time, UnitQuantity},
    scope::{caller, service},
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
pub(crate) struct Order {
    value: OrderValue,
    /// The ledger that it is seen on.
    ledger: LedgerAt,
}

impl Order {
    /// An order as it stands on a ledger.
    pub(crate) fn at(value: OrderValue, ledger: &LedgerAt) -> Self {
        Self { value, ledger: ledger.clone() }
    }
}

/// An order for a strike: credits for shares, shares for a slice of what the fund holds, or shares for cash at the instant window.
#[Object]
impl Order {
    /// Its id: the number of its event in the journal. Orders with a smaller number than the strike's are in the strike; where prices were bound
    /// before, or a cut-off passed before it, those with a smaller number than the cut-off's.
    async fn id(&self) -> ID {
        ID(self.value.id.to_string())
    }

    /// The fund.
    async fn fund(&self) -> NameText {
        NameText(self.value.fund.clone())
    }

    /// Whose it is.
    async fn owner(&self) -> NameText {
        NameText(self.value.owner.clone())
    }

    /// What is wanted.
    async fn side(&self) -> OrderSide {
        match self.value.size {
            OrderSize::Subscription(_) => OrderSide::Subscription,
            OrderSize::Redemption(_) => OrderSide::Redemption,
            OrderSize::Window(..) => OrderSide::Window,
        }
    }

    /// Credits to be turned into shares; null otherwise.
    async fn amount(&self) -> Option<Credits> {
        match self.value.size {
            OrderSize::Subscription(amount) => Some(Credits(amount)),
            OrderSize::Redemption(_) | OrderSize::Window(..) => None,
        }
    }

    /// Shares to be given back; null for a subscription.
    async fn shares(&self) -> Option<ShareQuantity> {
        match self.value.size {
            OrderSize::Subscription(_) => None,
            OrderSize::Redemption(shares) | OrderSize::Window(shares, _) => {
                Some(ShareQuantity(shares))
            }
        }
    }

    /// The least for a share that a request at the instant window takes, after the levy; null where it takes any price, and otherwise.
    async fn least(&self) -> Option<Decimal9> {
        match self.value.size {
            OrderSize::Window(_, least) if least > PriceNano::ZERO => Some(Decimal9(least)),
            _ => None,
        }
    }

    /// Where it stands.
    async fn state(&self) -> OrderState {
        match self.value.state {
            StateValue::Waiting => OrderState::Waiting,
            StateValue::Filled(_) | StateValue::Sliced(_) | StateValue::Paid(_) => {
                OrderState::Settled
            }
            StateValue::Cancelled => OrderState::Cancelled,
        }
    }

    /// What a subscription got; null otherwise.
    async fn fill(&self) -> Option<OrderFill> {
        match &self.value.state {
            StateValue::Filled(fill) => Some(OrderFill::from(fill)),
            _ => None,
        }
    }

    /// What a redemption got; null otherwise.
    async fn slice(&self) -> Option<OrderSlice> {
        match &self.value.state {
            StateValue::Sliced(slice) => Some(OrderSlice::from(slice)),
            _ => None,
        }
    }

    /// What shows that it is in the closed book of a strike, the last that was closed while it waited; the same as the file
    /// `/v1/orders/{id}/proof`. Null where it is in none: it came after the cut-off, nobody bound the prices before, or no head has the
    /// cut-off yet. Its owner's, and the operator's.
    #[graphql(complexity = "200 + child_complexity")]
    async fn proof(&self, context: &Context<'_>) -> Result<Option<OrderProof>> {
        let found = service(context)?.evidence_of(caller(context)?, &self.value).await;
        found.map_err(api_error)?.map(OrderProof::new).transpose()
    }

    /// At which strike it is dealt with, as far as it is known; null once it waits no more.
    #[graphql(complexity = "5 + child_complexity")]
    async fn dealing(&self, context: &Context<'_>) -> Result<Option<OrderDealing>> {
        let found = service(context)?.find_order_dealing(&self.value, &self.ledger).await;
        Ok(found.map_err(api_error)?.map(OrderDealing::from))
    }

    /// What the instant window paid; null otherwise.
    async fn payment(&self) -> Option<OrderPayment> {
        match &self.value.state {
            StateValue::Paid(paid) => Some(OrderPayment::from(paid)),
            _ => None,
        }
    }

    /// When it was placed.
    async fn placed_at(&self) -> Time {
        Time(self.value.placed_at)
    }
}

/// At which strike an order that waits is dealt with.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct OrderDealing {
    /// The strike: the next one, or the one after it for what came after a cut-off whose strike is late. A subscription waits longer while a
    /// price is in doubt, and while it is held back.
    strike: i64,
    /// The cut-off that it is dealt with at; null for a fund without a calendar, and in a book that was closed by hand.
    cut_off: Option<Time>,
    /// Whether it is in a closed book, which its strike settles: it is taken back only if that does not come for three days.
    closed: bool,
    /// The fund's day since when it is held back, because its owner was one of those who may know of a version that no mark knows yet; null
    /// where it is not. It is dealt with at the strike that knows the version.
    held_since: Option<i64>,
}

impl From<service::OrderDealing> for OrderDealing {
    fn from(found: service::OrderDealing) -> Self {
        Self {
            strike: found.strike,
            cut_off: found.cut_off.map(Time),
            closed: found.is_closed,
            held_since: found.held_since,
        }
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
    let ledger = ledger_at(context, None, None).await?;
    order.map(|order| Order::at(order, &ledger)).ok_or_else(absent)
}
