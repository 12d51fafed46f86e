//! What nobody may read, change or replay before the reveal.

use domain::{digest::Digest, evaluation::Report};
use service::{Reader, ServiceError};
use store::evaluation_job;

use crate::world::{HONEST, Measured, World, at, commitment_of, key, name};

const OWNERS: &[&str] = &["a", "b", "c"];

/// Proves that before the reveal neither report nor samples can be had by anybody, the operator included, and that a job says no more
/// than that its evaluator has committed; with the reveal all is there, signed.
#[tokio::test]
async fn nothing_is_read_before_the_reveal() {
    let world = World::new(3, OWNERS).await;
    let round = world.drawn("one", 10_000).await;
    let mut reveals = Vec::new();
    for seat in 0..3 {
        let run = Measured { slower: 1_000 + 4 * seat as u64, ..HONEST };
        reveals.push(world.reveal_of(&round, seat, run).await);
    }
    for (seat, reveal) in reveals.iter().enumerate().take(2) {
        world.commit(&round, seat, reveal, 10_001).await.unwrap();
    }
    world.advance(10_002).await;
    let early = world.service.reveal_report(&round.seats[0].job_id, &reveals[0], at(10_003)).await;
    assert!(early.unwrap_err().to_string().contains("before all have committed"));
    let report = reveals[0].attestation.report;
    let samples = serde_json::from_str::<Report>(&reveals[0].body).unwrap().samples;
    for reader in [Reader::Anybody, Reader::Login(name("lab")), Reader::Operator] {
        for digest in [report, samples] {
            let found = world.service.open_object(digest, None).await.err();
            assert!(matches!(found, Some(ServiceError::Absent { .. })), "{digest}: {found:?}");
            let readable = world.service.check_object_readable(&reader, digest).await;
            assert_eq!(readable.is_ok(), reader == Reader::Operator, "who may read what there is");
        }
        let found = world.service.get_readable_report(&reader, report).await;
        assert!(matches!(found, Err(ServiceError::Absent { .. })));
    }
    let job = world.service.get_job(&round.seats[0].job_id).await.unwrap();
    assert!(job.is_committed && job.report.is_none() && job.failure_code.is_none());
    let seen = world.round(&round.id).await;
    assert!(seen.seats.iter().all(|seat| seat.report.is_none() && seat.salt.is_none()));
    assert!(seen.seats.iter().all(|seat| seat.outcome.is_none() && seat.weight_ppb.is_none()));
    assert_eq!(world.accepted_micro().await, None);

    world.commit(&round, 2, &reveals[2], 10_004).await.unwrap();
    world.advance(10_005).await;
    for (seat, reveal) in reveals.iter().enumerate() {
        let job = &round.seats[seat].job_id;
        world.service.reveal_report(job, reveal, at(10_006)).await.unwrap();
    }
    world.advance(10_007).await;
    world.service.get_readable_report(&Reader::Anybody, report).await.unwrap();
    world.service.check_object_readable(&Reader::Anybody, samples).await.unwrap();
    let signed = world.service.find_attestation(report).await.unwrap().unwrap();
    signed.verify(report, round.seats[0].evaluator.as_str()).unwrap();
    assert!(world.accepted_micro().await.is_some());
}

