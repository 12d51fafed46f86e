//! Why a fund's NAV moved from one strike to another.

use std::collections::BTreeSet;

use async_graphql::{Enum, Object, Result, SimpleObject};
use domain::{
    amount::Femto,
    disclosure::{Attribution as AttributionValue, Brinson as BrinsonValue, Cause, StrikePoint},
    fund::nav_per_share_nano,
};

use crate::{
    pagination::{Page, memory_page},
    scalars::{Decimal9, NameText, Nav, ShareQuantity},
};

/// Why a fund's NAV moved between the freezes of two strikes.
#[derive(Clone, Debug)]
pub(crate) struct Attribution(pub(crate) AttributionValue);

/// Why a fund's NAV moved between the freezes of two strikes.
#[Object]
impl Attribution {
    /// The first strike; null where the fund's beginning was asked for.
    async fn from(&self) -> Option<FrozenStrike> {
        self.0.from.map(FrozenStrike::from)
    }

    /// The second.
    async fn to(&self) -> FrozenStrike {
        self.0.to.into()
    }

    /// NAV of the second less NAV of the first: the sum of all amounts, to the last femto.
    async fn change(&self) -> Nav {
        Nav(self.0.to.nav - self.0.from.map_or(Femto::ZERO, |point| point.nav))
    }

    /// What a share returned; null from the fund's beginning, or where NAV was nothing on the way.
    async fn share_return(&self) -> Option<f64> {
        self.0.linked.as_ref().map(|linked| linked.total)
    }

    /// Every cause with what the ledger says of it.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn parts(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<AttributionPart>> {
        let linked = self.0.linked.as_ref().map(|linked| &linked.parts);
        let causes: BTreeSet<&Cause> =
            self.0.ledger.keys().chain(linked.into_iter().flat_map(|parts| parts.keys())).collect();
        let part = |cause: &Cause| AttributionPart {
            cause: cause.into(),
            model: match cause {
                Cause::Mark(model) => Some(NameText(model.clone())),
                _ => None,
            },
            amount: Nav(self.0.ledger.get(cause).copied().unwrap_or_default()),
            contribution: linked.map(|parts| parts.get(cause).copied().unwrap_or_default()),
        };
        let rows: Vec<AttributionPart> = causes.into_iter().map(part).collect();
        memory_page(&rows, first, after, |row| row)
    }

    /// What marks did beside the index, by publisher (Brinson-Fachler over each set of marks, linked by Carino). Null without a basket on
    /// the way.
    async fn brinson(&self) -> Option<Brinson> {
        self.0.brinson.clone().map(Brinson)
    }
}

/// A strike as it was frozen.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct FrozenStrike {
    /// Its number.
    number: u64,
    /// Its day.
    day: i64,
    /// NAV after fees, before orders.
    nav: Nav,
    /// Shares, frozen with it.
    shares: ShareQuantity,
    /// NAV over shares, rounded down.
    nav_per_share: Option<Decimal9>,
    /// Index level at its marks; null before the first rebalance.
    level: Option<Decimal9>,
}

impl From<StrikePoint> for FrozenStrike {
    fn from(point: StrikePoint) -> Self {
        Self {
            number: point.number,
            day: point.day,
            nav: Nav(point.nav),
            shares: ShareQuantity(point.shares),
            nav_per_share: nav_per_share_nano(point.nav, point.shares).map(Decimal9),
            level: point.level.map(Decimal9),
        }
    }
}

/// Why NAV, or NAV of a share, moved.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttributionCause {
    /// New marks of one model.
    Mark,
    /// Trades away from the mark, and leavers' dust.
    Trading,
    /// Royalties and recoveries.
    Income,
    /// The management fee, charged in shares.
    ManagementFee,
    /// The performance fee, charged in shares.
    PerformanceFee,
    /// What the shares of both fees are worth: capital, the other side of the two.
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

impl From<&Cause> for AttributionCause {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::Mark(_) => Self::Mark,
            Cause::Trading => Self::Trading,
            Cause::Income => Self::Income,
            Cause::ManagementFee => Self::ManagementFee,
            Cause::PerformanceFee => Self::PerformanceFee,
            Cause::FeeShares => Self::FeeShares,
            Cause::Seed => Self::Seed,
            Cause::Subscriptions => Self::Subscriptions,
            Cause::Redemptions => Self::Redemptions,
            Cause::InKind => Self::InKind,
            Cause::Other => Self::Other,
        }
    }
}

/// One cause.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct AttributionPart {
    /// Why.
    cause: AttributionCause,
    /// The model, for marks.
    model: Option<NameText>,
    /// What it did to NAV, exactly.
    amount: Nav,
    /// What it did to the return of a share, linked over strikes by Carino; all sum to the return. Money that comes in or goes out does
    /// nothing to a share but for levies, asks and rounding. Null where there is no return.
    contribution: Option<f64>,
}

/// What marks did to the fund and to its index.
#[derive(Clone, Debug)]
pub(crate) struct Brinson(BrinsonValue);

/// What marks did to the fund and to its index.
#[Object]
impl Brinson {
    /// What marks alone did to NAV.
    async fn portfolio(&self) -> f64 {
        self.0.portfolio
    }

    /// What they did to the index.
    async fn benchmark(&self) -> f64 {
        self.0.benchmark
    }

    /// The first less the second: the sum of all effects.
    async fn active(&self) -> f64 {
        self.0.portfolio - self.0.benchmark
    }

    /// By publisher, cash last.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn groups(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<BrinsonGroup>> {
        memory_page(&self.0.groups, first, after, |group| BrinsonGroup {
            publisher: group.publisher.map(NameText),
            allocation: group.allocation,
            selection: group.selection,
            interaction: group.interaction,
        })
    }
}

/// One publisher's names, or cash.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BrinsonGroup {
    /// The publisher; null for cash.
    publisher: Option<NameText>,
    /// `(wp−wb)·(rb−Rb)`: more of the publishers that did well.
    allocation: f64,
    /// `wb·(rp−rb)`: the right names of a publisher.
    selection: f64,
    /// `(wp−wb)·(rp−rb)`: more of a publisher where the names were right.
    interaction: f64,
}
