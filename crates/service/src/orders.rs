//! Orders that wait for a strike: redemptions, and taking any order back before the cut-off, which is the strike's place in the journal.

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, PriceNano, Shares, Units},
    fund::{Event, Rejection},
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{
    Connection, OrderRow, OrderSide, SliceRow, StoreTransaction, fund_order, ledger, order_fill,
    order_slice, window_fill,
};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    cut_offs::{close_if_due, open_or_close},
    dealing::{check_own_dealing, check_placed_order},
    funds::ledger_command,
    holds::{let_go_if_long, placed_at},
    ledger::LedgerUnit,
    moment::LedgerAt,
    strikes::OrderFill,
    token::{Caller, Scope},
    window::OrderPayment,
};

/// Most orders of one owner that wait in a fund on one side: the queue is for everybody.
const OWNER_ORDERS_MAX: i64 = 100;
/// Orders read from the database at a time.
const PAGE_ORDERS: u64 = 10_000;

/// An order as it stands.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its id: the number of its event in the journal.
    pub id: i64,
    /// The fund.
    pub fund: Name,
    /// Whose it is.
    pub owner: Name,
    /// What was ordered.
    pub size: OrderSize,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Where it stands.
    pub state: OrderState,
    /// The last event that whoever asked knows of.
    pub(crate) last: i64,
    /// What was recorded later than this is not known to him; none where everything is.
    pub(crate) known_at: Option<Timestamp>,
}

/// What was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderSize {
    /// Shares for so many credits.
    Subscription(Cash),
    /// A slice for so many shares.
    Redemption(Shares),
    /// Cash for so many shares, at the instant window, for so much a share at least; zero for any price.
    Window(Shares, PriceNano),
}

/// Where an order stands.
#[derive(Clone, Debug)]
pub enum OrderState {
    /// The next strike settles it, unless the fund holds subscriptions back.
    Waiting,
    /// A strike gave it shares, or its money back.
    Filled(OrderFill),
    /// A strike gave it a slice.
    Sliced(OrderSlice),
    /// The instant window paid it, as far as it reached.
    Paid(OrderPayment),
    /// Its owner took it back.
    Cancelled,
}

/// What a redemption order got.
#[derive(Clone, Debug)]
pub struct OrderSlice {
    /// The strike.
    pub strike: i64,
    /// Cash, at once, to be claimed.
    pub cash: Cash,
    /// Units to be sold in the next three batches, and delivered where they are not.
    pub units: BTreeMap<Name, Units>,
}

/// A redemption order.
#[derive(Serialize)]
struct PlaceRedemption<'a> {
    fund: &'a Name,
    owner: &'a Name,
    shares: Shares,
}

#[derive(Serialize, Deserialize)]
struct CancelOrder {
    order: i64,
}

/// Writes an order down beside its event.
pub(crate) async fn record_order(
    transaction: &StoreTransaction,
    event_seq: i64,
    fund: &Name,
    side: OrderSide,
    owner: &Name,
) -> Result<(), ServiceError> {
    let waits = fund_order::count_waiting(transaction, fund.as_str(), side, owner.as_str()).await?;
    if waits >= OWNER_ORDERS_MAX {
        let what = format!("{side} orders of {owner} that wait in {fund}");
        return Err(Rejection::Limit { what, max: OWNER_ORDERS_MAX }.into());
    }
    let row = OrderRow {
        event_seq,
        fund: fund.to_string(),
        side,
        owner: owner.to_string(),
        closed_by: None,
    };
    Ok(fund_order::insert(transaction, row).await?)
}

/// The ids of the orders of a side that wait, in the order of the engine's queue.
pub(crate) async fn waiting<C: Connection>(
    connection: &C,
    fund: &Name,
    side: OrderSide,
) -> Result<Vec<i64>, ServiceError> {
    let mut orders: Vec<i64> = Vec::new();
    loop {
        let after = orders.last().copied();
        let page =
            fund_order::list_waiting(connection, fund.as_str(), side, after, PAGE_ORDERS).await?;
        let is_last = (page.len() as u64) < PAGE_ORDERS;
        orders.extend(page.iter().map(|row| row.event_seq));
        if is_last {
            return Ok(orders);
        }
    }
}

