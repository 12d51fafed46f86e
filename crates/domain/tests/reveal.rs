//! The two-sided strike on a ledger: what is bound, what is closed, what a withheld reveal does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{INVESTORS, MODELS, commit, ledger, name};
use domain::{
    amount::{Cash, PriceNano, Shares},
    digest::Digest,
    fund::{
        Account, Asset, BOOK_DAYS_MAX, Effect, Event, Outcome, PriceSet, Salt, State,
        StrikeOutcome, apply,
    },
    name::Name,
};

fn salt(byte: u8) -> Salt {
    Salt::from_bytes([byte; 32])
}

fn set(pairs: &[(&str, i64)]) -> BTreeMap<Name, PriceNano> {
    pairs.iter().map(|(model, nano)| (name(model), PriceNano::from_nano(*nano))).collect()
}

/// Proves that a commitment is the digest of the canonical JSON that its documentation says, by the SHA-256 of another program; and
/// that every part of a set is bound.
#[test]
fn a_commitment_binds_all_of_a_set() {
    let (fund, other) = (name("f"), name("g"));
    let (estimates, prices) =
        (set(&[("m/a", 2_500_000_000)]), set(&[("m/a", 9_000_000_000_000_000_000), ("m/b", 0)]));
    let (none, salts) = (BTreeMap::new(), [salt(7), salt(8)]);
    let whole = PriceSet {
        fund: &fund,
        number: 2,
        prices: &prices,
        estimates: &estimates,
        salt: &salts[0],
    };
    let digest = whole.commitment().unwrap();
    let known = "527b66976f231e7f5ab815972fc9ce86bcf9b5431679f720fa54230d728345ac";
    assert_eq!(digest.hex(), known);
    for changed in [
        PriceSet { fund: &other, ..whole },
        PriceSet { number: 3, ..whole },
        PriceSet { prices: &estimates, ..whole },
        PriceSet { estimates: &none, ..whole },
        PriceSet { estimates: &prices, prices: &estimates, ..whole },
        PriceSet { salt: &salts[1], ..whole },
    ] {
        assert_ne!(changed.commitment().unwrap(), digest, "{changed:?}");
    }
}

/// The events of a strike of fund `f` at one price for all its models.
struct Steps {
    fund: Name,
    prices: BTreeMap<Name, PriceNano>,
}

impl Steps {
    fn new(state: &State, nano: i64) -> Self {
        let fund = name("f");
        let listed = state.fund(&fund).unwrap().prices().keys().cloned();
        Self { prices: listed.map(|m| (m, PriceNano::from_nano(nano))).collect(), fund }
    }

    fn commit(&self, number: u64) -> Event {
        let (prices, estimates, salt) = (&self.prices, &BTreeMap::new(), &salt(1));
        let set = PriceSet { fund: &self.fund, number, prices, estimates, salt };
        let commitment = set.commitment().unwrap();
        Event::CommitPrices { fund: self.fund.clone(), commitment }
    }

    fn close(&self, day: i64) -> Event {
        Event::CloseOrders { fund: self.fund.clone(), day, salt: salt(2) }
    }

    fn reopen(&self, day: i64) -> Event {
        Event::ReopenOrders { fund: self.fund.clone(), day }
    }

    fn reveal(&self) -> Event {
        let (fund, prices) = (self.fund.clone(), self.prices.clone());
        Event::RevealPrices { fund, prices, estimates: BTreeMap::new(), salt: salt(1) }
    }

    fn mark(&self) -> Event {
        let (fund, prices) = (self.fund.clone(), self.prices.clone());
        Event::MarkSet { fund, prices, estimates: BTreeMap::new() }
    }

    fn join(&self, amount: i64) -> Event {
        let (fund, who) = (self.fund.clone(), name(INVESTORS[1]));
        Event::Subscribe { fund, who, amount: Cash::from_micro(amount) }
    }

    fn leave(&self, shares: i64) -> Event {
        let (fund, who) = (self.fund.clone(), name(INVESTORS[0]));
        Event::Redeem { fund, who, shares: Shares::from_nano(shares) }
    }

    fn cancel(&self, joins: bool, place: u64) -> Event {
        let (fund, who) = (self.fund.clone(), name(INVESTORS[usize::from(joins)]));
        if joins {
            Event::CancelSubscription { fund, who, place }
        } else {
            Event::CancelRedemption { fund, who, place }
        }
    }

    fn strike(&self, day: i64) -> Event {
        Event::Strike { fund: self.fund.clone(), day }
    }
}

fn code(state: &State, event: &Event) -> Result<(), &'static str> {
    apply(state, event).map(drop).map_err(|rejection| rejection.code())
}

fn struck(state: &mut State, event: &Event) -> StrikeOutcome {
    let batch = commit(state, event).unwrap();
    let Outcome::Strike(strike) = batch.outcome else { panic!("no outcome") };
    strike
}

