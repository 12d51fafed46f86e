//! A strike with all that it follows from, out of the rows: the file that `domain::proof::verify_bundle` verifies offline.

use std::collections::BTreeMap;

use domain::{
    digest::Digest,
    evaluation::{Report, read_blob},
    fund::{Event, Methodology},
    name::Name,
    proof::{
        Bundle, LeafProof, LeafRecord, LogEvidence, OlderHead, PriceStep, ReportEvidence,
        RoundVotes, SignedHead, StrikeRecord,
    },
};
use store::{
    LogLeafRow, evaluation_report, ledger, log_head, log_leaf, registered_model, strike,
    strike_record,
};

use crate::{
    Service, ServiceError,
    balances::find_seed,
    log::{consistency, decision_subject, inclusion, read_head},
    methodologies::rules_subject,
    prices::Items,
    proofs::strike_subject,
    token::{Caller, Scope},
};

/// Events read from the database at a time.
const PAGE_EVENTS: u64 = 500;

/// What a bundle is put together from.
#[derive(Default)]
struct Gathered {
    /// Leaves by number.
    leaves: BTreeMap<i64, LogLeafRow>,
    reports: BTreeMap<Digest, ReportEvidence>,
    decisions: BTreeMap<Name, Vec<PriceStep>>,
    /// Whether the raw samples go with the reports.
    with_samples: bool,
}

impl Gathered {
    fn keep(&mut self, leaf: LogLeafRow) {
        self.leaves.insert(leaf.leaf_index, leaf);
    }
}

/// The rules of a strike, and all that were in force before and with it where there were others, each once.
fn told(rules: Vec<(i64, Methodology)>) -> Result<(Methodology, Vec<Methodology>), ServiceError> {
    let (_, last) = rules.last().ok_or_else(|| ServiceError::internal("a fund without rules"))?;
    let (last, changed) = (last.clone(), rules.len() > 1);
    let mut all = Vec::new();
    for (_, rules) in rules {
        if changed && !all.contains(&rules) {
            all.push(rules);
        }
    }
    Ok((last, all))
}

impl Service {
    /// Everything that a strike follows from. With `with_samples` the raw samples are in it too, and every number of every report can be
    /// derived again; without them a report's price is derived from the report's own fields.
    ///
    /// It holds the whole journal, which names everybody who ever dealt in any fund: scope `operate` (ops/decisions/0031).
    ///
    /// # Errors
    /// [`ServiceError::Scope`]; [`ServiceError::Absent`] for what is no strike, has no proof or was not signed yet.
    pub async fn strike_bundle(
        &self,
        caller: &Caller,
        fund: &Name,
        number: i64,
        with_samples: bool,
    ) -> Result<Bundle, ServiceError> {
        if !caller.may(Scope::Operate) {
            return Err(Scope::Operate.into());
        }
        let absent = |kind| ServiceError::absent(kind, format!("{fund}/{number}"));
        if strike::find(&self.store, fund.as_str(), number).await?.is_none() {
            return Err(absent("strike"));
        }
        let row = strike_record::find(&self.store, fund.as_str(), number).await?;
        let row = row.ok_or_else(|| absent("proof of strike"))?;
        let record: StrikeRecord =
            serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        let rules = self.rules_until(fund, record.facts.number).await?;
        let mut gathered = Gathered { with_samples, ..Gathered::default() };
        for (model, source) in &record.sources {
            self.gather_prices(&mut gathered, model, source.decision).await?;
        }
        for (version, _) in &rules {
            gathered.keep(self.get_leaf("methodology", &rules_subject(fund, *version)).await?);
        }
        let facts = &record.facts;
        let own = self.get_leaf("strike", &strike_subject(fund, facts.number)).await?;
        let previous = match record.previous {
            Some(_) => {
                let subject = strike_subject(fund, facts.number.saturating_sub(1));
                Some(self.get_leaf("strike", &subject).await?)
            }
            None => None,
        };
        let book = self.gather_book(&mut gathered, &record).await?;
        let own_index = own.leaf_index;
        let ends = (own_index, previous.as_ref().map(|leaf| leaf.leaf_index));
        gathered.keep(own);
        if let Some(previous) = previous {
            gathered.keep(previous);
        }
        let heads = self.heads_of(ends).await?;
        let (head, older) = heads.ok_or_else(|| absent("signed head of strike"))?;
        let known = self.known_leaves(record.sources.keys(), own_index, head.size).await?;
        let (methodology, methodologies) = told(rules)?;
        if methodology.quorum == 1 {
            for report in known.reports {
                self.gather_report(&mut gathered, report).await?;
            }
        }
        let balance_seed = find_seed(&self.store, fund, number).await?;
        let journal = self.journal_to(facts.sequence).await?;
        let book = self.head_of_book(book, (ends.0, head.size)).await?;
        let leaves = self.with_paths(gathered.leaves, &head).await?;
        Ok(Bundle {
            bundle_version: Bundle::VERSION,
            methodology,
            methodologies,
            journal,
            reports: gathered.reports.into_values().collect(),
            decisions: gathered.decisions,
            log: LogEvidence { head, leaves, older, entries: known.entries, book },
            balance_seed,
            record,
        })
    }

