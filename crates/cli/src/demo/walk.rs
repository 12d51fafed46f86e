//! The walk from nothing to the last strike. Every step has a key of its own, so a second walk over the same folder repeats nothing.

use std::time::Duration;

use client::ObjectKind;
use domain::digest::Digest;
use serde_json::{Value, json};
use service::Scope;

use super::{
    backend::Backend,
    data::{
        ARCHITECTURES, Architecture, CASES, METHODOLOGY, REFERENCE_CHECKPOINT, REFERENCE_GRAPH,
        ROUNDS, SUITE, Step,
    },
    outcome::{Outcome, StrikeRow, VersionRow},
    steps::Steps,
};
use crate::exit::Failure;

/// The fund of the demo.
pub(crate) const FUND: &str = "modelfolio-demo";
/// Who runs the installation.
const OPERATOR: &str = "operator";
/// Longest wait for one evaluation: far above what the slowest machine needs, so that only a real hang ends it.
const EVALUATION_SECONDS_MAX: u64 = 600;
/// Evaluations of one version that may fail, each with a seed of its own: a machine that is busy for a while voids a run.
const EVALUATIONS_MAX: u32 = 3;
/// Parties, their deposits in whole credits, and what their tokens allow (DESIGN 4, Demo methodology).
const PARTIES: [(&str, u32, Scope); 8] = [
    ("SPONSOR", 1_000, Scope::Invest),
    ("LP", 20_000, Scope::Invest),
    ("ALICE", 5_000, Scope::Invest),
    ("BOB", 2_500, Scope::Invest),
    (ARCHITECTURES[0].publisher, 100, Scope::Publish),
    (ARCHITECTURES[1].publisher, 100, Scope::Publish),
    (ARCHITECTURES[2].publisher, 100, Scope::Publish),
    (ARCHITECTURES[3].publisher, 100, Scope::Publish),
];

/// Every login of the demo.
pub(crate) fn logins() -> Vec<(&'static str, Scope)> {
    let parties = PARTIES.iter().map(|(owner, _, scope)| (*owner, *scope));
    parties.chain([(OPERATOR, Scope::Operate)]).collect()
}

/// Steps of the whole walk, for the progress bar.
pub(crate) fn step_count() -> u64 {
    let versions: usize = ARCHITECTURES.iter().map(|a| a.steps.len()).sum();
    let setup = 2 + PARTIES.len() + ARCHITECTURES.len();
    let opening = ARCHITECTURES.len() + 3;
    (setup + opening + 2 * versions + 3 * ROUNDS + 1) as u64
}

/// Walks from nothing to the last strike.
///
/// # Errors
/// The first step that the server refuses, or an environment that does not hold.
pub(crate) async fn walk(backend: &mut Backend, steps: &Steps) -> Result<Outcome, Failure> {
    let suite = set_up(backend, steps).await?;
    let mut outcome = Outcome::default();
    for round in 0..ROUNDS {
        for architecture in &ARCHITECTURES {
            if let Some(step) = architecture.steps.get(round) {
                outcome
                    .versions
                    .push(publish_and_evaluate(backend, steps, &suite, architecture, step).await?);
            }
        }
        if round == 0 {
            open_fund(backend, steps).await?;
        }
        outcome.strikes.push(strike_and_rebalance(backend, steps, round + 1).await?);
    }
    if let Some(last) = outcome.strikes.last() {
        steps.next("verify the last strike");
        outcome.proof_ok = Some(prove(backend, last.number).await?);
    }
    outcome.versions.sort_by_key(|row| ARCHITECTURES.iter().position(|a| a.name == row.name));
    Ok(outcome)
}

async fn set_up(backend: &mut Backend, steps: &Steps) -> Result<String, Failure> {
    steps.next("register the suite");
    let cases = backend.upload(OPERATOR, CASES, ObjectKind::Checkpoint).await?.digest;
    let checkpoint =
        backend.upload(OPERATOR, REFERENCE_CHECKPOINT, ObjectKind::Checkpoint).await?.digest;
    let graph =
        backend.upload(OPERATOR, REFERENCE_GRAPH, ObjectKind::Graph { checkpoint }).await?.digest;
    let input = json!({
        "manifest": SUITE, "cases": cases, "referenceCheckpoint": checkpoint, "referenceGraph": graph,
    });
    let answer =
        backend.mutate(OPERATOR, "suiteRegister", "demo/suite", input, "suite { id }").await?;
    let suite = text(&answer, "/suite/id")?;
    steps.next("create the fund");
    let input = json!({ "name": FUND, "methodology": METHODOLOGY });
    backend.mutate(OPERATOR, "fundCreate", "demo/fund", input, "fund { name }").await?;
    for (owner, credits, _) in PARTIES {
        steps.next(&format!("deposit {credits} credits for {owner}"));
        let input = json!({ "owner": owner, "amount": format!("{credits}.000000") });
        backend
            .mutate(
                OPERATOR,
                "cashDeposit",
                &format!("demo/deposit/{owner}"),
                input,
                "account { owner }",
            )
            .await?;
    }
    for Architecture { name, publisher, .. } in &ARCHITECTURES {
        steps.next(&format!("{publisher} creates the model {name}"));
        let input = json!({ "name": name });
        backend
            .mutate(
                publisher,
                "modelCreate",
                &format!("demo/model/{name}"),
                input,
                "model { name }",
            )
            .await?;
    }
    Ok(suite)
}

