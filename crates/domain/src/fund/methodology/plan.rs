//! The weights of a rebalance: who is in, what the scores and caps give, and how much of the way there is gone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Methodology, MethodologyError, RebalanceHistory, Review, Reviewed,
    drift::{Drift, Way},
    track,
};
use crate::{
    amount::{PPB_ONE, Ppb},
    index::{Candidate, ranked},
    name::Name,
};

/// Something that a reader of a rebalance should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Note {
    /// Whom the buffer lets into the basket; everybody else is out.
    Selected {
        /// By name.
        models: Vec<Name>,
    },
    /// A name or a publisher is above its cap because the caps left no room for all of the money.
    RelaxedCap {
        /// The largest weight of a name.
        name_ppb: i64,
        /// The largest weight of a publisher.
        publisher_ppb: i64,
    },
    /// Money that no name may take stays in cash.
    LeftInCash {
        /// How much of the invested part.
        cash_ppb: i64,
    },
    /// A track without a model that may be in it: its weight stays in cash.
    EmptyTrack {
        /// The track.
        track: Name,
    },
    /// One of the first rebalances, which go from cash to the targets in steps and by no turnover cap.
    RampUp {
        /// The step, from 1.
        step: i64,
        /// Steps in all.
        of: i64,
    },
    /// The first basket, or one after nothing was left: there is nothing to turn over, so no limit applies.
    FirstBasket,
    /// Names that stay where they are because they are within their bands.
    WithinBand {
        /// Which.
        models: Vec<Name>,
    },
    /// A sale that comes first and in full.
    Forced {
        /// The name.
        model: Name,
        /// Why.
        reason: ForcedReason,
    },
    /// A name above its cap by drift whose sale is not forced yet.
    ToleratedBreach {
        /// The name.
        model: Name,
        /// Rebalances that tolerated it, this one included.
        age: u32,
        /// So many are allowed.
        of: i64,
    },
    /// The turnover cap gave way to forced sales, one step of at most 5 % at a time, to 30 % at most.
    RelaxedTurnover {
        /// The cap after the step.
        cap_ppb: i64,
    },
    /// Forced sales are more than any cap: they happen, and nothing else is traded.
    ForcedOnly {
        /// What they are.
        turnover_ppb: i64,
    },
    /// A publisher's names that are not sold yet left no room for others of his: the money waits in cash.
    PublisherFull {
        /// Whose.
        publisher: Name,
        /// How much of the invested part.
        cash_ppb: i64,
    },
    /// The whole way was longer than the cap, and a part of it was gone.
    CappedTurnover {
        /// One-way turnover of the whole way.
        wanted_ppb: i64,
        /// The cap that held.
        cap_ppb: i64,
    },
}

/// Why a sale comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForcedReason {
    /// The name is delisted, or not eligible any more.
    NotEligible,
    /// It is above a cap, and no longer tolerated.
    OverCap,
}

/// What a rebalance aims at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Weights of the invested part, of every model of the review.
    pub weights: BTreeMap<Name, Ppb>,
    /// What they leave in cash: together they are 1e9.
    pub cash: Ppb,
    /// One-way turnover from the basket to the targets, before any limit; between whole parts per billion.
    pub wanted: Ppb,
    /// The same to the weights above.
    pub turnover: Ppb,
    /// What a reader should know, in the order of the steps.
    pub notes: Vec<Note>,
    /// What the next review takes over.
    pub history: RebalanceHistory,
}

impl Methodology {
    /// The weights of a rebalance and how they came about. Pure; with every rule off, the weights of
    /// [`target_weights`](Self::target_weights).
    ///
    /// In this order: membership, tracks and caps; then the ramp-up, or the weight bands and the turnover cap.
    ///
    /// # Errors
    /// Caps without room under the policy `reject`, and weights that are none.
    pub fn plan(&self, review: &Review) -> Result<Plan, MethodologyError> {
        let mut notes = Vec::new();
        let selected = self.selected(review)?;
        if self.membership.is_some() {
            let models = selected.iter().map(|(name, _)| (*name).clone()).collect();
            notes.push(Note::Selected { models });
        }
        let mut targets = track::targets(self, &selected)?;
        self.note_caps(&selected, &targets, &mut notes);
        let step = review.history.rebalances.saturating_add(1);
        let steps = self.ramp_up_rebalances.unwrap_or(0);
        let ramp = i64::try_from(step).ok().filter(|step| *step <= steps);
        if let Some(step) = ramp {
            ramp_up(&mut targets, step, steps);
            notes.push(Note::RampUp { step, of: steps });
        }
        let drift = Drift::of(review, &selected, &targets);
        let is_free = ramp.is_some() || drift.is_first();
        if drift.is_first() && ramp.is_none() && self.limits_trades() {
            notes.push(Note::FirstBasket);
        }
        let way = if is_free { drift.whole() } else { drift.limited(self, &mut notes)? };
        let Way { weights, cash, wanted, turnover, breaches } = way;
        let history = RebalanceHistory { breaches, rebalances: step };
        let (cash, wanted) = (Ppb::from_ppb(cash), Ppb::from_ppb(wanted));
        Ok(Plan { weights, cash, wanted, turnover: Ppb::from_ppb(turnover), notes, history })
    }

