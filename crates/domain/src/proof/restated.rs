//! What was restated of a fund's strikes: who was compensated must follow from the strike and the right prices that the event names.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::steps;
use crate::{
    amount::{Cash, Femto, PPB_ONE, Ppb, PriceNano, Shares},
    canonical::{self, CanonicalError},
    digest::Digest,
    fund::{
        Batch, Entry, Event, FeeSpan, FundParams, FundState, Kind, State, divide_fees,
        restatement::{
            Dealt, JoinerPart, LeaverPart, RestateError, Restatement, WindowDealt, restate,
            trades::{TradeExcess, Traded, excess_of, trades_of},
        },
    },
    name::Name,
};

/// What was paid for a strike so far, by all its restatements together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidSoFar {
    /// To owners.
    pub owners: BTreeMap<Name, Cash>,
    /// To the fund.
    pub fund: Cash,
}

impl PaidSoFar {
    /// What a restatement still owes: losses less what was paid, to nobody less than nothing. Nobody gives back what a later one finds
    /// too much.
    ///
    /// # Errors
    /// [`RestateError::Bound`] for sums beyond any amount.
    pub fn owed(&self, restated: &Restatement) -> Result<Self, RestateError> {
        let rest = |lost: Cash, paid: Cash| {
            Cash::from_micro(lost.as_micro().saturating_sub(paid.as_micro()).max(0))
        };
        if !restated.passes {
            return Ok(Self::default());
        }
        let owners = restated.losses()?.into_iter().map(|(who, lost)| {
            let paid = self.owners.get(&who).copied().unwrap_or_default();
            (who, rest(lost, paid))
        });
        let owners = owners.filter(|(_, rest)| *rest > Cash::ZERO).collect();
        Ok(Self { owners, fund: rest(restated.fund_loss()?, self.fund) })
    }

    /// Takes a payment in.
    pub fn add(&mut self, owners: &BTreeMap<Name, Cash>, fund: Cash) {
        let sum = |a: Cash, b: Cash| Cash::from_micro(a.as_micro().saturating_add(b.as_micro()));
        for (who, cash) in owners {
            let paid = self.owners.entry(who.clone()).or_default();
            *paid = sum(*paid, *cash);
        }
        self.fund = sum(self.fund, fund);
    }

    /// Whether nobody gets anything.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.owners.is_empty() && self.fund == Cash::ZERO
    }
}

/// What a strike has to divide among publishers, and what likeness leaves each model of it.
type Pooled = (Shares, BTreeMap<Name, Ppb>);

/// What a watch remembers of strikes, so that later compensations can be derived again.
#[derive(Clone, Debug, Default)]
pub struct Restated {
    /// Shared, because a watch is copied with every event and strikes only grow in number.
    strikes: Arc<BTreeMap<u64, Arc<Dealt>>>,
    about: Option<Dealt>,
    /// What the window paid for the strike that is next.
    window: Option<WindowDealt>,
    paid: BTreeMap<u64, PaidSoFar>,
    /// Fees and parties of the fund.
    params: Option<FundParams>,
    /// What the management fee has put into the publishers' pool since the last strike.
    pool: i64,
    /// The same at each strike, since the one before, with the fee shares in force at it; shared as the strikes are.
    pools: Arc<BTreeMap<u64, Pooled>>,
    /// Fee shares in force, where they are not the whole.
    fee_shares: BTreeMap<Name, Ppb>,
    /// Whether the journal says them: then no distribution states its own.
    says_fee_shares: bool,
    /// Who opened the fund.
    sponsor: Option<Name>,
    /// Trades of the batches after each strike.
    trades: Arc<BTreeMap<u64, Vec<Traded>>>,
}

/// What an event says, and what follows.
pub(super) enum Finding {
    /// The same.
    Follows,
    /// Something else.
    Differs {
        /// Where.
        field: &'static str,
        /// What the event says.
        stated: serde_json::Value,
        /// What follows.
        derived: serde_json::Value,
    },
}

impl Restated {
    /// Remembers what a strike is about to deal at.
    pub fn before(&mut self, state: &State, fund: Option<&FundState>) {
        self.about = fund.and_then(|fund| Dealt::before(state, fund));
    }

    /// Remembers what the window is about to deal at.
    pub fn before_window(&mut self, state: &State, fund: Option<&FundState>) {
        self.window = fund.map(|fund| WindowDealt::before(state, fund));
    }

