//! The strike: prices are marked, fees charged, NAV fixed, orders settled; one transaction.

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Femto, Ppb, Shares},
    fund::{
        Batch, Effect, Event, FundState, Outcome, QueueChange, StrikeOutcome, nav_per_share_nano,
    },
    index::IndexLevel,
    name::Name,
    time::Timestamp,
};
use serde::Serialize;
use store::{
    FillRow, OrderSide, SliceRow, StrikeRow, fund_order, index_basket, order_fill, order_slice,
    strike,
};

use crate::{
    Service, ServiceError,
    bids::{end_opening, trade_if_met},
    calendars,
    command::{Begun, Request},
    cut_offs::extend_if_due,
    dealing::{known_windows, write_ends},
    exits::fund_day,
    fee_shares::say_fee_shares,
    funds::{Fund, ledger_command},
    holds::release,
    ledger::LedgerUnit,
    methodologies::adopt_due,
    moment::LedgerAt,
    orders::waiting,
    proofs::record_strike,
    rebalances::marked_prices,
    reveal::{set_prices, use_up},
    token::{Caller, Scope},
    window::{close_returned, pay_if_due, requests},
};

/// An official computation of NAV.
#[derive(Clone, Debug)]
pub struct Strike {
    /// The fund.
    pub fund: Name,
    /// Counts from 1.
    pub number: i64,
    /// The fund's day.
    pub day: i64,
    /// Net asset value, frozen before orders were settled.
    pub nav: Femto,
    /// The same at the larger of accepted price and estimate.
    pub ask: Femto,
    /// Shares, frozen with it.
    pub shares: Shares,
    /// `nav / shares` rounded down to 1e-9, for display.
    pub nav_per_share_nano: i64,
    /// Index level at the strike's prices; none before the first rebalance.
    pub level_nano: Option<i64>,
    /// Whether the fund is being wound up.
    pub winding: bool,
    /// When.
    pub struck_at: Timestamp,
    /// What was recorded about it later than this is not known to whoever asks; none where everything is.
    pub known_at: Option<Timestamp>,
}

