//! The ledger's state a second time, some batches behind: what the next command writes on.
//!
//! Readers share the live state, so no command may change it, and a copy of it costs what the ledger holds: every order that waits and
//! every balance. The state that was live before the last command is nearly the same, and as a rule nobody reads it any more. It catches
//! up by the batches that it lacks, and the two change places.

use std::sync::Arc;

use domain::fund::{Batch, State};

/// Entries of all batches that wait; beyond that a copy of the state costs no more.
const ENTRIES_MAX: usize = 1_000;

/// A state, and the batches from it to the live one; empty where there is none.
#[derive(Debug, Default)]
pub(crate) struct Standby {
    state: Option<Arc<State>>,
    behind: Vec<Batch>,
}

impl Standby {
    /// The state that was live until `behind` were committed.
    pub(crate) fn new(state: Arc<State>, behind: Vec<Batch>) -> Self {
        let standby = Self { state: Some(state), behind };
        if standby.is_too_far() { Self::default() } else { standby }
    }

    /// Hears of a batch that the live state has taken.
    pub(crate) fn note(&mut self, batch: &Batch) {
        if self.state.is_none() {
            return;
        }
        if !is_kept(batch) {
            *self = Self::default();
            return;
        }
        self.behind.push(batch.clone());
        if self.is_too_far() {
            *self = Self::default();
        }
    }

    /// Gives the state away, equal to `live` and nobody else's; none where there is none, or somebody still reads it.
    pub(crate) fn take(&mut self, live: &State) -> Option<Arc<State>> {
        let Self { state, behind } = std::mem::take(self);
        let mut state = state?;
        let own = Arc::get_mut(&mut state)?;
        for batch in &behind {
            own.commit(batch);
        }
        // The chain covers every batch: where it is the same, the states are.
        (own.chain() == live.chain() && own.events() == live.events()).then_some(state)
    }

    fn is_too_far(&self) -> bool {
        self.behind.iter().map(weight).sum::<usize>() > ENTRIES_MAX
    }
}

/// What a batch costs to keep and to commit once more, in entries.
fn weight(batch: &Batch) -> usize {
    batch.entries.iter().map(|entry| 1 + entry.custody.len()).sum::<usize>() + batch.effects.len()
}

/// Whether a batch is small enough to be kept at all.
pub(crate) fn is_kept(batch: &Batch) -> bool {
    weight(batch) <= ENTRIES_MAX
}

#[cfg(test)]
mod tests {
    use domain::{
        amount::Cash,
        fund::{Event, apply},
    };

    use super::*;

    fn deposit(state: &State, amount: i64) -> Batch {
        let event =
            Event::Deposit { who: "ann".parse().unwrap(), amount: Cash::from_micro(amount) };
        apply(state, &event).unwrap()
    }

    /// Proves that what is given away is the live state in every part, that it is refused while somebody reads it or where it lacks a
    /// batch, and that it is given away once.
    #[test]
    fn what_is_given_away_is_the_live_state() {
        let old = Arc::new(State::new());
        let batch = deposit(&old, 5);
        let mut live = Arc::clone(&old);
        Arc::make_mut(&mut live).commit(&batch);
        let mut standby = Standby::new(old, vec![batch]);
        let second = deposit(&live, 7);
        Arc::make_mut(&mut live).commit(&second);
        standby.note(&second);
        let taken = standby.take(&live).unwrap();
        assert_eq!(*taken, *live);
        assert!(standby.take(&live).is_none(), "it is gone");

        let read = Arc::clone(&taken);
        let mut standby = Standby::new(taken, Vec::new());
        assert!(standby.take(&live).is_none(), "somebody reads it");

        let mut behind = Standby::new(read, Vec::new());
        let third = deposit(&live, 9);
        Arc::make_mut(&mut live).commit(&third);
        assert!(behind.take(&live).is_none(), "it lacks a batch");
    }

    /// Proves that batches beyond the bound are not kept: neither one large nor many small ones.
    #[test]
    fn what_is_kept_is_bounded() {
        let mut live = State::new();
        let mut standby = Standby::new(Arc::new(State::new()), Vec::new());
        let mut kept = 0;
        while standby.state.is_some() {
            let batch = deposit(&live, 1);
            live.commit(&batch);
            standby.note(&batch);
            kept = kept.max(standby.behind.iter().map(weight).sum());
            assert!(live.events() < 10_000, "the bound is never reached");
        }
        assert!(kept <= ENTRIES_MAX && standby.behind.is_empty(), "{kept}");
    }
}
