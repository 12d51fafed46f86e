//! The ranges of a methodology's values, and which of them need one another.

use std::collections::BTreeSet;

use super::{Methodology, MethodologyError};
use crate::{
    amount::PPB_ONE,
    canonical::INTEGER_MAX,
    fund::{book::MODELS_MAX, params::OPENING_DAYS_MAX},
    index::{Buffer, BufferError},
};

/// The largest performance fee, one half of the gain: one of nearly all of it is paid in shares without number.
const PERFORMANCE_FEE_MAX: i64 = PPB_ONE / 2;
/// Tracks of one index.
const TRACKS_MAX: usize = 100;
/// The largest number of rebalances or days that a rule may speak of.
const COUNT_MAX: i64 = 100_000;

impl Methodology {
    /// Checks every value, and that none is there which would do nothing.
    ///
    /// # Errors
    /// The first bad field, by name, with its range.
    pub fn validate(&self) -> Result<(), MethodologyError> {
        self.check_numbers()?;
        self.check_optional()?;
        self.check_pairs()?;
        self.check_tracks()?;
        self.check_venues()?;
        for (index, name) in self.counterparties.iter().enumerate() {
            if self.counterparties[..index].contains(name) {
                let (field, name) = ("counterparties", name.clone());
                return Err(MethodologyError::Twice { field, name });
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), MethodologyError> {
        let (below_one, limit) = (PPB_ONE - 1, INTEGER_MAX as i64);
        [
            ("breaker_new_version_ppb", self.breaker_new_version_ppb, 1, limit),
            ("breaker_reevaluation_ppb", self.breaker_reevaluation_ppb, 1, limit),
            ("cash_ppb", self.cash_ppb, 0, PPB_ONE),
            ("levy_in_ppb", self.levy_in_ppb, 0, below_one),
            ("management_fee_ppb", self.management_fee_ppb, 0, below_one),
            ("minimum_order_micro", self.minimum_order_micro, 1, limit),
            ("name_cap_ppb", self.name_cap_ppb, 1, PPB_ONE),
            ("performance_fee_ppb", self.performance_fee_ppb, 0, PERFORMANCE_FEE_MAX),
            ("publisher_cap_ppb", self.publisher_cap_ppb, 1, PPB_ONE),
            ("publisher_share_ppb", self.publisher_share_ppb, 0, PPB_ONE),
            ("quorum", self.quorum, 1, 1_000),
            ("reserve_micro", self.reserve_micro, 0, limit),
            ("spread_ppb", self.spread_ppb, 0, below_one),
        ]
        .into_iter()
        .try_for_each(|(field, value, min, max)| in_range(field, value, min, max))
    }

    /// Auction and window, each in its range; an auction trades with its bidders alone, at their price.
    fn check_venues(&self) -> Result<(), MethodologyError> {
        let (below_one, limit) = (PPB_ONE - 1, INTEGER_MAX as i64);
        if let Some(auction) = self.auction {
            in_range("auction.band", auction.band.as_ppb(), 0, below_one)?;
            in_range("auction.deposit", auction.deposit.as_ppb(), 1, below_one)?;
            in_range("auction.minimum", auction.minimum.as_micro(), 1, limit)?;
            in_range("auction.opening_days", auction.opening_days, 1, OPENING_DAYS_MAX)?;
            in_range("spread_ppb", self.spread_ppb, 0, 0)?;
            in_range("counterparties", self.counterparties.len() as i64, 0, 0)?;
        }
        if let Some(window) = self.window {
            in_range("window.budget", window.budget.as_ppb(), 1, PPB_ONE)?;
            in_range("window.levy_out", window.levy_out.as_ppb(), 0, below_one)?;
        }
        Ok(())
    }

    fn check_optional(&self) -> Result<(), MethodologyError> {
        let (limit, names) = (INTEGER_MAX as i64, MODELS_MAX as i64);
        for (field, value, min, max) in [
            ("cure_rebalances", self.cure_rebalances, 0, COUNT_MAX),
            ("max_primary_purchase_ppb", self.max_primary_purchase_ppb, 0, PPB_ONE),
            ("membership", self.membership, 1, names),
            ("membership_enter", self.membership_enter, 0, names),
            ("membership_keep", self.membership_keep, 1, names),
            ("nav_breaker_ppb", self.nav_breaker_ppb, 1, limit),
            ("price_age_days_max", self.price_age_days_max, 1, COUNT_MAX),
            ("ramp_up_rebalances", self.ramp_up_rebalances, 1, COUNT_MAX),
            ("turnover_ppb", self.turnover_ppb, 1, PPB_ONE),
            ("weight_band_absolute_ppb", self.weight_band_absolute_ppb, 0, PPB_ONE),
            ("weight_band_relative_ppb", self.weight_band_relative_ppb, 0, PPB_ONE),
        ] {
            value.map_or(Ok(()), |value| in_range(field, value, min, max))?;
        }
        Ok(())
    }

    fn check_pairs(&self) -> Result<(), MethodologyError> {
        for (field, value) in
            [("membership_enter", self.membership_enter), ("membership_keep", self.membership_keep)]
        {
            if let (Some(value), None) = (value, self.membership) {
                return Err(MethodologyError::Needs { field, value, needs: "membership" });
            }
        }
        if let (Some(value), None, None) = (self.cure_rebalances, self.turnover_ppb, self.band()) {
            // Without a rule that holds trades back every breach is cured at once.
            let (field, needs) = ("cure_rebalances", "turnover_ppb or a weight band");
            return Err(MethodologyError::Needs { field, value, needs });
        }
        self.buffer()?;
        Ok(())
    }

    fn check_tracks(&self) -> Result<(), MethodologyError> {
        let length = |field, given, max| match given > max {
            true => Err(MethodologyError::Length { field, given, max }),
            false => Ok(()),
        };
        length("tracks", self.tracks.len(), TRACKS_MAX)?;
        let (mut names, mut models, mut sum) = (BTreeSet::new(), BTreeSet::new(), 0);
        for track in &self.tracks {
            in_range("tracks.weight_ppb", track.weight_ppb, 1, PPB_ONE)?;
            sum += track.weight_ppb;
            if !names.insert(&track.name) {
                let (field, name) = ("tracks", track.name.clone());
                return Err(MethodologyError::Twice { field, name });
            }
            for model in &track.models {
                if !models.insert(model) {
                    let (field, name) = ("tracks.models", model.clone());
                    return Err(MethodologyError::Twice { field, name });
                }
            }
            length("tracks.models", models.len(), MODELS_MAX)?;
        }
        if !self.tracks.is_empty() && sum != PPB_ONE {
            return Err(MethodologyError::TrackSum { sum });
        }
        Ok(())
    }

    /// The membership buffer; none where every name is a member.
    pub(super) fn buffer(&self) -> Result<Option<Buffer>, BufferError> {
        let Some(names) = self.membership else { return Ok(None) };
        let size = |count: i64| usize::try_from(count).unwrap_or(0);
        let usual = Buffer::usual(size(names))?;
        let (enter, keep) = usual.ranks();
        let enter = self.membership_enter.map_or(enter, size);
        let keep = self.membership_keep.map_or(keep, size);
        Buffer::try_new(size(names), enter, keep).map(Some)
    }
}

fn in_range(field: &'static str, value: i64, min: i64, max: i64) -> Result<(), MethodologyError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(MethodologyError::Range { field, value, min, max })
}
