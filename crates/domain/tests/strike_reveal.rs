//! Strikes whose prices were bound before the cut-off: what their bundles prove, and what is found when one thing of it is changed.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod json_schema;
#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod strikes;
mod support;

use domain::{
    digest::Digest,
    fund::{Event, Salt},
    proof::{Bundle, LeafProof, LeafRecord, OrderKind, verify_bundle},
};
use json_schema::fault;
use serde_json::Value;
use strikes::{Twist, World, key};

fn said(bundle: &Bundle) -> String {
    let found = verify_bundle(bundle, Some(&key().public().unwrap()));
    found.map_or_else(|error| error.to_string(), |_| "verified".to_owned())
}

/// Proves that a strike at prices that were told verifies and says which events bound, closed and told; that one whose prices were
/// withheld verifies too, on the prices of the strike before, with its joiners' money given back; that orders behind the book are in
/// neither; that records of strikes without a commitment have the digests that they had; and that all are of the published form.
#[test]
fn told_and_withheld() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../schema/strike.schema.json")).unwrap();
    for (twist, is_told) in [(Twist::Sealed, true), (Twist::Withheld, false)] {
        let world = World::new(twist);
        let bundle = world.bundle(2);
        let found = verify_bundle(&bundle, Some(&key().public().unwrap())).unwrap();
        let made = found.commitment.unwrap();
        assert!(made.committed < found.cut_off, "{twist:?}");
        assert_eq!(made.revealed.is_some(), is_told);
        assert_eq!((made.salt.is_some(), made.book.unwrap().count), (is_told, 4));
        assert!(made.revealed.is_none_or(|revealed| revealed > found.cut_off));
        let facts = &world.records[1].facts;
        let orders: Vec<_> = facts.orders.iter().map(|o| (o.kind, o.who.as_str())).collect();
        let (buy, leave) = (OrderKind::Subscription, OrderKind::Redemption);
        assert_eq!(orders, [(buy, "BOB"), (leave, "ALICE"), (buy, "BOB"), (buy, "BOB")]);
        assert_eq!((facts.fills.len(), facts.slices.len()), (3, 1));
        assert!(facts.fills.iter().all(|fill| (fill.shares.as_nano() > 0) == is_told));
        assert_eq!(world.records[0].facts.prices == facts.prices, !is_told);
        let text = serde_json::to_string(&bundle).unwrap();
        assert_eq!(serde_json::from_str::<Bundle>(&text).unwrap(), bundle);
        let record = serde_json::to_value(&world.records[1]).unwrap();
        assert_eq!(fault(&schema, &schema, &record), None);
        let mut wrong = record.clone();
        wrong["facts"]["commitment"]["more"] = Value::Null;
        assert!(fault(&schema, &schema, &wrong).is_some());
        assert!(world.records[0].to_canonical().unwrap().find("commitment").is_none());
    }
}

type Change = fn(&mut Bundle);

fn leaf<'a>(bundle: &'a mut Bundle, kind: &str) -> &'a mut LeafProof {
    bundle.log.leaves.iter_mut().find(|proof| proof.leaf.kind() == kind).unwrap()
}

fn event<'a>(bundle: &'a mut Bundle, op: &str) -> &'a mut Event {
    bundle.journal.iter_mut().find(|event| event.op() == op).unwrap()
}

