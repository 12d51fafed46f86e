//! Where the fund's cash came from and what it went to, first in first out, to the last micro-credit.

use std::collections::{BTreeMap, VecDeque};

use super::{DisclosureError, cash};
use crate::{
    amount::Cash,
    fund::{Account, Asset, Entry, Kind, Outcome},
    name::Name,
};

/// Where cash of the fund came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The sponsor's seed.
    Seed,
    /// What joiners' shares cost.
    Joiners,
    /// The entry levy.
    Levies,
    /// Royalties on units that the fund holds.
    Royalties,
    /// What delisted models brought back.
    Recoveries,
    /// Sales of the fund's own units.
    Sales,
    /// What could not be divided among leavers.
    Dust,
    /// Anything else.
    Other,
}

/// What cash of the fund went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Slices of those who left at strikes.
    Slices,
    /// Those who left in kind.
    InKind,
    /// Those who left through the instant window.
    Window,
    /// Units from primary offers: to publishers' bonds and escrows.
    PrimaryPurchases,
    /// Units from others.
    Purchases,
    /// Anything else.
    Other,
}

impl Use {
    /// Whether it was paid to somebody for his shares.
    #[must_use]
    pub const fn is_redemption(self) -> bool {
        matches!(self, Self::Slices | Self::InKind | Self::Window)
    }
}

/// The cash of one fund by source: what is left, and what was used for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lots {
    /// Oldest first; neighbours differ in their source.
    lots: VecDeque<(Source, i128)>,
    used: BTreeMap<(Use, Source), i128>,
    /// What counterparties paid leavers for their units: it never was the fund's.
    for_leavers: i128,
}

impl Lots {
    /// Follows an entry of the fund.
    pub(super) fn post(&mut self, fund: &Name, entry: &Entry, outcome: &Outcome) {
        let own = |account: &Account| matches!(account, Account::Fund(name) if name == fund);
        let mut levies = match (entry.kind, outcome) {
            (Kind::SettleSubs, Outcome::Strike(strike)) => {
                strike.fills.iter().map(|fill| i128::from(fill.levy.as_micro())).sum()
            }
            _ => 0,
        };
        for leg in entry.custody.iter().filter(|leg| leg.asset == Asset::Cash) {
            let amount = i128::from(leg.amount);
            if own(&leg.to) {
                let source = source(entry.kind);
                // All levies of a strike count after what its joiners' shares cost, so they are taken off at the end.
                self.add(source, amount);
            }
            if own(&leg.from) {
                self.spend(usage(entry.kind, &leg.to), amount);
            }
            if matches!(entry.kind, Kind::LiqSell | Kind::LiqPay)
                && matches!(leg.to, Account::Claim(_))
            {
                self.for_leavers += amount;
            }
        }
        if let Some((Source::Joiners, newest)) = self.lots.back_mut() {
            levies = levies.min(*newest);
            *newest -= levies;
            if *newest == 0 {
                self.lots.pop_back();
            }
            self.add(Source::Levies, levies);
        }
    }

    fn add(&mut self, source: Source, amount: i128) {
        if amount == 0 {
            return;
        }
        match self.lots.back_mut() {
            Some((last, sum)) if *last == source => *sum += amount,
            _ => self.lots.push_back((source, amount)),
        }
    }

    fn spend(&mut self, usage: Use, amount: i128) {
        let mut left = amount;
        while left > 0 {
            let Some((source, lot)) = self.lots.front_mut() else {
                // The engine pays nothing that the fund does not have.
                *self.used.entry((usage, Source::Other)).or_default() += left;
                return;
            };
            let part = left.min(*lot);
            *lot -= part;
            left -= part;
            let source = *source;
            if *lot == 0 {
                self.lots.pop_front();
            }
            *self.used.entry((usage, source)).or_default() += part;
        }
    }

    pub(super) fn read(&self) -> Result<CashSources, DisclosureError> {
        let mut held = BTreeMap::<Source, i128>::new();
        for (source, amount) in &self.lots {
            *held.entry(*source).or_default() += amount;
        }
        let held = held.into_iter().map(|(source, sum)| Ok((source, cash(sum, "cash held")?)));
        let used = self.used.iter().map(|(key, sum)| Ok((*key, cash(*sum, "cash used")?)));
        Ok(CashSources {
            held: held.collect::<Result<_, _>>()?,
            used: used.collect::<Result<_, _>>()?,
            for_leavers: cash(self.for_leavers, "proceeds of leavers' sales")?,
        })
    }
}

const fn source(kind: Kind) -> Source {
    match kind {
        Kind::Seed => Source::Seed,
        Kind::SettleSubs | Kind::CreateInKind => Source::Joiners,
        Kind::Royalty => Source::Royalties,
        Kind::SidePocket | Kind::Compensation | Kind::BidForfeit => Source::Recoveries,
        Kind::Sell => Source::Sales,
        Kind::LiqSell | Kind::LiqPay | Kind::LiqDeliver => Source::Dust,
        _ => Source::Other,
    }
}

const fn usage(kind: Kind, to: &Account) -> Use {
    match (kind, to) {
        (Kind::SettleReds, _) => Use::Slices,
        (Kind::InKind, _) => Use::InKind,
        (Kind::WindowPay, _) => Use::Window,
        (Kind::Buy, Account::Bond(_) | Account::EscrowPublisher(_)) => Use::PrimaryPurchases,
        (Kind::Buy, _) => Use::Purchases,
        _ => Use::Other,
    }
}

/// The fund's cash by source, since its beginning. What is held and what was used sum to all that came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CashSources {
    /// What the fund has now.
    pub held: BTreeMap<Source, Cash>,
    /// What it paid, by use and source.
    pub used: BTreeMap<(Use, Source), Cash>,
    /// What counterparties paid leavers for units; it never was the fund's cash.
    pub for_leavers: Cash,
}
