//! Restatement: who lost what at a strike with wrong prices, against a computation by rational numbers of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{MODELS, commit, ledger, name};
use domain::{
    amount::{Cash, LIMIT, Ppb, PriceNano, Shares},
    fund::{
        Account, Asset, Batch, Event, Outcome, State, StrikeOutcome, apply,
        restatement::{Dealt, RestateError, Restatement, TOLERANCE_PPB, restate},
    },
    name::Name,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use proptest::prelude::*;

type Prices = BTreeMap<Name, PriceNano>;

fn prices(nanos: [i64; 3]) -> Prices {
    MODELS.iter().zip(nanos).map(|(m, nano)| (name(m), PriceNano::from_nano(nano))).collect()
}

/// The ledger of two funds, all invested in three models at a price of 1.234567891.
fn invested() -> State {
    let mut state = ledger();
    for (fund, models) in [("f", 3), ("g", 2)] {
        let weight = |model: &&str| (name(model), Ppb::from_ppb(300_000_000));
        let order = Event::Rebalance {
            fund: name(fund),
            weights: MODELS[..models].iter().map(weight).collect(),
            cash: Ppb::from_ppb(80_000_000),
            spread: Ppb::ZERO,
            counterparties: Vec::new(),
            max_primary: None,
        };
        commit(&mut state, &order).unwrap();
    }
    state
}

/// What everybody ordered, and at which prices and estimates the fund `fund` was struck.
#[derive(Clone, Debug)]
struct Struck {
    fund: &'static str,
    marked: [i64; 3],
    estimates: [i64; 3],
    joins: Vec<(usize, i64)>,
    leaves: i64,
}

const JOINERS: [&str; 3] = ["BEN", "CAT", "DAN"];

/// Strikes, and says what was dealt at; the state after it, and what it froze.
fn struck(asked: &Struck) -> (State, Dealt, StrikeOutcome, Batch) {
    let mut state = invested();
    let fund = name(asked.fund);
    let listed = |all: Prices| -> Prices {
        let fund = state.fund(&fund).unwrap();
        all.into_iter().filter(|(model, _)| fund.price(model).is_some()).collect()
    };
    let (prices, estimates) = (listed(prices(asked.marked)), listed(prices(asked.estimates)));
    commit(&mut state, &Event::MarkSet { fund: fund.clone(), prices, estimates }).unwrap();
    for (who, amount) in &asked.joins {
        let (who, amount) = (name(JOINERS[*who]), Cash::from_micro(*amount));
        commit(&mut state, &Event::Subscribe { fund: fund.clone(), who, amount }).unwrap();
    }
    if asked.leaves > 0 {
        let (who, shares) = (name("ANN"), Shares::from_nano(asked.leaves));
        commit(&mut state, &Event::Redeem { fund: fund.clone(), who, shares }).unwrap();
    }
    let before = Dealt::before(&state, state.fund(&fund).unwrap()).unwrap();
    let batch = commit(&mut state, &Event::Strike { fund, day: 30 }).unwrap();
    let Outcome::Strike(outcome) = batch.outcome.clone() else { panic!("no strike") };
    (state, before.struck(&batch).unwrap(), outcome, batch)
}

fn ratio(a: impl Into<BigInt>, b: impl Into<BigInt>) -> BigRational {
    BigRational::new(a.into(), b.into())
}

/// The same by rational numbers and without the engine: NAV and ask from the units, each joiner's shares and cost, what they are worth.
fn by_hand(
    state: &State,
    asked: &Struck,
    outcome: &StrikeOutcome,
    (right, right_estimates): (&Prices, &Prices),
) -> (BigRational, BigRational, Vec<BigRational>) {
    // Units do not change between the freeze and now but by leavers, who are added back.
    let owner = Account::Fund(name(asked.fund));
    let sum =
        |asset: &Asset, sliced: i64| i128::from(state.balance(&owner, asset)) + i128::from(sliced);
    let spent: i64 = outcome.fills.iter().map(|f| f.cost.as_micro() + f.levy.as_micro()).sum();
    let paid: i64 = outcome.slices.iter().map(|s| s.cash.as_micro()).sum();
    let cash = sum(&Asset::Cash, paid - spent) * 1_000_000_000;
    let (mut nav, mut ask) = (BigInt::from(cash), BigInt::from(cash));
    for (index, model) in MODELS.iter().map(|m| name(m)).enumerate() {
        let Some(_) = state.fund(&name(asked.fund)).unwrap().price(&model) else { continue };
        let sliced = outcome.slices.iter().map(|s| s.units[&model].as_micro()).sum();
        let units = sum(&Asset::Unit(model.clone()), sliced);
        let price = right.get(&model).map_or(asked.marked[index], |p| p.as_nano());
        let kept = if right.contains_key(&model) { price } else { asked.estimates[index] };
        let estimate = right_estimates.get(&model).map_or(kept, |e| e.as_nano());
        nav += BigInt::from(units) * price;
        ask += BigInt::from(units) * price.max(estimate);
    }
    let supply = outcome.shares.as_nano();
    let per_share = ratio(nav.clone(), supply);
    let billion = ratio(1_000_000_000, 1);
    let losses = outcome.fills.iter().filter(|f| f.shares > Shares::ZERO).map(|fill| {
        let rest = ratio(fill.cash.as_micro() - fill.levy.as_micro(), 1);
        let right = if ask.is_zero() {
            BigRational::zero()
        } else {
            (rest * &billion * ratio(supply, 1) / ratio(ask.clone(), 1)).floor()
        };
        let cost = (&right * ratio(ask.clone(), supply) / &billion).ceil();
        let levy = if right.is_zero() { 0 } else { fill.levy.as_micro() };
        let should = &right * &per_share / &billion - cost - ratio(levy, 1);
        let has = ratio(fill.shares.as_nano(), 1) * &per_share / &billion
            - ratio(fill.cost.as_micro() + fill.levy.as_micro(), 1);
        should - has
    });
    let losses = losses.collect();
    (ratio(nav, 1), ratio(ask, 1), losses)
}

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 500_000_000..3_000_000_000_i64, 1 => Just(0), 1 => 1..100_000_i64, 1 => Just(1_000_000_000_000_i64)]
}

