//! Corrections and compensations in a journal that proves itself: honest ones verify, and each that is changed is named.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "strikes are shared with tests that use more of them")]
mod strikes;
#[expect(dead_code, reason = "support is shared with tests that use more of it")]
mod support;

use domain::{
    amount::{Cash, PriceNano},
    fund::Event,
    proof::{Bundle, verify_bundle},
};
use strikes::{Twist, World, key, name};

/// The compensations and corrections of a bundle's journal, with their numbers from 1.
fn numbered(bundle: &Bundle, op: &str) -> Vec<u64> {
    let all = (1..).zip(&bundle.journal);
    all.filter(|(_, event)| event.op() == op).map(|(number, _)| number).collect()
}

type Change = fn(&mut Event);

/// What is done to the first or second of its kind, and the refusal behind the number of the event.
const CHANGES: &[(&str, usize, &str, Change)] = &[
    ("correct", 0, ".event.amount: ", |event| {
        let Event::Correct { event, .. } = event else { return };
        let Event::Deposit { amount, .. } = &mut **event else { return };
        *amount = Cash::from_micro(1);
    }),
    ("correct", 0, ".event", |event| {
        let Event::Correct { corrects, .. } = event else { return };
        *corrects -= 1;
    }),
    ("correct", 1, ".event.who: ", |event| {
        let Event::Correct { event, .. } = event else { return };
        let Event::Transfer { who, .. } = &mut **event else { return };
        *who = name("SPONSOR");
    }),
    ("correct", 2, ".claimed: ", |event| {
        let Event::Correct { claimed, .. } = event else { return };
        *claimed = Some(Cash::from_micro(1));
    }),
    ("compensate", 0, ", compensation.owners.BOB: ", |event| {
        let Event::Compensate { owners, .. } = event else { return };
        owners.insert(name("BOB"), Cash::from_micro(1));
    }),
    ("compensate", 0, ", compensation.owners.ALICE: ", |event| {
        let Event::Compensate { owners, .. } = event else { return };
        owners.insert(name("ALICE"), Cash::from_micro(1));
    }),
    ("compensate", 0, ", compensation.fund: ", |event| {
        let Event::Compensate { fund_part, .. } = event else { return };
        *fund_part = Cash::ZERO;
    }),
    ("compensate", 0, ", compensation", |event| {
        let Event::Compensate { prices, .. } = event else { return };
        prices.insert(name("m/a"), PriceNano::from_nano(7));
    }),
    ("compensate", 0, ", compensation", |event| {
        let Event::Compensate { strike, .. } = event else { return };
        *strike = 1;
    }),
    // At a threshold that the error does not reach nobody is paid.
    ("compensate", 0, ", compensation", |event| {
        let Event::Compensate { threshold, .. } = event else { return };
        *threshold = domain::amount::Ppb::from_ppb(900_000_000);
    }),
    ("compensate", 1, ", payer: ", |event| {
        let Event::Compensate { payer, .. } = event else { return };
        *payer = name("LP");
    }),
    // The second pays what the first has not, no more.
    ("compensate", 1, ", compensation.owners.BOB: ", |event| {
        let Event::Compensate { owners, .. } = event else { return };
        let paid = owners[&name("BOB")].as_micro();
        owners.insert(name("BOB"), Cash::from_micro(2 * paid));
    }),
];

/// Proves that a journal with corrections of three kinds and two compensations of one strike verifies, and that each of them changed in
/// one field is refused by its number.
#[test]
fn corrections_and_compensations_follow_from_the_journal() {
    let world = World::new(Twist::Restated);
    let trusted = key().public().unwrap();
    let honest = world.bundle(3);
    verify_bundle(&honest, Some(&trusted)).unwrap();
    let mut wrong = Vec::new();
    for (number, (op, nth, wanted, change)) in CHANGES.iter().enumerate() {
        let mut bundle = honest.clone();
        let sequence = numbered(&bundle, op)[*nth];
        change(&mut bundle.journal[sequence as usize - 1]);
        assert_ne!(bundle.journal, honest.journal, "change {number} changes nothing");
        let found = verify_bundle(&bundle, Some(&trusted));
        let found = found.map_or_else(|error| error.to_string(), |_| "verified".to_owned());
        let separate = if *op == "correct" { "journal." } else { "journal: event " };
        if !found.starts_with(&format!("{separate}{sequence}{wanted}")) {
            wrong.push(format!("change {number}: {found}\n  wanted: {separate}{sequence}{wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
