//! The strike: fees, freeze, wind-up test, subscriptions, slices; one event (FUND 1.5).

use std::collections::BTreeMap;

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Effect, Meta},
    book::{Book, DraftLeg, DraftLine, check_seeded, find_fund, limit},
    fund_state::{FundState, Pool, Progress},
    kind::Kind,
    math::{self, K},
    outcome::{Fill, Outcome, Slice, StrikeOutcome},
    rejection::Rejection,
    reveal::Dealing,
    state::State,
    window::{close_sales, return_at_strike},
};
use crate::{
    amount::{Cash, Femto, LIMIT, PriceNano, Shares, Units},
    name::Name,
};

/// Femto per nano-share below which a fund winds up: 0.01 credit a share (FUND 2.19).
const WIND_UP_BELOW: i128 = 10_000;
/// Shares above which a strike fills no subscription, and none are made in kind (FUND 2.2).
pub(super) const SUPPLY_MAX: i128 = LIMIT as i128 / 2;

/// What every order of one strike deals with.
struct Frozen<'a> {
    nav: i128,
    ask: i128,
    shares: i128,
    cash: i128,
    units: Vec<(&'a Name, PriceNano, i128)>,
}

impl<'a> Frozen<'a> {
    fn of(book: &Book<'a>, fund: &'a FundState) -> Self {
        let held = |model: &'a Name| {
            (model, fund.price(model).unwrap_or_default(), book.units(fund, model))
        };
        Self {
            nav: book.nav(fund),
            ask: book.ask(fund),
            shares: book.shares(fund),
            cash: book.cash(fund),
            units: book.live(fund).into_iter().map(held).collect(),
        }
    }

    /// Under 0.01 credit a share, or down by more than 90 % since the last strike; exact.
    fn winds_up(&self, last: Option<(Femto, Shares)>) -> bool {
        winds_up((self.nav, self.shares), last)
    }
}

/// The test of a NAV and shares against those at the end of the last strike.
pub(super) fn winds_up((nav, shares): (i128, i128), last: Option<(Femto, Shares)>) -> bool {
    let fell = last.is_some_and(|(before, held)| {
        let before = before.as_femto().unwrap_or(i128::MAX);
        math::ratio_above(before, i128::from(held.as_nano()), nav.saturating_mul(10), shares)
    });
    nav < WIND_UP_BELOW * shares || fell
}

pub(super) fn strike(state: &State, name: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, name)?;
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    book.charge_clock(fund, &mut progress, day)?;
    check_seeded(&book, fund)?;
    crystallise(&mut book, fund, &mut progress)?;
    progress.epoch += 1;
    let frozen = Frozen::of(&book, fund);
    progress.winding |= frozen.winds_up(progress.last);
    let mut outcome = StrikeOutcome {
        ask: Femto::from_femto(frozen.ask),
        epoch: progress.epoch,
        fills: Vec::new(),
        nav: Femto::from_femto(frozen.nav),
        shares: Shares::from_nano(narrow(frozen.shares)?),
        slices: Vec::new(),
        winding: progress.winding,
    };
    let StrikeOutcome { ask, epoch, nav, shares, winding, .. } = outcome;
    let facts = Meta::Strike { ask, day, epoch, nav, shares, winding };
    book.post(Kind::Strike, Some(name), Vec::new(), Vec::new(), facts)?;
    let dealing = fund.dealing(winding);
    outcome.fills = settle_subscriptions(&mut book, fund, &frozen, (&dealing, epoch))?;
    outcome.slices = settle_redemptions(&mut book, fund, &frozen, (&dealing, epoch))?;
    return_at_strike(&mut book, fund)?;
    if outcome.fills.iter().any(|fill| fill.shares > Shares::ZERO) {
        close_sales(&mut book, fund);
    }
    if let Some(effect) = fund.settled(&dealing, winding) {
        book.effect(effect);
    }
    if let Some(change) = fund.strikes_bids(epoch, winding) {
        book.effect(Effect::Bids { change, fund: name.clone() });
    }
    progress.last = Some(standing(&book, fund)?);
    book.progressed(fund, progress);
    Ok(book.finish(Outcome::Strike(outcome)))
}

/// Shares that a strike of `day` freezes: what there is after its fees.
pub(super) fn supply_after_fees(
    state: &State,
    fund: &FundState,
    day: i64,
) -> Result<i128, Rejection> {
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    book.charge_clock(fund, &mut progress, day)?;
    check_seeded(&book, fund)?;
    crystallise(&mut book, fund, &mut progress)?;
    Ok(book.shares(fund))
}

