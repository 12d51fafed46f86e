//! Bytes that come in through the hub surface: whatever the client says of them is computed again.

use bytes::Bytes;
use checkpoint::ObjectKind;
use domain::digest::{Digest, to_hex};
use futures::{Stream, StreamExt as _};
use store::{HubBlobKind, HubBlobRow, hub_blob, storage_object};

use crate::{
    Service, ServiceError,
    accounts::{Entry, RecordAs},
    objects::Upload,
    token::Caller,
};

/// Files up to this size travel inside the commit; greater ones by a link of their own.
pub const HUB_REGULAR_BYTES_MAX: u64 = 32 << 20;

/// Bytes of a file with which a header of safetensors shows: its length and its first brace.
const SNIFF_BYTES: usize = 9;

/// Endings of files that run code when they are opened.
const PICKLE: [&str; 7] = ["bin", "pt", "pth", "ckpt", "pkl", "pickle", "joblib"];

/// Refuses weights in pickle form by the file's name.
///
/// # Errors
/// [`ServiceError::Invalid`] with the way to convert it.
pub fn refuse_pickle(path: &str) -> Result<(), ServiceError> {
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, e)| e);
    let Some(ending) = ending.filter(|e| PICKLE.iter().any(|p| p.eq_ignore_ascii_case(e))) else {
        return Ok(());
    };
    Err(ServiceError::invalid(
        "file",
        format!(
            "{path}: .{ending} files hold pickles, which run code when they are opened, and are not stored here; convert the \
             weights with safetensors.torch.save_file(state_dict, \"model.safetensors\") and upload that file"
        ),
    ))
}

/// Whether a path names a safetensors file.
#[must_use]
pub fn is_safetensors(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("safetensors"))
}

/// Refuses a safetensors file by its first bytes, before the rest is sent.
///
/// # Errors
/// [`ServiceError::Invalid`] with path and rule.
pub fn refuse_bad_sample(path: &str, sample: &[u8], bytes: u64) -> Result<(), ServiceError> {
    use domain::checkpoint::{Header, HeaderError};
    let refuse = |error: HeaderError| ServiceError::invalid("file", format!("{path}: {error}"));
    let Some((first, rest)) = sample.split_first_chunk::<8>() else {
        return Err(refuse(HeaderError::TooShort { bytes }));
    };
    let (length, left) = (Header::length(*first).map_err(refuse)?, bytes.saturating_sub(8));
    if length > left {
        return Err(refuse(HeaderError::HeaderBeyondFile { length, left }));
    }
    if rest.len() as u64 >= length {
        Header::parse(&sample[..8 + length as usize], Some(bytes)).map_err(refuse)?;
    } else if rest.first().is_some_and(|byte| *byte != b'{') {
        let reason = "the first byte is not '{'".to_owned();
        return Err(refuse(HeaderError::NotJson { reason }));
    }
    Ok(())
}

/// The id that git gives to a file: SHA-1 over a short preface and the bytes.
#[must_use]
pub fn git_oid(bytes: &[u8]) -> String {
    use sha1::Digest as _;
    let mut hasher = sha1::Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    to_hex(&hasher.finalize())
}

impl Service {
    /// Receives the bytes of a link under the digest that was announced. What looks like safetensors must be safetensors.
    ///
    /// # Errors
    /// [`ServiceError::Upload`] with rule and tensor; nothing is stored then.
    pub async fn receive_hub_stream<S, E>(
        &self,
        caller: &Caller,
        digest: Digest,
        bytes: u64,
        stream: S,
    ) -> Result<(), ServiceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display + Send,
    {
        let mut stream = std::pin::pin!(stream);
        let (mut first, mut pieces) = (Vec::new(), Vec::new());
        while first.len() < SNIFF_BYTES {
            let Some(piece) = stream.next().await else { break };
            let broken = piece.is_err();
            if let Ok(piece) = &piece {
                first.extend_from_slice(&piece[..piece.len().min(SNIFF_BYTES)]);
            }
            pieces.push(piece);
            if broken {
                break;
            }
        }
        let kind = sniff(&first, bytes);
        let whole = futures::stream::iter(pieces).chain(stream);
        let row = hub_blob_row(caller, digest, bytes, kind, None)?;
        self.store_hub_bytes(caller, digest, bytes, &row, whole).await
    }

    /// Receives a file that came inside a commit.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with path, tensor and rule; nothing is stored then.
    pub async fn receive_hub_file(
        &self,
        caller: &Caller,
        path: &str,
        content: Bytes,
    ) -> Result<Digest, ServiceError> {
        refuse_pickle(path)?;
        let (digest, bytes, oid) = (Digest::of(&content), content.len() as u64, git_oid(&content));
        let kind = if is_safetensors(path) { HubBlobKind::Checkpoint } else { HubBlobKind::File };
        let pieces = futures::stream::iter([Ok::<_, std::convert::Infallible>(content)]);
        let row = hub_blob_row(caller, digest, bytes, kind, Some(oid))?;
        let stored = self.store_hub_bytes(caller, digest, bytes, &row, pieces).await;
        stored.map_err(|error| name_file(path, error))?;
        Ok(digest)
    }

