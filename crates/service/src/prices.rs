//! From a report to the accepted price, and the log of every decision.

use domain::{
    amount::PriceNano,
    digest::Digest,
    evaluation::{
        Breaker, DecisionError, Evidence, Measurement, PriceState, Report, RoundEvidence, Status,
        acceptance::Agreed,
        decide, decide_round,
        report::{influence, outcomes},
    },
    proof::RoundVotes,
    suite::Suite,
    time::Timestamp,
};
use store::{
    JobRow, PriceDecisionRow, RoundRow, StoreTransaction, VersionRow, alias_move, evaluation_job,
    model_version, price_decision, registered_model,
};

use crate::{
    Service, ServiceError,
    aliases::unlistable,
    jobs::queued_row,
    log::{NewLeaf, append_leaf},
    models::Model,
    moment::noted_moment,
    rotation::{SuiteStage, stage_of},
    rounds::insert_confirmation,
    versions::{LISTED, list_version},
};

/// How far a price may move before a second run must confirm it (DESIGN 4, Demo methodology): 20 % for a re-evaluation, 100 % for a
/// new version. One rule for the registry's price log; a fund's own methodology states the same two numbers.
pub(crate) const BREAKER: Breaker = Breaker::DEMO;

/// What became of one evaluated price.
#[derive(Clone, Debug)]
pub struct PriceDecision {
    /// The model's row id.
    pub model_id: String,
    /// Counts the decisions on a model from 1.
    pub seq: i64,
    /// The version's row id.
    pub version_id: String,
    /// The report behind it.
    pub report: Digest,
    /// `ADMITTED`, `ACCEPTED`, `DEADBAND`, `TRIPPED` or `REFUSED`.
    pub status: String,
    /// The accepted price after it.
    pub price: Option<PriceNano>,
    /// The pooled estimate beside it.
    pub estimate: Option<PriceNano>,
    /// The accepted price before it.
    pub previous: Option<PriceNano>,
    /// Standard error of the logarithm of the evaluated price.
    pub sigma_ln: f64,
    /// How far old and new may lie apart by noise alone.
    pub sigma_delta: Option<f64>,
    /// A move up to this is held.
    pub band_ln: Option<f64>,
    /// When.
    pub decided_at: Timestamp,
}

impl PriceDecision {
    fn read(row: PriceDecisionRow) -> Result<Self, ServiceError> {
        let float = |text: &Option<String>| {
            text.as_deref().map(str::parse::<f64>).transpose().map_err(ServiceError::internal)
        };
        let nano = |micro: Option<i64>| micro.map(micro_to_nano).transpose();
        Ok(Self {
            seq: row.seq,
            report: row.report_digest.parse().map_err(ServiceError::internal)?,
            price: nano(row.price_micro)?,
            estimate: nano(row.est_micro)?,
            previous: nano(row.previous_micro)?,
            sigma_ln: row.sigma_ln.parse().map_err(ServiceError::internal)?,
            sigma_delta: float(&row.sigma_delta)?,
            band_ln: float(&row.band_ln)?,
            decided_at: Timestamp::from_millis(row.decided_at),
            model_id: row.model_id,
            version_id: row.version_id,
            status: row.status,
        })
    }
}

/// `P_nano = 1000 × price_micro` (DESIGN 4, Price).
pub(crate) fn micro_to_nano(micro: i64) -> Result<PriceNano, ServiceError> {
    PriceNano::from_micro(micro)
        .ok_or_else(|| ServiceError::internal(format!("price of {micro} micro-credits")))
}

/// A report that is being recorded.
pub(crate) struct Run<'a> {
    pub(crate) version: &'a VersionRow,
    pub(crate) job: &'a JobRow,
    pub(crate) report: &'a Report,
    /// The items of the run's measurement.
    pub(crate) items: &'a Items,
    pub(crate) digest: Digest,
    pub(crate) now: Timestamp,
    /// What several evaluators agreed on, of whom the report is the lead; none for a single one.
    pub(crate) round: Option<RunRound<'a>>,
}

