//! Shares that were created in kind: nobody valued what was brought for them, so the window does not pay for them until they have aged.
//! Their youth goes with them to whoever is given them, and waits with them in escrow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    amount::Shares,
    fund::{batch::Effect, fund_state::FundState},
    name::Name,
};

/// Days for which shares that were created in kind are not paid for.
const YOUNG_DAYS: i64 = 90;

/// Shares that were created in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Young {
    /// The fund's day of their making.
    pub day: i64,
    /// How many.
    pub shares: Shares,
}

/// Those of an owner that are still young on a day, the oldest first.
fn of(fund: &FundState, who: &Name, day: i64) -> Vec<Young> {
    let made = fund.window.young.get(who).into_iter().flatten();
    made.filter(|made| day.saturating_sub(made.day) < YOUNG_DAYS).copied().collect()
}

/// Adds shares; one entry a day keeps it short.
fn add(list: &mut Vec<Young>, day: i64, shares: i128) {
    let nano = |shares: i128| Shares::from_nano(i64::try_from(shares).unwrap_or(i64::MAX));
    match list.iter_mut().find(|made| made.day == day) {
        Some(made) => made.shares = nano(i128::from(made.shares.as_nano()) + shares),
        None => list.push(Young { day, shares: nano(shares) }),
    }
    list.sort_by_key(|made| made.day);
}

/// Shares of an owner that are young on a day.
pub(super) fn sum(young: &BTreeMap<Name, Vec<Young>>, who: &Name, day: i64) -> i128 {
    let made = young.get(who).into_iter().flatten();
    let made = made.filter(|made| day.saturating_sub(made.day) < YOUNG_DAYS);
    made.map(|made| i128::from(made.shares.as_nano())).sum()
}

/// An owner has made shares.
pub(in crate::fund) fn created(fund: &FundState, who: &Name, (day, shares): (i64, i128)) -> Effect {
    let mut list = of(fund, who, day);
    add(&mut list, day, shares);
    Effect::YoungSet { fund: fund.name.clone(), young: BTreeMap::from([(who.clone(), list)]) }
}

/// Somebody who has `free` shares gives `amount` of them away: those that are not young go first, then the oldest.
pub(in crate::fund) fn given(
    fund: &FundState,
    (from, to): (&Name, &Name),
    (free, amount): (i128, i128),
) -> Option<Effect> {
    let day = fund.day();
    let mut kept = of(fund, from, day);
    let young: i128 = kept.iter().map(|made| i128::from(made.shares.as_nano())).sum();
    let mut moves = (amount - (free - young).max(0)).min(young);
    if moves <= 0 {
        return None;
    }
    let mut got = of(fund, to, day);
    for made in &mut kept {
        let taken = moves.min(i128::from(made.shares.as_nano()));
        moves -= taken;
        add(&mut got, made.day, taken);
        let rest = i128::from(made.shares.as_nano()) - taken;
        made.shares = Shares::from_nano(i64::try_from(rest).unwrap_or(0));
    }
    kept.retain(|made| made.shares > Shares::ZERO);
    got.retain(|made| made.shares > Shares::ZERO);
    let young = BTreeMap::from([(from.clone(), kept), (to.clone(), got)]);
    Some(Effect::YoungSet { fund: fund.name.clone(), young })
}
