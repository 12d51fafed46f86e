//! The two-sided strike: prices are committed to before the cut-off and told after it (FUND 1.5, 6.1; invariants 25 and 26).
//!
//! ```text
//! commit_prices ─▶ orders come and go ─▶ close_orders ─▶ reveal_prices ─▶ strike
//!                                             └──────── nothing ────────▶ strike: the reveal is withheld
//! ```
//! One commitment is open at a time and is for one strike. The book that was closed is what that strike settles, every order of it and
//! no other: it fills a joiner at the prices that were committed to, or gives him everything back. He never waits into prices that are
//! committed to when his order is known; so whoever chooses the prices has no second choice. Slices use no mark, so leavers get theirs
//! whether prices are told or not.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, DAY_MAX, check_amount, check_listed, check_live, check_seeded, clock, find_fund},
    cut_off::{self, QueueChange},
    fund_state::FundState,
    kind::Kind,
    mark::mark,
    outcome::Outcome,
    rejection::Rejection,
    salt::Salt,
    state::State,
    window::return_some,
};
use crate::{
    amount::{Cash, PriceNano, Shares},
    canonical,
    digest::Digest,
    name::Name,
};

/// Days that a closed book waits for its strike; then it may be opened again, so that nobody's money is shut in by an operator who
/// closes and does not strike.
pub const BOOK_DAYS_MAX: i64 = 3;

/// A set of prices, as it is committed to and told.
#[derive(Clone, Copy, Debug)]
pub struct PriceSet<'a> {
    /// The fund.
    pub fund: &'a Name,
    /// The strike that it is for.
    pub number: u64,
    /// Accepted prices.
    pub prices: &'a BTreeMap<Name, PriceNano>,
    /// Pooled estimates.
    pub estimates: &'a BTreeMap<Name, PriceNano>,
    /// What keeps the digest from telling the prices, which are few and known to many.
    pub salt: &'a Salt,
}

/// The form that is hashed: amounts are texts, because JSON numbers end at 2^53.
#[derive(Serialize)]
struct Hashed<'a> {
    estimates: BTreeMap<&'a Name, String>,
    fund: &'a Name,
    number: u64,
    prices: BTreeMap<&'a Name, String>,
    salt: &'a Salt,
}

impl PriceSet<'_> {
    /// What binds to this set and tells nothing of it: SHA-256 over canonical JSON of fund, number, prices, estimates (decimal texts of
    /// 1e-9 credits) and salt.
    ///
    /// # Errors
    /// [`canonical::CanonicalError`] for a number beyond 2^53 − 1, which strikes never reach.
    pub fn commitment(&self) -> Result<Digest, canonical::CanonicalError> {
        fn texts(map: &BTreeMap<Name, PriceNano>) -> BTreeMap<&Name, String> {
            map.iter().map(|(model, price)| (model, price.as_nano().to_string())).collect()
        }
        canonical::digest_of(&Hashed {
            estimates: texts(self.estimates),
            fund: self.fund,
            number: self.number,
            prices: texts(self.prices),
            salt: self.salt,
        })
    }
}

/// A commitment that no strike has used up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// What was committed to.
    pub digest: Digest,
    /// The closed book; none while orders are taken.
    pub book: Option<ClosedBook>,
    /// Whether the prices were told, and are the marks.
    pub revealed: bool,
}

/// The orders that one strike settles: the first of each queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedBook {
    /// The day on which it was closed.
    pub day: i64,
    /// Subscription orders in it; none where they were held back.
    pub subscriptions: usize,
    /// Redemption orders in it.
    pub redemptions: usize,
    /// Requests at the window in it, as far as they are not settled.
    pub window: usize,
}

/// What a strike settles.
pub(super) struct Dealing<'a> {
    pub(super) joins: Cow<'a, [(Name, Cash)]>,
    pub(super) leaves: &'a [(Name, Shares)],
    /// Joiners get everything back.
    pub(super) gives_back: bool,
    /// Places of joiners among the first whose orders are held back and wait on.
    pub(super) kept: Vec<u64>,
}

