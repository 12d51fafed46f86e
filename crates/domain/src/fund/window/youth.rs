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
    let young = BTreeMap::from([(who.clone(), list)]);
    Effect::YoungSet { fund: fund.name.clone(), moved: None, young }
}

/// What a transfer has moved of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedYoung {
    /// The number of its event.
    pub event: u64,
    /// By day of making.
    pub young: Vec<Young>,
}

/// Whether any of them is young on a day.
pub(super) fn is_any_young(moved: &[Young], day: i64) -> bool {
    moved.iter().any(|made| day.saturating_sub(made.day) < YOUNG_DAYS)
}

/// Which transfer moves shares.
#[derive(Clone, Copy)]
pub(in crate::fund) enum Move {
    /// This one, by the number of its event.
    Gift(u64),
    /// The reversal of that one.
    Back(u64),
}

/// Takes at most `most` of what was made on a day; how many that are.
fn take(list: &mut [Young], day: i64, most: i128) -> i128 {
    let Some(made) = list.iter_mut().find(|made| made.day == day) else { return 0 };
    let has = i128::from(made.shares.as_nano());
    let taken = most.clamp(0, has);
    made.shares = Shares::from_nano(i64::try_from(has - taken).unwrap_or(0));
    taken
}

/// Somebody who has `free` shares gives `amount` of them away: those that are not young go first, then the oldest. A reversal takes back
/// what the transfer moved, before all others: or a gift to a friend and its reversal would make shares old.
pub(in crate::fund) fn given(
    fund: &FundState,
    (from, to): (&Name, &Name),
    (free, amount): (i128, i128),
    which: Move,
) -> Option<Effect> {
    let day = fund.day();
    let (mut kept, mut got) = (of(fund, from, day), of(fund, to, day));
    let young: i128 = kept.iter().map(|made| i128::from(made.shares.as_nano())).sum();
    let old = (free - young).max(0);
    let (mut left, mut moved) = (amount, Vec::new());
    let back = match which {
        Move::Back(event) => fund.window.moved.get(&event).map_or(&[][..], Vec::as_slice),
        Move::Gift(_) => &[],
    };
    for made in back {
        let taken = take(&mut kept, made.day, left.min(i128::from(made.shares.as_nano())));
        left -= taken;
        add(&mut moved, made.day, taken);
    }
    let mut forced = left - old;
    for made_on in kept.iter().map(|made| made.day).collect::<Vec<_>>() {
        let taken = take(&mut kept, made_on, forced);
        forced -= taken;
        add(&mut moved, made_on, taken);
    }
    moved.retain(|made| made.shares > Shares::ZERO);
    if moved.is_empty() {
        return None;
    }
    for made in &moved {
        add(&mut got, made.day, i128::from(made.shares.as_nano()));
    }
    kept.retain(|made| made.shares > Shares::ZERO);
    let moved = match which {
        Move::Gift(event) => Some(MovedYoung { event, young: moved }),
        // A correction is not corrected.
        Move::Back(_) => None,
    };
    let young = BTreeMap::from([(from.clone(), kept), (to.clone(), got)]);
    Some(Effect::YoungSet { fund: fund.name.clone(), moved, young })
}
