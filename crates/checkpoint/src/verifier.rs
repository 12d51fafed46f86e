//! Checks a safetensors file while it passes by, in pieces of any size.

use domain::checkpoint::{Header, HeaderError, TensorKey, TensorKeyHasher};

/// Takes the bytes of a file in order; holds the header and one hash state, never the tensors.
#[derive(Debug)]
pub struct CheckpointVerifier {
    file_bytes: Option<u64>,
    seen: u64,
    /// Length field and header.
    prefix: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Length field and JSON are being collected; `wanted` is 8 until the length is known.
    Prefix { wanted: u64 },
    /// The header is checked; tensors pass by.
    Data { header: Header, keys: Vec<TensorKey>, hasher: Option<Box<TensorKeyHasher>>, at: u64 },
}

impl CheckpointVerifier {
    /// Starts a file; its size is given where the sender declared it, so that a bad header is refused before the data is sent.
    #[must_use]
    pub const fn new(file_bytes: Option<u64>) -> Self {
        Self { file_bytes, seen: 0, prefix: Vec::new(), stage: Stage::Prefix { wanted: 8 } }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The first rule of the format that is broken.
    pub fn update(&mut self, mut chunk: &[u8]) -> Result<(), HeaderError> {
        self.seen += chunk.len() as u64;
        while let Stage::Prefix { wanted } = &mut self.stage {
            let bytes = &mut self.prefix;
            let take = chunk.len().min((*wanted - bytes.len() as u64) as usize);
            bytes.extend_from_slice(&chunk[..take]);
            chunk = &chunk[take..];
            if (bytes.len() as u64) < *wanted {
                return Ok(());
            }
            if let (8, Some(first)) = (*wanted, bytes.first_chunk::<8>()) {
                let length = Header::length(*first)?;
                let left = self.file_bytes.map(|size| size.saturating_sub(8));
                if let Some(left) = left.filter(|left| length > *left) {
                    return Err(HeaderError::HeaderBeyondFile { length, left });
                }
                *wanted = 8 + length;
                if length > 0 {
                    continue;
                }
            }
            let header = Header::parse_json(&bytes[8..])?;
            if let Some(size) = self.file_bytes {
                header.check_file_size(size)?;
            }
            self.stage = Stage::Data {
                keys: Vec::with_capacity(header.tensors.len()),
                header,
                hasher: None,
                at: 0,
            };
            self.skip_empty_tensors();
        }
        self.update_data(chunk)
    }

    /// Bytes that have passed by.
    pub(crate) const fn seen(&self) -> u64 {
        self.seen
    }

    /// The checked header, once it has passed by.
    pub(crate) const fn header(&self) -> Option<&Header> {
        match &self.stage {
            Stage::Prefix { .. } => None,
            Stage::Data { header, .. } => Some(header),
        }
    }

    /// Gives the bytes of length field and header away.
    pub(crate) fn take_prefix(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.prefix)
    }

    fn update_data(&mut self, mut chunk: &[u8]) -> Result<(), HeaderError> {
        while !chunk.is_empty() {
            let Stage::Data { header, keys, hasher, at } = &mut self.stage else { return Ok(()) };
            let Some(tensor) = header.tensors.get(keys.len()) else {
                return Err(HeaderError::TrailingBytes { extra: chunk.len() as u64 });
            };
            let take = chunk.len().min((tensor.end - *at) as usize);
            hasher
                .get_or_insert_with(|| Box::new(TensorKeyHasher::new(tensor.dtype, &tensor.shape)))
                .update(&chunk[..take]);
            *at += take as u64;
            chunk = &chunk[take..];
            if *at == tensor.end {
                keys.extend(hasher.take().map(|h| h.finish()));
                self.skip_empty_tensors();
            }
        }
        Ok(())
    }

