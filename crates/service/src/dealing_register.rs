//! The register of what insiders of a fund did with its shares, read from the journal; the domain says what fell into a window.

use std::collections::{BTreeMap, VecDeque};

use domain::{
    dealing::{Dealing, DealingKind, Insider, RegisterEntry, Window, dealings_of, register},
    fund::{Event, Outcome, StrikeOutcome},
    name::Name,
    time::Timestamp,
};
use store::{
    EventRow, Moment, StrikeRow, dealing_window_end, ledger, model_version, registered_model,
    strike, version_moment, window_fill,
};

use crate::{
    Service, ServiceError,
    dealing::{insiders_of, window},
    moment::LedgerAt,
    token::{Caller, Scope},
};

/// Events read from the database at a time.
const PAGE_EVENTS: u64 = 500;
/// Rows read from the database at a time.
const PAGE_ROWS: u64 = 100;
/// Most events that one page of the register looks at.
const EVENTS_MAX: usize = 1_000_000;

/// Where an entry stands: its event, and its place among the dealings of that event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredDealing {
    /// The dealing, and the window that it fell in.
    pub entry: RegisterEntry,
    /// Its place among the entries of its event, from 0.
    pub place: u64,
}

/// A fund's strikes, taken one after the other as the journal comes to them.
struct Strikes<'a> {
    service: &'a Service,
    fund: &'a Name,
    rows: VecDeque<StrikeRow>,
    last: Option<i64>,
}

impl Strikes<'_> {
    /// What the strike of an event gave to its orders.
    async fn outcome(&mut self, event_seq: i64) -> Result<Option<StrikeOutcome>, ServiceError> {
        loop {
            if self.rows.is_empty() {
                let (store, fund) = (&self.service.store, self.fund.as_str());
                self.rows = strike::list(store, fund, self.last, PAGE_ROWS).await?.into();
            }
            let Some(row) = self.rows.pop_front() else { return Ok(None) };
            self.last = Some(row.number);
            if row.event_seq == event_seq {
                let told = serde_json::from_str(&row.record).map_err(ServiceError::internal)?;
                return Ok(match told {
                    Outcome::Strike(strike) => Some(strike),
                    Outcome::None | Outcome::Vested(_) | Outcome::Window(_) => None,
                });
            }
        }
    }
}