/// A fund after its first strike, with a closed book of one joiner and one leaver, and one of each behind it.
fn closed() -> (State, Steps) {
    let mut state = ledger();
    let steps = Steps::new(&state, 2_000_000_000);
    for event in
        [steps.commit(2), steps.join(10_000_000), steps.leave(7_000_000_000), steps.close(0)]
    {
        commit(&mut state, &event).unwrap();
    }
    for event in [steps.join(20_000_000), steps.leave(5_000_000_000)] {
        commit(&mut state, &event).unwrap();
    }
    (state, steps)
}

/// Proves which steps are refused when, each with its code, and that a refusal is no matter of order alone: one commitment at a time,
/// none replaced, no other marks beside it, no reveal before the cut-off, no order of the book taken back, no book opened early.
#[test]
fn what_is_bound_stays_bound() {
    let mut state = ledger();
    let steps = Steps::new(&state, 2_000_000_000);
    for (event, wanted) in [
        (steps.close(1), Err("commitment")),
        (steps.reveal(), Err("commitment")),
        (steps.reopen(1), Err("commitment")),
        (steps.mark(), Ok(())),
    ] {
        assert_eq!(code(&state, &event), wanted, "before a commitment, {event:?}");
    }
    let number = state.fund(&steps.fund).unwrap().epoch() + 1;
    commit(&mut state, &steps.commit(number)).unwrap();
    for (event, wanted) in [
        (steps.commit(number), Err("commitment")),
        (steps.mark(), Err("commitment")),
        (steps.reveal(), Err("commitment")),
        (steps.close(-1), Err("clock")),
        (steps.close(1_000_001), Err("clock")),
        (steps.close(1), Ok(())),
    ] {
        assert_eq!(code(&state, &event), wanted, "after a commitment, {event:?}");
    }
    let (state, steps) = closed();
    let mut other = Steps::new(&state, 2_000_000_001);
    let day = state.fund(&steps.fund).unwrap().day();
    for (event, wanted) in [
        (steps.commit(2), Err("commitment")),
        (steps.close(day), Err("commitment")),
        (steps.mark(), Err("commitment")),
        (other.reveal(), Err("commitment")),
        (steps.cancel(true, 0), Err("closed")),
        (steps.cancel(false, 0), Err("closed")),
        (steps.cancel(true, 1), Ok(())),
        (steps.cancel(false, 1), Ok(())),
        (steps.reopen(day + BOOK_DAYS_MAX - 1), Err("closed")),
        (steps.reopen(day - 1), Err("clock")),
        (steps.reopen(day + BOOK_DAYS_MAX), Ok(())),
        (steps.reveal(), Ok(())),
    ] {
        assert_eq!(code(&state, &event), wanted, "after the cut-off, {event:?}");
    }
    let mut told = state.clone();
    commit(&mut told, &steps.reveal()).unwrap();
    for event in [steps.reveal(), steps.mark(), steps.commit(2)] {
        assert_eq!(code(&told, &event), Err("commitment"), "after the reveal, {event:?}");
    }
    other.prices.insert(name("m/none"), PriceNano::from_nano(1));
    assert_eq!(code(&state, &other.reveal()), Err("model"));
    other.prices = set(&[(MODELS[0], -1)]);
    assert_eq!(code(&state, &other.reveal()), Err("amount"));
}

/// Proves that a strike settles the closed book and nothing behind it, at the prices that were committed to, and that the next strike,
/// without a commitment, settles the rest.
#[test]
fn a_book_is_settled_whole() {
    let (mut state, steps) = closed();
    commit(&mut state, &steps.reveal()).unwrap();
    let first = struck(&mut state, &steps.strike(1));
    let cash: Vec<i64> = first.fills.iter().map(|fill| fill.cash.as_micro()).collect();
    let shares: Vec<i64> = first.slices.iter().map(|slice| slice.shares.as_nano()).collect();
    assert_eq!((cash, shares), (vec![10_000_000], vec![7_000_000_000]));
    assert!(first.fills[0].shares > Shares::ZERO);
    let fund = state.fund(&steps.fund).unwrap();
    assert_eq!(fund.open_commitment(), None);
    assert!(fund.prices().values().all(|price| price.as_nano() == 2_000_000_000));
    let waiting = (fund.pending_subscriptions().len(), fund.pending_redemptions().len());
    assert_eq!((waiting, state.check()), ((1, 1), Ok(())));
    let second = struck(&mut state, &steps.strike(1));
    assert_eq!((second.fills.len(), second.slices.len()), (1, 1));
    assert_eq!(state.check(), Ok(()));
}

