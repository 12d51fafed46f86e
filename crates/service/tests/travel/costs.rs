//! What a question about the past costs on a long journal. A measurement, not a check: it is run by name, and prints.

use std::time::{Duration, Instant};

use domain::{
    amount::{Cash, PriceNano},
    fund::{Event, State, apply},
    time::Timestamp,
};
use service::{Moment, Service};
use store::{EventRow, Store, ledger};

use crate::{
    DAY, LIFE,
    market::{MODELS, name, price, run, service},
    moment,
};

const INVESTORS: usize = 1_000;

/// A quiet ledger of many investors: deposits, then orders placed and taken back, and a strike every thousand events.
async fn append(store: &Store, mut state: State, events: i64) {
    let mut seq = ledger::max_seq(store).await.unwrap().unwrap_or(0);
    let last = seq + events;
    let (fund, mut day) = (name("F"), 20);
    let investor = |number: i64| name(&format!("investor-{:04}", number as usize % INVESTORS));
    while seq < last {
        let transaction = store.begin().await.unwrap();
        for _ in 0..1_000.min(last - seq) {
            let waits = state.fund(&fund).unwrap().pending_subscriptions().len() as u64;
            let (fund, who) = (fund.clone(), investor(seq / 2));
            let event = match (seq, seq % 1_000) {
                (..=3_000, _) => Event::Deposit { who, amount: Cash::from_micro(1_000_000_000) },
                (_, 0) => {
                    let price = PriceNano::from_nano(90_000_000_000 + seq * 1_000);
                    let prices = MODELS.map(|model| (name(model), price)).into();
                    Event::MarkSet { fund, prices, estimates: Default::default() }
                }
                (_, 1) => {
                    day += 1;
                    Event::Strike { fund, day }
                }
                (_, n) if n % 2 == 0 || waits == 0 => {
                    Event::Subscribe { fund, who, amount: Cash::from_micro(1_000_000 + n) }
                }
                _ => Event::CancelSubscription {
                    fund,
                    who: investor((seq - 1) / 2),
                    place: waits - 1,
                },
            };
            let batch = apply(&state, &event).unwrap();
            state.commit(&batch);
            seq += 1;
            let row = EventRow {
                seq,
                fund: Some("F".to_owned()),
                op: event.op().to_owned(),
                body: serde_json::to_string(&event).unwrap(),
                chain: state.chain().hex(),
                idempotency_actor: "bulk".to_owned(),
                idempotency_key: seq.to_string(),
                recorded_at: 20 * DAY + seq * 1_000,
            };
            ledger::append_event(&transaction, row, Vec::new()).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
async fn ask(service: &Service, moment: &Moment) -> Duration {
    let start = Instant::now();
    let ledger = service.ledger_at(moment).await.unwrap();
    service.view_fund(&name("F"), &ledger).await.unwrap();
    start.elapsed()
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
}

/// Measures the first question after a start, questions about moments that were not asked for yet, and one that was, over a journal of
/// 100,000 events (`EVENTS` sets another number).
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes"]
async fn what_a_moment_costs() {
    let events = std::env::var("EVENTS").map_or(100_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
    let store = Store::connect(&url).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    price(&store).await;
    let first = service(store.clone(), folder.path());
    let mut numbers = Vec::new();
    for (number, step) in LIFE.into_iter().enumerate() {
        numbers.push(run(&first, number, step, &numbers).await.unwrap());
    }
    append(&store, (*first.ledger().await.unwrap()).clone(), events).await;
    drop(first);
    let now = Timestamp::from_millis(20 * DAY + (events + 1_000) * 1_000);
    let at = |part: i64| moment(now, 20 * DAY + events * part / 1_000 * 1_000);
    let before = resident_mib();
    let fresh = service(store.clone(), folder.path());
    println!("{events} events; resident {before} MiB before the first question");
    println!("first question after a start, about the middle: {:?}", ask(&fresh, &at(500)).await);
    println!("resident {} MiB after it", resident_mib());
    let mut other = Vec::new();
    for number in 0..200 {
        other.push(ask(&fresh, &at(31 + number * 37 % 967)).await);
    }
    other.sort();
    println!("another moment: median {:?}, slowest {:?}", other[100], other[199]);
    println!("resident {} MiB after 200 of them", resident_mib());
    println!("the same moment again: {:?}", ask(&fresh, &at(31 + 199 * 37 % 967)).await);
    println!("now: {:?}", ask(&fresh, &Moment::now(now)).await);
    store.close().await.unwrap();
}
