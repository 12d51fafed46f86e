//! Which versions are alike, and what that does.

use async_graphql::{Object, SimpleObject};
use service::{FeeShare as ShareValue, LikenessReview as ReviewValue, Similar};

use super::model::Version;
use crate::scalars::{NameText, Time};

/// An earlier version of another model, beside this one.
#[derive(Clone, Debug)]
pub(crate) struct SimilarVersion(pub(crate) Similar);

/// An earlier version of another model, beside this one.
#[Object]
impl SimilarVersion {
    /// The earlier version.
    async fn prior(&self) -> Version {
        Version(self.0.prior.clone())
    }

    /// From 0 to 1: the larger of what weights and answers say; above 0.5 it lowers the fee share.
    async fn similarity(&self) -> f64 {
        self.0.likeness.score()
    }

    /// The share of bits in which sketches of tensors of one name and shape agree, by elements: 1 the same weights up to a factor, 0.5
    /// nothing in common. Null where no tensor could be compared.
    async fn weight_agreement(&self) -> Option<f64> {
        self.0.likeness.sketches
    }

    /// Correlation of the answers to the first cases of one suite, each case centred; from 0.9995 on they are the same. Null where
    /// nothing was compared.
    async fn answer_correlation(&self) -> Option<f64> {
        self.0.likeness.logits
    }

    /// The same once what unrelated models say too is taken away; from 0.98 on a person must look. Null where nothing was compared.
    async fn residual_correlation(&self) -> Option<f64> {
        self.0.likeness.residual
    }

    /// Whether a person must look: close, by another publisher, and not declared as a base.
    async fn flagged(&self) -> bool {
        self.0.flagged
    }

    /// When it was found.
    async fn recorded_at(&self) -> Time {
        Time(self.0.recorded_at)
    }
}

/// Whether a fund may hold a version, as far as likeness is concerned.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Eligibility {
    /// Whether it may be admitted and gets weight at a rebalance.
    eligible: bool,
    /// Why it may not; null where it may.
    reason: Option<String>,
    /// What a person said who looked; null while nobody has.
    review: Option<LikenessReview>,
}

impl Eligibility {
    pub(crate) fn new(reason: Option<String>, review: Option<ReviewValue>) -> Self {
        Self { eligible: reason.is_none(), reason, review: review.map(LikenessReview::from) }
    }
}

/// What a person said who looked at a flagged version.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct LikenessReview {
    /// Whether it is eligible since.
    cleared: bool,
    /// Why.
    reason: String,
    /// Who looked.
    reviewed_by: NameText,
    /// When.
    reviewed_at: Time,
}

impl From<ReviewValue> for LikenessReview {
    fn from(value: ReviewValue) -> Self {
        Self {
            cleared: value.cleared,
            reason: value.reason,
            reviewed_by: NameText(value.reviewed_by),
            reviewed_at: Time(value.reviewed_at),
        }
    }
}

/// The part of a price on which fees are earned.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct FeeShare {
    /// From 0, a copy, to 1.
    share: f64,
    /// Earlier versions of other models that bear on it.
    priors: u64,
}

impl From<ShareValue> for FeeShare {
    fn from(value: ShareValue) -> Self {
        Self { share: value.share, priors: value.priors }
    }
}
