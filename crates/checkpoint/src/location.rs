//! Names of everything that is stored: `kind/ab/abcd…`, where two digits a folder keep directories small.

use domain::digest::{Digest, to_hex};
use object_store::path::Path;

/// The 32 bytes of a tensor key.
pub(crate) type Key = [u8; 32];

/// Where the recipes lie.
pub(crate) const RECIPES: &str = "recipe";
/// Where the packs lie; the lock on packing is taken on this folder.
pub(crate) const PACKS: &str = "pack";
const PLACES: &str = "place";

/// A whole object.
pub(crate) fn whole(digest: Digest) -> Path {
    below("sha256", &digest.hex())
}

/// The recipe of a checkpoint.
pub(crate) fn recipe(digest: Digest) -> Path {
    below(RECIPES, &digest.hex())
}

/// Length field and header of a checkpoint, as they stand in the file.
pub(crate) fn header(prefix: &Digest) -> Path {
    below("header", &prefix.hex())
}

/// A tensor that is an object of its own.
pub(crate) fn tensor(key: &Key) -> Path {
    below("tensor", &to_hex(key))
}

/// Small tensors, one after the other.
pub(crate) fn pack(id: &Digest) -> Path {
    below(PACKS, &id.hex())
}

/// Says in which pack a small tensor lies.
pub(crate) fn place(key: &Key) -> Path {
    below(PLACES, &to_hex(key))
}

/// Whether this is the name of a place.
pub(crate) fn is_place(path: &Path) -> bool {
    path.as_ref().starts_with(PLACES)
}

fn below(kind: &str, hex: &str) -> Path {
    Path::from_iter([kind, &hex[..2], hex])
}
