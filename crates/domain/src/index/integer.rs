//! Capped weights over integers: the result of [`capped_weights`] in parts per billion, without rationals.
//!
//! Caps are whole parts per billion, scores whole numbers, so every weight is `cap` or `s·rest/sum` with integers of at most 128 bits.
//! A cap that gave way (`1/n`, or a group's equal share) stays whole in steps of `1/(1e9·d)`, with one `d` for the whole basket.
//! What does not fit, or is refused, goes to the exact function, which answers for both.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_rational::BigRational;

use super::weights::{GroupCap, Infeasible, InfeasiblePolicy, capped_weights};
use crate::amount::PPB_ONE;

const ONE: u128 = PPB_ONE as u128;

/// The caps of a basket, in parts per billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PpbCaps {
    /// The largest weight of a name.
    pub name: i64,
    /// The largest weight of a group of names; none without groups.
    pub group: Option<i64>,
    /// What to do when they leave no room.
    pub policy: InfeasiblePolicy,
}

/// Weights in parts per billion, that sum to 1e9 with the cash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PpbWeights {
    /// In the order of the scores.
    pub ppb: Vec<u64>,
    /// What the caps leave over.
    pub cash: u64,
}

/// Computes weights (FUND 2.7) from whole scores and the number of each one's group; `groups` counts only where `caps` has a group's cap.
///
/// Bit for bit what [`capped_weights`] gives in `ppb` and `cash_ppb`.
///
/// # Errors
/// As [`capped_weights`].
pub fn capped_weights_ppb(
    scores: &[i64],
    groups: &[usize],
    caps: PpbCaps,
) -> Result<PpbWeights, Infeasible> {
    match fast(scores, groups, caps) {
        Some(weights) => Ok(weights),
        None => exact(scores, groups, caps),
    }
}

