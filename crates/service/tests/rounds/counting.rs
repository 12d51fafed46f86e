//! What a round prices, and what becomes of those who lie, copy or stay away.

use service::ServiceError;

use crate::world::{
    COMMIT_MS, HONEST, Measured, REVEAL_MS, World, at, caller, name, outcomes, price_of,
};

const OWNERS: &[&str] = &["a", "b", "c", "d", "e", "f"];
/// Three honest machines that differ by noise.
const THREE: [Measured; 3] =
    [HONEST, Measured { slower: 1_004, ..HONEST }, Measured { slower: 1_010, ..HONEST }];

/// Proves that three who agree price at the middle one, that the decision cites the round, and that a listed version results.
#[tokio::test]
async fn three_agree() {
    agree(World::new(3, OWNERS).await).await;
}

/// Proves the same on PostgreSQL, in a database of its own; without a server it says that it did not run.
#[tokio::test]
async fn three_agree_on_postgres() {
    let Ok(server) = std::env::var("MODELFOLIO_TEST_POSTGRES") else {
        let required = std::env::var("MODELFOLIO_CHECK").is_ok_and(|value| value == "1");
        assert!(!required, "MODELFOLIO_TEST_POSTGRES is not set");
        eprintln!("PostgreSQL: not run (MODELFOLIO_TEST_POSTGRES is not set)");
        return;
    };
    let database = format!("rounds_{}", std::process::id());
    let run = |statement: String| {
        let done = std::process::Command::new("psql").args([&server, "-qc", &statement]).status();
        assert!(done.unwrap().success(), "{statement}");
    };
    run(format!("CREATE DATABASE {database}"));
    let base = server.rsplit_once('/').unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    agree(World::over(folder, &format!("{base}/{database}"), 3, OWNERS).await).await;
    run(format!("DROP DATABASE {database} WITH (FORCE)"));
}

async fn agree(world: World) {
    let round = world.play("one", &THREE, 10_000).await;
    assert_eq!(outcomes(&round), ["kept", "kept", "kept"]);
    let middle = price_of(&world.reveal_of(&round, 1, THREE[1]).await);
    assert_eq!(world.accepted_micro().await, Some(middle));
    assert!(round.verdict.as_ref().unwrap().agreed);
    let model = world.service.get_model(&name("lab/net")).await.unwrap();
    let decision = world.service.find_accepted_price(&model).await.unwrap().unwrap();
    let cited = world.service.find_deciding_round(&model.id, decision.seq).await.unwrap().unwrap();
    assert_eq!((cited.id, cited.quorum), (round.id, 3));
    assert!(world.service.find_alias(&model, "listed").await.unwrap().is_some());
}

/// Proves that a liar among three leaves two, which are no quorum, so the price is held; and that among four it is rejected and the
/// price lies within the span of the honest.
#[tokio::test]
async fn a_liar_is_rejected() {
    let liar = Measured { slower: 9_000, ..HONEST };
    let world = World::new(3, OWNERS).await;
    let round = world.play("one", &[THREE[0], THREE[1], liar], 10_000).await;
    assert_eq!(outcomes(&round), ["kept", "kept", "rejected"]);
    let verdict = round.verdict.unwrap();
    assert!(!verdict.agreed && verdict.reason.contains("no quorum"), "{}", verdict.reason);
    assert_eq!(world.accepted_micro().await, None);

    let world = World::new(4, OWNERS).await;
    let round = world.play("one", &[liar, THREE[0], THREE[1], THREE[2]], 10_000).await;
    assert_eq!(outcomes(&round), ["rejected", "kept", "kept", "kept"]);
    let mut span = Vec::new();
    for (seat, run) in (1..).zip(THREE) {
        span.push(price_of(&world.reveal_of(&round, seat, run).await));
    }
    let price = world.accepted_micro().await.unwrap();
    assert!(span.iter().min().unwrap() <= &price && &price <= span.iter().max().unwrap());
    assert!(round.seats[0].deviation.unwrap() > 3.5);
    let evaluator = world.service.get_evaluator(&round.seats[0].evaluator).await.unwrap();
    assert!(evaluator.mean_deviation > 0.3, "{}", evaluator.mean_deviation);
}

/// Proves that a report of another's samples is discarded, whoever brings it, and that its weight counts against the quorum.
#[tokio::test]
async fn a_copy_is_discarded() {
    let world = World::new(4, OWNERS).await;
    let round = world.drawn("one", 10_000).await;
    let seed = world.service.get_job(&round.seats[1].job_id).await.unwrap().seed;
    let copy = Measured { seed: Some(seed), ..THREE[1] };
    let round = world.play_drawn(&round, &[THREE[0], THREE[1], THREE[2], copy], 10_000).await;
    assert_eq!(outcomes(&round), ["kept", "kept", "kept", "copied"]);
    assert!(round.verdict.unwrap().agreed, "3 of 4 are enough");
    let evaluator = world.service.get_evaluator(&round.seats[3].evaluator).await.unwrap();
    assert!((evaluator.mean_deviation - 0.7).abs() < 1e-9, "{}", evaluator.mean_deviation);
}

