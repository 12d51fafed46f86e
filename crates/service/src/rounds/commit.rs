//! Commit, then reveal: an evaluator binds itself to a report before it can know any other (EVALUATION 5.7).

use bytes::Bytes;
use domain::{
    digest::{Digest, to_hex},
    evaluation::{Attestation, Report, acceptance::commitment, verify_blob},
    time::Timestamp,
};
use store::{
    AttestationRow, CommitmentRow, EvaluatorRow, RefusedRevealRow, ReportRow, RevealRow, RoundRow,
    SeatRow, StoreTransaction, evaluation_job, evaluation_report, evaluation_round, evaluator,
    model_version, refused_reveal, report_attestation, round_commitment, round_outcome,
    round_phase, round_reveal, round_seat,
};

use super::{COMMITTING, REVEALING};
use crate::{
    Service, ServiceError,
    citing::cite,
    log::{NewLeaf, append_leaf},
};

/// What an evaluator committed to.
#[derive(Clone, Debug)]
pub struct Reveal {
    /// The canonical report.
    pub body: String,
    /// Its raw samples.
    pub samples: Vec<u8>,
    /// The salt of the commitment.
    pub salt: [u8; 32],
    /// The signature.
    pub attestation: Attestation,
}

/// A seat with its round and evaluator.
pub(crate) struct Seated {
    pub(crate) seat: SeatRow,
    pub(crate) round: RoundRow,
    pub(crate) evaluator: EvaluatorRow,
}

impl Seated {
    /// The commitment to a report from this seat. Its `fund` is the suite's row, which is the track, and its `strike` the round's
    /// number, which no two rounds of an installation share: a commitment fits nowhere else.
    pub(crate) fn commitment(&self, salt: &[u8; 32], report: Digest) -> Digest {
        let number = self.round.number.unsigned_abs();
        commitment(&self.round.suite, number, &self.evaluator.name, salt, report)
    }
}

impl Service {
    /// The seat of a job; none for a job of no round.
    pub(crate) async fn find_seat(&self, job: &str) -> Result<Option<Seated>, ServiceError> {
        let Some(seat) = round_seat::find(&self.store, job).await? else { return Ok(None) };
        let absent = || ServiceError::internal("a seat without its round or evaluator");
        let round =
            evaluation_round::find(&self.store, &seat.round_id).await?.ok_or_else(absent)?;
        let evaluator = evaluator::find(&self.store, &seat.public_key).await?.ok_or_else(absent)?;
        Ok(Some(Seated { seat, round, evaluator }))
    }

    /// Commits the evaluator of a seated job to a report that nobody sees yet; what was committed never changes.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] for a second commitment, [`ServiceError::Invalid`] for one that was made elsewhere, too late or from a
    /// seat that was given to another, [`ServiceError::Absent`] for a job of no round.
    pub async fn commit_report(
        &self,
        job: &str,
        commitment: Digest,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let seated = self.find_seat(job).await?;
        let Seated { seat, round, evaluator } =
            seated.ok_or_else(|| ServiceError::absent("seat of job", job))?;
        let transaction = self.store.begin().await?;
        transaction.lock_ledger().await?;
        let refuse = |reason: String| Err(ServiceError::invalid("commitment", reason));
        let name = format!("{} in round {}", evaluator.name, round.number);
        if round_commitment::find(&transaction, &round.id, &seat.public_key).await?.is_some() {
            return Err(ServiceError::Exists { kind: "commitment of", name });
        }
        if round_commitment::find_by_commitment(&transaction, &commitment.hex()).await?.is_some() {
            return refuse(format!("of {name} was made in another seat"));
        }
        let phase = round_phase::current(&transaction, &round.id).await?;
        let is_open = phase
            .is_some_and(|phase| phase.phase == COMMITTING && now.as_millis() <= phase.deadline);
        let outcomes = round_outcome::list(&transaction, &round.id).await?;
        if !is_open || outcomes.iter().any(|row| row.public_key == seat.public_key) {
            return refuse(format!("of {name} comes too late"));
        }
        let row = CommitmentRow {
            round_id: round.id.clone(),
            public_key: seat.public_key.clone(),
            place: round_commitment::list(&transaction, &round.id).await?.len() as i64 + 1,
            commitment: commitment.hex(),
            committed_at: now.as_millis(),
        };
        round_commitment::insert(&transaction, row).await?;
        evaluation_job::release(&transaction, job, now.as_millis()).await?;
        Ok(transaction.commit().await?)
    }

