//! A fund with an auction, its bidders, and what they send.

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Ppb, PriceNano, Shares, Units},
    digest::Digest,
    fund::{
        Account, Asset, AuctionParams, Batch, Bid, BidSide, Event, FundParams, Kind, Leg, Meta,
        PriceSet, Salt, State, apply, bid_commitment,
    },
};

pub(crate) use crate::common::{commit, name};

pub(crate) const CREDIT: i64 = 1_000_000;
pub(crate) const ONE: i64 = 1_000_000_000;

/// A band of a tenth, a fifth of the budget as deposit, bids from one credit on, two days to open them: called on day 0, they end on day 3.
pub(crate) const RULES: AuctionParams = AuctionParams {
    band: Ppb::from_ppb(100_000_000),
    deposit: Ppb::from_ppb(200_000_000),
    minimum: Cash::from_micro(CREDIT),
    opening_days: 2,
};

pub(crate) fn params() -> FundParams {
    FundParams { management_fee: Ppb::ZERO, auction: Some(RULES), ..FundParams::default() }
}

/// A fund of 1,000 credits, 600 of them in units at a mark of 1, on day 0; bidders with 10,000 credits each.
pub(crate) fn opened() -> State {
    let mut state = State::new();
    let mut act = |event: Event| commit(&mut state, &event).map(|_| ()).unwrap();
    act(Event::CreateFund { fund: name("a"), params: params() });
    for who in ["SPONSOR", "ANN", "BEN", "PUB"] {
        act(Event::Deposit { who: name(who), amount: Cash::from_micro(10_000 * CREDIT) });
    }
    act(Event::Admit {
        fund: name("a"),
        model: name("m/a"),
        publisher: name("PUB"),
        price: PriceNano::from_nano(ONE),
        bond: Cash::from_micro(1),
        contributors: Vec::new(),
    });
    let amount = Cash::from_micro(1_000 * CREDIT);
    act(Event::Seed { fund: name("a"), who: name("SPONSOR"), amount, day: None });
    act(rebalance(600_000_000));
    state
}

pub(crate) fn rebalance(part: i64) -> Event {
    Event::Rebalance {
        fund: name("a"),
        weights: BTreeMap::from([(name("m/a"), Ppb::from_ppb(ONE))]),
        cash: Ppb::from_ppb(ONE - part),
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: None,
    }
}

/// A batch that trades nothing where bids wait.
pub(crate) fn idle() -> Event {
    let Event::Rebalance { fund, cash, spread, counterparties, max_primary, .. } = rebalance(0)
    else {
        unreachable!("a rebalance")
    };
    let weights = BTreeMap::new();
    Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary }
}

pub(crate) fn strike(day: i64) -> Event {
    Event::Strike { fund: name("a"), day }
}

pub(crate) fn call(day: i64) -> Event {
    Event::CallBids { fund: name("a"), day }
}

pub(crate) fn mark(price: i64) -> Event {
    let prices = [(name("m/a"), PriceNano::from_nano(price))].into();
    Event::MarkSet { fund: name("a"), prices, estimates: [].into() }
}

pub(crate) fn take_back(who: &str, day: i64) -> Event {
    Event::TakeBackBids { fund: name("a"), who: name(who), day }
}

/// The end of the opening, the marks, and the strike that meets what is open.
pub(crate) fn meet(day: i64) -> [Event; 3] {
    [close(day), mark(ONE), strike(day)]
}

pub(crate) fn close(day: i64) -> Event {
    Event::CloseBids { fund: name("a"), day }
}

pub(crate) fn salt(who: &str) -> Digest {
    Digest::of(who.as_bytes())
}

/// A bid on so many units at a limit in millionths.
pub(crate) fn bid(side: BidSide, units: i64, limit: i64) -> Bid {
    Bid {
        limit: PriceNano::from_nano(limit * 1000),
        model: name("m/a"),
        side,
        units: Units::from_micro(units * CREDIT),
    }
}

pub(crate) fn buys(units: i64, limit: i64) -> Bid {
    bid(BidSide::Buys, units, limit)
}

