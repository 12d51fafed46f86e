//! Rebalances: what they aim at, and what is kept of them.

use std::collections::BTreeMap;

use domain::{
    amount::{Ppb, PriceNano},
    fund::{Event, FundState, Kind, Methodology, Plan, RebalanceHistory, Rejection, Review},
    index::IndexLevel,
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{BasketRow, StrikeRow, index_basket, strike};

use crate::{
    Service, ServiceError, calendars,
    command::{Begun, Request},
    eligibility::eligible_marks,
    funds::{Fund, ledger_command},
    ledger::LedgerUnit,
    moment::LedgerAt,
    strikes::FundOnly,
    token::{Caller, Scope},
};

/// What a rebalance did.
#[derive(Clone, Debug, serde::Deserialize, Serialize)]
pub struct Rebalanced {
    /// The fund.
    pub fund: Name,
    /// The strike that it follows.
    pub strike: i64,
    /// Index level at the change of weights, 1e-9.
    pub level_nano: i64,
    /// Trades that happened.
    pub trades: u64,
}

/// What the row of a basket holds: the level, and beside it the plan that made it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BasketRecord {
    /// Whoever wants the level alone reads the same text as one.
    #[serde(flatten)]
    pub(crate) level: IndexLevel,
    /// None in a basket from before plans were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Plan>,
}

impl BasketRecord {
    pub(crate) fn read(row: &BasketRow) -> Result<Self, ServiceError> {
        serde_json::from_str(&row.record).map_err(ServiceError::internal)
    }

    pub(crate) fn to_json(&self) -> Result<String, ServiceError> {
        serde_json::to_string(self).map_err(ServiceError::internal)
    }
}

/// The plan of the rebalance that follows `basket`, over the eligible models with their publishers, at the fund's marks.
pub(crate) fn plan_rebalance(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    rules: &Methodology,
    (eligible, basket): (&BTreeMap<Name, Name>, Option<&BasketRow>),
) -> Result<Plan, ServiceError> {
    let state = ledger.state.fund(fund);
    let state = state.ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
    let record = basket.map(BasketRecord::read).transpose()?;
    let (level, plan) = record.map_or((None, None), |record| (Some(record.level), record.plan));
    let history = plan.map_or_else(
        || RebalanceHistory {
            rebalances: basket.map_or(0, |row| row.seq.unsigned_abs()),
            ..RebalanceHistory::new()
        },
        |plan| plan.history,
    );
    let publisher = |model: &Name| eligible.get(model).cloned();
    let review =
        Review::of(&ledger.state, state, publisher, level.as_ref(), history).map_err(beyond)?;
    rules.plan(&review).map_err(|e| ServiceError::invalid("methodology", e))
}

/// The level after a change to `weights` at `prices`.
pub(crate) fn level_after(
    basket: Option<&BasketRow>,
    weights: &BTreeMap<Name, Ppb>,
    prices: &BTreeMap<Name, PriceNano>,
) -> Result<IndexLevel, ServiceError> {
    let Some(row) = basket else {
        return IndexLevel::start(weights, prices).map_err(beyond);
    };
    let mut level = BasketRecord::read(row)?.level;
    level.rebase(weights, prices).map_err(beyond)?;
    Ok(level)
}

/// A level that passes its bound.
fn beyond(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::invalid("methodology", error)
}

/// The marks of a fund, which NAV is struck at and batches trade at.
pub(crate) fn marked_prices(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
) -> Result<BTreeMap<Name, PriceNano>, ServiceError> {
    let state =
        ledger.state.fund(fund).ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
    Ok(state.prices().clone())
}

/// A rebalance that can be posted.
pub(crate) struct Planned {
    event: Event,
    basket: Option<BasketRow>,
    level: IndexLevel,
    plan: Plan,
    struck: StrikeRow,
}

