//! Proposed rules beside those in force: over the prices that the fund was struck at, and at the marks of today (FUND 6.5).

use std::collections::BTreeMap;

use domain::{
    amount::{Ppb, PriceNano},
    backtest::{Figures, History, figures},
    fund::{Event, FundState, Methodology, MethodologyError},
    name::Name,
    time::{DAY_MS, Date, Timestamp},
};
use serde::{Deserialize, Serialize};
use store::{StoreTransaction, ledger};

use crate::{
    ServiceError,
    funds::{Fund, live_models},
    ledger::LedgerUnit,
};

/// Events read from the database at a time.
const PAGE_EVENTS: u64 = 500;
/// The events that say which models a fund has, and at which prices it was struck.
const OPS: [&str; 4] = ["admit", "mark_set", "reveal_prices", "strike"];

/// Two sets of rules over one history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MethodologyComparison {
    /// The first day of the history; none without one.
    pub first_day: Option<i64>,
    /// The last.
    pub last_day: Option<i64>,
    /// The rules in force at the proposal.
    pub current: ComparedMethodology,
    /// The rules that were proposed.
    pub proposed: ComparedMethodology,
}

/// What rules would have made of the history, and what they make of today.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparedMethodology {
    /// Their backtest.
    pub figures: Figures,
    /// Weights of the invested part at the marks of the proposal; none where the caps leave no room or there is no model.
    pub weights: BTreeMap<Name, Ppb>,
    /// Why there are no weights.
    pub weights_remark: Option<String>,
}

/// The prices of a fund's models on the days of its strikes.
struct Struck {
    history: Option<History>,
    publishers: BTreeMap<Name, Name>,
}

/// Runs both sets of rules, with a rebalance after every strike as the fund does.
///
/// # Errors
/// [`ServiceError::Invalid`] where the proposed rules give no weights today: they would leave the fund without a rebalance.
pub(crate) async fn compare(
    ledger: &LedgerUnit<'_>,
    fund: &Fund,
    proposed: &Methodology,
) -> Result<MethodologyComparison, ServiceError> {
    let state = ledger.state.fund(&fund.name);
    let state = state.ok_or_else(|| ServiceError::absent("fund", fund.name.as_str()))?;
    let live = live_models(ledger, state);
    let Struck { history, publishers } = struck(&ledger.unit.transaction, state, live).await?;
    let scores = scores(state, &publishers);
    let weights = match weights_of(proposed, &scores) {
        Ok(weights) => weights,
        Err(error) => return Err(without_weights(proposed, &error)),
    };
    let (current_weights, weights_remark) = match weights_of(&fund.methodology, &scores) {
        Ok(weights) => (weights, None),
        Err(error) => (BTreeMap::new(), Some(error.to_string())),
    };
    let dates = history.as_ref().map_or(&[][..], History::dates);
    let days = [dates.first(), dates.last()].map(|date| date.map(|date| date.day()));
    let rules = [fund.methodology.clone(), proposed.clone()];
    // Of a long history it is more than a moment's work.
    let ran = tokio::task::spawn_blocking(move || {
        rules.map(|rules| figures(history.as_ref(), &rules, &publishers))
    });
    let [current, proposed] = ran.await.map_err(ServiceError::internal)?;
    Ok(MethodologyComparison {
        first_day: days[0],
        last_day: days[1],
        current: ComparedMethodology { figures: current, weights: current_weights, weights_remark },
        proposed: ComparedMethodology { figures: proposed, weights, weights_remark: None },
    })
}

/// Why rules are refused that would leave the fund without a rebalance: what is missing, and the caps that leave no room.
fn without_weights(rules: &Methodology, error: &MethodologyError) -> ServiceError {
    let Methodology { name_cap_ppb, publisher_cap_ppb, .. } = rules;
    let caps = format!("name_cap_ppb is {name_cap_ppb}, publisher_cap_ppb {publisher_cap_ppb}");
    ServiceError::invalid("methodology", format!("{error}; {caps}"))
}

type Scores = Vec<(Name, Name, PriceNano)>;

/// The live models with their publishers, at the marks as they stand.
fn scores(state: &FundState, publishers: &BTreeMap<Name, Name>) -> Scores {
    let score = |(model, publisher): (&Name, &Name)| {
        (model.clone(), publisher.clone(), state.price(model).unwrap_or_default())
    };
    publishers.iter().map(score).collect()
}

fn weights_of(
    rules: &Methodology,
    scores: &Scores,
) -> Result<BTreeMap<Name, Ppb>, MethodologyError> {
    if scores.is_empty() {
        return Ok(BTreeMap::new());
    }
    rules.target_weights(scores)
}

/// Reads the accepted prices of `live` models out of the journal: those that stood at each strike, a row a day, the last of a day.
async fn struck(
    transaction: &StoreTransaction,
    state: &FundState,
    live: Vec<Name>,
) -> Result<Struck, ServiceError> {
    let mut publishers = BTreeMap::new();
    let mut row: Vec<Option<i64>> = vec![None; live.len()];
    let mut rows = BTreeMap::<i64, Vec<Option<i64>>>::new();
    let mut after = None;
    loop {
        let name = state.name().as_str();
        let page = ledger::list_fund_events(transaction, name, &OPS, after, PAGE_EVENTS).await?;
        for event in &page {
            let event: Event = serde_json::from_str(&event.body).map_err(ServiceError::internal)?;
            let mut mark = |model: &Name, price: PriceNano| {
                let found = live.binary_search(model).ok()?;
                // Accepted prices are whole micro-credits.
                row[found] = Some(price.as_nano() / 1000);
                Some(())
            };
            match event {
                Event::Admit { model, publisher, price, .. } => {
                    let is_live = mark(&model, price).is_some();
                    publishers.extend(is_live.then_some((model, publisher)));
                }
                Event::MarkSet { prices, .. } | Event::RevealPrices { prices, .. } => {
                    for (model, price) in prices {
                        mark(&model, price);
                    }
                }
                // A day before the first model has nothing to weigh.
                Event::Strike { day, .. } if row.iter().any(Option::is_some) => {
                    rows.insert(day, row.clone());
                }
                _ => {}
            }
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE_EVENTS => after = Some(last.seq),
            _ => break,
        }
    }
    let dates = rows.keys().map(|day| date(*day)).collect::<Result<Vec<Date>, _>>()?;
    let prices: Vec<Option<i64>> = rows.into_values().flatten().collect();
    let history = if dates.is_empty() {
        None
    } else {
        Some(History::try_new(dates, live, &prices).map_err(ServiceError::internal)?)
    };
    Ok(Struck { history, publishers })
}

/// The date of a day of the fund's clock.
fn date(day: i64) -> Result<Date, ServiceError> {
    let text = Timestamp::from_millis(day.saturating_mul(DAY_MS)).to_string();
    text.get(..10).unwrap_or_default().parse().map_err(ServiceError::internal)
}
