//! Gated models: everybody sees them, their prices and reports, but their bytes need a grant. Whoever wants it asks; the gate
//! grants at once, or the publisher decides.

use domain::{name::Name, time::Timestamp};
use serde::Serialize;
use store::{
    AccessRequestRow, GateRow, GrantRow, StoreTransaction, access_grant, access_request,
    model_access, model_gate,
};

pub use store::{GateMode, RequestState};

use crate::{
    Service, ServiceError,
    command::{Begun, Request, Unit},
    models::Model,
    roles::{Right, check_publisher_or_operator},
    token::{Caller, Scope},
    visibility::Reader,
};

/// Most bytes of what somebody says for himself, or of a reason.
const WORDS_BYTES_MAX: usize = 1000;

/// A request for access, as it stands.
#[derive(Clone, Debug)]
pub struct AccessRequest {
    /// Who asks.
    pub login: Name,
    /// How it stands.
    pub state: RequestState,
    /// What the login said, or the reason of the decision.
    pub words: String,
    /// Since when it stands so.
    pub at: Timestamp,
}

impl TryFrom<AccessRequestRow> for AccessRequest {
    type Error = ServiceError;

    fn try_from(row: AccessRequestRow) -> Result<Self, ServiceError> {
        Ok(Self {
            login: row.login.parse().map_err(ServiceError::internal)?,
            state: row.state,
            words: row.words,
            at: Timestamp::from_millis(row.set_at),
        })
    }
}

/// A decision about a request.
#[derive(Clone, Debug, Serialize)]
pub struct DecideAccess {
    /// The caller's model.
    pub model: Name,
    /// Who asked.
    pub login: Name,
    /// Whether he may have the bytes.
    pub granted: bool,
    /// Why, in words.
    pub reason: String,
}

#[derive(Serialize)]
struct SetGate<'a> {
    model: &'a Name,
    mode: &'static str,
}

#[derive(Serialize)]
struct AskAccess<'a> {
    model: &'a Name,
    message: &'a str,
}

fn check_words(field: &'static str, words: &str) -> Result<(), ServiceError> {
    if words.len() > WORDS_BYTES_MAX {
        let reason = format!("has {} bytes; at most {WORDS_BYTES_MAX}", words.len());
        return Err(ServiceError::invalid(field, reason));
    }
    Ok(())
}

/// Writes a grant of reading, or its end, unless it stands so already.
pub(crate) async fn write_grant(
    transaction: &StoreTransaction,
    model_id: &str,
    grantee: &str,
    granted: bool,
    by: (&str, i64),
) -> Result<(), ServiceError> {
    let current = access_grant::current(transaction, model_id, grantee).await?;
    if current.as_ref().is_some_and(|row| row.granted) == granted {
        return Ok(());
    }
    let row = GrantRow {
        model_id: model_id.to_owned(),
        grantee: grantee.to_owned(),
        seq: current.map_or(1, |row| row.seq + 1),
        granted,
        set_by: by.0.to_owned(),
        set_at: by.1,
    };
    Ok(access_grant::insert(transaction, row).await?)
}

async fn write_request(
    unit: &Unit,
    model: &Model,
    login: &str,
    state: RequestState,
    words: &str,
) -> Result<(), ServiceError> {
    let current = access_request::current(&unit.transaction, &model.id, login).await?;
    let row = AccessRequestRow {
        model_id: model.id.clone(),
        login: login.to_owned(),
        seq: current.map_or(1, |row| row.seq + 1),
        state,
        words: words.to_owned(),
        set_by: unit.owner().to_owned(),
        set_at: unit.now(),
    };
    Ok(access_request::insert(&unit.transaction, row).await?)
}

