//! Rotation of a suite: a re-draw is measured as a shadow first, and prices only if that alone moves no fund far (EVALUATION 5.3).
//!
//! A suite that opens its family prices at once. Every later one starts as a shadow: the listed versions are measured on it, nobody's
//! price follows, and everybody can read what would. Activation makes those reports count, all in one transaction, and closes the
//! suite before; its cases stay hidden until an operator reveals them, since the next suite may have some of them too.

use domain::{
    amount::{Femto, PriceNano},
    digest::Digest,
    evaluation::{PriceState, Report, decide, samples},
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{
    Connection, JobRow, ModelRow, PriceDecisionRow, ReportRow, StoreTransaction, SuiteMoveRow,
    SuiteRow, VersionRow, alias_move, evaluation_job, evaluation_report, model_version,
    price_decision, registered_model, suite, suite_move,
};

use crate::{
    Service, ServiceError,
    command::{Begun, Request, Unit},
    jobs::queued_row,
    prices::{BREAKER, Items, Run, decide_price, micro_to_nano},
    suites::RegisteredSuite,
    token::{Caller, Scope},
    versions::LISTED,
};

/// A rotation may move a fund's NAV by one part in so many, if no model changed.
const NAV_PARTS: u128 = 100;
/// Rows of a page.
const PAGE: u64 = 500;
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1_000;

/// Where a suite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SuiteStage {
    /// Measured and published; bears on no price.
    Shadow,
    /// Prices.
    Active,
    /// Another epoch prices; no new runs. Its cases are hidden.
    Closed,
    /// Closed, and its cases may be read.
    Revealed,
}

impl SuiteStage {
    const ALL: [Self; 4] = [Self::Shadow, Self::Active, Self::Closed, Self::Revealed];

    /// The word that stands for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "SHADOW",
            Self::Active => "ACTIVE",
            Self::Closed => "CLOSED",
            Self::Revealed => "REVEALED",
        }
    }

    fn read(text: &str) -> Result<Self, ServiceError> {
        let stage = Self::ALL.into_iter().find(|stage| stage.as_str() == text);
        stage.ok_or_else(|| ServiceError::internal(format!("a suite at stage {text:?}")))
    }
}

/// What a rotation would do if no model changed.
#[derive(Clone, Debug, Serialize)]
pub struct Rotation {
    /// Prices by model, ascending.
    pub prices: Vec<ShadowPrice>,
    /// Funds, by name.
    pub funds: Vec<FundMove>,
    /// Listed versions that have no report on the suite yet.
    pub missing: Vec<String>,
}

/// The price of a model before and after.
#[derive(Clone, Debug, Serialize)]
pub struct ShadowPrice {
    /// The model.
    pub model: Name,
    /// The accepted price.
    pub price: PriceNano,
    /// The accepted price that the shadow's report would lead to.
    pub shadow: PriceNano,
    /// That report.
    pub report: Digest,
}

/// NAV of a fund at accepted prices before and after.
#[derive(Clone, Debug, Serialize)]
pub struct FundMove {
    /// The fund.
    pub fund: Name,
    /// At the accepted prices.
    pub nav: Femto,
    /// At the prices after the rotation.
    pub shadow_nav: Femto,
}

impl FundMove {
    /// Whether the move is further than one part in a hundred.
    #[must_use]
    pub fn is_too_far(&self) -> bool {
        match (self.nav.as_femto(), self.shadow_nav.as_femto()) {
            (Some(nav), Some(shadow)) => {
                let apart = shadow.abs_diff(nav).checked_mul(NAV_PARTS);
                apart.is_none_or(|apart| apart > nav.unsigned_abs())
            }
            // Beyond what a NAV can be.
            _ => true,
        }
    }
}

impl Rotation {
    /// Why the suite may not price yet; none where it may.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if let Some(first) = self.missing.first() {
            let more = self.missing.len() - 1;
            return Some(format!("{first} and {more} more are not measured on it yet"));
        }
        let far = self.funds.iter().find(|fund| fund.is_too_far())?;
        let FundMove { fund, nav, shadow_nav } = far;
        Some(format!("it would move the NAV of {fund} from {nav} to {shadow_nav}, more than 1 %"))
    }
}