    /// Remembers what an event of the fund did: who opened it, what its strikes dealt at, what its fees put into the pool.
    pub fn after(&mut self, event: &Event, batch: &Batch) {
        if let Event::CreateFund { params, .. } | Event::AdoptMethodology { params, .. } = event {
            self.params = Some(params.clone());
        }
        self.pool = self.pool.saturating_add(self.pooled(batch));
        match (event, &batch.outcome) {
            (Event::SetFeeShare { model, share, .. }, _) => {
                self.fee_shares.insert(model.clone(), *share);
                self.says_fee_shares = true;
            }
            (Event::Rebalance { .. }, _) => {
                let traded = trades_of(batch);
                if let Some((number, _)) =
                    self.strikes.last_key_value().filter(|_| !traded.is_empty())
                {
                    Arc::make_mut(&mut self.trades).entry(*number).or_default().extend(traded);
                }
            }
            (Event::Seed { who, .. }, _) => self.sponsor = Some(who.clone()),
            (Event::Strike { .. }, crate::fund::Outcome::Strike(outcome)) => {
                let window = self.window.take();
                let about = self.about.take().map(|about| about.with_window(window));
                if let Some(dealt) = about.and_then(|about| about.struck(batch)) {
                    Arc::make_mut(&mut self.strikes).insert(outcome.epoch, Arc::new(dealt));
                }
                let pool = Shares::from_nano(std::mem::take(&mut self.pool));
                let pooled = (pool, self.fee_shares.clone());
                Arc::make_mut(&mut self.pools).insert(outcome.epoch, pooled);
            }
            (Event::PayWindow { day, .. }, _) => {
                self.window = self.window.take().and_then(|about| about.paid(*day, batch));
            }
            (Event::Compensate { strike, owners, fund_part, .. }, _) => {
                self.paid.entry(*strike).or_default().add(owners, *fund_part);
            }
            _ => {}
        }
    }

    /// What a strike dealt at; none for one that was not seen.
    #[must_use]
    pub fn dealt(&self, strike: u64) -> Option<&Dealt> {
        self.strikes.get(&strike).map(Arc::as_ref)
    }

    /// What each counterparty of the batches after a strike got too much, if its prices should have been those of a restatement.
    #[must_use]
    pub fn trade_excess(&self, strike: u64, found: &Restatement) -> BTreeMap<String, TradeRecord> {
        let (Some(trades), Some(dealt)) = (self.trades.get(&strike), self.dealt(strike)) else {
            return BTreeMap::new();
        };
        let record =
            |excess: TradeExcess| TradeRecord { fund: excess.fund, leavers: excess.leavers };
        let parts = excess_of(trades, dealt.prices(), &found.prices).into_iter();
        parts.map(|(who, excess)| (who, record(excess))).collect()
    }

    /// What a batch has put into the publishers' pool: their part of the management fee.
    fn pooled(&self, batch: &Batch) -> i64 {
        let part = self.params.as_ref().map_or(0, |params| params.publisher_share.as_ppb());
        let fees = batch.entries.iter().filter(|entry| entry.kind == Kind::MgmtFee);
        let part_of = |entry: &Entry| {
            let made = entry.custody.iter().map(|leg| i128::from(leg.amount)).sum::<i128>();
            // As the ledger divides the fee; a part of what fits fits.
            i64::try_from(made * i128::from(part) / i128::from(PPB_ONE)).unwrap_or(0)
        };
        fees.map(part_of).fold(0, i64::saturating_add)
    }

    /// What each strike of a span has to divide among publishers.
    #[must_use]
    pub fn fee_spans(&self, from: u64, to: u64) -> Vec<FeeSpan> {
        let strikes = self.strikes.iter().filter(|(number, _)| (from..=to).contains(number));
        let span = |(number, dealt): (&u64, &Arc<Dealt>)| {
            let (pool, fee_shares) = self.pools.get(number).cloned().unwrap_or_default();
            FeeSpan { pool, values: dealt.values(), fee_shares }
        };
        strikes.map(span).collect()
    }

