//! Scalars: exact decimal texts for money, digests, times. JSON numbers are doubles, so none of these is one.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use domain::{
    amount::{Cash, Femto, PriceNano, Shares, Units},
    digest::Digest,
    name::Name,
    time::{Date as DateValue, Timestamp},
};

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        $(#[$doc])*
        #[Scalar]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                match value {
                    Value::String(text) => text.parse().map(Self).map_err(|e| InputValueError::custom(format!("{e}"))),
                    other => Err(InputValueError::expected_type(other)),
                }
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.to_string())
            }
        }
    };
}

text_scalar! {
    /// Settlement credits, an exact decimal with six digits: `"12.500000"`.
    Credits(Cash)
}
text_scalar! {
    /// Evaluated price (mark to model) in credits a unit, an exact decimal with nine digits.
    Price(PriceNano)
}
text_scalar! {
    /// Shares of a fund, an exact decimal with nine digits.
    ShareQuantity(Shares)
}
text_scalar! {
    /// Units of a model, an exact decimal with six digits.
    UnitQuantity(Units)
}
text_scalar! {
    /// A decimal with nine digits: NAV per share (rounded down), an index level, a weight.
    Decimal9(PriceNano)
}
text_scalar! {
    /// SHA-256: `sha256:` and 64 hexadecimal digits.
    Sha256(Digest)
}
text_scalar! {
    /// A name: 1 to 64 of `A-Z a-z 0-9 _ . / -`, starting with a letter or a digit.
    NameText(Name)
}
text_scalar! {
    /// A date without a time zone: `YYYY-MM-DD`.
    Date(DateValue)
}
text_scalar! {
    /// A whole number of 64 bits, as text.
    WholeNumber(u64)
}

/// Net asset value in credits, an exact decimal with fifteen digits: no rounding enters it.
#[derive(Clone, Debug)]
pub(crate) struct Nav(pub(crate) Femto);

/// Net asset value in credits, an exact decimal with fifteen digits: no rounding enters it.
#[Scalar]
impl ScalarType for Nav {
    fn parse(value: Value) -> InputValueResult<Self> {
        // No input takes a NAV: it is always derived.
        Err(InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_credits_text())
    }
}

/// A point in time, RFC 3339 in UTC with milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

/// A point in time, RFC 3339 in UTC with milliseconds.
#[Scalar]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => text.parse().map(Self).map_err(InputValueError::custom),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
