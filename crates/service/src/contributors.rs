//! Contributors: who made a model, in parts per billion that sum to one. A revision is a whole split.
//!
//! The first admission to a fund takes the split in force and fixes it on the ledger for ever; a later revision changes what the
//! registry says, and not who is paid.

use std::collections::BTreeSet;

use domain::{
    amount::{PPB_ONE, Ppb},
    name::Name,
};
use serde::Serialize;
use store::{Connection, ContributorRow, model_contributor};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    models::Model,
    moment::next_moment,
    roles::Right,
    token::{Caller, Scope},
};

/// Most contributors of a model.
pub(crate) const CONTRIBUTORS_MAX: usize = 100;

/// One part of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contributor {
    /// Who.
    pub login: Name,
    /// Parts per billion.
    pub share_ppb: i64,
}

/// The split in force.
#[derive(Clone, Debug)]
pub struct Contributors {
    /// Counts the splits of the model from 1.
    pub revision: i64,
    /// Its parts; the first takes the dust of every payment.
    pub parts: Vec<Contributor>,
}

/// A new split of the caller's model.
#[derive(Clone, Debug, Serialize)]
pub struct SetContributors {
    /// The model.
    pub model: Name,
    /// The parts.
    pub parts: Vec<Contributor>,
}

fn check(parts: &[Contributor]) -> Result<(), ServiceError> {
    let fail = |reason: String| Err(ServiceError::invalid("contributors", reason));
    if parts.is_empty() || parts.len() > CONTRIBUTORS_MAX {
        return fail(format!("are {}; expected 1 to {CONTRIBUTORS_MAX}", parts.len()));
    }
    let mut seen = BTreeSet::new();
    for part in parts {
        if !(1..=PPB_ONE).contains(&part.share_ppb) {
            let share = part.share_ppb;
            return fail(format!("{} has {share} ppb; expected 1 to {PPB_ONE}", part.login));
        }
        if !seen.insert(&part.login) {
            return fail(format!("{} stands twice", part.login));
        }
    }
    // At most 100 parts of at most 1e9 each: the sum cannot overflow.
    let sum: i64 = parts.iter().map(|part| part.share_ppb).sum();
    if sum != PPB_ONE {
        return fail(format!("sum to {sum} ppb; expected exactly {PPB_ONE}"));
    }
    Ok(())
}

/// The split in force on a connection.
pub(crate) async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<Contributors>, ServiceError> {
    let Some(revision) = model_contributor::last_revision(connection, model_id).await? else {
        return Ok(None);
    };
    let limit = CONTRIBUTORS_MAX as u64;
    let rows = model_contributor::list(connection, model_id, revision, limit).await?;
    let part = |row: ContributorRow| {
        let login = row.login.parse().map_err(ServiceError::internal)?;
        Ok(Contributor { login, share_ppb: row.share_ppb })
    };
    let parts = rows.into_iter().map(part).collect::<Result<_, ServiceError>>()?;
    Ok(Some(Contributors { revision, parts }))
}

/// The split as the ledger takes it; empty where nothing is declared, which the ledger reads as the publisher alone.
pub(crate) async fn ledger_split<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Vec<(Name, Ppb)>, ServiceError> {
    let split = current(connection, model_id).await?;
    let parts = split.map(|split| split.parts).unwrap_or_default();
    Ok(parts.into_iter().map(|part| (part.login, Ppb::from_ppb(part.share_ppb))).collect())
}

impl Service {
    /// Declares who made the caller's model, in which parts.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for parts that do not sum to one or name somebody twice, [`ServiceError::NotOwner`],
    /// [`ServiceError::Absent`].
    pub async fn set_contributors(
        &self,
        caller: &Caller,
        key: &str,
        input: &SetContributors,
    ) -> Result<Model, ServiceError> {
        let model = self.get_model_for(caller, &input.model, Right::Own).await?;
        check(&input.parts)?;
        let operation = "model_contributors_set";
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(model),
            Begun::Fresh(unit) => unit.about(&model),
        };
        // A moment of its own: who may know of a version is told as of every moment.
        unit.transaction.lock_ledger().await?;
        let set_at = next_moment(&unit.transaction, caller.now).await?.as_millis();
        let last = model_contributor::last_revision(&unit.transaction, &model.id).await?;
        let revision = last.unwrap_or(0) + 1;
        let row = |(position, part): (usize, &Contributor)| ContributorRow {
            model_id: model.id.clone(),
            revision,
            position: position as i64,
            login: part.login.to_string(),
            share_ppb: part.share_ppb,
            set_by: unit.owner().to_owned(),
            set_at,
        };
        let rows = input.parts.iter().enumerate().map(row).collect();
        model_contributor::insert_all(&unit.transaction, rows).await?;
        unit.finish(model.name.as_str(), model.name.to_string()).await?;
        Ok(model)
    }

    /// The split in force; none before the first declaration.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_contributors(
        &self,
        model: &Model,
    ) -> Result<Option<Contributors>, ServiceError> {
        current(&self.store, &model.id).await
    }
}
