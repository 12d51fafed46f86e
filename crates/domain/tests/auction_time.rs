//! When bids are opened, and what becomes of them where no batch comes: nobody is hurried, nobody is kept waiting, no deposit is lost
//! but by its bidder.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "tests share the bidders")]
mod bidding;
#[expect(dead_code, reason = "other tests use the ledger of two funds")]
mod common;

use bidding::*;
use domain::{
    amount::{Cash, Ppb, PriceNano},
    digest::Digest,
    fund::{AuctionParams, BidSide, Event, FundParams, Kind, State},
};

fn nav(state: &State) -> i128 {
    state.fund(&name("a")).unwrap().nav(state).as_femto().unwrap()
}

/// Proves the order of an auction: nobody opens before the call; what stays shut is lost at the end of whole days after that of the call
/// and not before; prices are set after it, a strike marks them, and only then, at its marks, a batch trades. Opening early brings
/// nothing forward, and the clock keeps the day that the operator said.
#[test]
fn nobody_chooses_the_marks() {
    let mut state = opened();
    let bids = [buys(10, 1_050_000)];
    all(&mut state, [seal("ANN", 100, &bids), seal("BEN", 100, &bids), strike(5)]);
    let batch = rebalance(500_000_000);
    assert_eq!(code(&state, &open("ANN", &bids)), "auction", "not called");
    assert_eq!(code(&state, &close(9)), "nothing");
    all(&mut state, [call(6)]);
    assert_eq!(code(&state, &batch), "auction", "both are shut");
    all(&mut state, [open("ANN", &bids)]);
    for (day, said) in [(5, "clock"), (6, "auction"), (8, "auction"), (9, "done")] {
        assert_eq!(code(&state, &close(day)), said, "day {day}");
    }
    // Prices and strikes before the end are not those of the batch.
    all(&mut state, [mark(ONE / 2), strike(8)]);
    assert_eq!(code(&state, &batch), "auction");
    let (before, had) = (nav(&state), cash(&state, "BEN"));
    all(&mut state, [close(9)]);
    assert_eq!(nav(&state) - before, 20_000_000_000_000_000, "a fifth of his budget");
    assert_eq!(code(&state, &open("BEN", &bids)), "nothing", "it is gone");
    assert_eq!(code(&state, &open("ANN", &bids)), "nothing", "it is open");
    assert_eq!(code(&state, &strike(8)), "clock", "the day of the end is the fund's");
    assert_eq!(code(&state, &batch), "auction", "no strike since");
    all(&mut state, [strike(9)]);
    assert_eq!(code(&state, &batch), "auction", "its prices are from before the end");
    all(&mut state, [mark(ONE)]);
    assert_eq!(code(&state, &batch), "auction", "no strike has taken them");
    all(&mut state, [strike(10)]);
    assert_eq!(code(&state, &batch), "done");
    // Other prices after the strike are those of no strike.
    let mut marked = state.clone();
    all(&mut marked, [mark(ONE * 2)]);
    assert_eq!(code(&marked, &batch), "auction");
    let done = commit(&mut state, &batch).unwrap();
    // ANN alone has all of 500 - 600 that her bid takes: ten, at her limit.
    assert_eq!(trades(&done, Kind::Sell), [("ANN".to_owned(), 10 * CREDIT, 1_050_000_000)]);
    assert_eq!(cash(&state, "BEN"), had);
    let auction = state.fund(&name("a")).unwrap().auction().clone();
    assert_eq!(auction.last().unwrap().forfeited, Cash::from_micro(20 * CREDIT));
    assert!(auction.sealed().is_empty() && auction.call().is_none());
    // Where nothing is called there is nothing to wait for, whatever is sealed.
    all(&mut state, [seal("ANN", 100, &bids), rebalance(500_000_000), strike(10)]);
    all(&mut state, [rebalance(500_000_000)]);
}

/// Proves that no price that was bound meets open bids: neither one from before the end of the opening, nor is one bound after it, because
/// what is accepted meanwhile would not be in it.
#[test]
fn bound_prices_meet_no_bids() {
    let mut state = opened();
    let bids = [buys(10, 1_050_000)];
    all(&mut state, [strike(0), seal("ANN", 100, &bids), call(0), open("ANN", &bids)]);
    let [commitment, book, told] = bound(ONE, 2, 3);
    all(&mut state, [commitment]);
    assert_eq!(code(&state, &close(3)), "commitment", "somebody knows the prices already");
    all(&mut state, [book, told, strike(3)]);
    assert_eq!(code(&state, &rebalance(500_000_000)), "auction");
    all(&mut state, [close(4)]);
    let [commitment, ..] = bound(ONE, 3, 4);
    assert_eq!(code(&state, &commitment), "commitment", "bids are open");
    all(&mut state, [mark(ONE), strike(4)]);
    let done = commit(&mut state, &rebalance(500_000_000)).unwrap();
    assert_eq!(trades(&done, Kind::Sell).len(), 1);
}

