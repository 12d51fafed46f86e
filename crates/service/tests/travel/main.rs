//! Questions about the past: what was answered once is answered for ever, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

#[path = "../crash/market.rs"]
#[expect(dead_code, reason = "the market is shared with tests that use more of it")]
mod market;
mod statements;

use std::{path::Path, process::Command, sync::Arc};

use domain::{amount::Shares, fund::State, time::Timestamp};
use market::{MODELS, Step, caller, name, price, run, service};
use service::{FundView, LedgerAt, Moment, Service, Strike};
use store::Store;

const DAY: i64 = 86_400_000;

/// A life with everything that a view shows: money in and out, strikes, batches, orders of both sides, an end of a model.
const LIFE: [Step; 26] = [
    Step::Deposit("operator", 1_000_000_000),
    Step::Deposit("LP", 20_000_000_000),
    Step::Deposit("lab", 200_000_000),
    Step::Deposit("ann", 5_000_000_000),
    Step::Deposit("bob", 5_000_000_000),
    Step::CreateFund,
    Step::Admit(0),
    Step::Admit(1),
    Step::Seed(1_000_000_000),
    Step::Subscribe("ann", 2_000_000_000),
    Step::Subscribe("bob", 1_500_000_000),
    Step::Strike(2),
    Step::Rebalance(2),
    Step::Redeem("bob", 1_000_000_000),
    Step::Strike(3),
    Step::Rebalance(3),
    Step::Subscribe("ann", 300_000_000),
    Step::Subscribe("bob", 200_000_007),
    Step::Cancel("bob", 17),
    Step::Redeem("ann", 700_000_000_001),
    Step::InKind("bob", 5_000_000_000),
    Step::Claim("bob"),
    Step::Give("ann", "bob", 1_000_001),
    Step::Strike(10),
    Step::Rebalance(10),
    Step::Subscribe("bob", 100_000_000),
];

fn moment(now: Timestamp, as_of: i64) -> Moment {
    Moment::new(now, Some(Timestamp::from_millis(as_of)), None)
}

/// Everything that can be asked about funds and owners, in words.
async fn told(service: &Service, ledger: &LedgerAt) -> String {
    // What the ledger holds is in the views; what it is called does not matter.
    let plain = |view: FundView| FundView {
        ledger: LedgerAt {
            state: Arc::default(),
            trails: Arc::default(),
            as_of: Timestamp::from_millis(0),
            known_at: None,
            ..view.ledger
        },
        ..view
    };
    let mut said = Vec::new();
    for view in service.view_funds(None, 100, ledger).await.unwrap() {
        let fund = view.fund.name.clone();
        let quote = service.quote_exit(&fund, Shares::from_nano(1_000_000_007), ledger);
        let strikes = service.list_strikes(&fund, None, 100, ledger).await.unwrap();
        let strikes: Vec<Strike> =
            strikes.into_iter().map(|strike| Strike { known_at: None, ..strike }).collect();
        let disclosed = service.disclose_fund(&fund, ledger).await;
        let disclosed = disclosed.map_err(|error| error.to_string());
        let moves = service.attribute_fund(&fund, 0, 2, ledger).await;
        let moves = moves.map_err(|error| error.to_string());
        said.push(format!("{:?}\n{quote:?}\n{strikes:?}\n{disclosed:?}\n{moves:?}", plain(view)));
    }
    for owner in ["ann", "bob"] {
        let orders = service.list_orders(&name(owner), None, 100, ledger).await.unwrap();
        for order in &orders {
            let found = service.find_order_at(order.id, ledger).await.unwrap();
            assert_eq!(format!("{found:?}"), format!("{:?}", Some(order)));
        }
        // An order remembers at which knowledge it was asked for, as a strike does.
        let known_at = format!("known_at: {:?}", ledger.known_at);
        said.push(format!("{orders:?}").replace(&known_at, "known_at: None"));
    }
    said.push(ledger.state.chain().hex());
    said.join("\n")
}

