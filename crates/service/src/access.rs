//! Logins: minting tokens and recognising them.

use domain::{digest::to_hex, name::Name, time::Timestamp};
use store::{AccessTokenRow, access_token};

use crate::{
    Service, ServiceError,
    token::{Caller, Scope, Token},
};

impl Service {
    /// Stores a new token of `owner`; the text is known only to the caller from then on.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn mint_token(
        &self,
        owner: &Name,
        scopes: &[Scope],
        expires_at: Option<Timestamp>,
        random: [u8; 20],
        now: Timestamp,
    ) -> Result<Token, ServiceError> {
        let token = Token::of(random);
        let words: Vec<&str> = scopes.iter().map(|s| s.as_str()).collect();
        let row = AccessTokenRow {
            id: format!("t-{}", to_hex(&random[..8])),
            owner: owner.to_string(),
            secret_sha256: token.secret_sha256(),
            scopes: words.join(" "),
            created_at: now.as_millis(),
            expires_at: expires_at.map(Timestamp::as_millis),
            revoked_at: None,
        };
        let transaction = self.store.begin().await?;
        access_token::insert(&transaction, row).await?;
        transaction.commit().await?;
        Ok(token)
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
        let scopes = row.scopes.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        Ok(Caller {
            owner: row.owner.parse().map_err(ServiceError::internal)?,
            scopes: scopes.map_err(ServiceError::internal)?,
            token_id: row.id,
            now,
        })
    }
}