async fn publish_and_evaluate(
    backend: &mut Backend,
    steps: &Steps,
    suite: &str,
    architecture: &Architecture,
    step: &Step,
) -> Result<VersionRow, Failure> {
    let Architecture { name: model, publisher, graph, .. } = architecture;
    let version = step.name;
    steps.next(&format!("publish {model} {version}"));
    let checkpoint =
        backend.upload(publisher, step.checkpoint, ObjectKind::Checkpoint).await?.digest;
    let graph = backend.upload(publisher, graph, ObjectKind::Graph { checkpoint }).await?.digest;
    let key = format!("demo/publish/{model}/{version}");
    let input =
        json!({ "model": model, "version": version, "checkpoint": checkpoint, "graph": graph });
    backend.mutate(publisher, "versionPublish", &key, input, "version { digest }").await?;
    steps.next(&format!("evaluate {model} {version}"));
    let mut why = String::new();
    for attempt in 1..=EVALUATIONS_MAX {
        let key = format!("demo/evaluate/{model}/{version}/{attempt}");
        let seed = u64::from_le_bytes(first_eight(Digest::of(key.as_bytes())));
        let input = json!({
            "model": model, "version": version, "suite": suite, "protocol": "quick", "seed": seed.to_string(),
        });
        let answer =
            backend.mutate(publisher, "evaluationRequest", &key, input, "job { id }").await?;
        match wait_for_job(backend, &text(&answer, "/job/id")?).await? {
            Ok(job) => return VersionRow::read(model, version, &job),
            Err(failure) => why = failure,
        }
    }
    Err(Failure::Environment(format!(
        "{EVALUATIONS_MAX} evaluations of {model} {version} failed; the last: {why}"
    )))
}

/// Waits for a job: its row when it is done, the reason when it failed.
async fn wait_for_job(backend: &mut Backend, id: &str) -> Result<Result<Value, String>, Failure> {
    const QUERY: &str =
        "query($id: ID!) { evaluationJob(id: $id) { state failureCode failureMessage
        report { items correct accuracy evaluatedPrice sigmaLnPrice }
        decision { status price bandLn } } }";
    for _ in 0..EVALUATION_SECONDS_MAX * 10 {
        let mut answer = backend.call(OPERATOR, QUERY, json!({ "id": id })).await?;
        match answer.pointer("/evaluationJob/state").and_then(Value::as_str) {
            Some("DONE") => return Ok(Ok(answer["evaluationJob"].take())),
            Some("FAILED") => {
                return text(&answer, "/evaluationJob/failureMessage").map(Err);
            }
            _ => {}
        }
        backend.keep_worker()?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::Environment(format!(
        "evaluation {id} is not done after {EVALUATION_SECONDS_MAX} s"
    )))
}

async fn open_fund(backend: &mut Backend, steps: &Steps) -> Result<(), Failure> {
    for Architecture { name, .. } in &ARCHITECTURES {
        steps.next(&format!("admit {name}"));
        let input = json!({ "fund": FUND, "model": name, "bond": "100.000000" });
        backend
            .mutate(OPERATOR, "modelAdmit", &format!("demo/admit/{name}"), input, "fund { name }")
            .await?;
    }
    steps.next("SPONSOR seeds the fund");
    let input = json!({ "fund": FUND, "owner": "SPONSOR", "amount": "1000.000000" });
    backend.mutate(OPERATOR, "fundSeed", "demo/seed", input, "fund { name }").await?;
    for (owner, amount) in [("ALICE", "5000.000000"), ("BOB", "2500.000000")] {
        steps.next(&format!("{owner} subscribes for {amount} credits"));
        let input = json!({ "fund": FUND, "amount": amount });
        backend
            .mutate(
                owner,
                "subscriptionOrderPlace",
                &format!("demo/subscribe/{owner}"),
                input,
                "order { id }",
            )
            .await?;
    }
    Ok(())
}

async fn strike_and_rebalance(
    backend: &mut Backend,
    steps: &Steps,
    number: usize,
) -> Result<StrikeRow, Failure> {
    steps.next(&format!("strike {number}"));
    let input = json!({ "fund": FUND });
    let key = format!("demo/strike/{number}");
    let struck = backend
        .mutate(
            OPERATOR,
            "fundStrike",
            &key,
            input.clone(),
            "strike { number day struckAt navPerShare }",
        )
        .await?;
    steps.next(&format!("rebalance after strike {number}"));
    let key = format!("demo/rebalance/{number}");
    let answer = backend.mutate(OPERATOR, "fundRebalance", &key, input, "level trades").await?;
    let row = StrikeRow::read(&struck["strike"], &text(&answer, "/level")?)?;
    steps.next("the clock moves by a day");
    let next_day = (row.day + 1).to_string();
    backend
        .mutate(
            OPERATOR,
            "clockAdvance",
            &format!("demo/clock/{number}"),
            json!({ "day": next_day }),
            "clock { day }",
        )
        .await?;
    Ok(row)
}

/// Verifies a strike from its bundle alone, samples included; only the log's key is taken from elsewhere.
async fn prove(backend: &mut Backend, number: u64) -> Result<bool, Failure> {
    let head = backend.call("", "{ log { head { publicKey } } }", json!({})).await?;
    let key = text(&head, "/log/head/publicKey")?;
    let key = key.parse().map_err(|error| Failure::Environment(format!("log key: {error}")))?;
    let bundle = backend.bundle(OPERATOR, FUND, number).await?;
    match crate::commands::verify_bundle::check(&bundle, Some(&key)) {
        Ok(_) => Ok(true),
        Err(reason) => {
            eprintln!("strike {number} does not verify: {reason}");
            Ok(false)
        }
    }
}

fn first_eight(digest: Digest) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    bytes
}

/// The text at a JSON pointer of an answer.
pub(crate) fn text(answer: &Value, pointer: &str) -> Result<String, Failure> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| {
        Failure::Environment(format!("the server's answer has no {pointer}: {answer}"))
    })
}
