//! How far a new estimate and the accepted price may lie apart by noise alone.

use std::collections::BTreeSet;

use super::{Basis, DecisionError, Estimate, Evidence, VersionEvidence};
use crate::{
    digest::Digest,
    evaluation::{
        acceptance::{Relation, Spread, sigma_delta},
        quality::{PairCounts, difference_variance},
        report::paired_variance,
    },
};

/// How the new estimate relates to the accepted price, and σ_Δ.
pub(super) fn compare(
    basis: &Basis,
    version: &VersionEvidence,
    estimate: &Estimate,
    new: Evidence<'_>,
    slope: f64,
) -> Result<(Relation, f64), DecisionError> {
    let same_version = basis.version == version.version;
    let old: BTreeSet<Digest> = basis.suites.iter().copied().collect();
    let now: BTreeSet<Digest> = version.epochs.iter().map(|epoch| epoch.suite).collect();
    // Between versions the pairing is of one epoch's items; a mean over several is taken as of other items.
    let same_items = old == now && (same_version || now.len() == 1);
    let relation = match (same_items, same_version) {
        (true, _) => Relation::SameItems,
        (false, true) => Relation::SameVersion,
        (false, false) => Relation::OtherItems,
    };
    let mut spread = Spread {
        old: basis.sigma,
        new: estimate.sigma,
        paired_items: 0.0,
        cost_old: basis.sigma_cost,
        cost_new: estimate.sigma_cost,
    };
    // A further run of one version has the same right items: only the cost variances remain.
    if relation == Relation::SameItems && !same_version {
        spread.paired_items = paired_items(basis, new, slope)?;
    }
    Ok((relation, sigma_delta(relation, &spread)))
}

/// Variance of ln P(new) − ln P(old) by the items that both were measured on.
fn paired_items(basis: &Basis, new: Evidence<'_>, slope: f64) -> Result<f64, DecisionError> {
    let correct = new.report.model.correct.unwrap_or(0);
    let g = [slope, basis.slope];
    let new_shrunk = new.report.quality.and_then(|quality| quality.shrunk);
    if let (true, Some(a), Some(b)) = (new.influence.is_empty(), new_shrunk, basis.shrunk) {
        let items = basis.right.len() as u64;
        let mismatch = DecisionError::Items { given: new.right.len(), items, correct };
        let counts = PairCounts::of(new.right, &basis.right).ok_or(mismatch)?;
        return Ok(difference_variance(counts, g, [a, b]));
    }
    let items = basis.influence.len() as u64;
    let mismatch = DecisionError::Items { given: new.influence.len(), items, correct };
    paired_variance(new.influence, &basis.influence, g).ok_or(mismatch)
}
