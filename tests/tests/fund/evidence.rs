//! What one person takes home, with a real server: a balance at a strike, an order in a closed book, and the head of the log.

use std::{path::Path, process::Command};

use client::Client;
use domain::proof::{BalanceEvidence, KeptHead, OrderEvidence};
use serde_json::{Value, json};

use crate::{
    exits::Market,
    proofs::{bundle, verify},
    support::{PROGRAM, Place, Running, ask, serve, token},
    world::mutate,
};

/// Status and text of a file.
async fn get(url: &str, path: &str, token: &str) -> (u16, String) {
    let mut request = reqwest::Client::new().get(format!("{url}{path}"));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Runs `log`; the exit code, and all that it said.
fn log(arguments: &[&str]) -> (i32, String) {
    let ran = Command::new(PROGRAM).arg("log").args(arguments).output().unwrap();
    let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
    (ran.status.code().unwrap(), said)
}

/// A market after two strikes: ann and bob joined, ann gave bob shares, bob ordered before the cut-off and ann behind it.
struct Struck {
    market: Market,
    in_book: i64,
    late: i64,
}

async fn struck() -> Struck {
    let market = Market::open().await;
    let operator = &market.world.operator;
    market.subscribe(&market.ann, "500.000000").await;
    assert_eq!(market.strike().await, 1);
    market.rebalance().await;
    let gift = json!({ "to": "bob", "asset": "SHARE:F", "amount": "20.000000000" });
    mutate(&market.ann, "assetTransfer", gift, "account { owner }").await.unwrap();
    let step = |field: &'static str| {
        let input = json!({ "fund": "F", "idempotencyKey": field });
        mutate(operator, field, input, "fund { name }")
    };
    step("pricesCommit").await.unwrap();
    let in_book = market.subscribe(&market.bob, "200.000000").await;
    step("ordersClose").await.unwrap();
    let late = market.redeem(&market.ann, "3.000000000").await;
    assert_eq!(market.strike().await, 2);
    let id = |order: &Value| order["id"].as_str().unwrap().parse().unwrap();
    Struck { in_book: id(&in_book), late: id(&late), market }
}

/// Proves that a holder fetches his balance with his token and checks it offline: what is free and what waits in an order, under the log's
/// key; that nobody else gets it but the operator; that GraphQL has the same bytes, and says why there are none; that each lie in the
/// file ends with exit 1 and its name; that an owner's order of a closed book is shown the same way; and that the bytes are the same
/// after a restart and from a second server with a folder of its own.
#[tokio::test(flavor = "multi_thread")]
async fn owners_take_their_proofs_home() {
    let Struck { market, in_book, late } = struck().await;
    let world = &market.world;
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|who| token(&world.place, who, "invest"));
    let [ann, bob, eve] = [&ann, &bob, &eve].map(|token| token.as_str());
    let (operator, lab) = (world.operator_token.clone(), world.lab_token.clone());
    let (operator, lab) = (operator.as_str(), lab.as_str());
    let balance = "/v1/strikes/F/2/balance";
    let of_ann = "/v1/strikes/F/2/balance?owner=ann";
    let (order, late) = (format!("/v1/orders/{in_book}/proof"), format!("/v1/orders/{late}/proof"));
    let (order, late) = (order.as_str(), late.as_str());
    for (path, token, status, says) in [
        (balance, "", 401, ""),
        (balance, ann, 200, ""),
        (of_ann, operator, 200, ""),
        (of_ann, bob, 403, ""),
        (of_ann, lab, 403, ""),
        (balance, lab, 403, "invest"),
        (balance, eve, 404, "had no shares after the strike"),
        ("/v1/strikes/F/1/balance", bob, 404, "had no shares after the strike"),
        ("/v1/strikes/F/9/balance", ann, 404, "no such strike"),
        ("/v1/strikes/F/x/balance", ann, 422, ""),
        (order, "", 401, ""),
        (order, bob, 200, ""),
        (order, operator, 200, ""),
        (order, ann, 404, ""),
        (late, ann, 404, "in no closed book"),
    ] {
        let (found, text) = get(&world.url, path, token).await;
        assert_eq!(found, status, "{path}: {text}");
        assert!(text.contains(says), "{path}: {text}");
    }
    let files = [(balance, ann), (of_ann, operator), (order, bob)];
    let mut texts = Vec::new();
    for (path, token) in files {
        texts.push(get(&world.url, path, token).await.1);
    }
    assert_eq!(texts[0], texts[1], "the operator has the same file");
    same_over_graphql(&market, &texts, in_book).await;
    offline(&market, &texts).await;

    // Another server with a folder of its own has the same, and so has this one after a restart.
    let database = format!("sqlite://{}", world.place.path().join("modelfolio.db").display());
    let elsewhere = Place { database: Some(database), ..Place::sqlite() };
    let (second, url) = serve(&elsewhere);
    for ((path, token), text) in files.into_iter().zip(&texts) {
        assert_eq!(&get(&url, path, token).await, &(200, text.clone()), "{path} elsewhere");
    }
    drop(second);
    assert_eq!(market.strike().await, 3);
    let crate::world::World { place, _server: server, .. } = market.world;
    drop(server);
    let (_server, url) = serve(&place);
    for ((path, token), text) in files.into_iter().zip(&texts) {
        assert_eq!(&get(&url, path, token).await, &(200, text.clone()), "{path} after a restart");
    }
}

