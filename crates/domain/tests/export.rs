//! The journal for other programs: beancount against the reference's export, CSV against the journal.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    amount::{Cash, Femto, Ppb, PriceNano, Shares},
    fund::{
        Batch, Event, FundParams, State, apply,
        export::{beancount, holdings_csv, nav_csv, prices_csv, trades_csv},
        replay,
    },
    name::Name,
};
use serde_json::Value;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The batches of the reference's life.
fn life() -> Vec<Batch> {
    let file: Value = serde_json::from_str(include_str!("golden/lifecycle.json")).unwrap();
    let fund = name("main");
    let mut state = replay::ledger(&fund, &file["params"]).unwrap();
    let params = state.fund(&fund).unwrap().params().clone();
    let first = Event::CreateFund { fund: fund.clone(), params };
    let mut batches = vec![apply(&State::new(), &first).unwrap()];
    for step in file["steps"].as_array().unwrap() {
        let event = replay::parse(&state, &fund, step).unwrap();
        let Some(batch) = event.ok().and_then(|event| apply(&state, &event).ok()) else { continue };
        state.commit(&batch);
        batches.push(batch);
    }
    batches
}

/// Two funds, and names that are no beancount names.
fn unkind() -> Vec<Batch> {
    let (mut state, mut batches) = (State::new(), Vec::new());
    let mut post = |event: Event| {
        let batch = apply(&state, &event).unwrap();
        state.commit(&batch);
        batches.push(batch);
    };
    let people = ["alice", "Alice", "7up", "a-b", "a_b", "a.b", "a/b", "LIQ-x-1", "h"];
    let cash = Cash::from_micro(1_000_000_000);
    for who in people {
        post(Event::Deposit { who: name(who), amount: cash });
    }
    let models = ["org/model-1.5_x", "org/Model-1.5_x", "9", "m."];
    for fund in ["index/small-caps", "index.small_caps"] {
        let fund = name(fund);
        post(Event::CreateFund { fund: fund.clone(), params: FundParams::default() });
        for model in models {
            post(Event::Admit {
                fund: fund.clone(),
                model: name(model),
                publisher: name("alice"),
                price: PriceNano::from_nano(2_000_000_001),
                bond: Cash::from_micro(7),
                contributors: Vec::new(),
            });
        }
        let who = name("7up");
        let amount = Cash::from_micro(100_000_000);
        post(Event::Seed { fund: fund.clone(), who: who.clone(), amount, day: None });
        let weight = |model: &&str| (name(model), Ppb::from_ppb(200_000_000));
        post(Event::Rebalance {
            fund: fund.clone(),
            weights: models.iter().map(weight).collect(),
            cash: Ppb::ZERO,
            spread: Ppb::from_ppb(1_000_000),
            counterparties: vec![name("a/b")],
            max_primary: None,
        });
        let shares = Shares::from_nano(9_999_999_999);
        post(Event::Redeem { fund: fund.clone(), who, shares });
        post(Event::Strike { fund: fund.clone(), day: 3 });
    }
    post(Event::Delist { fund: name("index/small-caps"), model: name("m.") });
    batches
}

/// Proves that our export of the reference's life is the reference's, byte for byte, but for the four lines that assert a balance of
/// nothing where nothing ever moved: the reference posts movements of nothing, our journal has none.
#[test]
fn beancount_is_the_reference() {
    let wanted = include_str!("golden/lifecycle.beancount");
    let nothing = [
        "2026-01-02 balance Assets:C:BOB  0 U-M2",
        "2026-01-02 balance Assets:C:MANAGER  0 CASH",
        "2026-01-02 balance Assets:C:MANAGER  0 U-M2",
        "2026-01-02 balance Assets:C:MANAGER  0 U-M3",
    ];
    let lines: Vec<&str> = wanted.lines().filter(|line| !nothing.contains(line)).collect();
    assert_eq!(lines.len() + nothing.len(), wanted.lines().count());
    assert_eq!(beancount(&life()), lines.join("\n") + "\n");
}

/// A small double-entry checker: accounts are opened once, transactions balance in every commodity, assertions hold.
fn check(text: &str) -> (usize, BTreeSet<String>) {
    let mut open = BTreeSet::new();
    let (mut balances, mut sums) = (BTreeMap::new(), BTreeMap::new());
    let mut transactions = 0;
    for line in text.lines().skip(2) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "open", account] => assert!(open.insert(account.to_owned()), "{line}"),
            [_, "*", ..] => {
                assert!(sums.values().all(|sum: &Femto| sum.is_zero()), "before {line}");
                transactions += 1;
            }
            [account, amount, commodity] => {
                assert!(open.contains(account), "{line}");
                let amount: Femto = amount.parse().unwrap();
                *sums.entry(commodity.to_owned()).or_default() += amount;
                let key = (account.to_owned(), commodity.to_owned());
                *balances.entry(key).or_insert(Femto::ZERO) += amount;
            }
            [_, "balance", account, amount, commodity] => {
                let found = balances[&(account.to_owned(), commodity.to_owned())];
                assert_eq!(found.to_string(), amount, "{line}");
            }
            _ => panic!("{line}"),
        }
    }
    assert!(sums.values().all(|sum| sum.is_zero()));
    (transactions, balances.into_keys().map(|(_, commodity)| commodity).collect())
}