/// What was answered live, the moment that was told with it, and the whole state.
struct Answer {
    at: Timestamp,
    said: String,
    state: Arc<State>,
}

async fn answer(service: &Service, day: i64) -> Answer {
    let now = Timestamp::from_millis(day * DAY + 1);
    let live = service.ledger_at(&Moment::now(now)).await.unwrap();
    let at = live.recorded_at.unwrap();
    // Quotes are of the day of the moment that is asked about.
    let live = LedgerAt { as_of: at, ..live };
    Answer { at, said: told(service, &live).await, state: live.state }
}

async fn check(service: &Service, answers: &[Answer], now: Timestamp) {
    let mut before: Option<&String> = None;
    for Answer { at, said, state } in answers {
        for _ in 0..2 {
            let ledger = service.ledger_at(&moment(now, at.as_millis())).await.unwrap();
            assert!(*ledger.state == **state, "the state at {at}");
            assert_eq!(&told(service, &ledger).await, said, "at {at}");
        }
        // Right before it there was what was before it; what is asked about a later moment and known at this one is the same.
        let earlier = service.ledger_at(&moment(now, at.as_millis() - 1)).await.unwrap();
        let earlier = LedgerAt { as_of: earlier.recorded_at.unwrap_or(*at), ..earlier };
        if let Some(before) = before {
            assert_eq!(&told(service, &earlier).await, before, "before {at}");
        }
        let known = Moment::new(now, Some(now.plus_millis(-60_000)), Some(*at));
        let known = service.ledger_at(&known).await.unwrap();
        assert_eq!(known.state.chain(), state.chain(), "known at {at}");
        before = Some(said);
    }
}

/// Lives, asks after every command, and asks again: of the same process, and of one that has just started.
async fn live_and_ask(url: &str, folder: &Path) {
    let store = Store::connect(url).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    price(&store).await;
    // Two servers over one database take turns.
    let servers = [service(store.clone(), folder), service(store.clone(), folder)];
    let (mut numbers, mut answers) = (Vec::new(), Vec::<Answer>::new());
    for (number, step) in LIFE.into_iter().enumerate() {
        let server = &servers[number % 2];
        numbers.push(run(server, number, step, &numbers).await.unwrap());
        let asked = answer(server, 12).await;
        assert!(answers.last().is_none_or(|last| last.at < asked.at), "each has its own moment");
        answers.push(asked);
        if number == 14 {
            // A price that comes in between is no event of the ledger, and changes no answer about it.
            let transaction = store.begin().await.unwrap();
            let decided = answers.last().unwrap().at.as_millis() + 1;
            decide_at(&transaction, "lab-a", 2, decided).await;
            transaction.commit().await.unwrap();
            assert_eq!(answer(server, 12).await.said, answers.last().unwrap().said);
        }
    }
    check(&servers[0], &answers, Timestamp::from_millis(12 * DAY)).await;
    statements::check(&servers[0], &answers, Timestamp::from_millis(12 * DAY)).await;
    let (operator, fund, model) = (caller("operator", 12), name("F"), name(MODELS[1]));
    servers[1].delist_model(&operator, "end", &fund, &model).await.unwrap();
    // The horizon: a quiet past is closed by whoever asks for it, and nothing is recorded behind it, not even by a clock that is late.
    let now = Timestamp::from_millis(20 * DAY);
    let quiet = moment(now, 20 * DAY - 60_000);
    let last = servers[0].ledger_at(&quiet).await.unwrap();
    let said = told(&servers[0], &last).await;
    run(&servers[1], 900, Step::Deposit("ann", 5), &[]).await.unwrap();
    let late = answer(&servers[1], 20).await;
    assert!(late.at > now, "{}", late.at);
    let fresh = service(store.clone(), folder);
    let again = fresh.ledger_at(&quiet).await.unwrap();
    assert!(*again.state == *last.state && told(&fresh, &again).await == said);
    check(&fresh, &answers, now).await;
    check(&service(store.clone(), folder), &answers[20..], now).await;
    store.close().await.unwrap();
}