fn asked() -> impl Strategy<Value = Struck> {
    let joins =
        prop::collection::vec((0..3_usize, prop_oneof![1..2_000_i64, 1..50_000_000_000_i64]), 0..6);
    let leaves = prop_oneof![Just(0), 1..9_000_000_000_000_i64];
    let (marked, estimates) = (prop::array::uniform3(price()), prop::array::uniform3(price()));
    (prop::sample::select(vec!["f", "g"]), marked, estimates, joins, leaves).prop_map(
        |(fund, marked, estimates, joins, leaves)| Struck {
            fund,
            marked,
            estimates,
            joins,
            leaves,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    /// Proves that NAV, ask, errors, threshold and everybody's loss are those of a computation by rational numbers: rounded up to whoever
    /// was harmed and by less than a micro-credit; and that the right prices that were marked harm nobody.
    #[test]
    fn losses_by_rational_numbers(
        asked in asked(),
        right in prop::collection::btree_map(0..2_usize, price(), 0..3),
        right_estimates in prop::collection::btree_map(0..2_usize, price(), 0..3),
        threshold in prop_oneof![Just(TOLERANCE_PPB), 0..1_000_000_000_i64],
    ) {
        let (state, dealt, outcome, _) = struck(&asked);
        let named = |map: &BTreeMap<usize, i64>| -> Prices {
            map.iter().map(|(m, nano)| (name(MODELS[*m]), PriceNano::from_nano(*nano))).collect()
        };
        let (right, estimates) = (named(&right), named(&right_estimates));
        let found = restate(&dealt, &right, &estimates, Ppb::from_ppb(threshold));
        if right.is_empty() && estimates.is_empty() {
            prop_assert_eq!(found, Err(RestateError::Nothing));
            return Ok(());
        }
        let (nav, ask, losses) = by_hand(&state, &asked, &outcome, (&right, &estimates));
        let Ok(found) = found else {
            // Only a loss that no balance could hold is refused.
            prop_assert!(losses.iter().any(|l| l.abs() > ratio(LIMIT / 2, 1)), "{found:?}");
            return Ok(());
        };
        prop_assert_eq!(ratio(found.nav.as_femto().unwrap(), 1), nav.clone());
        prop_assert_eq!(ratio(found.ask.as_femto().unwrap(), 1), ask.clone());
        let mut reaches = false;
        for (was, right, told) in [(outcome.nav, &nav, found.error_ppb), (outcome.ask, &ask, found.ask_error_ppb)] {
            let off = ratio(was.as_femto().unwrap(), 1) - right;
            prop_assert_eq!(told.signum() == 1, off.is_positive());
            if !right.is_zero() {
                let exact = off.abs() / right * ratio(1_000_000_000, 1);
                let told = ratio(told.unsigned_abs(), 1);
                prop_assert!(told == ratio(1_000_000_000_000_000_i64, 1) || told == exact.ceil());
                reaches |= !off.is_zero() && exact >= ratio(threshold, 1);
            } else {
                reaches |= !off.is_zero();
            }
        }
        prop_assert_eq!(found.passes, reaches);
        let step = ratio(1, 1);
        let bound = found.joiners.iter().map(|j| i128::from(j.right_shares.as_nano())).sum::<i128>();
        for (part, exact) in found.joiners.iter().zip(&losses) {
            if bound == 0 && !exact.is_zero() {
                continue; // All back, where together they would have passed the bound of shares.
            }
            let told = ratio(part.loss.as_micro() - part.gain.as_micro(), 1);
            prop_assert!(part.loss == Cash::ZERO || part.gain == Cash::ZERO);
            let beyond = &told - exact;
            prop_assert!(beyond.abs() < step, "{part:?} {exact}");
            prop_assert!(beyond.is_zero() || beyond.is_negative() == exact.is_negative(), "{part:?} {exact}");
        }
        prop_assert_eq!(found.joiners.len(), losses.len());
        if asked.fund == "g" {
            prop_assert_eq!(found.fee_excess, Cash::ZERO);
        }
        // At the prices that were marked there is no error and no loss.
        let marked = |all: [i64; 3]| -> Prices {
            prices(all).into_iter().filter(|(m, _)| asked.fund == "f" || m.as_str() != MODELS[2]).collect()
        };
        let same = restate(&dealt, &marked(asked.marked), &marked(asked.estimates), Ppb::ZERO).unwrap();
        prop_assert!(!same.passes && same.error_ppb == 0);
        prop_assert!(same.losses().unwrap().is_empty() && same.fund_loss().unwrap() == Cash::ZERO, "{same:?}");
    }

    /// Proves why a leaver is owed nothing: without a performance fee his slice is the same at any prices, to the last step.
    #[test]
    fn slices_know_no_mark(asked in asked(), other in prop::array::uniform3(price())) {
        let asked = Struck { fund: "g", ..asked };
        let (_, _, one, _) = struck(&asked);
        let (_, _, two, _) = struck(&Struck { marked: other, estimates: other, ..asked });
        prop_assert_eq!(one.slices, two.slices);
    }
}

/// Proves each number of one restatement by hand: a model marked at twice its price, and then at two thirds of it.
#[test]
fn an_example_by_hand() {
    let asked = Struck {
        fund: "g",
        marked: [2_000_000_000, 1_000_000_000, 0],
        estimates: [2_000_000_000, 1_000_000_000, 0],
        joins: vec![(0, 1_000_000_000)],
        leaves: 0,
    };
    let (_, dealt, outcome, _) = struck(&asked);
    let right = BTreeMap::from([(name(MODELS[0]), PriceNano::from_nano(1_000_000_000))]);
    let found = restate(&dealt, &right, &BTreeMap::new(), Ppb::from_ppb(TOLERANCE_PPB)).unwrap();
    assert!(found.passes && found.error_ppb > 0);
    let [ben] = &found.joiners[..] else { panic!("one is filled: {:?}", outcome.fills) };
    assert!(ben.right_shares > ben.shares && ben.loss > Cash::ZERO);
    // He paid N/S for each share and got what N'/S buys: his loss is the error of his own shares, to a micro-credit and the cost's step.
    let (nav, right_nav) = (outcome.nav.as_femto().unwrap(), found.nav.as_femto().unwrap());
    let paid = i128::from(outcome.fills[0].cost.as_micro());
    let loss = paid - paid * right_nav / nav;
    assert!((i128::from(ben.loss.as_micro()) - loss).abs() <= 2, "{ben:?} {loss}");
    assert_eq!(found.losses().unwrap(), BTreeMap::from([(name("BEN"), ben.loss)]));
    assert_eq!(found.fund_loss().unwrap(), Cash::ZERO);
    // The other way round the fund has lost what he got too much.
    let right = BTreeMap::from([(name(MODELS[0]), PriceNano::from_nano(3_000_000_000))]);
    let low = restate(&dealt, &right, &BTreeMap::new(), Ppb::from_ppb(TOLERANCE_PPB)).unwrap();
    assert!(low.passes && low.error_ppb < 0 && low.losses().unwrap().is_empty());
    assert!(
        low.fund_loss().unwrap() > Cash::ZERO && low.fund_loss().unwrap() == low.joiners[0].gain
    );
    for (wrong, error) in [
        ([(MODELS[2], 1)], RestateError::Model { model: name(MODELS[2]) }),
        ([(MODELS[0], -1)], RestateError::Price { model: name(MODELS[0]), nano: -1 }),
    ] {
        let wrong = wrong.map(|(m, nano)| (name(m), PriceNano::from_nano(nano))).into();
        assert_eq!(restate(&dealt, &wrong, &BTreeMap::new(), Ppb::ZERO), Err(error));
    }
}

/// Proves that a performance fee on a gain that was none is the fund's loss, at what its shares are worth at the right prices.
#[test]
fn a_fee_on_no_gain() {
    let asked = Struck {
        fund: "f",
        marked: [9_000_000_000; 3],
        estimates: [9_000_000_000; 3],
        joins: Vec::new(),
        leaves: 0,
    };
    let (_, dealt, outcome, batch) = struck(&asked);
    let fee = batch.entries.iter().find(|e| e.kind == domain::fund::Kind::PerfFee).unwrap();
    let made = i128::from(fee.custody[0].amount);
    let found = restate(&dealt, &prices([1_000_000_000; 3]), &BTreeMap::new(), Ppb::ZERO).unwrap();
    let (nav, supply) = (found.nav.as_femto().unwrap(), i128::from(outcome.shares.as_nano()));
    let worth = ratio(made, 1) * ratio(nav, supply) / ratio(1_000_000_000, 1);
    assert_eq!(ratio(found.fee_excess.as_micro(), 1), worth.ceil());
    assert_eq!(found.fund_loss().unwrap(), found.fee_excess);
    // A gain that is there after all keeps its fee.
    let same = restate(&dealt, &prices([9_500_000_000; 3]), &BTreeMap::new(), Ppb::ZERO).unwrap();
    assert_eq!(same.fee_excess, Cash::ZERO);
}

fn compensation(found: &Restatement, restatement: u64, payer: &str) -> Event {
    Event::Compensate {
        fund: name("g"),
        strike: 2,
        restatement,
        payer: name(payer),
        owners: found.losses().unwrap(),
        fund_part: found.fund_loss().unwrap(),
        prices: prices([1_000_000_000; 3]).into_iter().take(2).collect(),
        estimates: BTreeMap::new(),
        threshold: Ppb::from_ppb(TOLERANCE_PPB),
    }
}

/// Proves that a compensation pays whom it names out of the payer's cash, the fund as income, once for each restatement; and each refusal
/// with its code.
#[test]
fn compensation_is_paid_once() {
    let asked = Struck {
        fund: "g",
        marked: [2_000_000_000, 1_000_000_000, 0],
        estimates: [2_000_000_000, 1_000_000_000, 0],
        joins: vec![(0, 1_000_000_000), (1, 2_000_000_000)],
        leaves: 0,
    };
    let (mut state, dealt, ..) = struck(&asked);
    let right: Prices = prices([1_000_000_000; 3]).into_iter().take(2).collect();
    let found = restate(&dealt, &right, &BTreeMap::new(), Ppb::from_ppb(TOLERANCE_PPB)).unwrap();
    let cash = |state: &State, who: &str| state.balance(&Account::Person(name(who)), &Asset::Cash);
    let before = ["BEN", "CAT", "SPONSOR"].map(|who| cash(&state, who));
    let code = |state: &State, event: &Event| apply(state, event).map_err(|e| e.code()).map(|_| ());
    let first = compensation(&found, 1, "SPONSOR");
    let changed = |change: &dyn Fn(&mut Event)| {
        let mut event = first.clone();
        change(&mut event);
        event
    };
    macro_rules! with {
        ($($field:ident = $value:expr),+) => {
            changed(&|event| {
                if let Event::Compensate { $($field,)+ .. } = event { $(*$field = $value;)+ }
            })
        };
    }
    for (event, wanted) in [
        (with!(fund = name("none")), "fund"),
        (with!(strike = 0), "amount"),
        (with!(strike = 3), "amount"),
        (with!(restatement = 0), "amount"),
        (with!(fund_part = Cash::from_micro(-1)), "amount"),
        (with!(owners = BTreeMap::from([(name("BEN"), Cash::ZERO)])), "amount"),
        (with!(payer = name("BEN")), "owner"),
        (with!(prices = BTreeMap::from([(name("m/x"), PriceNano::ZERO)])), "model"),
        (with!(threshold = Ppb::from_ppb(-1)), "weights"),
        (with!(owners = BTreeMap::new(), fund_part = Cash::ZERO), "nothing"),
        (with!(payer = name("STRANGER")), "funds"),
        (with!(payer = name("STRANGER"), strike = 3), "amount"),
    ] {
        assert_eq!(code(&state, &event), Err(wanted), "{event:?}");
    }
    commit(&mut state, &first).unwrap();
    assert_eq!(state.check(), Ok(()));
    let after = ["BEN", "CAT", "SPONSOR"].map(|who| cash(&state, who));
    let losses = found.losses().unwrap();
    let [ben, cat] = ["BEN", "CAT"].map(|who| losses[&name(who)].as_micro());
    assert!(ben > 0 && cat > ben);
    assert_eq!(after, [before[0] + ben, before[1] + cat, before[2] - ben - cat]);
    assert_eq!(code(&state, &first), Err("exists"));
    assert_eq!(code(&state, &with!(restatement = 2)), Ok(()));
    // The fund's part is income: NAV rises by it and by nothing else.
    let fund = |state: &State| state.fund(&name("g")).unwrap().nav(state).as_femto().unwrap();
    let nav = fund(&state);
    let part =
        with!(restatement = 7, owners = BTreeMap::new(), fund_part = Cash::from_micro(1_234_567));
    commit(&mut state, &part).unwrap();
    assert_eq!(fund(&state) - nav, 1_234_567_000_000_000);
    assert_eq!(state.check(), Ok(()));
    assert_eq!(state.fund(&name("g")).unwrap().compensated(2), Some(7));
}
