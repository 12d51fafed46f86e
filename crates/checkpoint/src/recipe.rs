//! The recipe of a checkpoint: which header it has, and where the bytes of each tensor lie.
//!
//! Layout, integers little endian: `mf.recipe.v1` filled with zeros to 16 bytes ‖ u64 bytes of the file ‖ u64 tensors ‖
//! SHA-256 of the prefix (length field and header as they stand in the file), under which it is stored ‖ for each tensor in
//! the order of the file: key (32), pack (32, zeros for an object of its own), u64 first byte in it ‖ SHA-256 of all that.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use domain::{checkpoint::Header, digest::Digest};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};

use crate::{
    ObjectStorage, StorageError, StoredPart,
    location::{self, Key},
};

const MAGIC: &[u8; 16] = b"mf.recipe.v1\0\0\0\0";
const FIXED_BYTES: usize = 64;
const ENTRY_BYTES: usize = 72;

/// Where the bytes of one tensor lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In an object of its own.
    Own,
    /// In a pack.
    Packed {
        /// The pack.
        pack: Digest,
        /// First byte in it.
        at: u64,
    },
}

/// One tensor of a file: what it is and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) key: Key,
    pub(crate) place: Place,
}

impl Part {
    /// The object with this tensor's bytes.
    pub(crate) fn location(&self) -> object_store::path::Path {
        match &self.place {
            Place::Own => location::tensor(&self.key),
            Place::Packed { pack, .. } => location::pack(pack),
        }
    }

    /// Where in that object they begin.
    pub(crate) const fn offset(&self) -> u64 {
        match self.place {
            Place::Own => 0,
            Place::Packed { at, .. } => at,
        }
    }
}

/// A recipe as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// Size of the file.
    pub(crate) file_bytes: u64,
    /// SHA-256 of the file's first bytes: length field and header. Versions of a model mostly share them.
    pub(crate) prefix: Digest,
    /// One part a tensor, in the order of the header.
    pub(crate) parts: Vec<Part>,
}

/// A recipe with its header: all that it takes to serve the file.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The file's first bytes.
    pub(crate) prefix: Bytes,
    /// The same, parsed.
    pub(crate) header: Header,
    /// One part a tensor, in the order of the header.
    pub(crate) parts: Vec<Part>,
}

impl Recipe {
    /// The bytes that are stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.parts.len() * ENTRY_BYTES + 32);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.file_bytes.to_le_bytes());
        bytes.extend_from_slice(&(self.parts.len() as u64).to_le_bytes());
        bytes.extend_from_slice(self.prefix.as_bytes());
        for part in &self.parts {
            bytes.extend_from_slice(&part.key);
            match &part.place {
                Place::Own => bytes.extend_from_slice(&[0; 32]),
                Place::Packed { pack, .. } => bytes.extend_from_slice(pack.as_bytes()),
            }
            bytes.extend_from_slice(&part.offset().to_le_bytes());
        }
        let check = Digest::of(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    /// Reads a recipe; the error says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (body, check) = bytes.split_last_chunk::<32>().ok_or("is too short")?;
        if Digest::of(body).as_bytes() != check {
            return Err("has not the bytes of its check");
        }
        let (file_bytes, tensors, prefix) = fixed(body).ok_or("has no known form")?;
        let entries = &body[FIXED_BYTES..];
        if (tensors as usize).checked_mul(ENTRY_BYTES) != Some(entries.len()) {
            return Err("has not as many parts as it says");
        }
        let parts = entries.chunks_exact(ENTRY_BYTES).filter_map(part).collect();
        Ok(Self { file_bytes, prefix, parts })
    }

    /// The size of a recipe of so many tensors.
    pub(crate) const fn bytes_for(tensors: usize) -> u64 {
        (FIXED_BYTES + tensors * ENTRY_BYTES + 32) as u64
    }

    /// The parts of tensors that have any bytes.
    pub(crate) fn filled<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a Part> {
        let all = header.tensors.iter().zip(&self.parts);
        all.filter(|(entry, _)| entry.begin < entry.end).map(|(_, part)| part)
    }

    /// All that the file stands on, itself included, each once; `packs` knows the sizes of packs.
    pub(crate) fn stored_parts(
        &self,
        digest: Digest,
        prefix_bytes: u64,
        header: &Header,
        packs: &HashMap<Digest, u64>,
    ) -> Vec<StoredPart> {
        let mut parts = BTreeMap::from([
            (location::recipe(digest).to_string(), Self::bytes_for(self.parts.len())),
            (location::header(&self.prefix).to_string(), prefix_bytes),
        ]);
        for (entry, part) in header.tensors.iter().zip(&self.parts) {
            if entry.begin < entry.end {
                let bytes = match part.place {
                    Place::Own => entry.end - entry.begin,
                    Place::Packed { pack, .. } => packs.get(&pack).copied().unwrap_or(0),
                };
                parts.insert(part.location().to_string(), bytes);
            }
        }
        parts.into_iter().map(|(location, bytes)| StoredPart { location, bytes }).collect()
    }

