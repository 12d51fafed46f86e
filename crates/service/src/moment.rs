//! Moments: what a question is about, what may be known of it, and what makes its answer final.
//!
//! The ledger as of a moment is what the events make that were recorded by then. Every command records at a moment of its own, later
//! than all before it, so that such a state is a prefix of the journal that ends between two commands. A moment is answered once it is
//! closed: something was recorded at it or after it, or the horizon passed it, which no later command records behind.
//!
//! What is told beside the state and is no event (a calendar, a word about a dealing day, proposed rules, a price) is recorded in the
//! same way, under the ledger's lock at a moment of its own, and noted ([`note`]). So everything about funds has one order, and what is
//! told as of a moment follows from the last thing in it.

use std::sync::Arc;

use domain::{disclosure::Disclosures, fund::State, name::Name, time::Timestamp};
use store::{Connection, StoreTransaction, ledger, ledger_horizon, ledger_note, strike};

use crate::{Service, ServiceError};

/// How long a moment is left open before a question may close it: whoever works with a clock that is late is not overtaken, and the
/// horizon moves at most once in this time, however often anybody asks.
const OPEN_MS: i64 = 60_000;

/// The moment that a question is about.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    now: Timestamp,
    asked: Option<Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    as_of: Timestamp,
    known_at: Timestamp,
    /// The later of the two, by which the question is refused or closed.
    until: (&'static str, Timestamp),
}

impl Moment {
    /// What is now, and everything that is known now.
    #[must_use]
    pub const fn now(now: Timestamp) -> Self {
        Self { now, asked: None }
    }

    /// What was as of a moment, as far as it was known at another. Where one of them is not given, it is the other; so an answer as of a
    /// moment is the one that was given at that moment, and stays it. Without both it is now.
    #[must_use]
    pub fn new(now: Timestamp, as_of: Option<Timestamp>, known_at: Option<Timestamp>) -> Self {
        let asked = as_of.or(known_at).map(|either| Asked {
            as_of: as_of.unwrap_or(either),
            known_at: known_at.unwrap_or(either),
            until: match (as_of, known_at) {
                (Some(as_of), known_at) if known_at.is_none_or(|at| at <= as_of) => ("asOf", as_of),
                (_, known_at) => ("knownAt", known_at.unwrap_or(either)),
            },
        });
        Self { now, asked }
    }
}

/// The ledger as of a moment: a prefix of the journal.
#[derive(Clone, Debug)]
pub struct LedgerAt {
    /// The state after its last event.
    pub state: Arc<State>,
    /// What stood beside the NAV of each fund after that event.
    pub trails: Arc<Disclosures>,
    /// The number of its last event; 0 before the first.
    pub seq: i64,
    /// When the last event was recorded; none before the first.
    pub marked_at: Option<Timestamp>,
    /// When the last event or note was recorded; none before the first. Asked for as a moment, it gives the same answers again.
    pub recorded_at: Option<Timestamp>,
    /// The moment itself.
    pub as_of: Timestamp,
    /// What was recorded later than this about an earlier moment is not known; none where everything is.
    pub known_at: Option<Timestamp>,
}

impl LedgerAt {
    /// What was recorded later than this, in milliseconds, is not part of any answer about this ledger.
    pub(crate) fn known_to(&self) -> i64 {
        self.recorded_at.map_or(i64::MIN, Timestamp::as_millis)
    }
}

impl Service {
    /// The ledger as of a moment. The same moment gives the same ledger for ever.
    ///
    /// # Errors
    /// [`ServiceError::NotYet`] for a moment that is not over, [`ServiceError::Replaying`] and [`ServiceError::Crowded`] where the same
    /// question has to be asked again.
    pub async fn ledger_at(&self, moment: &Moment) -> Result<LedgerAt, ServiceError> {
        let live = self.live_ledger(moment.now).await?;
        let Some(Asked { as_of, known_at, until }) = moment.asked else { return Ok(live) };
        self.close(until, live.recorded_at, moment.now).await?;
        // What was recorded after either is not part of the answer.
        let until = as_of.min(known_at).as_millis();
        let event = ledger::latest_event_by(&self.store, until).await?;
        let (seq, event_at) = event.map_or((0, None), |event| (event.seq, Some(event.recorded_at)));
        let noted_at = ledger_note::latest_by(&self.store, until).await?;
        let (state, trails) = match seq {
            0 => Default::default(),
            seq if seq == live.seq => (live.state, live.trails),
            seq => {
                let (state, trails) = self.history.state_at(&self.store, seq).await?;
                (state, Arc::new(trails))
            }
        };
        Ok(LedgerAt {
            state,
            trails,
            seq,
            marked_at: event_at.map(Timestamp::from_millis),
            recorded_at: event_at.max(noted_at).map(Timestamp::from_millis),
            as_of,
            known_at: Some(known_at),
        })
    }

