//! The end of a round: votes are counted, the price is decided or held, and every evaluator's weight follows its deviation.

use domain::{
    digest::Digest,
    evaluation::{
        Report,
        acceptance::{Agreed, Vote, ln_of},
        committee::{Fate, count, mean_deviation, quorum_of, trap_holds},
        read_blob,
    },
    proof::{RoundVote, RoundVotes},
    time::Timestamp,
};
use store::{
    JobState, OutcomeRow, RoundRow, SeatRow, StoreTransaction, VerdictRow, evaluation_job,
    evaluation_report, evaluator, evaluator_standing, model_version, round_outcome, round_reveal,
    round_verdict,
};

use super::advance::State;
use crate::{
    Service, ServiceError,
    evaluators::{Evaluator, RULE, WEIGHT_PPB, cut_off_if_idle, write_standing},
    prices::{Items, Run, RunRound, decide_price},
};

/// A report that was revealed in time.
struct Ballot<'a> {
    seat: &'a SeatRow,
    digest: Digest,
    report: Report,
    weight_ppb: i64,
    /// Whether it is of this seat's run, and not of an earlier one or of another evaluator's.
    is_fresh: bool,
    fate: Option<(Fate, f64)>,
}

/// What is written of a seat with a report.
pub(super) struct Measured {
    report: Digest,
    deviation: Option<f64>,
    agrees: bool,
}

/// The weight of an evaluator now.
pub(super) async fn weight_of(
    transaction: &StoreTransaction,
    public_key: &str,
) -> Result<i64, ServiceError> {
    let row = evaluator::find(transaction, public_key).await?;
    let row = row.ok_or_else(|| ServiceError::internal("a seat without an evaluator"))?;
    Ok(Evaluator::read(transaction, row).await?.weight_ppb)
}

/// Writes what became of a seat.
pub(super) async fn write_outcome(
    transaction: &StoreTransaction,
    round: &RoundRow,
    seat: &SeatRow,
    outcome: &str,
    weight_ppb: i64,
    measured: Option<Measured>,
    now: i64,
) -> Result<(), ServiceError> {
    let last = round_outcome::latest(transaction, &seat.public_key).await?;
    let mean = match &last {
        Some(last) => last.mean_deviation.parse().map_err(ServiceError::internal)?,
        None => 0.0,
    };
    let deviation = measured.as_ref().and_then(|measured| measured.deviation);
    let row = OutcomeRow {
        round_id: round.id.clone(),
        public_key: seat.public_key.clone(),
        number: last.map_or(1, |last| last.number + 1),
        outcome: outcome.to_owned(),
        weight_ppb,
        report_digest: measured.as_ref().map(|measured| measured.report.hex()),
        deviation: deviation.map(|deviation| deviation.to_string()),
        mean_deviation: deviation.map_or(mean, |d| mean_deviation(mean, d)).to_string(),
        decisions_agree: measured.map(|measured| measured.agrees),
        settled_at: now,
    };
    Ok(round_outcome::insert(transaction, row).await?)
}

async fn ballots<'a>(
    transaction: &StoreTransaction,
    round: &RoundRow,
    state: &'a State,
) -> Result<Vec<Ballot<'a>>, ServiceError> {
    let reveals = round_reveal::list(transaction, &round.id).await?;
    let mut ballots = Vec::new();
    for commitment in &state.commitments {
        let key = &commitment.public_key;
        let seat = state.seats.iter().find(|seat| seat.public_key == *key);
        let reveal = reveals.iter().find(|reveal| reveal.public_key == *key);
        let (Some(seat), Some(reveal)) = (seat, reveal) else { continue };
        let row = evaluation_report::find(transaction, &reveal.report_digest).await?;
        let row = row.ok_or_else(|| ServiceError::internal("a reveal without a report"))?;
        let report: Report = serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        let job = evaluation_job::find(transaction, &seat.job_id).await?;
        let seed = job.map(|job| job.seed);
        ballots.push(Ballot {
            seat,
            digest: row.digest.parse().map_err(ServiceError::internal)?,
            is_fresh: seed == Some(report.protocol.seed.to_string()),
            report,
            weight_ppb: weight_of(transaction, key).await?,
            fate: None,
        });
    }
    Ok(ballots)
}

