//! The instant window (FUND 1.3 (4), ops/decisions/0046): cash for small holders, units counted as far as the fund has sold some.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;
#[path = "instant_window/turned.rs"]
mod turned;

use std::collections::BTreeMap;

use common::{commit, name};
use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    digest::Digest,
    fund::{
        Account, Asset, BOOK_DAYS_MAX, Clearing, Event, FundParams, Outcome, PriceSet, Salt, State,
        WindowFill, WindowParams, apply, quote_window,
    },
    name::Name,
    simulation::attacks::{bought_bid, free, inside_the_deadband},
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
    let (fund, who, least) = (name("w"), name(who), PriceNano::ZERO);
    commit(state, &Event::RequestWindow { fund, who, shares, least }).unwrap();
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

fn done(state: &mut State, event: &Event) {
    commit(state, event).unwrap();
    assert_eq!(state.check(), Ok(()), "{}", event.op());
}

fn strike(state: &mut State, day: i64) {
    done(state, &Event::Strike { fund: name("w"), day });
}

fn mark(price: i64, estimate: Option<i64>) -> Event {
    let set = |price| BTreeMap::from([(name("m/a"), PriceNano::from_nano(price))]);
    let estimates = estimate.map(set).unwrap_or_default();
    Event::MarkSet { fund: name("w"), prices: set(price), estimates }
}

fn redeem(who: &str, shares: i64) -> Event {
    Event::Redeem { fund: name("w"), who: name(who), shares: Shares::from_nano(shares) }
}

fn gift(who: &str, to: &str, shares: i64) -> Event {
    Event::Transfer { who: name(who), to: name(to), asset: Asset::Share(name("w")), amount: shares }
}

/// What sales come to on a day, for the shares that there are.
fn clearing(state: &State, day: i64) -> Option<(i64, i64)> {
    let fund = state.fund(&name("w")).unwrap();
    let open = fund.window().clearing(&name("m/a"), fund.shares(state), day);
    open.map(|Clearing { ratio, units }| (ratio.as_ppb(), units.as_micro()))
}

/// Micro-credits for 10 of BEN's 100 shares, asked for alone.
fn ten(state: &State) -> i64 {
    let quoted = quote_window(state, &name("w"), Shares::from_nano(10 * SHARE), 0);
    let mut state = state.clone();
    ask(&mut state, "BEN", 10 * SHARE);
    let paid = pay(&mut state, 0)[0].cash.as_micro();
    // The budget is wide, so that nobody's holding cuts him.
    assert_eq!(quoted.unwrap().cash.unwrap().as_micro(), paid, "the quote was met");
    paid
}

/// Proves by hand-computed cases what a window pays: cash alone where nothing was sold, units as far as the fund sold some and at what
/// they brought, within the budget, by holding, less the levy.
#[test]
fn what_it_pays() {
    // 1,000 shares, 400 in cash, 600 units. BEN asks for 10 shares. Budget, levy, spread of a sale of 100 units (none: no sale), credits.
    let table = [
        // No sale: a unit counts nothing, and a share is 0.4.
        (250_000_000, 0, None, 4_000_000),
        // 100 sold at the mark: 500 in cash, 100 of 500 units count 1, a share is 0.6.
        (250_000_000, 0, Some(0), 6_000_000),
        // Sold 10 % below: 490 in cash, 100 units at 0.9, a share 0.58.
        (250_000_000, 0, Some(100_000_000), 5_800_000),
        // A tenth of the shares stays: nine are paid.
        (250_000_000, 100_000_000, Some(100_000_000), 5_220_000),
        // A thousandth of 500 credits is half a credit; one holding of 100 alone, so half a credit but for the rounding.
        (1_000_000, 0, Some(0), 500_000),
    ];
    for (budget, levy_out, spread, credits) in table {
        let mut state = opened(budget, levy_out);
        if let Some(spread) = spread {
            done(&mut state, &rebalance(500_000_000, spread));
        }
        ask(&mut state, "BEN", 10 * SHARE);
        let fills = pay(&mut state, 0);
        assert_eq!(fills.len(), 1);
        assert_eq!(fills[0].cash.as_micro(), credits, "{budget} {levy_out} {spread:?}");
        let kept = 100 * SHARE - fills[0].shares.as_nano();
        assert_eq!(shares_of(&state, "BEN"), kept, "what was not paid returned");
    }
}

