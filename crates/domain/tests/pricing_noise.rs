//! The golden vectors of `pricing.json` about noise, drift and likeness, each at the tolerance that the file states.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::f64::consts::PI;

use domain::evaluation::{
    Relation, Status,
    acceptance::{self, LN_ZERO, Spread},
    drift::{Alarm, Cusum, Side},
    price::{micro, price, price_slope},
    quality::{q_choice, q_choice_se},
    resampling::{moving_block_mean, queries_min},
    similarity::{Logits, Prior, fee_share, residual_correlation, wants_review},
    statistics::SplitMix64,
};
use serde_json::Value;

fn vector(name: &str) -> Value {
    let golden: Value = serde_json::from_str(include_str!("golden/pricing.json")).unwrap();
    golden["vectors"][name].clone()
}

fn f(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(f).collect()
}

#[track_caller]
fn within(actual: f64, expected: &Value, relative: f64) {
    let expected = f(expected);
    let tolerance = (relative * expected.abs()).max(1e-12);
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
}

/// Proves how many queries a percentile needs, at every count of late ones in the file.
#[test]
fn queries_of_a_percentile() {
    let cases = vector("early_stopping_min_queries");
    for case in cases.as_array().unwrap() {
        let over = case["overlatency"].as_u64().unwrap();
        assert_eq!(queries_min(f(&case["p"]), over, 0.99), case["min_total"].as_u64(), "{case}");
    }
}

/// Proves the interval of a dependent series, resampled with the file's seed.
#[test]
fn resampled_mean() {
    let case = vector("moving_block_bootstrap_mean");
    let [block, resamples, seed] =
        ["block", "reps", "seed"].map(|name| case[name].as_u64().unwrap());
    let series = floats(&case["x"]);
    let interval = moving_block_mean(&series, block as usize, resamples as usize, seed).unwrap();
    within(interval.low, &case["ci95"][0], 1e-9);
    within(interval.high, &case["ci95"][1], 1e-9);
}

/// Proves when the cumulative sum sounds, on which side, and with which sum.
#[test]
fn drift_alarms() {
    for case in vector("cusum").as_array().unwrap() {
        let mut cusum = Cusum::default();
        assert_eq!(cusum.add(f64::NAN), None);
        let moves = floats(&case["z"]);
        let found = moves.iter().enumerate().find_map(|(at, z)| cusum.add(*z).map(|a| (at, a)));
        assert_eq!(found.map(|(at, _)| at as u64), case["alarm_at"].as_u64(), "{case}");
        match found {
            Some((_, Alarm { side, sum })) => {
                let word = if side == Side::Up { "up" } else { "down" };
                assert_eq!(case["side"], word);
                within(sum, &case["stat"], 1e-9);
            }
            None => {
                within(cusum.up, &case["up"], 1e-9);
                within(cusum.down, &case["down"], 1e-9);
            }
        }
    }
}

/// Proves on which part of a price a derivative earns fees.
#[test]
fn fees_of_derivatives() {
    for case in vector("fee_share").as_array().unwrap() {
        let priors: Vec<Prior> = (case["priors"].as_array().unwrap().iter())
            .map(|prior| Prior { similarity: f(&prior[0]), price: f(&prior[1]) })
            .collect();
        within(fee_share(f(&case["price"]), &priors, f(&case["sigma"])), &case["value"], 1e-9);
    }
}

/// Proves the correlation of logit residuals, and which of the two models a person must look at.
#[test]
fn residuals() {
    let case = vector("residual_correlation");
    let rows =
        |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().flat_map(floats).collect() };
    fn logits(values: &[f64]) -> Logits<'_> {
        Logits { values, classes: 3 }
    }
    let (a, panel) = (rows(&case["a"]), case["panel"].as_array().unwrap());
    let panel: Vec<Vec<f64>> = panel.iter().map(rows).collect();
    let panel: Vec<Logits<'_>> = panel.iter().map(|values| logits(values)).collect();
    for other in case["cases"].as_array().unwrap() {
        let b = rows(&other["b"]);
        let found = residual_correlation(logits(&a), logits(&b), &panel).unwrap();
        assert!((found - f(&other["correlation"])).abs() <= 1e-9, "{found} {}", other["name"]);
        assert_eq!(wants_review(found), other["review"].as_bool().unwrap());
    }
}

