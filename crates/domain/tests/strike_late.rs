//! Strikes that are late for their cut-off: what their bundles prove, and what is found when one thing of the journal is changed.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod strikes;
mod support;

use domain::{
    amount::Ppb,
    fund::Event,
    proof::{Bundle, verify_bundle},
};
use strikes::{World, key, name};

type Change = fn(&mut Bundle);

fn place(bundle: &Bundle, op: &str) -> usize {
    bundle.journal.iter().position(|event| event.op() == op).unwrap()
}

/// The strike of the bundle, one change of it, and how the refusal begins.
const CHANGES: &[(usize, &str, Change)] = &[
    (3, "verified", |_| {}),
    (4, "verified", |_| {}),
    (5, "verified", |_| {}),
    // The order behind the cut-off is moved before it, the cut-off is left out, the held order is not held.
    (3, "record.facts.cut_off: ", |b| {
        let at = place(b, "cut_off");
        b.journal.swap(at, at + 1);
    }),
    (3, "record.facts.cut_off: ", |b| {
        let at = place(b, "cut_off");
        b.journal[at] = Event::Claim { who: name("ALICE") };
    }),
    (3, "record.facts.orders", |b| {
        let at = place(b, "hold_order");
        let Event::HoldOrder { place, who, .. } = &mut b.journal[at] else { panic!() };
        (*place, *who) = (1, name("BOB"));
    }),
    // A fee share is said otherwise, or the distribution states its own.
    (5, "journal: event ", |b| {
        let at = place(b, "set_fee_share");
        let Event::SetFeeShare { share, .. } = &mut b.journal[at] else { panic!() };
        *share = Ppb::from_ppb(500_000_000);
    }),
    (5, "journal: event ", |b| {
        let at = place(b, "distribute_fees");
        let Event::DistributeFees { fee_shares, .. } = &mut b.journal[at] else { panic!() };
        fee_shares.insert(name("m/a"), Ppb::from_ppb(1_000_000_000));
        fee_shares.insert(name("m/b"), Ppb::from_ppb(333_333_333));
    }),
];

/// Proves that strikes with a cut-off, a held order and a distribution by the fee shares of each strike verify, that the third has nothing
/// that came after its cut-off, and that each change of the journal is found.
#[test]
fn late_strikes_are_proven() {
    let world = World::late();
    let facts: Vec<_> = world.records.iter().map(|record| &record.facts).collect();
    let dealt = |at: usize| -> Vec<_> {
        facts[at].orders.iter().map(|order| (order.who.as_str(), order.amount)).collect()
    };
    assert_eq!(dealt(2), [("BOB", 12_000_000), ("ALICE", 5_000)]);
    assert_eq!(dealt(3), [("ALICE", 11_000_000), ("BOB", 13_000_000), ("BOB", 1)]);
    assert!(facts[2].orders.iter().all(|order| order.sequence <= facts[2].cut_off));
    let behind = facts[3].orders.iter().filter(|order| order.sequence > facts[2].cut_off);
    assert_eq!(behind.count(), 2);
    let mut wrong = Vec::new();
    for (number, (strike, wanted, change)) in CHANGES.iter().enumerate() {
        let mut bundle = world.bundle(*strike);
        change(&mut bundle);
        let found = verify_bundle(&bundle, Some(&key().public().unwrap()));
        let found = found.map_or_else(|error| error.to_string(), |_| "verified".to_owned());
        if !found.starts_with(wanted) {
            wrong.push(format!("change {number}: {found}\n  wanted: {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
