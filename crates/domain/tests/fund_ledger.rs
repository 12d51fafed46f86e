//! What one ledger of several funds does at its corners: sharing, winding up, vesting, the chain.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{INVESTORS, MODELS, commit, ledger, name};
use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    digest::Digest,
    fund::{Account, Asset, Event, FundParams, Outcome, State, apply},
    name::Name,
};

/// Sets the price of every model of a fund.
fn mark_all(state: &mut State, fund: &Name, nano: i64) {
    let listed = state.fund(fund).unwrap().prices().keys().cloned();
    let prices = listed.map(|model| (model, PriceNano::from_nano(nano))).collect();
    let (fund, estimates) = (fund.clone(), BTreeMap::new());
    commit(state, &Event::MarkSet { fund, prices, estimates }).unwrap();
}

/// Everything into units of one model.
fn invest(state: &mut State, fund: &Name, model: &Name) {
    let order = Event::Rebalance {
        fund: fund.clone(),
        weights: BTreeMap::from([(model.clone(), Ppb::from_ppb(1_000_000_000))]),
        cash: Ppb::ZERO,
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: None,
    };
    commit(state, &order).unwrap();
}

fn strike(state: &mut State, fund: &Name, day: i64) -> bool {
    let batch = commit(state, &Event::Strike { fund: fund.clone(), day }).unwrap();
    let Outcome::Strike(strike) = batch.outcome else { panic!("no outcome") };
    strike.winding
}

/// Proves that a fund winds up when it falls by more than 90 % from the last strike, not from any before, and never comes back.
#[test]
fn wind_up() {
    let mut state = ledger();
    let (fund, model) = (name("g"), name(MODELS[0]));
    let ben = name(INVESTORS[1]);
    invest(&mut state, &fund, &model);
    mark_all(&mut state, &fund, 40_000_000_000);
    assert!(!strike(&mut state, &fund, 1));
    // Less than a tenth of the last strike, about the price at the seed.
    mark_all(&mut state, &fund, 3_900_000_000);
    let waiting = Event::Subscribe {
        fund: fund.clone(),
        who: ben.clone(),
        amount: Cash::from_micro(7_000_000),
    };
    commit(&mut state, &waiting).unwrap();
    let before = state.balance(&Account::Person(ben.clone()), &Asset::Cash);
    assert!(strike(&mut state, &fund, 2));
    let after = state.balance(&Account::Person(ben.clone()), &Asset::Cash);
    assert_eq!(after - before, 7_000_000, "refunded whole");
    mark_all(&mut state, &fund, 40_000_000_000);
    assert!(strike(&mut state, &fund, 3), "winding is never undone");
    assert_eq!(apply(&state, &waiting).map_err(|e| e.code()), Err("winding"));
    let exit = Event::InKind {
        fund,
        who: name("ANN"),
        shares: Shares::from_nano(5),
        day: 3,
        skip: Vec::new(),
    };
    commit(&mut state, &exit).unwrap();
    assert_eq!(state.check(), Ok(()));
}

/// Proves that a sale vests by the clock of the fund that bought, and by no other.
#[test]
fn vesting_follows_the_buyer() {
    let mut state = ledger();
    let model = name(MODELS[0]);
    invest(&mut state, &name("f"), &model);
    let vest = |fund: &str, day: i64| Event::Vest { fund: name(fund), model: model.clone(), day };
    let code =
        |state: &State, event: &Event| apply(state, event).map_err(|e| e.code()).map(|b| b.outcome);
    assert_eq!(code(&state, &vest("g", 400)), Err("nothing"));
    assert_eq!(code(&state, &vest("f", 90)), Err("nothing"));
    let sold = state.model(&model).unwrap().sales()[0].amount;
    let first = Cash::from_micro(sold.as_micro() / 270);
    assert_eq!(code(&state, &vest("f", 91)), Ok(Outcome::Vested(first)));
    commit(&mut state, &vest("f", 91)).unwrap();
    let rest = sold.checked_sub(first).unwrap();
    assert_eq!(code(&state, &vest("f", 9_999)), Ok(Outcome::Vested(rest)));
}

/// Proves the chain: SHA-256 over the chain before and the batch's JSON, so that any change of a batch changes every later link.
#[test]
fn chain() {
    let mut state = ledger();
    let deposit = Event::Deposit { who: name("ANN"), amount: Cash::from_micro(1) };
    let (before, events, entries) = (state.chain(), state.events(), state.entries());
    let batch = commit(&mut state, &deposit).unwrap();
    let mut bytes = before.as_bytes().to_vec();
    let text = r#"{"effects":[],"entries":[{"custody":[{"amount":1,"asset":"CASH","from":"OUTSIDE","to":"ANN"}],"fund":null,"gl":[],"kind":"deposit","meta":"none"}],"outcome":"none"}"#;
    assert_eq!(serde_json::to_string(&batch).unwrap(), text);
    bytes.extend(text.as_bytes());
    assert_eq!(state.chain(), Digest::of(&bytes));
    assert_eq!((state.events(), state.entries()), (events + 1, entries + 1));
    assert_eq!(State::new().chain().hex(), "0".repeat(64));
}

