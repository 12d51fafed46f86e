//! Who may receive shares, what is paused, what may have no weight.

use super::{Code, MODELS, Model, need};
use crate::{
    fund::Event,
    name::Name,
    simulation::cast::{MANAGER, PERSONS, PUBPOOL},
};

/// The lists of one fund, by index of person and model.
#[derive(Clone, Debug)]
pub(in crate::simulation) struct Access {
    pub(in crate::simulation) list_counts: bool,
    pub(in crate::simulation) listed: [bool; PERSONS],
    pub(in crate::simulation) frozen: [bool; PERSONS],
    pub(in crate::simulation) paused: bool,
    pub(in crate::simulation) weightless: [bool; MODELS],
}

impl Access {
    pub(super) const fn new() -> Self {
        Self {
            list_counts: false,
            listed: [false; PERSONS],
            frozen: [false; PERSONS],
            paused: false,
            weightless: [false; MODELS],
        }
    }

    /// Whether a strike may give shares to a person.
    pub(super) const fn admits(&self, who: usize) -> bool {
        !self.frozen[who] && (self.listed[who] || !self.list_counts)
    }

    /// Whether a person may order shares now.
    pub(super) fn may_join(&self, who: usize) -> Result<(), Code> {
        need(!self.paused, "paused")?;
        need(!self.frozen[who], "frozen")?;
        need(self.admits(who), "not_allowed")
    }

    /// Whether one may give shares to another now.
    pub(super) fn may_give(&self, who: usize, to: usize) -> Result<(), Code> {
        need(!self.paused, "paused")?;
        need(!self.frozen[who] && !self.frozen[to], "frozen")?;
        need(self.admits(to), "not_allowed")
    }
}

/// Turns a switch that stands the other way.
fn turn(switch: &mut bool, to: bool) -> Result<(), Code> {
    need(*switch != to, "nothing")?;
    *switch = to;
    Ok(())
}

impl Model {
    pub(super) fn restrict(&mut self, event: &Event) -> Result<(), Code> {
        match event {
            Event::SetAllowList { fund, on } => {
                self.rules(fund)?;
                turn(&mut self.facts.access.list_counts, *on)
            }
            Event::Allow { fund, who, allowed } => {
                self.rules(fund)?;
                let who = self.person(who)?;
                turn(&mut self.facts.access.listed[who], *allowed)
            }
            Event::Freeze { fund, who, frozen } => {
                self.rules(fund)?;
                let who = self.person(who)?;
                need(who != MANAGER && who != PUBPOOL, "owner")?;
                turn(&mut self.facts.access.frozen[who], *frozen)
            }
            Event::Pause { fund, paused } => {
                self.rules(fund)?;
                turn(&mut self.facts.access.paused, *paused)?;
                if *paused { self.call_off() } else { Ok(()) }
            }
            Event::SetEligible { fund, model, eligible } => self.weigh(fund, model, !eligible),
            _ => Err("model: another event"),
        }
    }

    fn weigh(&mut self, fund: &Name, model: &Name, never: bool) -> Result<(), Code> {
        self.rules(fund)?;
        let model = self.alive(model)?;
        turn(&mut self.facts.access.weightless[model], never)
    }
}
