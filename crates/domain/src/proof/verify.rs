//! Verifies a strike offline: no server, no database, nobody's word but the signatures'.
//!
//! What is derived again, in this order: the journal by the engine, each correction in it against the event that it reverses, each
//! compensation against its strike and the prices that it names, and from the journal the record's facts (prices in force, holdings, orders
//! up to the cut-off, fees, NAV, fills, slices, level, weights); the price of each report; each decision on a price; the head's
//! signature, the inclusion of every cited leaf, and the consistency with the head at the strike before.
//! Where the record has a root over balances, it is made again of the journal and the seed of its salts.
//! The rules in force are those of the creation until the journal adopts others; each was announced in the log, days before.
//! What stays attested: times, answers and hidden cases behind the samples; the samples themselves where they are not in the bundle;
//! the standing that gives an evaluator its weight; which items a report without samples got right; that no later decision was kept out
//! of the strike, where the bundle does not have the whole log; and that no leaf behind the head, or anywhere where the bundle does not
//! have the whole log, is a second strike of that number, which whoever reads the log sees.

mod balances;
mod known;
mod log;
mod prices;
mod reveal;
mod rules;

use std::collections::BTreeMap;

pub use known::KnownInformation;

use super::{
    balance::BalanceRoot,
    bundle::{Bundle, BundleError},
    commitment::CommitmentFacts,
    corrections::Corrections,
    strike::{StrikeFacts, StrikeRecord},
    watch::Watch,
};
use crate::{
    amount::{Femto, PriceNano},
    canonical::first_difference,
    digest::Digest,
    evaluation::PublicKey,
    fund::{State, apply},
    name::Name,
};

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// The fund.
    pub fund: Name,
    /// The number of the strike.
    pub number: u64,
    /// Number of the event after which no order was in it.
    pub cut_off: u64,
    /// How its prices were bound before the cut-off; none where they were not.
    pub commitment: Option<CommitmentFacts>,
    /// NAV, frozen.
    pub nav: Femto,
    /// NAV per share, rounded down to 1e-9.
    pub nav_per_share: Option<PriceNano>,
    /// The index level.
    pub level: Option<PriceNano>,
    /// The root over all balances after the strike, derived again from the journal; none where the record has none.
    pub balances: Option<BalanceRoot>,
    /// Digest of the record.
    pub record: Digest,
    /// Digest of the rules in force.
    pub methodology: Digest,
    /// Rules that were in force from the fund's creation on, changes back to earlier ones counted again.
    pub methodologies: u64,
    /// Events that were applied.
    pub events: u64,
    /// Decisions on prices that were derived again.
    pub decisions: u64,
    /// Reports whose price was derived again from their own fields.
    pub reports: u64,
    /// Of these, reports that were derived again from their samples, every number.
    pub reports_from_samples: u64,
    /// Of these, reports that bear a signature.
    pub reports_signed: u64,
    /// What the log is called.
    pub log: Name,
    /// Leaves of the log at the head.
    pub log_size: u64,
    /// The key of the head.
    pub public_key: PublicKey,
    /// Whether it is the key that the caller trusts; otherwise anybody may have made the log.
    pub trusted: bool,
    /// What the whole log showed: no order dealt below what was known. None where the bundle does not have the whole log.
    pub known_information: Option<KnownInformation>,
}

/// Verifies a strike from what is in the bundle alone.
///
/// `trusted` is the key of the log that the caller knows from elsewhere; without one the head's own key is taken, and the outcome says so.
///
/// # Errors
/// [`BundleError`] names the first thing that differs, with both values.
pub fn verify_bundle(
    bundle: &Bundle,
    trusted: Option<&PublicKey>,
) -> Result<Verified, BundleError> {
    let record = &bundle.record;
    for (what, found, known) in [
        ("bundle_version", bundle.bundle_version, Bundle::VERSION),
        ("record.record_version", record.record_version, StrikeRecord::VERSION),
    ] {
        if found != known {
            return Err(BundleError::Version { what, found, known });
        }
    }
    let watch = rules::watch(bundle)?;
    let methodology = bundle.methodology.digest()?;
    same("record.methodology", &record.methodology, &methodology)?;
    let (facts, state, watch) = replay(bundle, watch)?;
    rules::verify(bundle, &watch)?;
    same("record.facts", &record.facts, &facts)?;
    balances::verify(bundle, &state)?;
    let leaves = log::by_hash(bundle)?;
    let reports = prices::verify_reports(bundle)?;
    let (decisions, states) = prices::verify_prices(bundle, &reports, &leaves)?;
    log::verify(bundle, trusted, &reports, (&leaves, &watch))?;
    rules::verify_adoptions(bundle, &watch)?;
    let known_information = known::verify(bundle, &reports, &states)?;
    let signed = bundle.reports.iter().filter(|evidence| evidence.attestation.is_some());
    let sampled = bundle.reports.iter().filter(|evidence| evidence.samples.is_some());
    Ok(Verified {
        fund: facts.fund,
        number: facts.number,
        cut_off: facts.cut_off,
        commitment: facts.commitment,
        nav: facts.nav,
        nav_per_share: facts.nav_per_share,
        level: facts.level,
        balances: record.balances,
        record: record.digest()?,
        methodology,
        methodologies: 1 + watch.adoptions().len() as u64,
        events: facts.sequence,
        decisions,
        reports: reports.len() as u64,
        reports_from_samples: sampled.count() as u64,
        reports_signed: signed.count() as u64,
        log: bundle.log.head.log.clone(),
        log_size: bundle.log.head.size,
        public_key: bundle.log.head.public_key,
        trusted: trusted.is_some(),
        known_information,
    })
}

/// Applies the whole journal and gives the facts of its last event, which is the strike, and what the watch knows after it.
fn replay(bundle: &Bundle, mut watch: Watch) -> Result<(StrikeFacts, State, Watch), BundleError> {
    let fund = &bundle.record.facts.fund;
    let (mut state, mut facts) = (State::new(), None);
    let mut corrections = Corrections::default();
    for (event, sequence) in bundle.journal.iter().zip(1..) {
        let refused = |source| BundleError::Journal { sequence, op: event.op(), source };
        let batch = apply(&state, event).map_err(refused)?;
        corrections.check(&bundle.journal, sequence, (event, &batch))?;
        watch.before(&state, event);
        state.commit(&batch);
        facts = watch.after(&state, event, &batch)?;
    }
    let found = bundle.journal.last().map_or("nothing", |event| event.op());
    let facts = facts.ok_or_else(|| BundleError::Difference {
        field: "journal".to_owned(),
        stated: format!("ends with {found}"),
        derived: format!("a strike of {fund} ends it"),
    })?;
    Ok((facts, state, watch))
}

/// An error unless `stated` is `derived`; it names the first field below `field` that differs.
fn same<T: PartialEq + serde::Serialize>(
    field: &str,
    stated: &T,
    derived: &T,
) -> Result<(), BundleError> {
    if stated == derived {
        return Ok(());
    }
    let json = |value: &T| serde_json::to_value(value).unwrap_or_default();
    let (field, stated, derived) = first_difference(field, &json(stated), &json(derived))
        .unwrap_or_else(|| (field.to_owned(), "one value".to_owned(), "another".to_owned()));
    Err(BundleError::Difference { field, stated, derived })
}

/// Leaves of the bundle by their hash, with their place in it.
type Leaves<'a> = BTreeMap<Digest, (usize, &'a super::bundle::LeafProof)>;
