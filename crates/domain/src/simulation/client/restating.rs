//! Draws of creations in kind, corrections and compensations.

use std::collections::BTreeMap;

use super::Client;
use crate::{
    amount::{Cash, Ppb, PriceNano, Shares},
    fund::Event,
    simulation::{
        cast::{
            CASH, FIRST_INVESTOR, MANAGER, MODELS, PROVIDERS, PUBPOOL, SHARE, SPONSOR, person,
            publisher, unit,
        },
        model::{
            Model,
            math::{LIMIT, down},
        },
    },
};

impl Client {
    /// By whoever has most of the slice, often all that he can.
    pub(super) fn creation(&mut self, model: &Model, investor: usize) -> Event {
        let able = |who: usize| {
            let part = |held: i128, has: i128| match held {
                0 => LIMIT,
                held => down(has, model.shares(), held),
            };
            let units =
                model.live().map(|m| part(model.units(m), model.cell(person(who), unit(m))));
            let cash = part(model.cash(), model.cell(person(who), CASH));
            units.fold(cash, i128::min)
        };
        let rich = PROVIDERS.into_iter().chain([investor]).max_by_key(|who| able(*who));
        let who = if self.random.chance(900) { rich.unwrap_or(investor) } else { investor };
        let most = i64::try_from(able(who)).unwrap_or(i64::MAX).clamp(0, LIMIT as i64 - 1);
        let shares = match self.random.below(8) {
            0 => most + 1,
            1 => most,
            2 => self.random.pick([0, 1, 7]),
            _ => self.random.range(1, (most / 4).max(2)),
        };
        let (fund, who) = (model.cast.fund.clone(), model.cast.persons[who].clone());
        let day = if self.random.chance(300) { self.day } else { model.facts.day };
        Event::CreateInKind { fund, who, shares: Shares::from_nano(shares), day }
    }

    /// Of what can be reversed, the young more often than the old; some twice, some that cannot.
    pub(super) fn correction(&mut self, model: &Model) -> Event {
        let all = model.reversible.len();
        let back = if self.random.chance(700) { all.min(6) } else { all };
        let index = all - back + self.random.below(back.max(1));
        let Some((corrects, event, moved)) = model.reversible.get(index).cloned() else {
            let event = Event::Claim { who: model.cast.persons[SPONSOR].clone() };
            return Event::Correct { corrects: 0, event: Box::new(event), claimed: None };
        };
        let is_claim = matches!(event, Event::Claim { .. });
        let claimed = is_claim.then(|| Cash::from_micro(moved));
        match self.random.below(20) {
            0 => {
                let event = Event::Strike { fund: model.cast.fund.clone(), day: self.day };
                Event::Correct { corrects, event: Box::new(event), claimed: None }
            }
            1 => {
                let claimed = if is_claim { None } else { Some(Cash::from_micro(1)) };
                Event::Correct { corrects, event: Box::new(event), claimed }
            }
            2 => Event::Correct { corrects: u64::MAX, event: Box::new(event), claimed },
            _ => Event::Correct { corrects, event: Box::new(event), claimed },
        }
    }

    /// Some publishers, out of the pool; in most cases for the strikes since the last time.
    pub(super) fn distribution(&mut self, model: &Model) -> Event {
        let cast = model.cast.clone();
        let pool = i64::try_from(model.cell(person(PUBPOOL), SHARE)).unwrap_or(0);
        let mut parts = BTreeMap::new();
        for _ in 0..self.random.below(4) {
            let owner = publisher(self.random.below(MODELS));
            let owner = if self.random.chance(20) { PUBPOOL } else { owner };
            let least = i64::from(!self.random.chance(30));
            let part = self.random.range(least, (pool / 2).max(2));
            parts.insert(cast.persons[owner].clone(), Shares::from_nano(part));
        }
        let (next, epoch) = (model.facts.distributed + 1, model.facts.epoch);
        let from = if self.random.chance(900) { next } else { self.random.pick([0, next + 1, 1]) };
        let to = if self.random.chance(900) { epoch } else { epoch + 1 };
        let share = Ppb::from_ppb(self.random.pick([0, 500_000_000, 1_000_000_000]));
        let fee_shares = BTreeMap::from([(self.any_model(model), share)]);
        Event::DistributeFees { fund: cast.fund.clone(), from, to, fee_shares, parts }
    }

    /// Some owners and the fund, by the sponsor or the manager; in most cases a new restatement.
    pub(super) fn compensation(&mut self, model: &Model) -> Event {
        let cast = model.cast.clone();
        let epoch = model.facts.epoch;
        let strike = if self.random.chance(900) {
            1 + self.random.below((epoch as usize).max(1)) as u64
        } else {
            self.random.pick([0, epoch + 1])
        };
        let last = model.facts.compensated.get(&strike).copied().unwrap_or(0);
        let restatement = last + u64::from(self.random.chance(900));
        let payer = self.random.pick([SPONSOR, SPONSOR, MANAGER]);
        let mut owners = BTreeMap::new();
        for _ in 0..self.random.below(4) {
            let owner = FIRST_INVESTOR + self.random.below(self.swarm.investors);
            let owner = if self.random.chance(20) { payer } else { owner };
            let lost = Cash::from_micro(self.random.magnitude(6) - 1);
            owners.insert(cast.persons[owner].clone(), lost);
        }
        let fund_part = self.random.magnitude(7) - i64::from(self.random.chance(50)) * 10_000_000;
        let fund_part = Cash::from_micro(if self.random.chance(300) { 0 } else { fund_part });
        let mark = (self.any_model(model), PriceNano::from_nano(self.random.magnitude(8)));
        let threshold = self.random.pick([5_000_000, 0, 1_000_000_001]);
        Event::Compensate {
            fund: cast.fund.clone(),
            strike,
            restatement,
            payer: cast.persons[payer].clone(),
            owners,
            fund_part,
            prices: BTreeMap::from([mark]),
            estimates: BTreeMap::new(),
            threshold: Ppb::from_ppb(if self.random.chance(900) { 5_000_000 } else { threshold }),
        }
    }
}
