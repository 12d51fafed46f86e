//! The rules of a session: what is refused, with which code, and that nothing stays.

use domain::digest::Digest;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    support::{ask, token},
    world::{File, Sender, World, checkpoint, id, missing},
};

/// Three tensors in four parts.
const TENSORS: [(u64, usize); 3] = [(1, 17 << 20), (2, 100), (3, 2 << 20)];

#[track_caller]
fn refused(answer: (u16, Value), status: u16, code: &str, words: &str) {
    let (found, body) = answer;
    assert_eq!((found, body["code"].as_str()), (status, Some(code)), "{body}");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains(words), "{detail:?} lacks {words:?}");
}

/// Proves that parts come in any order and again, that a wrong one changes nothing, and that to finish twice is to finish once.
#[tokio::test]
async fn parts_in_any_order() {
    let world = World::new();
    let lab = &world.lab;
    let file = File::new(&world.place, checkpoint(&TENSORS)).await;
    let (status, session) = lab.start(&file).await;
    assert_eq!(status, 200, "{session}");
    let id = id(&session);
    let parts = missing(&session);
    assert_eq!(parts.len(), 3, "{session}");
    let part = |n: usize| &file.bytes[parts[n].1 as usize..parts[n].2 as usize];

    refused(lab.finish(id).await, 409, "parts_missing", "lacks 3 parts");
    refused(lab.put_as(id, 0, part(0), Digest::of(b"x")).await, 422, "wrong_digest", "announced");
    refused(lab.put(id, 0, &part(0)[1..]).await, 422, "wrong_length", "bytes arrived");
    refused(lab.put(id, 2, &[part(2), &[0]].concat()).await, 422, "wrong_length", "bytes arrived");
    refused(lab.put(id, 3, part(0)).await, 422, "invalid", "has 3 parts");
    refused(lab.put(id, u64::MAX, part(0)).await, 422, "invalid", "has 3 parts");
    let bare = lab.ask(Method::PUT, &format!("/{id}/parts/0"), &[], part(0).to_vec()).await;
    refused(bare, 422, "invalid", "Content-Digest");
    assert_eq!(lab.get(id).await.1["missing"], session["missing"], "a refused part is there");

    for number in [2, 0, 2] {
        assert_eq!(lab.put(id, number as u64, part(number)).await.0, 204);
    }
    let (_, again) = lab.start(&file).await;
    assert_eq!(again["id"], session["id"], "the same file began another session");
    assert_eq!(missing(&again), [parts[1]]);
    assert_eq!(again["missing_bytes"], json!(parts[1].2 - parts[1].1));
    refused(lab.finish(id).await, 409, "parts_missing", "lacks 1 parts");
    assert_eq!(lab.put(id, 1, part(1)).await.0, 204);

    let first = lab.finish(id).await;
    let wanted = json!({ "digest": file.digest, "bytes": file.bytes.len(), "tensors": 3 });
    assert_eq!(first, (200, wanted));
    assert_eq!(lab.finish(id).await, first, "to finish twice is to finish once");
    refused(lab.get(id).await, 404, "absent", id);
    refused(lab.put(id, 0, part(0)).await, 404, "absent", id);
    assert_eq!(lab.start(&file).await.1["state"], json!("present"));
    assert_eq!(lab.download(file.digest).await, (200, file.bytes));
    assert_eq!(world.files("objects/upload"), [""; 0]);
    assert_eq!(world.files("staging"), [""; 0]);
    assert_eq!(world.audit().await, ["upload_start", "upload_finish"]);
}

