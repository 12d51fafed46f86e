//! The methodology of a fund: which scores make weights, under which caps, with which fees and limits.
//!
//! [`Methodology::plan`] is the one function that makes the weights of a rebalance: live, in a backtest, and where a strike is verified.

mod check;
mod drift;
mod error;
mod plan;
mod review;
mod track;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use error::MethodologyError;
pub use plan::{ForcedReason, Note, Plan};
pub use review::{RebalanceHistory, Review, Reviewed};
pub use track::Track;

use super::{auction::AuctionParams, params::FundParams, window::WindowParams};
use crate::{
    amount::{Cash, PPB_ONE, Ppb, PriceNano},
    canonical,
    digest::Digest,
    index::{Infeasible, InfeasiblePolicy, PpbCaps, PpbWeights, WeightBand, capped_weights_ppb},
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
    /// The auction that rebalances trade in; absent means with the counterparties, at the mark less or plus the spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auction: Option<AuctionParams>,
    /// How far a new version's price may be from the last accepted one before it trips.
    pub breaker_new_version_ppb: i64,
    /// How far a re-evaluation of the same version may be from it.
    pub breaker_reevaluation_ppb: i64,
    /// Part of NAV to keep in cash.
    pub cash_ppb: i64,
    /// Who trades with the fund, in this order.
    pub counterparties: Vec<Name>,
    /// For how many rebalances a name that drifted above its cap is tolerated before its sale is forced; absent means for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure_rebalances: Option<i64>,
    /// What happens when the caps leave no room.
    pub infeasible: InfeasiblePolicy,
    /// Part of a joiner's cash that stays in the fund.
    pub levy_in_ppb: i64,
    /// Management fee a year.
    pub management_fee_ppb: i64,
    /// The largest primary purchase of each model in one rebalance, of NAV.
    pub max_primary_purchase_ppb: Option<i64>,
    /// How many names a basket has; with tracks, how many each track has.
    pub membership: Option<i64>,
    /// The rank up to which a name always enters; absent means four fifths of the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership_enter: Option<i64>,
    /// The rank up to which a member stays; absent means six fifths of the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership_keep: Option<i64>,
    /// The least subscription.
    pub minimum_order_micro: i64,
    /// The largest weight of a name.
    pub name_cap_ppb: i64,
    /// How far NAV per share may move between strikes before joiners wait for a second look.
    pub nav_breaker_ppb: Option<i64>,
    /// Part of the gain above the high-water mark.
    pub performance_fee_ppb: i64,
    /// Days after which a price is too old for joiners to deal on; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_age_days_max: Option<i64>,
    /// The largest weight of all names of one publisher; with tracks, of each track.
    pub publisher_cap_ppb: i64,
    /// The publishers' part of the management fee.
    pub publisher_share_ppb: i64,
    /// Evaluators that a price needs.
    pub quorum: i64,
    /// In how many equal steps the first rebalances go from cash to their targets; absent means at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_up_rebalances: Option<i64>,
    /// Cash that purchases never touch.
    pub reserve_micro: i64,
    /// What weights are in proportion to.
    pub score: Score,
    /// How far from the mark trades are made.
    pub spread_ppb: i64,
    /// Parts of the index that are not comparable by price, each with a weight of its own; none means one track of all models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// The largest one-way turnover of a rebalance, of the invested part.
    pub turnover_ppb: Option<i64>,
    /// How far from its target a weight may be without being traded, of the invested part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_band_absolute_ppb: Option<i64>,
    /// The same as a part of the target; the wider of the two holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_band_relative_ppb: Option<i64>,
    /// The instant window; absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowParams>,
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

    /// The canonical JSON: every field of the first form, and of those that came later the ones that are on, so that adding a rule
    /// changes no digest.
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
            auction: self.auction,
            window: self.window,
            levy_in: Ppb::from_ppb(self.levy_in_ppb),
            management_fee: Ppb::from_ppb(self.management_fee_ppb),
            performance_fee: Ppb::from_ppb(self.performance_fee_ppb),
            publisher_share: Ppb::from_ppb(self.publisher_share_ppb),
            reserve: Cash::from_micro(self.reserve_micro),
            ..FundParams::default()
        }
    }

    /// The weight band; none where every difference is traded.
    pub(super) fn band(&self) -> Option<WeightBand> {
        if self.weight_band_absolute_ppb.is_none() && self.weight_band_relative_ppb.is_none() {
            return None;
        }
        let part = |ppb: Option<i64>| Ppb::from_ppb(ppb.unwrap_or(0));
        let absolute = part(self.weight_band_absolute_ppb);
        Some(WeightBand { absolute, relative: part(self.weight_band_relative_ppb) })
    }

    /// Whether weights follow from scores and caps alone, whatever was before.
    pub(crate) fn is_plain(&self) -> bool {
        let off = [self.membership, self.ramp_up_rebalances, self.turnover_ppb];
        off.iter().all(Option::is_none) && self.band().is_none() && self.tracks.is_empty()
    }

    /// The largest primary purchase, as a rebalance says it.
    #[must_use]
    pub fn max_primary(&self) -> Option<Ppb> {
        self.max_primary_purchase_ppb.map(Ppb::from_ppb)
    }

    /// Weights of the invested part by scores and caps alone, for models with their publishers and accepted prices, in any order.
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
    /// The one place where a price becomes a weight: live through [`plan`](Self::plan), and over rows in a backtest.
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
