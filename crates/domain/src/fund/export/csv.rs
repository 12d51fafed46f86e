//! Tables of one fund as CSV (RFC 4180): a head line, lines ended by CR LF, decimals with every digit.

use std::borrow::Cow;

use crate::{
    amount::{Cash, PriceNano, Units},
    fund::{Asset, Batch, Entry, Kind, Meta, State, nav_per_share_nano},
    name::Name,
};

/// One table in the making.
struct Table(String);

impl Table {
    fn new(head: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.line(head);
        table
    }

    fn line<T: AsRef<str>>(&mut self, fields: &[T]) {
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.0.push_str(&quoted(field.as_ref()));
        }
        self.0.push_str("\r\n");
    }
}

/// The field as it is, or in quotes where RFC 4180, 2.6 wants them.
fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

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
pub fn nav_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    let head = ["strike", "day", "nav", "ask", "shares", "nav_per_share", "winding"];
    let mut table = Table::new(&head);
    for (_, entry) in entries(batches, fund) {
        if let Meta::Strike { ask, day, epoch, nav, shares, winding } = &entry.meta {
            table.line(&[
                epoch.to_string(),
                day.to_string(),
                nav.to_credits_text(),
                ask.to_credits_text(),
                shares.to_string(),
                text(nav_per_share_nano(*nav, *shares)),
                winding.to_string(),
            ]);
        }
    }
    table.0
}

/// What NAV was made of at every strike, cash first: `strike,day,asset,quantity,price,value`.
///
/// Frozen after fees and before orders, so that the values of a strike sum to its NAV, exactly. Models that the fund has none of are
/// left out; cash has no price.
pub fn holdings_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    let mut table = Table::new(&["strike", "day", "asset", "quantity", "price", "value"]);
    let mut state = State::new();
    for batch in batches {
        let ours = entries([batch], fund).find_map(|(_, entry)| match &entry.meta {
            Meta::Strike { day, epoch, .. } => Some([epoch.to_string(), day.to_string()]),
            _ => None,
        });
        // Fees move neither cash nor units, so what stands before the batch is what the strike froze.
        if let (Some([epoch, day]), Some(fund)) = (ours, state.fund(fund)) {
            let mut line = |asset: String, quantity: String, price: String, value: String| {
                table.line(&[epoch.clone(), day.clone(), asset, quantity, price, value]);
            };
            let cash = fund.cash(&state);
            let value = cash.to_femto().to_credits_text();
            line(Asset::Cash.to_string(), cash.to_string(), String::new(), value);
            for held in fund.holdings(&state).into_iter().filter(|held| held.units != Units::ZERO) {
                line(
                    Asset::Unit(held.model).to_string(),
                    held.units.to_string(),
                    held.price.to_string(),
                    held.value.to_credits_text(),
                );
            }
        }
        state.commit(batch);
    }
    table.0
}

/// Every price that was set: `entry,model,price,estimate,previous`.
///
/// A first price has no previous one; a name without an estimate of its own has its price for one, and an empty field.
pub fn prices_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    let mut table = Table::new(&["entry", "model", "price", "estimate", "previous"]);
    for (number, entry) in entries(batches, fund) {
        let mut line = |model: &Name, price: Option<PriceNano>, estimate, previous| {
            table.line(&[
                number.to_string(),
                model.to_string(),
                text(price),
                text::<PriceNano>(estimate),
                text::<PriceNano>(previous),
            ]);
        };
        match &entry.meta {
            Meta::Admission { model, price, .. } => line(model, Some(*price), None, None),
            Meta::Marks { estimates, old, prices } => {
                for (model, price) in prices {
                    let of = |map: &std::collections::BTreeMap<_, _>| map.get(model).copied();
                    line(model, Some(*price), of(estimates), of(old));
                }
                for (model, estimate) in estimates.iter().filter(|(m, _)| !prices.contains_key(m)) {
                    line(model, None, Some(*estimate), None);
                }
            }
            _ => {}
        }
    }
    table.0
}

/// Every trade of rebalances, leavers' sales among them: `entry,kind,model,counterparty,strike,units,price,cash`.
///
/// `strike` is that of the leavers who sold, and empty where the fund traded; `cash` is what the buyer paid.
pub fn trades_csv<'a>(batches: impl IntoIterator<Item = &'a Batch>, fund: &Name) -> String {
    let head = ["entry", "kind", "model", "counterparty", "strike", "units", "price", "cash"];
    let mut table = Table::new(&head);
    for (number, entry) in entries(batches, fund) {
        let Meta::Trade { counterparty, epoch, model, price } = &entry.meta else { continue };
        debug_assert!(matches!(entry.kind, Kind::Buy | Kind::Sell | Kind::LiqSell));
        let sum = |asset: &Asset| {
            let legs = entry.custody.iter().filter(|leg| leg.asset == *asset);
            legs.fold(0_i64, |sum, leg| sum.saturating_add(leg.amount))
        };
        table.line(&[
            number.to_string(),
            entry.kind.as_str().to_owned(),
            model.to_string(),
            counterparty.short(),
            text(*epoch),
            Units::from_micro(sum(&Asset::Unit(model.clone()))).to_string(),
            price.to_string(),
            Cash::from_micro(sum(&Asset::Cash)).to_string(),
        ]);
    }
    table.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the quotes of RFC 4180.
    #[test]
    fn quotes() {
        let mut table = Table::new(&["a", "b"]);
        table.line(&["1,5", "say \"no\""]);
        table.line(&["two\r\nlines", "plain"]);
        assert_eq!(table.0, "a,b\r\n\"1,5\",\"say \"\"no\"\"\"\r\n\"two\r\nlines\",plain\r\n");
    }
}
