//! Who stands behind a report: a signature beside it, so that the report's own digest stays what it is.
//!
//! ```text
//! message = for each of "mf.report.v1", report digest, name, public key: u32 length, little endian ‖ bytes
//! ```
//! The tag keeps a signature from being one of anything else; name and key are signed too, so that nobody passes off another's
//! report under his own name. Signatures are ed25519 (RFC 8032), checked strictly: no second signature fits the same message.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{
    digest::{Digest, to_hex},
    name::Name,
};

/// What a signature of a report begins with.
const TAG: &[u8] = b"mf.report.v1";

/// The secret key of an evaluator. It has no `Debug` and leaves memory when it is dropped.
#[derive(Clone)]
pub struct EvaluatorKey(SigningKey);

impl std::fmt::Debug for EvaluatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EvaluatorKey({})", self.public())
    }
}

impl EvaluatorKey {
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
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a report under the evaluator's name.
    #[must_use]
    pub fn attest(&self, report: Digest, evaluator: &Name) -> Attestation {
        let public_key = self.public();
        let signature = self.0.sign(&message(report, evaluator, public_key));
        Attestation {
            report,
            evaluator: evaluator.clone(),
            public_key,
            signature: to_hex(&signature.to_bytes()),
        }
    }
}

/// The public key of an evaluator: 64 hexadecimal digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        to_hex(&self.0)
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

impl std::str::FromStr for PublicKey {
    type Err = AttestationError;

    fn from_str(text: &str) -> Result<Self, AttestationError> {
        let bytes = from_hex::<32>("public key", text)?;
        // A point of small order would verify signatures that its holder never made.
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| AttestationError::Key)?;
        if key.is_weak() { Err(AttestationError::Key) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = AttestationError;

    fn try_from(text: String) -> Result<Self, AttestationError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.hex()
    }
}

/// A signature of a report, with all that is needed to check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The report.
    pub report: Digest,
    /// Who measured.
    pub evaluator: Name,
    /// By which key.
    pub public_key: PublicKey,
    /// The signature, 128 hexadecimal digits.
    pub signature: String,
}

/// Why an attestation proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// Not as many hexadecimal digits as there should be.
    #[error("the {what} is not {digits} hexadecimal digits")]
    Hex {
        /// What should have been one.
        what: &'static str,
        /// How many are expected.
        digits: usize,
    },
    /// The bytes are no ed25519 public key that anybody should trust.
    #[error("the public key is no ed25519 key, or a weak one")]
    Key,
    /// It is of another report.
    #[error("the attestation is of report {attested}; this report is {report}")]
    OtherReport {
        /// What it says.
        attested: Digest,
        /// What it was compared with.
        report: Digest,
    },
    /// It bears another name than the report.
    #[error("the attestation is by evaluator {attested}; the report says {report}")]
    OtherEvaluator {
        /// What it says.
        attested: Name,
        /// What the report says.
        report: String,
    },
    /// The signature was not made by this key over this report.
    #[error("the signature is not one of report {report} by key {key}")]
    Signature {
        /// The report.
        report: Digest,
        /// The key.
        key: PublicKey,
    },
}

impl Attestation {
    /// Checks that the key signed this report under this name.
    ///
    /// Whether the key is one of an evaluator that one trusts is another question.
    ///
    /// # Errors
    /// [`AttestationError`] says what does not fit.
    pub fn verify(&self, report: Digest, evaluator: &str) -> Result<(), AttestationError> {
        if self.report != report {
            return Err(AttestationError::OtherReport { attested: self.report, report });
        }
        if self.evaluator.as_str() != evaluator {
            let (attested, report) = (self.evaluator.clone(), evaluator.to_owned());
            return Err(AttestationError::OtherEvaluator { attested, report });
        }
        let key = VerifyingKey::from_bytes(self.public_key.as_bytes())
            .map_err(|_| AttestationError::Key)?;
        let signature = Signature::from_bytes(&from_hex::<64>("signature", &self.signature)?);
        key.verify_strict(&message(report, &self.evaluator, self.public_key), &signature)
            .map_err(|_| AttestationError::Signature { report, key: self.public_key })
    }
}

fn message(report: Digest, evaluator: &Name, key: PublicKey) -> Vec<u8> {
    let fields: [&[u8]; 4] =
        [TAG, report.as_bytes(), evaluator.as_str().as_bytes(), key.as_bytes()];
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u32).to_le_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

/// Exactly `N` bytes out of hexadecimal digits.
///
/// # Errors
/// [`AttestationError::Hex`] names what was no such text.
pub fn from_hex<const N: usize>(
    what: &'static str,
    text: &str,
) -> Result<[u8; N], AttestationError> {
    let wrong = AttestationError::Hex { what, digits: 2 * N };
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong);
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong.clone())?;
    }
    Ok(bytes)
}
