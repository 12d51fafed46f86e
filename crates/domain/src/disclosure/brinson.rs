//! Allocation, selection and interaction by publisher, beside the index, over what marks did (Brinson-Fachler, FUND 2.14).

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};

use super::attribution::{exact, ratio};
use crate::{
    amount::{Femto, PriceNano},
    analytics::{Segment, brinson_fachler},
    index::IndexLevel,
    name::Name,
};

/// What one set of marks did to one publisher's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Group {
    held: Femto,
    held_gain: Femto,
    basket: Femto,
    basket_gain: Femto,
}

/// One set of marks: holdings and basket stand still, prices move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarkPeriod {
    nav: Femto,
    groups: BTreeMap<Name, Group>,
}

/// What a mark is made on.
pub(super) struct Before<'a> {
    pub(super) nav: Femto,
    pub(super) values: &'a BTreeMap<Name, Femto>,
    pub(super) prices: &'a BTreeMap<Name, PriceNano>,
    pub(super) publishers: &'a BTreeMap<Name, Name>,
    pub(super) basket: &'a IndexLevel,
}

impl MarkPeriod {
    /// Groups what the fund and the basket have before `marks`, and what these do to it; nothing before there is something.
    pub(super) fn of(
        before: &Before<'_>,
        marks: &BTreeMap<Name, PriceNano>,
        gains: &BTreeMap<Name, Femto>,
    ) -> Option<Self> {
        let quantities = before.basket.quantities();
        let mut groups = BTreeMap::<Name, Group>::new();
        for (model, price) in before.prices {
            let value = before.values.get(model).copied().unwrap_or_default();
            let quantity = quantities.get(model).copied().unwrap_or(0);
            if value.is_zero() && quantity == 0 {
                continue;
            }
            // Every listed model was admitted by somebody.
            let publisher = before.publishers.get(model).unwrap_or(model);
            let group = groups.entry(publisher.clone()).or_default();
            let worth = |at: &PriceNano| {
                let value = i128::try_from(quantity).ok()?.checked_mul(i128::from(at.as_nano()))?;
                Some(Femto::from_femto(value))
            };
            let (old, new) = (worth(price)?, worth(marks.get(model).unwrap_or(price))?);
            group.held += value;
            group.held_gain += gains.get(model).copied().unwrap_or_default();
            group.basket += old;
            group.basket_gain += new - old;
        }
        let basket: Femto = groups.values().map(|group| group.basket).sum();
        (before.nav > Femto::ZERO && basket > Femto::ZERO)
            .then_some(Self { nav: before.nav, groups })
    }

    fn publishers(&self) -> impl Iterator<Item = &Name> {
        self.groups.keys()
    }

    /// The effects by publisher and of cash, and the two returns.
    fn effects(&self, publishers: &[&Name]) -> Effects {
        let nav = exact(self.nav);
        let basket: BigInt = self.groups.values().map(|group| exact(group.basket)).sum();
        let mut held = BigInt::zero();
        let mut segments = Vec::with_capacity(publishers.len() + 1);
        for publisher in publishers {
            let group = self.groups.get(*publisher).copied().unwrap_or_default();
            let part =
                |gain: Femto, of: Femto| (!of.is_zero()).then(|| ratio(exact(gain), exact(of)));
            let own = part(group.held_gain, group.held);
            let theirs = part(group.basket_gain, group.basket);
            // Who has none of it made no choice within it: all of the difference is allocation.
            let change = own.clone().or_else(|| theirs.clone()).unwrap_or_else(BigRational::zero);
            let benchmark_change = theirs.or(own).unwrap_or_else(BigRational::zero);
            held += exact(group.held);
            segments.push(Segment {
                weight: ratio(exact(group.held), nav.clone()),
                benchmark_weight: ratio(exact(group.basket), basket.clone()),
                change,
                benchmark_change,
            });
        }
        segments.push(Segment {
            weight: ratio(&nav - held, nav),
            benchmark_weight: BigRational::zero(),
            change: BigRational::zero(),
            benchmark_change: BigRational::zero(),
        });
        let sum = |of: fn(&Segment) -> (&BigRational, &BigRational)| {
            let product = |segment| {
                let (weight, change) = of(segment);
                weight * change
            };
            double(&segments.iter().map(product).sum())
        };
        let portfolio = sum(|s| (&s.weight, &s.change));
        let benchmark = sum(|s| (&s.benchmark_weight, &s.benchmark_change));
        let rows = brinson_fachler(&segments).segments;
        let rows = rows
            .iter()
            .map(|row| [double(&row.allocation), double(&row.selection), double(&row.interaction)]);
        Effects { portfolio, benchmark, rows: rows.collect() }
    }
}