    async fn get_leaf(&self, kind: &str, subject: &str) -> Result<LogLeafRow, ServiceError> {
        let leaf = log_leaf::latest(&self.store, kind, subject).await?;
        leaf.ok_or_else(|| ServiceError::absent("leaf", format!("{kind} of {subject}")))
    }

    /// Every decision on a model's price up to one, with its reports and the publishing of what they measured.
    async fn gather_prices(
        &self,
        gathered: &mut Gathered,
        model: &Name,
        last: Digest,
    ) -> Result<(), ServiceError> {
        let row = registered_model::find_by_name(&self.store, model.as_str()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("model", model.as_str()))?;
        let mut steps = Vec::new();
        for seq in 1.. {
            let leaf = self.get_leaf("accepted_price", &decision_subject(&row.id, seq)).await?;
            let record: LeafRecord =
                serde_json::from_str(&leaf.body).map_err(ServiceError::internal)?;
            let LeafRecord::AcceptedPrice(accepted) = record else {
                return Err(ServiceError::internal("a decision's leaf of another kind"));
            };
            let round: Option<RoundVotes> = leaf
                .evidence
                .as_deref()
                .map(serde_json::from_str)
                .transpose()
                .map_err(ServiceError::internal)?;
            let votes = round.iter().flat_map(|round| &round.votes).map(|vote| vote.report);
            let wanted: Vec<Digest> = votes.chain([accepted.report]).collect();
            for report in wanted {
                self.gather_report(gathered, report).await?;
            }
            let decision = leaf.leaf_hash.parse().map_err(ServiceError::internal)?;
            gathered.keep(leaf);
            steps.push(PriceStep { decision, round });
            if decision == last {
                break;
            }
        }
        gathered.decisions.insert(model.clone(), steps);
        Ok(())
    }

    async fn gather_report(
        &self,
        gathered: &mut Gathered,
        digest: Digest,
    ) -> Result<(), ServiceError> {
        if gathered.reports.contains_key(&digest) {
            return Ok(());
        }
        let row = evaluation_report::find(&self.store, &digest.hex()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("report", digest.to_string()))?;
        gathered.keep(self.get_leaf("report", &digest.hex()).await?);
        gathered.keep(self.get_leaf("publish", &row.version_id).await?);
        let report: Report = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        let blob = self.objects.read(report.samples).await?;
        let measured = read_blob(&report, &blob).map_err(ServiceError::internal)?;
        let suite = self.get_suite(&row.suite).await?.suite;
        let (right, influence) = Items::of(&report, &measured, &suite).into_parts();
        let samples = gathered
            .with_samples
            .then(|| String::from_utf8(blob.to_vec()))
            .transpose()
            .map_err(ServiceError::internal)?;
        let attestation = self.find_attestation(digest).await?;
        let evidence = ReportEvidence { report, samples, right, influence, attestation };
        gathered.reports.insert(digest, evidence);
        Ok(())
    }

