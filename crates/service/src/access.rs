//! Logins: minting tokens, recognising them, listing and revoking them.

use std::collections::BTreeSet;

use domain::{
    digest::Digest,
    name::Name,
    time::{DAY_MS, Timestamp},
};
use serde::Serialize;
use store::{AccessTokenRow, AuditRow, Connection, TokenTermsRow, access_token, token_terms};

use crate::{
    Service, ServiceError,
    calendars::ACTOR,
    command::{Begun, Change, Request, record_change},
    roles::Right,
    token::{Caller, Scope, Token},
};

/// In whose name the log has what was done at the machine.
const AT_THE_MACHINE: &str = "operator";

/// Longest life of a token that ends, in days.
const DAYS_MAX: i32 = 3650;
/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 100;
/// Most models that a token is bound to.
const MODELS_MAX: usize = 50;
/// Most tokens of a login, ended ones included.
const TOKENS_MAX: u64 = 1000;

/// A token that a bearer wants for himself.
#[derive(Clone, Debug, Serialize)]
pub struct CreateToken {
    /// What he calls it.
    pub label: String,
    /// At most the scopes of the token that asks.
    pub scopes: Vec<String>,
    /// The models that it may write; none for all of his.
    pub models: Option<Vec<Name>>,
    /// After how many days it ends; none if never.
    pub expires_in_days: Option<i32>,
}

/// A token without its text.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// Id, as the audit log has it.
    pub id: String,
    /// Whose it is.
    pub owner: Name,
    /// What its owner calls it; empty for one of the command line.
    pub label: String,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// The models that it may write; none for all of its owner's.
    pub models: Option<Vec<Name>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; none if never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked; none if it was not.
    pub revoked_at: Option<Timestamp>,
}

fn parse_scopes(words: &str) -> Result<Vec<Scope>, ServiceError> {
    words
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(ServiceError::internal)
}

fn parse_models(words: &str) -> Result<Vec<Name>, ServiceError> {
    words.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(ServiceError::internal)
}

fn row_of(
    random: [u8; 20],
    owner: &Name,
    scopes: &[Scope],
    (now, expires_at): (Timestamp, Option<Timestamp>),
) -> (Token, AccessTokenRow) {
    let token = Token::of(random);
    let words: Vec<&str> = scopes.iter().map(|s| s.as_str()).collect();
    let secret_sha256 = token.secret_sha256();
    let row = AccessTokenRow {
        // Out of the hash: an id shows nothing of the secret.
        id: format!("t-{}", &Digest::of(secret_sha256.as_bytes()).hex()[..16]),
        owner: owner.to_string(),
        secret_sha256,
        scopes: words.join(" "),
        created_at: now.as_millis(),
        expires_at: expires_at.map(Timestamp::as_millis),
        revoked_at: None,
    };
    (token, row)
}

