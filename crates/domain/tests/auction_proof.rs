//! What the proof and the disclosures say of a fund with an auction.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "tests share the bidders")]
mod bidding;
#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;

use bidding::*;
use domain::{
    amount::{Cash, Femto, Ppb, PriceNano},
    disclosure::{Cause, Disclosure, Disclosures, attribute},
    fund::{Event, Methodology, State, apply},
    proof::{Watch, WatchError},
};

/// The life of a fund under these rules: an auction with a strike and a batch that passes in between.
fn life(rules: &Methodology) -> Vec<Event> {
    let bids = [buys(10, 1_000_000)];
    let batch = Event::Rebalance {
        fund: name("a"),
        weights: [(name("m/a"), Ppb::from_ppb(ONE))].into(),
        cash: Ppb::from_ppb(rules.cash_ppb),
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: rules.max_primary(),
    };
    let passing = match idle() {
        Event::Rebalance { fund, weights, spread, counterparties, max_primary, .. } => {
            let cash = Ppb::from_ppb(rules.cash_ppb);
            Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary }
        }
        other => other,
    };
    vec![
        Event::CreateFund { fund: name("a"), params: rules.fund_params() },
        Event::Deposit { who: name("SPONSOR"), amount: Cash::from_micro(2_000 * CREDIT) },
        Event::Deposit { who: name("ANN"), amount: Cash::from_micro(2_000 * CREDIT) },
        Event::Admit {
            fund: name("a"),
            model: name("m/a"),
            publisher: name("SPONSOR"),
            price: PriceNano::from_nano(ONE),
            bond: Cash::from_micro(1),
            contributors: Vec::new(),
        },
        Event::Seed {
            fund: name("a"),
            who: name("SPONSOR"),
            amount: Cash::from_micro(1_000 * CREDIT),
            day: None,
        },
        batch.clone(),
        redeem("SPONSOR", 100),
        seal("ANN", 100, &bids),
        call(1),
        strike(1),
        passing,
        mark(ONE),
        strike(2),
        open("ANN", &bids),
        close(4),
        mark(ONE),
        strike(4),
        batch,
        strike(5),
    ]
}

/// The fund of `opened` under rules that a watch can follow.
fn watched(change: impl Fn(&mut Vec<Event>)) -> Result<Disclosures, WatchError> {
    let text = include_str!("../../cli/demo/methodology.json");
    let mut rules: Methodology = serde_json::from_str(text).unwrap();
    rules.auction = Some(RULES);
    (rules.spread_ppb, rules.counterparties) = (0, Vec::new());
    rules.validate().unwrap();
    let mut events = life(&rules);
    change(&mut events);
    let (mut state, mut watch) = (State::new(), Watch::new(name("a"), rules));
    let mut told = Disclosures::new();
    for event in &events {
        watch.before(&state, event);
        let done = apply(&state, event);
        let done = done.map_err(|_| WatchError::Internal("the engine refuses"))?;
        state.commit(&done);
        watch.after(&state, event, &done)?;
        told.follow(event, &done);
        let (fund, trail) = (state.fund(&name("a")).unwrap(), told.trail(&name("a")).unwrap());
        assert_eq!(trail.standing().nav, fund.nav(&state), "after {}", event.op());
        assert_eq!(trail.standing().shares, fund.shares(&state), "after {}", event.op());
        let disclosed = Disclosure::of(trail, &state, fund, fund.day()).unwrap();
        let held: i64 = disclosed.sources.held.values().map(|cash| cash.as_micro()).sum();
        assert_eq!(Cash::from_micro(held), fund.cash(&state), "after {}", event.op());
    }
    Ok(told)
}

/// Proves that what stands beside the NAV ties out through an auction: cash by source and NAV by moves after every event, what leavers
/// were paid, the sale as one to a third party, the deposit that was lost as a recovery, and the attribution to the last femto.
#[test]
fn what_is_told_ties() {
    let told = watched(|events| {
        // Somebody else's bid stays shut.
        let deposit = Event::Deposit { who: name("BEN"), amount: Cash::from_micro(20 * CREDIT) };
        events.insert(7, seal("BEN", 100, &[]));
        events.insert(7, deposit);
    })
    .unwrap();
    let trail = told.trail(&name("a")).unwrap();
    for (from, to) in [(0, 4), (1, 4), (2, 3)] {
        let found = attribute(trail, from, to).unwrap();
        let sum: Femto = found.ledger.values().copied().sum();
        assert_eq!(sum, found.to.nav - found.from.map_or(Femto::ZERO, |point| point.nav));
        assert!(!found.ledger.contains_key(&Cause::Other), "{found:?}");
        let income = found.ledger[&Cause::Income];
        assert_eq!(income.as_femto(), Some(20_000_000_000_000_000), "BEN's deposit");
    }
}

