//! The auction of a rebalance: sealed bids, one price, a band around the mark, and what a bidder answers for.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "tests share the bidders")]
mod bidding;
#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;

use bidding::*;
use domain::{
    amount::{Cash, Ppb, PriceNano, Units},
    fund::{Asset, AuctionParams, Bid, BidSide, Event, FundParams, Kind, export::trades_csv},
};

/// Proves by hand that the best bids are served first and all pay what the last one that is needed bids, inside the band; that leavers
/// sell before the fund at the same price; that a bid beyond the band counts as its end, and as good as another there; and what the
/// fund tells of it afterwards.
#[test]
fn one_price_leavers_first() {
    let mut state = opened();
    all(&mut state, [give("BEN", shares(), 100 * ONE)]);
    let (ann, ben, cat) = ([buys(1_000, 990_000)], [buys(40, 2_000_000)], [buys(40, 1_100_000)]);
    all(&mut state, [give("CAT", Asset::Cash, 1_000 * CREDIT)]);
    all(&mut state, [seal("ANN", 2_000, &ann), seal("CAT", 100, &cat), seal("BEN", 100, &ben)]);
    all(&mut state, [redeem("BEN", 100), call(1)]);
    all(&mut state, [open("BEN", &ben), open("ANN", &ann), open("CAT", &cat)]);
    all(&mut state, meet(4));
    let before = claim(&state, "BEN");
    let batch = commit(&mut state, &rebalance(500_000_000)).unwrap();
    let table = trades_csv([&batch], &name("a"));
    assert_eq!(table.matches("liq_sell").count(), 2, "{table}");
    assert!(table.contains(",m/a,CAT,1,40.000000,0.990000000,39.600000"), "{table}");
    assert_eq!(state.check(), Ok(()));
    // BEN's limit of 2 is 1.1 in a band of a tenth and no better than CAT's, who sealed first; ANN's 0.99 is what all pay.
    let (left, own) = (trades(&batch, Kind::LiqSell), trades(&batch, Kind::Sell));
    let text = |who: &str, credits: i64| (who.to_owned(), credits * CREDIT, 990_000_000);
    assert_eq!(left, [text("CAT", 40), text("BEN", 20)]);
    // 900 NAV and 540 units after the slice: 90 are too many.
    assert_eq!(own, [text("BEN", 20), text("ANN", 70)]);
    assert_eq!(claim(&state, "BEN") - before, 60 * 990_000, "one leaver has it all");
    let last = state.fund(&name("a")).unwrap().auction().last().unwrap().clone();
    assert_eq!((last.epoch, last.day, last.forfeited), (1, 4, Cash::ZERO));
    let market = &last.markets[..];
    assert_eq!((market[0].price.as_nano(), market[0].side), (990_000_000, BidSide::Buys));
    assert_eq!((market[0].units.as_micro(), market.len()), (150 * CREDIT, 1));
}

/// Proves that the fund buys from the cheapest offers at the price of the last one it needs, within the cash that it keeps, and from
/// the primary offer first, at the mark.
#[test]
fn offers() {
    let mut state = opened();
    // Somebody who left in kind has units, and the order limits the primary offer to a tenth of NAV.
    let leave = Event::InKind {
        fund: name("a"),
        who: name("SPONSOR"),
        shares: domain::amount::Shares::from_nano(200 * ONE),
        day: 0,
        skip: Vec::new(),
    };
    let unit = Asset::Unit(name("m/a"));
    all(
        &mut state,
        [leave, give("ANN", unit.clone(), 60 * CREDIT), give("BEN", unit, 60 * CREDIT)],
    );
    let (ann, ben) = ([bid(BidSide::Sells, 50, 1)], [bid(BidSide::Sells, 60, 1_050_000)]);
    all(&mut state, [seal("ANN", 100, &ann), seal("BEN", 100, &ben), call(0)]);
    all(&mut state, [open("ANN", &ann), open("BEN", &ben)]);
    all(&mut state, meet(3));
    let Event::Rebalance { fund, weights, cash, spread, counterparties, .. } =
        rebalance(800_000_000)
    else {
        unreachable!("a rebalance")
    };
    let max_primary = Some(Ppb::from_ppb(100_000_000));
    let event = Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary };
    let batch = commit(&mut state, &event).unwrap();
    // NAV 800: 640 wanted, 480 there, 80 of the primary offer, and 80 at the dearer of both prices.
    let text = |who: &str, credits: i64, price| (who.to_owned(), credits * CREDIT, price);
    let expected = [
        text("PRIMARY:m/a", 80, ONE),
        text("ANN", 50, 1_050_000_000),
        text("BEN", 30 - 4, 1_050_000_000),
    ];
    let found = trades(&batch, Kind::Buy);
    assert_eq!(found[..2], expected[..2]);
    // Cash to keep is 160 of 320: after 80 for the offer there are 80, which buy 76.19 at 1.05.
    assert_eq!((found[2].0.as_str(), found[2].1), ("BEN", 26_190_476));
    assert_eq!(state.check(), Ok(()));
}

