//! Rounds as everybody may see them: before the reveal, who sits and who has committed, and nothing else.

use domain::{
    amount::PriceNano, digest::Digest, evaluation::Attestation, name::Name, time::Timestamp,
};
use store::{
    RoundRow, evaluation_round, evaluator, refused_reveal, report_attestation, round_commitment,
    round_draw, round_outcome, round_phase, round_reveal, round_seat, round_verdict,
};

use crate::{Service, ServiceError, prices::micro_to_nano, versions::Version};

/// A round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its id.
    pub id: String,
    /// Counts the rounds of the installation; part of every commitment.
    pub number: i64,
    /// The version's row id.
    pub version_id: String,
    /// The suite's id; part of every commitment.
    pub suite: String,
    /// The protocol.
    pub protocol: String,
    /// Evaluators that were wanted.
    pub quorum: i64,
    /// `asked`, `committing`, `revealing` or `settled`.
    pub phase: String,
    /// End of the phase; none before the draw and after the verdict.
    pub deadline: Option<Timestamp>,
    /// The seed of the draw; none before it.
    pub seed: Option<Digest>,
    /// Who sits, replacements included, in order.
    pub seats: Vec<Seat>,
    /// What it ended with; none while it runs.
    pub verdict: Option<Verdict>,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

/// A seat of a round.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The evaluator.
    pub evaluator: Name,
    /// Who answers for it.
    pub owner: Name,
    /// Its job.
    pub job_id: String,
    /// Whose place this is, if an evaluator was replaced.
    pub replaces: Option<Name>,
    /// What it committed to.
    pub commitment: Option<Digest>,
    /// Order of its commitment.
    pub place: Option<i64>,
    /// Its report; none before the reveal.
    pub report: Option<Digest>,
    /// The salt of its commitment; none before the reveal.
    pub salt: Option<String>,
    /// Why reveals of it were refused.
    pub refused: Vec<String>,
    /// What became of it: `kept`, `copied`, `rejected`, `no_price`, `unrevealed`, `missed` or `failed`; none before the verdict.
    pub outcome: Option<String>,
    /// Its weight in the round; none before the verdict.
    pub weight_ppb: Option<i64>,
    /// Distance from the median in scales.
    pub deviation: Option<f64>,
    /// Whether it decided every case as most of the kept did.
    pub decisions_agree: Option<bool>,
}

/// What a round ended with.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether a quorum agreed; if not, the price is held.
    pub agreed: bool,
    /// Why.
    pub reason: String,
    /// The consensus.
    pub price: Option<PriceNano>,
    /// Its σ in ln.
    pub sigma_ln: Option<f64>,
    /// When.
    pub settled_at: Timestamp,
}

fn float(text: Option<&String>) -> Result<Option<f64>, ServiceError> {
    text.map(|text| text.parse()).transpose().map_err(ServiceError::internal)
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, ServiceError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(ServiceError::internal)
}

