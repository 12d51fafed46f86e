//! What a fund says beside each NAV, and why it moved: derived from the journal's batches alone (FUND 1.3, 9; 2.14).
//!
//! [`Disclosures`] is fed every batch in order, from the first on. It asks no state and no clock, so that a verifier with the journal
//! reaches the same numbers, and what it keeps is shared between clones.
//!
//! Laws:
//! - Every credit that the fund has or has paid out has one source; uses take the oldest first. Sums tie to the fund's cash, exactly.
//! - What NAV is by these moves is what the ledger says it is, after every event.
//! - A mark is not a price that anybody paid: what somebody paid is a sale of the fund's or its leavers' units to a third party.
//!
//! An entry of a kind that is not named here is still counted: under `other`, by the accounts that it moves.

mod analysis;
mod attribution;
mod brinson;
mod budget;
mod market;
mod moves;
mod published;
mod publishers;
mod recorded;
mod sources;
mod trail;

use std::{collections::BTreeMap, sync::Arc};

pub use analysis::{Analysis, AnalysisError, Compared, analyse};
pub use attribution::{Attribution, LinkedAttribution, attribute};
pub use brinson::{Brinson, BrinsonGroup};
pub use budget::{BudgetName, DRAWS, ErrorBudget, Sigma, error_budget};
pub use market::{LastSale, WINDOW_DAYS};
pub use moves::{Cause, Standing};
pub use published::{Disclosure, Liquidation, ModelDisclosure};
pub use publishers::PublisherPayments;
pub use recorded::{Recorded, RecordedError, RecordedRow, backtest_recorded, recorded};
pub use sources::{CashSources, Source, Use};
pub use trail::{StrikePoint, Trail};

use crate::{
    amount::Cash,
    fund::{Batch, Effect, Event},
    name::Name,
};

/// The most strikes that one attribution or analysis spans.
pub const SPAN_MAX: u64 = 5_000;

/// Why there is no disclosure or attribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// Not two strikes of the fund in order.
    #[error(
        "strikes {from} to {to}: the fund has strikes 1 to {last}, and the first must be before the second"
    )]
    Range {
        /// From which.
        from: u64,
        /// To which.
        to: u64,
        /// The last that there is.
        last: u64,
    },
    /// More strikes than are looked at in one piece.
    #[error("{given} strikes; at most {SPAN_MAX}")]
    Span {
        /// How many.
        given: u64,
    },
    /// A sum of cash beyond the range of an amount.
    #[error("{what} passes the range of an amount")]
    Limit {
        /// Which sum.
        what: &'static str,
    },
}

/// Follows every fund of a journal.
#[derive(Clone, Debug, Default)]
pub struct Disclosures(BTreeMap<Name, Arc<Trail>>);

impl Disclosures {
    /// Nothing yet: the first batch of the journal comes next.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The trail of a fund; none before it was created.
    #[must_use]
    pub fn trail(&self, fund: &Name) -> Option<&Arc<Trail>> {
        self.0.get(fund)
    }

    /// Follows the next event of the journal, which made `batch`.
    pub fn follow(&mut self, event: &Event, batch: &Batch) {
        for effect in &batch.effects {
            if let Effect::FundCreated { fund, .. } = effect {
                self.0.insert(fund.clone(), Arc::new(Trail::new()));
            }
        }
        for entry in &batch.entries {
            let Some(fund) = &entry.fund else { continue };
            if let Some(trail) = self.get_mut(fund) {
                trail.post(fund, entry, &batch.outcome);
            }
        }
        for effect in &batch.effects {
            match effect {
                Effect::Priced { fund, .. }
                | Effect::Progressed { fund, .. }
                | Effect::Restricted { fund, .. } => {
                    if let Some(trail) = self.get_mut(fund) {
                        trail.take(effect);
                    }
                }
                Effect::ModelDelisted { model } => {
                    let trails = self.0.values_mut().filter(|trail| trail.lists(model));
                    trails.for_each(|trail| Arc::make_mut(trail).delist(model));
                }
                _ => {}
            }
        }
        match event {
            Event::Admit { fund, model, publisher, .. } => {
                if let Some(trail) = self.get_mut(fund) {
                    trail.admit(model, publisher);
                }
            }
            Event::Rebalance { fund, weights, .. } => {
                if let Some(trail) = self.get_mut(fund) {
                    trail.rebalance(weights, batch.passes_bids());
                }
            }
            _ => {}
        }
    }

    fn get_mut(&mut self, fund: &Name) -> Option<&mut Trail> {
        self.0.get_mut(fund).map(Arc::make_mut)
    }
}

/// A sum of micro-credits as an amount.
fn cash(micro: i128, what: &'static str) -> Result<Cash, DisclosureError> {
    i64::try_from(micro).map(Cash::from_micro).map_err(|_| DisclosureError::Limit { what })
}