/// The items behind a report, as a decision on its price compares them.
#[derive(Clone, Debug)]
pub(crate) struct Items {
    /// One character an item; empty where the metric counts no items.
    right: String,
    /// Bits by which each item moves quality otherwise.
    influence: Vec<f64>,
}

impl Items {
    pub(crate) fn of(report: &Report, measured: &Measurement, suite: &Suite) -> Self {
        let right = outcomes(suite.task, suite.metric, &measured.model);
        Self {
            right: right.unwrap_or_default().to_owned(),
            influence: influence(report, measured, suite),
        }
    }

    /// Right and wrong, and influence.
    pub(crate) fn into_parts(self) -> (String, Vec<f64>) {
        (self.right, self.influence)
    }

    pub(crate) fn evidence<'a>(&'a self, report: &'a Report) -> Evidence<'a> {
        Evidence { report, right: &self.right, influence: &self.influence }
    }
}

/// A round whose quorum agreed.
pub(crate) struct RunRound<'a> {
    pub(crate) row: &'a RoundRow,
    /// The other kept reports, each with its items.
    pub(crate) others: &'a [(&'a Report, &'a Items)],
    pub(crate) agreed: Agreed,
    /// What was counted.
    pub(crate) votes: RoundVotes,
}

impl Run<'_> {
    fn decide(
        &self,
        state: Option<&PriceState>,
    ) -> Result<domain::evaluation::PriceDecision, DecisionError> {
        let lead = self.items.evidence(self.report);
        let Some(round) = &self.round else { return decide(state, lead, &BREAKER) };
        let others: Vec<Evidence<'_>> =
            round.others.iter().map(|(report, items)| items.evidence(report)).collect();
        let evidence = RoundEvidence { lead, others: &others, agreed: round.agreed };
        decide_round(state, evidence, &BREAKER)
    }
}

/// Decides on the price of a report or a round inside the transaction that records it: one rule, in one place. The decision's number
/// comes back; none if the price stays untouched.
///
/// A valid evaluation moves the alias `listed`, unless its price waits for confirmation or is refused.
/// A tripped price queues its confirmation: the same version with another seed.
pub(crate) async fn decide_price(
    transaction: &StoreTransaction,
    run: &Run<'_>,
) -> Result<Option<i64>, ServiceError> {
    let Run { version, report, digest, now, .. } = run;
    if let Some(reason) = report.no_price {
        tracing::info!(report = %digest, %reason, "a report without a price");
        return Ok(None);
    }
    // Two workers may end runs of one model at once: the lock makes one see what the other decided.
    transaction.lock_ledger().await?;
    let stage = stage_of(transaction, &run.job.suite).await?;
    if stage != SuiteStage::Active {
        tracing::info!(report = %digest, stage = stage.as_str(), "a report on a suite that does not price");
        return Ok(None);
    }
    if let Some(reason) = unlistable(transaction, version).await? {
        tracing::info!(report = %digest, reason, "a report that does not bear on the accepted price");
        return Ok(None);
    }
    if let Some(listed) = listed_ordinal(transaction, &version.model_id)
        .await?
        .filter(|listed| version.ordinal < *listed)
    {
        // The version under `listed` prices the model; measuring an older one again is a fact about that one, not about the price.
        tracing::info!(report = %digest, version = version.ordinal, listed, "a report of a version that prices no more");
        return Ok(None);
    }
    let latest = price_decision::latest(transaction, &version.model_id).await?;
    let state: Option<PriceState> = match &latest {
        Some(row) => serde_json::from_str(&row.record).map_err(ServiceError::internal)?,
        None => None,
    };
    let decided = match run.decide(state.as_ref()) {
        Ok(decided) => decided,
        Err(error @ (DecisionError::OtherTrack { .. } | DecisionError::Counted(_))) => {
            tracing::warn!(report = %digest, cause = %error, "a report that does not bear on the accepted price");
            return Ok(None);
        }
        Err(error) => return Err(ServiceError::internal(error)),
    };
    let seq = latest.map_or(1, |row| row.seq + 1);
    // After everything that the ledger has: whoever asks for a moment that is over never finds it there.
    let decided_at = noted_moment(transaction, *now).await?;
    let row = PriceDecisionRow {
        model_id: version.model_id.clone(),
        seq,
        version_id: version.id.clone(),
        report_digest: digest.hex(),
        status: decided.status.as_str().to_owned(),
        price_micro: decided.price_micro,
        est_micro: Some(decided.est_micro),
        previous_micro: decided.previous_micro,
        sigma_ln: decided.sigma_ln.to_string(),
        sigma_delta: decided.sigma_delta.map(|s| s.to_string()),
        band_ln: decided.band_ln.map(|s| s.to_string()),
        record: serde_json::to_string(&decided.state).map_err(ServiceError::internal)?,
        decided_at,
    };
    price_decision::insert(transaction, row).await?;
    let model = registered_model::get_by_id(transaction, &version.model_id).await?.try_into()?;
    let votes = run.round.as_ref().map(|round| &round.votes);
    append_leaf(transaction, NewLeaf::accepted_price(&model, seq, &decided, votes, *now)?).await?;
    follow(transaction, run, decided.status).await?;
    Ok(Some(seq))
}

