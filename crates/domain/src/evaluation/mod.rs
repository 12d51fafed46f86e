//! From what was measured to the accepted price (EVALUATION 4 and 5).

mod measurement;

pub use measurement::{Machine, Measurement, Protocol, RoundMeasurement, Runtime, Sides, SubjectMeasurement};