    /// Every object that the file stands on.
    pub(crate) fn locations(&self) -> impl Iterator<Item = object_store::path::Path> {
        self.parts.iter().map(Part::location).chain([location::header(&self.prefix)])
    }
}

/// Bytes of the file, tensors, digest of the prefix.
fn fixed(bytes: &[u8]) -> Option<(u64, u64, Digest)> {
    let fixed = bytes.get(..FIXED_BYTES)?.strip_prefix(MAGIC)?;
    let (file_bytes, rest) = fixed.split_first_chunk()?;
    let (tensors, prefix) = rest.split_first_chunk()?;
    let prefix = Digest::from_bytes(*prefix.first_chunk()?);
    Some((u64::from_le_bytes(*file_bytes), u64::from_le_bytes(*tensors), prefix))
}

fn part(entry: &[u8]) -> Option<Part> {
    let (key, rest) = entry.split_first_chunk::<32>()?;
    let (pack, rest) = rest.split_first_chunk::<32>()?;
    let at = u64::from_le_bytes(*rest.first_chunk()?);
    let packed = Place::Packed { pack: Digest::from_bytes(*pack), at };
    Some(Part { key: *key, place: if pack == &[0; 32] { Place::Own } else { packed } })
}

impl ObjectStorage {
    /// The recipe of a checkpoint.
    pub(crate) async fn load_recipe(&self, digest: Digest) -> Result<Recipe, StorageError> {
        let absent = |e| StorageError::from_store(digest, e);
        let stored = self.objects.get(&location::recipe(digest)).await.map_err(absent)?;
        let bytes = stored.bytes().await.map_err(StorageError::Store)?;
        Recipe::decode(&bytes).map_err(|reason| StorageError::DamagedRecipe { digest, reason })
    }

    /// The recipe of a checkpoint with its header.
    pub(crate) async fn load_layout(&self, digest: Digest) -> Result<Layout, StorageError> {
        let Recipe { file_bytes, prefix, parts } = self.load_recipe(digest).await?;
        let location = location::header(&prefix);
        let lost = |e| {
            let (part, reason) = (location.to_string(), std::io::Error::other(e));
            StorageError::Part { digest, part, reason }
        };
        let stored = self.objects.get(&location).await.map_err(lost)?;
        let bytes = stored.bytes().await.map_err(StorageError::Store)?;
        let damaged = |reason| StorageError::DamagedRecipe { digest, reason };
        if Digest::of(&bytes) != prefix {
            return Err(damaged("names a header that has other bytes now"));
        }
        let header = Header::parse(&bytes, Some(file_bytes));
        let header = header.map_err(|_| damaged("names a header that breaks a rule"))?;
        if header.tensors.len() != parts.len() {
            return Err(damaged("has not one part a tensor"));
        }
        Ok(Layout { prefix: bytes, header, parts })
    }

    /// The size of a checkpoint, from the first bytes of its recipe.
    pub(crate) async fn recipe_file_bytes(&self, digest: Digest) -> Result<u64, StorageError> {
        let options = GetOptions::new().with_range(Some(0..FIXED_BYTES as u64));
        let absent = |e| StorageError::from_store(digest, e);
        let location = location::recipe(digest);
        let stored = self.objects.get_opts(&location, options).await.map_err(absent)?;
        let bytes = stored.bytes().await.map_err(StorageError::Store)?;
        let reason = "has no known form";
        fixed(&bytes)
            .map(|(file_bytes, ..)| file_bytes)
            .ok_or(StorageError::DamagedRecipe { digest, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a recipe comes back as it was written, and that no flipped byte and no cut is taken for one.
    #[test]
    fn recipe_round_trip_and_damage() {
        let parts = [
            Part { key: [1; 32], place: Place::Own },
            Part { key: [2; 32], place: Place::Packed { pack: Digest::of(b"pack"), at: 77 } },
        ];
        let recipe =
            Recipe { file_bytes: 99, prefix: Digest::of(b"header"), parts: parts.to_vec() };
        let bytes = recipe.encode();
        assert_eq!(Recipe::decode(&bytes).unwrap(), recipe);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Recipe::decode(&flipped).is_err(), "byte {at}");
            assert!(Recipe::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