impl Service {
    /// Stores a new token of `owner`, for the operator at the machine; the text is known only to the caller from then on.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for the name under which calendars act, [`ServiceError::Internal`] if the database fails.
    pub async fn mint_token(
        &self,
        owner: &Name,
        scopes: &[Scope],
        expires_at: Option<Timestamp>,
        random: [u8; 20],
        now: Timestamp,
    ) -> Result<Token, ServiceError> {
        if owner.as_str() == ACTOR {
            return Err(ServiceError::invalid("owner", format!("{owner} is who keeps calendars")));
        }
        let (token, row) = row_of(random, owner, scopes, (now, expires_at));
        let audit = AuditRow {
            seq: 0,
            actor: AT_THE_MACHINE.to_owned(),
            token_id: None,
            operation: "token_mint".to_owned(),
            subject: format!("{} {owner}", row.id),
            at: now.as_millis(),
        };
        let transaction = self.store.begin().await?;
        access_token::insert(&transaction, row).await?;
        record_change(&transaction, Change { audit, model_id: None, event: None }).await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Makes a token of the caller's own. Its text comes with the first answer only: what a repetition finds stored is the id, never
    /// the text, so a lost answer means to revoke the token and ask with another key.
    ///
    /// `wall` is the system's time, by which tokens expire.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] for a scope that the caller lacks, [`ServiceError::TokenBound`], [`ServiceError::Invalid`] with the
    /// field, [`ServiceError::NotOwner`] or [`ServiceError::Absent`] for a model that the caller may not write.
    pub async fn create_token(
        &self,
        caller: &Caller,
        key: &str,
        input: &CreateToken,
        random: [u8; 20],
        wall: Timestamp,
    ) -> Result<(TokenView, Option<Token>), ServiceError> {
        let scopes = self.check_token(caller, input).await?;
        let request = Request { caller, scope: &[], key, operation: "token_create", input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return Ok((self.get_token(&id).await?, None)),
            Begun::Fresh(unit) => unit,
        };
        let there =
            access_token::list_of(&unit.transaction, unit.owner(), None, TOKENS_MAX).await?;
        if there.len() as u64 >= TOKENS_MAX {
            let reason = format!("{} has {TOKENS_MAX} of them, the most", caller.owner);
            return Err(ServiceError::invalid("token", reason));
        }
        let expires = |days| wall.plus_millis(i64::from(days) * DAY_MS);
        let expires_at = input.expires_in_days.map(expires);
        let (token, row) = row_of(random, &caller.owner, &scopes, (wall, expires_at));
        let names = |models: &Vec<Name>| {
            let names: BTreeSet<&str> = models.iter().map(Name::as_str).collect();
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        let terms = TokenTermsRow {
            token_id: row.id.clone(),
            label: input.label.clone(),
            models: input.models.as_ref().map(names),
        };
        access_token::insert(&unit.transaction, row.clone()).await?;
        token_terms::insert(&unit.transaction, terms).await?;
        unit.finish(&row.id, row.id.clone()).await?;
        Ok((self.get_token(&row.id).await?, Some(token)))
    }

    async fn check_token(
        &self,
        caller: &Caller,
        input: &CreateToken,
    ) -> Result<Vec<Scope>, ServiceError> {
        let mut scopes = BTreeSet::new();
        for word in &input.scopes {
            let scope: Scope = word.parse().map_err(|e| ServiceError::invalid("scopes", e))?;
            if !caller.may(scope) {
                return Err(scope.into());
            }
            scopes.insert(scope);
        }
        if scopes.is_empty() {
            return Err(ServiceError::invalid("scopes", "expected one or more"));
        }
        if input.label.len() > LABEL_BYTES_MAX || input.label.chars().any(char::is_control) {
            let reason = format!("expected words of at most {LABEL_BYTES_MAX} bytes");
            return Err(ServiceError::invalid("label", reason));
        }
        if let Some(days) = input.expires_in_days.filter(|days| !(1..=DAYS_MAX).contains(days)) {
            let reason = format!("is {days}; expected 1 to {DAYS_MAX}");
            return Err(ServiceError::invalid("expiresInDays", reason));
        }
        let Some(models) = &input.models else {
            caller.check_unbound()?;
            return Ok(scopes.into_iter().collect());
        };
        if models.is_empty() || models.len() > MODELS_MAX {
            let reason = format!("are {}; expected 1 to {MODELS_MAX}", models.len());
            return Err(ServiceError::invalid("models", reason));
        }
        if let Some(scope) = scopes.iter().find(|s| matches!(s, Scope::Invest | Scope::Operate)) {
            let reason = format!("a token bound to models cannot have the scope {scope}");
            return Err(ServiceError::invalid("scopes", reason));
        }
        for name in models {
            self.get_model_for(caller, name, Right::Maintain).await?;
        }
        Ok(scopes.into_iter().collect())
    }

    /// Ends a token: one of the caller's own, or any for the operator. It is refused from this moment on.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for a token that the caller does not see, [`ServiceError::Invalid`] if it had ended so before.
    pub async fn revoke_token(
        &self,
        caller: &Caller,
        key: &str,
        id: &str,
        wall: Timestamp,
    ) -> Result<TokenView, ServiceError> {
        let row = access_token::find_by_id(&self.store, id).await?;
        let is_seen =
            |row: &AccessTokenRow| row.owner == caller.owner.as_str() || caller.may(Scope::Operate);
        let row = row.filter(is_seen).ok_or_else(|| ServiceError::absent("token", id))?;
        if row.id != caller.token_id {
            caller.check_unbound()?;
        }
        let request = Request { caller, scope: &[], key, operation: "token_revoke", input: &id };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return self.get_token(&id).await,
            Begun::Fresh(unit) => unit,
        };
        if !access_token::revoke(&unit.transaction, id, wall.as_millis()).await? {
            return Err(ServiceError::invalid("token", format!("{id} was revoked before")));
        }
        unit.finish(&format!("{id} {}", row.owner), id.to_owned()).await?;
        self.get_token(id).await
    }

    /// Tokens of a login by id after `after`, at most `limit`: the caller's own, or anybody's for the operator.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`] for another's.
    pub async fn list_tokens(
        &self,
        caller: &Caller,
        owner: &Name,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<TokenView>, ServiceError> {
        if *owner != caller.owner && !caller.may(Scope::Operate) {
            return Err(ServiceError::NotOwner(format!("the tokens of {owner}")));
        }
        let rows = access_token::list_of(&self.store, owner.as_str(), after, limit).await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            views.push(view(&self.store, row).await?);
        }
        Ok(views)
    }

    async fn get_token(&self, id: &str) -> Result<TokenView, ServiceError> {
        let row = access_token::find_by_id(&self.store, id).await?;
        view(&self.store, row.ok_or_else(|| ServiceError::absent("token", id))?).await
    }

    /// Recognises the bearer of a token.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] for every token that is not valid at `now`, without saying why.
    pub async fn authenticate(&self, text: &str, now: Timestamp) -> Result<Caller, ServiceError> {
        let token = Token::parse(text).ok_or(ServiceError::Unauthenticated)?;
        let row = access_token::find_by_secret_sha256(&self.store, &token.secret_sha256()).await?;
        let row = row.ok_or(ServiceError::Unauthenticated)?;
        if row.revoked_at.is_some() || row.expires_at.is_some_and(|at| at <= now.as_millis()) {
            return Err(ServiceError::Unauthenticated);
        }
        let terms = token_terms::find(&self.store, &row.id).await?;
        let models = terms.and_then(|terms| terms.models).map(|words| parse_models(&words));
        Ok(Caller {
            owner: row.owner.parse().map_err(ServiceError::internal)?,
            scopes: parse_scopes(&row.scopes)?.into_iter().collect(),
            token_id: row.id,
            models: models.transpose()?.map(|models| models.into_iter().collect()),
            now,
        })
    }
}

async fn view<C: Connection>(
    connection: &C,
    row: AccessTokenRow,
) -> Result<TokenView, ServiceError> {
    let terms = token_terms::find(connection, &row.id).await?;
    let (label, models) = terms.map(|terms| (terms.label, terms.models)).unwrap_or_default();
    Ok(TokenView {
        id: row.id,
        owner: row.owner.parse().map_err(ServiceError::internal)?,
        label,
        scopes: parse_scopes(&row.scopes)?,
        models: models.map(|words| parse_models(&words)).transpose()?,
        created_at: Timestamp::from_millis(row.created_at),
        expires_at: row.expires_at.map(Timestamp::from_millis),
        revoked_at: row.revoked_at.map(Timestamp::from_millis),
    })
}
