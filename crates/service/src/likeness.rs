//! Which versions are alike (EVALUATION 6): each measured version is compared with all of other models, and the later published of
//! a pair is the one that it bears on: its eligibility and its publisher's fee share, never the mark.

use domain::evaluation::{
    fingerprint::{Fingerprint, Probes},
    similarity::{
        Likeness, Logits, Prior, Sketch, fee_share, logit_correlation, residual_correlation,
    },
};
use domain::time::Timestamp;
use store::{
    AnswersRow, Connection, LikenessRow, ModelRow, PrintRow, StoreTransaction, VersionRow,
    alias_move, evaluation_report, model_version, registered_model, version_base, version_likeness,
    version_print,
};

use crate::{
    Service, ServiceError,
    likeness_review::is_cleared,
    versions::{LISTED, Version},
    visibility::Reader,
};

/// Prints read from the database at a time.
const PAGE_PRINTS: u64 = 500;
/// Answers whose sketches agree less are no copies: bits that agree are 1 − θ/π, and a correlation of .9995 is an angle of .0316.
const SAME_SKETCH_MIN: f64 = 0.95;
/// The models with the most similar answers, whose answers are compared beyond what unrelated models say too.
const RESIDUALS_MAX: usize = 32;
/// Unrelated models that say what all say.
const PANEL: usize = 3;
/// Longest declared lineage that is followed.
const BASES_MAX: usize = 64;
/// Most priors that bear on a fee share.
const PRIORS_MAX: u64 = 1_000;

/// What is known of a version that was measured.
pub(crate) struct Measured<'a> {
    pub(crate) version: &'a VersionRow,
    pub(crate) suite: &'a str,
    pub(crate) weights: &'a Fingerprint,
    /// Its answers; none where they are not told yet.
    pub(crate) probes: Option<&'a Probes>,
    pub(crate) now: Timestamp,
}

/// A version beside an earlier one of another model.
#[derive(Clone, Debug)]
pub struct Similar {
    /// The earlier version.
    pub prior: Version,
    /// What is known of the two.
    pub likeness: Likeness,
    /// Whether a person must look: close, by another publisher, and not declared.
    pub flagged: bool,
    /// When it was found.
    pub recorded_at: Timestamp,
}

/// The part of a version's price on which its publisher earns fees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeeShare {
    /// From 0 to 1.
    pub share: f64,
    /// Earlier versions of other models that bear on it.
    pub priors: u64,
}

/// Answers that are compared in full, those of the most similar sketches first.
const ANSWERS_MAX: usize = 256;

/// What a look at other prints found.
#[derive(Clone, Default)]
struct Found {
    /// Others with what is known by weights and answers, and how far the sketches of answers agree.
    others: Vec<(PrintRow, Likeness, f64)>,
    /// The number of the youngest print that was looked at.
    seen: i64,
}

/// What was found before the ledger's lock was taken.
pub(crate) struct Looked {
    found: Found,
    compared: Vec<(PrintRow, Likeness)>,
}

/// Compares a version with the prints that there are now. It reads megabytes and needs no lock: what comes in meanwhile is looked at
/// under it.
pub(crate) async fn look_around<C: Connection>(
    connection: &C,
    measured: &Measured<'_>,
) -> Result<Looked, ServiceError> {
    let sketch = measured.probes.and_then(Probes::sketch);
    let found = look(connection, measured, sketch.as_ref(), Found::default()).await?;
    let compared = compare_answers(connection, measured, found.clone()).await?;
    Ok(Looked { found, compared })
}

