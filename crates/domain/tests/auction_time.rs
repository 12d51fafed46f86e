//! When bids are opened, and what becomes of them where no batch comes: nobody is hurried, nobody is kept waiting, no deposit is lost
//! but by its bidder.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "tests share the bidders")]
mod bidding;
#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;

use bidding::*;
use domain::{
    amount::{Cash, Femto, Ppb, PriceNano},
    digest::Digest,
    disclosure::{Cause, Disclosure, Disclosures, attribute},
    fund::{AuctionParams, Event, FundParams, Kind, Methodology, State, apply},
    proof::{Watch, WatchError},
};

fn nav(state: &State) -> i128 {
    state.fund(&name("a")).unwrap().nav(state).as_femto().unwrap()
}

/// Proves that a batch waits until what is called is open or its days are over, that the days are whole ones after that of the call,
/// that what stays shut is lost to the fund then and not before, and that the clock keeps the day that the operator said.
#[test]
fn nobody_shortens_the_opening() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    all(&mut state, [seal("ANN", 100, &bids), seal("BEN", 100, &bids), strike(5)]);
    let batch = rebalance(500_000_000);
    assert_eq!(code(&state, &batch), "auction", "not called yet");
    assert_eq!(code(&state, &close(9)), "nothing");
    all(&mut state, [call(6)]);
    assert_eq!(code(&state, &batch), "auction", "both are shut");
    all(&mut state, [open("ANN", &bids)]);
    assert_eq!(code(&state, &batch), "auction", "one is shut");
    for (day, said) in [(5, "clock"), (6, "auction"), (8, "auction"), (9, "done")] {
        assert_eq!(code(&state, &close(day)), said, "day {day}");
    }
    let (before, had) = (nav(&state), cash(&state, "BEN"));
    all(&mut state, [close(9)]);
    assert_eq!(nav(&state) - before, 20_000_000_000_000_000, "a fifth of his budget");
    assert_eq!(code(&state, &open("BEN", &bids)), "nothing", "it is gone");
    assert_eq!(code(&state, &strike(8)), "clock", "the day of the end is the fund's");
    let done = commit(&mut state, &batch).unwrap();
    assert_eq!(trades(&done, Kind::Sell).len(), 1);
    assert_eq!((cash(&state, "BEN"), nav(&state) - before), (had, 20_000_000_000_000_000));
    let auction = state.fund(&name("a")).unwrap().auction().clone();
    assert_eq!(auction.last().unwrap().forfeited, Cash::from_micro(20 * CREDIT));
    assert!(auction.sealed().is_empty() && auction.call().is_none());
    // Where all is open nobody waits for the days; without bids there is nothing to wait for.
    all(&mut state, [seal("ANN", 100, &bids), strike(9), call(9), open("ANN", &bids)]);
    all(&mut state, [rebalance(500_000_000), strike(9), rebalance(500_000_000)]);
}

/// Proves that strikes between the call and the batch trap nobody: a batch that trades nothing counts once for each of them, leavers
/// have their units after the third, but not while the bids that may buy them are being opened (days 1 to 3), the bids stay, and what is sealed meanwhile waits for the next auction without holding this one up.
#[test]
fn strikes_between() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    all(&mut state, [seal("ANN", 100, &bids), redeem("SPONSOR", 100), strike(1), call(1)]);
    assert_eq!(code(&state, &rebalance(500_000_000)), "auction");
    for day in 1..=4 {
        if day > 1 {
            all(&mut state, [strike(day)]);
        }
        assert_eq!(state.fund(&name("a")).unwrap().pools().len(), 1, "day {day}");
        all(&mut state, [idle()]);
        assert_eq!(code(&state, &idle()), "auction", "one a strike");
    }
    assert!(state.fund(&name("a")).unwrap().pools().is_empty());
    assert_eq!(units(&state, "SPONSOR"), 60 * CREDIT, "delivered");
    all(&mut state, [seal("BEN", 100, &bids), strike(4)]);
    assert_eq!(code(&state, &open("BEN", &bids)), "auction", "not of this call");
    all(&mut state, [open("ANN", &bids)]);
    let batch = commit(&mut state, &rebalance(500_000_000)).unwrap();
    assert_eq!(trades(&batch, Kind::Sell), [("ANN".to_owned(), 10 * CREDIT, ONE)]);
    let auction = state.fund(&name("a")).unwrap().auction();
    assert_eq!(auction.sealed().keys().cloned().collect::<Vec<_>>(), [name("BEN")]);
    // His turn comes with the next call.
    all(&mut state, [call(4), open("BEN", &bids), rebalance(400_000_000)]);
    assert_eq!(units(&state, "BEN"), 10 * CREDIT);
}

