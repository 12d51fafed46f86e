//! The instant window in the journal: a payment stands right before its strike and is never passed over; one at wrong marks is restated.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;

use std::collections::BTreeMap;

use common::{commit, name};
use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    fund::{
        Asset, Event, Methodology, PriceSet, Salt, State, WindowParams, apply,
        restatement::{Dealt, WindowDealt, restate},
    },
    proof::{OrderKind, StrikeFacts, Watch},
};

const CREDIT: i64 = 1_000_000;
const SHARE: i64 = 1_000_000_000;

fn rules() -> Methodology {
    let text = include_str!("../../cli/demo/methodology.json");
    let rules = Methodology::parse(text).unwrap();
    let window =
        WindowParams { budget: Ppb::from_ppb(250_000_000), levy_out: Ppb::from_ppb(5_000_000) };
    Methodology { window: Some(window), ..rules }
}

/// A journal that is followed.
#[derive(Clone)]
struct World {
    state: State,
    watch: Watch,
}

impl World {
    /// A fund of 1,000 shares in cash; BEN has 100.
    fn open() -> Self {
        let mut world = Self { state: State::new(), watch: Watch::new(name("w"), rules()) };
        let ok = |world: &mut Self, event: Event| assert_eq!(world.post(&event), Ok(None));
        ok(&mut world, Event::CreateFund { fund: name("w"), params: rules().fund_params() });
        for who in ["SPONSOR", "LP", "PUB"] {
            let amount = Cash::from_micro(10_000 * CREDIT);
            ok(&mut world, Event::Deposit { who: name(who), amount });
        }
        ok(
            &mut world,
            Event::Admit {
                fund: name("w"),
                model: name("m/a"),
                publisher: name("PUB"),
                price: PriceNano::from_nano(SHARE),
                bond: Cash::from_micro(1),
                contributors: Vec::new(),
            },
        );
        let amount = Cash::from_micro(1_000 * CREDIT);
        ok(&mut world, Event::Seed { fund: name("w"), who: name("SPONSOR"), amount, day: None });
        let (to, asset) = (name("BEN"), Asset::Share(name("w")));
        ok(&mut world, Event::Transfer { who: name("SPONSOR"), to, asset, amount: 100 * SHARE });
        world
    }

    /// What the watch says of an event that the engine takes: the facts of a strike, or what is wrong.
    fn post(&mut self, event: &Event) -> Result<Option<StrikeFacts>, String> {
        let batch = apply(&self.state, event).unwrap();
        self.watch.before(&self.state, event);
        self.state.commit(&batch);
        self.watch.after(&self.state, event, &batch).map_err(|error| error.to_string())
    }
}

fn ask(who: &str) -> Event {
    let shares = Shares::from_nano(10 * SHARE);
    Event::RequestWindow { fund: name("w"), who: name(who), shares, least: PriceNano::ZERO }
}

fn pay(day: i64) -> Event {
    Event::PayWindow { fund: name("w"), day }
}

fn strike(day: i64) -> Event {
    Event::Strike { fund: name("w"), day }
}

fn mark(price: i64) -> Event {
    let prices = BTreeMap::from([(name("m/a"), PriceNano::from_nano(price))]);
    Event::MarkSet { fund: name("w"), prices, estimates: BTreeMap::new() }
}

