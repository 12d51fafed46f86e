//! What a fund charges and keeps.

use serde::{Deserialize, Serialize};

use super::{auction::AuctionParams, math, rejection::Rejection, window::WindowParams};
use crate::{
    amount::{Cash, LIMIT, PPB_ONE, Ppb, Shares},
    name::Name,
};

/// The longest time for opening bids: leavers wait for no longer one.
pub(super) const OPENING_DAYS_MAX: i64 = 14;

/// Parameters of one fund; locked shares and who receives fees are fixed at its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FundParams {
    /// The auction that rebalances trade in; none where they trade with listed counterparties at the mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auction: Option<AuctionParams>,
    /// Part of a joiner's cash that stays in the fund (FUND 2.2).
    pub levy_in: Ppb,
    /// Shares locked for ever at the seed (FUND 2.2).
    pub locked_shares: Shares,
    /// Management fee a year (FUND 2.5).
    pub management_fee: Ppb,
    /// Who receives the manager's part of the fees.
    pub manager: Name,
    /// Part of the gain above the high-water mark (FUND 2.6).
    pub performance_fee: Ppb,
    /// Who receives the publishers' part of the management fee.
    pub publisher_pool: Name,
    /// The publishers' part of the management fee.
    pub publisher_share: Ppb,
    /// Cash that purchases never touch.
    pub reserve: Cash,
    /// The instant window; none where it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowParams>,
}

impl Default for FundParams {
    /// The defaults of FUND 6: 1 % a year, half of it to publishers, nothing else.
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "both literals have the form of a name")]
        let name = |text: &str| text.parse::<Name>().expect("a name");
        Self {
            auction: None,
            levy_in: Ppb::ZERO,
            locked_shares: Shares::from_nano(1_000_000),
            management_fee: Ppb::from_ppb(10_000_000),
            manager: name("MANAGER"),
            performance_fee: Ppb::ZERO,
            publisher_pool: name("PUBPOOL"),
            publisher_share: Ppb::from_ppb(500_000_000),
            reserve: Cash::ZERO,
            window: None,
        }
    }
}

impl FundParams {
    /// Checks every range.
    ///
    /// # Errors
    /// `amount`, naming the parameter.
    pub fn validate(&self) -> Result<(), Rejection> {
        let below_one = PPB_ONE - 1;
        for (what, value, min, max) in [
            ("levy_in", self.levy_in.as_ppb(), 0, below_one),
            ("locked_shares", self.locked_shares.as_nano(), 1, LIMIT),
            ("management_fee", self.management_fee.as_ppb(), 0, below_one),
            ("performance_fee", self.performance_fee.as_ppb(), 0, below_one),
            ("publisher_share", self.publisher_share.as_ppb(), 0, PPB_ONE),
            ("reserve", self.reserve.as_micro(), 0, LIMIT),
            ("auction band", self.auction.map_or(0, |a| a.band.as_ppb()), 0, below_one),
            ("auction deposit", self.auction.map_or(1, |a| a.deposit.as_ppb()), 1, below_one),
            ("auction minimum", self.auction.map_or(1, |a| a.minimum.as_micro()), 1, LIMIT),
            (
                "auction opening_days",
                self.auction.map_or(1, |a| a.opening_days),
                1,
                OPENING_DAYS_MAX,
            ),
            ("window budget", self.window.map_or(1, |w| w.budget.as_ppb()), 1, PPB_ONE),
            ("window levy_out", self.window.map_or(0, |w| w.levy_out.as_ppb()), 0, below_one),
        ] {
            if !(min..=max).contains(&value) {
                return Err(Rejection::Amount { what, value: value.to_string(), min, max });
            }
        }
        Ok(())
    }

    /// What a day of the management fee leaves of one, at 1e18 and rounded up (FUND 2.5).
    #[must_use]
    pub fn daily_retention(&self) -> u64 {
        math::daily_retention(self.management_fee.as_ppb())
    }
}
