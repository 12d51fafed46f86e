//! The ledger: one sequencer over an insert-only journal of events.
//!
//! The state is never stored: it is what the engine makes of all events. This process keeps it in memory and, before every use,
//! applies the events that another process may have appended. Each event carries the engine's chain digest, which is compared
//! after replay, so that a journal that was tampered with or an engine that changed its mind is noticed at once.

use std::sync::Arc;

use domain::{
    fund::{Batch, Event, State, apply},
    name::Name,
    proof::{Restated, StrikeFacts},
    time::Timestamp,
};
use store::{Connection, EntryRow, EventRow, LegRow, LineRow, ledger, ledger_note};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    Service, ServiceError,
    command::Unit,
    follow::Followers,
    history::History,
    moment::{LedgerAt, next_after, note},
    standby::{Standby, is_kept},
};

/// Events read from the database at a time.
const PAGE_EVENTS: u64 = 500;

/// The state after the event `seq`.
#[derive(Debug, Default)]
pub(crate) struct Cached {
    state: Arc<State>,
    standby: Standby,
    followers: Followers,
    seq: i64,
    /// When that event was recorded; none before the first.
    recorded_at: Option<i64>,
}

pub(crate) type LedgerCache = Mutex<Cached>;

/// The open transaction of a command that writes the ledger; nobody else writes meanwhile.
pub(crate) struct LedgerUnit<'a> {
    guard: MutexGuard<'a, Cached>,
    /// Idempotency, audit and the other tables.
    pub(crate) unit: Unit,
    /// The state with what this command has posted so far.
    pub(crate) state: Arc<State>,
    /// What the last strike that was posted must say; the reason where nothing follows any more.
    pub(crate) struck: Option<Result<StrikeFacts, String>>,
    /// What this command has posted, for the standby; none once it was too much to keep.
    posted: Option<Vec<Batch>>,
    followers: Followers,
    history: &'a History,
    seq: i64,
    at: Timestamp,
}

impl Cached {
    /// Moves the live state on by a batch that follows it.
    fn advance(&mut self, batch: &Batch) {
        if Arc::get_mut(&mut self.state).is_none()
            && let Some(own) = self.standby.take(&self.state)
        {
            let before = std::mem::replace(&mut self.state, own);
            self.standby = Standby::new(before, Vec::new());
        }
        Arc::make_mut(&mut self.state).commit(batch);
        self.standby.note(batch);
    }
}

impl Service {
    /// The state of the whole ledger at this moment.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails or the journal does not replay.
    pub async fn ledger(&self) -> Result<Arc<State>, ServiceError> {
        let mut cached = self.ledger.lock().await;
        catch_up(&self.store, &mut cached, Some(&self.history), |_| ()).await?;
        Ok(cached.state.clone())
    }

    /// The whole journal's ledger, as it is at `now`.
    pub(crate) async fn live_ledger(&self, now: Timestamp) -> Result<LedgerAt, ServiceError> {
        // Before the journal: whatever was noted by then is older than what the journal is read to.
        let noted_at = ledger_note::latest(&self.store).await?;
        let mut cached = self.ledger.lock().await;
        catch_up(&self.store, &mut cached, Some(&self.history), |_| ()).await?;
        let recorded_at = cached.recorded_at.max(noted_at).map(Timestamp::from_millis);
        Ok(LedgerAt {
            state: cached.state.clone(),
            trails: Arc::new(cached.followers.disclosures.clone()),
            seq: cached.seq,
            marked_at: cached.recorded_at.map(Timestamp::from_millis),
            recorded_at,
            // What was recorded some milliseconds ahead of the clock has happened.
            as_of: recorded_at.map_or(now, |at| at.max(now)),
            known_at: None,
        })
    }

    /// Every batch of the journal, in order, as the engine makes it of the events; each event's recorded chain is compared.
    ///
    /// It replays the whole journal: for exports, not for pages.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails or the journal does not replay.
    pub async fn journal(&self) -> Result<Vec<Batch>, ServiceError> {
        let (mut cached, mut batches) = (Cached::default(), Vec::new());
        catch_up(&self.store, &mut cached, None, |batch| batches.push(batch)).await?;
        Ok(batches)
    }

    /// Takes the ledger for a command. The cache is locked before the database, always, so that two commands cannot wait in a circle.
    pub(crate) async fn lock_ledger<'a>(
        &'a self,
        guard: MutexGuard<'a, Cached>,
        mut unit: Unit,
    ) -> Result<LedgerUnit<'a>, ServiceError> {
        let (mut guard, history) = (guard, &self.history);
        unit.transaction.lock_ledger().await?;
        catch_up(&unit.transaction, &mut guard, Some(history), |_| ()).await?;
        let (state, followers, seq) = (guard.state.clone(), guard.followers.clone(), guard.seq);
        let at = next_after(&unit.transaction, guard.recorded_at, unit.caller.now).await?;
        unit.records_at(at);
        let posted = Some(Vec::new());
        Ok(LedgerUnit { guard, unit, state, struck: None, posted, followers, history, seq, at })
    }
}

