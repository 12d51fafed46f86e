//! The known-information test: nobody joins at a price that the log contradicted before the strike.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod strikes;
mod support;

use domain::{
    amount::PriceNano,
    evaluation::decide,
    proof::{Bundle, LeafRecord, LogEntry, verify_bundle},
};
use strikes::{Twist, World, evidence, name};

/// Proves that an honest strike shows its whole log with what was counted; that without the log nothing is claimed; that a leaf whose text
/// is held back is counted and one that is left out, added, changed or moved is refused.
#[test]
fn the_whole_log_shows_it() {
    let world = World::new(Twist::Honest);
    for (number, decisions, reports, orders) in [(1, 2, 2, 1), (2, 4, 6, 2)] {
        let bundle = world.bundle(number);
        let known = verify_bundle(&bundle, None).unwrap().known_information.unwrap();
        assert_eq!(known.leaves, bundle.log.head.size - 1);
        assert_eq!((known.decisions, known.reports, known.orders), (decisions, reports, orders));
        assert_eq!((known.hidden, known.undecided), (0, 0));
    }
    let bundle = world.bundle(2);
    let with = |change: fn(&mut Vec<LogEntry>)| {
        let mut bundle: Bundle = bundle.clone();
        change(&mut bundle.log.entries);
        verify_bundle(&bundle, None)
    };
    assert_eq!(with(Vec::clear).unwrap().known_information, None);
    let hidden = with(|entries| entries[0] = LogEntry::Hash(entries[0].hash().unwrap())).unwrap();
    assert_eq!(hidden.known_information.unwrap().hidden, 1);
    let said = |change| with(change).unwrap_err().to_string();
    assert!(said(|entries| drop(entries.pop())).starts_with("log.entries.length: "));
    assert!(said(|entries| entries.push(entries[0].clone())).starts_with("log.entries.length: "));
    assert!(said(|entries| entries.swap(1, 2)).starts_with("log.entries.root: "));
    let other = |entries: &mut Vec<LogEntry>| {
        let changed = entries.iter_mut().find_map(|entry| match entry {
            LogEntry::Leaf(LeafRecord::Report { evaluator, .. }) => Some(evaluator),
            _ => None,
        });
        changed.unwrap().push('x');
    };
    assert!(said(other).starts_with("log.entries.root: "));
    let text = serde_json::to_string(&bundle).unwrap();
    assert_eq!(serde_json::from_str::<Bundle>(&text).unwrap(), bundle);
}

/// Proves that a strike at a price on which a further report had been decided already is refused with that report and the order that
/// dealt at the old price, and that it verifies as long as nobody shows the log.
#[test]
fn a_stale_price_is_told() {
    let world = World::new(Twist::Stale);
    let mut bundle = world.bundle(2);
    let error = verify_bundle(&bundle, None).unwrap_err().to_string();
    let report = world.last_report().report.digest().unwrap();
    let order = bundle.record.facts.orders[0].sequence;
    assert!(error.starts_with(&format!("report {report} on m/b")), "{error}");
    assert!(error.contains(&format!("order {order} dealt at ")), "{error}");
    bundle.log.entries.clear();
    assert_eq!(verify_bundle(&bundle, None).unwrap().known_information, None);
}

/// Proves for second runs of a listed version on which nothing was decided that those below the ask are counted, and those above it refuse
/// the strike; and that a report without its evidence refuses it too.
#[test]
fn a_report_that_nobody_decided_on() {
    let (mut below, mut above) = (0, 0);
    for right in [640, 651, 652, 700] {
        let world = World::new(Twist::Undecided(right));
        let bundle = world.bundle(2);
        let undecided = evidence(world.last_report());
        let decision = decide(Some(world.price_state("m/b")), undecided, &world.breaker()).unwrap();
        let ask = bundle.record.facts.prices[&name("m/b")].ask();
        let digest = undecided.report.digest().unwrap();
        match verify_bundle(&bundle, None) {
            Ok(found) => {
                let known = found.known_information.unwrap();
                assert!(PriceNano::from_micro(decision.est_micro).unwrap() <= ask);
                assert_eq!((known.undecided, known.reports), (1, 7));
                below += 1;
            }
            Err(error) => {
                assert!(PriceNano::from_micro(decision.est_micro).unwrap() > ask);
                let error = error.to_string();
                let says = format!("with it the estimate was {} micro", decision.est_micro);
                assert!(error.starts_with(&format!("report {digest} on m/b")), "{error}");
                assert!(error.contains(&says), "{error}");
                above += 1;
            }
        }
        let mut without = bundle;
        without.reports.pop();
        let error = verify_bundle(&without, None).unwrap_err().to_string();
        assert!(error.contains("is not in the bundle"), "{error}");
    }
    assert_eq!((below, above), (2, 2));
}
