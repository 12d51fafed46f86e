//! The accepted price over several reports: epochs, bands, breaker, confirmation, collapse.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod support;

use domain::{
    digest::Digest,
    evaluation::{
        Breaker, DecisionError, Evidence, Measurement, NoPrice, PriceDecision, PriceState,
        Relation, Report, ReportContext, Status,
        acceptance::{ln_of, pooled},
        decide,
    },
    suite::Suite,
};

use crate::support::{context, first_right, label_counts, measurement, subject, suite};

const ITEMS: usize = 1000;

/// One run: a version by name, its right items, the suite epoch, the seed.
#[derive(Clone, Copy)]
struct Run<'a> {
    version: &'a str,
    right: usize,
    epoch: u32,
    seed: u64,
    /// Per mille of the usual times of the model.
    slower: u64,
}

/// `k` right items that are not quite the reference's.
fn shifted(k: usize) -> String {
    "0".repeat(20) + &first_right(k, ITEMS - 20)
}

fn run(version: &str, right: usize) -> Run<'_> {
    Run { version, right, epoch: 1, seed: 1, slower: 1000 }
}

impl Run<'_> {
    fn measurement(&self) -> Measurement {
        let model = subject(self.version, &shifted(self.right));
        let reference = subject("reference", &first_right(800, ITEMS));
        let mut measured = measurement(model, Some(reference), 3, self.seed);
        for round in &mut measured.rounds {
            for ns in round.single_stream.model.iter_mut().chain(&mut round.offline.model) {
                *ns = *ns * self.slower / 1000 + self.seed % 1000;
            }
        }
        measured
    }

    fn report(&self) -> Report {
        let mut suite = suite(ITEMS as u64);
        suite.epoch = self.epoch;
        let counts = label_counts(ITEMS as u64);
        let suite_digest = Digest::of(&self.epoch.to_le_bytes());
        let context = ReportContext { suite_digest, ..context(&suite, &counts) };
        Report::derive(&self.measurement(), &context).unwrap()
    }

    fn decide(&self, state: Option<&PriceState>) -> PriceDecision {
        let right = shifted(self.right);
        let report = self.report();
        decide(state, Evidence { report: &report, right: &right, influence: &[] }, &Breaker::DEMO)
            .unwrap()
    }
}

/// Proves admission and refusal of a first price.
#[test]
fn first_price() {
    let first = run("a", 800).decide(None);
    assert_eq!((first.status, first.price_micro), (Status::Admitted, Some(first.est_micro)));
    assert_eq!((first.relation, first.sigma_delta, first.band_ln), (None, None, None));
    assert_eq!(first.sigma_ln, run("a", 800).report().sigma_ln_price.unwrap());
    let refused = run("a", 110).decide(None);
    assert_eq!((refused.status, refused.price_micro), (Status::Refused, None));
    assert!(refused.state.is_none());
}

/// Proves that a further run of one version in its epoch is compared by cost noise alone, and pools its rounds.
#[test]
fn another_run() {
    let state = run("a", 800).decide(None).state.unwrap();
    let again = Run { seed: 2, ..run("a", 800) };
    let decision = again.decide(Some(&state));
    assert_eq!((decision.status, decision.relation), (Status::Deadband, Some(Relation::SameItems)));
    assert_eq!(decision.price_micro, Some(state.price_micro));
    assert_eq!(decision.band_ln, Some(0.005));
    let next = decision.state.unwrap();
    assert_eq!((next.version.epochs.len(), next.version.rounds.len()), (1, 6));
    assert_eq!(next.basis, state.basis);
    let report = again.report();
    let evidence = Evidence { report: &report, right: &shifted(800), influence: &[] };
    let counted = decide(Some(&next), evidence, &Breaker::DEMO);
    assert_eq!(counted.err(), Some(DecisionError::Counted(report.digest().unwrap())));
}

