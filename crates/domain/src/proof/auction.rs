//! Follows the auction of one fund through the journal.

use super::watch_error::WatchError;
use crate::fund::{Batch, Event, FundState, State};

/// What is remembered between events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AuctionWatch {
    /// Whether nothing of the fund has come since the strike that met its bids.
    just_met: bool,
    /// Whether purses were asked for since the last strike.
    asked: bool,
    /// What is wrong with the event that comes.
    wrong: Option<&'static str>,
}

impl AuctionWatch {
    /// Looks at the fund before an event of its own; `may_trade` tells whether the batch that the rules ask for could follow here.
    pub(super) fn before(
        &mut self,
        (state, fund): (&State, &FundState),
        event: &Event,
        may_trade: impl FnOnce() -> bool,
    ) {
        let closed = fund.auction().call().filter(|call| call.closed.is_some());
        let is_over = |day: i64| fund.opening_until().is_some_and(|until| until <= day);
        self.wrong = match event {
            Event::CommitPrices { .. } if is_over(fund.day()) => Some(
                "has bids whose days to open were over, and prices are bound that leave them out",
            ),
            // Prices that are bound by then were bound before the days were over.
            Event::Strike { day, .. } if is_over(*day) && fund.open_commitment().is_none() => {
                Some("has bids whose days to open were over, and the strike passed over them")
            }
            Event::Strike { .. } if closed.is_some_and(|call| !call.marked) => {
                let trades = |model| !state.is_delisted(model);
                let any = fund.prices().keys().any(trades);
                any.then_some("has open bids, and the strike has no prices for them")
            }
            Event::Rebalance { weights, max_primary, .. }
                if !weights.is_empty() || max_primary.is_some() =>
            {
                None
            }
            // Between a strike and its batch rules whose day has come are adopted.
            Event::AdoptMethodology { .. } => None,
            _ if self.just_met && may_trade() => {
                Some("met its strike, and the batch that the rules ask for did not follow")
            }
            _ => None,
        };
    }

    /// Takes an event of the fund in.
    ///
    /// # Errors
    /// [`WatchError::Auction`] where somebody chose the marks of a batch: prices that are bound, or a strike, leave bids out whose opening was
    /// over; a strike met them and nobody asked who can pay, or the batch that the rules ask for did not follow; or a batch with bids came
    /// later.
    pub(super) fn follow(
        &mut self,
        sequence: u64,
        (event, batch): (&Event, &Batch),
    ) -> Result<(), WatchError> {
        if let Some(why) = self.wrong.take() {
            return Err(WatchError::Auction { sequence, why });
        }
        let just_met = std::mem::take(&mut self.just_met);
        match event {
            Event::CloseBids { .. } => self.asked = true,
            Event::Strike { .. } => {
                self.just_met = batch.meets_bids();
                if self.just_met && !std::mem::take(&mut self.asked) {
                    let why = "met its strike, and nobody asked since the last one who can pay";
                    return Err(WatchError::Auction { sequence, why });
                }
                self.asked = false;
            }
            Event::AdoptMethodology { .. } => self.just_met = just_met,
            Event::Rebalance { .. } if batch.clears_bids() && !just_met => {
                let why = "trades later than right after the strike that met its bids";
                return Err(WatchError::Auction { sequence, why });
            }
            _ => {}
        }
        Ok(())
    }
}
