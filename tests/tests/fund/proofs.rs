//! Strikes prove themselves: the log grows with every change, and a bundle is verified offline by the real program.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration};

use client::Client;
use domain::{
    digest::Digest,
    proof::{LeafRecord, SignedHead, merkle},
};
use serde_json::{Value, json};

use crate::{
    exits::Market,
    support::{PROGRAM, Place, ask, serve},
    world::{STEPS, World, mutate},
};

const HEAD: &str = "head { log size root at publicKey signature }";

/// Runs `verify`; whether it said yes, and all that it said.
pub(crate) fn verify(arguments: &[&str]) -> (bool, String) {
    verify_as(arguments, "")
}

fn verify_as(arguments: &[&str], token: &str) -> (bool, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("verify").args(arguments).env_remove("MODELFOLIO_TOKEN");
    command.env_remove("MODELFOLIO_SERVER");
    if !token.is_empty() {
        command.env("MODELFOLIO_TOKEN", token);
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    (output.status.success(), said)
}

/// Status and text of a strike's bundle.
pub(crate) async fn bundle(world: &World, token: Option<&str>, strike: &str) -> (u16, String) {
    let url = format!("{}/v1/strikes/{strike}/bundle?samples=true", world.url);
    let mut request = reqwest::Client::new().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// A head as GraphQL tells it.
fn head_of(answer: &Value) -> SignedHead {
    SignedHead {
        log: answer["log"].as_str().unwrap().parse().unwrap(),
        size: answer["size"].as_u64().unwrap(),
        root: answer["root"].as_str().unwrap().parse().unwrap(),
        at: answer["at"].as_str().unwrap().parse().unwrap(),
        public_key: answer["publicKey"].as_str().unwrap().parse().unwrap(),
        signature: answer["signature"].as_str().unwrap().to_owned(),
    }
}

fn digests(answer: &Value) -> Vec<Digest> {
    answer.as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap()).collect()
}

/// A market that was struck twice, with one who joined and one who left.
async fn struck_twice() -> Market {
    let market = Market::open().await;
    market.subscribe(&market.ann, "500.000000").await;
    assert_eq!(market.strike().await, 1);
    market.rebalance().await;
    market.redeem(&market.ann, "10.000000000").await;
    market.subscribe(&market.bob, "200.000000").await;
    assert_eq!(market.strike().await, 2);
    market
}

/// Another digit where a decimal text begins.
fn other_digit(value: &mut Value) {
    let text = value.as_str().unwrap().to_owned();
    let first = if text.starts_with('1') { '2' } else { '1' };
    *value = json!(format!("{first}{}", &text[1..]));
}

fn write(folder: &Path, name: &str, bundle: &Value) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bundle.to_string()).unwrap();
    path.display().to_string()
}