/// Proves what funds share and what they do not: units are issued once, a royalty reaches both, a delisting closes both, each to its own holders.
#[test]
fn two_funds_one_model() {
    let mut state = ledger();
    let model = name("m/a");
    let unit = Asset::Unit(model.clone());
    assert_eq!(state.balance(&Account::Issue, &unit), -1_000_000_000_000);
    for fund in ["f", "g"] {
        invest(&mut state, &name(fund), &model);
        commit(
            &mut state,
            &Event::Redeem {
                fund: name(fund),
                who: name("ANN"),
                shares: Shares::from_nano(1_000_000_000),
            },
        )
        .unwrap();
        commit(&mut state, &Event::Strike { fund: name(fund), day: 5 }).unwrap();
    }
    let royalty = Event::Royalty { model: model.clone(), amount: Cash::from_micro(1_000_000_000) };
    let cash =
        |state: &State| ["f", "g"].map(|f| state.fund(&name(f)).unwrap().cash(state).as_micro());
    let before = cash(&state);
    let batch = commit(&mut state, &royalty).unwrap();
    assert_eq!(batch.entries.len(), 2, "one entry for each fund that receives");
    assert!(cash(&state).iter().zip(before).all(|(after, before)| *after > before));
    assert_eq!(state.check(), Ok(()));
    let forfeited = [Account::Bond(model.clone()), Account::EscrowPublisher(model.clone())]
        .map(|account| state.balance(&account, &Asset::Cash));
    let paid_before = claims(&state) + cash(&state).iter().sum::<i64>();
    commit(&mut state, &Event::Delist { fund: name("g"), model: model.clone() }).unwrap();
    assert_eq!(state.check(), Ok(()));
    let paid = claims(&state) + cash(&state).iter().sum::<i64>() - paid_before;
    assert_eq!(paid, forfeited.iter().sum::<i64>(), "bond and escrow go to the holders, all of it");
    for fund in ["f", "g"] {
        let side = Account::Side { fund: name(fund), model: model.clone() };
        assert!(state.balance(&side, &unit) > 0);
        let shares = state.fund(&name(fund)).unwrap().shares(&state).as_nano();
        let claim = Asset::SideClaim { fund: name(fund), model: model.clone() };
        assert_eq!(state.balance(&Account::Issue, &claim), -shares);
    }
    // So much that even the locked claims are due something: that goes to their fund.
    let royalty =
        Event::Royalty { model: model.clone(), amount: Cash::from_micro(1_000_000_000_000_000) };
    let before = cash(&state);
    commit(&mut state, &royalty).unwrap();
    assert!(cash(&state).iter().zip(before).all(|(after, before)| *after > before));
    assert_eq!(state.check(), Ok(()));
    for event in [
        Event::Delist { fund: name("f"), model: model.clone() },
        Event::MarkSet {
            fund: name("f"),
            prices: BTreeMap::from([(model.clone(), PriceNano::from_nano(1))]),
            estimates: BTreeMap::new(),
        },
    ] {
        assert_eq!(apply(&state, &event).map_err(|e| e.code()), Err("delisted"));
    }
}

fn claims(state: &State) -> i64 {
    let claims = state.accounts_of(&Asset::Cash).filter(|(a, _)| matches!(a, Account::Claim(_)));
    claims.map(|(_, cash)| cash).sum()
}

/// Proves that what no fund has a code for is said plainly: an unknown fund, a second one of the name, bad parameters, contributors that change.
#[test]
fn ledger_refusals() {
    let state = ledger();
    let code = |event: Event| apply(&state, &event).map_err(|e| e.code()).map(|_| ());
    assert_eq!(code(Event::Strike { fund: name("none"), day: 1 }), Err("fund"));
    let params = FundParams::default();
    assert_eq!(code(Event::CreateFund { fund: name("f"), params: params.clone() }), Err("exists"));
    let dear = FundParams { management_fee: Ppb::from_ppb(1_000_000_000), ..params };
    assert_eq!(code(Event::CreateFund { fund: name("h"), params: dear }), Err("amount"));
    let admit = |contributors| Event::Admit {
        fund: name("g"),
        model: name("m/c"),
        publisher: name("PUB"),
        price: PriceNano::from_nano(1),
        bond: Cash::from_micro(1),
        contributors,
    };
    assert_eq!(code(admit(vec![(name("BEN"), Ppb::from_ppb(1_000_000_000))])), Err("split"));
    assert_eq!(code(admit(vec![(name("PUB"), Ppb::from_ppb(1_000_000_000))])), Ok(()));
    assert_eq!(code(admit(Vec::new())), Ok(()));
}

