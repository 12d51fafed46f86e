//! The log's records, its signed heads, and balances under salted leaves.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeSet;

use common::{commit, ledger, name};
use domain::{
    amount::Shares,
    digest::Digest,
    evaluation::{PublicKey, Status},
    fund::{Account, Asset, Event, State},
    proof::{
        AcceptedPrice, BalanceError, Balances, HeadError, LeafRecord, LogKey, MerkleError,
        SignedHead, Tree, merkle::leaf_hash,
    },
    time::Timestamp,
};
use serde_json::Value;

const AT: Timestamp = Timestamp::from_millis(1_767_571_200_000);

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
        LeafRecord::Methodology {
            at,
            effective_day: None,
            fund: name("main"),
            methodology: digest("rules"),
        },
        LeafRecord::Strike { at, fund: name("main"), number: 7, record: digest("record") },
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
    assert_eq!(kinds.len(), 7);
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

fn salt(owner: &Account) -> [u8; 32] {
    *digest(&format!("secret {owner}")).as_bytes()
}

fn struck() -> State {
    let mut state = ledger();
    let (fund, who) = (name("f"), name("ANN"));
    for to in ["BEN", "CAT", "DAN"] {
        let asset = Asset::Share(fund.clone());
        let transfer = Event::Transfer { who: who.clone(), to: name(to), asset, amount: 1_000 };
        commit(&mut state, &transfer).unwrap();
    }
    state
}

/// Proves that each holder proves his own balance, that no other amount, owner, strike or salt passes, and that all balances are there.
#[test]
fn balances() {
    let (state, fund) = (struck(), name("f"));
    let all = Balances::of(&state, &fund, 1, salt);
    let root = all.root();
    let share = Asset::Share(fund.clone());
    let holders: Vec<_> = state.accounts_of(&share).filter(|(_, shares)| *shares > 0).collect();
    assert_eq!(root.holders, holders.len() as u64);
    assert!(holders.len() >= 6, "{holders:?}");
    for (owner, shares) in holders {
        let proof = all.prove(owner).unwrap();
        assert_eq!(proof.shares.as_nano(), shares);
        assert_eq!(proof.verify(&root), Ok(()));
        let text = serde_json::to_string(&proof).unwrap();
        assert_eq!(serde_json::from_str::<domain::proof::BalanceProof>(&text).unwrap(), proof);
        let mut changed = vec![proof.clone(); 6];
        changed[0].shares = Shares::from_nano(shares + 1);
        changed[1].owner = Account::Person(name("EVE"));
        changed[2].strike = 2;
        changed[3].salt = digest("guess").hex();
        changed[4].index = (proof.index + 1) % root.holders;
        changed[5].fund = name("g");
        for proof in changed {
            assert!(matches!(proof.verify(&root), Err(BalanceError::Path { .. })), "{proof:?}");
        }
    }
    assert_eq!(all.prove(&Account::Person(name("EVE"))), None);
    assert_eq!(all.prove(&Account::Issue), None);
}

/// Proves that a proof tells nothing of others: their names, amounts and salts stand nowhere in it, a leaf cannot be guessed without its
/// salt, and neither leaves nor places repeat from strike to strike.
#[test]
fn a_proof_tells_nothing_of_others() {
    let (state, fund) = (struck(), name("f"));
    let first = Balances::of(&state, &fund, 1, salt);
    let ben = Account::Person(name("BEN"));
    let proof = first.prove(&ben).unwrap();
    let text = serde_json::to_string(&proof).unwrap();
    for other in ["ANN", "CAT", "DAN", "SPONSOR", "LOCKED"] {
        assert!(!text.contains(other), "{text}");
    }
    // CAT and DAN have what BEN has; nobody who knows that finds their leaves in the path.
    for other in ["CAT", "DAN"] {
        let guess = Balances::of(&state, &fund, 1, |_| [0; 32]);
        let guess = guess.prove(&Account::Person(name(other))).unwrap();
        assert!(!proof.path.contains(&guess.path[0]));
    }
    let second = Balances::of(&state, &fund, 2, salt);
    let again = second.prove(&ben).unwrap();
    assert!(proof.path.iter().all(|hash| !again.path.contains(hash)));
    assert_ne!(first.root().root, second.root().root);
    let places = |all: &Balances| {
        ["ANN", "BEN", "CAT", "DAN"]
            .map(|who| all.prove(&Account::Person(name(who))).unwrap().index)
    };
    let names_in_order = {
        let mut sorted = places(&first);
        sorted.sort_unstable();
        sorted == places(&first) && places(&first) == places(&second)
    };
    assert!(!names_in_order, "places follow the names");
}