/// Proves that a strike in doubt, where joiners wait, meets nobody, that one whose prices leave a model out meets nobody, and that the next
/// one which is neither does.
#[test]
fn doubt_and_half_a_price_set_meet_nobody() {
    let hold = |held| Event::HoldSubscriptions { fund: name("a"), held };
    let mut state = opened();
    let bids = [buys(10, 1_050_000)];
    all(&mut state, [admit("m/b"), seal("ANN", 100, &bids), call(0), open("ANN", &bids), close(3)]);
    let both = |price: i64| Event::MarkSet {
        fund: name("a"),
        prices: ["m/a", "m/b"].map(|model| (name(model), PriceNano::from_nano(price))).into(),
        estimates: [].into(),
    };
    let batch = rebalance(500_000_000);
    all(&mut state, [hold(true), both(ONE), strike(3)]);
    assert_eq!(code(&state, &batch), "auction", "in doubt");
    all(&mut state, [hold(false), strike(4)]);
    assert_eq!(code(&state, &batch), "auction", "these prices were those of the strike before");
    all(&mut state, [mark(ONE), strike(5)]);
    assert_eq!(code(&state, &batch), "auction", "one of two");
    all(&mut state, [both(ONE), strike(6)]);
    assert_eq!(code(&state, &batch), "done");
}

/// Proves that whoever opened and has not got what he says when the opening ends has lost his deposit before prices are set, so that
/// whoever joins at them pays for it: the rest of the budget of who buys, the units of who sells.
#[test]
fn purses_are_asked_for_at_the_end() {
    let mut state = opened();
    let (ann, pub_) = ([buys(10, 1_050_000)], [bid(BidSide::Sells, 10, 1_000_000)]);
    all(&mut state, [seal("ANN", 500, &ann), seal("BEN", 500, &ann), seal("PUB", 100, &pub_)]);
    all(&mut state, [call(0), open("ANN", &ann), open("BEN", &ann), open("PUB", &pub_)]);
    let leaves = |state: &State, rest: i64| Event::Withdraw {
        who: name("ANN"),
        amount: Cash::from_micro(cash(state, "ANN") - rest),
    };
    let mut enough = state.clone();
    let leave = leaves(&state, 400 * CREDIT - 1);
    all(&mut state, [leave]);
    let before = nav(&state);
    all(&mut state, [close(3)]);
    assert_eq!(nav(&state) - before, 120_000_000_000_000_000, "ANN's 100 and PUB's 20");
    let left = state.fund(&name("a")).unwrap().auction().sealed();
    assert_eq!(left.keys().cloned().collect::<Vec<_>>(), [name("BEN")]);
    let leave = leaves(&enough, 400 * CREDIT);
    let unit = domain::fund::Asset::Unit(name("m/a"));
    let out = Event::InKind {
        fund: name("a"),
        who: name("SPONSOR"),
        shares: domain::amount::Shares::from_nano(100 * ONE),
        day: 0,
        skip: Vec::new(),
    };
    all(&mut enough, [leave, out, give("PUB", unit, 10 * CREDIT), close(3)]);
    assert_eq!(enough.fund(&name("a")).unwrap().auction().sealed().len(), 3);
}

/// Proves that purses are asked for again where a strike in doubt met nobody: whoever is gone by then has lost his deposit before the prices of
/// the next, not after its joiners; and that a buyer of what is delisted owes nothing.
#[test]
fn purses_are_asked_for_again() {
    let hold = |held| Event::HoldSubscriptions { fund: name("a"), held };
    let mut state = opened();
    let bids = [buys(10, 1_050_000)];
    all(&mut state, [admit("m/b"), seal("ANN", 100, &bids), seal("BEN", 100, &bids), call(0)]);
    all(&mut state, [open("ANN", &bids), open("BEN", &bids), close(3), hold(true)]);
    let both = Event::MarkSet {
        fund: name("a"),
        prices: ["m/a", "m/b"].map(|model| (name(model), PriceNano::from_nano(ONE))).into(),
        estimates: [].into(),
    };
    all(&mut state, [both]);
    assert_eq!(code(&state, &close(3)), "nothing", "prices are set: nobody is asked by now");
    all(&mut state, [strike(3)]);
    let amount = Cash::from_micro(cash(&state, "ANN"));
    all(&mut state, [Event::Withdraw { who: name("ANN"), amount }]);
    let mut gone = state.clone();
    all(&mut gone, [Event::Delist { fund: name("a"), model: name("m/a") }]);
    for (mut state, lost) in [(state, 20_000_000_000_000_000), (gone, 0)] {
        let before = nav(&state);
        all(&mut state, [hold(false), close(4)]);
        assert_eq!(nav(&state) - before, lost);
        let left = state.fund(&name("a")).unwrap().auction().sealed().len();
        assert_eq!(left, if lost > 0 { 1 } else { 2 });
    }
}

