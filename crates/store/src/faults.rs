//! Writes that fail on purpose, so that callers can be tested with a process that dies at any of them.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::StoreError;

/// Where a store fails: at one write, and, as a process that died writes no more, at all after it; or at that one alone.
///
/// Statements that write and commits are write points. A commit is two: it fails before anything is kept, or after everything is,
/// when the caller does not hear of it.
#[derive(Debug)]
pub struct Faults {
    left: AtomicI64,
    lasting: bool,
}

/// At which side of a write point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Statement,
    BeforeCommit,
    AfterCommit,
}

impl Faults {
    /// Fails at the write point of this number, counted from 1, and at all after it.
    #[must_use]
    pub const fn at(number: i64) -> Self {
        Self { left: AtomicI64::new(number), lasting: true }
    }

    /// Fails at the write point of this number alone.
    #[must_use]
    pub const fn once_at(number: i64) -> Self {
        Self { left: AtomicI64::new(number), lasting: false }
    }

    /// Write points that were passed, for one who counts with [`Self::at`] of a number that is never reached.
    #[must_use]
    pub fn passed(&self, number: i64) -> i64 {
        number - self.left.load(Ordering::SeqCst)
    }

    /// Passes a write point, or fails there.
    pub(crate) fn pass(&self, point: Point) -> Result<(), StoreError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 1 || left < 1 && !self.lasting {
            return Ok(());
        }
        let reason = match point {
            Point::Statement => "a fault was injected at a statement",
            Point::BeforeCommit => "a fault was injected before a commit",
            Point::AfterCommit => "a fault was injected after a commit",
        };
        Err(StoreError::Unavailable { source: reason.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the write of the number fails and all after it, and none before.
    #[test]
    fn it_fails_once_and_for_good() {
        let faults = Faults::at(3);
        let passed = |_| faults.pass(Point::Statement).is_ok();
        assert_eq!((0..5).map(passed).collect::<Vec<_>>(), [true, true, false, false, false]);
        assert_eq!(faults.passed(3), 5);
        let once = Faults::once_at(2);
        let passed = |_| once.pass(Point::BeforeCommit).is_ok();
        assert_eq!((0..4).map(passed).collect::<Vec<_>>(), [true, false, true, true]);
    }
}