/// Proves that a withheld reveal leaves marks as they were, gives joiners of the book everything back, pays leavers the slice that they get
/// anyway, is on record, and frees the way; that the same is so without a cut-off, while joiners are held back, and where a model of the
/// set was delisted, which the reveal survives.
#[test]
fn a_withheld_reveal_moves_nobody_but_leavers() {
    let (told, steps) = closed();
    let withheld = |state: &State, event: &Event| {
        let batch = apply(state, event).unwrap();
        batch
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::CommitmentUsed { withheld: true, .. }))
    };
    assert!(withheld(&told, &steps.strike(1)));
    let ben = Account::Person(name(INVESTORS[1]));
    let cash = |state: &State| state.balance(&ben, &Asset::Cash);
    let (mut state, before) = (told.clone(), cash(&told));
    let marks = state.fund(&steps.fund).unwrap().prices().clone();
    let strike = struck(&mut state, &steps.strike(1));
    assert_eq!(cash(&state), before + 10_000_000, "all of the order in the book went back");
    assert_eq!(strike.fills[0].shares, Shares::ZERO);
    let fund = state.fund(&steps.fund).unwrap();
    assert_eq!((fund.prices(), fund.open_commitment()), (&marks, None));
    assert_eq!(fund.pending_subscriptions().len(), 1);
    let mut honest = told.clone();
    commit(&mut honest, &steps.reveal()).unwrap();
    assert!(!withheld(&honest, &steps.strike(1)));
    assert_eq!(struck(&mut honest, &steps.strike(1)).slices, strike.slices);
    commit(&mut state, &steps.commit(3)).unwrap();
    let open = struck(&mut state, &steps.strike(1));
    assert_eq!((open.fills[0].shares, open.slices.len()), (Shares::ZERO, 1), "without a cut-off");
    assert_eq!(state.check(), Ok(()));

    let mut held = told.clone();
    let fund = steps.fund.clone();
    commit(&mut held, &Event::HoldSubscriptions { fund, held: true }).unwrap();
    commit(&mut held, &steps.reveal()).unwrap();
    let strike = struck(&mut held, &steps.strike(1));
    assert_eq!(strike.fills.iter().map(|f| f.shares).collect::<Vec<_>>(), [Shares::ZERO]);

    let mut gone = told;
    let (fund, model) = (steps.fund.clone(), name(MODELS[0]));
    commit(&mut gone, &Event::Delist { fund, model: model.clone() }).unwrap();
    commit(&mut gone, &steps.reveal()).unwrap();
    assert_eq!(gone.fund(&steps.fund).unwrap().price(&model), Some(PriceNano::ZERO));
    assert!(struck(&mut gone, &steps.strike(1)).fills[0].shares > Shares::ZERO);
}

/// Proves that a book that waits too long for its strike is opened: joiners have their money back, leavers may take their orders back.
#[test]
fn a_forgotten_book_opens() {
    let (mut state, steps) = closed();
    let ben = Account::Person(name(INVESTORS[1]));
    let before = state.balance(&ben, &Asset::Cash);
    commit(&mut state, &steps.reopen(1 + BOOK_DAYS_MAX)).unwrap();
    assert_eq!(state.balance(&ben, &Asset::Cash), before + 10_000_000);
    let fund = state.fund(&steps.fund).unwrap();
    let waiting = (fund.pending_subscriptions().len(), fund.pending_redemptions().len());
    assert_eq!((waiting, fund.day(), fund.open_commitment()), ((1, 2), 0, None));
    for event in [steps.cancel(false, 0), steps.cancel(false, 0), steps.cancel(true, 0)] {
        commit(&mut state, &event).unwrap();
    }
    assert_eq!((state.check(), code(&state, &steps.mark())), (Ok(()), Ok(())));
}

/// Proves that the new events and effects are JSON with the names that other programs read, and that a reveal without estimates is read.
#[test]
fn events_are_json() {
    let (state, steps) = closed();
    for (event, op) in [
        (steps.commit(2), "commit_prices"),
        (steps.close(1), "close_orders"),
        (steps.reopen(1), "reopen_orders"),
        (steps.reveal(), "reveal_prices"),
    ] {
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.contains(&format!("\"op\":\"{op}\"")) && event.op() == op, "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
    let text = serde_json::to_string(&steps.reveal()).unwrap().replace("\"estimates\":{},", "");
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), steps.reveal());
    let batch = apply(&state, &steps.strike(1)).unwrap();
    let text = serde_json::to_string(&batch.effects).unwrap();
    let used = "{\"commitment_used\":{\"fund\":\"f\",\"redemptions\":1,\"subscriptions\":1,\"withheld\":true}}";
    assert!(text.contains(used), "{text}");
    let zero = Digest::from_bytes([0; 32]);
    let event = Event::CommitPrices { fund: steps.fund.clone(), commitment: zero };
    assert!(serde_json::to_string(&event).unwrap().contains("\"sha256:000"));
}
