//! What a review looks at: the models that may be in the basket, and the basket that there is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    amount::PriceNano,
    fund::{FundState, State},
    index::{IndexLevel, LevelError},
    name::Name,
};

/// A live model that may have weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// Whose it is, for the publisher cap.
    pub publisher: Name,
    /// The mark.
    pub price: PriceNano,
    /// Strikes before its admission: the earlier one wins a tie.
    pub admitted: u64,
}

/// What rebalances leave behind for the next, beside the basket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebalanceHistory {
    /// Names above a cap by drift, with the rebalances that tolerated it so far.
    pub breaches: BTreeMap<Name, u32>,
    /// Rebalances so far.
    pub rebalances: u64,
}

impl RebalanceHistory {
    /// Before the first rebalance.
    #[must_use]
    pub const fn new() -> Self {
        Self { breaches: BTreeMap::new(), rebalances: 0 }
    }
}

/// All that the weights of a rebalance follow from.
///
/// Actual weights are those of the index's basket at the marks, not of the fund's holdings. What the fund holds depends on who traded
/// with it and who came and went; weights that followed it could not be computed again from prices alone, and a backtest would be about
/// another index. The fund's distance from the basket is tracking error, and is shown as that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Models that may have weight.
    pub models: BTreeMap<Name, Reviewed>,
    /// What the basket holds of each name, at the marks and at 1e-15.
    pub held: BTreeMap<Name, u128>,
    /// What the last weights left in cash, at 1e-15.
    pub left_out: u128,
    /// What earlier rebalances left behind.
    pub history: RebalanceHistory,
}

impl Review {
    /// The review of a fund at its marks, over the models for which `publisher_of` answers: those that are eligible.
    ///
    /// # Errors
    /// A basket with a name that has no price, or beyond its bound.
    pub fn of(
        state: &State,
        fund: &FundState,
        publisher_of: impl Fn(&Name) -> Option<Name>,
        level: Option<&IndexLevel>,
        history: RebalanceHistory,
    ) -> Result<Self, LevelError> {
        let live = fund.prices().iter().filter(|(model, _)| !state.is_delisted(model));
        let reviewed = live.filter_map(|(model, price)| {
            let admitted = fund.admitted(model).unwrap_or_default();
            let publisher = publisher_of(model)?;
            Some((model.clone(), Reviewed { publisher, price: *price, admitted }))
        });
        let held = level.map(|level| level.values(fund.prices())).transpose()?;
        Ok(Self {
            models: reviewed.collect(),
            held: held.unwrap_or_default(),
            left_out: level.map_or(0, IndexLevel::left_out),
            history,
        })
    }
}