fn adopt(auction: Option<AuctionParams>) -> Event {
    let params = FundParams { auction, ..params() };
    let digest = Digest::of(format!("{params:?}").as_bytes());
    Event::AdoptMethodology { fund: name("a"), digest, params }
}

/// Proves that other rules for the auction, none, and a pause give every deposit back, of shut bids and of open ones; that rules with
/// the same auction leave them; and that nothing holds the next batch up.
#[test]
fn deposits_return() {
    let wider = AuctionParams { band: Ppb::from_ppb(1), ..RULES };
    let pause = Event::Pause { fund: name("a"), paused: true };
    for (event, returns) in [
        (adopt(None), true),
        (adopt(Some(wider)), true),
        (pause, true),
        (adopt(Some(RULES)), false),
    ] {
        for calls in [false, true] {
            let mut state = opened();
            let bids = [buys(10, 1_000_000)];
            all(&mut state, [seal("ANN", 100, &bids), seal("BEN", 100, &bids), strike(1)]);
            if calls {
                all(&mut state, [call(1), open("ANN", &bids)]);
            }
            all(&mut state, [event.clone()]);
            let wanted = if returns { 10_000 } else { 9_980 } * CREDIT;
            assert_eq!([cash(&state, "ANN"), cash(&state, "BEN")], [wanted; 2], "{event:?}");
            let auction = state.fund(&name("a")).unwrap().auction();
            assert_eq!(auction.sealed().is_empty(), returns);
            if returns {
                assert_eq!(auction.call(), None);
                assert_eq!(code(&state, &open("BEN", &bids)), "nothing");
                assert_eq!(code(&state, &idle()), "done", "{event:?}");
            }
        }
    }
    let mut state = opened();
    all(&mut state, [Event::Pause { fund: name("a"), paused: true }]);
    assert_eq!(code(&state, &seal("ANN", 100, &[buys(10, 1)])), "paused");
}

/// Proves that a model which is delisted between sealing and batch costs nobody his deposit or his other bids, and that a fund that
/// winds up still sells to its bidders.
#[test]
fn delisting_and_winding_up() {
    let bids = [buys(10, 1_000_000)];
    let mut state = opened();
    all(&mut state, [seal("ANN", 100, &bids), strike(1), call(1)]);
    all(&mut state, [Event::Delist { fund: name("a"), model: name("m/a") }, open("ANN", &bids)]);
    let nothing = Event::Rebalance {
        fund: name("a"),
        weights: [].into(),
        cash: Ppb::ZERO,
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: None,
    };
    all(&mut state, [nothing]);
    assert_eq!((cash(&state, "ANN"), units(&state, "ANN")), (10_000 * CREDIT, 0));

    let mut state = opened();
    let cheap = [buys(600, 1_000)];
    all(&mut state, [rebalance(ONE), strike(0), seal("ANN", 100, &cheap)]);
    let price = PriceNano::from_nano(ONE / 1000);
    let prices = [(name("m/a"), price)].into();
    let mark = Event::MarkSet { fund: name("a"), prices, estimates: [].into() };
    // A minimum of one credit is 1,000 units by now: nothing is traded, and the deposit returns.
    all(&mut state, [mark, strike(1)]);
    assert!(state.fund(&name("a")).unwrap().winding());
    all(&mut state, [call(1), open("ANN", &cheap), rebalance(0)]);
    assert_eq!(cash(&state, "ANN"), 10_000 * CREDIT);
    let larger = [buys(1_000, 1_000)];
    all(&mut state, [seal("ANN", 100, &larger), strike(1), call(1), open("ANN", &larger)]);
    let batch = commit(&mut state, &rebalance(0)).unwrap();
    assert_eq!(trades(&batch, Kind::Sell)[0].1, 1_000 * CREDIT, "it winds up to cash");
}

