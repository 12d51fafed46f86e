//! Amounts of money, units, shares and prices: integers, and how they may be combined.
//!
//! | type | one step is | held in | bound |
//! | --- | --- | --- | --- |
//! | [`Cash`] | 1e-6 credit | `i64` | [`LIMIT`] |
//! | [`Units`] | 1e-6 unit | `i64` | 1e12 a model |
//! | [`Shares`] | 1e-9 share | `i64` | [`LIMIT`] |
//! | [`PriceNano`] | 1e-9 credit a unit | `i64` | [`LIMIT`] |
//! | [`Ppb`] | 1e-9 of one | `i64` | 1e9 |
//! | [`Femto`] | 1e-15 credit | 256 bits, signed | see [`Femto`] |
//!
//! | operation | result | rounding |
//! | --- | --- | --- |
//! | `x.checked_add(y)`, `x.checked_sub(y)`, same type | `Option` of that type | none |
//! | cash × 1e9 | [`Femto`], by [`Cash::to_femto`] | none |
//! | units × price | [`Femto`], by [`Units::value_at`] | none |
//! | a · b ÷ c | [`mul_div`] over 256 bits, 512 inside | named by the caller |
//!
//! Everything else has no operator on purpose: a product or a quotient of amounts changes its unit, and the code says which.
//! A type holds any `i64`; the range that an argument must keep is checked by the fund engine, which answers with a code.

mod femto;

use std::{fmt, str::FromStr};

use ruint::aliases::U512;
use serde::{Deserialize, Serialize};

pub use femto::Femto;
pub use ruint::aliases::U256;

/// The largest amount of anything that the ledger holds or accepts: 9e18 steps (FUND 1.6).
pub const LIMIT: i64 = 9_000_000_000_000_000_000;

/// Parts of one: 1e9 (FUND 2, `K`).
pub const PPB_ONE: i64 = 1_000_000_000;

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// Not digits with at most one point between them.
    #[error("{text:?} is no amount: expected digits, or digits, a point and digits")]
    Form {
        /// The first 80 characters of what was given.
        text: String,
    },
    /// More digits behind the point than the type holds.
    #[error("{text:?} has {given} digits behind the point; at most {max}")]
    Digits {
        /// The first 80 characters of what was given.
        text: String,
        /// Digits behind the point.
        given: usize,
        /// Digits that the type holds.
        max: usize,
    },
    /// Outside the range of the type.
    #[error("{text:?} does not fit into the range of an amount")]
    Range {
        /// The first 80 characters of what was given.
        text: String,
    },
}

/// Reads an exact decimal as a whole number of steps of `10^-scale`.
fn parse_decimal(text: &str, scale: usize) -> Result<i64, ParseAmountError> {
    let shown = || text.chars().take(80).collect::<String>();
    let (negative, body) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = body.split_once('.').map_or((body, None), |(w, p)| (w, Some(p)));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !part.is_none_or(digits) {
        return Err(ParseAmountError::Form { text: shown() });
    }
    let part = part.unwrap_or("");
    if part.len() > scale {
        return Err(ParseAmountError::Digits { text: shown(), given: part.len(), max: scale });
    }
    let padding = std::iter::repeat_n(b'0', scale - part.len());
    let mut value = 0_i128;
    for digit in whole.bytes().chain(part.bytes()).chain(padding) {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i128::from(digit - b'0')))
            .ok_or_else(|| ParseAmountError::Range { text: shown() })?;
    }
    i64::try_from(if negative { -value } else { value })
        .map_err(|_| ParseAmountError::Range { text: shown() })
}

/// Writes `steps` of `10^-scale` as an exact decimal, always with all its digits.
fn write_decimal(f: &mut fmt::Formatter<'_>, steps: i64, scale: usize) -> fmt::Result {
    let sign = if steps < 0 { "-" } else { "" };
    let one = 10_u64.pow(scale as u32);
    let size = steps.unsigned_abs();
    write!(f, "{sign}{}.{:0scale$}", size / one, size % one)
}

macro_rules! amount {
    ($name:ident, $scale:literal, $from:ident, $as:ident, $doc:literal, $step:literal) => {
        #[doc = $doc]
        ///
        /// In JSON an integer of steps; as text an exact decimal with every digit.
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// Digits behind the point.
            pub const SCALE: usize = $scale;

            #[doc = concat!("Takes a number of steps of ", $step, ".")]
            #[must_use]
            pub const fn $from(steps: i64) -> Self {
                Self(steps)
            }

            #[doc = concat!("The number of steps of ", $step, ".")]
            #[must_use]
            pub const fn $as(self) -> i64 {
                self.0
            }

            /// The sum, or nothing when it leaves the range of `i64`.
            #[must_use]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or nothing when it leaves the range of `i64`.
            #[must_use]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_decimal(f, self.0, $scale)
            }
        }

        impl FromStr for $name {
            type Err = ParseAmountError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_decimal(text, $scale).map(Self)
            }
        }
    };
}

