//! Delta debugging: a shorter list of requests that breaks the same rule.

use super::{
    action::Action,
    checks::Violation,
    life::{Life, Settings},
};

/// How a list of requests is run again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    /// Whether the end of the life follows, where the failure was found there.
    pub(super) ends: bool,
}

/// Runs a list of requests; the first that breaks a rule, with its place.
pub(super) fn first_failure(actions: &[Action], plan: Plan) -> Option<(usize, Violation)> {
    let mut life = Life::new(plan.settings);
    let served = actions
        .iter()
        .enumerate()
        .find_map(|(index, action)| life.serve(action).err().map(|violation| (index, violation)));
    let end = |life: &mut Life| life.end(true).err().map(|violation| (actions.len(), violation));
    served.or_else(|| if plan.ends { end(&mut life) } else { None })
}

/// The requests that did anything: neither refused nor repeated.
fn effective(actions: &[Action], plan: Plan) -> Vec<Action> {
    let mut life = Life::new(plan.settings);
    let mut quiet = |action: &Action| {
        let before = life.counts.refused + life.counts.duplicates;
        let served = life.serve(action).is_ok();
        served && life.counts.refused + life.counts.duplicates > before
    };
    actions.iter().filter(|action| !quiet(action)).cloned().collect()
}

/// Leaves out what did nothing, then ever smaller parts, as long as the same rule breaks, until nothing can go or `budget` requests were served.
pub(super) fn shrink(
    mut actions: Vec<Action>,
    plan: Plan,
    invariant: Option<u8>,
    mut budget: usize,
) -> Vec<Action> {
    let Some(left) = budget.checked_sub(2 * actions.len()) else { return actions };
    budget = left;
    let shorter = effective(&actions, plan);
    let still = first_failure(&shorter, plan);
    if still.is_some_and(|(_, violation)| violation.invariant == invariant) {
        actions = shorter;
    }
    let mut part = actions.len().div_ceil(2);
    while part > 0 {
        let mut start = 0;
        while start < actions.len() {
            let mut shorter = actions.clone();
            shorter.drain(start..(start + part).min(actions.len()));
            let Some(left) = budget.checked_sub(shorter.len()) else { return actions };
            budget = left;
            match first_failure(&shorter, plan) {
                Some((index, violation)) if violation.invariant == invariant => {
                    shorter.truncate(index + 1);
                    actions = shorter;
                }
                _ => start += part,
            }
        }
        part /= 2;
    }
    actions
}
