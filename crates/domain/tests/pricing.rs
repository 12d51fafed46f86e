//! The golden vectors of `pricing.json`, each at the tolerance that the file states.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::{
    digest::Digest,
    evaluation::{
        CostErrors, CostRatios, PARAMS, Relation, Status,
        acceptance::{self, Agreed, Consensus, Quorum, Spread, Vote},
        cost::{cost_index, time_ratio},
        price::{LogSigma, log_sigma, micro, price, price_slope},
        quality::{self, PairCounts, Quality, TaskQuality},
        statistics::{self, Replicated, SplitMix64, Z95},
    },
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/pricing.json")).unwrap()
}

fn cases(name: &str) -> Vec<Value> {
    golden()["vectors"][name].as_array().unwrap().clone()
}

fn f(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn u(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[track_caller]
fn near(actual: f64, expected: &Value) {
    within(actual, f(expected), 1e-9);
}

#[track_caller]
fn within(actual: f64, expected: f64, relative: f64) {
    let tolerance = (relative * expected.abs()).max(1e-12);
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
}

fn ratios(value: &Value) -> CostRatios {
    let energy = value["energy"].as_f64();
    let [time, latency, memory] = ["time", "latency", "memory"].map(|name| f(&value[name]));
    CostRatios { time, latency, memory, energy }
}

fn errors(value: &Value) -> CostErrors {
    let [time, latency, memory] =
        ["time", "latency", "memory"].map(|name| value[name].as_f64().unwrap_or(0.0));
    CostErrors { time, latency, memory, energy: value["energy"].as_f64() }
}

/// Proves that the parameters in force are those that the vectors were made with.
#[test]
fn parameters() {
    let params = &golden()["params"];
    let ours = [
        ("P0", PARAMS.price_reference),
        ("eta", PARAMS.eta),
        ("gamma", PARAMS.gamma),
        ("overhead_ms", PARAMS.overhead_ms),
        ("ratio_floor_log2", PARAMS.ratio_floor_log2),
        ("kappa0", PARAMS.kappa0),
        ("accuracy_cap_items", PARAMS.accuracy_cap_items),
        ("q_lead_max", PARAMS.q_lead_max),
        ("q_max", PARAMS.q_max),
        ("z_chance", PARAMS.z_chance),
        ("q_ref_min", PARAMS.q_ref_min),
        ("q_ref_max", PARAMS.q_ref_max),
        ("accuracy_saturated", PARAMS.accuracy_saturated),
        ("z_band", PARAMS.z_band),
        ("band_floor", PARAMS.band_floor),
        ("sigma_floor", PARAMS.sigma_floor),
        ("mad_k", PARAMS.mad_k),
        ("mad_floor", PARAMS.mad_floor),
        ("quorum_n", f64::from(PARAMS.quorum_n)),
        ("quorum_weight", PARAMS.quorum_weight),
        ("requeue_days", PARAMS.requeue_days),
        ("stale_days", PARAMS.stale_days),
        ("cusum_k", PARAMS.cusum_k),
        ("cusum_h", PARAMS.cusum_h),
        ("sim_tau", PARAMS.similarity_tau),
        ("z_novelty", PARAMS.z_novelty),
        ("residual_corr_review", PARAMS.residual_review),
    ];
    for (name, value) in ours {
        assert_eq!(f(&params[name]), value, "{name}");
    }
    // The exponents, and two rules that are off, follow below.
    assert_eq!(params.as_object().unwrap().len(), ours.len() + 3);
    let alpha = &params["alpha"];
    let weights = PARAMS.alpha;
    let weights = [weights.time, weights.latency, weights.memory, weights.energy];
    assert_eq!(["time", "latency", "memory", "energy"].map(|name| f(&alpha[name])), weights);
    assert!(params["step_cap"].is_null() && params["haircut_half_life_days"].is_null());
}

/// Proves intervals, ranks, random numbers and replicated ratios.
#[test]
fn statistics() {
    for case in cases("wilson95") {
        let interval = statistics::wilson(u(&case["k"]), u(&case["n"]), Z95);
        near(interval.low, &case["lo"]);
        near(interval.high, &case["hi"]);
    }
    for case in cases("quantile_ci_ranks95") {
        let ranks = statistics::order_statistic_ranks(u(&case["n"]), f(&case["q"]), 0.95);
        let expected = case["ranks"].as_array().map(|r| (u(&r[0]), u(&r[1])));
        assert_eq!(ranks, expected, "{case}");
    }
    let mut generator = SplitMix64::new(42);
    for number in cases("splitmix64_seed42") {
        assert_eq!(generator.next_u64().to_string(), number.as_str().unwrap());
    }
    let case = &golden()["vectors"]["replicated_ratio"];
    let medians = case["proc_medians"].as_array().unwrap();
    let logs: Vec<f64> = medians.iter().map(|ratio| libm::log(f(ratio))).collect();
    let replicated = Replicated::of(&logs).unwrap();
    near(replicated.ratio(), &case["ratio"]);
    near(replicated.log_mean, &case["log_mean"]);
    near(replicated.log_sd, &case["log_sd"]);
    near(replicated.log_se, &case["log_se"]);
    let interval = replicated.log_interval(0.95);
    within(libm::exp(interval.low), f(&case["lo"]), 1e-7);
    within(libm::exp(interval.high), f(&case["hi"]), 1e-7);
}

/// Proves baseline, shrinkage, quality of every kind, and the state of a suite.
#[test]
fn quality_of_one_task() {
    for case in cases("baseline_choice") {
        let mut counts: Vec<u64> = case["counts"].as_array().unwrap().iter().map(u).collect();
        counts.resize(u(&case["classes"]) as usize, 0); // classes that no item has
        near(quality::baseline_choice(&counts).unwrap(), &case["chance"]);
    }
    for case in cases("quality_choice") {
        let (k, n, chance) = (u(&case["k"]), u(&case["n"]), f(&case["chance"]));
        near(quality::shrunk(k, n, chance), &case["a"]);
        near(quality::q_choice(k, n, chance), &case["bits"]);
        near(quality::q_choice_se(k, n, chance), &case["se"]);
    }
    for case in cases("quality_bpb") {
        let bits = quality::q_bits_per_byte(f(&case["bpb"]), f(&case["base_bpb"]));
        assert!((bits - f(&case["bits"])).abs() <= 1e-12);
    }
    for case in cases("quality_error") {
        let bits = quality::q_error(f(&case["err"]), f(&case["base_err"]), u(&case["n"]));
        assert!((bits - f(&case["bits"])).abs() <= 1e-12);
    }
    for case in cases("suite_state") {
        let state = quality::suite_state(f(&case["q_ref"]), case["accuracy"].as_f64());
        assert_eq!(serde_json::to_value(state).unwrap(), case["state"], "{case}");
    }
}

fn check_quality(actual: &Quality, expected: &Value) {
    near(actual.q_mean, &expected["q_mean"]);
    near(actual.se, &expected["se"]);
    near(actual.q_ref, &expected["q_ref"]);
    near(actual.bits, &expected["bits"]);
    assert_eq!(actual.above_chance, expected["above_chance"].as_bool().unwrap());
}

/// Proves the stated order of cap, mean, chance test, anchor and clip.
#[test]
fn quality_of_a_suite() {
    for case in cases("quality") {
        let tasks: Vec<_> = case["tasks"].as_array().unwrap().iter().map(task).collect();
        check_quality(&quality::quality(&tasks, f(&case["q_genesis"])).unwrap(), &case);
    }
    assert_eq!(quality::quality(&[], 3.0), None);
    let broken = TaskQuality { weight: 1.0, q: f64::NAN, se: 0.1, q_ref: 3.0 };
    assert_eq!(quality::quality(&[broken], f64::NAN).unwrap().bits, 0.0);
}

fn task(value: &Value) -> TaskQuality {
    let [weight, q, se, q_ref] = ["weight", "q", "se", "q_ref"].map(|name| f(&value[name]));
    TaskQuality { weight, q, se, q_ref }
}

/// Proves cost ratios and index, price, and its error.
#[test]
fn cost_and_price() {
    for case in cases("time_ratio") {
        let [model, reference] = ["model_ms", "ref_ms"].map(|name| f(&case[name]));
        near(time_ratio(model, reference, PARAMS.overhead_ms), &case["ratio"]);
    }
    for case in cases("cost_index") {
        near(cost_index(&ratios(&case["ratios"])), &case["c"]);
    }
    for case in cases("price") {
        let c = cost_index(&ratios(&case["ratios"]));
        near(c, &case["c"]);
        let credits = price(f(&case["q"]), f(&case["q_ref"]), c);
        near(credits, &case["price"]);
        assert!(micro(credits).abs_diff(case["micro"].as_i64().unwrap()) <= 1, "{case}");
    }
    for case in cases("log_sigma") {
        let [q, q_ref, c, se] = ["q", "q_ref", "c", "se_q"].map(|name| f(&case[name]));
        check_sigma(&log_sigma(q, q_ref, c, se, &errors(&case["se_log"])), &case);
    }
}

/// Proves that credits become whole micro-credits half up, and that nothing leaves the range of money.
#[test]
fn micro_credits() {
    for (credits, expected) in [
        (0.0, 0),
        (0.000_000_4, 0),
        (0.000_000_5, 1),
        (0.000_001_5, 2),
        (99.999_999_6, 100_000_000),
        (-1.0, 0),
        (f64::NAN, 0),
        (f64::INFINITY, 9_000_000_000_000_000),
    ] {
        assert_eq!(micro(credits), expected, "{credits}");
    }
}

fn check_sigma(actual: &LogSigma, expected: &Value) {
    near(actual.items, &expected["items"]);
    near(actual.cost, &expected["cost"]);
    near(actual.sigma, &expected["sigma"]);
}

/// Proves the error of a difference between two models on the same items.
#[test]
fn paired() {
    for case in cases("paired") {
        let [both, first, second, neither] = [0, 1, 2, 3].map(|k| u(&case["counts"][k]));
        let counts = PairCounts { both, first, second, neither };
        let (n, chance, q_ref) =
            (both + first + second + neither, f(&case["chance"]), f(&case["q_ref"]));
        let right = [both + first, both + second];
        let a = right.map(|k| quality::shrunk(k, n, chance));
        let q = right.map(|k| quality::q_choice(k, n, chance));
        let g = q.map(|q| price_slope(q, q_ref, 1.0));
        near(q[0], &case["q_new"]);
        near(q[1], &case["q_old"]);
        near(g[0], &case["g_new"]);
        near(g[1], &case["g_old"]);
        near(quality::difference_variance(counts, [1.0; 2], a).sqrt(), &case["se_bits"]);
        near(quality::difference_variance(counts, g, a).sqrt(), &case["sigma_delta"]);
        let prices = q.map(|q| price(q, q_ref, 1.0));
        near((prices[0] / prices[1]).ln(), &case["ln_new_minus_ln_old"]);
    }
}

fn votes(value: &Value) -> Vec<Vote> {
    let vote = |row: &Value| Vote {
        evaluator: row[0].as_str().unwrap().to_owned(),
        price_micro: row[1].as_i64().unwrap(),
        weight: f(&row[2]),
        sigma: f(&row[3]),
        samples: Digest::of(row[4].as_str().unwrap().as_bytes()),
    };
    value.as_array().unwrap().iter().map(vote).collect()
}

fn check_consensus(actual: &Consensus, expected: &Value) {
    let absolute = |x: f64, y: &Value| assert!((x - f(y)).abs() <= 1e-9, "{x} {y}");
    absolute(actual.first_median, &expected["first_median"]);
    absolute(actual.scale, &expected["scale"]);
    assert_eq!(serde_json::json!(actual.copies), expected["copies"]);
    assert_eq!(serde_json::json!(actual.rejected), expected["rejected"]);
    assert_eq!(actual.agreed.is_some(), expected["quorum"].as_bool().unwrap());
    if let Some(Agreed { ln_price, price_micro, sigma }) = actual.agreed {
        absolute(ln_price, &expected["ln_price"]);
        absolute(sigma, &expected["sigma"]);
        assert!(price_micro.abs_diff(expected["price_micro"].as_i64().unwrap()) <= 1);
    }
}

/// Proves medians, consensus, the pooled estimate and σ_Δ.
#[test]
fn consensus_to_estimate() {
    for case in cases("weighted_median") {
        let pairs = case["pairs"].as_array().unwrap();
        let pairs: Vec<_> = pairs.iter().map(|pair| (f(&pair[0]), f(&pair[1]))).collect();
        near(acceptance::weighted_median(&pairs).unwrap(), &case["median"]);
    }
    assert_eq!(acceptance::LN_ZERO, libm::log(1e-6));
    for case in cases("consensus") {
        let consensus = acceptance::consensus(&votes(&case["reports"]), Quorum::SEVERAL).unwrap();
        check_consensus(&consensus, &case);
    }
    assert_eq!(acceptance::consensus(&[], Quorum::SINGLE), None);
    for case in cases("pooled") {
        let epochs = case["epochs"].as_array().unwrap();
        let epochs: Vec<_> = epochs.iter().map(|epoch| (f(&epoch[0]), f(&epoch[1]))).collect();
        let pooled = acceptance::pooled(&epochs, f(&case["sigma_cost"])).unwrap();
        near(pooled.ln_price, &case["ln_price"]);
        near(pooled.sigma, &case["sigma"]);
    }
    for case in cases("sigma_delta") {
        let relation: Relation = serde_json::from_value(case["relation"].clone()).unwrap();
        let part = |name: &str| case[name].as_f64().unwrap_or(0.0);
        let spread = Spread {
            old: part("s_old"),
            new: part("s_new"),
            paired_items: part("paired_items"),
            cost_old: part("cost_old"),
            cost_new: part("cost_new"),
        };
        near(acceptance::sigma_delta(relation, &spread), &case["sigma_delta"]);
    }
}

fn check_acceptance(actual: &acceptance::Acceptance, expected: &Value) {
    assert_eq!(actual.status.as_str(), expected["decision"].as_str().unwrap(), "{expected}");
    assert_eq!(actual.price_micro, expected["price_micro"].as_i64(), "{expected}");
    assert_eq!(actual.band.is_some(), !expected["band"].is_null(), "{expected}");
    if let Some(band) = actual.band {
        near(band, &expected["band"]);
    }
}

/// Proves the acceptance rule, age and commitment.
#[test]
fn acceptance_rule() {
    for case in cases("acceptance") {
        let sigma = case["sigma_delta"].as_f64().unwrap_or(0.0);
        let new = case["new_micro"].as_i64().unwrap();
        check_acceptance(&acceptance::accept(case["old_micro"].as_i64(), new, sigma), &case);
    }
    assert_eq!(serde_json::json!(Status::Deadband), Status::Deadband.as_str());
    for case in cases("staleness") {
        let age = f(&case["age_days"]);
        assert_eq!(serde_json::json!(acceptance::staleness(age)), case["state"], "{case}");
        near(acceptance::haircut(age, None), &case["mark_factor"]);
        near(acceptance::haircut(age, Some(30.0)), &case["optional_haircut_half_life_30"]);
    }
    let case = &golden()["vectors"]["commitment"];
    let text = |name: &str| case[name].as_str().unwrap();
    let report: Digest = text("report_sha256").parse().unwrap();
    let (fund, evaluator) = (text("fund"), text("evaluator"));
    let commitment =
        acceptance::commitment(fund, u(&case["strike"]), evaluator, &[0x11; 32], report);
    assert_eq!(commitment.hex(), text("commitment"));
}

/// Proves that the breaker of the fund's vectors trips beyond its limit only, and how it treats 0.
#[test]
fn breaker() {
    let golden: Value = serde_json::from_str(include_str!("golden/index_math.json")).unwrap();
    let mut seen = 0;
    for case in golden["price_accept"].as_array().unwrap() {
        let Some(median) = case["median"].as_i64() else { continue };
        let limit = u(&case["breaker_ppb"]);
        let breaker = acceptance::Breaker { re_evaluation_ppb: limit, new_version_ppb: limit };
        let status = case["status"].as_str().unwrap();
        if matches!(status, "ACCEPTED" | "TRIPPED") {
            seen += 1;
            let trips = breaker.trips(case["old"].as_i64().unwrap(), median, true);
            assert_eq!(trips, status == "TRIPPED", "{case}");
        }
    }
    assert!(seen >= 6);
    let demo = acceptance::Breaker::DEMO;
    // A fall to nothing is confirmed whatever the limit; one to almost nothing is within 100 %.
    assert!(demo.trips(100, 0, true) && demo.trips(100, 0, false) && !demo.trips(100, 1, false));
    assert!(!demo.trips(100, 200, false) && demo.trips(100, 201, false));
    assert!(demo.trips(0, 1, true) && demo.trips(0, 1, false) && !demo.trips(0, 0, true));
    assert!(demo.trips(1, i64::MAX, false));
}

/// Proves a whole example, from counts to the accepted price.
#[test]
fn end_to_end() {
    let case = &golden()["vectors"]["end_to_end"];
    let [k, k_ref, both, n] =
        ["correct", "ref_correct_same_items", "both_correct", "n"].map(|name| u(&case[name]));
    let (chance, q_genesis) = (f(&case["chance"]), f(&case["q_genesis"]));
    let task = TaskQuality {
        weight: 1.0,
        q: quality::q_choice(k, n, chance),
        se: quality::q_choice_se(k, n, chance),
        q_ref: quality::q_choice(k_ref, n, chance),
    };
    let quality = quality::quality(&[task], q_genesis).unwrap();
    check_quality(&quality, &case["quality"]);
    let c = cost_index(&ratios(&case["ratios"]));
    near(c, &case["c"]);
    near(price(quality.bits, q_genesis, c), &case["price"]);
    let counts =
        PairCounts { both, first: k - both, second: k_ref - both, neither: n + both - k - k_ref };
    let a = [k, k_ref].map(|k| quality::shrunk(k, n, chance));
    let se = quality::difference_variance(counts, [1.0; 2], a).sqrt();
    near(se, &case["se_difference"]);
    let se_log = CostErrors { time: 0.01, latency: 0.02, memory: 0.0, energy: None };
    let sigma = log_sigma(quality.bits, q_genesis, c, se, &se_log);
    check_sigma(&sigma, &case["sigma"]);
    let consensus = acceptance::consensus(&votes(&case["reports"]), Quorum::SEVERAL).unwrap();
    check_consensus(&consensus, &case["consensus"]);
    let agreed = consensus.agreed.unwrap();
    let cost = (agreed.sigma * agreed.sigma - sigma.items * sigma.items).max(0.0).sqrt();
    let pooled = acceptance::pooled(&[(agreed.ln_price, sigma.items)], cost).unwrap();
    near(pooled.ln_price, &case["pooled"]["ln_price"]);
    near(pooled.sigma, &case["pooled"]["sigma"]);
    let old = f(&case["previous_sigma"]);
    let spread = Spread { old, new: pooled.sigma, ..Spread::default() };
    let sigma_delta = acceptance::sigma_delta(Relation::OtherItems, &spread);
    near(sigma_delta, &case["sigma_delta"]);
    let new = micro(libm::exp(pooled.ln_price));
    let accepted = acceptance::accept(case["previous_price_micro"].as_i64(), new, sigma_delta);
    check_acceptance(&accepted, &case["acceptance"]);
}

mod properties {
    use domain::evaluation::{
        CostErrors, CostRatios,
        cost::{cost_index, time_ratio},
        price::{MICRO_MAX, log_sigma, micro, price, price_slope},
        quality::{q_choice, q_choice_se},
        statistics::{Z95, wilson},
    };
    use proptest::prelude::*;

    proptest! {
        /// Proves that a price rises with quality and falls with cost, over their whole ranges.
        #[test]
        fn price_is_monotone(q in 0.01..15.9f64, up in 0.001..0.1f64, genesis in 1.0..6.0f64, log_c in -6.0..12.0f64) {
            let c = libm::exp2(log_c);
            prop_assert!(price(q + up, genesis, c) > price(q, genesis, c));
            prop_assert!(price(q, genesis, c * (1.0 + up)) < price(q, genesis, c));
            prop_assert!(price_slope(q, genesis, c) > 0.0);
        }

        /// Proves that no number at all makes a price that is no number, or an integer outside the money's range.
        #[test]
        fn price_is_a_number(q in any::<f64>(), genesis in any::<f64>(), c in any::<f64>()) {
            let credits = price(q, genesis, c);
            prop_assert!(!credits.is_nan());
            prop_assert!((0..=MICRO_MAX).contains(&micro(credits)));
            prop_assert!((0..=MICRO_MAX).contains(&micro(q)));
        }

        /// Proves that quality, its error and the price's error are finite for every count.
        #[test]
        fn quality_is_finite(n in 1..20_000u64, share in 0.0..=1.0f64, chance in 0.001..0.999f64) {
            let k = (share * n as f64) as u64;
            let (q, se) = (q_choice(k, n, chance), q_choice_se(k, n, chance));
            prop_assert!(q.is_finite() && se.is_finite() && se > 0.0);
            let sigma = log_sigma(q, 3.0, 0.5, se, &CostErrors::default());
            prop_assert!(sigma.sigma.is_finite() && sigma.sigma >= 0.0);
        }

        /// Proves that the interval holds the share and stays within 0 and 1.
        #[test]
        fn wilson_is_a_share(n in 1..1_000_000u64, share in 0.0..=1.0f64) {
            let k = (share * n as f64) as u64;
            let interval = wilson(k, n, Z95);
            let p = k as f64 / n as f64;
            prop_assert!(0.0 <= interval.low && interval.high <= 1.0);
            prop_assert!(interval.low <= p + 1e-12 && p <= interval.high + 1e-12);
        }

        /// Proves that the cost index rises with each ratio, and that t0 only pulls a ratio towards 1.
        #[test]
        fn cost_is_monotone(time in 0.05..1e4f64, latency in 0.05..1e4f64, memory in 0.05..1e3f64) {
            let ratios = CostRatios { time, latency, memory, energy: None };
            let c = cost_index(&ratios);
            for dearer in [
                CostRatios { time: time * 1.01, ..ratios },
                CostRatios { latency: latency * 1.01, ..ratios },
                CostRatios { memory: memory * 1.01, ..ratios },
            ] {
                prop_assert!(cost_index(&dearer) > c);
            }
            let plain = time / latency;
            let pulled = time_ratio(time, latency, 1.0);
            prop_assert!(plain.min(1.0) <= pulled && pulled <= plain.max(1.0));
        }
    }
}
