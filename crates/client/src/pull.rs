//! Fetching an object into a file: hashed while it is written, continued where it stopped, named only when it is right.

use std::path::{Path, PathBuf};

use domain::digest::Digest;
use futures::StreamExt as _;
use reqwest::{StatusCode, header};
use sha2::Digest as _;
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

use crate::{Client, ClientError, retry::Patience, transfer::accepted};

/// An unfinished file: what it holds so far, and its hash.
struct Part {
    path: PathBuf,
    file: File,
    sha: sha2::Sha256,
    bytes: u64,
}

impl Part {
    /// Opens the part beside `path`, which bears the digest so that it is never continued with another object's bytes.
    async fn open(path: &Path, digest: Digest) -> Result<Self, ClientError> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", &digest.hex()[..16]));
        let path = PathBuf::from(name);
        let result = async {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .await?;
            let (mut sha, mut bytes, mut piece) = (sha2::Sha256::new(), 0, vec![0; 1 << 20]);
            loop {
                let read = file.read(&mut piece).await?;
                if read == 0 {
                    return Ok((file, sha, bytes));
                }
                sha.update(&piece[..read]);
                bytes += read as u64;
            }
        };
        match result.await {
            Ok((file, sha, bytes)) => Ok(Self { path, file, sha, bytes }),
            Err(source) => Err(ClientError::File { path, source }),
        }
    }

    fn failed(&self, source: std::io::Error) -> ClientError {
        ClientError::File { path: self.path.clone(), source }
    }

    async fn restart(&mut self) -> Result<(), ClientError> {
        (self.sha, self.bytes) = (sha2::Sha256::new(), 0);
        let result = async {
            self.file.set_len(0).await?;
            self.file.rewind().await.map(|_| ())
        };
        let result = result.await;
        result.map_err(|e| self.failed(e))
    }

    async fn append(&mut self, chunk: &[u8]) -> Result<(), ClientError> {
        let written = self.file.write_all(chunk).await;
        written.map_err(|e| self.failed(e))?;
        self.sha.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Gives the file its name if it is the object; takes it away if it is not.
    async fn finish(self, digest: Digest, path: &Path) -> Result<u64, ClientError> {
        let found = Digest::from_bytes(self.sha.clone().finalize().into());
        if found != digest {
            let _ = tokio::fs::remove_file(&self.path).await;
            return Err(ClientError::WrongDigest { expected: digest, found });
        }
        let result = async {
            self.file.sync_all().await?;
            tokio::fs::rename(&self.path, path).await?;
            // The name is durable only with its folder.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new("."))).await?.sync_all().await
        };
        let result = result.await;
        result.map_err(|e| self.failed(e))?;
        Ok(self.bytes)
    }
}

impl Client {
    /// Fetches an object of so many bytes into a file, which appears only when it has the digest.
    ///
    /// An interrupted call leaves `PATH.DIGEST.part`, and the next one continues it by a range request; a lost connection is
    /// tried again. `progress` is called with the bytes that are there.
    ///
    /// # Errors
    /// [`ClientError::WrongDigest`] if other bytes arrive (nothing is left then), or a failure of the file or, at last, of the
    /// connection.
    pub async fn pull_file(
        &self,
        digest: Digest,
        bytes: u64,
        path: &Path,
        progress: impl Fn(u64),
    ) -> Result<u64, ClientError> {
        let mut part = Part::open(path, digest).await?;
        if part.bytes > bytes {
            part.restart().await?;
        }
        let mut patience = Patience::default();
        while part.bytes < bytes {
            let before = part.bytes;
            progress(before);
            if let Err(error) = self.continue_part(digest, bytes, &mut part, &progress).await {
                if part.bytes > before {
                    patience.renew();
                }
                patience.wait(error).await?;
            }
        }
        part.finish(digest, path).await
    }

    async fn continue_part(
        &self,
        digest: Digest,
        bytes: u64,
        part: &mut Part,
        progress: &impl Fn(u64),
    ) -> Result<(), ClientError> {
        let request = self.http.get(format!("{}/v1/objects/{}", self.base(), digest.hex()));
        let request =
            self.authorised(request).header(header::RANGE, format!("bytes={}-", part.bytes));
        let response = accepted(request.send().await.map_err(ClientError::connection)?).await?;
        let range = response.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
        let wanted = format!("bytes {}-{}/{bytes}", part.bytes, bytes - 1);
        if response.status() != StatusCode::PARTIAL_CONTENT || range != Some(&wanted) {
            // The whole object, as a server without ranges sends it: what is there is written again.
            if response.status() != StatusCode::OK {
                return Err(ClientError::Answer { reason: format!("{range:?}, not {wanted}") });
            }
            part.restart().await?;
        }
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(ClientError::connection)?;
            if part.bytes + chunk.len() as u64 > bytes {
                part.restart().await?;
                return Err(ClientError::Answer { reason: format!("more than {bytes} bytes") });
            }
            part.append(&chunk).await?;
            progress(part.bytes);
        }
        let flushed = part.file.flush().await;
        flushed.map_err(|e| part.failed(e))?;
        if part.bytes < bytes {
            return Err(ClientError::Unreachable("the answer ended early".to_owned()));
        }
        Ok(())
    }
}