/// Proves that a ledger of several funds with unkind names balances too, every asset and every owner under a name of its own.
#[test]
fn beancount_of_several_funds() {
    let batches = unkind();
    let text = beancount(&batches);
    let (transactions, commodities) = check(&text);
    assert_eq!(transactions, batches.iter().map(|batch| batch.entries.len()).sum::<usize>());
    let mut state = State::new();
    for batch in &batches {
        state.commit(batch);
    }
    let assets: BTreeSet<String> =
        state.balances().map(|(_, asset, _)| asset.to_string()).collect();
    assert_eq!(commodities.len(), assets.len() + 1, "{commodities:?}");
    let live =
        state.balances().count() + state.funds().map(|f| f.gl_accounts().count()).sum::<usize>();
    let asserted = text.lines().filter(|line| line.contains(" balance ")).count();
    let nothing = text.lines().filter(|line| line.contains(" balance ") && line.contains("  0 "));
    assert_eq!(asserted - nothing.count(), live);
    for line in [
        "2025-12-31 open Assets:C:Alice--l\n",
        "2025-12-31 open Assets:C:Alice\n",
        "2025-12-31 open Assets:C:FUND-index--ssmall--hcaps\n",
        "2025-12-31 open Equity:GL:Index--psmall--ucaps--l:1100-org--smodel--h1--p5--ux\n",
        " U-'ORG'_MODEL'-1.5_X\n",
        " SC-'INDEX'_SMALL'-CAPS-M.'0\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

/// The fields of a table; none of ours needs quotes.
fn rows(csv: &str) -> Vec<Vec<&str>> {
    assert!(csv.ends_with("\r\n"));
    csv.split_terminator("\r\n").map(|line| line.split(',').collect()).collect()
}

/// Proves NAV, holdings, prices and trades of the reference's life as tables, each against the journal.
#[test]
fn tables() {
    let (batches, fund) = (life(), name("main"));
    let nav = nav_csv(&batches, &fund);
    let nav = rows(&nav);
    assert_eq!(nav[0], ["strike", "day", "nav", "ask", "shares", "nav_per_share", "winding"]);
    assert_eq!(nav.len(), 9);
    assert_eq!(
        nav[1],
        [
            "1",
            "0",
            "1000.000000000000000",
            "1000.000000000000000",
            "1000.000000000",
            "1.000000000",
            "false"
        ]
    );
    let holdings = holdings_csv(&batches, &fund);
    let holdings = rows(&holdings);
    assert_eq!(holdings[1], ["1", "0", "CASH", "1000.000000", "", "1000.000000000000000"]);
    // The values of a strike sum to its NAV, to the last of fifteen digits.
    let femto = |text: &str| text.replace('.', "").parse::<i128>().unwrap();
    for strike in &nav[1..] {
        let sum: i128 =
            holdings[1..].iter().filter(|row| row[0] == strike[0]).map(|row| femto(row[5])).sum();
        assert_eq!(sum, femto(strike[2]), "strike {}", strike[0]);
    }
    let prices = prices_csv(&batches, &fund);
    let prices = rows(&prices);
    assert_eq!(prices[1][1..], ["M1", "1.000000000", "", ""]);
    let marks = prices.iter().filter(|row| row[1] == "M1").map(|row| row[2..].join(" "));
    let wanted = ["1.000000000  ", "1.123456789 1.200000001 1.000000000"];
    assert_eq!(marks.take(2).collect::<Vec<_>>(), wanted);
    let trades = trades_csv(&batches, &fund);
    let trades = rows(&trades);
    let entries: Vec<_> = batches.iter().flat_map(|batch| &batch.entries).collect();
    let traded =
        entries.iter().filter(|entry| matches!(entry.kind.as_str(), "buy" | "sell" | "liq_sell"));
    assert_eq!(trades.len() - 1, traded.count());
    for row in &trades[1..] {
        let entry = entries[row[0].parse::<usize>().unwrap()];
        assert_eq!(row[1], entry.kind.as_str());
        // Cash is units at the price, rounded by less than one step.
        let exact = femto(row[5]) * femto(row[6]);
        let off = (femto(row[7]) * 1_000_000_000 - exact).abs();
        assert!(off < 1_000_000_000, "{row:?}");
        assert_eq!(row[4].is_empty(), row[1] != "liq_sell");
    }
    assert_eq!(nav_csv(&batches, &name("other")).lines().count(), 1);
}