impl FundState {
    /// What the next strike settles, if it leaves the fund winding up or not.
    pub(super) fn dealing(&self, winding: bool) -> Dealing<'_> {
        let open = self.commitment.as_ref();
        let bound = open.and_then(|open| open.book);
        // A fund that winds up gives all subscriptions back, whatever was in doubt.
        let doubt = bound.is_none() && self.subscriptions_wait() && !winding;
        let (joins, leaves) = match self.closed_book() {
            Some(book) => (
                self.subscriptions.get(..book.subscriptions),
                self.redemptions.get(..book.redemptions),
            ),
            None => (Some(&*self.subscriptions), Some(&*self.redemptions)),
        };
        let joins = joins.filter(|_| !doubt).unwrap_or_default();
        let withheld = open.is_some_and(|open| !open.revealed);
        let gives_back = winding || withheld || open.is_some() && self.subscriptions_wait();
        let leaves = leaves.unwrap_or_default();
        let of_book = |place: &u64| (*place as usize) < joins.len();
        let kept: Vec<u64> = self.held_orders().filter(of_book).collect();
        // What goes back to everybody goes back to those too who are held.
        if gives_back || kept.is_empty() {
            return Dealing { joins: joins.into(), leaves, gives_back, kept: Vec::new() };
        }
        let dealt = |(place, order): (u64, &(Name, Cash))| {
            kept.binary_search(&place).is_err().then(|| order.clone())
        };
        let dealt: Vec<_> = (0..).zip(joins).filter_map(dealt).collect();
        Dealing { joins: dealt.into(), leaves, gives_back, kept }
    }

    /// What a strike that settled `dealing` leaves of the queues.
    pub(super) fn settled(&self, dealing: &Dealing<'_>, winding: bool) -> Option<Effect> {
        let fund = self.name.clone();
        if self.cut_off.is_some() || !dealing.kept.is_empty() {
            let change = QueueChange::BookSettled {
                kept: dealing.kept.clone(),
                redemptions: dealing.leaves.len() as u64,
                subscriptions: (dealing.joins.len() + dealing.kept.len()) as u64,
            };
            return Some(Effect::Queued { change, fund });
        }
        if let Some(open) = &self.commitment {
            let counts = (dealing.joins.len() as u64, dealing.leaves.len() as u64);
            return Some(used_up(fund, counts, !open.revealed));
        }
        if self.subscriptions_wait() && !winding {
            return (!self.redemptions.is_empty()).then_some(Effect::RedemptionsSettled { fund });
        }
        let empty = self.subscriptions.is_empty() && self.redemptions.is_empty();
        (!empty).then_some(Effect::QueuesSettled { fund })
    }

    /// Takes what this file's events do to a fund.
    pub(super) fn take_reveal(&mut self, effect: &Effect) {
        match effect {
            Effect::PricesCommitted { commitment, .. } => {
                let digest = *commitment;
                self.commitment = Some(Commitment { digest, book: None, revealed: false });
            }
            Effect::OrdersClosed { day, redemptions, subscriptions, window, .. } => {
                let (subscriptions, redemptions) = (index(*subscriptions), index(*redemptions));
                let window = index(*window);
                let book = ClosedBook { day: *day, subscriptions, redemptions, window };
                if let Some(open) = &mut self.commitment {
                    open.book = Some(book);
                }
            }
            Effect::PricesRevealed { .. } => {
                if let Some(open) = &mut self.commitment {
                    open.revealed = true;
                }
            }
            Effect::CommitmentUsed { redemptions, subscriptions, .. } => {
                let joins = index(*subscriptions);
                self.drop_subscriptions(|place| place < joins);
                let leaves = index(*redemptions).min(self.redemptions.len());
                self.redemptions.drain(..leaves);
                self.commitment = None;
            }
            _ => {}
        }
    }
}

fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

const fn used_up(fund: Name, (subscriptions, redemptions): (u64, u64), withheld: bool) -> Effect {
    Effect::CommitmentUsed { fund, redemptions, subscriptions, withheld }
}

fn wrong(fund: &FundState, why: &'static str) -> Rejection {
    Rejection::Commitment { fund: fund.name.clone(), why }
}

/// Binds the prices of the next strike.
pub(super) fn commit_prices(
    state: &State,
    fund: &Name,
    commitment: Digest,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    if fund.commitment.is_some() {
        return Err(wrong(fund, "one is open, and stands until its strike"));
    }
    if fund.cut_off.is_some() {
        return Err(wrong(fund, "orders were cut off already: prices are committed to before"));
    }
    if fund.auction().call().is_some_and(|call| call.closed.is_some()) {
        // What is accepted after a commitment is not in it, and whoever bound it would choose old marks.
        return Err(wrong(fund, "bids are open: their strike takes the prices of its moment"));
    }
    book.effect(Effect::PricesCommitted { commitment, fund: fund.name.clone() });
    Ok(book.finish(Outcome::None))
}

fn check_day(fund: &FundState, day: i64) -> Result<(), Rejection> {
    let is_day = (fund.day()..=DAY_MAX).contains(&day);
    if is_day { Ok(()) } else { Err(clock(day.to_string(), fund.day())) }
}

