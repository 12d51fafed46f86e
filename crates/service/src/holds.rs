//! Orders of insiders from before a window: from a publishing on, the orders to buy of whoever may know of the version are held back until
//! the strike that knows it, and are dealt with there at the new ask (FUND 1.2, ops/decisions/0050).
//!
//! | opens | ends |
//! | --- | --- |
//! | a publishing; an admission of a model with an unknown version | the strike whose mark knows the version, a yank, a delisting |
//!
//! What they asked the instant window for returns to them at once, because its bid rests on the same marks.
//!
//! Only an order is held whose owner was an insider when he placed it, so that nobody traps another's order by naming him afterwards. Its
//! owner takes it back after [`HOLD_DAYS_MAX`] days, and the operator gives it back at any time.

use domain::{dealing::Insider, fund::Event, name::Name, time::Timestamp};
use serde::Serialize;
use store::{OrderSide, fund_order, idempotent_reply, ledger as ledger_rows, registered_model};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    dealing::{insiders_of, open_versions},
    exits::fund_day,
    funds::{ledger_command, live_models},
    ledger::LedgerUnit,
    orders::waiting,
    token::{Caller, Scope},
};

/// Days after which the owner of an order that is held back may take it back: no name in a registry keeps money longer.
pub const HOLD_DAYS_MAX: i64 = 30;

/// An order to buy that waits.
struct WaitingJoin {
    place: u64,
    id: i64,
    who: Name,
}

#[derive(Serialize)]
struct GiveBackOrder {
    order: i64,
}

/// Whether an owner was an insider when he placed an order; a role of the same millisecond is none yet, so that nobody is named in time.
pub(crate) fn knew_at(insiders: &[Insider], owner: &Name, placed_at: Timestamp) -> bool {
    let knew = |insider: &Insider| {
        insider.owner == *owner
            && insider.from < placed_at
            && insider.to.is_none_or(|to| to >= placed_at)
    };
    insiders.iter().any(knew)
}

/// When an order was placed, by the clock of the server that took it, which dates roles too; the ledger's own moments may be ahead of it.
pub(crate) async fn placed_at(
    ledger: &LedgerUnit<'_>,
    order: i64,
) -> Result<Timestamp, ServiceError> {
    let event = ledger_rows::find_event(&ledger.unit.transaction, order).await?;
    let event = event.ok_or_else(|| ServiceError::internal("an order without its event"))?;
    let (actor, key) = (event.idempotency_actor.as_str(), event.idempotency_key.as_str());
    let reply = idempotent_reply::find(&ledger.unit.transaction, actor, key).await?;
    Ok(Timestamp::from_millis(reply.map_or(event.recorded_at, |reply| reply.recorded_at)))
}

async fn joins_of(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    wanted: impl Fn(u64, &Name) -> bool,
) -> Result<Vec<WaitingJoin>, ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(Vec::new()) };
    let any =
        (0..).zip(state.pending_subscriptions()).any(|(place, order)| wanted(place, &order.0));
    if !any {
        return Ok(Vec::new());
    }
    let ids = waiting(&ledger.unit.transaction, fund, OrderSide::Subscription).await?;
    let orders = (0..).zip(state.pending_subscriptions()).zip(ids);
    let join = |((place, order), id): ((u64, &(Name, _)), i64)| WaitingJoin {
        place,
        id,
        who: order.0.clone(),
    };
    Ok(orders.map(join).filter(|join| wanted(join.place, &join.who)).collect())
}

/// Holds back what waits of whoever may know of an open version of a model, in all funds that list it or in one.
pub(crate) async fn hold_insiders(
    ledger: &mut LedgerUnit<'_>,
    model: &Name,
    only: Option<&Name>,
) -> Result<(), ServiceError> {
    if ledger.state.is_delisted(model) {
        return Ok(());
    }
    let lists = ledger.state.funds().filter(|fund| {
        fund.price(model).is_some()
            && (!fund.pending_subscriptions().is_empty() || !fund.window().requests().is_empty())
            && only.is_none_or(|only| only == fund.name())
    });
    let funds: Vec<Name> = lists.map(|fund| fund.name().clone()).collect();
    if funds.is_empty() {
        return Ok(());
    }
    let transaction = &ledger.unit.transaction;
    let Some(row) = registered_model::find_by_name(transaction, model.as_str()).await? else {
        return Ok(());
    };
    let insiders = insiders_of(transaction, &ledger.state, &row).await?;
    for fund in funds {
        if open_versions(&ledger.unit.transaction, &fund, &row).await?.is_empty() {
            continue;
        }
        let state = ledger.state.clone();
        let free = |place| state.fund(&fund).is_some_and(|f| f.held_since(place).is_none());
        let is_his = |place, who: &Name| free(place) && insiders.iter().any(|i| i.owner == *who);
        for join in joins_of(ledger, &fund, is_his).await? {
            if knew_at(&insiders, &join.who, placed_at(ledger, join.id).await?) {
                post(ledger, &fund, join, true).await?;
            }
        }
        return_requests(ledger, &fund, &insiders).await?;
    }
    Ok(())
}

