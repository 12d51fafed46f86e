//! The moment that a query is about: two arguments that every query about funds takes.

use async_graphql::{Context, Result};
use service::{LedgerAt, Moment};

use crate::{
    error::api_error,
    scalars::Time,
    scope::{request, service},
};

/// What a query about a moment costs beside its fields: states of the past may have to be replayed.
const MOMENT_COST: usize = 2_000;

/// What a query costs, with or without a moment.
pub(crate) fn cost(as_of: Option<&Time>, known_at: Option<&Time>, fields: usize) -> usize {
    let moment = if as_of.is_some() || known_at.is_some() { MOMENT_COST } else { 0 };
    fields.saturating_add(moment)
}

/// What a query costs that may name a strike for its moment.
pub(crate) fn cost_of_strike(
    at_strike: Option<i64>,
    (as_of, known_at): (Option<&Time>, Option<&Time>),
    fields: usize,
) -> usize {
    cost(as_of, known_at, fields).saturating_add(at_strike.map_or(0, |_| MOMENT_COST))
}

/// The moment of two arguments.
pub(crate) fn moment(
    context: &Context<'_>,
    as_of: Option<Time>,
    known_at: Option<Time>,
) -> Result<Moment> {
    let now = request(context)?.now;
    Ok(Moment::new(now, as_of.map(|at| at.0), known_at.map(|at| at.0)))
}

/// The ledger as of the moment of two arguments.
pub(crate) async fn ledger_at(
    context: &Context<'_>,
    as_of: Option<Time>,
    known_at: Option<Time>,
) -> Result<LedgerAt> {
    let moment = moment(context, as_of, known_at)?;
    service(context)?.ledger_at(&moment).await.map_err(api_error)
}

/// The ledger as it is.
pub(crate) async fn ledger_now(context: &Context<'_>) -> Result<LedgerAt> {
    ledger_at(context, None, None).await
}
