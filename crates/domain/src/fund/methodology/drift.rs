//! How far a rebalance goes from the basket that there is: weight bands, forced sales, the turnover cap (FUND 2.8, 2.9).
//!
//! All weights are whole parts per billion that sum to 1e9 with the cash, which is a name here like any other, the last.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::ToPrimitive;

use super::{
    Methodology, MethodologyError, Review, Reviewed,
    plan::{ForcedReason, Note},
    track::Targets,
};
use crate::{
    amount::{PPB_ONE, Ppb, U256},
    index::{Move, Relaxation, Trades, WeightBand, plan_trades},
    name::Name,
};

/// The way from the basket to the targets.
pub(super) struct Drift<'a> {
    review: &'a Review,
    /// Every model of the review and every name of the basket, ascending.
    names: Vec<&'a Name>,
    /// Weights now and targets, by place; the cash is the last.
    current: Vec<i64>,
    target: Vec<i64>,
}

/// What a rebalance comes to.
pub(super) struct Way {
    pub(super) weights: BTreeMap<Name, Ppb>,
    pub(super) cash: i64,
    pub(super) wanted: i64,
    pub(super) turnover: i64,
    pub(super) breaches: BTreeMap<Name, u32>,
}

impl<'a> Drift<'a> {
    pub(super) fn of(
        review: &'a Review,
        selected: &[(&Name, &Reviewed)],
        targets: &Targets,
    ) -> Self {
        let names: BTreeSet<&Name> = review.models.keys().chain(review.held.keys()).collect();
        let names: Vec<&Name> = names.into_iter().collect();
        let goal: BTreeMap<&Name, i64> =
            selected.iter().map(|(name, _)| *name).zip(targets.ppb.iter().copied()).collect();
        let mut target: Vec<i64> =
            names.iter().map(|name| goal.get(name).copied().unwrap_or(0)).collect();
        target.push(targets.cash);
        let mut values: Vec<u128> =
            names.iter().map(|name| review.held.get(*name).copied().unwrap_or(0)).collect();
        values.push(review.left_out);
        let current = parts_of(&values);
        Self { review, names, current, target }
    }

    /// Whether there is nothing that could drift.
    pub(super) fn is_first(&self) -> bool {
        self.current.is_empty()
    }

    /// The whole way, without limits.
    pub(super) fn whole(self) -> Way {
        let wanted = if self.is_first() {
            PPB_ONE - self.target.last().copied().unwrap_or(0)
        } else {
            one_way(&self.current, &self.target)
        };
        let weights = self.target.clone();
        self.way(weights, (wanted, wanted), BTreeMap::new())
    }

    /// The way that bands and the turnover cap leave.
    pub(super) fn limited(
        self,
        rules: &Methodology,
        notes: &mut Vec<Note>,
    ) -> Result<Way, MethodologyError> {
        let wanted = one_way(&self.current, &self.target);
        if !rules.limits_trades() {
            return Ok(self.whole());
        }
        let breaches = self.breaches(rules);
        let forced = self.forced(rules, &breaches, notes);
        let goal = match rules.band() {
            Some(band) => self.within(rules, band, &forced, notes),
            None => self.target.clone(),
        };
        let weights = match rules.turnover_ppb {
            Some(cap) => self.capped(rules, (&goal, &forced), cap, notes)?,
            None => goal,
        };
        let turnover = one_way(&self.current, &weights);
        self.note_tolerated(rules, &breaches, &weights, notes);
        Ok(self.way(weights, (wanted, turnover), breaches))
    }

    fn way(
        self,
        weights: Vec<i64>,
        (wanted, turnover): (i64, i64),
        breaches: BTreeMap<Name, u32>,
    ) -> Way {
        let cash = weights.last().copied().unwrap_or(0);
        let pairs = self.names.into_iter().zip(weights);
        // A name that may have no weight is not told of once it has none.
        let pairs = pairs.filter(|(name, ppb)| *ppb > 0 || self.review.models.contains_key(*name));
        let weights = pairs.map(|(name, ppb)| (name.clone(), Ppb::from_ppb(ppb))).collect();
        Way { weights, cash, wanted, turnover, breaches }
    }

