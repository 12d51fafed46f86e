//! What time does to rounds: seats are drawn, those who do not answer are replaced, phases end.

use std::collections::BTreeSet;

use domain::{
    digest::{Digest, to_hex},
    evaluation::{
        PublicKey,
        committee::{Candidate, draw, round_seed, seat_seed},
    },
    time::Timestamp,
};
use store::{
    CommitmentRow, DrawRow, JobState, OutcomeRow, PhaseRow, RoundRow, SeatRow, StoreTransaction,
    evaluation_job, evaluation_report, evaluation_round, evaluator, model_version,
    registered_model, round_commitment, round_draw, round_outcome, round_phase, round_reveal,
    round_seat,
};

use super::{COMMITTING, REPLACEMENTS_MAX, REVEALING, settle};
use crate::{
    Service, ServiceError,
    evaluators::{candidates, cut_off_if_idle},
    jobs::queued_row,
};

/// Rounds that one call looks at.
const ROUNDS_MAX: u64 = 1_000;

/// The rows of a round that runs.
pub(super) struct State {
    pub(super) seats: Vec<SeatRow>,
    pub(super) outcomes: Vec<OutcomeRow>,
    pub(super) commitments: Vec<CommitmentRow>,
}

impl State {
    pub(super) async fn read(
        transaction: &StoreTransaction,
        round: &RoundRow,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            seats: round_seat::list(transaction, &round.id).await?,
            outcomes: round_outcome::list(transaction, &round.id).await?,
            commitments: round_commitment::list(transaction, &round.id).await?,
        })
    }

    pub(super) fn is_out(&self, seat: &SeatRow) -> bool {
        self.outcomes.iter().any(|outcome| outcome.public_key == seat.public_key)
    }

    pub(super) fn has_committed(&self, seat: &SeatRow) -> bool {
        self.commitments.iter().any(|row| row.public_key == seat.public_key)
    }
}

impl Service {
    /// Moves every round on as far as time and answers let it; for a server and its workers to call again and again.
    ///
    /// `entropy` is fresh random bytes: a round that was asked for before is drawn by them.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if database or storage fail; the next call goes on.
    pub async fn advance_rounds(
        &self,
        now: Timestamp,
        entropy: [u8; 32],
    ) -> Result<(), ServiceError> {
        for round in evaluation_round::list_open(&self.store, None, ROUNDS_MAX).await? {
            // A step may make the next one possible: all committed, none revealed in time.
            while self.advance_round(&round, now, entropy).await? {}
        }
        Ok(())
    }

    /// Moves one round one step on; `false` when there is nothing to do now.
    async fn advance_round(
        &self,
        round: &RoundRow,
        now: Timestamp,
        entropy: [u8; 32],
    ) -> Result<bool, ServiceError> {
        let transaction = self.store.begin().await?;
        transaction.lock_ledger().await?;
        if store::round_verdict::find(&transaction, &round.id).await?.is_some() {
            return Ok(false);
        }
        let phase = round_phase::current(&transaction, &round.id).await?;
        let at = now.as_millis();
        let is_moved = match phase {
            None => {
                seat_first(&transaction, round, entropy, at).await?;
                true
            }
            Some(phase) if phase.phase == COMMITTING => {
                self.end_committing(&transaction, round, &phase, at).await?
            }
            Some(phase) => {
                let reveals = round_reveal::list(&transaction, &round.id).await?;
                let state = State::read(&transaction, round).await?;
                if reveals.len() < state.commitments.len() && at <= phase.deadline {
                    false
                } else {
                    settle::settle(self, &transaction, round, &state, now).await?;
                    true
                }
            }
        };
        if is_moved {
            transaction.commit().await?;
        }
        Ok(is_moved)
    }

