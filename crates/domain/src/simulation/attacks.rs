//! Attacks on dealing (FUND 4), each as a seeded simulation that answers what the attacker earned, in femto at true value.
//!
//! What the attacker earned is his wealth at the end less that at the start, or less that of an honest twin. Units count at their
//! true price: what counterparties pay, which is not the mark where the mark is wrong.

mod all;
mod churn;
mod late;
mod market;
mod reveal;
mod shut;
mod window;

use std::collections::BTreeMap;

pub use self::{
    late::{order_after_cut_off, publish_after_ordering, unguarded},
    reveal::withheld_reveal,
    window::{bought_bid, inside_the_deadband},
};
pub use all::{AttackError, Earned, RULE_ATTACKS, RuleAttack, attack_all};
pub use churn::churn;
pub use shut::bids_left_shut;

use self::market::{Market, WEALTH, invested};
use super::{
    action::{Action, Fault},
    cast::name,
    journal::{Journal, Process, Reply},
    model::math::{K, down},
    random::Random,
};
use crate::{
    amount::{Cash, LIMIT, PPB_ONE, Ppb, PriceNano, Shares},
    fund::{Account, Event, FundParams, Rejection},
    name::Name,
};

/// One attack under rules and a seed; what it earned, in 1e-15 credits at true value.
pub type Attack = fn(&FundParams, u64) -> Result<i128, Rejection>;

/// Every attack on dealing, by its name.
pub const ATTACKS: [(&str, Attack); 13] = [
    ("put on the mark", put_on_the_mark),
    ("over-marked units", over_marked_units),
    ("padding and slicing", slicing),
    ("donation", donation),
    ("double submit", double_submit),
    ("fee poking", fee_poking),
    ("trading around a trip", trip_trading),
    ("stale price", stale_price),
    ("withheld reveal", withheld_reveal),
    ("publish after ordering", publish_after_ordering),
    ("order after the cut-off", order_after_cut_off),
    ("bought bid at the window", bought_bid),
    ("inside the deadband at the window", |rules, seed| {
        inside_the_deadband(rules, DEADBAND_MIN, seed)
    }),
];

/// The least deadband that prices are accepted with (FUND 6, 12), in parts of the price.
const DEADBAND_MIN: i64 = 5_000_000;

/// Rules without fees, so that nothing but dealing is seen.
#[must_use]
pub fn free() -> FundParams {
    FundParams { management_fee: Ppb::ZERO, ..FundParams::default() }
}

/// The put on the mark: marks are a multiple of what counterparties pay; the attacker joins and leaves at every strike.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn put_on_the_mark(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    let over = random.range(2, 9);
    let spread = PPB_ONE - PPB_ONE / over;
    // He joins at marks as wrong as those he leaves at, or each time just before they go wrong.
    let knows = random.chance(500);
    market.mark(over)?;
    let start = market.wealth("ATT");
    for day in 0..40 {
        let cash = market.cash(&Account::Person(name("ATT")));
        if knows {
            market.mark(1)?;
        }
        let amount = random.range(1, 100_000_000_000).min(cash);
        if amount > 0 {
            market.subscribe("ATT", amount)?;
        }
        if knows {
            market.strike(day)?;
            market.mark(over)?;
        }
        let held = market.shares("ATT");
        match random.below(4) {
            _ if held == 0 => {}
            0 => market.in_kind("ATT", held)?,
            _ => market.redeem("ATT", held)?,
        }
        market.strike(day)?;
        let parties: &[&str] = if random.chance(800) { &["LP"] } else { &[] };
        market.hold(spread, parties)?;
        market.claim("ATT")?;
    }
    let held = market.shares("ATT");
    if held > 0 {
        market.in_kind("ATT", held)?;
    }
    market.deliver()?;
    Ok(market.wealth("ATT") - start)
}

/// Over-marked units: bought for what counterparties pay where one name is marked far above, brought to the fund in kind, and taken
/// out by every way there is (FUND 4, SummerFi: an asset at par that is worth less is put in and other assets come out).
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn over_marked_units(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    // Somebody who left in kind has sold his units to the provider.
    market.in_kind("STAY", market.shares("STAY") / 2)?;
    market.settle("STAY")?;
    let start = market.wealth("ATT");
    for day in 0..10 {
        market.mark_one("A", random.range(2, 9))?;
        // The mark is wrong, and the provider sells to him at the true price.
        let wanted = market.creatable("ATT", random.range(2, 20));
        for (model, units) in market.slice_of(wanted)? {
            market.buy("ATT", &model, units)?;
        }
        if wanted > 0 {
            market.create_in_kind("ATT", wanted)?;
        }
        let held = market.shares("ATT");
        match random.below(3) {
            _ if held == 0 => {}
            0 => market.in_kind("ATT", held)?,
            1 => market.in_kind("ATT", random.range(1, held))?,
            _ => market.redeem("ATT", held)?,
        }
        market.strike(day)?;
        market.deliver()?;
        market.claim("ATT")?;
        market.settle("ATT")?;
        market.mark(1)?;
    }
    let held = market.shares("ATT");
    if held > 0 {
        market.in_kind("ATT", held)?;
    }
    Ok(market.wealth("ATT") - start)
}

