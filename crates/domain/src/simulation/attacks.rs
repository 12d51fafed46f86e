//! Attacks on dealing (FUND 4), each as a seeded simulation that answers what the attacker earned, in femto at true value.
//!
//! What the attacker earned is his wealth at the end less that at the start, or less that of an honest twin. Units count at their
//! true price: what counterparties pay, which is not the mark where the mark is wrong.

use std::collections::BTreeMap;

use super::{
    action::{Action, Fault},
    cast::name,
    journal::{Journal, Process, Reply},
    model::math::{K, down},
    random::Random,
};
use crate::{
    amount::{Cash, LIMIT, PPB_ONE, Ppb, PriceNano, Shares},
    fund::{Account, Asset, Event, FundParams, Rejection, State, apply},
    name::Name,
};

/// A ledger of one fund with models at true prices.
#[derive(Clone)]
struct Market {
    state: State,
    fund: Name,
    /// What counterparties pay, in nano-credits a unit.
    values: BTreeMap<Name, i64>,
}

/// Who takes part, with 1,000,000.000000 credits each.
const PARTIES: [&str; 6] = ["SPONSOR", "LP", "STAY", "ATT", "P1", "P2"];
const WEALTH: i64 = 1_000_000_000_000;

impl Market {
    fn new(params: FundParams) -> Result<Self, Rejection> {
        let fund = name("f");
        let mut market = Self { state: State::new(), fund, values: BTreeMap::new() };
        let fund = market.fund.clone();
        market.run(Event::CreateFund { fund, params })?;
        for who in PARTIES {
            let amount = Cash::from_micro(WEALTH);
            market.run(Event::Deposit { who: name(who), amount })?;
        }
        Ok(market)
    }

    fn run(&mut self, event: Event) -> Result<(), Rejection> {
        let batch = apply(&self.state, &event)?;
        self.state.commit(&batch);
        Ok(())
    }

    fn admit(&mut self, model: &str, publisher: &str, price: i64) -> Result<(), Rejection> {
        self.values.insert(name(model), price);
        self.run(Event::Admit {
            fund: self.fund.clone(),
            model: name(model),
            publisher: name(publisher),
            price: PriceNano::from_nano(price),
            bond: Cash::from_micro(100_000_000),
            contributors: Vec::new(),
        })
    }

    fn seed(&mut self, who: &str, amount: i64) -> Result<(), Rejection> {
        let (fund, amount) = (self.fund.clone(), Cash::from_micro(amount));
        self.run(Event::Seed { fund, who: name(who), amount, day: None })
    }

    fn subscribe(&mut self, who: &str, amount: i64) -> Result<(), Rejection> {
        let (fund, amount) = (self.fund.clone(), Cash::from_micro(amount));
        self.run(Event::Subscribe { fund, who: name(who), amount })
    }

    fn redeem(&mut self, who: &str, shares: i64) -> Result<(), Rejection> {
        let (fund, shares) = (self.fund.clone(), Shares::from_nano(shares));
        self.run(Event::Redeem { fund, who: name(who), shares })
    }

    fn strike(&mut self, day: i64) -> Result<(), Rejection> {
        self.run(Event::Strike { fund: self.fund.clone(), day })
    }

    fn in_kind(&mut self, who: &str, shares: i64) -> Result<(), Rejection> {
        self.run(self.leaving(who, shares))
    }

    fn leaving(&self, who: &str, shares: i64) -> Event {
        let (fund, who, shares) = (self.fund.clone(), name(who), Shares::from_nano(shares));
        let day = self.state.fund(&fund).map_or(0, |fund| fund.day());
        Event::InKind { fund, who, shares, day, skip: Vec::new() }
    }

    /// Trades towards equal weights; nobody trades where there are no `parties`.
    fn rebalance(&mut self, cash: i64, spread: i64, parties: &[&str]) -> Result<(), Rejection> {
        let weight = Ppb::from_ppb(PPB_ONE / (self.values.len().max(1) as i64));
        let weights = self.values.keys().map(|model| (model.clone(), weight)).collect();
        let counterparties = parties.iter().map(|who| name(who)).collect();
        let (cash, spread) = (Ppb::from_ppb(cash), Ppb::from_ppb(spread));
        self.run(Event::Rebalance {
            fund: self.fund.clone(),
            weights,
            cash,
            spread,
            counterparties,
        })
    }

    /// A batch at the weights that there are, so that hardly anybody trades but the leavers.
    fn hold(&mut self, spread: i64, parties: &[&str]) -> Result<(), Rejection> {
        let Some(fund) = self.state.fund(&self.fund) else { return Ok(()) };
        let nav = fund.nav(&self.state).as_femto().unwrap_or(i128::MAX).max(1);
        let weight = |model: &Name| {
            let value = fund.units(&self.state, model);
            let value = value.value_at(fund.price(model).unwrap_or_default()).as_femto();
            // At most one, because NAV holds it.
            Ppb::from_ppb(down(value.unwrap_or(0), K, nav) as i64)
        };
        let weights = self.values.keys().map(|model| (model.clone(), weight(model))).collect();
        let counterparties = parties.iter().map(|who| name(who)).collect();
        let (fund, spread) = (self.fund.clone(), Ppb::from_ppb(spread));
        self.run(Event::Rebalance { fund, weights, cash: Ppb::ZERO, spread, counterparties })
    }

