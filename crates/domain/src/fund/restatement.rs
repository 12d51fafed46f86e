//! Restatement: what a strike would have been at the right prices, who was harmed by the wrong ones, and by how much (FUND 6.9).
//!
//! A pure function of what the strike froze and of the right prices. The strike itself stays as it is: its shares, fees and fills happened.
//!
//! | who | what he should have had | what is owed |
//! | --- | --- | --- |
//! | joiner | shares at the right ask for the same order, the levy unchanged; the rest of his cash back | the difference to what he got, shares at the corrected NAV per share; rounded up, to him |
//! | fund | what joiners got too much, and shares of the performance fee that the right NAV does not give | the same difference the other way, shares at the corrected NAV per share; each rounded up, to the fund |
//! | leaver | the same: a slice knows no mark | nothing |
//! | leaver through the instant window | the right bid for the shares that he gave | the difference, rounded up, to him; what he got too much, to the fund |
//!
//! The corrected NAV per share is the right NAV over the shares that the strike froze. Nobody is asked to give anything back.
//! A performance fee that the right NAV would have made larger is not made larger: whoever answers for the price does not gain by it.
//! What is told and not paid: whether the wind-up test would have come out otherwise, over the shares that the strike froze, and what the
//! trades of the batches after it would have cost ([`trades`]), which stand as they were agreed.
//! What is not restated: orders that the strike gave back whole, which dealt at no price; and later strikes, each of which is restated
//! for itself.

pub mod trades;

mod leavers;

use std::collections::BTreeMap;

pub use leavers::{LeaverPart, WindowDealt};
use num_bigint::{BigInt, Sign};

use super::{
    account::Asset,
    batch::Batch,
    fund_state::{FundState, nav_per_share_nano},
    kind::Kind,
    math::K,
    outcome::{Fill, Outcome},
    state::State,
    strike::{SUPPLY_MAX, cost_of, performance_fee, shares_for, winds_up},
};
use crate::{
    amount::{Cash, Femto, LIMIT, Ppb, PriceNano, Shares, Units},
    name::Name,
};

/// The error of NAV from which on those whom it has harmed are compensated, where nothing else is said: half a percent of the right NAV.
pub const TOLERANCE_PPB: i64 = 5_000_000;

/// The largest error that is told, a million times the right value: beyond it, and where the right value is nothing, this is said.
const ERROR_MAX_PPB: i64 = 1_000_000_000_000_000;

/// What a strike dealt at, and what everybody got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dealt {
    ask: Femto,
    cash: Cash,
    estimates: BTreeMap<Name, PriceNano>,
    fills: Vec<Fill>,
    /// NAV and shares of the high-water mark before the strike.
    high_water: (Femto, Shares),
    nav: Femto,
    /// Shares made for the performance fee.
    performance: Shares,
    performance_rate: Ppb,
    prices: BTreeMap<Name, PriceNano>,
    shares: Shares,
    units: BTreeMap<Name, Units>,
    /// NAV and shares at the end of the strike before.
    last: Option<(Femto, Shares)>,
    /// Whether the fund was winding up before, and after.
    winding: (bool, bool),
    window: Option<WindowDealt>,
}

/// Why a strike is not restated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestateError {
    /// A right price is for a model that the strike did not count.
    #[error("model {model} was no part of the strike, or was delisted")]
    Model {
        /// The model.
        model: Name,
    },
    /// A right price is out of its range.
    #[error("the right price of {model} is {nano} steps of 1e-9; at least 0, at most {LIMIT}")]
    Price {
        /// The model.
        model: Name,
        /// What was given.
        nano: i64,
    },
    /// No right price is given.
    #[error("no right price is given")]
    Nothing,
    /// A loss is beyond any amount.
    #[error("the loss of {who} passes the limit of {LIMIT} steps")]
    Bound {
        /// Whose.
        who: String,
    },
}

/// A joiner's order, as it was filled and as it should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinerPart {
    /// Whose order.
    pub who: Name,
    /// Shares that he got.
    pub shares: Shares,
    /// Shares that he should have got; none where all should have gone back.
    pub right_shares: Shares,
    /// What he lost, rounded up.
    pub loss: Cash,
    /// What he got too much, which is the fund's loss, rounded up.
    pub gain: Cash,
}

