//! Moments: what a question is about, what may be known of it, and what makes its answer final.
//!
//! The ledger as of a moment is what the events make that were recorded by then. Every command records at a moment of its own, later
//! than all before it, so that such a state is a prefix of the journal that ends between two commands. A moment is answered once it is
//! closed: something was recorded at it or after it, or the horizon passed it, which no later command records behind.

use std::sync::Arc;

use domain::{fund::State, name::Name, time::Timestamp};
use store::{Connection, StoreTransaction, ledger, ledger_horizon, strike};

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
    /// The number of its last event; 0 before the first.
    pub seq: i64,
    /// When the last event was recorded; none before the first. Asked for as a moment, it gives this prefix again.
    pub recorded_at: Option<Timestamp>,
    /// The moment itself.
    pub as_of: Timestamp,
    /// What was recorded later than this about an earlier moment is not known; none where everything is.
    pub known_at: Option<Timestamp>,
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
        let until = as_of.min(known_at);
        let event = ledger::latest_event_by(&self.store, until.as_millis()).await?;
        let seq = event.as_ref().map_or(0, |event| event.seq);
        Ok(LedgerAt {
            state: match seq {
                0 => Arc::default(),
                seq if seq == live.seq => live.state,
                seq => self.history.state_at(&self.store, seq).await?,
            },
            seq,
            recorded_at: event.map(|event| Timestamp::from_millis(event.recorded_at)),
            as_of,
            known_at: Some(known_at),
        })
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
    let later = last.into_iter().chain(horizon).max().map(|at| at.saturating_add(1));
    Ok(later.map_or(now, |later| now.max(Timestamp::from_millis(later))))
}
