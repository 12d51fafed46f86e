//! Churn through the spread: those who trade with the fund join and leave, so that it buys from them above the mark, again and again.

use super::market::{Market, invested};
use crate::{
    amount::Ppb,
    fund::{Account, Methodology, Rejection},
    simulation::{cast::name, random::Random},
};

/// Whoever is of the attacker's party: he himself, the publishers, and the provider who trades with the fund.
const PARTY: [&str; 4] = ["ATT", "P1", "P2", "LP"];

/// The publishers of a fund's models and the provider at its side are one party with somebody who joins and leaves in kind.
///
/// What he brings is spent on their units at the mark and the spread; all holders bear the spread, and he is one of many only as long as
/// he is in. What takes it away is a levy on joiners that covers the spread of what is bought for them.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn churn(rules: &Methodology, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    // Fees take from the party what it earns elsewhere, and are no protection.
    let params = crate::fund::FundParams {
        management_fee: Ppb::ZERO,
        performance_fee: Ppb::ZERO,
        auction: None,
        ..rules.fund_params()
    };
    // In an auction, trades may be made as far from the mark as its band.
    let band = rules.auction.map_or(0, |auction| auction.band.as_ppb());
    let spread = rules.spread_ppb.max(band);
    let mut market = invested(&mut random, params)?;
    let trade = |market: &mut Market| market.rebalance(rules.cash_ppb, spread, &["LP"]);
    // The first trades under these rules are the fund's own.
    (0..4).try_for_each(|_| trade(&mut market))?;
    let start = wealth(&market);
    for _ in 0..20 {
        let cash = market.cash(&Account::Person(name("ATT")));
        // Where nothing is left to take, or to take it with, he stops.
        let is_over = market.state.fund(&market.fund).is_none_or(|fund| fund.winding());
        if cash == 0 || is_over {
            break;
        }
        market.subscribe("ATT", random.range(1_000_000_000, 100_000_000_000).min(cash))?;
        market.strike(0)?;
        trade(&mut market)?;
        let held = market.shares("ATT");
        if held > 0 {
            market.in_kind("ATT", held)?;
        }
    }
    Ok(wealth(&market) - start)
}

/// What the party has, the publishers' offers, bonds and escrows with it.
fn wealth(market: &Market) -> i128 {
    let own = |model| {
        [
            Account::Primary(name(model)),
            Account::Bond(name(model)),
            Account::EscrowPublisher(name(model)),
        ]
    };
    let offers: i128 = ["A", "B"].into_iter().flat_map(own).map(|a| market.worth(&a)).sum();
    offers + PARTY.iter().map(|who| market.wealth(who)).sum::<i128>()
}
