//! The instant window: a little cash for small holders at the bid, before a strike (FUND 1.3 (4)). An option, off unless a fund's
//! parameters open it.
//!
//! Laws:
//! - The budget is a part of the fund's cash, so that a run on it takes no unit from anybody and leaves the rest of the cash.
//! - The bid counts no more units than the fund itself has sold lately, none of them above what it brought ([`depth`]).
//! - Whoever takes not any price names the least for a share, and keeps his shares where the bid is lower.
//! - Everybody gets the same part of his *holding*: a larger request or a second name gains nothing.
//! - It is paid once before a strike, at the strike's own marks, so that no joiner's money is in it; it waits with the joiners while a
//!   valuation is in doubt, and for prices that are committed to.
//! - Its requests are orders: they close with the book, and whoever waits in a book whose prices are not told has his shares back.

mod depth;
mod pay;
pub(super) mod youth;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use depth::Depth;
pub use depth::{Clearing, OpenSale};
pub use pay::{WindowBid, WindowFill, WindowQuote, quote_window, window_bid};
pub(super) use pay::{bid_nav, pay, worth};
pub use youth::{MovedYoung, Young};

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, ORDERS_MAX, check_amount, check_seeded, find_fund},
    fund_state::FundState,
    kind::Kind,
    math,
    orders::give_back,
    outcome::Outcome,
    rejection::Rejection,
    reveal::check_not_closed,
    state::State,
};
use crate::{
    amount::{LIMIT, Ppb, PriceNano, Shares},
    name::Name,
};

/// A request is for at least one share in so many: ten times what the queue has places for.
const REQUEST_PARTS: i128 = 1_000_000;

/// What a fund's window may pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowParams {
    /// The part of the fund's cash that it pays at most at one strike.
    pub budget: Ppb,
    /// The part of a leaver's shares that stays in the fund for those who stay.
    pub levy_out: Ppb,
}

/// The window of one fund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub(super) requests: Vec<(Name, Shares)>,
    /// The least for a share of those who take not any price; each has one request.
    pub(super) least: BTreeMap<Name, PriceNano>,
    pub(super) depth: Depth,
    pub(super) young: BTreeMap<Name, Vec<Young>>,
    /// What transfers have moved of them, by the number of the event.
    pub(super) moved: BTreeMap<u64, Vec<Young>>,
    /// The fund's strikes when it was paid last.
    pub(super) paid: Option<u64>,
}

impl Window {
    /// Requests that wait, in the order of placing.
    #[must_use]
    pub fn requests(&self) -> &[(Name, Shares)] {
        &self.requests
    }

    /// The least that whoever waits takes for a share, after the levy; zero for any price.
    #[must_use]
    pub fn least(&self, who: &Name) -> PriceNano {
        self.least.get(who).copied().unwrap_or_default()
    }

    /// What the fund has sold and no window has counted, as it was written down; shares that left since make it less.
    #[must_use]
    pub const fn sales(&self) -> &BTreeMap<Name, Vec<OpenSale>> {
        &self.depth.sales
    }

    /// The shares that there were when it was written down.
    #[must_use]
    pub const fn sales_supply(&self) -> Shares {
        self.depth.supply
    }

    /// What the open sales of a model come to on a day, for so many shares; none where none is open.
    #[must_use]
    pub fn clearing(&self, model: &Name, supply: Shares, day: i64) -> Option<Clearing> {
        self.depth.at(i128::from(supply.as_nano()), day).clearing(model)
    }

    /// The fund's strikes when the window was paid last; none before the first time.
    #[must_use]
    pub const fn paid(&self) -> Option<u64> {
        self.paid
    }

    /// Shares of an owner that were created in kind less than 90 days ago.
    #[must_use]
    pub fn young_shares(&self, who: &Name, day: i64) -> i128 {
        youth::sum(&self.young, who, day)
    }

    /// Takes over what an event did to the window.
    pub(super) fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::WindowRequested { least, shares, who, .. } => {
                self.requests.push((who.clone(), *shares));
                if !is_any_price(least) {
                    self.least.insert(who.clone(), *least);
                }
            }
            Effect::WindowCancelled { place, .. } => {
                let place = usize::try_from(*place).ok();
                if let Some(place) = place.filter(|place| *place < self.requests.len()) {
                    let (who, _) = self.requests.remove(place);
                    self.least.remove(&who);
                }
            }
            Effect::WindowReturned { requests, .. } => self.drop_first(*requests),
            Effect::WindowPaid { epoch, requests, .. } => {
                self.drop_first(*requests);
                self.paid = Some(*epoch);
            }
            Effect::YoungSet { moved, young, .. } => {
                if let Some(moved) = moved {
                    self.moved.insert(moved.event, moved.young.clone());
                }
                for (who, list) in young {
                    if list.is_empty() {
                        self.young.remove(who);
                    } else {
                        self.young.insert(who.clone(), list.clone());
                    }
                }
            }
            Effect::SalesOpen { sales, supply, .. } => {
                self.depth = Depth { sales: sales.clone(), supply: *supply };
            }
            _ => {}
        }
    }

    fn drop_first(&mut self, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.requests.len());
        for (who, _) in self.requests.drain(..count) {
            self.least.remove(&who);
        }
    }
}

