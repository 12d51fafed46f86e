//! The rules of a fund over time: proposed with notice and a backtest, withdrawn, or in force after the strike of their day.

use domain::{
    digest::Digest,
    fund::{Event, Methodology, NOTICE_DAYS, apply},
    name::Name,
    proof::LeafRecord,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{
    Connection, FundRow, MethodologyEndRow, MethodologyRow, fund, fund_methodology, log_leaf,
    methodology_end,
};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    exits::fund_day,
    funds::{Fund, ledger_command},
    ledger::LedgerUnit,
    log::NewLeaf,
    methodology_comparison::{MethodologyComparison, compare},
    methodology_gate,
    moment::LedgerAt,
    token::{Caller, Scope},
};

/// Most days of notice: ten years.
const NOTICE_DAYS_MAX: i64 = 3_650;
/// Rows read from the database at a time.
const PAGE_ROWS: u64 = 100;
/// What became of a proposal, as the table has it.
const ADOPTED: &str = "adopted";
const WITHDRAWN: &str = "withdrawn";

/// Rules that are proposed to a fund.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposeMethodology {
    /// The fund.
    pub fund: Name,
    /// The rules, JSON text.
    pub methodology: String,
    /// Days of the fund's clock until the first strike that puts them in force; none for the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_days: Option<i64>,
}

#[derive(Serialize)]
struct WithdrawMethodology<'a> {
    fund: &'a Name,
    version: i64,
}

/// What became of a fund's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodologyState {
    /// They are in force.
    InForce,
    /// They will be, unless they are withdrawn.
    Proposed,
    /// They were withdrawn before their day.
    Withdrawn,
    /// They were in force until others were.
    Superseded,
}

/// One version of a fund's rules.
#[derive(Clone, Debug)]
pub struct MethodologyVersion {
    /// Counts a fund's rules from 1, those of its creation; withdrawn ones keep their number.
    pub version: i64,
    /// Digest of the canonical JSON.
    pub digest: Digest,
    /// The JSON, as it was given.
    pub text: String,
    /// What became of them.
    pub state: MethodologyState,
    /// When they were proposed, or the fund was created.
    pub proposed_at: Timestamp,
    /// The first day of the fund's clock whose strike puts them in force; none for those of the creation.
    pub effective_day: Option<i64>,
    /// The strike that they came into force after; none for those of the creation and for those that never did.
    pub adopted_at_strike: Option<i64>,
    /// Their backtest beside that of the rules before them; none for those of the creation.
    pub comparison: Option<MethodologyComparison>,
}

impl MethodologyVersion {
    fn creation(row: &FundRow, in_force: i64) -> Result<Self, ServiceError> {
        let state =
            if in_force == 1 { MethodologyState::InForce } else { MethodologyState::Superseded };
        Ok(Self {
            version: 1,
            digest: row.methodology_digest.parse().map_err(ServiceError::internal)?,
            text: row.methodology.clone(),
            state,
            proposed_at: Timestamp::from_millis(row.created_at),
            effective_day: None,
            adopted_at_strike: None,
            comparison: None,
        })
    }

    fn read(
        row: MethodologyRow,
        end: Option<&MethodologyEndRow>,
        in_force: i64,
    ) -> Result<Self, ServiceError> {
        let state = match end {
            None => MethodologyState::Proposed,
            Some(end) if end.kind == WITHDRAWN => MethodologyState::Withdrawn,
            Some(_) if row.version == in_force => MethodologyState::InForce,
            Some(_) => MethodologyState::Superseded,
        };
        Ok(Self {
            version: row.version,
            digest: row.digest.parse().map_err(ServiceError::internal)?,
            text: row.body,
            state,
            proposed_at: Timestamp::from_millis(row.proposed_at),
            effective_day: Some(row.effective_day),
            adopted_at_strike: end.and_then(|end| end.strike_number),
            comparison: serde_json::from_str(&row.comparison).map_err(ServiceError::internal)?,
        })
    }
}

/// The rules of a fund that are in force, as a row has them.
pub(crate) struct InForce {
    pub(crate) version: i64,
    pub(crate) text: String,
    pub(crate) digest: String,
}

/// The rules of a fund that are in force.
pub(crate) async fn in_force<C: Connection>(
    connection: &C,
    row: &FundRow,
) -> Result<InForce, ServiceError> {
    let adopted = methodology_end::latest_adopted(connection, &row.name).await?;
    rules_of(connection, row, adopted).await
}

