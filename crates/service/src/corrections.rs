//! Corrections: what was entered wrongly is reversed by an event of its own, which names what it reverses (ops/decisions/0041).

use domain::{amount::Cash, fund::Event};
use serde::{Deserialize, Serialize};
use store::ledger;

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    funds::ledger_command,
    token::{Caller, Scope},
    yanks::check_reason,
};

/// What is to be reversed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CorrectEntry {
    /// The number of its event in the journal.
    pub event: i64,
    /// Why, in words; the audit log keeps them.
    pub reason: String,
}

impl Service {
    /// Reverses a deposit, withdrawal, transfer or claim; the number of the correction's event comes back. What is reversed is read from
    /// the journal and not from the caller, so that nothing else can be reversed under its number.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for an event that is not there, [`ServiceError::Rejected`] with `irreversible` for one of another kind,
    /// `corrected` for one that was reversed, `funds` where what was given is spent.
    pub async fn correct_entry(
        &self,
        caller: &Caller,
        key: &str,
        input: &CorrectEntry,
    ) -> Result<i64, ServiceError> {
        check_reason(&input.reason)?;
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "entry_correct", input);
        let transaction = &ledger.unit.transaction;
        let absent = || ServiceError::absent("event", input.event.to_string());
        let row = ledger::find_event(transaction, input.event).await?.ok_or_else(absent)?;
        let event: Event = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        let claimed = match event {
            // Its event does not say how much there was.
            Event::Claim { .. } => {
                let entries = ledger::list_entries(transaction, input.event, None, 1).await?;
                let leg = entries.first().and_then(|entry| entry.legs.first());
                let leg =
                    leg.ok_or_else(|| ServiceError::internal("a claim that moved nothing"))?;
                Some(Cash::from_micro(leg.amount))
            }
            _ => None,
        };
        let corrects = input.event.unsigned_abs();
        let event = Event::Correct { corrects, event: Box::new(event), claimed };
        let (correction, _) = ledger.post(&event).await?;
        ledger.finish(&format!("event {}: {}", input.event, input.reason), correction).await
    }
}
