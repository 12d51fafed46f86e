//! Weights in proportion to scores, under a cap for every name and a cap for every group of names (FUND 2.7).
//!
//! `x_i = min(c, L·s_i)` with `Σ x = 1`: each round caps every name above `c` for good and rescales the rest.
//! A group above its cap is bound for good, its names divide the group's cap, and the others divide the rest.
//! Everything is exact rationals until the last step, largest remainder to parts per billion.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero};
use serde::{Deserialize, Serialize};

use crate::amount::PPB_ONE;

/// What to do when the caps leave no room for all of the money; part of the methodology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InfeasiblePolicy {
    /// Refuse.
    Reject,
    /// Every name and group at its cap, the remainder in cash.
    Cash,
    /// Raise the name cap to 1/n, and the group cap to the least that leaves room, and no further.
    Relax,
}

/// One cap for the sum of each group's names.
#[derive(Clone, Debug)]
pub struct GroupCap<'a> {
    /// The group of each name, in the order of the scores.
    pub groups: &'a [&'a str],
    /// The cap.
    pub cap: BigRational,
}

/// Weights that sum, with the cash, to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Exact weights, in the order of the scores.
    pub exact: Vec<BigRational>,
    /// The same in parts per billion.
    pub ppb: Vec<u64>,
    /// What the caps leave over, exact.
    pub cash_exact: BigRational,
    /// The same in parts per billion.
    pub cash_ppb: u64,
    /// The name cap that was used: larger than the one given only where the policy relaxed it.
    pub cap: BigRational,
    /// Rounds of capping: of names without groups, of bound groups with them.
    pub rounds: usize,
}

/// Why there are no weights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Infeasible {
    /// The caps leave no room, and the policy refuses.
    #[error("caps leave room for {room} of the money only, for {names} names: INFEASIBLE_CAP")]
    Cap {
        /// What fits under the caps, as a fraction.
        room: String,
        /// How many names there are.
        names: usize,
    },
    /// An input that is no input of this function.
    #[error("{0}")]
    Input(&'static str),
}

/// Computes weights (FUND 2.7).
///
/// `scores` are not negative; `cap` is above 0. Without names all is cash.
///
/// # Errors
/// [`Infeasible::Cap`] where the caps leave no room under the policy `Reject`; [`Infeasible::Input`] for a negative score, a cap of nothing, or groups of another number than the scores.
pub fn capped_weights(
    scores: &[BigRational],
    cap: &BigRational,
    policy: InfeasiblePolicy,
    groups: Option<&GroupCap<'_>>,
) -> Result<Weights, Infeasible> {
    check(scores, cap, groups)?;
    let one = BigRational::one();
    if scores.is_empty() {
        return Ok(finish(Vec::new(), cap.clone(), one, 0, None));
    }
    let mut basket = Basket { scores, cap: cap.clone(), groups: members(scores.len(), groups) };
    let room = basket.room();
    if room >= one {
        let (exact, rounds) = basket.fill();
        return Ok(finish(exact, basket.cap, BigRational::zero(), rounds, groups));
    }
    match policy {
        InfeasiblePolicy::Reject => {
            Err(Infeasible::Cap { room: room.to_string(), names: scores.len() })
        }
        InfeasiblePolicy::Cash => {
            let exact = basket.full();
            Ok(finish(exact, basket.cap, one - room, 0, groups))
        }
        InfeasiblePolicy::Relax => {
            basket.relax();
            let (exact, rounds) = basket.fill();
            // A cap that gave way binds no rounding either.
            Ok(finish(exact, basket.cap, BigRational::zero(), rounds, None))
        }
    }
}

fn check(
    scores: &[BigRational],
    cap: &BigRational,
    groups: Option<&GroupCap<'_>>,
) -> Result<(), Infeasible> {
    let zero = BigRational::zero();
    if scores.iter().any(|score| *score < zero) {
        return Err(Infeasible::Input("a score is negative"));
    }
    if *cap <= zero || groups.is_some_and(|g| g.cap <= zero) {
        return Err(Infeasible::Input("a cap is not above 0"));
    }
    if groups.is_some_and(|g| g.groups.len() != scores.len()) {
        return Err(Infeasible::Input("each score needs one group"));
    }
    Ok(())
}

/// Groups by name, each with its members, and the cap of all; one group of everybody without a cap when there are none.
struct Groups {
    members: Vec<Vec<usize>>,
    cap: Option<BigRational>,
}

fn members(count: usize, groups: Option<&GroupCap<'_>>) -> Groups {
    let Some(groups) = groups else {
        return Groups { members: vec![(0..count).collect()], cap: None };
    };
    let mut by_name = BTreeMap::<&str, Vec<usize>>::new();
    for (index, group) in groups.groups.iter().enumerate() {
        by_name.entry(group).or_default().push(index);
    }
    Groups { members: by_name.into_values().collect(), cap: Some(groups.cap.clone()) }
}

struct Basket<'a> {
    scores: &'a [BigRational],
    cap: BigRational,
    groups: Groups,
}

