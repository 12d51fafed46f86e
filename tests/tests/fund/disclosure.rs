//! What a fund says beside its NAV, over HTTP: sums to the last digit, statistics, and its own level out of a backtest.

use serde_json::{Value, json};

use crate::{
    exits::{Market, confirm},
    support::{ask, steps},
    world::{METHODOLOGY, STEPS, mutate},
};

const DISCLOSURE: &str = "{ fund(name: \"F\") { day nav cash shares strikes(first: 20) { nodes { number level nav } }
    disclosure { day windowDays realisableNav cashCoverage markedToModel daysToLiquidate oldestPriceAt oldestPriceAgeS soldForLeavers
      cashHeld { source amount } cashUsed { usage source amount }
      models(first: 5) { nodes { model units price value realisable sold lastOverMark lastSaleDay daysToLiquidate } }
      liquidations(first: 5) { nodes { strike batches model units } }
      publishers(first: 5) { nodes { model bond escrow vested } } } } }";

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn sum(rows: &[Value], field: &str, digits: usize) -> i128 {
    rows.iter().map(|row| steps(&row[field], digits)).sum()
}

/// Four strikes with a batch after each, a joiner, a leaver, and a price that moves between the second and the third.
async fn lived() -> Market {
    let market = Market::open().await;
    market.subscribe(&market.ann, "500.000000").await;
    market.strike().await;
    market.rebalance().await;
    market.strike().await;
    let world = &market.world;
    let (checkpoint, graph) =
        world.upload_pair(&world.lab_token, STEPS[2], crate::world::GRAPH).await;
    let input =
        json!({ "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph });
    mutate(&world.lab, "versionPublish", input, "version { name }").await.unwrap();
    let job = world.evaluate(&world.lab, "lab/net", "v2", &market.suite).await.unwrap();
    world.work_until_done(&job).await;
    confirm(world).await;
    market.redeem(&market.ann, "100.000000000").await;
    market.rebalance().await;
    market.strike().await;
    market.rebalance().await;
    market.strike().await;
    market
}

/// Proves over HTTP that a fund's cash and what leavers were paid are told by source to the last micro-credit, that what third parties paid
/// for units is what `realisable` says, that an attribution sums to the difference of two NAVs to the last femto, that statistics follow
/// from published numbers, and that a backtest of the fund's own rules over its own strikes gives its own level (invariant 37).
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_the_nav() {
    let market = lived().await;
    let anybody = &market.world.anybody;
    let fund = ask(anybody, DISCLOSURE).await["fund"].take();
    let told = &fund["disclosure"];
    assert_eq!(sum(list(&told["cashHeld"]), "amount", 6), steps(&fund["cash"], 6), "{told}");
    let used = list(&told["cashUsed"]);
    let slices: Vec<Value> = used.iter().filter(|row| row["usage"] == "SLICES").cloned().collect();
    let claim = market.account(&market.ann).await[1] as i128;
    let paid = sum(&slices, "amount", 6) + steps(&told["soldForLeavers"], 6);
    assert_eq!(paid, claim, "all that the only leaver has to claim: {told}");
    let from_joiners = slices.iter().all(|row| row["source"] == "JOINERS");
    assert!(from_joiners, "the oldest cash, the seed, had bought units: {told}");
    let model = &told["models"]["nodes"][0];
    assert_eq!(model["realisable"], "1.000000000", "LP paid the mark: {model}");
    assert_eq!(told["realisableNav"], fund["nav"], "{told}");
    let parts = steps(&told["cashCoverage"], 9) + steps(&told["markedToModel"], 9);
    assert_eq!(parts, 1_000_000_000);
    assert!(told["oldestPriceAgeS"].as_i64().is_some_and(|age| age >= 0), "{told}");
    let publisher = &told["publishers"]["nodes"][0];
    let bought = used.iter().filter(|row| row["usage"] == "PRIMARY_PURCHASES").cloned();
    let bought: Vec<Value> = bought.collect();
    assert_eq!(
        steps(&publisher["bond"], 6) + steps(&publisher["escrow"], 6),
        sum(&bought, "amount", 6)
    );
    attribution_ties(&market, list(&fund["strikes"]["nodes"])).await;
    statistics(&market).await;
    error_budget(&market).await;
    backtest_is_live(&market, list(&fund["strikes"]["nodes"])).await;
}

async fn attribution_ties(market: &Market, strikes: &[Value]) {
    let anybody = &market.world.anybody;
    for (from, to) in [(0, 1), (1, 2), (1, 4), (2, 3), (0, 4)] {
        let query = format!(
            "{{ fund(name: \"F\") {{ attribution(fromStrike: {from}, toStrike: {to}) {{ change shareReturn from {{ nav }} to {{ nav }}
              parts(first: 50) {{ nodes {{ cause model amount contribution }} }}
              brinson {{ active groups(first: 9) {{ nodes {{ publisher allocation selection interaction }} }} }} }} }} }}"
        );
        let told = ask(anybody, &query).await["fund"]["attribution"].take();
        let nav = |number: usize| match number {
            0 => 0,
            number => steps(&strikes[number - 1]["nav"], 15),
        };
        let parts = list(&told["parts"]["nodes"]);
        assert_eq!(sum(parts, "amount", 15), nav(to) - nav(from), "{told}");
        assert_eq!(steps(&told["change"], 15), nav(to) - nav(from));
        if let Some(total) = told["shareReturn"].as_f64() {
            let all: f64 = parts.iter().filter_map(|part| part["contribution"].as_f64()).sum();
            assert!((all - total).abs() < 1e-9, "{told}");
        }
        assert_eq!(told["shareReturn"].is_null(), from == 0);
        if let Some(active) = told["brinson"]["active"].as_f64() {
            let groups = list(&told["brinson"]["groups"]["nodes"]).iter();
            let effects = ["allocation", "selection", "interaction"];
            let all: f64 = groups
                .flat_map(|group| effects.map(|effect| group[effect].as_f64().unwrap()))
                .sum();
            assert!((all - active).abs() < 1e-9, "{told}");
        }
        let marked = parts.iter().any(|part| part["cause"] == "MARK" && part["model"] == "lab/net");
        assert_eq!(marked, to >= 3 && from < 3, "{told}");
    }
    for (from, to) in [(2, 2), (3, 1), (0, 9), (-1, 2)] {
        let query = format!(
            "{{ fund(name: \"F\") {{ attribution(fromStrike: {from}, toStrike: {to}) {{ change }} }} }}"
        );
        let refused = anybody.graphql::<Value>(&query, json!({})).await.unwrap_err();
        assert_eq!(refused.code(), Some("invalid"), "{from} {to}");
    }
}