    /// Names that drifted above their own cap or their publisher's, each with the rebalances that saw it, this one included.
    ///
    /// A cap that gave way is the target that it gave way to.
    fn breaches(&self, rules: &Methodology) -> BTreeMap<Name, u32> {
        let (mut now, mut goal) = (BTreeMap::<&Name, i64>::new(), BTreeMap::<&Name, i64>::new());
        for (place, name) in self.names.iter().enumerate() {
            if let Some(model) = self.review.models.get(*name) {
                *now.entry(&model.publisher).or_default() += self.current[place];
                *goal.entry(&model.publisher).or_default() += self.target[place];
            }
        }
        let mut breaches = BTreeMap::new();
        for (place, name) in self.names.iter().enumerate() {
            let Some(model) = self.review.models.get(*name) else { continue };
            let (weight, target) = (self.current[place], self.target[place]);
            let of_publisher = now[&model.publisher];
            let publisher_cap = rules.publisher_cap_ppb.max(goal[&model.publisher]);
            let above = weight > rules.name_cap_ppb || of_publisher > publisher_cap;
            if above && weight > target {
                let seen = self.review.history.breaches.get(*name).copied().unwrap_or(0);
                breaches.insert((*name).clone(), seen.saturating_add(1));
            }
        }
        breaches
    }

    /// Which sales come first and in full.
    fn forced(
        &self,
        rules: &Methodology,
        breaches: &BTreeMap<Name, u32>,
        notes: &mut Vec<Note>,
    ) -> Vec<bool> {
        let allowed = rules.cure_rebalances.unwrap_or(0);
        let mut forced: Vec<bool> = Vec::with_capacity(self.current.len());
        for (place, name) in self.names.iter().enumerate() {
            let sells = self.target[place] < self.current[place];
            let reason = if !self.review.models.contains_key(*name) {
                Some(ForcedReason::NotEligible)
            } else if breaches.get(*name).is_some_and(|age| i64::from(*age) > allowed) {
                Some(ForcedReason::OverCap)
            } else {
                None
            };
            let reason = reason.filter(|_| sells);
            forced.push(reason.is_some());
            if let Some(reason) = reason {
                notes.push(Note::Forced { model: (*name).clone(), reason });
            }
        }
        forced.push(false);
        forced
    }

    /// Targets of those that are outside their bands; the others stay.
    ///
    /// What the ones outside sell and buy is not the same, so the widest gaps inside make up for it, the fewest names that can.
    /// Nobody goes beyond his target, so no cap is passed. A name that leaves the basket leaves it, however little it has.
    fn within(
        &self,
        rules: &Methodology,
        band: WeightBand,
        forced: &[bool],
        notes: &mut Vec<Note>,
    ) -> Vec<i64> {
        let outside = |place: usize| {
            let (now, target) = (self.current[place], self.target[place]);
            let (actual, wanted) = (Ppb::from_ppb(now), Ppb::from_ppb(target));
            target == 0 || band.trades(actual, wanted, forced[place])
        };
        let mut trading: Vec<bool> = (0..self.current.len()).map(outside).collect();
        loop {
            let (goal, kept) = self.balanced(&trading);
            // A name that stays where it is may leave no room for another of its publisher's: then it makes room.
            let full = self.above(rules, &goal);
            if full.is_empty() {
                if !kept.is_empty() {
                    notes.push(Note::WithinBand { models: kept });
                }
                return goal;
            }
            for (place, name) in self.names.iter().enumerate() {
                let publisher = self.review.models.get(*name).map(|model| &model.publisher);
                trading[place] |= publisher.is_some_and(|publisher| full.contains_key(publisher));
            }
        }
    }

