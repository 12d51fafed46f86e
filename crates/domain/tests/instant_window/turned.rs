//! The window turned against others: by a sale that is taken back, by dust that shuts the count, by a gift that is reversed.

use super::*;

/// The same, with nothing bought of publishers.
fn between(part: i64) -> Event {
    let mut event = rebalance(part, 0);
    if let Event::Rebalance { max_primary, .. } = &mut event {
        *max_primary = Some(Ppb::ZERO);
    }
    event
}

/// Proves that a sale which the fund takes back at its own price leaves nothing to count, however cheap the sales before it were: what
/// it buys back takes the dearest away, not the oldest.
#[test]
fn a_sale_taken_back_leaves_no_price() {
    let mut state = opened(1_000_000_000, 0);
    done(&mut state, &rebalance(300_000_000, 0));
    assert_eq!(clearing(&state, 0), Some((1_000_000_000, 300_000_000)));
    done(&mut state, &mark(5 * SHARE, None));
    let honest = ten(&state);
    // 700 in cash and 300 units at five: 250 units are sold at five, and bought back.
    done(&mut state, &between(113_636_364));
    assert!(ten(&state) > honest, "while the fund has the money, it counts");
    done(&mut state, &between(681_818_182));
    let (_, units) = clearing(&state, 0).unwrap();
    assert!((299_999_990..=300_000_010).contains(&units), "{units}");
    assert!((honest - 1..=honest + 1).contains(&ten(&state)), "{} of {honest}", ten(&state));
}

fn with_least(who: &str, shares: i64, least: i64) -> Event {
    let shares = Shares::from_nano(shares);
    let least = PriceNano::from_nano(least);
    Event::RequestWindow { fund: name("w"), who: name(who), shares, least }
}

/// Proves that whoever names the least for a share is paid at it or above, to the last unit of the price, after the levy, and below it
/// keeps all his shares while the others share the budget; and that a request without one is written as it always was.
#[test]
fn nobody_is_paid_below_his_least() {
    // 500 in cash, 100 of 500 units at one: 0.6 a share, and 0.54 after a levy of a tenth. Levy, least, whether he is paid.
    for (levy_out, least, paid) in [
        (0, 0, true),
        (0, 600_000_000, true),
        (0, 600_000_001, false),
        (100_000_000, 540_000_000, true),
        (100_000_000, 540_000_001, false),
        (100_000_000, i64::MAX, false),
    ] {
        let mut state = opened(60_000_000, levy_out);
        done(&mut state, &rebalance(500_000_000, 0));
        if least == i64::MAX {
            assert_eq!(code(&state, &with_least("BEN", SHARE, least)), "amount");
            assert_eq!(code(&state, &with_least("BEN", SHARE, -1)), "amount");
            continue;
        }
        done(&mut state, &with_least("BEN", 100 * SHARE, least));
        done(&mut state, &with_least("ANN", 100 * SHARE, 1));
        // The budget is 30 credits, for a part of both holdings; who takes less is known before the part is.
        let fills = pay(&mut state, 0);
        let (ann, ben) = (&fills[0], &fills[1]);
        assert_eq!(ben.shares > Shares::ZERO, paid, "{levy_out} {least}");
        assert!(ann.cash.as_micro() > if paid { 22_400_000 } else { 29_999_990 }, "{ann:?}");
        let back = 100 * SHARE - ben.shares.as_nano();
        assert_eq!(
            (shares_of(&state, "BEN"), ben.requested),
            (back, Shares::from_nano(100 * SHARE))
        );
        strike(&mut state, 0);
        // The least went with the request.
        done(&mut state, &with_least("BEN", SHARE, 0));
        assert_eq!(state.fund(&name("w")).unwrap().window().least(&name("BEN")), PriceNano::ZERO);
    }
    let plain = serde_json::to_string(&with_least("BEN", 1, 0)).unwrap();
    assert!(!plain.contains("least"), "{plain}");
    assert_eq!(serde_json::from_str::<Event>(&plain).unwrap(), with_least("BEN", 1, 0));
}

