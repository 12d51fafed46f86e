//! Trees that cost a walk over everybody are kept for whoever asks next; the oldest go when there are too many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Trees of one kind that are kept.
const TREES_MAX: usize = 4;
/// Leaves of all of them together; the last one stays, however large.
const LEAVES_MAX: u64 = 1_000_000;

/// Something that is kept, with its name and its leaves.
#[derive(Debug)]
struct Entry<T> {
    key: String,
    leaves: u64,
    value: Arc<T>,
}

/// What was made last.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    entries: Mutex<Vec<Entry<T>>>,
    /// Whoever makes one has it, so that many who ask at once wait for one.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> Kept<T> {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry<T>>> {
        // Whoever died with it left whole entries: they are pushed and removed at once.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under a name; it stays longest.
    pub(crate) fn find(&self, key: &str) -> Option<Arc<T>> {
        let mut entries = self.entries();
        let place = entries.iter().position(|entry| entry.key == key)?;
        let found = entries.remove(place);
        let value = found.value.clone();
        entries.push(found);
        Some(value)
    }

    /// Keeps a tree in the place of the one of that name.
    pub(crate) fn keep(&self, key: &str, leaves: u64, value: Arc<T>) {
        let mut entries = self.entries();
        entries.retain(|entry| entry.key != key);
        entries.push(Entry { key: key.to_owned(), leaves, value });
        let is_over = |entries: &[Entry<T>]| {
            let leaves = entries.iter().fold(0_u64, |sum, e| sum.saturating_add(e.leaves));
            entries.len() > TREES_MAX || (entries.len() > 1 && leaves > LEAVES_MAX)
        };
        while is_over(&entries) {
            entries.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that those stay that were asked for last, within both bounds, and the last one always.
    #[test]
    fn trees_are_bounded() {
        let kept = Kept::default();
        for key in ["a", "b", "c", "d", "b", "e"] {
            if kept.find(key).is_none() {
                kept.keep(key, 1, Arc::new(key));
            }
        }
        let names =
            || -> Vec<String> { kept.entries().iter().map(|entry| entry.key.clone()).collect() };
        assert_eq!(names(), ["c", "d", "b", "e"]);
        assert_eq!((kept.find("a"), kept.find("d").as_deref()), (None, Some(&"d")));
        kept.keep("huge", 10 * LEAVES_MAX, Arc::new("huge"));
        assert_eq!(names(), ["huge"]);
    }
}
