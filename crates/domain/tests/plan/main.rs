//! The plan of a rebalance by tables: membership, tracks, caps, ramp-up, bands, turnover.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod properties;

use domain::{
    amount::{Ppb, PriceNano},
    fund::{ForcedReason, Methodology, Note, Plan, RebalanceHistory, Review, Reviewed, Track},
    index::InfeasiblePolicy,
    name::Name,
};

const ONE: i64 = 1_000_000_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn demo() -> Methodology {
    Methodology::parse(include_str!("../../../cli/demo/methodology.json")).unwrap()
}

/// The demo's rules without caps.
fn free() -> Methodology {
    Methodology { name_cap_ppb: ONE, publisher_cap_ppb: ONE, ..demo() }
}

fn reviewed(publisher: &str, price: i64) -> Reviewed {
    Reviewed { publisher: name(publisher), price: PriceNano::from_nano(price), admitted: 0 }
}

/// A review over models with prices, each its own publisher's, and a basket of values.
fn review(prices: &[(&str, i64)], held: &[(&str, u128)], left_out: u128) -> Review {
    Review {
        models: prices
            .iter()
            .map(|(model, price)| (name(model), reviewed(model, *price)))
            .collect(),
        held: held.iter().map(|(model, value)| (name(model), *value)).collect(),
        left_out,
        history: RebalanceHistory::new(),
    }
}

fn weights(plan: &Plan) -> Vec<(&str, i64)> {
    plan.weights.iter().map(|(model, weight)| (model.as_str(), weight.as_ppb())).collect()
}

/// Proves the buffer in a plan: who ranks high enters, a member near the edge stays, ties go to the earlier admission, then to the name.
#[test]
fn membership() {
    let rules = Methodology { membership: Some(2), ..free() };
    let prices = [("a", 100), ("b", 90), ("c", 80), ("d", 70)];
    let first = rules.plan(&review(&prices, &[], 0)).unwrap();
    assert_eq!(first.notes[0], Note::Selected { models: ["a", "b"].map(name).to_vec() });
    let in_basket = |plan: &Plan| -> Vec<String> {
        weights(plan).iter().filter(|w| w.1 > 0).map(|w| w.0.to_owned()).collect()
    };
    assert_eq!(in_basket(&first), ["a", "b"]);
    // Two names keep to rank three: c was in and stays before b, d was in and is too far down.
    let held = |models: &[&'static str]| -> Vec<(&'static str, u128)> {
        models.iter().map(|model| (*model, 10)).collect()
    };
    for (members, expected) in
        [(["a", "c"], ["a", "c"]), (["a", "d"], ["a", "b"]), (["c", "d"], ["a", "c"])]
    {
        let plan = rules.plan(&review(&prices, &held(&members), 0)).unwrap();
        assert_eq!(in_basket(&plan), expected, "{members:?}");
    }
    let wide = Methodology { membership_enter: Some(0), membership_keep: Some(4), ..rules.clone() };
    let plan = wide.plan(&review(&prices, &held(&["c", "d"]), 0)).unwrap();
    assert_eq!(in_basket(&plan), ["c", "d"]);
    let mut tied = review(&[("a", 5), ("b", 5), ("c", 5), ("d", 9)], &[], 0);
    tied.models.get_mut(&name("a")).unwrap().admitted = 7;
    assert_eq!(in_basket(&rules.plan(&tied).unwrap()), ["b", "d"]);
}