/// Proves that every rule of the header is told before any data, with the tensor's name, and that nothing stays.
#[tokio::test]
async fn headers_are_refused_at_once() {
    let world = World::new();
    let lab = &world.lab;
    let file = File::new(&world.place, checkpoint(&[(1, 100), (2, 100)])).await;
    let size = file.bytes.len() as u64;
    let (length, _) = file.manifest.split_first_chunk::<8>().unwrap();
    let prefix = 8 + u64::from_le_bytes(*length) as usize;
    let edited = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let text = String::from_utf8_lossy(&file.manifest[..prefix]).replace(from, to);
        [text.as_bytes(), &file.manifest[prefix..]].concat()
    };
    let announce = |manifest: Vec<u8>, bytes: u64| lab.announce(file.digest, bytes, manifest);
    let hole = announce(edited("[100,200]", "[101,201]"), size + 1).await;
    assert_eq!((hole.0, &hole.1["tensor"]), (422, &json!("t1")), "{hole:?}");
    let dtype = announce(edited("U8", "Z8"), size).await;
    assert_eq!((dtype.0, &dtype.1["tensor"]), (422, &json!("t0")), "{dtype:?}");
    refused(announce(file.manifest.clone(), size + 5).await, 422, "trailing_bytes", "5 bytes");
    refused(
        announce(file.manifest[..20].to_vec(), size).await,
        422,
        "header_beyond_file",
        "only 12",
    );
    refused(announce(vec![1, 2, 3], size).await, 422, "file_too_short", "3 bytes");
    let keys = file.manifest[..file.manifest.len() - 1].to_vec();
    refused(announce(keys, size).await, 422, "invalid", "63 bytes of keys");
    let query = lab.ask(Method::POST, "?digest=xyz&bytes=5", &[], Vec::new()).await;
    refused(query, 422, "invalid", "no digest");
    refused(
        announce(file.manifest.clone(), (1 << 40) + 1).await,
        413,
        "object_too_large",
        "more than",
    );
    assert_eq!(world.files("objects"), [""; 0]);
    assert_eq!(world.audit().await, [""; 0]);
}

/// Proves that bytes which are not those announced end the session with the tensor's name, and leave no object and no part.
#[tokio::test]
async fn other_bytes_than_announced() {
    let world = World::new();
    let lab = &world.lab;
    let file = File::new(&world.place, checkpoint(&TENSORS)).await;

    // The file changed after it was announced.
    let (_, session) = lab.start(&file).await;
    let mut changed = file.bytes.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    lab.send_missing(&session, &changed).await;
    let answer = lab.finish(id(&session)).await;
    assert_eq!(answer.1["tensor"], json!("t2"), "{answer:?}");
    refused(answer, 422, "wrong_tensor_key", "announced for it");

    // The digest is another file's.
    let size = file.bytes.len() as u64;
    let (_, session) = lab.announce(Digest::of(b"other"), size, file.manifest.clone()).await;
    lab.send_missing(&session, &file.bytes).await;
    refused(lab.finish(id(&session)).await, 422, "wrong_digest", "announced was");
    refused(lab.finish(id(&session)).await, 404, "absent", "upload");

    // One session a file: other keys for the same digest are no continuation.
    let (_, session) = lab.start(&file).await;
    let mut keys = file.manifest.clone();
    *keys.last_mut().unwrap() ^= 1;
    let other = lab.announce(file.digest, size, keys).await;
    refused(other, 409, "upload_differs", id(&session));
    assert_eq!(lab.abort(id(&session)).await.0, 204);
    refused(lab.abort(id(&session)).await, 404, "absent", "upload");

    assert_eq!(world.files("objects"), [""; 0]);
    assert_eq!(world.files("staging"), [""; 0]);
    let ends: Vec<_> = world.audit().await.into_iter().filter(|o| o != "upload_start").collect();
    assert_eq!(ends, ["upload_abort"; 3]);
}

