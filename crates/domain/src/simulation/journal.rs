//! The process that serves requests, and the journal that outlives it.

use std::collections::BTreeMap;

use super::{
    action::{Action, Fault},
    mutation::Mutation,
};
use crate::fund::{Batch, Event, Rejection, State, apply};

/// One committed request: key, body and batch are written together or not at all.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) key: u64,
    pub(super) event: Event,
    pub(super) batch: Batch,
}

/// What the caller is told; the number is that of the record with the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Done(usize),
    Refused(Rejection),
    /// The process is dead, or the answer was lost.
    Silent,
}

/// The state that the journal leads to, caught up from time to time, each batch once.
#[derive(Clone, Debug)]
pub(super) struct Rebuilt {
    pub(super) state: State,
    pub(super) records: usize,
}

/// An append-only list that survives every kill.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) records: Vec<Record>,
    pub(super) rebuilt: Rebuilt,
    refusals: u8,
}

/// Storage did not take a batch.
pub(super) struct Refusal;

impl Journal {
    pub(super) const fn new() -> Self {
        Self::on(State::new())
    }

    /// A journal that goes on from a state.
    pub(super) const fn on(state: State) -> Self {
        let rebuilt = Rebuilt { state, records: 0 };
        Self { records: Vec::new(), rebuilt, refusals: 0 }
    }

    /// Takes a whole record, or refuses it and keeps nothing of it.
    fn append(&mut self, record: &mut Option<Record>) -> Result<usize, Refusal> {
        if self.refusals > 0 {
            self.refusals -= 1;
            return Err(Refusal);
        }
        self.records.extend(record.take());
        Ok(self.records.len() - 1)
    }

    /// Commits what was appended since the last time.
    pub(super) fn catch_up(&mut self) -> &State {
        for record in &self.records[self.rebuilt.records..] {
            self.rebuilt.state.commit(&record.batch);
        }
        self.rebuilt.records = self.records.len();
        &self.rebuilt.state
    }
}

/// One process: the state in memory, and the keys that it has answered.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) state: State,
    pub(super) keys: BTreeMap<u64, usize>,
}

impl Process {
    pub(super) const fn new() -> Self {
        Self { state: State::new(), keys: BTreeMap::new() }
    }

    /// A process that starts on a journal.
    pub(super) fn start(journal: &mut Journal, mutation: Option<Mutation>) -> Self {
        let state = journal.catch_up().clone();
        let keys = journal.records.iter().enumerate().map(|(index, record)| (record.key, index));
        let keys = if mutation == Some(Mutation::KeysForgotten) {
            BTreeMap::new()
        } else {
            keys.collect()
        };
        Self { state, keys }
    }

    /// Serves one request as the service does: key, engine, journal, memory, answer.
    pub(super) fn serve(
        &mut self,
        action: &Action,
        journal: &mut Journal,
        mutation: Option<Mutation>,
    ) -> Reply {
        if let Some(index) = self.keys.get(&action.key) {
            if journal.records[*index].event == action.event {
                return Reply::Done(*index);
            }
            return Reply::Refused(Rejection::Key { key: action.key.to_string() });
        }
        let mut batch = match apply(&self.state, &action.event) {
            Ok(batch) => batch,
            Err(rejection) => return Reply::Refused(rejection),
        };
        if let Some(mutation) = mutation {
            mutation.spoil(&mut batch);
        }
        if action.fault == Fault::KillBefore {
            return Reply::Silent;
        }
        if let Fault::AppendRefused(times) = action.fault {
            journal.refusals = times;
        }
        if mutation == Some(Mutation::TornAppend) && action.fault == Fault::KillAfter {
            batch.effects.pop();
            batch.entries.pop();
        }
        let record = Record { key: action.key, event: action.event.clone(), batch };
        let mut record = Some(record);
        let index = loop {
            if let Ok(index) = journal.append(&mut record) {
                break index;
            }
        };
        if action.fault == Fault::KillAfter {
            return Reply::Silent;
        }
        self.state.commit(&journal.records[index].batch);
        self.keys.insert(action.key, index);
        if action.fault == Fault::ReplyLost { Reply::Silent } else { Reply::Done(index) }
    }
}
