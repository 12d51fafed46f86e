//! Evaluators: whose reports count, with which weight. The key is the identity, the owner answers for it; history is insert-only.

use domain::{
    evaluation::{
        PublicKey,
        committee::{Candidate, MISSES_MAX, MISSES_WINDOW, is_active, weight_share},
    },
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{
    Connection, EvaluatorRow, StandingRow, StoreTransaction, evaluator, evaluator_standing,
    round_outcome,
};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    token::{Caller, Scope},
};

/// All of a weight.
pub(crate) const WEIGHT_PPB: i64 = 1_000_000_000;
/// Who sets a standing when no person does.
pub(crate) const RULE: &str = "rule";
/// Most evaluators that are looked at in a draw.
const EVALUATORS_MAX: u64 = 10_000;

/// A new evaluator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterEvaluator {
    /// Whose name its reports bear.
    pub name: Name,
    /// The login that answers for it; models that this login publishes it never measures.
    pub owner: Name,
    /// Its public key.
    pub public_key: PublicKey,
    /// Its weight, at most 10⁹.
    pub weight_ppb: u64,
}

/// A standing that a person gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetStanding {
    /// The evaluator.
    pub name: Name,
    /// Its weight, at most 10⁹.
    pub weight_ppb: u64,
    /// Whether it is drawn; a retired one is not.
    pub active: bool,
    /// Why.
    pub reason: String,
}

/// An evaluator as it stands.
#[derive(Clone, Debug)]
pub struct Evaluator {
    /// Whose name its reports bear.
    pub name: Name,
    /// Who answers for it.
    pub owner: Name,
    /// Its public key.
    pub public_key: PublicKey,
    /// Whether it is drawn.
    pub active: bool,
    /// The weight that was given.
    pub given_ppb: i64,
    /// What its deviations leave of it: the weight that counts.
    pub weight_ppb: i64,
    /// Moving average of its deviations from the consensus, in scales.
    pub mean_deviation: f64,
    /// Why it stands so.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was registered.
    pub registered_at: Timestamp,
}

impl Evaluator {
    pub(crate) async fn read<C: Connection>(
        connection: &C,
        row: EvaluatorRow,
    ) -> Result<Self, ServiceError> {
        let standing = evaluator_standing::current(connection, &row.public_key).await?;
        let standing =
            standing.ok_or_else(|| ServiceError::internal("an evaluator without a standing"))?;
        let last = round_outcome::latest(connection, &row.public_key).await?;
        let mean_deviation = match last {
            Some(last) => last.mean_deviation.parse().map_err(ServiceError::internal)?,
            None => 0.0,
        };
        let weight = standing.weight_ppb as f64 * weight_share(mean_deviation);
        Ok(Self {
            name: row.name.parse().map_err(ServiceError::internal)?,
            owner: row.owner.parse().map_err(ServiceError::internal)?,
            public_key: row.public_key.parse().map_err(ServiceError::internal)?,
            active: standing.active,
            given_ppb: standing.weight_ppb,
            weight_ppb: weight as i64,
            mean_deviation,
            reason: standing.reason,
            since: Timestamp::from_millis(standing.set_at),
            registered_at: Timestamp::from_millis(row.registered_at),
        })
    }
}

/// Who may be drawn for a model of `publisher`: active, with weight, and not his own.
pub(crate) async fn candidates(
    transaction: &StoreTransaction,
    publisher: &str,
) -> Result<Vec<Candidate>, ServiceError> {
    let mut candidates = Vec::new();
    for row in evaluator::list(transaction, None, EVALUATORS_MAX).await? {
        let evaluator = Evaluator::read(transaction, row).await?;
        if evaluator.active && evaluator.weight_ppb > 0 && evaluator.owner.as_str() != publisher {
            let owner = evaluator.owner.to_string();
            candidates.push(Candidate { key: evaluator.public_key, owner });
        }
    }
    Ok(candidates)
}

/// Writes a standing that follows the one in force.
pub(crate) async fn write_standing(
    transaction: &StoreTransaction,
    public_key: &str,
    (weight_ppb, active): (i64, bool),
    reason: String,
    (set_by, set_at): (&str, i64),
) -> Result<(), ServiceError> {
    let current = evaluator_standing::current(transaction, public_key).await?;
    let row = StandingRow {
        public_key: public_key.to_owned(),
        seq: current.map_or(1, |row| row.seq + 1),
        weight_ppb,
        active,
        reason,
        set_by: set_by.to_owned(),
        set_at,
    };
    Ok(evaluator_standing::insert(transaction, row).await?)
}

