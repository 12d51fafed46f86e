//! Rebalances: 14, 15.

use std::collections::BTreeMap;

use super::{Seen, Standing, Violation, ensure};
use crate::{
    amount::Femto,
    fund::{Account, Asset, Entry, FundState, GlAccount, Kind, Leg, Meta, Pool},
    name::Name,
    simulation::model::math::{K, down},
};

/// NAV moves by the trading result alone, the order holds, pools end with their third batch.
pub(super) fn check_rebalance(
    seen: &Seen<'_>,
    fund: &FundState,
    before: &Standing,
    after: &Standing,
    (spread, primary_limit): (i64, Option<i128>),
) -> Result<(), Violation> {
    ensure(14, before.shares == after.shares, || "a rebalance changed shares".to_owned())?;
    let result = fund.gl(&GlAccount::Trading) - before.trading;
    // What bidders lost who did not open their bids is no trade.
    let lost = fund.gl(&GlAccount::Income) - before.income;
    let change = after.nav - before.nav + lost.as_femto().unwrap_or(0);
    ensure(15, Femto::from_femto(-change) == result, || {
        format!("NAV moved by {change}, trading says {result}")
    })?;
    let entries = &seen.batch.entries;
    let auction = fund.params().auction;
    if let Some(auction) = auction {
        check_band(fund, entries, i128::from(auction.band.as_ppb()))?;
    }
    if spread == 0 && auction.is_none() {
        let dust: i128 = entries.iter().map(dust_of).sum();
        let most = entries.len() as i128 * K + dust;
        ensure(14, (0..=most).contains(&change), || {
            format!("at the mark NAV moved by {change}, at most {most}")
        })?;
    }
    let order = |entry: &Entry| match entry.kind {
        Kind::LiqSell | Kind::LiqPay => 0,
        Kind::Sell => 1,
        Kind::Buy => 2,
        _ => 3,
    };
    ensure(15, entries.iter().map(order).is_sorted(), || "leavers do not sell first".to_owned())?;
    check_primary_first(seen, fund, entries, primary_limit.is_some())?;
    if let Some(part) = primary_limit {
        check_primary_limit(entries, down(before.nav, part, K) / K)?;
    }
    for (epoch, batches) in &before.pools {
        let account = Account::Liquidation { fund: fund.name().clone(), epoch: *epoch };
        let waits = fund.prices().keys().any(|model| {
            !seen.after.is_delisted(model)
                && seen.after.balance(&account, &Asset::Unit(model.clone())) > 0
        });
        let pool = fund.pools().get(epoch);
        // While bids are being opened, the batch before a sale is nobody's last.
        let until = fund.opening_until().filter(|_| seen.batch.passes_bids());
        let stays = until.is_some_and(|until| fund.day() < until);
        let more = batches + 1 < if stays { 3 + 14 } else { 3 };
        ensure(15, pool.is_some() == (more && waits), || {
            format!("leavers of strike {epoch} after batch {}", batches + 1)
        })?;
        ensure(15, pool.is_none_or(|pool| pool.batches == batches + 1), || {
            format!("batch {} of strike {epoch} was not counted", batches + 1)
        })?;
        let waits = seen.after.balance(&account, &Asset::Cash);
        ensure(10, waits == 0, || format!("{waits} wait beside the units of strike {epoch}"))?;
        if let Some(pool) = pool {
            check_proceeds(entries, *epoch, pool)?;
        }
    }
    Ok(())
}

/// An auction trades a model in one direction at one price, within the band around the mark; not below that around an estimate above it
/// where the fund sells, not above that around one below it where the fund buys.
fn check_band(fund: &FundState, entries: &[Entry], band: i128) -> Result<(), Violation> {
    let mut prices = BTreeMap::<(&Name, bool), i128>::new();
    for entry in entries {
        let Meta::Trade { counterparty, model, price, .. } = &entry.meta else { continue };
        let (price, mark) = (i128::from(price.as_nano()), fund.price(model).unwrap_or_default());
        let mark = i128::from(mark.as_nano());
        let estimate = fund.estimate(model).map_or(mark, |price| i128::from(price.as_nano()));
        let near = |of: i128| (price - of).abs() <= down(of, band, K);
        let held_back = match entry.kind {
            _ if matches!(counterparty, Account::Primary(_)) => false,
            Kind::Buy => estimate < mark && price > estimate,
            _ => estimate > mark && price < estimate,
        };
        ensure(14, near(mark) && (!held_back || near(estimate)), || {
            format!("{model} is traded at {price}, marked {mark}, estimated {estimate}")
        })?;
        if matches!(counterparty, Account::Primary(_)) {
            ensure(14, price == mark, || format!("the primary offer of {model} at {price}"))?;
            continue;
        }
        let one = *prices.entry((model, entry.kind == Kind::Buy)).or_insert(price);
        ensure(14, one == price, || format!("{model} is traded at {one} and at {price}"))?;
    }
    Ok(())
}

