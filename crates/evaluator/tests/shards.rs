//! A checkpoint in shards gives what the same checkpoint gives in one file, and a folder that is no set is refused by name.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod common;
#[path = "../../domain/tests/support/split.rs"]
mod split;

use std::path::Path;

use common::{Run, subject};
use domain::{
    checkpoint::{INDEX_FILE, SetDocument, ShardFile},
    digest::Digest,
    evaluation::Protocol,
};
use evaluator::{Subject, protocols};

/// A demo checkpoint in a folder of its own, in so many shards with their index.
fn sharded(folder: &Path, architecture: &str, step: u32, count: usize) -> Subject {
    let whole = subject(architecture, step);
    split::split_into(&std::fs::read(&whole.checkpoint).unwrap(), count, folder);
    Subject { checkpoint: folder.join(INDEX_FILE), ..whole }
}

/// Proves that every number which does not depend on the clock is the same, bit for bit, for one file and for three shards, of which
/// one begins at an odd place; and that the measurement cites the set and each shard.
#[test]
fn shards_give_the_same_as_one_file() {
    for (architecture, step) in [("mlp", 270), ("cnn", 90), ("rnn", 90)] {
        let folder = tempfile::tempdir().unwrap();
        let parts = sharded(folder.path(), architecture, step, 3);
        let one = Run::accuracy(subject(architecture, step)).go().unwrap().measurement.model;
        let set = Run::accuracy(parts).go().unwrap().measurement.model;
        let shards: Vec<ShardFile> = (1..=3)
            .map(|number| {
                let file = format!("model-{number:05}-of-00003.safetensors");
                let digest = Digest::of(&std::fs::read(folder.path().join(&file)).unwrap());
                ShardFile { file, digest }
            })
            .collect();
        let index = std::fs::read(folder.path().join(INDEX_FILE)).unwrap();
        let document = SetDocument::try_new(&index, shards.clone()).unwrap();
        assert_eq!((set.checkpoint, &set.shards), (document.digest().unwrap(), &shards));
        assert_ne!(set.checkpoint, one.checkpoint);
        assert!(one.shards.is_empty());
        let same = domain::evaluation::SubjectMeasurement {
            checkpoint: one.checkpoint,
            shards: Vec::new(),
            peak_bytes: one.peak_bytes,
            peaks: one.peaks.clone(),
            ..set
        };
        assert_eq!(same, one, "{architecture}");
    }
}

/// Proves that shards are measured in rounds beside a reference in one file, and that the reference may be in shards too.
#[test]
fn shards_are_timed() {
    let folder = tempfile::tempdir().unwrap();
    let parts = sharded(folder.path(), "mlp", 270, 2);
    let mut run = Run::accuracy(parts.clone());
    run.reference = Some(subject("mlp", 270));
    run.protocol = Protocol { rounds: 1, pairs: 5, offline_batches: 2, ..protocols::quick(7) };
    let first = run.go().unwrap().measurement;
    (run.model, run.reference) = (subject("mlp", 270), Some(parts));
    let second = run.go().unwrap().measurement;
    assert_eq!(first.model, {
        let reference = second.reference.unwrap();
        domain::evaluation::SubjectMeasurement {
            peak_bytes: first.model.peak_bytes,
            peaks: first.model.peaks.clone(),
            ..reference
        }
    });
    assert_eq!(first.rounds[0].single_stream.model.len(), 5);
}

/// Proves that a set which is none is refused before any child runs, with side, file and tensor.
#[test]
fn no_set() {
    let folder = tempfile::tempdir().unwrap();
    let parts = sharded(folder.path(), "mlp", 270, 3);
    let second = folder.path().join("model-00002-of-00003.safetensors");
    let good = std::fs::read(&second).unwrap();
    let refused = || Run::accuracy(parts.clone()).go().unwrap_err();
    std::fs::write(&second, &good[..good.len() - 1]).unwrap();
    let error = refused();
    assert_eq!(error.code(), "checkpoint_invalid");
    assert!(error.to_string().contains("model checkpoint: model-00002-of-00003"), "{error}");
    std::fs::remove_file(&second).unwrap();
    let error = refused();
    assert_eq!(error.code(), "shard_missing");
    assert!(error.to_string().contains("tensor"), "{error}");
    std::fs::copy(folder.path().join("model-00001-of-00003.safetensors"), &second).unwrap();
    assert_eq!(refused().code(), "tensor_in_two_shards");
    std::fs::write(&second, good).unwrap();
    std::fs::write(&parts.checkpoint, "{}").unwrap();
    assert_eq!(refused().code(), "weight_map_missing");
}
