//! The timing loop: interleaved runs of bound sessions, by the monotonic clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use ort::session::{IoBinding, Session};

/// Fewest and most warm-up runs of one session, and the longest time they may take (EVALUATION 4, rule 1).
const WARM_UP_RUNS: (usize, usize) = (10, 200);
const WARM_UP_TIME: Duration = Duration::from_secs(20);
/// Runs in one median of the warm-up, medians that must agree, and how far they may lie apart.
const WARM_UP_MEDIAN: usize = 5;
const WARM_UP_MEDIANS: usize = 3;
const WARM_UP_SPREAD: f64 = 1.05;

/// Reads the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the evaluator reads the monotonic clock (DESIGN 3)")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds that this process spent inside ONNX Runtime so far (loading it, opening and closing sessions, binding, running), as far as
/// [`count_inside`] was told.
static INSIDE_NS: AtomicU64 = AtomicU64::new(0);

/// Counts time inside ONNX Runtime; never called while a sample is timed.
pub(crate) fn count_inside(ns: u64) {
    INSIDE_NS.fetch_add(ns, Ordering::Relaxed);
}

/// Drops what ONNX Runtime holds, and counts the time that it takes.
pub(crate) fn release<T>(held: T) {
    let start = now();
    drop(held);
    count_inside(since(start));
}

/// What [`count_inside`] was told so far.
pub(crate) fn inside_ns() -> u64 {
    INSIDE_NS.load(Ordering::Relaxed)
}

/// Nanoseconds since `start`.
pub(crate) fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// One session and the calls that it is timed in; each call is a list of bound runs.
#[derive(Debug)]
pub struct Timed {
    /// The session.
    pub session: Session,
    /// Calls with inputs and outputs bound beforehand; the k-th sample runs call `k % calls.len()`.
    pub calls: Vec<Vec<IoBinding>>,
}

impl Timed {
    /// Runs call `k` and returns its time in nanoseconds. Outputs are released after the clock is read.
    ///
    /// # Errors
    /// Whatever ONNX Runtime refuses.
    #[inline]
    pub fn sample(&mut self, k: usize) -> ort::Result<u64> {
        time_call(&mut self.session, &self.calls[k % self.calls.len()])
    }

    /// Runs calls until three successive medians of five agree within 5 %, at least 10 and at most 200 times and 20 seconds.
    ///
    /// Returns the nanoseconds of all runs.
    ///
    /// # Errors
    /// Whatever ONNX Runtime refuses.
    pub fn warm_up(&mut self) -> ort::Result<u64> {
        let start = now();
        let (mut runs, mut total) = (0, 0u64);
        let mut samples = Vec::with_capacity(WARM_UP_MEDIAN);
        let mut medians = Vec::new();
        while runs < WARM_UP_RUNS.1 && start.elapsed() < WARM_UP_TIME {
            let ns = self.sample(runs)?;
            samples.push(ns);
            total = total.saturating_add(ns);
            runs += 1;
            if samples.len() == WARM_UP_MEDIAN {
                samples.sort_unstable();
                medians.push(samples[WARM_UP_MEDIAN / 2]);
                samples.clear();
                if runs >= WARM_UP_RUNS.0 && settled(&medians) {
                    break;
                }
            }
        }
        count_inside(total);
        Ok(total)
    }
}

#[inline]
fn time_call(session: &mut Session, call: &[IoBinding]) -> ort::Result<u64> {
    let start = now();
    if let [binding] = call {
        let outputs = session.run_binding(binding)?;
        let time = since(start);
        drop(outputs);
        return Ok(time);
    }
    for binding in call {
        session.run_binding(binding)?;
    }
    Ok(since(start))
}

/// Whether the last three medians agree.
fn settled(medians: &[u64]) -> bool {
    let Some(last) = medians.last_chunk::<WARM_UP_MEDIANS>() else { return false };
    let (least, most) = (last.iter().min(), last.iter().max());
    least.zip(most).is_some_and(|(a, b)| *b as f64 <= *a as f64 * WARM_UP_SPREAD)
}

/// When a series of samples is long enough.
#[derive(Clone, Copy, Debug)]
pub struct Enough {
    /// Samples of each side, at most.
    pub most: usize,
    /// Fewer will do: this many samples, if each side was timed for so long.
    pub fewer: [(usize, Duration); 2],
}

