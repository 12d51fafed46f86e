//! Admission, vesting, royalties, delisting.

use std::collections::BTreeMap;

use super::{
    Code, FUND, GL_CASH, GL_INCOME, ISSUE, LOCKED, Leg, Model, OUTSIDE, SHARE, amount,
    math::{K, down, split},
    need,
};
use crate::{
    fund::Event,
    name::Name,
    simulation::cast::{
        CASH, PERSONS, bond, claim, esc_pub, person, primary, side, side_claim, unit,
    },
};

/// Units of a model.
const SUPPLY: i128 = 1_000_000_000_000;

impl Model {
    pub(super) fn admit(&mut self, event: &Event) -> Result<(), Code> {
        let Event::Admit { fund, model, publisher, price, bond: posted, contributors } = event
        else {
            return Err("model: another event");
        };
        self.rules(fund)?;
        let model = self.cast.find_model(model).ok_or("model: another model")?;
        need(!self.facts.dead[model], "delisted")?;
        need(self.facts.px[model].is_none(), "exists")?;
        amount(price.as_nano(), 1)?;
        let (publisher, posted) = (self.person(publisher)?, amount(posted.as_micro(), 1)?);
        let mut parts = Vec::new();
        for (who, part) in contributors {
            let part = i128::from(part.as_ppb());
            need((1..=K).contains(&part), "split")?;
            parts.push((self.person(who)?, part));
        }
        if parts.is_empty() {
            parts.push((publisher, K));
        }
        need(parts.iter().map(|part| part.1).sum::<i128>() == K, "split")?;
        let twice = |(i, part): (usize, &(usize, i128))| parts[..i].iter().any(|p| p.0 == part.0);
        need(!parts.iter().enumerate().any(twice), "split")?;
        self.post(&[
            (unit(model), ISSUE, primary(model), SUPPLY),
            (CASH, person(publisher), bond(model), posted),
        ])?;
        self.facts.px[model] = Some(price.as_nano());
        self.contributors[model] = parts;
        Ok(())
    }

    /// Of each sale nothing for 90 days, then linear over 270.
    pub(super) fn vest(&mut self, fund: &Name, model: &Name, day: i64) -> Result<i128, Code> {
        let rules = self.rules(fund)?;
        let model = self.alive(model)?;
        self.clock(rules, day)?;
        let mut released = 0;
        for sale in &mut self.facts.sales[model] {
            let days = i128::from((day - sale.day - 90).clamp(0, 270));
            let due = sale.amount * days / 270;
            let paid = sale.paid.max(due.min(sale.amount));
            released += paid - sale.paid;
            sale.paid = paid;
        }
        need(released > 0, "nothing")?;
        let mut parts = split(released, &self.contributors[model]);
        let dust = released - parts.iter().map(|part| part.1).sum::<i128>();
        if let Some(first) = parts.first_mut() {
            first.1 += dust;
        }
        self.facts.sales[model].retain(|sale| sale.paid < sale.amount);
        let legs = parts.into_iter().map(|(who, part)| (CASH, esc_pub(model), person(who), part));
        let legs: Vec<Leg> = legs.collect();
        self.post(&legs)?;
        Ok(released)
    }

    /// By units, to all holders; dust to the first contributor.
    pub(super) fn royalty(&mut self, name: &Name, c: i64) -> Result<(), Code> {
        let model = self.listed(name)?;
        let c = amount(c, 1)?;
        let mut pay = BTreeMap::<usize, i128>::new();
        let give = |pay: &mut BTreeMap<usize, i128>, row: usize, part: i128| {
            *pay.entry(row).or_default() += part;
        };
        let owns = |row: usize| down(c, self.cell(row, unit(model)), SUPPLY);
        for row in (0..PERSONS).map(person).chain([FUND]) {
            give(&mut pay, row, owns(row));
        }
        for (who, part) in split(owns(primary(model)), &self.contributors[model]) {
            give(&mut pay, person(who), part);
        }
        for pool in self.facts.pools.values() {
            for (who, part) in split(owns(pool.row), &pool.owners) {
                give(&mut pay, claim(who), part);
            }
        }
        let holders: Vec<(usize, i128)> = (0..PERSONS)
            .map(|p| (claim(p), self.cell(person(p), side_claim(model))))
            .chain([(FUND, self.cell(LOCKED, side_claim(model)))])
            .collect();
        for (row, part) in split(owns(side(model)), &holders) {
            give(&mut pay, row, part);
        }
        let first = self.contributors[model].first().map_or(0, |part| part.0);
        let dust = c - pay.values().sum::<i128>();
        give(&mut pay, person(first), dust);
        let own = pay.get(&FUND).copied().unwrap_or(0);
        let legs: Vec<Leg> =
            pay.into_iter().map(|(row, part)| (CASH, OUTSIDE, row, part)).collect();
        self.post(&legs)?;
        self.book(GL_CASH, own * K);
        self.book(GL_INCOME, -own * K);
        Ok(())
    }

    /// Written down to nothing; units aside, bond and unpaid sales to the holders of record.
    pub(super) fn delist(&mut self, fund: &Name, name: &Name) -> Result<(), Code> {
        self.rules(fund)?;
        let model = self.alive(name)?;
        need(self.shares() > 0, "unseeded")?;
        self.mark(model, 0);
        let (u, aside) = (unit(model), side(model));
        let mut legs: Vec<Leg> = vec![(u, FUND, aside, self.units(model))];
        for pool in self.facts.pools.values() {
            let units = self.cell(pool.row, u);
            let parts = split(units, &pool.owners);
            let dust = units - parts.iter().map(|part| part.1).sum::<i128>();
            legs.extend(parts.into_iter().map(|(who, part)| (u, pool.row, person(who), part)));
            legs.push((u, pool.row, aside, dust));
        }
        let mut holders: Vec<(usize, i128)> =
            (0..PERSONS).map(|p| (p, self.cell(person(p), SHARE))).collect();
        let window = self.facts.window.iter().map(|waits| (waits.0, waits.1));
        for (who, queued) in self.facts.reds.iter().copied().chain(window) {
            holders[who].1 += queued;
        }
        legs.extend(holders.iter().map(|(p, n)| (side_claim(model), ISSUE, person(*p), *n)));
        let locked = self.cell(LOCKED, SHARE);
        legs.push((side_claim(model), ISSUE, LOCKED, locked));
        // Locked shares count in the division, and the fund receives their part with the dust.
        holders.push((PERSONS, locked));
        let unpaid = self.cell(esc_pub(model), CASH);
        let recovered = self.cell(bond(model), CASH) + unpaid;
        legs.push((CASH, esc_pub(model), bond(model), unpaid));
        let mut dust = recovered;
        for (who, part) in split(recovered, &holders).into_iter().take(PERSONS) {
            dust -= part;
            legs.push((CASH, bond(model), claim(who), part));
        }
        legs.push((CASH, bond(model), FUND, dust));
        self.post(&legs)?;
        self.book(GL_CASH, dust * K);
        self.book(GL_INCOME, -dust * K);
        self.facts.dead[model] = true;
        self.facts.sales[model].clear();
        Ok(())
    }
}
