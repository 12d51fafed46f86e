//! Orders after a cut-off whose strike is late: in no strike of it, whichever server takes them; on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

#[path = "../crash/market.rs"]
#[expect(dead_code, reason = "the market is shared with tests that do more in it")]
mod market;

use std::process::Command;

use domain::{
    amount::{Cash, Shares},
    time::{DAY_MS, Timestamp},
};
use market::{Step, caller, name, price, run, service};
use service::{Caller, Moment, OrderDealing, OrderState, Service};
use store::Store;

/// 2026-01-05, a Monday.
const MONDAY: i64 = 20_458;
const NOON: &str = r#"{"cut_off":"12:00","review":{"every":"never"},"time_zone":"UTC",
    "weekdays":["monday","tuesday","wednesday","thursday","friday"]}"#;
/// The same, with the cut-off an hour later.
const ONE: &str = r#"{"cut_off":"13:00","review":{"every":"never"},"time_zone":"UTC",
    "weekdays":["monday","tuesday","wednesday","thursday","friday"]}"#;

/// A moment of a day of that week, so many seconds after noon.
fn at(day: i64, seconds: i64) -> Timestamp {
    Timestamp::from_millis((MONDAY + day) * DAY_MS + DAY_MS / 2 + seconds * 1_000)
}

fn by(who: &str, now: Timestamp) -> Caller {
    Caller { now, ..caller(who, MONDAY) }
}

/// Two servers on one database.
struct Desk {
    one: Service,
    two: Service,
    turn: std::cell::Cell<u32>,
}

impl Desk {
    async fn open(stores: [Store; 2], folder: &std::path::Path) -> Self {
        let [one, two] = stores;
        migrations::run(one.connection()).await.unwrap();
        price(&one).await;
        let (one, two) = (service(one, folder), service(two, folder));
        let steps = [
            Step::Deposit("operator", 1_000_000_000),
            Step::Deposit("lab", 200_000_000),
            Step::Deposit("ann", 5_000_000_000),
            Step::Deposit("bob", 5_000_000_000),
            Step::CreateFund,
            Step::Admit(0),
            Step::Seed(1_000_000_000),
            Step::Subscribe("bob", 900_000_000),
            Step::Strike(2),
        ];
        for (number, step) in steps.into_iter().enumerate() {
            run(&one, number, step, &[]).await.unwrap();
        }
        let operator = by("operator", at(-1, 0));
        one.set_calendar(&operator, "calendar", &name("F"), Some(NOON)).await.unwrap();
        Self { one, two, turn: std::cell::Cell::new(0) }
    }

    fn key(&self) -> String {
        self.turn.set(self.turn.get() + 1);
        format!("turn {}", self.turn.get())
    }

    async fn join(&self, server: &Service, who: &str, now: Timestamp) -> i64 {
        let amount = Cash::from_micro(100_000_000);
        server.place_subscription(&by(who, now), &self.key(), &name("F"), amount).await.unwrap()
    }

    async fn leave(&self, server: &Service, who: &str, now: Timestamp) -> i64 {
        let shares = Shares::from_nano(1_000_000_000);
        server.place_redemption(&by(who, now), &self.key(), &name("F"), shares).await.unwrap()
    }

    /// The code that taking an order back is answered with.
    async fn cancel(&self, server: &Service, who: &str, order: i64, now: Timestamp) -> String {
        let done = server.cancel_order(&by(who, now), &self.key(), order).await;
        done.map_or_else(|error| error.code().to_owned(), |_| "done".to_owned())
    }

    /// Where an order stands: the strike that dealt with it.
    async fn dealt(&self, order: i64) -> Option<i64> {
        match self.one.find_order(order).await.unwrap().unwrap().state {
            OrderState::Filled(fill) => Some(fill.strike),
            OrderState::Sliced(slice) => Some(slice.strike),
            OrderState::Paid(_) | OrderState::Waiting | OrderState::Cancelled => None,
        }
    }

    /// At which strike it will be dealt with, as both servers say.
    async fn dealing(&self, order: i64, now: Timestamp) -> OrderDealing {
        let mut told = Vec::new();
        for server in [&self.one, &self.two] {
            let ledger = server.ledger_at(&Moment::now(now)).await.unwrap();
            let order = server.find_order(order).await.unwrap().unwrap();
            told.push(server.find_order_dealing(&order, &ledger).await.unwrap().unwrap());
        }
        assert_eq!(told[0], told[1]);
        told[0]
    }
}

fn waits_for(strike: i64, cut_off: Timestamp, is_closed: bool) -> OrderDealing {
    OrderDealing { strike, cut_off: Some(cut_off), is_closed, held_since: None }
}

