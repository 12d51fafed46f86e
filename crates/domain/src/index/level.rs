//! The level of a basket: frictionless, kept apart from NAV (FUND 2.10, DESIGN "Level").

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    amount::{LIMIT, PPB_ONE, Ppb, PriceNano},
    name::Name,
};

/// What the basket is made of at each change of weights: 1,000,000 credits, in micro-credits.
pub const NOTIONAL_MICRO: i64 = 1_000_000_000_000;

/// The level at the first basket: 1000.000000000.
pub(super) const START: i64 = 1_000_000_000_000;

/// A basket of quantities and the level that it started from: `level = ⌊base·V/V_base⌋`, `V = Σ q·P`.
///
/// Its JSON may hold more than it reads: the record of a rebalance is a level with the plan beside it.
///
/// Levels are whole steps of 1e-9, quantities whole steps of 1e-6 unit, values exact at 1e-15, so that a replay is bit for bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexLevel {
    base: PriceNano,
    #[serde(serialize_with = "write_quantities", deserialize_with = "read_quantities")]
    quantities: BTreeMap<Name, u128>,
    #[serde(serialize_with = "write_value", deserialize_with = "read_value")]
    value_base: u128,
}

/// Why there is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// A constituent has no price.
    #[error("no price of {model}, which the basket holds")]
    Price {
        /// The constituent.
        model: Name,
    },
    /// A price or a weight out of its range.
    #[error("{what} of {model} is {value}: at least 0, at most {max}")]
    Range {
        /// `price` or `weight`.
        what: &'static str,
        /// The constituent.
        model: Name,
        /// What was given.
        value: i64,
        /// The most that is allowed.
        max: i64,
    },
    /// A value beyond what the level is computed in.
    #[error("the level or the basket's value passes its bound")]
    Bound,
}

impl IndexLevel {
    /// The first basket, at 1000.000000000.
    ///
    /// # Errors
    /// As [`rebase`](Self::rebase).
    pub fn start(
        weights: &BTreeMap<Name, Ppb>,
        prices: &BTreeMap<Name, PriceNano>,
    ) -> Result<Self, LevelError> {
        let mut level =
            Self { base: PriceNano::from_nano(START), quantities: BTreeMap::new(), value_base: 0 };
        level.rebase(weights, prices)?;
        Ok(level)
    }

    /// The level at `prices`; that of the last change while the basket was worth nothing then.
    ///
    /// # Errors
    /// A constituent without a price, or one out of its range.
    pub fn level(&self, prices: &BTreeMap<Name, PriceNano>) -> Result<PriceNano, LevelError> {
        if self.value_base == 0 {
            return Ok(self.base);
        }
        moved(self.base, self.value(prices)?, self.value_base)
    }

    /// Changes to new weights at `prices`: quantities `⌊w·notional/P⌋`, and the level goes on from where it is.
    ///
    /// A name without value cannot be held and is left out. On an error nothing changes.
    ///
    /// # Errors
    /// A name without a price, or a weight or price out of its range.
    pub fn rebase(
        &mut self,
        weights: &BTreeMap<Name, Ppb>,
        prices: &BTreeMap<Name, PriceNano>,
    ) -> Result<(), LevelError> {
        let mut quantities = BTreeMap::new();
        for (model, weight) in weights {
            let price = price_of(model, prices)?;
            let parts = weight.as_ppb();
            if !(0..=PPB_ONE).contains(&parts) {
                return Err(LevelError::Range {
                    what: "weight",
                    model: model.clone(),
                    value: parts,
                    max: PPB_ONE,
                });
            }
            let quantity = quantity_at(parts.unsigned_abs(), price);
            if quantity > 0 {
                quantities.insert(model.clone(), quantity);
            }
        }
        self.replace(quantities, prices)
    }

    /// Changes to new quantities, in steps of 1e-6 unit; the level goes on from where it is.
    ///
    /// # Errors
    /// As [`rebase`](Self::rebase).
    pub fn replace(
        &mut self,
        quantities: BTreeMap<Name, u128>,
        prices: &BTreeMap<Name, PriceNano>,
    ) -> Result<(), LevelError> {
        let base = self.level(prices)?;
        let mut next = Self { base, quantities, value_base: 0 };
        next.value_base = next.value(prices)?;
        *self = next;
        Ok(())
    }

    /// The level of the last change of the basket.
    #[must_use]
    pub const fn base(&self) -> PriceNano {
        self.base
    }

