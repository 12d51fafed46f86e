//! A backtest: what an index would have done.

use std::collections::BTreeMap;

use async_graphql::{Enum, InputObject, Object, Result, SimpleObject};
use domain::{
    amount::PriceNano,
    backtest::{Day, Rebalance, Schedule},
};
use service::{BacktestRow, BacktestRun, BacktestSource, RunBacktest};

use super::analysis::Performance;
use crate::{
    error::invalid,
    pagination::{Page, memory_page},
    scalars::{Credits, Decimal9, NameText, Nav, Sha256},
};

/// Most models of which a backtest is told the publisher.
const PUBLISHERS_MAX: usize = 10_000;

/// Rules and prices. Either `fund` or `pricesCsv` is given.
#[derive(InputObject)]
pub(crate) struct BacktestInput {
    /// A fund, over whose recorded prices the rules run; weights change when the fund's did.
    fund: Option<NameText>,
    /// The first of its strikes; without it the first that it had. Where a run begins later than the fund's index, its level starts anew.
    from_strike: Option<i64>,
    /// The last of its strikes; without it the last that it had.
    to_strike: Option<i64>,
    /// Prices as CSV: a first line `date,model,price_micro` and one line for each day and model.
    prices_csv: Option<String>,
    /// When weights change over given prices; monthly without it.
    schedule: Option<BacktestSchedule>,
    /// Publishers of the models in given prices, for the publisher cap; a model that is not named is a publisher of its own.
    publishers: Option<Vec<PublisherInput>>,
    /// The rules, JSON; without them the fund's own.
    methodology: Option<String>,
    /// With how much a notional portfolio begins, which trades as the fund does; without it there is only the level.
    capital: Option<Credits>,
}

/// A model and who publishes it.
#[derive(InputObject)]
pub(crate) struct PublisherInput {
    /// The model.
    model: NameText,
    /// Its publisher.
    publisher: NameText,
}

/// When weights change.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BacktestSchedule {
    /// On the first day, and on the first day in every month after it.
    Monthly,
    /// On every day, as the live fund does.
    EveryDay,
}

impl TryFrom<BacktestInput> for RunBacktest {
    type Error = async_graphql::Error;

    fn try_from(input: BacktestInput) -> Result<Self> {
        let source = match (input.fund, input.prices_csv) {
            (Some(fund), None) => {
                if input.schedule.is_some() || input.publishers.is_some() {
                    let reason = "go with given prices: those of a fund have both already";
                    return Err(invalid("schedule, publishers", reason));
                }
                let (from, to) = (input.from_strike, input.to_strike);
                BacktestSource::Fund { fund: fund.0, from, to }
            }
            (None, Some(text)) => {
                if input.from_strike.is_some() || input.to_strike.is_some() {
                    return Err(invalid("fromStrike, toStrike", "go with a fund"));
                }
                let given = input.publishers.unwrap_or_default();
                if given.len() > PUBLISHERS_MAX {
                    let reason = format!("names {} models; at most {PUBLISHERS_MAX}", given.len());
                    return Err(invalid("publishers", reason));
                }
                let mut publishers = BTreeMap::new();
                for PublisherInput { model, publisher } in given {
                    if publishers.insert(model.0.clone(), publisher.0).is_some() {
                        return Err(invalid("publishers", format!("names {} twice", model.0)));
                    }
                }
                let schedule = match input.schedule {
                    Some(BacktestSchedule::EveryDay) => Schedule::EveryStrike,
                    Some(BacktestSchedule::Monthly) | None => Schedule::Monthly,
                };
                BacktestSource::Csv { text, publishers, schedule }
            }
            _ => return Err(invalid("fund, pricesCsv", "one of the two is given, not both")),
        };
        let capital = input.capital.map(|credits| credits.0);
        Ok(Self { source, methodology: input.methodology, capital })
    }
}

/// What an index would have done, by the very functions of the live strike and rebalance: the fund's own rules over all its strikes give
/// the fund's own level, bit for bit, unless a model was left out of a rebalance until somebody had looked at its likeness.
#[derive(Clone, Debug)]
pub(crate) struct Backtest(pub(crate) BacktestRun);

