//! From what was measured to the accepted price (EVALUATION 4 and 5).
//!
//! [`Measurement`] is what an evaluator hands over, [`Report`] what follows from it, [`decide`] what the report does to a price.
//! Everything here is a pure function over `libm`, so that any machine recomputes the same bits.

pub mod accepted;
pub mod answers;
mod measurement;
pub mod metrics;
pub mod report;
pub mod samples;

pub mod acceptance;
pub mod attestation;
pub mod committee;
pub mod cost;
pub mod observation;
mod params;
pub mod price;
pub mod quality;
pub mod resampling;
pub mod statistics;

pub mod drift;
pub mod fingerprint;
pub mod similarity;

pub use acceptance::{Breaker, Relation, Status};
pub use accepted::{
    DecisionError, Evidence, PriceDecision, PriceState, RoundEvidence, decide, decide_round,
};
pub use attestation::{Attestation, AttestationError, EvaluatorKey, PublicKey};
pub use cost::{CostErrors, CostRatios};
pub use measurement::{
    Apart, EnergyBlock, EnergyPair, Gpu, GpuRound, GpuState, Interrupted, Machine, Measurement,
    Protocol, RoundMeasurement, Runtime, Sides, SubjectMeasurement, Sweep, SweepPoint,
};
pub use params::{CostWeights, PARAMS, Params};
pub use report::{
    NoPrice, Report, ReportContext, ReportError, SuiteFacts, VerifyError, read_blob, verify,
    verify_blob, verify_price,
};
