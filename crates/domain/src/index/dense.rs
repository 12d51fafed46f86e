//! The level of a basket over rows of prices, without maps: what a backtest of many days needs.

use super::level::{LevelError, START, add_value, left_out, moved, quantity_at};
use crate::amount::{PPB_ONE, PriceNano};

/// A basket whose constituents are columns of a price matrix: an [`IndexLevel`](super::IndexLevel) bit for bit, by the same functions.
///
/// A row holds one price in 1e-9 a column, and anything below 0 where the model has none yet; a matrix is checked once, by its maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenseLevel {
    base: PriceNano,
    quantities: Vec<u128>,
    value_base: u128,
}

/// Why a dense level has no value: a column instead of a name, which the caller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DenseError {
    /// A column that the basket holds, or is to hold, has no price, or the row has no such column.
    #[error("no price in column {column}, which the basket holds")]
    Price {
        /// Counts from 0.
        column: usize,
    },
    /// A weight out of its range.
    #[error("weight of column {column} is {value}: at most {PPB_ONE}")]
    Weight {
        /// Counts from 0.
        column: usize,
        /// What was given.
        value: u64,
    },
    /// As [`LevelError::Bound`].
    #[error("the level or the basket's value passes its bound")]
    Bound,
}

impl From<LevelError> for DenseError {
    fn from(_: LevelError) -> Self {
        Self::Bound
    }
}

impl DenseLevel {
    /// The first basket, at 1000.000000000, in parts per billion of each column; columns without a weight are 0.
    ///
    /// # Errors
    /// As [`rebase`](Self::rebase).
    pub fn start(weights: &[u64], row: &[i64]) -> Result<Self, DenseError> {
        let mut level =
            Self { base: PriceNano::from_nano(START), quantities: Vec::new(), value_base: 0 };
        level.rebase(weights, row)?;
        Ok(level)
    }

    /// The level at the prices of `row`; that of the last change while the basket was worth nothing then.
    ///
    /// # Errors
    /// A held column without a price, or a value beyond the bound.
    pub fn level(&self, row: &[i64]) -> Result<PriceNano, DenseError> {
        if self.value_base == 0 {
            return Ok(self.base);
        }
        Ok(moved(self.base, self.value(row)?, self.value_base)?)
    }

    /// Changes to new weights at the prices of `row`; the level goes on from where it is. On an error nothing changes.
    ///
    /// # Errors
    /// A column with a weight but no price, a weight above one, or a value beyond the bound.
    pub fn rebase(&mut self, weights: &[u64], row: &[i64]) -> Result<(), DenseError> {
        let base = self.level(row)?;
        let mut quantities = Vec::with_capacity(weights.len());
        for (column, parts) in weights.iter().enumerate() {
            if *parts > PPB_ONE.unsigned_abs() {
                return Err(DenseError::Weight { column, value: *parts });
            }
            quantities.push(if *parts == 0 { 0 } else { quantity_at(*parts, price(row, column)?) });
        }
        let mut next = Self { base, quantities, value_base: 0 };
        next.value_base = next.value(row)?;
        *self = next;
        Ok(())
    }

    /// The level of the last change of the basket.
    #[must_use]
    pub const fn base(&self) -> PriceNano {
        self.base
    }

    /// What the basket holds of each column, in steps of 1e-6 unit.
    #[must_use]
    pub fn quantities(&self) -> &[u128] {
        &self.quantities
    }

    /// What the weights of the last change left out of the basket, at 1e-15: their cash part, and the dust of rounding quantities down.
    #[must_use]
    pub fn left_out(&self) -> u128 {
        left_out(self.value_base)
    }

    /// `Σ q·P` at 1e-15.
    ///
    /// # Errors
    /// As [`level`](Self::level).
    pub fn value(&self, row: &[i64]) -> Result<u128, DenseError> {
        let mut sum = 0_u128;
        for (column, (quantity, nano)) in self.quantities.iter().zip(row).enumerate() {
            if *quantity > 0 {
                let price = u64::try_from(*nano).map_err(|_| DenseError::Price { column })?;
                sum = add_value(sum, *quantity, price)?;
            }
        }
        match self.quantities.iter().skip(row.len()).position(|quantity| *quantity > 0) {
            Some(beyond) => Err(DenseError::Price { column: row.len() + beyond }),
            None => Ok(sum),
        }
    }
}

fn price(row: &[i64], column: usize) -> Result<u64, DenseError> {
    let nano = row.get(column).copied().unwrap_or(-1);
    u64::try_from(nano).map_err(|_| DenseError::Price { column })
}
