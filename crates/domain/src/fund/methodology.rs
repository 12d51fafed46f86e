//! The methodology of a fund: which scores make weights, under which caps, with which fees and limits.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::params::FundParams;
use crate::{
    amount::{Cash, PPB_ONE, Ppb, PriceNano},
    canonical::{self, CanonicalError, INTEGER_MAX},
    digest::Digest,
    index::{Infeasible, InfeasiblePolicy, PpbCaps, PpbWeights, capped_weights_ppb},
    name::Name,
};

/// What weights are in proportion to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The accepted price.
    AcceptedPrice,
}

/// Days of the fund's clock between the proposal of other rules and the first strike after which they are in force, at least (FUND 6).
pub const NOTICE_DAYS: i64 = 7;

/// The rules of a fund, as a JSON file holds them; fractions are in parts per billion, and null means off.
///
/// Numbers stay below 2^53, so that its canonical JSON carries them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Methodology {
    /// How far a new version's price may be from the last accepted one before it trips.
    pub breaker_new_version_ppb: i64,
    /// How far a re-evaluation of the same version may be from it.
    pub breaker_reevaluation_ppb: i64,
    /// Part of NAV to keep in cash.
    pub cash_ppb: i64,
    /// Who trades with the fund, in this order.
    pub counterparties: Vec<Name>,
    /// What happens when the caps leave no room.
    pub infeasible: InfeasiblePolicy,
    /// Part of a joiner's cash that stays in the fund.
    pub levy_in_ppb: i64,
    /// Management fee a year.
    pub management_fee_ppb: i64,
    /// The largest primary purchase of one rebalance, of NAV.
    pub max_primary_purchase_ppb: Option<i64>,
    /// How many names a basket has.
    pub membership: Option<i64>,
    /// The least subscription.
    pub minimum_order_micro: i64,
    /// The largest weight of a name.
    pub name_cap_ppb: i64,
    /// How far NAV per share may move between strikes.
    pub nav_breaker_ppb: Option<i64>,
    /// Part of the gain above the high-water mark.
    pub performance_fee_ppb: i64,
    /// The largest weight of all names of one publisher.
    pub publisher_cap_ppb: i64,
    /// The publishers' part of the management fee.
    pub publisher_share_ppb: i64,
    /// Evaluators that a price needs.
    pub quorum: i64,
    /// Cash that purchases never touch.
    pub reserve_micro: i64,
    /// What weights are in proportion to.
    pub score: Score,
    /// How far from the mark trades are made.
    pub spread_ppb: i64,
    /// The largest one-way turnover of a rebalance.
    pub turnover_ppb: Option<i64>,
}