    /// Whether reports of a round may be shown: its reveal has begun.
    pub(crate) async fn is_revealing(&self, round: &str) -> Result<bool, ServiceError> {
        let phase = round_phase::current(&self.store, round).await?;
        Ok(phase.is_some_and(|phase| phase.phase == REVEALING))
    }

    /// Reveals what a seated job's evaluator committed to. A reveal that does not fit is refused, and the refusal is recorded; the
    /// right one may still follow in time.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] names what does not fit, or that it is too early or too late; [`ServiceError::Absent`].
    pub async fn reveal_report(
        &self,
        job: &str,
        reveal: &Reveal,
        now: Timestamp,
    ) -> Result<Digest, ServiceError> {
        let seated = self.find_seat(job).await?;
        let seated = seated.ok_or_else(|| ServiceError::absent("seat of job", job))?;
        let (round, evaluator) = (&seated.round, &seated.evaluator);
        let name = format!("of {} in round {}", evaluator.name, round.number);
        let refuse = |reason: String| ServiceError::invalid("reveal", reason);
        if store::round_verdict::find(&self.store, &round.id).await?.is_some() {
            return Err(refuse(format!("{name} comes too late")));
        }
        // Before its time even a look at the bytes would break the embargo, so nothing is stored and nothing recorded.
        if !self.is_revealing(&round.id).await? {
            return Err(refuse(format!("{name} comes before all have committed")));
        }
        let digest = Digest::of(reveal.body.as_bytes());
        let report = match self.check_reveal(&seated, reveal, digest).await? {
            Ok(report) => report,
            Err(reason) => {
                self.record_refusal(&seated, digest, &reason, now).await?;
                return Err(refuse(format!("{name}: {reason}")));
            }
        };
        let samples = self.put_document(Bytes::from(reveal.samples.clone()), now).await?;
        self.put_document(Bytes::from(reveal.body.clone()), now).await?;
        let transaction = self.store.begin().await?;
        transaction.lock_ledger().await?;
        let phase = round_phase::current(&transaction, &round.id).await?;
        if phase.is_none_or(|phase| now.as_millis() > phase.deadline) {
            return Err(refuse(format!("{name} comes too late")));
        }
        cite(&transaction, &[samples, digest]).await?;
        let body = reveal.body.clone();
        write_revealed(&transaction, &seated, &report, body, digest, now).await?;
        insert_attestation(&transaction, &reveal.attestation).await?;
        let row = RevealRow {
            round_id: round.id.clone(),
            public_key: seated.seat.public_key.clone(),
            report_digest: digest.hex(),
            salt: to_hex(&reveal.salt),
            revealed_at: now.as_millis(),
        };
        round_reveal::insert(&transaction, row).await?;
        evaluation_job::reveal(&transaction, job, &digest.hex(), now.as_millis()).await?;
        transaction.commit().await?;
        Ok(digest)
    }

