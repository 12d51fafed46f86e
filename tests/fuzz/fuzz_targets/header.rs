//! Fuzz target: the safetensors header, read whole, read in pieces, and read by the official crate.
//!
//! The first byte of an input says how the rest is read: its lowest bit chooses between a raw file (0) and a header text that
//! gets its length field and so many zero bytes of data as the second byte says (1); the other bits choose the size of the pieces.
#![no_main]

use checkpoint::CheckpointVerifier;
use domain::checkpoint::{Header, HeaderError, TensorKey, TensorKeyHasher};
use libfuzzer_sys::fuzz_target;
use safetensors::SafeTensors;

/// What we refuse and the official reader accepts, each on purpose; README.md says why. Nothing else may differ.
const STRICTER: &[&str] = &[
    "duplicate_tensor",
    "duplicate_metadata",
    "bad_tensor_entry",
    "header_not_json",
    // Of an entry that another of the same name shadows: the official reader checks the last one only.
    "wrong_tensor_size",
    "no_tensor_size",
    "inverted_offsets",
];

fuzz_target!(|input: &[u8]| {
    let Some((file, piece)) = file(input) else { return };
    let whole = Header::parse(&file, Some(file.len() as u64));
    pieces_agree(&file, piece, &whole);
    official_reader_agrees(&file, &whole);
});

/// The file that an input stands for, and the size of the pieces to cut it into.
fn file(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mode, rest) = input.split_first()?;
    let piece = 1 + usize::from(mode >> 1);
    if mode & 1 == 0 {
        return Some((rest.to_vec(), piece));
    }
    let (data_bytes, json) = rest.split_first()?;
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(json);
    file.resize(file.len() + usize::from(*data_bytes), 0);
    Some((file, piece))
}

type Verified = Result<(Header, Vec<TensorKey>), HeaderError>;

fn verified(file: &[u8], piece: usize, declared: Option<u64>) -> Verified {
    let mut verifier = CheckpointVerifier::new(declared);
    file.chunks(piece).try_for_each(|chunk| verifier.update(chunk))?;
    verifier.finish()
}

/// With the size declared, the stream ends with the very outcome of the whole; without it, with the same code.
fn pieces_agree(file: &[u8], piece: usize, whole: &Result<Header, HeaderError>) {
    let declared = verified(file, piece, Some(file.len() as u64));
    assert_eq!(declared.as_ref().map(|(header, _)| header), whole.as_ref());
    let undeclared = verified(file, piece, None);
    match (&declared, &undeclared) {
        (Ok(declared), Ok(undeclared)) => assert_eq!(declared, undeclared),
        (Err(declared), Err(undeclared)) => assert_eq!(declared.code(), undeclared.code()),
        _ => panic!("declared {declared:?}, undeclared {undeclared:?}"),
    }
    let Ok((header, keys)) = declared else { return };
    assert_eq!(header.tensors.len(), keys.len());
    assert_eq!(header.file_bytes(), file.len() as u64);
    for (tensor, key) in header.tensors.iter().zip(keys) {
        let start = header.data_offset() as usize;
        let mut hasher = TensorKeyHasher::new(tensor.dtype, &tensor.shape);
        hasher.update(&file[start + tensor.begin as usize..start + tensor.end as usize]);
        assert_eq!(key, hasher.finish(), "{}", tensor.name);
    }
}

/// Whatever we accept, the official reader accepts with the same tensors; what it accepts beyond that is on the list.
fn official_reader_agrees(file: &[u8], ours: &Result<Header, HeaderError>) {
    let theirs = SafeTensors::deserialize(file);
    match (ours, theirs) {
        (Ok(header), Ok(theirs)) => {
            assert_eq!(header.tensors.len(), theirs.len());
            for tensor in &header.tensors {
                let view = theirs.tensor(&tensor.name).expect("a tensor that we found");
                let start = header.data_offset() as usize;
                let shape: Vec<u64> = view.shape().iter().map(|axis| *axis as u64).collect();
                assert_eq!(view.dtype().to_string(), tensor.dtype.as_str());
                assert_eq!(shape, tensor.shape);
                assert_eq!(
                    view.data(),
                    &file[start + tensor.begin as usize..start + tensor.end as usize]
                );
            }
        }
        (Ok(header), Err(error)) => {
            panic!("we accept {header:?}, the official reader says {error}")
        }
        (Err(error), Ok(_)) => {
            assert!(STRICTER.contains(&error.code()), "only we refuse: {error}");
        }
        (Err(_), Err(_)) => {}
    }
}
