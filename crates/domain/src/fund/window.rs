//! The instant window: a little cash for small holders at the bid, before a strike (FUND 1.3 (4)). An option, off unless a fund's
//! parameters open it.
//!
//! Laws:
//! - The budget is a part of the fund's cash, so that a run on it takes no unit from anybody and leaves the rest of the cash.
//! - The bid counts a unit at what units were lately sold for, never at its mark, and at nothing where none was sold.
//! - Everybody gets the same part of his *holding*: a larger request, a second one, or a second name gains nothing.
//! - It is paid before the strike whose day it is, so that no joiner's money is in it, and it waits with the joiners while a
//!   valuation is in doubt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Effect, Meta},
    book::{Book, ORDERS_MAX, check_amount, check_seeded, find_fund},
    fund_state::FundState,
    kind::Kind,
    math::{self, K},
    orders::give_back,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
    strike::narrow,
};
use crate::{
    amount::{Cash, PPB_ONE, Ppb, Shares},
    name::Name,
};

/// Days after which a sale says nothing of a model's market any more.
const CLEARING_DAYS: i64 = 90;
/// Days for which shares that were created in kind may not be paid here: their units were valued by nobody.
const YOUNG_DAYS: i64 = 90;
/// One new sale moves the average by one part in so many.
const CLEARING_PARTS: i128 = 4;
/// A part of one holding is a number of these: 1e-18.
const PART_ONE: i128 = 1_000_000_000_000_000_000;

/// What a fund's window may pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowParams {
    /// The part of the fund's cash that it pays at most at one strike.
    pub budget: Ppb,
    /// The part of a leaver's shares that stays in the fund for those who stay.
    pub levy_out: Ppb,
}

/// What sales of a model have lately brought, as a part of its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clearing {
    /// The fund's day of the last sale.
    pub day: i64,
    /// Average of price over mark, at most one; each new sale counts a quarter.
    pub ratio: Ppb,
}

/// Shares that were created in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Young {
    /// The fund's day of their making.
    pub day: i64,
    /// How many.
    pub shares: Shares,
}

/// The window of one fund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub(super) requests: Vec<(Name, Shares)>,
    pub(super) clearing: BTreeMap<Name, Clearing>,
    pub(super) young: BTreeMap<Name, Vec<Young>>,
}

/// What an owner got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowFill {
    /// Credits, at once.
    pub cash: Cash,
    /// Shares whose value stayed in the fund; part of `shares`.
    pub levy: Shares,
    /// Shares asked for, in all requests of the owner.
    pub requested: Shares,
    /// Shares given back; the rest of what was asked for returned to the owner.
    pub shares: Shares,
    /// Whose.
    pub who: Name,
}

impl Window {
    /// Requests that wait, in the order of placing.
    #[must_use]
    pub fn requests(&self) -> &[(Name, Shares)] {
        &self.requests
    }

    /// What sales of each model have brought.
    #[must_use]
    pub const fn clearing(&self) -> &BTreeMap<Name, Clearing> {
        &self.clearing
    }

    /// What a unit of a model counts at the bid, as a part of its mark: the average of sales, nothing 90 days after the last one.
    #[must_use]
    pub fn bid_part(&self, model: &Name, day: i64) -> Ppb {
        let fresh = |clearing: &&Clearing| day.saturating_sub(clearing.day) <= CLEARING_DAYS;
        self.clearing.get(model).filter(fresh).map_or(Ppb::ZERO, |clearing| clearing.ratio)
    }

    /// Shares of an owner that were created in kind less than 90 days ago.
    #[must_use]
    pub fn young_shares(&self, who: &Name, day: i64) -> i128 {
        let made = self.young.get(who).into_iter().flatten();
        let young = made.filter(|made| day.saturating_sub(made.day) < YOUNG_DAYS);
        young.map(|made| i128::from(made.shares.as_nano())).sum()
    }