impl Strike {
    pub(crate) fn read(row: StrikeRow) -> Result<Self, ServiceError> {
        Ok(Self {
            fund: row.fund.parse().map_err(ServiceError::internal)?,
            number: row.number,
            day: row.day,
            nav: row.nav_femto.parse().map_err(ServiceError::internal)?,
            ask: row.ask_femto.parse().map_err(ServiceError::internal)?,
            shares: Shares::from_nano(row.shares_nano),
            nav_per_share_nano: row.nav_per_share_nano,
            level_nano: row.level_nano,
            winding: row.winding,
            struck_at: Timestamp::from_millis(row.struck_at),
            known_at: None,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct FundOnly<'a> {
    pub(crate) fund: &'a Name,
}

#[derive(Serialize)]
struct StrikeFund<'a> {
    fund: &'a Name,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    withhold: bool,
}

impl Service {
    /// Strikes a fund on the day of the caller's clock; the number of the strike comes back.
    ///
    /// Rules whose day has come are in force from the end of the strike on: it is computed under those before.
    /// While its valuation is in doubt, subscription orders wait on; redemptions are settled all the same.
    /// Before it, and at its marks, the instant window is paid, where the fund has one.
    /// Where prices were bound before, the strike tells them and settles the closed book alone; with `withhold` it does not tell them:
    /// marks stay, joiners of the book have their money back, and everybody can see it. Where none were bound, the prices that are
    /// accepted now are marked, and the record shows no commitment. Where sealed bids are open and their days are over, the rebalance that
    /// trades with them follows in the same transaction.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code; [`ServiceError::Invalid`] before a signed head has the closed book.
    pub async fn strike_fund(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        withhold: bool,
    ) -> Result<i64, ServiceError> {
        self.get_fund(fund).await?;
        let fee_shares = self.fee_shares(fund).await;
        let input = StrikeFund { fund, withhold };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "fund_strike", &input);
        if calendars::is_settled_for(caller, &ledger, fund).await? {
            let last = strike::latest(&ledger.unit.transaction, fund.as_str()).await?;
            return Ok(last.map_or(0, |strike| strike.number));
        }
        let rules = Fund::find_in(&ledger.unit.transaction, fund).await?;
        pass_paused_batch(&mut ledger, fund, &rules).await?;
        extend_if_due(&mut ledger, fund).await?;
        say_fee_shares(&mut ledger, fund, &fee_shares).await?;
        end_opening(&mut ledger, fund).await?;
        let known = set_prices(&mut ledger, fund, &rules.methodology, withhold).await?;
        let known = known_windows(&ledger, fund, &known).await?;
        let ended: Vec<String> = known.iter().map(|(version, _)| version.clone()).collect();
        release(&mut ledger, fund, &ended).await?;
        let open = ledger.state.fund(fund).and_then(|state| state.open_commitment().copied());
        let day = fund_day(&ledger.state, fund, caller.now);
        pay_if_due(&mut ledger, fund, day).await?;
        let waited = requests(ledger.state.fund(fund));
        let (event_seq, batch) = ledger.post(&Event::Strike { fund: fund.clone(), day }).await?;
        let Outcome::Strike(outcome) = &batch.outcome else {
            return Err(ServiceError::internal("a strike without outcome"));
        };
        let level_nano = level_at_marks(&ledger, fund).await?;
        let number = i64::try_from(outcome.epoch).map_err(ServiceError::internal)?;
        let per_share = nav_per_share_nano(outcome.nav, outcome.shares);
        let per_share =
            per_share.ok_or_else(|| ServiceError::internal("NAV per share passes its bound"))?;
        let row = StrikeRow {
            fund: fund.to_string(),
            number,
            day,
            event_seq,
            nav_femto: outcome.nav.to_string(),
            ask_femto: outcome.ask.to_string(),
            shares_nano: outcome.shares.as_nano(),
            nav_per_share_nano: per_share.as_nano(),
            level_nano,
            winding: outcome.winding,
            record: serde_json::to_string(&batch.outcome).map_err(ServiceError::internal)?,
            struck_at: ledger.at(),
        };
        strike::insert(&ledger.unit.transaction, row).await?;
        write_ends(&ledger, fund, known, event_seq).await?;
        close_orders(&ledger, fund, (number, event_seq), (outcome, kept(&batch))).await?;
        close_returned(&ledger, (fund, number, event_seq), &waited).await?;
        if let Some(open) = open {
            use_up(&ledger, fund, event_seq, open.revealed).await?;
        }
        record_strike(&mut ledger, rules.methodology_digest, &self.balances).await?;
        calendars::settle(&ledger, fund, number).await?;
        adopt_due(&mut ledger, fund, (number, day)).await?;
        trade_if_met(&mut ledger, fund).await?;
        ledger.finish(&format!("{fund}/{number}"), number).await
    }

    /// A strike by its number.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_strike(&self, fund: &Name, number: i64) -> Result<Strike, ServiceError> {
        let row = strike::find(&self.store, fund.as_str(), number).await?;
        Strike::read(row.ok_or_else(|| ServiceError::absent("strike", format!("{fund}/{number}")))?)
    }

    /// Strikes that a fund had on a ledger, in order.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_strikes(
        &self,
        fund: &Name,
        after: Option<i64>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<Strike>, ServiceError> {
        let rows = strike::list(&self.store, fund.as_str(), after, limit).await?;
        let struck = rows.into_iter().take_while(|row| row.event_seq <= ledger.seq);
        let known = |row| Ok(Strike { known_at: ledger.known_at, ..Strike::read(row)? });
        struck.map(known).collect()
    }
}

/// How an order was settled.
#[derive(Clone, Debug)]
pub struct OrderFill {
    /// The strike.
    pub strike: i64,
    /// Shares that it got.
    pub shares: Shares,
    /// What they cost.
    pub cost: Cash,
    /// The entry levy.
    pub levy: Cash,
}

impl OrderFill {
    pub(crate) const fn read(row: &FillRow) -> Self {
        Self {
            strike: row.strike_number,
            shares: Shares::from_nano(row.shares_nano),
            cost: Cash::from_micro(row.cost_micro),
            levy: Cash::from_micro(row.levy_micro),
        }
    }
}

/// Where a pause, or bids that are called, let no batch follow the last strike, one that trades nothing counts for it, so that those who left get their units
/// after three strikes all the same (FUND 1.3, 2).
async fn pass_paused_batch(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    rules: &Fund,
) -> Result<(), ServiceError> {
    let waits = |state: &FundState| {
        let is_held = state.restrictions().is_paused() || state.auction().call().is_some();
        is_held && !state.pools().is_empty() && state.auction().passed() < state.epoch()
    };
    if !ledger.state.fund(fund).is_some_and(waits) {
        return Ok(());
    }
    let transaction = &ledger.unit.transaction;
    let struck = strike::latest(transaction, fund.as_str()).await?.map(|row| row.number);
    let basket = index_basket::latest(transaction, fund.as_str()).await?;
    if struck == basket.map(|row| row.strike_number) {
        return Ok(());
    }
    let batch = Event::Rebalance {
        fund: fund.clone(),
        weights: BTreeMap::new(),
        cash: Ppb::from_ppb(rules.methodology.cash_ppb),
        spread: Ppb::from_ppb(rules.methodology.spread_ppb),
        counterparties: Vec::new(),
        max_primary: None,
    };
    ledger.post(&batch).await.map(|_| ())
}