/// Proves that what a leaver gets does not depend on how many bidders share his lot: proceeds are rounded once for all of them.
#[test]
fn leavers_are_rounded_once() {
    let got = |bidders: usize, each: i64| {
        let mut state = opened();
        let leavers = ["L1", "L2", "L3"];
        all(&mut state, leavers.iter().map(|who| give(who, shares(), 33 * ONE + 1)));
        let names: Vec<String> = (0..bidders).map(|n| format!("B{n}")).collect();
        for who in &names {
            let bids = [Bid { units: Units::from_micro(each), ..buys(1, 999_999) }];
            all(&mut state, [give(who, Asset::Cash, 100 * CREDIT), seal(who, 50, &bids)]);
        }
        all(&mut state, leavers.iter().map(|who| redeem(who, 33)).chain([call(0)]));
        for who in &names {
            let bids = [Bid { units: Units::from_micro(each), ..buys(1, 999_999) }];
            all(&mut state, [open(who, &bids)]);
        }
        all(&mut state, meet(3));
        let before = claim(&state, "L2");
        let batch = commit(&mut state, &rebalance(600_000_000)).unwrap();
        let paid = batch.entries.iter().filter(|entry| entry.kind == Kind::LiqPay).count();
        (trades(&batch, Kind::LiqSell).len(), paid, claim(&state, "L2") - before)
    };
    let (one, many) = (got(1, 30 * CREDIT), got(20, 3 * CREDIT / 2));
    assert_eq!((one.0, one.1), (1, 1));
    assert_eq!((many.0, many.1), (20, 1));
    // Twenty buyers round what they pay up, and the three leavers share that.
    assert!(one.2 > 9_990_000 && (0..=7).contains(&(many.2 - one.2)), "{one:?} {many:?}");
}

/// Proves that a budget bounds what a set costs and costs nothing itself; and that whoever has not got by the batch what he had at the end
/// of the opening, which no command of the service lets happen, is served as far as he can be and loses his deposit all the same.
#[test]
fn who_opens_must_pay() {
    let mut state = opened();
    let (ann, ben) = ([buys(60, 1_000_000)], [buys(500, 1_000_000)]);
    all(&mut state, [seal("ANN", 100, &ann), seal("BEN", 50, &ben), call(0)]);
    all(&mut state, [open("ANN", &ann), open("BEN", &ben)]);
    assert_eq!(cash(&state, "ANN"), 9_980 * CREDIT, "the deposit stays");
    all(&mut state, meet(3));
    // ANN has only 30 credits left for her 60 units.
    let amount = Cash::from_micro(cash(&state, "ANN") - 30 * CREDIT);
    all(&mut state, [Event::Withdraw { who: name("ANN"), amount }]);
    let nav = |state: &domain::fund::State| {
        state.fund(&name("a")).unwrap().nav(state).as_femto().unwrap()
    };
    let before = nav(&state);
    let batch = commit(&mut state, &rebalance(400_000_000)).unwrap();
    let sold = trades(&batch, Kind::Sell);
    assert!((29 * CREDIT..30 * CREDIT).contains(&sold[0].1), "{sold:?}");
    assert!(cash(&state, "ANN") < 2, "her deposit of 20 is the fund's");
    assert_eq!(nav(&state) - before, 20_000_000_000_000_000);
    assert!(
        (39 * CREDIT..40 * CREDIT).contains(&sold[1].1),
        "BEN's budget is 50, 10 of it the deposit"
    );
    let spent = 10_000 * CREDIT - cash(&state, "BEN");
    assert!((39 * CREDIT..=40 * CREDIT).contains(&spent), "and his deposit is back: {spent}");
    let last = state.fund(&name("a")).unwrap().auction().last().unwrap().clone();
    assert_eq!(last.forfeited, Cash::from_micro(20 * CREDIT));
}

