//! Orders after a cut-off whose strike is late, and orders that are held back: who is in which strike, and what nobody can do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{INVESTORS, MODELS, commit, ledger, name};
use domain::{
    amount::{Cash, Femto, Ppb, PriceNano, Shares},
    digest::Digest,
    fund::{Event, FeeSpan, Outcome, Salt, State, StrikeOutcome, apply, divide_fees},
    name::Name,
    simulation::attacks,
};

const DAY: i64 = 86_400_000;

fn join(who: usize, amount: i64) -> Event {
    Event::Subscribe {
        fund: name("f"),
        who: name(INVESTORS[who]),
        amount: Cash::from_micro(amount),
    }
}

fn leave(who: usize, shares: i64) -> Event {
    Event::Redeem { fund: name("f"), who: name(INVESTORS[who]), shares: Shares::from_nano(shares) }
}

fn cancel(who: usize, joins: bool, place: u64) -> Event {
    let (fund, who) = (name("f"), name(INVESTORS[who]));
    if joins {
        Event::CancelSubscription { fund, who, place }
    } else {
        Event::CancelRedemption { fund, who, place }
    }
}

fn cut(at: i64) -> Event {
    Event::CutOff { fund: name("f"), at }
}

fn hold(who: usize, place: u64, held: bool) -> Event {
    Event::HoldOrder { fund: name("f"), who: name(INVESTORS[who]), place, held, day: 9 }
}

fn strike(day: i64) -> Event {
    Event::Strike { fund: name("f"), day }
}

fn code(state: &State, event: &Event) -> Result<(), &'static str> {
    apply(state, event).map(drop).map_err(|rejection| rejection.code())
}

fn run(state: &mut State, events: &[Event]) {
    for event in events {
        commit(state, event).unwrap();
    }
}

fn struck(state: &mut State, day: i64) -> StrikeOutcome {
    let batch = commit(state, &strike(day)).unwrap();
    let Outcome::Strike(strike) = batch.outcome else { panic!("no outcome") };
    strike
}

fn amounts(strike: &StrikeOutcome) -> (Vec<i64>, Vec<i64>) {
    let fills = strike.fills.iter().map(|fill| fill.cash.as_micro()).collect();
    (fills, strike.slices.iter().map(|slice| slice.shares.as_nano()).collect())
}

fn waiting(state: &State) -> (Vec<i64>, Vec<i64>) {
    let fund = state.fund(&name("f")).unwrap();
    let joins = fund.pending_subscriptions().iter().map(|order| order.1.as_micro()).collect();
    (joins, fund.pending_redemptions().iter().map(|order| order.1.as_nano()).collect())
}

/// Proves that a strike deals with all that came before a cut-off and nothing that came after it, joiners and leavers alike; that a second
/// cut-off takes in what came between the two; that what came behind waits for the strike after it; and that a strike without a cut-off
/// deals with all, as before.
#[test]
fn late_orders_wait_for_the_next_strike() {
    let mut state = ledger();
    run(&mut state, &[join(1, 10_000_000), leave(0, 1_000), cut(5 * DAY)]);
    run(&mut state, &[join(1, 20_000_000), leave(0, 2_000)]);
    let mut twice = state.clone();
    assert_eq!(amounts(&struck(&mut state, 6)), (vec![10_000_000], vec![1_000]));
    assert_eq!(waiting(&state), (vec![20_000_000], vec![2_000]));
    assert_eq!(state.fund(&name("f")).unwrap().cut_off(), None);
    assert_eq!(amounts(&struck(&mut state, 6)), (vec![20_000_000], vec![2_000]));
    run(&mut twice, &[cut(6 * DAY), join(1, 30_000_000), leave(0, 3_000)]);
    let both = (vec![10_000_000, 20_000_000], vec![1_000, 2_000]);
    assert_eq!(amounts(&struck(&mut twice, 7)), both);
    assert_eq!(waiting(&twice), (vec![30_000_000], vec![3_000]));
    assert_eq!((state.check(), twice.check()), (Ok(()), Ok(())));
}

