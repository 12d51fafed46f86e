//! What may be changed: noun first, one input with an `idempotencyKey`, one payload.
//!
//! The same key with the same input answers the same and changes nothing again; with another input it is refused with code `key`.

mod access;
mod bids;
mod calendar;
mod correction;
mod distribution;
mod evaluation;
mod evaluator;
mod exit;
mod fund;
pub(crate) mod manual;
mod methodology;
mod registry;
mod release;
mod restriction;
mod reveal;
mod rotation;
mod storage;
mod webhook;
mod window;

use async_graphql::MergedObject;

/// What may be changed. Every mutation needs a bearer token with the scope that it names.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    registry::RegistryMutation,
    release::ReleaseMutation,
    rotation::RotationMutation,
    evaluation::EvaluationMutation,
    evaluator::EvaluatorMutation,
    fund::FundMutation,
    reveal::RevealMutation,
    exit::ExitMutation,
    restriction::RestrictionMutation,
    correction::CorrectionMutation,
    calendar::CalendarMutation,
    distribution::DistributionMutation,
    methodology::MethodologyMutation,
    storage::StorageMutation,
    access::AccessMutation,
    webhook::WebhookMutation,
    bids::BidsMutation,
    window::WindowMutation,
);
