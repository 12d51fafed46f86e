//! Creation in kind: the exact slice, whatever the marks say.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{MODELS, commit, ledger, name};
use domain::{
    amount::{Cash, LIMIT, Ppb, PriceNano, Shares},
    fund::{Account, Asset, Event, State, apply, quote_create},
    name::Name,
};
use num_bigint::BigInt;
use proptest::prelude::*;

/// Everything into three models, and a leaver in kind who has sold nothing yet: he holds a slice.
fn invested(prices: [i64; 3]) -> State {
    let mut state = ledger();
    let weight = |model: &&str| (name(model), Ppb::from_ppb(300_000_000));
    let order = Event::Rebalance {
        fund: name("f"),
        weights: MODELS.iter().map(weight).collect(),
        cash: Ppb::from_ppb(80_000_000),
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: None,
    };
    commit(&mut state, &order).unwrap();
    let prices = MODELS.iter().zip(prices);
    let prices = prices.map(|(model, nano)| (name(model), PriceNano::from_nano(nano))).collect();
    let marks = Event::MarkSet { fund: name("f"), prices, estimates: BTreeMap::new() };
    commit(&mut state, &marks).unwrap();
    let half = shares_of(&state, "ANN") / 2;
    leave(&mut state, "ANN", half);
    state
}

fn shares_of(state: &State, who: &str) -> i64 {
    state.balance(&Account::Person(name(who)), &Asset::Share(name("f")))
}

fn leave(state: &mut State, who: &str, shares: i64) {
    let day = state.fund(&name("f")).unwrap().day();
    let (fund, who, shares) = (name("f"), name(who), Shares::from_nano(shares));
    commit(state, &Event::InKind { fund, who, shares, day, skip: Vec::new() }).unwrap();
}

fn create(who: &str, shares: i64, day: i64) -> Event {
    Event::CreateInKind { fund: name("f"), who: name(who), shares: Shares::from_nano(shares), day }
}

/// What an owner has of cash and of each model.
fn holds(state: &State, owner: &Account) -> Vec<i64> {
    let assets = MODELS.iter().map(|model| Asset::Unit(name(model)));
    std::iter::once(Asset::Cash).chain(assets).map(|asset| state.balance(owner, &asset)).collect()
}

/// `a/b ≥ c/d`, exactly.
fn not_below(a: i64, b: i64, c: i64, d: i64) -> bool {
    BigInt::from(a) * BigInt::from(d) >= BigInt::from(c) * BigInt::from(b)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Proves that a creation takes ⌈H·s/S⌉ of everything, the same at any marks; that no holding per share falls, nor NAV per share;
    /// that the quote says what happens; and that who leaves again gets at most what he brought, of every asset.
    #[test]
    fn a_creation_is_the_exact_slice(
        shares in prop_oneof![1..1000_i64, 1..4_000_000_000_000_i64],
        prices in prop::array::uniform3(prop_oneof![Just(0), Just(LIMIT), 1..100_000_000_000_i64]),
        days in 0..500_i64,
    ) {
        let honest = invested([1_234_567_891; 3]);
        let mut state = invested(prices);
        let (fund, owner, ann) = (name("f"), Account::Fund(name("f")), Account::Person(name("ANN")));
        let day = state.fund(&fund).unwrap().day() + days;
        let event = create("ANN", shares, day);
        let quote = quote_create(&state, &fund, Shares::from_nano(shares), day).unwrap();
        let (before, had) = (holds(&state, &owner), holds(&state, &ann));
        let batch = apply(&state, &event);
        let Ok(batch) = batch else {
            let short = quote.cash.as_micro() > had[0]
                || MODELS.iter().zip(&had[1..]).any(|(model, had)| {
                    quote.units.get(&name(model)).is_some_and(|units| units.as_micro() > *had)
                });
            prop_assert!(short, "{batch:?}");
            return Ok(());
        };
        // No number of the custody book is a mark's.
        let same = apply(&honest, &event).unwrap();
        for (entry, other) in batch.entries.iter().zip(&same.entries) {
            prop_assert_eq!(&entry.custody, &other.custody);
        }
        state.commit(&batch);
        prop_assert_eq!(state.check(), Ok(()));
        let supply = quote.supply.as_nano();
        let after = holds(&state, &owner);
        for (held, now) in before.iter().zip(&after) {
            let part = (i128::from(*held) * i128::from(shares) + i128::from(supply) - 1) / i128::from(supply);
            prop_assert_eq!(i128::from(now - held), part);
            prop_assert!(not_below(*now, supply + shares, *held, supply), "{now} of {held}");
        }
        prop_assert_eq!(after[0] - before[0], quote.cash.as_micro());
        let brought: Vec<i64> = had.iter().zip(holds(&state, &ann)).map(|(a, b)| a - b).collect();
        leave(&mut state, "ANN", shares);
        let back: Vec<i64> = holds(&state, &ann).iter().zip(&had).map(|(a, b)| a - b).collect();
        prop_assert!(back.iter().all(|gain| *gain <= 0), "brought {brought:?}, gained {back:?}");
        prop_assert_eq!(state.check(), Ok(()));
    }
}