/// Proves each refusal with its code: no cut-off before the seed, in an impossible day, twice for one instant or for an earlier one, or
/// beside a commitment; no order of the book taken back, while those behind it are; no commitment behind a cut-off; no book opened before
/// its third day, counted from the first instant that waits. After it everybody takes his order back, so nobody is shut in.
#[test]
fn what_is_cut_off_stays_in() {
    let mut state = ledger();
    let (fund, day) = (name("f"), 8);
    let reopen = |day| Event::ReopenOrders { fund: name("f"), day };
    let bind = Event::CommitPrices { fund: fund.clone(), commitment: Digest::of(b"") };
    for (event, wanted) in [
        (cut(-1), Err("clock")),
        (cut(i64::MAX), Err("clock")),
        (Event::CutOff { fund: name("none"), at: 0 }, Err("fund")),
        (reopen(9), Err("commitment")),
    ] {
        assert_eq!(code(&state, &event), wanted, "{event:?}");
    }
    let mut bound = state.clone();
    run(&mut bound, std::slice::from_ref(&bind));
    assert_eq!(code(&bound, &cut(DAY)), Err("commitment"));
    run(&mut state, &[join(1, 10_000_000), leave(0, 1_000), cut(5 * DAY + 1)]);
    run(&mut state, &[join(1, 20_000_000), leave(0, 2_000), cut(7 * DAY), join(1, 30_000_000)]);
    for (event, wanted) in [
        (cut(7 * DAY), Err("closed")),
        (cut(6 * DAY), Err("closed")),
        (bind, Err("commitment")),
        (cancel(1, true, 0), Err("closed")),
        (cancel(1, true, 1), Err("closed")),
        (cancel(0, false, 1), Err("closed")),
        (cancel(1, true, 2), Ok(())),
        (reopen(7), Err("closed")),
        (reopen(day), Ok(())),
    ] {
        assert_eq!(code(&state, &event), wanted, "{event:?}");
    }
    run(&mut state, &[reopen(day), cancel(0, false, 0), cancel(1, true, 0)]);
    // What is left is closed again for the same instant, and still counts from the first.
    run(&mut state, &[cut(7 * DAY), join(1, 40_000_000)]);
    assert_eq!(code(&state, &cancel(1, true, 0)), Err("closed"));
    assert_eq!(code(&state, &reopen(day)), Ok(()));
    assert_eq!(amounts(&struck(&mut state, day)), (vec![20_000_000, 30_000_000], vec![2_000]));
    assert_eq!(state.check(), Ok(()));
}

/// Proves that an order that is held back waits over strikes, closed books and reveals, keeps its hold when places move, is taken back by
/// nobody, and is dealt with at the ask of the first strike after its release; that others of its owner are not held with it; that
/// leaving is open to him; and that what goes back to all goes back to him.
#[test]
fn a_held_order_waits_and_nothing_else() {
    let mut state = ledger();
    run(&mut state, &[join(0, 10_000_000), join(1, 20_000_000), join(1, 30_000_000)]);
    for (event, wanted) in [
        (hold(1, 0, true), Err("nothing")),
        (hold(1, 3, true), Err("nothing")),
        (hold(1, 1, false), Err("nothing")),
        (hold(1, 1, true), Ok(())),
    ] {
        assert_eq!(code(&state, &event), wanted, "{event:?}");
    }
    run(&mut state, &[hold(1, 1, true)]);
    assert_eq!(code(&state, &hold(1, 1, true)), Err("nothing"));
    assert_eq!(code(&state, &cancel(1, true, 1)), Err("held"));
    run(&mut state, &[cancel(0, true, 0)]);
    assert_eq!(state.fund(&name("f")).unwrap().held_since(0), Some(9));
    let mut bound = state.clone();
    assert_eq!(amounts(&struck(&mut state, 9)).0, [30_000_000]);
    run(&mut state, &[cut(10 * DAY), join(1, 40_000_000), leave(0, 1_000)]);
    assert_eq!(amounts(&struck(&mut state, 10)), (vec![], vec![]));
    assert_eq!(amounts(&struck(&mut state, 10)), (vec![40_000_000], vec![1_000]));
    let prices: BTreeMap<Name, PriceNano> =
        MODELS.iter().map(|model| (name(model), PriceNano::from_nano(9_000_000_000))).collect();
    let marks = Event::MarkSet { fund: name("f"), prices, estimates: BTreeMap::new() };
    let (fund, who) = (name("f"), name(INVESTORS[1]));
    run(&mut state, &[marks, Event::HoldOrder { fund, who, place: 0, held: false, day: 11 }]);
    let last = struck(&mut state, 11);
    assert_eq!(amounts(&last).0, [20_000_000]);
    let ask = last.ask.as_femto().unwrap();
    let (fill, shares) = (&last.fills[0], i128::from(last.shares.as_nano()));
    let most = i128::from(fill.cash.as_micro()) * 1_000_000_000 * shares / ask;
    assert!(fill.shares > Shares::ZERO && i128::from(fill.shares.as_nano()) <= most);
    // A commitment that is never told gives back to all.
    let salt = Salt::from_bytes([1; 32]);
    run(
        &mut bound,
        &[
            Event::CommitPrices { fund: name("f"), commitment: Digest::of(b"") },
            Event::CloseOrders { fund: name("f"), day: 9, salt },
        ],
    );
    let withheld = struck(&mut bound, 9);
    assert_eq!(amounts(&withheld).0, [20_000_000, 30_000_000]);
    assert!(withheld.fills.iter().all(|fill| fill.shares == Shares::ZERO));
    assert_eq!(bound.fund(&name("f")).unwrap().held_orders().count(), 0);
    assert_eq!((state.check(), bound.check()), (Ok(()), Ok(())));
}

