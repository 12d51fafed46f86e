//! Corrections: what is reversed, what is not, and that it happens once.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod common;

use common::{commit, ledger, name};
use domain::{
    amount::{Cash, LIMIT, Shares},
    fund::{Account, Asset, Event, Kind, Meta, State, apply},
};

fn correct(corrects: u64, event: &Event, claimed: Option<i64>) -> Event {
    let claimed = claimed.map(Cash::from_micro);
    Event::Correct { corrects, event: Box::new(event.clone()), claimed }
}

fn code(state: &State, event: &Event) -> Result<(), &'static str> {
    apply(state, event).map(|_| ()).map_err(|e| e.code())
}

fn balances(state: &State) -> Vec<(Account, Asset, i64)> {
    state.balances().map(|(account, asset, n)| (account.clone(), asset.clone(), n)).collect()
}

/// A ledger on which somebody has a claim.
fn with_claim() -> State {
    let mut state = ledger();
    let (fund, who) = (name("g"), name("ANN"));
    let shares = Shares::from_nano(1_000_000_000_000);
    commit(&mut state, &Event::Redeem { fund: fund.clone(), who, shares }).unwrap();
    commit(&mut state, &Event::Strike { fund, day: 0 }).unwrap();
    state
}

/// Proves that each of the four kinds is reversed by a mirrored leg under a mark of what it corrects, so that balances are those of
/// before; and that it is reversed once.
#[test]
fn four_kinds_are_reversed_once() {
    let (ann, ben) = (name("ANN"), name("BEN"));
    let amount = Cash::from_micro(1_234_567);
    let transfer = |asset: Asset, amount: i64| Event::Transfer {
        who: ann.clone(),
        to: ben.clone(),
        asset,
        amount,
    };
    let cases = [
        Event::Deposit { who: ann.clone(), amount },
        Event::Withdraw { who: ann.clone(), amount },
        transfer(Asset::Cash, 5),
        transfer(Asset::Share(name("g")), 7),
        Event::Claim { who: ann.clone() },
    ];
    for event in cases {
        let mut state = with_claim();
        let before = balances(&state);
        let batch = commit(&mut state, &event).unwrap();
        let moved = batch.entries[0].custody[0].amount;
        let claimed = matches!(event, Event::Claim { .. }).then_some(moved);
        assert!(balances(&state) != before);
        let sequence = state.events();
        let reversal = correct(sequence, &event, claimed);
        let batch = commit(&mut state, &reversal).unwrap();
        assert_eq!(balances(&state), before, "{event:?}");
        assert_eq!(batch.entries[0].kind, Kind::Correction);
        assert_eq!(batch.entries[0].meta, Meta::Correction { corrects: sequence });
        assert!(state.is_corrected(sequence) && !state.is_corrected(sequence + 1));
        assert_eq!(code(&state, &reversal), Err("corrected"), "{event:?}");
        assert_eq!(state.check(), Ok(()));
        // The text of the event leads back to it: the journal keeps texts.
        let text = serde_json::to_string(&reversal).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), reversal);
    }
}

/// Proves each refusal with its code: numbers that are none, events that nothing reverses, what is spent, what is out of range.
#[test]
fn refusals() {
    let mut state = with_claim();
    let (ann, ben) = (name("ANN"), name("BEN"));
    let deposit = Event::Deposit { who: name("NEW"), amount: Cash::from_micro(100) };
    commit(&mut state, &deposit).unwrap();
    let sequence = state.events();
    let spend = Event::Withdraw { who: name("NEW"), amount: Cash::from_micro(1) };
    let mut spent = state.clone();
    commit(&mut spent, &spend).unwrap();
    let strike = Event::Strike { fund: name("g"), day: 0 };
    let again = correct(sequence, &deposit, None);
    let to = |who: &str, asset: Asset, amount: i64| Event::Transfer {
        who: ann.clone(),
        to: name(who),
        asset,
        amount,
    };
    for (event, wanted) in [
        (correct(0, &deposit, None), "amount"),
        (correct(sequence + 1, &deposit, None), "amount"),
        (correct(sequence, &deposit, Some(1)), "amount"),
        (correct(sequence, &Event::Claim { who: ann.clone() }, None), "amount"),
        (correct(sequence, &Event::Claim { who: ann.clone() }, Some(0)), "amount"),
        (
            correct(sequence, &Event::Deposit { who: ann.clone(), amount: Cash::ZERO }, None),
            "amount",
        ),
        (correct(sequence, &strike, None), "irreversible"),
        (correct(sequence, &again, None), "irreversible"),
        (correct(sequence, &to("ANN", Asset::Cash, 1), None), "owner"),
        (correct(sequence, &to("BEN", Asset::Unit(name("m/x")), 1), None), "asset"),
        (correct(sequence, &to("BEN", Asset::Cash, LIMIT), None), "funds"),
    ] {
        let before = state.clone();
        assert_eq!(code(&state, &event), Err(wanted), "{event:?}");
        assert_eq!(state, before);
    }
    assert_eq!(code(&spent, &again), Err("funds"), "what was given is spent");
    assert_eq!(code(&state, &again), Ok(()));
    // What is left of a transfer that the other has passed on is not enough either.
    let gift =
        Event::Transfer { who: ann, to: ben.clone(), asset: Asset::Share(name("g")), amount: 9 };
    commit(&mut state, &gift).unwrap();
    let given = state.events();
    let on =
        Event::Transfer { who: ben, to: name("CAT"), asset: Asset::Share(name("g")), amount: 1 };
    commit(&mut state, &on).unwrap();
    assert_eq!(code(&state, &correct(given, &gift, None)), Err("funds"));
}