/// What a strike would have been, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restatement {
    /// The right NAV.
    pub nav: Femto,
    /// The right NAV at the larger of price and estimate of each name.
    pub ask: Femto,
    /// The right NAV over the shares that were frozen, rounded down; none beyond the range of a price.
    pub nav_per_share: Option<PriceNano>,
    /// How far NAV was off, in ppb of the right NAV, away from zero; above zero where it was too high.
    pub error_ppb: i64,
    /// The same of the ask, which is what joiners dealt at.
    pub ask_error_ppb: i64,
    /// Whether one of the two reaches the threshold, or the error of what the window paid at does.
    pub passes: bool,
    /// Every order that was filled, in the order of placing.
    pub joiners: Vec<JoinerPart>,
    /// Everybody whom the instant window paid before the strike, by name.
    pub leavers: Vec<LeaverPart>,
    /// What the performance fee took too much, at the corrected NAV per share, rounded up.
    pub fee_excess: Cash,
    /// Whether the fund would be winding up from the strike on, by the right NAV over the shares that were frozen.
    pub winds_up: bool,
    /// The right prices of all that was counted.
    pub prices: BTreeMap<Name, PriceNano>,
}

impl Dealt {
    /// What a strike of the fund is about to deal at; `None` before its seed.
    #[must_use]
    pub fn before(state: &State, fund: &FundState) -> Option<Self> {
        let live = fund.prices().iter().filter(|(model, _)| !state.is_delisted(model));
        let prices: BTreeMap<Name, PriceNano> = live.map(|(m, p)| (m.clone(), *p)).collect();
        Some(Self {
            ask: Femto::ZERO,
            cash: fund.cash(state),
            estimates: prices
                .keys()
                .filter_map(|model| Some((model.clone(), fund.estimate(model)?)))
                .collect(),
            fills: Vec::new(),
            high_water: fund.hwm()?,
            nav: Femto::ZERO,
            performance: Shares::ZERO,
            performance_rate: fund.params().performance_fee,
            shares: Shares::ZERO,
            units: prices.keys().map(|model| (model.clone(), fund.units(state, model))).collect(),
            prices,
            last: fund.last(),
            winding: (fund.winding(), fund.winding()),
            window: None,
        })
    }

    /// The same with what the window before it dealt at.
    #[must_use]
    pub fn with_window(self, window: Option<WindowDealt>) -> Self {
        Self { window, ..self }
    }

    /// The same with what the strike did; `None` where the batch is no strike.
    #[must_use]
    pub fn struck(self, batch: &Batch) -> Option<Self> {
        let Outcome::Strike(outcome) = &batch.outcome else { return None };
        let fees = batch.entries.iter().filter(|entry| entry.kind == Kind::PerfFee);
        let made = fees.flat_map(|entry| &entry.custody);
        let made = made.filter(|leg| matches!(leg.asset, Asset::Share(_))).map(|leg| leg.amount);
        Some(Self {
            ask: outcome.ask,
            fills: outcome.fills.clone(),
            nav: outcome.nav,
            performance: Shares::from_nano(made.fold(0, i64::saturating_add)),
            shares: outcome.shares,
            winding: (self.winding.0, outcome.winding),
            ..self
        })
    }

    /// NAV that was published.
    #[must_use]
    pub const fn nav(&self) -> Femto {
        self.nav
    }

    /// Whether the fund was winding up after it.
    #[must_use]
    pub const fn winding(&self) -> bool {
        self.winding.1
    }

    /// The prices that it dealt at.
    #[must_use]
    pub const fn prices(&self) -> &BTreeMap<Name, PriceNano> {
        &self.prices
    }

    /// Value of the units that were held at the prices of the strike, by model.
    #[must_use]
    pub fn values(&self) -> BTreeMap<Name, Femto> {
        let price = |model: &Name| self.prices.get(model).copied().unwrap_or_default();
        self.units
            .iter()
            .map(|(model, units)| (model.clone(), units.value_at(price(model))))
            .collect()
    }

    /// Value of what was frozen, each name at what `price` says.
    fn value(&self, price: impl Fn(&Name) -> PriceNano) -> Femto {
        let units = self.units.iter().map(|(model, units)| units.value_at(price(model)));
        self.cash.to_femto() + units.sum()
    }
}

