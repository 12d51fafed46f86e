//! Corrections against the journal: each reverses an event that stands there, as it stands there.

use std::collections::BTreeMap;

use super::bundle::BundleError;
use crate::{
    amount::Cash,
    canonical::first_difference,
    fund::{Batch, Event},
};

/// Follows a journal and compares every correction with the event that it names.
#[derive(Debug, Default)]
pub(super) struct Corrections {
    /// What each claim fetched, by number: its event does not say.
    claims: BTreeMap<u64, Cash>,
}

impl Corrections {
    /// Looks at the event of a number, from 1, of a journal.
    pub(super) fn check(
        &mut self,
        journal: &[Event],
        sequence: u64,
        (event, batch): (&Event, &Batch),
    ) -> Result<(), BundleError> {
        if matches!(event, Event::Claim { .. }) {
            let fetched = batch.entries.iter().flat_map(|entry| &entry.custody);
            let fetched = fetched.fold(0_i64, |sum, leg| sum.saturating_add(leg.amount));
            self.claims.insert(sequence, Cash::from_micro(fetched));
        }
        let Event::Correct { corrects, event: stated, claimed } = event else { return Ok(()) };
        // The engine has refused a number that is none of an earlier event.
        let at = usize::try_from(corrects.saturating_sub(1)).unwrap_or(usize::MAX);
        let original = journal.get(at);
        let field = format!("journal.{sequence}.event");
        if original != Some(&**stated) {
            let json = |event: Option<&Event>| serde_json::to_value(event).unwrap_or_default();
            let found = first_difference(&field, &json(Some(stated)), &json(original));
            let (field, stated, derived) =
                found.unwrap_or_else(|| (field, stated.op().to_owned(), "another".to_owned()));
            return Err(BundleError::Difference { field, stated, derived });
        }
        let fetched = self.claims.get(corrects).copied();
        if *claimed == fetched {
            return Ok(());
        }
        let text = |cash: Option<Cash>| cash.map_or_else(|| "none".to_owned(), |c| c.to_string());
        let field = format!("journal.{sequence}.claimed");
        Err(BundleError::Difference { field, stated: text(*claimed), derived: text(fetched) })
    }
}
