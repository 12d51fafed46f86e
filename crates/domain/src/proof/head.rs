//! Signed heads: what the log was at a moment, so that nobody can show two people two histories without being caught.
//!
//! ```text
//! message = for each of "mf.head.v1", log, size, root, time, public key: u32 length, little endian ‖ bytes
//! ```
//! Size and time (milliseconds since 1970) are 8 bytes, little endian. Signatures are ed25519, checked strictly, as those of reports.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::merkle::{MerkleError, verify_consistency};
use crate::{
    digest::{Digest, to_hex},
    evaluation::{AttestationError, PublicKey, attestation::from_hex},
    name::Name,
    time::Timestamp,
};

/// What a signature of a head begins with.
const TAG: &[u8] = b"mf.head.v1";

/// The secret key of a log. It leaves memory when it is dropped.
#[derive(Clone)]
pub struct LogKey(SigningKey);

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogKey")
    }
}

impl LogKey {
    /// The key of 32 secret bytes.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The key as a file holds it: 64 hexadecimal digits, which stand for the 32 secret bytes.
    ///
    /// # Errors
    /// [`AttestationError::Hex`] for anything else.
    pub fn parse(text: &str) -> Result<Self, AttestationError> {
        Ok(Self::from_secret(&from_hex::<32>("secret key", text.trim())?))
    }

    /// The half that everybody may know.
    ///
    /// # Errors
    /// [`AttestationError::Key`] for a key that nobody should trust, which no secret makes.
    pub fn public(&self) -> Result<PublicKey, AttestationError> {
        to_hex(self.0.verifying_key().as_bytes()).parse()
    }

    /// Signs what the log is.
    ///
    /// # Errors
    /// As [`public`](Self::public).
    pub fn sign(
        &self,
        log: &Name,
        size: u64,
        root: Digest,
        at: Timestamp,
    ) -> Result<SignedHead, AttestationError> {
        let (log, public_key) = (log.clone(), self.public()?);
        let mut head = SignedHead { log, size, root, at, public_key, signature: String::new() };
        head.signature = self.sign_bytes(&head.message(TAG));
        Ok(head)
    }

    /// A signature in hexadecimal digits.
    pub(super) fn sign_bytes(&self, message: &[u8]) -> String {
        to_hex(&self.0.sign(message).to_bytes())
    }
}

/// The log at a moment, with all that is needed to check the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// What the log is called.
    pub log: Name,
    /// Leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: Digest,
    /// When.
    pub at: Timestamp,
    /// By which key.
    pub public_key: PublicKey,
    /// The signature, 128 hexadecimal digits.
    pub signature: String,
}

/// Why a head, or a pair of them, proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// No signature at all.
    #[error(transparent)]
    Form(#[from] AttestationError),
    /// Another key than the one that is trusted.
    #[error("the head is signed by key {found}; key {trusted} is trusted")]
    OtherKey {
        /// Whose signature it bears.
        found: PublicKey,
        /// Whose was wanted.
        trusted: PublicKey,
    },
    /// The signature was not made by this key over this head.
    #[error("the signature is not one of head {root} of {size} leaves by key {key}")]
    Signature {
        /// Leaves.
        size: u64,
        /// The root.
        root: Digest,
        /// The key.
        key: PublicKey,
    },
    /// Two heads that are not of one log.
    #[error("{field} is {new} in the head and {old} in the older one")]
    OtherLog {
        /// `log`, `public_key` or `at`.
        field: &'static str,
        /// There.
        old: String,
        /// Here.
        new: String,
    },
    /// The newer log does not begin with the older one.
    #[error(transparent)]
    Inconsistent(#[from] MerkleError),
}

impl SignedHead {
    /// What is signed: `tag` keeps the log's own signature from being a witness's.
    pub(super) fn message(&self, tag: &[u8]) -> Vec<u8> {
        let (size, at) = (self.size.to_le_bytes(), self.at.as_millis().to_le_bytes());
        let fields: [&[u8]; 6] = [
            tag,
            self.log.as_str().as_bytes(),
            &size,
            self.root.as_bytes(),
            &at,
            self.public_key.as_bytes(),
        ];
        super::length_prefixed(&fields)
    }

    /// Checks the signature, and that the key is the trusted one where one is given.
    ///
    /// # Errors
    /// [`HeadError`] says what does not fit.
    pub fn verify(&self, trusted: Option<&PublicKey>) -> Result<(), HeadError> {
        if let Some(trusted) = trusted.filter(|trusted| **trusted != self.public_key) {
            return Err(HeadError::OtherKey { found: self.public_key, trusted: *trusted });
        }
        let key = VerifyingKey::from_bytes(self.public_key.as_bytes())
            .map_err(|_| AttestationError::Key)?;
        let signature = Signature::from_bytes(&from_hex::<64>("signature", &self.signature)?);
        key.verify_strict(&self.message(TAG), &signature).map_err(|_| HeadError::Signature {
            size: self.size,
            root: self.root,
            key: self.public_key,
        })
    }

    /// Checks that this head's log begins with the older one's, that name and key are the same and that time did not go back.
    ///
    /// The signatures are another question: [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`HeadError::OtherLog`] or [`HeadError::Inconsistent`].
    pub fn follows(&self, older: &Self, path: &[Digest]) -> Result<(), HeadError> {
        let differs = |field, old: &dyn ToString, new: &dyn ToString| {
            let (old, new) = (old.to_string(), new.to_string());
            Err(HeadError::OtherLog { field, old, new })
        };
        if older.log != self.log {
            return differs("log", &older.log, &self.log);
        }
        if older.public_key != self.public_key {
            return differs("public_key", &older.public_key, &self.public_key);
        }
        if older.at > self.at {
            return differs("at", &older.at, &self.at);
        }
        Ok(verify_consistency((older.size, older.root), (self.size, self.root), path)?)
    }
}
