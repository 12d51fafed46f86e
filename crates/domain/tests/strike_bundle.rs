//! Strikes that prove themselves: an honest one, one that is changed in one field, and ones whose operator did what he should not.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod json_schema;
#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod strikes;
mod support;

use std::{collections::BTreeMap, sync::OnceLock};

use domain::{
    amount::{Cash, Femto, Ppb, PriceNano, Shares, Units},
    digest::Digest,
    fund::Event,
    index::IndexLevel,
    proof::{
        Bundle, LeafRecord, LogKey, OrderKind, RoundVotes, StrikeFacts, StrikeRecord, verify_bundle,
    },
};
use json_schema::fault;
use proptest::prelude::*;
use serde_json::{Value, json};
use strikes::{Twist, World, key, name};

/// Proves that both strikes verify, the first and one that follows another, with and without a trusted key, and through JSON.
#[test]
fn honest_strikes_verify() {
    let world = World::new(Twist::Honest);
    let trusted = key().public().unwrap();
    for number in [1, 2] {
        let bundle = world.bundle(number);
        let found = verify_bundle(&bundle, Some(&trusted)).unwrap();
        assert_eq!((found.number, found.trusted), (number as u64, true));
        assert_eq!(found.decisions, 2 * number as u64);
        let reports = [(2, 1), (6, 4)][number - 1];
        assert_eq!((found.reports, found.reports_from_samples), reports);
        assert_eq!(found.reports_signed, found.reports);
        assert_eq!(found.record, bundle.record.digest().unwrap());
        assert!(!verify_bundle(&bundle, None).unwrap().trusted);
        let text = serde_json::to_string(&bundle).unwrap();
        let read: Bundle = serde_json::from_str(&text).unwrap();
        assert_eq!(read, bundle);
        assert_eq!(verify_bundle(&read, Some(&trusted)).unwrap(), found);
    }
}

/// Proves what the record of the second strike says: both kinds of orders with their numbers, the cut-off before the prices, fees, level.
#[test]
fn record() {
    let world = World::new(Twist::Honest);
    let facts = &world.records[1].facts;
    let orders: Vec<_> = facts.orders.iter().map(|o| (o.kind, o.who.as_str())).collect();
    let (buy, leave) = (OrderKind::Subscription, OrderKind::Redemption);
    assert_eq!(orders, [(buy, "BOB"), (leave, "ALICE"), (buy, "BOB")]);
    let last = facts.orders.last().unwrap().sequence;
    assert_eq!((facts.cut_off, facts.sequence), (last, last + 2));
    assert_eq!((facts.fills.len(), facts.slices.len()), (2, 1));
    assert!(facts.fees.days == 10 && facts.fees.management > Shares::ZERO);
    assert!(facts.fees.performance > Shares::ZERO && facts.fees.levy > Cash::ZERO);
    assert!(facts.level.unwrap() > PriceNano::from_nano(1_000_000_000_000));
    let first = &world.records[0].facts;
    assert_eq!(first.level, None);
    let prices = |facts: &StrikeFacts| -> BTreeMap<_, _> {
        facts.prices.iter().map(|(model, marked)| (model.clone(), marked.price)).collect()
    };
    let basket = IndexLevel::start(first.weights.as_ref().unwrap(), &prices(first)).unwrap();
    assert_eq!(facts.level, Some(basket.level(&prices(facts)).unwrap()));
    let weights = facts.weights.as_ref().unwrap();
    assert_eq!(weights.values().map(|weight| weight.as_ppb()).sum::<i64>(), 1_000_000_000);
    let value = facts.units.iter().map(|(m, units)| units.value_at(facts.prices[m].price));
    assert_eq!(facts.cash.to_femto() + value.sum(), facts.nav);
    assert_ne!(facts.nav, facts.ask);
    let text = world.records[1].to_canonical().unwrap();
    assert_eq!(serde_json::from_str::<StrikeRecord>(&text).unwrap(), world.records[1]);
}

type Change = fn(&mut Bundle);

fn votes(bundle: &mut Bundle) -> &mut RoundVotes {
    bundle.decisions.get_mut(&name("m/a")).unwrap()[1].round.as_mut().unwrap()
}