/// Keeps the fingerprint of a version that was measured, and compares it with those of all other models.
///
/// A pair is compared once, by whichever is measured later, and bears on whichever was published later: so nobody comes first by
/// being measured first.
pub(crate) async fn record_likeness(
    transaction: &StoreTransaction,
    measured: &Measured<'_>,
    looked: Looked,
) -> Result<(), ServiceError> {
    let Measured { version, suite, weights, probes, now } = measured;
    if version_print::find(transaction, &version.id, suite).await?.is_some() {
        return Ok(());
    }
    // Two workers may end at once: the lock makes one see what the other has kept since both looked around.
    transaction.lock_ledger().await?;
    let sketch = probes.and_then(Probes::sketch);
    let before = looked.found.others.len();
    let found = look(transaction, measured, sketch.as_ref(), looked.found).await?;
    let compared = if found.others.len() == before {
        looked.compared
    } else {
        compare_answers(transaction, measured, found).await?
    };
    let row = PrintRow {
        version_id: version.id.clone(),
        suite: (*suite).to_owned(),
        seq: version_print::max_seq(transaction).await? + 1,
        model_id: version.model_id.clone(),
        weights: serde_json::to_string(weights).map_err(ServiceError::internal)?,
        answers_sketch: sketch.map(|sketch| sketch.hex()),
        answers_classes: probes.filter(|_| sketch.is_some()).map(|p| p.classes() as i64),
        recorded_at: now.as_millis(),
    };
    let answers = probes.filter(|_| sketch.is_some()).map(Probes::to_hex);
    version_print::insert(transaction, row, answers).await?;
    for (other, likeness) in compared {
        if likeness.is_notable() {
            keep(transaction, version, &other.version_id, likeness, *now).await?;
        }
    }
    Ok(())
}

/// Compares sketches with the prints of other models that were not looked at yet.
async fn look<C: Connection>(
    connection: &C,
    measured: &Measured<'_>,
    sketch: Option<&Sketch>,
    mut found: Found,
) -> Result<Found, ServiceError> {
    loop {
        let model = &measured.version.model_id;
        let page = version_print::list_others(connection, model, found.seen, PAGE_PRINTS).await?;
        let Some(last) = page.last() else { return Ok(found) };
        found.seen = last.seq;
        for mut row in page {
            let theirs: Fingerprint =
                serde_json::from_str(&row.weights).map_err(ServiceError::internal)?;
            // Megabytes of text in all; nobody reads it again.
            row.weights = String::new();
            let sketches = measured.weights.agreement(&theirs);
            let answers = match (sketch, &row.answers_sketch) {
                (Some(ours), Some(theirs)) if row.suite == measured.suite => {
                    let theirs = Sketch::from_hex(theirs);
                    theirs.map_or(0.0, |theirs| ours.agreement(&theirs))
                }
                _ => 0.0,
            };
            found.others.push((row, Likeness { sketches, ..Likeness::default() }, answers));
        }
    }
}

/// Fills in what the answers say where sketches leave it open.
async fn compare_answers<C: Connection>(
    connection: &C,
    measured: &Measured<'_>,
    mut found: Found,
) -> Result<Vec<(PrintRow, Likeness)>, ServiceError> {
    let ours = measured.probes;
    found.others.sort_by(|a, b| b.2.total_cmp(&a.2));
    let panel = match ours {
        Some(ours) => panel(connection, ours, &found).await?,
        None => Vec::new(),
    };
    let mut compared = Vec::new();
    for (place, (row, mut likeness, agreement)) in found.others.into_iter().enumerate() {
        let is_same = agreement >= SAME_SKETCH_MIN && place < ANSWERS_MAX;
        let is_close = is_same || place < RESIDUALS_MAX && agreement > 0.5;
        if let Some(ours) = ours.filter(|_| is_close)
            && let Some(theirs) = answers(connection, &row).await?
        {
            likeness.logits = logit_correlation(ours.logits(), theirs.logits());
            // Who sits in the panel is part of what is taken away.
            let panel: Vec<Logits<'_>> = panel
                .iter()
                .filter(|(model, _)| *model != row.model_id)
                .map(|(_, probes)| probes.logits())
                .collect();
            if panel.len() > 1 {
                likeness.residual = residual_correlation(ours.logits(), theirs.logits(), &panel);
            }
        }
        compared.push((row, likeness));
    }
    Ok(compared)
}

