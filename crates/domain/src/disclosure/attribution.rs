//! Why NAV moved from one strike to another: the ledger's own sums, and NAV per share linked over strikes (FUND 2.14, 6.6).

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};

use super::{
    DisclosureError, SPAN_MAX,
    brinson::{Brinson, link_brinson},
    moves::{Cause, Standing, Step},
    trail::{StrikePoint, Struck, Trail},
};
use crate::{amount::Femto, analytics::link};

/// Why NAV moved between the freezes of two strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The first strike; none for the fund's beginning.
    pub from: Option<StrikePoint>,
    /// The second.
    pub to: StrikePoint,
    /// By cause, in the ledger's femto: they sum to the difference of the two NAVs, exactly.
    pub ledger: BTreeMap<Cause, Femto>,
    /// The same for NAV per share; none from the fund's beginning, and where NAV was nothing on the way.
    pub linked: Option<LinkedAttribution>,
    /// Marks beside the index, by publisher; none without a basket on the way.
    pub brinson: Option<Brinson>,
}

/// Why NAV per share moved, linked over strikes by Carino.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkedAttribution {
    /// The return of a share.
    pub total: f64,
    /// By cause; they sum to the return.
    pub parts: BTreeMap<Cause, f64>,
}

/// Attributes what happened from strike `from` to strike `to`; from 0 on is from the fund's beginning.
///
/// # Errors
/// Strikes that there are not, or too many of them.
pub fn attribute(trail: &Trail, from: u64, to: u64) -> Result<Attribution, DisclosureError> {
    let span = span(trail, from, to)?;
    let mut ledger = BTreeMap::<Cause, Femto>::new();
    for struck in span.way {
        for (cause, amount) in &struck.segment.ledger {
            *ledger.entry(cause.clone()).or_default() += *amount;
        }
    }
    let marks: Vec<_> = span.way.iter().flat_map(|struck| &struck.segment.marks).collect();
    let brinson = if marks.is_empty() { None } else { link_brinson(&marks) };
    let linked = span.from.and_then(|from| linked(&from.point, span.way));
    Ok(Attribution {
        from: span.from.map(|struck| struck.point),
        to: span.to.point,
        ledger,
        linked,
        brinson,
    })
}

/// Two strikes and everything after the first up to the second.
pub(super) struct Span<'a> {
    pub(super) from: Option<&'a Struck>,
    pub(super) to: &'a Struck,
    pub(super) way: &'a [std::sync::Arc<Struck>],
}

pub(super) fn span(trail: &Trail, from: u64, to: u64) -> Result<Span<'_>, DisclosureError> {
    let last = trail.strikes.len() as u64;
    let range = DisclosureError::Range { from, to, last };
    if from >= to {
        return Err(range);
    }
    if to - from > SPAN_MAX {
        return Err(DisclosureError::Span { given: to - from });
    }
    let place = |number: u64| usize::try_from(number).ok();
    let way = place(from).zip(place(to)).and_then(|(from, to)| trail.strikes.get(from..to));
    let way = way.ok_or_else(|| range.clone())?;
    let to = way.last().ok_or(range)?;
    let from = place(from).and_then(|from| trail.strikes.get(from.checked_sub(1)?));
    Ok(Span { from: from.map(|struck| &**struck), to, way })
}

/// Links what each way between two strikes did to NAV per share.
fn linked(from: &StrikePoint, way: &[std::sync::Arc<Struck>]) -> Option<LinkedAttribution> {
    let mut start = Standing { nav: from.nav, shares: from.shares };
    let mut periods = Vec::with_capacity(way.len());
    for struck in way {
        periods.push(contributions(&struck.segment.steps, start)?);
        start = Standing { nav: struck.point.nav, shares: struck.point.shares };
    }
    let causes: BTreeSet<&Cause> = periods.iter().flat_map(BTreeMap::keys).collect();
    let rows: Vec<Vec<BigRational>> = periods
        .iter()
        .map(|parts| {
            let part = |cause: &&Cause| parts.get(*cause).cloned();
            causes.iter().map(|cause| part(cause).unwrap_or_else(BigRational::zero)).collect()
        })
        .collect();
    let linked = link(&rows).ok()?;
    let parts = causes.iter().map(|cause| (*cause).clone()).zip(linked.names).collect();
    Some(LinkedAttribution { total: linked.total.to_f64()?, parts })
}

/// What each cause did to NAV per share, over NAV per share at the start: exact, and summing to the return.
fn contributions(steps: &[Step], start: Standing) -> Option<BTreeMap<Cause, BigRational>> {
    let base = per_share(start)?;
    if base.is_zero() {
        return None;
    }
    let mut parts = BTreeMap::<Cause, BigRational>::new();
    let mut add = |cause: &Cause, change: BigRational| {
        *parts.entry(cause.clone()).or_insert_with(BigRational::zero) += change / &base;
    };
    for step in steps {
        match step {
            Step::Held { shares, moves } => {
                if shares.as_nano() <= 0 {
                    return None;
                }
                for (cause, amount) in moves {
                    add(cause, ratio(exact(*amount), shares.as_nano().into()));
                }
            }
            Step::Dealt { cause, from, to } => add(cause, per_share(*to)? - per_share(*from)?),
        }
    }
    Some(parts)
}

fn per_share(standing: Standing) -> Option<BigRational> {
    let shares = standing.shares.as_nano();
    (shares > 0).then(|| ratio(exact(standing.nav), shares.into()))
}

/// A quotient; `below` is not nothing.
pub(super) fn ratio(above: BigInt, below: BigInt) -> BigRational {
    BigRational::new(above, below)
}

/// The same number without a bound.
pub(super) fn exact(value: Femto) -> BigInt {
    value.as_femto().map_or_else(|| value.to_string().parse().unwrap_or_default(), BigInt::from)
}