/// Proves that leavers wait no longer than they were told: where a strike met the bids and its plan was refused, a batch that aims at
/// nothing counts; and however often bids are called and given back, whoever has waited for fourteen batches more than three is delivered.
#[test]
fn leavers_are_not_kept() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    all(&mut state, [redeem("SPONSOR", 100), seal("ANN", 100, &bids), call(0), open("ANN", &bids)]);
    all(&mut state, meet(3));
    for day in 4..=6 {
        assert_eq!(state.fund(&name("a")).unwrap().pools().len(), 1, "day {day}");
        all(&mut state, [idle()]);
        assert_eq!(units(&state, "ANN"), 0, "it never trades");
        all(&mut state, [mark(ONE), strike(day)]);
    }
    assert!(state.fund(&name("a")).unwrap().pools().is_empty());
    all(&mut state, [rebalance(500_000_000)]);
    assert_eq!(units(&state, "ANN"), 10 * CREDIT);

    let mut state = opened();
    all(&mut state, [redeem("SPONSOR", 100)]);
    let pause = |paused| Event::Pause { fund: name("a"), paused };
    let mut batches = 0;
    for day in 1..40 {
        all(&mut state, [seal("ANN", 100, &bids), call(day), strike(day)]);
        if state.fund(&name("a")).unwrap().pools().is_empty() {
            break;
        }
        all(&mut state, [idle(), pause(true), pause(false)]);
        batches += 1;
    }
    assert_eq!(batches, 17);
}

/// Proves that strikes between the call and the batch trap nobody: a batch that trades nothing counts once for each of them, leavers
/// have their units after the third, but not while the bids that may buy them are being opened (days 1 to 3), the bids stay, and what is
/// sealed meanwhile waits for the next auction without holding this one up.
#[test]
fn strikes_between() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    all(&mut state, [seal("ANN", 100, &bids), call(1), redeem("SPONSOR", 100), strike(1)]);
    assert_eq!(code(&state, &rebalance(500_000_000)), "auction");
    for day in 1..=4 {
        if day > 1 {
            all(&mut state, [strike(day)]);
        }
        assert_eq!(state.fund(&name("a")).unwrap().pools().len(), 1, "day {day}");
        all(&mut state, [idle()]);
        assert_eq!(code(&state, &idle()), "auction", "one a strike");
    }
    assert!(state.fund(&name("a")).unwrap().pools().is_empty());
    assert_eq!(units(&state, "SPONSOR"), 60 * CREDIT, "delivered");
    all(&mut state, [seal("BEN", 100, &bids), open("ANN", &bids)]);
    assert_eq!(code(&state, &open("BEN", &bids)), "auction", "not of this call");
    all(&mut state, meet(5));
    let batch = commit(&mut state, &rebalance(500_000_000)).unwrap();
    assert_eq!(trades(&batch, Kind::Sell), [("ANN".to_owned(), 10 * CREDIT, ONE)]);
    let auction = state.fund(&name("a")).unwrap().auction();
    assert_eq!(auction.sealed().keys().cloned().collect::<Vec<_>>(), [name("BEN")]);
    // His turn comes with the next call.
    all(&mut state, [call(5), open("BEN", &bids)]);
    all(&mut state, meet(8));
    all(&mut state, [rebalance(400_000_000)]);
    assert_eq!(units(&state, "BEN"), 10 * CREDIT);
}

