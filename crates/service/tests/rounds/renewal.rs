//! Prices that grow old.

use domain::time::DAY_MS;

use crate::world::{HONEST, World, at, caller};

/// Proves that a listed version is measured again at five days, once, at any quorum, and not before.
#[tokio::test]
async fn an_old_price_is_measured_again() {
    let world = World::new(3, &["a", "b", "c"]).await;
    let round = world.play("one", &[HONEST; 3], 10_000).await;
    assert!(round.verdict.unwrap().agreed);
    let due = 10_003 + 5 * DAY_MS;
    assert_eq!(world.service.renew_prices(at(due - 1)).await.unwrap(), 0);
    assert_eq!(world.service.renew_prices(at(due)).await.unwrap(), 1);
    assert_eq!(world.service.renew_prices(at(due)).await.unwrap(), 0, "it waits already");
    let rounds = world.service.list_rounds(&world.version, None, 10).await.unwrap();
    assert_eq!(rounds.len(), 2);

    let world = World::new(3, &["a", "b", "c"]).await;
    world.play("one", &[HONEST; 3], 10_000).await;
    let one = service::QuorumSetting { quorum: 1, ..world.service.quorum().await.unwrap() };
    world.service.set_quorum(&caller("operator", 20_000), "one", &one).await.unwrap();
    assert_eq!(world.service.renew_prices(at(due)).await.unwrap(), 1);
    assert_eq!(world.service.renew_prices(at(due + 1)).await.unwrap(), 0, "the job waits");
}