/// Proves that epochs of one version pool by their item errors, and that the band is then the error of the mean.
#[test]
fn another_epoch() {
    let first = run("a", 800);
    let second = Run { epoch: 2, ..run("a", 840) };
    let state = first.decide(None).state.unwrap();
    let decision = second.decide(Some(&state));
    assert_eq!(decision.relation, Some(Relation::SameVersion));
    let part = |report: Report| {
        (
            ln_of(report.price_micro.unwrap()),
            report.sigma_items.unwrap(),
            report.sigma_cost.unwrap(),
        )
    };
    let ((x, s, _), (y, t, cost)) = (part(first.report()), part(second.report()));
    let expected = pooled(&[(x, s), (y, t)], cost).unwrap();
    // Both runs have the same rounds, so cost ratios pool to themselves and only their error shrinks.
    assert!((ln_of(decision.est_micro) - expected.ln_price).abs() < 1e-6);
    assert!(decision.sigma_ln < s.min(t) && decision.sigma_ln <= expected.sigma);
    assert_eq!(decision.sigma_delta, Some(decision.sigma_ln));
    let other = Run { epoch: 2, ..run("b", 840) }.decide(Some(&state));
    assert_eq!(other.relation, Some(Relation::OtherItems));
    assert!(other.sigma_delta.unwrap() > state.basis.sigma);
    assert_eq!(other.est_micro, other.evaluated_micro);
}

/// Proves that an epoch of quality 0 sets the price to 0, past the band, and that it is left out of the mean afterwards.
#[test]
fn quality_zero_in_an_epoch() {
    let state = run("a", 800).decide(None).state.unwrap();
    let collapse = Run { epoch: 2, ..run("a", 100) }.decide(Some(&state));
    assert_eq!((collapse.est_micro, collapse.band_ln), (0, None));
    assert_eq!((collapse.status, collapse.price_micro), (Status::Tripped, Some(state.price_micro)));
    let confirmed = Run { epoch: 2, seed: 2, ..run("a", 100) }.decide(collapse.state.as_ref());
    assert_eq!((confirmed.status, confirmed.price_micro), (Status::Accepted, Some(0)));
    assert_eq!(confirmed.confirms, Some(collapse.report));
    let back = Run { epoch: 3, ..run("a", 800) }.decide(confirmed.state.as_ref());
    assert_eq!(back.status, Status::Tripped);
    assert!(back.est_micro.abs_diff(state.price_micro) < 1_000_000);
    // A new version falls by 100 % at most, which a breaker of 100 % would let through: a fall to 0 is confirmed all the same.
    let new_version = run("b", 100).decide(Some(&state));
    assert_eq!(
        (new_version.status, new_version.price_micro),
        (Status::Tripped, Some(state.price_micro))
    );
    let confirmed = Run { seed: 2, ..run("b", 100) }.decide(new_version.state.as_ref());
    assert_eq!((confirmed.status, confirmed.price_micro), (Status::Accepted, Some(0)));
}

/// Proves that a tripped price waits for another seed of the same version, close by.
#[test]
fn breaker_and_confirmation() {
    let state = run("a", 300).decide(None).state.unwrap();
    let jump = run("b", 800).decide(Some(&state));
    assert_eq!((jump.status, jump.price_micro), (Status::Tripped, Some(state.price_micro)));
    let waiting = jump.state.unwrap();
    assert_eq!(waiting.basis, state.basis);
    // The same seed again, with other times: no second run.
    let same_seed = Run { slower: 1001, ..run("b", 800) }.decide(Some(&waiting));
    assert_eq!((same_seed.status, same_seed.confirms), (Status::Tripped, None));
    // Another version does not confirm, and a far price does not either.
    let other = Run { seed: 2, ..run("c", 800) }.decide(Some(&waiting));
    assert_eq!(other.status, Status::Tripped);
    let far = Run { seed: 2, epoch: 2, ..run("b", 950) }.decide(Some(&waiting));
    assert_eq!((far.status, far.confirms), (Status::Tripped, None));
    let confirmed = Run { seed: 2, ..run("b", 800) }.decide(Some(&waiting));
    assert_eq!((confirmed.status, confirmed.confirms), (Status::Accepted, Some(jump.report)));
    assert_eq!(confirmed.price_micro, Some(confirmed.est_micro));
    let accepted = confirmed.state.unwrap();
    assert_eq!(accepted.tripped, None);
    assert_eq!(accepted.basis.report, confirmed.report);
    let back = run("a", 790).decide(Some(&accepted));
    assert_eq!(back.state.unwrap().tripped, None);
}

