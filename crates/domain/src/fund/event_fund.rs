//! Which fund an event is about, and what it is called.

use super::event::Event;
use crate::name::Name;

/// The fund that it names; none for what is between persons, or about a model.
pub(super) const fn of(event: &Event) -> Option<&Name> {
    match event {
        Event::CreateFund { fund, .. }
        | Event::Admit { fund, .. }
        | Event::Seed { fund, .. }
        | Event::MarkSet { fund, .. }
        | Event::Subscribe { fund, .. }
        | Event::Redeem { fund, .. }
        | Event::CancelSubscription { fund, .. }
        | Event::CancelRedemption { fund, .. }
        | Event::HoldSubscriptions { fund, .. }
        | Event::SetEligible { fund, .. }
        | Event::SetAllowList { fund, .. }
        | Event::Allow { fund, .. }
        | Event::Freeze { fund, .. }
        | Event::Pause { fund, .. }
        | Event::CommitPrices { fund, .. }
        | Event::CloseOrders { fund, .. }
        | Event::ReopenOrders { fund, .. }
        | Event::RevealPrices { fund, .. }
        | Event::SealBids { fund, .. }
        | Event::TakeBackBids { fund, .. }
        | Event::CallBids { fund, .. }
        | Event::OpenBids { fund, .. }
        | Event::CloseBids { fund, .. }
        | Event::CutOff { fund, .. }
        | Event::HoldOrder { fund, .. }
        | Event::SetFeeShare { fund, .. }
        | Event::RequestWindow { fund, .. }
        | Event::CancelWindow { fund, .. }
        | Event::PayWindow { fund, .. }
        | Event::Strike { fund, .. }
        | Event::InKind { fund, .. }
        | Event::CreateInKind { fund, .. }
        | Event::Compensate { fund, .. }
        | Event::DistributeFees { fund, .. }
        | Event::Rebalance { fund, .. }
        | Event::Vest { fund, .. }
        | Event::Delist { fund, .. }
        | Event::AdoptMethodology { fund, .. } => Some(fund),
        Event::Deposit { .. }
        | Event::Withdraw { .. }
        | Event::Transfer { .. }
        | Event::Claim { .. }
        | Event::Correct { .. }
        | Event::Royalty { .. } => None,
    }
}

impl Event {
    /// The name of the operation, as in JSON.
    #[must_use]
    pub const fn op(&self) -> &'static str {
        match self {
            Self::CreateFund { .. } => "create_fund",
            Self::Deposit { .. } => "deposit",
            Self::Withdraw { .. } => "withdraw",
            Self::Transfer { .. } => "transfer",
            Self::Claim { .. } => "claim",
            Self::Admit { .. } => "admit",
            Self::Seed { .. } => "seed",
            Self::MarkSet { .. } => "mark_set",
            Self::Subscribe { .. } => "subscribe",
            Self::Redeem { .. } => "redeem",
            Self::CancelSubscription { .. } => "cancel_subscription",
            Self::CancelRedemption { .. } => "cancel_redemption",
            Self::HoldSubscriptions { .. } => "hold_subscriptions",
            Self::SetEligible { .. } => "set_eligible",
            Self::SetFeeShare { .. } => "set_fee_share",
            Self::SetAllowList { .. } => "set_allow_list",
            Self::Allow { .. } => "allow",
            Self::Freeze { .. } => "freeze",
            Self::Pause { .. } => "pause",
            Self::CommitPrices { .. } => "commit_prices",
            Self::CloseOrders { .. } => "close_orders",
            Self::CutOff { .. } => "cut_off",
            Self::HoldOrder { .. } => "hold_order",
            Self::ReopenOrders { .. } => "reopen_orders",
            Self::RevealPrices { .. } => "reveal_prices",
            Self::SealBids { .. } => "seal_bids",
            Self::TakeBackBids { .. } => "take_back_bids",
            Self::CallBids { .. } => "call_bids",
            Self::CloseBids { .. } => "close_bids",
            Self::OpenBids { .. } => "open_bids",
            Self::RequestWindow { .. } => "request_window",
            Self::CancelWindow { .. } => "cancel_window",
            Self::PayWindow { .. } => "pay_window",
            Self::Strike { .. } => "strike",
            Self::InKind { .. } => "in_kind",
            Self::CreateInKind { .. } => "create_in_kind",
            Self::Correct { .. } => "correct",
            Self::Compensate { .. } => "compensate",
            Self::DistributeFees { .. } => "distribute_fees",
            Self::Rebalance { .. } => "rebalance",
            Self::Vest { .. } => "vest",
            Self::Royalty { .. } => "royalty",
            Self::Delist { .. } => "delist",
            Self::AdoptMethodology { .. } => "adopt_methodology",
        }
    }
}