/// Proves that a set is taken back where no call came for a month, where no batch came for a month after its opening, and where no model is
/// left; not before, though a strike met it, and not another's; and that a call of which nothing is left is over.
#[test]
fn taking_back() {
    let mut state = opened();
    let bids = [buys(10, 1_000_000)];
    assert_eq!(code(&state, &take_back("ANN", 0)), "nothing");
    all(&mut state, [strike(4), seal("ANN", 100, &bids)]);
    assert_eq!(code(&state, &take_back("BEN", 40)), "nothing");
    for (day, said) in [(3, "clock"), (4, "auction"), (35, "auction"), (36, "done")] {
        assert_eq!(code(&state, &take_back("ANN", day)), said, "day {day}");
    }
    let mut gone = state.clone();
    all(&mut gone, [Event::Delist { fund: name("a"), model: name("m/a") }, take_back("ANN", 4)]);
    assert_eq!(cash(&gone, "ANN"), 10_000 * CREDIT);
    all(&mut state, [seal("BEN", 100, &bids), call(4), open("ANN", &bids)]);
    // Opening ends with day 6; the month after it with day 37.
    for (day, said) in [(4, "auction"), (7, "auction"), (37, "auction"), (38, "done")] {
        assert_eq!(code(&state, &take_back("ANN", day)), said, "day {day}");
        assert_eq!(code(&state, &take_back("BEN", day)), said, "open or shut, day {day}");
    }
    all(&mut state, [close(7)]);
    assert_eq!(code(&state, &take_back("ANN", 7)), "auction");
    all(&mut state, [mark(ONE), strike(7)]);
    // Were it hers again where a plan is refused, she would choose whether these marks suit her.
    assert_eq!(code(&state, &take_back("ANN", 37)), "auction");
    all(&mut state, [take_back("ANN", 38)]);
    assert_eq!(cash(&state, "ANN"), 10_000 * CREDIT);
    assert!(state.fund(&name("a")).unwrap().auction().call().is_none(), "nobody is left");
    all(&mut state, [rebalance(500_000_000)]);
}

/// Proves that nobody makes shares in kind from the call to the batch: a deposit that will be lost is not for who comes for a moment.
#[test]
fn no_shares_in_kind_before_the_batch() {
    let mut state = opened();
    let leave = |who: &str, shares: i64, day| Event::InKind {
        fund: name("a"),
        who: name(who),
        shares: domain::amount::Shares::from_nano(shares * ONE),
        day,
        skip: Vec::new(),
    };
    let unit = domain::fund::Asset::Unit(name("m/a"));
    all(&mut state, [leave("SPONSOR", 900, 0), give("ANN", unit, 540 * CREDIT)]);
    let make = |day| Event::CreateInKind {
        fund: name("a"),
        who: name("ANN"),
        shares: domain::amount::Shares::from_nano(10 * ONE),
        day,
    };
    let bids = [buys(10, 1_000_000)];
    all(&mut state, [seal("BEN", 500, &bids)]);
    assert_eq!(code(&state, &make(0)), "done");
    all(&mut state, [call(0), open("BEN", &bids)]);
    assert_eq!(code(&state, &make(2)), "auction");
    all(&mut state, [close(3)]);
    assert_eq!(code(&state, &make(3)), "auction");
    all(&mut state, [mark(ONE), strike(3)]);
    assert_eq!(code(&state, &make(3)), "auction");
    assert_eq!(code(&state, &leave("SPONSOR", 1, 3)), "done", "leaving is open");
    all(&mut state, [rebalance(ONE)]);
    assert_eq!(code(&state, &make(3)), "done");
}

fn adopt(auction: Option<AuctionParams>) -> Event {
    let params = FundParams { auction, ..params() };
    let digest = Digest::of(format!("{params:?}").as_bytes());
    Event::AdoptMethodology { fund: name("a"), digest, params }
}

/// Proves that other rules for the auction, none, and a pause give every deposit back, of shut bids and of open ones; that rules with
/// the same auction leave them; and that nothing holds the next batch up.
#[test]
fn deposits_return() {
    let wider = AuctionParams { band: Ppb::from_ppb(1), ..RULES };
    let pause = Event::Pause { fund: name("a"), paused: true };
    for (event, returns) in [
        (adopt(None), true),
        (adopt(Some(wider)), true),
        (pause, true),
        (adopt(Some(RULES)), false),
    ] {
        for calls in [false, true] {
            let mut state = opened();
            let bids = [buys(10, 1_000_000)];
            all(&mut state, [seal("ANN", 100, &bids), seal("BEN", 100, &bids), strike(1)]);
            if calls {
                all(&mut state, [call(1), open("ANN", &bids)]);
            }
            all(&mut state, [event.clone()]);
            let wanted = if returns { 10_000 } else { 9_980 } * CREDIT;
            assert_eq!([cash(&state, "ANN"), cash(&state, "BEN")], [wanted; 2], "{event:?}");
            let auction = state.fund(&name("a")).unwrap().auction();
            assert_eq!(auction.sealed().is_empty(), returns);
            if returns {
                assert_eq!(auction.call(), None);
                let has_one = state.fund(&name("a")).unwrap().params().auction.is_some();
                let said = if has_one { "nothing" } else { "auction" };
                assert_eq!(code(&state, &open("BEN", &bids)), said);
                assert_eq!(code(&state, &idle()), "done", "{event:?}");
            }
        }
    }
    let mut state = opened();
    all(&mut state, [Event::Pause { fund: name("a"), paused: true }]);
    assert_eq!(code(&state, &seal("ANN", 100, &[buys(10, 1)])), "paused");
}

