//! Several evaluators: signatures, draws, counting, weights, and a round as evidence for a price.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod support;

use domain::{
    digest::Digest,
    evaluation::{
        Attestation, AttestationError, Breaker, DecisionError, EvaluatorKey, Evidence, Report,
        ReportContext, RoundEvidence, Status,
        acceptance::{Agreed, Quorum, Vote, ln_of},
        attestation::PublicKey,
        committee::{
            Candidate, DEVIATION_MAX, Fate, count, draw, is_active, mean_deviation, quorum_of,
            round_seed, seat_seed, trap_holds, weight_share,
        },
        decide, decide_round,
    },
    name::Name,
};
use proptest::prelude::*;

use crate::support::{context, first_right, label_counts, measurement, subject, suite};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn vote(evaluator: &str, price_micro: i64, weight: f64) -> Vote {
    let samples = Digest::of(evaluator.as_bytes());
    Vote { evaluator: evaluator.to_owned(), price_micro, weight, sigma: 0.03, samples }
}

/// Proves that our signature of a known report is the one that an independent implementation makes (`golden/attestation.json`, by
/// `golden/attestation.py`), and that it verifies.
#[test]
fn a_signature_is_the_oracles() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("golden/attestation.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let text = |field: &str| case[field].as_str().unwrap();
        let key = EvaluatorKey::parse(text("secret")).unwrap();
        let report: Digest = text("report").parse().unwrap();
        let made = key.attest(report, &name(text("evaluator")));
        assert_eq!(made.public_key.hex(), text("public_key"));
        assert_eq!(made.signature, text("signature"));
        made.verify(report, text("evaluator")).unwrap();
    }
}

/// Proves that every change of an attestation is refused by the name of what was changed.
#[test]
fn a_changed_attestation_is_refused() {
    let key = EvaluatorKey::from_secret(&[7; 32]);
    let report = Digest::of(b"report");
    let good = key.attest(report, &name("eval-1"));
    good.verify(report, "eval-1").unwrap();
    let read: Attestation = serde_json::from_str(&serde_json::to_string(&good).unwrap()).unwrap();
    assert_eq!(read, good);

    let other = Digest::of(b"another");
    assert!(matches!(good.verify(other, "eval-1"), Err(AttestationError::OtherReport { .. })));
    assert!(matches!(good.verify(report, "eval-2"), Err(AttestationError::OtherEvaluator { .. })));
    let moved = Attestation { report: other, ..good.clone() };
    assert!(matches!(moved.verify(other, "eval-1"), Err(AttestationError::Signature { .. })));
    let renamed = Attestation { evaluator: name("eval-2"), ..good.clone() };
    assert!(matches!(renamed.verify(report, "eval-2"), Err(AttestationError::Signature { .. })));
    let stolen = EvaluatorKey::from_secret(&[8; 32]).public();
    let rekeyed = Attestation { public_key: stolen, ..good.clone() };
    assert!(matches!(rekeyed.verify(report, "eval-1"), Err(AttestationError::Signature { .. })));
    let first = if good.signature.starts_with('0') { "1" } else { "0" };
    let bent =
        Attestation { signature: format!("{first}{}", &good.signature[1..]), ..good.clone() };
    assert!(matches!(bent.verify(report, "eval-1"), Err(AttestationError::Signature { .. })));
    let short = Attestation { signature: "ab".to_owned(), ..good };
    assert!(matches!(short.verify(report, "eval-1"), Err(AttestationError::Hex { .. })));
    // The neutral point verifies anything; it is no key.
    let weak = format!("01{}", "00".repeat(31));
    assert_eq!(weak.parse::<PublicKey>(), Err(AttestationError::Key));
}

fn candidates(owners: &[&str]) -> Vec<Candidate> {
    let candidate = |(at, owner): (usize, &&str)| Candidate {
        key: EvaluatorKey::from_secret(&[at as u8 + 1; 32]).public(),
        owner: (*owner).to_owned(),
    };
    owners.iter().enumerate().map(candidate).collect()
}

/// Proves that a draw takes one of an owner, none of those who sit, does not depend on the order of the rows, and changes with
/// everything that goes into its seed.
#[test]
fn a_draw_is_fair_and_repeatable() {
    let all = candidates(&["a", "a", "a", "b", "c", "d", "e"]);
    let seed = round_seed("r", &[1; 32], None);
    let drawn = draw(seed, &all, &["c"], 3);
    assert_eq!(drawn.len(), 3);
    let owner = |key: &PublicKey| all.iter().find(|c| c.key == *key).unwrap().owner.clone();
    let mut owners: Vec<_> = drawn.iter().map(owner).collect();
    assert!(!owners.contains(&"c".to_owned()));
    owners.sort();
    owners.dedup();
    assert_eq!(owners.len(), 3);
    let reversed: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(draw(seed, &reversed, &["c"], 3), drawn);
    assert_eq!(draw(seed, &all, &[], 9).len(), 5, "no more than owners");
    let others = [
        round_seed("s", &[1; 32], None),
        round_seed("r", &[2; 32], None),
        round_seed("r", &[1; 32], Some(Digest::of(b"x"))),
    ];
    for other in others {
        assert_ne!(other, seed);
        assert_ne!(seat_seed(other, &drawn[0]), seat_seed(seed, &drawn[0]));
    }
    assert_ne!(seat_seed(seed, &drawn[0]), seat_seed(seed, &drawn[1]));
}

