//! Sending what the server does not have.

use std::path::Path;

use bytes::Bytes;
use domain::digest::Digest;
use futures::TryStreamExt as _;

use crate::{
    Client, ClientError, ObjectKind,
    retry::Patience,
    transfer::{accepted, digest_of_file},
};

/// How an object came to be on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was there before; no byte was sent.
    Present,
    /// Its bytes were sent, and the server's digest is ours.
    Bytes(u64),
}

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
    /// `progress` is called with the bytes sent so far, which fall back to 0 when the file is sent again.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the rule that the file breaks, or a failure of the file or, at last, of the connection.
    pub async fn push_file(
        &self,
        path: &Path,
        digest: Digest,
        kind: ObjectKind,
        progress: impl Fn(u64) + Clone + Send + Sync + 'static,
    ) -> Result<Sent, ClientError> {
        let mut patience = Patience::default();
        loop {
            let sent = match self.find_object_size(digest).await {
                Ok(Some(_)) => return Ok(Sent::Present),
                Ok(None) => self.send_file(path, digest, kind, progress.clone()).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(bytes) => return Ok(Sent::Bytes(bytes)),
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
