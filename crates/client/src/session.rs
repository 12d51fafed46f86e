//! Upload sessions: the server says which parts of a file it lacks, and these are sent, several at once.
//!
//! Nothing is kept on this side. To begin a session again is to go on with it, so a lost connection, a killed client and a
//! killed server are one case: ask again, send what is missing, finish.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::{checkpoint::PART_BYTES_MAX, digest::Digest};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::{
    Client, ClientError, Description, Sent,
    push::Progress,
    retry::Patience,
    transfer::{Uploaded, accepted},
};

/// Bytes after which progress is told.
const PIECE_BYTES: usize = 1 << 18;
/// Times that a file which lost tensors on the server may be finished again before the push gives up.
const FINISHES_MAX: u32 = 8;

/// Times that a session which has ended may be begun again before the push gives up.
const RESTARTS_MAX: u32 = 3;

/// The server's answer about a session.
#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Session {
    /// The file is there.
    Present {},
    /// It is not.
    Open { id: String, missing: Vec<Part>, missing_bytes: u64, missing_more: bool },
}

/// A part that the server lacks.
#[derive(Clone, Copy, Deserialize)]
struct Part {
    number: u64,
    begin: u64,
    end: u64,
}

/// One push of one file.
struct Push<'a, P> {
    path: &'a Path,
    file: &'a Description,
    progress: P,
    /// Bytes that need no sending by this push; set by the server's first answer.
    there: Option<u64>,
    /// Bytes that this push has sent.
    sent: AtomicU64,
}

impl<P: Fn(Progress)> Push<'_, P> {
    fn tell(&self) {
        let there = self.there.unwrap_or(0);
        let sent = self.sent.load(Ordering::Relaxed);
        (self.progress)(Progress { there, sent, total: self.file.bytes });
    }

    /// Takes what the server says is missing for the truth, whatever was counted before.
    fn settle(&mut self, missing_bytes: u64) {
        let settled = self.file.bytes.saturating_sub(missing_bytes);
        let there = *self.there.get_or_insert(settled);
        self.sent.store(settled.saturating_sub(there), Ordering::Relaxed);
        self.tell();
    }
}

impl Client {
    /// Brings a checkpoint to the server, sending only what it lacks; a lost connection is tried again.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the rule that the file breaks, or a failure of the file or, at last, of the connection.
    /// What was sent stays on the server for a day, and the same call goes on from there.
    pub async fn push_checkpoint(
        &self,
        path: &Path,
        file: &Description,
        progress: impl Fn(Progress) + Sync,
    ) -> Result<Sent, ClientError> {
        let mut push = Push { path, file, progress, there: None, sent: AtomicU64::new(0) };
        let (mut patience, mut before, mut restarts) = (Patience::default(), 0, 0);
        loop {
            match self.push_missing(&mut push).await {
                Ok(()) => break,
                // Ended under our hands: by another push of the same file, or by its time. The next answer tells which.
                Err(error) if error.code() == Some("absent") && restarts < RESTARTS_MAX => {
                    restarts += 1;
                }
                Err(error) => {
                    let sent = push.sent.load(Ordering::Relaxed);
                    if sent > before {
                        patience.renew();
                    }
                    before = sent;
                    patience.wait(error).await?;
                }
            }
        }
        Ok(match push.there {
            None => Sent::Present,
            Some(_) => Sent::Bytes { sent: push.sent.into_inner(), total: file.bytes },
        })
    }

    /// Asks what is missing, sends it, and finishes.
    async fn push_missing<P: Fn(Progress)>(
        &self,
        push: &mut Push<'_, P>,
    ) -> Result<(), ClientError> {
        let mut session = self.start_session(push.file).await?;
        let mut finishes = 0;
        loop {
            let Session::Open { id, missing, missing_bytes, missing_more } = session else {
                return Ok(());
            };
            push.settle(missing_bytes);
            self.send_parts(push, &id, &missing).await?;
            if !missing_more {
                match self.finish_session(push.file, &id).await {
                    Err(error)
                        if error.code() == Some("parts_missing") && finishes < FINISHES_MAX =>
                    {
                        finishes += 1;
                    }
                    other => return other,
                }
            }
            session = self.read_session(&id).await?;
        }
    }