/// Changes the first digit of a signature.
fn other_digit(signature: &mut String) {
    let first = if signature.starts_with('0') { "1" } else { "0" };
    signature.replace_range(..1, first);
}

/// One change each, and how the refusal begins; behind a star, what it holds further on.
const CHANGES: &[(&str, Change)] = &[
    ("bundle_version: 2;", |b| b.bundle_version = 2),
    ("record.record_version: 0;", |b| b.record.record_version = 0),
    ("record.methodology: ", |b| b.methodology.name_cap_ppb += 1),
    ("methodology: cash_ppb is -1", |b| b.methodology.cash_ppb = -1),
    // The record says something else than its journal.
    ("record.facts.prices.m/a.price_nano: ", |b| {
        b.record.facts.prices.get_mut(&name("m/a")).unwrap().price = PriceNano::from_nano(1);
    }),
    ("record.facts.prices.m/b.estimate_nano: ", |b| {
        b.record.facts.prices.get_mut(&name("m/b")).unwrap().estimate = None;
    }),
    ("record.facts.fills[1].shares_nano: ", |b| {
        b.record.facts.fills[1].shares = Shares::from_nano(1);
    }),
    ("record.facts.fills[0].cost_micro: ", |b| b.record.facts.fills[0].cost = Cash::ZERO),
    ("record.facts.slices[0].cash_micro: ", |b| {
        b.record.facts.slices[0].cash = Cash::from_micro(1);
    }),
    ("record.facts.slices[0].units_micro.m/a: ", |b| {
        b.record.facts.slices[0].units.insert(name("m/a"), Units::from_micro(1));
    }),
    ("record.facts.nav_femto: ", |b| {
        b.record.facts.nav += Femto::from_femto(1);
    }),
    ("record.facts.ask_femto: ", |b| b.record.facts.ask = b.record.facts.nav),
    ("record.facts.shares_nano: ", |b| b.record.facts.shares = Shares::ZERO),
    ("record.facts.nav_per_share_nano: ", |b| b.record.facts.nav_per_share = None),
    ("record.facts.cash_micro: ", |b| b.record.facts.cash = Cash::ZERO),
    ("record.facts.units_micro.m/b: ", |b| {
        b.record.facts.units.insert(name("m/b"), Units::from_micro(7));
    }),
    ("record.facts.units_micro.m/c: ", |b| {
        b.record.facts.units.insert(name("m/c"), Units::ZERO);
    }),
    ("record.facts.weights_ppb.m/a: ", |b| {
        let weights = b.record.facts.weights.as_mut().unwrap();
        weights.insert(name("m/a"), Ppb::from_ppb(1));
    }),
    ("record.facts.level_nano: ", |b| b.record.facts.level = None),
    ("record.facts.high_water.nav_femto: ", |b| b.record.facts.high_water.nav = Femto::ZERO),
    ("record.facts.fees.levy_micro: ", |b| b.record.facts.fees.levy = Cash::ZERO),
    ("record.facts.winding: ", |b| b.record.facts.winding = true),
    ("record.facts.day: ", |b| b.record.facts.day += 1),
    ("record.facts.state_before: ", |b| b.record.facts.state_before = Digest::of(b"")),
    ("record.facts.state_after: ", |b| b.record.facts.state_after = Digest::of(b"")),
    ("record.balances.holders: ", |b| b.record.balances.as_mut().unwrap().holders += 1),
    ("record.balances.shares_nano: ", |b| {
        b.record.balances.as_mut().unwrap().shares = Shares::ZERO;
    }),
    ("record.balances.root: ", |b| {
        b.record.balances.as_mut().unwrap().root = Digest::of(b"");
    }),
    ("record.balances.root: ", |b| b.balance_seed = Some(strikes::seed(7))),
    ("balance_seed, which opens record.balances is not in the bundle", |b| b.balance_seed = None),
    ("record.balances, which balance_seed opens is not in the bundle", |b| {
        b.record.balances = None;
    }),
    // Orders: dropped, moved, changed; in the record or in the journal.
    ("record.facts.orders: ", |b| drop(b.record.facts.orders.remove(1))),
    ("record.facts.orders[0].sequence: ", |b| b.record.facts.orders[0].sequence -= 1),
    ("record.facts.orders[0].amount: ", |b| b.record.facts.orders[0].amount = 1),
    ("record.facts.cut_off: ", |b| b.record.facts.cut_off += 1),
    // The journal lacks its third from the end, the last order: everything after it has another number.
    ("record.facts.sequence: ", |b| drop(b.journal.remove(b.journal.len() - 3))),
    ("record.facts.orders[0].amount: ", |b| {
        let last = b.journal.len() - 1;
        b.journal.swap(last - 2, last - 3);
        b.journal.swap(last - 3, last - 4);
        b.journal.swap(last - 2, last - 3);
        b.record.facts.orders[0].amount -= 1;
    }),
    ("journal: order 18 is in the strike of event 19, whose prices were set after event 16", |b| {
        let last = b.journal.len() - 1;
        b.journal.swap(last - 1, last - 2);
    }),
    ("journal: the bundle says ends with subscribe, ", |_| {}),
    ("journal, event 2, deposit: ", |b| {
        let Event::Deposit { amount, .. } = &mut b.journal[1] else { return };
        *amount = Cash::from_micro(-1);
    }),
    // Reports and decisions.
    ("report * price_micro: the report says \"1\", ", |b| {
        b.reports[5].report.price_micro = Some(1);
    }),
    ("report * cost_index: ", |b| b.reports[5].report.cost_index = Some(0.25)),
    ("report * price_micro: ", |b| b.reports[5].report.quality_bits = Some(3.0)),
    ("report * cost.ratios.time: ", |b| {
        b.reports[1].report.cost.as_mut().unwrap().ratios.time *= 1.01;
    }),
    ("report * sigma_ln_price: ", |b| b.reports[1].report.sigma_ln_price = Some(0.1)),
    ("report * machine.processors: ", |b| b.reports[0].report.machine.processors += 1),
    ("report * the attestation is of report ", |b| b.reports[1].report.machine.processors += 1),
    ("report * samples: the blob has digest ", |b| {
        b.reports[2].samples.as_mut().unwrap().push(' ');
    }),
    ("reports[0].right: ", |b| {
        let right = &b.reports[0].right;
        b.reports[0].right = right.chars().rev().collect();
    }),
    ("reports[0].influence: ", |b| b.reports[0].influence.push(1.0)),
    ("report * the signature is not one of report ", |b| {
        other_digit(&mut b.reports[1].attestation.as_mut().unwrap().signature);
    }),
    ("report sha256: * is not in the bundle", |b| _ = b.reports.remove(1)),
    ("report sha256: * is not in the bundle", |b| _ = b.reports.remove(4)),
    ("the leaf sha256: * of decisions.m/b[0] is not in the bundle", |b| {
        b.decisions.get_mut(&name("m/b")).unwrap()[0].decision = Digest::of(b"");
    }),
    ("decisions.m/b[0]: the bundle says report, what", |b| {
        let report = b.log.leaves[5].leaf.hash().unwrap();
        b.decisions.get_mut(&name("m/b")).unwrap()[0].decision = report;
    }),
    ("decisions.m/a is not in the bundle", |b| _ = b.decisions.remove(&name("m/a"))),
    ("decisions: ", |b| _ = b.decisions.insert(name("m/c"), Vec::new())),
    ("decisions.m/a[0].number: ", |b| {
        b.decisions.get_mut(&name("m/a")).unwrap().remove(0);
    }),
    ("decisions.m/a[1].round: ", |b| {
        b.decisions.get_mut(&name("m/a")).unwrap()[1].round = None;
    }),
    ("the quorum of decisions.m/a[1] is not in the bundle", |b| votes(b).votes.truncate(2)),
    ("the quorum of decisions.m/a[1] is not in the bundle", |b| votes(b).absent = 1.0),
    ("decisions.m/a[1].round: ", |b| votes(b).absent = 0.0),
    ("decisions.m/a[1].round: ", |b| votes(b).votes.reverse()),
    ("decisions.m/a[1].round: the bundle says a weight of -1, ", |b| votes(b).absent = -1.0),
    ("decisions.m/a[1].round: the bundle says a weight of NaN, ", |b| {
        votes(b).votes[1].weight = f64::NAN;
    }),
    ("the lead sha256: * among the kept votes of decisions.m/a[1] is not", |b| {
        let first = votes(b).votes[0].clone();
        (votes(b).wanted, votes(b).absent) = (1, 0.0);
        votes(b).votes = vec![first];
    }),
    ("record.sources.m/a.decision: ", |b| {
        b.decisions.get_mut(&name("m/a")).unwrap().remove(1);
    }),
    ("record.sources.m/b.report: ", |b| {
        b.record.sources.get_mut(&name("m/b")).unwrap().report = Digest::of(b"");
    }),
    ("record.sources: ", |b| _ = b.record.sources.remove(&name("m/b"))),
    // The log.
    ("log.head: the signature is not one of head ", |b| {
        b.log.head.at = b.log.head.at.plus_millis(1);
    }),
    ("log.head: the signature is not one of head ", |b| b.log.head.size += 1),
    ("log.head: the signature is not one of head ", |b| other_digit(&mut b.log.head.signature)),
    ("log.head: the head is signed by key ", |b| {
        let head = &b.log.head;
        let other = LogKey::from_secret(&[8; 32]);
        b.log.head = other.sign(&head.log, head.size, head.root, head.at).unwrap();
    }),
    ("log.leaves[16], strike: the path leads to root ", |b| {
        b.log.leaves[16].path[0] = Digest::of(b"");
    }),
    ("log.leaves[16], strike: a path of ", |b| _ = b.log.leaves[16].path.pop()),
    ("log.leaves[0], methodology: ", |b| b.log.leaves[0].path[1] = Digest::of(b"")),
    ("log.leaves[2], report: ", |b| b.log.leaves[2].path[1] = Digest::of(b"")),
    ("log.leaves[9], report: ", |b| b.log.leaves[9].path[1] = Digest::of(b"")),
    ("log.leaves[7], strike: ", |b| b.log.leaves[7].path[1] = Digest::of(b"")),
    ("log.leaves[8], publish: ", |b| b.log.leaves[8].path[1] = Digest::of(b"")),
    ("log.publish.index: the bundle says publish at 9, what", |b| b.log.leaves[8].index = 9),
    ("the leaf that makes sha256: * a version of m/b is not in the bundle", |b| {
        let LeafRecord::Publish { model, .. } = &mut b.log.leaves[13].leaf else { return };
        *model = name("m/a");
    }),
    ("log.leaves[12], accepted_price: ", |b| b.log.leaves[12].path[0] = Digest::of(b"")),
    ("log.report.index: the bundle says report at 11, what", |b| b.log.leaves[12].index = 11),
    ("log.leaf.index: the bundle says methodology at 17, what", |b| b.log.leaves[0].index = 17),
    ("log.report.evaluator: ", |b| {
        let LeafRecord::Report { evaluator, .. } = &mut b.log.leaves[2].leaf else { return };
        evaluator.push('2');
    }),
    ("the leaf of strike 2 of main is not in the bundle", |b| _ = b.log.leaves.remove(16)),
    ("the leaf of methodology sha256:", |b| _ = b.log.leaves.remove(0)),
    ("the leaf of report sha256:", |b| _ = b.log.leaves.remove(2)),
    ("the leaf of report sha256:", |b| _ = b.log.leaves.remove(11)),
    ("the leaf sha256: * of decisions.m/a[0] is not in the bundle", |b| {
        b.log.leaves.remove(3);
    }),
    ("the leaf of strike 1 of main is not in the bundle", |b| _ = b.log.leaves.remove(7)),
    ("log.strike.record: ", |b| b.record.previous = None),
    ("log.strike.record: ", |b| (b.record.balances, b.balance_seed) = (None, None)),
    ("log.strike.balances: ", |b| {
        let LeafRecord::Strike { balances, .. } = &mut b.log.leaves[16].leaf else { return };
        *balances = None;
    }),
    ("log.older, the head at the strike before is not in the bundle", |b| b.log.older = None),
    ("log.older: the path leads to root ", |b| {
        b.log.older.as_mut().unwrap().path[0] = Digest::of(b"");
    }),
    ("log.older: the signature is not one of head ", |b| {
        b.log.older.as_mut().unwrap().head.root = Digest::of(b"");
    }),
    ("log.older.head.size: ", |b| {
        let older = b.log.older.as_mut().unwrap();
        (older.head, older.path) = (b.log.head.clone(), Vec::new());
    }),
];

