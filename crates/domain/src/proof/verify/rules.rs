//! The rules: the bundle has those that the journal puts in force, no others, and each was announced in the log in time and, where the
//! bundle has the whole log, not taken back.

use std::collections::BTreeSet;

use super::same;
use crate::{
    digest::Digest,
    fund::NOTICE_DAYS,
    name::Name,
    proof::{
        bundle::{Bundle, BundleError, LeafProof, LogEntry},
        leaf::LeafRecord,
        rules::Adoption,
        watch::Watch,
    },
    time::Timestamp,
};

/// A watch that knows all rules of the bundle and begins with those of the creation.
pub(super) fn watch(bundle: &Bundle) -> Result<Watch, BundleError> {
    let creation = bundle.methodologies.first().unwrap_or(&bundle.methodology);
    let mut watch = Watch::new(bundle.record.facts.fund.clone(), creation.clone());
    for methodology in bundle.methodologies.iter().chain([&bundle.methodology]) {
        methodology.validate()?;
        watch.learn(methodology.clone())?;
    }
    Ok(watch)
}

/// Checks that the rules of record and bundle are those that the journal put in force.
pub(super) fn verify(bundle: &Bundle, watch: &Watch) -> Result<(), BundleError> {
    let stated = bundle.methodologies.iter().map(|rules| Ok(rules.digest()?));
    let stated = stated.collect::<Result<Vec<Digest>, BundleError>>()?;
    let mut derived: Vec<Digest> = stated.first().copied().into_iter().collect();
    for adoption in watch.adoptions() {
        if !derived.contains(&adoption.digest) {
            derived.push(adoption.digest);
        }
    }
    if watch.adoptions().is_empty() {
        derived.clear();
    }
    same("methodologies", &stated, &derived)?;
    same("record.methodology", &bundle.record.methodology, &watch.methodology().digest()?)
}

/// The leaves of all rules that were in force, the creation's first.
pub(super) fn leaves<'a>(
    bundle: &'a Bundle,
    watch: &Watch,
) -> Result<(&'a LeafProof, Vec<&'a LeafProof>), BundleError> {
    let creation = bundle.methodologies.first().unwrap_or(&bundle.methodology).digest()?;
    let own = said(bundle).find(|said| said.digest == creation && said.effective_day.is_none());
    let own = own.ok_or_else(|| missing(creation))?;
    let withdrawn = withdrawn(bundle);
    let announced = |adoption| announced(bundle, adoption, &withdrawn);
    let announced = watch.adoptions().iter().map(announced);
    Ok((own.proof, announced.collect::<Result<_, _>>()?))
}

/// A leaf that says which rules the fund has.
struct Said<'a> {
    proof: &'a LeafProof,
    digest: Digest,
    at: Timestamp,
    effective_day: Option<i64>,
}

fn said(bundle: &Bundle) -> impl Iterator<Item = Said<'_>> {
    let of: &Name = &bundle.record.facts.fund;
    bundle.log.leaves.iter().filter_map(move |proof| match &proof.leaf {
        LeafRecord::Methodology { at, effective_day, fund, methodology } if fund == of => {
            let (at, effective_day, digest) = (*at, *effective_day, *methodology);
            Some(Said { proof, digest, at, effective_day })
        }
        _ => None,
    })
}

fn missing(digest: Digest) -> BundleError {
    BundleError::Missing { what: format!("the leaf of methodology {digest}") }
}

/// The leaf by which rules were announced: for a day that had come, and with enough notice of it.
fn announced<'a>(
    bundle: &'a Bundle,
    adoption: &Adoption,
    withdrawn: &BTreeSet<Digest>,
) -> Result<&'a LeafProof, BundleError> {
    let mut fault = None;
    for said in said(bundle).filter(|said| said.digest == adoption.digest) {
        let Some(day) = said.effective_day else { continue };
        let announcement = said.proof.leaf.hash()?;
        if withdrawn.contains(&announcement) {
            fault = Some(BundleError::Difference {
                field: "log.methodology_withdrawal".to_owned(),
                stated: format!("the announcement {announcement} was taken back"),
                derived: format!("event {} adopts it", adoption.sequence),
            });
        } else if day > adoption.day {
            fault = Some(BundleError::Difference {
                field: "log.methodology.effective_day".to_owned(),
                stated: day.to_string(),
                derived: format!("day {}, of event {}", adoption.day, adoption.sequence),
            });
        } else if day.saturating_sub(said.at.day()) < NOTICE_DAYS {
            fault = Some(BundleError::Difference {
                field: "log.methodology.at".to_owned(),
                stated: format!("day {} for day {day}", said.at.day()),
                derived: format!("at least {NOTICE_DAYS} days before"),
            });
        } else {
            return Ok(said.proof);
        }
    }
    Err(fault.unwrap_or_else(|| missing(adoption.digest)))
}

/// Announcements that were taken back, by their leaves' hashes.
fn withdrawn(bundle: &Bundle) -> BTreeSet<Digest> {
    let of = &bundle.record.facts.fund;
    let taken_back = |entry: &LogEntry| match entry {
        LogEntry::Leaf(LeafRecord::MethodologyWithdrawal { fund, announcement, .. })
            if fund == of =>
        {
            Some(*announcement)
        }
        _ => None,
    };
    bundle.log.entries.iter().filter_map(taken_back).collect()
}

/// Checks that the log tells of the changes of rules before the strike what the journal tells. Logs from before there were leaves of
/// adoptions lack the first of them, and no others.
pub(super) fn verify_adoptions(bundle: &Bundle, watch: &Watch) -> Result<(), BundleError> {
    let facts = &bundle.record.facts;
    let mut told = Vec::new();
    for entry in &bundle.log.entries {
        match entry {
            LogEntry::Leaf(LeafRecord::Strike { fund, number, .. })
                if *fund == facts.fund && *number == facts.number =>
            {
                break;
            }
            LogEntry::Leaf(LeafRecord::MethodologyAdoption { fund, methodology, .. })
                if *fund == facts.fund =>
            {
                told.push(*methodology);
            }
            _ => {}
        }
    }
    let adopted: Vec<Digest> = watch.adoptions().iter().map(|adoption| adoption.digest).collect();
    let from = adopted.len().saturating_sub(told.len());
    same("log.entries.methodology_adoption", &&told[..], &&adopted[from..])
}
