//! The run itself: a strike a day, a rebalance where the schedule says so.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    history::History,
    portfolio::Portfolio,
    ruled::{Ruled, RuledTarget},
    schedule::Schedule,
};
use crate::{
    amount::{Cash, Femto, LIMIT, PPB_ONE, Ppb, PriceNano, U256},
    fund::{Methodology, MethodologyError, Note},
    index::{DenseError, DenseLevel, Infeasible},
    name::Name,
    time::Date,
};

/// What is run over a history.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// The rules.
    pub methodology: &'a Methodology,
    /// The publisher of each model, for the publisher cap; a model that is not in it is a publisher of its own.
    pub publishers: &'a BTreeMap<Name, Name>,
    /// When weights change.
    pub schedule: Schedule,
    /// With how much a notional portfolio begins; none without it.
    pub capital: Option<Cash>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backtest {
    /// The models, as the columns that [`Weighted`] counts.
    pub models: Vec<Name>,
    /// One entry a day of the history.
    pub days: Vec<Day>,
    /// The changes of weights, in order.
    pub rebalances: Vec<Rebalance>,
}

impl Backtest {
    /// The levels in 1e-9, from the first rebalance on: what [`performance`](crate::analytics::performance) takes.
    #[must_use]
    pub fn levels(&self) -> Vec<i128> {
        self.days.iter().filter_map(|day| Some(i128::from(day.level?.as_nano()))).collect()
    }

    /// The NAVs of the notional portfolio in 1e-15; empty without one.
    #[must_use]
    pub fn navs(&self) -> Vec<i128> {
        self.days.iter().filter_map(|day| day.nav?.as_femto()).collect()
    }
}

/// One day: the valuation point of a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// Index level at the day's prices; none before the first rebalance.
    pub level: Option<PriceNano>,
    /// NAV of the notional portfolio at the day's prices, before the day's trades, as a strike takes it.
    pub nav: Option<Femto>,
}

/// One change of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebalance {
    /// Which day.
    pub date: Date,
    /// Level at the change: before and after it (invariant 32).
    pub level: PriceNano,
    /// Weights in force from here on, in the order of the models; those of nothing included.
    pub weights: Vec<Weighted>,
    /// What the caps left over.
    pub cash: Ppb,
    /// One-way turnover `Σ|t−w|/2` of the basket and the cash that its weights left out, rounded down; the whole invested part at the first.
    pub turnover: Ppb,
    /// What the rules did; empty where none looks at the basket that there is.
    pub notes: Vec<Note>,
}

/// A model's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// The place in [`Backtest::models`].
    pub column: usize,
    /// Its part of the invested money.
    pub weight: Ppb,
}

/// Why there is no backtest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BacktestError {
    /// A day to rebalance on that the history does not have.
    #[error("rebalance on {date}: the history has no such day")]
    Schedule {
        /// The day.
        date: Date,
    },
    /// A portfolio of nothing, or beyond the ledger's limit.
    #[error("the capital is {given} micro-credits: at least 1, at most {LIMIT}")]
    Capital {
        /// What was given.
        given: i64,
    },
    /// No weights under the caps.
    #[error("weights on {date}: {source}")]
    Weights {
        /// The day.
        date: Date,
        /// Why.
        source: Infeasible,
    },
    /// No weights under the rules.
    #[error("weights on {date}: {reason}")]
    Rules {
        /// The day.
        date: Date,
        /// Why, from [`MethodologyError`].
        reason: String,
    },
    /// No level.
    #[error("level on {date}: {source}")]
    Level {
        /// The day.
        date: Date,
        /// Why.
        source: DenseError,
    },
    /// A NAV beyond what it is computed in.
    #[error("NAV on {date} passes its bound")]
    Nav {
        /// The day.
        date: Date,
    },
}

/// Runs a methodology over a history: on every day the level, and where the schedule says so new weights at the day's prices.
///
/// Exact integers throughout; the same input gives the same bits on any machine.
///
/// # Errors
/// A bad schedule or capital, caps without room under the policy `reject`, or values beyond their bounds, with the day.
pub fn run(history: &History, settings: &Settings<'_>) -> Result<Backtest, BacktestError> {
    run_without(history, settings, &BTreeMap::new())
}

