//! A backtest as JSON and as CSV: amounts as exact decimals, parts per billion as integers.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::run::Backtest;

/// The whole as one JSON value: `days` of date, level and NAV (null where there is none), and `rebalances` with their weights by model.
#[must_use]
pub fn to_json(backtest: &Backtest) -> Value {
    let days: Vec<Value> = backtest
        .days
        .iter()
        .map(|day| {
            json!({
                "date": day.date.to_string(),
                "level": day.level.map(|level| level.to_string()),
                "nav": day.nav.map(|nav| nav.to_credits_text()),
            })
        })
        .collect();
    let rebalances: Vec<Value> = backtest
        .rebalances
        .iter()
        .map(|change| {
            let weight = |w: &super::run::Weighted| {
                (backtest.models[w.column].to_string(), json!(w.weight.as_ppb()))
            };
            json!({
                "date": change.date.to_string(),
                "level": change.level.to_string(),
                "turnover_ppb": change.turnover.as_ppb(),
                "cash_ppb": change.cash.as_ppb(),
                "notes": change.notes,
                "weights_ppb": change.weights.iter().map(weight).collect::<Map<_, _>>(),
            })
        })
        .collect();
    json!({ "days": days, "rebalances": rebalances })
}

/// Lines of `date,level,nav`; a field is empty where there is none.
#[must_use]
pub fn days_csv(backtest: &Backtest) -> String {
    let mut text = "date,level,nav\n".to_owned();
    for day in &backtest.days {
        let level = day.level.map(|level| level.to_string()).unwrap_or_default();
        let nav = day.nav.map(|nav| nav.to_credits_text()).unwrap_or_default();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{},{level},{nav}", day.date);
    }
    text
}

/// Lines of `date,model,weight_ppb`, for every rebalance.
#[must_use]
pub fn weights_csv(backtest: &Backtest) -> String {
    let mut text = "date,model,weight_ppb\n".to_owned();
    for change in &backtest.rebalances {
        for weighted in &change.weights {
            let (model, parts) = (&backtest.models[weighted.column], weighted.weight.as_ppb());
            let _ = writeln!(text, "{},{model},{parts}", change.date);
        }
    }
    text
}
