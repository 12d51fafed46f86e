//! What a restatement tells and nobody pays: the wind-up test at the right prices, and what trades at the wrong marks gave too much.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{MODELS, commit, ledger, name};
use domain::{
    amount::{Ppb, PriceNano},
    fund::{Asset, Batch, Event, Kind, Meta, State, restatement::restate},
    name::Name,
    proof::Restated,
};

fn step(state: &mut State, known: &mut Restated, event: &Event) -> Batch {
    known.before(state, state.fund(&name("f")));
    let batch = commit(state, event).unwrap();
    known.after(event, &batch);
    batch
}

fn marks(state: &State, nano: impl Fn(i64) -> i64) -> BTreeMap<Name, PriceNano> {
    let prices = state.fund(&name("f")).unwrap().prices().iter();
    prices.map(|(m, p)| (m.clone(), PriceNano::from_nano(nano(p.as_nano())))).collect()
}

/// Units and credits of the trades of one kind with each counterparty.
fn traded(batch: &Batch, kind: Kind) -> BTreeMap<String, Vec<(i128, i128, i128)>> {
    let mut all = BTreeMap::<String, Vec<_>>::new();
    for entry in batch.entries.iter().filter(|entry| entry.kind == kind) {
        let Meta::Trade { counterparty, price, .. } = &entry.meta else { continue };
        let (units, cash): (Vec<_>, Vec<_>) =
            entry.custody.iter().partition(|leg| matches!(leg.asset, Asset::Unit(_)));
        let sum =
            |legs: Vec<&domain::fund::Leg>| legs.iter().map(|leg| i128::from(leg.amount)).sum();
        let trade = (sum(units), sum(cash), i128::from(price.as_nano()));
        all.entry(counterparty.to_string()).or_default().push(trade);
    }
    all
}

/// Proves that purchases at marks that were twice too high are told as what each seller got too much, to the micro-credit and at the same
/// distance from the mark; that they count for the strike before the batch and no other; that marks which were right tell nothing; and
/// that the wind-up test is told as it should have come out.
#[test]
fn trades_and_the_wind_up_test_are_told() {
    let (mut state, mut known) = (ledger(), Restated::default());
    let fund = name("f");
    let prices = marks(&state, |price| price * 2);
    let strike = |day| Event::Strike { fund: fund.clone(), day };
    let set = Event::MarkSet { fund: fund.clone(), prices, estimates: BTreeMap::new() };
    step(&mut state, &mut known, &set);
    step(&mut state, &mut known, &strike(5));
    let first = state.fund(&fund).unwrap().epoch();
    let batch = step(
        &mut state,
        &mut known,
        &Event::Rebalance {
            fund: fund.clone(),
            weights: BTreeMap::from([(name(MODELS[0]), Ppb::from_ppb(1_000_000_000))]),
            cash: Ppb::ZERO,
            spread: Ppb::from_ppb(10_000_000),
            counterparties: vec![name("LP")],
            max_primary: None,
        },
    );
    let threshold = Ppb::from_ppb(0);
    let right = marks(&state, |price| price / 2);
    let dealt = known.dealt(first).unwrap();
    let found = restate(dealt, &right, &BTreeMap::new(), threshold).unwrap();
    let told = known.trade_excess(first, &found);
    let (bought, sold) = (traded(&batch, Kind::Buy), traded(&batch, Kind::Sell));
    assert!(!bought.is_empty(), "the fund bought nothing");
    let mut wanted = BTreeMap::<String, i128>::new();
    for (who, trades) in bought {
        let excess = trades.iter().map(|(q, c, tp)| c - q * (tp / 2) / 1_000_000_000).sum::<i128>();
        *wanted.entry(who).or_default() += excess;
    }
    for (who, trades) in sold {
        let up = |q: i128, tp: i128| (q * (tp / 2) + 999_999_999) / 1_000_000_000;
        let excess = trades.iter().map(|(q, c, tp)| up(*q, *tp) - c).sum::<i128>();
        *wanted.entry(who).or_default() += excess;
    }
    wanted.retain(|_, excess| *excess != 0);
    let fund_parts: BTreeMap<String, i128> =
        told.iter().map(|(who, part)| (who.clone(), i128::from(part.fund))).collect();
    assert_eq!(fund_parts, wanted);
    assert!(told.values().all(|part| part.leavers == 0) && wanted.values().any(|e| *e > 1_000));
    assert!(!dealt.winding() && !found.winds_up);
    let same = restate(dealt, &marks(&state, |price| price), &BTreeMap::new(), threshold).unwrap();
    assert!(known.trade_excess(first, &same).is_empty());
    // At the next strike nothing was traded yet, and nearly all is in units: at a right price of next to nothing it winds up.
    step(&mut state, &mut known, &strike(6));
    let dealt = known.dealt(first + 1).unwrap();
    let found = restate(dealt, &marks(&state, |_| 1), &BTreeMap::new(), threshold).unwrap();
    assert!(found.winds_up && !dealt.winding());
    assert!(known.trade_excess(first + 1, &found).is_empty());
}
