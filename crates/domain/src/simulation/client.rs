//! The world outside: draws the next request, sends some twice, late or again under the same key.

mod bids;
mod dealing;
mod restating;
mod reveal;
mod waiting;
mod window;

use std::collections::BTreeMap;

use self::reveal::Sealed;
use super::{
    action::{Action, Fault},
    cast::{
        CASH, Cast, FIRST_INVESTOR, MANAGER, MODELS, PROVIDERS, SHARE, SPONSOR, claim, person,
        publisher,
    },
    governing::adoption,
    model::Model,
    random::Random,
    swarm::{Op, Swarm},
};
use crate::{
    amount::{Cash, LIMIT, PPB_ONE, Ppb, PriceNano, Shares},
    digest::Digest,
    fund::{Asset, Event, FundParams},
    name::Name,
};

/// Requests that may be under way at once.
const PENDING_MAX: usize = 64;

/// One client with its requests under way.
#[derive(Debug)]
pub(super) struct Client {
    random: Random,
    pub(super) swarm: Swarm,
    pub(super) pending: Vec<Action>,
    next_key: u64,
    day: i64,
    /// Sets of prices by what binds to them.
    sealed: BTreeMap<Digest, Sealed>,
    /// What was sealed, to be opened some day.
    bids: Vec<bids::Secret>,
}

