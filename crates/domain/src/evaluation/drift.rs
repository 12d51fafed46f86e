//! Slow drift inside the band: a two-sided cumulative sum over standardised moves (EVALUATION 5.6, "CUSUM").

use super::PARAMS;

/// Which way a price drifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Upwards.
    Up,
    /// Downwards.
    Down,
}

/// Two running sums; both start at 0 and never fall below it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cusum {
    /// The upward sum.
    pub up: f64,
    /// The downward sum.
    pub down: f64,
}

/// A sum that passed the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// Which.
    pub side: Side,
    /// Its value.
    pub sum: f64,
}

impl Cusum {
    /// Takes the next move, in its standard errors. A move that is no number changes nothing: it says nothing of a drift.
    ///
    /// The alarm does not reset the sums: whoever acts on it starts anew.
    pub fn add(&mut self, z: f64) -> Option<Alarm> {
        if z.is_nan() {
            return None;
        }
        self.up = (self.up + z - PARAMS.cusum_k).max(0.0);
        self.down = (self.down - z - PARAMS.cusum_k).max(0.0);
        let alarm = |side, sum: f64| (sum > PARAMS.cusum_h).then_some(Alarm { side, sum });
        alarm(Side::Up, self.up).or_else(|| alarm(Side::Down, self.down))
    }
}
