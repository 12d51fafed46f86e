//! What a use case can answer besides its result: one variant per decision that a caller can take.

use domain::{
    checkpoint::{BindingError, ShardError},
    fund::Rejection,
    time::Timestamp,
};
use store::StoreError;

use crate::{UploadError, token::Scope};

/// Why a use case did not happen. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No token, or one that is unknown, expired or revoked.
    #[error("a valid bearer token is needed")]
    Unauthenticated,
    /// The token does not allow it.
    #[error("the token lacks the scope {0:?}")]
    Scope(&'static str),
    /// The thing belongs to somebody else.
    #[error("{0} belongs to another party")]
    NotOwner(String),
    /// The bytes need a grant that the bearer does not have; the thing itself is public.
    #[error("{0} is gated: ask its publisher for access")]
    Gated(String),
    /// The token may write other models only.
    #[error("the token is bound to other things than {0}")]
    TokenBound(String),
    /// There is no such thing.
    #[error("no {kind} {name:?}")]
    Absent {
        /// What was looked for.
        kind: &'static str,
        /// Under which name.
        name: String,
    },
    /// There is one already.
    #[error("{kind} {name:?} exists already")]
    Exists {
        /// What was to be made.
        kind: &'static str,
        /// Under which name.
        name: String,
    },
    /// A field of the input is wrong.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Rules under which an attack earns.
    #[error(
        "methodology: the attack \"{attack}\" earns {earned_micro} micro-credits under these rules (seed {seed}); it may earn nothing"
    )]
    Drainable {
        /// The attack.
        attack: &'static str,
        /// The seed that earned the most.
        seed: u64,
        /// How much that was.
        earned_micro: i128,
    },
    /// The idempotency key was used for another request.
    #[error("idempotency key {key:?} was used for another request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// An upload breaks a rule; see the code and the tensor of the inner error.
    #[error(transparent)]
    Upload(#[from] checkpoint::ReceiveError),
    /// An upload session refuses a step.
    #[error(transparent)]
    Session(#[from] UploadError),
    /// Graph and checkpoint do not fit.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// Index and shards of a checkpoint do not fit.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// The graph is none that is run here.
    #[error("graph: {reason}")]
    Graph {
        /// Closed code of the evaluator.
        code: &'static str,
        /// The sentence.
        reason: String,
    },
    /// The ledger refuses the operation, with a code of FUND 1.6.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The version is yanked.
    #[error("version {0:?} is yanked")]
    Yanked(String),
    /// More than the login may hold.
    #[error("login {login} holds {usage} bytes of at most {quota}; another {bytes} do not fit")]
    QuotaExceeded {
        /// The login.
        login: domain::name::Name,
        /// Bytes that it holds.
        usage: u64,
        /// Bytes that it may hold.
        quota: u64,
        /// Bytes of the object.
        bytes: u64,
    },
    /// The model has no accepted price yet, or quality 0.
    #[error("model {model:?} has no accepted price: {reason}")]
    Unpriced {
        /// The model.
        model: String,
        /// Why.
        reason: &'static str,
    },
    /// The model is like another publisher's, says nothing of it, and nobody has looked yet.
    #[error("model {model:?} is not eligible: {reason}")]
    NotEligible {
        /// The model.
        model: String,
        /// Which other, and how like.
        reason: String,
    },
    /// An owner may know of a version that the fund's mark does not know: until a strike does, he neither joins nor moves shares.
    #[error(
        "owner {owner} may know more of version {version} than the mark of fund {fund}: he neither buys nor moves its shares until the strike that uses its evaluation, or its yank; leaving is open"
    )]
    OwnDealing {
        /// The fund.
        fund: String,
        /// Who.
        owner: String,
        /// Model and version.
        version: String,
    },
    /// An owner has a part in a model of the fund: he does not bid on what it trades.
    #[error(
        "owner {owner} publishes, maintains or is paid for model {model} of fund {fund}: who has a part in a model of a fund does not bid in its auction"
    )]
    OwnModel {
        /// The fund.
        fund: String,
        /// Who.
        owner: String,
        /// The model.
        model: String,
    },
    /// Subscriptions wait: a price is known to be open.
    #[error("fund {fund} takes no subscriptions for now: {reason}")]
    Suspended {
        /// The fund.
        fund: String,
        /// Which price, and why.
        reason: String,
    },
    /// The moment that was asked for is not over: something may still be recorded in it.
    #[error("{field}: {at} is not over; the latest moment that can be asked for is {latest}")]
    NotYet {
        /// Which argument.
        field: &'static str,
        /// The moment.
        at: Timestamp,
        /// The latest that is over.
        latest: Timestamp,
    },
    /// More lies between the moment and the nearest state that is kept than one question replays; the next goes on from there.
    #[error("{done} of {of} ledger events were replayed; send the same question again")]
    Replaying {
        /// How far this question came.
        done: i64,
        /// The last event of the moment.
        of: i64,
    },
    /// Too many questions of the kind wait for each other.
    #[error("{limit} questions of this kind wait already; send the same question again")]
    Crowded {
        /// How many may wait.
        limit: usize,
    },
    /// The database is busy or was changed by another at the same moment; the same request may be sent again.
    #[error("the server is busy; send the same request again")]
    Busy(#[source] StoreError),
    /// Stored bytes are not those of their digest any more.
    #[error(transparent)]
    Damaged(checkpoint::StorageError),
    /// Our own fault: the cause is logged, never shown.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ServiceError {
    /// The closed list of codes that clients see. Uploads, bindings, graphs and the ledger add their own closed codes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Scope(_) => "scope_missing",
            Self::NotOwner(_) => "not_owner",
            Self::Gated(_) => "gated",
            Self::TokenBound(_) => "token_bound",
            Self::Absent { .. } => "absent",
            Self::Exists { .. } => "exists",
            Self::Invalid { .. } => "invalid",
            Self::Drainable { .. } => "drainable",
            Self::KeyReused { .. } => "key",
            Self::Upload(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::Binding(e) => e.code(),
            Self::Shards(e) => e.code(),
            Self::Graph { code, .. } => code,
            Self::Rejected(e) => e.code(),
            Self::Yanked(_) => "yanked",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::Unpriced { .. } => "unpriced",
            Self::NotEligible { .. } => "not_eligible",
            Self::OwnDealing { .. } | Self::OwnModel { .. } => "own_dealing",
            Self::Suspended { .. } => "suspended",
            Self::NotYet { .. } => "not_yet",
            Self::Replaying { .. } => "replaying",
            Self::Crowded { .. } => "crowded",
            Self::Busy(_) => "busy",
            Self::Damaged(_) => "object_damaged",
            Self::Internal(_) => "internal",
        }
    }

    /// The tensor at fault, where it is one.
    #[must_use]
    pub fn tensor(&self) -> Option<&str> {
        match self {
            Self::Upload(checkpoint::ReceiveError::Header(e)) => e.tensor(),
            Self::Session(e) => e.tensor(),
            Self::Binding(e) => Some(e.tensor()),
            Self::Shards(e) => e.tensor(),
            _ => None,
        }
    }

    /// Whether the cause lies with us, and so is logged and not shown.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Internal(_)
                | Self::Damaged(_)
                | Self::Upload(checkpoint::ReceiveError::Storage(_))
        )
    }

    /// The error and its causes in one line, for a log.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }

    pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    pub(crate) fn absent(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Absent { kind, name: name.into() }
    }

    pub(crate) fn invalid(field: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            // A key that another transaction took meanwhile: the repetition will see its row.
            StoreError::Busy { .. } | StoreError::Conflict { .. } | StoreError::Collected => {
                Self::Busy(error)
            }
            other => Self::internal(other),
        }
    }
}

impl From<checkpoint::StorageError> for ServiceError {
    fn from(error: checkpoint::StorageError) -> Self {
        match error {
            checkpoint::StorageError::Absent(digest) => Self::absent("object", digest.to_string()),
            damaged @ (checkpoint::StorageError::Damaged { .. }
            | checkpoint::StorageError::DamagedTensor { .. }
            | checkpoint::StorageError::DamagedRecipe { .. }) => Self::Damaged(damaged),
            other => Self::internal(other),
        }
    }
}

impl From<Scope> for ServiceError {
    fn from(scope: Scope) -> Self {
        Self::Scope(scope.as_str())
    }
}
