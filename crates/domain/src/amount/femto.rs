//! Valuation at 1e-15 credit.

use std::{fmt, iter::Sum, ops, str::FromStr};

use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ParseAmountError;

/// Credits to 1e-15: net asset value and the valuation ledger, where `cash · 1e9 + Σ q · P` is exact (FUND 1.4).
///
/// Signed, 256 bits (two's complement: high half, low half), and cannot overflow:
/// one posting is at most 1e3 names × 1e12 unit steps × 9e18 price steps < 2^114, an event posts fewer than 2^40 lines to one account,
/// and events are counted in 64 bits, so that an account stays below 2^218.
/// NAV itself is below 2^114 and so always has an [`as_femto`](Self::as_femto).
/// In JSON and as text it is the decimal integer of steps, in a string.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Femto {
    // The order of the fields makes the derived order that of the numbers.
    high: i128,
    low: u128,
}

impl Femto {
    /// Nothing.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// Takes a number of steps of 1e-15 credit.
    #[must_use]
    pub const fn from_femto(steps: i128) -> Self {
        Self { high: if steps < 0 { -1 } else { 0 }, low: steps as u128 }
    }

    /// The number of steps of 1e-15 credit, where it fits into 128 bits.
    #[must_use]
    pub fn as_femto(self) -> Option<i128> {
        let steps = self.low as i128;
        (Self::from_femto(steps) == self).then_some(steps)
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The exact decimal in credits, with all fifteen digits behind the point.
    #[must_use]
    pub fn to_credits_text(self) -> String {
        let one = U256::from(1_000_000_000_000_000_u64);
        let (whole, part) = self.size().div_rem(one);
        let sign = if self.high < 0 { "-" } else { "" };
        format!("{sign}{whole}.{:015}", part.as_limbs()[0])
    }

    fn size(self) -> U256 {
        let positive = if self.high < 0 { -self } else { self };
        (U256::from(positive.high as u128) << 128) | U256::from(positive.low)
    }
}

impl From<i128> for Femto {
    fn from(steps: i128) -> Self {
        Self::from_femto(steps)
    }
}

impl ops::Add for Femto {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.wrapping_add(other.high).wrapping_add(i128::from(carry));
        Self { high, low }
    }
}

impl ops::Neg for Femto {
    type Output = Self;

    fn neg(self) -> Self {
        let (low, carry) = (!self.low).overflowing_add(1);
        Self { high: (!self.high).wrapping_add(i128::from(carry)), low }
    }
}

impl ops::Sub for Femto {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl ops::AddAssign for Femto {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Femto {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, |total, item| total + item)
    }
}

impl fmt::Display for Femto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_femto() {
            Some(steps) => write!(f, "{steps}"),
            None => write!(f, "{}{}", if self.high < 0 { "-" } else { "" }, self.size()),
        }
    }
}

impl fmt::Debug for Femto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Femto({self})")
    }
}

impl FromStr for Femto {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(80).collect::<String>();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseAmountError::Form { text: shown() });
        }
        let out_of_range = || ParseAmountError::Range { text: shown() };
        let size = U256::from_str_radix(digits, 10).map_err(|_| out_of_range())?;
        if size.bit(255) {
            return Err(out_of_range());
        }
        let [a, b, c, d] = *size.as_limbs();
        let half = |low: u64, high: u64| (u128::from(high) << 64) | u128::from(low);
        let positive = Self { high: half(c, d) as i128, low: half(a, b) };
        Ok(if text.starts_with('-') { -positive } else { positive })
    }
}

impl Serialize for Femto {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Femto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves sums, signs, order and text across the border of 128 bits.
    #[test]
    fn femto_arithmetic() {
        let big = Femto::from_femto(i128::MAX);
        let bigger = big + big + Femto::from_femto(2);
        assert_eq!(bigger.to_string(), "340282366920938463463374607431768211456");
        assert_eq!((-bigger).to_string(), "-340282366920938463463374607431768211456");
        assert_eq!(bigger.as_femto(), None);
        assert_eq!(bigger - big - big, Femto::from_femto(2));
        assert!(-bigger < Femto::from_femto(-1) && Femto::from_femto(-1) < Femto::ZERO);
        assert!(Femto::ZERO < big && big < bigger);
        let lowest = Femto::from_femto(i128::MIN);
        for value in [bigger, -bigger, lowest, lowest + lowest, Femto::ZERO] {
            assert_eq!(value.to_string().parse(), Ok(value));
            assert_eq!(value + -value, Femto::ZERO);
        }
        assert_eq!(
            Femto::from_femto(-1_500_000_000_000_000).to_credits_text(),
            "-1.500000000000000"
        );
        for bad in ["", "-", "+1", "1.5", &"9".repeat(90)] {
            assert!(bad.parse::<Femto>().is_err(), "{bad}");
        }
    }
}