/// Proves that a session is absent for everybody but its login, in the very words that none has, and needs the scope.
#[tokio::test]
async fn sessions_belong_to_their_login() {
    let world = World::new();
    let file = File::new(&world.place, checkpoint(&TENSORS)).await;
    let (_, session) = world.lab.start(&file).await;
    let theirs = id(&session);
    let none = "0".repeat(32);
    for (id, sender) in [(theirs, &world.rival), (none.as_str(), &world.rival)] {
        let part = &file.bytes[..100];
        for answer in [
            sender.get(id).await,
            sender.put(id, 0, part).await,
            sender.finish(id).await,
            sender.abort(id).await,
        ] {
            refused(answer, 404, "absent", &format!("no upload {id:?}"));
        }
    }
    let (_, own) = world.rival.start(&file).await;
    assert_ne!(own["id"], session["id"]);
    let investor = token(&world.place, "lab", "invest");
    let investor = Sender { url: world.url.clone(), token: investor };
    refused(investor.start(&file).await, 403, "scope_missing", "publish");
    refused(investor.get(theirs).await, 403, "scope_missing", "publish");
    let nobody = Sender { url: world.url.clone(), token: String::new() };
    assert_eq!(nobody.start(&file).await.0, 401);
    let (_, list) = world.lab.ask(Method::GET, "", &[], Vec::new()).await;
    assert_eq!(list["uploads"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["uploads"][0]["id"], session["id"]);
    // Another token of the same login goes on.
    let second = Sender { url: world.url.clone(), token: token(&world.place, "lab", "publish") };
    assert_eq!(second.get(theirs).await.0, 200);
}

/// Proves that sessions and staged bytes of a login are bounded, and that ending one makes room.
#[tokio::test]
async fn limits_of_a_login() {
    let world = World::new();
    let lab = &world.lab;
    let big = |bytes: u64| {
        let header =
            format!(r#"{{"t":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[0,{bytes}]}}}}"#);
        let prefix = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        (prefix.len() as u64 + bytes, [prefix, vec![7; 32]].concat())
    };
    let (bytes, manifest) = big(600 << 30);
    let (status, first) = lab.announce(Digest::of(b"1"), bytes, manifest.clone()).await;
    assert_eq!((status, missing(&first).len()), (200, 4096), "{first}");
    assert_eq!(first["missing_more"], json!(true));
    let second = lab.announce(Digest::of(b"2"), bytes, manifest.clone()).await;
    refused(second, 429, "upload_limit", "would hold");
    assert_eq!(world.rival.announce(Digest::of(b"2"), bytes, manifest.clone()).await.0, 200);
    assert_eq!(lab.abort(id(&first)).await.0, 204);
    let (_, last) = lab.announce(Digest::of(b"2"), bytes, manifest).await;
    assert_eq!(lab.abort(id(&last)).await.0, 204);

    let (bytes, manifest) = big(1);
    for number in 0u8..64 {
        let answer = lab.announce(Digest::of(&[number]), bytes, manifest.clone()).await;
        assert_eq!(answer.0, 200, "{answer:?}");
    }
    let answer = lab.announce(Digest::of(b"65"), bytes, manifest.clone()).await;
    refused(answer, 429, "upload_limit", "at most 64");
    let (_, one) = lab.announce(Digest::of(&[0]), bytes, manifest.clone()).await;
    assert_eq!(lab.abort(id(&one)).await.0, 204);
    assert_eq!(lab.announce(Digest::of(b"65"), bytes, manifest).await.0, 200);
}

/// Proves that a session ends a day after its last part, and that the next start of a server removes its parts.
#[tokio::test]
async fn sessions_expire() {
    let mut world = World::new();
    let file = File::new(&world.place, checkpoint(&TENSORS)).await;
    let day = async |day: i64| {
        let query = format!(
            r#"mutation {{ clockAdvance(input: {{ day: "{day}", idempotencyKey: "{day}" }}) {{ clock {{ now }} }} }}"#
        );
        ask(&world.operator, &query).await;
    };
    let (_, session) = world.lab.start(&file).await;
    let (number, begin, end) = missing(&session)[0];
    let part = &file.bytes[begin as usize..end as usize];
    day(20_459).await;
    refused(world.lab.get(id(&session)).await, 404, "absent", "upload");
    refused(world.lab.put(id(&session), number, part).await, 404, "absent", "upload");
    let (_, second) = world.lab.start(&file).await;
    assert_ne!(second["id"], session["id"]);
    assert_eq!(world.lab.put(id(&second), number, part).await.0, 204);
    day(20_460).await;
    assert_ne!(world.files("objects/upload"), [""; 0]);
    drop(world.server);
    let (server, url) = crate::support::serve(&world.place);
    world.server = server;
    assert!(!world.place.path().join("objects/upload").join(id(&second)).exists());
    world.operator =
        client::Client::new(&url, Some(token(&world.place, "operator", "operate"))).unwrap();
    let wanted = ["upload_start", "upload_expire", "upload_start", "upload_expire"];
    assert_eq!(world.audit().await, wanted);
}
