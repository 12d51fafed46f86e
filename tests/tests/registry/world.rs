//! An installation with a lab, a rival of it, an operator and nobody in particular.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use client::Client;
use domain::digest::Digest;
use serde_json::{Value, json};

use crate::support::{PROGRAM, Place, Running, ask, serve, token};

/// The demo's weightless graph of `mlp`.
pub(crate) const GRAPH: &[u8] = include_bytes!("../../../crates/cli/demo/mlp/graph.onnx");
/// Three of its checkpoints.
pub(crate) const STEPS: [&[u8]; 3] = [
    include_bytes!("../../../crates/cli/demo/mlp/step-0010.safetensors"),
    include_bytes!("../../../crates/cli/demo/mlp/step-0810.safetensors"),
    include_bytes!("../../../crates/cli/demo/mlp/step-1600.safetensors"),
];
/// The demo's hidden cases.
pub(crate) const CASES: &[u8] = include_bytes!("../../../crates/cli/demo/suite/cases.safetensors");
const SUITE: &str = include_str!("../../../crates/cli/demo/suite/suite.toml");
const REFERENCE: &[u8] =
    include_bytes!("../../../crates/cli/demo/suite/reference/model.safetensors");
const REFERENCE_GRAPH: &[u8] =
    include_bytes!("../../../crates/cli/demo/suite/reference/graph.onnx");
/// The demo's rules of an index.
pub(crate) const METHODOLOGY: &str = include_str!("../../../crates/cli/demo/methodology.json");

/// A server, and a client for each of its parties.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) _server: Running,
    pub(crate) url: String,
    pub(crate) anybody: Client,
    pub(crate) lab: Client,
    pub(crate) lab_token: String,
    pub(crate) stranger: Client,
    pub(crate) stranger_token: String,
    pub(crate) operator: Client,
    pub(crate) operator_token: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(Place::sqlite())
    }

    /// The same where the caller says.
    pub(crate) fn at(place: Place) -> Self {
        let (server, url) = serve(&place);
        let anybody = Client::new(&url, None).unwrap();
        let [lab_token, stranger_token, operator_token] =
            [("lab", "publish"), ("rival", "publish"), ("operator", "operate")]
                .map(|(owner, scopes)| token(&place, owner, scopes));
        Self {
            lab: anybody.with_token(&lab_token),
            stranger: anybody.with_token(&stranger_token),
            operator: anybody.with_token(&operator_token),
            place,
            _server: server,
            url,
            anybody,
            lab_token,
            stranger_token,
            operator_token,
        }
    }

    /// Sends an object; its digest.
    pub(crate) async fn upload(&self, token: &str, bytes: &[u8], kind: &str) -> String {
        let digest = Digest::of(bytes).to_string();
        let url = format!("{}/v1/objects/{digest}?kind={kind}", self.url);
        let request = reqwest::Client::new().put(url).bearer_auth(token).body(bytes.to_vec());
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 201, "{:?}", response.text().await);
        digest
    }

    /// Sends checkpoint and graph; their digests.
    pub(crate) async fn upload_pair(
        &self,
        token: &str,
        checkpoint: &[u8],
        graph: &[u8],
    ) -> (String, String) {
        let checkpoint = self.upload(token, checkpoint, "checkpoint").await;
        let kind = format!("graph&checkpoint={checkpoint}");
        let graph = self.upload(token, graph, &kind).await;
        (checkpoint, graph)
    }

    /// Status of a download, and its bytes.
    pub(crate) async fn download(&self, token: Option<&str>, digest: &str) -> (u16, Vec<u8>) {
        let mut request = reqwest::Client::new().get(format!("{}/v1/objects/{digest}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    /// Creates a model of the lab and publishes a version for each step, `v1` and so on; the second names the first as its base.
    pub(crate) async fn publish(&self, model: &str, private: bool, steps: &[&[u8]]) {
        let input = json!({ "name": model, "private": private });
        mutate(&self.lab, "modelCreate", input, "model { name private }").await.unwrap();
        for (number, step) in (1..).zip(steps) {
            let (checkpoint, graph) = self.upload_pair(&self.lab_token, step, GRAPH).await;
            let base = (number == 2).then(|| json!({ "model": model, "version": "v1" }));
            let input = json!({
                "model": model, "version": format!("v{number}"), "checkpoint": checkpoint,
                "graph": graph, "base": base,
            });
            mutate(&self.lab, "versionPublish", input, "version { name }").await.unwrap();
        }
    }

    /// Registers the demo's suite; its id.
    pub(crate) async fn register_suite(&self) -> String {
        let token = &self.operator_token;
        let cases = self.upload(token, CASES, "checkpoint").await;
        let (checkpoint, graph) = self.upload_pair(token, REFERENCE, REFERENCE_GRAPH).await;
        let input = json!({
            "manifest": SUITE, "cases": cases, "referenceCheckpoint": checkpoint,
            "referenceGraph": graph,
        });
        let answer = mutate(&self.operator, "suiteRegister", input, "suite { id }").await.unwrap();
        answer["suite"]["id"].as_str().unwrap().to_owned()
    }

    /// Queues an evaluation; its id.
    pub(crate) async fn evaluate(
        &self,
        client: &Client,
        model: &str,
        version: &str,
        suite: &str,
    ) -> Result<String, String> {
        let input = json!({
            "model": model, "version": version, "suite": suite, "protocol": "quick", "seed": "7",
        });
        let answer = mutate(client, "evaluationRequest", input, "job { id }").await?;
        Ok(answer["job"]["id"].as_str().unwrap().to_owned())
    }

    /// Starts a worker and waits until a job is done.
    pub(crate) async fn work_until_done(&self, job: &str) -> Value {
        let child = Command::new(PROGRAM)
            .args(["worker", "--clock", "manual"])
            .args(self.place.arguments())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _worker = Running(child);
        let query = format!(
            "{{ evaluationJob(id: \"{job}\") {{ state failureMessage decision {{ status }} report {{ digest samples }} }} }}"
        );
        for _ in 0..600 {
            let answer = ask(&self.operator, &query).await;
            let job = &answer["evaluationJob"];
            match job["state"].as_str() {
                Some("DONE") => return job.clone(),
                Some("FAILED") => panic!("{job}"),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        panic!("the job did not end")
    }
}

/// Runs a mutation under a key of its own input; the payload, or the code of the refusal.
pub(crate) async fn mutate(
    client: &Client,
    field: &str,
    input: Value,
    selection: &str,
) -> Result<Value, String> {
    let mut input = input;
    if input.get("idempotencyKey").is_none() {
        input["idempotencyKey"] = json!(Digest::of(format!("{field}{input}").as_bytes()).hex());
    }
    let kind = match field {
        "accessGrant" | "accessRevoke" => "AccessInput".to_owned(),
        "webhookDelete" | "webhookTest" => "WebhookInput".to_owned(),
        _ => format!("{}{}Input", field[..1].to_uppercase(), &field[1..]),
    };
    let query = format!("mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} }} }}");
    match client.graphql::<Value>(&query, json!({ "input": input })).await {
        Ok(mut answer) => Ok(answer[field].take()),
        Err(error) => Err(error.code().unwrap_or_else(|| panic!("{field}: {error}")).to_owned()),
    }
}

/// The code of a refusal.
pub(crate) async fn refused(client: &Client, field: &str, input: Value, selection: &str) -> String {
    mutate(client, field, input, selection).await.expect_err(field)
}