/// Proves that a commitment is made once, fits one seat of one round, and that the same digest is refused elsewhere.
#[tokio::test]
async fn a_commitment_is_bound() {
    let world = World::new(3, OWNERS).await;
    let round = world.drawn("one", 10_000).await;
    let reveal = world.reveal_of(&round, 0, HONEST).await;
    world.commit(&round, 0, &reveal, 10_001).await.unwrap();
    let job = &round.seats[0].job_id;
    let second = world.service.commit_report(job, Digest::of(b"other"), at(10_002)).await;
    assert!(matches!(second, Err(ServiceError::Exists { .. })), "{second:?}");
    let copied = commitment_of(&round, 0, &reveal);
    let copied = world.service.commit_report(&round.seats[1].job_id, copied, at(10_002)).await;
    assert!(copied.unwrap_err().to_string().contains("made in another seat"));

    let other = world.drawn("two", 10_010).await;
    let seat = other.seats.iter().position(|s| s.evaluator == round.seats[0].evaluator).unwrap();
    let replay = commitment_of(&round, 0, &reveal);
    let replayed = world.service.commit_report(&other.seats[seat].job_id, replay, at(10_011)).await;
    assert!(replayed.unwrap_err().to_string().contains("made in another seat"));
    assert_ne!(commitment_of(&other, seat, &reveal), replay, "the round's number is in it");
}

/// Proves that each kind of reveal that does not fit is refused by name and recorded, and that the right one may follow.
#[tokio::test]
async fn a_false_reveal_is_refused() {
    let world = World::new(3, OWNERS).await;
    let round = world.drawn("one", 10_000).await;
    let mut reveals = Vec::new();
    for seat in 0..3 {
        reveals.push(world.reveal_of(&round, seat, HONEST).await);
    }
    // The third commits to a report under a signature that is not its own.
    let other = key(9).attest(reveals[2].attestation.report, &round.seats[2].evaluator);
    reveals[2].attestation = other;
    for (seat, reveal) in reveals.iter().enumerate() {
        world.commit(&round, seat, reveal, 10_001).await.unwrap();
    }
    world.advance(10_002).await;
    let job = &round.seats[0].job_id;
    let better = world.reveal_of(&round, 0, Measured { slower: 500, ..HONEST }).await;
    let mut salted = reveals[0].clone();
    salted.salt[0] ^= 1;
    let mut bent = reveals[0].clone();
    bent.samples = reveals[1].samples.clone();
    for (wrong, reason) in [
        (&better, "are not what was committed to"),
        (&salted, "are not what was committed to"),
        (&bent, "samples"),
    ] {
        let refused = world.service.reveal_report(job, wrong, at(10_003)).await.unwrap_err();
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    let signed = world.service.reveal_report(&round.seats[2].job_id, &reveals[2], at(10_003)).await;
    assert!(signed.unwrap_err().to_string().contains("key is"));
    let seen = world.round(&round.id).await;
    assert_eq!((seen.seats[0].refused.len(), seen.seats[2].refused.len()), (3, 1));
    assert!(seen.seats[0].report.is_none());
    world.service.reveal_report(job, &reveals[0], at(10_004)).await.unwrap();
}

/// Proves that a seated job goes to no worker but its evaluator's, and to that one only until it has committed.
#[tokio::test]
async fn a_seat_is_nobody_elses() {
    let world = World::new(3, OWNERS).await;
    let round = world.drawn("one", 10_000).await;
    let reveal = world.reveal_of(&round, 0, HONEST).await;
    let mine = key(round.seats[0].evaluator.as_str()[1..].parse().unwrap()).public().hex();
    let lease = async |evaluator: Option<&str>, now: i64| {
        let transaction = world.store.begin().await.unwrap();
        let job = evaluation_job::lease_next_for(&transaction, evaluator, "w", now, now + 10).await;
        transaction.commit().await.unwrap();
        job.unwrap().map(|job| job.id)
    };
    assert_eq!(lease(None, 10_001).await, None);
    assert_eq!(lease(Some("stranger"), 10_001).await, None);
    assert_eq!(lease(Some(&mine), 10_001).await.as_ref(), Some(&round.seats[0].job_id));
    assert_eq!(lease(Some(&mine), 10_002).await, None, "leased");
    assert_eq!(lease(Some(&mine), 10_020).await.as_ref(), Some(&round.seats[0].job_id), "expired");
    world.commit(&round, 0, &reveal, 10_021).await.unwrap();
    assert_eq!(lease(Some(&mine), 10_100).await, None, "committed");
}