/// Proves that new rules charge nothing and move nothing, that the days before them cost what they did and those after what they say now,
/// that what is promised for ever is refused, and that what is refused changes nothing.
#[test]
fn rules_change_after_a_strike() {
    let mut state = ledger();
    let fund = name("f");
    let old = state.fund(&fund).unwrap().params().clone();
    let new = FundParams {
        levy_in: Ppb::ZERO,
        management_fee: Ppb::from_ppb(20_000_000),
        performance_fee: Ppb::ZERO,
        ..old.clone()
    };
    let digest = Digest::of(b"new");
    let adopt = |params: &FundParams| Event::AdoptMethodology {
        fund: fund.clone(),
        digest,
        params: params.clone(),
    };
    let unchanged = state.clone();
    let cases = [
        (FundParams { locked_shares: Shares::from_nano(1), ..new.clone() }, "fixed"),
        (FundParams { manager: name("BEN"), ..new.clone() }, "fixed"),
        (FundParams { publisher_pool: name("BEN"), ..new.clone() }, "fixed"),
        (FundParams { levy_in: Ppb::from_ppb(-1), ..new.clone() }, "amount"),
        (FundParams { management_fee: Ppb::from_ppb(1_000_000_000), ..new.clone() }, "amount"),
    ];
    for (params, code) in cases {
        let refused = commit(&mut state, &adopt(&params)).map(|_| ()).map_err(|e| e.code());
        assert_eq!(refused, Err(code), "{params:?}");
    }
    assert_eq!(state, unchanged);
    // R1 at 1e18 of 10 % and of 2 % a year, from the reference engine.
    let (before, after) = (999_711_382_710_977_688_u128, 999_944_651_648_714_820_u128);
    let one_day = |left: u128, shares: i64| {
        let (one, shares) = (1_000_000_000_000_000_000_u128, shares.unsigned_abs());
        i64::try_from(u128::from(shares) * (one - left) / left).unwrap()
    };
    let supply = |state: &State| state.fund(&fund).unwrap().shares(state).as_nano();
    // The gain from the levy of those who came first is charged for here.
    strike(&mut state, &fund, 0);
    for (day, left) in [(1, before), (2, after)] {
        let shares = supply(&state);
        strike(&mut state, &fund, day);
        assert_eq!(supply(&state) - shares, one_day(left, shares), "day {day}");
        if day == 1 {
            let (entries, shares) = (state.entries(), supply(&state));
            commit(&mut state, &adopt(&new)).unwrap();
            assert_eq!((state.entries(), supply(&state)), (entries, shares), "nothing moves");
        }
    }
    let now = state.fund(&fund).unwrap();
    assert_eq!((now.params(), now.methodology()), (&new, Some(digest)));
    let again = apply(&state, &adopt(&new)).map(|_| ()).map_err(|e| e.code());
    assert_eq!(again, Err("nothing"), "they are in force");
    assert_eq!(state.check(), Ok(()));
}

/// Proves that a fund can be given any day and a fee of any size without a panic: a fee that would pass the bound of its shares yields,
/// so that strikes and exits go on.
#[test]
fn fee_over_the_longest_time() {
    let mut state = ledger();
    let late = Event::Strike { fund: name("f"), day: 1_000_000 };
    for event in [&late, &late] {
        commit(&mut state, event).unwrap();
        let fund = state.fund(&name("f")).unwrap();
        assert_eq!(fund.shares(&state).as_nano(), domain::amount::LIMIT);
        assert_eq!(state.check(), Ok(()));
    }
    let late = Event::Strike { fund: name("g"), day: 1_000_000 };
    commit(&mut state, &late).unwrap();
}

/// Proves the JSON of events: tagged by operation, numbers as steps, unknown fields refused.
#[test]
fn event_json() {
    let event = Event::Subscribe { fund: name("f"), who: name("ANN"), amount: Cash::from_micro(7) };
    let text = r#"{"op":"subscribe","fund":"f","who":"ANN","amount":7}"#;
    assert_eq!(serde_json::to_string(&event).unwrap(), text);
    assert_eq!(serde_json::from_str::<Event>(text).unwrap(), event);
    assert_eq!(event.op(), "subscribe");
    assert!(serde_json::from_str::<Event>(&text.replace("\"who\"", "\"to\":1,\"who\"")).is_err());
    assert!(serde_json::from_str::<Event>(&text.replace("\"ANN\"", "\"FUND\"")).is_err());
}
