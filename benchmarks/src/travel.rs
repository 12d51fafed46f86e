//! What a question about the past costs beside the same question about now, over a long journal of many investors.
//!
//! The journal is appended in bulk by the engine itself. Asked is what a reader asks: the fund with its holdings, what stands beside its
//! NAV, and an account. About now, about a moment that nobody asked for yet, and about one that was asked for a moment ago, one after the
//! other. `MODELFOLIO_BENCHMARK_EVENTS` sets another length, for a check that it runs; such a run is no claim.

use std::path::Path;

use domain::{
    amount::{Cash, PriceNano},
    fund::{Event, State, apply},
    name::Name,
    time::Timestamp,
};
use serde_json::{Value, json};
use service::{Moment, Service};
use store::{EventRow, Store, ledger};

use crate::{
    Error,
    market::{MODELS, Step, name, price, run as step, service},
    record,
};

const EVENTS: &str = "MODELFOLIO_BENCHMARK_EVENTS";
const EVENTS_USUAL: i64 = 100_000;
const INVESTORS: usize = 1_000;
/// Moments that are asked for, spread over the journal.
const MOMENTS: i64 = 200;
const DAY: i64 = 86_400_000;
/// Milliseconds between two events of the bulk.
const STEP: i64 = 1_000;
/// When the bulk begins.
const BEGIN: i64 = 20 * DAY;

pub(crate) fn run() -> Result<(), Error> {
    let machine = evaluator::machine(evaluator::load_milli());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let events = match std::env::var(EVENTS) {
        Ok(text) => text.parse().map_err(failed)?,
        Err(_) => EVENTS_USUAL,
    };
    let folder = tempfile::tempdir()?;
    let raw = runtime.block_on(measure(folder.path(), events))?;
    let seconds = |kind: &str| -> Vec<f64> {
        let rows = raw["questions"].as_array().into_iter().flatten();
        rows.filter_map(|row| row[kind].as_f64()).collect()
    };
    let now = record::quantile(&seconds("now"), 0.5);
    let mut text = String::new();
    for (kind, words) in [
        ("now", "now"),
        ("moment", "a moment that nobody asked for yet"),
        ("again", "the same moment again"),
    ] {
        let all = seconds(kind);
        let (median, most) = (record::quantile(&all, 0.5), record::quantile(&all, 1.0));
        let ratio = median / now;
        text += &format!("| {words} | {:.2} | {:.2} | {ratio:.2} |\n", median * 1e3, most * 1e3);
    }
    let first = raw["first"].as_f64().unwrap_or(f64::NAN);
    let fresh = raw["first_now"].as_f64().unwrap_or(f64::NAN);
    let kept = raw["kept_mib"].as_f64().unwrap_or(f64::NAN);
    let summary = format!(
        "# A question about the past beside the same question about now\n\n\
         {events} events, {INVESTORS} investors, two models, SQLite. Asked: the fund with its holdings, what stands beside its NAV, and an\n\
         account. {MOMENTS} moments over the whole journal, each asked for the first time and again, with the question about now between.\n\n\
         | about | median ms | slowest ms | ratio to now |\n| --- | --- | --- | --- |\n{text}\n\
         The first question after a start replays the journal, whatever it is about: {first:.2} s about the middle, {fresh:.2} s about now by\n\
         another reader, ratio {:.2}. All states that are kept for the past take {kept:.0} MiB.\n{}",
        first / fresh,
        if events == EVENTS_USUAL { "" } else { "A SHORT RUN: no claim.\n" },
    );
    record::write("travel", &machine, &raw, &summary)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Child(error.to_string())
}

