//! Aliases: pointers that move, and a history of every move. `listed` moves by itself with valid evaluations, unless it is pinned.

use domain::{name::Name, time::Timestamp};
use serde::{Deserialize, Serialize};
use store::{
    AliasMoveRow, PinRow, StoreTransaction, VersionRow, alias_move, alias_pin, version_yank,
};

use crate::roles::Right;
use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    log::{NewLeaf, append_leaf},
    models::Model,
    token::{Caller, Scope},
    versions::LISTED,
    yanks::check_reason,
};

/// Most aliases of a model.
const ALIASES_MAX: u64 = 100;

/// One move of an alias.
#[derive(Clone, Debug)]
pub struct AliasMove {
    /// The alias.
    pub alias: String,
    /// Counts the moves of this alias from 1.
    pub seq: i64,
    /// Row id of the version that it points at from then on.
    pub version_id: String,
    /// Who moved it.
    pub moved_by: Name,
    /// Why.
    pub reason: String,
    /// When.
    pub moved_at: Timestamp,
}

impl TryFrom<AliasMoveRow> for AliasMove {
    type Error = ServiceError;

    fn try_from(row: AliasMoveRow) -> Result<Self, ServiceError> {
        Ok(Self {
            alias: row.alias,
            seq: row.seq,
            version_id: row.version_id,
            moved_by: row.moved_by.parse().map_err(ServiceError::internal)?,
            reason: row.reason,
            moved_at: Timestamp::from_millis(row.moved_at),
        })
    }
}

/// A pin that is in force.
#[derive(Clone, Debug)]
pub struct Pin {
    /// Why.
    pub reason: String,
    /// Who set it.
    pub set_by: Name,
    /// When.
    pub set_at: Timestamp,
}

/// Where an alias shall point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MoveAlias {
    /// The caller's model.
    pub model: Name,
    /// The alias, such as `champion`.
    pub alias: Name,
    /// The version.
    pub version: Name,
    /// Why, in words.
    pub reason: String,
}

#[derive(Serialize)]
struct SetPin<'a> {
    model: &'a Name,
    pinned: bool,
    reason: &'a str,
}

/// Why an evaluated version may not be listed now; none if it may.
pub(crate) async fn unlistable(
    transaction: &StoreTransaction,
    version: &VersionRow,
) -> Result<Option<&'static str>, ServiceError> {
    if version_yank::find(transaction, &version.id).await?.is_some() {
        return Ok(Some("the version is yanked"));
    }
    let pin = alias_pin::current(transaction, &version.model_id, LISTED).await?;
    if !pin.is_some_and(|row| row.pinned) {
        return Ok(None);
    }
    let listed = alias_move::current(transaction, &version.model_id, LISTED).await?;
    let elsewhere = listed.is_some_and(|row| row.version_id != version.id);
    Ok(elsewhere.then_some("another version is pinned as listed"))
}

impl Service {
    /// Moves an alias of the caller's model to a version; no row if it points there already.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for `listed`, which follows evaluations, [`ServiceError::Yanked`], [`ServiceError::Absent`],
    /// [`ServiceError::NotOwner`].
    pub async fn move_alias(
        &self,
        caller: &Caller,
        key: &str,
        input: &MoveAlias,
    ) -> Result<AliasMove, ServiceError> {
        let model = self.get_model_for(caller, &input.model, Right::Maintain).await?;
        let (alias, reason) = (input.alias.as_str(), &input.reason);
        if alias == LISTED {
            let reason = "follows valid evaluations and is not moved by hand; it can be pinned";
            return Err(ServiceError::invalid("alias", format!("{LISTED} {reason}")));
        }
        check_reason(reason)?;
        let version = self.get_version(&model, &input.version).await?;
        let request =
            Request { caller, scope: &[Scope::Publish], key, operation: "alias_move", input };
        let unit = match self.begin::<_, i64>(&request).await? {
            Begun::Replayed(seq) => return self.get_alias_move(&model, alias, seq).await,
            Begun::Fresh(unit) => unit.about(&model),
        };
        let transaction = &unit.transaction;
        // A yank takes the same lock: either it is seen here, or it sees the alias.
        transaction.lock_ledger().await?;
        if version_yank::find(transaction, &version.id).await?.is_some() {
            return Err(ServiceError::Yanked(format!("{}/{}", model.name, version.name)));
        }
        let current = alias_move::current(transaction, &model.id, alias).await?;
        if current.is_none() {
            let there = alias_move::list_current(transaction, &model.id, None, ALIASES_MAX).await?;
            if there.len() as u64 >= ALIASES_MAX {
                let reason = format!("model {} has {ALIASES_MAX} aliases, the most", model.name);
                return Err(ServiceError::invalid("alias", reason));
            }
        }
        let is_there = matches!(&current, Some(row) if row.version_id == version.id);
        let row = match current {
            Some(row) if row.version_id == version.id => row,
            current => {
                let row = AliasMoveRow {
                    model_id: model.id.clone(),
                    alias: alias.to_owned(),
                    seq: current.map_or(1, |row| row.seq + 1),
                    version_id: version.id.clone(),
                    moved_by: unit.owner().to_owned(),
                    reason: reason.clone(),
                    moved_at: unit.now(),
                };
                alias_move::insert(transaction, row.clone()).await?;
                append_leaf(
                    transaction,
                    NewLeaf::alias_move(&model, &input.alias, &version, caller.now),
                )
                .await?;
                row
            }
        };
        let mut unit = unit;
        if !is_there {
            unit.has_appended();
            let told = serde_json::json!({
                "alias": alias, "version": version.name, "reason": reason, "number": row.seq,
            });
            unit.tell(&model, "alias.moved", told);
        }
        unit.finish(&format!("{}@{alias}", model.name), row.seq).await?;
        row.try_into()
    }