/// Proves that one sale of next to nothing at the mark says next to nothing, however much is held; that what was sold counts once; and
/// that what leavers sold, among whom may be the buyer, does not count.
#[test]
fn units_count_as_far_as_the_fund_sold_them() {
    let mut dust = opened(1_000_000_000, 0);
    done(&mut dust, &mark(1_000_000_001, None));
    done(&mut dust, &rebalance(600_000_000, 0));
    assert_eq!(clearing(&dust, 0), Some((1_000_000_000, 1)), "a millionth of a unit was sold");
    assert_eq!(ten(&dust), 4_000_000);

    let mut leavers = opened(1_000_000_000, 0);
    done(&mut leavers, &redeem("ANN", 300 * SHARE));
    strike(&mut leavers, 0);
    done(&mut leavers, &rebalance(600_000_000, 0));
    let sold = leavers.balance(&Account::Person(name("LP")), &Asset::Unit(name("m/a")));
    assert_eq!((sold, clearing(&leavers, 0)), (180_000_000, None));
    assert_eq!(ten(&leavers), 4_000_000);

    let mut once = opened(1_000_000_000, 0);
    done(&mut once, &rebalance(500_000_000, 0));
    ask(&mut once, "ANN", 100 * SHARE);
    assert_eq!(pay(&mut once, 0)[0].cash.as_micro(), 60_000_000);
    // A tenth of the shares took a tenth of what was open, and nine tenths are left to bear it: 100 less 20.
    assert_eq!(clearing(&once, 0), Some((1_000_000_000, 80_000_000)));
    strike(&mut once, 0);
    // 440 in cash and 80 units, of 900 shares.
    assert_eq!(ten(&once), 5_777_777);
}

/// Proves that each unit counts at most what it brought: a mark that rose since then says nothing, one that fell and an estimate below
/// the mark say all.
#[test]
fn no_unit_counts_above_what_it_brought() {
    // Sold at 0.9 under a mark of 1: 490 in cash. Mark, estimate, credits for 10 shares.
    for (price, estimate, credits) in [
        (1_000_000_000, None, 5_800_000),
        (3_000_000_000, None, 5_800_000),
        (3_000_000_000, Some(9_000_000_000), 5_800_000),
        (500_000_000, None, 5_350_000),
        (1_000_000_000, Some(500_000_000), 5_350_000),
        (0, None, 4_900_000),
    ] {
        let mut state = opened(1_000_000_000, 0);
        done(&mut state, &rebalance(500_000_000, 100_000_000));
        done(&mut state, &mark(price, estimate));
        assert_eq!(ten(&state), credits, "{price} {estimate:?}");
    }
}

/// Proves that a sale counts for ninety days and not for one more; and until somebody joins, by an order or in kind, who had no part in
/// what it brought; that a purchase takes it away; and that those who leave take their part of it along.
#[test]
fn what_ends_a_sale() {
    let mut sold = opened(1_000_000_000, 0);
    done(&mut sold, &rebalance(500_000_000, 0));
    let whole = Some((1_000_000_000, 100_000_000));
    assert_eq!((clearing(&sold, 90), clearing(&sold, 91)), (whole, None));
    let order =
        Event::Subscribe { fund: name("w"), who: name("PUB"), amount: Cash::from_micro(CREDIT) };
    let shares = Shares::from_nano(SHARE);
    let units = |state: &mut State| {
        let (who, to, asset) = (name("LP"), name("PUB"), Asset::Unit(name("m/a")));
        done(state, &Event::Transfer { who, to, asset, amount: 100_000_000 });
    };
    let made = Event::CreateInKind { fund: name("w"), who: name("PUB"), shares, day: 0 };
    let half = Event::InKind {
        fund: name("w"),
        who: name("SPONSOR"),
        shares: Shares::from_nano(500 * SHARE),
        day: 0,
        skip: Vec::new(),
    };
    for (event, left) in [
        (order, None),
        (made, None),
        (rebalance(550_000_000, 0), Some((1_000_000_000, 50_000_000))),
        (half, Some((1_000_000_000, 50_000_000))),
        (redeem("SPONSOR", 500 * SHARE), Some((1_000_000_000, 50_000_000))),
        (gift("ANN", "BEN", SHARE), whole),
    ] {
        let mut state = sold.clone();
        units(&mut state);
        done(&mut state, &event);
        strike(&mut state, 0);
        assert_eq!(clearing(&state, 0), left, "{}", event.op());
    }
    // Of two sales the average by units.
    done(&mut sold, &rebalance(200_000_000, 400_000_000));
    assert_eq!(clearing(&sold, 0).map(|open| open.0), Some(700_000_000));
}