pub(super) fn narrow(amount: i128) -> Result<i64, Rejection> {
    i64::try_from(amount).map_err(|_| limit("an amount of the strike".to_owned()))
}

/// NAV and shares as the draft stands.
fn standing(book: &Book<'_>, fund: &FundState) -> Result<(Femto, Shares), Rejection> {
    Ok((Femto::from_femto(book.nav(fund)), Shares::from_nano(narrow(book.shares(fund))?)))
}

/// Charges the performance fee on the gain above the high-water mark and raises the mark (FUND 2.6).
fn crystallise(
    book: &mut Book<'_>,
    fund: &FundState,
    progress: &mut Progress,
) -> Result<(), Rejection> {
    let Some((high_nav, high_shares)) = progress.high_water else {
        return Err(Rejection::Internal("a seeded fund has a high-water mark"));
    };
    let (nav, supply) = (book.nav(fund), book.shares(fund));
    let rate = i128::from(fund.params.performance_fee.as_ppb());
    let Some((fee, minted)) = performance_fee(nav, supply, (high_nav, high_shares), rate) else {
        return Ok(());
    };
    let high_nav = high_nav.as_femto().unwrap_or(i128::MAX);
    let high_shares = i128::from(high_shares.as_nano());
    if minted > 0 {
        let manager = Account::Person(fund.params.manager.clone());
        let leg = (Asset::Share(fund.name.clone()), Account::Issue, manager, minted);
        let lines = vec![
            (GlAccount::PerformanceFee, fee),
            (GlAccount::PerformanceFeePayable, -fee),
            (GlAccount::PerformanceFeePayable, fee),
            (GlAccount::Capital, -fee),
        ];
        book.post(Kind::PerfFee, Some(&fund.name), vec![leg], lines, Meta::None)?;
    }
    if math::ratio_above(nav, book.shares(fund), high_nav, high_shares) {
        progress.high_water = Some(standing(book, fund)?);
    }
    Ok(())
}

/// The fee on the gain above the high-water mark, and the shares that it makes, both rounded down; none without a gain (FUND 2.6).
pub(super) fn performance_fee(
    nav: i128,
    supply: i128,
    (high_nav, high_shares): (Femto, Shares),
    rate: i128,
) -> Option<(i128, i128)> {
    let high_nav = high_nav.as_femto().unwrap_or(i128::MAX);
    let gain =
        nav.saturating_sub(math::ceil_div(high_nav, supply, i128::from(high_shares.as_nano())));
    if gain <= 0 {
        return None;
    }
    let wanted = math::floor_div(gain, rate, K);
    let shares = math::floor_div(wanted, supply, nav - wanted);
    // A fee that passes the bound of the ledger yields, or no strike could ever be made again.
    let minted = shares.min(i128::from(LIMIT) - supply);
    let fee = if minted < shares { math::floor_div(nav, minted, supply + minted) } else { wanted };
    Some((fee, minted))
}

/// Shares that so much cash buys after the levy, at the ask, rounded down; none where nothing is worth anything.
pub(super) fn shares_for(cash: i128, supply: i128, ask: i128) -> i128 {
    if ask == 0 { 0 } else { math::floor_div3(cash, K, supply, ask) }
}

/// What shares cost at the ask, rounded up.
pub(super) fn cost_of(shares: i128, ask: i128, supply: i128) -> i128 {
    math::ceil_div_by2(shares, ask, supply, K)
}

/// Shares for every subscription, at the ask; none for an owner who may receive none by now, none for all where together they would
/// pass the bound, or where all goes back.
fn filled(fund: &FundState, frozen: &Frozen<'_>, dealing: &Dealing<'_>) -> Vec<i128> {
    let levy_in = i128::from(fund.params.levy_in.as_ppb());
    let shares = |(who, cash): &(Name, Cash)| {
        let cash = i128::from(cash.as_micro());
        if dealing.gives_back || !fund.restrictions.may_receive(who) {
            return 0;
        }
        shares_for(cash - math::ceil_div(cash, levy_in, K), frozen.shares, frozen.ask)
    };
    let fills: Vec<i128> = dealing.joins.iter().map(shares).collect();
    let after = fills.iter().fold(frozen.shares, |sum, fill| sum.saturating_add(*fill));
    if after > SUPPLY_MAX { vec![0; fills.len()] } else { fills }
}