/// Proves that the proof follows a fund through seal, call, opening, end, strike and batch, and the batch that passes meanwhile; and that
/// it refuses a batch at other weights, one that trades nothing where it should, bids that were not sealed, an end before its day, a strike
/// that passes over an end, and a batch that does not follow right upon its strike.
#[test]
fn the_proof_follows() {
    watched(|_| ()).unwrap();
    let refused = |change: fn(&mut Vec<Event>)| watched(change).map(drop).unwrap_err().to_string();
    let engine = "internal error in the proof of a strike: the engine refuses";
    assert_eq!(refused(|events| events[14] = close(3)), engine);
    assert_eq!(refused(|events| events[13] = open("ANN", &[buys(11, 1_000_000)])), engine);
    assert_eq!(refused(|events| drop(events.remove(16))), engine, "a batch before its strike");
    let over = refused(|events| drop(events.remove(14)));
    assert!(over.starts_with("event 16: the auction has bids whose days"), "{over}");
    let said = refused(|events| events[17] = events[10].clone());
    assert!(said.starts_with("event 18: "), "bids are open: it must trade: {said}");
    let said = refused(|events| {
        if let Event::Rebalance { weights, .. } = &mut events[17] {
            weights.insert(name("m/a"), Ppb::from_ppb(ONE / 2));
        }
    });
    assert!(said.starts_with("event 18, weights.m/a: "), "{said}");
    let late = refused(|events| events.insert(17, redeem("SPONSOR", 1)));
    assert!(late.starts_with("event 18: the auction met its strike, and the batch"), "{late}");
}

/// Proves that nobody chooses the marks of a batch by leaving one out: the proof refuses a strike that met its bids and no batch, one that
/// counts for leavers alone, eligibility that is said between the two, a strike that met bids whose purses nobody asked for again, one
/// without prices after the end, and prices that are bound when the days were over; and that it takes what was bound before they were.
#[test]
fn the_proof_demands_the_batch() {
    let refused = |change: fn(&mut Vec<Event>)| watched(change).map(drop).unwrap_err().to_string();
    let no_batch = refused(|events| events[17] = mark(ONE));
    assert!(no_batch.starts_with("event 18: the auction met its strike"), "{no_batch}");
    let idle = refused(|events| events[17] = events[10].clone());
    assert!(idle.starts_with("event 18: the auction met its strike"), "{idle}");
    let barred = Event::SetEligible { fund: name("a"), model: name("m/a"), eligible: false };
    let steered = watched(|events| events.insert(17, barred.clone()));
    let steered = steered.map(drop).unwrap_err().to_string();
    assert!(steered.starts_with("event 18: the auction met its strike"), "{steered}");
    let unasked = watched(|events| {
        // A strike in doubt met nobody, and the next one did not ask.
        let hold = |held| Event::HoldSubscriptions { fund: name("a"), held };
        events.splice(15..15, [hold(true), mark(ONE), strike(4), hold(false)]);
    });
    let unasked = unasked.map(drop).unwrap_err().to_string();
    assert!(unasked.starts_with("event 21: the auction met its strike, and nobody"), "{unasked}");
    let no_prices = refused(|events| drop(events.drain(15..16)));
    assert!(no_prices.starts_with("event 16: the auction has open bids"), "{no_prices}");
    let [commit, book, told] = bound(ONE, 3, 5);
    let over = watched(|events| {
        events.truncate(14);
        events.extend([mark(ONE), redeem("SPONSOR", 1), in_kind(4), commit.clone()]);
    });
    let over = over.map(drop).unwrap_err().to_string();
    assert!(over.starts_with("event 18: the auction has bids whose days"), "{over}");
    watched(|events| {
        events.truncate(14);
        events.extend([commit.clone(), book.clone(), told.clone(), strike(5)]);
        events.extend([close(5), mark(ONE), strike(5)]);
    })
    .unwrap();
}
