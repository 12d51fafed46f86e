//! The instant window against those who can move its bid.

use super::market::{Market, invested};
use crate::{
    amount::{PPB_ONE, PriceNano, Shares},
    fund::{Account, Event, FundParams, Rejection},
    simulation::{cast::name, model::math::down, random::Random},
};

/// Parts in ppb of a fund's NAV.
fn cash_part(market: &Market) -> i64 {
    let Some(fund) = market.state.fund(&market.fund) else { return 0 };
    let nav = fund.nav(&market.state).as_femto().unwrap_or(i128::MAX).max(1);
    let cash = fund.cash(&market.state).to_femto().as_femto().unwrap_or(0);
    i64::try_from(down(cash, i128::from(PPB_ONE), nav)).unwrap_or(PPB_ONE)
}

/// All that a person has, asked of the window, which is paid.
fn leave(market: &mut Market, who: &str, day: i64) -> Result<(), Rejection> {
    let (fund, shares) = (market.fund.clone(), Shares::from_nano(market.shares(who)));
    let (least, who) = (PriceNano::ZERO, name(who));
    let event = Event::RequestWindow { fund: fund.clone(), who, shares, least };
    // What is too little for a request stays his.
    if market.run(event).is_ok() {
        market.run(Event::PayWindow { fund, day })?;
    }
    Ok(())
}

/// The fund sells the part `more` of itself to the provider and buys it back at the same mark.
fn there_and_back(market: &mut Market, part: i64, more: i64) -> Result<(), Rejection> {
    market.rebalance_between((part + more).min(PPB_ONE), &["LP"])?;
    // A little less, so that no rounding makes it a purchase.
    market.rebalance_between((part + 1_000).min(PPB_ONE), &["LP"])
}

/// A bought bid: a holder of any size and the provider who trades with the fund are one party. The provider buys units of the fund and of
/// leavers at marks that are a multiple of what they are worth, much of them or next to nothing, before marks rise or after, and the
/// holder leaves through the window, before every strike again, while others join. At times the fund buys back of him what it has just sold
/// him, at the same mark, which costs him nothing. Against a twin where the same people join at the same
/// marks, and the provider buys nothing and nobody asks the window.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn bought_bid(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    if rules.window.is_none() {
        return Ok(0);
    }
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    market.subscribe("ATT", random.range(1_000_000, 900_000_000_000))?;
    market.strike(1)?;
    market.rebalance(random.range(10_000_000, 500_000_000), 0, &["LP"])?;
    // An honest sale of the fund's, or none, and at times nothing after it but sales that are taken back.
    if random.chance(500) {
        let part = cash_part(&market) + random.range(10_000_000, 300_000_000);
        market.rebalance_between(part.min(PPB_ONE), &["LP"])?;
    }
    let washes = random.chance(400);
    let mut twin = market.clone();
    let rises = random.chance(300);
    let joins = random.chance(400);
    for day in 2..9 {
        let over = if rises && day < 4 { 1 } else { random.range(2, 9) };
        for market in [&mut market, &mut twin] {
            market.mark(over)?;
        }
        let victim = random.range(1_000_000, 100_000_000_000);
        let joins = joins && random.chance(400);
        let has = market.shares("ATT");
        if has > 0 && random.chance(700) {
            leave(&mut market, "ATT", day)?;
        }
        let has = market.shares("ATT");
        if has > 1 && random.chance(150) {
            market.redeem("ATT", has / 2)?;
        }
        for market in [&mut market, &mut twin] {
            if joins && market.cash(&Account::Person(name("P1"))) >= victim {
                market.subscribe("P1", victim)?;
            }
            market.strike(day)?;
        }
        // Leavers' units are bought at the mark as well, by his own party.
        let part = cash_part(&market);
        match if washes { 1 } else { random.below(5) } {
            0 => market.hold(0, &["LP"])?,
            1 => there_and_back(&mut market, part, random.range(10_000_000, 500_000_000))?,
            2 => market.rebalance((part + 1_000).min(PPB_ONE), 0, &["LP"])?,
            _ => market.rebalance(random.range(part.min(PPB_ONE - 1), PPB_ONE), 0, &["LP"])?,
        }
        twin.run(twin.idle())?;
    }
    less(&mut market, &mut twin)
}

/// Who leaves through the window while a price is inside its deadband: the fund sells units honestly; then what they are worth falls by as
/// much as the deadband hides from mark and estimate, the holder knows it, and leaves before every strike. Against a twin where he stays.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn inside_the_deadband(
    rules: &FundParams,
    deadband: i64,
    seed: u64,
) -> Result<i128, Rejection> {
    if rules.window.is_none() {
        return Ok(0);
    }
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    market.subscribe("ATT", random.range(1_000_000, 900_000_000_000))?;
    market.strike(1)?;
    market.rebalance(random.range(10_000_000, 100_000_000), 0, &["LP"])?;
    // Half of it, so that all of the rest may count, or any part.
    let sold = cash_part(&market) + random.range(10_000_000, 500_000_000);
    market.rebalance_between(sold, &["LP"])?;
    let mut twin = market.clone();
    for market in [&mut market, &mut twin] {
        for value in market.values.values_mut() {
            let hidden = down(i128::from(*value), i128::from(deadband), i128::from(PPB_ONE));
            *value -= i64::try_from(hidden).unwrap_or(0);
        }
    }
    for day in 2..6 {
        if market.shares("ATT") > 0 {
            leave(&mut market, "ATT", day)?;
        }
        market.strike(day)?;
        twin.strike(day)?;
    }
    less(&mut market, &mut twin)
}

/// What the party has at the end, less what it has in the twin.
fn less(market: &mut Market, twin: &mut Market) -> Result<i128, Rejection> {
    let mut party = 0;
    for (market, sign) in [(market, 1), (twin, -1)] {
        let held = market.shares("ATT");
        if held > 0 {
            market.in_kind("ATT", held)?;
        }
        market.deliver()?;
        market.claim("ATT")?;
        party += sign * (market.wealth("ATT") + market.wealth("LP"));
    }
    Ok(party)
}