    /// Tensors without bytes never see a chunk, so their keys are taken when their turn comes.
    fn skip_empty_tensors(&mut self) {
        let Stage::Data { header, keys, .. } = &mut self.stage else { return };
        while let Some(tensor) = header.tensors.get(keys.len()).filter(|t| t.begin == t.end) {
            keys.push(TensorKeyHasher::new(tensor.dtype, &tensor.shape).finish());
        }
    }

    /// Ends the file: the header and one key a tensor, in the order of the header.
    ///
    /// # Errors
    /// What only the end shows: a file that is too short.
    pub fn finish(self) -> Result<(Header, Vec<TensorKey>), HeaderError> {
        match self.stage {
            Stage::Prefix { wanted: 8, .. } => Err(HeaderError::TooShort { bytes: self.seen }),
            Stage::Prefix { wanted, .. } => Err(HeaderError::HeaderBeyondFile {
                length: wanted - 8,
                left: self.seen.saturating_sub(8),
            }),
            Stage::Data { header, keys, .. } => {
                header.check_file_size(self.seen).map(|()| (header, keys))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let json = r#"{"e":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"I16","shape":[2,1],"data_offsets":[3,7]},"z":{"dtype":"U8","shape":[0],"data_offsets":[7,7]}} "#;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.extend(1..=7);
        bytes
    }

    /// Proves that header and keys do not depend on how the file is cut, and that every truncation is refused.
    #[test]
    fn pieces_and_truncations() {
        let file = sample();
        let run = |bytes: &[u8], piece: usize| {
            let mut verifier = CheckpointVerifier::new(None);
            bytes
                .chunks(piece)
                .try_for_each(|c| verifier.update(c))
                .and_then(|()| verifier.finish())
        };
        let whole = run(&file, file.len()).unwrap();
        assert_eq!(whole.1.len(), 4);
        let mut key_of_b = TensorKeyHasher::new(domain::checkpoint::Dtype::I16, &[2, 1]);
        key_of_b.update(&[4, 5, 6, 7]);
        assert_eq!(whole.1[2], key_of_b.finish());
        for piece in 1..file.len() {
            assert_eq!(run(&file, piece).unwrap(), whole, "pieces of {piece}");
            assert!(run(&file[..piece], 3).is_err(), "cut at {piece}");
        }
        let mut longer = file.clone();
        longer.push(0);
        assert_eq!(run(&longer, 1).unwrap_err().code(), "trailing_bytes");
        let mut declared = CheckpointVerifier::new(Some(file.len() as u64 + 1));
        assert_eq!(declared.update(&file[..file.len() - 7]).unwrap_err().code(), "trailing_bytes");
    }

    /// Proves that the official writer's files pass with the same tensors as the official reader finds.
    #[test]
    fn agrees_with_the_safetensors_crate() {
        let data: Vec<u8> = (0..96).collect();
        let view = |dtype, shape: &[usize], range: std::ops::Range<usize>| {
            safetensors::tensor::TensorView::new(dtype, shape.to_vec(), &data[range]).unwrap()
        };
        let tensors = [
            ("x.weight", view(safetensors::Dtype::F32, &[2, 4], 0..32)),
            ("y", view(safetensors::Dtype::BF16, &[], 32..34)),
            ("ids", view(safetensors::Dtype::I64, &[3], 40..64)),
        ];
        let file = safetensors::serialize(
            tensors,
            Some(std::collections::HashMap::from([("k".into(), "v".into())])),
        )
        .unwrap();
        let mut verifier = CheckpointVerifier::new(Some(file.len() as u64));
        verifier.update(&file).unwrap();
        let (header, _) = verifier.finish().unwrap();
        let theirs = safetensors::SafeTensors::deserialize(&file).unwrap();
        assert_eq!(header.tensors.len(), theirs.len());
        for tensor in &header.tensors {
            let view = theirs.tensor(&tensor.name).unwrap();
            let ours = &file[(header.data_offset() + tensor.begin) as usize
                ..(header.data_offset() + tensor.end) as usize];
            assert_eq!((view.data(), view.shape().len()), (ours, tensor.shape.len()));
        }
    }
}
