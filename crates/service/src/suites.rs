//! Suites: cases and the frozen reference, registered under one digest.

use domain::{
    checkpoint::{Dtype, Header, TensorEntry},
    digest::Digest,
    suite::{BatchAxis, Suite, Task},
    time::Timestamp,
};
use evaluator::{check_graph, check_labels};
use serde::{Deserialize, Serialize};
use store::{SuiteRow, suite};

use crate::{
    Service, ServiceError,
    citing::cite,
    command::{Begun, Request},
    rotation::{SuiteStage, enter_suite, stage_of},
    token::{Caller, Scope},
};

/// A suite to be registered; its files are stored objects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterSuite {
    /// Text of `suite.toml`.
    pub manifest: String,
    /// `cases.safetensors`.
    pub cases: Digest,
    /// `reference/model.safetensors`.
    pub reference_checkpoint: Digest,
    /// `reference/graph.onnx`.
    pub reference_graph: Digest,
}

/// A registered suite.
#[derive(Clone, Debug)]
pub struct RegisteredSuite {
    /// Row id, `id.vN.eM`.
    pub id: String,
    /// Digest over the manifest and the files.
    pub digest: Digest,
    /// The parsed manifest.
    pub suite: Suite,
    /// Files of the suite.
    pub files: RegisterSuite,
    /// When it was registered.
    pub registered_at: Timestamp,
}

impl RegisteredSuite {
    fn read(row: SuiteRow) -> Result<Self, ServiceError> {
        let digest = |text: Option<String>| {
            let text = text.ok_or_else(|| ServiceError::internal("a suite without reference"))?;
            text.parse::<Digest>().map_err(ServiceError::internal)
        };
        let files = RegisterSuite {
            cases: digest(Some(row.cases_digest))?,
            reference_checkpoint: digest(row.reference_checkpoint_digest)?,
            reference_graph: digest(row.reference_graph_digest)?,
            manifest: row.manifest,
        };
        Ok(Self {
            id: row.id,
            digest: row.digest.parse().map_err(ServiceError::internal)?,
            suite: Suite::parse(&files.manifest).map_err(ServiceError::internal)?,
            files,
            registered_at: Timestamp::from_millis(row.registered_at),
        })
    }
}

impl Service {
    /// Registers a suite: its manifest is valid, its cases have every tensor that the manifest names, its reference binds.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the field, [`ServiceError::Binding`], [`ServiceError::Exists`].
    pub async fn register_suite(
        &self,
        caller: &Caller,
        key: &str,
        input: &RegisterSuite,
    ) -> Result<RegisteredSuite, ServiceError> {
        let manifest =
            Suite::parse(&input.manifest).map_err(|e| ServiceError::invalid("manifest", e))?;
        if manifest.reference.as_ref().is_some_and(|reference| !reference.panel.is_empty()) {
            let reason =
                "reference.panel: a registered suite has one reference; a folder may have more";
            return Err(ServiceError::invalid("manifest", reason));
        }
        // A caller without the scope shall not learn from a refusal what another's object holds.
        for digest in [input.cases, input.reference_checkpoint, input.reference_graph] {
            self.check_object_readable(&caller.into(), digest).await?;
        }
        let cases = self.header_of(input.cases).await?;
        check_cases(&manifest, &cases).map_err(|e| ServiceError::invalid("cases", e))?;
        if !self.list_shards(input.reference_checkpoint, None, 1).await?.is_empty() {
            let given = input.reference_checkpoint;
            let reason = format!("{given} is in shards; the reference of a suite is one file");
            return Err(ServiceError::invalid("referenceCheckpoint", reason));
        }
        self.check_binding(input.reference_checkpoint, input.reference_graph).await?;
        let graph =
            self.objects.read(input.reference_graph).await.map_err(ServiceError::Damaged)?;
        check_graph(&manifest, &cases, &graph)
            .map_err(|e| ServiceError::invalid("referenceGraph", e))?;
        self.check_label_values(&manifest, input.cases).await?;
        let declared = manifest.reference.as_ref().map(|r| r.digest);
        if declared != Some(input.reference_checkpoint) {
            let reason = format!(
                "the manifest declares {declared:?}, given is {:?}",
                input.reference_checkpoint
            );
            return Err(ServiceError::invalid("referenceCheckpoint", reason));
        }
        let files = [input.cases, input.reference_checkpoint, input.reference_graph];
        self.account_for(&files, caller.now).await?;
        let request =
            Request { caller, scope: &[Scope::Operate], key, operation: "suite_register", input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return self.get_suite(&id).await,
            Begun::Fresh(unit) => unit,
        };
        let id = format!("{}.v{}.e{}", manifest.id, manifest.version, manifest.epoch);
        cite(&unit.transaction, &files).await?;
        if suite::find_by_id(&unit.transaction, &id).await?.is_some() {
            return Err(ServiceError::Exists { kind: "suite", name: id });
        }
        let row = SuiteRow {
            id: id.clone(),
            suite_id: manifest.id.clone(),
            version: i64::from(manifest.version),
            epoch: i64::from(manifest.epoch),
            digest: suite_digest(input).hex(),
            manifest: input.manifest.clone(),
            cases_digest: input.cases.hex(),
            reference_checkpoint_digest: Some(input.reference_checkpoint.hex()),
            reference_graph_digest: Some(input.reference_graph.hex()),
            registered_by: unit.owner().to_owned(),
            registered_at: unit.now(),
        };
        suite::insert(&unit.transaction, row.clone()).await?;
        enter_suite(&unit, &row).await?;
        unit.finish(&id, id.clone()).await?;
        RegisteredSuite::read(row)
    }

