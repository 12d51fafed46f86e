//! Models: named lines of work, each with one publisher.

use domain::{name::Name, time::Timestamp};
use serde::Serialize;
use store::{ModelRow, model_card, registered_model};

use crate::{
    Service, ServiceError,
    cards::name_words,
    command::{Begun, Request},
    token::{Caller, Scope},
    visibility::{check_may_be_private, check_namespace, write_visibility},
};

/// A registered model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Row id.
    pub id: String,
    /// Its name, unique.
    pub name: Name,
    /// Who publishes it.
    pub publisher: Name,
    /// When it was created.
    pub created_at: Timestamp,
}

impl TryFrom<ModelRow> for Model {
    type Error = ServiceError;

    fn try_from(row: ModelRow) -> Result<Self, ServiceError> {
        Ok(Self {
            id: row.id,
            name: row.name.parse().map_err(ServiceError::internal)?,
            publisher: row.publisher.parse().map_err(ServiceError::internal)?,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

#[derive(Serialize)]
struct CreateModel<'a> {
    name: &'a Name,
    /// Absent while false, so that a request of a client that does not know it stays the same request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    private: bool,
}

impl Service {
    /// Creates a public model of the caller's.
    ///
    /// # Errors
    /// Those of [`Service::create_model_as`].
    pub async fn create_model(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
    ) -> Result<Model, ServiceError> {
        self.create_model_as(caller, key, name, false).await
    }

    /// Creates a model of the caller's, private from its first moment if it is to be.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] if the name is taken, [`ServiceError::NotOwner`] for a name in the namespace of another login,
    /// [`ServiceError::Invalid`] for a private model outside the caller's namespace.
    pub async fn create_model_as(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        private: bool,
    ) -> Result<Model, ServiceError> {
        check_namespace(name, caller.owner.as_str())?;
        caller.check_unbound()?;
        if private {
            check_may_be_private(name, caller.owner.as_str())?;
        }
        let input = CreateModel { name, private };
        let request = Request {
            caller,
            scope: &[Scope::Publish],
            key,
            operation: "model_create",
            input: &input,
        };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(name) => {
                return self.get_model(&name.parse().map_err(ServiceError::internal)?).await;
            }
            Begun::Fresh(unit) => unit,
        };
        if registered_model::find_by_name(&unit.transaction, name.as_str()).await?.is_some() {
            return Err(ServiceError::Exists { kind: "model", name: name.to_string() });
        }
        let row = ModelRow {
            id: unit.id("model"),
            name: name.to_string(),
            publisher: unit.owner().to_owned(),
            created_at: unit.now(),
        };
        registered_model::insert(&unit.transaction, row.clone()).await?;
        model_card::insert_words(&unit.transaction, name_words(&row)).await?;
        if private {
            write_visibility(&unit.transaction, &row.id, true, unit.owner(), unit.now()).await?;
        }
        let model: Model = row.try_into()?;
        unit.about(&model).finish(name.as_str(), name.to_string()).await?;
        Ok(model)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_model(&self, name: &Name) -> Result<Model, ServiceError> {
        let found = self.find_model(name).await?;
        found.ok_or_else(|| ServiceError::absent("model", name.as_str()))
    }

    /// The model of this name, if there is one.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_model(&self, name: &Name) -> Result<Option<Model>, ServiceError> {
        registered_model::find_by_name(&self.store, name.as_str())
            .await?
            .map(Model::try_from)
            .transpose()
    }

    /// The model of a row id.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_model_by_id(&self, id: &str) -> Result<Model, ServiceError> {
        let row = registered_model::find_by_id(&self.store, id).await?;
        row.ok_or_else(|| ServiceError::absent("model", id))?.try_into()
    }

    /// Models by name after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_models(
        &self,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Model>, ServiceError> {
        registered_model::list(&self.store, after, limit)
            .await?
            .into_iter()
            .map(Model::try_from)
            .collect()
    }
}
