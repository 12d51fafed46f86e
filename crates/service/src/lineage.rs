//! From which version another one was made: what the publisher declares, and what the tensor keys say. No byte is read for either.

use domain::{
    checkpoint::{Diff, TensorFact, diff, structure},
    digest::Digest,
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{
    BaseRow, Connection, StructureRow, TensorRow, checkpoint_structure, checkpoint_tensor,
    version_base,
};

use crate::{
    Service, ServiceError, command::Unit, models::Model, versions::Version, visibility::Reader,
};

/// Rows of a manifest read from the database at a time.
const PAGE_TENSORS: u64 = 5000;

/// A version by its names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersionName {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
}

/// The declared base of a version.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// The version that it was made from, by the word of its publisher.
    pub base: Version,
    /// Bytes of tensors that both have, over all bytes of the version's tensors; none if it has no bytes.
    pub equal_share: Option<f64>,
    /// When it was declared.
    pub declared_at: Timestamp,
}

/// The structure of a checkpoint.
#[derive(Clone, Debug)]
pub struct StructureView {
    /// Elements of all tensors.
    pub parameters: u64,
    /// Element types.
    pub dtypes: Vec<String>,
    /// SHA-256 over names and shapes.
    pub signature: Digest,
}

impl Service {
    /// What changed from one version of a model to another.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn diff_versions(&self, from: &Version, to: &Version) -> Result<Diff, ServiceError> {
        let old = manifest(&self.store, from.checkpoint).await?;
        if from.checkpoint == to.checkpoint {
            return Ok(diff(&old, &old));
        }
        Ok(diff(&old, &manifest(&self.store, to.checkpoint).await?))
    }

    /// The two versions of a model that are to be compared.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the model or a version that the reader does not see.
    pub async fn get_pair(
        &self,
        reader: &Reader,
        model: &Name,
        from: &Name,
        to: &Name,
    ) -> Result<(Version, Version), ServiceError> {
        let model = self.get_readable_model(reader, model).await?;
        Ok((self.get_version(&model, from).await?, self.get_version(&model, to).await?))
    }

    /// The declared base of a version; none if none was declared, and none that the reader may not see.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_lineage(
        &self,
        reader: &Reader,
        version: &Version,
    ) -> Result<Option<Lineage>, ServiceError> {
        let Some(row) = version_base::find(&self.store, &version.id).await? else {
            return Ok(None);
        };
        let base = self.get_version_by_id(&row.base_version_id).await?;
        if !self.sees_version(reader, &base).await? {
            return Ok(None);
        }
        let equal_share = self.diff_versions(&base, version).await?.equal_share();
        let declared_at = Timestamp::from_millis(row.declared_at);
        Ok(Some(Lineage { base, equal_share, declared_at }))
    }

    /// The structure of a version's checkpoint; none for a version of the time before structures were kept.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_structure(
        &self,
        checkpoint: Digest,
    ) -> Result<Option<StructureView>, ServiceError> {
        let view = |row: StructureRow| {
            Ok(StructureView {
                parameters: row.parameters.unsigned_abs(),
                dtypes: row.dtypes.split_whitespace().map(str::to_owned).collect(),
                signature: row.signature.parse().map_err(ServiceError::internal)?,
            })
        };
        checkpoint_structure::find(&self.store, &checkpoint.hex()).await?.map(view).transpose()
    }

    /// The version that a publication names as its base.
    pub(crate) async fn resolve_base(
        &self,
        reader: &Reader,
        name: &VersionName,
    ) -> Result<Version, ServiceError> {
        let model: Model = self.get_readable_model(reader, &name.model).await?;
        self.get_version(&model, &name.version).await
    }
}

/// Writes what a new version's publication leaves behind beside its row: the structure of its checkpoint and its base.
pub(crate) async fn record_publication(
    unit: &Unit,
    version_id: &str,
    checkpoint: Digest,
    base: Option<&Version>,
) -> Result<(), ServiceError> {
    let transaction = &unit.transaction;
    let found = structure(&manifest(transaction, checkpoint).await?);
    let dtypes: String = found.dtypes.iter().map(|dtype| format!("{dtype} ")).collect();
    let row = StructureRow {
        checkpoint_digest: checkpoint.hex(),
        parameters: i64::try_from(found.parameters).unwrap_or(i64::MAX),
        dtypes: format!(" {dtypes}"),
        signature: found.signature.hex(),
    };
    checkpoint_structure::insert(transaction, row).await?;
    if let Some(base) = base {
        let row = BaseRow {
            version_id: version_id.to_owned(),
            base_version_id: base.id.clone(),
            declared_at: unit.now(),
        };
        version_base::insert(transaction, row).await?;
    }
    Ok(())
}

/// The manifest of a stored checkpoint.
async fn manifest<C: Connection>(
    connection: &C,
    checkpoint: Digest,
) -> Result<Vec<TensorFact>, ServiceError> {
    let digest = checkpoint.hex();
    let mut tensors = Vec::new();
    let mut after = None;
    loop {
        let rows = checkpoint_tensor::list(connection, &digest, after, PAGE_TENSORS).await?;
        let last_page = (rows.len() as u64) < PAGE_TENSORS;
        after = rows.last().map(|row| row.position);
        for row in rows {
            tensors.push(fact(row)?);
        }
        if last_page {
            return Ok(tensors);
        }
    }
}

fn fact(row: TensorRow) -> Result<TensorFact, ServiceError> {
    Ok(TensorFact {
        dtype: row.dtype.parse().map_err(ServiceError::internal)?,
        shape: serde_json::from_str(&row.shape).map_err(ServiceError::internal)?,
        bytes: (row.end_byte - row.begin_byte).unsigned_abs(),
        name: row.name,
        key: row.tensor_key,
    })
}
