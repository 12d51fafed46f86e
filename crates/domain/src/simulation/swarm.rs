//! What a life draws before it begins: parameters, weights of operations, rates of faults.
//!
//! Swarm testing: each life leaves some things out and does others far more often, so that rare combinations meet.

use super::{cast::INVESTORS, random::Random};
use crate::{
    amount::{Cash, Ppb, Shares},
    fund::{AuctionParams, FundParams, WindowParams},
};

/// What a step can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Deposit,
    Withdraw,
    Transfer,
    Claim,
    Admit,
    Mark,
    Crash,
    Subscribe,
    Redeem,
    Cancel,
    Hold,
    Eligible,
    CutOff,
    HoldOrder,
    FeeShare,
    Restrict,
    Commit,
    Window,
    Bids,
    Strike,
    InKind,
    Create,
    Correct,
    Compensate,
    Distribute,
    Rebalance,
    Vest,
    Royalty,
    Delist,
    Adopt,
    Day,
    ClockBack,
    Bankruptcy,
    Bad,
}

/// Every operation with its weight where nothing is drawn; those of the reference's simulation, in hundredths; it knows
/// neither cancelling nor holding back, nor any list, neither creation in kind nor corrections, nor other rules nor
/// commitments, neither cut-offs nor orders that are held back.
const OPS: &[(Op, u32)] = &[
    (Op::Deposit, 150),
    (Op::Withdraw, 80),
    (Op::Transfer, 300),
    (Op::Claim, 300),
    (Op::Admit, 100),
    (Op::Mark, 1000),
    (Op::Crash, 16),
    (Op::Subscribe, 800),
    (Op::Redeem, 600),
    (Op::Cancel, 150),
    (Op::Hold, 60),
    (Op::Eligible, 60),
    (Op::CutOff, 150),
    (Op::HoldOrder, 200),
    (Op::FeeShare, 40),
    (Op::Restrict, 150),
    (Op::Commit, 400),
    (Op::Window, 300),
    (Op::Bids, 500),
    (Op::Strike, 600),
    (Op::InKind, 200),
    (Op::Create, 150),
    (Op::Correct, 60),
    (Op::Compensate, 30),
    (Op::Distribute, 30),
    (Op::Rebalance, 400),
    (Op::Vest, 100),
    (Op::Royalty, 80),
    (Op::Delist, 10),
    (Op::Adopt, 40),
    (Op::Day, 500),
    (Op::ClockBack, 50),
    (Op::Bankruptcy, 10),
    (Op::Bad, 300),
];

/// Rates of faults, in thousandths of the requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) duplicate: u64,
    pub(super) delay: u64,
    pub(super) reply_lost: u64,
    pub(super) other_body: u64,
    pub(super) kill: u64,
    pub(super) append_refused: u64,
    /// Of the marks: that an evaluator lies (prices far off) or says nothing of a model.
    pub(super) lie: u64,
    pub(super) silence: u64,
}

/// The draw of one life.
#[derive(Clone, Debug)]
pub(super) struct Swarm {
    pub(super) params: FundParams,
    pub(super) investors: usize,
    pub(super) models: usize,
    pub(super) first_models: usize,
    pub(super) weights: Vec<u32>,
    pub(super) spread: i64,
    pub(super) seed_cash: i64,
    pub(super) provider_digits: u32,
    pub(super) faults: Faults,
    /// One strike in so many is dealt again in other orders.
    pub(super) forks: u64,
}

impl Swarm {
    pub(super) fn draw(random: &mut Random) -> Self {
        let params = FundParams {
            levy_in: Ppb::from_ppb(random.pick([0, 0, 2_000_000, 5_000_001, 300_000_000])),
            locked_shares: Shares::from_nano(random.pick([1_000_000, 1_000_000, 1, 999_999_999])),
            management_fee: Ppb::from_ppb(random.pick([0, 10_000_000, 20_000_000, 100_000_000])),
            performance_fee: Ppb::from_ppb(random.pick([0, 0, 200_000_000, 999_999_999])),
            publisher_share: Ppb::from_ppb(random.pick([
                500_000_000,
                0,
                1_000_000_000,
                333_333_333,
            ])),
            reserve: Cash::from_micro(random.pick([0, 0, 10_000_000, 1_000_000_000])),
            auction: random.chance(400).then(|| AuctionParams {
                band: Ppb::from_ppb(random.pick([0, 50_000_000, 999_999_999])),
                deposit: Ppb::from_ppb(random.pick([1, 100_000_000, 300_000_000, 999_999_999])),
                minimum: Cash::from_micro(random.pick([1, 1_000_000])),
                opening_days: random.range(1, 3),
            }),
            window: random.chance(500).then(|| WindowParams {
                budget: Ppb::from_ppb(random.pick([250_000_000, 1, 1_000_000_000, 10_000_000])),
                levy_out: Ppb::from_ppb(random.pick([0, 5_000_000, 999_999_999])),
            }),
            ..FundParams::default()
        };
        let weights = OPS.iter().map(|(_, weight)| match random.below(8) {
            0 => 0,
            1 => weight * 4,
            2 => weight.div_ceil(4),
            _ => *weight,
        });
        let mut weights: Vec<u32> = weights.collect();
        // Where there is no auction few ask for one.
        for (weight, (op, _)) in weights.iter_mut().zip(OPS) {
            if *op == Op::Bids {
                *weight = if params.auction.is_some() { *weight * 2 } else { *weight / 10 };
            }
        }
        let mut rate =
            |most: u64| if random.chance(400) { 0 } else { random.below(most as usize + 1) as u64 };
        let faults = Faults {
            duplicate: rate(60),
            delay: rate(150),
            reply_lost: rate(40),
            other_body: rate(10),
            kill: rate(4),
            append_refused: rate(30),
            lie: rate(60),
            silence: rate(700),
        };
        let models = 1 + random.below(super::cast::MODELS);
        Self {
            params,
            investors: 1 + random.below(INVESTORS),
            models,
            first_models: 1 + random.below(models.min(4)),
            weights,
            spread: random.pick([0, 0, 1_000_000, 300_000_000, 999_999_999]),
            seed_cash: random.pick([1_000_000, 1_000_000_000, 10_000_000_007]),
            provider_digits: 9 + random.below(6) as u32,
            faults,
            forks: 4 + random.below(12) as u64,
        }
    }

    pub(super) fn draw_op(&self, random: &mut Random) -> Op {
        OPS[random.weighted(&self.weights)].0
    }
}
