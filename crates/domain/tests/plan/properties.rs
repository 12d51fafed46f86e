//! Random rules over random baskets and histories: invariants 29 to 32 and 37 by their numbers.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    amount::{Cash, Ppb, PriceNano},
    backtest::{BacktestError, History, Schedule, Settings, run},
    fund::{Methodology, Note, Plan, RebalanceHistory, Review, Reviewed},
    index::{IndexLevel, InfeasiblePolicy},
    name::Name,
    time::Date,
};
use proptest::prelude::*;

use crate::{ONE, demo, name, tracks};

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
            let most = gave_way.fold(rules.turnover_ppb, |_, gave_way| Some(gave_way));
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
