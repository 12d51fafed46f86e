//! The membership buffer: a name near the edge of a basket does not go in and out with every review (FUND 2.8).

use std::collections::BTreeSet;

use crate::name::Name;

/// A name that may become a constituent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The name.
    pub name: Name,
    /// What it is ranked by, the larger the better.
    pub score: i64,
    /// The day of its admission.
    pub admitted: i64,
}

/// Names by rank, best first: by score; ties to the earlier admission, then to the lesser name.
#[must_use]
pub fn ranked(candidates: &[Candidate]) -> Vec<Name> {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by(|a, b| {
        b.score.cmp(&a.score).then(a.admitted.cmp(&b.admitted)).then(a.name.cmp(&b.name))
    });
    order.into_iter().map(|candidate| candidate.name.clone()).collect()
}

/// How many names a basket has, and the two ranks of its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    names: usize,
    enter: usize,
    keep: usize,
}

/// Why there is no such buffer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a buffer of {names} names enters at rank {enter} and keeps to rank {keep}: expected enter <= names <= keep, names at least 1"
)]
pub struct BufferError {
    /// Names of the basket.
    pub names: usize,
    /// The rank up to which a name always enters.
    pub enter: usize,
    /// The rank up to which a member stays.
    pub keep: usize,
}

impl Buffer {
    /// A basket of `names`; ranks up to `enter` are always in, members stay up to rank `keep`.
    ///
    /// # Errors
    /// Unless `enter <= names <= keep`, and for a basket of nothing.
    pub const fn try_new(names: usize, enter: usize, keep: usize) -> Result<Self, BufferError> {
        if names == 0 || enter > names || keep < names {
            return Err(BufferError { names, enter, keep });
        }
        Ok(Self { names, enter, keep })
    }

    /// The default of FUND 2.8: 0.8 and 1.2 of the names, rounded away from them, so that a small basket has a buffer too.
    ///
    /// # Errors
    /// For a basket of nothing.
    pub const fn usual(names: usize) -> Result<Self, BufferError> {
        let part = names / 5;
        let rounded = if names.is_multiple_of(5) { part } else { part + 1 };
        Self::try_new(names, names - rounded, names.saturating_add(rounded))
    }

    /// The rank up to which a name always enters, and that up to which a member stays.
    #[must_use]
    pub const fn ranks(&self) -> (usize, usize) {
        (self.enter, self.keep)
    }

    /// Constituents out of `ranked` (best first), in the order of their rank; fewer than the basket has where there are fewer.
    ///
    /// First all that rank up to `enter`, then members up to rank `keep`, best first, then the best of the others.
    #[must_use]
    pub fn select(&self, ranked: &[Name], members: &BTreeSet<Name>) -> Vec<Name> {
        let mut places: BTreeSet<usize> = (0..self.enter.min(ranked.len())).collect();
        let stay =
            (0..ranked.len().min(self.keep)).filter(|place| members.contains(&ranked[*place]));
        for place in stay.chain(0..ranked.len()) {
            if places.len() >= self.names {
                break;
            }
            places.insert(place);
        }
        places.into_iter().map(|place| ranked[place].clone()).collect()
    }
}
