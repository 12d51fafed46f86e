//! The rules of a fund over time: those that are known, those that were adopted, and those in force.

use std::collections::BTreeMap;

use super::watch_error::WatchError;
use crate::{
    digest::Digest,
    fund::{Methodology, MethodologyError},
};

/// A change of rules that the journal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Digest of the rules that are in force from there on.
    pub digest: Digest,
    /// The fund's day of the strike that it follows.
    pub day: i64,
    /// Number of its event in the journal, from 1.
    pub sequence: u64,
}

/// What a watch knows of its fund's rules.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    current: Methodology,
    known: BTreeMap<Digest, Methodology>,
    adoptions: Vec<Adoption>,
    /// Event and day of the last strike.
    struck: Option<(u64, i64)>,
}

impl Rules {
    /// Those that the fund was created with.
    pub(super) const fn new(methodology: Methodology) -> Self {
        Self { current: methodology, known: BTreeMap::new(), adoptions: Vec::new(), struck: None }
    }

    /// The rules in force.
    pub(super) const fn current(&self) -> &Methodology {
        &self.current
    }

    /// Every change so far, in order.
    pub(super) fn adoptions(&self) -> &[Adoption] {
        &self.adoptions
    }

    /// Keeps rules that may be adopted.
    pub(super) fn learn(&mut self, methodology: Methodology) -> Result<Digest, MethodologyError> {
        let digest = methodology.digest()?;
        self.known.insert(digest, methodology);
        Ok(digest)
    }

    /// Remembers a strike: rules change right after one, and never between two.
    pub(super) const fn strike(&mut self, sequence: u64, day: i64) {
        self.struck = Some((sequence, day));
    }

    /// The rules that event `sequence` puts in force, which [`adopt`](Self::adopt) then does.
    ///
    /// A day after a strike would be charged at rates that nobody had agreed to when it passed.
    pub(super) fn find(&self, sequence: u64, digest: Digest) -> Result<&Methodology, WatchError> {
        if self.struck.is_none_or(|(strike, _)| strike + 1 != sequence) {
            return Err(WatchError::BetweenStrikes { sequence });
        }
        self.known.get(&digest).ok_or(WatchError::UnknownRules { sequence, digest })
    }

    /// Puts rules in force that [`find`](Self::find) has found.
    pub(super) fn adopt(&mut self, sequence: u64, digest: Digest) {
        let Some(found) = self.known.get(&digest) else { return };
        let day = self.struck.map_or(0, |(_, day)| day);
        self.current = found.clone();
        self.adoptions.push(Adoption { digest, day, sequence });
    }
}
