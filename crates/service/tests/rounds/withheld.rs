//! A withheld reveal: evaluators who know a version's worth and do not tell it buy nothing at the price that does not know it.

use domain::{amount::Cash, fund::Methodology, name::Name};
use service::{AdmitModel, Caller, Scope, ServiceError};

use crate::world::{HONEST, Measured, REVEAL_MS, World, at, caller, name};

const OWNERS: &[&str] = &["a", "b", "c", "d", "e", "f"];
const METHODOLOGY: &str = include_str!("../../../cli/demo/methodology.json");
const THREE: [Measured; 3] =
    [HONEST, Measured { slower: 1_004, ..HONEST }, Measured { slower: 1_010, ..HONEST }];
/// What the new version is: three times as fast.
const BETTER: [Measured; 3] = [
    Measured { slower: 330, ..HONEST },
    Measured { slower: 331, ..HONEST },
    Measured { slower: 332, ..HONEST },
];

async fn fund(world: &World) -> Name {
    let (operator, fund) = (caller("operator", 1), name("F"));
    assert!(Methodology::parse(METHODOLOGY).is_ok());
    world.service.create_fund(&operator, "fund", &fund, METHODOLOGY).await.unwrap();
    for who in ["operator", "lab", "a"] {
        let amount = Cash::from_micro(5_000_000_000);
        world.service.deposit_cash(&operator, who, &name(who), amount).await.unwrap();
    }
    let input = AdmitModel {
        fund: fund.clone(),
        model: name("lab/net"),
        bond: Cash::from_micro(100_000_000),
    };
    world.service.admit_model(&operator, "admit", &input).await.unwrap();
    let seed = Cash::from_micro(1_000_000_000);
    world.service.seed_fund(&operator, "seed", &fund, &name("operator"), seed).await.unwrap();
    fund
}

/// The owner of an evaluator tries to join.
async fn join(world: &World, fund: &Name, key: &str) -> Result<i64, ServiceError> {
    let scopes = [Scope::Invest].into();
    let owner = name("a");
    let token_id = "t".to_owned();
    let investor = Caller { owner, scopes, token_id, models: None, now: at(60_000) };
    world.service.place_subscription(&investor, key, fund, Cash::from_micro(100_000_000)).await
}

fn suspended(result: Result<i64, ServiceError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.code(), "suspended", "{error}");
    error.to_string()
}

/// Proves that evaluators who withhold their reveals earn nothing: from the publication of a version until its price is decided nobody
/// joins, also when the round has ended without a quorum and one report is public; that a routine measurement of a version that the
/// price knows keeps nobody waiting; and that all go on once the version is decided.
#[tokio::test]
async fn a_withheld_reveal_buys_nothing() {
    let mut world = World::new(3, OWNERS).await;
    world.play("one", &THREE, 10_000).await;
    let fund = fund(&world).await;
    join(&world, &fund, "before").await.unwrap();
    world.drawn("again", 20_000).await;
    join(&world, &fund, "routine").await.unwrap();

    world.publish_next().await;
    assert!(suspended(join(&world, &fund, "published").await).contains("not evaluated yet"));
    let round = world.drawn("two", 30_000).await;
    assert!(suspended(join(&world, &fund, "drawn").await).contains("being measured"));
    let mut reveals = Vec::new();
    for (seat, measured) in BETTER.iter().enumerate() {
        reveals.push(world.reveal_of(&round, seat, *measured).await);
        world.commit(&round, seat, &reveals[seat], 30_001).await.unwrap();
    }
    world.advance(30_002).await;
    // One tells, two do not.
    world.service.reveal_report(&round.seats[0].job_id, &reveals[0], at(30_003)).await.unwrap();
    world.advance(30_002 + REVEAL_MS + 1).await;
    assert!(!world.round(&round.id).await.verdict.unwrap().agreed);
    assert!(suspended(join(&world, &fund, "withheld").await).contains("too few evaluators"));

    // A version that comes after and cannot price hides nothing.
    world.publish_and_yank().await;
    assert!(suspended(join(&world, &fund, "hidden").await).contains("too few evaluators"));

    let before = world.accepted_micro().await;
    let round = world.play("three", &BETTER, 100_000).await;
    assert!(round.verdict.unwrap().agreed);
    assert_ne!(world.accepted_micro().await, None);
    join(&world, &fund, "decided").await.unwrap();
    assert!(before.is_some());
}