/// Padding and slicing: all shares in many orders, of one strike among other leavers or of a strike each, against one order.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn slicing(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    market.subscribe("ATT", random.range(1_000_000_000, 100_000_000_000))?;
    market.strike(1)?;
    market.mark(random.range(1, 4))?;
    let held = market.shares("ATT");
    let mut honest = market.clone();
    let one_strike = random.chance(500);
    if one_strike {
        let others = random.range(1, market.shares("STAY"));
        for market in [&mut market, &mut honest] {
            market.redeem("STAY", others)?;
        }
    }
    honest.redeem("ATT", held)?;
    honest.strike(2)?;
    let parts = random.range(2, 60);
    let mut left = held;
    for part in 0..parts {
        let size = if part + 1 == parts { left } else { random.range(1, left / 8) };
        left -= size;
        market.redeem("ATT", size)?;
        if !one_strike {
            market.strike(2)?;
        }
    }
    if one_strike {
        market.strike(2)?;
    }
    market.deliver()?;
    honest.deliver()?;
    Ok(market.wealth("ATT") - honest.wealth("ATT"))
}

/// Donation: a first holder with next to nothing raises NAV per share by a royalty before a victim's order is settled.
///
/// The publisher is of his party, so that what the royalty pays on unsold units comes back to him. An honest twin pays for shares
/// what the gift brought the fund: a holder's part of a later joiner's levy is no work of the gift.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn donation(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = Market::new(rules.clone())?;
    market.admit("A", "P1", random.range(1_000, 1_000_000))?;
    let party = |market: &Market| {
        let model = name("A");
        let accounts = [
            Account::Primary(model.clone()),
            Account::Bond(model.clone()),
            Account::EscrowPublisher(model),
        ];
        let owned: i128 = accounts.iter().map(|account| market.worth(account)).sum();
        owned + market.wealth("ATT") + market.wealth("P1")
    };
    let (seed_cash, mut honest) = (random.range(1_001, 1_000_000), market.clone());
    market.seed("ATT", seed_cash)?;
    market.rebalance(0, 0, &[])?;
    let gift = random.range(1_000_000_000, 1_000_000_000_000);
    let early = random.chance(500);
    let order = random.range(1_000_000, WEALTH);
    if early {
        market.subscribe("STAY", order)?;
    }
    let before = market.cash(&Account::Fund(market.fund.clone()));
    market.run(Event::Royalty { model: name("A"), amount: Cash::from_micro(gift) })?;
    let raised = market.cash(&Account::Fund(market.fund.clone())) - before;
    if !early {
        market.subscribe("STAY", order)?;
    }
    if raised > 0 {
        honest.run(Event::Deposit { who: name("ATT"), amount: Cash::from_micro(raised) })?;
    }
    honest.seed("ATT", seed_cash + raised)?;
    honest.rebalance(0, 0, &[])?;
    honest.subscribe("STAY", order)?;
    for market in [&mut market, &mut honest] {
        market.strike(0)?;
        let held = market.shares("ATT");
        if held > 0 {
            market.in_kind("ATT", held)?;
        }
    }
    Ok(party(&market) - party(&honest) - i128::from(gift - raised) * K)
}

/// Double submission: one redemption of everything, sent again under its key and under others, while answers are lost and the
/// process is killed, against one order that is heard at once.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn double_submit(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    market.subscribe("ATT", random.range(1_000_000_000, 100_000_000_000))?;
    market.strike(1)?;
    let held = market.shares("ATT");
    let (fund, who) = (market.fund.clone(), name("ATT"));
    let redeem = Event::Redeem { fund, who, shares: Shares::from_nano(held) };
    let (strike, claim) =
        (Event::Strike { fund: market.fund.clone(), day: 2 }, Event::Claim { who: name("ATT") });
    // What he pays in arrives once, whatever he says of it.
    let deposit = Event::Deposit { who: name("ATT"), amount: Cash::from_micro(1_000_000) };
    let idle = || market.idle();
    let honest = [redeem.clone(), deposit, strike, idle(), idle(), idle(), claim];
    let mut twin = market.clone();
    honest.iter().try_for_each(|event| twin.run(event.clone()))?;

    let mut journal = Journal::on(market.state.clone());
    let mut process = Process::start(&mut journal, None);
    let mut other_key = 100;
    for (key, event) in honest.iter().enumerate() {
        for _ in 0..2 + random.below(4) {
            let fault = random.pick([
                Fault::None,
                Fault::KillBefore,
                Fault::KillAfter,
                Fault::ReplyLost,
                Fault::AppendRefused(1),
            ]);
            let event = event.clone();
            let action = Action { key: key as u64, event, fault };
            if process.serve(&action, &mut journal, None) == Reply::Silent {
                process = Process::start(&mut journal, None);
            }
            // The same right once more, as if it were another.
            other_key += 1;
            let event = match random.below(3) {
                0 => market.leaving("ATT", held),
                1 => Event::Claim { who: name("ATT") },
                _ => redeem.clone(),
            };
            if process.keys.contains_key(&0) {
                process.serve(
                    &Action { key: other_key, event, fault: Fault::None },
                    &mut journal,
                    None,
                );
            }
        }
        let action = Action { key: key as u64, event: event.clone(), fault: Fault::None };
        process.serve(&action, &mut journal, None);
    }
    market.state = process.state;
    Ok(market.wealth("ATT") - twin.wealth("ATT"))
}