async fn same_over_graphql(market: &Market, texts: &[String], in_book: i64) {
    let asked = |strike: i64, what: &str| {
        format!(
            "{{ account(owner: \"ann\") {{ balanceProof(fund: \"F\", strike: {strike}) {{ missing {what} }} }} }}"
        )
    };
    let query = asked(2, "proof { free ordered holders shares file parts { shares } }");
    let answer = ask(&market.ann, &query).await["account"]["balanceProof"].take();
    let proof = &answer["proof"];
    assert!(answer["missing"].is_null() && proof["file"] == texts[0].as_str(), "{answer}");
    assert_eq!(proof["ordered"], "3.000000000");
    let shares = ask(
        &market.ann,
        "{ account(owner: \"ann\") { shares(fund: \"F\") } fund(name: \"F\") { shares } }",
    )
    .await;
    assert_eq!(proof["free"], shares["account"]["shares"]);
    assert_eq!(proof["shares"], shares["fund"]["shares"], "all balances are the supply");
    let answer =
        ask(&market.ann, &asked(9, "proof { file }")).await["account"]["balanceProof"].take();
    assert_eq!(answer, json!({ "missing": "NO_STRIKE", "proof": null }));
    let query = format!("{{ order(id: \"{in_book}\") {{ proof {{ strike index file }} }} }}");
    let answer = ask(&market.bob, &query).await["order"]["proof"].take();
    assert!(answer["strike"] == 2 && answer["file"] == texts[2].as_str(), "{answer}");
    let answer = market.ann.graphql::<Value>(&query, json!({})).await.unwrap();
    assert!(answer["order"].is_null(), "{answer}");
}

