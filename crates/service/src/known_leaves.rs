//! The whole log for a strike's bundle, and the reports in it that no decision counted (ops/decisions/0044).

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    digest::Digest,
    name::Name,
    proof::{LeafRecord, LogEntry},
};
use store::{LogLeafRow, log_leaf, model_access, registered_model};

use crate::{Service, ServiceError, versions::LISTED, visibility::Reader};

/// Leaves read from the database at a time.
const PAGE_LEAVES: u64 = 500;

/// The log up to a head.
#[derive(Default)]
pub(crate) struct KnownLeaves {
    /// Every leaf, in order; of a model that not everybody sees and that is none of the strike's, the hash alone.
    pub(crate) entries: Vec<LogEntry>,
    /// Reports before the strike on the bytes that one of its models lists.
    pub(crate) reports: Vec<Digest>,
}

/// Weights and graph.
type Bytes = (Digest, Digest);

/// What was read of the log so far.
struct Reading {
    /// Whether the leaves of a model, by its row's id, are shown.
    shown: BTreeMap<String, bool>,
    /// The models that the strike prices.
    priced: BTreeSet<String>,
    /// What each of them lists.
    listed: BTreeMap<String, Bytes>,
    reports: Vec<(String, Bytes, Digest)>,
    entries: Vec<LogEntry>,
}

impl Service {
    /// Reads the log up to a head of `size` leaves; the strike's own leaf has the number `own`, and `models` are priced by it.
    pub(crate) async fn known_leaves(
        &self,
        models: impl Iterator<Item = &Name>,
        own: i64,
        size: u64,
    ) -> Result<KnownLeaves, ServiceError> {
        let mut priced = BTreeSet::new();
        for model in models {
            let row = registered_model::find_by_name(&self.store, model.as_str()).await?;
            priced.insert(row.ok_or_else(|| ServiceError::absent("model", model.as_str()))?.id);
        }
        let mut reading = Reading {
            shown: priced.iter().map(|id| (id.clone(), true)).collect(),
            priced,
            listed: BTreeMap::new(),
            reports: Vec::new(),
            entries: Vec::new(),
        };
        let mut after = None;
        while (reading.entries.len() as u64) < size {
            let left = size - reading.entries.len() as u64;
            let rows = log_leaf::list(&self.store, after, PAGE_LEAVES.min(left)).await?;
            let Some(last) = rows.last() else {
                return Err(ServiceError::internal("a log that is shorter than its head"));
            };
            after = Some(last.leaf_index);
            for row in rows {
                let is_shown = self.shows(&mut reading.shown, row.model_id.as_deref()).await?;
                reading.read(&row, is_shown, row.leaf_index < own)?;
            }
        }
        let Reading { listed, reports, entries, .. } = reading;
        let of_listed = reports.into_iter().filter(|(id, bytes, _)| listed.get(id) == Some(bytes));
        Ok(KnownLeaves { entries, reports: of_listed.map(|(.., report)| report).collect() })
    }

    /// Whether the leaves of a model are for everybody who has the bundle.
    async fn shows(
        &self,
        shown: &mut BTreeMap<String, bool>,
        model_id: Option<&str>,
    ) -> Result<bool, ServiceError> {
        let Some(id) = model_id else { return Ok(true) };
        if let Some(is_shown) = shown.get(id) {
            return Ok(*is_shown);
        }
        let anybody = Reader::from(None);
        let seen = model_access::find_by_id(&self.store, anybody.reading(), id).await?.is_some();
        shown.insert(id.to_owned(), seen);
        Ok(seen)
    }
}

impl Reading {
    fn read(
        &mut self,
        row: &LogLeafRow,
        is_shown: bool,
        is_before: bool,
    ) -> Result<(), ServiceError> {
        if !is_shown {
            let hash = row.leaf_hash.parse().map_err(ServiceError::internal)?;
            self.entries.push(LogEntry::Hash(hash));
            return Ok(());
        }
        let leaf: LeafRecord = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        let id = row.model_id.as_ref().filter(|id| is_before && self.priced.contains(*id));
        match (&leaf, id) {
            (LeafRecord::AliasMove { alias, checkpoint, graph, .. }, Some(id))
                if alias.as_str() == LISTED =>
            {
                self.listed.insert(id.clone(), (*checkpoint, *graph));
            }
            (LeafRecord::Report { report, checkpoint, graph, .. }, Some(id)) => {
                self.reports.push((id.clone(), (*checkpoint, *graph), *report));
            }
            _ => {}
        }
        self.entries.push(LogEntry::Leaf(leaf));
        Ok(())
    }
}
