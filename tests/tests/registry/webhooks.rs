//! Webhooks, end to end: signed, in order, tried again, once a receiver, and told of what happened before a kill.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use client::{Client, verify_webhook};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    support::{Place, ask, serve, serve_with, token},
    world::{mutate, refused},
};

/// What a receiver was sent.
#[derive(Clone, Debug)]
struct Received {
    headers: BTreeMap<String, String>,
    body: String,
}

/// A receiver on loopback that answers the statuses it is given, in order, and 200 afterwards.
struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    async fn start(statuses: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let all = received.clone();
        tokio::spawn(async move {
            let mut statuses = statuses.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let one = loop {
                    let mut piece = [0; 4096];
                    let read = stream.read(&mut piece).await.unwrap();
                    bytes.extend_from_slice(&piece[..read]);
                    if let Some(one) = parse(&bytes) {
                        break one;
                    }
                    assert!(read > 0, "the connection ended early");
                };
                all.lock().unwrap().push(one);
                let status = statuses.next().unwrap_or(200);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, received }
    }

    fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<Received> {
        for _ in 0..600 {
            if self.all().len() >= count {
                return self.all();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{count} deliveries did not come: {:?}", self.all())
    }
}

fn parse(bytes: &[u8]) -> Option<Received> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let headers: BTreeMap<String, String> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    (body.len() == length).then(|| Received { headers, body: body.to_owned() })
}

/// The signature by another implementation.
fn python_hmac(secret: &str, text: &str) -> String {
    let script = "import hmac, hashlib, sys; print('v1=' + hmac.new(sys.argv[1].encode(), sys.argv[2].encode(), hashlib.sha256).hexdigest())";
    let output = Command::new("python3").args(["-c", script, secret, text]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes a webhook on all models of the bearer; its id and secret.
async fn hook(client: &Client, url: &str) -> (String, String) {
    let input =
        json!({ "url": url, "events": ["alias.moved", "version.yanked", "access.requested"] });
    let made =
        mutate(client, "webhookCreate", input.clone(), "webhook { id } secret").await.unwrap();
    let again = mutate(client, "webhookCreate", input, "webhook { id } secret").await.unwrap();
    assert_eq!((&again["secret"], &again["webhook"]), (&Value::Null, &made["webhook"]));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["webhook"]["id"]), text(&made["secret"]))
}

async fn gated_model(client: &Client, name: &str) {
    mutate(client, "modelCreate", json!({ "name": name }), "model { name }").await.unwrap();
    let gate = json!({ "model": name, "mode": "MANUAL" });
    mutate(client, "modelGateSet", gate, "model { name }").await.unwrap();
}

async fn request(client: &Client, model: &str, message: &str) {
    let input = json!({ "model": model, "message": message });
    mutate(client, "accessRequest", input, "request { state }").await.unwrap();
}

/// State, attempts and last error of a webhook's deliveries.
async fn deliveries(client: &Client) -> Vec<Value> {
    let query = "{ webhooks { nodes { deliveries(first: 100) { nodes { id event state attempts status lastError } } } } }";
    let answer = ask(client, query).await;
    answer["webhooks"]["nodes"][0]["deliveries"]["nodes"].as_array().unwrap().clone()
}

async fn until_delivered(client: &Client, count: usize) -> Vec<Value> {
    for _ in 0..600 {
        let all = deliveries(client).await;
        if all.len() == count && all.iter().all(|d| d["state"] == "DELIVERED") {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not delivered: {:?}", deliveries(client).await)
}

/// Proves that a delivery is signed as another implementation signs it and as our verifier believes, that failures are tried again
/// under the same id and no redirect is followed, that deliveries of a model come in order, and that two servers send each once.
async fn signed_in_order_and_once(place: Place) {
    let private = ["--webhook-allow-private"];
    let (_one, url) = serve_with(&place, &private);
    let (_two, other) = serve_with(&place, &private);
    let [lab, rival] =
        [("lab", "publish"), ("rival", "invest")].map(|(owner, scope)| token(&place, owner, scope));
    let lab = Client::new(&url, Some(lab)).unwrap();
    let rival = Client::new(&other, Some(rival)).unwrap();
    let receiver = Receiver::start(vec![500, 302]).await;
    gated_model(&lab, "lab/net").await;
    let (id, secret) = hook(&lab, &receiver.url).await;
    for number in 0..20 {
        request(&rival, "lab/net", &format!("request {number}")).await;
    }
    let all = until_delivered(&lab, 20).await;
    assert_eq!((&all[0]["attempts"], &all[0]["status"]), (&json!(3), &json!(200)));
    let received = receiver.all();
    assert_eq!(received.len(), 22, "two failures, and each of twenty once");
    let ids: Vec<&str> =
        received.iter().map(|r| r.headers["modelfolio-delivery"].as_str()).collect();
    let sent: Vec<&str> = all.iter().map(|d| d["id"].as_str().unwrap()).collect();
    assert_eq!((&ids[..3], &ids[2..]), (&[sent[0]; 3][..], &sent[..]));
    for (number, one) in received[2..].iter().enumerate() {
        let body: Value = serde_json::from_str(&one.body).unwrap();
        assert_eq!(body["data"]["message"], format!("request {number}"));
        assert_eq!(
            (&body["event"], &body["model"]),
            (&json!("access.requested"), &json!("lab/net"))
        );
        assert_eq!(one.headers["modelfolio-event"], "access.requested");
        assert_eq!(body["id"], one.headers["modelfolio-delivery"].as_str());
    }
    let one = &received[0];
    let (at, signature) =
        (&one.headers["modelfolio-timestamp"], &one.headers["modelfolio-signature"]);
    assert_eq!(*signature, python_hmac(&secret, &format!("{at}.{}", one.body)));
    let now = at.parse().unwrap();
    verify_webhook(&secret, at, signature, one.body.as_bytes(), now).unwrap();
    verify_webhook(&secret, at, signature, one.body.as_bytes(), now + 301).unwrap_err();
    // Others see neither the webhook nor its deliveries, and cannot use it.
    let stranger = Client::new(&url, Some(token(&place, "ann", "publish"))).unwrap();
    assert_eq!(
        ask(&stranger, "{ webhooks { nodes { id } } }").await["webhooks"]["nodes"],
        json!([])
    );
    for field in ["webhookTest", "webhookDelete"] {
        let selection = if field == "webhookTest" { "webhook { id }" } else { "id" };
        assert_eq!(refused(&stranger, field, json!({ "id": id }), selection).await, "absent");
    }
    mutate(&lab, "webhookTest", json!({ "id": id }), "webhook { id }").await.unwrap();
    let received = receiver.wait_for(23).await;
    assert_eq!(received[22].headers["modelfolio-event"], "ping");
    mutate(&lab, "webhookDelete", json!({ "id": id }), "id").await.unwrap();
    request(&rival, "lab/net", "after the end").await;
    assert_eq!(ask(&lab, "{ webhooks { nodes { id } } }").await["webhooks"]["nodes"], json!([]));
}

/// See [`signed_in_order_and_once`]; on SQLite.
#[tokio::test]
async fn deliveries_on_sqlite() {
    signed_in_order_and_once(Place::sqlite()).await;
}

/// See [`signed_in_order_and_once`]; on PostgreSQL.
#[tokio::test]
async fn deliveries_on_postgres() {
    let Some(place) = Place::postgres("webhooks") else {
        let line = "SKIPPED: MODELFOLIO_TEST_POSTGRES is not set";
        assert!(std::env::var_os("MODELFOLIO_CHECK").is_none(), "{line}");
        eprintln!("{line}");
        return;
    };
    signed_in_order_and_once(place).await;
}

/// Proves that a server sends nothing to a private address unless it is told to, and that what a killed server had not sent is sent
/// by the next one, once, under the id that it had.
#[tokio::test]
async fn a_kill_loses_nothing_and_inner_addresses_are_refused() {
    let place = Place::sqlite();
    let (first, url) = serve(&place);
    let [lab, rival] =
        [("lab", "publish"), ("rival", "invest")].map(|(owner, scope)| token(&place, owner, scope));
    let client = Client::new(&url, Some(lab.clone())).unwrap();
    let receiver = Receiver::start(vec![]).await;
    gated_model(&client, "lab/net").await;
    hook(&client, &receiver.url).await;
    for bad in ["ftp://example.org/", "https://u:p@example.org/", "http://", "/x"] {
        let input = json!({ "url": bad, "events": ["alias.moved"] });
        assert_eq!(
            refused(&client, "webhookCreate", input, "webhook { id }").await,
            "invalid",
            "{bad}"
        );
    }
    request(&Client::new(&url, Some(rival)).unwrap(), "lab/net", "before the kill").await;
    let before = loop {
        let one = deliveries(&client).await.remove(0);
        if !one["lastError"].is_null() {
            break one;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(before["lastError"].as_str().unwrap().contains("not a public address"), "{before}");
    assert!(receiver.all().is_empty());
    drop(first);
    let (_second, url) = serve_with(&place, &["--webhook-allow-private"]);
    let client = Client::new(&url, Some(lab)).unwrap();
    let all = until_delivered(&client, 1).await;
    assert_eq!(all[0]["id"], before["id"]);
    let received = receiver.all();
    assert_eq!(received.len(), 1);
    assert_eq!(json!(received[0].headers["modelfolio-delivery"]), before["id"]);
}