/// The files verify offline, and by address with the owner's token; each lie is found and named.
async fn offline(market: &Market, texts: &[String]) {
    let (world, folder) = (&market.world, tempfile::tempdir().unwrap());
    let head = ask(&world.anybody, "{ log { head { publicKey } } }").await;
    let key = head["log"]["head"]["publicKey"].as_str().unwrap();
    let balance = written(folder.path(), "balance.json", &texts[0]);
    let (ok, said) = verify(&[&balance, "--key", key]);
    assert!(
        ok && said.contains("owner      ann\n") && said.contains("strike     2 of F"),
        "{said}"
    );
    assert!(
        said.contains("3.000000000 in orders that wait") && said.contains("which is trusted"),
        "{said}"
    );
    let (ok, said) = verify(&[&balance, "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(ok && said["ok"] == true && said["trusted"] == false, "{said}");
    let order = written(folder.path(), "order.json", &texts[2]);
    let (ok, said) = verify(&[&order, "--key", key]);
    assert!(ok && said.contains("200.000000 credits for shares"), "{said}");
    let stranger = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    for file in [&balance, &order] {
        let (ok, said) = verify(&[file, "--key", stranger]);
        assert!(!ok && said.contains("head: the head is signed by key"), "{said}");
        let (ok, said) = verify(&[file, "--samples", file]);
        assert!(!ok && said.contains("--samples is for a report"), "{said}");
    }
    let honest: BalanceEvidence = serde_json::from_str(&texts[0]).unwrap();
    let mut lies = vec![honest.clone(); 4];
    lies[0].proof.owner = "bob".parse().unwrap();
    lies[1].proof.strike = 1;
    lies[2].proof.salt = domain::fund::Salt::from_bytes([0; 32]);
    lies[3].head.size += 1;
    for (lie, named) in lies.iter().zip([
        "balance: parts[0]: the path leads to root",
        "balance: parts[0]: the path leads to root",
        "balance: parts[0]: the path leads to root",
        "log: ",
    ]) {
        let path = written(folder.path(), "lie.json", &serde_json::to_string(lie).unwrap());
        let (ok, said) = verify(&[&path, "--key", key]);
        assert!(!ok && said.contains(named), "{named}: {said}");
    }
    let mut lie: OrderEvidence = serde_json::from_str(&texts[2]).unwrap();
    lie.proof.order.amount += 1;
    let path = written(folder.path(), "lie.json", &serde_json::to_string(&lie).unwrap());
    let (ok, said) = verify(&[&path]);
    assert!(!ok && said.contains("order: the path leads to root"), "{said}");
    let (ok, said) = verify(&[&format!("{}/v1/strikes/F/2/balance", world.url)]);
    assert!(!ok && said.contains("unauthenticated"), "{said}");
    let (status, text) = bundle(world, Some(&world.operator_token), "F/2").await;
    assert_eq!(status, 200, "{text}");
    let (ok, said) = verify(&[&written(folder.path(), "bundle.json", &text), "--key", key]);
    assert!(ok && said.contains("all that there are; the root is that of the journal"), "{said}");
    assert!(said.contains("that no leaf behind the first "), "{said}");
    assert!(!said.contains("that no later decision was left out"), "{said}");
    let mut bad: Value = serde_json::from_str(&text).unwrap();
    let seed = bad["balance_seed"].as_str().unwrap().to_owned();
    let other = if seed.starts_with('0') { "1" } else { "0" };
    bad["balance_seed"] = json!(format!("{other}{}", &seed[1..]));
    let (ok, said) = verify(&[&written(folder.path(), "bad.json", &bad.to_string())]);
    assert!(!ok && said.contains("record.balances.root"), "{said}");
    bad["balance_seed"] = json!(seed);
    bad["log"]["entries"] = json!([]);
    let (ok, said) = verify(&[&written(folder.path(), "short.json", &bad.to_string())]);
    assert!(ok && said.contains("that no later decision was left out"), "{said}");
}

/// Copies the files of an installation whose server is not running.
fn copied(from: &Place) -> Place {
    let to = Place::sqlite();
    let copy = |from: &Path, to: &Path| {
        let done = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
        assert!(done.success());
    };
    copy(from.path(), to.path());
    to
}

/// An earlier head and a leaf by its hash.
async fn the_log_is_public(anybody: &Client, head: &KeptHead) {
    let query = format!(
        "{{ log {{ headOf(size: 1) {{ size }} leaves(first: 1) {{ nodes {{ hash }} }} none: leaf(hash: \"{}\") {{ index }} }} }}",
        head.head.root
    );
    let seen = ask(anybody, &query).await["log"].take();
    assert!(seen["headOf"]["size"].as_u64().unwrap() <= head.head.size && seen["none"].is_null());
    let hash = &seen["leaves"]["nodes"][0]["hash"];
    let found = ask(anybody, &format!("{{ log {{ leaf(hash: {hash}) {{ index kind }} }} }}")).await;
    assert_eq!(found["log"]["leaf"], json!({ "index": 0, "kind": "publish" }));
}

/// Proves that anybody follows a log: an earlier head and a leaf by its hash are public; a witness keeps the head that he verified and goes
/// on from it, cosigned; that a truncated log, another log and a fork under the same key end with exit 1, the kept head stays, and both
/// heads lie beside it; and that two witnesses' heads are compared.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_catches_a_fork() {
    let market = Market::open().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (kept, older, own) = (at("head.json"), at("older.json"), at("own.key"));
    let made = Command::new(PROGRAM).args(["evaluator", "keygen", &own]).output().unwrap();
    assert!(made.status.success());
    let url = market.world.url.clone();
    let (code, said) = log(&["follow", &url, "--keep", &kept, "--cosign", &own]);
    assert!(code == 0 && said.contains("the first head that is kept"), "{said}");
    std::fs::copy(&kept, &older).unwrap();
    assert_eq!(market.strike().await, 1);
    let (code, said) = log(&["follow", &url, "--keep", &kept, "--cosign", &own]);
    assert!(code == 0 && said.contains("history    begins with the "), "{said}");
    assert!(said.contains("cosigned   "), "{said}");
    let head: KeptHead = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    head.verify(None).unwrap();
    assert!(head.cosignature.is_some());
    let (code, said) = log(&["compare", &kept, &older, "--server", &url]);
    assert!(code == 0 && said.contains("one log    "), "{said}");
    the_log_is_public(&market.world.anybody, &head).await;

    let crate::world::World { place, _server: server, operator_token, .. } = market.world;
    drop(server);
    let other = copied(&place);
    let strike = async |url: &str, key: &str| {
        let operator = Client::new(url, Some(operator_token.clone())).unwrap();
        let input = json!({ "fund": "F", "idempotencyKey": key });
        mutate(&operator, "fundStrike", input, "strike { number }").await.unwrap();
    };
    let started: Vec<(Running, String)> = [&place, &other].map(serve).into();
    let [url, fork] = [0, 1].map(|k: usize| started[k].1.as_str());
    strike(url, "second").await;
    strike(url, "third").await;
    let (code, said) = log(&["follow", url, "--keep", &kept]);
    assert!(code == 0, "{said}");
    let before = std::fs::read(&kept).unwrap();
    let refused = |url: &str, wanted: &str| {
        let (code, said) = log(&["follow", url, "--keep", &kept]);
        assert!(code == 1 && said.contains(wanted), "{wanted}: {said}");
        assert_eq!(std::fs::read(&kept).unwrap(), before, "the kept head stays");
    };
    refused(fork, "the log is not the one that");
    for key in ["a", "b", "c"] {
        strike(fork, key).await;
    }
    refused(fork, "the path leads to root");
    let both: Value =
        serde_json::from_slice(&std::fs::read(at("head.fork.json")).unwrap()).unwrap();
    assert_eq!(
        both["kept"]["head"]["public_key"], both["newer"]["public_key"],
        "one key, two pasts"
    );
    let theirs = at("theirs.json");
    let (code, said) = log(&["follow", fork, "--keep", &theirs]);
    assert!(code == 0, "who has seen nothing is told nothing: {said}");
    for server in [url, fork] {
        let (code, said) = log(&["compare", &kept, &theirs, "--server", server]);
        assert!(code == 1 && said.contains("theirs.json"), "{said}");
    }
    let another = Place::sqlite();
    let (_another, elsewhere) = serve(&another);
    let anybody = Client::new(&elsewhere, None).unwrap();
    while ask(&anybody, "{ log { head { size } } }").await["log"]["head"].is_null() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    refused(&elsewhere, "log is ");
    let (code, said) = log(&["follow", "http://127.0.0.1:9", "--keep", &kept]);
    assert_eq!(code, 3, "{said}");
}