/// The same, where some models are delisted: from the day beside its name on one gets no weight and is not counted under the caps, as a
/// live rebalance leaves it out; its price stays in the history, at 0, for the basket that held it.
///
/// # Errors
/// As [`run`].
pub fn run_without(
    history: &History,
    settings: &Settings<'_>,
    delisted: &BTreeMap<Name, Date>,
) -> Result<Backtest, BacktestError> {
    let gone: Vec<Option<Date>> =
        history.models().iter().map(|model| delisted.get(model).copied()).collect();
    let is_gone = |date| {
        let gone = &gone;
        move |column: usize| gone[column].is_some_and(|since| since <= date)
    };
    let rebalances = settings.schedule.over(history.dates())?;
    if let Some(capital) = settings.capital.filter(|c| !(1..=LIMIT).contains(&c.as_micro())) {
        return Err(BacktestError::Capital { given: capital.as_micro() });
    }
    let rules = settings.methodology;
    let publishers = publisher_numbers(history.models(), settings.publishers);
    let mut ruled = (!rules.is_plain()).then(|| Ruled::new(history.models(), settings.publishers));
    let start = |capital| Portfolio::start(capital, publishers.len(), rules);
    let mut portfolio = settings.capital.map(start);
    let mut level: Option<DenseLevel> = None;
    let mut days = Vec::with_capacity(rebalances.len());
    let mut changes = Vec::new();
    for (day, ((date, row), is_change)) in (0..).zip(history.rows().zip(rebalances)) {
        if let Some(ruled) = &mut ruled {
            ruled.see(day, row);
        }
        let bound = || BacktestError::Nav { date };
        let nav = portfolio.as_ref().map(|p| p.nav_femto(row).ok_or_else(bound)).transpose()?;
        if is_change {
            let (target, told) = match &mut ruled {
                None => {
                    let target = Target::at(row, is_gone(date), &publishers, rules);
                    (target.map_err(|source| BacktestError::Weights { date, source })?, None)
                }
                Some(ruled) => {
                    let RuledTarget { target, turnover, notes } = ruled
                        .target(rules, level.as_ref(), (row, is_gone(date)))
                        .map_err(|error| rules_error(date, error))?;
                    (target, Some((turnover, notes)))
                }
            };
            let mut change = change(&mut level, &target, date, row)
                .map_err(|source| BacktestError::Level { date, source })?;
            if let Some((turnover, notes)) = told {
                // Between whole parts, as the cap counts it.
                (change.turnover, change.notes) = (ppb(turnover), notes);
            }
            if let Some(portfolio) = &mut portfolio {
                portfolio.rebalance(&target.parts, row).ok_or_else(bound)?;
            }
            days.push(Day { date, level: Some(change.level), nav });
            changes.push(change);
        } else {
            let level = level.as_ref().map(|level| level.level(row)).transpose();
            let level = level.map_err(|source| BacktestError::Level { date, source })?;
            days.push(Day { date, level, nav });
        }
    }
    Ok(Backtest { models: history.models().to_vec(), days, rebalances: changes })
}

/// A number for each model's publisher, the same for the same one.
fn publisher_numbers(models: &[Name], publishers: &BTreeMap<Name, Name>) -> Vec<usize> {
    // A model without a publisher must not fall in with a publisher of its name.
    let who = |model| publishers.get(model).ok_or(model);
    let names: BTreeSet<Result<&Name, &Name>> = models.iter().map(who).collect();
    let numbers: BTreeMap<_, usize> = names.into_iter().zip(0..).collect();
    models.iter().map(|model| numbers[&who(model)]).collect()
}

fn rules_error(date: Date, error: MethodologyError) -> BacktestError {
    match error {
        MethodologyError::Weights(source) => BacktestError::Weights { date, source },
        other => BacktestError::Rules { date, reason: other.to_string() },
    }
}

/// Weights of one day: a part for every column, and which columns have a price.
pub(super) struct Target {
    pub(super) parts: Vec<u64>,
    pub(super) priced: Vec<usize>,
    pub(super) cash: u64,
}

fn ppb(parts: u64) -> Ppb {
    Ppb::from_ppb(i64::try_from(parts).unwrap_or(PPB_ONE))
}

impl Target {
    fn at(
        row: &[i64],
        is_gone: impl Fn(usize) -> bool,
        publishers: &[usize],
        rules: &Methodology,
    ) -> Result<Self, Infeasible> {
        let scored = |column: &usize| row[*column] >= 0 && !is_gone(*column);
        let priced: Vec<usize> = (0..row.len()).filter(scored).collect();
        let prices: Vec<i64> = priced.iter().map(|column| row[*column]).collect();
        let owners: Vec<usize> = priced.iter().map(|column| publishers[*column]).collect();
        let weights = rules.weights_of(&prices, &owners)?;
        let mut parts = vec![0; row.len()];
        for (column, weight) in priced.iter().zip(&weights.ppb) {
            parts[*column] = *weight;
        }
        Ok(Self { parts, priced, cash: weights.cash })
    }
}

/// Changes the basket, and says what that was.
fn change(
    level: &mut Option<DenseLevel>,
    target: &Target,
    date: Date,
    row: &[i64],
) -> Result<Rebalance, DenseError> {
    let (turnover, next) = match level.take() {
        Some(mut old) => {
            let turnover = turnover(&old, target, row)?;
            old.rebase(&target.parts, row)?;
            (turnover, old)
        }
        None => (target.parts.iter().sum(), DenseLevel::start(&target.parts, row)?),
    };
    let weighted =
        |column: &usize| Weighted { column: *column, weight: ppb(target.parts[*column]) };
    let weights = target.priced.iter().map(weighted).collect();
    let base = next.base();
    *level = Some(next);
    let (cash, turnover) = (ppb(target.cash), ppb(turnover));
    Ok(Rebalance { date, level: base, weights, cash, turnover, notes: Vec::new() })
}

/// `Σ|t−w|/2` in parts per billion, rounded down; `w` are the parts of what basket and left-out cash are worth now.
fn turnover(level: &DenseLevel, target: &Target, row: &[i64]) -> Result<u64, DenseError> {
    let one = U256::from(PPB_ONE.unsigned_abs());
    let left = U256::from(level.left_out());
    let total = U256::from(level.value(row)?) + left;
    if total.is_zero() {
        return Ok(target.parts.iter().sum());
    }
    let gap = |part: u64, value: U256| (U256::from(part) * total).abs_diff(value * one);
    let mut way = gap(target.cash, left);
    for (column, part) in target.parts.iter().enumerate() {
        let quantity = level.quantities().get(column).copied().unwrap_or_default();
        let price = row[column].max(0).unsigned_abs();
        way += gap(*part, U256::from(quantity) * U256::from(price));
    }
    let parts = way / (total * U256::from(2));
    Ok(u64::try_from(parts).unwrap_or(u64::MAX))
}
