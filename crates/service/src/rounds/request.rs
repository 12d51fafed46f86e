//! A round is asked for. Who sits in it is drawn later, by what nobody knows yet.

use domain::{digest::Digest, name::Name};
use serde::{Deserialize, Serialize};
use store::{RoundRow, StoreTransaction, VersionRow, evaluation_round, version_yank};

use super::Round;
use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    evaluators::{RULE, candidates},
    quorum::{QuorumSetting, setting},
    roles::Right,
    token::{Caller, Scope},
};

/// A request to have a version measured by several evaluators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestRound {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// The suite's id.
    pub suite: String,
    /// The protocol.
    pub protocol: String,
    /// Whether the answer is known: the version is a clone of the reference. Evaluators are not told.
    pub trap: bool,
}

/// What a round is of.
pub(crate) struct Terms<'a> {
    pub(crate) version_id: &'a str,
    pub(crate) suite: &'a str,
    pub(crate) protocol: &'a str,
}

async fn insert(
    transaction: &StoreTransaction,
    id: String,
    terms: &Terms<'_>,
    setting: QuorumSetting,
    (confirms, trap): (Option<Digest>, bool),
    (asked_by, asked_at): (&str, i64),
) -> Result<(), ServiceError> {
    // The number is part of every commitment: two rounds never share it.
    transaction.lock_ledger().await?;
    let row = RoundRow {
        id,
        number: evaluation_round::latest(transaction).await?.map_or(1, |row| row.number + 1),
        version_id: terms.version_id.to_owned(),
        suite: terms.suite.to_owned(),
        protocol: terms.protocol.to_owned(),
        quorum: i64::from(setting.quorum),
        commit_ms: setting.commit_seconds as i64 * 1_000,
        reveal_ms: setting.reveal_seconds as i64 * 1_000,
        confirms: confirms.map(|digest| digest.hex()),
        trap,
        asked_by: asked_by.to_owned(),
        asked_at,
    };
    Ok(evaluation_round::insert(transaction, row).await?)
}

/// Asks for the round that is to confirm a tripped one: by another quorum, where there are enough evaluators.
pub(crate) async fn insert_confirmation(
    transaction: &StoreTransaction,
    version: &VersionRow,
    tripped: &RoundRow,
    report: Digest,
    now: i64,
) -> Result<(), ServiceError> {
    let id = format!("c-{}", &report.hex()[..30]);
    let terms =
        Terms { version_id: &version.id, suite: &tripped.suite, protocol: &tripped.protocol };
    let setting = setting(transaction).await?;
    insert(transaction, id, &terms, setting, (Some(report), false), (RULE, now)).await
}

/// Asks for a round, or for a job at a quorum of 1, because a price has grown old.
pub(crate) async fn insert_renewal(
    transaction: &StoreTransaction,
    id: String,
    terms: &Terms<'_>,
    setting: QuorumSetting,
    now: i64,
) -> Result<(), ServiceError> {
    insert(transaction, id, terms, setting, (None, false), (RULE, now)).await
}

impl Service {
    /// Asks for a round by the quorum in force.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for an unknown protocol, a quorum of 1 or too few evaluators; [`ServiceError::Yanked`],
    /// [`ServiceError::NotOwner`], [`ServiceError::Absent`]; [`ServiceError::Scope`] for a trap without `operate`.
    pub async fn request_round(
        &self,
        caller: &Caller,
        key: &str,
        input: &RequestRound,
    ) -> Result<Round, ServiceError> {
        let model = self.get_readable_model(&caller.into(), &input.model).await?;
        if caller.may_measure() {
            caller.check_bound(&model.name)?;
        } else {
            self.check_right(caller, &model, Right::Maintain).await?;
        }
        if input.trap && !caller.may(Scope::Operate) {
            return Err(Scope::Operate.into());
        }
        crate::jobs::check_protocol(&input.protocol)?;
        let version_name = format!("{}/{}", model.name, input.version);
        let version = self.find_version(&model, &input.version).await?;
        let version = version.ok_or_else(|| ServiceError::absent("version", &version_name))?;
        self.get_suite(&input.suite).await?;
        let scope = [Scope::Publish, Scope::Evaluate, Scope::Operate];
        let operation = "evaluation_round_request";
        let request = Request { caller, scope: &scope, key, operation, input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return self.get_round(&id).await,
            Begun::Fresh(unit) => unit.about(&model),
        };
        let transaction = &unit.transaction;
        if version_yank::find(transaction, &version.id).await?.is_some() {
            return Err(ServiceError::Yanked(version_name));
        }
        let setting = setting(transaction).await?;
        if setting.quorum == 1 {
            let reason = "is 1: a single evaluator needs no round";
            return Err(ServiceError::invalid("quorum", reason));
        }
        let mut owners: Vec<String> = candidates(transaction, model.publisher.as_str())
            .await?
            .into_iter()
            .map(|candidate| candidate.owner)
            .collect();
        owners.sort();
        owners.dedup();
        if owners.len() < setting.quorum as usize {
            let reason = format!(
                "is {}; only {} owners other than {} have an active evaluator",
                setting.quorum,
                owners.len(),
                model.publisher
            );
            return Err(ServiceError::invalid("quorum", reason));
        }
        let terms =
            Terms { version_id: &version.id, suite: &input.suite, protocol: &input.protocol };
        let (id, by) = (unit.id("round"), (unit.owner(), unit.now()));
        insert(transaction, id.clone(), &terms, setting, (None, input.trap), by).await?;
        unit.finish(&version_name, id.clone()).await?;
        self.get_round(&id).await
    }
}