/// What a decision brings with it: a confirmation is queued, or the alias `listed` moves.
async fn follow(
    transaction: &StoreTransaction,
    run: &Run<'_>,
    status: Status,
) -> Result<(), ServiceError> {
    let Run { version, job, digest, now, .. } = run;
    match status {
        Status::Tripped if run.round.is_some() => {
            let Some(round) = &run.round else { return Ok(()) };
            insert_confirmation(transaction, version, round.row, *digest, now.as_millis()).await?;
        }
        Status::Tripped => {
            // Id and seed follow from the report, whose digest nobody knows beforehand: nobody can have taken them.
            let id = format!("c-{}", &digest.hex()[..30]);
            let mut seed = [0; 8];
            seed.copy_from_slice(&digest.as_bytes()[..8]);
            let seed = u64::from_le_bytes(seed);
            let mut confirmation =
                queued_row(id, &version.id, &job.suite, &job.protocol, seed, now.as_millis());
            confirmation.confirms = Some(digest.hex());
            evaluation_job::insert(transaction, confirmation).await?;
        }
        Status::Refused => {}
        Status::Admitted | Status::Accepted | Status::Deadband => {
            list_version(
                transaction,
                version,
                &format!("valid evaluation {digest}"),
                now.as_millis(),
            )
            .await?;
        }
    }
    Ok(())
}

/// Ordinal of the version under the alias `listed`, if the model has one.
pub(crate) async fn listed_ordinal(
    transaction: &StoreTransaction,
    model_id: &str,
) -> Result<Option<i64>, ServiceError> {
    let Some(alias) = alias_move::current(transaction, model_id, LISTED).await? else {
        return Ok(None);
    };
    let version = model_version::find_by_id(transaction, &alias.version_id).await?;
    Ok(version.map(|version| version.ordinal))
}

impl Service {
    /// The decision behind a model's accepted price.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_accepted_price(
        &self,
        model: &Model,
    ) -> Result<Option<PriceDecision>, ServiceError> {
        price_decision::latest_accepted(&self.store, &model.id)
            .await?
            .map(PriceDecision::read)
            .transpose()
    }

    /// The decision on a report's price.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_decision(
        &self,
        report: Digest,
    ) -> Result<Option<PriceDecision>, ServiceError> {
        price_decision::find_by_report(&self.store, &report.hex())
            .await?
            .map(PriceDecision::read)
            .transpose()
    }

    /// Decisions on a model in order.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_price_decisions(
        &self,
        model: &Model,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<PriceDecision>, ServiceError> {
        let rows = price_decision::list(&self.store, &model.id, after, limit).await?;
        rows.into_iter().map(PriceDecision::read).collect()
    }
}
