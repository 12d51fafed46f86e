//! Earlier states of the ledger: some are kept, the others are replayed from the nearest one before them.
//!
//! Anybody may ask about any moment, so what that costs is bounded: the states that are kept by their number and by what they hold, a
//! replay by its entries, and replays by one at a time. A replay that passes its bound leaves what it has, so that the same question,
//! asked again, goes on from there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{
    disclosure::Disclosures,
    fund::{Event, FundState, State, apply},
};
use store::{Connection, EventRow, ledger};
use tokio::sync::Semaphore;

use crate::ServiceError;

/// Events read from the database at a time.
const PAGE_EVENTS: u64 = 500;

/// What earlier states may cost.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// States that are kept on the way through the journal.
    rungs_max: usize,
    /// Cells in all of them: balances, orders and the like, about 100 bytes each.
    rungs_cells_max: usize,
    /// States that were asked for.
    recent_max: usize,
    /// Cells in all of these; the last one stays, however large.
    recent_cells_max: usize,
    /// Entries that one question replays.
    replay_entries_max: usize,
    /// Questions that wait for a replay.
    queue_max: usize,
}

const LIMITS: Limits = Limits {
    rungs_max: 256,
    rungs_cells_max: 500_000,
    recent_max: 16,
    recent_cells_max: 200_000,
    replay_entries_max: 100_000,
    queue_max: 16,
};

/// The states that are kept, and whose turn it is to replay.
#[derive(Debug)]
pub(crate) struct History {
    shelf: Mutex<Shelf>,
    turn: tokio::sync::Mutex<()>,
    queue: Semaphore,
    limits: Limits,
}

/// The state after an event, and what stands beside the NAVs.
#[derive(Clone, Debug)]
struct Kept {
    seq: i64,
    cells: usize,
    state: Arc<State>,
    trails: Disclosures,
}

impl Kept {
    fn new(seq: i64, state: Arc<State>, trails: Disclosures) -> Self {
        Self { seq, cells: cells(&state, &trails), state, trails }
    }
}

#[derive(Debug)]
struct Shelf {
    /// Ascending, at least `spacing` events apart.
    rungs: Vec<Kept>,
    spacing: i64,
    /// The one that was asked for last is the last.
    recent: Vec<Kept>,
}

impl Default for History {
    fn default() -> Self {
        Self::new(LIMITS)
    }
}