    async fn get_alias_move(
        &self,
        model: &Model,
        alias: &str,
        seq: i64,
    ) -> Result<AliasMove, ServiceError> {
        let rows = alias_move::history(&self.store, &model.id, alias, Some(seq - 1), 1).await?;
        let row = rows.into_iter().next();
        row.ok_or_else(|| ServiceError::absent("alias", alias))?.try_into()
    }

    /// Keeps `listed` where it is, whatever is evaluated, or lets it follow evaluations again.
    ///
    /// While it is pinned, reports of other versions are recorded and decide nothing about the price.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] while nothing is listed, [`ServiceError::NotOwner`], [`ServiceError::Absent`].
    pub async fn set_listed_pin(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        pinned: bool,
        reason: &str,
    ) -> Result<Model, ServiceError> {
        let model = self.get_model_for(caller, name, Right::Own).await?;
        check_reason(reason)?;
        let input = SetPin { model: name, pinned, reason };
        let request = Request {
            caller,
            scope: &[Scope::Publish],
            key,
            operation: "listed_pin_set",
            input: &input,
        };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(model),
            Begun::Fresh(unit) => unit.about(&model),
        };
        let transaction = &unit.transaction;
        // Prices are decided under the same lock, so that a pin is either seen by a decision or comes after it.
        transaction.lock_ledger().await?;
        if pinned && alias_move::current(transaction, &model.id, LISTED).await?.is_none() {
            let reason = format!("model {name} has no listed version");
            return Err(ServiceError::invalid("pinned", reason));
        }
        let current = alias_pin::current(transaction, &model.id, LISTED).await?;
        if current.as_ref().is_some_and(|row| row.pinned) != pinned {
            let row = PinRow {
                model_id: model.id.clone(),
                alias: LISTED.to_owned(),
                seq: current.map_or(1, |row| row.seq + 1),
                pinned,
                reason: reason.to_owned(),
                set_by: unit.owner().to_owned(),
                set_at: unit.now(),
            };
            alias_pin::insert(transaction, row).await?;
        }
        unit.finish(name.as_str(), name.to_string()).await?;
        Ok(model)
    }

    /// The pin of `listed`, while it is in force.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_listed_pin(&self, model: &Model) -> Result<Option<Pin>, ServiceError> {
        let row = alias_pin::current(&self.store, &model.id, LISTED).await?;
        let pin = |row: PinRow| {
            Ok(Pin {
                reason: row.reason,
                set_by: row.set_by.parse().map_err(ServiceError::internal)?,
                set_at: Timestamp::from_millis(row.set_at),
            })
        };
        row.filter(|row| row.pinned).map(pin).transpose()
    }

    /// Where the aliases of a model point, by alias after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_aliases(
        &self,
        model: &Model,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<AliasMove>, ServiceError> {
        let rows = alias_move::list_current(&self.store, &model.id, after, limit).await?;
        rows.into_iter().map(AliasMove::try_from).collect()
    }

    /// Every move of an alias, oldest first, after a number, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_alias_moves(
        &self,
        model: &Model,
        alias: &str,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<AliasMove>, ServiceError> {
        let rows = alias_move::history(&self.store, &model.id, alias, after, limit).await?;
        rows.into_iter().map(AliasMove::try_from).collect()
    }
}
