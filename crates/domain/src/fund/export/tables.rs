//! Tables of one fund: NAV, holdings, prices, trades.

use super::table::{Cell, Column, Kind, Table};
use crate::{
    amount::{Cash, PriceNano, Units},
    fund::{Asset, Batch, Entry, Kind as EntryKind, Meta, State, nav_per_share_nano},
    name::Name,
};

/// Entries of a fund with their numbers, which count over all of the ledger from 0.
fn entries<'a>(
    batches: impl IntoIterator<Item = &'a Batch>,
    fund: &Name,
) -> impl Iterator<Item = (u64, &'a Entry)> {
    let all = (0..).zip(batches.into_iter().flat_map(|batch| &batch.entries));
    all.filter(move |(_, entry)| entry.fund.as_ref() == Some(fund))
}

/// NAV at every strike: `strike,day,nav,ask,shares,nav_per_share,winding`.
///
/// NAV and ask in credits to 1e-15, shares to 1e-9, NAV per share rounded down to 1e-9 (FUND 2.1).
pub fn nav_table<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> Table {
    let mut table = Table::new(&[
        Column::of("strike", Kind::Integer),
        Column::of("day", Kind::Day),
        Column::of("nav", Kind::FEMTO),
        Column::of("ask", Kind::FEMTO),
        Column::of("shares", Kind::NANO),
        Column::optional("nav_per_share", Kind::NANO),
        Column::of("winding", Kind::Flag),
    ]);
    for (_, entry) in entries(batches, fund) {
        if let Meta::Strike { ask, day, epoch, nav, shares, winding } = &entry.meta {
            table.row([
                (*epoch).into(),
                (*day).into(),
                (*nav).into(),
                (*ask).into(),
                (*shares).into(),
                nav_per_share_nano(*nav, *shares).into(),
                (*winding).into(),
            ]);
        }
    }
    table
}

/// What NAV was made of at every strike, cash first: `strike,day,asset,quantity,price,value`.
///
/// Frozen after fees and before orders, so that the values of a strike sum to its NAV, exactly. Models that the fund has none of are
/// left out; cash has no price.
pub fn holdings_table<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> Table {
    let mut table = Table::new(&[
        Column::of("strike", Kind::Integer),
        Column::of("day", Kind::Day),
        Column::of("asset", Kind::Text),
        Column::of("quantity", Kind::MICRO),
        Column::optional("price", Kind::NANO),
        Column::of("value", Kind::FEMTO),
    ]);
    let mut state = State::new();
    for batch in batches {
        let ours = entries([batch], fund).find_map(|(_, entry)| match &entry.meta {
            Meta::Strike { day, epoch, .. } => Some((*epoch, *day)),
            _ => None,
        });
        // Fees move neither cash nor units, so what stands before the batch is what the strike froze.
        if let (Some((epoch, day)), Some(fund)) = (ours, state.fund(fund)) {
            let cash = fund.cash(&state);
            let asset = Asset::Cash.to_string();
            let value = cash.to_femto();
            table.row([
                epoch.into(),
                day.into(),
                asset.into(),
                cash.into(),
                Cell::Empty,
                value.into(),
            ]);
            for held in fund.holdings(&state).into_iter().filter(|held| held.units != Units::ZERO) {
                table.row([
                    epoch.into(),
                    day.into(),
                    Asset::Unit(held.model).to_string().into(),
                    held.units.into(),
                    held.price.into(),
                    held.value.into(),
                ]);
            }
        }
        state.commit(batch);
    }
    table
}

/// Every price that was set: `entry,model,price,estimate,previous`.
///
/// A first price has no previous one; a name without an estimate of its own has its price for one, and an empty field.
pub fn prices_table<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> Table {
    let mut table = Table::new(&[
        Column::of("entry", Kind::Integer),
        Column::of("model", Kind::Text),
        Column::optional("price", Kind::NANO),
        Column::optional("estimate", Kind::NANO),
        Column::optional("previous", Kind::NANO),
    ]);
    for (number, entry) in entries(batches, fund) {
        let mut line = |model: &Name, prices: [Option<PriceNano>; 3]| {
            let [price, estimate, previous] = prices.map(Cell::from);
            table.row([number.into(), model.to_string().into(), price, estimate, previous]);
        };
        match &entry.meta {
            Meta::Admission { model, price, .. } => line(model, [Some(*price), None, None]),
            Meta::Marks { estimates, old, prices } => {
                for (model, price) in prices {
                    let of = |map: &std::collections::BTreeMap<_, _>| map.get(model).copied();
                    line(model, [Some(*price), of(estimates), of(old)]);
                }
                for (model, estimate) in estimates.iter().filter(|(m, _)| !prices.contains_key(m)) {
                    line(model, [None, Some(*estimate), None]);
                }
            }
            _ => {}
        }
    }
    table
}

/// Every trade of rebalances, leavers' sales among them: `entry,kind,model,counterparty,strike,units,price,cash`.
///
/// `strike` is that of the leavers who sold, and empty where the fund traded; `cash` is what the buyer paid.
pub fn trades_table<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> Table {
    let mut table = Table::new(&[
        Column::of("entry", Kind::Integer),
        Column::of("kind", Kind::Text),
        Column::of("model", Kind::Text),
        Column::of("counterparty", Kind::Text),
        Column::optional("strike", Kind::Integer),
        Column::of("units", Kind::MICRO),
        Column::of("price", Kind::NANO),
        Column::of("cash", Kind::MICRO),
    ]);
    for (number, entry) in entries(batches, fund) {
        let Meta::Trade { counterparty, epoch, model, price } = &entry.meta else { continue };
        debug_assert!(matches!(entry.kind, EntryKind::Buy | EntryKind::Sell | EntryKind::LiqSell));
        let sum = |asset: &Asset| {
            let legs = entry.custody.iter().filter(|leg| leg.asset == *asset);
            legs.fold(0_i64, |sum, leg| sum.saturating_add(leg.amount))
        };
        table.row([
            number.into(),
            entry.kind.as_str().to_owned().into(),
            model.to_string().into(),
            counterparty.short().into(),
            (*epoch).into(),
            Units::from_micro(sum(&Asset::Unit(model.clone()))).into(),
            (*price).into(),
            Cash::from_micro(sum(&Asset::Cash)).into(),
        ]);
    }
    table
}

/// [`nav_table`] as CSV.
pub fn nav_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    nav_table(batches, fund).to_csv()
}

/// [`holdings_table`] as CSV.
pub fn holdings_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    holdings_table(batches, fund).to_csv()
}

/// [`prices_table`] as CSV.
pub fn prices_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    prices_table(batches, fund).to_csv()
}

/// [`trades_table`] as CSV.
pub fn trades_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    trades_table(batches, fund).to_csv()
}
