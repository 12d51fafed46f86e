//! Aliases, yanks, differences, cards, search and the audit log.

use client::Client;
use serde_json::{Value, json};

use crate::{
    support::ask,
    world::{STEPS, World, mutate, refused},
};

/// Proves that an alias moves with its history, that a repetition moves nothing, and that a yanked version takes no alias and no
/// evaluation while everybody still reads it and why.
#[tokio::test]
async fn aliases_move_and_yanked_versions_stay() {
    let world = World::new();
    world.publish("net", false, &STEPS).await;
    let suite = world.register_suite().await;
    let moved = |version: &str, reason: &str| json!({ "model": "net", "alias": "champion", "version": version, "reason": reason });
    let selection = "alias { alias number version { name } movedBy reason }";
    for (version, reason, number) in
        [("v1", "first", 1), ("v2", "better", 2), ("v2", "same", 2), ("v1", "back", 3)]
    {
        for _ in 0..2 {
            let answer =
                mutate(&world.lab, "aliasMove", moved(version, reason), selection).await.unwrap();
            assert_eq!(
                (&answer["alias"]["number"], &answer["alias"]["version"]["name"]),
                (&json!(number), &json!(version))
            );
        }
    }
    let listed = json!({ "model": "net", "alias": "listed", "version": "v1", "reason": "x" });
    assert_eq!(refused(&world.lab, "aliasMove", listed, selection).await, "invalid");
    assert_eq!(refused(&world.lab, "aliasMove", moved("v1", " "), selection).await, "invalid");
    assert_eq!(refused(&world.lab, "aliasMove", moved("v9", "x"), selection).await, "absent");
    assert_eq!(
        refused(&world.stranger, "aliasMove", moved("v3", "x"), selection).await,
        "not_owner"
    );
    let yank = json!({ "model": "net", "version": "v3", "reason": "trained on its own test" });
    let withdrawn = "version { name yank { reason yankedBy yankedAt } }";
    assert_eq!(refused(&world.stranger, "versionYank", yank.clone(), withdrawn).await, "not_owner");
    for _ in 0..2 {
        let answer = mutate(&world.lab, "versionYank", yank.clone(), withdrawn).await.unwrap();
        assert_eq!(answer["version"]["yank"]["yankedBy"], "lab");
    }
    let again = json!({ "model": "net", "version": "v3", "reason": "once more" });
    assert_eq!(refused(&world.operator, "versionYank", again, withdrawn).await, "yanked");
    assert_eq!(refused(&world.lab, "aliasMove", moved("v3", "x"), selection).await, "yanked");
    assert_eq!(world.evaluate(&world.lab, "net", "v3", &suite).await.unwrap_err(), "yanked");
    world.evaluate(&world.lab, "net", "v2", &suite).await.unwrap();
    let answer = ask(
        &world.anybody,
        "{ model(name: \"net\") {
            aliases { nodes { alias version { name } } }
            aliasHistory(alias: \"champion\", first: 2, after: \"1\") { nodes { number version { name } reason } }
            version(name: \"v3\") { yank { reason } checkpoint { digest } } } }",
    )
    .await;
    let model = &answer["model"];
    assert_eq!(
        model["aliases"]["nodes"],
        json!([{ "alias": "champion", "version": { "name": "v1" } }])
    );
    assert_eq!(
        model["aliasHistory"]["nodes"],
        json!([
            { "number": 2, "version": { "name": "v2" }, "reason": "better" },
            { "number": 3, "version": { "name": "v1" }, "reason": "back" },
        ])
    );
    assert_eq!(model["version"]["yank"]["reason"], "trained on its own test");
    let digest = model["version"]["checkpoint"]["digest"].as_str().unwrap();
    let (status, bytes) = world.download(None, digest).await;
    assert_eq!((status, bytes.as_slice()), (200, STEPS[2]));
}

/// Proves that a difference is told from the tensors' keys, in pages, and that a declared base stands beside the measured share.
#[tokio::test]
async fn versions_are_compared() {
    let world = World::new();
    world.publish("net", false, &[STEPS[0], STEPS[1], STEPS[0]]).await;
    let diff = async |from: &str, to: &str, page: &str| {
        let query = format!(
            "{{ versionDiff(model: \"net\", from: \"{from}\", to: \"{to}\") {{
                changeCount unchangedCount unchangedBytes renamedBytes toBytes equalShare
                changes({page}) {{ nodes {{ kind from {{ name key }} to {{ name key bytes }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
        );
        ask(&world.anybody, &query).await["versionDiff"].clone()
    };
    let same = diff("v1", "v3", "first: 5").await;
    assert_eq!((&same["changeCount"], &same["equalShare"]), (&json!(0), &json!(1.0)));
    assert_eq!(same["unchangedBytes"], same["toBytes"]);
    let other = diff("v1", "v2", "first: 100").await;
    let changes = other["changes"]["nodes"].as_array().unwrap();
    assert_eq!(json!(changes.len()), other["changeCount"]);
    assert!(!changes.is_empty() && changes.iter().all(|change| change["kind"] == "CHANGED"));
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = diff("v1", "v2", &format!("first: 1{after}")).await;
        seen.extend(page["changes"]["nodes"].as_array().unwrap().clone());
        if page["changes"]["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = format!(", after: {}", page["changes"]["pageInfo"]["endCursor"]);
    }
    assert_eq!(&seen, changes);
    assert!(diff("v1", "v9", "first: 1").await.is_null());
    let answer = ask(
        &world.anybody,
        "{ model(name: \"net\") { a: version(name: \"v2\") { lineage { base { name } equalShare } checkpoint { structure { parameters dtypes signature } } }
            b: version(name: \"v1\") { lineage { equalShare } checkpoint { structure { signature } } } } }",
    )
    .await;
    let (a, b) = (&answer["model"]["a"], &answer["model"]["b"]);
    assert_eq!(
        (&a["lineage"]["base"]["name"], &a["lineage"]["equalShare"]),
        (&json!("v1"), &other["equalShare"])
    );
    assert!(b["lineage"].is_null());
    assert_eq!(a["checkpoint"]["structure"]["dtypes"], json!(["F32"]));
    assert_eq!(
        a["checkpoint"]["structure"]["signature"],
        b["checkpoint"]["structure"]["signature"]
    );
}

/// Proves that cards are kept in revisions, that models are found by words, tags and structure, and that the log is the operator's.
#[tokio::test]
async fn cards_search_and_log() {
    let world = World::new();
    world.publish("lab/fashion-net", false, &STEPS[..1]).await;
    world.publish("lab/secret-net", true, &STEPS[..1]).await;
    let card = |text: &str, tags: &[&str]| json!({ "model": "lab/fashion-net", "text": text, "licence": "Apache-2.0", "tags": tags });
    let selection = "model { card { revision text licence tags } }";
    mutate(&world.lab, "modelCardWrite", card("# Clothes\nknows shirts", &["old"]), selection)
        .await
        .unwrap();
    let answer = mutate(
        &world.lab,
        "modelCardWrite",
        card("# Clothes\nknows Boots", &["vision", "vision"]),
        selection,
    )
    .await
    .unwrap();
    assert_eq!(
        answer["model"]["card"],
        json!({ "revision": 2, "text": "# Clothes\nknows Boots", "licence": "Apache-2.0", "tags": ["vision"] })
    );
    assert_eq!(
        refused(&world.stranger, "modelCardWrite", card("mine", &[]), selection).await,
        "not_owner"
    );
    let found = async |client: &Client, search: &str| {
        let query = format!("{{ models(search: {{ {search} }}) {{ nodes {{ name }} }} }}");
        let answer = ask(client, &query).await;
        let nodes = answer["models"]["nodes"].as_array().unwrap().clone();
        nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let fashion = vec!["lab/fashion-net".to_owned()];
    for search in [
        "text: \"fashion boots\"",
        "text: \"APACHE\"",
        "tag: \"vision\"",
        "dtype: \"F32\"",
        "parametersMin: \"1\"",
        "text: \"net\"",
    ] {
        assert_eq!(found(&world.stranger, search).await, fashion, "{search}");
    }
    for search in [
        "text: \"shirts\"",
        "tag: \"old\"",
        "dtype: \"F16\"",
        "parametersMax: \"1\"",
        "text: \"secret\"",
    ] {
        assert!(found(&world.anybody, search).await.is_empty(), "{search}");
    }
    assert_eq!(found(&world.lab, "text: \"net\"").await.len(), 2);
    let log = "{ audit(first: 100) { nodes { number actor operation subject token } } }";
    for client in [&world.lab, &world.anybody] {
        let error = client.graphql::<Value>(log, json!({})).await.unwrap_err();
        assert!(["scope_missing", "unauthenticated"].contains(&error.code().unwrap()));
    }
    let answer = ask(&world.operator, log).await;
    let entries = answer["audit"]["nodes"].as_array().unwrap();
    let card = entries.iter().find(|entry| entry["operation"] == "model_card_write").unwrap();
    assert_eq!((&card["actor"], &card["subject"]), (&json!("lab"), &json!("lab/fashion-net")));
    let numbers: Vec<i64> = entries.iter().map(|entry| entry["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=entries.len() as i64).collect::<Vec<_>>());
}
