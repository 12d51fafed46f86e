//! What stands beside a fund's NAV.

use async_graphql::{Enum, Object, Result, SimpleObject};
use domain::{
    amount::{Cash, Ppb, PriceNano},
    disclosure::{
        Liquidation as LiquidationValue, ModelDisclosure, PublisherPayments, Source, Use,
        WINDOW_DAYS,
    },
};
use service::FundDisclosure;

use crate::{
    pagination::{Page, memory_page},
    scalars::{Credits, Decimal9, NameText, Nav, Price, Time, UnitQuantity},
};

/// What stands beside a fund's NAV: how much of it third parties have lately paid for, where its cash came from, who was paid. All but the
/// age of prices follows from the journal, so that whoever verifies a strike can compute it again.
#[derive(Clone, Debug)]
pub(crate) struct Disclosure(pub(crate) FundDisclosure);

/// A part of one.
const fn part(ppb: Ppb) -> Decimal9 {
    Decimal9(PriceNano::from_nano(ppb.as_ppb()))
}

/// What stands beside a fund's NAV: how much of it third parties have lately paid for, where its cash came from, who was paid. All but the
/// age of prices follows from the journal, so that whoever verifies a strike can compute it again.
#[Object]
impl Disclosure {
    /// The day that the window ends with.
    async fn day(&self) -> i64 {
        self.0.numbers.day
    }

    /// Days of the fund's clock that a sale counts, its own day included.
    async fn window_days(&self) -> i64 {
        WINDOW_DAYS
    }

    /// Cash plus units times mark times `realisable`, exactly, rounded down for each model. It is what such units have brought, not what
    /// these would bring: that NAV is realisable is claimed nowhere.
    async fn realisable_nav(&self) -> Nav {
        Nav(self.0.numbers.realisable_nav)
    }

    /// Cash as a part of NAV, rounded down.
    async fn cash_coverage(&self) -> Decimal9 {
        part(self.0.numbers.cash_coverage)
    }

    /// The part of NAV that is evaluated price, not cash: mark to model, no market stands behind it.
    async fn marked_to_model(&self) -> Decimal9 {
        part(self.0.numbers.marked_to_model)
    }

    /// Days with a batch that selling all units would take, at what each model sold a batch day in the window: that of the slowest. What
    /// was sold is what was offered, not all that could have been. Null where a model that is held was not sold in the window.
    async fn days_to_liquidate(&self) -> Option<u64> {
        self.0.numbers.batch_days
    }

    /// When the price of what is held that has stood longest was set, or last found to stand by a measurement. Null where nothing is held.
    async fn oldest_price_at(&self) -> Option<Time> {
        self.0.oldest_price_at.map(Time)
    }

    /// Seconds since then, by the server's clock.
    async fn oldest_price_age_s(&self) -> Option<i64> {
        self.0.oldest_price_age_ms.map(|age| age / 1000)
    }

    /// By model, ascending; delisted ones are worth nothing and left out.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn models(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<ModelLiquidity>> {
        memory_page(&self.0.numbers.models, first, after, ModelLiquidity::from)
    }

    /// Units that wait to be sold for leavers or delivered to them, by strike and model.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn liquidations(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Liquidation>> {
        memory_page(&self.0.numbers.liquidations, first, after, Liquidation::from)
    }

    /// What the fund has, by where it came from.
    async fn cash_held(&self) -> Vec<CashHeld> {
        let held = self.0.numbers.sources.held.iter();
        held.map(|(source, cash)| CashHeld { source: (*source).into(), amount: Credits(*cash) })
            .collect()
    }

    /// What the fund has paid since its beginning, by what for and where it came from: the oldest cash is used first. Uses `SLICES` and
    /// `IN_KIND` sum to all cash that leavers were paid out of the fund, to the last micro-credit.
    async fn cash_used(&self) -> Vec<CashUsed> {
        let used = self.0.numbers.sources.used.iter();
        let row = |((to, from), cash): (&(Use, Source), &Cash)| CashUsed {
            usage: (*to).into(),
            source: (*from).into(),
            amount: Credits(*cash),
        };
        used.map(row).collect()
    }

    /// What counterparties have paid leavers for their units; it never was the fund's cash.
    async fn sold_for_leavers(&self) -> Credits {
        Credits(self.0.numbers.sources.for_leavers)
    }

    /// What the fund has paid for units out of primary offers, by model.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn publishers(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<PrimaryPayments>> {
        memory_page(&self.0.numbers.publishers, first, after, PrimaryPayments::from)
    }
}

