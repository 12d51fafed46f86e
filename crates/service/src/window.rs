//! The instant window: requests that wait at it, and its payment, which belongs to the strike (FUND 1.3 (4), ops/decisions/0046).

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Femto, PriceNano, Shares},
    fund::{
        Clearing, Event, FundState, Outcome, WindowFill, WindowParams, quote_window, window_bid,
    },
    name::Name,
};
use serde::{Deserialize, Serialize};
use store::{OrderSide, WindowFillRow, fund_order, window_fill};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    cut_offs::close_if_due,
    dealing::check_own_dealing,
    exits::fund_day,
    funds::ledger_command,
    ledger::LedgerUnit,
    moment::LedgerAt,
    orders::{record_order, waiting},
    token::{Caller, Scope},
};

/// A request at the window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlaceWindowRequest {
    /// The fund.
    pub fund: Name,
    /// How many shares.
    pub shares: Shares,
    /// The least for one of them, after the levy; none for any price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<PriceNano>,
}

/// What the window paid for a request.
#[derive(Clone, Debug)]
pub struct OrderPayment {
    /// The strike before which it was paid.
    pub strike: i64,
    /// Shares given back; the others returned. None where all did.
    pub shares: Shares,
    /// Of these, shares whose value stayed in the fund.
    pub levy: Shares,
    /// Credits, at once.
    pub cash: Cash,
}

impl OrderPayment {
    pub(crate) const fn read(row: &WindowFillRow) -> Self {
        Self {
            strike: row.strike_number,
            shares: Shares::from_nano(row.shares_nano),
            levy: Shares::from_nano(row.levy_nano),
            cash: Cash::from_micro(row.cash_micro),
        }
    }
}

/// The window of a fund, as it stands on a ledger.
#[derive(Clone, Debug)]
pub struct WindowView {
    /// What it may pay.
    pub params: WindowParams,
    /// Why it is not paid at the next strike, as things are; none where it is.
    pub shut: Option<&'static str>,
    /// Requests that wait.
    pub waiting: u64,
    /// Cash, and units as far as the fund has sold some; none before the seed.
    pub bid: Option<Femto>,
    /// Shares that there are, after the fee of the days until then.
    pub supply: Shares,
    /// The most that it pays at the next strike.
    pub budget: Cash,
    /// What the fund has sold and may still be counted, by model.
    pub clearing: BTreeMap<Name, Clearing>,
}

impl Service {
    /// Places a request of the caller's at the instant window of a fund: the next strike pays it in cash at the bid, as far as the window
    /// reaches, and gives the rest back, or all where the bid is below his least. An owner has one at a time.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund; [`ServiceError::OwnDealing`] for one who may know of a version before the mark does, because
    /// the bid rests on marks; [`ServiceError::Rejected`] with `window` for a fund without one, `exists` beside another request, or another
    /// code of the ledger.
    pub async fn place_window_request(
        &self,
        caller: &Caller,
        key: &str,
        input: &PlaceWindowRequest,
    ) -> Result<i64, ServiceError> {
        let PlaceWindowRequest { fund, shares, least } = input;
        self.get_fund(fund).await?;
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Invest], key, "window_request_place", input);
        check_own_dealing(&ledger, fund, &caller.owner).await?;
        close_if_due(&mut ledger, fund).await?;
        let event = Event::RequestWindow {
            fund: fund.clone(),
            who: caller.owner.clone(),
            shares: *shares,
            least: least.unwrap_or_default(),
        };
        let (order, _) = ledger.post(&event).await?;
        let transaction = &ledger.unit.transaction;
        record_order(transaction, order, fund, OrderSide::Window, &caller.owner).await?;
        ledger.finish(fund.as_str(), order).await
    }

    /// What the window of a fund would pay for so many shares of somebody who has no others, at the marks of a ledger; none where the fund
    /// has none, or it waits.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub fn quote_window(
        &self,
        fund: &Name,
        shares: Shares,
        ledger: &LedgerAt,
    ) -> Result<Option<Cash>, ServiceError> {
        let state = &*ledger.state;
        let found = state.fund(fund).ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
        if found.params().window.is_none() {
            return Ok(None);
        }
        let day = fund_day(state, fund, ledger.as_of);
        Ok(quote_window(state, fund, shares, day)?.cash)
    }

    /// The window of a fund on a ledger; none where the fund has none.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund, [`ServiceError::Rejected`] with the ledger's code.
    pub fn fund_window(
        &self,
        fund: &Name,
        ledger: &LedgerAt,
    ) -> Result<Option<WindowView>, ServiceError> {
        let state = &*ledger.state;
        let found = state.fund(fund).ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
        let Some(params) = found.params().window else { return Ok(None) };
        let day = fund_day(state, fund, ledger.as_of);
        let is_seeded = found.shares(state) > Shares::ZERO;
        let bid = if is_seeded { Some(window_bid(state, fund, day)?) } else { None };
        let supply = bid.map_or(Shares::ZERO, |bid| bid.supply);
        let clearing = found.window().sales().keys().filter_map(|model| {
            Some((model.clone(), found.window().clearing(model, supply, day)?))
        });
        Ok(Some(WindowView {
            params,
            shut: if found.winding() {
                Some("is shut: the fund winds up")
            } else {
                found.window_shut()
            },
            waiting: found.window().requests().len() as u64,
            bid: bid.map(|bid| bid.nav),
            supply,
            budget: bid.map_or(Cash::ZERO, |bid| bid.budget),
            clearing: clearing.collect(),
        }))
    }
}

