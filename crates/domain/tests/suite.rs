//! The form of `suite.toml`: what is read, what is refused and by which name, what is not measured yet.

use domain::{
    digest::Digest,
    suite::{BatchAxis, Metric, Pool, Suite, SuiteError, Task},
};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn smallest() -> String {
    format!(
        r#"id = "fashion-mnist-4k"
version = 1
task = "classification"
metric = "accuracy"
chance = 0.104
items = 4000
licence = "MIT"
source = "test images 0..3999"

[output]
name = "logits"

[labels]
target = "label"

[reference]
digest = "{DIGEST}"
"#
    )
}

fn complete() -> String {
    format!(
        r#"
id = "everything"
version = 2
task = "classification"
metric = "accuracy"
report = ["f1_macro"]
chance = 0.104
epoch = 3
items = 4000
licence = "MIT"
source = "made up"

[input.image]
batch_axis = 1

[input.scale]
batch_axis = "none"

[input.state]
carried_from = "stateN"

[output]
name = "logits"
column = 1
pool = "masked_mean"
mask = "attention_mask"
normalize = true

[labels]
target = "label"
pairs = "label.pairs"
score = "label.human"
nearest = "label.nearest"
queries = [100, 200]
threshold = 0.5
documents = "label.document"
utf8_bytes = "label.bytes"

[reference]
digest = "{DIGEST}"
panel = ["{DIGEST}"]
q_genesis = 5.3064

[cost]
overhead_ms = 2.5

[expected]
atol = 1e-5
rtol = 0.0
mask = "attention_mask"
"#
    )
}

/// Proves that the smallest suite has the defaults of the form and is measured.
#[test]
fn defaults() {
    let suite = Suite::parse(&smallest()).unwrap();
    assert_eq!(
        (suite.task, suite.metric, suite.epoch),
        (Task::Classification, Metric::Accuracy, 1)
    );
    assert_eq!(suite.cost.overhead_ms, 1.0);
    assert_eq!((suite.output.pool, suite.output.normalize), (Pool::None, false));
    let reference = suite.reference.as_ref().unwrap();
    assert_eq!((reference.digest, reference.q_genesis), (Digest::of(b""), None));
    assert_eq!(suite.whole_inputs().count(), 0);
}

/// Proves that every key of the form is read.
#[test]
fn every_key() {
    let suite = Suite::parse(&complete()).unwrap();
    assert_eq!(suite.input["image"].batch_axis, BatchAxis::Axis(1));
    assert_eq!(suite.whole_inputs().collect::<Vec<_>>(), ["scale"]);
    assert_eq!(suite.input["state"].carried_from.as_deref(), Some("stateN"));
    assert_eq!(suite.labels.queries, Some([100, 200]));
    assert_eq!(suite.expected.unwrap().atol, 1e-5);
    assert_eq!(suite.reference.unwrap().q_genesis, Some(5.3064));
}

/// Proves that a wrong value is refused with the name of its field.
#[test]
fn wrong_values() {
    let language = "language_model\"\nmetric = \"bits_per_byte";
    for (from, to, field) in [
        ("\"fashion-mnist-4k\"", "\"Fashion\"", "id"),
        ("\"fashion-mnist-4k\"", "\"\"", "id"),
        ("version = 1", "version = 0", "version"),
        ("items = 4000", "epoch = 0\nitems = 4000", "epoch"),
        ("items = 4000", "items = 0", "items"),
        ("items = 4000", "items = 4000000000", "items"),
        ("\"MIT\"", "\" \"", "licence"),
        ("chance = 0.104", "", "chance"),
        ("chance = 0.104", "chance = 0.0", "chance"),
        ("chance = 0.104", "chance = 1.0", "chance"),
        ("chance = 0.104", "chance = nan", "chance"),
        ("chance = 0.104", "chance = 0.1\nbaseline = 2.3", "baseline"),
        ("metric = \"accuracy\"", "metric = \"mse\"", "metric"),
        ("items = 4000", "items = 4000\nreport = [\"pearson\"]", "report"),
        ("items = 4000", "items = 4000\nreport = [\"top_k\", \"top_k\"]", "report"),
        (
            "classification\"\nmetric = \"accuracy",
            "language_model\"\nmetric = \"perplexity",
            "metric",
        ),
        ("classification\"\nmetric = \"accuracy", language, "labels.documents"),
        (
            "classification\"\nmetric = \"accuracy",
            "retrieval\"\nmetric = \"retrieval_at_1",
            "labels.nearest",
        ),
        ("target = \"label\"", "", "labels.target"),
        ("target = \"label\"", "target = \"label\"\nqueries = [7, 7]", "labels.queries"),
        ("target = \"label\"", "target = \"label\"\nqueries = [0, 4001]", "labels.queries"),
        ("name = \"logits\"", "name = \"\"", "output.name"),
        ("name = \"logits\"", "name = \"x\"\npool = \"masked_mean\"", "output.mask"),
        ("[output]", "[cost]\noverhead_ms = -1.0\n[output]", "cost.overhead_ms"),
        ("[output]", "[cost]\noverhead_ms = inf\n[output]", "cost.overhead_ms"),
        ("[output]", "[expected]\natol = nan\n[output]", "expected.atol"),
        ("[output]", "[input.x]\nbatch_axis = \"none\"\ncarried_from = \"y\"\n[output]", "input.x"),
        ("[reference]", "[reference]\nq_genesis = 0.5", "reference.q_genesis"),
    ] {
        let text = smallest().replacen(from, to, 1);
        match Suite::parse(&text) {
            Err(SuiteError::Field { field: named, .. }) => assert_eq!(named, field, "{to}"),
            other => panic!("{to}: {other:?}"),
        }
    }
}

/// Proves that unknown keys and wrong types are refused with their line, an unknown key by its name.
#[test]
fn wrong_form() {
    for (from, to, line, word) in [
        ("items = 4000", "items = 4000\ncolour = 1", 7, "`colour`"),
        ("name = \"logits\"", "name = \"logits\"\nnoise = 1", 12, "`noise`"),
        ("[output]", "[input.x]\naxis = 0\n[output]", 11, "`axis`"),
        ("version = 1", "version = -1", 2, "-1"),
        ("\"classification\"", "\"chess\"", 3, "`chess`"),
        ("[output]", "[input.x]\nbatch_axis = \"all\"\n[output]", 11, "batch_axis"),
        ("[output]", "[input.x]\nbatch_axis = -1\n[output]", 11, "batch_axis"),
        (DIGEST, "sha256:12", 17, "no digest"),
    ] {
        match Suite::parse(&smallest().replacen(from, to, 1)) {
            Err(SuiteError::Form { line: named, reason }) => {
                assert_eq!(named, line, "{reason}");
                assert!(reason.contains(word), "{reason}");
            }
            other => panic!("{to}: {other:?}"),
        }
    }
}

/// Proves that the digest of a suite follows from names and digests of its files, not from their order.
#[test]
fn digest() {
    let (a, b) = (("cases.safetensors", Digest::of(b"a")), ("suite.toml", Digest::of(b"b")));
    assert_eq!(Suite::digest(&[a, b]), Suite::digest(&[b, a]));
    assert_ne!(Suite::digest(&[a, b]), Suite::digest(&[a]));
    assert_ne!(Suite::digest(&[a, b]), Suite::digest(&[(a.0, b.1), (b.0, a.1)]));
    let listed = format!("[[\"cases.safetensors\",\"{}\"],[\"suite.toml\",\"{}\"]]", a.1, b.1);
    assert_eq!(Suite::digest(&[a, b]), Digest::of(listed.as_bytes()));
}