/// Proves each refusal: other bids than were sealed, two of one owner, two on one model and side, counterparties beside an auction, bids
/// on what is not listed and of nothing, a budget below the least, rules out of their ranges.
#[test]
fn refusals() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    assert_eq!(code(&state, &seal("ANN", 0, &bids)), "amount", "below the least budget");
    assert_eq!(code(&state, &call(0)), "nothing", "nobody has sealed");
    all(&mut state, [seal("ANN", 100, &bids)]);
    assert_eq!(code(&state, &seal("ANN", 100, &bids)), "exists");
    assert_eq!(code(&state, &seal("CAT", 100, &bids)), "funds", "no cash for the deposit");
    assert_eq!(code(&state, &open("ANN", &bids)), "auction", "before the call");
    all(&mut state, [call(0)]);
    assert_eq!(code(&state, &call(0)), "auction", "called already");
    assert_eq!(code(&state, &open("ANN", &[buys(11, 1_000_000)])), "auction");
    assert_eq!(code(&state, &open("BEN", &bids)), "nothing");
    assert_eq!(code(&state, &open("ANN", &[buys(0, 1)])), "amount");
    let dust = Bid { units: Units::from_micro(CREDIT - 1), ..buys(1, 1) };
    assert_eq!(code(&state, &open("ANN", &[dust])), "amount", "below the minimum at the mark");
    assert_eq!(code(&state, &open("ANN", &[buys(1, 1), buys(2, 2)])), "exists");
    let both = [buys(1, 1), bid(BidSide::Sells, 1, 1)];
    assert_eq!(code(&state, &open("ANN", &both)), "auction", "one a side is well formed");
    let many = vec![buys(1, 1); 201];
    assert_eq!(code(&state, &open("ANN", &many)), "limit");
    let stranger = Bid { model: name("m/x"), ..buys(1, 1) };
    assert_eq!(code(&state, &open("ANN", &[stranger])), "model");
    let Event::Rebalance { fund, weights, cash, spread, .. } = rebalance(ONE) else {
        unreachable!("a rebalance")
    };
    let order = |spread, counterparties| Event::Rebalance {
        fund: fund.clone(),
        weights: weights.clone(),
        cash,
        spread,
        counterparties,
        max_primary: None,
    };
    assert_eq!(code(&state, &order(spread, vec![name("ANN")])), "owner");
    assert_eq!(code(&state, &order(Ppb::from_ppb(1), Vec::new())), "weights");
    let event = Event::CreateFund { fund: name("b"), params: FundParams::default() };
    all(&mut state, [event]);
    let (fund, who, budget) = (name("b"), name("ANN"), Cash::from_micro(1));
    let none = Event::SealBids { fund, who, budget, commitment: salt("") };
    assert_eq!(code(&state, &none), "auction");
    let (band, minimum) = (|ppb| AuctionParams { band: Ppb::from_ppb(ppb), ..RULES }, Cash::ZERO);
    let deposit = |ppb| AuctionParams { deposit: Ppb::from_ppb(ppb), ..RULES };
    let days = |days| AuctionParams { opening_days: days, ..RULES };
    for auction in [
        band(-1),
        band(ONE),
        deposit(0),
        deposit(ONE),
        days(0),
        days(15),
        AuctionParams { minimum, ..RULES },
    ] {
        let params = FundParams { auction: Some(auction), ..FundParams::default() };
        let event = Event::CreateFund { fund: name("c"), params };
        assert_eq!(code(&state, &event), "amount", "{auction:?}");
    }
}

/// Proves that whoever brings exactly his budget is never short of it: the deposit is a part of it.
#[test]
fn a_budget_is_all_that_one_needs() {
    let mut state = opened();
    let away = cash(&state, "ANN") - 600 * CREDIT;
    all(&mut state, [Event::Withdraw { who: name("ANN"), amount: Cash::from_micro(away) }]);
    let bids = [buys(600, 1_000_000)];
    all(&mut state, [redeem("SPONSOR", 990), seal("ANN", 600, &bids), call(0), open("ANN", &bids)]);
    all(&mut state, meet(3));
    let batch = commit(&mut state, &rebalance(0)).unwrap();
    let bought: i64 = trades(&batch, Kind::LiqSell).iter().map(|trade| trade.1).sum();
    let bought = bought + trades(&batch, Kind::Sell).iter().map(|trade| trade.1).sum::<i64>();
    assert!((479 * CREDIT..=480 * CREDIT).contains(&bought), "four fifths of 600: {bought}");
    assert_eq!(cash(&state, "ANN") + bought, 600 * CREDIT, "and nothing was lost");
}