/// Seals with a budget in credits.
pub(crate) fn seal(who: &str, budget: i64, bids: &[Bid]) -> Event {
    let commitment = bid_commitment(&name("a"), &name(who), &salt(who), bids);
    let budget = Cash::from_micro(budget * CREDIT);
    Event::SealBids { fund: name("a"), who: name(who), budget, commitment }
}

pub(crate) fn open(who: &str, bids: &[Bid]) -> Event {
    Event::OpenBids { fund: name("a"), who: name(who), bids: bids.to_vec(), salt: salt(who) }
}

pub(crate) fn redeem(who: &str, shares: i64) -> Event {
    Event::Redeem { fund: name("a"), who: name(who), shares: Shares::from_nano(shares * ONE) }
}

pub(crate) fn give(to: &str, asset: Asset, amount: i64) -> Event {
    Event::Transfer { who: name("SPONSOR"), to: name(to), asset, amount }
}

pub(crate) fn shares() -> Asset {
    Asset::Share(name("a"))
}

/// Commits all of them.
pub(crate) fn all(state: &mut State, events: impl IntoIterator<Item = Event>) {
    for event in events {
        let done = commit(state, &event);
        assert!(done.is_ok(), "{event:?}: {done:?}");
        assert_eq!(state.check(), Ok(()), "{event:?}");
    }
}

pub(crate) fn code(state: &State, event: &Event) -> &'static str {
    apply(state, event).map_or_else(|rejection| rejection.code(), |_| "done")
}

pub(crate) fn cash(state: &State, who: &str) -> i64 {
    state.balance(&Account::Person(name(who)), &Asset::Cash)
}

pub(crate) fn claim(state: &State, who: &str) -> i64 {
    state.balance(&Account::Claim(name(who)), &Asset::Cash)
}

pub(crate) fn units(state: &State, who: &str) -> i64 {
    state.balance(&Account::Person(name(who)), &Asset::Unit(name("m/a")))
}

/// Buyer or seller, units and price of each trade of a kind.
pub(crate) fn trades(batch: &Batch, wanted: Kind) -> Vec<(String, i64, i64)> {
    let entries = batch.entries.iter().filter(|entry| entry.kind == wanted);
    let trade = |entry: &domain::fund::Entry| match &entry.meta {
        Meta::Trade { counterparty, price, .. } => {
            let unit = |leg: &&Leg| matches!(leg.asset, Asset::Unit(_));
            let units = entry.custody.iter().find(unit).unwrap().amount;
            (counterparty.to_string(), units, price.as_nano())
        }
        _ => unreachable!("a trade"),
    };
    entries.map(trade).collect()
}

/// Lists another model of PUB's.
pub(crate) fn admit(model: &str) -> Event {
    Event::Admit {
        fund: name("a"),
        model: name(model),
        publisher: name("PUB"),
        price: PriceNano::from_nano(ONE),
        bond: Cash::from_micro(1),
        contributors: Vec::new(),
    }
}

/// A commitment to a price for a strike, its cut-off of a day, and what it told.
pub(crate) fn bound(price: i64, number: u64, day: i64) -> [Event; 3] {
    let (salt, prices) = (Salt::from_bytes([7; 32]), [(name("m/a"), PriceNano::from_nano(price))]);
    let (prices, estimates) = (prices.into(), [].into());
    let fund = name("a");
    let set = PriceSet { fund: &fund, number, prices: &prices, estimates: &estimates, salt: &salt };
    let commitment = set.commitment().unwrap();
    [
        Event::CommitPrices { fund: fund.clone(), commitment },
        Event::CloseOrders { fund: fund.clone(), day, salt: Salt::from_bytes([8; 32]) },
        Event::RevealPrices { fund, prices, estimates, salt },
    ]
}

/// A share of SPONSOR's leaves in kind on a day.
pub(crate) fn in_kind(day: i64) -> Event {
    let (fund, who, shares) = (name("a"), name("SPONSOR"), Shares::from_nano(ONE));
    Event::InKind { fund, who, shares, day, skip: Vec::new() }
}