fn settle_subscriptions(
    book: &mut Book<'_>,
    fund: &FundState,
    frozen: &Frozen<'_>,
    (dealing, epoch): (&Dealing<'_>, u64),
) -> Result<Vec<Fill>, Rejection> {
    let levy_in = i128::from(fund.params.levy_in.as_ppb());
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    let (owner, share) = (Account::Fund(fund.name.clone()), Asset::Share(fund.name.clone()));
    let (mut legs, mut lines, mut fills) =
        (Vec::<DraftLeg>::new(), Vec::<DraftLine>::new(), Vec::new());
    let filled = filled(fund, frozen, dealing);
    for ((who, ordered), shares) in dealing.joins.iter().zip(filled) {
        let cash = i128::from(ordered.as_micro());
        let (levy, cost) = if shares == 0 {
            (0, 0)
        } else {
            let cost = cost_of(shares, frozen.ask, frozen.shares);
            (math::ceil_div(cash, levy_in, K), cost)
        };
        let person = Account::Person(who.clone());
        legs.push((Asset::Cash, escrow.clone(), owner.clone(), cost + levy));
        legs.push((Asset::Cash, escrow.clone(), person.clone(), cash - levy - cost));
        legs.push((share.clone(), Account::Issue, person, shares));
        lines.push((GlAccount::Cash, (cost + levy) * K));
        lines.push((GlAccount::Capital, -(cost + levy) * K));
        fills.push(Fill {
            cash: *ordered,
            cost: Cash::from_micro(narrow(cost)?),
            levy: Cash::from_micro(narrow(levy)?),
            shares: Shares::from_nano(narrow(shares)?),
            who: who.clone(),
        });
    }
    if !legs.is_empty() {
        book.post(Kind::SettleSubs, Some(&fund.name), legs, lines, Meta::Settlement { epoch })?;
    }
    Ok(fills)
}

/// Slices of what was frozen: no mark is used but for the valuation ledger (FUND 2.3).
fn settle_redemptions(
    book: &mut Book<'_>,
    fund: &FundState,
    frozen: &Frozen<'_>,
    (dealing, epoch): (&Dealing<'_>, u64),
) -> Result<Vec<Slice>, Rejection> {
    let (owner, share) = (Account::Fund(fund.name.clone()), Asset::Share(fund.name.clone()));
    let escrow = Account::EscrowRedemptions(fund.name.clone());
    let pool = Account::Liquidation { fund: fund.name.clone(), epoch };
    let (mut legs, mut lines, mut slices) =
        (Vec::<DraftLeg>::new(), Vec::<DraftLine>::new(), Vec::new());
    let mut burned: BTreeMap<&Name, i128> = BTreeMap::new();
    let mut any_units = false;
    for (who, given) in dealing.leaves {
        let shares = i128::from(given.as_nano());
        *burned.entry(who).or_default() += shares;
        let cash = math::floor_div(frozen.cash, shares, frozen.shares);
        legs.push((share.clone(), escrow.clone(), Account::Issue, shares));
        legs.push((Asset::Cash, owner.clone(), Account::Claim(who.clone()), cash));
        let (mut value, mut worth, mut units) = (cash * K, Vec::new(), BTreeMap::new());
        for (model, price, held) in &frozen.units {
            let part = math::floor_div(*held, shares, frozen.shares);
            let marked = part * i128::from(price.as_nano());
            value += marked;
            any_units |= part > 0;
            legs.push((Asset::Unit((*model).clone()), owner.clone(), pool.clone(), part));
            worth.push((GlAccount::Units((*model).clone()), -marked));
            units.insert((*model).clone(), Units::from_micro(narrow(part)?));
        }
        lines.push((GlAccount::Capital, value));
        lines.push((GlAccount::RedemptionsPayable, -value));
        lines.push((GlAccount::RedemptionsPayable, value));
        lines.push((GlAccount::Cash, -cash * K));
        lines.append(&mut worth);
        let cash = Cash::from_micro(narrow(cash)?);
        slices.push(Slice { cash, shares: *given, units, who: who.clone() });
    }
    if !legs.is_empty() {
        book.post(Kind::SettleReds, Some(&fund.name), legs, lines, Meta::Settlement { epoch })?;
    }
    if any_units {
        let owner = |(who, shares): (&Name, i128)| {
            narrow(shares).map(|shares| (who.clone(), Shares::from_nano(shares)))
        };
        let owners = burned.into_iter().map(owner).collect::<Result<_, _>>()?;
        let pool = Pool { batches: 0, owners };
        book.effect(Effect::PoolSet { epoch, fund: fund.name.clone(), pool });
    }
    Ok(slices)
}