    /// Reads the labels themselves: what is no number, or says nothing, is refused before anybody is measured by it.
    async fn check_label_values(
        &self,
        manifest: &Suite,
        cases: Digest,
    ) -> Result<(), ServiceError> {
        let folder = tempfile::tempdir().map_err(ServiceError::internal)?;
        let path = folder.path().join("cases.safetensors");
        self.objects.copy_to(cases, &path).await?;
        let manifest = manifest.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let checked = check_labels(&manifest, &path);
            drop(folder);
            checked
        });
        let checked = checked.await.map_err(ServiceError::internal)?;
        checked.map_err(|e| ServiceError::invalid("cases", e))
    }

    /// The suite of this row id.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_suite(&self, id: &str) -> Result<RegisteredSuite, ServiceError> {
        let row = suite::find_by_id(&self.store, id).await?;
        RegisteredSuite::read(row.ok_or_else(|| ServiceError::absent("suite", id))?)
    }

    /// Whether an object holds the cases of a suite that are not revealed: those are hidden from whoever is measured by them.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn is_hidden(&self, digest: Digest) -> Result<bool, ServiceError> {
        const PAGE: u64 = 1_000;
        let (hex, mut after) = (digest.hex(), None::<String>);
        loop {
            let rows = suite::list(&self.store, after.as_deref(), PAGE).await?;
            for row in rows.iter().filter(|row| row.cases_digest == hex) {
                if stage_of(&self.store, &row.id).await? != SuiteStage::Revealed {
                    return Ok(true);
                }
            }
            match rows.into_iter().last() {
                Some(row) => after = Some(row.id),
                None => return Ok(false),
            }
        }
    }

    /// Suites by id after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_suites(
        &self,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<RegisteredSuite>, ServiceError> {
        suite::list(&self.store, after, limit)
            .await?
            .into_iter()
            .map(RegisteredSuite::read)
            .collect()
    }
}

/// Every tensor that the manifest names is there, in a form that can be read, before any job is queued.
fn check_cases(manifest: &Suite, cases: &Header) -> Result<(), String> {
    let mut inputs = cases.tensors.iter().filter(|t| t.name.starts_with("input."));
    if inputs.clone().next().is_none() {
        return Err("no tensor is called input.<name of a graph input>".to_owned());
    }
    // A rule for an input that is not there is a misspelt name, and its input would go by the default rule.
    if let Some(name) =
        manifest.input.keys().find(|name| cases.find_tensor(&format!("input.{name}")).is_none())
    {
        return Err(format!(
            "suite.toml has a rule for the input {name:?}; tensor \"input.{name}\" is not there"
        ));
    }
    let misfit = |tensor: &&TensorEntry| {
        let name = tensor.name.strip_prefix("input.").unwrap_or_default();
        let rule = manifest.input.get(name);
        let axis = match rule.map_or(BatchAxis::Axis(0), |rule| rule.batch_axis) {
            BatchAxis::Axis(axis) => axis as usize,
            BatchAxis::None => return false,
        };
        let state = rule.is_some_and(|rule| rule.carried_from.is_some());
        let cases = tensor.shape.get(axis).copied();
        cases != Some(manifest.items) && !(state && cases == Some(1))
    };
    if let Some(wrong) = inputs.find(misfit) {
        return Err(format!(
            "tensor {:?} has shape {:?}; expected {} cases along its batch axis",
            wrong.name, wrong.shape, manifest.items
        ));
    }
    check_label_tensors(manifest, cases)
}

/// The tensors of labels, by what the task reads of them; their values are read by the evaluator before it runs anything.
fn check_label_tensors(manifest: &Suite, cases: &Header) -> Result<(), String> {
    let (labels, items) = (&manifest.labels, manifest.items);
    let integers = |dtype: Dtype| {
        use Dtype::{I8, I16, I32, I64, U8, U16, U32, U64};
        matches!(dtype, I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64)
    };
    let counts = matches!(manifest.task, Task::Classification | Task::LanguageModel);
    let queries = labels.queries.map_or(0, |[from, to]| to.saturating_sub(from));
    let named = [
        ("labels.target", &labels.target, Some(items), counts),
        ("labels.pairs", &labels.pairs, None, true),
        ("labels.score", &labels.score, None, false),
        ("labels.nearest", &labels.nearest, Some(queries), true),
        ("labels.documents", &labels.documents, Some(items), true),
        ("labels.utf8_bytes", &labels.utf8_bytes, Some(items), true),
    ];
    for (field, name, rows, wants_integers) in named {
        let Some(name) = name else { continue };
        let tensor = cases.find_tensor(name);
        let tensor = tensor.ok_or_else(|| format!("{field}: tensor {name:?} is not there"))?;
        if wants_integers && !integers(tensor.dtype) {
            return Err(format!("{field}: tensor {name:?} is {}; expected integers", tensor.dtype));
        }
        if let Some(rows) = rows.filter(|rows| tensor.shape.first() != Some(rows)) {
            let shape = &tensor.shape;
            return Err(format!(
                "{field}: tensor {name:?} has shape {shape:?}; expected {rows} rows"
            ));
        }
    }
    Ok(())
}

/// The digest of a suite folder: the same whether it is registered or lies on a disk.
pub(crate) fn suite_digest(input: &RegisterSuite) -> Digest {
    Suite::digest(&[
        ("cases.safetensors", input.cases),
        ("reference/graph.onnx", input.reference_graph),
        ("reference/model.safetensors", input.reference_checkpoint),
        ("suite.toml", Digest::of(input.manifest.as_bytes())),
    ])
}
