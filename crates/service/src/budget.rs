//! The error budget of a fund's NAV, out of the sample blobs that its prices rest on; kept until the fund or a price moves. Those of the past
//! are computed one at a time, behind few who wait, so that questions about them keep nobody from that of now.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use domain::{
    amount::{Cash, Shares},
    digest::Digest,
    disclosure::{BudgetName, ErrorBudget, error_budget},
    evaluation::{PriceState, Report, read_blob, report::ItemPrice},
    fund::Holding,
    name::Name,
};
use store::{evaluation_report, price_decision, registered_model};
use tokio::sync::{Mutex, Semaphore};

use crate::{Service, ServiceError, moment::LedgerAt};

/// Most names of a fund whose budget is computed.
const NAMES_MAX: usize = 200;
/// Most items of all names together: what is drawn two hundred times.
const ITEMS_MAX: usize = 2_000_000;
/// The largest sample blob that is read.
const BLOB_BYTES_MAX: usize = 64 << 20;
/// Budgets of the past that are kept, of all funds together.
const PAST_MAX: usize = 32;
/// Questions about budgets of the past that wait for each other.
const QUEUE_MAX: usize = 8;

/// A budget with all that it was computed from.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    of: Digest,
    budget: Option<Arc<ErrorBudget>>,
}

/// The budgets that are kept. A lock is held while one is computed, so that many who ask at once wait for one computation.
#[derive(Debug)]
pub(crate) struct Budgets {
    /// The last of each fund.
    live: Mutex<BTreeMap<Name, Kept>>,
    /// Of moments that were asked for; the last is the youngest.
    past: Mutex<VecDeque<Kept>>,
    queue: Semaphore,
}

impl Default for Budgets {
    fn default() -> Self {
        let (live, past) = Default::default();
        Self { live, past, queue: Semaphore::new(QUEUE_MAX) }
    }
}

/// What one held name's price rests on.
struct Source {
    held: Holding,
    report: Digest,
    sigma_cost: f64,
}

impl Service {
    /// How far the NAV per share of a fund on a ledger may be off by the draw of cases and by times, by the reports that were known then;
    /// nothing before the seed, and where a price rests on a report whose items cannot be drawn again.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund; [`ServiceError::Invalid`] where it holds more than is computed in one piece;
    /// [`ServiceError::Crowded`] where too many ask for budgets of the past at once.
    pub async fn fund_error_budget(
        &self,
        name: &Name,
        ledger: &LedgerAt,
    ) -> Result<Option<Arc<ErrorBudget>>, ServiceError> {
        let state = &*ledger.state;
        let fund = state.fund(name).ok_or_else(|| ServiceError::absent("fund", name.as_str()))?;
        let (cash, shares) = (fund.cash(state), fund.shares(state));
        let held = fund.holdings(state).into_iter().filter(|held| held.units.as_micro() > 0);
        let held: Vec<Holding> = held.collect();
        if held.len() > NAMES_MAX {
            let reason = format!("holds {} names; at most {NAMES_MAX}", held.len());
            return Err(ServiceError::invalid("fund", reason));
        }
        let mut sources = Vec::with_capacity(held.len());
        for held in held {
            let Some(source) = self.source_of(held, ledger).await? else { return Ok(None) };
            sources.push(source);
        }
        let of = key(name, cash.as_micro(), shares.as_nano(), &sources);
        if ledger.known_at.is_none() {
            let mut live = self.budgets.live.lock().await;
            if let Some(known) = live.get(name).filter(|known| known.of == of) {
                return Ok(known.budget.clone());
            }
            let budget = self.draw(sources, (cash, shares), of).await?;
            live.insert(name.clone(), Kept { of, budget: budget.clone() });
            return Ok(budget);
        }
        let place = self.budgets.queue.try_acquire();
        let place = place.map_err(|_| ServiceError::Crowded { limit: QUEUE_MAX })?;
        let mut past = self.budgets.past.lock().await;
        if let Some(known) = past.iter().find(|known| known.of == of) {
            return Ok(known.budget.clone());
        }
        let budget = self.draw(sources, (cash, shares), of).await?;
        if past.len() == PAST_MAX {
            past.pop_front();
        }
        past.push_back(Kept { of, budget: budget.clone() });
        drop((past, place));
        Ok(budget)
    }

    /// Draws the cases behind the prices; nothing where they cannot be drawn again.
    async fn draw(
        &self,
        sources: Vec<Source>,
        (cash, shares): (Cash, Shares),
        of: Digest,
    ) -> Result<Option<Arc<ErrorBudget>>, ServiceError> {
        let Some(names) = self.read_items(sources).await? else { return Ok(None) };
        // Everybody who has the bundle with its samples draws the same.
        let mut seed = [0; 8];
        seed.copy_from_slice(&of.as_bytes()[..8]);
        let seed = u64::from_le_bytes(seed);
        let drawn = self.turns.compute(move || error_budget(cash, shares, &names, seed));
        Ok(drawn.await?.map(Arc::new))
    }

    /// The report that the accepted price of what is held rests on; none where none does.
    async fn source_of(
        &self,
        held: Holding,
        ledger: &LedgerAt,
    ) -> Result<Option<Source>, ServiceError> {
        let row = registered_model::find_by_name(&self.store, held.model.as_str()).await?;
        let Some(row) = row else { return Ok(None) };
        let known_to = ledger.known_to();
        let decided = price_decision::latest_by(&self.store, &row.id, known_to).await?;
        let Some(decided) = decided else { return Ok(None) };
        let state: Option<PriceState> =
            serde_json::from_str(&decided.record).map_err(ServiceError::internal)?;
        Ok(state.map(|state| Source {
            held,
            report: state.basis.report,
            sigma_cost: state.basis.sigma_cost,
        }))
    }

    async fn read_items(
        &self,
        sources: Vec<Source>,
    ) -> Result<Option<Vec<BudgetName>>, ServiceError> {
        let (mut names, mut all) = (Vec::with_capacity(sources.len()), 0_usize);
        for Source { held, report: digest, sigma_cost } in sources {
            let row = evaluation_report::find(&self.store, &digest.hex()).await?;
            let row = row.ok_or_else(|| ServiceError::absent("report", digest.to_string()))?;
            let report: Report = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
            let blob = self.objects.read(report.samples).await?;
            if blob.len() > BLOB_BYTES_MAX {
                return Ok(None);
            }
            let measured = read_blob(&report, &blob).map_err(ServiceError::internal)?;
            let Some(items) = ItemPrice::of(&report, &measured) else { return Ok(None) };
            all = all.saturating_add(items.items());
            if all > ITEMS_MAX {
                let reason = format!("its prices rest on {all} items; at most {ITEMS_MAX}");
                return Err(ServiceError::invalid("fund", reason));
            }
            names.push(BudgetName {
                model: held.model,
                units: held.units,
                price: held.price,
                suite: report.suite.digest,
                items,
                sigma_cost,
            });
        }
        Ok(Some(names))
    }
}

/// All that a budget follows from, in one digest.
fn key(fund: &Name, cash: i64, shares: i64, sources: &[Source]) -> Digest {
    let mut text = format!("mf.budget.v1 {fund} {cash} {shares}");
    for Source { held, report, .. } in sources {
        let (units, price) = (held.units.as_micro(), held.price.as_nano());
        text.push_str(&format!("\n{} {units} {price} {report}", held.model));
    }
    Digest::of(text.as_bytes())
}
