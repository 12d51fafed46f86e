//! Strikes under rules that change, and in funds where not everybody may deal.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod strikes;
mod support;

use domain::{
    amount::{Cash, Shares},
    fund::{Event, Methodology},
    proof::{Bundle, verify_bundle},
};
use strikes::{Twist, World, key, name};

/// One change of a bundle.
type Change = fn(&mut Bundle);

/// Proves that a strike under other rules than those of the creation verifies, where they were announced a week before and came into force
/// right after a strike; and that the strike before proves itself without them.
#[test]
fn an_announced_change_of_rules_verifies() {
    let world = World::new(Twist::Change);
    let trusted = key().public().unwrap();
    let [first, second] = [1, 2].map(|number| world.bundle(number));
    let old = verify_bundle(&first, Some(&trusted)).unwrap();
    let new = verify_bundle(&second, Some(&trusted)).unwrap();
    assert_eq!((old.methodologies, new.methodologies), (1, 2));
    assert_ne!(old.methodology, new.methodology);
    assert_eq!(new.methodology, second.methodology.digest().unwrap());
    let facts = &second.record.facts;
    assert_eq!((facts.fees.days, facts.fees.levy), (10, Cash::ZERO), "no levy under the new rules");
    let honest = World::new(Twist::Honest).bundle(2).record.facts;
    assert!(facts.fees.management.as_nano() > 2 * honest.fees.management.as_nano());
    let text = serde_json::to_string(&second).unwrap();
    assert_eq!(serde_json::from_str::<Bundle>(&text).unwrap(), second);
    let changes: [(&str, Change); 6] = [
        ("journal: event 1, params.levy_in: ", |b| b.methodologies.reverse()),
        ("journal: event 1, params.levy_in: ", |b| b.methodologies.clear()),
        ("journal: event 14: the methodology sha256:", |b| {
            b.methodologies.truncate(1);
            b.methodology = b.methodologies[0].clone();
            b.record.methodology = b.methodology.digest().unwrap();
        }),
        ("methodologies: ", |b| {
            let more = Methodology { cash_ppb: 1, ..b.methodology.clone() };
            b.methodologies.push(more);
        }),
        ("record.methodology: ", |b| {
            b.methodology = b.methodologies[0].clone();
            b.record.methodology = b.methodology.digest().unwrap();
        }),
        ("methodology: cash_ppb is -1", |b| b.methodologies[1].cash_ppb = -1),
    ];
    for (wanted, change) in changes {
        let mut bundle = second.clone();
        change(&mut bundle);
        let error = verify_bundle(&bundle, Some(&trusted)).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{wanted}: {error}");
    }
}

/// Proves that a model which may have no weight is left out of rebalance and record, keeps its mark, and that the strike is proven by the
/// event that says so and by nothing else, nor where it may have weight again by then.
#[test]
fn an_ineligible_model_is_left_out_by_an_event() {
    let world = World::new(Twist::Ineligible);
    let bundle = world.bundle(2);
    verify_bundle(&bundle, None).unwrap();
    let facts = &world.records[1].facts;
    let weights: Vec<_> = facts.weights.as_ref().unwrap().keys().cloned().collect();
    assert_eq!(weights, [name("m/a")]);
    assert!(facts.prices.contains_key(&name("m/b")), "it is marked like any other");
    assert!(facts.slices[0].units.contains_key(&name("m/b")), "it is in every slice");
    let said = bundle.journal.iter().position(|event| event.op() == "set_eligible").unwrap();
    let mut unsaid = bundle.clone();
    unsaid.journal.remove(said);
    let error = verify_bundle(&unsaid, None).unwrap_err().to_string();
    assert!(error.contains("weights.m/a: the journal says 1000000000, "), "{error}");
    let mut undone = bundle;
    let again = Event::SetEligible { fund: name("main"), model: name("m/b"), eligible: true };
    undone.journal.insert(said + 1, again);
    let error = verify_bundle(&undone, None).unwrap_err().to_string();
    assert!(error.contains("weights.m/a: the journal says 1000000000, "), "{error}");
}

/// Proves that strikes verify whose joiners are frozen or wait out a pause, that a frozen joiner's orders are in the record and filled with
/// nothing, that the basket stays through a pause, and that the batch of a pause is none without it.
#[test]
fn restricted_strikes_verify() {
    let world = World::new(Twist::Restricted);
    let bundles = [2, 3].map(|number| world.bundle(number));
    bundles.iter().for_each(|bundle| drop(verify_bundle(bundle, None).unwrap()));
    let [second, third] = [1, 2].map(|number: usize| &world.records[number].facts);
    assert_eq!((second.orders.len(), second.fills.len(), second.slices.len()), (3, 2, 1));
    assert!(second.fills.iter().all(|fill| fill.shares == Shares::ZERO && fill.cost == Cash::ZERO));
    assert_eq!((third.orders.len(), third.fills.len()), (0, 0), "a joiner waits in the pause");
    assert_eq!(third.level, second.level, "prices and basket are the same");
    let [_, mut unpaused] = bundles;
    unpaused.journal.retain(|event| event.op() != "pause");
    let error = verify_bundle(&unpaused, None).unwrap_err().to_string();
    assert!(error.contains("counterparties"), "{error}");
}