impl FundState {
    /// Takes over what an event did to the window; what is settled is in the closed book no more.
    pub(super) fn take_window(&mut self, effect: &Effect) {
        self.window.take(effect);
        if let Effect::YoungSet { .. } = effect {
            let day = self.day();
            self.window.moved.retain(|_, moved| youth::is_any_young(moved, day));
        }
        if let Effect::WindowReturned { requests, .. } | Effect::WindowPaid { requests, .. } =
            effect
        {
            let settled = usize::try_from(*requests).unwrap_or(usize::MAX);
            let bound = self.commitment.as_mut().and_then(|open| open.book.as_mut());
            let cut = self.cut_off.as_mut().and_then(|cut_off| cut_off.book.as_mut());
            if let Some(book) = bound.or(cut) {
                book.window = book.window.saturating_sub(settled);
            }
        }
    }

    /// Requests of the next payment: those of the closed book, or all that wait.
    #[must_use]
    pub fn window_book(&self) -> &[(Name, Shares)] {
        let requests = &self.window.requests;
        let count = match self.closed_book() {
            Some(book) => book.window,
            None if self.commitment.is_some() => 0,
            None => requests.len(),
        };
        requests.get(..count).unwrap_or_default()
    }

    /// Why the window is not paid now; nothing where it is.
    #[must_use]
    pub fn window_shut(&self) -> Option<&'static str> {
        if self.params.window.is_none() {
            return Some("is not open: the fund has none");
        }
        if self.subscriptions_wait() {
            return Some("waits while a valuation is in doubt or the fund is paused");
        }
        if self.commitment.as_ref().is_some_and(|open| !open.revealed) {
            return Some("waits for the prices that were committed to");
        }
        if self.window.paid == Some(self.progress.epoch) {
            return Some("was paid since the last strike already");
        }
        None
    }

    /// Whether a strike would pass over requests that can be paid: the window is paid before it.
    #[must_use]
    pub fn window_is_due(&self) -> bool {
        !self.winding() && self.window_shut().is_none() && !self.window_book().is_empty()
    }
}

/// Whether a least price is none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
pub(super) const fn is_any_price(least: &PriceNano) -> bool {
    least.as_nano() == 0
}

fn refused(fund: &FundState, why: &'static str) -> Rejection {
    Rejection::Window { fund: fund.name.clone(), why }
}

fn params_of(fund: &FundState) -> Result<WindowParams, Rejection> {
    fund.params.window.ok_or_else(|| refused(fund, "is not open: the fund has none"))
}

/// Asks for cash before the next strike; the shares wait in escrow and bear risk and fees until then.
pub(super) fn request(
    state: &State,
    fund: &Name,
    who: &Name,
    (shares, least_price): (Shares, PriceNano),
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let amount = check_amount("request", shares.as_nano(), 1)?;
    check_amount("least price of a share", least_price.as_nano(), 0)?;
    params_of(fund)?;
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    if fund.winding() {
        return Err(Rejection::Winding { fund: fund.name.clone() });
    }
    if fund.window.requests.iter().any(|(owner, _)| owner == who) {
        return Err(Rejection::Exists { what: format!("a request of {who} at the window") });
    }
    let least = math::ceil_div(book.shares(fund), 1, REQUEST_PARTS);
    if amount < least {
        let min = i64::try_from(least).unwrap_or(LIMIT);
        let value = shares.as_nano().to_string();
        return Err(Rejection::Amount { what: "request at the window", value, min, max: LIMIT });
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
    book.effect(Effect::WindowRequested { fund, least: least_price, shares, who });
    Ok(book.finish(Outcome::None))
}

/// Takes a request back while it waits and is in no closed book.
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
    check_not_closed(fund, place, |book| book.window)?;
    let escrow = Account::EscrowRedemptions(fund.name.clone());
    let held = (Asset::Share(fund.name.clone()), escrow, i128::from(shares.as_nano()));
    let effect = Effect::WindowCancelled { fund: fund.name.clone(), place };
    give_back(state, (&fund.name, who), Kind::WindowCancel, held, effect)
}

/// What a strike gives back that no payment has settled: the closed book, or everybody where none is closed. So nobody's shares wait over
/// strikes, into marks that are made when it is known that they wait; and what came behind a cut-off is in no strike of it.
pub(super) fn return_at_strike(book: &mut Book<'_>, fund: &FundState) -> Result<(), Rejection> {
    let count = fund.closed_book().map_or(usize::MAX, |closed| closed.window);
    return_some(book, fund, &fund.window.requests[..count.min(fund.window.requests.len())])
}

/// Gives the first requests back whole.
pub(super) fn return_some(
    book: &mut Book<'_>,
    fund: &FundState,
    returned: &[(Name, Shares)],
) -> Result<(), Rejection> {
    if returned.is_empty() {
        return Ok(());
    }
    let (escrow, share) =
        (Account::EscrowRedemptions(fund.name.clone()), Asset::Share(fund.name.clone()));
    let leg = |(who, shares): &(Name, Shares)| {
        let amount = i128::from(shares.as_nano());
        (share.clone(), escrow.clone(), Account::Person(who.clone()), amount)
    };
    let legs = returned.iter().map(leg).collect();
    book.post(Kind::WindowCancel, Some(&fund.name), legs, Vec::new(), Meta::None)?;
    let (fund, requests) = (fund.name.clone(), returned.len() as u64);
    book.effect(Effect::WindowReturned { fund, requests });
    Ok(())
}

/// New shares had no part in what sales brought: none of them counts any more.
pub(super) fn close_sales(book: &mut Book<'_>, fund: &FundState) {
    if !fund.window.depth.is_empty() {
        open_sales(book, fund, Depth::default());
    }
}

/// Writes down what is open.
pub(super) fn open_sales(book: &mut Book<'_>, fund: &FundState, depth: Depth) {
    let Depth { sales, supply } = depth;
    book.effect(Effect::SalesOpen { fund: fund.name.clone(), sales, supply });
}