async fn statistics(market: &Market) {
    let query = "{ fund(name: \"F\") { analytics { from { number navPerShare } to { number navPerShare } turnover turnoverAnnual
        performance { returns totalReturn cagr volatility sharpe maxDrawdown } compared { from { number } trackingError trackingDifference levelReturn } } } }";
    let told = ask(&market.world.anybody, query).await["fund"]["analytics"].take();
    let price = |point: &Value| steps(&point["navPerShare"], 9) as f64;
    let total = price(&told["to"]) / price(&told["from"]) - 1.0;
    assert!((told["performance"]["totalReturn"].as_f64().unwrap() - total).abs() < 1e-12);
    assert_eq!(told["performance"]["returns"], 3);
    assert_eq!(told["compared"]["from"]["number"], 2, "the level begins with the first batch");
    let difference = told["compared"]["trackingDifference"].as_f64().unwrap();
    assert!(difference < 0.0, "cash beside a price that rose: {told}");
    assert!(steps(&told["turnover"], 9) > 900_000_000, "{told}");
}

/// One name on one suite: its items move with nothing else, and the budget's σ is that of its report over the part of NAV that is no cash.
async fn error_budget(market: &Market) {
    let query = "{ fund(name: \"F\") { nav navPerShare markedToModel sigmaLnBound errorBudget { draws low lowSigma median highSigma high
        sd sdCases sdRest sigmaLn sigmaLnIndependent sigmaLnUpper sigmaLnReference commonPart } } }";
    let fund = ask(&market.world.anybody, query).await["fund"].take();
    let told = &fund["errorBudget"];
    let places = ["low", "lowSigma", "median", "highSigma", "high"];
    let places = places.map(|place| steps(&told[place], 9));
    assert!(places.is_sorted() && places[0] < places[4], "{told}");
    let per_share = steps(&fund["navPerShare"], 9);
    assert!(places[0] < per_share && per_share < places[4], "{told}");
    let number = |field: &str| told[field].as_f64().unwrap_or_else(|| panic!("{field}: {told}"));
    assert!((number("sigmaLn") - number("sigmaLnIndependent")).abs() < 1e-12, "one name: {told}");
    assert!(number("commonPart").abs() < 1e-9 && number("sigmaLnReference") > 0.0);
    let bound = fund["sigmaLnBound"].as_f64().unwrap();
    assert!((number("sigmaLn") / bound - 1.0).abs() < 0.05, "{fund}");
    assert!((number("sd") / bound - 1.0).abs() < 0.3, "{fund}");
    assert!(number("sdCases") > 0.0 && number("sdRest") >= 0.0, "{told}");
    let again = ask(&market.world.anybody, query).await["fund"].take();
    assert_eq!(again["errorBudget"], *told, "kept");
}