/// Proves that measuring the old version again, within its band, leaves a trip of another version waiting for its confirmation, which
/// then counts; and that the tripped version's own return to the band ends it.
#[test]
fn another_version_answers_no_trip() {
    let state = run("a", 300).decide(None).state.unwrap();
    let jump = run("b", 800).decide(Some(&state));
    let waiting = jump.state.unwrap();
    let again = Run { seed: 9, ..run("a", 300) }.decide(Some(&waiting));
    assert_eq!(again.status, Status::Deadband);
    let still = again.state.unwrap();
    assert_eq!(still.tripped, waiting.tripped);
    let confirmed = Run { seed: 2, ..run("b", 800) }.decide(Some(&still));
    assert_eq!((confirmed.status, confirmed.confirms), (Status::Accepted, Some(jump.report)));
    let back = Run { seed: 3, epoch: 2, ..run("b", 300) }.decide(Some(&waiting));
    assert!(back.status != Status::Deadband || back.state.unwrap().tripped.is_none());
}

/// Proves that a report without a price, of another track or with other items decides nothing.
#[test]
fn what_decides_nothing() {
    let state = run("a", 800).decide(None).state.unwrap();
    let right = shifted(850);
    let report = run("b", 850).report();
    let refused = |report: &Report, right: &str| {
        decide(Some(&state), Evidence { report, right, influence: &[] }, &Breaker::DEMO)
            .unwrap_err()
    };
    let mut void = report.clone();
    void.no_price = Some(NoPrice::Void);
    assert_eq!(refused(&void, &right), DecisionError::NoPrice(NoPrice::Void));
    let field = |change: &dyn Fn(&mut Report)| {
        let mut other = report.clone();
        change(&mut other);
        match refused(&other, &right) {
            DecisionError::OtherTrack { field, .. } => field,
            error => panic!("{error}"),
        }
    };
    assert_eq!(field(&|r| r.suite.id = "other".to_owned()), "suite");
    assert_eq!(field(&|r| r.runtime.device = "cuda:0".to_owned()), "device class");
    assert_eq!(field(&|r| r.reference.as_mut().unwrap().digest = Digest::of(b"x")), "reference");
    assert_eq!(field(&|r| r.cost_held = Some(1.0)), "held cost");
    assert!(matches!(refused(&report, &right[1..]), DecisionError::Items { .. }));
    assert!(matches!(refused(&report, &first_right(849, ITEMS)), DecisionError::Items { .. }));
}

/// Proves that a state read back from its record decides as the one that was never stored.
#[test]
fn state_is_a_record() {
    let state = Run { seed: u64::MAX, ..run("b", 800) }
        .decide(run("a", 300).decide(None).state.as_ref())
        .state
        .unwrap();
    assert!(state.tripped.is_some());
    let text = domain::canonical::to_string(&state).unwrap();
    let read: PriceState = serde_json::from_str(&text).unwrap();
    assert_eq!(read, state);
    let next = Run { seed: 7, ..run("b", 800) };
    assert_eq!(next.decide(Some(&read)), next.decide(Some(&state)));
    assert_ne!(Suite::digest(&[]), Suite::digest(&[("a", Digest::of(b""))]));
}