/// Proves that each strike of a span is divided by the fee shares in force at it: a change just before a distribution rewrites nothing, and
/// a share that was never said is the whole; with the refusals of the event that says it.
#[test]
fn fee_shares_count_from_their_strike_on() {
    let state = ledger();
    let (model, whole) = (name(MODELS[0]), 1_000_000_000);
    let said = |share: i64| Event::SetFeeShare {
        fund: name("f"),
        model: name(MODELS[0]),
        share: Ppb::from_ppb(share),
    };
    for (share, wanted) in
        [(whole, Err("nothing")), (whole + 1, Err("weights")), (-1, Err("weights")), (0, Ok(()))]
    {
        assert_eq!(code(&state, &said(share)), wanted);
    }
    let span = |share: Option<i64>| FeeSpan {
        pool: Shares::from_nano(1_000),
        values: BTreeMap::from([(model.clone(), Femto::from_femto(7))]),
        fee_shares: share.map(|share| (model.clone(), Ppb::from_ppb(share))).into_iter().collect(),
    };
    let split = [(name("PUB"), Ppb::from_ppb(whole))];
    let paid = |spans: &[FeeSpan], stated: &BTreeMap<Name, Ppb>| {
        let parts = divide_fees(spans.to_vec(), stated, |_| &split[..], &name("PUBPOOL")).unwrap();
        parts.get(&name("PUB")).map_or(0, |part| part.as_nano())
    };
    let none = BTreeMap::new();
    let spans = [span(None), span(Some(250_000_000)), span(Some(0))];
    assert_eq!(paid(&spans, &none), 1_000 + 250);
    assert_eq!(paid(&spans[..1], &none), 1_000);
    let stated = BTreeMap::from([(model.clone(), Ppb::from_ppb(500_000_000))]);
    assert_eq!(paid(&spans, &stated), 1_500);
}

/// Proves what the two ways to deal on later knowledge earned while nothing stood against them, and that they earn nothing now: to publish
/// after ordering, and to order after a cut-off whose strike is late.
#[test]
fn later_knowledge_earns_nothing() {
    let (rules, mut before, mut now) = (attacks::free(), [i128::MIN; 2], [i128::MIN; 2]);
    for seed in 0..100 {
        let open = attacks::unguarded(&rules, seed).unwrap();
        let shut = [
            attacks::publish_after_ordering(&rules, seed).unwrap(),
            attacks::order_after_cut_off(&rules, seed).unwrap(),
        ];
        for way in 0..2 {
            before[way] = before[way].max(open[way]);
            now[way] = now[way].max(shut[way]);
        }
    }
    let credits = |femto: i128| femto / 1_000_000_000_000_000;
    println!("before {:?}, now {now:?} femto", before.map(credits));
    assert!(before.iter().all(|earned| credits(*earned) > 1_000), "{before:?}");
    // Rounding of the sales that it is measured by, as elsewhere.
    assert!(now.iter().all(|earned| *earned <= 40_000_000_000), "{now:?}");
}
