//! Evaluators, signatures and the quorum.

use async_graphql::Object;
use domain::evaluation::Attestation as Signed;
use service::{Evaluator as View, QuorumSetting};

use crate::scalars::{NameText, Sha256, Time};

/// Who measures, with which weight.
#[derive(Clone, Debug)]
pub(crate) struct Evaluator(pub(crate) View);

/// Who measures, with which weight.
#[Object]
impl Evaluator {
    /// Whose name its reports bear.
    async fn name(&self) -> NameText {
        NameText(self.0.name.clone())
    }

    /// The login that answers for it. It never measures what this login publishes, and an owner has one seat in a round.
    async fn owner(&self) -> NameText {
        NameText(self.0.owner.clone())
    }

    /// Its ed25519 public key, 64 hexadecimal digits.
    async fn public_key(&self) -> String {
        self.0.public_key.hex()
    }

    /// Whether it is drawn.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// The weight that the operator gave it, of 1,000,000,000.
    async fn given_weight_ppb(&self) -> i64 {
        self.0.given_ppb
    }

    /// What its deviations leave of that: the weight that counts.
    async fn weight_ppb(&self) -> i64 {
        self.0.weight_ppb
    }

    /// Moving average of its distance from the consensus, in scales; up to 1 costs nothing, from 3.5 on it has no weight.
    async fn mean_deviation(&self) -> f64 {
        self.0.mean_deviation
    }

    /// Why it stands so.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Since when it stands so.
    async fn since(&self) -> Time {
        Time(self.0.since)
    }

    /// When it was registered.
    async fn registered_at(&self) -> Time {
        Time(self.0.registered_at)
    }
}

/// A signature beside a report: the report's digest does not cover it.
#[derive(Clone, Debug)]
pub(crate) struct Attestation(pub(crate) Signed);

/// A signature beside a report: the report's digest does not cover it.
#[Object]
impl Attestation {
    /// The report that was signed.
    async fn report(&self) -> Sha256 {
        Sha256(self.0.report)
    }

    /// The name that was signed with it.
    async fn evaluator(&self) -> NameText {
        NameText(self.0.evaluator.clone())
    }

    /// The ed25519 public key, 64 hexadecimal digits.
    async fn public_key(&self) -> String {
        self.0.public_key.hex()
    }

    /// The signature, 128 hexadecimal digits.
    async fn signature(&self) -> &str {
        &self.0.signature
    }
}

/// How many evaluators a price of this installation rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quorum(pub(crate) QuorumSetting);

/// How many evaluators a price of this installation rests on.
#[Object]
impl Quorum {
    /// Evaluators of a round; 1 is a single machine whose word is taken for times and hidden cases.
    async fn quorum(&self) -> i64 {
        i64::from(self.0.quorum)
    }

    /// Seconds from the draw to the last commitment.
    async fn commit_seconds(&self) -> i64 {
        self.0.commit_seconds as i64
    }

    /// Seconds from then to the last reveal.
    async fn reveal_seconds(&self) -> i64 {
        self.0.reveal_seconds as i64
    }
}
