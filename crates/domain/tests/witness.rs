//! Witnesses of a log: the head that one keeps, and every head that must not follow it.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::{
    digest::Digest,
    proof::{KeptHead, LogKey, SignedHead, Tree},
    time::Timestamp,
};

fn head(log: &str, key: &LogKey, leaves: &[&str], hour: i64) -> (SignedHead, Tree) {
    let mut tree = Tree::new();
    for leaf in leaves {
        tree.append(Digest::of(leaf.as_bytes()));
    }
    let at = Timestamp::from_millis(hour * 3_600_000);
    (key.sign(&log.parse().unwrap(), tree.size(), tree.root(), at).unwrap(), tree)
}

/// Proves that a witness goes on from the head that he kept to every one that begins with it, and to no other: not to a fork, a shorter
/// log, another log, another key or an earlier time; that his own signature is his, and that nobody puts it under another head.
#[test]
fn a_witness_follows_one_log() {
    let (log, own) = (LogKey::from_secret(&[1; 32]), LogKey::from_secret(&[2; 32]));
    let trusted = log.public().unwrap();
    let (older, _) = head("log", &log, &["a", "b", "c"], 1);
    let kept = KeptHead::new(older.clone(), Some(&own)).unwrap();
    let cases: [(&str, SignedHead, Tree, &str); 8] = {
        let case = |what, (head, tree), wanted| (what, head, tree, wanted);
        let more = ["a", "b", "c", "d", "e"];
        [
            case("itself", head("log", &log, &more[..3], 1), ""),
            case("a longer log", head("log", &log, &more, 2), ""),
            case("a fork", head("log", &log, &["a", "x", "c", "d", "e"], 2), "the path leads to"),
            case("a fork of one length", head("log", &log, &["a", "b", "x"], 2), "the path "),
            case(
                "a truncated log",
                head("log", &log, &more[..2], 2),
                "a log of 2 cannot come after one of 3",
            ),
            case("another log", head("other", &log, &more, 2), "log is other "),
            case("another key", head("log", &own, &more, 2), "the head is signed by key "),
            case("an earlier time", head("log", &log, &more, 0), "at is "),
        ]
    };
    for (what, newer, tree, wanted) in cases {
        let path = tree.consistency(3, newer.size).unwrap_or_default();
        let found = kept.is_followed_by(&newer, &path, Some(&trusted));
        let found = found.map_or_else(|error| error.to_string(), |()| String::new());
        assert!(
            found.starts_with(wanted) && found.is_empty() == wanted.is_empty(),
            "{what}: {found}"
        );
    }
    assert_eq!(kept.verify(Some(&trusted)), Ok(()));
    assert_eq!(KeptHead::new(older.clone(), None).unwrap().verify(None), Ok(()));
    let mut moved = kept.clone();
    moved.head = head("log", &log, &["a"], 1).0;
    assert!(moved.verify(None).is_err(), "his signature is over another head");
    let mut replayed = kept.clone();
    replayed.cosignature.as_mut().unwrap().signature = older.signature;
    replayed.cosignature.as_mut().unwrap().public_key = older.public_key;
    assert!(replayed.verify(None).is_err(), "a log's signature is no witness's");
    let text = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<KeptHead>(&text).unwrap(), kept);
}
