//! The log around a strike: signatures, inclusion, order, consistency.

use std::collections::BTreeMap;

use super::{Leaves, prices::Reports, reveal, rules, same};
use crate::{
    canonical,
    digest::Digest,
    evaluation::PublicKey,
    name::Name,
    proof::{
        bundle::{Bundle, BundleError, LeafProof, OlderHead},
        leaf::LeafRecord,
        merkle::verify_inclusion,
        watch::Watch,
    },
};

/// The leaves of a bundle by their hash.
pub(super) fn by_hash(bundle: &Bundle) -> Result<Leaves<'_>, BundleError> {
    let mut leaves = BTreeMap::new();
    for (place, proof) in bundle.log.leaves.iter().enumerate() {
        leaves.insert(proof.leaf.hash()?, (place, proof));
    }
    Ok(leaves)
}

/// Checks the heads, and that every leaf that the strike rests on is in the log, in an order that makes sense.
pub(super) fn verify(
    bundle: &Bundle,
    trusted: Option<&PublicKey>,
    reports: &Reports<'_>,
    (leaves, watch): (&Leaves<'_>, &Watch),
) -> Result<(), BundleError> {
    let head = &bundle.log.head;
    head.verify(trusted).map_err(|source| BundleError::Head { which: "log.head", source })?;
    let strike = verify_strike(bundle)?;
    let (creation, announced) = rules::leaves(bundle, watch)?;
    let mut cited = vec![strike, creation];
    for (model, steps) in &bundle.decisions {
        for step in steps {
            let Some((_, decision)) = leaves.get(&step.decision) else { continue };
            cited.push(decision);
            let LeafRecord::AcceptedPrice(accepted) = &decision.leaf else { continue };
            let votes = step.round.iter().flat_map(|round| &round.votes).map(|vote| vote.report);
            for report in votes.chain([accepted.report]) {
                let (leaf, published) = report_leaves(bundle, reports, model, report)?;
                before("log.report.index", leaf, "decision", decision)?;
                before("log.publish.index", published, "report", leaf)?;
                cited.extend([leaf, published]);
            }
        }
    }
    let previous = verify_previous(bundle, strike, leaves)?;
    cited.extend(previous);
    for leaf in announced {
        // The strike that they came into force with is not in the bundle, but none after the one before this.
        if let Some(previous) = previous {
            before("log.methodology.index", leaf, "strike before", previous)?;
        }
        cited.push(leaf);
    }
    cited.extend(reveal::verify(bundle, strike, trusted)?);
    for proof in cited {
        if !std::ptr::eq(proof, strike) {
            before("log.leaf.index", proof, "strike", strike)?;
        }
        include(bundle, proof)?;
    }
    verify_older(bundle, strike, previous, trusted)
}

fn include(bundle: &Bundle, proof: &LeafProof) -> Result<(), BundleError> {
    let head = &bundle.log.head;
    let index =
        bundle.log.leaves.iter().position(|other| std::ptr::eq(other, proof)).unwrap_or_default();
    verify_inclusion(proof.leaf.hash()?, proof.index, head.size, &proof.path, head.root)
        .map_err(|source| BundleError::Leaf { index, kind: proof.leaf.kind(), source })
}

/// What is cited was in the log before what cites it.
pub(super) fn before(
    field: &str,
    cited: &LeafProof,
    what: &str,
    citing: &LeafProof,
) -> Result<(), BundleError> {
    if cited.index < citing.index {
        return Ok(());
    }
    Err(BundleError::Difference {
        field: field.to_owned(),
        stated: format!("{} at {}", cited.leaf.kind(), cited.index),
        derived: format!("before the {what} at {}", citing.index),
    })
}

fn missing(what: String) -> BundleError {
    BundleError::Missing { what }
}

/// The strike's own leaf, which names the record.
fn verify_strike(bundle: &Bundle) -> Result<&LeafProof, BundleError> {
    let facts = &bundle.record.facts;
    let found = bundle.log.leaves.iter().find_map(|proof| match &proof.leaf {
        LeafRecord::Strike { fund, number, record, balances, .. }
            if *fund == facts.fund && *number == facts.number =>
        {
            Some((proof, record, balances))
        }
        _ => None,
    });
    let (proof, record, balances) = found
        .ok_or_else(|| missing(format!("the leaf of strike {} of {}", facts.number, facts.fund)))?;
    same("log.strike.record", record, &bundle.record.digest()?)?;
    let derived = bundle.record.balances.as_ref().map(canonical::digest_of).transpose()?;
    same("log.strike.balances", balances, &derived)?;
    Ok(proof)
}

/// The leaf of a report, which must say of it what it says itself, and the one by which its version became one of the model:
/// a price of a model is not made of reports on another's bytes.
fn report_leaves<'a>(
    bundle: &'a Bundle,
    reports: &Reports<'_>,
    of: &Name,
    wanted: Digest,
) -> Result<(&'a LeafProof, &'a LeafProof), BundleError> {
    let evidence = reports.get(&wanted).ok_or_else(|| missing(format!("report {wanted}")))?;
    let stated = &evidence.report;
    let found = bundle.log.leaves.iter().find(
        |proof| matches!(&proof.leaf, LeafRecord::Report { report, .. } if *report == wanted),
    );
    let proof = found.ok_or_else(|| missing(format!("the leaf of report {wanted}")))?;
    let (LeafRecord::Report { at, .. }, subject) = (&proof.leaf, &stated.model) else {
        return Err(missing(format!("the leaf of report {wanted}")));
    };
    let derived = LeafRecord::Report {
        at: *at,
        report: wanted,
        checkpoint: subject.digest,
        graph: subject.graph,
        suite: stated.suite.digest,
        samples: stated.samples,
        evaluator: stated.evaluator.clone(),
    };
    same("log.report", &proof.leaf, &derived)?;
    let published = bundle.log.leaves.iter().find(|proof| {
        matches!(&proof.leaf, LeafRecord::Publish { model, checkpoint, graph, .. }
            if model == of && *checkpoint == subject.digest && *graph == subject.graph)
    });
    let what = || missing(format!("the leaf that makes {} a version of {of}", subject.digest));
    Ok((proof, published.ok_or_else(what)?))
}

