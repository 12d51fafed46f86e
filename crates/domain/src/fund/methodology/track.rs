//! Tracks: weights between models whose prices are not comparable (DESIGN "Price").
//!
//! Each track has its weight first; inside it scores divide that weight under the caps. The name cap is of the whole; the publisher cap
//! holds in each track as a part of the track, so that it holds in the whole without one track's weights depending on another's.
//! So a price that is multiplied with all others of its track changes no weight anywhere.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};
use serde::{Deserialize, Serialize};

use super::{Methodology, MethodologyError, Reviewed};
use crate::{
    amount::PPB_ONE,
    index::{GroupCap, Infeasible, capped_weights, largest_remainder},
    name::Name,
};

/// A part of an index with a weight of its own: models of one suite family and device class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// The models that it may hold; a live model in no track has no weight.
    pub models: Vec<Name>,
    /// What it is called.
    pub name: Name,
    /// Its part of the invested money.
    pub weight_ppb: i64,
}

/// Weights of the invested part before drift is looked at, by the selected models' places; what is left over is cash.
pub(super) struct Targets {
    pub(super) ppb: Vec<i64>,
    pub(super) cash: i64,
    /// Tracks without a selected model, whose weight stays in cash.
    pub(super) empty: Vec<Name>,
}

/// A number for each publisher, the same for the same one.
fn publisher_numbers(models: &[(&Name, &Reviewed)]) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    for (_, model) in models {
        let next = numbers.len();
        numbers.entry(&model.publisher).or_insert(next);
    }
    models.iter().map(|(_, model)| numbers[&model.publisher]).collect()
}

/// Weights by score and caps of `selected`, which are in the order of their names.
pub(super) fn targets(
    rules: &Methodology,
    selected: &[(&Name, &Reviewed)],
) -> Result<Targets, MethodologyError> {
    let groups = publisher_numbers(selected);
    let wide = |parts: u64| i64::try_from(parts).unwrap_or(PPB_ONE);
    if rules.tracks.is_empty() {
        let prices: Vec<i64> = selected.iter().map(|(_, m)| m.price.as_nano()).collect();
        let weights = rules.weights_of(&prices, &groups)?;
        let ppb = weights.ppb.into_iter().map(wide).collect();
        return Ok(Targets { ppb, cash: wide(weights.cash), empty: Vec::new() });
    }
    let mut parts = vec![BigRational::zero(); selected.len() + 1];
    let (mut left, mut empty) = (BigRational::one(), Vec::new());
    for track in &rules.tracks {
        let members: Vec<usize> =
            (0..selected.len()).filter(|i| track.models.contains(selected[*i].0)).collect();
        if members.is_empty() {
            empty.push(track.name.clone());
            continue;
        }
        for (place, weight) in members.iter().zip(inside(rules, track, &members, selected)?) {
            left -= &weight;
            parts[*place] = weight;
        }
    }
    if let Some(cash) = parts.last_mut() {
        *cash = left;
    }
    let names: Vec<String> = groups.iter().map(usize::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut ppb = rounded(rules, &parts, &names);
    let cash = ppb.pop().map_or(0, wide);
    Ok(Targets { ppb: ppb.into_iter().map(wide).collect(), cash, empty })
}

/// Exact weights of one track's members, as parts of the whole.
fn inside(
    rules: &Methodology,
    track: &Track,
    members: &[usize],
    selected: &[(&Name, &Reviewed)],
) -> Result<Vec<BigRational>, Infeasible> {
    let weight = BigInt::from(track.weight_ppb);
    let scores: Vec<BigRational> = members
        .iter()
        .map(|i| BigRational::from_integer(BigInt::from(selected[*i].1.price.as_nano())))
        .collect();
    let publishers: Vec<&str> = members.iter().map(|i| selected[*i].1.publisher.as_str()).collect();
    let group_cap = BigRational::new(rules.publisher_cap_ppb.into(), PPB_ONE.into());
    let groups = GroupCap { groups: &publishers, cap: group_cap };
    // The cap of a name is of the whole; inside a track it is so much larger.
    let name_cap = BigRational::new(rules.name_cap_ppb.into(), weight.clone());
    let name_cap = name_cap.min(BigRational::one());
    let weights = capped_weights(&scores, &name_cap, rules.infeasible, Some(&groups))?;
    let share = BigRational::new(weight, PPB_ONE.into());
    Ok(weights.exact.into_iter().map(|part| part * &share).collect())
}

/// Whole parts per billion; a cap binds the rounding unless a track let it give way.
fn rounded(rules: &Methodology, parts: &[BigRational], publishers: &[&str]) -> Vec<u64> {
    let one = BigRational::one();
    let part = |ppb: i64| BigRational::new(ppb.into(), PPB_ONE.into());
    let names = parts.iter().take(publishers.len());
    let largest = names.max().cloned().unwrap_or_else(BigRational::zero);
    let cap = part(rules.name_cap_ppb);
    if largest > cap {
        return largest_remainder(parts, &one, None);
    }
    let group_cap = part(rules.publisher_cap_ppb);
    let mut of_publisher = BTreeMap::<&str, BigRational>::new();
    for (publisher, weight) in publishers.iter().zip(parts) {
        *of_publisher.entry(publisher).or_insert_with(BigRational::zero) += weight;
    }
    if of_publisher.values().any(|sum| *sum > group_cap) {
        return largest_remainder(parts, &cap, None);
    }
    largest_remainder(parts, &cap, Some(&GroupCap { groups: publishers, cap: group_cap }))
}
