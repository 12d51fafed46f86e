//! Draws from one seed: every run is a function of it.

use crate::evaluation::statistics::SplitMix64;

/// A seeded generator with the draws that the simulation needs.
#[derive(Clone, Debug)]
pub(super) struct Random(SplitMix64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// The seed of the `index`-th part of a run; parts of one run and of neighbouring seeds do not follow each other.
    pub(super) fn part(seed: u64, index: u64) -> u64 {
        let start = SplitMix64::new(seed).next_u64();
        SplitMix64::new(start ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next_u64()
    }

    /// From 0 to `bound - 1`; 0 where `bound` is 0.
    pub(super) const fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    /// From `low` to `high - 1`; `low` where that is empty.
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).max(1).unsigned_abs();
        low.saturating_add_unsigned(self.0.below(width))
    }

    /// True `per_mille` times in a thousand.
    pub(super) const fn chance(&mut self, per_mille: u64) -> bool {
        self.0.below(1000) < per_mille
    }

    /// One of `items`, which are never empty here.
    pub(super) const fn pick<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        items[self.below(N)]
    }

    /// The index of one of `weights`, by weight; 0 where all are nothing.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        let mut left = self.0.below(total);
        for (index, weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                None => return index,
                Some(rest) => left = rest,
            }
        }
        0
    }

    /// Puts `items` into a drawn order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A size of any order of magnitude, from 1 to 10^`digits`.
    pub(super) fn magnitude(&mut self, digits: u32) -> i64 {
        let top = 10_i64.pow(1 + self.below(digits.max(1) as usize) as u32);
        self.range(1, top)
    }
}