impl Restatement {
    /// What every joiner, and everybody whom the window paid, has lost, by name; who lost nothing is not in it.
    ///
    /// # Errors
    /// [`RestateError::Bound`] for a sum beyond any amount.
    pub fn losses(&self) -> Result<BTreeMap<Name, Cash>, RestateError> {
        let mut losses = BTreeMap::<Name, Cash>::new();
        let joiners = self.joiners.iter().map(|part| (&part.who, part.loss));
        let leavers = self.leavers.iter().map(|part| (&part.who, part.loss));
        for (who, loss) in joiners.chain(leavers).filter(|(_, loss)| *loss > Cash::ZERO) {
            let lost = losses.entry(who.clone()).or_default();
            *lost = added(*lost, loss, who.as_str())?;
        }
        Ok(losses)
    }

    /// What the fund lost: to joiners, to those whom the window paid, and to a performance fee.
    ///
    /// # Errors
    /// [`RestateError::Bound`] for a sum beyond any amount.
    pub fn fund_loss(&self) -> Result<Cash, RestateError> {
        let gains = self.joiners.iter().map(|part| part.gain);
        let gains = gains.chain(self.leavers.iter().map(|part| part.gain));
        gains.into_iter().try_fold(self.fee_excess, |sum, gain| added(sum, gain, "the fund"))
    }
}

fn added(sum: Cash, part: Cash, who: &str) -> Result<Cash, RestateError> {
    let sum = sum.as_micro().checked_add(part.as_micro()).filter(|sum| *sum <= LIMIT);
    sum.map(Cash::from_micro).ok_or_else(|| RestateError::Bound { who: who.to_owned() })
}

/// Computes a strike again at the right prices. As in a set of marks, a name that is given without an estimate has its price for estimate;
/// a name that is not given keeps what it had.
///
/// # Errors
/// [`RestateError`]: a price of nothing that was counted, or out of its range, or none at all.
pub fn restate(
    dealt: &Dealt,
    prices: &BTreeMap<Name, PriceNano>,
    estimates: &BTreeMap<Name, PriceNano>,
    threshold: Ppb,
) -> Result<Restatement, RestateError> {
    if prices.is_empty() && estimates.is_empty() {
        return Err(RestateError::Nothing);
    }
    for (model, price) in prices.iter().chain(estimates) {
        if !dealt.prices.contains_key(model) {
            return Err(RestateError::Model { model: model.clone() });
        }
        if !(0..=LIMIT).contains(&price.as_nano()) {
            return Err(RestateError::Price { model: model.clone(), nano: price.as_nano() });
        }
    }
    let known = |map: &BTreeMap<Name, PriceNano>, model: &Name| map.get(model).copied();
    let price = |model: &Name| {
        known(prices, model).or_else(|| known(&dealt.prices, model)).unwrap_or_default()
    };
    let ask = |model: &Name| {
        // A new price takes the old estimate away.
        let old = || known(&dealt.estimates, model).filter(|_| !prices.contains_key(model));
        known(estimates, model).or_else(old).unwrap_or_default().max(price(model))
    };
    let rights = dealt.prices.keys().map(|model| (model.clone(), price(model))).collect();
    let worth = |model: &Name| {
        let old = || known(&dealt.estimates, model).filter(|_| !prices.contains_key(model));
        leavers::worth(price(model), known(estimates, model).or_else(old))
    };
    let bid = dealt.window.as_ref().map(|window| (window, window.bid_at(worth)));
    let (nav, ask) = (dealt.value(price), dealt.value(ask));
    let standing = (steps(nav), i128::from(dealt.shares.as_nano()));
    let joiners = joiners(dealt, steps(nav), steps(ask))?;
    Ok(Restatement {
        nav,
        ask,
        nav_per_share: nav_per_share_nano(nav, dealt.shares),
        error_ppb: error_ppb(steps(dealt.nav), steps(nav)),
        ask_error_ppb: error_ppb(steps(dealt.ask), steps(ask)),
        passes: reaches(steps(dealt.nav), steps(nav), threshold)
            || reaches(steps(dealt.ask), steps(ask), threshold)
            || bid.is_some_and(|(dealt, bid)| reaches(steps(dealt.bid()), steps(bid), threshold)),
        joiners,
        leavers: bid.map_or_else(|| Ok(Vec::new()), |(dealt, bid)| dealt.leavers(bid))?,
        fee_excess: fee_excess(dealt, steps(nav))?,
        winds_up: dealt.winding.0 || winds_up(standing, dealt.last),
        prices: rights,
    })
}