    /// Compares a distribution with what follows from the strikes of its span and the fee shares that it states.
    fn check_distribution(&self, event: &Event, state: &State) -> Finding {
        let (Event::DistributeFees { fund, from, to, fee_shares, parts }, Some(params)) =
            (event, &self.params)
        else {
            return Finding::Follows;
        };
        if self.says_fee_shares && !fee_shares.is_empty() {
            let stated = serde_json::to_value(fee_shares).unwrap_or_default();
            let derived = "those of each strike".into();
            return Finding::Differs { field: "fee_shares", stated, derived };
        }
        let split = |model: &Name| state.model(model).map_or(&[][..], |m| m.contributors());
        let spans = self.fee_spans(*from, *to);
        let json = |parts: &BTreeMap<Name, Shares>| serde_json::to_value(parts).unwrap_or_default();
        let allowed = |mut parts: BTreeMap<Name, Shares>| {
            let lists = state.fund(fund).map(FundState::restrictions);
            parts.retain(|owner, _| lists.is_none_or(|lists| lists.may_receive(owner)));
            parts
        };
        match divide_fees(spans, fee_shares, split, &params.publisher_pool).map(allowed) {
            Ok(derived) if derived == *parts => Finding::Follows,
            Ok(derived) => {
                Finding::Differs { field: "parts", stated: json(parts), derived: json(&derived) }
            }
            Err(missing) => Finding::Differs {
                field: "fee_shares",
                stated: "none".into(),
                derived: missing.model.as_str().into(),
            },
        }
    }

    /// What was paid for a strike.
    #[must_use]
    pub fn paid(&self, strike: u64) -> PaidSoFar {
        self.paid.get(&strike).cloned().unwrap_or_default()
    }

    /// Whether somebody answers for the fund's prices: who opened it, or who manages it. Nobody else's money pays for them.
    #[must_use]
    pub fn answers(&self, payer: &Name, manager: &Name) -> bool {
        payer == manager || self.sponsor.as_ref() == Some(payer)
    }

    /// Compares a compensation, before it is taken in, with what follows from its strike and its prices.
    pub(super) fn check(
        &self,
        event: &Event,
        state: &State,
        manager: &Name,
    ) -> Result<Finding, RestateError> {
        if matches!(event, Event::DistributeFees { .. }) {
            return Ok(self.check_distribution(event, state));
        }
        let Event::Compensate {
            strike,
            payer,
            owners,
            fund_part,
            prices,
            estimates,
            threshold,
            ..
        } = event
        else {
            return Ok(Finding::Follows);
        };
        let differs = |field, stated, derived| Ok(Finding::Differs { field, stated, derived });
        let json = |value: &PaidSoFar| serde_json::to_value(value).unwrap_or_default();
        if !self.answers(payer, manager) {
            let who = [self.sponsor.as_ref(), Some(manager)].map(|name| name.map(Name::as_str));
            return differs("payer", payer.as_str().into(), serde_json::json!(who));
        }
        let Some(dealt) = self.dealt(*strike) else {
            return differs("strike", (*strike).into(), "a strike of this fund".into());
        };
        let restated = restate(dealt, prices, estimates, *threshold)?;
        let derived = self.paid(*strike).owed(&restated)?;
        let stated = PaidSoFar { owners: owners.clone(), fund: *fund_part };
        if stated == derived {
            return Ok(Finding::Follows);
        }
        differs("compensation", json(&stated), json(&derived))
    }
}