/// Proves that a model which is delisted between sealing and batch costs nobody his deposit or his other bids, and that a fund that
/// winds up still sells to its bidders.
#[test]
fn delisting_and_winding_up() {
    let bids = [buys(10, 1_000_000)];
    let mut state = opened();
    all(&mut state, [seal("ANN", 100, &bids), strike(1), call(1)]);
    all(&mut state, [Event::Delist { fund: name("a"), model: name("m/a") }, open("ANN", &bids)]);
    all(
        &mut state,
        [
            admit("m/b"),
            close(4),
            Event::MarkSet {
                fund: name("a"),
                prices: [(name("m/b"), PriceNano::from_nano(ONE))].into(),
                estimates: [].into(),
            },
            strike(4),
        ],
    );
    let nothing = Event::Rebalance {
        fund: name("a"),
        weights: [(name("m/b"), Ppb::ZERO)].into(),
        cash: Ppb::ZERO,
        spread: Ppb::ZERO,
        counterparties: Vec::new(),
        max_primary: None,
    };
    all(&mut state, [nothing]);
    assert_eq!((cash(&state, "ANN"), units(&state, "ANN")), (10_000 * CREDIT, 0));

    let mut state = opened();
    let cheap = [buys(600, 1_000)];
    all(&mut state, [rebalance(ONE), strike(0), seal("ANN", 100, &cheap)]);
    all(&mut state, [call(1), open("ANN", &cheap), close(4)]);
    // Worth a credit and more when they were opened: what they are worth at the batch is no way out.
    all(&mut state, [mark(ONE / 1_000), strike(4)]);
    assert!(state.fund(&name("a")).unwrap().winding());
    let batch = commit(&mut state, &rebalance(500_000_000)).unwrap();
    assert_eq!(trades(&batch, Kind::Sell)[0].1, 500 * CREDIT, "half of it is cash by then");
    let larger = [buys(1_000, 1_000)];
    all(&mut state, [seal("ANN", 100, &larger), call(4)]);
    assert_eq!(code(&state, &open("ANN", &cheap)), "amount", "600 units are worth less by now");
    all(&mut state, [open("ANN", &larger)]);
    all(&mut state, [close(7), mark(ONE / 1_000), strike(7)]);
    let batch = commit(&mut state, &rebalance(0)).unwrap();
    assert_eq!(trades(&batch, Kind::Sell)[0].1, 500 * CREDIT, "it winds up to cash");
}

/// Proves that a full house is not a closed one: a larger budget takes the place of the smallest that is not called, whose deposit returns;
/// but nobody is moved who is called, so that no bidder gets out by sealing more.
#[test]
fn a_full_house() {
    let mut state = opened();
    let least = |n: usize| seal(&format!("H{n}"), 1, &[]);
    for n in 0..1_000 {
        let gift = give(&format!("H{n}"), domain::fund::Asset::Cash, CREDIT);
        for event in [gift, least(n)] {
            commit(&mut state, &event).unwrap();
        }
    }
    assert_eq!(code(&state, &seal("ANN", 1, &[])), "limit", "no larger than the others");
    all(&mut state, [seal("ANN", 2, &[])]);
    assert_eq!(cash(&state, "H999"), CREDIT, "the last of the smallest");
    let auction = state.fund(&name("a")).unwrap().auction();
    assert_eq!(auction.sealed().len(), 1_000);
    // Who may leave at will keeps nobody out, however much he has.
    let mut old = state.clone();
    all(&mut old, [strike(32)]);
    assert_eq!(code(&old, &seal("BEN", 1, &[])), "done");
    all(&mut state, [strike(0), seal("BEN", 2, &[]), call(0)]);
    assert_eq!(code(&state, &seal("SPONSOR", 1_000, &[])), "limit", "others may be open by now");
}
