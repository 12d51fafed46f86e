//! Prices of many models over many days, as one matrix.

use crate::{
    amount::LIMIT,
    name::{Name, ParseNameError},
    time::{Date, ParseDateError},
};

/// The most models of a history.
pub const MODELS_MAX: usize = 10_000;
/// The most days of a history.
pub const DAYS_MAX: usize = 50_000;
/// The most prices of a history, absent ones included: half a gigabyte.
pub const CELLS_MAX: usize = 64_000_000;
/// The largest price, in micro-credits: that of the ledger in 1e-9.
pub const PRICE_MICRO_MAX: i64 = LIMIT / 1000;

/// What stands in the matrix where a model has no price yet.
const ABSENT: i64 = -1;

/// Accepted prices by day and model. A model may begin late; from then on it has a price on every day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    dates: Vec<Date>,
    models: Vec<Name>,
    /// Row by row, in 1e-9 credit, [`ABSENT`] before a model's admission.
    nano: Vec<i64>,
}

/// Why something is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A column that is none of the three.
    #[error("line 1: unknown column {name:?}: expected date, model and price_micro")]
    UnknownColumn {
        /// The first 80 characters of its name.
        name: String,
    },
    /// One of the three columns is not there, or there twice.
    #[error("line 1: column {name} stands there {times} times: expected once")]
    Column {
        /// The column.
        name: &'static str,
        /// How often.
        times: usize,
    },
    /// A line with another number of fields than the header.
    #[error("line {line} has {given} fields: expected 3")]
    Fields {
        /// Counts from 1.
        line: usize,
        /// Fields that it has.
        given: usize,
    },
    /// No date.
    #[error("line {line}, date: {source}")]
    Date {
        /// Counts from 1.
        line: usize,
        /// Why.
        source: ParseDateError,
    },
    /// No model's name.
    #[error("line {line}, model: {source}")]
    Model {
        /// Counts from 1.
        line: usize,
        /// Why.
        source: ParseNameError,
    },
    /// No price.
    #[error(
        "line {line}, price_micro: {given:?} is no price: expected an integer from 0 to {PRICE_MICRO_MAX}"
    )]
    Price {
        /// Counts from 1.
        line: usize,
        /// The first 80 characters of what was given.
        given: String,
    },
    /// Two prices of one model on one day.
    #[error("line {line}: {model} has a price on {date} already")]
    Duplicate {
        /// Counts from 1; the later of the two.
        line: usize,
        /// The model.
        model: Name,
        /// The day.
        date: Date,
    },
    /// A model that has begun and has no price on a later day.
    #[error(
        "{model} has no price on {date}, but on {before}: a model keeps its price until the next, so every day needs one"
    )]
    Gap {
        /// The model.
        model: Name,
        /// The day.
        date: Date,
        /// The last day on which it had one.
        before: Date,
    },
    /// A price out of its range, in a matrix.
    #[error(
        "price of {model} on {date} is {value} micro-credits: at least 0, at most {PRICE_MICRO_MAX}"
    )]
    Range {
        /// The model.
        model: Name,
        /// The day.
        date: Date,
        /// What was given.
        value: i64,
    },
    /// Days or models that are not in ascending order, each once.
    #[error("{what} are not in ascending order, each once, at place {place}")]
    Order {
        /// `dates` or `models`.
        what: &'static str,
        /// Counts from 0.
        place: usize,
    },
    /// A matrix of another size.
    #[error("{given} prices for {days} days of {models} models")]
    Size {
        /// Prices that it has.
        given: usize,
        /// Days.
        days: usize,
        /// Models.
        models: usize,
    },
    /// No price at all.
    #[error("no prices")]
    Empty,
    /// More than a history holds.
    #[error("{given} {what}; at most {max}")]
    Limit {
        /// `models`, `days` or `prices`.
        what: &'static str,
        /// How many there are.
        given: usize,
        /// The limit.
        max: usize,
    },
}

impl History {
    /// Takes dates and models in ascending order and their prices in micro-credits, row by row, none before a model's admission.
    ///
    /// # Errors
    /// An order, a size, a price out of its range, a day without a price after a model's first, or a limit.
    pub fn try_new(
        dates: Vec<Date>,
        models: Vec<Name>,
        prices_micro: &[Option<i64>],
    ) -> Result<Self, HistoryError> {
        check_limits(dates.len(), models.len())?;
        let rises = |what, falls: Option<usize>| match falls {
            Some(at) => Err(HistoryError::Order { what, place: at + 1 }),
            None => Ok(()),
        };
        rises("dates", dates.windows(2).position(|pair| pair[0] >= pair[1]))?;
        rises("models", models.windows(2).position(|pair| pair[0] >= pair[1]))?;
        let (days, columns) = (dates.len(), models.len());
        if prices_micro.len() != days * columns {
            let given = prices_micro.len();
            return Err(HistoryError::Size { given, days, models: columns });
        }
        let mut nano = Vec::with_capacity(prices_micro.len());
        for (row, date) in prices_micro.chunks_exact(columns).zip(&dates) {
            let above = nano.len().checked_sub(columns);
            for (column, price) in row.iter().enumerate() {
                let before = above.map_or(ABSENT, |above| nano[above + column]);
                nano.push(match price {
                    Some(micro) if (0..=PRICE_MICRO_MAX).contains(micro) => micro * 1000,
                    Some(micro) => {
                        let model = models[column].clone();
                        return Err(HistoryError::Range { model, date: *date, value: *micro });
                    }
                    None if before == ABSENT => ABSENT,
                    None => {
                        let before = dates[nano.len() / columns - 1];
                        let model = models[column].clone();
                        return Err(HistoryError::Gap { model, date: *date, before });
                    }
                });
            }
        }
        Ok(Self { dates, models, nano })
    }

    /// The days, ascending.
    #[must_use]
    pub fn dates(&self) -> &[Date] {
        &self.dates
    }

    /// The models, ascending: the columns.
    #[must_use]
    pub fn models(&self) -> &[Name] {
        &self.models
    }

    /// Prices of one day in 1e-9 credit, a column for each model, below 0 where a model has none yet; empty beyond the last day.
    #[must_use]
    pub fn row(&self, day: usize) -> &[i64] {
        let columns = self.models.len();
        self.nano.get(day * columns..(day + 1) * columns).unwrap_or_default()
    }

    /// The rows in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Date, &[i64])> {
        self.dates.iter().copied().zip(self.nano.chunks_exact(self.models.len()))
    }
}

/// Refuses a history that is empty or larger than memory should hold, before it is allocated.
pub(super) fn check_limits(days: usize, models: usize) -> Result<(), HistoryError> {
    if days == 0 || models == 0 {
        return Err(HistoryError::Empty);
    }
    for (what, given, max) in [
        ("models", models, MODELS_MAX),
        ("days", days, DAYS_MAX),
        ("prices", days.saturating_mul(models), CELLS_MAX),
    ] {
        if given > max {
            return Err(HistoryError::Limit { what, given, max });
        }
    }
    Ok(())
}
