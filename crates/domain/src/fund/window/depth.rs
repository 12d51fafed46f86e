//! What the fund itself has sold and not counted yet: as far as that reaches, and no further, the window counts units.
//!
//! A window payment is the purchase of a leaver's units with the cash of those who stay. So it is bounded by what the fund sold before:
//! whoever raises the price by buying has paid those who stay, for each unit, at least what the window takes from them. Sales of leavers
//! say nothing, because a leaver and his counterparty may be one; they bring those who stay nothing either.
//!
//! For each share, so that both sides weigh the same: where shares have left since a sale, so much less of it counts. Who joins had no
//! part in what a sale brought, so a sale counts until somebody joins. What the fund buys back takes the dearest sales away: what is left
//! open then never says more than what the fund kept of it.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{
    amount::{PPB_ONE, Ppb, PriceNano, Shares, Units},
    fund::math::{self, K},
    name::Name,
};

/// Days after which a sale says nothing of a model's market any more.
pub(super) const SALE_DAYS: i64 = 90;
/// Sales of one model that are remembered; an older one counts no more.
const SALES_MAX: usize = 64;

/// Units of one model that the fund sold in a batch, as far as no window has counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSale {
    /// The fund's day.
    pub day: i64,
    /// The mark of that day.
    pub mark: PriceNano,
    /// What a unit was sold for.
    pub traded: PriceNano,
    /// How many units are left of it.
    pub units: Units,
}

/// What the open sales of a model come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearing {
    /// What was paid over the mark of the day, on average by units, at most one; rounded down.
    pub ratio: Ppb,
    /// Units that may still be counted.
    pub units: Units,
}

/// Open sales of all models of a fund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::fund) struct Depth {
    pub(super) sales: BTreeMap<Name, Vec<OpenSale>>,
    /// Shares that there were when this was written.
    pub(super) supply: Shares,
}

const fn micro(sale: &OpenSale) -> i128 {
    sale.units.as_micro() as i128
}

/// Keeps `part` of `whole` of all units, rounded down.
fn scale(sales: &mut BTreeMap<Name, Vec<OpenSale>>, part: i128, whole: i128) {
    for sales in sales.values_mut() {
        for sale in sales.iter_mut() {
            // A part of what fits fits.
            let left = math::floor_div(micro(sale), part.max(0), whole.max(1));
            sale.units = Units::from_micro(i64::try_from(left).unwrap_or(0));
        }
        sales.retain(|sale| sale.units > Units::ZERO);
    }
    sales.retain(|_, sales| !sales.is_empty());
}

impl Depth {
    /// What is open on a day, for so many shares.
    pub(in crate::fund) fn at(&self, supply: i128, day: i64) -> Self {
        let mut sales = self.sales.clone();
        for sales in sales.values_mut() {
            sales.retain(|sale| day.saturating_sub(sale.day) <= SALE_DAYS);
        }
        let before = i128::from(self.supply.as_nano());
        scale(&mut sales, supply.min(before), before);
        Self { sales, supply: Shares::from_nano(i64::try_from(supply).unwrap_or(0)) }
    }

    /// A sale by the fund.
    pub(in crate::fund) fn sell(&mut self, model: &Name, sold: OpenSale) {
        let sales = self.sales.entry(model.clone()).or_default();
        let like = |sale: &&mut OpenSale| {
            (sale.day, sale.mark, sale.traded) == (sold.day, sold.mark, sold.traded)
        };
        if let Some(sale) = sales.last_mut().filter(like) {
            let sum = sale.units.as_micro().saturating_add(sold.units.as_micro());
            sale.units = Units::from_micro(sum);
            return;
        }
        if sales.len() >= SALES_MAX {
            sales.remove(0);
        }
        sales.push(sold);
    }

    /// A purchase by the fund: the dearest sales count no more.
    ///
    /// By what they brought, which bounds what they can ever count, and not by what they count at the mark of the moment: else a mark would
    /// choose which of them stays. Of those that brought the same, that which is the larger part of its mark goes first, then the oldest.
    pub(in crate::fund) fn buy(&mut self, model: &Name, units: i128) {
        let Some(sales) = self.sales.get_mut(model) else { return };
        let mut dearest: Vec<_> = sales.iter_mut().collect();
        dearest.sort_by_key(|sale| (Reverse(sale.traded), sale.mark));
        let mut left = units;
        for sale in dearest {
            let taken = left.min(micro(sale));
            left -= taken;
            let rest = micro(sale) - taken;
            sale.units = Units::from_micro(i64::try_from(rest).unwrap_or(0));
        }
        sales.retain(|sale| sale.units > Units::ZERO);
        if sales.is_empty() {
            self.sales.remove(model);
        }
    }

    /// What a payment leaves that burned `given` of the shares. It has counted the part `given` of what was open, and so many shares fewer
    /// are left to bear it: `(S−2·given)/S`.
    pub(in crate::fund) fn used(&self, given: i128) -> Self {
        let supply = i128::from(self.supply.as_nano());
        let mut sales = self.sales.clone();
        scale(&mut sales, supply - 2 * given, supply);
        Self { sales, supply: Shares::from_nano(i64::try_from(supply - given).unwrap_or(0)) }
    }

    pub(in crate::fund) fn is_empty(&self) -> bool {
        self.sales.is_empty()
    }

    /// What `held` units of a model count whose worth is said to be `worth` today; femto, rounded down.
    ///
    /// No more units than are open; each at most at what it was sold for, and at most at the same part of its worth as it brought of its
    /// mark then.
    pub(in crate::fund) fn value(&self, model: &Name, held: i128, worth: PriceNano) -> i128 {
        let sales = self.sales.get(model).map(Vec::as_slice).unwrap_or_default();
        let open: i128 = sales.iter().map(micro).sum();
        let worth = i128::from(worth.as_nano());
        let value = |sale: &OpenSale| {
            let (mark, traded) =
                (i128::from(sale.mark.as_nano()), i128::from(sale.traded.as_nano()));
            let at = math::floor_div(worth, traded.min(mark), mark.max(1)).min(traded);
            micro(sale) * at
        };
        let value: i128 = sales.iter().map(value).sum();
        if open > held { math::floor_div(value, held, open) } else { value }
    }

    /// What the open sales of a model come to; none where none is open.
    pub(super) fn clearing(&self, model: &Name) -> Option<Clearing> {
        let sales = self.sales.get(model)?;
        let (mut units, mut paid, mut marked) = (0_i128, 0_i128, 0_i128);
        for sale in sales {
            let (mark, traded) =
                (i128::from(sale.mark.as_nano()), i128::from(sale.traded.as_nano()));
            units += micro(sale);
            paid += micro(sale) * traded.min(mark);
            marked += micro(sale) * mark;
        }
        let ratio = math::floor_div(paid, K, marked.max(1));
        Some(Clearing {
            // Between 0 and 1e9, because no sale counts above its mark.
            ratio: Ppb::from_ppb(i64::try_from(ratio).unwrap_or(PPB_ONE)),
            units: Units::from_micro(i64::try_from(units).unwrap_or(i64::MAX)),
        })
    }
}
