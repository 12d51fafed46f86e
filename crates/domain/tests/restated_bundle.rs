//! Corrections and compensations in a journal that proves itself: honest ones verify, and each that is changed is named.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod json_schema;
#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod strikes;
mod support;

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    fund::{
        Event,
        restatement::{TOLERANCE_PPB, restate},
    },
    proof::{
        Bundle, JoinerRecord, LeaverRecord, RestatementRecord, TradeRecord, WindingRecord,
        verify_bundle,
    },
};
use json_schema::fault;
use serde_json::{Value, json};
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
        *threshold = Ppb::from_ppb(900_000_000);
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
    ("distribute_fees", 0, ", parts.PUB: ", |event| {
        let Event::DistributeFees { parts, .. } = event else { return };
        let part = parts[&name("PUB")].as_nano();
        parts.insert(name("PUB"), Shares::from_nano(part + 1));
    }),
    ("distribute_fees", 0, ", parts", |event| {
        let Event::DistributeFees { fee_shares, .. } = event else { return };
        fee_shares.insert(name("m/b"), Ppb::from_ppb(1_000_000_000));
    }),
    ("distribute_fees", 0, ", fee_shares: ", |event| {
        let Event::DistributeFees { fee_shares, .. } = event else { return };
        fee_shares.remove(&name("m/b"));
    }),
    ("distribute_fees", 0, ", parts", |event| {
        let Event::DistributeFees { to, .. } = event else { return };
        *to = 1;
    }),
];

/// Proves that a journal with corrections of three kinds, two compensations of one strike and a distribution of fees verifies, and that each of them changed in
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

/// Proves that the record of a restatement is of the form of `schema/restatement.schema.json`, comes back from its text, and has nothing
/// that the form does not say.
#[test]
fn record() {
    let world = World::new(Twist::Restated);
    let dealt = world.watch().restated().dealt(2).unwrap();
    let prices = BTreeMap::from([(name("m/a"), PriceNano::from_nano(1_000_000_000))]);
    let threshold = Ppb::from_ppb(TOLERANCE_PPB);
    let found = restate(dealt, &prices, &BTreeMap::new(), threshold).unwrap();
    let cash = Cash::from_micro(1);
    let leaver = LeaverRecord {
        who: name("BOB"),
        shares: Shares::from_nano(1),
        paid: cash,
        right: cash,
        loss: Cash::ZERO,
        gain: Cash::ZERO,
    };
    let record = RestatementRecord {
        record_version: RestatementRecord::VERSION,
        fund: name("main"),
        strike: 2,
        number: 1,
        prices: prices.clone(),
        estimates: prices,
        threshold,
        nav_published: dealt.nav(),
        nav: found.nav,
        ask: found.ask,
        nav_per_share: found.nav_per_share,
        error_ppb: found.error_ppb,
        ask_error_ppb: found.ask_error_ppb,
        passes_threshold: found.passes,
        joiners: found.joiners.iter().map(JoinerRecord::from).collect(),
        leavers: vec![leaver],
        fund_loss: found.fund_loss().unwrap(),
        compensated_by: None,
        winding: Some(WindingRecord { published: dealt.winding(), right: found.winds_up }),
        trades: BTreeMap::from([("LP".to_owned(), TradeRecord { fund: 7, leavers: -7 })]),
    };
    let text = record.to_canonical().unwrap();
    assert_eq!(serde_json::from_str::<RestatementRecord>(&text).unwrap(), record);
    let schema: Value =
        serde_json::from_str(include_str!("../../../schema/restatement.schema.json")).unwrap();
    let record = serde_json::to_value(record).unwrap();
    assert_eq!(fault(&schema, &schema, &record), None);
    // Absent where the window paid nobody, and before they were told.
    let optional = ["leavers", "winding", "trades"];
    for place in ["", "/joiners/0", "/leavers/0", "/winding", "/trades/LP"] {
        let fields = record.pointer(place).unwrap().as_object().unwrap().keys();
        for field in fields.filter(|field| !optional.contains(&field.as_str())) {
            let mut lacking = record.clone();
            lacking.pointer_mut(place).unwrap().as_object_mut().unwrap().shift_remove(field);
            assert!(fault(&schema, &schema, &lacking).is_some(), "{place}/{field}");
        }
        let mut more = record.clone();
        more.pointer_mut(place).unwrap()["more"] = json!(1);
        assert!(fault(&schema, &schema, &more).unwrap().ends_with(".more: unknown"));
    }
}
