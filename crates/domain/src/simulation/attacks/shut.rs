//! Bids left shut: somebody seals several sets under several names, looks at values and everybody else's bids, and opens the one that
//! suits him, or none. What takes it away is a deposit that costs as much as the choice can earn.
//!
//! He knows more than anybody can: while he chooses he knows the marks that the batch will have, a move of the whole breaker among them.
//! What he earns at a mark that has followed the value is within the band; what a mark does not follow, no deposit bounds
//! (ops/decisions/0047).

use super::market::Market;
use crate::{
    amount::{Cash, PPB_ONE, Ppb, PriceNano, Units},
    digest::Digest,
    fund::{
        AuctionParams, Bid, BidSide, Event, FundParams, Methodology, Rejection, bid_commitment,
    },
    simulation::{
        cast::name,
        model::math::{K, down, up},
        random::Random,
    },
};

/// The names of one attacker, each with a set at a limit of its own.
const NAMES: [&str; 3] = ["ATT", "LP", "P1"];
/// How far the limits are above the value when they are sealed, in halves of the band; the last set takes any price that the band has.
const STEPS: [i64; 2] = [0, -1];
/// What that set bids, in values.
const ANY_PRICE: i64 = 8;
/// Auctions of one seed.
const ROUNDS: usize = 16;

/// What he earns over some auctions, less what he would have earned with the best of his sets alone, always opened: who has one plan and
/// keeps it is an honest bidder, whatever the plan.
///
/// In each auction a leaver's units are for sale, somebody else bids somewhere in the band, and the value moves after the sealing, in one
/// half of them within the band, in the other as far as the breaker lets a price go. The attacker is the last to open.
///
/// # Errors
/// A step of the attack that the engine refuses.
pub fn bids_left_shut(rules: &Methodology, seed: u64) -> Result<i128, Rejection> {
    let Some(auction) = rules.auction else { return Ok(0) };
    let mut random = Random::new(seed);
    let params = FundParams {
        management_fee: Ppb::ZERO,
        performance_fee: Ppb::ZERO,
        levy_in: Ppb::ZERO,
        window: None,
        ..rules.fund_params()
    };
    // With one name he may only walk away; with several he may choose, and pays for each that he leaves shut.
    let names = 1 + random.below(NAMES.len());
    let (mut chosen, mut kept) = (0, vec![0; names]);
    for _ in 0..ROUNDS {
        let breaker = rules.breaker_new_version_ppb;
        let round = Round::open(&params, (auction, breaker), names, &mut random)?;
        let mut best = round.play(None)?;
        for (index, kept) in kept.iter_mut().enumerate() {
            let earned = round.play(Some(index))?;
            best = best.max(earned);
            // Whoever has this plan alone leaves no other set shut.
            *kept += earned + round.deposit * (names as i128 - 1);
        }
        chosen += best;
    }
    Ok(chosen - kept.into_iter().fold(0, i128::max))
}

/// One auction, when everybody but the attacker has opened.
struct Round {
    market: Market,
    bids: [Bid; NAMES.len()],
    /// What a set that stays shut costs, in 1e-15 credits.
    deposit: i128,
    /// What all his names have before they seal.
    start: i128,
}

fn salt() -> Digest {
    Digest::of(b"an attack keeps no secret from itself")
}

impl Round {
    fn open(
        params: &FundParams,
        (auction, breaker): (AuctionParams, i64),
        names: usize,
        random: &mut Random,
    ) -> Result<Self, Rejection> {
        let mut market = Market::new(params.clone())?;
        let price = random.range(10_000_000, 10_000_000_000);
        market.admit("A", "P2", price)?;
        market.seed("SPONSOR", 1_000_000_000)?;
        market.subscribe("STAY", 100_000_000_000)?;
        market.strike(0)?;
        market.rebalance(0, 0, &[])?;
        // Leaves at the strike whose batch sells for him.
        let leaves = market.shares("STAY") / 2;
        market.redeem("STAY", leaves)?;
        let band = auction.band.as_ppb();
        // All that will be for sale, a little more than it can cost, and never less than a bid must be.
        let cash = i128::from(auction.minimum.as_micro()).max(50_000_000_000) * 2;
        let budget = Cash::from_micro(i64::try_from(cash).unwrap_or(i64::MAX / 4));
        let units = down(cash, K, i128::from(price) * 2);
        let bid = |above: i64| Bid {
            limit: PriceNano::from_nano(part(price, PPB_ONE + above)),
            model: name("A"),
            side: BidSide::Buys,
            units: Units::from_micro(i64::try_from(units).unwrap_or(i64::MAX / 4)),
        };
        let any = Bid { limit: PriceNano::from_nano(price.saturating_mul(ANY_PRICE)), ..bid(0) };
        let [middle, low] = STEPS.map(|step| bid(step * (band / 2)));
        let bids = [middle, low, any];
        for (who, bid) in NAMES.iter().zip(&bids).take(names) {
            seal(&mut market, who, budget, bid)?;
        }
        let other = bid(random.range(-band, band.max(1)));
        seal(&mut market, "P2", budget, &other)?;
        let fund = market.fund.clone();
        market.run(Event::CallBids { fund, day: 0 })?;
        open(&mut market, "P2", &other)?;
        let far = if random.chance(500) { breaker.min(ANY_PRICE / 2 * PPB_ONE) } else { band };
        let value = part(price, PPB_ONE + random.range(-far.min(PPB_ONE / 10 * 9), far.max(1)));
        let rate = i128::from(auction.deposit.as_ppb());
        let deposit = up(i128::from(budget.as_micro()), rate, K) * K;
        // What his names had, at what the units are worth by then.
        market.values.insert(name("A"), value);
        let start = NAMES.iter().map(|who| market.wealth(who)).sum::<i128>();
        let sealed = deposit * names as i128;
        Ok(Self { market, bids, deposit, start: start + sealed })
    }

    /// What his names have more at the end where this set is opened, and the others stay shut.
    fn play(&self, choice: Option<usize>) -> Result<i128, Rejection> {
        let mut market = self.market.clone();
        if let Some(index) = choice {
            open(&mut market, NAMES[index], &self.bids[index])?;
        }
        let (fund, until) = (market.fund.clone(), market.state.fund(&market.fund));
        let day = until.and_then(crate::fund::FundState::opening_until).unwrap_or(0);
        market.run(Event::CloseBids { fund, day })?;
        market.mark(1)?;
        market.strike(day)?;
        // At the weights that there are, nobody trades but the leavers.
        market.hold(0, &[])?;
        Ok(NAMES.iter().map(|who| market.wealth(who)).sum::<i128>() - self.start)
    }
}

fn part(price: i64, ppb: i64) -> i64 {
    i64::try_from(down(i128::from(price), i128::from(ppb.max(1)), K)).unwrap_or(i64::MAX).max(1)
}

fn seal(market: &mut Market, who: &str, budget: Cash, bid: &Bid) -> Result<(), Rejection> {
    let (fund, who) = (market.fund.clone(), name(who));
    let commitment = bid_commitment(&fund, &who, &salt(), std::slice::from_ref(bid));
    market.run(Event::SealBids { fund, who, budget, commitment })
}

fn open(market: &mut Market, who: &str, bid: &Bid) -> Result<(), Rejection> {
    let (fund, who, bids) = (market.fund.clone(), name(who), vec![bid.clone()]);
    market.run(Event::OpenBids { fund, who, bids, salt: salt() })
}
