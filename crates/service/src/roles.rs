//! Who may write a model: one question, asked before every write of one.
//!
//! A maintainer publishes versions, moves aliases, writes cards and commits. What moves money or cannot be taken back stays with the
//! publisher: the pin of `listed`, yanks, visibility, gate, roles, contributors.

use domain::{name::Name, time::Timestamp};
use serde::Serialize;
use store::{MaintainerRow, model_maintainer};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    models::Model,
    moment::next_moment,
    token::{Caller, Scope},
    visibility::Reader,
};

/// Most maintainers of a model.
pub(crate) const MAINTAINERS_MAX: u64 = 100;

/// What is to be done to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// The daily work: the publisher and his maintainers.
    Maintain,
    /// The publisher alone.
    Own,
}

/// A maintainer of a model.
#[derive(Clone, Debug)]
pub struct Maintainer {
    /// Who.
    pub login: Name,
    /// Since when.
    pub since: Timestamp,
}

#[derive(Serialize)]
struct SetMaintainer<'a> {
    model: &'a Name,
    login: &'a Name,
    granted: bool,
}

impl Service {
    /// The model of this name, for a command that writes it.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if the caller may not see it, [`ServiceError::NotOwner`] if he may, but not write it,
    /// [`ServiceError::TokenBound`] if his token is bound to others.
    pub(crate) async fn get_model_for(
        &self,
        caller: &Caller,
        name: &Name,
        right: Right,
    ) -> Result<Model, ServiceError> {
        let model = self.get_readable_model(&caller.into(), name).await?;
        self.check_right(caller, &model, right).await?;
        Ok(model)
    }

    /// Checks that the caller may write a model that he sees.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`], [`ServiceError::TokenBound`].
    pub(crate) async fn check_right(
        &self,
        caller: &Caller,
        model: &Model,
        right: Right,
    ) -> Result<(), ServiceError> {
        let may = model.publisher == caller.owner
            || (right == Right::Maintain && self.maintains(&caller.owner, model).await?);
        if !may {
            return Err(ServiceError::NotOwner(format!("model {}", model.name)));
        }
        caller.check_bound(&model.name)
    }

    async fn maintains(&self, login: &Name, model: &Model) -> Result<bool, ServiceError> {
        let row = model_maintainer::current(&self.store, &model.id, login.as_str()).await?;
        Ok(row.is_some_and(|row| row.granted))
    }

    /// Makes a login a maintainer of the caller's model, or ends that.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for the publisher himself or past the limit, [`ServiceError::NotOwner`], [`ServiceError::Absent`].
    pub async fn set_maintainer(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        login: &Name,
        granted: bool,
    ) -> Result<Model, ServiceError> {
        let model = self.get_model_for(caller, name, Right::Own).await?;
        if *login == model.publisher {
            return Err(ServiceError::invalid("login", "the publisher needs no role"));
        }
        let input = SetMaintainer { model: name, login, granted };
        let operation = "model_maintainer_set";
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input: &input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(model),
            Begun::Fresh(unit) => unit.about(&model),
        };
        let transaction = &unit.transaction;
        let current = model_maintainer::current(transaction, &model.id, login.as_str()).await?;
        let in_force = current.as_ref().is_some_and(|row| row.granted);
        if granted && !in_force {
            let limit = MAINTAINERS_MAX;
            let there =
                model_maintainer::list_in_force(transaction, &model.id, None, limit).await?;
            if there.len() as u64 >= limit {
                let reason = format!("model {name} has {limit} maintainers, the most");
                return Err(ServiceError::invalid("login", reason));
            }
        }
        if granted != in_force {
            // A moment of its own: who may know of a version is told as of every moment.
            transaction.lock_ledger().await?;
            let set_at = next_moment(transaction, caller.now).await?.as_millis();
            let row = MaintainerRow {
                model_id: model.id.clone(),
                login: login.to_string(),
                seq: current.map_or(1, |row| row.seq + 1),
                granted,
                set_by: unit.owner().to_owned(),
                set_at,
            };
            model_maintainer::insert(transaction, row).await?;
        }
        unit.finish(&format!("{name} {login}"), name.to_string()).await?;
        Ok(model)
    }

    /// Maintainers of a model, by login after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`] for everybody but its publisher and the operator.
    pub async fn list_maintainers(
        &self,
        reader: &Reader,
        model: &Model,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Maintainer>, ServiceError> {
        check_publisher_or_operator(reader, model, "the list of maintainers")?;
        let rows = model_maintainer::list_in_force(&self.store, &model.id, after, limit).await?;
        let maintainer = |row: MaintainerRow| {
            Ok(Maintainer {
                login: row.login.parse().map_err(ServiceError::internal)?,
                since: Timestamp::from_millis(row.set_at),
            })
        };
        rows.into_iter().map(maintainer).collect()
    }
}

/// Refuses what only the publisher of a model and the operator may read.
pub(crate) fn check_publisher_or_operator(
    reader: &Reader,
    model: &Model,
    what: &str,
) -> Result<(), ServiceError> {
    let may = match reader {
        Reader::Operator => true,
        Reader::Login(name) => *name == model.publisher,
        Reader::Anybody => false,
    };
    if may { Ok(()) } else { Err(ServiceError::NotOwner(format!("{what} of {}", model.name))) }
}