/// What an index would have done, by the very functions of the live strike and rebalance: the fund's own rules over all its strikes give
/// the fund's own level, bit for bit, unless a model was left out of a rebalance until somebody had looked at its likeness.
#[Object]
impl Backtest {
    /// Digest of the rules.
    async fn methodology(&self) -> Sha256 {
        Sha256(self.0.methodology)
    }

    /// Every day, or strike, in order.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn days(&self, first: Option<i32>, after: Option<String>) -> Result<Page<BacktestDay>> {
        let rows: Vec<(Day, BacktestRow)> =
            self.0.outcome.days.iter().copied().zip(self.0.rows.iter().copied()).collect();
        memory_page(&rows, first, after, |(day, row)| BacktestDay {
            date: row.date.map(|date| date.to_string()),
            strike: row.strike,
            level: day.level.map(Decimal9),
            nav: day.nav.map(Nav),
            live_level: row.live_level.map(Decimal9),
        })
    }

    /// Every change of weights, in order.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn rebalances(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<BacktestRebalance>> {
        let run = &self.0;
        memory_page(&run.outcome.rebalances, first, after, |change| {
            let place = run.outcome.days.iter().position(|day| day.date == change.date);
            let row = place.and_then(|place| run.rows.get(place)).copied();
            let names = &run.outcome.models;
            let weight = |weighted: &domain::backtest::Weighted| BacktestWeight {
                model: NameText(names[weighted.column].clone()),
                weight: Decimal9(PriceNano::from_nano(weighted.weight.as_ppb())),
            };
            let weights = change.weights.iter().map(weight).collect();
            BacktestRebalance { change, row, weights }
        })
    }

    /// Of the levels, one return a day or strike; null below two levels.
    async fn performance(&self) -> Option<Performance> {
        self.0.performance.clone().map(Performance::from)
    }

    /// One-way turnover Σ|t−w|/2 of all changes of weights but the first, rounded down each.
    async fn turnover(&self) -> Decimal9 {
        Decimal9(PriceNano::from_nano(self.0.turnover.as_ppb()))
    }

    /// The same a year of 365 calendar days; null where no day passed.
    async fn turnover_annual(&self) -> Option<f64> {
        self.0.turnover_annual
    }
}

/// One day of a backtest.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BacktestDay {
    /// The day; null over a fund's recorded prices.
    date: Option<String>,
    /// The strike; null over given prices, and where the fund changed weights at others than a strike's because a model came or went.
    strike: Option<u64>,
    /// The level at the day's prices, 1000 at the first change of weights; null before it.
    level: Option<Decimal9>,
    /// NAV of the notional portfolio, before the day's trades; null without one.
    nav: Option<Nav>,
    /// The level that the fund itself had at the strike.
    live_level: Option<Decimal9>,
}

/// A change of weights.
#[derive(Clone, Debug)]
pub(crate) struct BacktestRebalance {
    change: Rebalance,
    row: Option<BacktestRow>,
    weights: Vec<BacktestWeight>,
}

/// A change of weights.
#[Object]
impl BacktestRebalance {
    /// The day; null over a fund's recorded prices.
    async fn date(&self) -> Option<String> {
        self.row?.date.map(|date| date.to_string())
    }

    /// The strike whose prices these are.
    async fn strike(&self) -> Option<u64> {
        self.row?.strike
    }

    /// The level at the change: before and after it.
    async fn level(&self) -> Decimal9 {
        Decimal9(self.change.level)
    }

    /// One-way turnover Σ|t−w|/2, rounded down; the whole invested part at the first.
    async fn turnover(&self) -> Decimal9 {
        Decimal9(PriceNano::from_nano(self.change.turnover.as_ppb()))
    }

    /// What the caps left over.
    async fn cash(&self) -> Decimal9 {
        Decimal9(PriceNano::from_nano(self.change.cash.as_ppb()))
    }

    /// Weights in force from here on, by model.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn weights(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<BacktestWeight>> {
        memory_page(&self.weights, first, after, |weight| weight)
    }
}

/// A model's weight.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BacktestWeight {
    /// The model.
    model: NameText,
    /// Its part of the invested money.
    weight: Decimal9,
}