async fn backtest_is_live(market: &Market, strikes: &[Value]) {
    let anybody = &market.world.anybody;
    let query = "query($input: BacktestInput!) { backtest(input: $input) { methodology turnover turnoverAnnual performance { returns totalReturn }
        days(first: 50) { nodes { date strike level nav liveLevel } } rebalances(first: 50) { nodes { date strike level turnover weights(first: 9) { nodes { model weight } } } } } }";
    let run = async |input: Value| {
        let answer = anybody.graphql::<Value>(query, json!({ "input": input })).await;
        answer.map(|mut answer| answer["backtest"].take()).map_err(|e| e.code().unwrap().to_owned())
    };
    let told = run(json!({ "fund": "F", "capital": "1000.000000" })).await.unwrap();
    let days = list(&told["days"]["nodes"]);
    assert_eq!(days.len(), strikes.len());
    for (day, strike) in days.iter().zip(strikes).skip(1) {
        assert_eq!(day["strike"], strike["number"]);
        assert_eq!((&day["level"], &day["liveLevel"]), (&strike["level"], &strike["level"]));
    }
    assert_eq!(days[0]["level"], "1000.000000000", "where the first batch began");
    let own = ask(anybody, "{ fund(name: \"F\") { methodology { digest text } } }").await;
    assert_eq!(told["methodology"], own["fund"]["methodology"]["digest"]);
    assert!(run(json!({ "fund": "G" })).await.unwrap().is_null());
    // Given prices, as the program's own backtest computes them by hand.
    let prices = "date,model,price_micro\n2026-01-01,a,1000000\n2026-01-01,b,2000000\n\
                  2026-02-01,a,1100000\n2026-02-01,b,2000000\n";
    let csv = json!({ "pricesCsv": prices, "methodology": METHODOLOGY, "schedule": "EVERY_DAY" });
    let told = run(csv.clone()).await.unwrap();
    assert_eq!(told["days"]["nodes"][1]["level"], "1050.000000000", "{told}");
    assert_eq!(told["days"]["nodes"][1]["date"], "2026-02-01");
    for (input, code) in [
        (json!({}), "invalid"),
        (json!({ "fund": "F", "pricesCsv": prices }), "invalid"),
        (json!({ "pricesCsv": prices }), "invalid"),
        (json!({ "fund": "F", "toStrike": 99 }), "invalid"),
        (json!({ "fund": "F", "methodology": "{}" }), "invalid"),
        (json!({ "pricesCsv": "date,model\n", "methodology": METHODOLOGY }), "invalid"),
        (json!({ "fund": "F", "schedule": "MONTHLY" }), "invalid"),
    ] {
        assert_eq!(run(input.clone()).await.unwrap_err(), code, "{input}");
    }
}