/// The same by rationals.
fn exact(scores: &[i64], groups: &[usize], caps: PpbCaps) -> Result<PpbWeights, Infeasible> {
    let part = |ppb: i64| BigRational::new(BigInt::from(ppb), BigInt::from(PPB_ONE));
    let scores: Vec<BigRational> =
        scores.iter().map(|score| BigRational::from_integer(BigInt::from(*score))).collect();
    let names: Vec<String> = groups.iter().map(usize::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let groups = caps.group.map(|cap| GroupCap { groups: &names, cap: part(cap) });
    let weights = capped_weights(&scores, &part(caps.name), caps.policy, groups.as_ref())?;
    Ok(PpbWeights { ppb: weights.ppb, cash: weights.cash_ppb })
}

/// The same by integers; nothing where a number does not fit, or where there are no weights.
fn fast(scores: &[i64], groups: &[usize], caps: PpbCaps) -> Option<PpbWeights> {
    if scores.is_empty() || caps.group.is_some() && groups.len() != scores.len() {
        return None;
    }
    let scores: Option<Vec<u64>> = scores.iter().map(|s| u64::try_from(*s).ok()).collect();
    let cap = u128::try_from(caps.name).ok().filter(|cap| *cap > 0)?;
    let group_cap = match caps.group {
        Some(cap) => Some(u128::try_from(cap).ok().filter(|cap| *cap > 0)?),
        None => None,
    };
    let groups = Groups::of(groups, scores.as_ref()?.len(), group_cap.is_some());
    let mut basket = Basket { scores: scores?, groups, cap, group_cap, steps: 1 };
    let room = basket.room()?;
    if room >= ONE {
        let poured = basket.fill()?;
        return basket.round(&poured, 0, group_cap.is_some());
    }
    match caps.policy {
        InfeasiblePolicy::Reject => None,
        InfeasiblePolicy::Cash => {
            let poured = basket.full()?;
            basket.round(&poured, ONE - room, group_cap.is_some())
        }
        InfeasiblePolicy::Relax => {
            basket.relax()?;
            let poured = basket.fill()?;
            // A cap that gave way binds no rounding either.
            basket.round(&poured, 0, false)
        }
    }
}

/// Groups by dense numbers, each with its members in ascending order.
struct Groups {
    of: Vec<usize>,
    members: Vec<Vec<usize>>,
}

impl Groups {
    fn of(given: &[usize], count: usize, used: bool) -> Self {
        if !used {
            return Self { of: vec![0; count], members: vec![(0..count).collect()] };
        }
        let mut distinct = given.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let place = |group: &usize| distinct.partition_point(|known| known < group);
        let of: Vec<usize> = given.iter().map(place).collect();
        let mut members = vec![Vec::new(); distinct.len()];
        for (name, group) in of.iter().enumerate() {
            members[*group].push(name);
        }
        Self { of, members }
    }
}

/// All weights here are whole numbers of steps of `1/(1e9·steps)`.
struct Basket {
    scores: Vec<u64>,
    groups: Groups,
    cap: u128,
    group_cap: Option<u128>,
    steps: u128,
}

/// How money was divided among names: those in `capped` have the cap, the others `s·rest/sum`, or `rest/sum` each where it is `equal`.
#[derive(Clone, Copy)]
struct Share {
    rest: u128,
    sum: u128,
    equal: bool,
}

/// The division of a whole basket: which names are capped, and the place of each one's share in the list.
struct Poured {
    capped: Vec<bool>,
    share: Vec<usize>,
    shares: Vec<Share>,
}

impl Poured {
    fn empty(count: usize) -> Self {
        Self { capped: vec![false; count], share: vec![0; count], shares: Vec::new() }
    }
}

impl Basket {
    fn room_of(&self, size: usize) -> Option<u128> {
        let names = self.cap.checked_mul(size as u128)?;
        Some(self.group_cap.map_or(names, |cap| cap.min(names)))
    }

    fn room(&self) -> Option<u128> {
        self.groups
            .members
            .iter()
            .try_fold(0_u128, |sum, members| sum.checked_add(self.room_of(members.len())?))
    }

    /// Every group full; its names in proportion under their cap.
    fn full(&self) -> Option<Poured> {
        let mut poured = Poured::empty(self.scores.len());
        for members in &self.groups.members {
            self.pour(members, self.room_of(members.len())?, &mut poured)?;
        }
        Some(poured)
    }

    /// Raises the caps to the least that leaves room; the step shrinks where a cap is no whole number of steps.
    fn relax(&mut self) -> Option<()> {
        let count = self.scores.len() as u128;
        if self.cap.checked_mul(count)? < ONE {
            self.steps = count;
            self.cap = ONE;
            self.group_cap = match self.group_cap {
                Some(cap) => Some(cap.checked_mul(count)?),
                None => None,
            };
        }
        let one = ONE.checked_mul(self.steps)?;
        if self.room()? >= one {
            return Some(());
        }
        // Groups that their names' caps fill keep that; the rest is divided equally among the others.
        let mut sizes: Vec<usize> = self.groups.members.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        let (mut left, mut groups) = (one, sizes.len() as u128);
        for size in sizes {
            let full = self.cap.checked_mul(size as u128)?;
            if full.checked_mul(groups)? >= left {
                self.steps = self.steps.checked_mul(groups)?;
                self.cap = self.cap.checked_mul(groups)?;
                self.group_cap = Some(left);
                return Some(());
            }
            left -= full;
            groups -= 1;
        }
        Some(())
    }

    /// Weights that sum to one; there is room.
    fn fill(&self) -> Option<Poured> {
        let count = self.scores.len();
        let one = ONE.checked_mul(self.steps)?;
        let Some(group_cap) = self.group_cap else {
            let mut poured = Poured::empty(count);
            self.pour(&self.groups.members[0], one, &mut poured)?;
            return Some(poured);
        };
        let mut bound = vec![false; self.groups.members.len()];
        loop {
            let free: Vec<usize> = (0..count).filter(|i| !bound[self.groups.of[*i]]).collect();
            let taken = bound.iter().filter(|bound| **bound).count() as u128;
            let rest = one.checked_sub(group_cap.checked_mul(taken)?)?;
            let mut poured = Poured::empty(count);
            self.pour(&free, rest, &mut poured)?;
            let above = self.above(&free, &poured, group_cap)?;
            if above.is_empty() {
                for (group, _) in bound.iter().enumerate().filter(|(_, bound)| **bound) {
                    self.pour(&self.groups.members[group], group_cap, &mut poured)?;
                }
                return Some(poured);
            }
            above.iter().for_each(|group| bound[*group] = true);
        }
    }

    /// Groups of the names in `free` whose weights sum to more than the group's cap.
    fn above(&self, free: &[usize], poured: &Poured, group_cap: u128) -> Option<Vec<usize>> {
        let mut capped = vec![0_u128; self.groups.members.len()];
        let mut scores = vec![0_u128; self.groups.members.len()];
        let Some(share) = poured.shares.last() else { return Some(Vec::new()) };
        for name in free {
            let group = self.groups.of[*name];
            if poured.capped[*name] {
                capped[group] += 1;
            } else {
                scores[group] += if share.equal { 1 } else { u128::from(self.scores[*name]) };
            }
        }
        let mut above = Vec::new();
        for group in 0..capped.len() {
            let at_cap = self.cap.checked_mul(capped[group])?;
            let is_above = match group_cap.checked_sub(at_cap) {
                None => true,
                Some(left) => {
                    scores[group].checked_mul(share.rest)? > left.checked_mul(share.sum)?
                }
            };
            if is_above {
                above.push(group);
            }
        }
        Some(above)
    }

    /// Divides `total` among `members` by score under the name cap; zero scores share what nobody else can take.
    fn pour(&self, members: &[usize], total: u128, poured: &mut Poured) -> Option<()> {
        if members.is_empty() {
            return Some(());
        }
        let (mut free, mut rest) = (members.to_vec(), total);
        let mut sum: u128 = free.iter().map(|i| u128::from(self.scores[*i])).sum();
        let place = poured.shares.len();
        free.iter().for_each(|i| poured.share[*i] = place);
        while sum > 0 && rest > 0 {
            // s·rest/sum > cap, for whole s: s > ⌊cap·sum/rest⌋.
            let most = self.cap.checked_mul(sum)? / rest;
            let before = free.len();
            free.retain(|i| {
                let score = u128::from(self.scores[*i]);
                if score > most {
                    poured.capped[*i] = true;
                    sum -= score;
                }
                score <= most
            });
            let taken = (before - free.len()) as u128;
            if taken == 0 {
                break;
            }
            rest = rest.checked_sub(self.cap.checked_mul(taken)?)?;
        }
        let equal = sum == 0;
        let sum = if equal { free.len() as u128 } else { sum };
        poured.shares.push(Share { rest, sum, equal });
        Some(())
    }

    /// Whole parts per billion: floors, then one more for the largest remainders, ties to the lower index.
    ///
    /// A name or a group at its cap gets no leftover, as long as somebody else can take it.
    fn round(&self, poured: &Poured, cash: u128, grouped: bool) -> Option<PpbWeights> {
        let mut ppb = Vec::with_capacity(self.scores.len() + 1);
        let mut rest = Vec::with_capacity(self.scores.len() + 1);
        for (name, score) in self.scores.iter().enumerate() {
            let share = &poured.shares[poured.share[name]];
            let (top, bottom) = if poured.capped[name] {
                (self.cap, self.steps)
            } else {
                let score = if share.equal { 1 } else { u128::from(*score) };
                (score.checked_mul(share.rest)?, share.sum.checked_mul(self.steps)?)
            };
            ppb.push(u64::try_from(top / bottom).ok()?);
            rest.push(Remainder { part: top % bottom, of: bottom });
        }
        // Cash is what whole caps leave over, so it is whole.
        ppb.push(u64::try_from(cash).ok()?);
        rest.push(Remainder { part: 0, of: 1 });
        self.spread(&mut ppb, &rest, grouped);
        let cash = ppb.pop()?;
        Some(PpbWeights { ppb, cash })
    }

    fn spread(&self, ppb: &mut [u64], rest: &[Remainder], grouped: bool) {
        let mut left = PPB_ONE.unsigned_abs().saturating_sub(ppb.iter().sum());
        let mut order: Vec<usize> = (0..ppb.len()).collect();
        order.sort_unstable_by(|a, b| rest[*b].compare(&rest[*a]).then(a.cmp(b)));
        let name_max = self.cap / self.steps;
        let group_max = self.group_cap.filter(|_| grouped).map(|cap| cap / self.steps);
        let mut sums = vec![0_u128; self.groups.members.len()];
        for (group, parts) in self.groups.of.iter().zip(ppb.iter()) {
            sums[*group] += u128::from(*parts);
        }
        for strict in [true, false] {
            for index in &order {
                if left == 0 {
                    return;
                }
                let takes = match self.groups.of.get(*index) {
                    None => rest[*index].part > 0,
                    Some(group) => {
                        let full = u128::from(ppb[*index]) >= name_max
                            || group_max.is_some_and(|max| sums[*group] >= max);
                        !(strict && full)
                    }
                };
                if takes {
                    ppb[*index] += 1;
                    left -= 1;
                    if let Some(group) = self.groups.of.get(*index) {
                        sums[*group] += 1;
                    }
                }
            }
        }
    }
}

/// A fraction below one.
#[derive(Clone, Copy)]
struct Remainder {
    part: u128,
    of: u128,
}

impl Remainder {
    fn compare(&self, other: &Self) -> Ordering {
        if self.of == other.of {
            return self.part.cmp(&other.part);
        }
        wide_product(self.part, other.of).cmp(&wide_product(other.part, self.of))
    }
}

/// `a·b` as its high and its low half.
fn wide_product(a: u128, b: u128) -> (u128, u128) {
    const HALF: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
    // (2^64-1)^2 + 2·(2^64-1) is 2^128-1: none of the sums overflows.
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 64);
    let other = a0 * b1 + (middle & HALF);
    (a1 * b1 + (middle >> 64) + (other >> 64), (other << 64) | (low & HALF))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scores(most: i64) -> impl Strategy<Value = Vec<i64>> {
        let score =
            prop_oneof![2 => Just(0), 3 => 1..4_i64, 2 => Just(1_000_000_000), 6 => 0..=most];
        prop::collection::vec(score, 1..40)
    }

    fn cap() -> impl Strategy<Value = i64> {
        let round = prop::sample::select(vec![PPB_ONE, 500_000_000, 333_333_333, 250_000_000]);
        prop_oneof![1 => round, 3 => 1..=PPB_ONE, 3 => 1..100_000_000_i64]
    }

    fn caps() -> impl Strategy<Value = PpbCaps> {
        let policies =
            vec![InfeasiblePolicy::Reject, InfeasiblePolicy::Cash, InfeasiblePolicy::Relax];
        (cap(), prop::option::of(cap()), prop::sample::select(policies))
            .prop_map(|(name, group, policy)| PpbCaps { name, group, policy })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Proves that integers and rationals give the same weights, or the same refusal, and that ordinary prices never need the rationals.
        #[test]
        fn fast_is_exact(
            scores in prop_oneof![3 => scores(10_000_000_000_000), 1 => scores(i64::MAX)],
            groups in prop::collection::vec(0..7_usize, 40),
            caps in caps(),
        ) {
            let groups = &groups[..scores.len()];
            let (fast, exact) = (fast(&scores, groups, caps), exact(&scores, groups, caps));
            let is_ordinary = scores.iter().all(|score| *score <= 10_000_000_000_000);
            match (fast, exact) {
                (Some(fast), exact) => prop_assert_eq!(Ok(fast), exact),
                (None, Ok(_)) => prop_assert!(!is_ordinary, "fell back"),
                (None, Err(_)) => {}
            }
        }

        /// Proves invariant 29: weights and cash are one, and no name and no group passes a cap that did not give way.
        #[test]
        fn caps_hold(
            scores in scores(10_000_000_000_000),
            groups in prop::collection::vec(0..7_usize, 40),
            caps in caps(),
        ) {
            let groups = &groups[..scores.len()];
            let Ok(weights) = capped_weights_ppb(&scores, groups, caps) else { return Ok(()) };
            prop_assert_eq!(weights.ppb.iter().sum::<u64>() + weights.cash, 1_000_000_000);
            if caps.policy == InfeasiblePolicy::Relax {
                return Ok(());
            }
            prop_assert!(weights.ppb.iter().all(|w| i128::from(*w) <= i128::from(caps.name)));
            for group in 0..7 {
                let own = weights.ppb.iter().zip(groups).filter(|(_, g)| **g == group);
                let sum: u64 = own.map(|(w, _)| *w).sum();
                prop_assert!(caps.group.is_none_or(|cap| i128::from(sum) <= i128::from(cap)));
            }
        }
    }

    /// Proves the order of fractions whose products pass 128 bits.
    #[test]
    fn wide_fractions() {
        let most = u128::MAX;
        assert_eq!(wide_product(most, most), (most - 1, 1));
        assert_eq!(wide_product(1 << 100, 1 << 60), (1 << 32, 0));
        let below = Remainder { part: most - 2, of: most - 1 };
        let above = Remainder { part: most - 1, of: most };
        assert_eq!(below.compare(&above), Ordering::Less);
        assert_eq!(
            Remainder { part: 1, of: 3 }.compare(&Remainder { part: 2, of: 6 }),
            Ordering::Equal
        );
    }
}
