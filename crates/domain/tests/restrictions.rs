//! Who may hold shares: every code where it belongs, and every way out open behind it.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    fund::{Account, Asset, Batch, Event, FundParams, Outcome, Rejection, State, apply},
    name::Name,
};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn f() -> Name {
    name("f")
}

fn commit(state: &mut State, event: &Event) -> Result<Batch, Rejection> {
    let batch = apply(state, event)?;
    state.commit(&batch);
    Ok(batch)
}

fn cash(credits: i64) -> Cash {
    Cash::from_micro(credits * 1_000_000)
}

fn subscribe(who: &str, credits: i64) -> Event {
    Event::Subscribe { fund: f(), who: name(who), amount: cash(credits) }
}

fn redeem(who: &str, shares: i64) -> Event {
    Event::Redeem { fund: f(), who: name(who), shares: Shares::from_nano(shares) }
}

fn in_kind(who: &str, shares: i64) -> Event {
    let shares = Shares::from_nano(shares);
    Event::InKind { fund: f(), who: name(who), shares, day: 0, skip: Vec::new() }
}

fn gift(who: &str, to: &str) -> Event {
    let (who, to, asset) = (name(who), name(to), Asset::Share(f()));
    Event::Transfer { who, to, asset, amount: 1_000 }
}

fn freeze(who: &str, frozen: bool) -> Event {
    Event::Freeze { fund: f(), who: name(who), frozen }
}

fn allow(who: &str, allowed: bool) -> Event {
    Event::Allow { fund: f(), who: name(who), allowed }
}

fn listed(on: bool) -> Event {
    Event::SetAllowList { fund: f(), on }
}

fn pause(paused: bool) -> Event {
    Event::Pause { fund: f(), paused }
}

fn strike() -> Event {
    Event::Strike { fund: f(), day: 0 }
}

/// A batch with a counterparty at half, or one with neither.
fn rebalance(counterparties: &[&str]) -> Event {
    let half = (name("m"), Ppb::from_ppb(500_000_000));
    Event::Rebalance {
        fund: f(),
        weights: counterparties.iter().map(|_| half.clone()).collect(),
        cash: Ppb::ZERO,
        spread: Ppb::ZERO,
        counterparties: counterparties.iter().map(|who| name(who)).collect(),
        max_primary: None,
    }
}

/// A fund with a model, in which ANN and BOB hold shares and have an order of each kind waiting, and CY holds nothing.
fn world() -> State {
    let mut state = State::new();
    let mut events = vec![Event::CreateFund { fund: f(), params: FundParams::default() }];
    for who in ["ANN", "BOB", "CY", "LP", "PUB"] {
        events.push(Event::Deposit { who: name(who), amount: cash(10_000) });
    }
    events.push(Event::Admit {
        fund: f(),
        model: name("m"),
        publisher: name("PUB"),
        price: PriceNano::from_nano(1_000_000_000),
        bond: cash(100),
        contributors: Vec::new(),
    });
    events.push(Event::Seed { fund: f(), who: name("ANN"), amount: cash(1_000), day: None });
    events.extend([subscribe("BOB", 500), strike(), rebalance(&["LP"])]);
    events.extend(["ANN", "BOB"].iter().flat_map(|who| [subscribe(who, 7), redeem(who, 1_000)]));
    for event in events {
        commit(&mut state, &event).unwrap();
    }
    state
}

