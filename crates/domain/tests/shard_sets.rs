//! Checkpoints in shards: hostile indexes, and what makes a set one checkpoint.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use domain::{
    checkpoint::{
        BindingError, Dtype, GraphTensor, Header, INDEX_BYTES_MAX, INDEX_FILE, SHARDS_MAX,
        SetDocument, ShardError, ShardFile, ShardIndex, bind_files, weights_file,
    },
    digest::Digest,
};

/// A header with these tensors of one F32 each.
fn header(names: &[&str]) -> Header {
    let entry = |(at, name): (usize, &&str)| {
        let (begin, end) = (4 * at, 4 * at + 4);
        format!(r#""{name}":{{"dtype":"F32","shape":[1],"data_offsets":[{begin},{end}]}}"#)
    };
    let entries: Vec<String> = names.iter().enumerate().map(entry).collect();
    Header::parse_json(format!("{{{}}}", entries.join(",")).as_bytes()).unwrap()
}

fn shard(file: &str) -> ShardFile {
    ShardFile { file: file.to_owned(), digest: Digest::of(file.as_bytes()) }
}

const GOOD: &str = r#"{"metadata":{"total_size":12,"by":"hand"},
  "weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"2.safetensors"}}"#;

/// A shard's file name and the names of its tensors.
type Given<'a> = (&'a str, &'a [&'a str]);

/// Shards, and the code, file and tensor of the refusal.
type Case<'a> = (&'a [Given<'a>], &'a str, Option<&'a str>, Option<&'a str>);

