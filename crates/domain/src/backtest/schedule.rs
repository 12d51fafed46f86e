//! On which days of a history weights change.

use std::collections::BTreeSet;

use super::run::BacktestError;
use crate::time::Date;

/// When a backtest rebalances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// On the first day of the history, and on the first day of it in every month after.
    #[default]
    Monthly,
    /// On every day, as the live fund does: one rebalance after every strike.
    EveryStrike,
    /// On these days; each must be in the history.
    On(BTreeSet<Date>),
}

impl Schedule {
    /// For each date whether it rebalances.
    ///
    /// # Errors
    /// A given day that is not among `dates`, which ascend.
    pub(super) fn over(&self, dates: &[Date]) -> Result<Vec<bool>, BacktestError> {
        match self {
            Self::Monthly => {
                let mut last = None;
                let begins = |date: &Date| last.replace(date.month()) != Some(date.month());
                Ok(dates.iter().map(begins).collect())
            }
            Self::EveryStrike => Ok(vec![true; dates.len()]),
            Self::On(days) => match days.iter().find(|day| dates.binary_search(day).is_err()) {
                Some(date) => Err(BacktestError::Schedule { date: *date }),
                None => Ok(dates.iter().map(|date| days.contains(date)).collect()),
            },
        }
    }
}