/// Proves that a run of another time, which no seat's seed stands for, is no measurement of this round.
#[tokio::test]
async fn an_old_run_is_discarded() {
    let world = World::new(4, OWNERS).await;
    let old = Measured { seed: Some(1), ..THREE[1] };
    let round = world.play("one", &[old, THREE[0], THREE[1], THREE[2]], 10_000).await;
    assert_eq!(outcomes(&round), ["copied", "kept", "kept", "kept"]);
}

/// Proves that a commitment without a reveal counts against the quorum: two of three do not price, three of four do, three of
/// five do not, since that is less than two thirds.
#[tokio::test]
async fn a_withheld_reveal_counts() {
    for (quorum, withheld, agreed) in [(3_usize, 1, false), (4, 1, true), (5, 2, false)] {
        let world = World::new(quorum as u32, OWNERS).await;
        let round = world.drawn("one", 10_000).await;
        let mut reveals = Vec::new();
        for seat in 0..quorum {
            reveals.push(world.reveal_of(&round, seat, THREE[seat % 3]).await);
            world.commit(&round, seat, &reveals[seat], 10_001).await.unwrap();
        }
        world.advance(10_002).await;
        for (seat, reveal) in reveals.iter().enumerate().skip(withheld) {
            let job = &round.seats[seat].job_id;
            world.service.reveal_report(job, reveal, at(10_003)).await.unwrap();
        }
        world.advance(10_004).await;
        assert_eq!(world.round(&round.id).await.phase, "revealing", "the time is not over");
        let end = 10_002 + REVEAL_MS + 1;
        let job = &round.seats[0].job_id;
        let late = world.service.reveal_report(job, &reveals[0], at(end)).await;
        assert!(late.unwrap_err().to_string().contains("too late"));
        world.advance(end).await;
        let round = world.round(&round.id).await;
        assert_eq!(round.seats[0].outcome.as_deref(), Some("unrevealed"));
        assert_eq!(round.verdict.unwrap().agreed, agreed);
        assert_eq!(world.accepted_micro().await.is_some(), agreed);
    }
}

/// Proves that whoever does not commit in time is replaced by another draw, that the miss is recorded, and that the round then
/// prices; the silent one comes too late.
#[tokio::test]
async fn a_silent_evaluator_is_replaced() {
    let world = World::new(3, OWNERS).await;
    let round = world.drawn("one", 10_000).await;
    let mut reveals = Vec::new();
    for seat in 0..2 {
        reveals.push(world.reveal_of(&round, seat, THREE[seat]).await);
        world.commit(&round, seat, &reveals[seat], 10_001).await.unwrap();
    }
    let silent = world.reveal_of(&round, 2, THREE[2]).await;
    let late = 10_000 + COMMIT_MS + 1;
    world.advance(late).await;
    let again = world.round(&round.id).await;
    assert_eq!((again.phase.as_str(), again.seats.len()), ("committing", 4));
    assert_eq!(again.seats[2].outcome.as_deref(), Some("missed"));
    assert_eq!(again.seats[3].replaces.as_ref(), Some(&again.seats[2].evaluator));
    let refused = world.commit(&again, 2, &silent, late + 1).await.unwrap_err();
    assert!(refused.to_string().contains("too late"), "{refused}");
    reveals.push(world.reveal_of(&again, 3, THREE[2]).await);
    world.commit(&again, 3, &reveals[2], late + 1).await.unwrap();
    world.advance(late + 2).await;
    for (seat, reveal) in [0, 1, 3].into_iter().zip(&reveals) {
        let job = &again.seats[seat].job_id;
        world.service.reveal_report(job, reveal, at(late + 3)).await.unwrap();
    }
    world.advance(late + 4).await;
    let settled = world.round(&round.id).await;
    assert_eq!(outcomes(&settled), ["kept", "kept", "missed", "kept"]);
    assert!(settled.verdict.unwrap().agreed, "whoever was replaced has no say");
}

