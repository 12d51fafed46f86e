//! The prices that a fund was struck and rebalanced at, as a history for a backtest (invariant 37).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    DisclosureError, SPAN_MAX,
    trail::{Row, Trail},
};
use crate::{
    amount::{Cash, PriceNano},
    backtest::{
        Backtest, BacktestError, CELLS_MAX, History, HistoryError, Schedule, Settings, run_without,
    },
    fund::Methodology,
    name::Name,
    time::Date,
};

/// One row of a recorded history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedRow {
    /// The strike; none where weights changed at other prices than a strike's, because a model came or went in between.
    pub strike: Option<u64>,
    /// Whether the fund changed its weights at these prices.
    pub rebalanced: bool,
}

/// Recorded prices in the form of a history. A fund may have two strikes on one day, so its dates are the numbers of the rows, counted
/// from 1970-01-01; they mean nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The prices.
    pub history: History,
    /// What each row is.
    pub rows: Vec<RecordedRow>,
    /// Models that are delisted, with the first row from which they are.
    pub delisted: BTreeMap<Name, Date>,
}

/// Why there is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// Not two strikes.
    #[error(transparent)]
    Span(#[from] DisclosureError),
    /// A price that evaluation cannot have made.
    #[error("price of {model} at row {row} is {price}: a history holds whole micro-credits")]
    Price {
        /// The model.
        model: Name,
        /// The row, from 0.
        row: usize,
        /// The price.
        price: PriceNano,
    },
    /// More than a history holds.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The rules give no level over it.
    #[error(transparent)]
    Backtest(#[from] BacktestError),
}

/// The prices from strike `from` to strike `to`, with those of every change of weights between them; from 1 on it begins where the
/// fund's own index began.
///
/// # Errors
/// Strikes that there are not, too many of them, or prices that are finer than a history's.
pub fn recorded(trail: &Trail, from: u64, to: u64) -> Result<Recorded, RecordedError> {
    let last = trail.strikes.len() as u64;
    if from == 0 || from > to || to > last {
        return Err(DisclosureError::Range { from, to, last }.into());
    }
    if to - from > SPAN_MAX {
        return Err(DisclosureError::Span { given: to - from }.into());
    }
    let rows = &trail.rows;
    let at = |number: u64| rows.iter().position(|row| row.strike == Some(number));
    // Weights may have changed before there was a strike.
    let first = if from == 1 { 0 } else { at(from).unwrap_or_default() };
    let end = at(to).map_or(rows.len(), |place| place + 1);
    let mut names = BTreeSet::new();
    for row in &rows[..end] {
        names.extend(row.changes.keys());
    }
    let columns: BTreeMap<&Name, usize> = names.iter().copied().zip(0..).collect();
    let cells = columns.len().saturating_mul(end - first);
    if cells > CELLS_MAX {
        return Err(HistoryError::Limit { what: "prices", given: cells, max: CELLS_MAX }.into());
    }
    let mut matrix = Matrix { columns, first, prices: Vec::new(), delisted: BTreeMap::new() };
    matrix.prices.reserve(cells);
    let mut current = vec![None; matrix.columns.len()];
    for (place, row) in rows[..end].iter().enumerate() {
        matrix.read(place, row, &mut current)?;
    }
    let dates = (0..(end - first) as i64).map(Date::from_day).collect();
    let models = names.into_iter().cloned().collect();
    let history = History::try_new(dates, models, &matrix.prices)?;
    let meaning = |row: &Arc<Row>| RecordedRow { strike: row.strike, rebalanced: row.rebalanced };
    let delisted = matrix.delisted;
    Ok(Recorded { history, rows: rows[first..end].iter().map(meaning).collect(), delisted })
}

/// A history while its rows are read.
struct Matrix<'a> {
    columns: BTreeMap<&'a Name, usize>,
    first: usize,
    prices: Vec<Option<i64>>,
    delisted: BTreeMap<Name, Date>,
}

impl Matrix<'_> {
    fn read(
        &mut self,
        place: usize,
        row: &Row,
        current: &mut [Option<i64>],
    ) -> Result<(), RecordedError> {
        for (model, price) in &row.changes {
            let Some(column) = self.columns.get(model) else { continue };
            if price.is_none() {
                let since = place.saturating_sub(self.first) as i64;
                self.delisted.insert(model.clone(), Date::from_day(since));
            }
            let price = price.unwrap_or_default();
            if price.as_nano() % 1000 != 0 {
                return Err(RecordedError::Price { model: model.clone(), row: place, price });
            }
            current[*column] = Some(price.as_nano() / 1000);
        }
        if place >= self.first {
            self.prices.extend_from_slice(current);
        }
        Ok(())
    }
}

/// Runs rules over recorded prices, with new weights where the fund had them: under the fund's own rules, from its first change of
/// weights on, the level is the fund's, bit for bit.
///
/// # Errors
/// As a [`run`](crate::backtest::run).
pub fn backtest_recorded(
    recorded: &Recorded,
    methodology: &Methodology,
    publishers: &BTreeMap<Name, Name>,
    capital: Option<Cash>,
) -> Result<Backtest, RecordedError> {
    let days = recorded.rows.iter().zip(0..).filter(|(row, _)| row.rebalanced);
    let schedule = Schedule::On(days.map(|(_, day)| Date::from_day(day)).collect());
    let settings = Settings { methodology, publishers, schedule, capital };
    Ok(run_without(&recorded.history, &settings, &recorded.delisted)?)
}