/// Places of joiners' orders that a strike left waiting among those that it settled.
fn kept(batch: &Batch) -> &[u64] {
    let settled = batch.effects.iter().find_map(|effect| match effect {
        Effect::Queued { change: QueueChange::BookSettled { kept, .. }, .. } => Some(&**kept),
        _ => None,
    });
    settled.unwrap_or_default()
}

/// Writes down what every order got, and that it waits no more.
async fn close_orders(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    (number, event_seq): (i64, i64),
    (outcome, kept): (&StrikeOutcome, &[u64]),
) -> Result<(), ServiceError> {
    let transaction = &ledger.unit.transaction;
    let close = async |side: OrderSide, settled: usize, kept: &[u64]| {
        // None is settled where none waits, or where they are held back.
        if settled == 0 {
            return Ok(Vec::new());
        }
        let mut orders = waiting(transaction, fund, side).await?;
        let wait = orders.len();
        // Those behind a closed book wait on.
        orders.truncate(settled + kept.len());
        let left = ledger.state.fund(fund).map_or(0, |state| match side {
            OrderSide::Subscription => state.pending_subscriptions().len(),
            OrderSide::Redemption => state.pending_redemptions().len(),
            OrderSide::Window => state.window().requests().len(),
        });
        let Some(last) = orders.last().filter(|_| wait == settled + left) else {
            let reason = format!("{wait} {side} orders wait, {settled} settled, {left} left");
            return Err(ServiceError::internal(reason));
        };
        if kept.is_empty() {
            let last = (*last, event_seq);
            fund_order::close_up_to(transaction, fund.as_str(), side, last).await?;
            return Ok::<_, ServiceError>(orders);
        }
        // What is held back between those that are settled waits on.
        let mut place = 0;
        orders.retain(|_| {
            place += 1;
            kept.binary_search(&(place - 1)).is_err()
        });
        for order in &orders {
            fund_order::close(transaction, *order, event_seq).await?;
        }
        Ok(orders)
    };
    let joined = close(OrderSide::Subscription, outcome.fills.len(), kept).await?;
    let left = close(OrderSide::Redemption, outcome.slices.len(), &[]).await?;
    let fill = |(order, fill): (i64, &domain::fund::Fill)| FillRow {
        fund: fund.to_string(),
        strike_number: number,
        order_event_seq: order,
        owner: fill.who.to_string(),
        amount_micro: fill.cash.as_micro(),
        shares_nano: fill.shares.as_nano(),
        cost_micro: fill.cost.as_micro(),
        levy_micro: fill.levy.as_micro(),
    };
    let fills = joined.into_iter().zip(&outcome.fills).map(fill).collect();
    order_fill::insert_all(transaction, fills).await?;
    let slice = |(order, slice): (i64, &domain::fund::Slice)| {
        Ok(SliceRow {
            fund: fund.to_string(),
            strike_number: number,
            order_event_seq: order,
            owner: slice.who.to_string(),
            shares_nano: slice.shares.as_nano(),
            cash_micro: slice.cash.as_micro(),
            units: serde_json::to_string(&slice.units).map_err(ServiceError::internal)?,
        })
    };
    let slices: Result<Vec<SliceRow>, ServiceError> =
        left.into_iter().zip(&outcome.slices).map(slice).collect();
    Ok(order_slice::insert_all(transaction, slices?).await?)
}

async fn level_at_marks(ledger: &LedgerUnit<'_>, fund: &Name) -> Result<Option<i64>, ServiceError> {
    let Some(row) = index_basket::latest(&ledger.unit.transaction, fund.as_str()).await? else {
        return Ok(None);
    };
    let level: IndexLevel = serde_json::from_str(&row.record).map_err(ServiceError::internal)?;
    let level = level.level(&marked_prices(ledger, fund)?).map_err(ServiceError::internal)?;
    Ok(Some(level.as_nano()))
}