/// Counts the votes; the ballots learn what became of them. What was counted comes back for the log.
fn tally(
    ballots: &mut [Ballot<'_>],
    absent_ppb: i64,
    quorum: i64,
) -> (domain::evaluation::committee::Verdict, RoundVotes) {
    let share = |ppb: i64| ppb as f64 / WEIGHT_PPB as f64;
    let mut absent = share(absent_ppb);
    let (mut votes, mut voters, mut logged) = (Vec::new(), Vec::new(), Vec::new());
    // A run of another seat stands for its first owner: whoever brings it again has measured nothing.
    for (at, ballot) in ballots.iter().enumerate() {
        let report = &ballot.report;
        match (report.price_micro, report.sigma_ln_price) {
            (Some(price_micro), Some(sigma)) if ballot.is_fresh => {
                voters.push(at);
                logged.push(RoundVote { report: ballot.digest, weight: share(ballot.weight_ppb) });
                votes.push(Vote {
                    evaluator: ballot.seat.public_key.clone(),
                    price_micro,
                    weight: share(ballot.weight_ppb),
                    sigma,
                    samples: report.samples,
                });
            }
            _ => absent += share(ballot.weight_ppb),
        }
    }
    let wanted = u32::try_from(quorum).unwrap_or(u32::MAX);
    let verdict = count(&votes, absent, quorum_of(wanted));
    for (at, fate) in voters.into_iter().zip(&verdict.fates) {
        ballots[at].fate = Some(*fate);
    }
    (verdict, RoundVotes { wanted, absent, votes: logged })
}

/// The decisions that most of the kept weight made, and the kept ballot of them that lies next to the agreed price.
fn lead_of(ballots: &[Ballot<'_>], agreed: Option<Agreed>) -> (Option<Digest>, Option<usize>) {
    let kept =
        || ballots.iter().enumerate().filter(|(_, b)| matches!(b.fate, Some((Fate::Kept, _))));
    let weight = |decisions: Digest| -> i64 {
        let same = kept().filter(|(_, b)| b.report.model.decisions == decisions);
        same.map(|(_, ballot)| ballot.weight_ppb).sum()
    };
    let mut most: Option<(i64, Digest)> = None;
    for (_, ballot) in kept() {
        let decisions = ballot.report.model.decisions;
        let held = weight(decisions);
        if most.is_none_or(|(before, _)| held > before) {
            most = Some((held, decisions));
        }
    }
    let Some((_, decisions)) = most else { return (None, None) };
    let away = |ballot: &Ballot<'_>| {
        let ln = ln_of(ballot.report.price_micro.unwrap_or(0));
        agreed.map_or(0.0, |agreed| (ln - agreed.ln_price).abs())
    };
    let lead = kept()
        .filter(|(_, ballot)| ballot.report.model.decisions == decisions)
        .min_by(|(_, x), (_, y)| away(x).total_cmp(&away(y)))
        .map(|(at, _)| at);
    (Some(decisions), lead)
}

/// Counts a round, writes what became of every seat, and decides on the price where a quorum agrees.
pub(super) async fn settle(
    service: &Service,
    transaction: &StoreTransaction,
    round: &RoundRow,
    state: &State,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let at = now.as_millis();
    let mut ballots = ballots(transaction, round, state).await?;
    let mut absent_ppb = 0;
    let replaced: Vec<&str> = state.seats.iter().filter_map(|s| s.replaces.as_deref()).collect();
    let mut silent = Vec::new();
    for seat in &state.seats {
        if ballots.iter().any(|ballot| ballot.seat.job_id == seat.job_id) {
            continue;
        }
        let weight = weight_of(transaction, &seat.public_key).await?;
        // Whoever was replaced has no say any more, for or against.
        if !replaced.contains(&seat.public_key.as_str()) {
            absent_ppb += weight;
        }
        if !state.is_out(seat) {
            silent.push((seat, weight));
        }
    }
    let (verdict, votes) = tally(&mut ballots, absent_ppb, round.quorum);
    let (decisions, lead) = lead_of(&ballots, verdict.agreed);
    for (seat, weight) in silent {
        settle_silent(transaction, round, state, (seat, weight), at).await?;
    }
    for ballot in &ballots {
        settle_ballot(transaction, round, ballot, decisions, at).await?;
    }
    let mut row = VerdictRow {
        round_id: round.id.clone(),
        status: "held".to_owned(),
        reason: String::new(),
        price_micro: None,
        sigma_ln: None,
        scale: verdict.consensus.as_ref().map(|consensus| consensus.scale.to_string()),
        model_id: None,
        decision_seq: None,
        settled_at: at,
    };
    let kept = ballots.iter().filter(|b| matches!(b.fate, Some((Fate::Kept, _)))).count();
    match (verdict.agreed, lead) {
        _ if round.trap => {
            row.reason = "the answer was known; it prices nothing".to_owned();
        }
        (Some(agreed), Some(lead)) => {
            "agreed".clone_into(&mut row.status);
            row.reason = format!("{kept} of {} reports agree", state.seats.len() - replaced.len());
            row.price_micro = Some(agreed.price_micro);
            row.sigma_ln = Some(agreed.sigma.to_string());
            let counted = Counted { lead, agreed, votes };
            let decided = decide(service, transaction, round, &ballots, counted, now).await?;
            if let Some((model_id, seq)) = decided {
                (row.model_id, row.decision_seq) = (Some(model_id), Some(seq));
            } else {
                row.reason += "; they do not bear on the accepted price";
            }
        }
        _ => {
            row.reason = format!(
                "no quorum: {kept} of {} reports were kept; the price is held",
                state.seats.len() - replaced.len()
            );
        }
    }
    Ok(round_verdict::insert(transaction, row).await?)
}

async fn settle_silent(
    transaction: &StoreTransaction,
    round: &RoundRow,
    state: &State,
    (seat, weight): (&SeatRow, i64),
    now: i64,
) -> Result<(), ServiceError> {
    let job = evaluation_job::find(transaction, &seat.job_id).await?;
    let has_failed = job.is_some_and(|job| job.state == JobState::Failed);
    let outcome = if state.has_committed(seat) {
        "unrevealed"
    } else if has_failed {
        "failed"
    } else {
        "missed"
    };
    write_outcome(transaction, round, seat, outcome, weight, None, now).await?;
    if outcome != "failed" {
        let message = "the evaluator did not reveal in time";
        evaluation_job::abandon(transaction, &seat.job_id, outcome, message, now).await?;
    }
    cut_off_if_idle(transaction, &seat.public_key, now).await
}

async fn settle_ballot(
    transaction: &StoreTransaction,
    round: &RoundRow,
    ballot: &Ballot<'_>,
    decisions: Option<Digest>,
    now: i64,
) -> Result<(), ServiceError> {
    let report = &ballot.report;
    let (mut outcome, mut deviation) = match ballot.fate {
        Some((Fate::Kept, away)) => ("kept", Some(away)),
        Some((Fate::Rejected, away)) => ("rejected", Some(away)),
        Some((Fate::Copied, away)) => ("copied", Some(away)),
        None if !ballot.is_fresh => ("copied", Some(domain::evaluation::committee::DEVIATION_MAX)),
        None => ("no_price", None),
    };
    if round.trap && ballot.is_fresh {
        let price = report.price_micro.zip(report.sigma_ln_price);
        let holds = price.is_some_and(|(price, sigma)| trap_holds(price, sigma));
        (outcome, deviation) = (if holds { "kept" } else { "rejected" }, None);
        if !holds {
            let reason = format!("missed the known answer of round {}", round.number);
            let key = &ballot.seat.public_key;
            let active =
                evaluator_standing::current(transaction, key).await?.is_some_and(|row| row.active);
            write_standing(transaction, key, (0, active), reason, (RULE, now)).await?;
        }
    }
    let agrees = decisions.is_none_or(|decisions| decisions == report.model.decisions);
    let measured = Measured { report: ballot.digest, deviation, agrees };
    let weight = ballot.weight_ppb;
    write_outcome(transaction, round, ballot.seat, outcome, weight, Some(measured), now).await
}

/// What a round agreed on, and by which votes.
struct Counted {
    /// The ballot that leads.
    lead: usize,
    agreed: Agreed,
    votes: RoundVotes,
}

async fn decide(
    service: &Service,
    transaction: &StoreTransaction,
    round: &RoundRow,
    ballots: &[Ballot<'_>],
    Counted { lead, agreed, votes }: Counted,
    now: Timestamp,
) -> Result<Option<(String, i64)>, ServiceError> {
    let decisions = ballots[lead].report.model.decisions;
    let suite = service.get_suite(&round.suite).await?.suite;
    let mut kept = Vec::new();
    for (at, ballot) in ballots.iter().enumerate() {
        // Who decided other cases otherwise measured another quality; it stands in the outcome, and its rounds are not pooled.
        let is_kept = matches!(ballot.fate, Some((Fate::Kept, _)));
        if is_kept && ballot.report.model.decisions == decisions {
            let blob = service.objects.read(ballot.report.samples).await?;
            let measured = read_blob(&ballot.report, &blob).map_err(ServiceError::internal)?;
            kept.push((at, Items::of(&ballot.report, &measured, &suite)));
        }
    }
    let items = kept.iter().find(|(at, _)| *at == lead).map(|(_, items)| items);
    let items = items.ok_or_else(|| ServiceError::internal("a lead that is not kept"))?;
    let others: Vec<(&Report, &Items)> = kept
        .iter()
        .filter(|(at, _)| *at != lead)
        .map(|(at, items)| (&ballots[*at].report, items))
        .collect();
    let absent = || ServiceError::internal("a round without its version or job");
    let version = model_version::find_by_id(transaction, &round.version_id).await?;
    let version = version.ok_or_else(absent)?;
    let job = evaluation_job::find(transaction, &ballots[lead].seat.job_id).await?;
    let job = job.ok_or_else(absent)?;
    let run = Run {
        version: &version,
        job: &job,
        report: &ballots[lead].report,
        items,
        digest: ballots[lead].digest,
        now,
        round: Some(RunRound { row: round, others: &others, agreed, votes }),
    };
    let Some(seq) = decide_price(transaction, &run).await? else { return Ok(None) };
    crate::worker_log::log_decision(transaction, RULE, &run).await?;
    Ok(Some((version.model_id.clone(), seq)))
}