impl History {
    fn new(limits: Limits) -> Self {
        let spacing = PAGE_EVENTS.cast_signed();
        Self {
            shelf: Mutex::new(Shelf { rungs: Vec::new(), spacing, recent: Vec::new() }),
            turn: tokio::sync::Mutex::new(()),
            queue: Semaphore::new(limits.queue_max),
            limits,
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Whoever died with it left whole rungs: they are pushed and removed at once.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a committed state on the way through the journal; it is kept if it is far enough from the one before.
    pub(crate) fn offer(&self, seq: i64, state: &Arc<State>, trails: &Disclosures) {
        let is_wanted = {
            let shelf = self.shelf();
            seq >= shelf.rungs.last().map_or(0, |rung| rung.seq).saturating_add(shelf.spacing)
        };
        if is_wanted {
            let kept = Kept::new(seq, state.clone(), trails.clone());
            self.shelf().climb(kept, &self.limits);
        }
    }

    /// The state after the event `seq`, which the journal has, and what stands beside the NAVs then.
    ///
    /// # Errors
    /// [`ServiceError::Replaying`] when more lies between than one question replays, [`ServiceError::Crowded`] when too many wait.
    pub(crate) async fn state_at<C: Connection>(
        &self,
        connection: &C,
        seq: i64,
    ) -> Result<(Arc<State>, Disclosures), ServiceError> {
        if let Some(kept) = self.shelf().nearest(seq).filter(|kept| kept.seq == seq) {
            return Ok((kept.state, kept.trails));
        }
        let limit = self.limits.queue_max;
        let place = self.queue.try_acquire().map_err(|_| ServiceError::Crowded { limit })?;
        let turn = self.turn.lock().await;
        let nearest = self.shelf().nearest(seq);
        let (mut at, mut state, mut trails) =
            nearest.map_or_else(Default::default, |k| (k.seq, k.state, k.trails));
        let mut entries = 0;
        while at < seq && entries < self.limits.replay_entries_max {
            let page = PAGE_EVENTS.min((seq - at).unsigned_abs());
            let rows = ledger::list_events(connection, Some(at), page).await?;
            if rows.is_empty() {
                return Err(ServiceError::internal(format!("no ledger event follows {at}")));
            }
            for row in rows {
                entries += replay((Arc::make_mut(&mut state), &mut trails), at, &row)?;
                at = row.seq;
                if entries >= self.limits.replay_entries_max {
                    break;
                }
            }
        }
        let kept = Kept::new(at, state.clone(), trails.clone());
        self.shelf().remember(kept, &self.limits);
        drop((turn, place));
        if at < seq {
            Err(ServiceError::Replaying { done: at, of: seq })
        } else {
            Ok((state, trails))
        }
    }
}

impl Shelf {
    /// The latest state that is kept at an event or before it.
    fn nearest(&mut self, seq: i64) -> Option<Kept> {
        let rung = self.rungs.iter().rev().find(|rung| rung.seq <= seq).cloned();
        let recent = (0..self.recent.len())
            .filter(|place| self.recent[*place].seq <= seq)
            .max_by_key(|place| self.recent[*place].seq);
        let recent = recent
            .filter(|place| rung.as_ref().is_none_or(|rung| rung.seq < self.recent[*place].seq));
        let Some(place) = recent else { return rung };
        let kept = self.recent.remove(place);
        self.recent.push(kept.clone());
        Some(kept)
    }

    fn climb(&mut self, kept: Kept, limits: &Limits) {
        if self.rungs.last().is_some_and(|rung| rung.seq >= kept.seq) {
            return;
        }
        self.rungs.push(kept);
        let is_over = |rungs: &[Kept]| {
            rungs.len() > limits.rungs_max
                || rungs.iter().map(|rung| rung.cells).sum::<usize>() > limits.rungs_cells_max
        };
        while is_over(&self.rungs) {
            if self.rungs.len() == 1 {
                self.rungs.clear();
                return;
            }
            self.spacing = self.spacing.saturating_mul(2);
            let (spacing, mut before) = (self.spacing, 0);
            self.rungs.retain(|rung| {
                let stays = rung.seq >= spacing.saturating_add(before);
                before = if stays { rung.seq } else { before };
                stays
            });
        }
    }

    fn remember(&mut self, kept: Kept, limits: &Limits) {
        self.recent.retain(|other| other.seq != kept.seq);
        self.recent.push(kept);
        while self.recent.len() > limits.recent_max
            || (self.recent.len() > 1
                && self.recent.iter().map(|k| k.cells).sum::<usize>() > limits.recent_cells_max)
        {
            self.recent.remove(0);
        }
    }
}

/// What a state holds, in cells. Of what stands beside it strikes and rows are shared: only the lists of them count.
fn cells(state: &State, trails: &Disclosures) -> usize {
    let fund = |fund: &FundState| {
        let leavers: usize = fund.pools().values().map(|pool| pool.owners.len()).sum();
        let orders = fund.pending_subscriptions().len() + fund.pending_redemptions().len();
        2 * fund.prices().len() + fund.gl_accounts().count() + orders + leavers
    };
    let models = state.models().map(|(_, m)| m.contributors().len() + m.sales().len());
    let trail = |fund: &FundState| {
        // Two pointers a strike, one for its row, and what lies beside them: lots, sales, models.
        trails.trail(fund.name()).map_or(0, |trail| trail.strikes().len() / 4 + 64)
    };
    let beside: usize = state.funds().map(trail).sum();
    beside
        + state.balances().count()
        + state.funds().map(fund).sum::<usize>()
        + models.sum::<usize>()
}

/// Applies the event of a row to the state after event `before`; the number of entries that it made.
fn replay(
    (state, trails): (&mut State, &mut Disclosures),
    before: i64,
    row: &EventRow,
) -> Result<usize, ServiceError> {
    let broken = |why: String| ServiceError::internal(format!("ledger event {}: {why}", row.seq));
    if row.seq != before + 1 {
        return Err(broken(format!("follows event {before}")));
    }
    let event: Event = serde_json::from_str(&row.body).map_err(|e| broken(e.to_string()))?;
    let batch = apply(state, &event).map_err(|e| broken(e.to_string()))?;
    state.commit(&batch);
    trails.follow(&event, &batch);
    if state.chain().hex() != row.chain {
        let found = state.chain().hex();
        return Err(broken(format!("replays to chain {found}, recorded is {}", row.chain)));
    }
    Ok(batch.entries.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(seq: i64, cells: usize) -> Kept {
        Kept { cells, ..Kept::new(seq, Arc::default(), Disclosures::new()) }
    }

    /// Proves that the ladder holds its bounds however long the journal is and however large its states are, that rungs stand in order
    /// and apart, and that the gap before the last event stays a small part of the journal.
    #[test]
    fn the_ladder_is_bounded() {
        let limits = Limits { rungs_max: 8, rungs_cells_max: 1_000, ..LIMITS };
        for size in [1, 100, 300, 2_000] {
            let history = History::new(limits);
            for seq in 1..=200_000_i64 {
                let is_wanted = {
                    let shelf = history.shelf();
                    seq >= shelf.rungs.last().map_or(0, |rung| rung.seq) + shelf.spacing
                };
                if is_wanted {
                    history.shelf().climb(kept(seq, size), &limits);
                }
                if seq % 1_000 != 0 {
                    continue;
                }
                let shelf = history.shelf();
                assert!(shelf.rungs.len() <= 8, "{size}: {} rungs", shelf.rungs.len());
                assert!(shelf.rungs.len() * size <= 1_000 || size > 1_000);
                assert!(shelf.rungs.windows(2).all(|w| w[1].seq - w[0].seq >= shelf.spacing));
                let (room, last) = (limits.rungs_cells_max / size, shelf.rungs.last());
                let parts = i64::try_from(room.min(8)).unwrap_or(8);
                if parts > 2 && seq >= 2_000 {
                    let gap = seq - last.map_or(0, |rung| rung.seq);
                    assert!(gap * (parts / 2) <= 2 * seq, "{size}: {gap} before {seq}");
                }
            }
        }
    }

    /// Proves that of the states that were asked for those stay that were asked for last, within their bounds, and the last always.
    #[test]
    fn recent_states_are_bounded() {
        let limits = Limits { recent_max: 3, recent_cells_max: 100, ..LIMITS };
        let history = History::new(limits);
        let seqs = |history: &History| -> Vec<i64> {
            history.shelf().recent.iter().map(|k| k.seq).collect()
        };
        for seq in [5, 6, 7, 5, 8] {
            history.shelf().remember(kept(seq, 10), &limits);
        }
        assert_eq!(seqs(&history), [7, 5, 8]);
        assert_eq!(history.shelf().nearest(7).map(|k| k.seq), Some(7));
        assert_eq!(seqs(&history), [5, 8, 7], "what was used stays longer");
        assert_eq!(history.shelf().nearest(4).map(|k| k.seq), None);
        history.shelf().remember(kept(9, 1_000), &limits);
        assert_eq!(seqs(&history), [9], "the last one stays, however large");
    }
}