/// Proves that a request is refused with a code of its own and changes nothing where there is no window, while a valuation is in doubt,
/// in a fund that winds up, for what is no amount, for what is too little, beside another of the same owner, and for what another has.
#[test]
fn refusals() {
    let mut state = opened(250_000_000, 0);
    let request = |who: &str, shares: i64| Event::RequestWindow {
        fund: name("w"),
        who: name(who),
        shares: Shares::from_nano(shares),
        least: PriceNano::ZERO,
    };
    let day = |day| Event::PayWindow { fund: name("w"), day };
    assert_eq!(code(&state, &request("BEN", 0)), "amount");
    // A millionth of the shares at least: the queue's places are a tenth of what could wait.
    assert_eq!(code(&state, &request("BEN", SHARE / 1_000 - 1)), "amount");
    assert_eq!(code(&state, &request("BEN", SHARE / 1_000)), "done");
    assert_eq!(code(&state, &request("BEN", 100 * SHARE + 1)), "funds");
    assert_eq!(code(&state, &day(0)), "nothing");
    assert_eq!(code(&state, &day(-1)), "clock");
    ask(&mut state, "BEN", SHARE);
    assert_eq!(code(&state, &request("BEN", SHARE)), "exists");
    let cancel = |who: &str| Event::CancelWindow { fund: name("w"), who: name(who), place: 0 };
    assert_eq!(code(&state, &cancel("ANN")), "nothing");
    let hold = |held| Event::HoldSubscriptions { fund: name("w"), held };
    for shut in [hold(true), Event::Pause { fund: name("w"), paused: true }] {
        let mut state = state.clone();
        done(&mut state, &shut);
        assert_eq!(code(&state, &day(0)), "window");
        assert_eq!(code(&state, &request("ANN", SHARE)), "done", "waiting is free");
        assert_eq!(code(&state, &cancel("BEN")), "done");
        strike(&mut state, 0);
        let waits = state.fund(&name("w")).unwrap().window().requests().len();
        assert_eq!(
            (waits, shares_of(&state, "BEN")),
            (0, 100 * SHARE),
            "nobody waits over a strike"
        );
    }
    // Frozen: he leaves like anybody.
    let freeze = Event::Freeze { fund: name("w"), who: name("BEN"), frozen: true };
    done(&mut state, &freeze);
    assert_eq!(code(&state, &day(0)), "done");
    // At a mark of nothing the strike winds the fund up: whoever waits gets his shares back and no cash.
    ask(&mut state, "ANN", SHARE);
    done(&mut state, &rebalance(1_000_000_000, 0));
    done(&mut state, &mark(0, None));
    strike(&mut state, 0);
    assert_eq!((shares_of(&state, "ANN"), shares_of(&state, "BEN")), (300 * SHARE, 100 * SHARE));
    assert_eq!(
        (code(&state, &request("BEN", SHARE)), code(&state, &day(0))),
        ("winding", "winding")
    );
    let plain = FundParams::default();
    commit(&mut state, &Event::CreateFund { fund: name("v"), params: plain }).unwrap();
    let (who, shares, least) = (name("BEN"), Shares::from_nano(1), PriceNano::ZERO);
    let none = Event::RequestWindow { fund: name("v"), who, shares, least };
    assert_eq!(code(&state, &none), "window");
    let absent = Event::PayWindow { fund: name("u"), day: 0 };
    assert_eq!(code(&state, &absent), "fund");
    for (budget, levy) in [(0, 0), (1_000_000_001, 0), (1, 1_000_000_000), (1, -1)] {
        let window = WindowParams { budget: Ppb::from_ppb(budget), levy_out: Ppb::from_ppb(levy) };
        let params = FundParams { window: Some(window), ..FundParams::default() };
        assert_eq!(code(&state, &Event::CreateFund { fund: name("x"), params }), "amount");
    }
}