/// The leaf of the strike before; none for the first.
fn verify_previous<'a>(
    bundle: &'a Bundle,
    strike: &LeafProof,
    leaves: &Leaves<'a>,
) -> Result<Option<&'a LeafProof>, BundleError> {
    let (facts, previous) = (&bundle.record.facts, bundle.record.previous);
    if facts.number <= 1 {
        same("record.previous", &previous, &None)?;
        return Ok(None);
    }
    let before_it = facts.number - 1;
    let wanted = || format!("the leaf of strike {before_it} of {}", facts.fund);
    let hash = previous.ok_or_else(|| missing(format!("record.previous, {}", wanted())))?;
    let (_, proof) = leaves.get(&hash).copied().ok_or_else(|| missing(wanted()))?;
    match &proof.leaf {
        LeafRecord::Strike { fund, number, .. } if *fund == facts.fund && *number == before_it => {}
        other => {
            return Err(BundleError::Difference {
                field: "record.previous".to_owned(),
                stated: other.to_canonical()?,
                derived: wanted(),
            });
        }
    }
    before("log.previous.index", proof, "strike", strike)?;
    Ok(Some(proof))
}

/// The head at the strike before: signed by the same key, with that strike in it and this one not, and a part of this log.
fn verify_older(
    bundle: &Bundle,
    strike: &LeafProof,
    previous: Option<&LeafProof>,
    trusted: Option<&PublicKey>,
) -> Result<(), BundleError> {
    let Some(OlderHead { head, path }) = &bundle.log.older else {
        return match previous {
            Some(_) => Err(missing("log.older, the head at the strike before".to_owned())),
            None => Ok(()),
        };
    };
    let wrong = |source| BundleError::Head { which: "log.older", source };
    head.verify(trusted).map_err(wrong)?;
    bundle.log.head.follows(head, path).map_err(wrong)?;
    let first = previous.map_or(0, |previous| previous.index + 1);
    if (first..=strike.index).contains(&head.size) {
        return Ok(());
    }
    Err(BundleError::Difference {
        field: "log.older.head.size".to_owned(),
        stated: head.size.to_string(),
        derived: format!("from {first} to {}, between the two strikes", strike.index),
    })
}
