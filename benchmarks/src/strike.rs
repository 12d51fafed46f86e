//! What a strike costs that settles many orders: one transaction on SQLite and on PostgreSQL (issue: 100,000 orders in 10 s).
//!
//! The orders are appended to the journal in bulk, by the engine itself, since placing them one by one is not what is measured. Nine of ten
//! are subscriptions of 1,000 investors, the tenth redeems. The strike is the service's: it replays nothing, holds the ledger, settles,
//! writes journal, fills, slices and record, and commits durably.
//! Beside it stands what one more order costs while they wait, against what one costs in an empty queue.

use std::{path::Path, process::Command};

use domain::{
    amount::{Cash, Shares},
    fund::{Event, State, apply},
    name::Name,
};
use serde_json::{Value, json};
use store::{EventRow, OrderRow, OrderSide, Store, fund_order, ledger};

use crate::{
    Error,
    market::{MODELS, Step, caller, name, price, run as step, service},
    record,
};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const RUNS: usize = 3;
const LIMIT_SECONDS: f64 = 10.0;
const INVESTORS: usize = 1_000;
/// Orders that are placed one by one, before and behind the others.
const SINGLE: usize = 20;
const POSTGRES: &str = "MODELFOLIO_BENCHMARK_POSTGRES";

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let machine = evaluator::machine(load);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let server = std::env::var(POSTGRES).ok();
    let (mut raw, mut text) = (Vec::new(), String::new());
    let mut missed = false;
    for size in SIZES {
        for number in 0..RUNS {
            // One after the other on the same machine: interleaved.
            let database = folder.path().join(format!("{size}-{number}.db"));
            let url = format!("sqlite://{}", database.display());
            raw.push(runtime.block_on(measure(&url, folder.path(), size, "sqlite"))?);
            if let Some(server) = &server {
                let name = format!("mf_strike_{}_{size}_{number}", std::process::id());
                psql(server, &format!("CREATE DATABASE {name}"))?;
                let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
                let url = format!("{base}/{name}");
                let done = runtime.block_on(measure(&url, folder.path(), size, "postgres"));
                psql(server, &format!("DROP DATABASE {name} WITH (FORCE)"))?;
                raw.push(done?);
            }
        }
    }
    for database in ["sqlite", "postgres"] {
        for size in SIZES {
            let of_all = |field: &str| -> Vec<f64> {
                raw.iter()
                    .filter(|row| row["database"] == database && row["orders"] == size)
                    .filter_map(|row| row[field].as_f64())
                    .collect()
            };
            let seconds = of_all("seconds");
            if seconds.is_empty() {
                continue;
            }
            let (median, most) = (record::quantile(&seconds, 0.5), record::quantile(&seconds, 1.0));
            let each = median / size as f64 * 1e6;
            missed |= most > LIMIT_SECONDS;
            let alone = record::quantile(&of_all("order_alone_seconds"), 0.5);
            let behind = record::quantile(&of_all("order_behind_seconds"), 0.5);
            text += &format!(
                "| {database} | {size} | {median:.3} | {most:.3} | {each:.1} | {:.2} | {:.2} | {:.2} |\n",
                alone * 1e3,
                behind * 1e3,
                behind / alone,
            );
        }
    }
    let absent = if server.is_none() {
        format!("PostgreSQL was not run: {POSTGRES} names no server.\n")
    } else {
        String::new()
    };
    let peak = evaluator::peak_bytes().unwrap_or_default() as f64 / (1 << 20) as f64;
    let summary = format!(
        "# A strike that settles many orders\n\n\
         Two models, {INVESTORS} investors; nine of ten orders are subscriptions. Seconds of the one command that strikes, {RUNS} runs each,\n\
         a fresh database every time, synchronous commits.\n\n\
         | database | orders | median s | slowest s | microseconds an order | ms to place one in an empty queue | ms to place one behind the others | ratio |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n{text}\n\
         The limit of {LIMIT_SECONDS} s {}. Peak of this process, which holds the ledger and made the orders: {peak:.0} MiB.\n{absent}",
        if missed { "was MISSED" } else { "held in every run" },
    );
    record::write("strike", &machine, &json!(raw), &summary)
}

fn psql(server: &str, statement: &str) -> Result<(), Error> {
    let done = Command::new("psql").args([server, "-qc", statement]).status()?;
    if done.success() { Ok(()) } else { Err(Error::Child(format!("psql: {statement}"))) }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Child(error.to_string())
}