/// One change each, and how the refusal begins.
const CHANGES: &[(&str, Change)] = &[
    ("verified", |_| {}),
    ("record.facts.commitment: ", |b| b.record.facts.commitment = None),
    ("record.facts.commitment.digest: ", |b| {
        b.record.facts.commitment.as_mut().unwrap().digest = Digest::of(b"");
    }),
    ("record.facts.commitment.committed: ", |b| {
        b.record.facts.commitment.as_mut().unwrap().committed += 1;
    }),
    ("record.facts.commitment.revealed: ", |b| {
        b.record.facts.commitment.as_mut().unwrap().revealed = None;
    }),
    ("record.facts.commitment.salt: ", |b| {
        b.record.facts.commitment.as_mut().unwrap().salt = Some(Salt::from_bytes([6; 32]));
    }),
    ("record.facts.commitment.book.root: ", |b| {
        let book = &mut b.record.facts.commitment.as_mut().unwrap().book;
        book.as_mut().unwrap().root = Digest::of(b"");
    }),
    ("record.facts.cut_off: ", |b| b.record.facts.cut_off -= 1),
    // Other prices than were bound, another salt, another binding, a book with another salt.
    ("journal, event 23, reveal_prices: the commitment of main: these are not the prices", |b| {
        let Event::RevealPrices { estimates, .. } = event(b, "reveal_prices") else { return };
        estimates.clear();
    }),
    ("journal, event 23, reveal_prices: the commitment of main: these are not the prices", |b| {
        let Event::CommitPrices { commitment, .. } = event(b, "commit_prices") else { return };
        *commitment = Digest::of(b"");
    }),
    ("record.facts.commitment.book.root: ", |b| {
        let Event::CloseOrders { salt, .. } = event(b, "close_orders") else { return };
        *salt = Salt::from_bytes([6; 32]);
    }),
    // An order that came after the cut-off is moved before it, and the other way round.
    ("record.facts.cut_off: ", |b| {
        let at = b.journal.iter().position(|event| event.op() == "close_orders").unwrap();
        b.journal.swap(at, at + 1);
    }),
    ("record.facts.cut_off: ", |b| {
        let at = b.journal.iter().position(|event| event.op() == "close_orders").unwrap();
        b.journal.swap(at, at - 1);
    }),
    // The prices are told before the book is closed.
    ("journal, event 20, reveal_prices: the commitment of main: orders are not closed yet", |b| {
        let at = b.journal.iter().position(|event| event.op() == "reveal_prices").unwrap();
        let told = b.journal.remove(at);
        b.journal.insert(at - 3, told);
    }),
    // The log.
    ("the leaf of the commitment of strike 2 of main is not in", |b| {
        b.log.leaves.retain(|proof| proof.leaf.kind() != "commitment");
    }),
    ("the leaf of the book of strike 2 of main is not in", |b| {
        b.log.leaves.retain(|proof| proof.leaf.kind() != "orders");
    }),
    ("log.orders.count: ", |b| {
        let LeafRecord::Orders { count, .. } = &mut leaf(b, "orders").leaf else { return };
        *count += 1;
    }),
    ("log.orders.cut_off: ", |b| {
        let LeafRecord::Orders { cut_off, .. } = &mut leaf(b, "orders").leaf else { return };
        *cut_off += 1;
    }),
    ("log.commitment.index: ", |b| leaf(b, "commitment").index = leaf(b, "orders").index),
    ("log.leaves[", |b| leaf(b, "commitment").path[0] = Digest::of(b"")),
    ("log.leaves[", |b| leaf(b, "orders").path[0] = Digest::of(b"")),
    ("log.book, the head between book and strike is not in", |b| b.log.book = None),
    ("log.book.head.size: ", |b| {
        let head = b.log.head.clone();
        let book = b.log.book.as_mut().unwrap();
        (book.head, book.path) = (head, Vec::new());
    }),
    ("log.book.head.size: ", |b| {
        // The head of the strike before, which is an older one, has no book.
        b.log.book = b.log.older.clone();
    }),
    ("log.book: the path leads to root ", |b| {
        b.log.book.as_mut().unwrap().path[0] = Digest::of(b"");
    }),
    ("log.book: the signature is not one of head ", |b| {
        b.log.book.as_mut().unwrap().head.root = Digest::of(b"");
    }),
];

/// Proves invariants 25 and 26 offline: every change of one thing of commitment, cut-off, book, reveal and their leaves is refused, and the
/// refusal names it; and an operator who signs another book than he closed is refused too.
#[test]
fn every_change_is_named() {
    let honest = World::new(Twist::Sealed).bundle(2);
    let mut wrong = Vec::new();
    for (number, (wanted, change)) in CHANGES.iter().enumerate() {
        let mut bundle = honest.clone();
        change(&mut bundle);
        let found = said(&bundle);
        if !found.starts_with(wanted) {
            wrong.push(format!("change {number}: {found}\n  wanted: {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let other = said(&World::new(Twist::OtherBook).bundle(2));
    assert!(
        other.starts_with("log.orders.count: the bundle says 3, what it rests on says 4"),
        "{other}"
    );
}
