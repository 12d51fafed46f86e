//! The error budget of a NAV: the fund struck again on other draws of the cases, the same draw for all names of a suite (EVALUATION 4.6).
//!
//! What names share does not diversify: the cases, and the reference's own luck with them. So a bootstrap draws cases once for all names
//! that were measured on them, and every name is priced again by its report's own formula; holdings stand still.
//! Times are measured in a run of each name's own; what evaluators' machines have in common beyond that is not in any report, and is
//! bounded instead: [`Sigma::upper`] is as if all of it were shared.

use std::collections::BTreeMap;

use crate::{
    amount::{Cash, Femto, PriceNano, Shares, Units},
    digest::Digest,
    evaluation::{report::ItemPrice, statistics::SplitMix64},
    fund::nav_per_share_nano,
    name::Name,
};

/// Draws of cases.
pub const DRAWS: usize = 200;
/// Places of the quantiles among the draws, in thousandths.
const QUANTILES: [usize; 5] = [25, 160, 500, 840, 975];

/// One name that is held.
#[derive(Clone, Debug)]
pub struct BudgetName {
    /// The model.
    pub model: Name,
    /// Units held.
    pub units: Units,
    /// The mark.
    pub price: PriceNano,
    /// The items that its price rests on: names with the same digest share them.
    pub suite: Digest,
    /// The price as a function of them.
    pub items: ItemPrice,
    /// The part of σ(ln P) that does not come from items.
    pub sigma_cost: f64,
}

/// σ(ln NAV) by the delta method, at fixed holdings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sigma {
    /// With items as names share them, and times of each name on their own.
    pub sigma: f64,
    /// As if no two names shared anything.
    pub independent: f64,
    /// With items as names share them, and times as if they moved together.
    pub upper: f64,
    /// What the references' own luck with the items does, which all names share.
    pub reference: f64,
    /// The part of the variance of `sigma` that is there because names share items: below 0 where their lucks cancel.
    pub common: f64,
}

/// How far NAV per share may be off by the draw of cases and by times.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorBudget {
    /// Draws.
    pub draws: usize,
    /// NAV per share at the 2.5, 16, 50, 84 and 97.5 % places of the draws, nearest rank.
    pub quantiles: [PriceNano; 5],
    /// Standard deviation over the draws, over the NAV.
    pub sd: f64,
    /// The same with times at rest: what the cases do, the same for all names.
    pub sd_cases: f64,
    /// What is left: of times, name by name.
    pub sd_rest: f64,
    /// By the delta method.
    pub sigma: Sigma,
}

/// Strikes a fund again on [`DRAWS`] draws; `seed` decides all of them. Nothing without shares or at a NAV of nothing.
///
/// The same input gives the same output on any machine.
#[must_use]
pub fn error_budget(
    cash: Cash,
    shares: Shares,
    names: &[BudgetName],
    seed: u64,
) -> Option<ErrorBudget> {
    let values: Vec<Femto> = names.iter().map(|held| held.units.value_at(held.price)).collect();
    let nav = cash.to_femto() + values.iter().copied().sum();
    if shares <= Shares::ZERO || nav <= Femto::ZERO {
        return None;
    }
    let whole = steps(nav);
    let weights: Vec<f64> = values.iter().map(|value| steps(*value) / whole).collect();
    let own: Vec<f64> =
        names.iter().map(|held| held.items.price(&vec![1; held.items.items()])).collect();
    let suites: BTreeMap<Digest, usize> =
        names.iter().map(|held| (held.suite, held.items.items())).collect();
    // Two streams, so that the draws of cases do not depend on how many names there are.
    let mut random = SplitMix64::new(seed);
    let mut times_random = SplitMix64::new(random.next_u64());
    let (mut all, mut cases) = (Vec::with_capacity(DRAWS), Vec::with_capacity(DRAWS));
    for _ in 0..DRAWS {
        let times: BTreeMap<Digest, Vec<u32>> =
            suites.iter().map(|(suite, items)| (*suite, draw(&mut random, *items))).collect();
        let (mut with_times, mut with_cases) = (cash.to_femto(), cash.to_femto());
        for (held, own) in names.iter().zip(&own) {
            let drawn = times.get(&held.suite).map_or(*own, |times| held.items.price(times));
            let ratio = if *own > 0.0 { drawn / own } else { 1.0 };
            let noise = libm::exp(held.sigma_cost * normal(&mut times_random));
            with_cases += held.units.value_at(scaled(held.price, ratio));
            with_times += held.units.value_at(scaled(held.price, ratio * noise));
        }
        all.push(with_times);
        cases.push(with_cases);
    }
    let sigma = sigma(names, &weights);
    let sd_rest = libm::sqrt(cost_squares(names, &weights));
    let (sd, sd_cases) = (deviation(&all, whole), deviation(&cases, whole));
    all.sort_unstable();
    let at = |thousandths: usize| {
        let rank = (thousandths * DRAWS).div_ceil(1000).max(1);
        nav_per_share_nano(all[rank - 1], shares)
    };
    let [a, b, c, d, e] = QUANTILES.map(at);
    let quantiles = [a?, b?, c?, d?, e?];
    Some(ErrorBudget { draws: DRAWS, quantiles, sd, sd_cases, sd_rest, sigma })
}