/// Seconds of a strike over `orders` orders.
async fn measure(url: &str, folder: &Path, orders: usize, database: &str) -> Result<Value, Error> {
    let store = Store::connect(url).await.map_err(failed)?;
    migrations::run(store.connection()).await.map_err(failed)?;
    price(&store).await;
    let service = service(store.clone(), folder);
    let opening = [
        Step::Deposit("operator", 1_000_000_000),
        Step::Deposit("LP", 20_000_000_000),
        Step::Deposit("lab", 100_000_000 * MODELS.len() as i64),
        Step::Deposit("ann", 9_000_000_000_000),
        Step::CreateFund,
        Step::Admit(0),
        Step::Admit(1),
        Step::Seed(1_000_000_000),
        Step::Subscribe("ann", 5_000_000_000_000),
        Step::Strike(2),
        Step::Rebalance(2),
    ];
    for (number, what) in opening.into_iter().enumerate() {
        step(&service, number, what, &[]).await.map_err(failed)?;
    }
    let alone = place_singly(&service, "alone").await?;
    let state = service.ledger().await.map_err(failed)?;
    place(&store, (*state).clone(), orders).await?;
    drop(state);
    // Another process has written: the service takes that over first, and that is not measured.
    service.ledger().await.map_err(failed)?;
    let behind = place_singly(&service, "behind").await?;
    let start = evaluator::timing::now();
    service
        .strike_fund(&caller("operator", 3), "measured", &name("F"), false)
        .await
        .map_err(failed)?;
    let seconds = start.elapsed().as_secs_f64();
    let strike = service.get_strike(&name("F"), 2).await.map_err(failed)?;
    store.close().await.map_err(failed)?;
    Ok(json!({
        "database": database, "orders": orders, "seconds": seconds,
        "order_alone_seconds": alone, "order_behind_seconds": behind,
        "nav_femto": strike.nav.to_string(),
    }))
}

/// Median seconds of placing an order by the command that investors have.
async fn place_singly(service: &service::Service, key: &str) -> Result<f64, Error> {
    let mut seconds = Vec::with_capacity(SINGLE);
    for number in 0..SINGLE {
        let (amount, key) = (Cash::from_micro(1_000_000), format!("{key} {number}"));
        let (investor, fund) = (caller("ann", 2), name("F"));
        let start = evaluator::timing::now();
        service.place_subscription(&investor, &key, &fund, amount).await.map_err(failed)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(record::quantile(&seconds, 0.5))
}

/// Places orders by the engine, in one transaction.
async fn place(store: &Store, mut state: State, orders: usize) -> Result<(), Error> {
    let fund = name("F");
    let mut seq = ledger::max_seq(store).await.map_err(failed)?.unwrap_or(0);
    let transaction = store.begin().await.map_err(failed)?;
    let investor = |number: usize| name(&format!("investor-{:04}", number % INVESTORS));
    let mut append = async |state: &mut State, event: Event| -> Result<i64, Error> {
        let batch = apply(state, &event).map_err(failed)?;
        state.commit(&batch);
        seq += 1;
        let body = serde_json::to_value(&event)?;
        let row = EventRow {
            seq,
            fund: body["fund"].as_str().map(str::to_owned),
            op: event.op().to_owned(),
            body: body.to_string(),
            chain: state.chain().hex(),
            idempotency_actor: "bulk".to_owned(),
            idempotency_key: seq.to_string(),
            recorded_at: 1,
        };
        ledger::append_event(&transaction, row, Vec::new()).await.map_err(failed)?;
        Ok(seq)
    };
    for number in 0..INVESTORS {
        let amount = Cash::from_micro(100_000_000_000);
        append(&mut state, Event::Deposit { who: investor(number), amount }).await?;
    }
    let mut rows: Vec<(i64, OrderSide, Name)> = Vec::with_capacity(orders);
    for number in 0..orders {
        let (fund, size) = (fund.clone(), 1_000_000 + number as i64);
        let (event, side, who) = if number % 10 == 9 {
            let who = name("ann");
            let shares = Shares::from_nano(size);
            (Event::Redeem { fund, who: who.clone(), shares }, OrderSide::Redemption, who)
        } else {
            let who = investor(number);
            let amount = Cash::from_micro(size);
            (Event::Subscribe { fund, who: who.clone(), amount }, OrderSide::Subscription, who)
        };
        rows.push((append(&mut state, event).await?, side, who));
    }
    for (event_seq, side, who) in rows {
        let row = OrderRow {
            event_seq,
            fund: fund.to_string(),
            side,
            owner: who.to_string(),
            closed_by: None,
        };
        fund_order::insert(&transaction, row).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