/// Proves that an evaluator which misses three rounds is drawn no more until the operator lets it in again.
#[tokio::test]
async fn an_idle_evaluator_is_cut_off() {
    let world = World::new(3, &["a", "b", "c"]).await;
    for turn in 0..3_i64 {
        let now = 1_000_000 * (turn + 1);
        let round = world.drawn(&format!("r{turn}"), now).await;
        world.advance(now + COMMIT_MS + 1).await;
        world.advance(now + COMMIT_MS + REVEAL_MS + 2).await;
        let round = world.round(&round.id).await;
        assert_eq!(outcomes(&round), ["missed", "missed", "missed"]);
    }
    let evaluator = world.service.get_evaluator(&name("e0")).await.unwrap();
    assert!(!evaluator.active && evaluator.reason.contains("missed 3"), "{}", evaluator.reason);
    let refused = world.ask("r9", 9_000_000).await.unwrap_err();
    assert!(refused.to_string().contains("only 0 owners"), "{refused}");
    let standing = service::SetStanding {
        name: name("e0"),
        weight_ppb: 1_000_000_000,
        active: true,
        reason: "repaired".to_owned(),
    };
    let operator = caller("operator", 9_000_001);
    let back = world.service.set_standing(&operator, "back", &standing).await.unwrap();
    assert!(back.active);
}

/// Proves that neither the publisher's own evaluators nor two of one owner sit, and that a round without enough others is refused.
#[tokio::test]
async fn nobody_judges_himself() {
    let world = World::new(3, &["lab", "a", "a", "b", "lab", "c"]).await;
    let round = world.drawn("one", 10_000).await;
    let mut owners: Vec<_> = round.seats.iter().map(|seat| seat.owner.to_string()).collect();
    owners.sort();
    assert_eq!(owners, ["a", "b", "c"]);
    let world = World::new(3, &["lab", "a", "a", "b"]).await;
    let refused = world.ask("one", 10_000).await.unwrap_err();
    assert!(matches!(&refused, ServiceError::Invalid { field: "quorum", .. }), "{refused}");
    assert!(refused.to_string().contains("only 2 owners other than lab"), "{refused}");
}

/// Proves that who misses a known answer has no weight until a person has looked, and that a trap prices nothing.
#[tokio::test]
async fn a_trap_catches() {
    let world = World::new(3, OWNERS).await;
    assert!(world.ask_as("lab", "trap", true, 10_000).await.is_err(), "the operator's alone");
    let round = world.ask_as("operator", "trap", true, 10_000).await.unwrap();
    world.advance(10_000).await;
    let round = world.round(&round.id).await;
    // A clone of the reference takes twice the time of the made-up model and is right where the reference is.
    let clone = Measured { slower: 2_000, right: 800, seed: None };
    let round = world.play_drawn(&round, &[clone, HONEST, clone], 10_000).await;
    assert_eq!(outcomes(&round), ["kept", "rejected", "kept"], "{round:?}");
    let caught = world.service.get_evaluator(&round.seats[1].evaluator).await.unwrap();
    assert_eq!(caught.weight_ppb, 0);
    assert!(caught.reason.contains("known answer"), "{}", caught.reason);
    assert_eq!(world.accepted_micro().await, None);
}

/// Proves that a kept report whose decisions differ is told apart, and neither leads nor is pooled.
#[tokio::test]
async fn other_decisions_are_reported() {
    let world = World::new(3, OWNERS).await;
    let other = Measured { right: 821, ..THREE[1] };
    let round = world.play("one", &[THREE[0], other, THREE[2]], 10_000).await;
    assert_eq!(outcomes(&round), ["kept"; 3]);
    let told: Vec<_> = round.seats.iter().map(|seat| seat.decisions_agree).collect();
    assert_eq!(told, [Some(true), Some(false), Some(true)]);
    let row = store::price_decision::latest(&world.store, &world.version.model_id).await.unwrap();
    let state: domain::evaluation::PriceState = serde_json::from_str(&row.unwrap().record).unwrap();
    let own = round.seats[1].report.unwrap();
    assert!(state.basis.report != own && !state.version.reports.contains(&own));
    assert_eq!(state.version.reports.len(), 2);
}

/// Proves that an installation of one evaluator says so, and that its jobs need no round.
#[tokio::test]
async fn one_evaluator_is_quorum_1() {
    let world = World::new(3, OWNERS).await;
    let one = service::QuorumSetting { quorum: 1, ..world.service.quorum().await.unwrap() };
    world.service.set_quorum(&caller("operator", 2), "one", &one).await.unwrap();
    assert_eq!(world.service.quorum().await.unwrap().quorum, 1);
    let refused = world.ask("one", 10_000).await.unwrap_err();
    assert!(refused.to_string().contains("single evaluator"), "{refused}");
    let two = service::QuorumSetting { quorum: 2, ..one };
    let refused = world.service.set_quorum(&caller("operator", 3), "two", &two).await.unwrap_err();
    assert!(refused.to_string().contains("expected 1, or 3 to 25"), "{refused}");
    let refused = world.service.set_quorum(&caller("lab", 3), "three", &one).await;
    assert!(matches!(refused, Err(ServiceError::Scope(_))));
}
