//! Rebalances: what they aim at, and what is kept of them.

use std::collections::BTreeMap;

use domain::{
    amount::{Ppb, PriceNano},
    fund::{Methodology, Plan, RebalanceHistory, Review},
    index::IndexLevel,
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{BasketRow, index_basket};

use crate::{Service, ServiceError, ledger::LedgerUnit, moment::LedgerAt};

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
    let review = Review::of(&ledger.state, state, publisher, level.as_ref(), history)
        .map_err(ServiceError::internal)?;
    rules.plan(&review).map_err(|e| ServiceError::invalid("methodology", e))
}

/// The level after a change to `weights` at `prices`.
pub(crate) fn level_after(
    basket: Option<&BasketRow>,
    weights: &BTreeMap<Name, Ppb>,
    prices: &BTreeMap<Name, PriceNano>,
) -> Result<IndexLevel, ServiceError> {
    let Some(row) = basket else {
        return IndexLevel::start(weights, prices).map_err(ServiceError::internal);
    };
    let mut level = BasketRecord::read(row)?.level;
    level.rebase(weights, prices).map_err(ServiceError::internal)?;
    Ok(level)
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