/// Seconds of all questions over a journal of `events`.
async fn measure(folder: &Path, events: i64) -> Result<Value, Error> {
    let url = format!("sqlite://{}/travel.db", folder.display());
    let store = Store::connect(&url).await.map_err(failed)?;
    migrations::run(store.connection()).await.map_err(failed)?;
    price(&store).await;
    let writer = service(store.clone(), folder);
    let opening = [
        Step::Deposit("operator", 1_000_000_000),
        Step::Deposit("LP", 20_000_000_000),
        Step::Deposit("lab", 100_000_000 * MODELS.len() as i64),
        Step::CreateFund,
        Step::Admit(0),
        Step::Admit(1),
        Step::Seed(1_000_000_000),
        Step::Strike(2),
        Step::Rebalance(2),
    ];
    for (number, what) in opening.into_iter().enumerate() {
        step(&writer, number, what, &[]).await.map_err(failed)?;
    }
    let state = writer.ledger().await.map_err(failed)?;
    append(&store, (*state).clone(), events).await?;
    drop(writer);
    let now = Timestamp::from_millis(BEGIN + (events + 1_000) * STEP);
    let at = |part: i64| {
        let at = Timestamp::from_millis(BEGIN + events * part / 1_000 * STEP);
        Moment::new(now, Some(at), None)
    };
    let of_now = service(store.clone(), folder);
    let first_now = ask(&of_now, &Moment::now(now)).await?;
    drop(of_now);
    let reader = service(store.clone(), folder);
    let first = ask(&reader, &at(500)).await?;
    let before = resident_mib()?;
    let mut questions = Vec::new();
    for number in 0..MOMENTS {
        // Interleaved: one after the other on the same machine.
        let moment = at(31 + number * 37 % 967);
        questions.push(json!({
            "moment": ask(&reader, &moment).await?,
            "now": ask(&reader, &Moment::now(now)).await?,
            "again": ask(&reader, &moment).await?,
        }));
    }
    let kept = resident_mib()? - before;
    store.close().await.map_err(failed)?;
    Ok(json!({
        "events": events, "first": first, "first_now": first_now, "kept_mib": kept, "questions": questions,
    }))
}

/// Seconds of one question.
async fn ask(service: &Service, moment: &Moment) -> Result<f64, Error> {
    let fund = name("F");
    let start = evaluator::timing::now();
    let ledger = service.ledger_at(moment).await.map_err(failed)?;
    service.view_fund(&fund, &ledger).await.map_err(failed)?;
    service.disclose_fund(&fund, &ledger).await.map_err(failed)?;
    let owner = domain::fund::Account::Person(name("investor-0001"));
    std::hint::black_box(ledger.state.balance(&owner, &domain::fund::Asset::Cash));
    Ok(start.elapsed().as_secs_f64())
}

fn resident_mib() -> Result<f64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    Ok(kib.unwrap_or(f64::NAN) / 1_024.0)
}

/// A quiet ledger of many investors: deposits, then orders placed and taken back, and a strike every thousand events.
async fn append(store: &Store, mut state: State, events: i64) -> Result<(), Error> {
    let mut seq = ledger::max_seq(store).await.map_err(failed)?.unwrap_or(0);
    let last = seq + events;
    let (fund, mut day) = (name("F"), BEGIN / DAY);
    while seq < last {
        let transaction = store.begin().await.map_err(failed)?;
        for _ in 0..1_000.min(last - seq) {
            let event = next(&state, &fund, seq, &mut day);
            let batch = apply(&state, &event).map_err(failed)?;
            state.commit(&batch);
            seq += 1;
            let row = EventRow {
                seq,
                fund: Some(fund.to_string()),
                op: event.op().to_owned(),
                body: serde_json::to_string(&event)?,
                chain: state.chain().hex(),
                idempotency_actor: "bulk".to_owned(),
                idempotency_key: seq.to_string(),
                recorded_at: BEGIN + seq * STEP,
            };
            ledger::append_event(&transaction, row, Vec::new()).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

/// What happens after the event `seq`.
fn next(state: &State, fund: &Name, seq: i64, day: &mut i64) -> Event {
    let waits = state.fund(fund).map_or(0, |fund| fund.pending_subscriptions().len()) as u64;
    let investor = |number: i64| name(&format!("investor-{:04}", number as usize % INVESTORS));
    let (fund, who) = (fund.clone(), investor(seq / 2));
    match (seq, seq % 1_000) {
        (..=3_000, _) => Event::Deposit { who, amount: Cash::from_micro(1_000_000_000) },
        (_, 0) => {
            let price = PriceNano::from_nano(90_000_000_000 + seq * 1_000);
            let prices = MODELS.map(|model| (name(model), price)).into();
            Event::MarkSet { fund, prices, estimates: Default::default() }
        }
        (_, 1) => {
            *day += 1;
            Event::Strike { fund, day: *day }
        }
        (_, n) if n % 2 == 0 || waits == 0 => {
            Event::Subscribe { fund, who, amount: Cash::from_micro(1_000_000 + n) }
        }
        _ => Event::CancelSubscription { fund, who: investor((seq - 1) / 2), place: waits - 1 },
    }
}