/// The rules that were in force after an event of the ledger: those of the last adoption by then, or of the fund's creation. Not those of
/// a digest, which the same rules have again when they are proposed a second time.
pub(crate) async fn in_force_by<C: Connection>(
    connection: &C,
    row: &FundRow,
    event_seq: i64,
) -> Result<InForce, ServiceError> {
    let adopted = methodology_end::latest_adopted_by(connection, &row.name, event_seq).await?;
    rules_of(connection, row, adopted).await
}

async fn rules_of<C: Connection>(
    connection: &C,
    row: &FundRow,
    adopted: Option<MethodologyEndRow>,
) -> Result<InForce, ServiceError> {
    let Some(adopted) = adopted else {
        let (text, digest) = (row.methodology.clone(), row.methodology_digest.clone());
        return Ok(InForce { version: 1, text, digest });
    };
    let version = adopted.version;
    let found = fund_methodology::find(connection, &row.name, version).await?;
    let MethodologyRow { body, digest, .. } =
        found.ok_or_else(|| ServiceError::internal("rules in force that nobody proposed"))?;
    Ok(InForce { version, text: body, digest })
}

/// The proposal that waits for its day; a fund has one at most, which is its last.
async fn open_proposal<C: Connection>(
    connection: &C,
    fund: &Name,
) -> Result<Option<MethodologyRow>, ServiceError> {
    let Some(row) = fund_methodology::latest(connection, fund.as_str()).await? else {
        return Ok(None);
    };
    let end = methodology_end::find(connection, fund.as_str(), row.version).await?;
    Ok(end.is_none().then_some(row))
}

