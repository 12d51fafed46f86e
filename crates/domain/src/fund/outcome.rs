//! What a caller is told beside the entries of an event. Fields stand in alphabetical order, as in [`super::batch`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::window::WindowFill;
use crate::{
    amount::{Cash, Femto, Shares, Units},
    name::Name,
};

/// What the caller is told beside the entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Nothing beside the entries.
    None,
    /// A strike.
    Strike(StrikeOutcome),
    /// What contributors were paid.
    Vested(Cash),
    /// What each owner got at the window, by name.
    Window(Vec<WindowFill>),
}

/// The result of a strike: what was frozen, and what every order received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrikeOutcome {
    /// NAV at the larger of price and estimate of each name: what joiners pay.
    pub ask: Femto,
    /// The number of the strike, from 1.
    pub epoch: u64,
    /// Subscription orders, in the order of placing.
    pub fills: Vec<Fill>,
    /// NAV after fees, before orders.
    pub nav: Femto,
    /// Shares outstanding after fees, before orders.
    pub shares: Shares,
    /// Redemption orders, in the order of placing.
    pub slices: Vec<Slice>,
    /// Whether the fund is winding up.
    pub winding: bool,
}

/// What a subscription order received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// What was ordered for.
    pub cash: Cash,
    /// What the shares cost; the rest, less the levy, went back.
    pub cost: Cash,
    /// What stayed in the fund beside the cost.
    pub levy: Cash,
    /// Shares received; none means that all went back.
    pub shares: Shares,
    /// Whose order.
    pub who: Name,
}

/// What a redemption order received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Cash, at once.
    pub cash: Cash,
    /// Shares given back.
    pub shares: Shares,
    /// Units, to be sold or delivered.
    pub units: BTreeMap<Name, Units>,
    /// Whose order.
    pub who: Name,
}