/// Proves each refusal with its code: arguments, clock, state, balances, bound, in this order; and that a refusal changes nothing.
#[test]
fn refusals() {
    let state = invested([1_000_000_000; 3]);
    let code = |state: &State, event: &Event| apply(state, event).map_err(|e| e.code()).map(|_| ());
    let day = state.fund(&name("f")).unwrap().day();
    let moved = |event: Event, fund: &str| match event {
        Event::CreateInKind { who, shares, day, .. } => {
            Event::CreateInKind { fund: name(fund), who, shares, day }
        }
        other => other,
    };
    for (event, wanted) in [
        (moved(create("ANN", 0, -1), "none"), "fund"),
        (create("ANN", 0, -1), "amount"),
        (create("ANN", LIMIT + 1, -1), "amount"),
        (create("ANN", 1, day - 1), "clock"),
        (create("STRANGER", 1, day), "funds"),
        (create("ANN", LIMIT, day), "funds"),
        // The second fund has cash alone, and STRANGER none of it.
        (moved(create("STRANGER", 1, day), "g"), "funds"),
    ] {
        assert_eq!(code(&state, &event), Err(wanted), "{event:?}");
    }
    let mut empty = ledger();
    let params = domain::fund::FundParams::default();
    commit(&mut empty, &Event::CreateFund { fund: name("new"), params }).unwrap();
    assert_eq!(code(&empty, &moved(create("ANN", 1, 0), "new")), Err("unseeded"));
    // Down by more than 90 % is the end of shares, in kind too.
    let mut falling = state.clone();
    for nano in [20_000_000_000, 0] {
        let price = |model: &&str| (name(model), PriceNano::from_nano(nano));
        let (fund, prices) = (name("f"), MODELS.iter().map(price).collect());
        commit(&mut falling, &Event::MarkSet { fund, prices, estimates: BTreeMap::new() }).unwrap();
        commit(&mut falling, &Event::Strike { fund: name("f"), day }).unwrap();
    }
    assert_eq!(code(&falling, &create("ANN", 1, day)), Err("winding"));
}

/// Proves that units of a delisted model and those that leavers wait for are no part of a slice, and that a fund which has nothing at all
/// makes no shares for nothing.
#[test]
fn what_is_not_the_funds() {
    let mut state = invested([1_000_000_000; 3]);
    let fund = name("f");
    let share = Asset::Share(fund.clone());
    let day = state.fund(&fund).unwrap().day();
    commit(&mut state, &Event::Delist { fund: fund.clone(), model: name(MODELS[0]) }).unwrap();
    let sponsor = state.balance(&Account::Person(name("SPONSOR")), &share);
    let left = Event::Redeem {
        fund: fund.clone(),
        who: name("SPONSOR"),
        shares: Shares::from_nano(sponsor / 2),
    };
    commit(&mut state, &left).unwrap();
    commit(&mut state, &Event::Strike { fund: fund.clone(), day }).unwrap();
    let pool = Account::Liquidation { fund: fund.clone(), epoch: 2 };
    assert!(state.balance(&pool, &Asset::Unit(name(MODELS[1]))) > 0);
    let quote = quote_create(&state, &fund, Shares::from_nano(1_000_000_000), day).unwrap();
    assert!(!quote.units.contains_key(&name(MODELS[0])), "{quote:?}");
    let held = state.fund(&fund).unwrap().units(&state, &name(MODELS[1])).as_micro();
    let supply = i128::from(quote.supply.as_nano());
    let part = (i128::from(held) * 1_000_000_000 + supply - 1) / supply;
    assert_eq!(i128::from(quote.units[&name(MODELS[1])].as_micro()), part);

    // A fund all of whose units were delisted and whose cash is spent: its shares are claims on what may still come in.
    let mut state = ledger();
    let model: Name = name(MODELS[0]);
    let order = Event::Rebalance {
        fund: name("g"),
        weights: BTreeMap::from([(model.clone(), Ppb::from_ppb(1_000_000_000))]),
        cash: Ppb::ZERO,
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: None,
    };
    let marks = Event::MarkSet {
        fund: name("g"),
        prices: BTreeMap::from([(model.clone(), PriceNano::from_nano(1_000_000_000))]),
        estimates: BTreeMap::new(),
    };
    commit(&mut state, &marks).unwrap();
    commit(&mut state, &order).unwrap();
    let rest = state.fund(&name("g")).unwrap().cash(&state);
    commit(&mut state, &Event::Delist { fund: name("g"), model }).unwrap();
    let cash = state.fund(&name("g")).unwrap().cash(&state);
    let event = Event::CreateInKind {
        fund: name("g"),
        who: name("ANN"),
        shares: Shares::from_nano(1),
        day: 0,
    };
    let done = apply(&state, &event).map_err(|e| e.code()).map(|_| ());
    // Bond and escrow have come back to the locked shares' part: only a fund without a micro-credit refuses.
    assert_eq!(done.is_ok(), cash > Cash::ZERO, "{rest} {cash}");
}