impl Service {
    /// What insiders of a fund had done with its shares on a ledger, in the order of the journal, after an entry's event and place, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without scope `operate`, [`ServiceError::Absent`] for the fund.
    pub async fn list_dealings(
        &self,
        caller: &Caller,
        fund: &Name,
        after: Option<(i64, u64)>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<RegisteredDealing>, ServiceError> {
        if !caller.may(Scope::Operate) {
            return Err(Scope::Operate.into());
        }
        let (insiders, windows) = self.insiders_and_windows(ledger, fund).await?;
        let mut strikes = Strikes { service: self, fund, rows: VecDeque::new(), last: None };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut found, mut seen) = (Vec::new(), 0);
        // The event of the cursor is looked at again: it may have more entries.
        let mut cursor = after.map(|(event, _)| event - 1);
        while found.len() < limit && seen < EVENTS_MAX {
            let rows = ledger::list_events(&self.store, cursor, PAGE_EVENTS).await?;
            cursor = rows.last().map(|row| row.seq).or(cursor);
            let is_last =
                (rows.len() as u64) < PAGE_EVENTS || cursor.is_some_and(|last| last >= ledger.seq);
            seen += rows.len();
            for row in rows.into_iter().take_while(|row| row.seq <= ledger.seq) {
                let dealings = dealings_in(&mut strikes, fund, &row).await?;
                let entries = register(&insiders, &windows, &dealings);
                let entries = entries.into_iter().zip(0..);
                let later =
                    entries.filter(|(_, place)| after.is_none_or(|a| (row.seq, *place) > a));
                found.extend(later.map(|(entry, place)| RegisteredDealing { entry, place }));
            }
            if is_last {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Who may know more than the marks of a fund, and when: over all models that it lists or listed.
    async fn insiders_and_windows(
        &self,
        ledger: &LedgerAt,
        fund: &Name,
    ) -> Result<(Vec<Insider>, Vec<Window>), ServiceError> {
        let state = &*ledger.state;
        let found = state.fund(fund).ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
        let admitted = self.admissions(fund).await?;
        let (mut insiders, mut windows) = (Vec::new(), Vec::new());
        for name in found.prices().keys() {
            let row = registered_model::find_by_name(&self.store, name.as_str()).await?;
            let Some(row) = row else { continue };
            insiders.extend(insiders_of(&self.store, state, &row).await?);
            let mut after = None::<String>;
            loop {
                let page = version_moment::list_published(
                    &self.store,
                    &row.id,
                    after.as_deref(),
                    PAGE_ROWS,
                )
                .await?;
                let is_last = (page.len() as u64) < PAGE_ROWS;
                for moment in page {
                    after = Some(moment.version_id.clone());
                    // Published after the last event: it opens nothing by then.
                    if moment.after_event >= ledger.seq {
                        continue;
                    }
                    let opened = moment.after_event.max(admitted.get(name).copied().unwrap_or(0));
                    let version = moment.version_id.as_str();
                    let window = self.window_of(fund, name, version, (opened, ledger.seq)).await?;
                    // A delisting ended what was open: what came after it opens nothing.
                    let is_over = |w: &Window| state.is_delisted(name) && w.ended_by.is_none();
                    windows.extend(window.filter(|window| !is_over(window)));
                }
                if is_last {
                    break;
                }
            }
        }
        Ok((insiders, windows))
    }

    /// Which event admitted each model: before it nobody was an insider of the fund through it.
    async fn admissions(&self, fund: &Name) -> Result<BTreeMap<Name, i64>, ServiceError> {
        let (mut admitted, mut after) = (BTreeMap::new(), None);
        loop {
            let (store, fund) = (&self.store, fund.as_str());
            let page = ledger::list_operations(store, fund, "admit", after, PAGE_EVENTS).await?;
            let is_last = (page.len() as u64) < PAGE_EVENTS;
            for row in page {
                after = Some(row.seq);
                let event = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
                if let Event::Admit { model, .. } = event {
                    admitted.insert(model, row.seq);
                }
            }
            if is_last {
                return Ok(admitted);
            }
        }
    }

    async fn window_of(
        &self,
        fund: &Name,
        model: &Name,
        version_id: &str,
        (opened_after, last): (i64, i64),
    ) -> Result<Option<Window>, ServiceError> {
        let Some(version) = model_version::find_by_id(&self.store, version_id).await? else {
            return Ok(None);
        };
        let ended = dealing_window_end::find(&self.store, fund.as_str(), version_id).await?;
        let yanked = version_moment::find(&self.store, version_id, Moment::Yanked).await?;
        // A yank stands between two events: the next one is outside.
        let ends = [ended.map(|row| row.event_seq), yanked.map(|row| row.after_event + 1)];
        // What ended it later was not known.
        let ends = ends.into_iter().flatten().filter(|event| *event <= last);
        let ended_by = ends.min().map(i64::unsigned_abs);
        window(model, &version, opened_after.unsigned_abs(), ended_by).map(Some)
    }
}

async fn dealings_in(
    strikes: &mut Strikes<'_>,
    fund: &Name,
    row: &EventRow,
) -> Result<Vec<Dealing>, ServiceError> {
    let is_ours = row.fund.as_deref() == Some(fund.as_str()) || row.op == "transfer";
    if !is_ours {
        return Ok(Vec::new());
    }
    let event: Event = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
    let outcome = match &event {
        Event::Strike { .. } => strikes.outcome(row.seq).await?,
        _ => None,
    };
    let place = (row.seq.unsigned_abs(), Timestamp::from_millis(row.recorded_at));
    let mut dealings = dealings_of(fund, &event, outcome.as_ref(), place);
    if let Some(strike) = outcome {
        let number = i64::try_from(strike.epoch).map_err(ServiceError::internal)?;
        dealings.extend(window_payments(strikes.service, (fund, number), place).await?);
    }
    Ok(dealings)
}

/// Whom the instant window paid for a strike: at its marks, so that they dealt where it did.
async fn window_payments(
    service: &Service,
    (fund, number): (&Name, i64),
    (sequence, at): (u64, Timestamp),
) -> Result<Vec<Dealing>, ServiceError> {
    let (mut dealings, mut after) = (Vec::new(), None);
    loop {
        let strike = (fund.as_str(), number);
        let page = window_fill::list(&service.store, strike, after, PAGE_EVENTS).await?;
        let is_last = (page.len() as u64) < PAGE_EVENTS;
        for row in page {
            after = Some(row.order_event_seq);
            if row.shares_nano > 0 {
                let owner = row.owner.parse().map_err(ServiceError::internal)?;
                dealings.push(Dealing { sequence, at, owner, kind: DealingKind::WindowPayment });
            }
        }
        if is_last {
            return Ok(dealings);
        }
    }
}
