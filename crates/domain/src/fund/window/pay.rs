//! The payment: one bid, one budget, one part of every holding.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Depth, WindowParams, open_sales, params_of, refused};
use crate::{
    amount::{Cash, Femto, PriceNano, Shares},
    fund::{
        account::{Account, Asset, GlAccount},
        batch::{Batch, Effect, Meta},
        book::{Book, check_amount, check_seeded, find_fund},
        fund_state::FundState,
        kind::Kind,
        math::{self, K},
        outcome::Outcome,
        rejection::Rejection,
        state::State,
        strike::narrow,
    },
    name::Name,
};

/// A part of one holding is a number of these: 1e-18.
const PART_ONE: i128 = 1_000_000_000_000_000_000;

/// 1e-15 credits in 1e-9.
const FEMTO_PER_NANO: i128 = 1_000_000;

/// What an owner got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowFill {
    /// Credits, at once.
    pub cash: Cash,
    /// Shares whose value stayed in the fund; part of `shares`.
    pub levy: Shares,
    /// Shares asked for.
    pub requested: Shares,
    /// Shares given back; the rest of what was asked for returned to the owner.
    pub shares: Shares,
    /// Whose.
    pub who: Name,
}

/// What the window would pay if it were paid now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowQuote {
    /// Credits for the shares that were asked about, of somebody who has no others, beside those who wait; none where the window is shut.
    pub cash: Option<Cash>,
    /// At what it would pay them.
    pub bid: WindowBid,
}

/// At what the window would pay if it were paid now, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowBid {
    /// Cash, and units at the bid.
    pub nav: Femto,
    /// Shares that there are after the fees until then.
    pub supply: Shares,
    /// The most that it pays at this strike.
    pub budget: Cash,
}

impl WindowBid {
    fn of(bid: &Bid) -> Result<Self, Rejection> {
        Ok(Self {
            nav: Femto::from_femto(bid.nav),
            supply: Shares::from_nano(narrow(bid.supply)?),
            budget: Cash::from_micro(narrow(bid.budget)?),
        })
    }
}

/// One owner at the window.
struct Claimant<'a> {
    who: &'a Name,
    requested: i128,
    holding: i128,
    /// The least for a share, in 1e-9 credits.
    least: i128,
}

/// What everybody at the window deals with.
struct Bid {
    nav: i128,
    supply: i128,
    levy_out: i128,
    budget: i128,
    /// For one share after the levy, in 1e-9 credits, rounded down.
    price: i128,
}

impl Bid {
    fn of(book: &Book<'_>, fund: &FundState, (params, depth): (WindowParams, &Depth)) -> Self {
        let nav = bid_nav(
            depth,
            book.cash(fund),
            book.live(fund).into_iter().map(|model| (model, book.units(fund, model))),
            |model| worth(fund.price(model).unwrap_or_default(), fund.estimate(model)),
        );
        let (supply, levy_out) = (book.shares(fund), i128::from(params.levy_out.as_ppb()));
        Self {
            nav,
            supply,
            levy_out,
            price: math::floor_div(nav, K - levy_out, supply * FEMTO_PER_NANO),
            budget: math::floor_div(book.cash(fund), i128::from(params.budget.as_ppb()), K),
        }
    }

    /// Shares whose value stays: rounded up, for the fund.
    fn levy(&self, shares: i128) -> i128 {
        math::ceil_div(shares, self.levy_out, K)
    }

    /// Micro-credits for so many shares: `⌊N_bid·(g−levy)/(S·K)⌋`.
    fn pays(&self, shares: i128) -> i128 {
        math::floor_div(self.nav, shares - self.levy(shares), self.supply * K)
    }

    /// What an owner gives where everybody gives `part` of his holding at most: `min(requested, ⌊part·holding⌋)`, nothing for nothing, and
    /// nothing for less than his least. The bid is one for all and no request moves it, so who takes it is known before the part is.
    fn given(&self, claimant: &Claimant<'_>, part: i128) -> i128 {
        if claimant.least > self.price {
            return 0;
        }
        let most = claimant.requested.min(math::floor_div(claimant.holding, part, PART_ONE));
        if self.pays(most) > 0 { most } else { 0 }
    }

