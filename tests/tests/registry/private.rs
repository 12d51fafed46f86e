//! Private models: absent for strangers, in every query and every download.

use client::Client;
use domain::digest::Digest;
use serde_json::{Value, json};

use crate::{
    support::ask,
    world::{GRAPH, METHODOLOGY, STEPS, World, mutate, refused},
};

/// Every question that names a model, asked of one; all of it null or empty for a model that there is not.
async fn everything(client: &Client, model: &str, job: &str) -> Value {
    let query = format!(
        "{{ model(name: \"{model}\") {{ name versions {{ nodes {{ name checkpoint {{ tensorCount }} }} }} }}
            versionDiff(model: \"{model}\", from: \"v1\", to: \"v2\") {{ changeCount }}
            models(first: 100) {{ nodes {{ name }} }}
            search: models(search: {{ text: \"lab\" }}) {{ nodes {{ name }} }}
            evaluationJob(id: \"{job}\") {{ state version {{ name model {{ name }} }} }} }}"
    );
    ask(client, &query).await
}

/// Every command that names a model of the lab, with the answer's selection.
fn commands(
    model: &str,
    checkpoint: &str,
    graph: &str,
    suite: &str,
) -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "versionPublish",
            json!({ "model": model, "version": "v9", "checkpoint": checkpoint, "graph": graph }),
            "version { name }",
        ),
        (
            "evaluationRequest",
            json!({ "model": model, "version": "v1", "suite": suite, "protocol": "quick", "seed": "1" }),
            "job { id }",
        ),
        (
            "aliasMove",
            json!({ "model": model, "alias": "champion", "version": "v1", "reason": "x" }),
            "alias { number }",
        ),
        (
            "listedPinSet",
            json!({ "model": model, "pinned": true, "reason": "x" }),
            "model { name }",
        ),
        (
            "versionYank",
            json!({ "model": model, "version": "v1", "reason": "x" }),
            "version { name }",
        ),
        ("modelCardWrite", json!({ "model": model, "text": "x" }), "model { name }"),
        ("modelVisibilitySet", json!({ "model": model, "private": false }), "model { name }"),
        ("accessGrant", json!({ "model": model, "grantee": "rival" }), "model { name }"),
        ("accessRevoke", json!({ "model": model, "grantee": "rival" }), "model { name }"),
    ]
}

/// Proves that every query, command and download answers a stranger about a private model what it answers about none, that a grant
/// opens reading and nothing else, and that its end closes it.
#[tokio::test]
async fn strangers_cannot_tell_a_private_model_from_none() {
    let world = World::new();
    world.publish("lab/secret", true, &STEPS[..2]).await;
    let suite = world.register_suite().await;
    let job = world.evaluate(&world.lab, "lab/secret", "v1", &suite).await.unwrap();
    let absent = everything(&world.stranger, "lab/nothing", "nothing").await;
    for client in [&world.anybody, &world.stranger] {
        assert_eq!(everything(client, "lab/secret", &job).await, absent);
    }
    for client in [&world.lab, &world.operator] {
        let seen = everything(client, "lab/secret", &job).await;
        assert_eq!(seen["models"]["nodes"], json!([{ "name": "lab/secret" }]));
        assert_eq!(seen["search"], seen["models"]);
        assert_eq!(seen["evaluationJob"]["version"]["model"]["name"], "lab/secret");
        assert!(seen["versionDiff"]["changeCount"].as_i64().unwrap() > 0);
    }
    let [checkpoint, graph] = [STEPS[0], GRAPH].map(|bytes| Digest::of(bytes).to_string());
    for model in ["lab/secret", "lab/nothing"] {
        for (field, input, selection) in commands(model, &checkpoint, &graph, &suite) {
            let code = refused(&world.stranger, field, input, selection).await;
            assert_eq!(code, "absent", "{field} {model}");
        }
        let create = json!({ "name": model });
        assert_eq!(
            refused(&world.stranger, "modelCreate", create, "model { name }").await,
            "not_owner"
        );
    }
    for token in [None, Some(world.stranger_token.as_str())] {
        // The graph is that of the suite's reference too, which everybody may read.
        assert_eq!(world.download(token, &checkpoint).await.0, 404);
        assert_eq!(world.download(token, &graph).await.0, 200);
    }
    for token in [&world.lab_token, &world.operator_token] {
        assert_eq!(world.download(Some(token), &checkpoint).await, (200, STEPS[0].to_vec()));
    }
    granted(&world, &job, &absent, &checkpoint).await;
}

async fn granted(world: &World, job: &str, absent: &Value, checkpoint: &str) {
    let grant = json!({ "model": "lab/secret", "grantee": "rival" });
    let selection = "model { grants { nodes { grantee grantedBy } } }";
    let answer = mutate(&world.lab, "accessGrant", grant.clone(), selection).await.unwrap();
    assert_eq!(
        answer["model"]["grants"]["nodes"],
        json!([{ "grantee": "rival", "grantedBy": "lab" }])
    );
    let rival = everything(&world.stranger, "lab/secret", job).await;
    assert_eq!(rival, everything(&world.lab, "lab/secret", job).await);
    assert_eq!(world.download(Some(&world.stranger_token), checkpoint).await.0, 200);
    assert_eq!(&everything(&world.anybody, "lab/secret", job).await, absent);
    for (field, input, selection) in commands("lab/secret", checkpoint, checkpoint, "none") {
        if field != "versionPublish" {
            assert_eq!(
                refused(&world.stranger, field, input, selection).await,
                "not_owner",
                "{field}"
            );
        }
    }
    let grants = "{ model(name: \"lab/secret\") { grants { nodes { grantee } } } }";
    let error = world.stranger.graphql::<Value>(grants, json!({})).await.unwrap_err();
    assert_eq!(error.code(), Some("not_owner"));
    mutate(&world.lab, "accessRevoke", grant, "model { name }").await.unwrap();
    assert_eq!(&everything(&world.stranger, "lab/secret", job).await, absent);
    assert_eq!(world.download(Some(&world.stranger_token), checkpoint).await.0, 404);
    let open = json!({ "model": "lab/secret", "private": false });
    mutate(&world.lab, "modelVisibilitySet", open, "model { private }").await.unwrap();
    assert_eq!(world.download(None, checkpoint).await.0, 200);
    let close = json!({ "model": "lab/secret", "private": true });
    mutate(&world.lab, "modelVisibilitySet", close, "model { private }").await.unwrap();
    assert_eq!(&everything(&world.anybody, "lab/secret", job).await, absent);
}

/// Proves that who only knows a private checkpoint's digest gets neither its bytes nor its tensors by any command, and that who has
/// the bytes may publish them.
#[tokio::test]
async fn a_digest_alone_opens_nothing() {
    let world = World::new();
    world.publish("lab/secret", true, &STEPS[..1]).await;
    let [secret, graph] = [STEPS[0], GRAPH].map(|bytes| Digest::of(bytes).to_string());
    mutate(&world.stranger, "modelCreate", json!({ "name": "copy" }), "model { name }")
        .await
        .unwrap();
    let publish = |version: &str, base: Value| json!({ "model": "copy", "version": version, "checkpoint": secret, "graph": graph, "base": base });
    let of = "version { name lineage { base { name } } }";
    assert_eq!(
        refused(&world.stranger, "versionPublish", publish("a", Value::Null), of).await,
        "absent"
    );
    let url = format!("{}/v1/objects/{graph}?kind=graph&checkpoint={secret}", world.url);
    let request = reqwest::Client::new().put(url).bearer_auth(&world.stranger_token);
    let response = request.body(GRAPH.to_vec()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 404);
    let register = json!({
        "manifest": include_str!("../../../crates/cli/demo/suite/suite.toml"), "cases": secret,
        "referenceCheckpoint": secret, "referenceGraph": graph,
    });
    assert_eq!(refused(&world.stranger, "suiteRegister", register, "suite { id }").await, "absent");
    for digest in [&secret, &graph] {
        assert_eq!(world.download(Some(&world.stranger_token), digest).await.0, 404);
    }
    // With the bytes in hand it is another matter.
    world.upload_pair(&world.stranger_token, STEPS[0], GRAPH).await;
    assert_eq!(world.download(Some(&world.stranger_token), &secret).await.0, 200);
    assert_eq!(world.download(None, &secret).await.0, 404);
    let base = json!({ "model": "lab/secret", "version": "v1" });
    assert_eq!(refused(&world.stranger, "versionPublish", publish("b", base), of).await, "absent");
    mutate(&world.stranger, "versionPublish", publish("c", Value::Null), of).await.unwrap();
    assert_eq!(world.download(None, &secret).await.0, 200);
}

/// Proves that reports, samples and prices of a private model are hidden with it, that no fund admits it, that what a fund admitted
/// stays public, and that a pin keeps `listed` and its price where they are.
#[tokio::test]
async fn evaluations_are_as_private_as_their_model() {
    let world = World::new();
    world.publish("lab/net", true, &STEPS[1..]).await;
    let suite = world.register_suite().await;
    let job = world.evaluate(&world.lab, "lab/net", "v1", &suite).await.unwrap();
    let done = world.work_until_done(&job).await;
    let [report, samples] =
        ["digest", "samples"].map(|f| done["report"][f].as_str().unwrap().to_owned());
    let query = format!("{{ report(digest: \"{report}\") {{ items version {{ name }} }} }}");
    for (client, token) in [(&world.anybody, None), (&world.stranger, Some(&world.stranger_token))]
    {
        assert!(ask(client, &query).await["report"].is_null());
        for digest in [&report, &samples] {
            assert_eq!(world.download(token.map(String::as_str), digest).await.0, 404);
        }
    }
    assert_eq!(ask(&world.lab, &query).await["report"]["version"]["name"], "v1");
    assert_eq!(world.download(Some(&world.lab_token), &samples).await.0, 200);
    let fund = json!({ "name": "F", "methodology": METHODOLOGY });
    mutate(&world.operator, "fundCreate", fund, "fund { name }").await.unwrap();
    let deposit = json!({ "owner": "lab", "amount": "100000.000000" });
    mutate(&world.operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    let admit = |key: &str| json!({ "fund": "F", "model": "lab/net", "bond": "1000.000000", "idempotencyKey": key });
    assert_eq!(
        refused(&world.operator, "modelAdmit", admit("1"), "fund { name }").await,
        "invalid"
    );
    let set = |private: bool| json!({ "model": "lab/net", "private": private });
    mutate(&world.lab, "modelVisibilitySet", set(false), "model { private }").await.unwrap();
    assert_eq!(ask(&world.anybody, &query).await["report"]["version"]["name"], "v1");
    assert_eq!(world.download(None, &report).await.0, 200);
    mutate(&world.operator, "modelAdmit", admit("2"), "fund { name }").await.unwrap();
    assert_eq!(
        refused(&world.lab, "modelVisibilitySet", set(true), "model { private }").await,
        "invalid"
    );
    pinned(&world, &suite).await;
}

async fn pinned(world: &World, suite: &str) {
    let pin = |pinned: bool| json!({ "model": "lab/net", "pinned": pinned, "reason": "audited" });
    let answer =
        mutate(&world.lab, "listedPinSet", pin(true), "model { listedPin { reason setBy } }")
            .await
            .unwrap();
    assert_eq!(answer["model"]["listedPin"], json!({ "reason": "audited", "setBy": "lab" }));
    let job = world.evaluate(&world.lab, "lab/net", "v2", suite).await.unwrap();
    let done = world.work_until_done(&job).await;
    assert!(done["decision"].is_null() && !done["report"].is_null(), "{done}");
    let answer = ask(
        &world.anybody,
        "{ model(name: \"lab/net\") { listed { name } listedPin { reason } prices { nodes { number } }
            aliasHistory(alias: \"listed\") { nodes { number version { name } } } } }",
    )
    .await;
    let model = &answer["model"];
    assert_eq!(
        (&model["listed"]["name"], &model["listedPin"]["reason"]),
        (&json!("v1"), &json!("audited"))
    );
    assert_eq!(
        model["aliasHistory"]["nodes"],
        json!([{ "number": 1, "version": { "name": "v1" } }])
    );
    assert_eq!(model["prices"]["nodes"].as_array().unwrap().len(), 1);
    let answer = mutate(&world.lab, "listedPinSet", pin(false), "model { listedPin { reason } }")
        .await
        .unwrap();
    assert!(answer["model"]["listedPin"].is_null());
}

/// Proves that the Hugging Face surface answers a stranger about a private model what it answers about none, word for word.
#[tokio::test]
async fn the_hub_surface_hides_private_models_too() {
    let world = World::new();
    world.publish("lab/secret", true, &STEPS[..1]).await;
    let get = async |token: Option<&str>, path: &str| {
        let mut request = reqwest::Client::new().get(format!("{}/hf/{path}", world.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let code = response.headers().get("x-error-code").map(|c| c.to_str().unwrap().to_owned());
        (response.status().as_u16(), code, response.text().await.unwrap())
    };
    for path in [
        "api/models/lab/secret",
        "api/models/lab/secret/revision/main",
        "api/models/lab/secret/tree/main",
        "api/models/lab/secret/refs",
        "api/models/lab/secret/commits/main",
        "lab/secret/resolve/main/model.safetensors",
        "api/models?search=secret",
    ] {
        for token in [None, Some(world.stranger_token.as_str())] {
            let (status, code, body) = get(token, path).await;
            let nothing = get(token, &path.replace("secret", "nothing")).await;
            let body = body.replace("secret", "nothing");
            assert_eq!((status, code, body), nothing, "{path}");
        }
    }
    assert_eq!(get(Some(&world.lab_token), "api/models/lab/secret").await.0, 200);
    assert!(get(Some(&world.lab_token), "api/models?search=secret").await.2.contains("lab/secret"));
}