impl Service {
    /// Sets whether the bytes of the caller's model need a grant. Grants in force stay.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`], [`ServiceError::Absent`].
    pub async fn set_gate(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        mode: GateMode,
    ) -> Result<Model, ServiceError> {
        let model = self.get_model_for(caller, name, Right::Own).await?;
        let input = SetGate { model: name, mode: mode.as_str() };
        let operation = "model_gate_set";
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input: &input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(model),
            Begun::Fresh(unit) => unit.about(&model),
        };
        let current = model_gate::current(&unit.transaction, &model.id).await?;
        if current.as_ref().map_or(GateMode::None, |row| row.mode) != mode {
            let row = GateRow {
                model_id: model.id.clone(),
                seq: current.map_or(1, |row| row.seq + 1),
                mode,
                set_by: unit.owner().to_owned(),
                set_at: unit.now(),
            };
            model_gate::insert(&unit.transaction, row).await?;
        }
        unit.finish(name.as_str(), name.to_string()).await?;
        Ok(model)
    }

    /// How access to a model's bytes is given.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn gate(&self, model: &Model) -> Result<GateMode, ServiceError> {
        let current = model_gate::current(&self.store, &model.id).await?;
        Ok(current.map_or(GateMode::None, |row| row.mode))
    }

    /// Checks that a reader who sees a model may have its bytes.
    ///
    /// # Errors
    /// [`ServiceError::Gated`] if he is to ask first.
    pub async fn check_open(&self, reader: &Reader, model: &Model) -> Result<(), ServiceError> {
        if model_access::is_open(&self.store, reader.reading(), &model.id).await? {
            return Ok(());
        }
        Err(ServiceError::Gated(format!("model {}", model.name)))
    }

    /// Asks for the bytes of a gated model, with any token; an automatic gate grants at once.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a model without a gate, for one's own, after a refusal, or for too many words;
    /// [`ServiceError::Absent`].
    pub async fn request_access(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        message: &str,
    ) -> Result<AccessRequest, ServiceError> {
        let model = self.get_readable_model(&caller.into(), name).await?;
        check_words("message", message)?;
        if model.publisher == caller.owner {
            return Err(ServiceError::invalid("model", "the publisher needs no grant"));
        }
        caller.check_unbound()?;
        let input = AskAccess { model: name, message };
        let operation = "access_request";
        let request = Request { caller, scope: &[], key, operation, input: &input };
        let mut unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return self.get_access_request(&model, &caller.owner).await,
            Begun::Fresh(unit) => unit.about(&model),
        };
        let gate = model_gate::current(&unit.transaction, &model.id).await?;
        let login = unit.owner().to_owned();
        let state = match gate.map_or(GateMode::None, |row| row.mode) {
            GateMode::None => {
                return Err(ServiceError::invalid("model", format!("{name} is not gated")));
            }
            GateMode::Auto => RequestState::Granted,
            GateMode::Manual => RequestState::Open,
        };
        let before = access_request::current(&unit.transaction, &model.id, &login).await?;
        if before.is_some_and(|row| row.state == RequestState::Refused) {
            let reason = format!("{} has refused a request of {login}", model.publisher);
            return Err(ServiceError::invalid("model", reason));
        }
        let granted = access_grant::current(&unit.transaction, &model.id, &login).await?;
        let state =
            if granted.is_some_and(|row| row.granted) { RequestState::Granted } else { state };
        write_request(&unit, &model, &login, state, message).await?;
        if state == RequestState::Granted {
            let by = (login.as_str(), unit.now());
            write_grant(&unit.transaction, &model.id, &login, true, by).await?;
        }
        let told =
            serde_json::json!({ "login": login, "state": state.as_str(), "message": message });
        unit.tell(&model, "access.requested", told);
        unit.finish(&format!("{name} {login}"), name.to_string()).await?;
        self.get_access_request(&model, &caller.owner).await
    }

    /// Decides about a login's request for the caller's model; a decision may be revised.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if the login never asked, [`ServiceError::NotOwner`].
    pub async fn decide_access(
        &self,
        caller: &Caller,
        key: &str,
        input: &DecideAccess,
    ) -> Result<AccessRequest, ServiceError> {
        let model = self.get_model_for(caller, &input.model, Right::Own).await?;
        check_words("reason", &input.reason)?;
        let operation = "access_request_decide";
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return self.get_access_request(&model, &input.login).await,
            Begun::Fresh(unit) => unit.about(&model),
        };
        let (login, granted) = (input.login.as_str(), input.granted);
        if access_request::current(&unit.transaction, &model.id, login).await?.is_none() {
            return Err(ServiceError::absent("access request", format!("{} {login}", model.name)));
        }
        let state = if granted { RequestState::Granted } else { RequestState::Refused };
        write_request(&unit, &model, login, state, &input.reason).await?;
        let by = (unit.owner(), unit.now());
        write_grant(&unit.transaction, &model.id, login, granted, by).await?;
        unit.finish(&format!("{} {login}", model.name), model.name.to_string()).await?;
        self.get_access_request(&model, &input.login).await
    }

    /// How a login's request stands.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_access_request(
        &self,
        model: &Model,
        login: &Name,
    ) -> Result<Option<AccessRequest>, ServiceError> {
        let row = access_request::current(&self.store, &model.id, login.as_str()).await?;
        row.map(AccessRequest::try_from).transpose()
    }

    async fn get_access_request(
        &self,
        model: &Model,
        login: &Name,
    ) -> Result<AccessRequest, ServiceError> {
        let found = self.find_access_request(model, login).await?;
        found.ok_or_else(|| {
            ServiceError::absent("access request", format!("{} {login}", model.name))
        })
    }

    /// How the requests for a model stand, by login after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`] for everybody but its publisher and the operator.
    pub async fn list_access_requests(
        &self,
        reader: &Reader,
        model: &Model,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<AccessRequest>, ServiceError> {
        check_publisher_or_operator(reader, model, "the access requests")?;
        let rows = access_request::list_current(&self.store, &model.id, after, limit).await?;
        rows.into_iter().map(AccessRequest::try_from).collect()
    }
}
