//! The demo's line to its server: a call whose connection breaks is sent again to a new server, under the same idempotency key.

use std::{collections::HashMap, path::PathBuf};

use bytes::Bytes;
use client::{Client, ClientError, ObjectKind, Uploaded};
use domain::name::Name;
use serde_json::Value;
use service::Scope;

use super::processes::{Place, Process};
use crate::exit::Failure;

/// Times that a server is started again before the demo gives up.
const RESTARTS_MAX: u32 = 20;

/// Server, worker, and one token for every party.
pub(crate) struct Backend {
    program: PathBuf,
    place: Place,
    listen: String,
    server: Process,
    worker: Process,
    client: Client,
    tokens: HashMap<String, String>,
    restarts: u32,
}

impl Backend {
    /// Starts server and worker at a place and makes the parties' tokens.
    ///
    /// # Errors
    /// [`Failure::Environment`] if something does not start.
    pub(crate) async fn start(
        place: Place,
        listen: &str,
        parties: &[(&str, Scope)],
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::Environment(format!("own program: {e}")))?;
        let (server, url) = Process::server(&program, listen, &place).await?;
        let mut installation = server::Installation::in_folder(&place.data);
        installation.database = place.database.clone().unwrap_or(installation.database);
        installation.objects = place.objects.clone().unwrap_or(installation.objects);
        let mut tokens = HashMap::new();
        for (owner, scope) in parties {
            let minted = server::mint_token(&installation, owner, &[*scope], None).await;
            tokens.insert((*owner).to_owned(), minted.map_err(Failure::environment)?);
        }
        let worker = Process::worker(&program, &place)?;
        let client = Client::new(&url, None).map_err(Failure::environment)?;
        Ok(Self {
            program,
            place,
            listen: listen.to_owned(),
            server,
            worker,
            client,
            tokens,
            restarts: 0,
        })
    }

    /// The server's address at this moment.
    pub(crate) fn url(&self) -> &str {
        self.client.base()
    }

    /// Sends a GraphQL operation as `owner` (nobody, if empty).
    ///
    /// # Errors
    /// [`Failure::Input`] with the server's refusal, [`Failure::Environment`] if it cannot be kept alive.
    pub(crate) async fn call(
        &mut self,
        owner: &str,
        query: &str,
        variables: Value,
    ) -> Result<Value, Failure> {
        loop {
            match self.client_of(owner).graphql(query, variables.clone()).await {
                Err(error) if error.is_connection() => self.restart(&error).await?,
                Err(error) if matches!(error.code(), Some("busy" | "timeout")) => {
                    self.count_restart(&error.to_string())?;
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                other => return other.map_err(|e| refused(owner, &e)),
            }
        }
    }

    /// Sends one mutation: `field(input: {…}) { selection }`; the key makes a repetition harmless.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn mutate(
        &mut self,
        owner: &str,
        field: &str,
        key: &str,
        mut input: Value,
        selection: &str,
    ) -> Result<Value, Failure> {
        input["idempotencyKey"] = Value::from(key);
        let mut name = field[..1].to_uppercase();
        name.push_str(&field[1..]);
        let query = format!(
            "mutation($input: {name}Input!) {{ {field}(input: $input) {{ {selection} }} }}"
        );
        let mut answer = self.call(owner, &query, serde_json::json!({ "input": input })).await?;
        Ok(answer[field].take())
    }

    /// Uploads bytes as `owner`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn upload(
        &mut self,
        owner: &str,
        bytes: &'static [u8],
        kind: ObjectKind,
    ) -> Result<Uploaded, Failure> {
        loop {
            match self.client_of(owner).upload_bytes(Bytes::from_static(bytes), kind).await {
                Err(error) if error.is_connection() => self.restart(&error).await?,
                Err(error) if matches!(error.code(), Some("busy" | "timeout")) => {
                    self.count_restart(&error.to_string())?;
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                other => return other.map_err(|e| refused(owner, &e)),
            }
        }
    }

    /// Fetches a strike with all that it follows from, samples included, as `owner`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn bundle(
        &mut self,
        owner: &str,
        fund: &str,
        number: u64,
    ) -> Result<Vec<u8>, Failure> {
        let fund: Name = fund.parse().map_err(Failure::environment)?;
        loop {
            match self.client_of(owner).strike_bundle(&fund, number, true).await {
                Err(error) if error.is_connection() => self.restart(&error).await?,
                Err(error) if matches!(error.code(), Some("busy" | "timeout")) => {
                    self.count_restart(&error.to_string())?;
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                other => return other.map_err(|e| refused(owner, &e)),
            }
        }
    }

    /// Starts the worker again if it has ended.
    ///
    /// # Errors
    /// [`Failure::Environment`] if it ends too often.
    pub(crate) fn keep_worker(&mut self) -> Result<(), Failure> {
        if self.worker.has_ended() {
            self.count_restart("the worker ended")?;
            self.worker = Process::worker(&self.program, &self.place)?;
        }
        Ok(())
    }

    /// Starts the server again if it has ended.
    ///
    /// # Errors
    /// [`Failure::Environment`] if it ends too often.
    pub(crate) async fn keep_server(&mut self) -> Result<(), Failure> {
        if self.server.has_ended() { self.start_server("the server ended").await } else { Ok(()) }
    }

    /// Ends both processes.
    pub(crate) async fn stop(self) {
        self.worker.stop().await;
        self.server.stop().await;
    }

    fn client_of(&self, owner: &str) -> Client {
        self.tokens
            .get(owner)
            .map_or_else(|| self.client.clone(), |token| self.client.with_token(token))
    }

    async fn restart(&mut self, error: &ClientError) -> Result<(), Failure> {
        // A connection that was cut while the server lives is simply tried again, a little later.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        if self.server.has_ended() {
            self.start_server(&error.to_string()).await
        } else {
            self.count_restart(&error.to_string())
        }
    }

    async fn start_server(&mut self, why: &str) -> Result<(), Failure> {
        self.count_restart(why)?;
        let (server, url) = Process::server(&self.program, &self.listen, &self.place).await?;
        self.server = server;
        self.client = Client::new(&url, None).map_err(Failure::environment)?;
        Ok(())
    }

    fn count_restart(&mut self, why: &str) -> Result<(), Failure> {
        self.restarts += 1;
        if self.restarts > RESTARTS_MAX {
            let log = self.place.data.join("demo.log");
            return Err(Failure::Environment(format!(
                "{why} ({RESTARTS_MAX} restarts); the log is {}",
                log.display()
            )));
        }
        Ok(())
    }
}

fn refused(owner: &str, error: &ClientError) -> Failure {
    let who = if owner.is_empty() { "the demo" } else { owner };
    match error.code() {
        Some("internal" | "object_damaged") | None => {
            Failure::Environment(format!("{who}: {error}"))
        }
        Some(code) => Failure::Input(format!("{who}: {error} ({code})")),
    }
}
