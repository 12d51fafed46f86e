//! The instant window in the service: what it pays out of what the fund has sold, and that the journal alone shows it.

use domain::{
    amount::{Cash, PriceNano, Shares},
    fund::{Event, Methodology, State, apply},
    proof::Watch,
};
use serde_json::json;
use service::{Order, OrderSize, OrderState, PlaceWindowRequest, ServiceError};

use crate::{
    rules,
    world::{World, caller, name},
};

const SHARE: i64 = 1_000_000_000;

impl World {
    async fn ask(&self, who: &str, shares: i64, day: i64) -> Result<i64, ServiceError> {
        self.ask_at(who, (shares, None), day).await
    }

    async fn ask_at(
        &self,
        who: &str,
        (shares, least): (i64, Option<PriceNano>),
        day: i64,
    ) -> Result<i64, ServiceError> {
        let shares = Shares::from_nano(shares);
        let input = PlaceWindowRequest { fund: name("F"), shares, least };
        let key = self.key();
        self.service.place_window_request(&caller(who, day), &key, &input).await
    }

    async fn order(&self, id: i64) -> Order {
        self.service.find_order(id).await.unwrap().unwrap()
    }
}

/// Proves that the window pays what was quoted, out of cash alone before the fund has sold and more after it, once; that an order knows
/// what it got, another of the same owner is refused and one that comes back is closed; that a strike below his least or in doubt gives all
/// back; and that the verifier's watch derives all of it from the journal alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_window_pays_at_the_strike() {
    let window = json!({ "budget": 250_000_000, "levy_out": 5_000_000 });
    let text = rules(&[("window", window), ("price_age_days_max", json!(7))]);
    let world = World::open(&text).await;
    let service = &world.service;
    world.strike(2).await;
    world.rebalance(2).await;
    let quote = async |shares: i64| {
        let moment = service::Moment::new(caller("ann", 3).now, None, None);
        let ledger = service.ledger_at(&moment).await.unwrap();
        let told = service.quote_window(&name("F"), Shares::from_nano(shares), &ledger).unwrap();
        (told.unwrap(), service.fund_window(&name("F"), &ledger).unwrap().unwrap())
    };
    let (quoted, view) = quote(10 * SHARE).await;
    assert!(view.clearing.is_empty() && view.shut.is_none());
    let first = world.ask("ann", 10 * SHARE, 3).await.unwrap();
    let again = world.ask("ann", 11 * SHARE, 3).await.unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
    assert!(matches!(world.order(first).await.state, OrderState::Waiting));
    world.strike(3).await;
    let OrderState::Paid(paid) = world.order(first).await.state else { unreachable!() };
    assert_eq!((paid.strike, paid.shares, paid.cash), (2, Shares::from_nano(10 * SHARE), quoted));
    // A twelfth of NAV or so is cash.
    assert!(paid.cash < Cash::from_micro(1_000_000), "{:?}", paid.cash);

    // Prices rise, so that units are sold to keep cash where it shall be.
    world.decide("lab-a", "ACCEPTED", 105_000_000, 1).await;
    world.decide("lab-b", "ACCEPTED", 105_000_000, 1).await;
    world.strike(3).await;
    world.rebalance(3).await;
    let (more, view) = quote(10 * SHARE).await;
    assert_eq!(view.clearing.len(), 2, "{view:?}");
    assert!(more > quoted, "{more:?} {quoted:?}");
    let second = world.ask("ann", 10 * SHARE, 3).await.unwrap();
    let back = world.ask("bob", SHARE, 3).await;
    assert!(matches!(back, Err(ServiceError::Rejected(_))), "bob has no share");
    world.strike(3).await;
    let OrderState::Paid(paid) = world.order(second).await.state else { unreachable!() };
    assert_eq!(paid.cash, more);

    // A share is worth about one credit: nobody pays two.
    let (least, shares) = (PriceNano::from_nano(2 * SHARE), Shares::from_nano(10 * SHARE));
    let dear = world.ask_at("ann", (10 * SHARE, Some(least)), 3).await.unwrap();
    assert_eq!(world.order(dear).await.size, OrderSize::Window(shares, least));
    world.strike(3).await;
    let third = world.ask("ann", 10 * SHARE, 20).await.unwrap();
    world.strike(20).await;
    // He has all of them back; so he has where prices are too old.
    for order in [dear, third] {
        let OrderState::Paid(paid) = world.order(order).await.state else { unreachable!() };
        assert_eq!((paid.shares, paid.cash), (Shares::ZERO, Cash::ZERO));
    }
    assert!(service.cancel_order(&caller("ann", 20), "back", third).await.is_err());

    let (fund, rules) = (name("F"), Methodology::parse(&text).unwrap());
    let (mut watch, mut state, mut paid) = (Watch::new(fund, rules), State::new(), 0);
    for row in store::ledger::list_events(&world.store, Some(0), 500).await.unwrap() {
        let event: Event = serde_json::from_str(&row.body).unwrap();
        let batch = apply(&state, &event).unwrap();
        watch.before(&state, &event);
        state.commit(&batch);
        let facts = watch.after(&state, &event, &batch).unwrap();
        paid += facts.map_or(0, |facts| facts.window.len());
    }
    assert_eq!(paid, 3, "the dear one among them");
}