/// How often each of so many items comes in a draw of as many, with repetition.
fn draw(random: &mut SplitMix64, items: usize) -> Vec<u32> {
    let mut times = vec![0_u32; items];
    for _ in 0..items {
        // Below the length, unless there are no items, and then there is no turn.
        let place = random.below(items as u64) as usize;
        times[place] += 1;
    }
    times
}

/// A normal number out of two uniform ones (Box and Muller).
fn normal(random: &mut SplitMix64) -> f64 {
    // In (0, 1] and [0, 1): the logarithm exists.
    let uniform = |random: &mut SplitMix64| (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - uniform(random)));
    radius * libm::cos(2.0 * std::f64::consts::PI * uniform(random))
}

/// A price times a ratio, to the nearest step; it is shown and never dealt at.
fn scaled(price: PriceNano, ratio: f64) -> PriceNano {
    let nano = libm::round(price.as_nano() as f64 * ratio);
    // The cast stops at the ends of the range.
    PriceNano::from_nano((nano as i64).clamp(0, crate::amount::LIMIT))
}

fn steps(value: Femto) -> f64 {
    value.as_femto().map_or(f64::NAN, |steps| steps as f64)
}

/// Sample deviation over `whole`.
fn deviation(values: &[Femto], whole: f64) -> f64 {
    let values: Vec<f64> = values.iter().map(|value| steps(*value) / whole).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    libm::sqrt(squares / (n - 1.0))
}

fn cost_squares(names: &[BudgetName], weights: &[f64]) -> f64 {
    let parts = names.iter().zip(weights).map(|(held, weight)| weight * held.sigma_cost);
    parts.map(|part| part * part).sum()
}

/// Mean square over the number of items: the variance of a mean of influences that are 0 on average.
fn variance(influence: &[f64]) -> f64 {
    let n = influence.len().max(1) as f64;
    influence.iter().map(|value| value * value).sum::<f64>() / n / n
}

fn sigma(names: &[BudgetName], weights: &[f64]) -> Sigma {
    let mut together = BTreeMap::<Digest, (Vec<f64>, Vec<f64>)>::new();
    let (mut apart, mut cost_sum) = (0.0, 0.0);
    for (held, weight) in names.iter().zip(weights) {
        let slope = weight * held.items.slope();
        let items = held.items.items();
        let own = held.items.difference();
        apart += slope * slope * variance(&own);
        cost_sum += weight * held.sigma_cost;
        let (sums, references) =
            together.entry(held.suite).or_insert_with(|| (vec![0.0; items], vec![0.0; items]));
        for (sum, value) in sums.iter_mut().zip(own) {
            *sum += slope * value;
        }
        for (sum, value) in references.iter_mut().zip(held.items.references()) {
            *sum += slope * value;
        }
    }
    let cost = cost_squares(names, weights);
    let items: f64 = together.values().map(|(sums, _)| variance(sums)).sum();
    let reference: f64 = together.values().map(|(_, references)| variance(references)).sum();
    let all = items + cost;
    Sigma {
        sigma: libm::sqrt(all),
        independent: libm::sqrt(apart + cost),
        upper: libm::sqrt(items + cost_sum * cost_sum),
        reference: libm::sqrt(reference),
        common: if all > 0.0 { (items - apart) / all } else { 0.0 },
    }
}
