//! Which fund an event is about.

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
