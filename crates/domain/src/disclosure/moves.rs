//! What moved NAV and shares between two strikes, by cause: in the ledger's femto, and step by step as shares change.

use std::collections::BTreeMap;

use super::brinson::MarkPeriod;
use crate::{
    amount::{Femto, Ppb, Shares},
    fund::{Asset, Entry, GlAccount, Kind},
    name::Name,
};

/// Why NAV or NAV per share moved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A new mark of a model.
    Mark(Name),
    /// Trades away from the mark, and leavers' dust.
    Trading,
    /// Royalties and recoveries.
    Income,
    /// The management fee: its shares are made of everybody's.
    ManagementFee,
    /// The performance fee, likewise.
    PerformanceFee,
    /// The other side of both fees: what their shares are worth is capital.
    FeeShares,
    /// The seed.
    Seed,
    /// Joiners at strikes.
    Subscriptions,
    /// Leavers at strikes.
    Redemptions,
    /// Leavers in kind.
    InKind,
    /// Anything else.
    Other,
}

/// NAV and shares at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Net asset value.
    pub nav: Femto,
    /// Shares outstanding.
    pub shares: Shares,
}

/// A piece of the way from one strike to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The same shares, and what moved NAV meanwhile.
    Held { shares: Shares, moves: BTreeMap<Cause, Femto> },
    /// Shares came or went.
    Dealt { cause: Cause, from: Standing, to: Standing },
}

/// Everything from one strike's freeze to the next one's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// The ledger's own sums: they add up to the change of NAV.
    pub(super) ledger: BTreeMap<Cause, Femto>,
    pub(super) steps: Vec<Step>,
    pub(super) marks: Vec<MarkPeriod>,
    /// One-way turnover of each batch, a part of NAV at its start.
    pub(super) turnover: Vec<Ppb>,
}

impl Segment {
    /// Adds an entry of the fund, which leads from `standing` to what comes back.
    pub(super) fn post(&mut self, fund: &Name, entry: &Entry, standing: Standing) -> Standing {
        let moves = moves_of(entry);
        let change: Femto = moves.values().copied().sum();
        let shares = standing.shares.as_nano().saturating_add(made(fund, entry));
        let after = Standing { nav: standing.nav + change, shares: Shares::from_nano(shares) };
        for (cause, amount) in &moves {
            *self.ledger.entry(cause.clone()).or_default() += *amount;
        }
        if after.shares != standing.shares {
            let cause = dealing(entry.kind);
            self.steps.push(Step::Dealt { cause, from: standing, to: after });
        } else if !moves.is_empty() {
            let moves_now = match self.steps.last_mut() {
                Some(Step::Held { moves, .. }) => moves,
                _ => {
                    let shares = standing.shares;
                    self.steps.push(Step::Held { shares, moves: BTreeMap::new() });
                    let Some(Step::Held { moves, .. }) = self.steps.last_mut() else {
                        return after;
                    };
                    moves
                }
            };
            for (cause, amount) in moves {
                *moves_now.entry(cause).or_default() += amount;
            }
        }
        after
    }
}

/// What an entry's lines do to NAV: income and capital, with their signs turned.
fn moves_of(entry: &Entry) -> BTreeMap<Cause, Femto> {
    let mut moves = BTreeMap::<Cause, Femto>::new();
    for line in &entry.gl {
        let (cause, amount) = match (&line.account, entry.kind) {
            (GlAccount::Units(model), Kind::Mark) => (Cause::Mark(model.clone()), line.delta),
            (GlAccount::Unrealised, Kind::Mark) => continue,
            (GlAccount::Unrealised, _) => (Cause::Other, -line.delta),
            (GlAccount::Trading, _) => (Cause::Trading, -line.delta),
            (GlAccount::Income, _) => (Cause::Income, -line.delta),
            (GlAccount::ManagementFee, _) => (Cause::ManagementFee, -line.delta),
            (GlAccount::PerformanceFee, _) => (Cause::PerformanceFee, -line.delta),
            (GlAccount::Capital, Kind::MgmtFee | Kind::PerfFee) => (Cause::FeeShares, -line.delta),
            (GlAccount::Capital, kind) => (dealing(kind), -line.delta),
            _ => continue,
        };
        *moves.entry(cause).or_default() += amount;
    }
    moves
}

const fn dealing(kind: Kind) -> Cause {
    match kind {
        Kind::MgmtFee => Cause::ManagementFee,
        Kind::PerfFee => Cause::PerformanceFee,
        Kind::Seed => Cause::Seed,
        Kind::SettleSubs => Cause::Subscriptions,
        Kind::SettleReds | Kind::WindowPay => Cause::Redemptions,
        Kind::InKind | Kind::CreateInKind => Cause::InKind,
        _ => Cause::Other,
    }
}

/// Shares that an entry made, less those that it burned.
fn made(fund: &Name, entry: &Entry) -> i64 {
    use crate::fund::Account::Issue;
    let own = |asset: &Asset| matches!(asset, Asset::Share(name) if name == fund);
    entry.custody.iter().filter(|leg| own(&leg.asset)).fold(0_i64, |sum, leg| {
        let sign = i64::from(leg.from == Issue) - i64::from(leg.to == Issue);
        sum.saturating_add(sign * leg.amount)
    })
}