    /// The first head that has a strike's leaf, and the first that has the one before it and not this one.
    async fn heads_of(
        &self,
        (own, previous): (i64, Option<i64>),
    ) -> Result<Option<(SignedHead, Option<OlderHead>)>, ServiceError> {
        let Some(row) = log_head::first_of(&self.store, own + 1).await? else { return Ok(None) };
        let head = read_head(row)?;
        let Some(previous) = previous else { return Ok(Some((head, None))) };
        let row = log_head::first_of(&self.store, previous + 1).await?;
        let Some(row) = row.filter(|row| row.size <= own) else { return Ok(None) };
        let older = read_head(row)?;
        let path = consistency(&self.store, older.size, head.size).await?;
        let path = path.ok_or_else(|| ServiceError::internal("a log that shrank"))?;
        Ok(Some((head, Some(OlderHead { head: older, path }))))
    }

    /// The leaves of commitment and book; the number of the latter comes back.
    async fn gather_book(
        &self,
        gathered: &mut Gathered,
        record: &StrikeRecord,
    ) -> Result<Option<i64>, ServiceError> {
        let facts = &record.facts;
        let Some(made) = &facts.commitment else { return Ok(None) };
        let subject = strike_subject(&facts.fund, facts.number);
        gathered.keep(self.get_leaf("commitment", &subject).await?);
        if made.book.is_none() {
            return Ok(None);
        }
        let leaf = self.get_leaf("orders", &subject).await?;
        let index = leaf.leaf_index;
        gathered.keep(leaf);
        Ok(Some(index))
    }

    /// The first head that has a closed book, if it does not have the strike too.
    async fn head_of_book(
        &self,
        book: Option<i64>,
        (own, size): (i64, u64),
    ) -> Result<Option<OlderHead>, ServiceError> {
        let Some(book) = book else { return Ok(None) };
        let row = log_head::first_of(&self.store, book + 1).await?;
        let Some(row) = row.filter(|row| row.size <= own) else { return Ok(None) };
        let head = read_head(row)?;
        let path = consistency(&self.store, head.size, size).await?;
        let path = path.ok_or_else(|| ServiceError::internal("a log that shrank"))?;
        Ok(Some(OlderHead { head, path }))
    }

    async fn journal_to(&self, sequence: u64) -> Result<Vec<Event>, ServiceError> {
        let sequence = i64::try_from(sequence).map_err(ServiceError::internal)?;
        let (mut journal, mut last) = (Vec::new(), 0);
        while last < sequence {
            let rows = ledger::list_events(&self.store, Some(last), PAGE_EVENTS).await?;
            if rows.is_empty() {
                return Err(ServiceError::internal("a strike beyond the journal"));
            }
            for row in rows.into_iter().take_while(|row| row.seq <= sequence) {
                last = row.seq;
                journal.push(serde_json::from_str(&row.body).map_err(ServiceError::internal)?);
            }
        }
        Ok(journal)
    }

    async fn with_paths(
        &self,
        leaves: BTreeMap<i64, LogLeafRow>,
        head: &SignedHead,
    ) -> Result<Vec<LeafProof>, ServiceError> {
        let mut proofs = Vec::with_capacity(leaves.len());
        for row in leaves.into_values() {
            let index = row.leaf_index.unsigned_abs();
            let path = inclusion(&self.store, index, head.size).await?;
            let path = path.ok_or_else(|| ServiceError::internal("a leaf after its strike"))?;
            let leaf = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
            proofs.push(LeafProof { index, leaf, path });
        }
        Ok(proofs)
    }
}
