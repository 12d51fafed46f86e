//! What moves between persons, and in and out.

use super::{Code, Model, amount, need};
use crate::{
    fund::Asset,
    name::Name,
    simulation::cast::{CASH, OUTSIDE, SHARE, claim, person},
};

impl Model {
    pub(super) fn deposit(&mut self, who: &Name, c: i64) -> Result<(), Code> {
        let (who, c) = (self.person(who)?, amount(c, 1)?);
        self.post(&[(CASH, OUTSIDE, person(who), c)])
    }

    pub(super) fn withdraw(&mut self, who: &Name, c: i64) -> Result<(), Code> {
        let (who, c) = (self.person(who)?, amount(c, 1)?);
        self.post(&[(CASH, person(who), OUTSIDE, c)])
    }

    pub(super) fn transfer(
        &mut self,
        who: &Name,
        to: &Name,
        asset: &Asset,
        n: i64,
    ) -> Result<(), Code> {
        let (who, to) = (self.person(who)?, self.person(to)?);
        need(who != to, "owner")?;
        let asset = self.transferable(asset)?;
        let n = amount(n, 1)?;
        if asset == SHARE {
            self.facts.access.may_give(who, to)?;
            self.give_young(who, to, n, None);
        }
        self.post(&[(asset, person(who), person(to), n)])
    }

    pub(super) fn claim(&mut self, who: &Name) -> Result<(), Code> {
        let who = self.person(who)?;
        let c = self.cell(claim(who), CASH);
        need(c > 0, "nothing")?;
        self.post(&[(CASH, claim(who), person(who), c)])
    }
}