/// Proves the ramp-up: step i of k has i/k of every weight, the last is the whole, and no turnover cap binds before.
#[test]
fn ramp_up() {
    let rules = Methodology { ramp_up_rebalances: Some(3), turnover_ppb: Some(1), ..free() };
    let prices = [("a", 1), ("b", 1), ("c", 1)];
    let mut asked = review(&prices, &[], 0);
    let third = 333_333_333_i64;
    for (step, expected, cash) in
        [(1, [111_111_111; 3], 666_666_667), (2, [222_222_222; 3], 333_333_334), (3, [third; 3], 0)]
    {
        let plan = rules.plan(&asked).unwrap();
        let mut got = weights(&plan).iter().map(|w| w.1).collect::<Vec<_>>();
        got.iter_mut().zip(expected).for_each(|(got, floor)| *got -= floor);
        assert!(got.iter().all(|extra| (0..=1).contains(extra)), "{plan:?}");
        assert!((plan.cash.as_ppb() - cash).abs() <= 1, "{plan:?}");
        assert_eq!(plan.notes, [Note::RampUp { step, of: 3 }]);
        asked = review(&prices, &[("a", 1), ("b", 1), ("c", 1)], 3);
        asked.history = plan.history;
    }
    let after = rules.plan(&asked).unwrap();
    assert!(after.turnover.as_ppb() <= 1, "from the fourth on the cap holds: {after:?}");
}

/// Proves the weight band: who is inside stays, who is outside goes all the way, and the fewest others make up for what is left.
#[test]
fn bands() {
    let rules = Methodology { weight_band_absolute_ppb: Some(50_000_000), ..free() };
    let equal = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
    let plan = |held: &[(&str, u128)]| rules.plan(&review(&equal, held, 0)).unwrap();
    let inside = plan(&[("a", 300), ("b", 260), ("c", 230), ("d", 210)]);
    assert_eq!(inside.turnover, Ppb::ZERO);
    assert_eq!(weights(&inside)[0].1, 300_000_000);
    // One is outside by the narrowest step: it goes to its target, and the widest gap on the other side takes it.
    let out = plan(&[("a", 301), ("b", 270), ("c", 219), ("d", 210)]);
    assert_eq!(
        weights(&out),
        [("a", 250_000_000), ("b", 270_000_000), ("c", 230_000_000), ("d", 250_000_000)]
    );
    // A purchase outside its band is paid for by the widest excess inside.
    let few = plan(&[("a", 290), ("b", 285), ("c", 230), ("d", 195)]);
    assert_eq!(
        weights(&few),
        [("a", 250_000_000), ("b", 270_000_000), ("c", 230_000_000), ("d", 250_000_000)]
    );
    assert!(few.notes.contains(&Note::WithinBand { models: vec![name("c")] }), "{few:?}");
    // What leaves the basket leaves it, whatever the band.
    let gone = rules
        .plan(&review(&equal[..3], &[("a", 333), ("b", 333), ("c", 333), ("d", 1)], 0))
        .unwrap();
    assert_eq!(gone.weights.len(), 3);
    assert!(
        gone.notes.contains(&Note::Forced { model: name("d"), reason: ForcedReason::NotEligible })
    );
}