/// A fund lists few enough models that NAV always fits.
fn steps(value: Femto) -> i128 {
    value.as_femto().unwrap_or(i128::MAX)
}

fn error_ppb(was: i128, right: i128) -> i64 {
    let off = BigInt::from(was) - BigInt::from(right);
    let (sign, size) = (off.sign(), off.magnitude() * K.unsigned_abs());
    let size = match sign {
        Sign::NoSign => return 0,
        _ if right == 0 => ERROR_MAX_PPB,
        _ => {
            let right = num_bigint::BigUint::from(right.unsigned_abs());
            let size = i64::try_from((size + &right - 1_u32) / right);
            size.unwrap_or(ERROR_MAX_PPB).min(ERROR_MAX_PPB)
        }
    };
    if sign == Sign::Minus { -size } else { size }
}

/// Whether the error is there and is the threshold or more of the right value, exactly.
fn reaches(was: i128, right: i128, threshold: Ppb) -> bool {
    let off = (BigInt::from(was) - BigInt::from(right)).magnitude().clone();
    let bound = num_bigint::BigUint::from(right.unsigned_abs()) * threshold.as_ppb().unsigned_abs();
    was != right && off * K.unsigned_abs() >= bound
}

/// What the orders that were filled should have got, and what that is worth at the corrected NAV per share.
fn joiners(dealt: &Dealt, nav: i128, ask: i128) -> Result<Vec<JoinerPart>, RestateError> {
    let supply = i128::from(dealt.shares.as_nano());
    let filled: Vec<&Fill> = dealt.fills.iter().filter(|fill| fill.shares > Shares::ZERO).collect();
    let spent = |fill: &Fill| i128::from(fill.cash.as_micro()) - i128::from(fill.levy.as_micro());
    let mut rights: Vec<i128> =
        filled.iter().map(|fill| shares_for(spent(fill), supply, ask)).collect();
    if rights.iter().fold(supply, |sum, right| sum.saturating_add(*right)) > SUPPLY_MAX {
        rights.fill(0);
    }
    let mut parts = Vec::with_capacity(filled.len());
    for (fill, right) in filled.into_iter().zip(rights) {
        let levy = i128::from(fill.levy.as_micro());
        let paid = i128::from(fill.cost.as_micro()) + levy;
        let right_paid = if right == 0 { 0 } else { cost_of(right, ask, supply) + levy };
        let more = right - i128::from(fill.shares.as_nano());
        // (s' - s)·N'/(S·K) + (paid - paid'), over one denominator.
        let unit = BigInt::from(supply) * K;
        let owed = BigInt::from(more) * nav + BigInt::from(paid - right_paid) * &unit;
        let size = ceil(&BigInt::from(owed.magnitude().clone()), &unit, fill.who.as_str())?;
        let (loss, gain) =
            if owed.sign() == Sign::Minus { (Cash::ZERO, size) } else { (size, Cash::ZERO) };
        parts.push(JoinerPart {
            who: fill.who.clone(),
            shares: fill.shares,
            // At most half of the limit: the orders together stay below it.
            right_shares: Shares::from_nano(i64::try_from(right).unwrap_or(LIMIT)),
            loss,
            gain,
        });
    }
    Ok(parts)
}

/// Shares of the performance fee that the right NAV does not give, at the corrected NAV per share.
fn fee_excess(dealt: &Dealt, nav: i128) -> Result<Cash, RestateError> {
    let (supply, made) =
        (i128::from(dealt.shares.as_nano()), i128::from(dealt.performance.as_nano()));
    if made == 0 {
        return Ok(Cash::ZERO);
    }
    let rate = i128::from(dealt.performance_rate.as_ppb());
    let right = performance_fee(nav, supply - made, dealt.high_water, rate).map_or(0, |fee| fee.1);
    let excess = BigInt::from((made - right).max(0)) * nav;
    ceil(&excess, &(BigInt::from(supply) * K), "the fund")
}

/// `⌈a/b⌉` of numbers that are not negative.
fn ceil(a: &BigInt, b: &BigInt, who: &str) -> Result<Cash, RestateError> {
    let cash = i64::try_from((a + b - 1_u32) / b).ok().filter(|cash| *cash <= LIMIT);
    cash.map(Cash::from_micro).ok_or_else(|| RestateError::Bound { who: who.to_owned() })
}