/// Proves that a strike's facts have its payments and their orders, those of one who was given everything back among them; that a
/// payment with another event of the fund behind it, of another day than its strike's, for an order that came after the marks, and a
/// strike that passes over what could be paid are named; and that nothing of it stands where the window is shut.
#[test]
fn a_payment_stands_before_its_strike() {
    let hold = |held| Event::HoldSubscriptions { fund: name("w"), held };
    let redeem = Event::Redeem { fund: name("w"), who: name("BEN"), shares: Shares::from_nano(1) };
    let paid = |mut events: Vec<Event>| {
        events.insert(0, mark(SHARE));
        events.insert(0, ask("BEN"));
        events
    };
    for (events, wrong) in [
        (paid(vec![pay(0), strike(0)]), None),
        (paid(vec![pay(0), redeem, strike(0)]), Some("its strike did not follow")),
        (paid(vec![pay(0), strike(1)]), Some("on another day")),
        (paid(vec![strike(0)]), Some("the strike passed over it")),
        (paid(vec![hold(true), strike(0)]), None),
        (vec![mark(SHARE), ask("BEN"), pay(0), strike(0)], Some("whose prices were set after")),
        (vec![ask("BEN"), pay(0), strike(0)], None),
    ] {
        let mut world = World::open();
        let found = events.iter().find_map(|event| world.post(event).err());
        match (&found, wrong) {
            (Some(found), Some(wrong)) => assert!(found.contains(wrong), "{found}"),
            (found, wrong) => assert_eq!(found.as_deref(), wrong, "{events:?}"),
        }
    }
    let mut world = World::open();
    for event in [ask("BEN"), mark(SHARE), pay(0)] {
        world.post(&event).unwrap();
    }
    let facts = world.post(&strike(0)).unwrap().unwrap();
    let orders: Vec<_> =
        facts.orders.iter().map(|order| (order.kind, order.who.as_str())).collect();
    assert_eq!(orders, [(OrderKind::Window, "BEN")]);
    // A share is a credit; half a percent of ten stays.
    assert_eq!((facts.window.len(), facts.window[0].cash), (1, Cash::from_micro(9_950_000)));
    assert_eq!(facts.cash, Cash::from_micro(990_050_000));
    let next = world.post(&strike(1)).unwrap().unwrap();
    assert!(next.window.is_empty() && next.orders.is_empty());
    assert!(
        !serde_json::to_string(&next).unwrap().contains("window"),
        "old records stay as they are"
    );
}

/// Proves that requests are under the root of the closed book, are settled by the strike that it is for, and are among its orders where
/// its prices were withheld and they have their shares back.
#[test]
fn requests_are_in_the_book() {
    let (fund, salt) = (name("w"), Salt::from_bytes([3; 32]));
    let prices = BTreeMap::from([(name("m/a"), PriceNano::from_nano(SHARE))]);
    let estimates = BTreeMap::new();
    let set =
        PriceSet { fund: &fund, number: 1, prices: &prices, estimates: &estimates, salt: &salt };
    let commitment = set.commitment().unwrap();
    let mut world = World::open();
    for event in [
        Event::CommitPrices { fund: fund.clone(), commitment },
        ask("BEN"),
        Event::CloseOrders { fund: fund.clone(), day: 0, salt },
        ask("SPONSOR"),
    ] {
        world.post(&event).unwrap();
    }
    assert_eq!(world.watch.commitment().unwrap().book.unwrap().count, 1);
    let mut told = world.clone();
    told.post(&Event::RevealPrices { fund, prices, estimates, salt }).unwrap();
    for (mut world, paid) in [(told, 1), (world, 0)] {
        if paid > 0 {
            world.post(&pay(0)).unwrap();
        }
        let facts = world.post(&strike(0)).unwrap().unwrap();
        let orders: Vec<_> = facts.orders.iter().map(|o| (o.kind, o.who.as_str())).collect();
        assert_eq!(orders, [(OrderKind::Window, "BEN")]);
        assert_eq!(facts.window.len(), paid);
        // SPONSOR waits for the strike after it.
        world.post(&pay(0)).unwrap();
        let next = world.post(&strike(0)).unwrap().unwrap();
        assert_eq!(next.orders[0].who, name("SPONSOR"));
    }
}