/// Proves that every change of one thing is refused, and that the refusal names it.
#[test]
fn every_change_is_named() {
    let honest = World::new(Twist::Honest).bundle(2);
    let trusted = key().public().unwrap();
    let mut wrong = Vec::new();
    for (number, (wanted, change)) in CHANGES.iter().enumerate() {
        let mut bundle = honest.clone();
        change(&mut bundle);
        if wanted.contains("ends with") {
            bundle.journal.truncate(bundle.journal.len() - 2);
        }
        let found = verify_bundle(&bundle, Some(&trusted));
        let found = found.map_or_else(|error| error.to_string(), |_| "verified".to_owned());
        let (head, tail) = wanted.split_once(" * ").unwrap_or((wanted, ""));
        if !(found.starts_with(head) && found.contains(tail)) {
            wrong.push(format!("change {number}: {found}\n  wanted: {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Proves that an operator who signs whatever he did is refused all the same, for what he did.
#[test]
fn an_operator_cannot_prove_what_he_should_not_do() {
    let trusted = key().public().unwrap();
    for (twist, wanted) in [
        (Twist::Mark, "record.facts.prices.m/a.price_nano: "),
        (Twist::Estimate, "record.facts.prices.m/a.estimate_nano: "),
        (Twist::LateOrder, "journal: order 19 is in the strike of event 20, "),
        (Twist::Weights, "journal: event 14, weights.m/a: the journal says 600000000, "),
        (Twist::LeftOut, "journal: event 14, weights.m/a: the journal says 1000000000, "),
        (Twist::Fee, "journal: event 1, params.management_fee: "),
        (Twist::Accept, "decisions.m/a[1].price_micro: "),
        (
            Twist::Quorum,
            "decisions.m/a[0].round.wanted: the bundle says 1, what it rests on says 2",
        ),
        (Twist::ChangeFee, "journal: event 14, params.management_fee: the journal says 40000000, "),
        (Twist::ChangeUnknown, "journal: event 14: the methodology sha256:"),
        (Twist::ChangeUntold, "the leaf of methodology sha256:"),
        (Twist::ChangeEarly, "log.methodology.at: the bundle says day 4 for day 10, "),
        (Twist::ChangeSoon, "log.methodology.effective_day: the bundle says 11, "),
        (Twist::ChangeBackdated, "log.methodology.index: "),
        (Twist::ChangeBetween, "journal: event 15: a methodology is adopted, but not right "),
        (Twist::ChangeWithdrawn, "log.methodology_withdrawal: the bundle says the announcement "),
        (Twist::ChangeOther, "log.entries.methodology_adoption[0]: "),
        (Twist::TwoStrikes, "log.entries.strikes: the bundle says 2, "),
        (Twist::OtherBalance, "record.balances.root: "),
    ] {
        let bundle = World::new(twist).bundle(2);
        let error = verify_bundle(&bundle, Some(&trusted)).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{twist:?}: {error}");
    }
}

/// Proves that a vote that decided a case otherwise is counted and not pooled: a strike on such a round verifies.
#[test]
fn a_round_pools_those_who_decided_alike() {
    let bundle = World::new(Twist::OtherCases).bundle(2);
    let found = verify_bundle(&bundle, Some(&key().public().unwrap())).unwrap();
    assert_eq!(found.reports, 6);
}

/// Proves that an order that was taken back is in no record, that joiners who are held back are in the record of the strike that settles
/// them, and that all three strikes verify.
#[test]
fn waiting_orders_are_told_where_they_are_settled() {
    let world = World::new(Twist::Waiting);
    let (buy, leave) = (OrderKind::Subscription, OrderKind::Redemption);
    let orders = |record: &StrikeRecord| -> Vec<_> {
        record.facts.orders.iter().map(|order| (order.kind, order.who.to_string())).collect()
    };
    let of = |kind, who: &str| (kind, who.to_owned());
    let told: Vec<_> = world.records.iter().map(orders).collect();
    assert_eq!(told, [vec![of(buy, "ALICE")], vec![of(leave, "ALICE")], vec![of(buy, "BOB")]]);
    let settled = |record: &StrikeRecord| (record.facts.fills.len(), record.facts.slices.len());
    let settled: Vec<_> = world.records.iter().map(settled).collect();
    assert_eq!(settled, [(1, 0), (0, 1), (1, 0)]);
    for number in [1, 2, 3] {
        verify_bundle(&world.bundle(number), Some(&key().public().unwrap())).unwrap();
    }
}

/// Proves that records are of the form of `schema/strike.schema.json`, property by property, however deep.
#[test]
fn schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../schema/strike.schema.json")).unwrap();
    let sealed = serde_json::to_value(&World::new(Twist::Sealed).records[1]).unwrap();
    assert_eq!(fault(&schema, &schema, &sealed), None);
    for record in World::new(Twist::Honest).records {
        let record = serde_json::to_value(record).unwrap();
        assert_eq!(fault(&schema, &schema, &record), None);
        for place in ["", "/facts", "/facts/fees", "/facts/orders/0", "/facts/high_water"] {
            for name in record.pointer(place).unwrap().as_object().unwrap().keys() {
                let mut lacking = record.clone();
                let object = lacking.pointer_mut(place).unwrap().as_object_mut().unwrap();
                object.shift_remove(name);
                assert!(fault(&schema, &schema, &lacking).is_some(), "{place}/{name}");
            }
            let mut more = record.clone();
            more.pointer_mut(place).unwrap()["more"] = json!(1);
            assert!(fault(&schema, &schema, &more).unwrap().ends_with(".more: unknown"));
        }
        let mut number = record.clone();
        number["facts"]["nav_femto"] = json!(1);
        assert_eq!(
            fault(&schema, &schema, &number).unwrap(),
            ".facts.nav_femto: 1 is no \"string\""
        );
        number["facts"]["nav_femto"] = json!("01");
        assert_eq!(fault(&schema, &schema, &number).unwrap(), ".facts.nav_femto: \"01\"");
    }
}

/// Replaces what stands at the end of a way through a value; says where that is.
fn replace(value: &mut Value, way: &[usize], by: &Value) -> String {
    let Some((step, rest)) = way.split_first() else {
        *value = by.clone();
        return String::new();
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            format!("[{at}]{}", replace(&mut items[at], rest, by))
        }
        Value::Object(fields) if !fields.is_empty() => {
            let at = step % fields.len();
            let name = fields.keys().nth(at).unwrap().clone();
            format!(".{name}{}", replace(&mut fields[&name], rest, by))
        }
        _ => replace(value, &[], by),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Proves that a bundle with anything else anywhere is refused without a panic: what nobody can check, and the log does not have
    /// either, is which items were right in a report that comes without its samples. Without any leaf of the whole log it is a bundle of
    /// the older form, and says so.
    #[test]
    fn anything_else_anywhere_is_refused(
        way in proptest::collection::vec(0_usize..1000, 1..9),
        by in prop_oneof![
            Just(json!(0)), Just(json!(1)), Just(json!(-1)), Just(json!(u64::MAX)), Just(json!(i64::MAX)),
            Just(json!(i64::MIN)), Just(json!(1e308)), Just(json!(-1e308)), Just(json!(5e-324)), Just(json!(0.5)),
            Just(json!("")), Just(json!("1")), Just(json!("9223372036854775807")), Just(json!("-1")),
            Just(json!(null)), Just(json!([])), Just(json!({})), Just(json!(true)),
        ],
    ) {
        static HONEST: OnceLock<Value> = OnceLock::new();
        let honest =
            HONEST.get_or_init(|| serde_json::to_value(World::new(Twist::Honest).bundle(2)).unwrap());
        let mut changed = honest.clone();
        let place = replace(&mut changed, &way, &by);
        if let Ok(bundle) = serde_json::from_value::<Bundle>(changed) {
            let same = serde_json::to_value(&bundle).unwrap() == *honest;
            let found = verify_bundle(&bundle, None);
            let unseen = place.ends_with(".right") || place.ends_with(".attestation") || place.ends_with(".samples");
            let older = place == ".log.entries" && by == json!([]);
            prop_assert!(same || unseen || older || found.is_err(), "{place} is {by}");
        }
    }
}
