//! Suites.

use async_graphql::{ID, Object};
use service::RegisteredSuite;

use crate::scalars::{Sha256, Time};

/// A versioned set of cases with a metric and a frozen reference model.
#[derive(Clone, Debug)]
pub(crate) struct Suite(pub(crate) RegisteredSuite);

/// A versioned set of cases with a metric and a frozen reference model.
#[Object]
impl Suite {
    /// Its id: name, version and epoch.
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    /// Digest over its manifest and files.
    async fn digest(&self) -> Sha256 {
        Sha256(self.0.digest)
    }

    /// The metric that quality is computed from.
    async fn metric(&self) -> &str {
        self.0.suite.metric.as_str()
    }

    /// Number of cases.
    async fn items(&self) -> i64 {
        self.0.suite.items as i64
    }

    /// Value of the metric for the best answer that ignores the input.
    async fn chance(&self) -> Option<f64> {
        self.0.suite.chance
    }

    /// Where the cases come from.
    async fn source(&self) -> &str {
        &self.0.suite.source
    }

    /// Licence of the cases.
    async fn licence(&self) -> &str {
        &self.0.suite.licence
    }

    /// Digest of the frozen reference's checkpoint, which is worth 100 credits by definition.
    async fn reference(&self) -> Sha256 {
        Sha256(self.0.files.reference_checkpoint)
    }

    /// The manifest, as it was registered.
    async fn manifest(&self) -> &str {
        &self.0.files.manifest
    }

    /// When it was registered.
    async fn registered_at(&self) -> Time {
        Time(self.0.registered_at)
    }
}