    /// Publishers of whom `weights` have more than their cap, more than the targets and more than there is now; by how much.
    fn above(&self, rules: &Methodology, weights: &[i64]) -> BTreeMap<&'a Name, i64> {
        let mut sums = BTreeMap::<&Name, [i64; 3]>::new();
        for (place, name) in self.names.iter().enumerate() {
            let Some(model) = self.review.models.get(*name) else { continue };
            let sum = sums.entry(&model.publisher).or_default();
            let of = [self.current[place], self.target[place], weights[place]];
            sum.iter_mut().zip(of).for_each(|(sum, part)| *sum += part);
        }
        let over = |(publisher, [now, target, sum]): (_, [i64; 3])| {
            let most = rules.publisher_cap_ppb.max(target).max(now);
            (sum > most).then_some((publisher, sum - most))
        };
        sums.into_iter().filter_map(over).collect()
    }

    /// Targets of those that trade, and who else stays where he is, by name.
    fn balanced(&self, trading: &[bool]) -> (Vec<i64>, Vec<Name>) {
        let mut goal = self.current.clone();
        let mut inside = Vec::new();
        for place in 0..self.current.len() {
            if trading[place] {
                goal[place] = self.target[place];
            } else if self.current[place] != self.target[place] {
                inside.push(place);
            }
        }
        // More than the whole: too much was bought, and somebody inside sells.
        let mut over = goal.iter().sum::<i64>() - PPB_ONE;
        let gap = |place: &usize| (self.target[*place] - self.current[*place]).abs();
        inside.sort_by(|a, b| gap(b).cmp(&gap(a)).then(a.cmp(b)));
        let mut kept = Vec::new();
        for place in inside {
            let way = self.target[place] - self.current[place];
            if over.signum() * way.signum() < 0 {
                let step = way.abs().min(over.abs()) * way.signum();
                goal[place] += step;
                over += step;
            }
            if goal[place] == self.current[place] && place < self.names.len() {
                kept.push(self.names[place].clone());
            }
        }
        kept.sort();
        (goal, kept)
    }

    /// As much of the way to `goal` as the turnover cap allows.
    fn capped(
        &self,
        rules: &Methodology,
        (goal, forced): (&[i64], &[bool]),
        cap: i64,
        notes: &mut Vec<Note>,
    ) -> Result<Vec<i64>, MethodologyError> {
        let part = |ppb: i64| BigRational::new(BigInt::from(ppb), BigInt::from(PPB_ONE));
        let wanted = one_way(&self.current, goal);
        if wanted <= cap {
            return Ok(goal.to_vec());
        }
        let moves: Vec<Move> = (0..goal.len())
            .map(|place| Move {
                current: part(self.current[place]),
                target: part(goal[place]),
                is_forced: forced[place],
            })
            .collect();
        let trades = plan_trades(&moves, &part(cap))?;
        let mut held = cap;
        for step in &trades.relaxations {
            match step {
                Relaxation::Step { cap } => {
                    held = parts_floor(cap);
                    notes.push(Note::RelaxedTurnover { cap_ppb: held });
                }
                Relaxation::ForcedOnly { cap } => {
                    held = parts_floor(cap);
                    notes.push(Note::ForcedOnly { turnover_ppb: held });
                }
            }
        }
        if wanted > held {
            notes.push(Note::CappedTurnover { wanted_ppb: wanted, cap_ppb: held });
        }
        let mut weights = whole_parts(&self.current, goal, &trades);
        self.make_room(rules, &mut weights, notes);
        Ok(weights)
    }

    /// Forced sales pay for purchases before other sales are made, which may leave a publisher no room: what he has too much of is
    /// not bought, the largest purchase first, and the money waits in cash.
    fn make_room(&self, rules: &Methodology, weights: &mut [i64], notes: &mut Vec<Note>) {
        for (publisher, over) in self.above(rules, weights) {
            let own = |place: &usize| {
                let model = self.review.models.get(self.names[*place]);
                model.is_some_and(|model| model.publisher == *publisher)
            };
            let mut places: Vec<usize> = (0..self.names.len()).filter(own).collect();
            let bought = |place: &usize| weights[*place] - self.current[*place];
            places.sort_by(|a, b| bought(b).cmp(&bought(a)).then(a.cmp(b)));
            let mut left = over;
            for place in places {
                let less = left.min((weights[place] - self.current[place]).max(0));
                weights[place] -= less;
                left -= less;
            }
            if let Some(cash) = weights.last_mut() {
                *cash += over - left;
            }
            let publisher = publisher.clone();
            notes.push(Note::PublisherFull { publisher, cash_ppb: over - left });
        }
    }

    fn note_tolerated(
        &self,
        rules: &Methodology,
        breaches: &BTreeMap<Name, u32>,
        weights: &[i64],
        notes: &mut Vec<Note>,
    ) {
        let of = rules.cure_rebalances.unwrap_or(0);
        for (name, age) in breaches.iter().filter(|(_, age)| i64::from(**age) <= of) {
            let place = self.names.binary_search(&name);
            if place.is_ok_and(|place| weights[place] > self.target[place]) {
                notes.push(Note::ToleratedBreach { model: name.clone(), age: *age, of });
            }
        }
    }
}

