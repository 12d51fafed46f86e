//! Who may hold shares of a fund, and what is paused (FUND 3, invariants 34 and 38).
//!
//! A restriction stands where shares come in: at the seed, at an order to buy, at the strike that would fill it, and at a gift. It never
//! stands where somebody leaves: orders to give shares back, slices, leaving in kind, taking an order back and claims do not ask.
//! Shares of the fees reach the manager and the publishers' pool whatever the lists say, so neither can be frozen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    batch::{Batch, Effect},
    bidding,
    book::{Book, find_fund},
    event::Event,
    fund_state::FundState,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::name::Name;

/// Owners on one list of a fund.
pub(super) const LISTED_MAX: usize = 100_000;

/// Who may receive shares of a fund, and whether it is paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    allow_list: bool,
    allowed: BTreeSet<Name>,
    frozen: BTreeSet<Name>,
    paused: bool,
}

/// One change of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Restriction {
    /// Whether only those on the list may receive shares.
    AllowList(bool),
    /// An owner comes on the list of those who may, or off it.
    Allowed {
        /// Whether he is on it.
        allowed: bool,
        /// Who.
        who: Name,
    },
    /// An owner is frozen, or not any more.
    Frozen {
        /// Whether he is.
        frozen: bool,
        /// Who.
        who: Name,
    },
    /// Whether the fund is paused.
    Paused(bool),
}

impl Restrictions {
    /// Whether only those on the list may receive shares.
    #[must_use]
    pub const fn has_allow_list(&self) -> bool {
        self.allow_list
    }

    /// Owners on the list, by name; it is kept while it is off.
    #[must_use]
    pub const fn allowed(&self) -> &BTreeSet<Name> {
        &self.allowed
    }

    /// Owners that are frozen, by name.
    #[must_use]
    pub const fn frozen(&self) -> &BTreeSet<Name> {
        &self.frozen
    }

    /// Whether the fund takes no orders to buy, moves no shares between owners and trades nothing.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether an owner may receive shares.
    #[must_use]
    pub fn may_receive(&self, who: &Name) -> bool {
        !self.frozen.contains(who) && (!self.allow_list || self.allowed.contains(who))
    }

    /// Whether a change would change nothing.
    fn is_so(&self, change: &Restriction) -> bool {
        match change {
            Restriction::AllowList(on) => self.allow_list == *on,
            Restriction::Allowed { allowed, who } => self.allowed.contains(who) == *allowed,
            Restriction::Frozen { frozen, who } => self.frozen.contains(who) == *frozen,
            Restriction::Paused(paused) => self.paused == *paused,
        }
    }

    pub(super) fn take(&mut self, change: &Restriction) {
        let put = |list: &mut BTreeSet<Name>, who: &Name, on: bool| {
            if on {
                list.insert(who.clone())
            } else {
                list.remove(who)
            };
        };
        match change {
            Restriction::AllowList(on) => self.allow_list = *on,
            Restriction::Allowed { allowed, who } => put(&mut self.allowed, who, *allowed),
            Restriction::Frozen { frozen, who } => put(&mut self.frozen, who, *frozen),
            Restriction::Paused(paused) => self.paused = *paused,
        }
    }
}

/// Any of the four events that change restrictions.
pub(super) fn restrict(state: &State, event: &Event) -> Result<Batch, Rejection> {
    let (fund, change) = match event {
        Event::SetAllowList { fund, on } => (fund, Restriction::AllowList(*on)),
        Event::Allow { fund, who, allowed } => {
            (fund, Restriction::Allowed { allowed: *allowed, who: who.clone() })
        }
        Event::Freeze { fund, who, frozen } => {
            (fund, Restriction::Frozen { frozen: *frozen, who: who.clone() })
        }
        Event::Pause { fund, paused } => (fund, Restriction::Paused(*paused)),
        _ => return Err(Rejection::Internal("no restriction")),
    };
    let fund = find_fund(state, fund)?;
    check_change(fund, &change)?;
    let mut book = Book::over(state);
    if change == Restriction::Paused(true) {
        // Nothing is traded in a pause, and nobody knows its end.
        bidding::give_back(&mut book, fund)?;
    }
    book.effect(Effect::Restricted { change, fund: fund.name.clone() });
    Ok(book.finish(Outcome::None))
}

fn check_change(fund: &FundState, change: &Restriction) -> Result<(), Rejection> {
    let restrictions = &fund.restrictions;
    if let Restriction::Frozen { who, .. } = change
        && [&fund.params.manager, &fund.params.publisher_pool].contains(&who)
    {
        let why = "shares of the fees flow to it, so it cannot be frozen";
        return Err(Rejection::Owner { given: who.to_string(), why });
    }
    if restrictions.is_so(change) {
        return Err(Rejection::Nothing { what: "restrict: it is so already" });
    }
    let (list, what) = match change {
        Restriction::Allowed { allowed: true, .. } => (&restrictions.allowed, "allowed owners"),
        Restriction::Frozen { frozen: true, .. } => (&restrictions.frozen, "frozen owners"),
        _ => return Ok(()),
    };
    if list.len() < LISTED_MAX {
        return Ok(());
    }
    Err(Rejection::Limit { what: format!("{what} of {}", fund.name), max: LISTED_MAX as i64 })
}

impl FundState {
    /// Whether strikes leave subscription orders waiting: a valuation is in doubt, or the fund is paused.
    #[must_use]
    pub const fn subscriptions_wait(&self) -> bool {
        self.held || self.restrictions.is_paused()
    }

    /// `paused` while the fund is.
    pub(super) fn check_not_paused(&self) -> Result<(), Rejection> {
        if self.restrictions.paused {
            return Err(Rejection::Paused { fund: self.name.clone() });
        }
        Ok(())
    }

    /// `frozen` for an owner who is.
    fn check_not_frozen(&self, who: &Name) -> Result<(), Rejection> {
        if self.restrictions.frozen.contains(who) {
            return Err(Rejection::Frozen { fund: self.name.clone(), owner: who.clone() });
        }
        Ok(())
    }

    /// `paused`, `frozen` or `not_allowed` where an owner may not receive shares now; fees do not ask.
    pub(super) fn check_receiver(&self, who: &Name) -> Result<(), Rejection> {
        self.check_not_paused()?;
        self.check_not_frozen(who)?;
        if self.restrictions.may_receive(who) {
            return Ok(());
        }
        Err(Rejection::NotAllowed { fund: self.name.clone(), owner: who.clone() })
    }

    /// The same for a gift of shares, whose giver may not be frozen either.
    pub(super) fn check_gift(&self, who: &Name, to: &Name) -> Result<(), Rejection> {
        self.check_not_paused()?;
        self.check_not_frozen(who)?;
        self.check_receiver(to)
    }
}
