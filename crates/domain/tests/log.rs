//! The log's records and its signed heads.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::collections::BTreeSet;

use domain::{
    digest::Digest,
    evaluation::{PublicKey, Status},
    name::Name,
    proof::{
        AcceptedPrice, HeadError, LeafRecord, LogKey, MerkleError, SignedHead, Tree,
        merkle::leaf_hash,
    },
    time::Timestamp,
};
use serde_json::Value;

const AT: Timestamp = Timestamp::from_millis(1_767_571_200_000);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// One leaf of every kind.
fn leaves() -> Vec<LeafRecord> {
    let (at, model, version) = (AT, name("org/mlp"), name("step-0270"));
    let (checkpoint, graph) = (digest("weights"), digest("graph"));
    vec![
        LeafRecord::Publish {
            at,
            model: model.clone(),
            version: version.clone(),
            checkpoint,
            graph,
        },
        LeafRecord::AliasMove {
            at,
            model: model.clone(),
            alias: name("listed"),
            version: version.clone(),
            checkpoint,
            graph,
        },
        LeafRecord::Yank { at, model: model.clone(), version, checkpoint, graph },
        LeafRecord::Report {
            at,
            report: digest("report"),
            checkpoint,
            graph,
            suite: digest("suite"),
            samples: digest("samples"),
            evaluator: "eval-1".to_owned(),
        },
        LeafRecord::AcceptedPrice(AcceptedPrice {
            at,
            model,
            number: 1,
            status: Status::Admitted,
            report: digest("report"),
            previous_micro: None,
            price_micro: Some(9_000_000_000_000_000_000),
            est_micro: 100_000_000,
            round: None,
            state: Some(digest("state")),
        }),
    ]
    .into_iter()
    .chain(leaves_of_funds(at))
    .collect()
}

fn leaves_of_funds(at: Timestamp) -> Vec<LeafRecord> {
    vec![
        LeafRecord::Methodology {
            at,
            effective_day: None,
            fund: name("main"),
            methodology: digest("rules"),
        },
        LeafRecord::Strike {
            at,
            fund: name("main"),
            number: 7,
            record: digest("record"),
            balances: None,
        },
        LeafRecord::Strike {
            at,
            fund: name("main"),
            number: 8,
            record: digest("record"),
            balances: Some(digest("root")),
        },
        LeafRecord::MethodologyAdoption {
            at,
            fund: name("main"),
            announcement: digest("leaf"),
            methodology: digest("rules"),
            strike: 3,
        },
        LeafRecord::MethodologyWithdrawal {
            at,
            fund: name("main"),
            announcement: digest("leaf"),
            methodology: digest("rules"),
        },
    ]
}

/// Proves the text of each kind of leaf, that it comes back from it, and that the hash is that of the text.
#[test]
fn leaf_text() {
    let texts: Vec<String> = leaves().iter().map(|leaf| leaf.to_canonical().unwrap()).collect();
    let report = digest("report");
    let state = digest("state");
    assert_eq!(
        texts[4],
        format!(
            "{{\"at\":1767571200000,\"est_micro\":\"100000000\",\"leaf\":\"accepted_price\",\"model\":\"org/mlp\",\"number\":1,\
             \"previous_micro\":null,\"price_micro\":\"9000000000000000000\",\"report\":\"{report}\",\"round\":null,\"state\":\"{state}\",\"status\":\"ADMITTED\"}}"
        )
    );
    let rules = digest("rules");
    let said = |day: &str| {
        format!(
            "{{\"at\":1767571200000,{day}\"fund\":\"main\",\"leaf\":\"methodology\",\"methodology\":\"{rules}\"}}"
        )
    };
    assert_eq!(texts[5], said(""), "as it was before rules could change");
    let later = LeafRecord::Methodology {
        at: AT,
        effective_day: Some(20_465),
        fund: name("main"),
        methodology: rules,
    };
    assert_eq!(later.to_canonical().unwrap(), said("\"effective_day\":20465,"));
    for (leaf, text) in leaves().iter().zip(&texts) {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["leaf"], leaf.kind());
        assert_eq!(&serde_json::from_str::<LeafRecord>(text).unwrap(), leaf);
        assert_eq!(leaf.hash().unwrap(), leaf_hash(text.as_bytes()));
        let more = text.replacen('{', "{\"more\":1,", 1);
        assert!(serde_json::from_str::<LeafRecord>(&more).is_err(), "{more}");
    }
    let kinds: BTreeSet<&str> = leaves().iter().map(LeafRecord::kind).collect();
    assert_eq!(kinds.len(), 9);
    for other in ["\"+100000000\"", "\"0100000000\"", "100000000", "\"1e8\"", "\" 1\""] {
        let text = texts[4].replace("\"100000000\"", other);
        assert!(serde_json::from_str::<LeafRecord>(&text).is_err(), "{other}");
    }
}

