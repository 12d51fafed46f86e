//! Restatements: what a strike would have been at the right prices, kept beside it, and the payment of those whom it has harmed
//! (FUND 6.9, ops/decisions/0041).

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Femto, Ppb, PriceNano},
    fund::{
        Event,
        restatement::{TOLERANCE_PPB, restate},
    },
    name::Name,
    proof::{
        JoinerRecord, LeaverRecord, PaidSoFar, Restated, RestatementRecord, TradeRecord,
        WindingRecord,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{RestatementPartRow, RestatementRow, restatement};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    funds::ledger_command,
    ledger::LedgerUnit,
    log::NewLeaf,
    token::{Caller, Scope},
    yanks::check_reason,
};

/// Most models that one restatement names.
const PRICES_MAX: usize = 1_000;

/// What was wrong, and who answers for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestateNav {
    /// The fund.
    pub fund: Name,
    /// The strike.
    pub strike: i64,
    /// Right prices, by model; what is not named was right.
    pub prices: BTreeMap<Name, PriceNano>,
    /// Right estimates; a name that is given a price without one has its price for estimate.
    pub estimates: BTreeMap<Name, PriceNano>,
    /// The error of NAV from which on somebody is compensated, in ppb; half a percent where nothing is said.
    pub threshold_ppb: Option<i64>,
    /// Who pays: who opened the fund, or its manager. None where nothing will be owed.
    pub payer: Option<Name>,
    /// Why, in words.
    pub reason: String,
}

/// A restatement as it was recorded.
#[derive(Clone, Debug)]
pub struct Restatement {
    /// The fund.
    pub fund: Name,
    /// The strike.
    pub strike: i64,
    /// Counts the restatements of the strike from 1; the last one holds.
    pub number: i64,
    /// NAV as it was published.
    pub nav_published: Femto,
    /// The right NAV.
    pub nav: Femto,
    /// The right NAV at the larger of price and estimate.
    pub ask: Femto,
    /// The right NAV per share; none beyond the range of a price.
    pub nav_per_share_nano: Option<i64>,
    /// How far NAV was off, ppb of the right one.
    pub error_ppb: i64,
    /// The same of the ask.
    pub ask_error_ppb: i64,
    /// The error from which on somebody is compensated.
    pub threshold_ppb: i64,
    /// Whether the error reaches it.
    pub passes: bool,
    /// What the fund lost.
    pub fund_loss: Cash,
    /// What this restatement paid the fund.
    pub fund_paid: Cash,
    /// What this restatement paid owners.
    pub owners_paid: Cash,
    /// Who paid; none where nothing was owed.
    pub payer: Option<Name>,
    /// Why.
    pub reason: String,
    /// The wind-up test as it came out and as it should have; none where it was not told yet.
    pub winding: Option<WindingRecord>,
    /// What each counterparty of the batches after the strike got too much at its marks, by account.
    pub trades: BTreeMap<String, TradeRecord>,
    /// The record, canonical JSON: it names everybody who joined.
    pub record: String,
    /// When: known from then on.
    pub recorded_at: Timestamp,
}

/// An owner's part in a restatement.
#[derive(Clone, Debug)]
pub struct RestatementPart {
    /// The owner.
    pub owner: Name,
    /// What he lost at the strike.
    pub loss: Cash,
    /// What this restatement paid him.
    pub paid: Cash,
}

impl Restatement {
    fn read(row: RestatementRow) -> Result<Self, ServiceError> {
        let payer = row.payer.map(|payer| payer.parse()).transpose();
        let record: RestatementRecord =
            serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        Ok(Self {
            fund: row.fund.parse().map_err(ServiceError::internal)?,
            strike: row.strike_number,
            number: row.number,
            nav_published: row.nav_published_femto.parse().map_err(ServiceError::internal)?,
            nav: row.nav_femto.parse().map_err(ServiceError::internal)?,
            ask: row.ask_femto.parse().map_err(ServiceError::internal)?,
            nav_per_share_nano: row.nav_per_share_nano,
            error_ppb: row.error_ppb,
            ask_error_ppb: row.ask_error_ppb,
            threshold_ppb: row.threshold_ppb,
            passes: row.passes,
            fund_loss: Cash::from_micro(row.fund_loss_micro),
            fund_paid: Cash::from_micro(row.fund_paid_micro),
            owners_paid: Cash::from_micro(row.owners_paid_micro),
            payer: payer.map_err(ServiceError::internal)?,
            reason: row.reason,
            winding: record.winding,
            trades: record.trades,
            record: row.body,
            recorded_at: Timestamp::from_millis(row.recorded_at),
        })
    }
}

/// Everything that one restatement comes to.
struct Outcome {
    record: RestatementRecord,
    losses: BTreeMap<Name, Cash>,
    owed: PaidSoFar,
}

