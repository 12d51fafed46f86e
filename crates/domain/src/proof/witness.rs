//! Witnesses: whoever keeps the head that he saw last, checks that the next one begins with it, and may say so under a key of his own.
//!
//! ```text
//! message = for each of "mf.witness.v1", log, size, root, time, key of the log: u32 length, little endian ‖ bytes
//! ```
//! A log that shows two people two histories needs both to stay apart for ever. A witness who cosigns tells others which history he saw.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::head::{HeadError, LogKey, SignedHead};
use crate::{
    digest::Digest,
    evaluation::{AttestationError, PublicKey, attestation::from_hex},
};

const TAG: &[u8] = b"mf.witness.v1";

/// What a witness says of a head: he followed the log up to it from the first head that he saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosignature {
    /// Whose.
    pub public_key: PublicKey,
    /// The signature, 128 hexadecimal digits.
    pub signature: String,
}

/// The head that a witness keeps, as his file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptHead {
    /// The head.
    pub head: SignedHead,
    /// His signature, where he has a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosignature: Option<Cosignature>,
}

impl KeptHead {
    /// Takes a head over, under the witness's key where he has one.
    ///
    /// # Errors
    /// [`AttestationError::Key`] for a key that nobody should trust, which no secret makes.
    pub fn new(head: SignedHead, key: Option<&LogKey>) -> Result<Self, AttestationError> {
        let cosign = |key: &LogKey| {
            let public_key = key.public()?;
            let signature = key.sign_bytes(&head.message(TAG));
            Ok(Cosignature { public_key, signature })
        };
        let cosignature = key.map(cosign).transpose()?;
        Ok(Self { head, cosignature })
    }

    /// Checks the log's signature and the witness's, where there is one.
    ///
    /// # Errors
    /// [`HeadError`] says what does not fit.
    pub fn verify(&self, trusted: Option<&PublicKey>) -> Result<(), HeadError> {
        self.head.verify(trusted)?;
        let Some(cosignature) = &self.cosignature else { return Ok(()) };
        let key = VerifyingKey::from_bytes(cosignature.public_key.as_bytes())
            .map_err(|_| AttestationError::Key)?;
        let bytes = from_hex::<64>("signature", &cosignature.signature)?;
        key.verify_strict(&self.head.message(TAG), &Signature::from_bytes(&bytes)).map_err(|_| {
            HeadError::Signature {
                size: self.head.size,
                root: self.head.root,
                key: cosignature.public_key,
            }
        })
    }

    /// Checks that a later head of the log begins with the kept one; `path` is the proof that the log gives for it.
    ///
    /// # Errors
    /// [`HeadError`]: another log or key, a shorter log, or one whose beginning is another.
    pub fn is_followed_by(
        &self,
        newer: &SignedHead,
        path: &[Digest],
        trusted: Option<&PublicKey>,
    ) -> Result<(), HeadError> {
        self.verify(trusted)?;
        newer.verify(trusted)?;
        newer.follows(&self.head, path)
    }
}