/// A move of a suite.
#[derive(Clone, Debug)]
pub struct SuiteMove {
    /// Counts from 1.
    pub seq: i64,
    /// Where it went.
    pub stage: SuiteStage,
    /// Why.
    pub reason: String,
    /// What it rested on, as JSON; `{}` where it rested on nothing.
    pub record: String,
    /// Who moved it.
    pub moved_by: Name,
    /// When.
    pub moved_at: Timestamp,
}

/// A suite that is to move.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MoveSuite {
    /// The suite's id.
    pub suite: String,
    /// Why, in words.
    pub reason: String,
}

/// Where a suite stands; one without a move opened its family and prices.
pub(crate) async fn stage_of<C: Connection>(
    connection: &C,
    id: &str,
) -> Result<SuiteStage, ServiceError> {
    match suite_move::current(connection, id).await? {
        Some(row) => SuiteStage::read(&row.stage),
        None => Ok(SuiteStage::Active),
    }
}

/// Enters a suite that has just been written: a shadow if its family has others, with a run for every listed version it would price.
pub(crate) async fn enter_suite(unit: &Unit, row: &SuiteRow) -> Result<(), ServiceError> {
    let transaction = &unit.transaction;
    let family = suite::list_family(transaction, &row.suite_id, None, 2).await?;
    if family.iter().all(|other| other.id == row.id) {
        return Ok(());
    }
    let reason = "a re-draw is a shadow first".to_owned();
    move_suite(unit, &row.id, SuiteStage::Shadow, reason, "{}".to_owned()).await?;
    for subject in subjects(transaction, &row.suite_id).await? {
        // The seed follows from digests that nobody knew when the model was published.
        let text = format!("mf.shadow.v1\0{}\0{}", row.digest, subject.version.id);
        let digest = Digest::of(text.as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest.as_bytes()[..8]);
        let job = queued_row(
            format!("s-{}", &digest.hex()[..30]),
            &subject.version.id,
            &row.id,
            &subject.protocol,
            u64::from_le_bytes(seed),
            unit.now(),
        );
        evaluation_job::insert(transaction, job).await?;
    }
    Ok(())
}

async fn move_suite(
    unit: &Unit,
    id: &str,
    stage: SuiteStage,
    reason: String,
    record: String,
) -> Result<(), ServiceError> {
    let last = suite_move::current(&unit.transaction, id).await?;
    let row = SuiteMoveRow {
        suite: id.to_owned(),
        seq: last.map_or(1, |row| row.seq + 1),
        stage: stage.as_str().to_owned(),
        reason,
        record,
        moved_by: unit.owner().to_owned(),
        moved_at: unit.now(),
    };
    Ok(suite_move::insert(&unit.transaction, row).await?)
}

/// A model that a family of suites prices.
struct Subject {
    model: ModelRow,
    version: VersionRow,
    state: PriceState,
    /// The protocol of the report behind the price.
    protocol: String,
}

/// The models whose accepted price is of this family, each with its listed version.
async fn subjects<C: Connection>(
    connection: &C,
    family: &str,
) -> Result<Vec<Subject>, ServiceError> {
    let (mut subjects, mut after) = (Vec::new(), None::<String>);
    loop {
        let models = registered_model::list(connection, after.as_deref(), PAGE).await?;
        let Some(last) = models.last() else { return Ok(subjects) };
        after = Some(last.name.clone());
        for model in models {
            subjects.extend(subject(connection, model, family).await?);
        }
    }
}

async fn subject<C: Connection>(
    connection: &C,
    model: ModelRow,
    family: &str,
) -> Result<Option<Subject>, ServiceError> {
    let Some(decision) = price_decision::latest(connection, &model.id).await? else {
        return Ok(None);
    };
    let PriceDecisionRow { record, report_digest, .. } = decision;
    let state: Option<PriceState> =
        serde_json::from_str(&record).map_err(ServiceError::internal)?;
    let Some(state) = state.filter(|state| state.track.suite == family) else { return Ok(None) };
    let Some(alias) = alias_move::current(connection, &model.id, LISTED).await? else {
        return Ok(None);
    };
    let version = model_version::find_by_id(connection, &alias.version_id).await?;
    let report = evaluation_report::find(connection, &report_digest).await?;
    let (Some(version), Some(report)) = (version, report) else {
        return Err(ServiceError::internal(format!("model {} has half a price", model.name)));
    };
    let report: Report = serde_json::from_str(&report.body).map_err(ServiceError::internal)?;
    Ok(Some(Subject { model, version, state, protocol: report.protocol.name }))
}