/// Proves that it is paid once before a strike, and who comes behind a payment where no book is closed has his shares back at the strike.
#[test]
fn it_is_paid_once_before_a_strike() {
    let mut state = opened(10_000_000, 0);
    let again = Event::PayWindow { fund: name("w"), day: 0 };
    for _ in 0..2 {
        ask(&mut state, "BEN", 10 * SHARE);
        pay(&mut state, 0);
        ask(&mut state, "ANN", 10 * SHARE);
        assert_eq!(code(&state, &again), "window");
        strike(&mut state, 0);
        assert_eq!(shares_of(&state, "ANN"), 300 * SHARE);
        assert_eq!(code(&state, &again), "nothing");
    }
}

/// Binds a mark for the next strike; the event that tells it.
fn bind(state: &mut State, price: i64) -> Event {
    let (fund, salt) = (name("w"), Salt::from_bytes([7; 32]));
    let prices = BTreeMap::from([(name("m/a"), PriceNano::from_nano(price))]);
    let (estimates, number) = (BTreeMap::new(), state.fund(&fund).unwrap().epoch() + 1);
    let set = PriceSet { fund: &fund, number, prices: &prices, estimates: &estimates, salt: &salt };
    let commitment: Digest = set.commitment().unwrap();
    done(state, &Event::CommitPrices { fund: fund.clone(), commitment });
    Event::RevealPrices { fund, prices, estimates, salt }
}

/// Proves that requests close with the book and wait for its prices: before they are told nobody is paid at old marks; a request of the
/// book is not taken back and a later one is for the next strike; and where the prices are not told, are in doubt, or the book is opened
/// again, those of the book have their shares back.
#[test]
fn it_waits_for_the_reveal() {
    let mut state = opened(250_000_000, 0);
    let pay_now = Event::PayWindow { fund: name("w"), day: 0 };
    let cancel = |who: &str, place| Event::CancelWindow { fund: name("w"), who: name(who), place };
    ask(&mut state, "BEN", 10 * SHARE);
    let reveal = bind(&mut state, 2 * SHARE);
    assert_eq!(code(&state, &pay_now), "window");
    let close = Event::CloseOrders { fund: name("w"), day: 0, salt: Salt::from_bytes([1; 32]) };
    done(&mut state, &close);
    ask(&mut state, "ANN", 10 * SHARE);
    assert_eq!(code(&state, &pay_now), "window");
    assert_eq!(
        (code(&state, &cancel("BEN", 0)), code(&state, &cancel("ANN", 1))),
        ("closed", "done")
    );
    let waits = |state: &State| {
        let requests = state.fund(&name("w")).unwrap().window().requests();
        requests.iter().map(|(who, _)| who.to_string()).collect::<Vec<_>>()
    };
    let full = (300 * SHARE, 100 * SHARE);

    let mut told = state.clone();
    done(&mut told, &reveal);
    assert_eq!(pay(&mut told, 0)[0].who, name("BEN"));
    strike(&mut told, 0);
    assert_eq!((shares_of(&told, "BEN"), waits(&told)), (90 * SHARE, vec!["ANN".to_owned()]));

    let mut withheld = state.clone();
    strike(&mut withheld, 0);
    let mut doubted = state.clone();
    done(&mut doubted, &Event::HoldSubscriptions { fund: name("w"), held: true });
    done(&mut doubted, &reveal);
    assert_eq!(code(&doubted, &pay_now), "window");
    strike(&mut doubted, 0);
    let mut reopened = state.clone();
    done(&mut reopened, &Event::ReopenOrders { fund: name("w"), day: BOOK_DAYS_MAX });
    for state in [withheld, doubted, reopened] {
        assert_eq!((shares_of(&state, "BEN"), waits(&state)), (full.1, vec!["ANN".to_owned()]));
    }
}