/// A day, two days, an outage of a week: who is in which strike.
async fn play(desk: &Desk) {
    let Desk { one, two, .. } = desk;
    // Monday: ann is in time, bob is five seconds late at the other server, which strikes nothing. He leaves late, too.
    let ann = desk.join(one, "ann", at(0, -60)).await;
    assert_eq!(desk.dealing(ann, at(0, -30)).await, waits_for(2, at(0, 0), false));
    let bob = desk.join(two, "bob", at(0, 5)).await;
    let left = desk.leave(one, "bob", at(0, 6)).await;
    assert_eq!(desk.dealing(ann, at(0, 7)).await, waits_for(2, at(0, 0), true));
    for order in [bob, left] {
        assert_eq!(desk.dealing(order, at(0, 7)).await, waits_for(3, at(1, 0), false));
    }
    // A server whose clock is a minute behind takes nobody's order into the book, and none out of it.
    let slow = desk.join(one, "ann", at(0, -50)).await;
    assert_eq!(desk.dealing(slow, at(0, 8)).await.strike, 3);
    assert_eq!(desk.cancel(one, "ann", ann, at(0, -40)).await, "closed");
    assert_eq!(desk.cancel(two, "ann", slow, at(0, 9)).await, "done");
    // Nothing is bound behind a cut-off.
    let bound = one.commit_prices(&by("operator", at(0, 10)), &desk.key(), &name("F")).await;
    assert_eq!(bound.unwrap_err().code(), "commitment");
    assert_eq!(two.keep_calendars(at(0, 40)).await.unwrap().strikes, 1);
    for (order, strike) in [(ann, Some(2)), (bob, None), (left, None)] {
        assert_eq!(desk.dealt(order).await, strike);
    }
    // Nobody strikes on Tuesday: what came by its noon and what came by Wednesday's are in one strike, and nothing after it.
    let tuesday = desk.join(two, "ann", at(1, 5)).await;
    assert_eq!(desk.cancel(one, "bob", bob, at(1, 6)).await, "closed");
    let wednesday = desk.join(one, "ann", at(2, 5)).await;
    assert_eq!(desk.cancel(two, "ann", tuesday, at(2, 6)).await, "closed");
    let strike = two.strike_fund(&by("operator", at(2, 7)), "by hand", &name("F"), false).await;
    assert_eq!(strike.unwrap(), 3);
    for (order, strike) in [(bob, Some(3)), (left, Some(3)), (tuesday, Some(3)), (wednesday, None)]
    {
        assert_eq!(desk.dealt(order).await, strike);
    }
    assert_eq!(one.keep_calendars(at(2, 60)).await.unwrap().strikes, 0, "the day is settled");
    // Without a late order a strike needs no cut-off: Thursday's takes what came by its noon.
    assert_eq!(one.keep_calendars(at(3, 1)).await.unwrap().strikes, 1);
    assert_eq!(desk.dealt(wednesday).await, Some(4));
    outage(desk).await;
}

/// Nobody strikes for days: whoever is in the book takes his order back on the third, and a calendar that changes lets nobody in.
async fn outage(desk: &Desk) {
    let Desk { one, two, .. } = desk;
    let ann = desk.join(one, "ann", at(4, -10)).await;
    let gone = desk.leave(one, "bob", at(4, -9)).await;
    assert_eq!(desk.cancel(two, "bob", gone, at(4, 1)).await, "closed", "with no event before it");
    let late = desk.join(two, "bob", at(4, 2)).await;
    // Saturday and Sunday pass, and Monday's noon is there.
    assert_eq!(desk.cancel(two, "bob", gone, at(6, 86_000)).await, "done", "the third day");
    assert_eq!(desk.cancel(one, "bob", gone, at(7, 1)).await, "invalid", "it waits no more");
    let monday = desk.join(one, "bob", at(7, 2)).await;
    // Another calendar leaves the book closed, and the day that was missed is told.
    one.set_calendar(&by("operator", at(7, 3)), "later", &name("F"), Some(ONE)).await.unwrap();
    let sneaky = desk.join(two, "bob", at(7, 4)).await;
    let strike = one.strike_fund(&by("operator", at(7, 5)), "after it", &name("F"), false).await;
    assert_eq!(strike.unwrap(), 5);
    for (order, strike) in [(ann, Some(5)), (late, Some(5)), (monday, None), (sneaky, None)] {
        assert_eq!(desk.dealt(order).await, strike);
    }
    // The date is settled, so the other calendar holds from Tuesday on.
    assert_eq!(two.keep_calendars(at(8, 3_601)).await.unwrap().strikes, 1);
    for order in [monday, sneaky] {
        assert_eq!(desk.dealt(order).await, Some(6));
    }
    one.ledger().await.unwrap().check().unwrap();
}

/// Proves on a SQLite file, with two services on it, that an order after a cut-off is in no strike of it: joiners and leavers, at a server
/// with a slow clock, over several missed days, over a strike by hand and a changed calendar; that what is in the book is not taken back
/// but after three days; and that `Order` says its strike and cut-off before.
#[tokio::test(flavor = "multi_thread")]
async fn late_orders_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
    let stores = [Store::connect(&url).await.unwrap(), Store::connect(&url).await.unwrap()];
    play(&Desk::open(stores, folder.path()).await).await;
}

/// Proves the same on PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn late_orders_on_postgres() {
    let Ok(server) = std::env::var("MODELFOLIO_TEST_POSTGRES") else {
        let required = std::env::var("MODELFOLIO_CHECK").is_ok_and(|value| value == "1");
        assert!(!required, "MODELFOLIO_TEST_POSTGRES is not set");
        eprintln!("PostgreSQL: not run (MODELFOLIO_TEST_POSTGRES is not set)");
        return;
    };
    let database = format!("mf_late_{}", std::process::id());
    let psql = |statement: String| {
        let done = Command::new("psql").args([&server, "-qc", &statement]).status();
        assert!(done.unwrap().success(), "{statement}");
    };
    psql(format!("CREATE DATABASE {database}"));
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/{database}", server.rsplit_once('/').unwrap().0);
    let stores = [Store::connect(&url).await.unwrap(), Store::connect(&url).await.unwrap()];
    play(&Desk::open(stores, folder.path()).await).await;
    psql(format!("DROP DATABASE {database} WITH (FORCE)"));
}
