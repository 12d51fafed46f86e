//! Own dealing: who knew of a version before the mark did, and whether he dealt in shares meanwhile (FUND 1.2).
//!
//! A window is a stretch of the journal: it opens behind the last event before a version was published, and the strike whose mark knows
//! the version ends it and is outside, because it deals at that mark. Roles have times, because they are kept in the registry.

use crate::{
    amount::Shares,
    fund::{Asset, Event, StrikeOutcome},
    name::Name,
    time::Timestamp,
};

/// Somebody who may know of a model's next version: its publisher, a maintainer, a contributor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insider {
    /// Who.
    pub owner: Name,
    /// Through which model.
    pub model: Name,
    /// Since when.
    pub from: Timestamp,
    /// Until when; none while it is so.
    pub to: Option<Timestamp>,
}

/// The time in which a fund's mark does not know a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The model.
    pub model: Name,
    /// The version's name in it.
    pub version: Name,
    /// When the version was published.
    pub opened_at: Timestamp,
    /// The last event of the journal before the window.
    pub opened_after: u64,
    /// The event that ends it, which is outside; none while it is open.
    pub ended_by: Option<u64>,
}

/// How somebody dealt in shares of a fund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DealingKind {
    /// He placed an order to buy.
    Subscription,
    /// He took one back.
    Cancellation,
    /// A strike filled one.
    Fill,
    /// He gave shares away.
    Given,
    /// He was given shares.
    Received,
    /// He made shares in kind.
    CreatedInKind,
    /// He placed an order to leave.
    Redemption,
    /// He left at once, in kind.
    InKind,
    /// He asked the instant window for cash.
    Window,
    /// He took that back.
    WindowCancellation,
    /// The window paid him; it stands with the strike that it was paid for, at whose marks it was.
    WindowPayment,
}

impl DealingKind {
    /// Whether it uses no mark and so is open at any time: leaving does.
    #[must_use]
    pub const fn is_leaving(self) -> bool {
        matches!(self, Self::Redemption | Self::InKind)
    }
}

/// One dealing in shares of a fund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dealing {
    /// The event's number in the journal, from 1.
    pub sequence: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Whose.
    pub owner: Name,
    /// What.
    pub kind: DealingKind,
}

/// A dealing of an insider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterEntry {
    /// The dealing.
    pub dealing: Dealing,
    /// The model that makes him an insider.
    pub model: Name,
    /// The version in whose window it fell; none outside of all.
    pub inside: Option<Name>,
}

impl Window {
    /// Whether an event of the journal is inside.
    #[must_use]
    pub fn holds(&self, sequence: u64) -> bool {
        sequence > self.opened_after && self.ended_by.is_none_or(|end| sequence < end)
    }
}

impl Insider {
    /// Whether he was one at any time from the opening of a window to `at`: a role that ends in between is no way around it.
    #[must_use]
    pub fn knows(&self, window: &Window, at: Timestamp) -> bool {
        self.model == window.model
            && self.from <= at
            && self.to.is_none_or(|to| to >= window.opened_at)
    }

    fn is_one(&self, at: Timestamp) -> bool {
        self.from <= at && self.to.is_none_or(|to| to >= at)
    }
}

/// The first open window that keeps an owner from dealing at a moment; `sequence` is the event that he asks for.
#[must_use]
pub fn closed_to<'a>(
    owner: &Name,
    insiders: &[Insider],
    windows: &'a [Window],
    (sequence, at): (u64, Timestamp),
) -> Option<&'a Window> {
    let own = |window: &Window| insiders.iter().any(|i| i.owner == *owner && i.knows(window, at));
    windows.iter().find(|window| window.holds(sequence) && own(window))
}

/// What an event says of shares of a fund; a strike says it with its outcome. Times and places are the caller's.
#[must_use]
pub fn dealings_of(
    fund: &Name,
    event: &Event,
    outcome: Option<&StrikeOutcome>,
    (sequence, at): (u64, Timestamp),
) -> Vec<Dealing> {
    let one = |owner: &Name, kind| Dealing { sequence, at, owner: owner.clone(), kind };
    match event {
        Event::Subscribe { fund: of, who, .. } if of == fund => {
            vec![one(who, DealingKind::Subscription)]
        }
        Event::CancelSubscription { fund: of, who, .. } if of == fund => {
            vec![one(who, DealingKind::Cancellation)]
        }
        Event::Redeem { fund: of, who, .. } if of == fund => {
            vec![one(who, DealingKind::Redemption)]
        }
        Event::InKind { fund: of, who, .. } if of == fund => vec![one(who, DealingKind::InKind)],
        Event::CreateInKind { fund: of, who, .. } if of == fund => {
            vec![one(who, DealingKind::CreatedInKind)]
        }
        Event::RequestWindow { fund: of, who, .. } if of == fund => {
            vec![one(who, DealingKind::Window)]
        }
        Event::CancelWindow { fund: of, who, .. } if of == fund => {
            vec![one(who, DealingKind::WindowCancellation)]
        }
        Event::Transfer { who, to, asset: Asset::Share(of), .. } if of == fund => {
            vec![one(who, DealingKind::Given), one(to, DealingKind::Received)]
        }
        Event::Strike { fund: of, .. } if of == fund => {
            let fills = outcome.map(|strike| strike.fills.as_slice()).unwrap_or_default();
            let filled = fills.iter().filter(|fill| fill.shares > Shares::ZERO);
            filled.map(|fill| one(&fill.who, DealingKind::Fill)).collect()
        }
        _ => Vec::new(),
    }
}

/// Every dealing of an insider, in the order given, with the window that it fell in: one entry for each dealing, under the model whose
/// window it fell in, or else under the first that makes him one.
#[must_use]
pub fn register(
    insiders: &[Insider],
    windows: &[Window],
    dealings: &[Dealing],
) -> Vec<RegisterEntry> {
    dealings.iter().filter_map(|dealing| entry(insiders, windows, dealing)).collect()
}

fn entry(insiders: &[Insider], windows: &[Window], dealing: &Dealing) -> Option<RegisterEntry> {
    let (sequence, at) = (dealing.sequence, dealing.at);
    let window = if dealing.kind.is_leaving() {
        None
    } else {
        closed_to(&dealing.owner, insiders, windows, (sequence, at))
    };
    let model = window.map(|window| &window.model).or_else(|| {
        let own = |i: &&Insider| i.owner == dealing.owner && i.is_one(at);
        insiders.iter().find(own).map(|insider| &insider.model)
    })?;
    let inside = window.map(|window| window.version.clone());
    Some(RegisterEntry { dealing: dealing.clone(), model: model.clone(), inside })
}