/// Takes an evaluator out of the draws that missed too many of its last rounds, until a person lets it in again.
pub(crate) async fn cut_off_if_idle(
    transaction: &StoreTransaction,
    public_key: &str,
    now: i64,
) -> Result<(), ServiceError> {
    let Some(standing) = evaluator_standing::current(transaction, public_key).await? else {
        return Ok(());
    };
    let last =
        round_outcome::list_latest(transaction, public_key, standing.set_at, MISSES_WINDOW as u64);
    let missed: Vec<bool> = last
        .await?
        .iter()
        .rev()
        .map(|row| matches!(row.outcome.as_str(), "missed" | "unrevealed"))
        .collect();
    if !standing.active || is_active(&missed) {
        return Ok(());
    }
    let reason = format!("missed {MISSES_MAX} of its last {MISSES_WINDOW} rounds");
    write_standing(transaction, public_key, (standing.weight_ppb, false), reason, (RULE, now)).await
}

fn check_weight(weight_ppb: u64) -> Result<i64, ServiceError> {
    i64::try_from(weight_ppb).ok().filter(|weight| *weight <= WEIGHT_PPB).ok_or_else(|| {
        ServiceError::invalid("weightPpb", format!("is {weight_ppb}; at most {WEIGHT_PPB}"))
    })
}

impl Service {
    /// Registers an evaluator; it is drawn from then on.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without `operate`, [`ServiceError::Invalid`], [`ServiceError::Exists`] for a name or key that is there.
    pub async fn register_evaluator(
        &self,
        caller: &Caller,
        key: &str,
        input: &RegisterEvaluator,
    ) -> Result<Evaluator, ServiceError> {
        let weight_ppb = check_weight(input.weight_ppb)?;
        let (scope, operation) = ([Scope::Operate], "evaluator_register");
        let request = Request { caller, scope: &scope, key, operation, input };
        let unit = match self.begin::<_, Name>(&request).await? {
            Begun::Replayed(name) => return self.get_evaluator(&name).await,
            Begun::Fresh(unit) => unit,
        };
        let (transaction, public_key) = (&unit.transaction, input.public_key.hex());
        let exists = |name: &str| ServiceError::Exists { kind: "evaluator", name: name.to_owned() };
        if evaluator::find_by_name(transaction, input.name.as_str()).await?.is_some() {
            return Err(exists(input.name.as_str()));
        }
        if evaluator::find(transaction, &public_key).await?.is_some() {
            return Err(exists(&public_key));
        }
        let row = EvaluatorRow {
            public_key: public_key.clone(),
            name: input.name.to_string(),
            owner: input.owner.to_string(),
            registered_by: unit.owner().to_owned(),
            registered_at: unit.now(),
        };
        evaluator::insert(transaction, row).await?;
        let (reason, by) = ("registered".to_owned(), (unit.owner(), unit.now()));
        write_standing(transaction, &public_key, (weight_ppb, true), reason, by).await?;
        let name = unit.finish(input.name.as_str(), input.name.clone()).await?;
        self.get_evaluator(&name).await
    }

    /// Changes the weight of an evaluator, retires it or lets it in again.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without `operate`, [`ServiceError::Invalid`], [`ServiceError::Absent`].
    pub async fn set_standing(
        &self,
        caller: &Caller,
        key: &str,
        input: &SetStanding,
    ) -> Result<Evaluator, ServiceError> {
        let weight_ppb = check_weight(input.weight_ppb)?;
        if input.reason.trim().is_empty() {
            return Err(ServiceError::invalid("reason", "is empty"));
        }
        let (scope, operation) = ([Scope::Operate], "evaluator_standing_set");
        let request = Request { caller, scope: &scope, key, operation, input };
        let unit = match self.begin::<_, Name>(&request).await? {
            Begun::Replayed(name) => return self.get_evaluator(&name).await,
            Begun::Fresh(unit) => unit,
        };
        let row = evaluator::find_by_name(&unit.transaction, input.name.as_str()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("evaluator", input.name.as_str()))?;
        let by = (unit.owner(), unit.now());
        let standing = (weight_ppb, input.active);
        let reason = input.reason.clone();
        write_standing(&unit.transaction, &row.public_key, standing, reason, by).await?;
        let name = unit.finish(input.name.as_str(), input.name.clone()).await?;
        self.get_evaluator(&name).await
    }

    /// The evaluator of a name.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_evaluator(&self, name: &Name) -> Result<Evaluator, ServiceError> {
        let row = evaluator::find_by_name(&self.store, name.as_str()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("evaluator", name.as_str()))?;
        Evaluator::read(&self.store, row).await
    }

    /// The evaluator of a key, if it is registered.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_evaluator(
        &self,
        public_key: &PublicKey,
    ) -> Result<Option<Evaluator>, ServiceError> {
        match evaluator::find(&self.store, &public_key.hex()).await? {
            Some(row) => Evaluator::read(&self.store, row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Evaluators by name after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_evaluators(
        &self,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Evaluator>, ServiceError> {
        let mut evaluators = Vec::new();
        for row in evaluator::list(&self.store, after, limit).await? {
            evaluators.push(Evaluator::read(&self.store, row).await?);
        }
        Ok(evaluators)
    }
}
