//! The numbers beside a NAV (FUND 1.3, 9; DESIGN, "Honesty of the instrument").

use super::{
    DisclosureError,
    market::LastSale,
    publishers::PublisherPayments,
    sources::CashSources,
    trail::{Trail, part_of},
};
use crate::{
    amount::{Cash, Femto, PPB_ONE, Ppb, PriceNano, Rounding, U256, Units, mul_div},
    fund::{Account, Asset, FundState, State},
    name::Name,
};

/// What a fund says of one model that it lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDisclosure {
    /// The model.
    pub model: Name,
    /// Units that the fund has.
    pub units: Units,
    /// The mark.
    pub price: PriceNano,
    /// Units times mark.
    pub value: Femto,
    /// The part of the mark that third parties paid for units of the fund and its leavers, on average by units over the window, rounded
    /// down: at most 1, nothing without a sale.
    pub realisable: Ppb,
    /// Units that were sold in the window.
    pub sold: Units,
    /// The last sale, however long ago.
    pub last_sale: Option<LastSale>,
    /// Days with a batch that selling all units takes at the window's units a batch day, rounded up; none without a sale.
    pub batch_days: Option<u64>,
}

/// Units that wait to be sold for the leavers of one strike, or delivered to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liquidation {
    /// The strike.
    pub epoch: u64,
    /// Batches that they have been through.
    pub batches: u32,
    /// The model.
    pub model: Name,
    /// Units.
    pub units: Units,
}

/// What stands beside a NAV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// The day that the window ends with.
    pub day: i64,
    /// NAV at the marks.
    pub nav: Femto,
    /// Cash.
    pub cash: Cash,
    /// `cash + Σ ⌊q·P·h⌋`, `h` the realisable part of each mark: what third parties have lately paid for such units.
    pub realisable_nav: Femto,
    /// Cash over NAV, rounded down; nothing of nothing.
    pub cash_coverage: Ppb,
    /// What is left of one: the share of NAV that no market stands behind.
    pub marked_to_model: Ppb,
    /// Every listed model that is not delisted, by name.
    pub models: Vec<ModelDisclosure>,
    /// By strike and model.
    pub liquidations: Vec<Liquidation>,
    /// The most batch days of a model that is held; none where one of them was not sold in the window.
    pub batch_days: Option<u64>,
    /// Where the fund's cash came from and went to.
    pub sources: CashSources,
    /// What primary sales were paid, by model.
    pub publishers: Vec<PublisherPayments>,
}

impl Disclosure {
    /// Says what stands beside the NAV of `fund` in `state`, which the trail has followed to; the window ends with `day`.
    ///
    /// # Errors
    /// [`DisclosureError::Limit`] where sums over all time pass the range of an amount.
    pub fn of(
        trail: &Trail,
        state: &State,
        fund: &FundState,
        day: i64,
    ) -> Result<Self, DisclosureError> {
        let (nav, cash) = (fund.nav(state), fund.cash(state));
        let holdings = fund.holdings(state).into_iter();
        let models: Vec<ModelDisclosure> = holdings
            .filter(|held| !state.is_delisted(&held.model))
            .map(|held| ModelDisclosure {
                realisable: trail.market.over_mark(&held.model, day).unwrap_or_default(),
                sold: trail.market.sold(&held.model, day),
                last_sale: trail.market.last(&held.model),
                batch_days: trail.market.batch_days(&held.model, held.units, day),
                units: held.units,
                price: held.price,
                value: held.value,
                model: held.model,
            })
            .collect();
        let realised: Femto = models.iter().map(|held| part(held.value, held.realisable)).sum();
        let cash_coverage = part_of(cash.to_femto(), nav);
        let covered = if nav > Femto::ZERO { PPB_ONE - cash_coverage.as_ppb() } else { 0 };
        Ok(Self {
            day,
            nav,
            cash,
            realisable_nav: cash.to_femto() + realised,
            cash_coverage,
            marked_to_model: Ppb::from_ppb(covered),
            batch_days: models
                .iter()
                .map(|held| held.batch_days)
                .try_fold(0, |most, days| days.map(|days| days.max(most))),
            liquidations: liquidations(state, fund),
            models,
            sources: trail.lots.read()?,
            publishers: trail.payments.read()?,
        })
    }
}

fn liquidations(state: &State, fund: &FundState) -> Vec<Liquidation> {
    let mut waiting = Vec::new();
    for (epoch, pool) in fund.pools() {
        let account = Account::Liquidation { fund: fund.name().clone(), epoch: *epoch };
        for model in fund.prices().keys() {
            let units = state.balance(&account, &Asset::Unit(model.clone()));
            if units > 0 {
                let (model, units) = (model.clone(), Units::from_micro(units));
                waiting.push(Liquidation { epoch: *epoch, batches: pool.batches, model, units });
            }
        }
    }
    waiting
}

/// `⌊value·part⌋`.
fn part(value: Femto, part: Ppb) -> Femto {
    let size = |steps: i128| U256::from(steps.max(0).unsigned_abs());
    let (parts, one) = (U256::from(part.as_ppb().max(0).unsigned_abs()), PPB_ONE.unsigned_abs());
    let product = value
        .as_femto()
        .and_then(|value| mul_div(size(value), parts, U256::from(one), Rounding::Floor));
    Femto::from_femto(product.and_then(|steps| i128::try_from(steps).ok()).unwrap_or(0))
}