/// Proves that dust made in kind behind the cut-off, which shuts the count, takes nothing from a leaver who named his least, and all that
/// the count was worth from one who did not.
#[test]
fn dust_takes_nothing_from_who_named_his_least() {
    // 700 in cash, 300 of 300 units sold at one.
    for (dust, least, cash) in [
        (false, 0, 100_000_000),
        (false, 900_000_000, 100_000_000),
        (true, 0, 70_000_000),
        (true, 900_000_000, 0),
    ] {
        let mut state = opened(1_000_000_000, 0);
        done(&mut state, &rebalance(300_000_000, 0));
        let sponsor = || (name("w"), name("SPONSOR"));
        let (fund, who) = sponsor();
        let (shares, skip) = (Shares::from_nano(SHARE), Vec::new());
        done(&mut state, &Event::InKind { fund, who, shares, day: 0, skip });
        let tell = bind(&mut state, SHARE);
        done(&mut state, &with_least("BEN", 100 * SHARE, least));
        let salt = Salt::from_bytes([7; 32]);
        done(&mut state, &Event::CloseOrders { fund: name("w"), day: 0, salt });
        if dust {
            let (fund, who) = sponsor();
            let shares = Shares::from_nano(1);
            done(&mut state, &Event::CreateInKind { fund, who, shares, day: 0 });
        }
        done(&mut state, &tell);
        let fill = pay(&mut state, 0)[0].clone();
        assert!((cash - 10..=cash).contains(&fill.cash.as_micro()), "{dust} {least} {fill:?}");
        let kept = if cash == 0 { 100 * SHARE } else { 0 };
        assert_eq!(shares_of(&state, "BEN"), kept);
    }
}

/// Proves that a gift to a friend who has old shares and its reversal make no share old: the reversal takes back what the gift moved,
/// and of the receiver's own youth what he cannot have given otherwise.
#[test]
fn a_reversed_gift_makes_nothing_old() {
    let young = |state: &State| {
        let window = state.fund(&name("w")).unwrap().window();
        ["PUB", "ANN"].map(|who| window.young_shares(&name(who), 0) / i128::from(SHARE))
    };
    // Shares that ANN makes too, who has 300; PUB's gift of his 100, ANN's gifts on, what is young when it is reversed.
    for (makes, gives, on, left) in [
        (0, 100, 0, [100, 0]),
        (0, 40, 0, [100, 0]),
        (0, 100, 290, [100, 0]),
        (50, 100, 0, [100, 50]),
        (50, 100, 300, [100, 50]),
        // She has given 60 of the young ones away.
        (0, 100, 360, [40, 0]),
    ] {
        let mut state = opened(250_000_000, 0);
        done(&mut state, &rebalance(400_000_000, 0));
        for (who, made) in [("PUB", 100), ("ANN", makes)] {
            let units = Event::Transfer {
                who: name("LP"),
                to: name(who),
                asset: Asset::Unit(name("m/a")),
                amount: 60_000_000,
            };
            done(&mut state, &units);
            if made > 0 {
                let cash =
                    Event::Deposit { who: name(who), amount: Cash::from_micro(1_000 * CREDIT) };
                done(&mut state, &cash);
                let (fund, who, shares) = (name("w"), name(who), Shares::from_nano(made * SHARE));
                done(&mut state, &Event::CreateInKind { fund, who, shares, day: 0 });
            }
        }
        let given = gift("PUB", "ANN", gives * SHARE);
        done(&mut state, &given);
        let corrects = state.events();
        if on > 0 {
            done(&mut state, &gift("ANN", "SPONSOR", on * SHARE));
            // What is reversed must be there.
            done(&mut state, &gift("SPONSOR", "LP", SHARE));
            done(&mut state, &gift("LP", "ANN", SHARE));
            done(&mut state, &gift("BEN", "ANN", 99 * SHARE));
        }
        done(&mut state, &Event::Correct { corrects, event: Box::new(given), claimed: None });
        assert_eq!(young(&state), left, "{makes} {gives} {on}");
    }
}

/// Proves that a deadband is worth something to who leaves by the window and knows what it hides, up to the whole of it where all that is
/// held was just sold, and that a levy of as much takes all of it away (FUND 2.13).
#[test]
fn a_levy_as_wide_as_the_deadband_leaves_nothing() {
    let most = |levy_out: i64, deadband: i64| {
        let levy_out = Ppb::from_ppb(levy_out);
        let window = WindowParams { budget: Ppb::from_ppb(1_000_000_000), levy_out };
        let params = FundParams { window: Some(window), ..free() };
        let earned = (0..100).map(|seed| inside_the_deadband(&params, deadband, seed).unwrap());
        earned.max().unwrap() / 1_000_000_000
    };
    for deadband in [5_000_000, 50_000_000] {
        let told = [0, deadband / 2, deadband].map(|levy_out| most(levy_out, deadband));
        println!("a deadband of {deadband} ppb earns {told:?} micro-credits");
        assert!(told[0] > 100_000_000 && told[2] <= 40, "{deadband}: {told:?}");
    }
}
