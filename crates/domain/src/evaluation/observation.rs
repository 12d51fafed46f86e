//! The acceptance of a price from the observations of one commit, in whole numbers (FUND 2.12).
//!
//! In production one consensus price is the only observation, and the band around the last price was asked before: quorum 1, no
//! deadband, and what remains is the breaker. The whole rule stands here because it is one rule, with one set of boundaries.

/// What an observation must be to move a price; parts are per billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptanceRule {
    /// Observations that are needed.
    pub quorum: usize,
    /// How far they may lie apart, of their median.
    pub spread_ppb: u64,
    /// Moves of the last price up to this are noise.
    pub deadband_ppb: u64,
    /// Moves beyond this wait for a second quorum.
    pub breaker_ppb: u64,
}

/// What became of the observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObservedStatus {
    /// Too few: the price stays.
    NoQuorum,
    /// Too far apart: the price stays.
    Dispersed,
    /// Within the deadband of the last accepted price, so that drift accumulates: the price stays.
    Deadband,
    /// Beyond the breaker: the price stays until it is confirmed.
    Tripped,
    /// The price moves.
    Accepted,
}

impl ObservedStatus {
    /// The word that stands for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoQuorum => "NO_QUORUM",
            Self::Dispersed => "DISPERSED",
            Self::Deadband => "DEADBAND",
            Self::Tripped => "TRIPPED",
            Self::Accepted => "ACCEPTED",
        }
    }
}

/// An outcome of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What became of the observations.
    pub status: ObservedStatus,
    /// The price after them.
    pub price: i64,
    /// Their median; none without a quorum.
    pub median: Option<i64>,
}

impl AcceptanceRule {
    /// One observation that has passed its band already: nothing but the breaker is left to ask.
    #[must_use]
    pub const fn of_consensus(breaker_ppb: u64) -> Self {
        Self { quorum: 1, spread_ppb: 0, deadband_ppb: 0, breaker_ppb }
    }

    /// What `observations` do to the last accepted price `old`; prices are not negative.
    #[must_use]
    pub fn observe(&self, old: i64, observations: &[i64]) -> Observed {
        let mut sorted = observations.to_vec();
        sorted.sort_unstable();
        let keep = |status, median| Observed { status, price: old, median };
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
            return keep(ObservedStatus::NoQuorum, None);
        };
        if sorted.len() < self.quorum {
            return keep(ObservedStatus::NoQuorum, None);
        }
        let median = middle(&sorted);
        if beyond(*least, *most, self.spread_ppb, median) {
            return keep(ObservedStatus::Dispersed, Some(median));
        }
        if !beyond(old, median, self.deadband_ppb, old) {
            return keep(ObservedStatus::Deadband, Some(median));
        }
        if beyond(old, median, self.breaker_ppb, old) {
            return keep(ObservedStatus::Tripped, Some(median));
        }
        Observed { status: ObservedStatus::Accepted, price: median, median: Some(median) }
    }
}

/// The middle one of sorted values, the floor of the mean of the two middle ones where they are even in number; there is one at least.
fn middle(sorted: &[i64]) -> i64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return sorted[half];
    }
    let mean = (i128::from(sorted[half - 1]) + i128::from(sorted[half])).div_euclid(2);
    // Between two 64-bit numbers.
    i64::try_from(mean).unwrap_or(sorted[half])
}

/// Whether `|b − a|·1e9 > parts·of`.
fn beyond(a: i64, b: i64, parts: u64, of: i64) -> bool {
    let moved = (i128::from(b) - i128::from(a)).unsigned_abs();
    moved * 1_000_000_000 > u128::from(parts) * i128::from(of).unsigned_abs()
}