    /// The bytes that the caller has sent under this digest, if he has; nobody can name another's bytes.
    /// Who is told so will not send them again, so their grace begins anew.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn hub_bytes_of(
        &self,
        caller: &Caller,
        digest: Digest,
    ) -> Result<Option<u64>, ServiceError> {
        let row = hub_blob::find(&self.store, caller.owner.as_str(), &digest.hex()).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(self.keep_object(digest, caller.now).await?.then_some(row.bytes.unsigned_abs()))
    }

    /// The blob that a commit puts under `path`, its rules checked by the path now known.
    pub(crate) async fn hub_blob_for(
        &self,
        caller: &Caller,
        path: &str,
        digest: Digest,
    ) -> Result<HubBlobRow, ServiceError> {
        refuse_pickle(path)?;
        let row = hub_blob::find(&self.store, caller.owner.as_str(), &digest.hex()).await?;
        let row = row.ok_or_else(|| {
            ServiceError::invalid("file", format!("{path}: its bytes {digest} were not uploaded"))
        })?;
        if is_safetensors(path) && row.kind == HubBlobKind::File {
            // It did not look like safetensors when it came in, so that only its name says that it should be: read it again.
            let stream = self.open_object(digest, None).await?;
            let bytes = row.bytes.unsigned_abs();
            let checked =
                self.upload(caller, digest, Some(bytes), Upload::Checkpoint, stream).await;
            checked.map_err(|error| name_file(path, error))?;
        }
        Ok(row)
    }

    /// Stores bytes and records them as the caller's.
    async fn store_hub_bytes<S, E>(
        &self,
        caller: &Caller,
        digest: Digest,
        bytes: u64,
        row: &HubBlobRow,
        stream: S,
    ) -> Result<(), ServiceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display + Send,
    {
        match row.kind {
            HubBlobKind::Checkpoint => {
                self.upload(caller, digest, Some(bytes), Upload::Checkpoint, stream).await?;
                let transaction = self.store.begin().await?;
                // The upload may be collected again before this: then the file is to be sent again.
                let hex = digest.hex();
                if !storage_object::touch(&transaction, &hex, caller.now.as_millis()).await? {
                    return Err(ServiceError::Busy(store::StoreError::Collected));
                }
                hub_blob::insert(&transaction, row.clone()).await?;
                transaction.commit().await?;
            }
            HubBlobKind::File => {
                self.check_quota(caller, digest, bytes).await?;
                let kind = ObjectKind::Document;
                let staged =
                    self.objects.stage_object(kind, Some(digest), Some(bytes), stream).await?;
                let entry = Entry::of(caller);
                self.accounts().enter(staged, entry, RecordAs::HubFile(row.clone())).await?;
            }
        }
        Ok(())
    }
}

fn hub_blob_row(
    caller: &Caller,
    digest: Digest,
    bytes: u64,
    kind: HubBlobKind,
    git_oid: Option<String>,
) -> Result<HubBlobRow, ServiceError> {
    Ok(HubBlobRow {
        owner: caller.owner.to_string(),
        digest: digest.hex(),
        bytes: i64::try_from(bytes).map_err(ServiceError::internal)?,
        kind,
        git_oid,
        uploaded_at: caller.now.as_millis(),
    })
}

/// A refusal of the sender's bytes with the file's path before it; our own faults stay as they are.
fn name_file(path: &str, error: ServiceError) -> ServiceError {
    let is_of_the_file = !matches!(
        error,
        ServiceError::Busy(_) | ServiceError::Scope(_) | ServiceError::QuotaExceeded { .. }
    );
    if error.is_ours() || !is_of_the_file {
        return error;
    }
    ServiceError::invalid("file", format!("{path}: {error}"))
}

fn sniff(first: &[u8], bytes: u64) -> HubBlobKind {
    match first.split_first_chunk::<8>() {
        Some((length, [b'{', ..])) if u64::from_le_bytes(*length) <= bytes.saturating_sub(8) => {
            HubBlobKind::Checkpoint
        }
        _ => HubBlobKind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that pickles are told by their names, whatever the case, and that other names pass.
    #[test]
    fn pickles_by_name() {
        for bad in ["pytorch_model.bin", "a/b.PT", "x.pth", "last.ckpt", "w.pkl", "bin.bin"] {
            assert!(refuse_pickle(bad).unwrap_err().to_string().contains("save_file"), "{bad}");
        }
        for good in ["model.safetensors", "bin", "a.bin/README.md", "graph.onnx", ".gitattributes"]
        {
            assert!(refuse_pickle(good).is_ok(), "{good}");
        }
    }

    /// Proves that git's own id of a known text comes out.
    #[test]
    fn git_oid_of_a_known_text() {
        assert_eq!(git_oid(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(git_oid(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }

    /// Proves that a sample refuses what its bytes already decide, with the file's path, and passes what they do not.
    #[test]
    fn samples() {
        let file = |length: u64, text: &[u8]| [&length.to_le_bytes()[..], text].concat();
        for (sample, bytes, part) in [
            (b"PK\x03\x04".to_vec(), 4, "file has 4 bytes"),
            (file(u64::MAX, b"{"), 100, "at most"),
            (file(90, b"{"), 50, "only 42 bytes follow"),
            (file(400, b"<html>"), 5000, "first byte"),
            (file(2, b"{}"), 11, "1 bytes follow"),
        ] {
            let error = refuse_bad_sample("m.safetensors", &sample, bytes).unwrap_err().to_string();
            assert!(error.contains("m.safetensors") && error.contains(part), "{error}");
        }
        assert!(refuse_bad_sample("m.safetensors", &file(2, b"{}"), 10).is_ok());
        assert!(refuse_bad_sample("m.safetensors", &file(400, b"{\"a\""), 5000).is_ok());
    }
}