    async fn end_committing(
        &self,
        transaction: &StoreTransaction,
        round: &RoundRow,
        phase: &PhaseRow,
        now: i64,
    ) -> Result<bool, ServiceError> {
        let state = State::read(transaction, round).await?;
        let mut silent = Vec::new();
        for seat in state.seats.iter().filter(|s| !state.is_out(s) && !state.has_committed(s)) {
            let job = evaluation_job::find(transaction, &seat.job_id).await?;
            // A run that failed is an answer; it counts against the quorum and nobody else would do better.
            if job.is_none_or(|job| job.state != JobState::Failed) {
                silent.push(seat);
            }
        }
        if !silent.is_empty() && now <= phase.deadline {
            return Ok(false);
        }
        let mut replaced = false;
        for seat in silent {
            miss(transaction, round, seat, now).await?;
        }
        if phase.seq <= REPLACEMENTS_MAX && now > phase.deadline {
            replaced = seat_replacements(transaction, round, phase.seq, now).await?;
        }
        if replaced {
            begin_phase(transaction, round, COMMITTING, now + round.commit_ms, now).await?;
        } else {
            begin_phase(transaction, round, REVEALING, now + round.reveal_ms, now).await?;
        }
        Ok(true)
    }
}

async fn begin_phase(
    transaction: &StoreTransaction,
    round: &RoundRow,
    phase: &str,
    deadline: i64,
    now: i64,
) -> Result<(), ServiceError> {
    let current = round_phase::current(transaction, &round.id).await?;
    let row = PhaseRow {
        round_id: round.id.clone(),
        seq: current.map_or(1, |row| row.seq + 1),
        phase: phase.to_owned(),
        deadline,
        began_at: now,
    };
    Ok(round_phase::insert(transaction, row).await?)
}

/// Records that an evaluator did not commit in time.
async fn miss(
    transaction: &StoreTransaction,
    round: &RoundRow,
    seat: &SeatRow,
    now: i64,
) -> Result<(), ServiceError> {
    let weight = settle::weight_of(transaction, &seat.public_key).await?;
    settle::write_outcome(transaction, round, seat, "missed", weight, None, now).await?;
    let message = "the evaluator did not commit in time";
    evaluation_job::abandon(transaction, &seat.job_id, "missed", message, now).await?;
    cut_off_if_idle(transaction, &seat.public_key, now).await
}

/// Draws the seats of a round by what came after it was asked for.
async fn seat_first(
    transaction: &StoreTransaction,
    round: &RoundRow,
    entropy: [u8; 32],
    now: i64,
) -> Result<(), ServiceError> {
    let latest = evaluation_report::latest(transaction).await?.map(|row| row.digest);
    let latest: Option<Digest> =
        latest.map(|text| text.parse()).transpose().map_err(ServiceError::internal)?;
    let seed = round_seed(&round.id, &entropy, latest);
    let row = DrawRow {
        round_id: round.id.clone(),
        seed: seed.hex(),
        entropy: to_hex(&entropy),
        latest_report: latest.map(|digest| digest.hex()),
        drawn_at: now,
    };
    round_draw::insert(transaction, row).await?;
    let all = all_candidates(transaction, round).await?;
    let wanted = usize::try_from(round.quorum).map_err(ServiceError::internal)?;
    let former = former_owners(transaction, round).await?;
    let others: Vec<Candidate> =
        all.iter().filter(|candidate| !former.contains(&candidate.owner)).cloned().collect();
    // A confirmation is by other people than the round that it confirms, as far as there are any.
    let mut drawn = draw(seed, &others, &[], wanted);
    if drawn.len() < wanted {
        let taken: Vec<&str> = owners_of(&drawn, &all);
        drawn.extend(draw(seed, &all, &taken, wanted - drawn.len()));
    }
    for (at, key) in (1..).zip(drawn) {
        seat(transaction, round, seed, (at, key, None), now).await?;
    }
    begin_phase(transaction, round, COMMITTING, now + round.commit_ms, now).await
}

