//! Distribution of the publishers' part of the management fee: who gets what, against a computation by rational numbers.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{MODELS, commit, ledger, name};
use domain::{
    amount::{Femto, Ppb, Shares},
    fund::{Account, Asset, Event, FeeSpan, State, apply, divide_fees},
    name::Name,
};
use num_rational::BigRational;
use proptest::prelude::*;

fn ratio(a: i128, b: i128) -> BigRational {
    BigRational::new(a.into(), b.into())
}

/// The split of each model: one maker, two, and one beside the pool.
fn split(model: &Name) -> Vec<(Name, Ppb)> {
    let part = |who: &str, ppb: i64| (name(who), Ppb::from_ppb(ppb));
    match MODELS.iter().position(|m| *m == model.as_str()).unwrap() {
        0 => vec![part("PUB", 1_000_000_000)],
        1 => vec![part("PUB", 600_000_001), part("ANN", 399_999_999)],
        _ => vec![part("PUBPOOL", 500_000_000), part("CAT", 500_000_000)],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Proves that nobody gets more than his exact part, that rounding takes less than three steps of a share for each model and strike,
    /// that the pool gets nothing of itself, and that all parts together are at most what was put in.
    #[test]
    fn parts_by_rational_numbers(
        spans in prop::collection::vec((0..2_000_000_000_000_000_i64, prop::collection::vec(prop_oneof![Just(0_i128), 1..10_i128.pow(30)], 3)), 0..6),
        shares in prop::collection::vec(prop_oneof![Just(0_i64), Just(1_000_000_000), 0..1_000_000_000_i64], 3),
    ) {
        let splits: BTreeMap<Name, Vec<(Name, Ppb)>> =
            MODELS.iter().map(|m| (name(m), split(&name(m)))).collect();
        let fee_shares: BTreeMap<Name, Ppb> =
            MODELS.iter().zip(&shares).map(|(m, ppb)| (name(m), Ppb::from_ppb(*ppb))).collect();
        let given = spans.iter().map(|(pool, values)| FeeSpan {
            pool: Shares::from_nano(*pool),
            values: MODELS.iter().zip(values).map(|(m, v)| (name(m), Femto::from_femto(*v))).collect(),
            fee_shares: BTreeMap::new(),
        });
        let parts = divide_fees(given.clone(), &fee_shares, |m| &splits[m], &name("PUBPOOL")).unwrap();
        prop_assert!(!parts.contains_key(&name("PUBPOOL")));
        let mut exact = BTreeMap::<Name, BigRational>::new();
        for (pool, values) in &spans {
            let whole: i128 = values.iter().sum();
            for ((model, value), share) in MODELS.iter().zip(values).zip(&shares).filter(|((_, v), _)| **v > 0) {
                for (who, ppb) in &splits[&name(model)] {
                    let part = ratio(i128::from(*pool), 1) * ratio(*value, whole)
                        * ratio(i128::from(*share), 1_000_000_000) * ratio(i128::from(ppb.as_ppb()), 1_000_000_000);
                    *exact.entry(who.clone()).or_insert_with(|| ratio(0, 1)) += part;
                }
            }
        }
        let slack = ratio(3 * 3 * spans.len() as i128, 1);
        for (who, exact) in exact.into_iter().filter(|(who, _)| who.as_str() != "PUBPOOL") {
            let got = ratio(parts.get(&who).map_or(0, |part| i128::from(part.as_nano())), 1);
            prop_assert!(got <= exact && &exact - &got <= slack, "{who}: {got} of {exact}");
        }
        let all: i128 = parts.values().map(|part| i128::from(part.as_nano())).sum();
        prop_assert!(all <= spans.iter().map(|span| i128::from(span.0)).sum());
        // A model that was held and has no share is named.
        let held = spans.iter().any(|(_, values)| values[0] > 0);
        let mut lacking = fee_shares;
        lacking.remove(&name(MODELS[0]));
        let found = divide_fees(given, &lacking, |m| &splits[m], &name("PUBPOOL"));
        prop_assert_eq!(found.is_err(), held);
    }
}

fn code(state: &State, event: &Event) -> Result<(), &'static str> {
    apply(state, event).map(|_| ()).map_err(|e| e.code())
}

/// Proves that shares leave the pool for a span that follows the last one, and each refusal with its code.
#[test]
fn a_span_is_paid_once() {
    let mut state = ledger();
    for day in [30, 60] {
        commit(&mut state, &Event::Strike { fund: name("f"), day }).unwrap();
    }
    let share = Asset::Share(name("f"));
    let pool = state.balance(&Account::Person(name("PUBPOOL")), &share);
    assert!(pool > 1_000);
    let pay = |from: u64, to: u64, parts: &[(&str, i64)]| Event::DistributeFees {
        fund: name("f"),
        from,
        to,
        fee_shares: BTreeMap::from([(name(MODELS[0]), Ppb::from_ppb(1_000_000_000))]),
        parts: parts.iter().map(|(who, part)| (name(who), Shares::from_nano(*part))).collect(),
    };
    let some = [("PUB", 600), ("ANN", 400)];
    for (event, wanted) in [
        (pay(1, 4, &some), "amount"),
        (pay(0, 3, &some), "amount"),
        (pay(3, 2, &some), "amount"),
        (pay(2, 3, &some), "amount"),
        (pay(1, 3, &[("PUB", 0)]), "amount"),
        (pay(1, 3, &[("PUBPOOL", 1)]), "owner"),
        (pay(1, 3, &[]), "nothing"),
        (pay(1, 3, &[("PUB", pool + 1)]), "funds"),
    ] {
        assert_eq!(code(&state, &event), Err(wanted), "{event:?}");
    }
    let before = state.balance(&Account::Person(name("ANN")), &share);
    commit(&mut state, &pay(1, 2, &some)).unwrap();
    assert_eq!(state.balance(&Account::Person(name("ANN")), &share), before + 400);
    assert_eq!(state.balance(&Account::Person(name("PUBPOOL")), &share), pool - 1_000);
    assert_eq!(state.fund(&name("f")).unwrap().distributed(), 2);
    assert_eq!(code(&state, &pay(1, 2, &some)), Err("exists"));
    assert_eq!(code(&state, &pay(2, 3, &some)), Err("exists"));
    assert_eq!(code(&state, &pay(3, 3, &some)), Ok(()));
    assert_eq!(state.check(), Ok(()));
}