    /// Sees to it that a moment is over, so that what was known at it stays what it was.
    ///
    /// # Errors
    /// [`ServiceError::NotYet`] for a moment that is not over.
    pub async fn close_moment(
        &self,
        field: &'static str,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let live = self.live_ledger(now).await?;
        self.close((field, at), live.recorded_at, now).await
    }

    /// The moment of a strike: what was right after the command that struck. None where there is no such strike.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_moment_of_strike(
        &self,
        fund: &Name,
        number: i64,
        known_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Moment>, ServiceError> {
        let Some(row) = strike::find(&self.store, fund.as_str(), number).await? else {
            return Ok(None);
        };
        let event = ledger::find_event(&self.store, row.event_seq).await?;
        let event = event.ok_or_else(|| ServiceError::internal("a strike without its event"))?;
        let at = Timestamp::from_millis(event.recorded_at);
        Ok(Some(Moment::new(now, Some(at), known_at)))
    }

    /// Sees to it that nothing is recorded at `at` or before it any more.
    async fn close(
        &self,
        (field, at): (&'static str, Timestamp),
        last: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        if last.is_some_and(|last| at <= last) {
            return Ok(());
        }
        let horizon = ledger_horizon::latest(&self.store).await?.map(Timestamp::from_millis);
        if horizon.is_some_and(|horizon| at <= horizon) {
            return Ok(());
        }
        let open = now.plus_millis(-OPEN_MS);
        if at > open {
            let latest = last.into_iter().chain(horizon).fold(open, Timestamp::max);
            return Err(ServiceError::NotYet { field, at, latest });
        }
        let transaction = self.store.begin().await?;
        transaction.lock_ledger().await?;
        // Another may have closed more meanwhile.
        let horizon = ledger_horizon::latest(&transaction).await?;
        if horizon.is_none_or(|horizon| horizon < now.as_millis()) {
            ledger_horizon::append(&transaction, now.as_millis()).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}

/// Notes that something was recorded at a moment of its own without an event; under the ledger's lock.
pub(crate) async fn note(transaction: &StoreTransaction, at: i64) -> Result<(), ServiceError> {
    Ok(ledger_note::append(transaction, at).await?)
}

/// A moment of its own for what is no event, and its note; under the ledger's lock.
pub(crate) async fn noted_moment(
    transaction: &StoreTransaction,
    now: Timestamp,
) -> Result<i64, ServiceError> {
    let at = next_moment(transaction, now).await?.as_millis();
    note(transaction, at).await?;
    Ok(at)
}

/// The first moment, from `now` on, that is later than everything that was recorded or closed; under the ledger's lock.
pub(crate) async fn next_moment(
    transaction: &StoreTransaction,
    now: Timestamp,
) -> Result<Timestamp, ServiceError> {
    let last = ledger::latest_event(transaction).await?.map(|event| event.recorded_at);
    next_after(transaction, last, now).await
}

/// The same where the time of the last event is known.
pub(crate) async fn next_after<C: Connection>(
    connection: &C,
    last: Option<i64>,
    now: Timestamp,
) -> Result<Timestamp, ServiceError> {
    let horizon = ledger_horizon::latest(connection).await?;
    let noted = ledger_note::latest(connection).await?;
    let later = last.into_iter().chain(horizon).chain(noted).max().map(|at| at.saturating_add(1));
    Ok(later.map_or(now, |later| now.max(Timestamp::from_millis(later))))
}