    /// Delivers what leavers wait for: three batches in which nobody trades.
    fn deliver(&mut self) -> Result<(), Rejection> {
        (0..3).try_for_each(|_| self.run(self.idle()))
    }

    fn idle(&self) -> Event {
        Event::Rebalance {
            fund: self.fund.clone(),
            weights: BTreeMap::new(),
            cash: Ppb::ZERO,
            spread: Ppb::ZERO,
            counterparties: Vec::new(),
        }
    }

    fn claim(&mut self, who: &str) -> Result<(), Rejection> {
        if self.cash(&Account::Claim(name(who))) == 0 {
            return Ok(());
        }
        self.run(Event::Claim { who: name(who) })
    }

    /// Sells all units of a person to a provider at their true price, rounded up in his favour.
    fn settle(&mut self, who: &str) -> Result<(), Rejection> {
        for (model, value) in self.values.clone() {
            let asset = Asset::Unit(model);
            let units = self.state.balance(&Account::Person(name(who)), &asset);
            if units == 0 {
                continue;
            }
            let worth = (i128::from(units) * i128::from(value) + K - 1) / K;
            let (seller, buyer) = (name(who), name("LP"));
            self.run(Event::Transfer { who: seller, to: buyer, asset, amount: units })?;
            let amount = i64::try_from(worth).unwrap_or(LIMIT);
            let (payer, payee) = (name("LP"), name(who));
            self.run(Event::Transfer { who: payer, to: payee, asset: Asset::Cash, amount })?;
        }
        Ok(())
    }

    /// Marks every model at `over` times its true price.
    fn mark(&mut self, over: i64) -> Result<(), Rejection> {
        let price = |(model, value): (&Name, &i64)| {
            (model.clone(), PriceNano::from_nano(value.saturating_mul(over)))
        };
        let prices = self.values.iter().map(price).collect();
        let (fund, estimates) = (self.fund.clone(), BTreeMap::new());
        self.run(Event::MarkSet { fund, prices, estimates })
    }

    fn cash(&self, account: &Account) -> i64 {
        self.state.balance(account, &Asset::Cash)
    }

    fn shares(&self, who: &str) -> i64 {
        self.state.balance(&Account::Person(name(who)), &Asset::Share(self.fund.clone()))
    }

    /// What an account holds beside shares, at true prices.
    fn worth(&self, account: &Account) -> i128 {
        let units = self.values.iter().map(|(model, value)| {
            let units = self.state.balance(account, &Asset::Unit(model.clone()));
            i128::from(units) * i128::from(*value)
        });
        i128::from(self.cash(account)) * K + units.sum::<i128>()
    }

    /// Cash, claims and units of a person, at true prices.
    fn wealth(&self, who: &str) -> i128 {
        self.worth(&Account::Person(name(who))) + self.worth(&Account::Claim(name(who)))
    }
}

/// One attack under rules and a seed; what it earned, in 1e-15 credits at true value.
pub type Attack = fn(&FundParams, u64) -> Result<i128, Rejection>;

/// Every attack on dealing, by its name.
pub const ATTACKS: [(&str, Attack); 7] = [
    ("put on the mark", put_on_the_mark),
    ("padding and slicing", slicing),
    ("donation", donation),
    ("double submit", double_submit),
    ("fee poking", fee_poking),
    ("trading around a trip", trip_trading),
    ("stale price", stale_price),
];

/// Rules without fees, so that nothing but dealing is seen.
#[must_use]
pub fn free() -> FundParams {
    FundParams { management_fee: Ppb::ZERO, ..FundParams::default() }
}

/// A fund of two models that somebody else holds, invested at true prices.
fn invested(random: &mut Random, params: FundParams) -> Result<Market, Rejection> {
    let mut market = Market::new(params)?;
    for (model, publisher) in [("A", "P1"), ("B", "P2")] {
        market.admit(model, publisher, random.range(10_000_000, 10_000_000_000))?;
    }
    market.seed("SPONSOR", random.range(1_000_000, 10_000_000_000))?;
    market.subscribe("STAY", random.range(1_000_000_000, 200_000_000_000))?;
    market.strike(0)?;
    market.rebalance(random.range(0, 300_000_000), 0, &["LP"])?;
    Ok(market)
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
/// The publisher is of his party, so that what the royalty pays on unsold units comes back to him.
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
    let start = party(&market);
    market.seed("ATT", random.range(1_001, 1_000_000))?;
    market.rebalance(0, 0, &[])?;
    let gift = random.range(1_000_000_000, 1_000_000_000_000);
    let early = random.chance(500);
    let order = random.range(1_000_000, WEALTH);
    if early {
        market.subscribe("STAY", order)?;
    }
    market.run(Event::Royalty { model: name("A"), amount: Cash::from_micro(gift) })?;
    if !early {
        market.subscribe("STAY", order)?;
    }
    market.strike(0)?;
    let held = market.shares("ATT");
    if held > 0 {
        market.in_kind("ATT", held)?;
    }
    Ok(party(&market) - start - i128::from(gift) * K)
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
