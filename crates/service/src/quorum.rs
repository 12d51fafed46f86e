//! How many evaluators a price of this installation rests on: 1, a single machine, until the operator says otherwise.

use domain::{evaluation::PARAMS, time::Timestamp};
use serde::{Deserialize, Serialize};
use store::{Connection, QuorumRow, StoreTransaction, quorum_setting};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    token::{Caller, Scope},
};

/// Most evaluators of a round.
const QUORUM_MAX: u32 = 25;
/// Most time of a phase: 30 days.
const PHASE_SECONDS_MAX: u64 = 30 * 86_400;

/// The quorum and the time that evaluators have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumSetting {
    /// Evaluators of a round: 1, or at least 3.
    pub quorum: u32,
    /// Seconds from the draw to the last commitment.
    pub commit_seconds: u64,
    /// Seconds from then to the last reveal.
    pub reveal_seconds: u64,
}

impl Default for QuorumSetting {
    /// One machine. The times matter from a quorum of 3 on: a full run takes minutes, a reveal seconds.
    fn default() -> Self {
        Self { quorum: 1, commit_seconds: 3_600, reveal_seconds: 600 }
    }
}

impl QuorumSetting {
    fn check(&self) -> Result<(), ServiceError> {
        let quorum = self.quorum;
        if quorum != 1 && !(PARAMS.quorum_n..=QUORUM_MAX).contains(&quorum) {
            let reason = format!("is {quorum}; expected 1, or {} to {QUORUM_MAX}", PARAMS.quorum_n);
            return Err(ServiceError::invalid("quorum", reason));
        }
        for (field, seconds) in
            [("commitSeconds", self.commit_seconds), ("revealSeconds", self.reveal_seconds)]
        {
            if !(1..=PHASE_SECONDS_MAX).contains(&seconds) {
                let reason = format!("is {seconds}; expected 1 to {PHASE_SECONDS_MAX}");
                return Err(ServiceError::invalid(field, reason));
            }
        }
        Ok(())
    }

    fn row(&self, seq: i64, set_by: &str, set_at: i64) -> QuorumRow {
        QuorumRow {
            seq,
            quorum: i64::from(self.quorum),
            commit_ms: self.commit_seconds as i64 * 1_000,
            reveal_ms: self.reveal_seconds as i64 * 1_000,
            set_by: set_by.to_owned(),
            set_at,
        }
    }

    fn read(row: &QuorumRow) -> Result<Self, ServiceError> {
        Ok(Self {
            quorum: u32::try_from(row.quorum).map_err(ServiceError::internal)?,
            commit_seconds: (row.commit_ms / 1_000).unsigned_abs(),
            reveal_seconds: (row.reveal_ms / 1_000).unsigned_abs(),
        })
    }
}

/// The setting in force.
pub(crate) async fn setting<C: Connection>(connection: &C) -> Result<QuorumSetting, ServiceError> {
    let row = quorum_setting::current(connection).await?;
    row.as_ref().map_or_else(|| Ok(QuorumSetting::default()), QuorumSetting::read)
}

async fn write(
    transaction: &StoreTransaction,
    setting: &QuorumSetting,
    set_by: &str,
    set_at: i64,
) -> Result<(), ServiceError> {
    let seq = quorum_setting::current(transaction).await?.map_or(1, |row| row.seq + 1);
    Ok(quorum_setting::insert(transaction, setting.row(seq, set_by, set_at)).await?)
}

impl Service {
    /// The quorum in force.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn quorum(&self) -> Result<QuorumSetting, ServiceError> {
        setting(&self.store).await
    }

    /// Sets the quorum of the rounds to come; rounds that run keep theirs.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without `operate`, [`ServiceError::Invalid`] for a quorum of 2, or times out of bounds.
    pub async fn set_quorum(
        &self,
        caller: &Caller,
        key: &str,
        input: &QuorumSetting,
    ) -> Result<QuorumSetting, ServiceError> {
        input.check()?;
        let (scope, operation) = ([Scope::Operate], "quorum_set");
        let request = Request { caller, scope: &scope, key, operation, input };
        let unit = match self.begin::<_, QuorumSetting>(&request).await? {
            Begun::Replayed(setting) => return Ok(setting),
            Begun::Fresh(unit) => unit,
        };
        write(&unit.transaction, input, unit.owner(), unit.now()).await?;
        unit.finish("quorum", *input).await
    }

    /// Sets the quorum at the start of a server, if it is another; the times stay.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a quorum of 2 or above the most.
    pub async fn start_with_quorum(&self, quorum: u32, now: Timestamp) -> Result<(), ServiceError> {
        let transaction = self.store.begin().await?;
        let current = setting(&transaction).await?;
        let wanted = QuorumSetting { quorum, ..current };
        wanted.check()?;
        if wanted != current {
            write(&transaction, &wanted, "serve", now.as_millis()).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}
