//! Bytes: up and down by streams, every digest checked on both sides.

use std::path::Path;

use bytes::Bytes;
use domain::digest::Digest;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use sha2::Digest as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{ApiError, Client, ClientError, error::ApiErrorFields};

/// What is uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A safetensors file.
    Checkpoint,
    /// The document of a checkpoint in shards, which are on the server already.
    Shards,
    /// A weightless ONNX graph, to be checked against this checkpoint before it is stored.
    Graph {
        /// The checkpoint that it must bind to.
        checkpoint: Digest,
    },
}

/// The server's receipt.
#[derive(Clone, Debug, Deserialize)]
pub struct Uploaded {
    /// Digest of the bytes, as the server computed it.
    pub digest: Digest,
    /// Size in bytes.
    pub bytes: u64,
    /// Tensors in it, for a checkpoint.
    pub tensors: Option<u64>,
}

/// RFC 9457 problem, as our routes send it.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    code: String,
    tensor: Option<String>,
}

impl Client {
    /// Uploads a file as one object: hashed here first, then streamed, and the server's digest compared.
    ///
    /// `progress` is called with the bytes sent so far.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the rule that the file breaks, or a failure of file or connection.
    pub async fn upload(
        &self,
        path: &Path,
        kind: ObjectKind,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Uploaded, ClientError> {
        let failed = |source| ClientError::File { path: path.to_owned(), source };
        let digest = digest_of_file(path).await.map_err(failed)?;
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let length = file.metadata().await.map_err(failed)?.len();
        let mut sent = 0;
        let stream = tokio_util::io::ReaderStream::with_capacity(file, 1 << 18).inspect_ok(
            move |chunk: &Bytes| {
                sent += chunk.len() as u64;
                progress(sent);
            },
        );
        self.put_object(digest, length, kind, reqwest::Body::wrap_stream(stream)).await
    }

    /// Uploads bytes that are in memory.
    ///
    /// # Errors
    /// As [`Self::upload`].
    pub async fn upload_bytes(
        &self,
        bytes: Bytes,
        kind: ObjectKind,
    ) -> Result<Uploaded, ClientError> {
        let (digest, length) = (Digest::of(&bytes), bytes.len() as u64);
        self.put_object(digest, length, kind, bytes.into()).await
    }

    pub(crate) async fn put_object(
        &self,
        digest: Digest,
        length: u64,
        kind: ObjectKind,
        body: reqwest::Body,
    ) -> Result<Uploaded, ClientError> {
        let kind = match kind {
            ObjectKind::Checkpoint => "kind=checkpoint".to_owned(),
            ObjectKind::Shards => "kind=shards".to_owned(),
            ObjectKind::Graph { checkpoint } => {
                format!("kind=graph&checkpoint={}", checkpoint.hex())
            }
        };
        let url = format!("{}/v1/objects/{}?{kind}", self.base(), digest.hex());
        let request =
            self.authorised(self.uploads.put(url).header("content-length", length).body(body));
        let response = request.send().await.map_err(ClientError::connection)?;
        let response = accepted(response).await?;
        let receipt: Uploaded =
            response.json().await.map_err(|e| ClientError::Answer { reason: e.to_string() })?;
        if receipt.digest == digest {
            Ok(receipt)
        } else {
            Err(ClientError::WrongDigest { expected: digest, found: receipt.digest })
        }
    }

    /// Downloads an object into a new file; a failure or wrong bytes leave no file.
    ///
    /// # Errors
    /// [`ClientError::WrongDigest`] if other bytes arrive, or a failure of file or connection.
    pub async fn download(
        &self,
        digest: Digest,
        path: &Path,
        progress: impl Fn(u64),
    ) -> Result<u64, ClientError> {
        let failed = |source| ClientError::File { path: path.to_owned(), source };
        let request =
            self.authorised(self.http.get(format!("{}/v1/objects/{}", self.base(), digest.hex())));
        let response = accepted(request.send().await.map_err(ClientError::connection)?).await?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = std::path::PathBuf::from(part);
        let result = async {
            let mut file = tokio::fs::File::create(&part).await.map_err(failed)?;
            let (mut sha, mut bytes) = (sha2::Sha256::new(), 0);
            let mut stream = response.bytes_stream();
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(ClientError::connection)?;
                sha.update(&chunk);
                bytes += chunk.len() as u64;
                file.write_all(&chunk).await.map_err(failed)?;
                progress(bytes);
            }
            file.sync_all().await.map_err(failed)?;
            let found = Digest::from_bytes(sha.finalize().into());
            if found != digest {
                return Err(ClientError::WrongDigest { expected: digest, found });
            }
            tokio::fs::rename(&part, path).await.map_err(failed)?;
            Ok(bytes)
        };
        let result = result.await;
        if result.is_err() {
            let _ = tokio::fs::remove_file(&part).await;
        }
        result
    }
}

pub(crate) async fn digest_of_file(path: &Path) -> std::io::Result<Digest> {
    let mut file = tokio::fs::File::open(path).await?;
    let (mut sha, mut piece) = (sha2::Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Ok(Digest::from_bytes(sha.finalize().into()));
        }
        sha.update(&piece[..read]);
    }
}

/// Turns a problem document into the error that it describes.
pub(crate) async fn accepted(
    response: reqwest::Response,
) -> Result<reqwest::Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(ClientError::connection)?;
    match serde_json::from_slice::<Problem>(&body) {
        Ok(Problem { detail, code, tensor }) => Err(ClientError::Api(ApiError {
            message: detail,
            extensions: ApiErrorFields { code, tensor },
        })),
        Err(_) => Err(ClientError::unexpected(status, &body)),
    }
}