impl Service {
    /// The round of an id.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_round(&self, id: &str) -> Result<Round, ServiceError> {
        let row = evaluation_round::find(&self.store, id).await?;
        self.view_round(row.ok_or_else(|| ServiceError::absent("round", id))?).await
    }

    /// Rounds of a version in order, after a number, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_rounds(
        &self,
        version: &Version,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Round>, ServiceError> {
        let rows =
            evaluation_round::list_by_version(&self.store, &version.id, after, limit).await?;
        let mut rounds = Vec::new();
        for row in rows {
            rounds.push(self.view_round(row).await?);
        }
        Ok(rounds)
    }

    /// The round that a decision on a price followed from; none for one of a single evaluator.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_deciding_round(
        &self,
        model_id: &str,
        seq: i64,
    ) -> Result<Option<Round>, ServiceError> {
        match round_verdict::find_by_decision(&self.store, model_id, seq).await? {
            Some(verdict) => self.get_round(&verdict.round_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The signature beside a report; none for one that was not signed.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_attestation(
        &self,
        report: Digest,
    ) -> Result<Option<Attestation>, ServiceError> {
        let Some(row) = report_attestation::find(&self.store, &report.hex()).await? else {
            return Ok(None);
        };
        Ok(Some(Attestation {
            report,
            evaluator: parsed(&row.evaluator)?,
            public_key: parsed(&row.public_key)?,
            signature: row.signature,
        }))
    }

    async fn view_round(&self, row: RoundRow) -> Result<Round, ServiceError> {
        let verdict = round_verdict::find(&self.store, &row.id).await?;
        let phase = round_phase::current(&self.store, &row.id).await?;
        let draw = round_draw::find(&self.store, &row.id).await?;
        let word = match (&verdict, &phase) {
            (Some(_), _) => "settled",
            (None, Some(phase)) => &phase.phase,
            (None, None) => "asked",
        };
        let seats = self.view_seats(&row.id, verdict.is_some()).await?;
        let verdict_view = verdict.as_ref().map(|verdict| {
            Ok::<_, ServiceError>(Verdict {
                agreed: verdict.status == "agreed",
                reason: verdict.reason.clone(),
                price: verdict.price_micro.map(micro_to_nano).transpose()?,
                sigma_ln: float(verdict.sigma_ln.as_ref())?,
                settled_at: Timestamp::from_millis(verdict.settled_at),
            })
        });
        Ok(Round {
            phase: word.to_owned(),
            deadline: phase
                .filter(|_| verdict.is_none())
                .map(|phase| Timestamp::from_millis(phase.deadline)),
            seed: draw.map(|draw| parsed(&draw.seed)).transpose()?,
            seats,
            verdict: verdict_view.transpose()?,
            id: row.id,
            number: row.number,
            version_id: row.version_id,
            suite: row.suite,
            protocol: row.protocol,
            quorum: row.quorum,
            asked_at: Timestamp::from_millis(row.asked_at),
        })
    }

    async fn view_seats(&self, round: &str, is_settled: bool) -> Result<Vec<Seat>, ServiceError> {
        let commitments = round_commitment::list(&self.store, round).await?;
        let reveals = round_reveal::list(&self.store, round).await?;
        let outcomes = round_outcome::list(&self.store, round).await?;
        let mut seats = Vec::new();
        for row in round_seat::list(&self.store, round).await? {
            let key = &row.public_key;
            let evaluator = evaluator::find(&self.store, key).await?;
            let evaluator =
                evaluator.ok_or_else(|| ServiceError::internal("a seat without an evaluator"))?;
            let gone = match &row.replaces {
                Some(gone) => evaluator::find(&self.store, gone).await?,
                None => None,
            };
            let commitment = commitments.iter().find(|c| c.public_key == *key);
            let reveal = reveals.iter().find(|r| r.public_key == *key);
            let outcome = outcomes.iter().find(|o| o.public_key == *key);
            let weighed = outcome.filter(|_| is_settled);
            let refused = refused_reveal::list(&self.store, round, key).await?;
            seats.push(Seat {
                evaluator: parsed(&evaluator.name)?,
                owner: parsed(&evaluator.owner)?,
                replaces: gone.map(|gone| parsed(&gone.name)).transpose()?,
                commitment: commitment.map(|c| parsed(&c.commitment)).transpose()?,
                place: commitment.map(|c| c.place),
                report: reveal.map(|r| parsed(&r.report_digest)).transpose()?,
                salt: reveal.map(|r| r.salt.clone()),
                refused: refused.into_iter().map(|r| r.reason).collect(),
                outcome: outcome.map(|o| o.outcome.clone()),
                weight_ppb: weighed.map(|o| o.weight_ppb),
                deviation: float(weighed.and_then(|o| o.deviation.as_ref()))?,
                decisions_agree: weighed.and_then(|o| o.decisions_agree),
                job_id: row.job_id,
            });
        }
        Ok(seats)
    }
}