/// Proves that an estimate beyond the mark is nobody's discount: where it stands above, the fund sells no cheaper than the band below it,
/// and nothing where that is above the band; where it stands below, it buys no dearer than the band above it.
#[test]
fn prices_that_are_held_back() {
    let sold = |estimate: i64, limit: i64| {
        let mut state = opened();
        let bids = [buys(100, limit)];
        all(&mut state, [seal("ANN", 200, &bids), call(0), open("ANN", &bids), close(3)]);
        let prices = [(name("m/a"), PriceNano::from_nano(ONE))].into();
        let estimates = [(name("m/a"), PriceNano::from_nano(estimate * 1_000))].into();
        all(&mut state, [Event::MarkSet { fund: name("a"), prices, estimates }, strike(3)]);
        let batch = commit(&mut state, &rebalance(500_000_000)).unwrap();
        trades(&batch, Kind::Sell).first().map(|trade| trade.2 / 1_000)
    };
    // A band of a tenth: 0.9 to 1.1 at the mark.
    assert_eq!(sold(1_000_000, 900_000), Some(900_000));
    assert_eq!(
        sold(800_000, 900_000),
        Some(900_000),
        "an estimate below is no reason to sell cheaper"
    );
    assert_eq!(sold(1_100_000, 900_000), None);
    assert_eq!(sold(1_100_000, 990_000), Some(990_000));
    assert_eq!(sold(1_222_222, 2_000_000), Some(1_100_000));
    assert_eq!(sold(1_222_225, 2_000_000), None, "a tenth below it is above the band");
    let bought = |estimate: i64, limit: i64| {
        let mut state = opened();
        let leave = Event::InKind {
            fund: name("a"),
            who: name("SPONSOR"),
            shares: domain::amount::Shares::from_nano(500 * ONE),
            day: 0,
            skip: Vec::new(),
        };
        let offers = [bid(BidSide::Sells, 100, limit)];
        all(&mut state, [leave, seal("SPONSOR", 300, &offers), call(0), open("SPONSOR", &offers)]);
        let prices = [(name("m/a"), PriceNano::from_nano(ONE))].into();
        let estimates = [(name("m/a"), PriceNano::from_nano(estimate * 1_000))].into();
        all(
            &mut state,
            [close(3), Event::MarkSet { fund: name("a"), prices, estimates }, strike(3)],
        );
        let Event::Rebalance { fund, weights, cash, spread, counterparties, .. } =
            rebalance(800_000_000)
        else {
            unreachable!("a rebalance")
        };
        let max_primary = Some(Ppb::ZERO);
        let event = Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary };
        let batch = commit(&mut state, &event).unwrap();
        trades(&batch, Kind::Buy).first().map(|trade| trade.2 / 1_000)
    };
    assert_eq!(bought(1_000_000, 1_100_000), Some(1_100_000));
    assert_eq!(
        bought(1_200_000, 1_100_000),
        Some(1_100_000),
        "an estimate above is no reason to pay more"
    );
    assert_eq!(bought(900_000, 1_100_000), None);
    assert_eq!(bought(900_000, 990_000), Some(990_000));
    assert_eq!(bought(810_000, 1), None, "a tenth above it is below the band");
}

/// Proves that a price that is held back is not the publisher's gain either: where the band around the estimate ends below the mark, nothing
/// is bought of the primary offer, at the mark or otherwise.
#[test]
fn the_primary_offer_is_not_overpaid() {
    let bought = |estimate: i64| {
        let mut state = opened();
        let prices = [(name("m/a"), PriceNano::from_nano(ONE))].into();
        let estimates = [(name("m/a"), PriceNano::from_nano(estimate * 1_000))].into();
        all(&mut state, [Event::MarkSet { fund: name("a"), prices, estimates }, strike(1)]);
        let batch = commit(&mut state, &rebalance(900_000_000)).unwrap();
        trades(&batch, Kind::Buy).len()
    };
    assert_eq!([500_000, 909_090, 909_091, 2_000_000].map(bought), [0, 0, 1, 1]);
}
