//! The plan of a rebalance: membership, tracks, caps, ramp-up, bands, turnover; invariants 29 to 32 and 37 by their numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    amount::{Cash, Ppb, PriceNano},
    backtest::{BacktestError, History, Schedule, Settings, run},
    fund::{ForcedReason, Methodology, Note, Plan, RebalanceHistory, Review, Reviewed, Track},
    index::{IndexLevel, InfeasiblePolicy},
    name::Name,
    time::Date,
};
use proptest::prelude::*;

const ONE: i64 = 1_000_000_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn demo() -> Methodology {
    Methodology::parse(include_str!("../../cli/demo/methodology.json")).unwrap()
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
    let out = plan(&[("a", 301), ("b", 249), ("c", 240), ("d", 210)]);
    assert_eq!(
        weights(&out),
        [
            ("a", 250_000_000),
            ("b", 249_000_000),
            ("c", 251_000_000 - 1_000_000),
            ("d", 250_000_000 + 1_000_000)
        ]
        .map(|(m, w)| (m, w))
        .into_iter()
        .map(|(m, w)| match m {
            "c" => (m, 250_000_000),
            "d" => (m, 250_000_000),
            "b" => (m, 250_000_000),
            _ => (m, w),
        })
        .collect::<Vec<_>>()
    );
    // A purchase outside its band is paid for by the widest excess inside.
    let bought = plan(&[("a", 290), ("b", 280), ("c", 270), ("d", 160)]);
    assert_eq!(
        weights(&bought),
        [("a", 250_000_000), ("b", 250_000_000), ("c", 250_000_000), ("d", 250_000_000)]
    );
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

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(0), 2 => 100_000..1_000_000_i64, 20 => 1_000_000..20_000_000_i64]
}

/// Rules of every kind together.
fn rules() -> impl Strategy<Value = Methodology> {
    let cap = || prop_oneof![1..ONE, Just(ONE), Just(300_000_000)];
    let some = |range: std::ops::RangeInclusive<i64>| prop::option::of(range);
    let policy = prop_oneof![Just(InfeasiblePolicy::Cash), Just(InfeasiblePolicy::Relax)];
    (
        (cap(), cap(), policy, some(1..=6), some(1..=400_000_000)),
        (some(0..=60_000_000), some(0..=300_000_000), some(1..=4), 0..4_i64, any::<bool>()),
    )
        .prop_map(
            |((name_cap_ppb, publisher_cap_ppb, infeasible, membership, turnover_ppb), rest)| {
                let (absolute, relative, ramp_up_rebalances, cure, tracked) = rest;
                let limits = turnover_ppb.is_some() || absolute.is_some() || relative.is_some();
                let rules = Methodology {
                    name_cap_ppb,
                    publisher_cap_ppb,
                    infeasible,
                    membership,
                    turnover_ppb,
                    weight_band_absolute_ppb: absolute,
                    weight_band_relative_ppb: relative,
                    ramp_up_rebalances,
                    cure_rebalances: (limits && cure > 0).then_some(cure - 1),
                    tracks: if tracked { tracks() } else { Vec::new() },
                    ..demo()
                };
                rules.validate().unwrap();
                rules
            },
        )
}

/// Publishers of `m0` to `m6`: two models each but the first.
fn publisher(place: usize) -> Name {
    name(&format!("pub{}", place.div_ceil(2)))
}

fn any_review() -> impl Strategy<Value = Review> {
    let value = prop_oneof![2 => Just(0_u128), 6 => 1..1_000_000_u128];
    (
        prop::collection::vec(prop::option::weighted(0.85, price()), 7),
        prop::collection::vec(value, 7),
        prop_oneof![Just(0), 0..500_000_u128],
        0..6_u64,
        prop::collection::vec(0..3_u32, 7),
    )
        .prop_map(|(prices, held, left_out, rebalances, ages)| {
            let model = |place: usize| name(&format!("m{place}"));
            let models = prices.iter().enumerate().filter_map(|(place, price)| {
                let price = PriceNano::from_nano((*price)?);
                Some((model(place), Reviewed { publisher: publisher(place), price, admitted: 0 }))
            });
            let ages = ages.into_iter().enumerate().filter(|(_, age)| *age > 0);
            Review {
                models: models.collect(),
                held: held
                    .into_iter()
                    .enumerate()
                    .filter(|h| h.1 > 0)
                    .map(|(p, v)| (model(p), v))
                    .collect(),
                left_out,
                history: RebalanceHistory {
                    breaches: ages.map(|(p, age)| (model(p), age)).collect(),
                    rebalances,
                },
            }
        })
}