impl Basket<'_> {
    /// What fits into a group: its cap, or the caps of its names.
    fn room_of(&self, members: &[usize]) -> BigRational {
        let names = &self.cap * integer(members.len());
        self.groups.cap.clone().map_or(names.clone(), |cap| cap.min(names))
    }

    fn room(&self) -> BigRational {
        self.groups.members.iter().map(|members| self.room_of(members)).sum()
    }

    /// Every group full; its names in proportion under their cap.
    fn full(&self) -> Vec<BigRational> {
        let mut weights = vec![BigRational::zero(); self.scores.len()];
        for members in &self.groups.members {
            self.pour(members, &self.room_of(members), &mut weights);
        }
        weights
    }

    /// Raises the caps to the least that leaves room.
    fn relax(&mut self) {
        let one = BigRational::one();
        self.cap = self.cap.clone().max(&one / integer(self.scores.len()));
        if self.room() >= one {
            return;
        }
        // Groups that their names' caps fill keep that; the rest is divided equally among the others.
        let mut sizes: Vec<usize> = self.groups.members.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        let (mut left, mut groups) = (one, sizes.len());
        for size in sizes {
            let full = &self.cap * integer(size);
            let equal = &left / integer(groups);
            if full >= equal {
                self.groups.cap = Some(equal);
                return;
            }
            left -= full;
            groups -= 1;
        }
    }

    /// Weights that sum to one, and the rounds that it took; there is room.
    fn fill(&self) -> (Vec<BigRational>, usize) {
        let count = self.scores.len();
        let mut weights = vec![BigRational::zero(); count];
        let Some(group_cap) = &self.groups.cap else {
            let all: Vec<usize> = (0..count).collect();
            let rounds = self.pour(&all, &BigRational::one(), &mut weights);
            return (weights, rounds);
        };
        let mut bound = BTreeSet::<usize>::new();
        loop {
            let members = self.groups.members.iter().enumerate();
            let mut free: Vec<usize> =
                members.filter(|(g, _)| !bound.contains(g)).flat_map(|(_, m)| m.clone()).collect();
            free.sort_unstable();
            let rest = BigRational::one() - group_cap * integer(bound.len());
            self.pour(&free, &rest, &mut weights);
            for group in &bound {
                self.pour(&self.groups.members[*group], group_cap, &mut weights);
            }
            let sum = |members: &[usize]| members.iter().map(|i| &weights[*i]).sum::<BigRational>();
            let members = self.groups.members.iter().enumerate();
            let above = members.filter(|(g, m)| !bound.contains(g) && sum(m) > *group_cap);
            let above: Vec<usize> = above.map(|(group, _)| group).collect();
            if above.is_empty() {
                return (weights, bound.len());
            }
            bound.extend(above);
        }
    }

    /// Divides `total` among `members` by score under the name cap; zero scores share what nobody else can take.
    fn pour(&self, members: &[usize], total: &BigRational, weights: &mut [BigRational]) -> usize {
        if members.is_empty() {
            return 0;
        }
        let score = |free: &[usize]| free.iter().map(|i| &self.scores[*i]).sum::<BigRational>();
        let share = |free: &[usize], rest: &BigRational| rest / integer(free.len());
        let (mut free, mut rest, mut rounds) = (members.to_vec(), total.clone(), 0);
        if score(&free).is_zero() {
            let equal = share(&free, &rest);
            free.iter().for_each(|i| weights[*i] = equal.clone());
            return 0;
        }
        loop {
            rounds += 1;
            let sum = score(&free);
            if sum.is_zero() {
                if !free.is_empty() {
                    let equal = share(&free, &rest);
                    free.iter().for_each(|i| weights[*i] = equal.clone());
                }
                return rounds;
            }
            let scale = &rest / sum;
            free.iter().for_each(|i| weights[*i] = &self.scores[*i] * &scale);
            let before = free.len();
            free.retain(|i| {
                let fits = weights[*i] <= self.cap;
                if !fits {
                    weights[*i] = self.cap.clone();
                    rest -= &self.cap;
                }
                fits
            });
            if free.len() == before {
                return rounds;
            }
        }
    }
}

fn integer(count: usize) -> BigRational {
    BigRational::from_integer(BigInt::from(count))
}

fn finish(
    exact: Vec<BigRational>,
    cap: BigRational,
    cash_exact: BigRational,
    rounds: usize,
    groups: Option<&GroupCap<'_>>,
) -> Weights {
    let mut parts = exact.clone();
    parts.push(cash_exact.clone());
    let mut ppb = largest_remainder(&parts, &cap, groups);
    let cash_ppb = ppb.pop().unwrap_or(0);
    Weights { exact, ppb, cash_exact, cash_ppb, cap, rounds }
}

/// Whole parts per billion of weights that sum to one: floors, then one more for the largest remainders, ties to the lower index.
///
/// A name or a group at its cap gets no leftover, as long as somebody else can take it.
pub(crate) fn largest_remainder(
    parts: &[BigRational],
    cap: &BigRational,
    groups: Option<&GroupCap<'_>>,
) -> Vec<u64> {
    let one = BigRational::from_integer(BigInt::from(PPB_ONE));
    let whole = |x: &BigRational| (x * &one).to_integer().to_u64().unwrap_or(0);
    let mut ppb: Vec<u64> = parts.iter().map(whole).collect();
    let mut left = PPB_ONE.unsigned_abs().saturating_sub(ppb.iter().sum());
    let rest: Vec<BigRational> =
        parts.iter().zip(&ppb).map(|(x, floor)| x * &one - BigInt::from(*floor)).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| rest[*b].cmp(&rest[*a]).then(a.cmp(b)));
    let (name_max, group_max) = (whole(cap), groups.map_or(0, |g| whole(&g.cap)));
    for strict in [true, false] {
        for index in &order {
            let group_full = groups.filter(|g| *index < g.groups.len()).is_some_and(|g| {
                let same = g.groups.iter().zip(&ppb).filter(|(name, _)| **name == g.groups[*index]);
                same.map(|(_, ppb)| ppb).sum::<u64>() >= group_max
            });
            let is_cash = *index + 1 == parts.len();
            let full = ppb[*index] >= name_max || group_full;
            let takes = if is_cash { !rest[*index].is_zero() } else { !(strict && full) };
            if left > 0 && takes {
                ppb[*index] += 1;
                left -= 1;
            }
        }
    }
    ppb
}