/// Leavers' dust that an entry gives to the fund, at the mark.
fn dust_of(entry: &Entry) -> i128 {
    let lines = entry.gl.iter().filter(|line| match entry.kind {
        Kind::LiqSell => line.account == GlAccount::Cash,
        Kind::LiqDeliver => matches!(line.account, GlAccount::Units(_)),
        _ => false,
    });
    lines.filter_map(|line| line.delta.as_femto()).sum()
}

/// No model's primary offer sells for more than the order allows.
fn check_primary_limit(entries: &[Entry], most: i128) -> Result<(), Violation> {
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Buy) {
        let Meta::Trade { counterparty: Account::Primary(model), .. } = &entry.meta else {
            continue;
        };
        let cash = entry.custody.iter().filter(|leg| leg.asset == Asset::Cash);
        let cost: i128 = cash.map(|leg| i128::from(leg.amount)).sum();
        ensure(15, cost <= most, || format!("{cost} for the offer of {model}, at most {most}"))?;
    }
    Ok(())
}

/// The primary offer sells before others, and others only where it is empty, has sold what it may, or is marked above its estimate in an
/// auction.
fn check_primary_first(
    seen: &Seen<'_>,
    fund: &FundState,
    entries: &[Entry],
    is_limited: bool,
) -> Result<(), Violation> {
    let mut first = BTreeMap::<&Name, bool>::new();
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Buy) {
        let Meta::Trade { counterparty, model, .. } = &entry.meta else { continue };
        let primary = matches!(counterparty, Account::Primary(_));
        let late = primary && first.contains_key(model);
        ensure(15, !late, || format!("the primary offer of {model} sold after others"))?;
        first.entry(model).or_insert(primary);
    }
    for (model, _) in first.into_iter().filter(|(_, primary)| !primary) {
        let offer = Account::Primary(model.clone());
        let left = seen.after.balance(&offer, &Asset::Unit(model.clone()));
        let below = fund.estimate(model).is_some_and(|price| Some(price) < fund.price(model));
        let held_back = fund.params().auction.is_some() && below;
        ensure(15, left == 0 || is_limited || held_back, || {
            format!("{left} of {model} were passed over")
        })?;
    }
    Ok(())
}

/// Leavers of one strike share proceeds by the shares they burned.
fn check_proceeds(entries: &[Entry], epoch: u64, pool: &Pool) -> Result<(), Violation> {
    let total: i128 = pool.owners.iter().map(|(_, shares)| i128::from(shares.as_nano())).sum();
    let sale = |entry: &&Entry| match &entry.meta {
        Meta::Trade { epoch: of, .. } => entry.kind == Kind::LiqSell && *of == Some(epoch),
        _ => false,
    };
    let paid =
        |entry: &&Entry| entry.kind == Kind::LiqPay && entry.meta == Meta::Settlement { epoch };
    // In an auction all that was sold for them is paid out at once.
    let at_once = entries.iter().any(|entry| paid(&entry));
    let taken: i128 = entries.iter().filter(sale).map(cash_of).sum();
    for entry in entries.iter().filter(|entry| if at_once { paid(entry) } else { sale(entry) }) {
        ensure(10, !at_once || cash_of(entry) == taken, || {
            format!("{taken} were paid for leavers of strike {epoch}")
        })?;
        let cash = || entry.custody.iter().filter(|leg| leg.asset == Asset::Cash);
        let proceeds: i128 = cash().map(|leg| i128::from(leg.amount)).sum();
        for (who, shares) in &pool.owners {
            let due = down(proceeds, i128::from(shares.as_nano()), total);
            let own = |leg: &&Leg| matches!(&leg.to, Account::Claim(name) if name == who);
            let got: i128 = cash().filter(own).map(|leg| i128::from(leg.amount)).sum();
            ensure(10, got == due, || format!("{who} gets {got} of {proceeds}, due {due}"))?;
        }
    }
    Ok(())
}

/// Credits that an entry moves.
fn cash_of(entry: &Entry) -> i128 {
    let cash = entry.custody.iter().filter(|leg| leg.asset == Asset::Cash);
    cash.map(|leg| i128::from(leg.amount)).sum()
}

/// A call and a set that is taken back move nothing of the fund; its end, and a bidder who is barred, bring it what was lost and nothing
/// else.
pub(super) fn check_lost(
    seen: &Seen<'_>,
    fund: &FundState,
    before: &Standing,
    after: &Standing,
) -> Result<(), Violation> {
    let lost = seen.batch.entries.iter().filter(|entry| entry.kind == Kind::BidForfeit);
    let lost: i128 = lost.map(cash_of).sum();
    let income = before.income - fund.gl(&GlAccount::Income);
    let same = after.cash - before.cash == lost && income == Femto::from_femto(lost * K);
    ensure(15, same && before.units == after.units, || format!("{lost} were lost"))?;
    ensure(15, after.nav - before.nav == lost * K, || "NAV moved otherwise".to_owned())
}
