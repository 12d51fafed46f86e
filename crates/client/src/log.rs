//! The log of a server, as a stranger reads it: signed heads and what shows that one begins with another.

use domain::{digest::Digest, proof::SignedHead};
use serde::Deserialize;
use serde_json::json;

use crate::{Client, ClientError};

/// The head that is asked for, under the names of the form that `domain` reads.
const HEAD: &str = "head { log size root at public_key: publicKey signature }";

#[derive(Deserialize)]
struct Answer<T> {
    log: T,
}

#[derive(Deserialize)]
struct Head {
    head: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Path {
    consistency: Vec<Digest>,
}

impl Client {
    /// The head that was signed last; none before a server has signed one. Nothing of it is verified here.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the server's refusal, or a failure of the connection.
    pub async fn log_head(&self) -> Result<Option<SignedHead>, ClientError> {
        let answer: Answer<Head> =
            self.graphql(&format!("{{ log {{ {HEAD} }} }}"), json!({})).await?;
        let Some(mut head) = answer.log.head else { return Ok(None) };
        let wrong = |reason: String| ClientError::Answer { reason };
        // The API writes times as text, files as milliseconds.
        let at = head["at"].as_str().unwrap_or_default().parse::<domain::time::Timestamp>();
        let at = at.map_err(|error| wrong(format!("log.head.at: {error}")))?;
        head["at"] = json!(at);
        let head = serde_json::from_value(head);
        head.map(Some).map_err(|error| wrong(format!("log.head: {error}")))
    }

    /// The path that shows the log of `from` leaves inside that of `to`.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `invalid` where the log is not that large, or `from` is more than `to`; a failure of the connection.
    pub async fn log_consistency(&self, from: u64, to: u64) -> Result<Vec<Digest>, ClientError> {
        let query = "query ($from: Int!, $to: Int!) { log { consistency(from: $from, to: $to) } }";
        let answer: Answer<Path> = self.graphql(query, json!({ "from": from, "to": to })).await?;
        Ok(answer.log.consistency)
    }
}