/// `⌊part·1e9⌋`.
fn parts_floor(part: &BigRational) -> i64 {
    let parts = part * BigInt::from(PPB_ONE);
    parts.floor().to_integer().to_i64().unwrap_or(i64::MAX)
}

/// One-way turnover between whole weights that sum to the same: what is bought.
fn one_way(from: &[i64], to: &[i64]) -> i64 {
    from.iter().zip(to).map(|(from, to)| (to - from).max(0)).sum()
}

/// Parts per billion of `values`, by largest remainder, ties to the lower place; nothing where they are worth nothing.
fn parts_of(values: &[u128]) -> Vec<i64> {
    let total: U256 = values.iter().map(|value| U256::from(*value)).sum();
    if total.is_zero() {
        return Vec::new();
    }
    let one = U256::from(PPB_ONE.unsigned_abs());
    let (mut parts, mut rest) = (Vec::new(), Vec::new());
    for value in values {
        let (part, left) = (U256::from(*value) * one).div_rem(total);
        parts.push(i64::try_from(part).unwrap_or(PPB_ONE));
        rest.push(left);
    }
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| rest[*b].cmp(&rest[*a]).then(a.cmp(b)));
    let left = PPB_ONE - parts.iter().sum::<i64>();
    for place in order.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[place] += 1;
    }
    parts
}

/// Whole parts of capped trades that sum to 1e9 and turn over no more than they: sales are rounded towards what there is, and
/// purchases share what the sales bring by largest remainder, ties to the lower place.
fn whole_parts(current: &[i64], goal: &[i64], trades: &Trades) -> Vec<i64> {
    let mut weights = current.to_vec();
    let (mut brought, mut buys) = (0, Vec::new());
    for (place, exact) in trades.weights.iter().enumerate() {
        let moved = exact * BigInt::from(PPB_ONE) - BigInt::from(current[place]);
        let floor = moved.floor().to_integer().to_i64().unwrap_or(0);
        if goal[place] > current[place] {
            let rest = moved - BigInt::from(floor);
            weights[place] += floor;
            buys.push((place, rest));
            brought -= floor;
        } else {
            // Up, because the way is downwards.
            let sold = (-moved).floor().to_integer().to_i64().unwrap_or(0);
            weights[place] -= sold;
            brought += sold;
        }
    }
    buys.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for (place, _) in &buys {
        if brought > 0 && weights[*place] < goal[*place] {
            weights[*place] += 1;
            brought -= 1;
        }
    }
    // Sales were rounded by more than purchases: the last ones buy a little less.
    while brought < 0 {
        let before = brought;
        for (place, _) in buys.iter().rev() {
            if brought < 0 && weights[*place] > current[*place] {
                weights[*place] -= 1;
                brought += 1;
            }
        }
        if brought == before {
            break;
        }
    }
    weights
}