/// Proves that in many draws everybody sits about equally often: 3 of 6 seats in 2,000 draws, within 5 standard deviations.
#[test]
fn a_draw_favours_nobody() {
    let all = candidates(&["a", "b", "c", "d", "e", "f"]);
    let mut seats = vec![0_u32; all.len()];
    for round in 0..2_000_u32 {
        for key in draw(Digest::of(&round.to_le_bytes()), &all, &[], 3) {
            seats[all.iter().position(|c| c.key == key).unwrap()] += 1;
        }
    }
    assert!(seats.iter().all(|n| (888..=1112).contains(n)), "{seats:?}");
}

/// Proves that a commitment without a reveal counts against the quorum, and that votes without weight agree on nothing.
#[test]
fn absent_weight_counts() {
    let three =
        [vote("a", 100_000_000, 1.0), vote("b", 101_000_000, 1.0), vote("c", 99_500_000, 1.0)];
    assert!(count(&three, 0.0, quorum_of(3)).agreed.is_some());
    assert!(count(&three, 1.5, quorum_of(5)).agreed.is_some(), "exactly two thirds");
    assert!(count(&three, 1.6, quorum_of(5)).agreed.is_none());
    assert!(count(&three[..2], 0.0, quorum_of(3)).agreed.is_none(), "two are not three");
    assert!(count(&[], 3.0, quorum_of(3)).consensus.is_none());
    let weightless = three.clone().map(|v| Vote { weight: 0.0, ..v });
    assert!(count(&weightless, 0.0, quorum_of(3)).agreed.is_none());
    assert_eq!(quorum_of(1), Quorum::SINGLE);
}

/// Proves what is told of each vote: kept, rejected, or copied from an earlier commitment.
#[test]
fn every_vote_has_a_fate() {
    let mut votes = vec![
        vote("a", 100_000_000, 1.0),
        vote("b", 101_000_000, 1.0),
        vote("c", 99_500_000, 1.0),
        vote("liar", 300_000_000, 1.0),
        vote("copy", 101_000_000, 0.5),
    ];
    votes[4].samples = votes[1].samples;
    let verdict = count(&votes, 0.0, quorum_of(5));
    let fates: Vec<_> = verdict.fates.iter().map(|(fate, _)| *fate).collect();
    assert_eq!(fates, [Fate::Kept, Fate::Kept, Fate::Kept, Fate::Rejected, Fate::Copied]);
    assert_eq!(verdict.fates[3].1, DEVIATION_MAX);
    assert_eq!(verdict.agreed.unwrap().price_micro, 100_000_000);
}

proptest! {
    /// Proves that a minority of the weight cannot leave the honest span, whatever it says and where it commits.
    #[test]
    fn a_minority_liar_stays_in_the_honest_span(
        honest in prop::collection::vec((80_000_000_i64..120_000_000, 0.5_f64..1.0), 3..8),
        lies in prop::collection::vec((0_i64..1_000_000_000_000, 0.5_f64..1.0), 0..7),
        first in any::<bool>(),
    ) {
        let honest_weight: f64 = honest.iter().map(|v| v.1).sum();
        let mut lying = 0.0;
        let lies: Vec<_> = lies.into_iter().take_while(|(_, weight)| {
            lying += weight;
            lying < honest_weight * 0.999
        }).collect();
        let mut votes: Vec<Vote> =
            honest.iter().enumerate().map(|(at, v)| vote(&format!("h{at}"), v.0, v.1)).collect();
        let liars = lies.iter().enumerate().map(|(at, v)| vote(&format!("l{at}"), v.0, v.1));
        let at = if first { 0 } else { votes.len() };
        votes.splice(at..at, liars);
        if let Some(agreed) = count(&votes, 0.0, quorum_of(votes.len() as u32)).agreed {
            let low = honest.iter().map(|v| v.0).min().unwrap();
            let high = honest.iter().map(|v| v.0).max().unwrap();
            prop_assert!(agreed.ln_price >= ln_of(low) - 1e-9, "{agreed:?} below {low}");
            prop_assert!(agreed.ln_price <= ln_of(high) + 1e-9, "{agreed:?} above {high}");
        }
    }

    /// Proves that the share of weight lies in 0..=1, never grows with a deviation, and comes back with honest rounds.
    #[test]
    fn weight_follows_deviation(deviations in prop::collection::vec(0.0_f64..20.0, 1..60)) {
        let mut mean = 0.0;
        for deviation in deviations {
            let (less, more) = (mean_deviation(mean, deviation), mean_deviation(mean, deviation + 1.0));
            prop_assert!(weight_share(more) <= weight_share(less));
            prop_assert!((0.0..=1.0).contains(&weight_share(less)));
            prop_assert!((0.0..=DEVIATION_MAX).contains(&less));
            mean = less;
        }
        for _ in 0..60 {
            mean = mean_deviation(mean, 0.5);
        }
        prop_assert_eq!(weight_share(mean), 1.0);
    }

    /// Proves that only the last rounds decide on activity, and that more misses never make anybody active.
    #[test]
    fn activity_is_of_the_last_rounds(old in prop::collection::vec(any::<bool>(), 0..20), last in prop::array::uniform5(any::<bool>())) {
        let all: Vec<bool> = old.iter().copied().chain(last).collect();
        prop_assert_eq!(is_active(&all), is_active(&last));
        prop_assert_eq!(is_active(&last), last.iter().filter(|m| **m).count() < 3);
    }
}