/// Why a methodology is refused, or gives no weights.
#[derive(Debug, thiserror::Error)]
pub enum MethodologyError {
    /// Not the JSON of a methodology.
    #[error("no methodology: {0}")]
    Json(#[from] serde_json::Error),
    /// A number out of its range.
    #[error("{field} is {value}: at least {min}, at most {max}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: i64,
        /// The least that is allowed.
        min: i64,
        /// The most that is allowed.
        max: i64,
    },
    /// A limit that this version cannot hold.
    #[error("{field} is {value}, but this limit is not built yet: only null is allowed")]
    NotBuilt {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: i64,
    },
    /// A name that stands twice.
    #[error("{field} names {name} twice")]
    Twice {
        /// The field.
        field: &'static str,
        /// The name.
        name: Name,
    },
    /// A value without canonical JSON.
    #[error("methodology: {0}")]
    Canonical(#[from] CanonicalError),
    /// Weights that do not exist under these caps.
    #[error("weights: {0}")]
    Weights(#[from] Infeasible),
}

impl Methodology {
    /// Reads a file and checks it.
    ///
    /// # Errors
    /// Not JSON of this form, or a value that [`validate`](Self::validate) refuses.
    pub fn parse(text: &str) -> Result<Self, MethodologyError> {
        let methodology: Self = serde_json::from_str(text)?;
        methodology.validate()?;
        Ok(methodology)
    }

    /// Checks every value; a limit that is not built yet must be off, so that none is ever ignored.
    ///
    /// # Errors
    /// The first bad field, by name, with its range.
    pub fn validate(&self) -> Result<(), MethodologyError> {
        let (below_one, limit) = (PPB_ONE - 1, INTEGER_MAX as i64);
        for (field, value, min, max) in [
            ("breaker_new_version_ppb", self.breaker_new_version_ppb, 1, limit),
            ("breaker_reevaluation_ppb", self.breaker_reevaluation_ppb, 1, limit),
            ("cash_ppb", self.cash_ppb, 0, PPB_ONE),
            ("levy_in_ppb", self.levy_in_ppb, 0, below_one),
            ("management_fee_ppb", self.management_fee_ppb, 0, below_one),
            ("minimum_order_micro", self.minimum_order_micro, 1, limit),
            ("name_cap_ppb", self.name_cap_ppb, 1, PPB_ONE),
            ("performance_fee_ppb", self.performance_fee_ppb, 0, below_one),
            ("publisher_cap_ppb", self.publisher_cap_ppb, 1, PPB_ONE),
            ("publisher_share_ppb", self.publisher_share_ppb, 0, PPB_ONE),
            ("quorum", self.quorum, 1, 1_000),
            ("reserve_micro", self.reserve_micro, 0, limit),
            ("spread_ppb", self.spread_ppb, 0, below_one),
        ] {
            if !(min..=max).contains(&value) {
                return Err(MethodologyError::Range { field, value, min, max });
            }
        }
        for (field, limit) in [
            ("max_primary_purchase_ppb", self.max_primary_purchase_ppb),
            ("membership", self.membership),
            ("nav_breaker_ppb", self.nav_breaker_ppb),
            ("turnover_ppb", self.turnover_ppb),
        ] {
            if let Some(value) = limit {
                return Err(MethodologyError::NotBuilt { field, value });
            }
        }
        for (index, name) in self.counterparties.iter().enumerate() {
            if self.counterparties[..index].contains(name) {
                let (field, name) = ("counterparties", name.clone());
                return Err(MethodologyError::Twice { field, name });
            }
        }
        Ok(())
    }

    /// The canonical JSON, every field present.
    ///
    /// # Errors
    /// A number beyond 2^53 − 1, which [`validate`](Self::validate) refuses too.
    pub fn canonical_json(&self) -> Result<String, MethodologyError> {
        Ok(canonical::to_string(self)?)
    }

    /// SHA-256 of the canonical text.
    ///
    /// # Errors
    /// As [`canonical_json`](Self::canonical_json).
    pub fn digest(&self) -> Result<Digest, MethodologyError> {
        Ok(canonical::digest_of(self)?)
    }

    /// What the fund engine needs of it.
    #[must_use]
    pub fn fund_params(&self) -> FundParams {
        FundParams {
            levy_in: Ppb::from_ppb(self.levy_in_ppb),
            management_fee: Ppb::from_ppb(self.management_fee_ppb),
            performance_fee: Ppb::from_ppb(self.performance_fee_ppb),
            publisher_share: Ppb::from_ppb(self.publisher_share_ppb),
            reserve: Cash::from_micro(self.reserve_micro),
            ..FundParams::default()
        }
    }

    /// Weights of the invested part for models with their publishers and accepted prices, in any order.
    ///
    /// They sum to 1e9, less what the caps leave over under the policy `cash`.
    ///
    /// # Errors
    /// A model that stands twice, a negative price, or caps without room under the policy `reject`.
    pub fn target_weights(
        &self,
        models: &[(Name, Name, PriceNano)],
    ) -> Result<BTreeMap<Name, Ppb>, MethodologyError> {
        let mut sorted = BTreeMap::new();
        for (model, publisher, price) in models {
            if sorted.insert(model, (publisher, price)).is_some() {
                return Err(MethodologyError::Twice { field: "models", name: model.clone() });
            }
        }
        let prices: Vec<i64> = sorted.values().map(|(_, price)| price.as_nano()).collect();
        let names: BTreeSet<&Name> = sorted.values().map(|(who, _)| *who).collect();
        let numbers: BTreeMap<&Name, usize> = names.into_iter().zip(0..).collect();
        let publishers: Vec<usize> = sorted.values().map(|(who, _)| numbers[who]).collect();
        let weights = self.weights_of(&prices, &publishers)?;
        let ppb =
            weights.ppb.into_iter().map(|w| Ppb::from_ppb(i64::try_from(w).unwrap_or(PPB_ONE)));
        Ok(sorted.into_keys().cloned().zip(ppb).collect())
    }

    /// The same without names: prices in 1e-9, in the order of the models' names, and the number of each one's publisher.
    ///
    /// The one place where a price becomes a weight: live through [`target_weights`](Self::target_weights), and over rows in a backtest.
    pub(crate) fn weights_of(
        &self,
        prices: &[i64],
        publishers: &[usize],
    ) -> Result<PpbWeights, Infeasible> {
        let Score::AcceptedPrice = self.score;
        let caps = PpbCaps {
            name: self.name_cap_ppb,
            group: Some(self.publisher_cap_ppb),
            policy: self.infeasible,
        };
        capped_weights_ppb(prices, publishers, caps)
    }
}
