//! The instant window (FUND 1.3 (4)): cash for small holders at what units were lately sold for.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;

use std::collections::BTreeMap;

use common::{commit, name};
use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    fund::{Account, Asset, Event, FundParams, Outcome, State, WindowFill, WindowParams, apply},
    name::Name,
};
use proptest::prelude::*;

const CREDIT: i64 = 1_000_000;
const SHARE: i64 = 1_000_000_000;

/// A fund of 1,000 credits and 1,000 shares without other fees: 400 in cash, 600 in units at a mark of 1; ANN has 300 shares, BEN 100.
fn opened(budget: i64, levy_out: i64) -> State {
    let mut state = State::new();
    let mut act = |event: Event| commit(&mut state, &event).map(|_| ()).unwrap();
    let fund = || name("w");
    let window = WindowParams { budget: Ppb::from_ppb(budget), levy_out: Ppb::from_ppb(levy_out) };
    let params =
        FundParams { management_fee: Ppb::ZERO, window: Some(window), ..FundParams::default() };
    act(Event::CreateFund { fund: fund(), params });
    for who in ["SPONSOR", "LP", "PUB"] {
        act(Event::Deposit { who: name(who), amount: Cash::from_micro(10_000 * CREDIT) });
    }
    act(Event::Admit {
        fund: fund(),
        model: name("m/a"),
        publisher: name("PUB"),
        price: PriceNano::from_nano(SHARE),
        bond: Cash::from_micro(1),
        contributors: Vec::new(),
    });
    let amount = Cash::from_micro(1_000 * CREDIT);
    act(Event::Seed { fund: fund(), who: name("SPONSOR"), amount, day: None });
    act(rebalance(600_000_000, 0));
    for (who, shares) in [("ANN", 300), ("BEN", 100)] {
        let (to, asset) = (name(who), Asset::Share(fund()));
        act(Event::Transfer { who: name("SPONSOR"), to, asset, amount: shares * SHARE });
    }
    state
}

/// To a part in units of NAV; sales at the mark less `spread`.
fn rebalance(part: i64, spread: i64) -> Event {
    Event::Rebalance {
        fund: name("w"),
        weights: BTreeMap::from([(name("m/a"), Ppb::from_ppb(1_000_000_000))]),
        cash: Ppb::from_ppb(1_000_000_000 - part),
        spread: Ppb::from_ppb(spread),
        counterparties: vec![name("LP")],
        max_primary: None,
    }
}

fn ask(state: &mut State, who: &str, shares: i64) {
    let shares = Shares::from_nano(shares);
    commit(state, &Event::RequestWindow { fund: name("w"), who: name(who), shares }).unwrap();
}

fn pay(state: &mut State, day: i64) -> Vec<WindowFill> {
    let batch = commit(state, &Event::PayWindow { fund: name("w"), day }).unwrap();
    assert_eq!(state.check(), Ok(()));
    let Outcome::Window(fills) = batch.outcome else { panic!("no outcome") };
    fills
}

fn code(state: &State, event: &Event) -> &'static str {
    apply(state, event).map_or_else(|rejection| rejection.code(), |_| "done")
}

fn shares_of(state: &State, who: &str) -> i64 {
    state.balance(&Account::Person(name(who)), &Asset::Share(name("w")))
}

/// Proves by hand-computed cases what a window pays: at cash alone where nothing was sold, at the average of sales after one, within
/// the budget, by holding, less the levy.
#[test]
fn what_it_pays() {
    // 1,000 shares, 400 in cash, 600 units. BEN asks for 10 shares. Budget, levy, spread of a sale of 100 units (none: no sale), credits.
    let table = [
        // No sale: a unit counts nothing, and a share is 0.4.
        (250_000_000, 0, None, 4_000_000),
        // Sold at the mark: a share is 1.
        (250_000_000, 0, Some(0), 10_000_000),
        // Sold 10 % below: 490 in cash, 500 units at 0.9 are 450, a share 0.94.
        (250_000_000, 0, Some(100_000_000), 9_400_000),
        // A tenth of the shares stays: nine are paid.
        (250_000_000, 100_000_000, Some(100_000_000), 8_460_000),
        // A thousandth of 500 credits is half a credit; one holding of 100 alone, so half a share but for the rounding.
        (1_000_000, 0, Some(0), 500_000),
    ];
    for (budget, levy_out, spread, credits) in table {
        let mut state = opened(budget, levy_out);
        if let Some(spread) = spread {
            commit(&mut state, &rebalance(500_000_000, spread)).unwrap();
        }
        ask(&mut state, "BEN", 10 * SHARE);
        let fills = pay(&mut state, 0);
        assert_eq!(fills.len(), 1);
        assert_eq!(fills[0].cash.as_micro(), credits, "{budget} {levy_out} {spread:?}");
        let kept = 100 * SHARE - fills[0].shares.as_nano();
        assert_eq!(shares_of(&state, "BEN"), kept, "what was not paid returned");
    }
}

/// Proves that a sale counts for ninety days and not for one more, and that each new one counts a quarter.
#[test]
fn sales_age_and_average() {
    let mut state = opened(1_000_000_000, 0);
    for (to, spread, ratio) in
        [(550_000_000, 0, 1_000_000_000), (450_000_000, 400_000_000, 900_000_000)]
    {
        commit(&mut state, &rebalance(to, spread)).unwrap();
        let clearing = state.fund(&name("w")).unwrap().window().clearing()[&name("m/a")];
        assert_eq!(clearing.ratio.as_ppb(), ratio);
    }
    let window = state.fund(&name("w")).unwrap().window().clone();
    assert_eq!(window.bid_part(&name("m/a"), 90).as_ppb(), 900_000_000);
    assert_eq!(window.bid_part(&name("m/a"), 91).as_ppb(), 0);
    assert_eq!(window.bid_part(&name("m/b"), 0).as_ppb(), 0);
}