    /// The report of a reveal, or why it is refused.
    async fn check_reveal(
        &self,
        seated: &Seated,
        reveal: &Reveal,
        digest: Digest,
    ) -> Result<Result<Report, String>, ServiceError> {
        let Seated { seat, round, evaluator } = seated;
        let Some(committed) =
            round_commitment::find(&self.store, &round.id, &seat.public_key).await?
        else {
            return Ok(Err("there is no commitment".to_owned()));
        };
        if seated.commitment(&reveal.salt, digest).hex() != committed.commitment {
            return Ok(Err(format!("report {digest} and salt are not what was committed to")));
        }
        let version = model_version::find_by_id(&self.store, &round.version_id).await?;
        let version = version.ok_or_else(|| ServiceError::internal("a round without a version"))?;
        let suite = self.get_suite(&round.suite).await?;
        let report: Report = match serde_json::from_str(&reveal.body) {
            Ok(report) => report,
            Err(error) => return Ok(Err(format!("is no report: {error}"))),
        };
        let told = [
            ("checkpoint", report.model.digest.hex(), version.checkpoint_digest),
            ("graph", report.model.graph.hex(), version.graph_digest),
            ("suite", report.suite.digest.hex(), suite.digest.hex()),
            ("protocol", report.protocol.name.clone(), round.protocol.clone()),
            ("evaluator", report.evaluator.clone(), evaluator.name.clone()),
            ("key", reveal.attestation.public_key.hex(), seat.public_key.clone()),
        ];
        if let Some((field, is, expected)) = told.into_iter().find(|(_, is, e)| is != e) {
            return Ok(Err(format!("{field} is {is}; expected {expected}")));
        }
        if report.digest().ok() != Some(digest) {
            return Ok(Err("the report is not in canonical form".to_owned()));
        }
        if report.is_void() {
            return Ok(Err("the measurement is void".to_owned()));
        }
        if let Err(error) = verify_blob(&report, &reveal.samples) {
            return Ok(Err(error.to_string()));
        }
        if let Err(error) = reveal.attestation.verify(digest, &evaluator.name) {
            return Ok(Err(error.to_string()));
        }
        Ok(Ok(report))
    }

    async fn record_refusal(
        &self,
        seated: &Seated,
        digest: Digest,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        const REFUSALS_MAX: usize = 20;
        let transaction = self.store.begin().await?;
        transaction.lock_ledger().await?;
        let (round_id, public_key) = (&seated.round.id, &seated.seat.public_key);
        let before = refused_reveal::list(&transaction, round_id, public_key).await?;
        if before.len() >= REFUSALS_MAX {
            return Ok(());
        }
        let row = RefusedRevealRow {
            round_id: round_id.clone(),
            public_key: public_key.clone(),
            seq: before.len() as i64 + 1,
            report_digest: digest.hex(),
            reason: reason.to_owned(),
            refused_at: now.as_millis(),
        };
        refused_reveal::insert(&transaction, row).await?;
        Ok(transaction.commit().await?)
    }
}

async fn write_revealed(
    transaction: &StoreTransaction,
    seated: &Seated,
    report: &Report,
    body: String,
    digest: Digest,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let row = ReportRow {
        digest: digest.hex(),
        version_id: seated.round.version_id.clone(),
        suite: seated.round.suite.clone(),
        job_id: seated.seat.job_id.clone(),
        samples_digest: report.samples.hex(),
        evaluator: seated.evaluator.name.clone(),
        items: report.suite.items as i64,
        correct: report.model.correct.map(|correct| correct as i64),
        price_micro: report.price_micro,
        body,
        void: false,
        recorded_at: now.as_millis(),
    };
    evaluation_report::insert(transaction, row).await?;
    let version = model_version::find_by_id(transaction, &seated.round.version_id).await?;
    let version = version.ok_or_else(|| ServiceError::internal("a round without a version"))?;
    append_leaf(transaction, NewLeaf::report(report, digest, &version.model_id, now)).await?;
    Ok(())
}

/// Writes the signature beside a report that was just written.
pub(crate) async fn insert_attestation(
    transaction: &StoreTransaction,
    attestation: &Attestation,
) -> Result<(), ServiceError> {
    let row = AttestationRow {
        report_digest: attestation.report.hex(),
        evaluator: attestation.evaluator.to_string(),
        public_key: attestation.public_key.hex(),
        signature: attestation.signature.clone(),
    };
    Ok(report_attestation::insert(transaction, row).await?)
}