impl Planned {
    /// Plans the rebalance of a fund after its last strike.
    ///
    /// # Errors
    /// As [`Service::rebalance_fund`]; the ledger has then at most been told which models are eligible.
    pub(crate) async fn of(ledger: &mut LedgerUnit<'_>, fund: &Name) -> Result<Self, ServiceError> {
        let rules = Fund::find_in(&ledger.unit.transaction, fund).await?.methodology;
        let struck = strike::latest(&ledger.unit.transaction, fund.as_str()).await?;
        let struck = struck.ok_or_else(|| ServiceError::absent("strike", fund.as_str()))?;
        let basket = index_basket::latest(&ledger.unit.transaction, fund.as_str()).await?;
        if basket.as_ref().is_some_and(|b| b.strike_number == struck.number) {
            let name = format!("{fund} after strike {}", struck.number);
            return Err(ServiceError::Exists { kind: "rebalance", name });
        }
        // Weights follow the marks of the strike, not prices that came in since: the batch trades at what NAV was struck at.
        let prices = marked_prices(ledger, fund)?;
        let mut eligible = BTreeMap::new();
        for mark in eligible_marks(ledger, fund).await? {
            eligible.insert(mark.model, mark.publisher);
        }
        let plan = plan_rebalance(ledger, fund, &rules, (&eligible, basket.as_ref()))?;
        let meets = ledger.state.fund(fund).is_some_and(FundState::meets_bids);
        if meets && plan.weights.is_empty() && rules.max_primary().is_none() {
            // It would be a batch that counts for leavers, and no rebalance.
            let reason = "no model of the fund may have weight, and bids wait for it";
            return Err(ServiceError::invalid("methodology", reason));
        }
        let level = level_after(basket.as_ref(), &plan.weights, &prices)?;
        let event = Event::Rebalance {
            fund: fund.clone(),
            weights: plan.weights.clone(),
            cash: Ppb::from_ppb(rules.cash_ppb),
            spread: Ppb::from_ppb(rules.spread_ppb),
            counterparties: rules.counterparties.clone(),
            max_primary: rules.max_primary(),
        };
        Ok(Self { event, basket, level, plan, struck })
    }

    /// Trades, and writes down what it aimed at.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code, before anything is written.
    pub(crate) async fn post(
        self,
        ledger: &mut LedgerUnit<'_>,
        fund: &Name,
    ) -> Result<Rebalanced, ServiceError> {
        let Self { event, basket, level, plan, struck } = self;
        let (_, batch) = ledger.post(&event).await?;
        let level_nano = level.base().as_nano();
        let row = BasketRow {
            fund: fund.to_string(),
            seq: basket.map_or(1, |b| b.seq + 1),
            strike_number: struck.number,
            day: struck.day,
            record: BasketRecord { level, plan: Some(plan) }.to_json()?,
            level_nano,
            recorded_at: ledger.at(),
        };
        index_basket::insert(&ledger.unit.transaction, row).await?;
        calendars::note_review(ledger, fund, struck.number).await?;
        let is_trade = |kind: Kind| matches!(kind, Kind::Buy | Kind::Sell | Kind::LiqSell);
        let trades = batch.entries.iter().filter(|e| is_trade(e.kind)).count() as u64;
        Ok(Rebalanced { fund: fund.clone(), strike: struck.number, level_nano, trades })
    }
}

/// A change of a fund's weights.
#[derive(Clone, Debug)]
pub struct Rebalance {
    /// Counts from 1.
    pub number: i64,
    /// The strike that it followed.
    pub strike: i64,
    /// The day of that strike.
    pub day: i64,
    /// Index level at the change.
    pub level_nano: i64,
    /// What it aimed at and why; none for one from before plans were kept.
    pub plan: Option<Plan>,
    /// When.
    pub recorded_at: Timestamp,
}

impl Service {
    /// Rebalances a fund to the weights of its methodology; once after every strike.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] if this strike was followed by one, [`ServiceError::Absent`] before the first strike,
    /// [`ServiceError::Rejected`] with the ledger's code: `auction` while bids are called, whose batch comes with their strike.
    pub async fn rebalance_fund(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<Rebalanced, ServiceError> {
        self.get_fund(fund).await?;
        let input = FundOnly { fund };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "fund_rebalance", &input);
        let called = ledger.state.fund(fund).filter(|state| state.auction().call().is_some());
        if let Some(found) = called {
            // Not even where they have met a strike: whoever chose the time would choose whether these marks suit him.
            let why = if found.meets_bids() {
                "met its strike, and the plan was refused: the next one tries again"
            } else {
                "trades with the strike that follows its opening, at its marks"
            };
            return Err(Rejection::Auction { fund: fund.clone(), why }.into());
        }
        let reply = Planned::of(&mut ledger, fund).await?.post(&mut ledger, fund).await?;
        ledger.finish(&format!("{fund}/{}", reply.strike), reply).await
    }

    /// Rebalances that a fund had on a ledger, in order.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_rebalances(
        &self,
        fund: &Name,
        after: Option<i64>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<Rebalance>, ServiceError> {
        let rows = index_basket::list(&self.store, fund.as_str(), after, limit).await?;
        let read = |row: BasketRow| {
            Ok(Rebalance {
                number: row.seq,
                strike: row.strike_number,
                day: row.day,
                level_nano: row.level_nano,
                plan: BasketRecord::read(&row)?.plan,
                recorded_at: Timestamp::from_millis(row.recorded_at),
            })
        };
        let known = rows.into_iter().take_while(|row| row.recorded_at <= ledger.known_to());
        known.map(read).collect()
    }
}