/// Proves that the bundle of a strike goes to the operator alone and is verified offline, by file and by address; that one digit of a
/// fill, a price, a NAV, a balance's event or a report is found and named; and that a changed leaf, a log under another key and a head
/// that nobody signed are refused.
#[tokio::test(flavor = "multi_thread")]
async fn strikes_prove_themselves() {
    let market = struck_twice().await;
    let world = &market.world;
    let operator = Some(world.operator_token.as_str());
    for (token, strike, status) in [
        (None, "F/2", 401),
        (Some(world.lab_token.as_str()), "F/2", 403),
        (operator, "F/9", 404),
        (operator, "a%2Fb/1", 404),
        (operator, "F/x", 422),
    ] {
        let (found, text) = bundle(world, token, strike).await;
        assert_eq!(found, status, "{strike}: {text}");
    }
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=2 {
        let (status, text) = bundle(world, operator, &format!("F/{number}")).await;
        assert_eq!(status, 200, "{text}");
        std::fs::write(folder.path().join(format!("{number}.json")), &text).unwrap();
        let (ok, said) = verify(&[folder.path().join(format!("{number}.json")).to_str().unwrap()]);
        assert!(ok, "{said}");
        assert!(said.contains(&format!("strike     {number} of F")), "{said}");
        assert!(said.contains("1 of them from their samples, 1 signed"), "{said}");
        assert!(said.contains("anybody can have made it"), "{said}");
        assert!(said.contains("known      ok: 1 orders dealt below no price"), "{said}");
        assert!(said.contains("0 without their text, 0 reports undecided"), "{said}");
    }
    let path = folder.path().join("2.json").display().to_string();
    let answer = ask(&world.anybody, &format!("{{ log {{ {HEAD} }} }}")).await;
    let key = answer["log"]["head"]["publicKey"].as_str().unwrap();
    let (ok, said) = verify(&[&path, "--key", key, "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(ok && said["ok"] == true && said["trusted"] == true, "{said}");
    let url = format!("{}/v1/strikes/F/2/bundle", world.url);
    let (ok, said) =
        verify_as(&[&url, "--key", key, "--server", &world.url], &world.operator_token);
    assert!(ok && said.contains("0 of them from their samples"), "{said}");
    let (ok, said) = verify_as(&[&url, "--key", key], &world.operator_token);
    assert!(!ok && said.contains("unauthenticated"), "the token is not for this address: {said}");
    let (ok, said) = verify(&[&url]);
    assert!(!ok && said.contains("unauthenticated"), "{said}");
    let stranger = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let (ok, said) = verify(&[&path, "--key", stranger]);
    assert!(!ok && said.contains("is trusted"), "{said}");
    let good: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    tampered(folder.path(), &good);
    let mode = std::fs::metadata(world.place.path().join("log.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the log's key is for its owner alone");
}

/// Every change of one digit is refused with the name of what differs.
fn tampered(folder: &Path, good: &Value) {
    let leaf = good["log"]["leaves"].as_array().unwrap().iter();
    let report = leaf.clone().position(|leaf| leaf["leaf"]["leaf"] == "report").unwrap();
    let deposit = good["journal"].as_array().unwrap().iter();
    let deposit = deposit.clone().position(|event| event["op"] == "deposit").unwrap();
    for (pointer, named) in [
        ("/record/facts/fills/0/shares_nano".to_owned(), "record.facts.fills[0].shares_nano"),
        ("/record/facts/prices/lab~1net/price_nano".to_owned(), "record.facts.prices"),
        ("/record/facts/nav_femto".to_owned(), "record.facts.nav_femto"),
        ("/record/facts/slices/0/cash_micro".to_owned(), "record.facts.slices[0].cash_micro"),
        (format!("/log/leaves/{report}/leaf/evaluator"), "log.report"),
        ("/log/head/root".to_owned(), "log.head"),
        ("/log/older/head/root".to_owned(), "log.older"),
    ] {
        let mut bad = good.clone();
        let value = bad.pointer_mut(&pointer).unwrap_or_else(|| panic!("no {pointer}"));
        if pointer.ends_with("root") {
            *value = json!(Digest::of(b"another"));
        } else {
            other_digit(value);
        }
        let (ok, said) = verify(&[&write(folder, "bad.json", &bad)]);
        assert!(!ok && said.contains(named), "{pointer}: {said}");
    }
    // The time of a leaf is in its hash alone: nothing but the tree can tell.
    let mut bad = good.clone();
    let at = &mut bad["log"]["leaves"][report]["leaf"]["at"];
    let text = at.to_string();
    *at = if at.is_string() {
        json!(text.trim_matches('"').replacen("20", "21", 1))
    } else {
        json!(at.as_i64().unwrap() + 1)
    };
    let (ok, said) = verify(&[&write(folder, "bad.json", &bad)]);
    assert!(!ok && said.contains(&format!("log.leaves[{report}], report")), "{said}");
    let mut bad = good.clone();
    bad["journal"].as_array_mut().unwrap().remove(deposit);
    let (ok, said) = verify(&[&write(folder, "bad.json", &bad)]);
    assert!(!ok && said.contains("journal"), "{said}");
    let (ok, said) = verify(&[&write(folder, "good.json", good)]);
    assert!(ok, "nothing was changed: {said}");
}

/// Proves that the log tells all its hashes to everybody and the text of a private model's leaves to its readers, that the hashes give
/// the signed root, that a head begins with every head before it, that a strike's leaf is in it, and that its record is the operator's.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_one_history() {
    let market = struck_twice().await;
    let world = &market.world;
    let signed = |answer: &Value| head_of(&answer["log"]["head"]);
    let older = signed(&ask(&world.anybody, &format!("{{ log {{ {HEAD} }} }}")).await);
    older.verify(None).unwrap();
    world.publish("lab/secret", true, &[STEPS[1]]).await;
    let yank = json!({ "model": "lab/secret", "version": "v1", "reason": "no good" });
    mutate(&world.lab, "versionYank", yank, "version { name }").await.unwrap();
    let alias =
        json!({ "model": "lab/net", "alias": "champion", "version": "v1", "reason": "it is" });
    mutate(&world.lab, "aliasMove", alias, "alias { number }").await.unwrap();
    let query =
        format!("{{ log {{ {HEAD} leaves(first: 100) {{ nodes {{ index kind body hash }} }} }} }}");
    let seen = ask(&world.anybody, &query).await;
    let newer = signed(&seen);
    newer.verify(Some(&older.public_key)).unwrap();
    let path = ask(
        &world.anybody,
        &format!(
            "{{ log {{ consistency(from: {}, to: {}) inclusion(index: 3, size: {}) }} }}",
            older.size, newer.size, newer.size
        ),
    )
    .await;
    newer.follows(&older, &digests(&path["log"]["consistency"])).unwrap();
    let leaves = seen["log"]["leaves"]["nodes"].as_array().unwrap();
    let hashes: Vec<Digest> =
        leaves.iter().map(|leaf| leaf["hash"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!((hashes.len() as u64, merkle::root(&hashes)), (newer.size, newer.root));
    let inclusion = digests(&path["log"]["inclusion"]);
    merkle::verify_inclusion(hashes[3], 3, newer.size, &inclusion, newer.root).unwrap();
    let kinds: Vec<&str> = leaves.iter().map(|leaf| leaf["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "publish",
            "report",
            "accepted_price",
            "alias_move",
            "methodology",
            "strike",
            "strike",
            "publish",
            "yank",
            "alias_move"
        ]
    );
    for (index, leaf) in leaves.iter().enumerate() {
        let is_private = index == 7 || index == 8;
        assert_eq!(leaf["body"].is_null(), is_private, "{leaf}");
        if let Some(body) = leaf["body"].as_str() {
            let record: LeafRecord = serde_json::from_str(body).unwrap();
            assert_eq!(record.hash().unwrap(), hashes[index], "{body}");
        }
    }
    let own = ask(&world.lab, &query).await;
    let own = own["log"]["leaves"]["nodes"][7]["body"].as_str().unwrap().to_owned();
    assert!(own.contains("lab/secret"), "{own}");
    let far = format!("{{ log {{ inclusion(index: 0, size: {}) }} }}", newer.size + 1);
    let refused = world.anybody.graphql::<Value>(&far, json!({})).await.unwrap_err();
    assert_eq!(refused.code(), Some("invalid"));
    record_is_the_operators(world, &hashes).await;
}

async fn record_is_the_operators(world: &World, hashes: &[Digest]) {
    let query = format!(
        "{{ fund(name: \"F\") {{ strikes(first: 9) {{ nodes {{ record proof {{ leafIndex path {HEAD} }} }} }} }} }}"
    );
    let strikes = ask(&world.anybody, &query).await["fund"]["strikes"]["nodes"].take();
    for (number, leaf) in [(0, 5), (1, 6)] {
        let proof = &strikes[number]["proof"];
        assert!(strikes[number]["record"].is_null(), "it names everybody who dealt");
        assert_eq!(proof["leafIndex"], leaf);
        let head = head_of(&proof["head"]);
        head.verify(None).unwrap();
        let path = digests(&proof["path"]);
        merkle::verify_inclusion(hashes[leaf], leaf as u64, head.size, &path, head.root).unwrap();
    }
    let strikes = ask(&world.operator, &query).await["fund"]["strikes"]["nodes"].take();
    let record = strikes[1]["record"].as_str().unwrap();
    let leaf =
        ask(&world.anybody, "{ log { leaves(first: 1, after: \"5\") { nodes { body } } } }").await;
    let leaf = leaf["log"]["leaves"]["nodes"][0]["body"].as_str().unwrap().to_owned();
    assert!(leaf.contains(&Digest::of(record.as_bytes()).hex()), "{leaf} names {record}");
}

/// Proves that a log has one key: a server with another one appends leaves and signs none of them, and the server that has the key
/// signs them when it is back, after what it signed before.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_has_one_key() {
    let world = World::new();
    world.publish("lab/net", false, &[STEPS[0], STEPS[1]]).await;
    let query = format!("{{ log {{ {HEAD} leaves(first: 9) {{ nodes {{ index }} }} }} }}");
    let first = head_of(&ask(&world.anybody, &query).await["log"]["head"]);
    assert_eq!(first.size, 2);
    let World { place, _server: server, lab_token, .. } = world;
    drop(server);
    let database = format!("sqlite://{}", place.path().join("modelfolio.db").display());
    let elsewhere = Place { database: Some(database), ..Place::sqlite() };
    let (server, url) = serve(&elsewhere);
    let lab = Client::new(&url, Some(lab_token)).unwrap();
    let yank = json!({ "model": "lab/net", "version": "v2", "reason": "no good" });
    mutate(&lab, "versionYank", yank, "version { name }").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let there = ask(&lab, &query).await["log"].take();
    assert_eq!(there["leaves"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(head_of(&there["head"]), first, "nobody signed with the other key");
    drop(server);
    let (_server, url) = serve(&place);
    let anybody = Client::new(&url, None).unwrap();
    let mut head = first.clone();
    for _ in 0..100 {
        head = head_of(&ask(&anybody, &query).await["log"]["head"]);
        if head.size == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(head.size, 3);
    head.verify(Some(&first.public_key)).unwrap();
    let path = ask(&anybody, "{ log { consistency(from: 2, to: 3) } }").await;
    head.follows(&first, &digests(&path["log"]["consistency"])).unwrap();
}

/// Proves that strikes while nobody signed, because the server had another key, have their bundles once whoever has the key is back: each
/// has a head of its own between itself and the next.
#[tokio::test(flavor = "multi_thread")]
async fn strikes_between_two_heads_prove_themselves() {
    let market = struck_twice().await;
    let World { place, _server: server, operator_token, .. } = market.world;
    drop(server);
    let database = format!("sqlite://{}", place.path().join("modelfolio.db").display());
    let elsewhere = Place { database: Some(database), ..Place::sqlite() };
    let (server, url) = serve(&elsewhere);
    let operator = Client::new(&url, Some(operator_token.clone())).unwrap();
    for number in 3..=5 {
        let input = json!({ "fund": "F", "idempotencyKey": format!("unsigned {number}") });
        let done = mutate(&operator, "fundStrike", input, "strike { number }").await.unwrap();
        assert_eq!(done["strike"]["number"], number);
    }
    drop(server);
    let (_server, url) = serve(&place);
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=5 {
        let address = format!("{url}/v1/strikes/F/{number}/bundle");
        let mut text = String::new();
        for _ in 0..100 {
            let request = reqwest::Client::new().get(&address).bearer_auth(&operator_token);
            let response = request.send().await.unwrap();
            let is_there = response.status().as_u16() == 200;
            text = response.text().await.unwrap();
            if is_there {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let path = folder.path().join(format!("{number}.json"));
        std::fs::write(&path, &text).unwrap();
        let (ok, said) = verify(&[path.to_str().unwrap()]);
        assert!(ok && said.contains(&format!("strike     {number} of F")), "{said}");
    }
}