/// Proves that what was created in kind stays young for ninety days with whoever has it: it goes with a gift behind what is not young,
/// comes back with a reversal, and stays its owner's in escrow and out of it.
#[test]
fn youth_follows_the_shares() {
    let mut state = opened(250_000_000, 0);
    let (who, to, asset) = (name("PUB"), name("ANN"), Asset::Unit(name("m/a")));
    done(&mut state, &gift("SPONSOR", "LP", 50 * SHARE));
    done(&mut state, &rebalance(500_000_000, 0));
    let units = |to: &str| Event::Transfer {
        who: name("LP"),
        to: name(to),
        asset: asset.clone(),
        amount: 60_000_000,
    };
    done(&mut state, &units("PUB"));
    let shares = Shares::from_nano(100 * SHARE);
    done(&mut state, &Event::CreateInKind { fund: name("w"), who: who.clone(), shares, day: 0 });
    let young = |state: &State, day| {
        let window = state.fund(&name("w")).unwrap().window();
        ["PUB", "ANN"].map(|who| window.young_shares(&name(who), day) / i128::from(SHARE))
    };
    assert_eq!((young(&state, 89), young(&state, 90)), ([100, 0], [0, 0]));
    done(&mut state, &gift("PUB", "ANN", 40 * SHARE));
    assert_eq!(young(&state, 0), [60, 40]);
    // ANN has 300 others, and gives those first.
    done(&mut state, &gift("ANN", "BEN", 300 * SHARE));
    assert_eq!(young(&state, 0), [60, 40]);
    done(&mut state, &gift("ANN", "PUB", 30 * SHARE));
    assert_eq!(young(&state, 0), [90, 10]);
    let corrects = state.events();
    let event = Box::new(gift("ANN", "PUB", 30 * SHARE));
    done(&mut state, &Event::Correct { corrects, event, claimed: None });
    assert_eq!(young(&state, 0), [60, 40]);
    // Escrow and back.
    ask(&mut state, "PUB", 60 * SHARE);
    assert_eq!(young(&state, 0), [60, 40]);
    let fills = pay(&mut state, 0);
    assert_eq!((fills[0].shares, shares_of(&state, "PUB")), (Shares::ZERO, 60 * SHARE));
    // On the ninetieth day they are as good as any.
    strike(&mut state, 90);
    ask(&mut state, to.as_str(), 40 * SHARE);
    assert_eq!(pay(&mut state, 90)[0].shares, Shares::from_nano(40 * SHARE));
}

/// Proves that a window pays for half of the shares at most, however large its budget: what those who stay gained by a sale then covers
/// what they lose.
#[test]
fn half_of_the_shares_stay() {
    let mut state = opened(1_000_000_000, 0);
    done(&mut state, &gift("SPONSOR", "BEN", 500 * SHARE));
    done(&mut state, &rebalance(500_000_000, 0));
    ask(&mut state, "BEN", 600 * SHARE);
    let shares = pay(&mut state, 0)[0].shares.as_nano();
    assert!((500 * SHARE - 2..=500 * SHARE).contains(&shares), "{shares}");
    assert_eq!(clearing(&state, 0).map_or(0, |open| open.1), 0, "nothing is left to count");
}

/// Proves that whoever buys the bid earns nothing by it, whatever part of the fund is his, whatever the window pays, with joiners between
/// and marks that rise; and that it is no idle attack: some of it is paid.
#[test]
fn a_bought_bid_earns_nothing() {
    let mut least = 0;
    for (budget, levy_out) in [(1_000_000_000, 0), (250_000_000, 0), (250_000_000, 5_000_000)] {
        let window =
            WindowParams { budget: Ppb::from_ppb(budget), levy_out: Ppb::from_ppb(levy_out) };
        let params = FundParams { window: Some(window), ..free() };
        let earned = (0..200).map(|seed| bought_bid(&params, seed).unwrap());
        let (most, last) = earned
            .fold((i128::MIN, 0), |(most, least), earned| (most.max(earned), least.min(earned)));
        // Each of its purchases and payments is rounded, in micro-credits of 1e9.
        assert!(most < 40_000_000_000, "{} micro-credits", most / 1_000_000_000);
        least = least.min(last);
    }
    assert!(least < -1_000_000_000_000_000, "buying the bid costs much: {least}");
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

    /// Proves that where the budget does not suffice, asking for more gains nothing, and everybody gets the same for a share of his holding.
    #[test]
    fn padding_gains_nothing(budget in 1_000_000_i64..150_000_000, more in 1_i64..200) {
        let whole = paid(budget, &[("ANN", 100 * SHARE), ("BEN", 100 * SHARE)]);
        let padded = paid(budget, &[("ANN", (100 + more) * SHARE), ("BEN", 100 * SHARE)]);
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