/// Proves the turnover cap in a plan: a part of the way, forced sales in full and first, relaxations told one by one.
#[test]
fn turnover() {
    let rules = Methodology { turnover_ppb: Some(100_000_000), ..free() };
    let prices = [("a", 1), ("b", 1), ("c", 2)];
    let asked = review(&prices, &[("a", 500), ("b", 250), ("c", 250)], 0);
    let plan = rules.plan(&asked).unwrap();
    assert_eq!(weights(&plan), [("a", 400_000_000), ("b", 250_000_000), ("c", 350_000_000)]);
    assert_eq!((plan.wanted.as_ppb(), plan.turnover.as_ppb()), (250_000_000, 100_000_000));
    assert_eq!(
        plan.notes,
        [Note::CappedTurnover { wanted_ppb: 250_000_000, cap_ppb: 100_000_000 }]
    );
    // A name that is not eligible any more goes at once, whatever the cap.
    let plan = rules.plan(&review(&prices[1..], &[("a", 500), ("b", 250), ("c", 250)], 0)).unwrap();
    assert_eq!(plan.weights.values().map(|w| w.as_ppb()).sum::<i64>(), ONE);
    assert_eq!((plan.weights.len(), plan.turnover.as_ppb()), (2, 500_000_000));
    let steps: Vec<i64> = plan
        .notes
        .iter()
        .filter_map(|note| match note {
            Note::RelaxedTurnover { cap_ppb } => Some(*cap_ppb),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [150_000_000, 200_000_000, 250_000_000, 300_000_000]);
    assert!(plan.notes.contains(&Note::ForcedOnly { turnover_ppb: 500_000_000 }));
    let first = rules.plan(&review(&prices, &[], 0)).unwrap();
    assert_eq!(first.notes, [Note::FirstBasket]);
    assert_eq!(first.cash, Ppb::ZERO);
}

/// Proves that a breach by drift is tolerated for as many rebalances as the rules say, with its age told, and forced then; at once without.
#[test]
fn cured_breaches() {
    let rules = Methodology {
        name_cap_ppb: 400_000_000,
        turnover_ppb: Some(50_000_000),
        cure_rebalances: Some(2),
        ..free()
    };
    let prices = [("a", 1), ("b", 1), ("c", 1)];
    let mut asked = review(&prices, &[("a", 600), ("b", 200), ("c", 200)], 0);
    for age in 1..=2 {
        let plan = rules.plan(&asked).unwrap();
        assert!(
            plan.notes.contains(&Note::ToleratedBreach { model: name("a"), age, of: 2 }),
            "{plan:?}"
        );
        assert_eq!(plan.turnover.as_ppb(), 50_000_000);
        asked.history = plan.history;
    }
    let plan = rules.plan(&asked).unwrap();
    assert!(
        plan.notes.contains(&Note::Forced { model: name("a"), reason: ForcedReason::OverCap }),
        "{plan:?}"
    );
    assert_eq!(plan.weights[&name("a")].as_ppb(), 333_333_334);
    let at_once = Methodology { cure_rebalances: None, ..rules };
    asked.history = RebalanceHistory::new();
    assert_eq!(at_once.plan(&asked).unwrap().weights[&name("a")].as_ppb(), 333_333_334);
}

fn tracks() -> Vec<Track> {
    let track = |of: &str, weight_ppb, models: &[&str]| Track {
        models: models.iter().map(|model| name(model)).collect(),
        name: name(of),
        weight_ppb,
    };
    vec![
        track("cpu", 600_000_000, &["m0", "m1", "m2", "m3"]),
        track("gpu", 400_000_000, &["m4", "m5", "m6"]),
    ]
}

/// Proves that tracks have their weights first, that a model in none has none, and that an empty track stays in cash.
#[test]
fn weights_of_tracks() {
    let rules = Methodology { tracks: tracks(), ..free() };
    let asked = review(&[("m0", 3), ("m1", 1), ("m4", 900), ("m5", 100), ("x", 7)], &[], 0);
    let plan = rules.plan(&asked).unwrap();
    assert_eq!(
        weights(&plan),
        [
            ("m0", 450_000_000),
            ("m1", 150_000_000),
            ("m4", 360_000_000),
            ("m5", 40_000_000),
            ("x", 0)
        ]
    );
    let empty = rules.plan(&review(&[("m0", 3), ("m1", 1)], &[], 0)).unwrap();
    assert_eq!((empty.cash.as_ppb(), weights(&empty)[0].1), (400_000_000, 450_000_000));
    assert!(empty.notes.contains(&Note::EmptyTrack { track: name("gpu") }));
    // The name cap is of the whole: three names of a track of 600 at 200 each.
    let capped = Methodology {
        name_cap_ppb: 200_000_000,
        infeasible: InfeasiblePolicy::Cash,
        ..rules.clone()
    };
    let plan =
        capped.plan(&review(&[("m0", 30), ("m1", 20), ("m2", 10), ("m3", 1)], &[], 0)).unwrap();
    assert_eq!(weights(&plan).iter().map(|w| w.1).max(), Some(200_000_000));
    assert_eq!(weights(&plan).iter().map(|w| w.1).sum::<i64>(), 600_000_000);
    // Each track has its own ranks, because its prices compare with no other's.
    let few = Methodology { membership: Some(1), ..rules };
    let plan = few.plan(&review(&[("m0", 3), ("m1", 1), ("m4", 9), ("m5", 8)], &[], 0)).unwrap();
    assert_eq!(weights(&plan), [("m0", 600_000_000), ("m1", 0), ("m4", 400_000_000), ("m5", 0)]);
}