fn check(index: &str, shards: &[Given<'_>]) -> Result<(), ShardError> {
    let files = shards.iter().map(|(file, _)| shard(file)).collect();
    let mut sorted = shards.to_vec();
    sorted.sort_unstable();
    let headers: Vec<Header> = sorted.iter().map(|(_, names)| header(names)).collect();
    SetDocument::try_new(index.as_bytes(), files)?.check(&headers)
}

/// Proves that each hostile index is refused by its own rule before any shard is looked at.
#[test]
fn indexes_alone() {
    let map = |entries: &str| format!(r#"{{"weight_map":{{{entries}}}}}"#);
    let many: Vec<String> =
        (0..=SHARDS_MAX).map(|n| format!(r#""t{n}":"{n}.safetensors""#)).collect();
    let long = format!("{}.safetensors", "x".repeat(250));
    let mut cases = vec![
        ("empty".to_owned(), "index_not_json", None),
        ("[]".to_owned(), "index_not_json", None),
        ("{} x".to_owned(), "index_not_json", None),
        (GOOD[..40].to_owned(), "index_not_json", None),
        ("\u{feff}{}".to_owned(), "index_not_json", None),
        (r#"{"metadata":7,"weight_map":{"a":"1.safetensors"}}"#.to_owned(), "index_not_json", None),
        ("{}".to_owned(), "weight_map_missing", None),
        (r#"{"metadata":{}}"#.to_owned(), "weight_map_missing", None),
        (r#"{"weight_map":[]}"#.to_owned(), "weight_map_missing", None),
        (r#"{"weight_map":{}}"#.to_owned(), "weight_map_missing", None),
        (map(r#""a":1"#), "weight_map_missing", None),
        (r#"{"weight_map":{},"weight_map":{}}"#.to_owned(), "index_duplicate_key", None),
        (
            r#"{"metadata":{"total_size":1,"total_size":2},"weight_map":{}}"#.to_owned(),
            "index_duplicate_key",
            None,
        ),
        (
            map(r#""a":"1.safetensors","\u0061":"2.safetensors""#),
            "index_duplicate_tensor",
            Some("a"),
        ),
        (map(&many.join(",")), "too_many_shards", None),
    ];
    for name in [
        "../1.safetensors",
        "/1.safetensors",
        "sub/1.safetensors",
        r"sub\\1.safetensors",
        "C:1.safetensors",
        ".safetensors",
        ".hidden.safetensors",
        "1.bin",
        "Model.safetensors",
        "model.safetensors",
        "",
        r"1\n.safetensors",
        r"1\u0000.safetensors",
        &long,
    ] {
        cases.push((map(&format!(r#""a":"{name}""#)), "shard_path", Some("a")));
    }
    for size in ["-1", "1.0", "1e3", "\"12\"", "null", "99999999999999999999"] {
        let index = format!(
            r#"{{"metadata":{{"total_size":{size}}},"weight_map":{{"a":"1.safetensors"}}}}"#
        );
        cases.push((index, "total_size_wrong", None));
    }
    for (index, code, tensor) in cases {
        let error = ShardIndex::parse(index.as_bytes()).expect_err(&index);
        assert_eq!((error.code(), error.tensor()), (code, tensor), "{index}: {error}");
        assert_eq!(error.file(), Some(INDEX_FILE), "{error}");
        assert!(error.to_string().contains(INDEX_FILE), "{error}");
    }
    let error = ShardIndex::parse(b"{\"weight_map\":{\"\xff\":\"1.safetensors\"}}").unwrap_err();
    assert_eq!(error.code(), "index_not_json");
    let long = vec![b' '; INDEX_BYTES_MAX as usize + 1];
    assert_eq!(ShardIndex::parse(&long).unwrap_err().code(), "index_too_long");
}

/// Proves that an index which its shards do not bear out is refused with file and tensor, and that one which they do is taken.
#[test]
fn indexes_against_shards() {
    let one: Given<'_> = ("1.safetensors", &["a"]);
    let two: Given<'_> = ("2.safetensors", &["b", "c"]);
    let cases: [Case<'_>; 9] = [
        (&[one], "shard_missing", Some("2.safetensors"), Some("b")),
        (&[], "shard_missing", Some("1.safetensors"), Some("a")),
        (&[one, two, ("3.safetensors", &["d"])], "shard_not_in_index", Some("3.safetensors"), None),
        (&[one, two, two], "shard_twice", Some("2.safetensors"), None),
        (
            &[one, ("2.safetensors", &["b"])],
            "tensor_not_in_shard",
            Some("2.safetensors"),
            Some("c"),
        ),
        (
            &[("1.safetensors", &["a", "c"]), ("2.safetensors", &["b"])],
            "tensor_not_in_shard",
            Some("2.safetensors"),
            Some("c"),
        ),
        (
            &[one, ("2.safetensors", &["b", "c", "d"])],
            "tensor_not_in_index",
            Some("2.safetensors"),
            Some("d"),
        ),
        (
            &[("1.safetensors", &["a", "b"]), two],
            "tensor_in_two_shards",
            Some("2.safetensors"),
            Some("b"),
        ),
        (
            &[one, ("2.safetensors", &["b", "d"])],
            "tensor_not_in_shard",
            Some("2.safetensors"),
            Some("c"),
        ),
    ];
    for (shards, code, file, tensor) in cases {
        let error = check(GOOD, shards).unwrap_err();
        assert_eq!((error.code(), error.file(), error.tensor()), (code, file, tensor), "{error}");
        for part in file.iter().chain(&tensor) {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    check(GOOD, &[two, one]).unwrap();
    check(&GOOD.replace("\"total_size\":12,", ""), &[one, two]).unwrap();
    for wrong in ["11", "13", "0"] {
        let index = GOOD.replace("12", wrong);
        let error = check(&index, &[one, two]).unwrap_err();
        assert_eq!(error.code(), "total_size_wrong", "{error}");
        assert!(error.to_string().contains(&format!("{wrong}; the tensors have 12")), "{error}");
    }
}

/// Proves that the identity of a set covers the index to the byte and every shard's name and bytes, whatever order the shards are
/// given in, and that its document has one form.
#[test]
fn documents() {
    let shards = || vec![shard("2.safetensors"), shard("1.safetensors")];
    let document = SetDocument::try_new(GOOD.as_bytes(), shards()).unwrap();
    assert_eq!(document.shards[0].file, "1.safetensors");
    let digest = document.digest().unwrap();
    let bytes = document.to_bytes().unwrap();
    assert_eq!(Digest::of(&bytes), digest);
    let read = SetDocument::parse(&bytes).unwrap();
    assert_eq!((&read, read.index.as_bytes()), (&document, GOOD.as_bytes()));
    let mut reversed = shards();
    reversed.reverse();
    let same = SetDocument::try_new(GOOD.as_bytes(), reversed).unwrap();
    assert_eq!(same.digest().unwrap(), digest);
    let spaced = SetDocument::try_new(format!("{GOOD}\n").as_bytes(), shards()).unwrap();
    let mut other = shards();
    other[0].digest = Digest::of(b"other");
    let other = SetDocument::try_new(GOOD.as_bytes(), other).unwrap();
    for different in [spaced, other] {
        assert_ne!(different.digest().unwrap(), digest);
    }
    let text = String::from_utf8(bytes).unwrap();
    let shard_one = &text[text.find(r#"{"digest""#).unwrap()..];
    let swapped = text.replace("1.safetensors\"}", "3.safetensors\"}");
    for bad in [
        format!("{text} "),
        text.replace("\"shards\"", " \"shards\""),
        text.replace("\"shards\"", "\"more\":1,\"shards\""),
        text.replace(shard_one, "]}"),
        swapped,
        "{}".to_owned(),
        String::new(),
    ] {
        assert!(SetDocument::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// Proves that a graph is bound over several files, each place in its own file, and that a tensor of none is refused by name.
#[test]
fn binding_over_files() {
    let headers = [header(&["a"]), header(&["b", "c"])];
    let headers: Vec<&Header> = headers.iter().collect();
    let want = |name: &str| GraphTensor { name: name.into(), dtype: Dtype::F32, shape: vec![1] };
    let bound = bind_files(&headers, &[want("c"), want("a")]).unwrap();
    let places: Vec<(usize, u64)> = bound.iter().map(|b| (b.file, b.offset)).collect();
    assert_eq!(places, [(1, headers[1].data_offset() + 4), (0, headers[0].data_offset())]);
    let missing = bind_files(&headers, &[want("d")]).unwrap_err();
    assert_eq!(missing, BindingError::Missing { tensor: "d".into() });
}

/// Proves the one rule of which file holds a folder's weights.
#[test]
fn one_file_before_shards() {
    for (has, wanted) in [
        (vec!["model.safetensors", INDEX_FILE], "model.safetensors"),
        (vec![INDEX_FILE], INDEX_FILE),
        (vec![], "model.safetensors"),
    ] {
        assert_eq!(weights_file(|name| has.contains(&name)), wanted);
    }
}
