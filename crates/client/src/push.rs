//! Sending what the server does not have.

use std::path::Path;

use bytes::Bytes;
use domain::digest::Digest;
use futures::TryStreamExt as _;

use crate::{
    Client, ClientError, Description, ObjectKind,
    retry::Patience,
    transfer::{accepted, digest_of_file},
};

/// How an object came to be on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was there before; no byte was sent.
    Present,
    /// Bytes of it were sent, and the server's digest is ours.
    Bytes {
        /// How many were sent.
        sent: u64,
        /// How many the file has; the others were there before.
        total: u64,
    },
}

/// How far a push of one file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were on the server before.
    pub there: u64,
    /// Bytes sent so far; fewer than before when some have to be sent again.
    pub sent: u64,
    /// Bytes of the file.
    pub total: u64,
}

/// Smaller checkpoints go in one request: a part has no fewer bytes.
const SESSION_BYTES_MIN: u64 = domain::checkpoint::PART_BYTES_MAX;

impl Client {
    /// Size of an object that the server has and this token may read; none if there is no such object.
    ///
    /// # Errors
    /// A failure of the connection, or a refusal.
    pub async fn find_object_size(&self, digest: Digest) -> Result<Option<u64>, ClientError> {
        let url = format!("{}/v1/objects/{}", self.base(), digest.hex());
        let response =
            self.authorised(self.http.head(url)).send().await.map_err(ClientError::connection)?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = accepted(response).await?;
        let length = response.headers().get(reqwest::header::CONTENT_LENGTH);
        let size = length.and_then(|value| value.to_str().ok()?.parse().ok());
        size.map(Some)
            .ok_or_else(|| ClientError::Answer { reason: "an object without a size".to_owned() })
    }

    /// Digest of a file on this side.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub async fn digest_file(path: &Path) -> Result<Digest, ClientError> {
        digest_of_file(path)
            .await
            .map_err(|source| ClientError::File { path: path.to_owned(), source })
    }

    /// Brings a file to the server under its digest, unless it is there; a lost connection is tried again.
    ///
    /// A checkpoint of 8 MiB or more goes by [`Self::push_checkpoint`].
    ///
    /// # Errors
    /// [`ClientError::Api`] with the rule that the file breaks, or a failure of the file or, at last, of the connection.
    pub async fn push_file(
        &self,
        path: &Path,
        digest: Digest,
        kind: ObjectKind,
        progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
    ) -> Result<Sent, ClientError> {
        let failed = |source| ClientError::File { path: path.to_owned(), source };
        let total = tokio::fs::metadata(path).await.map_err(failed)?.len();
        if kind == ObjectKind::Checkpoint && total >= SESSION_BYTES_MIN {
            let file = Description::of_checkpoint(path).await?;
            if file.digest != digest {
                return Err(ClientError::WrongDigest { expected: digest, found: file.digest });
            }
            return self.push_checkpoint(path, &file, progress).await;
        }
        self.push_whole(path, digest, kind, total, progress).await
    }

    /// As [`Self::push_file`], for a checkpoint that was read already.
    ///
    /// # Errors
    /// As [`Self::push_file`].
    pub async fn push_described(
        &self,
        path: &Path,
        file: &Description,
        progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
    ) -> Result<Sent, ClientError> {
        if file.bytes >= SESSION_BYTES_MIN {
            return self.push_checkpoint(path, file, progress).await;
        }
        self.push_whole(path, file.digest, ObjectKind::Checkpoint, file.bytes, progress).await
    }

    /// Sends a file in one request.
    async fn push_whole(
        &self,
        path: &Path,
        digest: Digest,
        kind: ObjectKind,
        total: u64,
        progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
    ) -> Result<Sent, ClientError> {
        let progress = move |sent| progress(Progress { there: 0, sent, total });
        let mut patience = Patience::default();
        loop {
            let sent = match self.find_object_size(digest).await {
                Ok(Some(_)) => return Ok(Sent::Present),
                Ok(None) => self.send_file(path, digest, kind, progress.clone()).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(bytes) => return Ok(Sent::Bytes { sent: bytes, total: bytes }),
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    async fn send_file(
        &self,
        path: &Path,
        digest: Digest,
        kind: ObjectKind,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<u64, ClientError> {
        let failed = |source| ClientError::File { path: path.to_owned(), source };
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let length = file.metadata().await.map_err(failed)?.len();
        let mut sent = 0;
        let stream = tokio_util::io::ReaderStream::with_capacity(file, 1 << 18).inspect_ok(
            move |chunk: &Bytes| {
                sent += chunk.len() as u64;
                progress(sent);
            },
        );
        let receipt =
            self.put_object(digest, length, kind, reqwest::Body::wrap_stream(stream)).await?;
        Ok(receipt.bytes)
    }
}