impl LedgerUnit<'_> {
    /// The moment at which this command records, in milliseconds: its own, not before the caller's clock and later than everything
    /// that was recorded or closed, so that a state as of any moment ends between two commands.
    pub(crate) const fn at(&self) -> i64 {
        self.at.as_millis()
    }

    /// Applies an event and writes its batch; the number of the event comes back with it.
    pub(crate) async fn post(&mut self, event: &Event) -> Result<(i64, Batch), ServiceError> {
        let batch = apply(&self.state, event)?;
        let body = serde_json::to_value(event).map_err(ServiceError::internal)?;
        let fund = body.get("fund").and_then(serde_json::Value::as_str).map(str::to_owned);
        let (transaction, followers) = (&self.unit.transaction, &mut self.followers);
        followers.before(transaction, fund.as_deref(), (self.seq, &self.state), event).await?;
        if self.seq == self.guard.seq {
            // Only now: a command that is refused leaves the standby where it is.
            self.state = self.guard.standby.take(&self.state).unwrap_or_else(|| self.state.clone());
        }
        Arc::make_mut(&mut self.state).commit(&batch);
        self.seq += 1;
        match &mut self.posted {
            Some(posted) if is_kept(&batch) => posted.push(batch.clone()),
            posted => *posted = None,
        }
        let struck = followers.after(fund.as_deref(), &self.state, event, &batch);
        self.struck = struck.or_else(|| self.struck.take());
        let row = EventRow {
            seq: self.seq,
            fund,
            op: event.op().to_owned(),
            body: body.to_string(),
            chain: self.state.chain().hex(),
            idempotency_actor: self.unit.owner().to_owned(),
            idempotency_key: self.unit.key().to_owned(),
            recorded_at: self.at(),
        };
        ledger::append_event(&self.unit.transaction, row, entries(&batch)?).await?;
        Ok((self.seq, batch))
    }

    /// What is known of a fund's strikes for those who restate them.
    pub(crate) fn restated(&self, fund: &Name) -> Option<&Restated> {
        self.followers.restated(fund.as_str())
    }

    /// Commits everything, and only then lets others see the new state.
    pub(crate) async fn finish<R: serde::Serialize>(
        mut self,
        subject: &str,
        reply: R,
    ) -> Result<R, ServiceError> {
        let at = self.at();
        if self.seq == self.guard.seq {
            // What it wrote is told from this moment on all the same.
            note(&self.unit.transaction, at).await?;
        }
        let reply = self.unit.finish(subject, reply).await?;
        self.history.offer(self.seq, &self.state, &self.followers.disclosures);
        if self.seq != self.guard.seq {
            self.guard.recorded_at = Some(at);
            let before = std::mem::replace(&mut self.guard.state, self.state);
            self.guard.standby =
                self.posted.map_or_else(Standby::default, |posted| Standby::new(before, posted));
        }
        self.guard.followers = self.followers;
        self.guard.seq = self.seq;
        Ok(reply)
    }
}

fn entries(batch: &Batch) -> Result<Vec<EntryRow>, ServiceError> {
    let entry = |entry: &domain::fund::Entry| {
        let fund = entry.fund.as_ref().map(ToString::to_string);
        let legs = entry.custody.iter().map(|leg| LegRow {
            asset: leg.asset.to_string(),
            from_account: leg.from.to_string(),
            to_account: leg.to.to_string(),
            amount: leg.amount,
        });
        let lines = entry.gl.iter().map(|line| LineRow {
            fund: fund.clone().unwrap_or_default(),
            account: line.account.to_string(),
            delta_femto: line.delta.to_string(),
        });
        Ok(EntryRow {
            kind: entry.kind.as_str().to_owned(),
            meta: serde_json::to_string(&entry.meta).map_err(ServiceError::internal)?,
            legs: legs.collect(),
            lines: lines.collect(),
            fund: fund.clone(),
        })
    };
    batch.entries.iter().map(entry).collect()
}

async fn catch_up<C: Connection>(
    connection: &C,
    cached: &mut Cached,
    history: Option<&History>,
    mut seen: impl FnMut(Batch),
) -> Result<(), ServiceError> {
    loop {
        let rows = ledger::list_events(connection, Some(cached.seq), PAGE_EVENTS).await?;
        let last_page = (rows.len() as u64) < PAGE_EVENTS;
        for row in rows {
            let broken =
                |why: String| ServiceError::internal(format!("ledger event {}: {why}", row.seq));
            if row.seq != cached.seq + 1 {
                return Err(broken(format!("follows event {}", cached.seq)));
            }
            let event: Event =
                serde_json::from_str(&row.body).map_err(|e| broken(e.to_string()))?;
            let batch = apply(&cached.state, &event).map_err(|e| broken(e.to_string()))?;
            let (followers, before) = (&mut cached.followers, (cached.seq, &*cached.state));
            followers.before(connection, row.fund.as_deref(), before, &event).await?;
            cached.advance(&batch);
            cached.seq = row.seq;
            cached.recorded_at = Some(row.recorded_at);
            let state = &cached.state;
            cached.followers.after(row.fund.as_deref(), state, &event, &batch);
            if state.chain().hex() != row.chain {
                let found = state.chain().hex();
                // The state that was built cannot be trusted: nothing of it stays.
                *cached = Cached::default();
                return Err(broken(format!("replays to chain {found}, recorded is {}", row.chain)));
            }
            seen(batch);
        }
        if let Some(history) = history {
            history.offer(cached.seq, &cached.state, &cached.followers.disclosures);
        }
        if last_page {
            return Ok(());
        }
    }
}