fn key(byte: u8) -> LogKey {
    LogKey::from_secret(&[byte; 32])
}

fn tree(size: usize) -> Tree {
    let mut tree = Tree::new();
    for leaf in leaves().iter().cycle().take(size) {
        tree.append(leaf.hash().unwrap());
    }
    tree
}

fn head(size: usize, hour: i64) -> SignedHead {
    let at = AT.plus_millis(hour * 3_600_000);
    key(1).sign(&name("demo"), size as u64, tree(size).root(), at).unwrap()
}

/// Proves the signed bytes: what another program signs and checks, field by field.
#[test]
fn head_message() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let head = head(5, 0);
    let secret = SigningKey::from_bytes(&[1; 32]);
    let public = secret.verifying_key();
    let mut message = Vec::new();
    let (size, at) = (5_u64.to_le_bytes(), 1_767_571_200_000_i64.to_le_bytes());
    let fields: [&[u8]; 6] =
        [b"mf.head.v1", b"demo", &size, head.root.as_bytes(), &at, public.as_bytes()];
    for field in fields {
        message.extend((field.len() as u32).to_le_bytes());
        message.extend(field);
    }
    assert_eq!(head.signature, domain::digest::to_hex(&secret.sign(&message).to_bytes()));
}

/// Proves that a head verifies under its key alone, and that no field of it can be another.
#[test]
fn head_signature() {
    let head = head(5, 0);
    let public = key(1).public().unwrap();
    assert_eq!(head.public_key, public);
    assert_eq!(head.verify(None), Ok(()));
    assert_eq!(head.verify(Some(&public)), Ok(()));
    let other: PublicKey = key(2).public().unwrap();
    assert!(matches!(head.verify(Some(&other)), Err(HeadError::OtherKey { .. })));
    let text = serde_json::to_string(&head).unwrap();
    assert_eq!(serde_json::from_str::<SignedHead>(&text).unwrap(), head);
    let changed = [
        SignedHead { log: name("demo2"), ..head.clone() },
        SignedHead { size: 6, ..head.clone() },
        SignedHead { root: digest("other"), ..head.clone() },
        SignedHead { at: AT.plus_millis(1), ..head.clone() },
        SignedHead { public_key: other, ..head.clone() },
        SignedHead { signature: other_digit(&head.signature), ..head.clone() },
    ];
    for head in changed {
        assert!(matches!(head.verify(None), Err(HeadError::Signature { .. })), "{head:?}");
    }
    let parsed = LogKey::parse(&format!("{}\n", "01".repeat(32))).unwrap();
    assert_eq!(parsed.public().unwrap(), public);
    assert_eq!(format!("{parsed:?}"), "LogKey");
    assert!(LogKey::parse("01").is_err());
    let short = SignedHead { signature: "00".to_owned(), ..head };
    assert_eq!(
        short.verify(None).unwrap_err().to_string(),
        "the signature is not 128 hexadecimal digits"
    );
}

/// The signature with another first digit.
fn other_digit(signature: &str) -> String {
    let first = if signature.starts_with('0') { "1" } else { "0" };
    format!("{first}{}", &signature[1..])
}

/// Proves that every two heads of one log are consistent, and that another log, key, time or history is not.
#[test]
fn heads_follow() {
    for old in 0..20 {
        for new in old..20 {
            let path = tree(new).consistency(old as u64, new as u64).unwrap();
            let (older, newer) = (head(old, old as i64), head(new, new as i64));
            assert_eq!(newer.follows(&older, &path), Ok(()), "{old} to {new}");
            if old < new {
                assert!(matches!(
                    older.follows(&newer, &path),
                    Err(HeadError::OtherLog { field: "at", .. })
                ));
            }
        }
    }
    let (older, newer) = (head(3, 0), head(9, 1));
    let path = tree(9).consistency(3, 9).unwrap();
    let other = SignedHead { log: name("other"), ..older.clone() };
    let error = newer.follows(&other, &path).unwrap_err().to_string();
    assert_eq!(error, "log is demo in the head and other in the older one");
    let other = key(2).sign(&older.log, older.size, older.root, older.at).unwrap();
    assert!(matches!(
        newer.follows(&other, &path),
        Err(HeadError::OtherLog { field: "public_key", .. })
    ));
    let forged = key(1).sign(&older.log, 3, digest("another past"), older.at).unwrap();
    assert!(matches!(
        newer.follows(&forged, &path),
        Err(HeadError::Inconsistent(MerkleError::Root { tree: "the older log", .. }))
    ));
}