/// Pays the window before a strike of `day`, at the marks of that strike, where somebody waits and nothing keeps it shut.
pub(crate) async fn pay_if_due(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    day: i64,
) -> Result<(), ServiceError> {
    let Some(state) = ledger.state.fund(fund).filter(|state| state.window_is_due()) else {
        return Ok(());
    };
    let (number, settled) = (state.epoch() + 1, state.window_book().to_vec());
    let (event_seq, batch) = ledger.post(&Event::PayWindow { fund: fund.clone(), day }).await?;
    let Outcome::Window(fills) = batch.outcome else {
        return Err(ServiceError::internal("a payment of the window without outcome"));
    };
    let number = i64::try_from(number).map_err(ServiceError::internal)?;
    close(ledger, (fund, number, event_seq), &settled, &fills).await
}

/// Writes down which requests a strike gave back whole, of those that waited before it.
pub(crate) async fn close_returned(
    ledger: &LedgerUnit<'_>,
    at: (&Name, i64, i64),
    before: &[(Name, Shares)],
) -> Result<(), ServiceError> {
    let left = ledger.state.fund(at.0).map_or(0, |state| state.window().requests().len());
    let returned = before.get(..before.len().saturating_sub(left)).unwrap_or_default();
    close(ledger, at, returned, &[]).await
}

/// Requests that wait at the window of a fund, in the order of the engine's queue.
pub(crate) fn requests(state: Option<&FundState>) -> Vec<(Name, Shares)> {
    state.map_or_else(Vec::new, |state| state.window().requests().to_vec())
}

/// The first requests of the queue wait no more: each has a fill, of nothing where none is given.
async fn close(
    ledger: &LedgerUnit<'_>,
    (fund, number, event_seq): (&Name, i64, i64),
    settled: &[(Name, Shares)],
    fills: &[WindowFill],
) -> Result<(), ServiceError> {
    if settled.is_empty() {
        return Ok(());
    }
    let transaction = &ledger.unit.transaction;
    let mut orders = waiting(transaction, fund, OrderSide::Window).await?;
    orders.truncate(settled.len());
    let Some(last) = orders.last().filter(|_| orders.len() == settled.len()) else {
        let (wait, settled) = (orders.len(), settled.len());
        return Err(ServiceError::internal(format!("{wait} requests wait, {settled} are settled")));
    };
    let last = (*last, event_seq);
    fund_order::close_up_to(transaction, fund.as_str(), OrderSide::Window, last).await?;
    let fills: BTreeMap<&Name, &WindowFill> = fills.iter().map(|fill| (&fill.who, fill)).collect();
    let row = |(order, (owner, requested)): (i64, &(Name, Shares))| {
        let fill = fills.get(owner);
        WindowFillRow {
            fund: fund.to_string(),
            strike_number: number,
            order_event_seq: order,
            owner: owner.to_string(),
            requested_nano: requested.as_nano(),
            shares_nano: fill.map_or(0, |fill| fill.shares.as_nano()),
            levy_nano: fill.map_or(0, |fill| fill.levy.as_nano()),
            cash_micro: fill.map_or(0, |fill| fill.cash.as_micro()),
        }
    };
    let rows = orders.into_iter().zip(settled).map(row).collect();
    Ok(window_fill::insert_all(transaction, rows).await?)
}
