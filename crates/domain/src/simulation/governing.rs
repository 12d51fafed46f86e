//! Changes of rules, as the world outside asks for them.

use super::{model::Model, random::Random};
use crate::{
    amount::{Cash, Ppb, Shares},
    digest::Digest,
    fund::{AuctionParams, Event, FundParams},
};

/// Other fees, levy and reserve; now and then what cannot change, or what is no fee.
pub(super) fn adoption(random: &mut Random, model: &Model) -> Event {
    let mut params = FundParams {
        levy_in: Ppb::from_ppb(random.pick([0, 1_000_000, 50_000_001])),
        locked_shares: Shares::from_nano(model.locked()),
        management_fee: Ppb::from_ppb(random.pick([0, 10_000_000, 20_000_000, 500_000_000])),
        performance_fee: Ppb::from_ppb(random.pick([0, 0, 100_000_000, 500_000_000])),
        publisher_share: Ppb::from_ppb(random.pick([0, 500_000_000, 1_000_000_000])),
        reserve: Cash::from_micro(random.pick([0, 7, 100_000_000])),
        auction: model.auction_now().filter(|_| random.chance(700)),
        ..FundParams::default()
    };
    match random.below(20) {
        0 => params.manager = model.cast.persons[super::cast::SPONSOR].clone(),
        1 => params.locked_shares = Shares::from_nano(model.locked().saturating_add(1)),
        3..=5 => {
            params.auction = Some(AuctionParams {
                band: Ppb::from_ppb(random.pick([0, 50_000_000])),
                deposit: Ppb::from_ppb(random.pick([100_000_000, 0])),
                minimum: Cash::from_micro(random.pick([1_000_000, 1])),
                opening_days: random.pick([1, 2, 15]),
            });
        }
        2 => params.management_fee = Ppb::from_ppb(random.pick([-1, 1_000_000_000])),
        _ => {}
    }
    // Any digest will do: the engine keeps it and looks at none.
    let text = serde_json::to_string(&params).unwrap_or_default();
    let (fund, digest) = (model.cast.fund.clone(), Digest::of(text.as_bytes()));
    Event::AdoptMethodology { fund, digest, params }
}