/// Readings of one constant price, from the file's generator (Box and Muller over SplitMix64).
fn normals(seed: u64, count: usize) -> Vec<f64> {
    let mut random = SplitMix64::new(seed);
    let mut uniform = || (random.next_u64() >> 11) as f64 / 2f64.powi(53);
    let one = |_| {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        radius * (2.0 * PI * uniform()).cos()
    };
    (0..count).map(one).collect()
}

/// ln of the accepted price after each epoch, by the product's functions, and the last pooled estimate.
fn walk(noise: &[f64], sigma: f64, relation: Relation) -> (Vec<f64>, f64) {
    let (mut old, mut sigma_old, mut epochs, mut path, mut last) = (None, 0.0, vec![], vec![], 0.0);
    for z in noise {
        epochs.push((sigma * z, sigma));
        let estimate = acceptance::pooled(&epochs, 0.0).unwrap();
        let spread = Spread { old: sigma_old, new: estimate.sigma, ..Spread::default() };
        let delta = acceptance::sigma_delta(relation, &spread);
        let accepted = acceptance::accept(old, micro(estimate.ln_price.exp()), delta);
        if accepted.status != Status::Deadband {
            (old, sigma_old) = (accepted.price_micro, estimate.sigma);
        }
        path.push(old.map_or(LN_ZERO, |price| (price as f64 / 1e6).ln()));
        last = estimate.ln_price;
    }
    (path, last)
}

fn root_mean_square(values: impl Iterator<Item = f64>) -> f64 {
    let squares: Vec<f64> = values.map(|value| value * value).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// Proves that the accepted price converges to the truth by the rule in force, as far as the file says, and by the other
/// relation does not: 200 paths of 64 epochs.
#[test]
fn accepted_price_converges() {
    let case = vector("accepted_walk_simulation");
    let noise = normals(5, 200 * 64);
    let paths: Vec<&[f64]> = noise.chunks(64).collect();
    let relations =
        [("same_version", Relation::SameVersion), ("other_items", Relation::OtherItems)];
    for (name, relation) in relations {
        let walks: Vec<_> = paths.iter().map(|noise| walk(noise, 0.045, relation)).collect();
        for (epoch, expected) in
            case["epochs"].as_array().unwrap().iter().zip(case[name].as_array().unwrap())
        {
            let at = epoch.as_u64().unwrap() as usize - 1;
            within(root_mean_square(walks.iter().map(|(path, _)| path[at])), expected, 1e-6);
        }
        within(root_mean_square(walks.iter().map(|(_, last)| *last)), &case["pooled_64"], 1e-6);
    }
}

/// Proves by an exact expectation what weights that depend on the reading do to a pooled price, and what shrinkage does.
#[test]
fn bias_of_pooling() {
    let case = vector("pooling_bias");
    let (n, a, chance) = (case["n"].as_u64().unwrap(), f(&case["accuracy"]), f(&case["chance"]));
    let q_ref = 3.0;
    let (mut weights, mut sum) = (0.0, 0.0);
    for k in 0..=n {
        let (i, m) = (k as f64, n as f64);
        let ways = libm::lgamma(m + 1.0) - libm::lgamma(i + 1.0) - libm::lgamma(m - i + 1.0);
        let mass = (ways + i * a.ln() + (m - i) * (1.0 - a).ln()).exp();
        let q = q_choice(k, n, chance);
        if q > 0.0 {
            let se = price_slope(q, q_ref, 1.0) * q_choice_se(k, n, chance);
            weights += mass / (se * se);
            sum += mass / (se * se) * price(q, q_ref, 1.0).ln();
        }
    }
    let expected = price(q_choice((a * n as f64).round() as u64, n, chance), q_ref, 1.0);
    within(sum / weights - expected.ln(), &case["weights"], 1e-6);
    let odds = |p: f64| p / (1.0 - p);
    let plain = price((odds(a) / odds(chance)).log2(), q_ref, 1.0);
    within((expected / plain).ln(), &case["shrinkage"], 1e-6);
}