/// Gives insiders back what they asked the instant window for, because its bid rests on marks that do not know the version. What is in a
/// closed book was shut before there was anything to know, and stays.
async fn return_requests(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    insiders: &[Insider],
) -> Result<(), ServiceError> {
    let state = ledger.state.clone();
    let Some(found) = state.fund(fund).filter(|fund| !fund.window().requests().is_empty()) else {
        return Ok(());
    };
    let closed = found.closed_book().map_or(0, |book| book.window);
    let orders = waiting(&ledger.unit.transaction, fund, OrderSide::Window).await?;
    // From behind, so that no place moves before its turn.
    let places = (0..).zip(found.window().requests()).zip(orders).skip(closed);
    for ((place, (who, _)), order) in places.collect::<Vec<_>>().into_iter().rev() {
        let is_his = insiders.iter().any(|insider| insider.owner == *who);
        if !is_his || !knew_at(insiders, who, placed_at(ledger, order).await?) {
            continue;
        }
        let (fund, who) = (fund.clone(), who.clone());
        let (closed_by, _) = ledger.post(&Event::CancelWindow { fund, who, place }).await?;
        if !fund_order::close(&ledger.unit.transaction, order, closed_by).await? {
            return Err(ServiceError::internal("a request that waits at the window alone"));
        }
    }
    Ok(())
}

/// Lets those orders of a fund be dealt with again whose owners may know of no open version any more; `ended` are versions whose windows
/// end with the strike that is about to be posted.
pub(crate) async fn release(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    ended: &[String],
) -> Result<(), ServiceError> {
    let state = ledger.state.clone();
    let Some(found) = state.fund(fund).filter(|fund| fund.held_orders().next().is_some()) else {
        return Ok(());
    };
    let mut insiders = Vec::new();
    for name in live_models(ledger, found) {
        let transaction = &ledger.unit.transaction;
        let Some(row) = registered_model::find_by_name(transaction, name.as_str()).await? else {
            continue;
        };
        let open = open_versions(transaction, fund, &row).await?;
        if open.iter().any(|version| !ended.contains(&version.id)) {
            insiders.extend(insiders_of(transaction, &ledger.state, &row).await?);
        }
    }
    for join in joins_of(ledger, fund, |place, _| found.held_since(place).is_some()).await? {
        if !knew_at(&insiders, &join.who, placed_at(ledger, join.id).await?) {
            post(ledger, fund, join, false).await?;
        }
    }
    Ok(())
}

/// The same in every fund that lists or listed a model.
pub(crate) async fn release_all(
    ledger: &mut LedgerUnit<'_>,
    model: &Name,
) -> Result<(), ServiceError> {
    let lists = ledger.state.funds().filter(|fund| fund.price(model).is_some());
    let funds: Vec<Name> = lists.map(|fund| fund.name().clone()).collect();
    for fund in funds {
        release(ledger, &fund, &[]).await?;
    }
    Ok(())
}

async fn post(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    join: WaitingJoin,
    held: bool,
) -> Result<(), ServiceError> {
    let day = fund_day(&ledger.state, fund, ledger.unit.caller.now);
    let (fund, WaitingJoin { place, who, .. }) = (fund.clone(), join);
    ledger.post(&Event::HoldOrder { fund, who, place, held, day }).await.map(drop)
}

/// Whether an order at a place of the queue of joiners is held back, and has been for so long that its owner may take it back: then it is
/// let go.
pub(crate) async fn let_go_if_long(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    (id, place, who): (i64, u64, &Name),
) -> Result<bool, ServiceError> {
    let since = ledger.state.fund(fund).and_then(|state| state.held_since(place));
    let day = fund_day(&ledger.state, fund, ledger.unit.caller.now);
    if since.is_none_or(|since| day.saturating_sub(since) < HOLD_DAYS_MAX) {
        return Ok(false);
    }
    post(ledger, fund, WaitingJoin { place, id, who: who.clone() }, false).await?;
    Ok(true)
}

impl Service {
    /// Gives an order back that is held back: the operator does so where somebody's name was used without him.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without `operate`, [`ServiceError::Absent`] for the order, [`ServiceError::Invalid`] for one that is not
    /// held back, [`ServiceError::Rejected`] with `closed` where it is in a closed book.
    pub async fn give_back_order(
        &self,
        caller: &Caller,
        key: &str,
        order: i64,
    ) -> Result<i64, ServiceError> {
        let input = GiveBackOrder { order };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "order_give_back", &input);
        let transaction = &ledger.unit.transaction;
        let row = fund_order::find(transaction, order).await?;
        let row = row.ok_or_else(|| ServiceError::absent("order", order.to_string()))?;
        let fund: Name = row.fund.parse().map_err(ServiceError::internal)?;
        let who: Name = row.owner.parse().map_err(ServiceError::internal)?;
        let place = fund_order::count_before(transaction, &row.fund, row.side, order).await?;
        let place = place.unsigned_abs();
        let held = ledger.state.fund(&fund).and_then(|state| state.held_since(place));
        if row.side != OrderSide::Subscription || row.closed_by.is_some() || held.is_none() {
            return Err(ServiceError::invalid("order", format!("{order} is not held back")));
        }
        post(&mut ledger, &fund, WaitingJoin { place, id: order, who: who.clone() }, false).await?;
        let event = Event::CancelSubscription { fund, who, place };
        let (closed_by, _) = ledger.post(&event).await?;
        if !fund_order::close(&ledger.unit.transaction, order, closed_by).await? {
            return Err(ServiceError::internal("an order that waits in the queue alone"));
        }
        ledger.finish(&order.to_string(), order).await
    }
}