/// Answers of the models that are least like this one, one a model; `found` has the most alike first.
async fn panel<C: Connection>(
    connection: &C,
    ours: &Probes,
    found: &Found,
) -> Result<Vec<(String, Probes)>, ServiceError> {
    let mut panel: Vec<(String, Probes)> = Vec::new();
    for (row, likeness, agreement) in found.others.iter().rev() {
        let is_known = *agreement > 0.0 && !likeness.is_notable();
        if panel.len() == PANEL {
            break;
        }
        if !is_known || panel.iter().any(|(model, _)| *model == row.model_id) {
            continue;
        }
        if let Some(probes) = answers(connection, row).await?
            && probes.classes() == ours.classes()
        {
            panel.push((row.model_id.clone(), probes));
        }
    }
    Ok(panel)
}

async fn answers<C: Connection>(
    connection: &C,
    row: &PrintRow,
) -> Result<Option<Probes>, ServiceError> {
    let Some(classes) = row.answers_classes else { return Ok(None) };
    let body: Option<AnswersRow> =
        version_print::find_answers(connection, &row.version_id, &row.suite).await?;
    let classes = usize::try_from(classes).map_err(ServiceError::internal)?;
    Ok(body.and_then(|row| Probes::from_hex(&row.body, classes)))
}

/// Writes a pair down under the one that was published later.
async fn keep(
    transaction: &StoreTransaction,
    version: &VersionRow,
    other: &str,
    likeness: Likeness,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let other = model_version::find_by_id(transaction, other).await?;
    let other = other.ok_or_else(|| ServiceError::internal("a print without its version"))?;
    // Published in the same millisecond, the one that was measured first counts as the earlier one.
    let is_later = version.published_at >= other.published_at;
    let (later, prior) = if is_later { (version, &other) } else { (&other, version) };
    let is_strangers =
        publisher(transaction, later).await? != publisher(transaction, prior).await?;
    let flagged =
        likeness.is_close() && is_strangers && !is_declared(transaction, later, prior).await?;
    let text = |value: Option<f64>| value.map(|value| value.to_string());
    let row = LikenessRow {
        version_id: later.id.clone(),
        prior_version_id: prior.id.clone(),
        sketches: text(likeness.sketches),
        logits: text(likeness.logits),
        residual: text(likeness.residual),
        flagged,
        recorded_at: now.as_millis(),
    };
    if version_likeness::insert_if_absent(transaction, row).await? && flagged {
        tracing::warn!(
            version = later.id,
            prior = prior.id,
            similarity = likeness.score(),
            "a version is like another publisher's and declares nothing"
        );
    }
    Ok(())
}

async fn publisher(
    transaction: &StoreTransaction,
    version: &VersionRow,
) -> Result<String, ServiceError> {
    let row: Option<ModelRow> =
        registered_model::find_by_id(transaction, &version.model_id).await?;
    Ok(row.ok_or_else(|| ServiceError::internal("a version without its model"))?.publisher)
}

/// Whether the lineage that `later` declares leads to the model of `prior`.
async fn is_declared(
    transaction: &StoreTransaction,
    later: &VersionRow,
    prior: &VersionRow,
) -> Result<bool, ServiceError> {
    let mut at = later.id.clone();
    for _ in 0..BASES_MAX {
        let Some(base) = version_base::find(transaction, &at).await? else { return Ok(false) };
        let Some(row) = model_version::find_by_id(transaction, &base.base_version_id).await? else {
            return Ok(false);
        };
        if row.model_id == prior.model_id {
            return Ok(true);
        }
        at = row.id;
    }
    Ok(false)
}

/// Why a version is not eligible for a fund; none if it is.
pub(crate) async fn ineligible<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<Option<String>, ServiceError> {
    let Some(row) = version_likeness::latest_flagged(connection, version_id).await? else {
        return Ok(None);
    };
    if is_cleared(connection, version_id).await? {
        return Ok(None);
    }
    let score = read(&row)?.score();
    // The other may be private: only the number is told.
    Ok(Some(format!(
        "its version is like an earlier one of another publisher ({score:.2} of 1), declares no base there, and awaits a review"
    )))
}