amount!(Cash, 6, from_micro, as_micro, "Settlement credits, to 1e-6.", "1e-6 credit");
amount!(Units, 6, from_micro, as_micro, "Units of a model, to 1e-6.", "1e-6 unit");
amount!(Shares, 9, from_nano, as_nano, "Shares of a fund, to 1e-9.", "1e-9 share");
amount!(PriceNano, 9, from_nano, as_nano, "Credits per unit, to 1e-9.", "1e-9 credit per unit");
amount!(Ppb, 9, from_ppb, as_ppb, "A fraction in parts per billion.", "1e-9 of one");

impl Cash {
    /// The same money at the scale of NAV; exact.
    #[must_use]
    pub fn to_femto(self) -> Femto {
        Femto::from_femto(i128::from(self.0) * i128::from(PPB_ONE))
    }
}

impl Units {
    /// What these units are worth at `price`; exact, because 1e-6 × 1e-9 is 1e-15.
    #[must_use]
    pub fn value_at(self, price: PriceNano) -> Femto {
        Femto::from_femto(i128::from(self.0) * i128::from(price.0))
    }
}

impl PriceNano {
    /// Takes a price in whole micro-credits, as evaluation publishes it (FUND 2.11); nothing when it is too large.
    #[must_use]
    pub fn from_micro(micro: i64) -> Option<Self> {
        micro.checked_mul(1000).map(Self)
    }
}

/// Which way a quotient goes when it is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero.
    Floor,
    /// Away from zero.
    Ceil,
}

/// `a · b ÷ c`, exact inside and rounded once; nothing when `c` is zero or the result leaves 256 bits.
#[must_use]
pub fn mul_div(a: U256, b: U256, c: U256, rounding: Rounding) -> Option<U256> {
    if c.is_zero() {
        return None;
    }
    let (quotient, exact) = if let Some(product) = a.checked_mul(b) {
        let (quotient, rest) = product.div_rem(c);
        (quotient, rest.is_zero())
    } else {
        let product: U512 = a.widening_mul(b);
        let mut divisor = [0; 8];
        divisor[..4].copy_from_slice(c.as_limbs());
        let (quotient, rest) = product.div_rem(U512::from_limbs(divisor));
        let limbs = quotient.as_limbs();
        if limbs[4..] != [0; 4] {
            return None;
        }
        (U256::from_limbs([limbs[0], limbs[1], limbs[2], limbs[3]]), rest.is_zero())
    };
    match rounding {
        Rounding::Ceil if !exact => quotient.checked_add(U256::ONE),
        _ => Some(quotient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that text and steps are one to one, and that nothing inexact is read.
    #[test]
    fn decimal_text() {
        for (steps, text) in [
            (1_500_000, "1.500000"),
            (0, "0.000000"),
            (-1, "-0.000001"),
            (LIMIT, "9000000000000.000000"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(Cash::from_micro(steps).to_string(), text);
            assert_eq!(text.parse(), Ok(Cash::from_micro(steps)));
        }
        assert_eq!("7".parse(), Ok(Cash::from_micro(7_000_000)));
        assert_eq!("0.080000000".parse(), Ok(Ppb::from_ppb(80_000_000)));
        for bad in ["", "-", ".5", "1.", "+1", "1e3", "1,0", " 1", "1.2.3", "٣", "--1"] {
            assert!(matches!(bad.parse::<Cash>(), Err(ParseAmountError::Form { .. })), "{bad}");
        }
        assert_eq!(
            "1.2345678".parse::<Cash>().map_err(|e| e.to_string()),
            Err("\"1.2345678\" has 7 digits behind the point; at most 6".to_owned())
        );
        for bad in ["9223372036854.775808", &"9".repeat(60)] {
            assert!(matches!(bad.parse::<Cash>(), Err(ParseAmountError::Range { .. })), "{bad}");
        }
    }

    /// Proves that JSON carries steps, exactly, at the ends of the range.
    #[test]
    fn json_is_integer() {
        for steps in [0, 1, -1, LIMIT, i64::MIN, i64::MAX] {
            let text = serde_json::to_string(&Shares::from_nano(steps)).unwrap();
            assert_eq!(text, steps.to_string());
            assert_eq!(serde_json::from_str::<Shares>(&text).unwrap(), Shares::from_nano(steps));
        }
        assert!(serde_json::from_str::<Cash>("1.0").is_err());
        assert!(serde_json::from_str::<Cash>("\"1\"").is_err());
    }
}