/// Puts the rules in force whose day has come: right after a strike, which charged for the days until then under the rules before.
///
/// Nobody's exit waits for new rules: if the ledger refuses them, the strike stands and the proposal stays open.
pub(crate) async fn adopt_due(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    (strike, day): (i64, i64),
) -> Result<(), ServiceError> {
    let open = open_proposal(&ledger.unit.transaction, fund).await?;
    let Some(open) = open.filter(|row| row.effective_day <= day) else { return Ok(()) };
    let rules = match Methodology::parse(&open.body) {
        Ok(rules) => rules,
        Err(error) => {
            tracing::error!(%fund, version = open.version, %error, "rules whose day has come are none");
            return Ok(());
        }
    };
    let event_seq = match ledger.post(&adoption(fund, &rules)?).await {
        Ok((event_seq, _)) => event_seq,
        Err(ServiceError::Rejected(error)) => {
            tracing::error!(%fund, version = open.version, %error, "rules whose day has come are refused");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let row = MethodologyEndRow {
        fund: fund.to_string(),
        version: open.version,
        kind: ADOPTED.to_owned(),
        event_seq: Some(event_seq),
        strike_number: Some(strike),
        recorded_by: ledger.unit.owner().to_owned(),
        recorded_at: ledger.at(),
    };
    methodology_end::insert(&ledger.unit.transaction, row).await?;
    let strike = strike.unsigned_abs();
    let (of, at) = ((fund, open.version), ledger.unit.caller.now);
    let Some((announcement, methodology)) = announcement(ledger, of).await? else { return Ok(()) };
    let record = LeafRecord::MethodologyAdoption {
        at,
        fund: fund.clone(),
        announcement,
        methodology,
        strike,
    };
    let leaf = NewLeaf::of_fund(record, rules_subject(fund, open.version), at);
    ledger.unit.append_leaf(leaf).await
}

/// Hash of the leaf that announced a version's rules, and their digest; none for what is older than the log.
async fn announcement(
    ledger: &LedgerUnit<'_>,
    (fund, version): (&Name, i64),
) -> Result<Option<(Digest, Digest)>, ServiceError> {
    let subject = rules_subject(fund, version);
    let leaf = log_leaf::latest(&ledger.unit.transaction, "methodology", &subject).await?;
    let Some(leaf) = leaf else { return Ok(None) };
    let record: LeafRecord = serde_json::from_str(&leaf.body).map_err(ServiceError::internal)?;
    let LeafRecord::Methodology { methodology, .. } = record else {
        return Err(ServiceError::internal("a leaf of rules of another kind"));
    };
    Ok(Some((leaf.leaf_hash.parse().map_err(ServiceError::internal)?, methodology)))
}

fn adoption(fund: &Name, rules: &Methodology) -> Result<Event, ServiceError> {
    let digest = rules.digest().map_err(ServiceError::internal)?;
    Ok(Event::AdoptMethodology { fund: fund.clone(), digest, params: rules.fund_params() })
}

/// The leaf that announces a version's rules is found by this; those of the creation by the fund's name, which holds no `@`.
pub(crate) fn rules_subject(fund: &Name, version: i64) -> String {
    if version == 1 { fund.to_string() } else { format!("{fund}@{version}") }
}

fn notice(given: Option<i64>) -> Result<i64, ServiceError> {
    let days = given.unwrap_or(NOTICE_DAYS);
    if (NOTICE_DAYS..=NOTICE_DAYS_MAX).contains(&days) {
        return Ok(days);
    }
    let reason = format!("is {days}; at least {NOTICE_DAYS}, at most {NOTICE_DAYS_MAX}");
    Err(ServiceError::invalid("noticeDays", reason))
}

impl Service {
    /// Proposes other rules to a fund; the number of the version comes back. They are in force after the first strike on or after their
    /// day, by themselves; until then everybody sees them beside those in force, and can leave.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the parameter that is wrong, for too little notice, for the rules in force, and for rules that give
    /// no weights to the fund's models today; [`ServiceError::Exists`] while another proposal is open;
    /// [`ServiceError::Rejected`] with the ledger's code for what rules cannot change.
    pub async fn propose_methodology(
        &self,
        caller: &Caller,
        key: &str,
        input: &ProposeMethodology,
    ) -> Result<i64, ServiceError> {
        if !caller.may(Scope::Operate) {
            return Err(Scope::Operate.into());
        }
        self.get_fund(&input.fund).await?;
        let notice = notice(input.notice_days)?;
        let rules = methodology_gate::read(&input.methodology).await?;
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "methodology_propose", input);
        let transaction = &ledger.unit.transaction;
        let fund = Fund::find_in(transaction, &input.fund).await?;
        let digest = rules.digest().map_err(ServiceError::internal)?;
        if digest == fund.methodology_digest {
            let reason = format!("is version {}, which is in force", fund.methodology_version);
            return Err(ServiceError::invalid("methodology", reason));
        }
        if let Some(open) = open_proposal(transaction, &input.fund).await? {
            let name = format!("{} of {}", open.version, input.fund);
            return Err(ServiceError::Exists { kind: "open proposal of rules, version", name });
        }
        // What the ledger would refuse on their day is refused today.
        apply(&ledger.state, &adoption(&input.fund, &rules)?)?;
        let comparison = compare(&ledger, &fund, &rules).await?;
        let latest = fund_methodology::latest(transaction, input.fund.as_str()).await?;
        let version = latest.map_or(2, |row| row.version + 1);
        let effective_day = fund_day(&ledger.state, &input.fund, caller.now) + notice;
        let row = MethodologyRow {
            fund: input.fund.to_string(),
            version,
            body: input.methodology.clone(),
            digest: digest.hex(),
            proposed_by: ledger.unit.owner().to_owned(),
            proposed_at: ledger.at(),
            effective_day,
            comparison: serde_json::to_string(&comparison).map_err(ServiceError::internal)?,
        };
        fund_methodology::insert(transaction, row).await?;
        let subject = rules_subject(&input.fund, version);
        let leaf = NewLeaf::announcement(
            &input.fund,
            subject.clone(),
            digest,
            (effective_day, caller.now),
        );
        ledger.unit.append_leaf(leaf).await?;
        ledger.finish(&subject, version).await
    }

    /// Takes a proposal back before its day.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for what was never proposed, [`ServiceError::Invalid`] for what is in force, was, or is withdrawn already.
    pub async fn withdraw_methodology(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        version: i64,
    ) -> Result<i64, ServiceError> {
        let input = WithdrawMethodology { fund, version };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "methodology_withdraw", &input);
        let transaction = &ledger.unit.transaction;
        let subject = rules_subject(fund, version);
        if fund_methodology::find(transaction, fund.as_str(), version).await?.is_none() {
            return Err(ServiceError::absent("proposal of rules", subject));
        }
        if let Some(end) = methodology_end::find(transaction, fund.as_str(), version).await? {
            let reason = format!("{version} is {} already", end.kind);
            return Err(ServiceError::invalid("version", reason));
        }
        let row = MethodologyEndRow {
            fund: fund.to_string(),
            version,
            kind: WITHDRAWN.to_owned(),
            event_seq: None,
            strike_number: None,
            recorded_by: ledger.unit.owner().to_owned(),
            recorded_at: ledger.at(),
        };
        methodology_end::insert(transaction, row).await?;
        if let Some((announcement, methodology)) = announcement(&ledger, (fund, version)).await? {
            let (at, fund) = (caller.now, fund.clone());
            let record = LeafRecord::MethodologyWithdrawal { at, fund, announcement, methodology };
            ledger.unit.append_leaf(NewLeaf::of_fund(record, subject.clone(), at)).await?;
        }
        ledger.finish(&subject, version).await
    }

    /// The rules that a fund had or was proposed on a ledger after version `after`, at most `limit`, with what had become of them by then.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is no such fund.
    pub async fn list_methodologies(
        &self,
        fund: &Name,
        after: Option<i64>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<MethodologyVersion>, ServiceError> {
        self.methodologies_by(fund, after, limit, (ledger.known_to(), ledger.seq)).await
    }

    /// One version of a fund's rules.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_methodology(
        &self,
        fund: &Name,
        version: i64,
    ) -> Result<MethodologyVersion, ServiceError> {
        let (after, now) = (Some(version.saturating_sub(1)), (i64::MAX, i64::MAX));
        let found = self.methodologies_by(fund, after, 1, now).await?;
        let found = found.into_iter().find(|found| found.version == version);
        found.ok_or_else(|| ServiceError::absent("rules", rules_subject(fund, version)))
    }

    /// What was recorded by a moment and an event about a fund's rules.
    async fn methodologies_by(
        &self,
        fund: &Name,
        after: Option<i64>,
        limit: u64,
        (known_to, event_seq): (i64, i64),
    ) -> Result<Vec<MethodologyVersion>, ServiceError> {
        let row = fund::find(&self.store, fund.as_str()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
        let in_force = in_force_by(&self.store, &row, event_seq).await?.version;
        let mut versions = Vec::new();
        if after.is_none_or(|after| after < 1) {
            versions.push(MethodologyVersion::creation(&row, in_force)?);
        }
        let limit = limit.saturating_sub(versions.len() as u64);
        let rows = fund_methodology::list(&self.store, fund.as_str(), after, limit).await?;
        let mut ends = methodology_end::list(&self.store, fund.as_str(), after, limit).await?;
        ends.retain(|end| end.recorded_at <= known_to);
        // Versions stand in the order in which they were proposed.
        for row in rows.into_iter().take_while(|row| row.proposed_at <= known_to) {
            let end = ends.iter().find(|end| end.version == row.version);
            versions.push(MethodologyVersion::read(row, end, in_force)?);
        }
        Ok(versions)
    }

    /// The versions that were in force from a fund's creation up to a strike, in the order of coming into force, with their rules.
    pub(crate) async fn rules_until(
        &self,
        fund: &Name,
        strike: u64,
    ) -> Result<Vec<(i64, Methodology)>, ServiceError> {
        let row = fund::find(&self.store, fund.as_str()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
        let parse = |text: &str| Methodology::parse(text).map_err(ServiceError::internal);
        let mut rules = vec![(1, parse(&row.methodology)?)];
        let mut after = None;
        loop {
            let page =
                methodology_end::list_adopted(&self.store, fund.as_str(), after, PAGE_ROWS).await?;
            // A strike is computed under the rules that came into force after an earlier one.
            let before = |end: &&MethodologyEndRow| {
                end.strike_number.is_some_and(|number| number.unsigned_abs() < strike)
            };
            for end in page.iter().filter(before) {
                let found = fund_methodology::find(&self.store, fund.as_str(), end.version).await?;
                let found = found
                    .ok_or_else(|| ServiceError::internal("rules in force that nobody proposed"))?;
                rules.push((end.version, parse(&found.body)?));
            }
            match page.last() {
                Some(last) if page.len() as u64 == PAGE_ROWS => after = Some(last.version),
                _ => return Ok(rules),
            }
        }
    }
}
