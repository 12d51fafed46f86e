//! Why joiners wait at a strike: prices in doubt, or a NAV per share that jumped (FUND 1.3 (6), 2.12; ops/decisions/0034).

use std::collections::BTreeMap;

use domain::{
    amount::{Femto, PriceNano, Shares},
    fund::{Event, FundState, Methodology, has_jumped, is_too_much},
    name::Name,
    time::DAY_MS,
};
use store::{StrikeRow, price_decision, registered_model, strike};

use crate::{ServiceError, exits::fund_day, ledger::LedgerUnit, suspension::is_tripped};

/// While a valuation is in doubt, subscriptions are held back and redemptions go on; a ledger event says when it begins and ends.
///
/// `prices` are what the strike is about to set, and `moved` is why prices that were bound before are in doubt themselves.
pub(crate) async fn hold_in_doubt(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    (rules, prices): (&Methodology, &BTreeMap<Name, PriceNano>),
    moved: Option<String>,
) -> Result<(), ServiceError> {
    let reason = match doubtful_names(ledger, fund, rules.price_age_days_max).await? {
        Some(reason) => Some(reason),
        None => jump(ledger, fund, rules.nav_breaker_ppb, prices).await?.or(moved),
    };
    let is_held = ledger.state.fund(fund).is_some_and(FundState::holds_subscriptions);
    if reason.is_some() != is_held {
        let held = reason.is_some();
        if let Some(reason) = reason {
            tracing::warn!(%fund, reason, "subscriptions are held back at this strike");
        }
        ledger.post(&Event::HoldSubscriptions { fund: fund.clone(), held }).await?;
    }
    Ok(())
}

/// The names whose price waits for confirmation or is too old, if together they are more than a tenth of NAV.
async fn doubtful_names(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    age_days_max: Option<i64>,
) -> Result<Option<String>, ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(None) };
    let transaction = &ledger.unit.transaction;
    let (mut tripped, mut aged, mut value) = (Vec::new(), Vec::new(), Femto::ZERO);
    for holding in state.holdings(&ledger.state) {
        let row = registered_model::find_by_name(transaction, holding.model.as_str()).await?;
        let Some(row) = row else { continue };
        let names = if is_tripped(transaction, &row.id).await? {
            &mut tripped
        } else if is_aged(ledger, &row.id, age_days_max).await? {
            &mut aged
        } else {
            continue;
        };
        names.push(holding.model.to_string());
        value += holding.value;
    }
    if !is_too_much(value, state.nav(&ledger.state)) {
        return Ok(None);
    }
    let mut reasons = Vec::new();
    if !tripped.is_empty() {
        reasons.push(format!("the prices of {} wait for confirmation", tripped.join(", ")));
    }
    if let Some(days) = age_days_max.filter(|_| !aged.is_empty()) {
        reasons.push(format!("those of {} are older than {days} days", aged.join(", ")));
    }
    Ok(Some(reasons.join("; ")))
}

/// Whether nothing has measured a model for longer than the rules allow. A measurement that found the price where it was counts.
async fn is_aged(
    ledger: &LedgerUnit<'_>,
    model_id: &str,
    days_max: Option<i64>,
) -> Result<bool, ServiceError> {
    let Some(days_max) = days_max else { return Ok(false) };
    let standing = price_decision::latest_standing(&ledger.unit.transaction, model_id).await?;
    let age_ms = standing.map(|row| ledger.unit.now().saturating_sub(row.decided_at));
    Ok(age_ms.is_some_and(|age| age > days_max.saturating_mul(DAY_MS)))
}

/// Whether NAV per share at the new marks is too far from that of the last strike, or from that of the last strike on an earlier day.
///
/// So a jump holds joiners back at its own strike and at every other of its day; a strike of a later day that finds NAV per share
/// within the band of it confirms it, and they are settled. No person releases them: who decides when joiners get in decides what they pay.
async fn jump(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    limit: Option<i64>,
    prices: &BTreeMap<Name, PriceNano>,
) -> Result<Option<String>, ServiceError> {
    let (Some(limit), Some(state)) = (limit, ledger.state.fund(fund)) else { return Ok(None) };
    let transaction = &ledger.unit.transaction;
    let day = fund_day(&ledger.state, fund, ledger.unit.caller.now);
    let now = (nav_at(ledger, state, prices), state.shares(&ledger.state));
    for before in [
        strike::latest(transaction, fund.as_str()).await?,
        strike::latest_before(transaction, fund.as_str(), day).await?,
    ] {
        let Some(before) = before else { continue };
        if has_jumped(standing_of(&before)?, now, limit) {
            return Ok(Some(format!(
                "NAV per share is more than {limit} ppb from that of strike {}",
                before.number
            )));
        }
    }
    Ok(None)
}

fn standing_of(row: &StrikeRow) -> Result<(Femto, Shares), ServiceError> {
    let nav = row.nav_femto.parse().map_err(ServiceError::internal)?;
    Ok((nav, Shares::from_nano(row.shares_nano)))
}

/// NAV at the marks that are about to be set; a name without one keeps its price.
fn nav_at(ledger: &LedgerUnit<'_>, state: &FundState, prices: &BTreeMap<Name, PriceNano>) -> Femto {
    let value = |held: domain::fund::Holding| {
        held.units.value_at(prices.get(&held.model).copied().unwrap_or(held.price))
    };
    let units: Femto = state.holdings(&ledger.state).into_iter().map(value).sum();
    state.cash(&ledger.state).to_femto() + units
}