/// Proves how fast a habitual liar loses its weight: some after two rounds, all of it after seven.
#[test]
fn a_liar_loses_its_weight() {
    let mut mean = 0.0;
    let shares: Vec<f64> = (0..7)
        .map(|_| {
            mean = mean_deviation(mean, 1e9);
            weight_share(mean)
        })
        .collect();
    assert_eq!(shares[0], 1.0, "one slip is forgiven");
    assert!(shares[1] < 1.0 && shares[5] > 0.0, "{shares:?}");
    assert_eq!(shares[6], 0.0);
}

/// Proves that a trap accepts the reference's price within 3σ and nothing else.
#[test]
fn a_trap_knows_its_answer() {
    assert!(trap_holds(100_000_000, 0.01));
    assert!(trap_holds(102_900_000, 0.01));
    assert!(!trap_holds(103_200_000, 0.01));
    assert!(!trap_holds(0, 0.01));
}

const ITEMS: usize = 1000;

fn report(seed: u64, slower: u64, evaluator: &str) -> Report {
    let reference = subject("reference", &first_right(800, ITEMS));
    let model = subject("model", &first_right(820, ITEMS));
    let mut measured = measurement(model, Some(reference), 3, seed);
    for round in &mut measured.rounds {
        for ns in round.single_stream.model.iter_mut().chain(&mut round.offline.model) {
            *ns = *ns * slower / 1000;
        }
    }
    let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
    let context = ReportContext { evaluator, ..context(&suite, &counts) };
    Report::derive(&measured, &context).unwrap()
}

/// Proves that a round prices at the consensus of its evaluators and not at any report's own price or their mean, that its state cites
/// every kept report, and that none of them counts twice.
#[test]
fn a_round_is_one_evidence() {
    let reports = [report(1, 1000, "a"), report(2, 1004, "b"), report(3, 1010, "c")];
    let right = first_right(820, ITEMS);
    let evidence: Vec<Evidence<'_>> =
        reports.iter().map(|report| Evidence { report, right: &right, influence: &[] }).collect();
    let votes: Vec<Vote> = reports
        .iter()
        .map(|report| Vote {
            samples: report.samples,
            sigma: report.sigma_ln_price.unwrap(),
            ..vote(&report.evaluator, report.price_micro.unwrap(), 1.0)
        })
        .collect();
    let agreed = count(&votes, 0.0, quorum_of(3)).agreed.unwrap();
    assert_eq!(agreed.price_micro, reports[1].price_micro.unwrap(), "the middle one");
    let round = RoundEvidence { lead: evidence[1], others: &[evidence[0], evidence[2]], agreed };
    let decided = decide_round(None, round, &Breaker::DEMO).unwrap();
    assert_eq!((decided.status, decided.price_micro), (Status::Admitted, Some(agreed.price_micro)));
    assert!(
        (decided.sigma_ln - agreed.sigma).abs() < 1e-12,
        "{} {}",
        decided.sigma_ln,
        agreed.sigma
    );
    let state = decided.state.unwrap();
    assert_eq!(state.version.reports.len(), 3);
    assert_eq!(state.version.rounds.len(), 9, "cost rounds are pooled");
    for report in &evidence {
        let again = decide(Some(&state), *report, &Breaker::DEMO);
        assert!(matches!(again, Err(DecisionError::Counted(_))), "{again:?}");
    }
    let text = serde_json::to_string(&state).unwrap();
    let read: domain::evaluation::PriceState = serde_json::from_str(&text).unwrap();
    assert_eq!(read, state);

    // A consensus of nothing is a price of 0, and a first price of 0 is refused.
    let nothing =
        Agreed { ln_price: domain::evaluation::acceptance::LN_ZERO, price_micro: 0, sigma: 0.0 };
    let refused = decide_round(None, RoundEvidence { agreed: nothing, ..round }, &Breaker::DEMO);
    assert_eq!(refused.unwrap().status, Status::Refused);
}
