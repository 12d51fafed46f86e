//! The integers of a rebalance (FUND 2.18): one set of functions for the fund and for the notional portfolio of a backtest.
//!
//! NAV and values are at 1e-15, cash and units at 1e-6, prices at 1e-9, parts in ppb; nothing here is negative.

use super::math::{K, ceil_div, floor_div};

/// What is invested of `nav`: `⌊N(K−cash)/K⌋`.
pub(crate) fn invested(nav: i128, cash_part: i128) -> i128 {
    floor_div(nav, K - cash_part, K)
}

/// Cash that purchases leave: `⌊N·cash/K⌋`, rounded down to whole micro-credits.
pub(crate) fn cash_to_keep(nav: i128, cash_part: i128) -> i128 {
    part_in_cash(nav, cash_part)
}

/// A part of NAV in whole micro-credits, rounded down.
pub(crate) fn part_in_cash(nav: i128, part: i128) -> i128 {
    floor_div(nav, part, K) / K
}

/// Units to hold of one name: `⌊⌊inv·w/K⌋/P⌋`, for a price above 0.
pub(crate) fn target_units(invested: i128, weight: i128, price: i128) -> i128 {
    floor_div(invested, weight, K) / price
}

/// The price of a sale: the mark less the spread, rounded so that the spread is rounded down.
pub(crate) fn selling_price(price: i128, spread: i128) -> i128 {
    price - floor_div(price, spread, K)
}

/// The price of a purchase: the mark and the spread, which is rounded down.
pub(crate) fn buying_price(price: i128, spread: i128) -> i128 {
    price + floor_div(price, spread, K)
}

/// What a sale brings, rounded up: for the fund.
pub(crate) fn proceeds(units: i128, traded: i128) -> i128 {
    ceil_div(units, traded, K)
}

/// What a purchase costs, rounded down: for the fund.
pub(crate) fn cost(units: i128, traded: i128) -> i128 {
    floor_div(units, traded, K)
}

/// Units that `cash` buys without going below `floor`.
pub(crate) fn affordable(cash: i128, floor: i128, traded: i128) -> i128 {
    floor_div((cash - floor).max(0), K, traded)
}
