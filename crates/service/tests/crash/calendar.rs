//! The calendar's own commands: a look at what is due dies at any write point, and the next look does the rest, once.

use std::sync::Arc;

use domain::time::{DAY_MS, Timestamp};
use service::{DealingState, Moment, Service};
use store::{Faults, Store};

use crate::{
    BEFORE, NEVER, Place, Sqlite, go,
    market::{caller, name, price, service},
    standing,
};

/// 2026-01-05, a Monday; funds of the other tests live in 1970, which no calendar knows.
const MONDAY: i64 = 20_458;
const CALENDAR: &str = r#"{"cut_off":"12:00","review":{"every":"dealing_day"},"time_zone":"UTC",
    "weekdays":["monday","tuesday","wednesday","thursday","friday"]}"#;

/// Half a minute after the cut-off of Wednesday.
fn now() -> Timestamp {
    Timestamp::from_millis((MONDAY + 2) * DAY_MS + DAY_MS / 2 + 30_000)
}

/// What the ledger and the rows about dealing days say.
async fn told(service: &Service, store: &Store) -> String {
    let ledger = service.ledger_at(&Moment::now(now())).await.unwrap();
    let days = service.list_dealing_days(&name("F"), None, 100, &ledger).await.unwrap();
    let days: Vec<String> = days
        .iter()
        .map(|d| format!("{} {} {:?} {:?} {}", d.seq, d.date, d.state, d.strike, d.review))
        .collect();
    format!("{days:?} {}", standing(service, store).await)
}

/// A database with a fund that has a calendar, to be copied.
async fn with_calendar() -> Sqlite {
    let place = Sqlite(tempfile::tempdir().unwrap());
    let store = Store::connect(&place.template()).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    price(&store).await;
    let template = service(store.clone(), place.folder());
    assert_eq!(go(&template, &BEFORE, &mut Vec::new()).await, None);
    let operator = caller("operator", MONDAY);
    template.set_calendar(&operator, "calendar", &name("F"), Some(CALENDAR)).await.unwrap();
    drop(template);
    store.close().await.unwrap();
    place
}

/// Proves that a process which dies at any write point of a look leaves strike and review whole or absent, that the next look does what
/// is left under the same keys, and that a further look does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_calendar_is_kept_once() {
    let place = with_calendar().await;

    let counting = Arc::new(Faults::at(NEVER));
    let store = Store::connect(&place.copy()).await.unwrap().with_faults(counting.clone());
    let undisturbed = service(store.clone(), place.folder());
    let kept = undisturbed.keep_calendars(now()).await.unwrap();
    assert_eq!((kept.strikes, kept.reviews, kept.failures), (1, 1, 0));
    let expected = told(&undisturbed, &store).await;
    let ledger = undisturbed.ledger_at(&Moment::now(now())).await.unwrap();
    let days = undisturbed.list_dealing_days(&name("F"), None, 100, &ledger).await.unwrap();
    let states: Vec<DealingState> = days.iter().map(|day| day.state).collect();
    use DealingState::{Missed, Reviewed, Struck};
    assert_eq!(states, [Missed, Missed, Struck, Reviewed]);
    let points = counting.passed(NEVER);
    store.close().await.unwrap();
    assert!(points > 15, "{points} write points");
    for point in 1..=points {
        let whole = Store::connect(&place.copy()).await.unwrap();
        let dying = whole.clone().with_faults(Arc::new(Faults::at(point)));
        let mortal = service(dying, place.folder());
        // A look tells of no fund's failure but in its count.
        let kept = mortal.keep_calendars(now()).await.unwrap();
        assert!(kept.failures > 0, "nothing failed at write point {point}");
        drop(mortal);
        let reborn = service(whole.clone(), place.folder());
        for look in ["the next", "a further"] {
            reborn.keep_calendars(now()).await.unwrap();
            assert_eq!(told(&reborn, &whole).await, expected, "{look} look after point {point}");
        }
        whole.close().await.unwrap();
    }
    println!("{points} write points");
}

/// Late orders of both kinds, one that is refused, and the strike that they are late for.
async fn late(service: &Service, store: &Store) -> Result<String, service::ServiceError> {
    let fund = name("F");
    let by = |who| service::Caller { now: now(), ..caller(who, MONDAY) };
    let amount = domain::amount::Cash::from_micro(200_000_000);
    let join = service.place_subscription(&by("ann"), "late join", &fund, amount).await?;
    let shares = domain::amount::Shares::from_nano(1_000_000_000);
    let leave = service.place_redemption(&by("bob"), "late leave", &fund, shares).await?;
    service.cancel_order(&by("ann"), "late cancel", join).await?;
    let strike = service.strike_fund(&by("operator"), "late strike", &fund, false).await?;
    let last = service.strike_fund(&by("operator"), "next strike", &fund, false).await?;
    Ok(format!("{join} {leave} {strike} {last} {}", told(service, store).await))
}

/// Proves that a process which dies at any write point of orders that come after a cut-off, of the strike that they are late for and of the
/// one that deals with them, leaves each of them whole or absent, and that the same requests lead to the same state.
#[tokio::test(flavor = "multi_thread")]
async fn late_orders_are_whole_or_absent() {
    let place = with_calendar().await;

    let counting = Arc::new(Faults::at(NEVER));
    let store = Store::connect(&place.copy()).await.unwrap().with_faults(counting.clone());
    let undisturbed = service(store.clone(), place.folder());
    let expected = late(&undisturbed, &store).await.unwrap();
    let points = counting.passed(NEVER);
    store.close().await.unwrap();
    for point in 1..=points {
        let whole = Store::connect(&place.copy()).await.unwrap();
        let dying = whole.clone().with_faults(Arc::new(Faults::at(point)));
        let mortal = service(dying, place.folder());
        assert!(late(&mortal, &whole).await.is_err(), "nothing failed at write point {point}");
        drop(mortal);
        let reborn = service(whole.clone(), place.folder());
        assert_eq!(late(&reborn, &whole).await.unwrap(), expected, "after point {point}");
        whole.close().await.unwrap();
    }
    println!("{points} write points");
}
