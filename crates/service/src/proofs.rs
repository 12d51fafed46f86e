//! The record of a strike in the log, and where it stands there.

use std::collections::BTreeMap;

use domain::{
    amount::PriceNano,
    canonical,
    digest::Digest,
    name::Name,
    proof::{MarkedPrice, PriceSource, SignedHead, StrikeFacts, StrikeRecord},
    time::Timestamp,
};
use store::{
    PriceDecisionRow, StoreTransaction, StrikeRecordRow, balance_seed, log_head, log_leaf,
    price_decision, registered_model, strike_record,
};

use crate::{
    Service, ServiceError,
    balances::{KeptBalances, draw, seed_row},
    ledger::LedgerUnit,
    log::{NewLeaf, decision_subject, inclusion, read_head},
};

/// Decisions read from the database at a time.
const PAGE_DECISIONS: u64 = 100;

/// Where a strike stands in the log.
#[derive(Clone, Debug)]
pub struct StrikeProof {
    /// Number of its leaf, from 0.
    pub leaf_index: i64,
    /// The path from the leaf to the head's root.
    pub path: Vec<Digest>,
    /// The first signed head that has the leaf.
    pub head: SignedHead,
}

/// The leaf of a strike, by fund and number.
pub(crate) fn strike_subject(fund: &Name, number: u64) -> String {
    format!("{fund}/{number}")
}

/// Writes the record of the strike that was just posted, and its leaf.
///
/// A strike that cannot be proven happens all the same, because nobody's exit waits for a proof: it has no record and no leaf, and
/// whoever looks sees the gap. Such are strikes of a fund whose journal left its rules, and those that rest on something from before
/// there was a log.
pub(crate) async fn record_strike(
    ledger: &mut LedgerUnit<'_>,
    methodology: Digest,
    kept: &KeptBalances,
) -> Result<(), ServiceError> {
    let facts = match ledger.struck.take() {
        Some(Ok(facts)) => facts,
        Some(Err(reason)) => {
            tracing::warn!(reason, "a strike without a proof");
            return Ok(());
        }
        None => return Err(ServiceError::internal("a strike that nobody followed")),
    };
    let (fund, number) = (facts.fund.clone(), facts.number);
    let transaction = &ledger.unit.transaction;
    let cited = match cited(transaction, &facts).await? {
        Ok(cited) => cited,
        Err(reason) => {
            tracing::warn!(%fund, number, reason, "a strike without a proof");
            return Ok(());
        }
    };
    let drawn = draw(&ledger.state, (&fund, number), kept).await?;
    let (balances, seed) = drawn.unzip();
    let record = StrikeRecord {
        record_version: StrikeRecord::VERSION,
        methodology,
        sources: cited.sources,
        facts,
        balances,
        previous: cited.previous,
    };
    let digest = record.digest().map_err(ServiceError::internal)?;
    let root = balances.as_ref().map(canonical::digest_of).transpose();
    let leaf = (digest, root.map_err(ServiceError::internal)?);
    let strike = i64::try_from(number).map_err(ServiceError::internal)?;
    let row = StrikeRecordRow {
        fund: fund.to_string(),
        number: strike,
        digest: digest.hex(),
        body: record.to_canonical().map_err(ServiceError::internal)?,
    };
    strike_record::insert(transaction, row).await?;
    if let Some(seed) = &seed {
        balance_seed::insert(transaction, seed_row(&fund, strike, seed)).await?;
    }
    let now = ledger.unit.caller.now;
    ledger.unit.append_leaf(NewLeaf::strike(&fund, number, leaf, now)).await?;
    Ok(())
}

/// The leaves that a record cites.
struct Cited {
    sources: BTreeMap<Name, PriceSource>,
    previous: Option<Digest>,
}

