//! Attacks of whoever knows, at the strike that deals with his order, what its mark does not: because he published after ordering, or
//! because he ordered after the cut-off.

use super::market::invested;
use crate::{
    amount::LIMIT,
    fund::{Account, Event, FundParams, Rejection},
    simulation::{cast::name, random::Random},
};

const DAY_MS: i64 = 86_400_000;

/// Publish after ordering: he orders, publishes a version that he knows to be better, and waits for the strike that does not know it. His
/// order is held back from the publishing on; he tries to take it back where it turns out worse.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn publish_after_ordering(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    play(rules, seed, Knows::Published, true)
}

/// Order after the cut-off: the strike of a cut-off is late, its prices are those of the cut-off, and he orders when he has seen how they
/// move. The book is closed before his order.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn order_after_cut_off(rules: &FundParams, seed: u64) -> Result<i128, Rejection> {
    play(rules, seed, Knows::Late, true)
}

/// The two of them where nothing is held back and no book is closed, as it was before ops/decisions/0050: what they earned then.
///
/// # Errors
/// A step of an attack that the engine refuses.
pub fn unguarded(rules: &FundParams, seed: u64) -> Result<[i128; 2], Rejection> {
    let earned = |knows| play(rules, seed, knows, false);
    Ok([earned(Knows::Published)?, earned(Knows::Late)?])
}

/// What he knows more than the mark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knows {
    /// His own version.
    Published,
    /// What happened after the cut-off.
    Late,
}

fn play(rules: &FundParams, seed: u64, knows: Knows, guarded: bool) -> Result<i128, Rejection> {
    let mut random = Random::new(seed);
    let mut market = invested(&mut random, rules.clone())?;
    let start = market.wealth("ATT");
    let (fund, who, first) = (market.fund.clone(), name("ATT"), market.values.clone());
    let hold = |held, day| {
        let (fund, who) = (fund.clone(), who.clone());
        Event::HoldOrder { fund, who, place: 0, held, day }
    };
    for turn in 0..12 {
        let day = 3 * turn;
        let amount = random.range(1, 50_000_000_000);
        let amount = amount.min(market.cash(&Account::Person(who.clone()))).max(1);
        // He orders late only what he knows to be worth it; before he publishes he does not know what others will find.
        let factor = if knows == Knows::Late { 1100 } else { 700 };
        let factor = random.range(factor, 2500);
        if knows == Knows::Published {
            market.subscribe("ATT", amount)?;
        }
        for value in market.values.values_mut() {
            let moved = i128::from(*value) * i128::from(factor) / 1000;
            *value = i64::try_from(moved).unwrap_or(LIMIT).clamp(1_000_000, 1_000_000_000_000);
        }
        match knows {
            Knows::Published if guarded => market.run(hold(true, day))?,
            Knows::Late if guarded => {
                market.run(Event::CutOff { fund: fund.clone(), at: day * DAY_MS })?;
            }
            _ => {}
        }
        if knows == Knows::Late {
            market.subscribe("ATT", amount)?;
        } else if factor < 1000 {
            // What he knows is bad: he wants out, and takes his money back if he can.
            let (fund, who) = (fund.clone(), who.clone());
            let _ = market.run(Event::CancelSubscription { fund, who, place: 0 });
        }
        market.strike(day)?;
        market.mark(1)?;
        if knows == Knows::Published && guarded {
            market.run(hold(false, day + 1))?;
        }
        market.strike(day + 1)?;
        let held = market.shares("ATT");
        if held > 0 {
            market.redeem("ATT", held)?;
        }
        market.strike(day + 2)?;
        market.deliver()?;
        market.claim("ATT")?;
        // He keeps nothing that would win or lose by itself.
        market.settle("ATT")?;
        market.values.clone_from(&first);
        market.mark(1)?;
    }
    Ok(market.wealth("ATT") - start)
}