/// A restatement as the log keeps it: its canonical JSON is what the leaf names. The strike's own record stays as it was.
///
/// Amounts are decimal strings of whole steps, and the name of a field says which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestatementRecord {
    /// Version of this form: 1.
    pub record_version: u32,
    /// The fund.
    pub fund: Name,
    /// The strike.
    pub strike: u64,
    /// Counts the restatements of the strike from 1; the last one holds.
    pub number: u64,
    /// The right prices that were given.
    #[serde(rename = "prices_nano", with = "steps::by_name")]
    pub prices: BTreeMap<Name, PriceNano>,
    /// The right estimates that were given.
    #[serde(rename = "estimates_nano", with = "steps::by_name")]
    pub estimates: BTreeMap<Name, PriceNano>,
    /// The error from which on somebody is compensated.
    #[serde(rename = "threshold_ppb")]
    pub threshold: Ppb,
    /// NAV as it was published.
    #[serde(rename = "nav_published_femto")]
    pub nav_published: Femto,
    /// The right NAV.
    #[serde(rename = "nav_femto")]
    pub nav: Femto,
    /// The right NAV at the larger of price and estimate of each name.
    #[serde(rename = "ask_femto")]
    pub ask: Femto,
    /// The right NAV per share.
    #[serde(rename = "nav_per_share_nano", with = "steps::optional")]
    pub nav_per_share: Option<PriceNano>,
    /// How far NAV was off, in ppb of the right one.
    #[serde(with = "steps")]
    pub error_ppb: i64,
    /// The same of the ask.
    #[serde(with = "steps")]
    pub ask_error_ppb: i64,
    /// Whether the error reaches the threshold.
    pub passes_threshold: bool,
    /// Every order that was filled.
    pub joiners: Vec<JoinerRecord>,
    /// Everybody whom the instant window paid before the strike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leavers: Vec<LeaverRecord>,
    /// What the fund lost, to joiners, to those whom the window paid and to a performance fee.
    #[serde(rename = "fund_loss_micro", with = "steps")]
    pub fund_loss: Cash,
    /// Number of the compensation's event in the journal, from 1; none where nothing was owed.
    pub compensated_by: Option<u64>,
    /// The wind-up test as it came out and as it should have; none in records from before it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winding: Option<WindingRecord>,
    /// What each counterparty of the batches after the strike got too much at its marks, by account; nobody is made to pay it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub trades: BTreeMap<String, TradeRecord>,
}

/// Whether the fund was winding up after a strike, and whether it should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindingRecord {
    /// As it happened.
    pub published: bool,
    /// By the right NAV over the shares that the strike froze.
    pub right: bool,
}

/// What a counterparty got too much in trades at the marks of a strike; below nothing where he got too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TradeRecord {
    /// At the fund's cost.
    #[serde(rename = "fund_micro", with = "steps")]
    pub fund: i64,
    /// At the cost of leavers whose units were sold to him.
    #[serde(rename = "leavers_micro", with = "steps")]
    pub leavers: i64,
}

/// A joiner's order in a restatement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinerRecord {
    /// Whose.
    pub who: Name,
    /// Shares that he got.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// Shares that he should have got.
    #[serde(rename = "right_shares_nano", with = "steps")]
    pub right_shares: Shares,
    /// What he lost.
    #[serde(rename = "loss_micro", with = "steps")]
    pub loss: Cash,
    /// What he got too much.
    #[serde(rename = "gain_micro", with = "steps")]
    pub gain: Cash,
}

/// What the window paid somebody, in a restatement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaverRecord {
    /// Whose shares.
    pub who: Name,
    /// Shares that he gave.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// What he was paid.
    #[serde(rename = "paid_micro", with = "steps")]
    pub paid: Cash,
    /// What he should have been paid.
    #[serde(rename = "right_micro", with = "steps")]
    pub right: Cash,
    /// What he lost.
    #[serde(rename = "loss_micro", with = "steps")]
    pub loss: Cash,
    /// What he got too much.
    #[serde(rename = "gain_micro", with = "steps")]
    pub gain: Cash,
}

impl From<&LeaverPart> for LeaverRecord {
    fn from(part: &LeaverPart) -> Self {
        let LeaverPart { who, shares, paid, right, loss, gain } = part;
        let (shares, paid, right) = (*shares, *paid, *right);
        Self { who: who.clone(), shares, paid, right, loss: *loss, gain: *gain }
    }
}

impl From<&JoinerPart> for JoinerRecord {
    fn from(part: &JoinerPart) -> Self {
        let JoinerPart { who, shares, right_shares, loss, gain } = part;
        let (shares, right_shares) = (*shares, *right_shares);
        Self { who: who.clone(), shares, right_shares, loss: *loss, gain: *gain }
    }
}

impl RestatementRecord {
    /// The version of the form that this program writes.
    pub const VERSION: u32 = 1;

    /// The record as canonical JSON.
    ///
    /// # Errors
    /// [`CanonicalError`] for a count beyond 2^53 − 1.
    pub fn to_canonical(&self) -> Result<String, CanonicalError> {
        canonical::to_string(self)
    }

    /// The digest of the canonical JSON: what the leaf names.
    ///
    /// # Errors
    /// As [`to_canonical`](Self::to_canonical).
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        canonical::digest_of(self)
    }
}
