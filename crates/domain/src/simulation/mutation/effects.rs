//! Faults in what a batch says of the state beside the books.

use super::Mutation;
use crate::fund::{Batch, BidsChange, Effect, QueueChange};

impl Mutation {
    pub(super) fn spoil_effects(self, batch: &mut Batch) {
        batch.effects.retain(|effect| !self.is_forgotten(effect));
        for effect in &mut batch.effects {
            match (self, effect) {
                (Self::BatchNotCounted, Effect::PoolSet { pool, .. }) => pool.batches = 0,
                (Self::BookShort, Effect::OrdersClosed { subscriptions, .. }) => {
                    *subscriptions = subscriptions.saturating_sub(1);
                }
                (
                    Self::CutOffSlips,
                    Effect::Queued {
                        change: QueueChange::CutOffPassed { subscriptions, .. }, ..
                    },
                ) => *subscriptions += 1,
                (Self::EstimatesIgnored, Effect::Priced { estimates, .. }) => estimates.clear(),
                _ => {}
            }
        }
        if self == Self::RevealForged {
            let closed = batch.effects.iter().find_map(|effect| match effect {
                Effect::OrdersClosed { fund, .. } => Some(fund.clone()),
                _ => None,
            });
            batch.effects.extend(closed.map(|fund| Effect::PricesRevealed { fund }));
        }
    }

    /// Whether it leaves an effect out.
    const fn is_forgotten(self, effect: &Effect) -> bool {
        matches!(
            (self, effect),
            (Self::HoldForgotten, Effect::Queued { change: QueueChange::OrderHeld { .. }, .. })
                | (Self::FeeShareForgotten, Effect::FeeShareSet { .. })
                | (Self::TrancheLost, Effect::TrancheSold { .. })
                | (Self::FreezeForgotten, Effect::Restricted { .. })
                | (Self::YouthForgotten, Effect::YoungSet { .. })
                | (Self::PoolStaysOpen, Effect::PoolClosed { .. })
                | (Self::CorrectionForgotten, Effect::Corrected { .. })
                | (Self::DistributionForgotten, Effect::FeesDistributed { .. })
                | (Self::CallForgotten, Effect::Bids { change: BidsChange::Called { .. }, .. })
                | (Self::QueueStays, Effect::QueuesSettled { .. })
        )
    }
}
