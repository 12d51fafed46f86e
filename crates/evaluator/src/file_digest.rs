//! SHA-256 of a file, read in pieces.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use domain::digest::Digest;
use sha2::Digest as _;

/// Hashes the whole file at `path`.
pub(crate) fn file_digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            count => hasher.update(&piece[..count]),
        }
    }
}
