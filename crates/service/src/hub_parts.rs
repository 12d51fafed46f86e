//! Files that the stock client sends in parts (LFS multipart): kept until it says that all are there, then stored as one.

use bytes::Bytes;
use domain::{digest::Digest, time::Timestamp};
use futures::{Stream, TryStreamExt as _};

use crate::{Service, ServiceError, token::Caller};

/// Bytes of a part; the last one has the rest.
pub const HUB_PART_BYTES: u64 = 64 << 20;
/// How long a part waits for the completion of its file: longer than a link may be begun to be used.
const PART_KEPT_MS: i64 = 2 * domain::time::DAY_MS;

/// How many parts a file has.
#[must_use]
pub const fn hub_part_count(bytes: u64) -> u64 {
    bytes.div_ceil(HUB_PART_BYTES)
}

/// Bytes of a part, which counts from 1; none if the file has no such part.
fn part_bytes(number: u64, bytes: u64) -> Option<u64> {
    let begin = number.checked_sub(1)?.checked_mul(HUB_PART_BYTES)?;
    (begin < bytes).then(|| HUB_PART_BYTES.min(bytes - begin))
}

/// Parts are an owner's own: bytes that another sends under the same digest are his.
fn name(caller: &Caller, digest: Digest) -> String {
    Digest::of(format!("{}\0{}", caller.owner, digest.hex()).as_bytes()).hex()
}

impl Service {
    /// Receives a part of a file of so many bytes; returns the SHA-256 of the part. The same part may be sent again.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a number that the file does not have, [`ServiceError::Upload`] for another length.
    pub async fn receive_hub_part<S, E>(
        &self,
        caller: &Caller,
        digest: Digest,
        bytes: u64,
        number: u64,
        stream: S,
    ) -> Result<Digest, ServiceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display + Send,
    {
        let length = part_bytes(number, bytes).ok_or_else(|| {
            let parts = hub_part_count(bytes);
            ServiceError::invalid("part", format!("{number}; a file of {bytes} bytes has {parts}"))
        })?;
        self.check_quota(caller, digest, bytes).await?;
        Ok(self.objects.put_hub_part(&name(caller, digest), number, length, stream).await?)
    }

    /// Stores the file whose parts are all there, by the rules of every upload. A completion that is repeated changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if a part is missing, [`ServiceError::Upload`] with the rule that the file breaks; the parts go
    /// then.
    pub async fn complete_hub_parts(
        &self,
        caller: &Caller,
        digest: Digest,
        bytes: u64,
    ) -> Result<(), ServiceError> {
        let file = name(caller, digest);
        if self.hub_bytes_of(caller, digest).await? == Some(bytes) {
            return Ok(self.objects.remove_hub_parts(&file).await?);
        }
        let lengths = (1..=hub_part_count(bytes)).filter_map(|n| part_bytes(n, bytes)).collect();
        let parts = self.objects.read_hub_parts(&file, digest, lengths);
        let parts = parts.map_err(|error| match error {
            checkpoint::StorageError::Part { .. } => {
                "a part is missing; send the file again".to_owned()
            }
            other => other.to_string(),
        });
        let received = self.receive_hub_stream(caller, digest, bytes, parts).await;
        // Kept for another try only where it was our fault.
        if received.as_ref().err().is_none_or(|error| !error.is_ours()) {
            self.objects.remove_hub_parts(&file).await?;
        }
        received
    }

    /// Removes parts that nobody completed; returns how many.
    ///
    /// # Errors
    /// The storage's failure.
    pub async fn sweep_hub_parts(&self, now: Timestamp) -> Result<u64, ServiceError> {
        Ok(self.objects.sweep_hub_parts(now.as_millis() - PART_KEPT_MS).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the parts of a file make up all of its bytes, and that no number outside of them has a length.
    #[test]
    fn parts_make_the_file() {
        for bytes in
            [1, HUB_PART_BYTES - 1, HUB_PART_BYTES, HUB_PART_BYTES + 1, 10 * HUB_PART_BYTES + 7]
        {
            let count = hub_part_count(bytes);
            let sum: u64 = (1..=count).map(|n| part_bytes(n, bytes).unwrap()).sum();
            assert_eq!(sum, bytes);
            for outside in [0, count + 1, u64::MAX] {
                assert_eq!(part_bytes(outside, bytes), None, "{outside} of {bytes}");
            }
        }
    }
}
