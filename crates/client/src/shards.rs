//! Checkpoints in shards: the document that names index and shards, sent and fetched.

use bytes::Bytes;
use domain::{
    checkpoint::{SET_DOCUMENT_BYTES_MAX, SetDocument},
    digest::Digest,
};
use futures::StreamExt as _;

use crate::{Client, ClientError, ObjectKind, retry::Patience, transfer::accepted};

impl Client {
    /// Makes shards that are on the server one checkpoint; the same document again changes nothing. A lost connection is tried
    /// again.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the rule that index and shards break, or a failure of the connection.
    pub async fn push_set(&self, document: &SetDocument) -> Result<Digest, ClientError> {
        let answer =
            |e: domain::checkpoint::ShardError| ClientError::Answer { reason: e.to_string() };
        let bytes = Bytes::from(document.to_bytes().map_err(answer)?);
        let mut patience = Patience::default();
        loop {
            match self.upload_bytes(bytes.clone(), ObjectKind::Shards).await {
                Ok(receipt) => return Ok(receipt.digest),
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    /// The document of a checkpoint in shards.
    ///
    /// # Errors
    /// [`ClientError::WrongDigest`] if other bytes arrive, [`ClientError::Answer`] if they are no such document, or a failure of the
    /// connection.
    pub async fn get_set(&self, digest: Digest) -> Result<SetDocument, ClientError> {
        let mut patience = Patience::default();
        let bytes = loop {
            match self.read_document(digest).await {
                Ok(bytes) => break bytes,
                Err(error) => patience.wait(error).await?,
            }
        };
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(ClientError::WrongDigest { expected: digest, found });
        }
        SetDocument::parse(&bytes).map_err(|e| ClientError::Answer { reason: e.to_string() })
    }

    async fn read_document(&self, digest: Digest) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}/v1/objects/{}", self.base(), digest.hex());
        let request = self.authorised(self.http.get(url));
        let response = accepted(request.send().await.map_err(ClientError::connection)?).await?;
        let mut stream = response.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(ClientError::connection)?);
            if bytes.len() as u64 > SET_DOCUMENT_BYTES_MAX {
                let reason = format!("the document has more than {SET_DOCUMENT_BYTES_MAX} bytes");
                return Err(ClientError::Answer { reason });
            }
        }
        Ok(bytes)
    }
}
