//! What leaving gives: the slice of the next strike, told beforehand and exactly.

use std::collections::BTreeMap;

use super::{
    book::{check_amount, find_fund},
    math,
    rejection::Rejection,
    state::State,
    strike::{narrow, supply_after_fees},
};
use crate::{
    amount::{Cash, Shares, Units},
    name::Name,
};

/// Rebalance batches in which leavers' units are offered; what is left then is delivered (FUND 1.3).
pub const EXIT_BATCHES: u32 = 3;

/// What so many shares get at a strike of a day, if nothing comes between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitQuote {
    /// The day of the strike.
    pub day: i64,
    /// Shares given back.
    pub shares: Shares,
    /// Shares that there are after the fees until then.
    pub supply: Shares,
    /// Cash, at once.
    pub cash: Cash,
    /// Units, sold in the next batches and delivered where nobody buys.
    pub units: BTreeMap<Name, Units>,
}

/// Quotes an exit: `⌊X·r/S⌋` of everything that the fund has, S after the fees until `day` (FUND 2.3). Whoever else joins or leaves at
/// that strike changes nothing. A mark enters through a performance fee alone, whose shares a new gain makes more.
///
/// # Errors
/// The codes of a strike on that day, and `amount` for shares that are not there.
pub fn quote_exit(
    state: &State,
    name: &Name,
    shares: Shares,
    day: i64,
) -> Result<ExitQuote, Rejection> {
    let fund = find_fund(state, name)?;
    let given = check_amount("redemption", shares.as_nano(), 1)?;
    let supply = supply_after_fees(state, fund, day)?;
    let after = narrow(supply)?;
    if given > supply {
        let value = shares.as_nano().to_string();
        return Err(Rejection::Amount { what: "redemption", value, min: 1, max: after });
    }
    // A part of what fits fits.
    let part = |held: i64| math::floor_div(i128::from(held), given, supply) as i64;
    let units = fund.prices().keys().filter(|model| !state.is_delisted(model));
    let units = units
        .map(|model| (model.clone(), Units::from_micro(part(fund.units(state, model).as_micro()))));
    Ok(ExitQuote {
        day,
        shares,
        supply: Shares::from_nano(after),
        cash: Cash::from_micro(part(fund.cash(state).as_micro())),
        units: units.collect(),
    })
}
