//! Rebalances: weights, and how the rules came to them.

use async_graphql::{Enum, SimpleObject};
use domain::{
    amount::PriceNano,
    fund::{ForcedReason, Note, Plan},
};
use service::Rebalance as RebalanceValue;

use crate::scalars::{Decimal9, NameText, Time};

/// A change of a fund's weights.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Rebalance {
    /// Counts from 1.
    number: i64,
    /// The strike that it followed.
    strike: i64,
    /// The day of that strike.
    day: i64,
    /// Index level at the change, before and after it.
    level: Decimal9,
    /// Weights of the invested part that it aimed at, by model. Empty for one from before weights were kept.
    weights: Vec<WeightOfModel>,
    /// What the weights leave in cash, in parts per billion of the invested part; null for one from before weights were kept.
    cash_ppb: Option<i64>,
    /// One-way turnover from the basket that there was to what scores and caps ask for, in parts per billion; null as above.
    turnover_wanted_ppb: Option<i64>,
    /// The same to the weights, after bands and the turnover cap; null as above.
    turnover_ppb: Option<i64>,
    /// What the rules did, step by step.
    notes: Vec<RebalanceNote>,
    /// When, by the server's clock.
    recorded_at: Time,
}

/// The weight of a model.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct WeightOfModel {
    /// The model.
    model: NameText,
    /// Parts per billion of the invested part.
    weight_ppb: i64,
}

/// What a note is about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RebalanceNoteKind {
    /// Whom the membership buffer let in: `models`.
    Selected,
    /// The caps left no room and gave way: the largest weight of a name is `ppb`.
    RelaxedCap,
    /// No name may take more: `ppb` stay in cash.
    LeftInCash,
    /// No model of the track `name` is there: its weight stays in cash.
    EmptyTrack,
    /// Step `count` of `of` on the way from cash; no turnover cap binds.
    RampUp,
    /// There was no basket, so no turnover cap binds.
    FirstBasket,
    /// `models` stay where they are, within their bands.
    WithinBand,
    /// `models` is sold first and in full, because it is not eligible.
    ForcedNotEligible,
    /// `models` is sold first and in full, because it is above a cap and no longer tolerated.
    ForcedOverCap,
    /// `models` is above a cap by drift and tolerated for the `count`th of `of` rebalances.
    ToleratedBreach,
    /// The turnover cap gave way to forced sales, to `ppb`.
    RelaxedTurnover,
    /// Forced sales alone turn `ppb` over, more than any cap; nothing else is traded.
    ForcedOnly,
    /// The publisher `name` is full with what is not sold yet: `ppb` wait in cash.
    PublisherFull,
    /// The way was longer than the cap of `ppb`, and a part of it is gone.
    CappedTurnover,
}

/// Something that a rule did at a rebalance.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RebalanceNote {
    /// What it is about.
    kind: RebalanceNoteKind,
    /// The models that it is about; empty where it is about none.
    models: Vec<NameText>,
    /// The track or the publisher that it is about; null where it is about none.
    name: Option<NameText>,
    /// Parts per billion of the invested part; null where the kind has none.
    ppb: Option<i64>,
    /// Which step, or which rebalance; null where the kind has none.
    count: Option<i64>,
    /// Out of so many; null where the kind has none.
    of: Option<i64>,
}

impl RebalanceNote {
    const fn new(kind: RebalanceNoteKind) -> Self {
        Self { kind, models: Vec::new(), name: None, ppb: None, count: None, of: None }
    }

    fn sized(kind: RebalanceNoteKind, ppb: i64) -> Self {
        Self { ppb: Some(ppb), ..Self::new(kind) }
    }
}

impl From<Note> for RebalanceNote {
    fn from(note: Note) -> Self {
        use RebalanceNoteKind as Kind;
        let list = |models: Vec<_>| models.into_iter().map(NameText).collect();
        match note {
            Note::Selected { models } => Self { models: list(models), ..Self::new(Kind::Selected) },
            Note::RelaxedCap { name_ppb, .. } => Self::sized(Kind::RelaxedCap, name_ppb),
            Note::LeftInCash { cash_ppb } => Self::sized(Kind::LeftInCash, cash_ppb),
            Note::EmptyTrack { track } => {
                Self { name: Some(NameText(track)), ..Self::new(Kind::EmptyTrack) }
            }
            Note::RampUp { step, of } => {
                Self { count: Some(step), of: Some(of), ..Self::new(Kind::RampUp) }
            }
            Note::FirstBasket => Self::new(Kind::FirstBasket),
            Note::WithinBand { models } => {
                Self { models: list(models), ..Self::new(Kind::WithinBand) }
            }
            Note::Forced { model, reason } => {
                let kind = match reason {
                    ForcedReason::NotEligible => Kind::ForcedNotEligible,
                    ForcedReason::OverCap => Kind::ForcedOverCap,
                };
                Self { models: list(vec![model]), ..Self::new(kind) }
            }
            Note::ToleratedBreach { model, age, of } => Self {
                models: list(vec![model]),
                count: Some(i64::from(age)),
                of: Some(of),
                ..Self::new(Kind::ToleratedBreach)
            },
            Note::RelaxedTurnover { cap_ppb } => Self::sized(Kind::RelaxedTurnover, cap_ppb),
            Note::ForcedOnly { turnover_ppb } => Self::sized(Kind::ForcedOnly, turnover_ppb),
            Note::PublisherFull { publisher, cash_ppb } => Self {
                name: Some(NameText(publisher)),
                ..Self::sized(Kind::PublisherFull, cash_ppb)
            },
            Note::CappedTurnover { cap_ppb, .. } => Self::sized(Kind::CappedTurnover, cap_ppb),
        }
    }
}

impl From<RebalanceValue> for Rebalance {
    fn from(value: RebalanceValue) -> Self {
        let plan = value.plan;
        let part = |of: fn(&Plan) -> i64| plan.as_ref().map(of);
        let (cash_ppb, turnover_wanted_ppb, turnover_ppb) = (
            part(|plan| plan.cash.as_ppb()),
            part(|plan| plan.wanted.as_ppb()),
            part(|plan| plan.turnover.as_ppb()),
        );
        let (weights, notes) = plan.map(|plan| (plan.weights, plan.notes)).unwrap_or_default();
        let weight = |(model, weight): (_, domain::amount::Ppb)| WeightOfModel {
            model: NameText(model),
            weight_ppb: weight.as_ppb(),
        };
        Self {
            number: value.number,
            strike: value.strike,
            day: value.day,
            level: Decimal9(PriceNano::from_nano(value.level_nano)),
            weights: weights.into_iter().map(weight).collect(),
            cash_ppb,
            turnover_wanted_ppb,
            turnover_ppb,
            notes: notes.into_iter().map(RebalanceNote::from).collect(),
            recorded_at: Time(value.recorded_at),
        }
    }
}