/// Proves that a request is refused with a code of its own and changes nothing where there is no window, while a valuation is in doubt,
/// in a fund that winds up, for what is no amount, and for what another has.
#[test]
fn refusals() {
    let mut state = opened(250_000_000, 0);
    let request = |who: &str, shares: i64| Event::RequestWindow {
        fund: name("w"),
        who: name(who),
        shares: Shares::from_nano(shares),
    };
    let day = |day| Event::PayWindow { fund: name("w"), day };
    assert_eq!(code(&state, &request("BEN", 0)), "amount");
    assert_eq!(code(&state, &request("BEN", 100 * SHARE + 1)), "funds");
    assert_eq!(code(&state, &day(0)), "nothing");
    assert_eq!(code(&state, &day(-1)), "clock");
    ask(&mut state, "BEN", SHARE);
    let cancel = |who: &str| Event::CancelWindow { fund: name("w"), who: name(who), place: 0 };
    assert_eq!(code(&state, &cancel("ANN")), "nothing");
    let hold = |held| Event::HoldSubscriptions { fund: name("w"), held };
    commit(&mut state, &hold(true)).unwrap();
    assert_eq!(code(&state, &day(0)), "window");
    assert_eq!(code(&state, &request("ANN", 1)), "done", "waiting is free");
    commit(&mut state, &hold(false)).unwrap();
    // At a mark of nothing the strike winds the fund up: whoever waits gets his shares back and no cash.
    ask(&mut state, "ANN", 7);
    let prices = BTreeMap::from([(name("m/a"), PriceNano::ZERO)]);
    let mark = Event::MarkSet { fund: name("w"), prices, estimates: BTreeMap::new() };
    commit(&mut state, &rebalance(1_000_000_000, 0)).unwrap();
    commit(&mut state, &mark).unwrap();
    commit(&mut state, &Event::Strike { fund: name("w"), day: 0 }).unwrap();
    assert_eq!(code(&state, &request("BEN", 1)), "winding");
    let fills = pay(&mut state, 0);
    assert!(fills.iter().all(|fill| fill.cash == Cash::ZERO && fill.shares == Shares::ZERO));
    assert_eq!((shares_of(&state, "ANN"), shares_of(&state, "BEN")), (300 * SHARE, 100 * SHARE));
    let plain = FundParams::default();
    commit(&mut state, &Event::CreateFund { fund: name("v"), params: plain }).unwrap();
    let none =
        Event::RequestWindow { fund: name("v"), who: name("BEN"), shares: Shares::from_nano(1) };
    assert_eq!(code(&state, &none), "window");
    let absent = Event::PayWindow { fund: name("u"), day: 0 };
    assert_eq!(code(&state, &absent), "fund");
    for (budget, levy) in [(0, 0), (1_000_000_001, 0), (1, 1_000_000_000), (1, -1)] {
        let window = WindowParams { budget: Ppb::from_ppb(budget), levy_out: Ppb::from_ppb(levy) };
        let params = FundParams { window: Some(window), ..FundParams::default() };
        assert_eq!(code(&state, &Event::CreateFund { fund: name("x"), params }), "amount");
    }
}

/// What ANN, who has 300 shares, and BEN, who has 100, get for requests.
fn paid(budget: i64, requests: &[(&str, i64)]) -> BTreeMap<Name, i64> {
    let mut state = opened(budget, 3_000_000);
    commit(&mut state, &rebalance(500_000_000, 50_000_000)).unwrap();
    for (who, shares) in requests {
        ask(&mut state, who, *shares);
    }
    let fills = pay(&mut state, 0);
    fills.into_iter().map(|fill| (fill.who, fill.cash.as_micro())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Proves that where the budget does not suffice, asking for more and asking in parts gain nothing, and everybody gets the same for a
    /// share of his holding.
    #[test]
    fn padding_and_slicing_gain_nothing(
        budget in 1_000_000_i64..150_000_000,
        more in 1_i64..200,
        cut in 1_i64..99,
    ) {
        let whole = paid(budget, &[("ANN", 100 * SHARE), ("BEN", 100 * SHARE)]);
        let padded = paid(budget, &[("ANN", (100 + more) * SHARE), ("BEN", 100 * SHARE)]);
        let sliced = paid(
            budget,
            &[("ANN", cut * SHARE), ("BEN", 100 * SHARE), ("ANN", (100 - cut) * SHARE)],
        );
        prop_assert_eq!(&whole, &sliced);
        let (ann, ben) = (whole[&name("ANN")], whole[&name("BEN")]);
        let full = paid(1_000_000_000, &[("ANN", 100 * SHARE)])[&name("ANN")];
        // BEN has a third of ANN's holding; whoever is not cut by his own request gets the common part.
        if ann == full {
            // More is paid to whoever asks for more, within the budget.
            prop_assert!(padded[&name("ANN")] >= ann && ben <= ann);
        } else {
            prop_assert!((ann - 3 * ben).abs() <= 3, "{ann} {ben}");
            prop_assert_eq!(whole, padded);
        }
    }
}