/// One-way turnover in parts per billion, from the values by rational numbers; none where there is no basket.
fn one_way(review: &Review, plan: &Plan) -> Option<f64> {
    let total = (review.held.values().sum::<u128>() + review.left_out) as f64;
    if total == 0.0 {
        return None;
    }
    let names: BTreeSet<&Name> = review.held.keys().chain(plan.weights.keys()).collect();
    let weight = |name: &Name| plan.weights.get(name).map_or(0, |w| w.as_ppb()) as f64;
    let held = |name: &Name| review.held.get(name).copied().unwrap_or(0) as f64 / total * 1e9;
    let way: f64 = names.into_iter().map(|name| (weight(name) - held(name)).abs()).sum();
    let cash = (plan.cash.as_ppb() as f64 - review.left_out as f64 / total * 1e9).abs();
    Some((way + cash) / 2.0)
}

fn sums(plan: &Plan, of: impl Fn(&Name) -> Name) -> BTreeMap<Name, i64> {
    let mut sums = BTreeMap::new();
    for (model, weight) in &plan.weights {
        *sums.entry(of(model)).or_insert(0) += weight.as_ppb();
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Proves invariant 29: weights and cash are the whole, and no name and no publisher is above its cap unless a note says why.
    #[test]
    fn inv_29_weights_are_the_whole_and_under_their_caps(rules in rules(), review in any_review()) {
        let plan = rules.plan(&review).unwrap();
        let sum: i64 = plan.weights.values().map(|w| w.as_ppb()).sum();
        prop_assert_eq!(sum + plan.cash.as_ppb(), ONE);
        prop_assert!(plan.weights.values().all(|w| (0..=ONE).contains(&w.as_ppb())));
        let relaxed = plan.notes.iter().any(|n| matches!(n, Note::RelaxedCap { .. }));
        // What drifted above a cap and is not sold yet: tolerated, or inside a turnover cap that another sale of its publisher used up.
        let tolerated = |model: &Name| plan.notes.iter().any(|n| matches!(n, Note::ToleratedBreach { model: m, .. } if m == model));
        if !relaxed {
            for (model, weight) in &plan.weights {
                prop_assert!(weight.as_ppb() <= rules.name_cap_ppb || tolerated(model), "{model}: {plan:?}");
            }
            let owner = |model: &Name| review.models.get(model).map_or_else(|| model.clone(), |m| m.publisher.clone());
            for (publisher, sum) in sums(&plan, owner) {
                let one_is = plan.weights.keys().any(|m| owner(m) == publisher && tolerated(m));
                prop_assert!(sum <= rules.publisher_cap_ppb || one_is, "{publisher} {sum}: {plan:?}");
            }
        }
        if rules.infeasible == InfeasiblePolicy::Cash {
            prop_assert!(!relaxed, "{plan:?}");
        }
    }

    /// Proves invariant 30 on what becomes weights: capping again changes nothing, a common factor of all prices changes nothing, names do
    /// not matter, and a higher price never lowers its own weight; but for the last part per billion of the rounding.
    #[test]
    fn inv_30_capping(prices in prop::collection::vec(1..1_000_000_i64, 7), name_cap_ppb in 1..ONE, publisher_cap_ppb in 1..ONE,
                      relax in any::<bool>(), factor in 2..1000_i64, raised in 0..7_usize, by in 1..1_000_000_i64) {
        let infeasible = if relax { InfeasiblePolicy::Relax } else { InfeasiblePolicy::Cash };
        let rules = Methodology { name_cap_ppb, publisher_cap_ppb, infeasible, ..demo() };
        let plan = |prices: &[i64], place: &dyn Fn(usize) -> usize| -> Vec<i64> {
            let model = |i: usize| name(&format!("m{}", place(i)));
            let models = prices.iter().enumerate().map(|(i, p)| {
                (model(i), Reviewed { publisher: publisher(i), price: PriceNano::from_nano(*p), admitted: 0 })
            });
            let review = Review { models: models.collect(), ..Review::default() };
            let plan = rules.plan(&review).unwrap();
            (0..prices.len()).map(|i| plan.weights[&model(i)].as_ppb()).collect()
        };
        let same = |a: &[i64], b: &[i64], within: i64| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within);
        let straight = |i: usize| i;
        let weights = plan(&prices, &straight);
        let scaled: Vec<i64> = prices.iter().map(|p| p * factor).collect();
        prop_assert_eq!(&plan(&scaled, &straight), &weights);
        if weights.iter().sum::<i64>() == ONE {
            prop_assert!(same(&plan(&weights, &straight), &weights, 2), "{weights:?}");
        }
        prop_assert!(same(&plan(&prices, &|i| 6 - i), &weights, 1));
        let mut more = prices.clone();
        more[raised] += by;
        prop_assert!(plan(&more, &straight)[raised] >= weights[raised] - 1);
    }

    /// Proves invariant 31: turnover is within its cap unless a note says that it gave way, and it is what the weights say it is; and that
    /// a ramp-up, a first basket and nothing else are free of it.
    #[test]
    fn inv_31_turnover_is_within_its_cap(rules in rules(), review in any_review()) {
        let plan = rules.plan(&review).unwrap();
        let ramping = plan.notes.iter().any(|n| matches!(n, Note::RampUp { .. }));
        if let Some(way) = one_way(&review, &plan) {
            // Whole parts of the basket: half a part for each of nine at most.
            prop_assert!((way - plan.turnover.as_ppb() as f64).abs() <= 5.0, "{way}: {plan:?}");
            let gave_way = plan.notes.iter().filter_map(|note| match note {
                Note::RelaxedTurnover { cap_ppb } => Some(*cap_ppb),
                Note::ForcedOnly { turnover_ppb } => Some(*turnover_ppb),
                _ => None,
            });
            let most = gave_way.last().or(rules.turnover_ppb);
            prop_assert!(ramping || most.is_none_or(|most| plan.turnover.as_ppb() <= most), "{plan:?}");
            prop_assert!(plan.turnover <= plan.wanted || ramping);
        } else {
            prop_assert_eq!(plan.turnover.as_ppb() + plan.cash.as_ppb(), ONE);
        }
        // Who may not be in the basket is out of it, whatever the cap.
        prop_assert!(plan.weights.keys().all(|model| review.models.contains_key(model)), "{plan:?}");
    }

    /// Proves that with every rule off the plan is the target weights, whatever the basket.
    #[test]
    fn rules_off_are_target_weights(review in any_review(), cap in 1..ONE) {
        let rules = Methodology { name_cap_ppb: cap, ..demo() };
        let scored: Vec<_> =
            review.models.iter().map(|(m, r)| (m.clone(), r.publisher.clone(), r.price)).collect();
        prop_assert_eq!(rules.plan(&review).unwrap().weights, rules.target_weights(&scored).unwrap());
    }

    /// Proves that prices of one track times a constant change no weight, whatever rules look at prices alone.
    #[test]
    fn tracks_do_not_compare(rules in rules(), review in any_review(), factor in 2..1000_i64) {
        let rules = Methodology { tracks: tracks(), ..rules };
        let mut scaled = review.clone();
        for (model, reviewed) in &mut scaled.models {
            if rules.tracks[1].models.contains(model) {
                reviewed.price = PriceNano::from_nano(reviewed.price.as_nano() * factor);
            }
        }
        prop_assert_eq!(rules.plan(&scaled).unwrap(), rules.plan(&review).unwrap());
    }
}