/// Trading around a trip: the price waits for its confirmation while public reports already tell the new one, up or down; he joins at
/// the old mark, and leaves once it has moved.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn trip_trading(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    around_old_marks(rules, seed, true)
}

/// Stale prices: marks stay where they were at the beginning, whatever happens, while public reports tell what models are worth; he joins
/// and leaves again and again.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn stale_price(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    around_old_marks(rules, seed, false)
}

/// Joins while marks are old and leaves after they have caught up, or while they never do.
fn around_old_marks(rules: &FundParams, seed: u64, catches_up: bool) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    let start = market.wealth("ATT");
    let prices = |market: &Market| -> BTreeMap<Name, PriceNano> {
        market.values.iter().map(|(m, v)| (m.clone(), PriceNano::from_nano(*v))).collect()
    };
    let first = prices(&market);
    for turn in 0..20 {
        let day = 2 * turn;
        let old = if catches_up { prices(&market) } else { first.clone() };
        for value in market.values.values_mut() {
            let moved = i128::from(*value) * i128::from(random.range(400, 2500)) / 1000;
            *value = i64::try_from(moved).unwrap_or(LIMIT).clamp(1_000_000, 1_000_000_000_000);
        }
        let (fund, estimates) = (market.fund.clone(), prices(&market));
        market.run(Event::MarkSet { fund, prices: old, estimates })?;
        let amount =
            random.range(1, 50_000_000_000).min(market.cash(&Account::Person(name("ATT"))));
        if amount > 0 {
            market.subscribe("ATT", amount)?;
        }
        market.strike(day)?;
        if catches_up {
            market.mark(1)?;
        }
        let held = market.shares("ATT");
        if held > 0 {
            market.redeem("ATT", held)?;
        }
        market.strike(day + 1)?;
        market.deliver()?;
        market.claim("ATT")?;
        // What he holds from turn to turn would win or lose by itself: he sells it at what it is worth.
        market.settle("ATT")?;
    }
    Ok(market.wealth("ATT") - start)
}

/// Fee poking: the manager strikes on many days in place of one, and earns by the shares that he has more.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn fee_poking(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let drawn = random.pick([1, 10_000_000, 20_000_000, 100_000_000, 500_000_000]);
    let mut params = rules.clone();
    if params.management_fee == Ppb::ZERO {
        params.management_fee = Ppb::from_ppb(drawn);
    }
    let mut poked = invested(&mut random, params)?;
    // What the first joiners' levy gained is charged on before, or he who strikes earlier charges his fee on more of it.
    poked.strike(0)?;
    let mut once = poked.clone();
    let days = random.range(2, 800);
    let mut day = 0;
    while day < days {
        day = (day + random.range(1, 5)).min(days);
        if random.chance(500) {
            poked.strike(day)?;
        } else {
            // Anybody can move the clock by leaving in kind.
            let nothing = poked.leaving("STAY", 1);
            if let Event::InKind { fund, who, shares, skip, .. } = nothing {
                poked.run(Event::InKind { fund, who, shares, day, skip })?;
            }
        }
    }
    let burned = once.shares("STAY") - poked.shares("STAY");
    if burned > 0 {
        once.in_kind("STAY", burned)?;
    }
    once.strike(days)?;
    let earned = |market: &Market| {
        let parties = ["MANAGER", "PUBPOOL"];
        parties.iter().map(|who| i128::from(market.shares(who))).sum::<i128>()
    };
    let more = earned(&poked) - earned(&once);
    let Some(fund) = poked.state.fund(&poked.fund) else { return Ok(0) };
    let nav = fund.nav(&poked.state).as_femto().unwrap_or(i128::MAX);
    let shares = i128::from(fund.shares(&poked.state).as_nano());
    Ok(more.signum() * down(more.abs(), nav, shares))
}