    async fn send_parts<P: Fn(Progress)>(
        &self,
        push: &Push<'_, P>,
        id: &str,
        parts: &[Part],
    ) -> Result<(), ClientError> {
        let sends = parts.iter().map(|part| self.send_part(push, id, *part));
        futures::stream::iter(sends).buffer_unordered(self.jobs).try_collect::<()>().await
    }

    async fn send_part<P: Fn(Progress)>(
        &self,
        push: &Push<'_, P>,
        id: &str,
        part: Part,
    ) -> Result<(), ClientError> {
        let length = part.end.saturating_sub(part.begin);
        if length > PART_BYTES_MAX || part.end > push.file.bytes {
            let reason = format!("part {} of bytes {}..{}", part.number, part.begin, part.end);
            return Err(ClientError::Answer { reason });
        }
        let read = async {
            let mut file = tokio::fs::File::open(push.path).await?;
            file.seek(std::io::SeekFrom::Start(part.begin)).await?;
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes).await.map(|_| Bytes::from(bytes))
        };
        let failed = |source| ClientError::File { path: push.path.to_owned(), source };
        let bytes = read.await.map_err(failed)?;
        let digest = STANDARD.encode(Digest::of(&bytes).as_bytes());
        let url = format!("{}/v1/uploads/{id}/parts/{}", self.base(), part.number);
        // Handed on in pieces, so that progress shows within a part too; the pieces are taken when the line has room for them.
        let (pieces, mut taken) = tokio::sync::mpsc::channel::<Bytes>(1);
        let body = futures::stream::poll_fn(move |context| taken.poll_recv(context));
        let body = reqwest::Body::wrap_stream(body.map(Ok::<_, std::convert::Infallible>));
        let request = self.authorised(self.uploads.put(url).body(body));
        let request = request
            .header("content-length", length)
            .header("content-digest", format!("sha-256=:{digest}:"));
        let feed = async {
            for begin in (0..bytes.len()).step_by(PIECE_BYTES) {
                let end = bytes.len().min(begin + PIECE_BYTES);
                if pieces.send(bytes.slice(begin..end)).await.is_err() {
                    break;
                }
                push.sent.fetch_add((end - begin) as u64, Ordering::Relaxed);
                push.tell();
            }
            drop(pieces);
        };
        let (answer, ()) = futures::join!(request.send(), feed);
        accepted(answer.map_err(ClientError::connection)?).await.map(drop)
    }

    async fn start_session(&self, file: &Description) -> Result<Session, ClientError> {
        let (hex, bytes) = (file.digest.hex(), file.bytes);
        let url = format!("{}/v1/uploads?digest={hex}&bytes={bytes}", self.base());
        let keys = file.keys.iter().flat_map(|key| *key.as_bytes());
        let body: Vec<u8> = file.prefix.iter().copied().chain(keys).collect();
        session(self.authorised(self.uploads.post(url).body(body))).await
    }

    async fn read_session(&self, id: &str) -> Result<Session, ClientError> {
        let url = format!("{}/v1/uploads/{id}", self.base());
        session(self.authorised(self.http.get(url))).await
    }

    async fn finish_session(&self, file: &Description, id: &str) -> Result<(), ClientError> {
        let url = format!("{}/v1/uploads/{id}/finish", self.base());
        // The server reads and hashes the whole file before it answers.
        let request = self.authorised(self.uploads.post(url));
        let response = accepted(request.send().await.map_err(ClientError::connection)?).await?;
        let receipt: Uploaded =
            response.json().await.map_err(|e| ClientError::Answer { reason: e.to_string() })?;
        if receipt.digest == file.digest {
            return Ok(());
        }
        Err(ClientError::WrongDigest { expected: file.digest, found: receipt.digest })
    }
}

async fn session(request: reqwest::RequestBuilder) -> Result<Session, ClientError> {
    let response = accepted(request.send().await.map_err(ClientError::connection)?).await?;
    let body = response.bytes().await.map_err(ClientError::connection)?;
    serde_json::from_slice(&body).map_err(|e| ClientError::Answer { reason: e.to_string() })
}
