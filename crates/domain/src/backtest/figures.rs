//! A backtest in a few figures, to be set beside another's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    history::History,
    render::days_csv,
    run::{Backtest, Settings, run},
    schedule::Schedule,
};
use crate::{
    amount::PriceNano,
    analytics::{annual_turnover, performance},
    digest::Digest,
    fund::Methodology,
    name::Name,
};

/// Days of a year, as the turnover a year counts them.
const DAYS_A_YEAR: f64 = 365.25;

/// What rules would have made of a history; what does not exist is none, and the remark says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Days of the history.
    pub days: u64,
    /// The index level on the last day.
    pub level_end: Option<PriceNano>,
    /// Digest of the whole path: of the text that [`days_csv`] makes of it.
    pub levels: Option<Digest>,
    /// Last level over first, less one.
    pub total_return: Option<f64>,
    /// Volatility a year.
    pub volatility: Option<f64>,
    /// The deepest trough over its peak, less one.
    pub drawdown_max: Option<f64>,
    /// One-way turnover a year, the first purchase left out.
    pub turnover: Option<f64>,
    /// Why a figure is none.
    pub remark: Option<String>,
}

/// Runs rules over a history as the live fund does, with a rebalance after every strike; none stands for a history without a day.
#[must_use]
pub fn figures(
    history: Option<&History>,
    methodology: &Methodology,
    publishers: &BTreeMap<Name, Name>,
) -> Figures {
    let Some(history) = history else {
        let remark = Some("no day of prices: at least 2 for a return".to_owned());
        return Figures { remark, ..Figures::default() };
    };
    let days = history.dates().len() as u64;
    let schedule = Schedule::EveryStrike;
    let settings = Settings { methodology, publishers, schedule, capital: None };
    match run(history, &settings) {
        Ok(done) => Figures { days, ..of(&done) },
        Err(error) => Figures { days, remark: Some(error.to_string()), ..Figures::default() },
    }
}

fn of(done: &Backtest) -> Figures {
    let levels = done.levels();
    let remark = match levels.len() {
        0 | 1 => Some("1 day of prices: at least 2 for a return".to_owned()),
        2 => Some("1 return: at least 2 for a volatility".to_owned()),
        _ => None,
    };
    let (remark, performance) = match performance(&levels, None) {
        Ok(performance) => (remark, Some(performance)),
        Err(error) => (remark.or_else(|| Some(error.to_string())), None),
    };
    let (first, last) = (done.days.first(), done.days.last());
    let span = first.zip(last).map_or(0, |(first, last)| last.date.day() - first.date.day());
    let changes: Vec<_> = done.rebalances.iter().skip(1).map(|change| change.turnover).collect();
    Figures {
        days: 0,
        level_end: last.and_then(|day| day.level),
        levels: Some(Digest::of(days_csv(done).as_bytes())),
        total_return: performance.as_ref().map(|found| found.total_return),
        volatility: performance.as_ref().and_then(|found| found.volatility),
        drawdown_max: performance.as_ref().map(|found| found.max_drawdown),
        turnover: annual_turnover(&changes, span as f64 / DAYS_A_YEAR),
        remark,
    }
}
