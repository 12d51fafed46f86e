//! Rules of a methodology that the service keeps: who waits at a strike, what a rebalance aims at, which rules are refused.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

#[path = "../crash/market.rs"]
#[expect(dead_code, reason = "the market is shared with tests that use more of it")]
mod market;
mod window;
mod world;

use domain::{
    amount::Shares,
    fund::{Event, Methodology, Note, State, apply},
    proof::Watch,
    time::Timestamp,
};
use serde_json::json;
use service::{Moment, OrderState, RedeemInKind, Service};
use world::{DAY, World, caller, name};

const DEMO: &str = include_str!("../../../cli/demo/methodology.json");

/// The demo's rules with other values.
fn rules(changes: &[(&str, serde_json::Value)]) -> String {
    let mut rules: serde_json::Value = serde_json::from_str(DEMO).unwrap();
    for (field, value) in changes {
        rules[*field] = value.clone();
    }
    rules.to_string()
}

/// Whether an order waits.
async fn waits(service: &Service, order: i64) -> bool {
    let order = service.find_order(order).await.unwrap().unwrap();
    matches!(order.state, OrderState::Waiting)
}

/// Proves invariant 28 for age: while prices older than the rules allow are more than a tenth of NAV no subscription settles, and slices and
/// leaving in kind do; a measurement that finds the price where it was ends it.
#[tokio::test(flavor = "multi_thread")]
async fn inv_28_joiners_wait_while_prices_are_old_and_leavers_do_not() {
    let world = World::open(&rules(&[("price_age_days_max", json!(7))])).await;
    let service = &world.service;
    world.strike(2).await;
    world.rebalance(2).await;
    let joins = world.subscribe("bob", 300_000_000, 8).await;
    let leaves = world.redeem("ann", 1_000_000_000, 8).await;
    // Prices of day 0, and seven days are allowed.
    world.strike(8).await;
    assert!(waits(service, joins).await);
    assert!(!waits(service, leaves).await);
    let input =
        RedeemInKind { fund: name("F"), shares: Shares::from_nano(5_000), skip: Vec::new() };
    service.redeem_in_kind(&caller("ann", 8), "in kind", &input).await.unwrap();
    // One of the two alone is still more than a tenth.
    world.decide("lab-a", "DEADBAND", 90_000_000, 8 * DAY).await;
    world.strike(9).await;
    assert!(waits(service, joins).await);
    world.decide("lab-b", "DEADBAND", 90_000_000, 8 * DAY).await;
    world.strike(10).await;
    assert!(!waits(service, joins).await);
}

/// Proves invariant 28 for the breaker of NAV: a jump holds joiners back at its strike and at every other of its day, slices go on, and a
/// strike of a later day that finds NAV per share where it was settles them.
#[tokio::test(flavor = "multi_thread")]
async fn inv_28_joiners_wait_over_a_jump_until_another_day_confirms_it() {
    let world = World::open(&rules(&[("nav_breaker_ppb", json!(150_000_000))])).await;
    let service = &world.service;
    world.strike(2).await;
    world.rebalance(2).await;
    // 92 % of NAV rise by a tenth: within the band.
    world.decide("lab-a", "ACCEPTED", 99_000_000, 1).await;
    world.decide("lab-b", "ACCEPTED", 99_000_000, 1).await;
    let first = world.subscribe("bob", 100_000_000, 3).await;
    world.strike(3).await;
    assert!(!waits(service, first).await);
    world.decide("lab-a", "ACCEPTED", 150_000_000, 1).await;
    let joins = world.subscribe("bob", 300_000_000, 4).await;
    let leaves = world.redeem("ann", 1_000_000_000, 4).await;
    for _ in 0..2 {
        world.strike(4).await;
        assert!(waits(service, joins).await);
    }
    assert!(!waits(service, leaves).await);
    world.strike(5).await;
    assert!(!waits(service, joins).await);
    // Back again is a jump as well.
    world.decide("lab-a", "ACCEPTED", 80_000_000, 1).await;
    let joins = world.subscribe("bob", 300_000_000, 6).await;
    world.strike(6).await;
    assert!(waits(service, joins).await);
}