struct Effects {
    portfolio: f64,
    benchmark: f64,
    rows: Vec<[f64; 3]>,
}

/// One publisher's names, or cash.
#[derive(Clone, Debug, PartialEq)]
pub struct BrinsonGroup {
    /// The publisher; none for cash, of which the index has none.
    pub publisher: Option<Name>,
    /// Having more of the publishers that did well.
    pub allocation: f64,
    /// Having the right names of a publisher.
    pub selection: f64,
    /// Having more of a publisher where the names were right.
    pub interaction: f64,
}

/// The difference of what marks did to the fund and to its index.
#[derive(Clone, Debug, PartialEq)]
pub struct Brinson {
    /// What marks alone did to NAV per share.
    pub portfolio: f64,
    /// What they did to the index.
    pub benchmark: f64,
    /// All effects sum to the difference of the two.
    pub groups: Vec<BrinsonGroup>,
}

/// Effects over several periods, linked as Carino links differences: `k_t/k`, `k_t = (ln(1+R) − ln(1+B))/(R − B)`.
pub(super) fn link_brinson(periods: &[&MarkPeriod]) -> Option<Brinson> {
    let publishers: BTreeSet<&Name> = periods.iter().flat_map(|p| p.publishers()).collect();
    let publishers: Vec<&Name> = publishers.into_iter().collect();
    let (mut ours, mut theirs) = (0.0, 0.0);
    let mut sums = vec![[0.0; 3]; publishers.len() + 1];
    for period in periods {
        let effects = period.effects(&publishers);
        let scale = log_difference(effects.portfolio, effects.benchmark)?;
        ours += libm::log1p(effects.portfolio);
        theirs += libm::log1p(effects.benchmark);
        for (sum, row) in sums.iter_mut().zip(&effects.rows) {
            for (total, value) in sum.iter_mut().zip(row) {
                *total += scale * value;
            }
        }
    }
    let (portfolio, benchmark) = (libm::expm1(ours), libm::expm1(theirs));
    let scale = log_difference(portfolio, benchmark)?;
    let names = publishers.into_iter().cloned().map(Some).chain([None]);
    let groups = names.zip(sums).map(|(publisher, [allocation, selection, interaction])| {
        let [allocation, selection, interaction] =
            [allocation, selection, interaction].map(|sum: f64| sum / scale);
        BrinsonGroup { publisher, allocation, selection, interaction }
    });
    Some(Brinson { portfolio, benchmark, groups: groups.collect() })
}

/// `(ln(1+a) − ln(1+b))/(a − b)` and its limit; nothing where a logarithm does not exist.
fn log_difference(a: f64, b: f64) -> Option<f64> {
    if a <= -1.0 || b <= -1.0 {
        return None;
    }
    // Below this the quotient of differences has lost its digits, and the limit is nearer.
    const NEAR: f64 = 1e-9;
    let middle = 1.0 + f64::midpoint(a, b);
    Some(if (a - b).abs() < NEAR {
        1.0 / middle
    } else {
        (libm::log1p(a) - libm::log1p(b)) / (a - b)
    })
}

fn double(value: &BigRational) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}