/// Restates a strike from what is known of it; nothing is posted yet.
fn compute(
    restated: &Restated,
    input: &RestateNav,
    (strike, number, threshold): (u64, u64, Ppb),
) -> Result<Outcome, ServiceError> {
    let absent = || ServiceError::absent("strike", format!("{}/{strike}", input.fund));
    let dealt = restated.dealt(strike).ok_or_else(absent)?;
    let wrong = |error| ServiceError::invalid("prices", error);
    let found = restate(dealt, &input.prices, &input.estimates, threshold).map_err(wrong)?;
    let owed = restated.paid(strike).owed(&found).map_err(wrong)?;
    let record = RestatementRecord {
        record_version: RestatementRecord::VERSION,
        fund: input.fund.clone(),
        strike,
        number,
        prices: input.prices.clone(),
        estimates: input.estimates.clone(),
        threshold,
        nav_published: dealt.nav(),
        nav: found.nav,
        ask: found.ask,
        nav_per_share: found.nav_per_share,
        error_ppb: found.error_ppb,
        ask_error_ppb: found.ask_error_ppb,
        passes_threshold: found.passes,
        joiners: found.joiners.iter().map(JoinerRecord::from).collect(),
        leavers: found.leavers.iter().map(LeaverRecord::from).collect(),
        fund_loss: found.fund_loss().map_err(wrong)?,
        compensated_by: None,
        winding: Some(WindingRecord { published: dealt.winding(), right: found.winds_up }),
        trades: restated.trade_excess(strike, &found),
    };
    Ok(Outcome { record, losses: found.losses().map_err(wrong)?, owed })
}

/// The payment, by somebody who answers for the prices of the fund.
fn compensation(
    ledger: &LedgerUnit<'_>,
    restated: &Restated,
    input: &RestateNav,
    outcome: &Outcome,
) -> Result<Event, ServiceError> {
    let wrong = |reason: String| ServiceError::invalid("payer", reason);
    let payer = input.payer.clone().ok_or_else(|| {
        wrong("is missing; those whom the strike has harmed are to be paid".to_owned())
    })?;
    let state = ledger.state.fund(&input.fund);
    if !state.is_some_and(|fund| restated.answers(&payer, &fund.params().manager)) {
        let reason = format!("{payer} neither opened {} nor manages it", input.fund);
        return Err(wrong(reason));
    }
    if outcome.owed.owners.contains_key(&payer) {
        return Err(wrong(format!("{payer} is to be paid himself; another one must pay")));
    }
    let record = &outcome.record;
    Ok(Event::Compensate {
        fund: input.fund.clone(),
        strike: record.strike,
        restatement: record.number,
        payer,
        owners: outcome.owed.owners.clone(),
        fund_part: outcome.owed.fund,
        prices: input.prices.clone(),
        estimates: input.estimates.clone(),
        threshold: record.threshold,
    })
}

