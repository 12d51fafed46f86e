//! Attacks of whoever sets the prices and sees the book.

use std::collections::BTreeMap;

use super::market::{Market, invested};
use crate::{
    amount::PriceNano,
    fund::{Event, FundParams, PriceSet, Rejection, Salt},
    name::Name,
    simulation::random::Random,
};

/// Every model at `over` times its true price.
fn prices(market: &Market, over: i64) -> BTreeMap<Name, PriceNano> {
    let price = |(model, value): (&Name, &i64)| {
        (model.clone(), PriceNano::from_nano(value.saturating_mul(over)))
    };
    market.values.iter().map(price).collect()
}

fn commit(market: &Market, over: i64, salt: Salt) -> Result<Event, Rejection> {
    let fund = market.fund.clone();
    let number = market.state.fund(&fund).map_or(0, |fund| fund.epoch()) + 1;
    let (prices, estimates) = (prices(market, over), BTreeMap::new());
    let set = PriceSet { fund: &fund, number, prices: &prices, estimates: &estimates, salt: &salt };
    let commitment = set.commitment().map_err(|_| Rejection::Internal("no canonical JSON"))?;
    Ok(Event::CommitPrices { fund, commitment })
}

fn reveal(market: &Market, over: i64, salt: Salt) -> Event {
    let (fund, prices) = (market.fund.clone(), prices(market, over));
    Event::RevealPrices { fund, prices, estimates: BTreeMap::new(), salt }
}

/// Commits, closes, tells and strikes at prices of his own, with whoever waits.
fn deal(market: &mut Market, over: i64, salt: Salt, day: i64) -> Result<(), Rejection> {
    market.run(commit(market, over, salt)?)?;
    market.run(Event::CloseOrders { fund: market.fund.clone(), day, salt })?;
    market.run(reveal(market, over, salt))?;
    market.strike(day)
}

/// A withheld reveal: the operator, who holds shares, sees in the closed book who wants to join, wants him at dearer prices, and
/// tries whatever may get him there: another commitment, other marks, another set, taking his own party's order back, and at last
/// to withhold the prices and to commit to dearer ones for the same orders. Against a twin who deals fairly where he does, and
/// with nobody where he withholds.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn withheld_reveal(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    let mut twin = market.clone();
    for day in 1..12 {
        let (over, salt) = (random.range(2, 5), Salt::from_bytes([day as u8; 32]));
        let (victim, own) =
            (random.range(1_000_000, 50_000_000_000), random.range(1, 1_000_000_000));
        let withholds = random.chance(500);
        market.run(commit(&market, 1, salt)?)?;
        for market in [&mut market, &mut twin] {
            let held = market.shares("ATT");
            if held > 1 {
                market.redeem("ATT", held / 2)?;
            }
        }
        market.subscribe("P2", victim)?;
        market.subscribe("ATT", own)?;
        market.run(Event::CloseOrders { fund: market.fund.clone(), day, salt })?;
        let (fund, dear) = (market.fund.clone(), prices(&market, over));
        let who = crate::simulation::cast::name("ATT");
        for attempt in [
            commit(&market, over, salt)?,
            Event::MarkSet { fund: fund.clone(), prices: dear, estimates: BTreeMap::new() },
            reveal(&market, over, salt),
            Event::CancelSubscription { fund: fund.clone(), who, place: 1 },
            Event::ReopenOrders { fund, day },
        ] {
            // Where one of them works, the dearer prices are dealt at, and the twin is left behind.
            if market.run(attempt).is_ok() {
                market.mark(over)?;
            }
        }
        if withholds {
            market.strike(day)?;
            deal(&mut market, over, salt, day)?;
            twin.strike(day)?;
            twin.strike(day)?;
        } else {
            market.run(reveal(&market, 1, salt))?;
            market.strike(day)?;
            twin.mark(1)?;
            twin.subscribe("P2", victim)?;
            twin.subscribe("ATT", own)?;
            twin.strike(day)?;
        }
    }
    let mut party = 0;
    for (market, sign) in [(&mut market, 1), (&mut twin, -1)] {
        for who in ["SPONSOR", "ATT"] {
            let held = market.shares(who);
            if held > 0 {
                market.in_kind(who, held)?;
            }
        }
        market.deliver()?;
        party += sign * (market.wealth("SPONSOR") + market.wealth("ATT"));
    }
    Ok(party)
}