/// Proves that a full house is not a closed one: a larger budget takes the place of the smallest that was sealed since the last strike,
/// whose deposit returns; but nobody is moved who was there at a strike, so that no bidder gets out by sealing more.
#[test]
fn a_full_house() {
    let mut state = opened();
    let least = |n: usize| seal(&format!("H{n}"), 1, &[]);
    for n in 0..1_000 {
        let gift = give(&format!("H{n}"), domain::fund::Asset::Cash, CREDIT);
        for event in [gift, least(n)] {
            commit(&mut state, &event).unwrap();
        }
    }
    assert_eq!(code(&state, &seal("ANN", 1, &[])), "limit", "no larger than the others");
    all(&mut state, [seal("ANN", 2, &[])]);
    assert_eq!(cash(&state, "H999"), CREDIT, "the last of the smallest");
    let auction = state.fund(&name("a")).unwrap().auction();
    assert_eq!(auction.sealed().len(), 1_000);
    all(&mut state, [strike(0)]);
    assert_eq!(code(&state, &seal("BEN", 1_000, &[])), "limit", "marks are known by now");
}

/// The fund of `opened` under rules that a watch can follow.
fn watched(change: impl Fn(&mut Vec<Event>)) -> Result<Disclosures, WatchError> {
    let text = include_str!("../../cli/demo/methodology.json");
    let mut rules: Methodology = serde_json::from_str(text).unwrap();
    rules.auction = Some(RULES);
    (rules.spread_ppb, rules.counterparties) = (0, Vec::new());
    rules.validate().unwrap();
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
    let mut events = vec![
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
        strike(1),
        call(1),
        passing,
        strike(2),
        open("ANN", &bids),
        close(4),
        batch,
        strike(5),
    ];
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
    for (from, to) in [(0, 3), (1, 3), (2, 3)] {
        let found = attribute(trail, from, to).unwrap();
        let sum: Femto = found.ledger.values().copied().sum();
        assert_eq!(sum, found.to.nav - found.from.map_or(Femto::ZERO, |point| point.nav));
        assert!(!found.ledger.contains_key(&Cause::Other), "{found:?}");
        let income = found.ledger[&Cause::Income];
        assert_eq!(income.as_femto(), Some(20_000_000_000_000_000), "BEN's deposit");
    }
}

/// Proves that the proof follows a fund through seal, call, opening, end and batch, and the batch that passes meanwhile; and that it
/// refuses a batch at other weights, one that trades nothing where it should, bids that were not sealed, and an end before its day.
#[test]
fn the_proof_follows() {
    watched(|_| ()).unwrap();
    let refused = |change: fn(&mut Vec<Event>)| watched(change).map(drop).unwrap_err().to_string();
    let engine = "internal error in the proof of a strike: the engine refuses";
    assert_eq!(refused(|events| events[13] = close(3)), engine);
    assert_eq!(refused(|events| events[12] = open("ANN", &[buys(11, 1_000_000)])), engine);
    assert_eq!(refused(|events| drop(events.remove(9))), engine, "a batch that no call allows");
    assert_eq!(refused(|events| drop(events.drain(12..14))), engine, "a batch before the end");
    let said = refused(|events| events[14] = events[10].clone());
    assert!(said.starts_with("event 15, "), "bids are open: it must trade: {said}");
    let said = refused(|events| {
        if let Event::Rebalance { weights, .. } = &mut events[14] {
            weights.insert(name("m/a"), Ppb::from_ppb(ONE / 2));
        }
    });
    assert!(said.starts_with("event 15, weights.m/a: "), "{said}");
}