impl Enough {
    /// Single items: a second and 100 samples of each side, or 30 of what is slow (EVALUATION 4, rule 1).
    #[must_use]
    pub const fn single_stream(most: usize) -> Self {
        Self { most, fewer: [(100, Duration::from_secs(1)), (30, Duration::from_secs(10))] }
    }

    /// Batches, which hold many items each.
    #[must_use]
    pub const fn offline(most: usize) -> Self {
        Self { most, fewer: [(20, Duration::from_secs(1)), (5, Duration::from_secs(10))] }
    }

    /// Whether `samples` of each side, the shortest side `shortest_ns` long, are enough.
    fn reached(&self, samples: usize, shortest_ns: u64) -> bool {
        let long = |(least, time): &(usize, Duration)| {
            samples >= *least && u128::from(shortest_ns) >= time.as_nanos()
        };
        samples >= self.most || self.fewer.iter().any(long)
    }
}

/// Interleaved samples.
#[derive(Clone, Debug, Default)]
pub struct Interleaved {
    /// Nanoseconds of each side; the k-th entry of every list belongs to the k-th draw.
    pub times: Vec<Vec<u64>>,
    /// One character a draw: `1` if this thread was switched out during it, `0` if not. None if the system does not tell.
    pub interrupted: Option<String>,
}

/// Times interleaved samples of every side until there are enough; sample k of each runs call k, in an order drawn anew each time.
///
/// # Errors
/// Whatever ONNX Runtime refuses.
pub fn interleave(
    sides: &mut [&mut Timed],
    enough: Enough,
    random: &mut Random,
) -> ort::Result<Interleaved> {
    let mut times = vec![Vec::with_capacity(enough.most); sides.len()];
    let mut totals = vec![0u64; sides.len()];
    let mut interrupted = Some(String::with_capacity(enough.most));
    let mut order = (0..sides.len()).collect::<Vec<_>>();
    let mut before = switches();
    for k in 0.. {
        if enough.reached(k, totals.iter().copied().min().unwrap_or(0)) {
            break;
        }
        random.shuffle(&mut order);
        for side in &order {
            let ns = sides[*side].sample(k)?;
            times[*side].push(ns);
            totals[*side] = totals[*side].saturating_add(ns);
        }
        let after = switches();
        match (&mut interrupted, before, after) {
            (Some(marks), Some(old), Some(new)) => marks.push(if new > old { '1' } else { '0' }),
            _ => interrupted = None,
        }
        before = after;
    }
    count_inside(totals.iter().sum());
    Ok(Interleaved { times, interrupted })
}

/// How often the scheduler took the processor from this thread so far.
fn switches() -> Option<i64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD).ok()?;
    Some(usage.involuntary_context_switches())
}

/// SplitMix64: the one source of order in an evaluation, so that a seed gives the same order everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Puts `items` into a random order (Fisher and Yates; the bias of the multiplication is below 2^-57 here).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let pick = (u128::from(self.next()) * (last as u128 + 1)) >> 64;
            items.swap(last, pick as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the generator is SplitMix64 by its published first outputs, and that a shuffle permutes.
    #[test]
    fn random_is_splitmix64() {
        let mut random = Random::new(1_234_567);
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
        let mut items = (0..100).collect::<Vec<_>>();
        Random::new(7).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    /// Proves when a series ends: at its length, or earlier where every side was timed for long.
    #[test]
    fn series_end_when_they_are_long_enough() {
        let enough = Enough::single_stream(1_000);
        let second = 1_000_000_000;
        assert!(!enough.reached(999, 0));
        assert!(enough.reached(1_000, 0));
        assert!(!enough.reached(99, second) && enough.reached(100, second));
        assert!(!enough.reached(29, 10 * second) && enough.reached(30, 10 * second));
        assert!(!enough.reached(100, second - 1));
    }

    /// Proves that a warm-up ends when three medians agree, and not before there are three.
    #[test]
    fn warm_up_settles() {
        assert!(!settled(&[100, 100]));
        assert!(settled(&[900, 100, 104, 105]));
        assert!(!settled(&[100, 106, 100]));
    }
}
