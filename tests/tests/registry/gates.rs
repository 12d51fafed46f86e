//! Gated models, roles, bound tokens, contributors.

use client::Client;
use serde_json::{Value, json};

use crate::{
    support::{ask, token},
    world::{GRAPH, METHODOLOGY, STEPS, World, mutate, refused},
};

/// Digests of the objects of `v1` of a model.
async fn objects(client: &Client, model: &str) -> [String; 2] {
    let query = format!(
        "{{ model(name: \"{model}\") {{ version(name: \"v1\") {{ checkpoint {{ digest }} graph }} }} }}"
    );
    let version = ask(client, &query).await["model"]["version"].clone();
    [&version["checkpoint"]["digest"], &version["graph"]].map(|d| d.as_str().unwrap().to_owned())
}

/// Status, code of the hub, and code of the problem.
async fn get(url: &str, token: Option<&str>) -> (u16, Option<String>, Option<String>) {
    let mut request = reqwest::Client::new().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let code = response.headers().get("x-error-code").map(|c| c.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    (status, code, body["code"].as_str().map(str::to_owned))
}

/// Proves that a gated model is seen by all and its bytes had by none but those who were granted them: by its own routes, by
/// publishing or reusing what one only knows the digest of, and on the hub; that the gate is manual or automatic as it was set; and
/// that an object which an open model has too is read through that one.
#[tokio::test]
async fn bytes_of_a_gated_model_need_a_grant() {
    let world = World::new();
    world.publish("lab/net", false, &STEPS[..1]).await;
    let [checkpoint, graph] = objects(&world.anybody, "lab/net").await;
    let stranger = Some(world.stranger_token.as_str());
    assert_eq!(world.download(None, &checkpoint).await.0, 200);
    let set =
        |mode: &str, key: &str| json!({ "model": "lab/net", "mode": mode, "idempotencyKey": key });
    assert_eq!(
        refused(&world.stranger, "modelGateSet", set("AUTO", "s"), "model { gate }").await,
        "not_owner"
    );
    let answer = mutate(&world.lab, "modelGateSet", set("MANUAL", "1"), "model { gate }").await;
    assert_eq!(answer.unwrap()["model"]["gate"], "MANUAL");
    for digest in [&checkpoint, &graph] {
        let url = format!("{}/v1/objects/{digest}", world.url);
        for bearer in [None, stranger] {
            assert_eq!(get(&url, bearer).await, (403, None, Some("gated".to_owned())));
        }
        for bearer in [&world.lab_token, &world.operator_token] {
            assert_eq!(world.download(Some(bearer), digest).await.0, 200);
        }
    }
    let seen = ask(&world.anybody, "{ model(name: \"lab/net\") { gate versions { nodes { checkpoint { tensorCount } } } } models { nodes { name } } }").await;
    assert_eq!(seen["model"]["gate"], "MANUAL");
    assert_eq!(seen["models"]["nodes"], json!([{ "name": "lab/net" }]));
    let info = reqwest::get(format!("{}/hf/api/models/lab/net", world.url)).await.unwrap();
    let info: Value = serde_json::from_slice(&info.bytes().await.unwrap()).unwrap();
    assert_eq!((&info["gated"], &info["private"]), (&json!("manual"), &json!(false)));
    // Knowing a digest is no way to the bytes.
    mutate(&world.stranger, "modelCreate", json!({ "name": "rival/copy" }), "model { name }")
        .await
        .unwrap();
    let copy =
        json!({ "model": "rival/copy", "version": "v1", "checkpoint": checkpoint, "graph": graph });
    assert_eq!(
        refused(&world.stranger, "versionPublish", copy.clone(), "version { name }").await,
        "gated"
    );
    asked(&world, &checkpoint).await;
    opened(&world, &checkpoint, copy).await;
}

/// Request, refusal, grant, and their ends.
async fn asked(world: &World, checkpoint: &str) {
    let request =
        |key: &str| json!({ "model": "lab/net", "message": "for a survey", "idempotencyKey": key });
    let fields = "request { login state words }";
    let answer = mutate(&world.stranger, "accessRequest", request("1"), fields).await.unwrap();
    let open = json!({ "login": "rival", "state": "OPEN", "words": "for a survey" });
    assert_eq!(answer["request"], open);
    let stranger = Some(world.stranger_token.as_str());
    assert_eq!(world.download(stranger, checkpoint).await.0, 403);
    let listed = "{ model(name: \"lab/net\") { accessRequests { nodes { login state } } } }";
    let answer = ask(&world.lab, listed).await;
    assert_eq!(
        answer["model"]["accessRequests"]["nodes"],
        json!([{ "login": "rival", "state": "OPEN" }])
    );
    let denied = world.stranger.graphql::<Value>(listed, json!({})).await;
    assert_eq!(denied.unwrap_err().code(), Some("not_owner"));
    for (granted, state, status) in [(true, "GRANTED", 200), (false, "REFUSED", 403)] {
        let decision =
            json!({ "model": "lab/net", "login": "rival", "granted": granted, "reason": "so" });
        assert_eq!(
            refused(&world.stranger, "accessRequestDecide", decision.clone(), fields).await,
            "not_owner"
        );
        let answer = mutate(&world.lab, "accessRequestDecide", decision, fields).await.unwrap();
        assert_eq!(answer["request"]["state"], state);
        assert_eq!(world.download(stranger, checkpoint).await.0, status);
        let own = ask(&world.stranger, "{ model(name: \"lab/net\") { accessRequest { state } } }");
        assert_eq!(own.await["model"]["accessRequest"]["state"], state);
    }
    assert_eq!(
        refused(&world.stranger, "accessRequest", request("2"), fields).await,
        "invalid",
        "after a refusal one does not ask again"
    );
    let auto = json!({ "model": "lab/net", "mode": "AUTO", "idempotencyKey": "auto" });
    mutate(&world.lab, "modelGateSet", auto, "model { gate }").await.unwrap();
    let reader_token = token(&world.place, "reader", "invest");
    let reader = world.anybody.with_token(&reader_token);
    let answer = mutate(&reader, "accessRequest", request("1"), fields).await.unwrap();
    assert_eq!(answer["request"]["state"], "GRANTED");
    assert_eq!(world.download(Some(&reader_token), checkpoint).await.0, 200);
}

/// An object of an open model is read whatever else has it; a gate that goes lets all in.
async fn opened(world: &World, checkpoint: &str, copy: Value) {
    let stranger = Some(world.stranger_token.as_str());
    assert_eq!(world.download(None, checkpoint).await.0, 403);
    // The rival brings the same bytes himself.
    world.upload_pair(&world.stranger_token, STEPS[0], GRAPH).await;
    let mut copy = copy;
    copy["idempotencyKey"] = json!("again");
    mutate(&world.stranger, "versionPublish", copy, "version { name }").await.unwrap();
    for bearer in [None, stranger] {
        assert_eq!(world.download(bearer, checkpoint).await.0, 200);
    }
    let hub = format!("{}/hf/lab/net/resolve/main/model.safetensors", world.url);
    let (status, code, _) = get(&hub, None).await;
    assert!(status == 404 && code.as_deref() != Some("GatedRepo"), "nothing was committed there");
}

/// Proves what a maintainer may and may not, and that the role's end ends it.
#[tokio::test]
async fn maintainers_work_and_do_not_decide() {
    let world = World::new();
    world.publish("lab/net", true, &STEPS[..1]).await;
    let helper_token = token(&world.place, "helper", "publish");
    let helper = world.anybody.with_token(&helper_token);
    let set = |granted: bool| json!({ "model": "lab/net", "login": "helper", "granted": granted });
    let card = |key: &str| json!({ "model": "lab/net", "text": "x", "idempotencyKey": key });
    assert_eq!(refused(&helper, "modelCardWrite", card("0"), "model { name }").await, "absent");
    let fields = "model { maintainers { nodes { login } } }";
    let answer = mutate(&world.lab, "modelMaintainerSet", set(true), fields).await.unwrap();
    assert_eq!(answer["model"]["maintainers"]["nodes"], json!([{ "login": "helper" }]));
    mutate(&helper, "modelCardWrite", card("1"), "model { name }").await.unwrap();
    let (checkpoint, graph) = world.upload_pair(&helper_token, STEPS[1], GRAPH).await;
    let publish =
        json!({ "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph });
    mutate(&helper, "versionPublish", publish, "version { name }").await.unwrap();
    let alias = json!({ "model": "lab/net", "alias": "champion", "version": "v2", "reason": "x" });
    mutate(&helper, "aliasMove", alias, "alias { number }").await.unwrap();
    for (field, input, selection) in [
        (
            "listedPinSet",
            json!({ "model": "lab/net", "pinned": true, "reason": "x" }),
            "model { name }",
        ),
        (
            "versionYank",
            json!({ "model": "lab/net", "version": "v1", "reason": "x" }),
            "version { name }",
        ),
        ("modelVisibilitySet", json!({ "model": "lab/net", "private": false }), "model { name }"),
        ("modelGateSet", json!({ "model": "lab/net", "mode": "AUTO" }), "model { name }"),
        ("accessGrant", json!({ "model": "lab/net", "grantee": "rival" }), "model { name }"),
        (
            "modelMaintainerSet",
            json!({ "model": "lab/net", "login": "rival", "granted": true }),
            "model { name }",
        ),
        (
            "modelContributorsSet",
            json!({ "model": "lab/net", "contributors": [{ "login": "helper", "sharePpb": 1_000_000_000 }] }),
            "model { name }",
        ),
        (
            "webhookCreate",
            json!({ "model": "lab/net", "url": "https://example.org/", "events": ["version.published"] }),
            "webhook { id }",
        ),
    ] {
        assert_eq!(refused(&helper, field, input.clone(), selection).await, "not_owner", "{field}");
        // For somebody who may not see the model it is as if there were none.
        let mut nothing = input.clone();
        nothing["model"] = json!("lab/nothing");
        let answers = [
            refused(&world.stranger, field, input, selection).await,
            refused(&world.stranger, field, nothing, selection).await,
        ];
        assert_eq!(answers, ["absent", "absent"], "{field}");
    }
    mutate(&world.lab, "modelMaintainerSet", set(false), fields).await.unwrap();
    assert_eq!(refused(&helper, "modelCardWrite", card("2"), "model { name }").await, "absent");
}

/// Proves that a token mints at most itself, shows its text once, writes the models that it is bound to and no others, and is
/// refused once it is revoked or its owner asks for another's.
#[tokio::test]
async fn tokens_are_bound_and_revoked() {
    let world = World::new();
    world.publish("lab/one", false, &[]).await;
    world.publish("lab/two", false, &[]).await;
    let fields = "secret token { id label scopes models owner revokedAt }";
    let wanted = json!({ "label": "ci", "scopes": ["publish"], "models": ["lab/one"], "expiresInDays": 30, "idempotencyKey": "t" });
    let made = mutate(&world.lab, "tokenCreate", wanted.clone(), fields).await.unwrap();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(made["token"]["models"], json!(["lab/one"]));
    let again = mutate(&world.lab, "tokenCreate", wanted, fields).await.unwrap();
    assert_eq!((&again["secret"], &again["token"]), (&Value::Null, &made["token"]));
    let bound = world.anybody.with_token(&secret);
    let card = |model: &str| json!({ "model": model, "text": "x" });
    mutate(&bound, "modelCardWrite", card("lab/one"), "model { name }").await.unwrap();
    assert_eq!(
        refused(&bound, "modelCardWrite", card("lab/two"), "model { name }").await,
        "token_bound"
    );
    assert_eq!(
        refused(&bound, "modelCreate", json!({ "name": "lab/new" }), "model { name }").await,
        "token_bound"
    );
    let tag = format!("{}/hf/api/models/lab/two/settings", world.url);
    let response =
        reqwest::Client::new().put(tag).bearer_auth(&secret).json(&json!({ "gated": "auto" }));
    assert_eq!(response.send().await.unwrap().status().as_u16(), 403);
    let mint =
        |scopes: Value, models: Value| json!({ "label": "x", "scopes": scopes, "models": models });
    for (client, scopes, models, code) in [
        (&world.lab, json!(["operate"]), Value::Null, "scope_missing"),
        (&world.lab, json!(["root"]), Value::Null, "invalid"),
        (&world.lab, json!([]), Value::Null, "invalid"),
        (&world.stranger, json!(["publish"]), json!(["lab/one"]), "not_owner"),
        (&world.stranger, json!(["publish"]), json!(["lab/nothing"]), "absent"),
        (&bound, json!(["publish"]), Value::Null, "token_bound"),
        (&bound, json!(["publish"]), json!(["lab/two"]), "token_bound"),
    ] {
        let answer = refused(client, "tokenCreate", mint(scopes.clone(), models), fields).await;
        assert_eq!(answer, code, "{scopes}");
    }
    let id = made["token"]["id"].as_str().unwrap();
    let revoke = json!({ "id": id });
    assert_eq!(
        refused(&world.stranger, "tokenRevoke", revoke.clone(), "token { id }").await,
        "absent"
    );
    mutate(&world.lab, "tokenRevoke", revoke, "token { revokedAt }").await.unwrap();
    assert_eq!(
        refused(&bound, "modelCardWrite", card("lab/one"), "model { name }").await,
        "unauthenticated"
    );
    let listed =
        ask(&world.operator, "{ tokens(owner: \"lab\", first: 100) { nodes { id revokedAt } } }")
            .await;
    let listed = listed["tokens"]["nodes"].as_array().unwrap();
    assert!(listed.iter().any(|t| t["id"] == id && !t["revokedAt"].is_null()));
}

/// Proves that a split sums to one or is refused, that the fund's first admission takes it, and that proceeds of the model's sales
/// belong to it from then on.
#[tokio::test]
async fn the_declared_split_enters_the_ledger() {
    let world = World::new();
    world.publish("lab/net", false, &STEPS[..1]).await;
    let set = |parts: Value| json!({ "model": "lab/net", "contributors": parts });
    let part = |login: &str, share: i64| json!({ "login": login, "sharePpb": share });
    let fields = "model { contributors { revision parts { login sharePpb } } }";
    for bad in [
        json!([]),
        json!([part("lab", 999_999_999)]),
        json!([part("lab", 999_999_999), part("ann", 2)]),
        json!([part("lab", 500_000_000), part("lab", 500_000_000)]),
        json!([part("lab", 1_000_000_000), part("ann", 0)]),
        json!([part("lab", 1_000_000_001), part("ann", -1)]),
    ] {
        let answer = refused(&world.lab, "modelContributorsSet", set(bad.clone()), fields).await;
        assert_eq!(answer, "invalid", "{bad}");
    }
    let split = json!([part("ann", 333_333_333), part("lab", 666_666_667)]);
    let answer =
        mutate(&world.lab, "modelContributorsSet", set(split.clone()), fields).await.unwrap();
    assert_eq!(answer["model"]["contributors"], json!({ "revision": 1, "parts": split }));
    let suite = world.register_suite().await;
    let job = world.evaluate(&world.lab, "lab/net", "v1", &suite).await.unwrap();
    world.work_until_done(&job).await;
    let fund = json!({ "name": "F", "methodology": METHODOLOGY });
    mutate(&world.operator, "fundCreate", fund, "fund { name }").await.unwrap();
    let deposit = json!({ "owner": "lab", "amount": "100000.000000" });
    mutate(&world.operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    let admit = json!({ "fund": "F", "model": "lab/net", "bond": "1000.000000" });
    mutate(&world.operator, "modelAdmit", admit, "fund { name }").await.unwrap();
    // The journal is the ledger: what it says of the admission is what proceeds are paid by.
    let database = world.place.path().join("modelfolio.db");
    let script = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(\"SELECT body FROM ledger_event WHERE op = 'admit'\").fetchone()[0])";
    let output = std::process::Command::new("python3").args(["-c", script]).arg(database).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let body: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = body.to_string();
    assert!(text.contains("333333333") && text.contains("666666667"), "{text}");
}