    /// Takes over what an event did to the window.
    pub(super) fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::WindowRequested { shares, who, .. } => {
                self.requests.push((who.clone(), *shares));
            }
            Effect::WindowCancelled { place, .. } => {
                let place = usize::try_from(*place).ok();
                if let Some(place) = place.filter(|place| *place < self.requests.len()) {
                    self.requests.remove(place);
                }
            }
            Effect::WindowSettled { .. } => self.requests.clear(),
            Effect::CreatedYoung { day, shares, who, .. } => {
                let made = self.young.entry(who.clone()).or_default();
                made.retain(|made| day.saturating_sub(made.day) < YOUNG_DAYS);
                // One entry a day keeps it short.
                match made.last_mut().filter(|made| made.day == *day) {
                    Some(made) => {
                        let sum = made.shares.as_nano().saturating_add(shares.as_nano());
                        made.shares = Shares::from_nano(sum);
                    }
                    None => made.push(Young { day: *day, shares: *shares }),
                }
            }
            Effect::Cleared { clearing, .. } => {
                self.clearing.extend(clearing.iter().map(|(model, c)| (model.clone(), *c)));
            }
            _ => {}
        }
    }

    /// The clearing of a model after one more sale at `traded` under a mark of `price`.
    pub(super) fn after_sale(
        before: Option<Clearing>,
        (traded, price): (i128, i128),
        day: i64,
    ) -> Clearing {
        let sale = math::floor_div(traded, K, price).min(K);
        let ratio = before.map_or(sale, |before| {
            let old = i128::from(before.ratio.as_ppb());
            (old * (CLEARING_PARTS - 1) + sale) / CLEARING_PARTS
        });
        // Between 0 and 1e9, as both terms are.
        Clearing { day, ratio: Ppb::from_ppb(i64::try_from(ratio).unwrap_or(PPB_ONE)) }
    }
}

fn params_of(fund: &FundState) -> Result<WindowParams, Rejection> {
    let refused =
        || Rejection::Window { fund: fund.name.clone(), why: "is not open: the fund has none" };
    fund.params.window.ok_or_else(refused)
}

/// Asks for cash before the next strike; the shares wait in escrow and bear risk and fees until then.
pub(super) fn request(
    state: &State,
    fund: &Name,
    who: &Name,
    shares: Shares,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let amount = check_amount("request", shares.as_nano(), 1)?;
    params_of(fund)?;
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    if fund.winding() {
        return Err(Rejection::Winding { fund: fund.name.clone() });
    }
    let (person, escrow) =
        (Account::Person(who.clone()), Account::EscrowRedemptions(fund.name.clone()));
    let leg = (Asset::Share(fund.name.clone()), person, escrow, amount);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::WindowRequest, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    if fund.window.requests.len() >= ORDERS_MAX {
        let what = format!("requests that wait at the window of {}", fund.name);
        return Err(Rejection::Limit { what, max: ORDERS_MAX as i64 });
    }
    let (fund, who) = (fund.name.clone(), who.clone());
    book.effect(Effect::WindowRequested { fund, shares, who });
    Ok(book.finish(Outcome::None))
}

/// Takes a request back while it waits.
pub(super) fn cancel(
    state: &State,
    fund: &Name,
    who: &Name,
    place: u64,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let waiting = usize::try_from(place).ok().and_then(|place| fund.window.requests.get(place));
    let own = waiting.filter(|(owner, _)| owner == who);
    let Some((_, shares)) = own else {
        let what = "cancel: no request of this owner waits at this place";
        return Err(Rejection::Nothing { what });
    };
    let escrow = Account::EscrowRedemptions(fund.name.clone());
    let held = (Asset::Share(fund.name.clone()), escrow, i128::from(shares.as_nano()));
    let effect = Effect::WindowCancelled { fund: fund.name.clone(), place };
    give_back(state, (&fund.name, who), Kind::WindowCancel, held, effect)
}

/// One owner at the window.
struct Claimant<'a> {
    who: &'a Name,
    requested: i128,
    holding: i128,
}

/// What everybody at the window deals with.
struct Bid {
    nav: i128,
    supply: i128,
    levy_out: i128,
}

impl Bid {
    /// Shares whose value stays: rounded up, for the fund.
    fn levy(&self, shares: i128) -> i128 {
        math::ceil_div(shares, self.levy_out, K)
    }

    /// Micro-credits for so many shares: `⌊N_bid·(g−levy)/(S·K)⌋`.
    fn pays(&self, shares: i128) -> i128 {
        math::floor_div(self.nav, shares - self.levy(shares), self.supply * K)
    }
}