/// Refuses to take an order to buy back to one who knew, when he placed it, of what the mark does not know yet; unless it is held back for
/// so long that it is let go.
async fn check_own_order(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    row: &OrderRow,
) -> Result<(), ServiceError> {
    let transaction = &ledger.unit.transaction;
    let place = fund_order::count_before(transaction, &row.fund, row.side, row.event_seq).await?;
    let owner = ledger.unit.caller.owner.clone();
    let (id, place) = (row.event_seq, place.unsigned_abs());
    if let_go_if_long(ledger, fund, (id, place, &owner)).await? {
        return Ok(());
    }
    let placed_at = placed_at(ledger, id).await?;
    check_placed_order(ledger, fund, (&owner, placed_at)).await
}

impl Service {
    /// Places a redemption order of the caller's: the next strike gives a slice of what the fund holds for the shares, at no mark. It is
    /// never suspended; an owner has at most 100 orders waiting.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn place_redemption(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        shares: Shares,
    ) -> Result<i64, ServiceError> {
        self.get_fund(fund).await?;
        let input = PlaceRedemption { fund, owner: &caller.owner, shares };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "redemption_order_place", &input);
        close_if_due(&mut ledger, fund).await?;
        let who = caller.owner.clone();
        let event = Event::Redeem { fund: fund.clone(), who, shares };
        let (order, _) = ledger.post(&event).await?;
        let transaction = &ledger.unit.transaction;
        record_order(transaction, order, fund, OrderSide::Redemption, &caller.owner).await?;
        ledger.finish(fund.as_str(), order).await
    }

    /// Takes an order of the caller's back while it waits; what it held in escrow returns.
    ///
    /// # Errors
    /// [`ServiceError::OwnDealing`] for one who may know of a version before the mark does, where it is one to buy or one at the window;
    /// [`ServiceError::Absent`] for an order that is none of the caller's, [`ServiceError::Invalid`] once it is settled or taken back.
    pub async fn cancel_order(
        &self,
        caller: &Caller,
        key: &str,
        order: i64,
    ) -> Result<i64, ServiceError> {
        let input = CancelOrder { order };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "order_cancel", &input);
        let transaction = &ledger.unit.transaction;
        let row = fund_order::find(transaction, order).await?;
        let row = row.filter(|row| row.owner == caller.owner.as_str());
        let row = row.ok_or_else(|| ServiceError::absent("order", order.to_string()))?;
        let fund: Name = row.fund.parse().map_err(ServiceError::internal)?;
        if row.closed_by.is_some() {
            let reason = format!("order {order} waits no more: it was settled or taken back");
            return Err(ServiceError::invalid("order", reason));
        }
        // A slice knows no mark.
        match row.side {
            OrderSide::Subscription => check_own_order(&mut ledger, &fund, &row).await?,
            OrderSide::Window => check_own_dealing(&ledger, &fund, &caller.owner).await?,
            OrderSide::Redemption => {}
        }
        open_or_close(&mut ledger, &fund).await?;
        let transaction = &ledger.unit.transaction;
        // A joiner of a book that was opened again has his money back already.
        let still = fund_order::find(transaction, order).await?;
        if still.is_some_and(|row| row.closed_by.is_some()) {
            return ledger.finish(&order.to_string(), order).await;
        }
        let place = fund_order::count_before(transaction, &row.fund, row.side, order).await?;
        let (who, place) = (caller.owner.clone(), place.unsigned_abs());
        let event = match row.side {
            OrderSide::Subscription => Event::CancelSubscription { fund, who, place },
            OrderSide::Redemption => Event::CancelRedemption { fund, who, place },
            OrderSide::Window => Event::CancelWindow { fund, who, place },
        };
        let (closed_by, _) = ledger.post(&event).await?;
        if !fund_order::close(&ledger.unit.transaction, order, closed_by).await? {
            return Err(ServiceError::internal("an order that waits in the queue alone"));
        }
        ledger.finish(&order.to_string(), order).await
    }

    /// The order of an id, as it stands.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_order(&self, id: i64) -> Result<Option<Order>, ServiceError> {
        self.find_order_by(id, (i64::MAX, None)).await
    }

    /// The order of an id as it stood on a ledger.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_order_at(
        &self,
        id: i64,
        ledger: &LedgerAt,
    ) -> Result<Option<Order>, ServiceError> {
        self.find_order_by(id, (ledger.seq, ledger.known_at)).await
    }

    /// An owner's orders in all funds as they stood on a ledger, the youngest first, before an id, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_orders(
        &self,
        owner: &Name,
        before: Option<i64>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<Order>, ServiceError> {
        let next = ledger.seq.saturating_add(1);
        let before = Some(before.map_or(next, |before| before.min(next)));
        let mut orders = Vec::new();
        for row in fund_order::list_by_owner(&self.store, owner.as_str(), before, limit).await? {
            orders.push(self.read_order(row, (ledger.seq, ledger.known_at)).await?);
        }
        Ok(orders)
    }

    async fn find_order_by(
        &self,
        id: i64,
        known: (i64, Option<Timestamp>),
    ) -> Result<Option<Order>, ServiceError> {
        match fund_order::find(&self.store, id).await? {
            Some(row) if row.event_seq <= known.0 => self.read_order(row, known).await.map(Some),
            _ => Ok(None),
        }
    }

    /// An order as it stood after the event `last`.
    async fn read_order(
        &self,
        row: OrderRow,
        (last, known_at): (i64, Option<Timestamp>),
    ) -> Result<Order, ServiceError> {
        let event = ledger::find_event(&self.store, row.event_seq).await?;
        let event = event.ok_or_else(|| ServiceError::internal("an order without its event"))?;
        let size = match serde_json::from_str(&event.body).map_err(ServiceError::internal)? {
            Event::Subscribe { amount, .. } => OrderSize::Subscription(amount),
            Event::Redeem { shares, .. } => OrderSize::Redemption(shares),
            Event::RequestWindow { shares, least, .. } => OrderSize::Window(shares, least),
            _ => return Err(ServiceError::internal("an order whose event is none")),
        };
        let state = match row.closed_by.filter(|closed_by| *closed_by <= last) {
            None => OrderState::Waiting,
            Some(_) => self.closed_state(row.event_seq).await?,
        };
        Ok(Order {
            id: row.event_seq,
            fund: row.fund.parse().map_err(ServiceError::internal)?,
            owner: row.owner.parse().map_err(ServiceError::internal)?,
            size,
            placed_at: Timestamp::from_millis(event.recorded_at),
            state,
            last,
            known_at,
        })
    }

    async fn closed_state(&self, order: i64) -> Result<OrderState, ServiceError> {
        if let Some(row) = order_fill::find(&self.store, order).await? {
            return Ok(OrderState::Filled(OrderFill::read(&row)));
        }
        if let Some(row) = window_fill::find(&self.store, order).await? {
            return Ok(OrderState::Paid(OrderPayment::read(&row)));
        }
        let slice = |row: SliceRow| -> Result<OrderSlice, ServiceError> {
            Ok(OrderSlice {
                strike: row.strike_number,
                cash: Cash::from_micro(row.cash_micro),
                units: serde_json::from_str(&row.units).map_err(ServiceError::internal)?,
            })
        };
        let slice = order_slice::find(&self.store, order).await?.map(slice).transpose()?;
        Ok(slice.map_or(OrderState::Cancelled, OrderState::Sliced))
    }
}