impl Service {
    /// Restates a strike at the right prices. The strike stays as it is; the restatement is a record and a leaf of its own, and a later
    /// one supersedes it. Where the error of NAV or ask reaches the threshold, who answers for it pays at once what joiners and fund lost,
    /// less what earlier restatements paid. The number of the restatement comes back.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for fund or strike, [`ServiceError::Invalid`] for prices or a payer that cannot be,
    /// [`ServiceError::Rejected`] with `funds` where the payer cannot pay: then nothing is recorded.
    pub async fn restate_nav(
        &self,
        caller: &Caller,
        key: &str,
        input: &RestateNav,
    ) -> Result<i64, ServiceError> {
        check_reason(&input.reason)?;
        if input.prices.len().max(input.estimates.len()) > PRICES_MAX {
            return Err(ServiceError::invalid(
                "prices",
                format!("names more than {PRICES_MAX} models"),
            ));
        }
        let threshold = Ppb::from_ppb(input.threshold_ppb.unwrap_or(TOLERANCE_PPB));
        if !(0..=domain::amount::PPB_ONE).contains(&threshold.as_ppb()) {
            let reason = format!("is {} ppb; at least 0, at most 1000000000", threshold.as_ppb());
            return Err(ServiceError::invalid("threshold", reason));
        }
        self.get_fund(&input.fund).await?;
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "nav_restate", input);
        let (fund, subject) = (input.fund.as_str(), format!("{}/{}", input.fund, input.strike));
        let absent = || ServiceError::absent("strike", subject.clone());
        let last = restatement::latest(&ledger.unit.transaction, fund, input.strike).await?;
        let number = last.map_or(0, |row| row.number) + 1;
        let restated = ledger.restated(&input.fund).cloned().ok_or_else(absent)?;
        let strike = u64::try_from(input.strike).map_err(|_| absent())?;
        let mut outcome = compute(&restated, input, (strike, number.unsigned_abs(), threshold))?;
        let mut event_seq = None;
        if !outcome.owed.is_nothing() {
            let event = compensation(&ledger, &restated, input, &outcome)?;
            let (seq, _) = ledger.post(&event).await?;
            event_seq = Some(seq);
            outcome.record.compensated_by = Some(seq.unsigned_abs());
        }
        let digest = outcome.record.digest().map_err(ServiceError::internal)?;
        let (row, parts) = rows(&ledger, input, &outcome, (number, event_seq))?;
        restatement::insert(&ledger.unit.transaction, row, parts).await?;
        let leaf = NewLeaf::restatement(&input.fund, (strike, number.unsigned_abs()), digest);
        ledger.unit.append_leaf(leaf(caller.now)).await?;
        ledger.finish(&format!("{subject}/{number}"), number).await
    }

    /// Restatements of a strike after a number, at most `limit`: those that were known at a moment, or all of now.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_restatements(
        &self,
        fund: &Name,
        strike: i64,
        known_at: Option<Timestamp>,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Restatement>, ServiceError> {
        let known_at = known_at.map(Timestamp::as_millis);
        let of = (fund.as_str(), strike);
        let rows = restatement::list_restatements(&self.store, of, known_at, after, limit).await?;
        rows.into_iter().map(Restatement::read).collect()
    }

    /// The restatement of a number.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_restatement(
        &self,
        fund: &Name,
        strike: i64,
        number: i64,
    ) -> Result<Restatement, ServiceError> {
        let after = Some(number.saturating_sub(1));
        let found = self.list_restatements(fund, strike, None, after, 1).await?;
        let found = found.into_iter().find(|found| found.number == number);
        found
            .ok_or_else(|| ServiceError::absent("restatement", format!("{fund}/{strike}/{number}")))
    }

    /// Parts of a restatement by owner after a name, at most `limit`: all for the operator, the caller's own for others, none for
    /// strangers.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_restatement_parts(
        &self,
        caller: Option<&Caller>,
        of: &Restatement,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<RestatementPart>, ServiceError> {
        let Some(caller) = caller else { return Ok(Vec::new()) };
        let owner = (!caller.may(Scope::Operate)).then(|| caller.owner.as_str());
        let key = (of.fund.as_str(), of.strike, of.number);
        let rows = restatement::list_parts(&self.store, key, owner, after, limit).await?;
        let part = |row: RestatementPartRow| {
            Ok(RestatementPart {
                owner: row.owner.parse().map_err(ServiceError::internal)?,
                loss: Cash::from_micro(row.loss_micro),
                paid: Cash::from_micro(row.paid_micro),
            })
        };
        rows.into_iter().map(part).collect()
    }
}

fn rows(
    ledger: &LedgerUnit<'_>,
    input: &RestateNav,
    outcome: &Outcome,
    (number, event_seq): (i64, Option<i64>),
) -> Result<(RestatementRow, Vec<RestatementPartRow>), ServiceError> {
    let Outcome { record, losses, owed } = outcome;
    let paid = |owner: &Name| owed.owners.get(owner).copied().unwrap_or_default();
    let total = owed.owners.values().map(|cash| cash.as_micro());
    let part = |(owner, loss): (&Name, &Cash)| RestatementPartRow {
        fund: record.fund.to_string(),
        strike_number: input.strike,
        number,
        owner: owner.to_string(),
        loss_micro: loss.as_micro(),
        paid_micro: paid(owner).as_micro(),
    };
    let row = RestatementRow {
        fund: record.fund.to_string(),
        strike_number: input.strike,
        number,
        event_seq,
        payer: input.payer.as_ref().filter(|_| event_seq.is_some()).map(ToString::to_string),
        threshold_ppb: record.threshold.as_ppb(),
        nav_published_femto: record.nav_published.to_string(),
        nav_femto: record.nav.to_string(),
        ask_femto: record.ask.to_string(),
        nav_per_share_nano: record.nav_per_share.map(PriceNano::as_nano),
        error_ppb: record.error_ppb,
        ask_error_ppb: record.ask_error_ppb,
        passes: record.passes_threshold,
        fund_loss_micro: record.fund_loss.as_micro(),
        fund_paid_micro: owed.fund.as_micro(),
        // What was paid came out of one balance.
        owners_paid_micro: total.fold(0, i64::saturating_add),
        reason: input.reason.clone(),
        restated_by: ledger.unit.owner().to_owned(),
        digest: record.digest().map_err(ServiceError::internal)?.hex(),
        body: record.to_canonical().map_err(ServiceError::internal)?,
        recorded_at: ledger.at(),
    };
    Ok((row, losses.iter().map(part).collect()))
}