/// Finds the leaves of the latest decisions, the rules and the strike before; the inner error names one that is not there.
async fn cited(
    transaction: &StoreTransaction,
    facts: &StrikeFacts,
) -> Result<Result<Cited, String>, ServiceError> {
    let mut sources = BTreeMap::new();
    for (model, marked) in &facts.prices {
        let row = registered_model::find_by_name(transaction, model.as_str()).await?;
        let row = row.ok_or_else(|| ServiceError::internal(format!("no model {model}")))?;
        let decided = match &facts.commitment {
            None => price_decision::latest(transaction, &row.id).await?,
            Some(_) => decision_of(transaction, &row.id, marked).await?,
        };
        let Some(decided) = decided else {
            return Ok(Err(format!("the price of {model} was never decided on")));
        };
        let subject = decision_subject(&row.id, decided.seq);
        let Some(leaf) = log_leaf::latest(transaction, "accepted_price", &subject).await? else {
            return Ok(Err(format!("decision {} on {model} has no leaf", decided.seq)));
        };
        // A chain that begins before the log, or a version from then, has something that no leaf speaks of.
        for (kind, subject) in [
            ("accepted_price", &decision_subject(&row.id, 1)),
            ("report", &decided.report_digest),
            ("publish", &decided.version_id),
        ] {
            if log_leaf::latest(transaction, kind, subject).await?.is_none() {
                return Ok(Err(format!("the price of {model} rests on a {kind} without a leaf")));
            }
        }
        let decision = leaf.leaf_hash.parse().map_err(ServiceError::internal)?;
        let report = decided.report_digest.parse().map_err(ServiceError::internal)?;
        sources.insert(model.clone(), PriceSource { decision, report });
    }
    if log_leaf::latest(transaction, "methodology", facts.fund.as_str()).await?.is_none() {
        return Ok(Err("the methodology has no leaf".to_owned()));
    }
    let previous = match facts.number {
        0 | 1 => None,
        number => {
            let subject = strike_subject(&facts.fund, number - 1);
            let Some(leaf) = log_leaf::latest(transaction, "strike", &subject).await? else {
                return Ok(Err(format!("strike {subject} has no leaf")));
            };
            Some(leaf.leaf_hash.parse().map_err(ServiceError::internal)?)
        }
    };
    Ok(Ok(Cited { sources, previous }))
}

/// The youngest decision that says what a model is marked at: prices that were bound, or withheld, are older than the latest.
async fn decision_of(
    transaction: &StoreTransaction,
    model_id: &str,
    marked: &MarkedPrice,
) -> Result<Option<PriceDecisionRow>, ServiceError> {
    let nano = |micro: Option<i64>| micro.and_then(PriceNano::from_micro);
    let mut before = None;
    loop {
        let page =
            price_decision::list_before(transaction, model_id, before, PAGE_DECISIONS).await?;
        let Some(last) = page.last() else { return Ok(None) };
        before = Some(last.seq);
        let found = page.into_iter().find(|row| {
            let estimate = marked.estimate.is_none() || nano(row.est_micro) == marked.estimate;
            nano(row.price_micro) == Some(marked.price) && estimate
        });
        if found.is_some() {
            return Ok(found);
        }
    }
}

impl Service {
    /// The record of a strike, canonical JSON; none where the strike has no proof. It names everybody who dealt.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_strike_record(
        &self,
        fund: &Name,
        number: i64,
    ) -> Result<Option<String>, ServiceError> {
        let row = strike_record::find(&self.store, fund.as_str(), number).await?;
        Ok(row.map(|row| row.body))
    }

    /// Where a strike stands in the log; none where it has no leaf, or no head had it by `known_at`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_strike_proof(
        &self,
        fund: &Name,
        number: i64,
        known_at: Option<Timestamp>,
    ) -> Result<Option<StrikeProof>, ServiceError> {
        let subject = strike_subject(fund, number.unsigned_abs());
        let Some(leaf) = log_leaf::latest(&self.store, "strike", &subject).await? else {
            return Ok(None);
        };
        let Some(head) = log_head::first_of(&self.store, leaf.leaf_index + 1).await? else {
            return Ok(None);
        };
        let head = read_head(head)?;
        if known_at.is_some_and(|known_at| head.at > known_at) {
            return Ok(None);
        }
        let path = inclusion(&self.store, leaf.leaf_index.unsigned_abs(), head.size).await?;
        let path = path.ok_or_else(|| ServiceError::internal("a head without its leaf"))?;
        Ok(Some(StrikeProof { leaf_index: leaf.leaf_index, path, head }))
    }
}