/// Pays the window before a strike of `day`, after its management fee; what is not paid returns. A fund that winds up pays nobody.
pub(super) fn pay(state: &State, name: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, name)?;
    let params = params_of(fund)?;
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    book.charge_clock(fund, &mut progress, day)?;
    check_seeded(&book, fund)?;
    if fund.subscriptions_wait() && !fund.winding() {
        let why = "waits while a valuation is in doubt";
        return Err(Rejection::Window { fund: name.clone(), why });
    }
    if fund.window.requests.is_empty() {
        return Err(Rejection::Nothing { what: "pay: nobody waits at the window" });
    }
    let claimants = claimants(&book, fund, day);
    let bid = Bid {
        nav: bid_nav(&book, fund, day),
        supply: book.shares(fund),
        levy_out: i128::from(params.levy_out.as_ppb()),
    };
    let budget = if fund.winding() {
        0
    } else {
        math::floor_div(book.cash(fund), i128::from(params.budget.as_ppb()), K)
    };
    let given = |claimant: &Claimant<'_>, part| given(claimant, &bid, part);
    let part = common_part(&claimants, |claimant, part| bid.pays(given(claimant, part)), budget);
    let mut fills = Vec::with_capacity(claimants.len());
    let (mut legs, mut paid) = (Vec::new(), 0);
    let (escrow, share) = (Account::EscrowRedemptions(name.clone()), Asset::Share(name.clone()));
    for claimant in &claimants {
        let given = given(claimant, part);
        let (cash, person) = (bid.pays(given), Account::Person(claimant.who.clone()));
        paid += cash;
        legs.push((share.clone(), escrow.clone(), Account::Issue, given));
        legs.push((share.clone(), escrow.clone(), person.clone(), claimant.requested - given));
        legs.push((Asset::Cash, Account::Fund(name.clone()), person, cash));
        fills.push(WindowFill {
            cash: Cash::from_micro(narrow(cash)?),
            levy: Shares::from_nano(narrow(bid.levy(given))?),
            requested: Shares::from_nano(narrow(claimant.requested)?),
            shares: Shares::from_nano(narrow(given)?),
            who: claimant.who.clone(),
        });
    }
    let lines = vec![(GlAccount::Capital, paid * K), (GlAccount::Cash, -paid * K)];
    book.post(Kind::WindowPay, Some(name), legs, lines, Meta::None)?;
    book.effect(Effect::WindowSettled { fund: name.clone() });
    book.progressed(fund, progress);
    Ok(book.finish(Outcome::Window(fills)))
}

/// Cash, and every unit at its bid; femto, each name rounded down.
pub(super) fn bid_nav(book: &Book<'_>, fund: &FundState, day: i64) -> i128 {
    let value = |(model, price): (&Name, &crate::amount::PriceNano)| {
        let marked = book.units(fund, model) * i128::from(price.as_nano());
        math::floor_div(marked, i128::from(fund.window.bid_part(model, day).as_ppb()), K)
    };
    book.cash(fund) * K + fund.prices.iter().map(value).sum::<i128>()
}

/// Owners at the window, by name, each with all his requests and with the shares that may be paid here.
fn claimants<'a>(book: &Book<'_>, fund: &'a FundState, day: i64) -> Vec<Claimant<'a>> {
    let mut requested = BTreeMap::<&Name, i128>::new();
    for (who, shares) in &fund.window.requests {
        *requested.entry(who).or_default() += i128::from(shares.as_nano());
    }
    let share = Asset::Share(fund.name.clone());
    let claimant = |(who, requested): (&'a Name, i128)| {
        let free = i128::from(book.balance(&Account::Person(who.clone()), &share));
        let young = fund.window.young_shares(who, day);
        Claimant { who, requested, holding: (free + requested - young).max(0) }
    };
    requested.into_iter().map(claimant).collect()
}

/// What an owner gives where everybody gives `part` of his holding at most: `min(requested, ⌊part·holding⌋)`, and nothing for nothing.
fn given(claimant: &Claimant<'_>, bid: &Bid, part: i128) -> i128 {
    let most = claimant.requested.min(math::floor_div(claimant.holding, part, PART_ONE));
    if bid.pays(most) > 0 { most } else { 0 }
}

/// The largest part of one, in 1e-18, that the budget pays for; `cost` never falls with it.
fn common_part(
    claimants: &[Claimant<'_>],
    cost: impl Fn(&Claimant<'_>, i128) -> i128,
    budget: i128,
) -> i128 {
    let fits = |part: i128| {
        let all = claimants.iter().map(|claimant| cost(claimant, part));
        all.fold(0_i128, i128::saturating_add) <= budget
    };
    if fits(PART_ONE) {
        return PART_ONE;
    }
    let (mut low, mut high) = (0, PART_ONE);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
