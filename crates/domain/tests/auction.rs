//! The auction of a rebalance: sealed bids, one price, a band around the mark.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;

use std::collections::BTreeMap;

use common::{commit, name};
use domain::{
    amount::{Cash, Ppb, PriceNano, Shares, Units},
    digest::Digest,
    fund::{
        Account, Asset, AuctionParams, Batch, Bid, BidSide, Event, FundParams, Kind, Meta, State,
        apply, bid_commitment,
    },
};

const CREDIT: i64 = 1_000_000;
const ONE: i64 = 1_000_000_000;

/// A fund of 1,000 credits, 600 of them in units at a mark of 1; two bidders with cash, one of them with units too.
fn opened() -> State {
    let mut state = State::new();
    let mut act = |event: Event| commit(&mut state, &event).map(|_| ()).unwrap();
    let auction =
        AuctionParams { band: Ppb::from_ppb(100_000_000), deposit: Cash::from_micro(5 * CREDIT) };
    let params =
        FundParams { management_fee: Ppb::ZERO, auction: Some(auction), ..FundParams::default() };
    act(Event::CreateFund { fund: name("a"), params });
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

fn rebalance(part: i64) -> Event {
    Event::Rebalance {
        fund: name("a"),
        weights: BTreeMap::from([(name("m/a"), Ppb::from_ppb(ONE))]),
        cash: Ppb::from_ppb(ONE - part),
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: None,
    }
}

fn strike() -> Event {
    Event::Strike { fund: name("a"), day: 0 }
}

fn salt(who: &str) -> Digest {
    Digest::of(who.as_bytes())
}

/// Buys of units at a limit, both in millionths.
fn buys(units: i64, limit: i64) -> Bid {
    Bid {
        limit: PriceNano::from_nano(limit * 1000),
        model: name("m/a"),
        side: BidSide::Buys,
        units: Units::from_micro(units * CREDIT),
    }
}

fn seal(who: &str, bids: &[Bid]) -> Event {
    let commitment = bid_commitment(&name("a"), &name(who), &salt(who), bids);
    Event::SealBids { fund: name("a"), who: name(who), commitment }
}

fn open(who: &str, bids: &[Bid]) -> Event {
    Event::OpenBids { fund: name("a"), who: name(who), bids: bids.to_vec(), salt: salt(who) }
}

fn code(state: &State, event: &Event) -> &'static str {
    apply(state, event).map_or_else(|rejection| rejection.code(), |_| "done")
}

fn cash(state: &State, who: &str) -> i64 {
    state.balance(&Account::Person(name(who)), &Asset::Cash)
}

/// Units and price of each trade of a kind, with whom.
fn trades(batch: &Batch, wanted: Kind) -> Vec<(String, i64, i64)> {
    let entries = batch.entries.iter().filter(|entry| entry.kind == wanted);
    let trade = |entry: &domain::fund::Entry| match &entry.meta {
        Meta::Trade { counterparty, price, .. } => {
            let unit = |leg: &&domain::fund::Leg| matches!(leg.asset, Asset::Unit(_));
            let units = entry.custody.iter().find(unit).unwrap().amount;
            (counterparty.to_string(), units, price.as_nano())
        }
        _ => unreachable!("a trade"),
    };
    entries.map(trade).collect()
}

/// Proves by hand that the best bids are served first and all pay what the last one that is needed bids, inside the band; that leavers
/// sell before the fund at the same price; and that a bid beyond the band counts as its end.
#[test]
fn one_price_for_all() {
    let mut state = opened();
    // BEN leaves with a tenth at the strike: 60 units wait for the batch. 100 more are for sale.
    let asset = Asset::Share(name("a"));
    let gift = Event::Transfer {
        who: name("SPONSOR"),
        to: name("BEN"),
        asset,
        amount: 100 * 1_000_000_000,
    };
    commit(&mut state, &gift).unwrap();
    let (ann, ben) = ([buys(70, 990_000), buys(1_000, 500_000)], [buys(80, 2_000_000)]);
    commit(&mut state, &seal("ANN", &ann)).unwrap();
    commit(&mut state, &seal("BEN", &ben)).unwrap();
    let leave =
        Event::Redeem { fund: name("a"), who: name("BEN"), shares: Shares::from_nano(100 * ONE) };
    commit(&mut state, &leave).unwrap();
    commit(&mut state, &strike()).unwrap();
    commit(&mut state, &open("ANN", &ann)).unwrap();
    commit(&mut state, &open("BEN", &ben)).unwrap();
    let batch = commit(&mut state, &rebalance(500_000_000)).unwrap();
    assert_eq!(state.check(), Ok(()));
    let ends = |kind| -> (i64, Vec<i64>) {
        let found = trades(&batch, kind);
        (found.iter().map(|t| t.1).sum(), found.iter().map(|t| t.2).collect())
    };
    // BEN's limit of 2 is 1.1 in a band of a tenth, and comes first; ANN's 0.99 is needed for the rest and is what both pay.
    let ((left, at), (own, own_at)) = (ends(Kind::LiqSell), ends(Kind::Sell));
    assert_eq!(left, 60 * CREDIT);
    assert!(at.iter().chain(&own_at).all(|price| *price == 990_000_000), "{at:?} {own_at:?}");
    assert_eq!(trades(&batch, Kind::LiqSell)[0].0, "BEN", "the best bid first");
    // 900 NAV and 540 units after the slice: 90 are too many, and all that is asked for is 150 less the 60 of leavers.
    assert_eq!(own, 90 * CREDIT);
}

