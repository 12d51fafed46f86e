//! A life in which a strike is late for its cut-off, an order is held back, and a model's fee share changes.

use domain::{
    amount::{Cash, Ppb, Shares},
    fund::{Event, divide_fees},
    time::DAY_MS,
};

use super::{Twist, World, name};

impl World {
    /// The two honest strikes; a third whose book was closed before an order that waits for the fourth, as one that is held back does;
    /// a distribution by the fee shares of each strike, and a fifth strike behind it.
    pub(crate) fn late() -> Self {
        let mut world = Self::new(Twist::Honest);
        let (fund, alice, bob) = (name("main"), name("ALICE"), name("BOB"));
        let join = |who: &str, amount| {
            let (fund, who) = (fund.clone(), name(who));
            Event::Subscribe { fund, who, amount: Cash::from_micro(amount) }
        };
        let hold = |held, day| {
            let (fund, who) = (fund.clone(), alice.clone());
            Event::HoldOrder { fund, who, place: 0, held, day }
        };
        world.post(join("ALICE", 11_000_000));
        world.post(join("BOB", 12_000_000));
        let (shares, who) = (Shares::from_nano(5_000), alice.clone());
        world.post(Event::Redeem { fund: fund.clone(), who, shares });
        world.post(hold(true, 21));
        let share = Ppb::from_ppb(333_333_333);
        world.post(Event::SetFeeShare { fund: fund.clone(), model: name("m/b"), share });
        world.post(Event::CutOff { fund: fund.clone(), at: 25 * DAY_MS });
        world.post(join("BOB", 13_000_000));
        world.post(Event::Redeem { fund: fund.clone(), who: bob, shares: Shares::from_nano(1) });
        world.strike(&fund);
        world.post(hold(false, 31));
        world.strike(&fund);
        let split = |model: &_| world.state.model(model).unwrap().contributors();
        let pool = world.state.fund(&fund).unwrap().params().publisher_pool.clone();
        let spans = world.watch.restated().fee_spans(1, 4);
        let parts = divide_fees(spans, &[].into(), split, &pool).unwrap();
        let (from, to, fee_shares) = (1, 4, [].into());
        world.post(Event::DistributeFees { fund: fund.clone(), from, to, fee_shares, parts });
        world.strike(&fund);
        world
    }
}