/// Proves that a rebalance keeps its rules and says so: turnover within its cap, primary purchases within theirs, the plan with its notes in
/// the fund's list; and that the verifier's watch derives the same from the journal alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_keeps_and_tells_its_plan() {
    let text = rules(&[
        ("turnover_ppb", json!(50_000_000)),
        ("membership", json!(2)),
        ("name_cap_ppb", json!(600_000_000)),
        ("publisher_cap_ppb", json!(1_000_000_000)),
        ("max_primary_purchase_ppb", json!(200_000_000)),
    ]);
    let world = World::open(&text).await;
    for (day, price) in [(2, 90_000_000), (3, 180_000_000), (4, 120_000_000)] {
        world.decide("lab-a", "ACCEPTED", price, 1).await;
        world.strike(day).await;
        world.rebalance(day).await;
    }
    let ledger = world.service.ledger_at(&Moment::now(Timestamp::from_millis(0))).await.unwrap();
    let list = world.service.list_rebalances(&name("F"), None, 10, &ledger).await.unwrap();
    assert_eq!(
        list.iter().map(|r| (r.number, r.strike)).collect::<Vec<_>>(),
        [(1, 1), (2, 2), (3, 3)]
    );
    let plans: Vec<_> = list.iter().map(|r| r.plan.as_ref().unwrap()).collect();
    assert!(plans[0].notes.contains(&Note::FirstBasket), "{:?}", plans[0]);
    assert_eq!(plans[0].weights[&name("lab/a")].as_ppb(), 500_000_000);
    // One name drifted to two thirds: what is above its cap is sold whatever the turnover cap says, and that is told.
    assert!(
        plans[1].notes.contains(&Note::RelaxedTurnover { cap_ppb: 100_000_000 }),
        "{:?}",
        plans[1]
    );
    assert_eq!(plans[1].weights[&name("lab/a")].as_ppb(), 600_000_000);
    // Then it fell by a third to one half of the basket, and its price asks for four sevenths: a twentieth is gone.
    assert_eq!(plans[2].turnover.as_ppb(), 50_000_000, "{:?}", plans[2]);
    assert!(plans[2].wanted > plans[2].turnover);
    let after = world.service.list_rebalances(&name("F"), Some(2), 10, &ledger).await.unwrap();
    assert_eq!(after.len(), 1);
    let (fund, rules) = (name("F"), Methodology::parse(&text).unwrap());
    let (mut watch, mut state) = (Watch::new(fund.clone(), rules), State::new());
    let mut bought = 0;
    for row in store::ledger::list_events(&world.store, Some(0), 500).await.unwrap() {
        let event: Event = serde_json::from_str(&row.body).unwrap();
        let before = state.fund(&fund).map(|f| f.nav(&state).as_femto().unwrap());
        let batch = apply(&state, &event).unwrap();
        watch.before(&state, &event);
        state.commit(&batch);
        watch.after(&state, &event, &batch).unwrap();
        let Event::Rebalance { max_primary, .. } = &event else { continue };
        assert_eq!(max_primary.unwrap().as_ppb(), 200_000_000);
        let most = before.unwrap() / 5 / 1_000_000_000;
        for entry in batch.entries.iter().filter(|e| e.kind == domain::fund::Kind::Buy) {
            let cost: i64 = entry
                .custody
                .iter()
                .filter(|l| l.asset == domain::fund::Asset::Cash)
                .map(|l| l.amount)
                .sum();
            assert!(i128::from(cost) <= most, "{cost} of {most}");
            bought += cost;
        }
    }
    assert!(bought > 0, "the offer sold nothing, so its limit was not tried");
    assert_eq!(watch.level().map(|level| level.base().as_nano()), Some(list[2].level_nano));
}

/// Proves that rules under which an attack earns are refused with a code of their own, the attack and what it earned, and that nothing is
/// there afterwards; that a levy which covers the spread is enough; and that who may not create a fund learns nothing.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_drain_are_refused() {
    let world = World::open(DEMO).await;
    let operator = caller("operator", 1);
    let create = |key: &'static str, levy: i64| {
        let rules = rules(&[("spread_ppb", json!(10_000_000)), ("levy_in_ppb", json!(levy))]);
        let (service, operator) = (&world.service, &operator);
        async move { service.create_fund(operator, key, &name("G"), &rules).await }
    };
    for levy in [0, 8_000_000] {
        let error = create("drained", levy).await.unwrap_err();
        assert_eq!(error.code(), "drainable");
        assert!(error.to_string().contains("churn through the spread"), "{error}");
    }
    assert_eq!(world.service.get_fund(&name("G")).await.unwrap_err().code(), "absent");
    create("covered", 10_000_000).await.unwrap();
    // An auction is asked for both: a levy that covers its band, and a deposit that is worth the choice among sealed bids.
    let auction = |deposit: i64| {
        let auction = json!({ "band": 10_000_000, "deposit": deposit, "minimum": 1_000_000, "opening_days": 1 });
        rules(&[
            ("auction", auction),
            ("counterparties", json!([])),
            ("levy_in_ppb", json!(10_000_000)),
        ])
    };
    let gate = |text: String| async move {
        service::methodology_gate::check(&Methodology::parse(&text).unwrap()).await
    };
    let error = gate(auction(10_000)).await.unwrap_err();
    assert!(error.to_string().contains("bids left shut"), "{error}");
    gate(auction(20_000_000)).await.unwrap();
    let mut investor = caller("ann", 1);
    investor.scopes = [service::Scope::Invest].into();
    let asked = world.service.create_fund(&investor, "no", &name("H"), DEMO).await;
    assert_eq!(asked.unwrap_err().code(), "scope_missing");
    let strict = Methodology { quorum: 3, ..Methodology::parse(DEMO).unwrap() };
    let gate = service::methodology_gate::check(&strict);
    assert_eq!(gate.await.unwrap_err().code(), "invalid");
}
