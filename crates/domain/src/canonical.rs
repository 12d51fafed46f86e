//! Canonical JSON (RFC 8785), the one form of a value that is hashed, stored and compared.

mod check;
mod difference;

pub(crate) use difference::first_difference;
use serde::Serialize;

use crate::digest::Digest;

/// Largest integer that JSON carries exactly between any two implementations: 2^53 − 1 (RFC 7493).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why a value has no canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// JSON has no such number; nothing may turn into `null` on the way.
    #[error("{0} is no number of JSON")]
    NotFinite(String),
    /// JSON numbers are doubles: a larger integer would lose digits. Write it as a string.
    #[error("the integer {0} is beyond 2^53 - 1, the most that canonical JSON carries exactly")]
    IntegerRange(String),
    /// The value cannot be written as JSON at all: a map with keys that are no texts, say.
    #[error("no JSON: {0}")]
    Form(String),
}

impl serde::ser::Error for CanonicalError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Form(message.to_string())
    }
}

/// The canonical JSON of `value`, as bytes of UTF-8.
///
/// # Errors
/// [`CanonicalError`] names the number that JSON cannot carry, or says why the value is no JSON.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    // The writer below turns a NaN inside a structure into `null` and rounds large integers, so numbers are checked first.
    value.serialize(check::Numbers)?;
    serde_json_canonicalizer::to_vec(&Borrowed(value))
        .map_err(|error| CanonicalError::Form(error.to_string()))
}

/// The canonical JSON of `value`, as text.
///
/// # Errors
/// As [`to_vec`].
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, CanonicalError> {
    String::from_utf8(to_vec(value)?).map_err(|error| CanonicalError::Form(error.to_string()))
}

/// SHA-256 of the canonical JSON of `value`.
///
/// # Errors
/// As [`to_vec`].
pub fn digest_of<T: Serialize + ?Sized>(value: &T) -> Result<Digest, CanonicalError> {
    to_vec(value).map(|bytes| Digest::of(&bytes))
}

/// Gives an unsized value a size for a writer that asks for one.
struct Borrowed<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for Borrowed<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// Proves the example of RFC 8785, 3.2.2 to 3.2.4: order of keys, numbers, escapes.
    #[test]
    fn rfc_8785_example() {
        let value = json!({
            "numbers": [333_333_333.333_333_3, 1e30, 4.50, 2e-3, 0.000_000_000_000_000_000_000_000_001],
            "string": "\u{20ac}$\u{f}\nA'\u{42}\u{22}\u{5c}\\\"/",
            "literals": [null, true, false]
        });
        let expected = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(to_string(&value).unwrap(), expected);
        assert_eq!(digest_of(&value).unwrap(), Digest::of(expected.as_bytes()));
        let keys: BTreeMap<_, _> = [("\u{fb33}", 0), ("\u{1f600}", 1), ("1", 2)].into();
        assert_eq!(to_string(&keys).unwrap(), "{\"1\":2,\"\u{1f600}\":1,\"\u{fb33}\":0}");
    }

    /// Proves that a number that JSON cannot carry is refused by name, however deep it lies.
    #[test]
    fn numbers_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let deep = BTreeMap::from([("a", vec![(Some(1.0), bad)])]);
            assert_eq!(to_vec(&deep), Err(CanonicalError::NotFinite(bad.to_string())));
        }
        assert!(to_vec(&f32::NAN).is_err());
        assert_eq!(to_string(&INTEGER_MAX).unwrap(), "9007199254740991");
        assert_eq!(to_string(&-(INTEGER_MAX as i64)).unwrap(), "-9007199254740991");
        for bad in [INTEGER_MAX + 1, u64::MAX] {
            assert_eq!(to_vec(&[bad]), Err(CanonicalError::IntegerRange(bad.to_string())));
        }
        assert!(to_vec(&i64::MIN).is_err());
        assert!(matches!(to_vec(&BTreeMap::from([((1, 2), 3)])), Err(CanonicalError::Form(_))));
    }
}
