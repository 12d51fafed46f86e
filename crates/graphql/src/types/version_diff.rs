//! The difference of two versions, from the keys of their tensors: no byte is read for it.

use async_graphql::{Enum, Object, Result, SimpleObject};
use domain::checkpoint::{ChangeKind, Diff, TensorChange as ChangeValue, TensorFact};
use service::Version as VersionValue;

use super::model::{Tensor, Version};
use crate::{
    pagination::{Page, PageArguments},
    scalars::WholeNumber,
};

/// How a tensor differs; of several ways the first in this order that applies.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TensorChangeKind {
    /// Only the new version has it.
    Added,
    /// Only the old version has it.
    Removed,
    /// The same type, shape and bytes under another name.
    Renamed,
    /// The same name with another element type.
    Retyped,
    /// The same name and type with another shape.
    Reshaped,
    /// The same name, type and shape with other bytes.
    Changed,
}

impl From<ChangeKind> for TensorChangeKind {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Added => Self::Added,
            ChangeKind::Removed => Self::Removed,
            ChangeKind::Renamed => Self::Renamed,
            ChangeKind::Retyped => Self::Retyped,
            ChangeKind::Reshaped => Self::Reshaped,
            ChangeKind::Changed => Self::Changed,
        }
    }
}

/// A tensor that differs.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct TensorChange {
    /// How.
    kind: TensorChangeKind,
    /// The tensor of the old version; null for an added one.
    from: Option<Tensor>,
    /// The tensor of the new version; null for a removed one.
    to: Option<Tensor>,
}

impl From<ChangeValue> for TensorChange {
    fn from(value: ChangeValue) -> Self {
        let tensor = |fact: TensorFact| Tensor {
            name: fact.name,
            file: None,
            dtype: fact.dtype.to_string(),
            shape: fact.shape.iter().map(|dim| *dim as i64).collect(),
            bytes: WholeNumber(fact.bytes),
            key: fact.key,
        };
        Self { kind: value.kind.into(), from: value.from.map(tensor), to: value.to.map(tensor) }
    }
}

/// What differs between two versions of a model.
#[derive(Clone, Debug)]
pub(crate) struct VersionDiff {
    pub(crate) from: VersionValue,
    pub(crate) to: VersionValue,
    pub(crate) diff: Diff,
}

/// What differs between two versions of a model.
#[Object]
impl VersionDiff {
    /// The old version.
    async fn from(&self) -> Version {
        Version(self.from.clone())
    }

    /// The new version.
    async fn to(&self) -> Version {
        Version(self.to.clone())
    }

    /// Tensors that differ, by name.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn changes(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<TensorChange>> {
        let page = PageArguments::new(first, after)?;
        // Both versions are immutable, so that the place in the list is a cursor that lasts.
        let start = page.after_number()?.map_or(0, |after| usize::try_from(after + 1).unwrap_or(0));
        let rows = self.diff.changes.iter().cloned().enumerate().skip(start);
        let rows = rows.take(page.limit() as usize).collect();
        page.page(Ok(rows), |(place, _)| place.to_string(), |(_, change)| change.into())
    }

    /// Tensors that differ in any way.
    async fn change_count(&self) -> i64 {
        self.diff.changes.len() as i64
    }

    /// Tensors that are the same under the same name.
    async fn unchanged_count(&self) -> i64 {
        self.diff.unchanged as i64
    }

    /// Bytes of the tensors that are the same under the same name.
    async fn unchanged_bytes(&self) -> WholeNumber {
        WholeNumber(self.diff.unchanged_bytes)
    }

    /// Bytes of the tensors that only have another name.
    async fn renamed_bytes(&self) -> WholeNumber {
        WholeNumber(self.diff.renamed_bytes)
    }

    /// Bytes of all tensors of the old version.
    async fn from_bytes(&self) -> WholeNumber {
        WholeNumber(self.diff.from_bytes)
    }

    /// Bytes of all tensors of the new version.
    async fn to_bytes(&self) -> WholeNumber {
        WholeNumber(self.diff.to_bytes)
    }

    /// Unchanged and renamed bytes over all bytes of the new version; null if it has none.
    async fn equal_share(&self) -> Option<f64> {
        self.diff.equal_share()
    }
}
