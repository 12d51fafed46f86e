//! Attacks on the auction: what a bidder earns who chooses after he has seen, and what a seller at the end of the band earns.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::{
    amount::{Cash, Ppb},
    fund::{AuctionParams, Methodology},
    simulation::attacks::{attack_all, bids_left_shut, churn},
};

/// Rules of the demo with an auction of this band and this deposit, in millionths, and this levy, in thousandths.
fn rules(band: i64, deposit: i64, levy: i64) -> Methodology {
    let text = include_str!("../../cli/demo/methodology.json");
    let mut rules: Methodology = serde_json::from_str(text).unwrap();
    rules.auction = Some(AuctionParams {
        band: Ppb::from_ppb(band * 1_000),
        deposit: Ppb::from_ppb((deposit * 1_000).max(1)),
        minimum: Cash::from_micro(1_000_000),
        opening_days: 1,
    });
    (rules.spread_ppb, rules.counterparties) = (0, Vec::new());
    rules.levy_in_ppb = levy * 1_000_000;
    rules.validate().unwrap();
    rules
}

/// What leaving bids shut earns at most over the seeds of the gate, in credits.
fn earned(band: i64, deposit: i64) -> i128 {
    let rules = rules(band, deposit, 0);
    let most = (1..17).map(|seed| bids_left_shut(&rules, seed).unwrap()).max().unwrap();
    most / 1_000_000_000_000_000
}

/// Proves that whoever seals several sets and opens the one that suits him earns where the deposit is small, and nothing where it is the
/// width of the band, nor from half a band on; wherever the band is.
#[test]
fn bids_left_shut_earn_nothing_for_the_width_of_the_band() {
    for band in [1_000, 20_000, 100_000, 300_000] {
        let found = [0, 125, 250, 500, 1_000, 2_000].map(|part| earned(band, band * part / 1_000));
        println!("band {band}: {found:?}");
        assert!(found[0] > 0, "band {band}: {found:?}");
        assert!(found[3..].iter().all(|earned| *earned <= 0), "band {band}: {found:?}");
    }
}

/// Proves that the gate asks the levy on joiners for the band, because a seller at its end and a joiner may be one: the bound of the
/// spread, `levy_in >= (1 - cash) * band / (1 + band)`, holds with the band in its place.
#[test]
fn churn_through_the_band() {
    // Cash of 8 % and a band of 2 %: the bound is 1.8039 %.
    let most = |levy| {
        (1..17).map(|seed| churn(&rules(20_000, 40_000, levy), seed).unwrap()).max().unwrap()
    };
    let (short, enough) = (most(17), most(19));
    println!("{short} {enough}");
    assert!(short > 40_000_000_000 && enough <= 40_000_000_000, "{short} {enough}");
    let drained = |rules: &Methodology| {
        let found = attack_all(rules, &(1..17)).unwrap();
        found.into_iter().filter(|e| e.is_too_much()).map(|e| e.attack).collect::<Vec<_>>()
    };
    assert_eq!(drained(&rules(20_000, 40_000, 19)), [""; 0]);
    assert_eq!(drained(&rules(20_000, 40_000, 17)), ["churn through the spread"]);
    assert_eq!(drained(&rules(20_000, 0, 19)), ["bids left shut"]);
}