    /// What the basket holds, in steps of 1e-6 unit.
    #[must_use]
    pub const fn quantities(&self) -> &BTreeMap<Name, u128> {
        &self.quantities
    }

    /// What each constituent is worth at `prices`, at 1e-15.
    ///
    /// # Errors
    /// As [`level`](Self::level).
    pub fn values(
        &self,
        prices: &BTreeMap<Name, PriceNano>,
    ) -> Result<BTreeMap<Name, u128>, LevelError> {
        let worth = |(model, quantity): (&Name, &u128)| {
            Ok((model.clone(), add_value(0, *quantity, price_of(model, prices)?)?))
        };
        self.quantities.iter().map(worth).collect()
    }

    /// What the weights of the last change left out of the basket, at 1e-15: their cash part, and the dust of rounding quantities down.
    #[must_use]
    pub fn left_out(&self) -> u128 {
        left_out(self.value_base)
    }

    /// `Σ q·P` at 1e-15.
    fn value(&self, prices: &BTreeMap<Name, PriceNano>) -> Result<u128, LevelError> {
        self.quantities.iter().try_fold(0_u128, |sum, (model, quantity)| {
            add_value(sum, *quantity, price_of(model, prices)?)
        })
    }
}

/// `⌊w·notional/P⌋` in steps of 1e-6 unit, nothing at a price of nothing; `parts` is at most 1e9.
///
/// This function and the two below it are the whole arithmetic of a level: [`IndexLevel`] and the dense form of a backtest call them both.
pub(super) fn quantity_at(parts: u64, price: u64) -> u128 {
    // Weight in 1e-9 times notional in 1e-6 is the value in 1e-15.
    let value = u128::from(parts) * u128::from(NOTIONAL_MICRO.unsigned_abs());
    value.checked_div(u128::from(price)).unwrap_or(0)
}

/// The notional less what became a basket of it.
pub(super) fn left_out(value_base: u128) -> u128 {
    let notional = u128::from(NOTIONAL_MICRO.unsigned_abs()) * u128::from(PPB_ONE.unsigned_abs());
    notional.saturating_sub(value_base)
}

/// `sum + q·P` at 1e-15.
pub(super) fn add_value(sum: u128, quantity: u128, price: u64) -> Result<u128, LevelError> {
    // Nearly every quantity fits into 64 bits, where the product cannot overflow and costs one instruction.
    let value = match u64::try_from(quantity) {
        Ok(quantity) => u128::from(quantity) * u128::from(price),
        Err(_) => quantity.checked_mul(u128::from(price)).ok_or(LevelError::Bound)?,
    };
    sum.checked_add(value).ok_or(LevelError::Bound)
}

/// `⌊base·V/V_base⌋`, for a base value above nothing.
pub(super) fn moved(
    base: PriceNano,
    value: u128,
    value_base: u128,
) -> Result<PriceNano, LevelError> {
    let base = u128::from(base.as_nano().unsigned_abs());
    let level = wide_quotient(base, value, value_base);
    level.filter(|level| *level <= LIMIT).map(PriceNano::from_nano).ok_or(LevelError::Bound)
}

fn price_of(model: &Name, prices: &BTreeMap<Name, PriceNano>) -> Result<u64, LevelError> {
    let price = prices.get(model).ok_or_else(|| LevelError::Price { model: model.clone() })?;
    let nano = price.as_nano();
    if !(0..=LIMIT).contains(&nano) {
        let model = model.clone();
        return Err(LevelError::Range { what: "price", model, value: nano, max: LIMIT });
    }
    Ok(nano.unsigned_abs())
}

/// `⌊a·b/c⌋`, where it fits.
fn wide_quotient(a: u128, b: u128, c: u128) -> Option<i64> {
    use crate::amount::{Rounding, U256, mul_div};
    let quotient = mul_div(U256::from(a), U256::from(b), U256::from(c), Rounding::Floor)?;
    i64::try_from(quotient).ok()
}

fn write_quantities<S: Serializer>(
    quantities: &BTreeMap<Name, u128>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(quantities.iter().map(|(model, q)| (model, q.to_string())))
}

fn read_quantities<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Name, u128>, D::Error> {
    let texts = BTreeMap::<Name, String>::deserialize(deserializer)?;
    let number = |(model, text): (Name, String)| {
        text.parse().map(|q| (model, q)).map_err(|_| D::Error::custom("expected an integer"))
    };
    texts.into_iter().map(number).collect()
}

fn write_value<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn read_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("expected an integer"))
}
