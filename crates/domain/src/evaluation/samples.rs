//! The sample blob of a report: a measurement as canonical JSON.

use serde_json::Value;

use super::measurement::Measurement;
use crate::canonical::{self, CanonicalError};

/// The blob that is stored under `Report::samples`.
///
/// The seed is written as a decimal string, since JSON numbers are doubles.
///
/// # Errors
/// [`CanonicalError::IntegerRange`] for a time or a count beyond 2^53 − 1.
pub fn to_blob(measurement: &Measurement) -> Result<Vec<u8>, CanonicalError> {
    let mut value =
        serde_json::to_value(measurement).map_err(|e| CanonicalError::Form(e.to_string()))?;
    if let Some(seed) = value.pointer_mut("/protocol/seed")
        && let Value::Number(number) = &*seed
    {
        *seed = Value::String(number.to_string());
    }
    canonical::to_vec(&value)
}

/// Reads what [`to_blob`] wrote.
///
/// # Errors
/// [`CanonicalError::Form`] for anything else.
pub fn from_blob(blob: &[u8]) -> Result<Measurement, CanonicalError> {
    let form = |error: serde_json::Error| CanonicalError::Form(error.to_string());
    let mut value: Value = serde_json::from_slice(blob).map_err(form)?;
    if let Some(seed) = value.pointer_mut("/protocol/seed")
        && let Some(number) = seed.as_str().and_then(|text| text.parse::<u64>().ok())
    {
        *seed = number.into();
    }
    serde_json::from_value(value).map_err(form)
}