    /// Whether a rule can hold a trade back.
    pub(super) fn limits_trades(&self) -> bool {
        self.turnover_ppb.is_some() || self.band().is_some()
    }

    /// The models that the buffer selects, in the order of their names; all without one.
    fn selected<'a>(
        &self,
        review: &'a Review,
    ) -> Result<Vec<(&'a Name, &'a Reviewed)>, MethodologyError> {
        let in_track = |name: &Name| {
            self.tracks.is_empty() || self.tracks.iter().any(|track| track.models.contains(name))
        };
        let all = || review.models.iter().filter(|(name, _)| in_track(name));
        let Some(buffer) = self.buffer()? else { return Ok(all().collect()) };
        let members: BTreeSet<Name> =
            review.held.keys().filter(|name| review.models.contains_key(*name)).cloned().collect();
        // Prices of two tracks do not compare, so each has ranks of its own.
        let mut chosen = BTreeSet::new();
        for place in 0..self.tracks.len().max(1) {
            let track = self.tracks.get(place);
            let own = |name: &Name| track.is_none_or(|track| track.models.contains(name));
            let candidates: Vec<Candidate> = all()
                .filter(|(name, _)| own(name))
                .map(|(name, model)| Candidate {
                    name: name.clone(),
                    score: model.price.as_nano(),
                    admitted: i64::try_from(model.admitted).unwrap_or(i64::MAX),
                })
                .collect();
            chosen.extend(buffer.select(&ranked(&candidates), &members));
        }
        Ok(all().filter(|(name, _)| chosen.contains(*name)).collect())
    }

    fn note_caps(
        &self,
        selected: &[(&Name, &Reviewed)],
        targets: &track::Targets,
        notes: &mut Vec<Note>,
    ) {
        let mut of_publisher = BTreeMap::<&Name, i64>::new();
        for ((_, model), weight) in selected.iter().zip(&targets.ppb) {
            *of_publisher.entry(&model.publisher).or_default() += weight;
        }
        let name_ppb = targets.ppb.iter().copied().max().unwrap_or(0);
        let publisher_ppb = of_publisher.into_values().max().unwrap_or(0);
        if name_ppb > self.name_cap_ppb || publisher_ppb > self.publisher_cap_ppb {
            notes.push(Note::RelaxedCap { name_ppb, publisher_ppb });
        }
        if targets.cash > 0 {
            notes.push(Note::LeftInCash { cash_ppb: targets.cash });
        }
        notes.extend(targets.empty.iter().cloned().map(|track| Note::EmptyTrack { track }));
    }
}

/// Takes `step` of `steps` of the way from cash; parts per billion by largest remainder, ties to the lesser name.
fn ramp_up(targets: &mut track::Targets, step: i64, steps: i64) {
    let (step, steps) = (i128::from(step), i128::from(steps));
    let mut parts = Vec::with_capacity(targets.ppb.len());
    let (mut whole, mut exact) = (0, 0);
    for weight in &targets.ppb {
        let product = i128::from(*weight) * step;
        parts.push((product / steps, product % steps));
        whole += product / steps;
        exact += product;
    }
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| parts[*b].1.cmp(&parts[*a].1).then(a.cmp(b)));
    // What the names' remainders make together; the cash takes the last broken part.
    let extra = usize::try_from(exact / steps - whole).unwrap_or(0);
    for place in order.into_iter().take(extra) {
        parts[place].0 += 1;
    }
    // Parts are of 1e9 and steps at least one, so they fit.
    targets.ppb = parts.iter().map(|(part, _)| i64::try_from(*part).unwrap_or(PPB_ONE)).collect();
    targets.cash = PPB_ONE - targets.ppb.iter().sum::<i64>();
}
