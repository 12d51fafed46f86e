//! The whole log for a strike's bundle, and the reports in it that no decision counted (ops/decisions/0044).

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    digest::Digest,
    name::Name,
    proof::{LeafRecord, LogEntry},
};
use store::{log_leaf, model_access, registered_model};

use crate::{Service, ServiceError, versions::LISTED, visibility::Reader};

/// Leaves read from the database at a time.
const PAGE_LEAVES: u64 = 500;

/// The log up to a head.
#[derive(Default)]
pub(crate) struct KnownLeaves {
    /// Every leaf, in order; of a model that not everybody sees and that is none of the strike's, the hash alone.
    pub(crate) entries: Vec<LogEntry>,
    /// Reports before the strike on the bytes that one of its models lists, each with its leaf's number.
    pub(crate) reports: Vec<Digest>,
}

impl Service {
    /// Reads the log up to a head of `size` leaves; the strike's own leaf has the number `own`, and `models` are priced by it.
    pub(crate) async fn known_leaves(
        &self,
        models: impl Iterator<Item = &Name>,
        own: i64,
        size: u64,
    ) -> Result<KnownLeaves, ServiceError> {
        let mut shown = BTreeMap::<String, bool>::new();
        for model in models {
            let row = registered_model::find_by_name(&self.store, model.as_str()).await?;
            let row = row.ok_or_else(|| ServiceError::absent("model", model.as_str()))?;
            shown.insert(row.id, true);
        }
        let priced: BTreeSet<String> = shown.keys().cloned().collect();
        let anybody = Reader::from(None);
        let (mut listed, mut told) = (BTreeMap::new(), Vec::new());
        let mut known = KnownLeaves::default();
        let mut after = None;
        while (known.entries.len() as u64) < size {
            let left = size - known.entries.len() as u64;
            let rows = log_leaf::list(&self.store, after, PAGE_LEAVES.min(left)).await?;
            let Some(last) = rows.last() else {
                return Err(ServiceError::internal("a log that is shorter than its head"));
            };
            after = Some(last.leaf_index);
            for row in rows {
                let id = row.model_id.as_deref().unwrap_or_default();
                let is_shown = match shown.get(id) {
                    _ if row.model_id.is_none() => true,
                    Some(is_shown) => *is_shown,
                    None => {
                        let seen =
                            model_access::find_by_id(&self.store, anybody.reading(), id).await?;
                        shown.insert(id.to_owned(), seen.is_some());
                        seen.is_some()
                    }
                };
                if !is_shown {
                    let hash = row.leaf_hash.parse().map_err(ServiceError::internal)?;
                    known.entries.push(LogEntry::Hash(hash));
                    continue;
                }
                let leaf: LeafRecord =
                    serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
                match &leaf {
                    LeafRecord::AliasMove { alias, checkpoint, graph, .. }
                        if row.leaf_index < own
                            && alias.as_str() == LISTED
                            && priced.contains(id) =>
                    {
                        listed.insert(id.to_owned(), (*checkpoint, *graph));
                    }
                    LeafRecord::Report { report, checkpoint, graph, .. }
                        if row.leaf_index < own && priced.contains(id) =>
                    {
                        told.push((id.to_owned(), (*checkpoint, *graph), *report));
                    }
                    _ => {}
                }
                known.entries.push(LogEntry::Leaf(leaf));
            }
        }
        let of_listed = told.into_iter().filter(|(id, bytes, _)| listed.get(id) == Some(bytes));
        known.reports = of_listed.map(|(.., report)| report).collect();
        Ok(known)
    }
}