/// The same of a model: it is what its version under `listed` is.
pub(crate) async fn ineligible_model<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<String>, ServiceError> {
    match alias_move::current(connection, model_id, LISTED).await? {
        Some(listed) => ineligible(connection, &listed.version_id).await,
        None => Ok(None),
    }
}

fn read(row: &LikenessRow) -> Result<Likeness, ServiceError> {
    let float = |text: &Option<String>| {
        text.as_deref().map(str::parse).transpose().map_err(ServiceError::internal)
    };
    Ok(Likeness {
        sketches: float(&row.sketches)?,
        logits: float(&row.logits)?,
        residual: float(&row.residual)?,
    })
}

impl Service {
    /// The earlier versions of other models that a version is like, by id after `after`, at most `limit`; those that the reader does
    /// not see are left out.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_similar(
        &self,
        reader: &Reader,
        version: &Version,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Similar>, ServiceError> {
        let (mut similar, mut after) = (Vec::new(), after.map(str::to_owned));
        loop {
            let wanted = limit - similar.len() as u64;
            let rows =
                version_likeness::list(&self.store, &version.id, after.as_deref(), wanted).await?;
            let is_last = (rows.len() as u64) < wanted;
            for row in rows {
                let prior = self.get_version_by_id(&row.prior_version_id).await?;
                if self.sees_version(reader, &prior).await? {
                    similar.push(Similar {
                        prior,
                        likeness: read(&row)?,
                        flagged: row.flagged,
                        recorded_at: Timestamp::from_millis(row.recorded_at),
                    });
                }
                after = Some(row.prior_version_id);
            }
            if is_last || similar.len() as u64 >= limit {
                return Ok(similar);
            }
        }
    }

    /// Why a version is not eligible for a fund; none if it is.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_ineligibility(
        &self,
        version: &Version,
    ) -> Result<Option<String>, ServiceError> {
        ineligible(&self.store, &version.id).await
    }

    /// The part of a version's evaluated price on which its publisher earns fees (EVALUATION 6), by the earlier versions that the reader
    /// sees; none without a price.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_fee_share(
        &self,
        reader: &Reader,
        version: &Version,
    ) -> Result<Option<FeeShare>, ServiceError> {
        let Some((price, sigma)) = self.evaluated(&version.id).await? else { return Ok(None) };
        let rows = version_likeness::list(&self.store, &version.id, None, PRIORS_MAX).await?;
        let (mut earned, mut priors) = (price, 0);
        for row in rows {
            let prior = self.get_version_by_id(&row.prior_version_id).await?;
            if !self.sees_version(reader, &prior).await? {
                continue;
            }
            let Some((prior_price, prior_sigma)) = self.evaluated(&row.prior_version_id).await?
            else {
                continue;
            };
            let prior = Prior { similarity: read(&row)?.score(), price: prior_price };
            // Each prior with the noise of this very pair; the least counts.
            earned = earned.min(fee_share(price, &[prior], sigma.hypot(prior_sigma)));
            priors += 1;
        }
        let share = if price > 0.0 { (earned / price).clamp(0.0, 1.0) } else { 0.0 };
        Ok(Some(FeeShare { share, priors }))
    }

    /// Price in credits and its standard error, by the youngest report of a version.
    async fn evaluated(&self, version_id: &str) -> Result<Option<(f64, f64)>, ServiceError> {
        const MICRO: f64 = 1e6;
        let row = evaluation_report::latest_by_version(&self.store, version_id).await?;
        let Some((row, micro)) = row.and_then(|row| row.price_micro.map(|micro| (row, micro)))
        else {
            return Ok(None);
        };
        let report: domain::evaluation::Report =
            serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        Ok(Some((micro as f64 / MICRO, report.sigma_ln_price.unwrap_or(0.0))))
    }
}