/// The live order of strikes and rebalances by the functions that the service and the verifier call, over the same prices.
fn live(history: &History, rules: &Methodology) -> Option<(Vec<Option<i64>>, Vec<Plan>)> {
    let (mut level, mut past) = (None::<IndexLevel>, RebalanceHistory::new());
    let (mut levels, mut plans) = (Vec::new(), Vec::new());
    let mut admitted = BTreeMap::<Name, u64>::new();
    for day in 0..history.dates().len() {
        let row = history.models().iter().cloned().zip(history.row(day));
        let marks: BTreeMap<Name, PriceNano> =
            row.filter(|(_, p)| **p >= 0).map(|(m, p)| (m, PriceNano::from_nano(*p))).collect();
        for model in marks.keys() {
            admitted.entry(model.clone()).or_insert(day as u64);
        }
        let before = level.as_ref().map(|level| level.level(&marks)).transpose().ok()?;
        let models = marks.iter().map(|(m, price)| {
            let place: usize = m.as_str()[1..].parse().unwrap();
            (
                m.clone(),
                Reviewed { publisher: publisher(place), price: *price, admitted: admitted[m] },
            )
        });
        let review = Review {
            models: models.collect(),
            held: level.as_ref().map_or_else(BTreeMap::new, |level| level.values(&marks).unwrap()),
            left_out: level.as_ref().map_or(0, IndexLevel::left_out),
            history: past,
        };
        let plan = rules.plan(&review).unwrap();
        past = plan.history.clone();
        match &mut level {
            Some(level) => level.rebase(&plan.weights, &marks).ok()?,
            None => level = Some(IndexLevel::start(&plan.weights, &marks).ok()?),
        }
        let level = level.as_ref()?;
        // Invariant 32: the level goes through the change of the basket.
        assert!(before.is_none_or(|before| before == level.base()));
        assert_eq!(level.level(&marks).unwrap(), level.base());
        levels.push(Some(level.base().as_nano()));
        plans.push(plan);
    }
    Some((levels, plans))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Proves invariants 32 and 37 under every rule: the level is continuous at each rebalance, and the backtest is the live index, bit for bit.
    #[test]
    fn inv_32_inv_37_the_backtest_is_live_under_every_rule(
        rules in rules(),
        rows in prop::collection::vec(prop::collection::vec(price(), 7), 1..16),
        admitted in prop::collection::vec(0..8_usize, 7),
    ) {
        let mut admitted = admitted;
        admitted[3] = 0;
        let dates: Vec<Date> = (1..=rows.len()).map(|day| format!("2026-01-{day:02}").parse().unwrap()).collect();
        let models: Vec<Name> = (0..7).map(|i| name(&format!("m{i}"))).collect();
        let cells = rows.iter().enumerate().flat_map(|(day, row)| {
            row.iter().zip(&admitted).map(move |(price, from)| (day >= *from).then_some(*price))
        });
        let history = History::try_new(dates, models.clone(), &cells.collect::<Vec<_>>()).unwrap();
        let publishers: BTreeMap<Name, Name> =
            models.iter().enumerate().map(|(place, m)| (m.clone(), publisher(place))).collect();
        let settings = Settings {
            methodology: &rules,
            publishers: &publishers,
            schedule: Schedule::EveryStrike,
            capital: Some(Cash::from_micro(1_000_000_000)),
        };
        let live = live(&history, &rules);
        let got = match run(&history, &settings) {
            Ok(got) => got,
            Err(error) => {
                prop_assert!(matches!(error, BacktestError::Level { .. }) && live.is_none(), "{error}");
                return Ok(());
            }
        };
        let (levels, plans) = live.unwrap();
        prop_assert_eq!(got.days.iter().map(|d| d.level.map(PriceNano::as_nano)).collect::<Vec<_>>(), levels);
        for (change, plan) in got.rebalances.iter().zip(plans) {
            let weights: BTreeMap<Name, Ppb> =
                change.weights.iter().map(|w| (got.models[w.column].clone(), w.weight)).collect();
            prop_assert_eq!(weights, plan.weights);
            prop_assert_eq!(change.cash, plan.cash);
            if !change.notes.is_empty() {
                prop_assert_eq!(&change.notes, &plan.notes);
                prop_assert_eq!(change.turnover, plan.turnover);
            }
        }
    }
}