/// A report on the shadow that would count, and what it would do.
struct Counted {
    subject: Subject,
    row: ReportRow,
    report: Report,
    items: Items,
}

impl Service {
    /// Where a suite stands.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn suite_stage(&self, id: &str) -> Result<SuiteStage, ServiceError> {
        stage_of(&self.store, id).await
    }

    /// Moves of a suite, oldest first.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_suite_moves(
        &self,
        id: &str,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<SuiteMove>, ServiceError> {
        let read = |row: SuiteMoveRow| {
            Ok(SuiteMove {
                seq: row.seq,
                stage: SuiteStage::read(&row.stage)?,
                reason: row.reason,
                record: row.record,
                moved_by: row.moved_by.parse().map_err(ServiceError::internal)?,
                moved_at: Timestamp::from_millis(row.moved_at),
            })
        };
        suite_move::history(&self.store, id, after, limit).await?.into_iter().map(read).collect()
    }

    /// What the rotation to a suite would do to prices and NAV if no model changed.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if database or storage fail.
    pub async fn preview_rotation(
        &self,
        suite: &RegisteredSuite,
    ) -> Result<Rotation, ServiceError> {
        let (rotation, _) = self.rotation(&self.store, suite).await?;
        Ok(rotation)
    }

    async fn rotation<C: Connection>(
        &self,
        connection: &C,
        suite: &RegisteredSuite,
    ) -> Result<(Rotation, Vec<Counted>), ServiceError> {
        let (mut prices, mut missing, mut counted) = (Vec::new(), Vec::new(), Vec::new());
        for subject in subjects(connection, &suite.suite.id).await? {
            let row = evaluation_report::latest_on(connection, &subject.version.id, &suite.id);
            let Some(row) = row.await? else {
                missing.push(format!("{}/{}", subject.model.name, subject.version.name));
                continue;
            };
            let report: Report = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
            let blob = self.objects.read(report.samples).await.map_err(ServiceError::Damaged)?;
            let measurement = samples::from_blob(&blob).map_err(ServiceError::internal)?;
            let items = Items::of(&report, &measurement, &suite.suite);
            let before = subject.state.price_micro;
            let evidence = items.evidence(&report);
            // A report that decides nothing, such as one that is counted already, holds the price.
            let after = match decide(Some(&subject.state), evidence, &BREAKER) {
                Ok(decision) => decision.price_micro.unwrap_or(before),
                Err(_) => before,
            };
            prices.push(ShadowPrice {
                model: subject.model.name.parse().map_err(ServiceError::internal)?,
                price: micro_to_nano(before)?,
                shadow: micro_to_nano(after)?,
                report: row.digest.parse().map_err(ServiceError::internal)?,
            });
            counted.push(Counted { subject, row, report, items });
        }
        let funds = self.fund_moves(&prices).await?;
        Ok((Rotation { prices, funds, missing }, counted))
    }

    /// NAV of every fund at accepted prices, before and after.
    async fn fund_moves(&self, prices: &[ShadowPrice]) -> Result<Vec<FundMove>, ServiceError> {
        let (mut moves, mut after) = (Vec::new(), None::<String>);
        let state = self.ledger().await?;
        loop {
            let funds = self.list_funds(after.as_deref(), PAGE).await?;
            let Some(last) = funds.last() else { return Ok(moves) };
            after = Some(last.name.to_string());
            for fund in funds {
                let Some(books) = state.fund(&fund.name) else { continue };
                let nav = |pick: fn(&ShadowPrice) -> PriceNano| {
                    let value = |holding: domain::fund::Holding| {
                        let moved = prices.iter().find(|price| price.model == holding.model);
                        holding.units.value_at(moved.map_or(holding.price, pick))
                    };
                    let units: Femto = books.holdings(&state).into_iter().map(value).sum();
                    books.cash(&state).to_femto() + units
                };
                moves.push(FundMove {
                    nav: nav(|price| price.price),
                    shadow_nav: nav(|price| price.shadow),
                    fund: fund.name,
                });
            }
        }
    }

    /// Lets a shadow price: its reports count from now on, and the suite that priced before is closed.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] where it is no shadow, a listed version is not measured on it, or it would move a NAV by more than
    /// 1 % if no model changed.
    pub async fn activate_suite(
        &self,
        caller: &Caller,
        key: &str,
        input: &MoveSuite,
    ) -> Result<RegisteredSuite, ServiceError> {
        check_reason(&input.reason)?;
        let suite = self.get_suite(&input.suite).await?;
        let request =
            Request { caller, scope: &[Scope::Operate], key, operation: "suite_activate", input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return self.get_suite(&id).await,
            Begun::Fresh(unit) => unit,
        };
        let transaction = &unit.transaction;
        // Prices and books stand still while they are compared.
        transaction.lock_ledger().await?;
        let stage = stage_of(transaction, &suite.id).await?;
        if stage != SuiteStage::Shadow {
            let reason =
                format!("{} is {}; only a SHADOW can be activated", suite.id, stage.as_str());
            return Err(ServiceError::invalid("suite", reason));
        }
        let (rotation, counted) = self.rotation(transaction, &suite).await?;
        if let Some(reason) = rotation.refusal() {
            return Err(ServiceError::invalid("suite", reason));
        }
        let record = serde_json::to_string(&rotation).map_err(ServiceError::internal)?;
        for other in suite::list_family(transaction, &suite.suite.id, None, PAGE).await? {
            if stage_of(transaction, &other.id).await? == SuiteStage::Active {
                let reason = format!("{} prices from now on", suite.id);
                move_suite(&unit, &other.id, SuiteStage::Closed, reason, "{}".to_owned()).await?;
            }
        }
        move_suite(&unit, &suite.id, SuiteStage::Active, input.reason.clone(), record).await?;
        for counted in &counted {
            count_report(transaction, counted, caller.now).await?;
        }
        let mut unit = unit;
        unit.has_appended();
        unit.finish(&input.suite, suite.id.clone()).await?;
        Ok(suite)
    }

    /// Lets everybody read the cases of a closed suite.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] where it is not closed.
    pub async fn reveal_suite(
        &self,
        caller: &Caller,
        key: &str,
        input: &MoveSuite,
    ) -> Result<RegisteredSuite, ServiceError> {
        check_reason(&input.reason)?;
        let suite = self.get_suite(&input.suite).await?;
        let request =
            Request { caller, scope: &[Scope::Operate], key, operation: "suite_reveal", input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return self.get_suite(&id).await,
            Begun::Fresh(unit) => unit,
        };
        let stage = stage_of(&unit.transaction, &suite.id).await?;
        if stage != SuiteStage::Closed {
            let reason =
                format!("{} is {}; only a CLOSED suite is revealed", suite.id, stage.as_str());
            return Err(ServiceError::invalid("suite", reason));
        }
        let reason = input.reason.clone();
        move_suite(&unit, &suite.id, SuiteStage::Revealed, reason, "{}".to_owned()).await?;
        unit.finish(&input.suite, suite.id.clone()).await?;
        Ok(suite)
    }
}

/// Decides on a price by a report that was a shadow until now.
async fn count_report(
    transaction: &StoreTransaction,
    counted: &Counted,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let Counted { subject, row, report, items } = counted;
    let job: JobRow = evaluation_job::find(transaction, &row.job_id)
        .await?
        .ok_or_else(|| ServiceError::internal(format!("report {} without a job", row.digest)))?;
    let run = Run {
        version: &subject.version,
        job: &job,
        report,
        items,
        digest: row.digest.parse().map_err(ServiceError::internal)?,
        now,
        round: None,
    };
    decide_price(transaction, &run).await.map(drop)
}

fn check_reason(reason: &str) -> Result<(), ServiceError> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        let bytes = reason.len();
        let reason = format!("{bytes} bytes; expected 1 to {REASON_BYTES_MAX}");
        return Err(ServiceError::invalid("reason", reason));
    }
    Ok(())
}