/// Proves that what is not opened in time loses its deposit to the fund, that a deposit returns at the opening, and that without bids
/// nothing is traded.
#[test]
fn deposits() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    let before = (cash(&state, "ANN"), cash(&state, "BEN"));
    commit(&mut state, &seal("ANN", &bids)).unwrap();
    commit(&mut state, &seal("BEN", &bids)).unwrap();
    assert_eq!(cash(&state, "ANN"), before.0 - 5 * CREDIT);
    commit(&mut state, &strike()).unwrap();
    commit(&mut state, &open("ANN", &bids)).unwrap();
    assert_eq!(cash(&state, "ANN"), before.0);
    let nav = |state: &State| state.fund(&name("a")).unwrap().nav(state).as_femto().unwrap();
    let was = nav(&state);
    let batch = commit(&mut state, &rebalance(600_000_000)).unwrap();
    assert!(trades(&batch, Kind::Sell).is_empty());
    assert_eq!(cash(&state, "BEN"), before.1 - 5 * CREDIT, "it stayed shut");
    assert_eq!(nav(&state) - was, 5_000_000_000_000_000, "and is the fund's");
    assert!(state.fund(&name("a")).unwrap().auction().sealed().is_empty());
    commit(&mut state, &strike()).unwrap();
    let none = commit(&mut state, &rebalance(0)).unwrap();
    assert!(trades(&none, Kind::Sell).is_empty(), "nobody bids");
    assert_eq!(state.check(), Ok(()));
}

/// Proves each refusal: bids too early and too late, other bids than were sealed, two of one owner, counterparties beside an auction,
/// bids on what is not listed and of nothing.
#[test]
fn refusals() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    commit(&mut state, &seal("ANN", &bids)).unwrap();
    assert_eq!(code(&state, &seal("ANN", &bids)), "exists");
    assert_eq!(code(&state, &seal("CAT", &bids)), "funds", "no cash for the deposit");
    assert_eq!(code(&state, &open("ANN", &bids)), "auction", "before the strike");
    commit(&mut state, &strike()).unwrap();
    assert_eq!(code(&state, &seal("BEN", &bids)), "auction", "after the strike");
    assert_eq!(code(&state, &open("ANN", &[buys(11, 1_000_000)])), "auction");
    assert_eq!(code(&state, &open("BEN", &bids)), "nothing");
    assert_eq!(code(&state, &open("ANN", &[buys(0, 1)])), "amount");
    let stranger = Bid { model: name("m/x"), ..buys(1, 1) };
    assert_eq!(code(&state, &open("ANN", &[stranger])), "model");
    let Event::Rebalance { fund, weights, cash, spread, .. } = rebalance(ONE) else {
        unreachable!("a rebalance")
    };
    let counterparties = vec![name("ANN")];
    let listed = Event::Rebalance {
        fund: fund.clone(),
        weights: weights.clone(),
        cash,
        spread,
        counterparties,
        max_primary: None,
    };
    assert_eq!(code(&state, &listed), "owner");
    let counterparties = Vec::new();
    let spread = Ppb::from_ppb(1);
    let spread =
        Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary: None };
    assert_eq!(code(&state, &spread), "weights");
    let params = FundParams::default();
    commit(&mut state, &Event::CreateFund { fund: name("b"), params }).unwrap();
    let none = Event::SealBids { fund: name("b"), who: name("ANN"), commitment: salt("") };
    assert_eq!(code(&state, &none), "auction");
    for (band, deposit) in [(-1, 1), (ONE, 1), (0, 0)] {
        let auction =
            AuctionParams { band: Ppb::from_ppb(band), deposit: Cash::from_micro(deposit) };
        let params = FundParams { auction: Some(auction), ..FundParams::default() };
        assert_eq!(code(&state, &Event::CreateFund { fund: name("c"), params }), "amount");
    }
}
