//! Creation in kind, reversal of what was entered wrongly, compensation.

use super::{
    ASSETS, Code, FUND, GL_CAPITAL, GL_CASH, GL_INCOME, GL_UNITS, ISSUE, Leg, Model, OUTSIDE,
    PUBPOOL, SHARE, amount,
    math::{K, LIMIT, up},
    need,
};
use crate::{
    fund::{Asset, Event},
    name::Name,
    simulation::cast::{CASH, claim, person, unit},
};

impl Model {
    /// The exact slice, every part rounded up; nothing of it is a mark's.
    pub(super) fn create_in_kind(
        &mut self,
        fund: &Name,
        who: &Name,
        made: i64,
        day: i64,
    ) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        let (who, made) = (self.person(who)?, amount(made, 1)?);
        self.clock(rules, day)?;
        let supply = self.shares();
        need(supply > 0, "unseeded")?;
        need(!self.facts.winding, "winding")?;
        need(self.facts.call.is_none(), "auction")?;
        let cash = up(self.cash(), made, supply);
        let parts: Vec<(usize, i128)> =
            self.live().map(|m| (m, up(self.units(m), made, supply))).collect();
        need(cash > 0 || parts.iter().any(|part| part.1 > 0), "nothing")?;
        self.facts.access.may_join(who)?;
        let mut legs = vec![(CASH, person(who), FUND, cash)];
        legs.extend(parts.iter().map(|(m, part)| (unit(*m), person(who), FUND, *part)));
        legs.push((SHARE, ISSUE, person(who), made));
        self.post(&legs)?;
        need(supply + made <= LIMIT / 2, "limit")?;
        self.book(GL_CASH, cash * K);
        let mut value = cash * K;
        for (model, part) in parts {
            let worth = part * self.price(model);
            value += worth;
            self.book(GL_UNITS + model, worth);
        }
        self.book(GL_CAPITAL, -value);
        if rules.window.is_some() {
            self.facts.young.push((who, self.facts.day, made));
        }
        self.forget_sold();
        Ok(())
    }

    /// The same leg, back.
    pub(super) fn correct(&mut self, event: &Event) -> Result<(), Code> {
        let Event::Correct { corrects, event, claimed } = event else {
            return Err("model: another event");
        };
        need(*corrects >= 1 && *corrects <= self.events, "amount")?;
        let fetched = claimed.map(|cash| cash.as_micro());
        need(fetched.is_some() == matches!(**event, Event::Claim { .. }), "amount")?;
        let leg: Leg = match &**event {
            Event::Deposit { who, amount: c } => {
                (CASH, person(self.person(who)?), OUTSIDE, amount(c.as_micro(), 1)?)
            }
            Event::Withdraw { who, amount: c } => {
                (CASH, OUTSIDE, person(self.person(who)?), amount(c.as_micro(), 1)?)
            }
            Event::Transfer { who, to, asset, amount: n } => {
                let (who, to) = (self.person(who)?, self.person(to)?);
                need(who != to, "owner")?;
                (self.transferable(asset)?, person(to), person(who), amount(*n, 1)?)
            }
            Event::Claim { who } => {
                let who = self.person(who)?;
                (CASH, person(who), claim(who), amount(fetched.unwrap_or(0), 1)?)
            }
            _ => return Err("irreversible"),
        };
        need(self.facts.corrected.insert(*corrects), "corrected")?;
        if let Event::Transfer { who, to, asset: Asset::Share(_), amount: n } = &**event {
            let (who, to) = (self.person(who)?, self.person(to)?);
            self.facts.access.may_give(to, who)?;
            self.give_young(to, who, i128::from(*n), Some(*corrects));
        }
        self.post(&[leg])
    }

    /// The column of what one person can give another.
    pub(super) fn transferable(&self, asset: &Asset) -> Result<usize, Code> {
        let known = match asset {
            Asset::Cash => true,
            Asset::Share(fund) => self.rules(fund).is_ok(),
            Asset::Unit(model) => self.listed(model).is_ok(),
            Asset::SideClaim { fund, model } => {
                self.rules(fund).is_ok() && self.listed(model).is_ok_and(|m| self.facts.dead[m])
            }
        };
        self.cast.find_asset(asset).filter(|_| known).ok_or("asset")
    }

    /// Shares out of the pool, for a span that follows the last one.
    pub(super) fn distribute(&mut self, event: &Event) -> Result<(), Code> {
        let Event::DistributeFees { fund, from, to, fee_shares, parts } = event else {
            return Err("model: another event");
        };
        self.rules(fund)?;
        need(*to >= 1 && *to <= self.facts.epoch, "amount")?;
        need(*from >= 1 && from <= to, "amount")?;
        for (model, share) in fee_shares {
            self.listed(model)?;
            need((0..=K).contains(&i128::from(share.as_ppb())), "weights")?;
        }
        let mut legs = Vec::new();
        for (owner, shares) in parts {
            let shares = amount(shares.as_nano(), 1)?;
            let owner = self.person(owner)?;
            need(owner != PUBPOOL, "owner")?;
            legs.push((SHARE, person(PUBPOOL), person(owner), shares));
        }
        need(*from > self.facts.distributed, "exists")?;
        need(*from == self.facts.distributed + 1, "amount")?;
        for owner in parts.keys() {
            self.facts.access.may_join(self.person(owner)?)?;
        }
        need(!legs.is_empty(), "nothing")?;
        self.facts.distributed = *to;
        self.post(&legs)
    }

    /// Keeps what moved one asset between two owners: it can be reversed.
    pub(super) fn remember(&mut self, event: &Event) {
        let moved = match event {
            Event::Deposit { amount, .. } | Event::Withdraw { amount, .. } => amount.as_micro(),
            Event::Transfer { amount, .. } => *amount,
            Event::Claim { who } => {
                // What he had before the event is in the first cell that it touched.
                let claim = self.person(who).map(|who| claim(who) * ASSETS + CASH);
                let before = self.touched.iter().find(|touched| claim == Ok(touched.0));
                before.and_then(|touched| i64::try_from(touched.1).ok()).unwrap_or(0)
            }
            _ => return,
        };
        self.reversible.push((self.events, event.clone(), moved));
    }

    /// One payer, many owners, and the fund's part as income.
    pub(super) fn compensate(&mut self, event: &Event) -> Result<(), Code> {
        let Event::Compensate {
            fund,
            strike,
            restatement,
            payer,
            owners,
            fund_part,
            prices,
            estimates,
            threshold,
        } = event
        else {
            return Err("model: another event");
        };
        self.rules(fund)?;
        need((1..=self.facts.epoch).contains(strike), "amount")?;
        need(*restatement >= 1 && i128::from(*restatement) <= LIMIT, "amount")?;
        let payer = person(self.person(payer)?);
        let mut legs = Vec::new();
        for (owner, cash) in owners {
            let cash = amount(cash.as_micro(), 1)?;
            let owner = person(self.person(owner)?);
            need(owner != payer, "owner")?;
            legs.push((CASH, payer, owner, cash));
        }
        let part = amount(fund_part.as_micro(), 0)?;
        for (model, price) in prices.iter().chain(estimates) {
            self.listed(model)?;
            amount(price.as_nano(), 0)?;
        }
        need((0..=K).contains(&i128::from(threshold.as_ppb())), "weights")?;
        let last = self.facts.compensated.insert(*strike, *restatement);
        need(last.is_none_or(|last| last < *restatement), "exists")?;
        need(!legs.is_empty() || part > 0, "nothing")?;
        legs.push((CASH, payer, FUND, part));
        self.post(&legs)?;
        self.book(GL_CASH, part * K);
        self.book(GL_INCOME, -part * K);
        Ok(())
    }
}
