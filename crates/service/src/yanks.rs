//! Yanks: a version is withdrawn from new use with a reason. Nothing is deleted: it stays readable and downloadable.

use domain::{name::Name, time::Timestamp};
use serde::{Deserialize, Serialize};
use store::{Moment, YankRow, version_yank};

use crate::roles::Right;
use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    dealing::record_moment,
    holds::release_all,
    log::NewLeaf,
    models::Model,
    token::{Caller, Scope},
    versions::Version,
};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1000;

/// The yank of a version.
#[derive(Clone, Debug)]
pub struct Yank {
    /// Why.
    pub reason: String,
    /// Who yanked it.
    pub yanked_by: Name,
    /// When.
    pub yanked_at: Timestamp,
}

/// What is to be yanked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct YankVersion {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// Why, in words.
    pub reason: String,
}

/// A reason says something, and not too much.
pub(crate) fn check_reason(reason: &str) -> Result<(), ServiceError> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(ServiceError::invalid(
            "reason",
            format!("expected words of at most {REASON_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}

impl Service {
    /// Yanks a version, for ever: it is not evaluated anew, not listed anew, and no alias moves to it.
    ///
    /// The publisher yanks his own, the operator any. The alias that points at it stays, and shows a yanked version.
    ///
    /// # Errors
    /// [`ServiceError::Yanked`] if it was yanked before, [`ServiceError::NotOwner`], [`ServiceError::Absent`].
    pub async fn yank_version(
        &self,
        caller: &Caller,
        key: &str,
        input: &YankVersion,
    ) -> Result<Version, ServiceError> {
        let model = self.get_readable_model(&caller.into(), &input.model).await?;
        if !caller.may(Scope::Operate) {
            self.check_right(caller, &model, Right::Own).await?;
        }
        check_reason(&input.reason)?;
        let version = self.get_version(&model, &input.version).await?;
        let scope = [Scope::Publish, Scope::Operate];
        let request = Request { caller, scope: &scope, key, operation: "version_yank", input };
        let guard = self.ledger.lock().await;
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(version),
            Begun::Fresh(unit) => unit.about(&model),
        };
        // Prices are decided and aliases moved under the same lock: what comes after this sees the yank.
        let mut ledger = self.lock_ledger(guard, unit).await?;
        let unit = &ledger.unit;
        let name = format!("{}/{}", model.name, version.name);
        if version_yank::find(&unit.transaction, &version.id).await?.is_some() {
            return Err(ServiceError::Yanked(name));
        }
        let row = YankRow {
            version_id: version.id.clone(),
            reason: input.reason.clone(),
            yanked_by: unit.owner().to_owned(),
            yanked_at: unit.now(),
        };
        version_yank::insert(&unit.transaction, row).await?;
        let moment = (version.id.as_str(), model.id.as_str());
        record_moment(&unit.transaction, moment, Moment::Yanked).await?;
        ledger.unit.append_leaf(NewLeaf::yank(&model, &version, caller.now)).await?;
        let told = serde_json::json!({ "version": version.name, "reason": input.reason });
        ledger.unit.tell(&model, "version.yanked", told);
        // Nobody waits for a version that prices nothing any more.
        release_all(&mut ledger, &model.name).await?;
        ledger.finish(&name, version.id.clone()).await?;
        Ok(version)
    }

    /// The yank of a version; none while it may be used.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_yank(&self, version: &Version) -> Result<Option<Yank>, ServiceError> {
        let yank = |row: YankRow| {
            Ok(Yank {
                reason: row.reason,
                yanked_by: row.yanked_by.parse().map_err(ServiceError::internal)?,
                yanked_at: Timestamp::from_millis(row.yanked_at),
            })
        };
        version_yank::find(&self.store, &version.id).await?.map(yank).transpose()
    }

    /// A version of a model by name.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_version(&self, model: &Model, name: &Name) -> Result<Version, ServiceError> {
        let found = self.find_version(model, name).await?;
        found.ok_or_else(|| ServiceError::absent("version", format!("{}/{name}", model.name)))
    }
}