/// Draws others in the place of those who missed; `false` if there is nobody or nothing to replace.
async fn seat_replacements(
    transaction: &StoreTransaction,
    round: &RoundRow,
    wave: i64,
    now: i64,
) -> Result<bool, ServiceError> {
    let state = State::read(transaction, round).await?;
    let replaced: BTreeSet<&str> =
        state.seats.iter().filter_map(|seat| seat.replaces.as_deref()).collect();
    let missed: Vec<&SeatRow> = state
        .seats
        .iter()
        .filter(|seat| state.is_out(seat) && !replaced.contains(seat.public_key.as_str()))
        .collect();
    let draw_row = round_draw::find(transaction, &round.id).await?;
    let draw_row = draw_row.ok_or_else(|| ServiceError::internal("a round without a draw"))?;
    let seed: Digest = draw_row.seed.parse().map_err(ServiceError::internal)?;
    let mut taken = Vec::new();
    for seat in &state.seats {
        let row = evaluator::find(transaction, &seat.public_key).await?;
        taken.extend(row.map(|row| row.owner));
    }
    let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
    let all = all_candidates(transaction, round).await?;
    let again = Digest::of(format!("mf.redraw.v1\0{}\0{wave}", seed.hex()).as_bytes());
    let drawn = draw(again, &all, &taken, missed.len());
    let first = state.seats.len() as i64 + 1;
    let is_any = !drawn.is_empty();
    for ((at, key), gone) in (first..).zip(drawn).zip(missed) {
        let gone = Some(gone.public_key.clone());
        seat(transaction, round, seed, (at, key, gone), now).await?;
    }
    Ok(is_any)
}

async fn seat(
    transaction: &StoreTransaction,
    round: &RoundRow,
    seed: Digest,
    (seat, key, replaces): (i64, PublicKey, Option<String>),
    now: i64,
) -> Result<(), ServiceError> {
    let id =
        to_hex(&Digest::of(format!("mf.job.v1\0{}\0{seat}", round.id).as_bytes()).as_bytes()[..16]);
    let run = seat_seed(seed, &key);
    let mut job =
        queued_row(id.clone(), &round.version_id, &round.suite, &round.protocol, run, now);
    job.confirms.clone_from(&round.confirms);
    evaluation_job::insert(transaction, job).await?;
    let row = SeatRow {
        job_id: id,
        round_id: round.id.clone(),
        seat,
        public_key: key.hex(),
        replaces,
        seated_at: now,
    };
    Ok(round_seat::insert(transaction, row).await?)
}

async fn all_candidates(
    transaction: &StoreTransaction,
    round: &RoundRow,
) -> Result<Vec<Candidate>, ServiceError> {
    let absent = || ServiceError::internal("a round without a version or its model");
    let version = model_version::find_by_id(transaction, &round.version_id).await?;
    let version = version.ok_or_else(absent)?;
    let model = registered_model::find_by_id(transaction, &version.model_id).await?;
    candidates(transaction, &model.ok_or_else(absent)?.publisher).await
}

/// Owners who sat in the round that this one is to confirm.
async fn former_owners(
    transaction: &StoreTransaction,
    round: &RoundRow,
) -> Result<BTreeSet<String>, ServiceError> {
    let mut owners = BTreeSet::new();
    let Some(report) = &round.confirms else { return Ok(owners) };
    let Some(reveal) = round_reveal::find_by_report(transaction, report).await? else {
        return Ok(owners);
    };
    for seat in round_seat::list(transaction, &reveal.round_id).await? {
        let row = evaluator::find(transaction, &seat.public_key).await?;
        owners.extend(row.map(|row| row.owner));
    }
    Ok(owners)
}

fn owners_of<'a>(keys: &[PublicKey], all: &'a [Candidate]) -> Vec<&'a str> {
    all.iter().filter(|c| keys.contains(&c.key)).map(|c| c.owner.as_str()).collect()
}