    /// The largest part of one, in 1e-18, that the budget pays for and that leaves half of the shares; neither falls with it.
    fn common_part(&self, claimants: &[Claimant<'_>]) -> i128 {
        let fits = |part: i128| {
            let given = claimants.iter().map(|claimant| self.given(claimant, part));
            let (shares, cash) = given.fold((0_i128, 0_i128), |(shares, cash), given| {
                (shares.saturating_add(given), cash.saturating_add(self.pays(given)))
            });
            cash <= self.budget && 2 * shares <= self.supply
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
}

/// What a unit is said to be worth to a leaver: the smaller of price and estimate, as a joiner pays the larger.
pub(in crate::fund) fn worth(price: PriceNano, estimate: Option<PriceNano>) -> PriceNano {
    estimate.map_or(price, |estimate| estimate.min(price))
}

/// Cash, and units as far as they were sold, at the bid; femto, each name rounded down.
pub(in crate::fund) fn bid_nav<'a>(
    depth: &Depth,
    cash: i128,
    units: impl Iterator<Item = (&'a Name, i128)>,
    worth: impl Fn(&Name) -> PriceNano,
) -> i128 {
    cash * K + units.map(|(model, held)| depth.value(model, held, worth(model))).sum::<i128>()
}

/// Owners of requests, by name, each with the shares that may be paid here.
fn claimants<'a>(
    book: &Book<'_>,
    (fund, requests): (&FundState, &'a [(Name, Shares)]),
    day: i64,
) -> Vec<Claimant<'a>> {
    let share = Asset::Share(fund.name.clone());
    let mut requested = BTreeMap::<&Name, i128>::new();
    for (who, shares) in requests {
        *requested.entry(who).or_default() += i128::from(shares.as_nano());
    }
    let claimant = |(who, requested): (&'a Name, i128)| {
        let free = i128::from(book.balance(&Account::Person(who.clone()), &share));
        let young = fund.window.young_shares(who, day);
        let least = i128::from(fund.window.least(who).as_nano());
        Claimant { who, requested, holding: (free + requested - young).max(0), least }
    };
    requested.into_iter().map(claimant).collect()
}

/// Pays the window before a strike of `day`, after its management fee; what is not paid returns.
pub(in crate::fund) fn pay(state: &State, name: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, name)?;
    let params = params_of(fund)?;
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    book.charge_clock(fund, &mut progress, day)?;
    check_seeded(&book, fund)?;
    if fund.winding() {
        return Err(Rejection::Winding { fund: name.clone() });
    }
    if let Some(why) = fund.window_shut() {
        return Err(refused(fund, why));
    }
    let claimants = claimants(&book, (fund, fund.window_book()), day);
    if claimants.is_empty() {
        return Err(Rejection::Nothing { what: "pay: nobody waits at the window" });
    }
    let depth = fund.window.depth.at(book.shares(fund), day);
    let bid = Bid::of(&book, fund, (params, &depth));
    let part = bid.common_part(&claimants);
    let mut fills = Vec::with_capacity(claimants.len());
    let (mut legs, mut paid, mut burned) = (Vec::new(), 0, 0);
    let (escrow, share) = (Account::EscrowRedemptions(name.clone()), Asset::Share(name.clone()));
    for claimant in &claimants {
        let given = bid.given(claimant, part);
        let (cash, person) = (bid.pays(given), Account::Person(claimant.who.clone()));
        paid += cash;
        burned += given;
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
    let (epoch, requests) = (fund.progress.epoch, fund.window_book().len() as u64);
    book.effect(Effect::WindowPaid { epoch, fund: name.clone(), requests });
    if !fund.window.depth.is_empty() {
        open_sales(&mut book, fund, depth.used(burned));
    }
    book.progressed(fund, progress);
    Ok(book.finish(Outcome::Window(fills)))
}

/// Quotes the window at the marks of now: what it would pay on a day for so many shares of somebody who has no others, beside those who
/// wait. Other requests before the strike make it less, other marks make it another; the strike's own marks count.
///
/// # Errors
/// The codes of a payment on that day but `nothing`, and `amount` for no shares or more than there are.
pub fn quote_window(
    state: &State,
    name: &Name,
    shares: Shares,
    day: i64,
) -> Result<WindowQuote, Rejection> {
    let fund = find_fund(state, name)?;
    let requested = check_amount("request", shares.as_nano(), 1)?;
    let params = params_of(fund)?;
    let mut book = Book::over(state);
    book.charge_clock(fund, &mut fund.progress.clone(), day)?;
    check_seeded(&book, fund)?;
    let supply = book.shares(fund);
    if requested > supply {
        let (value, max) = (shares.as_nano().to_string(), narrow(supply)?);
        return Err(Rejection::Amount { what: "request", value, min: 1, max });
    }
    let depth = fund.window.depth.at(supply, day);
    let bid = Bid::of(&book, fund, (params, &depth));
    let shut = fund.winding() || fund.subscriptions_wait();
    // A book that is closed is paid before, and takes no other request.
    let closed = fund.commitment.as_ref().and_then(|open| open.book).map_or(0, |book| book.window);
    let requests = fund.window.requests.get(closed..).unwrap_or_default();
    let mut claimants = claimants(&book, (fund, requests), day);
    claimants.push(Claimant { who: name, requested, holding: requested, least: 0 });
    let part = bid.common_part(&claimants);
    let cash = claimants.last().map_or(0, |own| bid.pays(bid.given(own, part)));
    Ok(WindowQuote {
        cash: if shut { None } else { Some(Cash::from_micro(narrow(cash)?)) },
        bid: WindowBid::of(&bid)?,
    })
}

/// At what the window would pay on a day, at the marks of now: asks none of those who wait.
///
/// # Errors
/// The codes of a payment on that day but `nothing`.
pub fn window_bid(state: &State, name: &Name, day: i64) -> Result<WindowBid, Rejection> {
    let fund = find_fund(state, name)?;
    let params = params_of(fund)?;
    let mut book = Book::over(state);
    book.charge_clock(fund, &mut fund.progress.clone(), day)?;
    check_seeded(&book, fund)?;
    let depth = fund.window.depth.at(book.shares(fund), day);
    WindowBid::of(&Bid::of(&book, fund, (params, &depth)))
}