/// The cut-off: what waits now is the book, and whatever comes later queues behind it.
pub(super) fn close_orders(state: &State, fund: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    check_day(fund, day)?;
    let Some(open) = &fund.commitment else {
        return Err(wrong(fund, "none is open: prices are committed to before orders are closed"));
    };
    if open.book.is_some() {
        return Err(wrong(fund, "its book is closed already"));
    }
    let mut book = Book::over(state);
    // Joiners who are held back while a valuation is in doubt stay outside and wait on.
    let waits = fund.subscriptions_wait();
    let joins = if waits { 0 } else { fund.subscriptions.len() };
    // Requests at the window are in it in doubt too: the strike pays them or gives them back, and nobody's shares are shut in.
    let window = fund.window.requests().len() as u64;
    book.effect(Effect::OrdersClosed {
        day,
        fund: fund.name.clone(),
        redemptions: fund.redemptions.len() as u64,
        subscriptions: joins as u64,
        window,
    });
    Ok(book.finish(Outcome::None))
}

/// Opens a book again that waited too long: joiners get everything back, leavers wait on and may take their orders back.
pub(super) fn reopen_orders(state: &State, fund: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    check_day(fund, day)?;
    let Some(closed) = fund.commitment.and_then(|open| open.book) else {
        return cut_off::reopen(state, fund, day);
    };
    if day.saturating_sub(closed.day) < BOOK_DAYS_MAX {
        return Err(Rejection::Closed {
            what: format!("the book of {} until day {}", fund.name, closed.day + BOOK_DAYS_MAX),
        });
    }
    let mut book = Book::over(state);
    let joins = fund.subscriptions.get(..closed.subscriptions).unwrap_or_default();
    for (who, cash) in joins {
        let (escrow, person) =
            (Account::EscrowSubscriptions(fund.name.clone()), Account::Person(who.clone()));
        let leg = (Asset::Cash, escrow, person, i128::from(cash.as_micro()));
        let facts = Meta::Request { who: who.clone() };
        book.post(Kind::SubCancel, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    }
    return_some(&mut book, fund, fund.window_book())?;
    book.effect(used_up(fund.name.clone(), (joins.len() as u64, 0), true));
    Ok(book.finish(Outcome::None))
}

/// An order of a closed book is its strike's.
pub(super) fn check_not_closed(
    fund: &FundState,
    place: u64,
    count: impl Fn(&ClosedBook) -> usize,
) -> Result<(), Rejection> {
    match fund.closed_book() {
        Some(book) if place < count(&book) as u64 => Err(Rejection::Closed {
            what: format!("the order at place {place} of {}: its strike settles it", fund.name),
        }),
        _ => Ok(()),
    }
}

/// Prices are set freely only while none are committed to.
pub(super) fn check_uncommitted(fund: &FundState) -> Result<(), Rejection> {
    match &fund.commitment {
        None => Ok(()),
        Some(_) => {
            Err(wrong(fund, "prices were committed to: no others are set before the strike"))
        }
    }
}

/// Tells the prices that were committed to, and marks them; a model that was delisted meanwhile stays at nothing.
pub(super) fn reveal_prices(
    state: &State,
    fund: &Name,
    prices: &BTreeMap<Name, PriceNano>,
    estimates: &BTreeMap<Name, PriceNano>,
    salt: &Salt,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    for (model, price) in prices.iter().chain(estimates) {
        check_listed(fund, model)?;
        check_amount("price", price.as_nano(), 0)?;
    }
    let Some(open) = &fund.commitment else {
        return Err(wrong(fund, "none is open"));
    };
    if open.book.is_none() {
        return Err(wrong(
            fund,
            "orders are not closed yet: nobody may know the prices he deals at",
        ));
    }
    if open.revealed {
        return Err(wrong(fund, "its prices were told already"));
    }
    let (name, number) = (&fund.name, fund.epoch() + 1);
    let set = PriceSet { fund: name, number, prices, estimates, salt };
    let found = set.commitment().map_err(|_| Rejection::Internal("a strike beyond 2^53"))?;
    if found != open.digest {
        return Err(wrong(
            fund,
            "these are not the prices that were committed to, or not the salt",
        ));
    }
    let live = |map: &BTreeMap<Name, PriceNano>| -> BTreeMap<Name, PriceNano> {
        let live = map.iter().filter(|(model, _)| check_live(state, fund, model).is_ok());
        live.map(|(model, price)| (model.clone(), *price)).collect()
    };
    let mut book = Book::over(state);
    mark(&mut book, fund, &live(prices), &live(estimates))?;
    book.effect(Effect::PricesRevealed { fund: fund.name.clone() });
    Ok(book.finish(Outcome::None))
}