impl Client {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(&mut random);
        let (sealed, bids) = (BTreeMap::new(), Vec::new());
        Self { random, swarm, pending: Vec::new(), next_key: 0, day: 0, sealed, bids }
    }

    /// A request under a new key, that nothing happens to.
    pub(super) const fn request(&mut self, event: Event) -> Action {
        self.next_key += 1;
        Action { key: self.next_key, event, fault: Fault::None }
    }

    /// What makes a fund that can be dealt in.
    pub(super) fn opening(&mut self, cast: &Cast) -> Vec<Action> {
        let fund = cast.fund.clone();
        let deposit = |who: usize, amount: i64| Event::Deposit {
            who: cast.persons[who].clone(),
            amount: Cash::from_micro(amount),
        };
        let mut events = vec![
            Event::CreateFund { fund: fund.clone(), params: self.swarm.params.clone() },
            deposit(SPONSOR, 100_000_000_000),
        ];
        for provider in PROVIDERS {
            events.push(deposit(provider, 10_i64.pow(self.swarm.provider_digits)));
        }
        for investor in 0..self.swarm.investors {
            // Some have nearly all that a ledger can hold.
            let amount = if self.random.chance(40) {
                10_i64.pow(13 + self.random.below(6) as u32) * self.random.range(1, 9)
            } else {
                self.random.range(1, 1_000_000_000_000)
            };
            events.push(deposit(FIRST_INVESTOR + investor, amount));
        }
        for model in 0..self.swarm.first_models {
            events.push(deposit(publisher(model), 1_000_000_000));
            events.push(self.admission(cast, model));
        }
        let day = self.random.chance(300).then(|| self.random.range(0, 30_000));
        self.day = day.unwrap_or(0);
        let (who, amount) = (cast.persons[SPONSOR].clone(), Cash::from_micro(self.swarm.seed_cash));
        // Before its seed a fund can do nothing.
        let early = Shares::from_nano(1);
        events.push(Event::Redeem { fund: fund.clone(), who: who.clone(), shares: early });
        events.push(Event::Seed { fund, who, amount, day });
        events.into_iter().map(|event| self.request(event)).collect()
    }

    /// The next request to arrive: one under way, or a new one.
    pub(super) fn next(&mut self, model: &Model) -> Action {
        let faults = self.swarm.faults;
        if !self.pending.is_empty() && (self.random.chance(300) || self.pending.len() > 16) {
            // Any of them: requests overtake each other.
            let index = self.random.below(self.pending.len());
            return self.pending.swap_remove(index);
        }
        let event = self.draw(model);
        let mut action = self.request(event);
        if self.pending.len() < PENDING_MAX {
            if self.random.chance(faults.duplicate) {
                self.pending.push(action.clone());
            }
            if self.random.chance(faults.other_body) {
                let who = model.cast.persons[SPONSOR].clone();
                let event = Event::Deposit { who, amount: Cash::from_micro(7) };
                self.pending.push(Action { event, ..action.clone() });
            }
            if self.random.chance(faults.delay) {
                self.pending.push(action);
                let event = self.draw(model);
                action = self.request(event);
            }
        }
        action.fault = if self.random.chance(faults.kill) {
            self.random.pick([Fault::KillBefore, Fault::KillAfter])
        } else if self.random.chance(faults.append_refused) {
            Fault::AppendRefused(1 + self.random.below(3) as u8)
        } else if self.random.chance(faults.reply_lost) {
            Fault::ReplyLost
        } else {
            Fault::None
        };
        action
    }

    /// A caller that heard nothing asks again, under the same key.
    pub(super) fn unanswered(&mut self, action: &Action) {
        self.pending.push(Action { fault: Fault::None, ..action.clone() });
    }

    fn investor(&mut self) -> usize {
        // Managers and sponsors deal too, now and then.
        match self.random.below(20) {
            0 => MANAGER,
            1 => SPONSOR,
            _ => FIRST_INVESTOR + self.random.below(self.swarm.investors),
        }
    }

    fn draw(&mut self, model: &Model) -> Event {
        let cast = model.cast.clone();
        let fund = cast.fund.clone();
        let investor = self.investor();
        let who = cast.persons[investor].clone();
        if self.follows_bids(model) {
            return self.bid_step(model);
        }
        match self.swarm.draw_op(&mut self.random) {
            Op::Deposit => {
                Event::Deposit { who, amount: Cash::from_micro(self.random.magnitude(12)) }
            }
            Op::Withdraw => {
                Event::Withdraw { who, amount: Cash::from_micro(self.random.magnitude(10)) }
            }
            Op::Transfer => self.transfer(model, investor),
            Op::Claim => self.claim(model, investor),
            Op::Admit => self.next_admission(model),
            Op::Mark if model.facts.open.is_some() && !self.random.chance(50) => {
                self.sealed_step(model)
            }
            Op::Mark => self.marks(model),
            Op::Commit => self.sealed_step(model),
            Op::Crash => self.crash(model),
            Op::Subscribe => self.joining(model, investor),
            Op::Redeem => self.leaving(model, investor),
            Op::Cancel => self.cancel(model),
            Op::Hold => Event::HoldSubscriptions {
                fund,
                held: !model.facts.held || self.random.chance(100),
            },
            Op::Eligible => self.eligibility(model),
            Op::CutOff => self.cut_off(model),
            Op::HoldOrder => self.holding(model, investor),
            Op::FeeShare => self.fee_share(model),
            Op::Restrict => self.restriction(model, investor),
            Op::Window => self.window(model, investor),
            Op::Bids => self.bid_step(model),
            Op::Strike => Event::Strike { fund, day: self.day },
            Op::InKind => self.in_kind(model, investor),
            Op::Create => self.creation(model, investor),
            Op::Correct => self.correction(model),
            Op::Compensate => self.compensation(model),
            Op::Distribute => self.distribution(model),
            Op::Rebalance => self.rebalance(model),
            Op::Vest => Event::Vest { fund, model: self.any_model(model), day: self.day },
            Op::Royalty => {
                let amount = Cash::from_micro(self.random.magnitude(9));
                Event::Royalty { model: self.any_model(model), amount }
            }
            Op::Delist => Event::Delist { fund, model: self.any_model(model) },
            Op::Adopt => adoption(&mut self.random, model),
            Op::Day => {
                let jump = if self.random.chance(5) { 3000 } else { 40 };
                self.day = self.day.max(model.facts.day) + self.random.range(1, jump);
                Event::Strike { fund, day: self.day }
            }
            Op::ClockBack => {
                let day = model.facts.day - self.random.range(1, 100);
                if self.random.chance(500) {
                    Event::Strike { fund, day }
                } else {
                    let shares = Shares::from_nano(1);
                    Event::InKind { fund, who, shares, day, skip: Vec::new() }
                }
            }
            Op::Bankruptcy => self.bankruptcy(model),
            Op::Bad => self.bad(model),
        }
    }

    /// An order that waits, in most cases by its owner.
    fn cancel(&mut self, model: &Model) -> Event {
        let (fund, stranger) = (model.cast.fund.clone(), self.investor());
        let joins = self.random.chance(500);
        let queue = if joins { &model.facts.subs } else { &model.facts.reds };
        let place = self.random.below(queue.len() + 1);
        let owner = queue.get(place).map_or(stranger, |(who, _)| *who);
        let own = self.random.chance(900);
        let who = model.cast.persons[if own { owner } else { stranger }].clone();
        let place = place as u64;
        if joins {
            Event::CancelSubscription { fund, who, place }
        } else {
            Event::CancelRedemption { fund, who, place }
        }
    }

    fn admission(&mut self, cast: &Cast, model: usize) -> Event {
        let own = cast.persons[publisher(model)].clone();
        let other = cast.persons[self.investor()].clone();
        let split = [(own.clone(), 600_000_001), (other, 399_999_999)];
        let contributors = if self.random.chance(400) {
            split.into_iter().map(|(who, part)| (who, Ppb::from_ppb(part))).collect()
        } else {
            Vec::new()
        };
        Event::Admit {
            fund: cast.fund.clone(),
            model: cast.models[model].clone(),
            publisher: own,
            price: PriceNano::from_nano(self.random.magnitude(8) + 100_000),
            bond: Cash::from_micro(self.random.magnitude(8)),
            contributors,
        }
    }

    fn next_admission(&mut self, model: &Model) -> Event {
        let cast = model.cast.clone();
        let next = model.facts.px.iter().position(Option::is_none).unwrap_or(MODELS);
        if next >= self.swarm.models {
            return self.marks(model);
        }
        if model.cell(person(publisher(next)), CASH) == 0 {
            let who = cast.persons[publisher(next)].clone();
            return Event::Deposit { who, amount: Cash::from_micro(1_000_000_000) };
        }
        self.admission(&cast, next)
    }

    /// A model that exists, in most cases.
    fn any_model(&mut self, model: &Model) -> Name {
        let admitted = model.facts.px.iter().filter(|price| price.is_some()).count();
        let stranger = usize::from(self.random.chance(20));
        let index = self.random.below(admitted.max(1) + stranger);
        model.cast.models[index.min(MODELS - 1)].clone()
    }

    fn eligibility(&mut self, model: &Model) -> Event {
        let (name, eligible) = (self.any_model(model), self.random.chance(500));
        Event::SetEligible { fund: model.cast.fund.clone(), model: name, eligible }
    }

    /// A list or a pause changes; most are lifted before long, so that lives go on.
    fn restriction(&mut self, model: &Model, investor: usize) -> Event {
        let (fund, access) = (model.cast.fund.clone(), &model.facts.access);
        let odd = self.random.chance(50);
        if access.paused && self.random.chance(700) {
            return Event::Pause { fund, paused: odd };
        }
        let someone = |list: &[bool]| list.iter().position(|on| *on).unwrap_or(investor);
        let who = |index: usize| model.cast.persons[index].clone();
        match self.random.below(8) {
            0 => Event::Pause { fund, paused: !access.paused },
            1 => Event::SetAllowList { fund, on: !access.list_counts || odd },
            2 => Event::SetAllowList { fund, on: odd },
            3 | 4 => {
                let allowed = !access.listed[investor] || self.random.chance(200);
                Event::Allow { fund, who: who(investor), allowed: allowed && !odd }
            }
            5 => Event::Freeze { fund, who: who(investor), frozen: !odd },
            _ => Event::Freeze { fund, who: who(someone(&access.frozen)), frozen: odd },
        }
    }

    /// What evaluators say: small moves, some silence, some lies.
    fn marks(&mut self, model: &Model) -> Event {
        let (mut prices, mut estimates) = (BTreeMap::new(), BTreeMap::new());
        for index in model.live() {
            if self.random.chance(self.swarm.faults.silence) {
                continue;
            }
            let mut old = model.facts.px[index].unwrap_or(0);
            if old < 1000 && self.random.chance(300) {
                // A model that was worth nothing is evaluated anew.
                old = self.random.magnitude(8);
            }
            let factor = if self.random.chance(self.swarm.faults.lie) {
                self.random.pick([0, 10_000, 100_000, 5_000_000, 20_000_000])
            } else {
                self.random.range(900_000, 1_110_000)
            };
            let price = i128::from(old) * i128::from(factor) / 1_000_000;
            let step = self.random.range(-1, 2);
            let price =
                i64::try_from(price).unwrap_or(LIMIT).clamp(0, 1_000_000_000_000_000) + step;
            let name = &model.cast.models[index];
            prices.insert(name.clone(), PriceNano::from_nano(price.max(0)));
            if self.random.chance(400) {
                let estimate = price.max(0) / 1000 * self.random.range(800, 1300);
                estimates.insert(name.clone(), PriceNano::from_nano(estimate));
            }
        }
        Event::MarkSet { fund: model.cast.fund.clone(), prices, estimates }
    }

    fn crash(&mut self, model: &Model) -> Event {
        // To nothing, far down, or up to the bound.
        let by = self.random.pick([i64::MAX, i64::MAX, 100, 100, 11, 11, 0]);
        let names = model.live().map(|m| {
            let price = if by == 0 { LIMIT } else { model.facts.px[m].unwrap_or(0) / by };
            (model.cast.models[m].clone(), PriceNano::from_nano(price))
        });
        let (prices, estimates) = (names.collect(), BTreeMap::new());
        Event::MarkSet { fund: model.cast.fund.clone(), prices, estimates }
    }

    fn transfer(&mut self, model: &Model, from: usize) -> Event {
        let cast = &model.cast;
        let to =
            self.random.pick([FIRST_INVESTOR, SPONSOR, PROVIDERS[0], FIRST_INVESTOR + 1, MANAGER]);
        let index = self.random.below(MODELS);
        let asset = match self.random.below(8) {
            0 => Asset::Cash,
            1 => Asset::Unit(cast.models[index].clone()),
            2 => Asset::SideClaim { fund: cast.fund.clone(), model: cast.models[index].clone() },
            _ => Asset::Share(cast.fund.clone()),
        };
        let column = cast.find_asset(&asset).unwrap_or(CASH);
        let held = i64::try_from(model.cell(person(from), column)).unwrap_or(0);
        let least = i64::from(!self.random.chance(50));
        let amount = self.random.range(least, (held / 2).max(2));
        let (who, to) = (cast.persons[from].clone(), cast.persons[to].clone());
        Event::Transfer { who, to, asset, amount }
    }

    /// Somebody with a claim, where there is one.
    fn claim(&mut self, model: &Model, first: usize) -> Event {
        let all = model.cast.persons.len();
        let due = (0..all).map(|i| (first + i) % all).find(|p| model.cell(claim(*p), CASH) > 0);
        Event::Claim { who: model.cast.persons[due.unwrap_or(first)].clone() }
    }

    fn in_kind(&mut self, model: &Model, who: usize) -> Event {
        let held = i64::try_from(model.cell(person(who), SHARE)).unwrap_or(0);
        let shares = match self.random.below(6) {
            0 => held + 1,
            1 => held,
            _ => self.random.range(0, (held / 8).max(2)),
        };
        let skip = model.live().filter(|_| self.random.chance(100));
        let skip = skip.map(|m| model.cast.models[m].clone()).collect();
        let (fund, who) = (model.cast.fund.clone(), model.cast.persons[who].clone());
        let day = if self.random.chance(500) { self.day } else { model.facts.day };
        Event::InKind { fund, who, shares: Shares::from_nano(shares), day, skip }
    }

    fn rebalance(&mut self, model: &Model) -> Event {
        let passes = match model.bids_met() {
            Some(met) => self.random.chance(if met { 100 } else { 800 }),
            None => false,
        };
        if passes && self.random.chance(700) {
            return self.bid_step(model);
        }
        let live: Vec<usize> = model.live().collect();
        let drawn: Vec<i64> = live.iter().map(|_| self.random.range(0, 100)).collect();
        let total = drawn.iter().sum::<i64>().max(1);
        let weights = live.iter().zip(&drawn).map(|(m, weight)| {
            (model.cast.models[*m].clone(), Ppb::from_ppb(weight * PPB_ONE / total))
        });
        let mut weights: BTreeMap<_, _> = weights.collect();
        let mut parties: Vec<usize> = PROVIDERS.to_vec();
        if self.random.chance(300) {
            parties.extend(live.iter().take(2).map(|m| publisher(*m)));
            parties.push(FIRST_INVESTOR);
        }
        self.random.shuffle(&mut parties);
        parties.truncate(self.random.below(parties.len() + 1));
        let auction = self.swarm.params.auction.is_some();
        if auction && !self.random.chance(50) {
            parties.clear();
        }
        let counterparties = parties.into_iter().map(|p| model.cast.persons[p].clone()).collect();
        let fund = model.cast.fund.clone();
        let cash =
            Ppb::from_ppb(self.random.pick([0, 50_000_000, 80_000_000, 500_000_000, PPB_ONE]));
        let spread = if auction || self.random.chance(500) { 0 } else { self.swarm.spread };
        let spread = Ppb::from_ppb(spread);
        let max_primary = self.random.pick([None, None, Some(10_000_000), Some(0), Some(PPB_ONE)]);
        let mut max_primary = max_primary.map(Ppb::from_ppb);
        if passes {
            weights.clear();
            max_primary = None;
        }
        Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary }
    }

    /// A liquidity provider's cash is gone, or it comes back with more.
    fn bankruptcy(&mut self, model: &Model) -> Event {
        let provider = PROVIDERS[self.random.below(2)];
        let who = model.cast.persons[provider].clone();
        let cash = i64::try_from(model.cell(person(provider), CASH)).unwrap_or(0);
        if cash > 0 {
            Event::Withdraw { who, amount: Cash::from_micro(cash) }
        } else {
            let amount = Cash::from_micro(10_i64.pow(self.swarm.provider_digits));
            Event::Deposit { who, amount }
        }
    }

    /// Every operation with an argument that is wrong or odd.
    fn bad(&mut self, model: &Model) -> Event {
        let cast = model.cast.clone();
        let odd = self.random.pick([0, -1, i64::MIN, i64::MAX, LIMIT, LIMIT + 1, 1]);
        let (who, to) = (cast.persons[FIRST_INVESTOR].clone(), cast.persons[SPONSOR].clone());
        let fund = if self.random.chance(200) { super::cast::name("g") } else { cast.fund.clone() };
        let name = cast.models[self.random.below(MODELS)].clone();
        let (cash, day) = (Cash::from_micro(odd), odd);
        let ppb = Ppb::from_ppb(odd);
        match self.random.below(15) {
            0 => Event::Deposit { who, amount: cash },
            1 => Event::Withdraw { who, amount: cash },
            2 => Event::Transfer { to: who.clone(), who, asset: Asset::Cash, amount: 1 },
            3 => Event::Transfer { who, to, asset: Asset::Unit(name), amount: odd },
            4 => Event::Seed { fund, who: to, amount: Cash::from_micro(1_000_000), day: None },
            5 => Event::MarkSet {
                fund,
                prices: BTreeMap::from([(name, PriceNano::from_nano(odd.min(1)))]),
                estimates: BTreeMap::new(),
            },
            6 => Event::Subscribe { fund, who, amount: cash },
            7 => Event::Redeem { fund, who, shares: Shares::from_nano(odd) },
            8 => Event::Strike { fund, day },
            9 => Event::InKind { fund, who, shares: Shares::from_nano(odd), day, skip: vec![name] },
            10 => Event::Rebalance {
                fund,
                weights: BTreeMap::from([(name, ppb)]),
                cash: Ppb::ZERO,
                spread: ppb,
                counterparties: vec![who.clone(), who],
                max_primary: self.random.chance(300).then_some(ppb),
            },
            11 => Event::Vest { fund, model: name, day },
            12 => Event::Royalty { model: name, amount: cash },
            13 => Event::CreateFund {
                fund: cast.fund.clone(),
                params: FundParams { levy_in: ppb, ..FundParams::default() },
            },
            _ => {
                let (price, part) = (PriceNano::from_nano(odd), Ppb::from_ppb(odd));
                let publisher = to.clone();
                let contributors = vec![(who, part), (to, Ppb::from_ppb(PPB_ONE))];
                let bond = Cash::from_micro(1);
                Event::Admit { fund, model: name, publisher, price, bond, contributors }
            }
        }
    }
}