/// Restrictions, and what is tried under them: an event and its code, or none where it is done.
type Case = (Vec<Event>, Vec<(Event, &'static str)>);

fn cases() -> Vec<Case> {
    vec![
        (
            vec![freeze("ANN", true)],
            vec![
                (subscribe("ANN", 1), "frozen"),
                (gift("ANN", "BOB"), "frozen"),
                (gift("BOB", "ANN"), "frozen"),
                (subscribe("BOB", 1), ""),
                (rebalance(&["LP"]), ""),
                (freeze("ANN", true), "nothing"),
            ],
        ),
        (
            vec![listed(true), allow("BOB", true)],
            vec![
                (subscribe("ANN", 1), "not_allowed"),
                (gift("BOB", "ANN"), "not_allowed"),
                // He may give away what he could not receive.
                (gift("ANN", "BOB"), ""),
                (subscribe("BOB", 1), ""),
                (allow("BOB", true), "nothing"),
                (allow("CY", false), "nothing"),
                (listed(true), "nothing"),
            ],
        ),
        (
            vec![pause(true)],
            vec![
                (subscribe("ANN", 1), "paused"),
                (gift("ANN", "BOB"), "paused"),
                (rebalance(&["LP"]), "paused"),
                (pause(true), "nothing"),
                (
                    Event::Transfer {
                        who: name("ANN"),
                        to: name("BOB"),
                        asset: Asset::Cash,
                        amount: 1,
                    },
                    "",
                ),
            ],
        ),
        (
            vec![pause(true), freeze("ANN", true), listed(true)],
            vec![(subscribe("ANN", 1), "paused"), (gift("CY", "ANN"), "paused")],
        ),
        (
            vec![freeze("ANN", true), listed(true)],
            vec![
                (subscribe("ANN", 1), "frozen"),
                (subscribe("ANN", 0), "amount"),
                (gift("CY", "BOB"), "not_allowed"),
                (allow("CY", true), ""),
                (freeze("MANAGER", true), "owner"),
                (freeze("PUBPOOL", true), "owner"),
                (freeze("LP", false), "nothing"),
            ],
        ),
    ]
}

/// Proves that each restriction refuses what brings shares in or moves them, with a code of its own that names fund and owner, in the
/// order of pause, freeze, list; that what leaves is open behind all of them; and that a refusal changes nothing.
#[test]
fn restrictions_stand_at_the_way_in() {
    let leaving = [
        redeem("ANN", 5),
        in_kind("ANN", 5),
        Event::CancelSubscription { fund: f(), who: name("ANN"), place: 0 },
        Event::CancelRedemption { fund: f(), who: name("ANN"), place: 0 },
        Event::Royalty { model: name("m"), amount: cash(1) },
        Event::Delist { fund: f(), model: name("m") },
        rebalance(&[]),
        strike(),
    ];
    for (restrictions, tried) in cases() {
        let mut state = world();
        restrictions.iter().for_each(|event| drop(commit(&mut state, event).unwrap()));
        for (event, code) in tried {
            match (apply(&state, &event), code) {
                (Ok(_), "") => {}
                (Err(rejection), code) => {
                    assert_eq!(rejection.code(), code, "{event:?}: {rejection}");
                    let text = rejection.to_string();
                    let names = ["frozen", "not_allowed", "paused"].contains(&code);
                    assert!(!names || text.contains("fund f"), "{text}");
                }
                (Ok(_), code) => assert_eq!("done", code, "{event:?}"),
            }
        }
        for event in &leaving {
            apply(&state, event).unwrap_or_else(|e| panic!("{restrictions:?} {event:?}: {e}"));
        }
    }
}

/// Proves that a strike gives an order back whole, as it does dust, whose owner may receive no shares by then; that it keeps all joiners
/// waiting in a pause and fills them after it; that a doubt and a pause are kept apart; and that leavers are settled in each.
#[test]
fn strikes_ask_again() {
    let fills = |state: &mut State| {
        let batch = commit(state, &strike()).unwrap();
        let Outcome::Strike(strike) = batch.outcome else { unreachable!() };
        let filled =
            strike.fills.iter().map(|fill| (fill.who.to_string(), fill.shares > Shares::ZERO));
        (filled.collect::<Vec<_>>(), strike.slices.len())
    };
    let given_back = vec![("ANN".to_owned(), false), ("BOB".to_owned(), true)];
    for restrictions in [vec![freeze("ANN", true)], vec![listed(true), allow("BOB", true)]] {
        let mut state = world();
        let before = state.balance(&Account::Person(name("ANN")), &Asset::Cash);
        restrictions.iter().for_each(|event| drop(commit(&mut state, event).unwrap()));
        assert_eq!(fills(&mut state), (given_back.clone(), 2));
        let after = state.balance(&Account::Person(name("ANN")), &Asset::Cash);
        assert_eq!(after - before, 7_000_000, "all of it came back");
        state.check().unwrap();
    }
    let mut state = world();
    let held = |held| Event::HoldSubscriptions { fund: f(), held };
    let both = vec![("ANN".to_owned(), true), ("BOB".to_owned(), true)];
    commit(&mut state, &pause(true)).unwrap();
    assert_eq!(fills(&mut state), (Vec::new(), 2), "leavers leave in a pause");
    commit(&mut state, &held(true)).unwrap();
    commit(&mut state, &pause(false)).unwrap();
    assert_eq!(fills(&mut state), (Vec::new(), 0), "the doubt is another reason");
    commit(&mut state, &pause(true)).unwrap();
    commit(&mut state, &held(false)).unwrap();
    assert_eq!(fills(&mut state), (Vec::new(), 0), "and the pause is one");
    commit(&mut state, &pause(false)).unwrap();
    assert_eq!(fills(&mut state), (both, 0));
    state.check().unwrap();
}

/// Proves that a pause keeps no leaver from his units: batches that trade nothing count, and the third delivers.
#[test]
fn a_pause_keeps_nobody_from_his_units() {
    let mut state = world();
    commit(&mut state, &redeem("ANN", 400_000_000_000)).unwrap();
    commit(&mut state, &pause(true)).unwrap();
    commit(&mut state, &strike()).unwrap();
    let units =
        |state: &State| state.balance(&Account::Person(name("ANN")), &Asset::Unit(name("m")));
    for turn in 1..=3 {
        assert_eq!(units(&state), 0, "before batch {turn}");
        assert_eq!(commit(&mut state, &rebalance(&["LP"])).unwrap_err().code(), "paused");
        let batch = commit(&mut state, &rebalance(&[])).unwrap();
        assert_eq!(batch.entries.is_empty(), turn < 3, "{batch:?}");
    }
    assert!(units(&state) > 0 && state.fund(&f()).unwrap().pools().is_empty());
    state.check().unwrap();
}

/// Proves that the fees' shares reach manager and pool whatever the lists say, and that a seed asks like any other way in.
#[test]
fn fees_flow_and_seeds_ask() {
    let mut state = world();
    for event in [listed(true), pause(true)] {
        commit(&mut state, &event).unwrap();
    }
    let share = Asset::Share(f());
    let held = |state: &State, who: &str| state.balance(&Account::Person(name(who)), &share);
    commit(&mut state, &Event::Strike { fund: f(), day: 100 }).unwrap();
    assert!(held(&state, "MANAGER") > 0 && held(&state, "PUBPOOL") > 0);
    for (restriction, code) in
        [(pause(true), "paused"), (freeze("ANN", true), "frozen"), (listed(true), "not_allowed")]
    {
        let mut state = State::new();
        let create = Event::CreateFund { fund: f(), params: FundParams::default() };
        let deposit = Event::Deposit { who: name("ANN"), amount: cash(10) };
        for event in [create, deposit, restriction] {
            commit(&mut state, &event).unwrap();
        }
        let seed = Event::Seed { fund: f(), who: name("ANN"), amount: cash(5), day: None };
        assert_eq!(apply(&state, &seed).unwrap_err().code(), code);
    }
}
