//! What an upload session refuses besides what every upload does.

/// Why a step of a session did not happen.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file cannot be put together yet.
    #[error("upload {upload} lacks {parts} parts; send them and finish again")]
    PartsMissing {
        /// The session.
        upload: String,
        /// How many.
        parts: u64,
    },
    /// A session of this login and digest is open, and was begun with another header or other keys.
    #[error(
        "upload {upload} of the same digest was begun with another header or other keys; end it first"
    )]
    Differs {
        /// The session.
        upload: String,
    },
    /// The login has as many sessions as it may.
    #[error("{open} uploads are open; at most {open_max}: finish or end one")]
    TooManyOpen {
        /// How many there are.
        open: u64,
        /// How many may be.
        open_max: u64,
    },
    /// The sessions of the login would hold more than they may.
    #[error("open uploads would hold {wanted} bytes; at most {bytes_max}: finish or end one")]
    TooManyBytes {
        /// What they would hold.
        wanted: u64,
        /// What they may hold.
        bytes_max: u64,
    },
    /// A tensor's bytes are not those of the key that was announced for it.
    #[error(
        "tensor {tensor:?} has not the bytes of the key that was announced for it; has the file changed meanwhile?"
    )]
    WrongKey {
        /// The tensor's name.
        tensor: String,
    },
}

impl UploadError {
    /// The closed code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PartsMissing { .. } => "parts_missing",
            Self::Differs { .. } => "upload_differs",
            Self::TooManyOpen { .. } | Self::TooManyBytes { .. } => "upload_limit",
            Self::WrongKey { .. } => "wrong_tensor_key",
        }
    }

    /// The tensor at fault, where it is one.
    #[must_use]
    pub fn tensor(&self) -> Option<&str> {
        match self {
            Self::WrongKey { tensor } => Some(tensor),
            _ => None,
        }
    }
}