/// Proves that a strike which winds the fund up gives back what is in its book and no more: a request behind the cut-off is in no strike
/// of it, so that nobody keeps a strike from being proven by asking late.
#[test]
fn a_late_request_is_in_no_winding_strike() {
    let (fund, salt) = (name("w"), Salt::from_bytes([3; 32]));
    let prices = BTreeMap::from([(name("m/a"), PriceNano::from_nano(1))]);
    let estimates = BTreeMap::new();
    let set =
        PriceSet { fund: &fund, number: 2, prices: &prices, estimates: &estimates, salt: &salt };
    let commitment = set.commitment().unwrap();
    let tell = Event::RevealPrices { fund: fund.clone(), prices, estimates, salt };
    for (early, late) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut world = World::open();
        assert!(world.post(&strike(0)).unwrap().is_some());
        let all = Event::Rebalance {
            fund: fund.clone(),
            weights: BTreeMap::from([(name("m/a"), Ppb::from_ppb(1_000_000_000))]),
            cash: Ppb::ZERO,
            spread: Ppb::ZERO,
            counterparties: vec![name("LP")],
            max_primary: None,
        };
        // All in units: no trade of these rules, which are not what is asked here.
        assert!(world.post(&all).is_err());
        world.post(&Event::CommitPrices { fund: fund.clone(), commitment }).unwrap();
        if early {
            world.post(&ask("BEN")).unwrap();
        }
        world.post(&Event::CloseOrders { fund: fund.clone(), day: 0, salt }).unwrap();
        if late {
            world.post(&ask("SPONSOR")).unwrap();
        }
        world.post(&tell).unwrap();
        if early {
            world.post(&pay(0)).unwrap();
        }
        let facts = world.post(&strike(0)).unwrap().unwrap();
        assert_eq!((facts.winding, facts.orders.len()), (true, usize::from(early)));
        let waits = world.state.fund(&fund).unwrap().window().requests();
        let who: Vec<_> = waits.iter().map(|(who, _)| who.as_str()).collect();
        assert_eq!(who, if late { vec!["SPONSOR"] } else { Vec::new() });
        // It is taken back, or the next strike gives it back.
        assert!(world.post(&strike(0)).is_ok());
        assert!(world.state.fund(&fund).unwrap().window().requests().is_empty());
    }
}

/// 500 in cash, 500 units, 100 of which were just sold at one; BEN was paid for ten of 1,000 shares at a mark, before a strike at it.
fn dealt(marked: i64) -> Dealt {
    let mut state = World::open().state;
    let mut act = |event: Event| (state.clone(), commit(&mut state, &event).unwrap());
    for part in [600_000_000, 500_000_000] {
        act(Event::Rebalance {
            fund: name("w"),
            weights: BTreeMap::from([(name("m/a"), Ppb::from_ppb(1_000_000_000))]),
            cash: Ppb::from_ppb(1_000_000_000 - part),
            spread: Ppb::ZERO,
            counterparties: vec![name("LP")],
            max_primary: None,
        });
    }
    act(mark(marked));
    act(ask("BEN"));
    let (before, batch) = act(pay(0));
    let window = WindowDealt::before(&before, before.fund(&name("w")).unwrap()).paid(0, &batch);
    assert!(window.is_some());
    let (before, batch) = act(strike(0));
    let dealt = Dealt::before(&before, before.fund(&name("w")).unwrap()).unwrap();
    dealt.with_window(window).struck(&batch).unwrap()
}

/// Proves that who was paid too little at a wrong mark is owed the difference, and what somebody was paid too much is the fund's loss; that
/// a price above what units brought changes nothing; and that where nothing was wrong nobody is compensated.
#[test]
fn a_payment_at_a_wrong_mark_is_restated() {
    let (set, micro) = (
        |price: i64| BTreeMap::from([(name("m/a"), PriceNano::from_nano(price))]),
        Cash::from_micro,
    );
    // 9.95 shares of 1,000: at a mark of one they are paid out of 600, at a half out of 550. Mark, right price and estimate, paid, right.
    for (marked, price, estimate, paid, right) in [
        (SHARE, SHARE, None, 5_970_000, 5_970_000),
        (SHARE, 2 * SHARE, None, 5_970_000, 5_970_000),
        (SHARE, SHARE / 2, None, 5_970_000, 5_472_500),
        (SHARE, SHARE, Some(SHARE / 2), 5_970_000, 5_472_500),
        (SHARE / 2, SHARE, None, 5_472_500, 5_970_000),
    ] {
        let estimates = estimate.map(set).unwrap_or_default();
        let threshold = Ppb::from_ppb(5_000_000);
        let found = restate(&dealt(marked), &set(price), &estimates, threshold).unwrap();
        let part = &found.leavers[0];
        let (loss, gain) = ((right - paid).max(0), (paid - right).max(0));
        let told = (part.paid, part.right, part.loss, part.gain);
        assert_eq!(told, (micro(paid), micro(right), micro(loss), micro(gain)), "{marked} {price}");
        let owed = (loss > 0).then(|| (name("BEN"), micro(loss)));
        assert_eq!(found.losses().unwrap(), owed.into_iter().collect());
        assert_eq!(found.fund_loss().unwrap(), micro(gain));
        assert_eq!(found.passes, price != marked || estimate.is_some());
    }
}