/// How much of a model's mark third parties have lately paid for.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ModelLiquidity {
    /// The model.
    model: NameText,
    /// Units that the fund has.
    units: UnitQuantity,
    /// The mark.
    price: Price,
    /// Units times mark, exactly.
    value: Nav,
    /// Clearing price over mark in sales of the fund's and its leavers' units to third parties, averaged by units over the window, rounded
    /// down, at most 1; 0 without a sale. Purchases do not count, primary ones least: they say what the fund paid.
    realisable: Decimal9,
    /// Units that were sold in the window.
    sold: UnitQuantity,
    /// Clearing price over mark in the last sale, however long ago; null where there was none.
    last_over_mark: Option<Decimal9>,
    /// The fund's day of that sale.
    last_sale_day: Option<i64>,
    /// Days with a batch that selling all units would take at what was sold a batch day in the window, rounded up; null without a sale.
    days_to_liquidate: Option<u64>,
}

impl From<ModelDisclosure> for ModelLiquidity {
    fn from(value: ModelDisclosure) -> Self {
        Self {
            model: NameText(value.model),
            units: UnitQuantity(value.units),
            price: Price(value.price),
            value: Nav(value.value),
            realisable: part(value.realisable),
            sold: UnitQuantity(value.sold),
            last_over_mark: value.last_sale.map(|sale| part(sale.over_mark)),
            last_sale_day: value.last_sale.map(|sale| sale.day),
            days_to_liquidate: value.batch_days,
        }
    }
}

/// Units of one model that wait for the leavers of one strike.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Liquidation {
    /// The strike.
    strike: u64,
    /// Batches that they have been offered in.
    batches: u32,
    /// The model.
    model: NameText,
    /// Units.
    units: UnitQuantity,
}

impl From<LiquidationValue> for Liquidation {
    fn from(value: LiquidationValue) -> Self {
        Self {
            strike: value.epoch,
            batches: value.batches,
            model: NameText(value.model),
            units: UnitQuantity(value.units),
        }
    }
}

/// Where a fund's cash came from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CashSource {
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

impl From<Source> for CashSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Seed => Self::Seed,
            Source::Joiners => Self::Joiners,
            Source::Levies => Self::Levies,
            Source::Royalties => Self::Royalties,
            Source::Recoveries => Self::Recoveries,
            Source::Sales => Self::Sales,
            Source::Dust => Self::Dust,
            Source::Other => Self::Other,
        }
    }
}

/// What a fund's cash went to.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CashUse {
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

impl From<Use> for CashUse {
    fn from(usage: Use) -> Self {
        match usage {
            Use::Slices => Self::Slices,
            Use::InKind => Self::InKind,
            Use::Window => Self::Window,
            Use::PrimaryPurchases => Self::PrimaryPurchases,
            Use::Purchases => Self::Purchases,
            Use::Other => Self::Other,
        }
    }
}

/// Cash of the fund from one source.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct CashHeld {
    /// Where it came from.
    source: CashSource,
    /// How much of it is left.
    amount: Credits,
}

/// Cash that the fund paid.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct CashUsed {
    /// What for.
    usage: CashUse,
    /// Where it came from.
    source: CashSource,
    /// How much.
    amount: Credits,
}

/// What a fund has paid for units out of a model's primary offer, to date.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct PrimaryPayments {
    /// The model.
    model: NameText,
    /// Into the publisher's bond.
    bond: Credits,
    /// Into escrow, to vest: vested or not, or lost at a delisting.
    escrow: Credits,
    /// Of that, what the contributors have received.
    vested: Credits,
}

impl From<PublisherPayments> for PrimaryPayments {
    fn from(paid: PublisherPayments) -> Self {
        Self {
            model: NameText(paid.model),
            bond: Credits(paid.bond),
            escrow: Credits(paid.escrow),
            vested: Credits(paid.vested),
        }
    }
}
