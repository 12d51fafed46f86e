//! A worker's part in rounds: it seals what it measured, commits to it, and reveals it when the time has come, also after a restart.

use domain::{
    evaluation::{EvaluatorKey, Report, samples},
    name::Name,
    time::Timestamp,
};
use evaluator::Evaluation;
use store::JobRow;

use crate::{Service, ServiceError, rounds::Reveal, sealed::SealedFolder, worker::Worker};

impl Worker {
    fn sealed_folder(&self, key: &EvaluatorKey) -> Result<SealedFolder, ServiceError> {
        // One folder a key: several evaluators may share a data folder.
        let folder = self.sealed.join(key.public().hex());
        SealedFolder::open(&folder).map_err(ServiceError::internal)
    }

    /// Moves rounds on and reveals what is due; a round that ends with this reveal is settled at once.
    pub(crate) async fn tend_rounds(
        &self,
        service: &Service,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        if self.key.is_none() {
            return Ok(());
        }
        let entropy =
            || (self.entropy)().ok_or_else(|| ServiceError::internal("no random numbers"));
        service.advance_rounds(now, entropy()?).await?;
        if self.reveal_due(service, now).await? {
            service.advance_rounds(now, entropy()?).await?;
        }
        Ok(())
    }

    /// Reveals what it committed to, wherever a reveal has begun, and forgets what is over. `false` if there was nothing to do.
    pub(crate) async fn reveal_due(
        &self,
        service: &Service,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let Some(key) = &self.key else { return Ok(false) };
        let sealed = self.sealed_folder(key)?;
        let mut is_any = false;
        for job in sealed.jobs().map_err(ServiceError::internal)? {
            let Some(seated) = service.find_seat(&job).await? else { continue };
            let is_over =
                store::round_verdict::find(&service.store, &seated.round.id).await?.is_some();
            if !is_over && !service.is_revealing(&seated.round.id).await? {
                continue;
            }
            let reveal = sealed.find(&job).map_err(ServiceError::internal)?;
            if let (false, Some(reveal)) = (is_over, reveal) {
                match service.reveal_report(&job, &reveal, now).await {
                    Ok(digest) => tracing::info!(job, report = %digest, "report revealed"),
                    Err(error) if error.is_ours() => return Err(error),
                    Err(error) => tracing::warn!(job, cause = %error, "reveal refused"),
                }
                is_any = true;
            }
            sealed.forget(&job).map_err(ServiceError::internal)?;
        }
        Ok(is_any)
    }

    /// Commits again to what was sealed before a crash, instead of measuring anew; `false` if nothing was.
    pub(crate) async fn commit_sealed(
        &self,
        service: &Service,
        job: &JobRow,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let Some(key) = &self.key else { return Ok(false) };
        let sealed = self.sealed_folder(key)?;
        let Some(reveal) = sealed.find(&job.id).map_err(ServiceError::internal)? else {
            return Ok(false);
        };
        self.commit(service, job, &reveal, now).await?;
        Ok(true)
    }

    /// Signs a report of a seated job, seals it and commits to it.
    pub(crate) async fn seal(
        &self,
        service: &Service,
        job: &JobRow,
        (report, evaluation, evaluator): (&Report, &Evaluation, &Name),
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let key = self.key.as_ref();
        let key = key.ok_or_else(|| ServiceError::internal("a seat without its key"))?;
        let body = report.to_canonical().map_err(ServiceError::internal)?;
        let digest = report.digest().map_err(ServiceError::internal)?;
        let salt = (self.entropy)().ok_or_else(|| ServiceError::internal("no random numbers"))?;
        let samples = samples::to_blob(&evaluation.measurement).map_err(ServiceError::internal)?;
        let attestation = key.attest(digest, evaluator);
        let reveal = Reveal { body, samples, salt, attestation };
        let sealed = self.sealed_folder(key)?;
        // On the disk before the commitment: whoever is committed can reveal, whatever happens.
        sealed.keep(&job.id, &reveal).map_err(ServiceError::internal)?;
        let kept = sealed.find(&job.id).map_err(ServiceError::internal)?;
        let kept = kept.ok_or_else(|| ServiceError::internal("a sealed report that went away"))?;
        self.commit(service, job, &kept, now).await
    }

    async fn commit(
        &self,
        service: &Service,
        job: &JobRow,
        reveal: &Reveal,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let Some(seated) = service.find_seat(&job.id).await? else { return Ok(()) };
        let commitment = seated.commitment(&reveal.salt, reveal.attestation.report);
        match service.commit_report(&job.id, commitment, now).await {
            Ok(()) => tracing::info!(job = job.id, round = seated.round.number, "committed"),
            Err(error) if error.is_ours() => return Err(error),
            // Too late, or another worker of this evaluator was first: the round goes on without this report.
            Err(error) => tracing::warn!(job = job.id, cause = %error, "commitment refused"),
        }
        Ok(())
    }
}