async fn decide_at(transaction: &store::StoreTransaction, id: &str, seq: i64, decided_at: i64) {
    let before = store::price_decision::latest(transaction, id).await.unwrap().unwrap();
    let row = store::PriceDecisionRow {
        seq,
        status: "ACCEPTED".into(),
        price_micro: Some(95_000_000),
        sigma_ln: "0.02".into(),
        decided_at,
        ..before
    };
    store::price_decision::insert(transaction, row).await.unwrap();
}

/// Proves invariant 36 on a SQLite file: what was answered live at a moment is answered about that moment word for word, twice, after
/// everything that was written later, by servers that take turns and by one that has just started; and nothing is ever recorded in a
/// moment that was answered, by however late a clock.
#[tokio::test(flavor = "multi_thread")]
async fn inv_36_answers_stay_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
    live_and_ask(&url, folder.path()).await;
}

/// Proves the same on PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn inv_36_answers_stay_on_postgres() {
    let Ok(server) = std::env::var("MODELFOLIO_TEST_POSTGRES") else {
        let required = std::env::var("MODELFOLIO_CHECK").is_ok_and(|value| value == "1");
        assert!(!required, "MODELFOLIO_TEST_POSTGRES is not set");
        eprintln!("PostgreSQL: not run (MODELFOLIO_TEST_POSTGRES is not set)");
        return;
    };
    let psql = |statement: &str| {
        let done = Command::new("psql").args([&server, "-qc", statement]).status();
        assert!(done.unwrap().success(), "{statement}");
    };
    let database = format!("mf_travel_{}", std::process::id());
    psql(&format!("CREATE DATABASE {database}"));
    let url = format!("{}/{database}", server.rsplit_once('/').unwrap().0);
    live_and_ask(&url, tempfile::tempdir().unwrap().path()).await;
    psql(&format!("DROP DATABASE {database} WITH (FORCE)"));
}

/// Proves which moments are refused and with what: the open minute, the future, and either of the two arguments; that a moment that has
/// something recorded at it or after it needs no minute; that the refused question closed nothing; and what was before the first event.
#[tokio::test(flavor = "multi_thread")]
async fn moments_that_are_not_over_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
    let store = Store::connect(&url).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    price(&store).await;
    let service = service(store.clone(), folder.path());
    let now = Timestamp::from_millis(DAY);
    let at = |millis: i64| Some(Timestamp::from_millis(millis));
    for (as_of, known_at, field) in [
        (at(DAY - 59_999), None, "asOf"),
        (at(DAY), None, "asOf"),
        (at(9 * DAY), None, "asOf"),
        (None, at(9 * DAY), "knownAt"),
        (at(5), at(DAY - 59_999), "knownAt"),
    ] {
        let refused = service.ledger_at(&Moment::new(now, as_of, known_at)).await.unwrap_err();
        let latest = Timestamp::from_millis(DAY - 60_000).to_string();
        assert_eq!(refused.code(), "not_yet");
        let text = refused.to_string();
        assert!(text.starts_with(field) && text.contains("is not over"), "{text}");
        assert!(text.ends_with(&latest), "{text}");
    }
    for (number, step) in LIFE[..4].iter().enumerate() {
        run(&service, number, *step, &[]).await.unwrap();
    }
    // Four commands of one millisecond of the clock: each has its own.
    for (after, seq) in [(0, 1_i64), (1, 2), (2, 3), (3, 4)] {
        let ledger = service.ledger_at(&moment(now, DAY + 1 + after)).await.unwrap();
        assert_eq!((ledger.seq, ledger.state.events()), (seq, seq.unsigned_abs()));
    }
    let ledger = service.ledger_at(&moment(now, DAY)).await.unwrap();
    assert_eq!((ledger.seq, ledger.recorded_at), (0, None));
    assert!(service.view_funds(None, 9, &ledger).await.unwrap().is_empty());
    assert_eq!(store::ledger_horizon::latest(&store).await.unwrap(), None);
    store.close().await.unwrap();
}
