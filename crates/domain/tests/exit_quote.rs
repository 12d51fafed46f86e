//! A quoted exit from the quote to the last batch: what was quoted is what comes, to the last micro.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use common::{INVESTORS, MODELS, commit, ledger, name};
use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    fund::{Account, Asset, Batch, EXIT_BATCHES, Event, Kind, State, quote_exit},
    name::Name,
};
use proptest::prelude::*;

fn rebalance(state: &mut State, weight: i64, buyers: &[&str]) -> Batch {
    let weights = MODELS.iter().map(|model| (name(model), Ppb::from_ppb(weight))).collect();
    let counterparties = buyers.iter().map(|who| name(who)).collect();
    let (cash, spread) = (Ppb::from_ppb(80_000_000), Ppb::from_ppb(2_000_000));
    let fund = name("f");
    commit(
        state,
        &Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary: None },
    )
    .unwrap()
}

/// What a batch does with the units and the money of leavers of one strike.
#[derive(Default)]
struct Left {
    /// Units sold, and units that could not be divided, by model.
    gone: BTreeMap<Name, i64>,
    /// Proceeds and delivered units of one leaver.
    cash: i64,
    units: BTreeMap<Name, i64>,
}

impl Left {
    fn read(&mut self, batch: &Batch, pool: &Account, who: &str) {
        let (claim, person) = (Account::Claim(name(who)), Account::Person(name(who)));
        for entry in &batch.entries {
            for leg in &entry.custody {
                match &leg.asset {
                    Asset::Unit(model) if leg.from == *pool && leg.to == person => {
                        *self.units.entry(model.clone()).or_default() += leg.amount;
                    }
                    Asset::Unit(model) if leg.from == *pool => {
                        *self.gone.entry(model.clone()).or_default() += leg.amount;
                    }
                    Asset::Cash if entry.kind == Kind::LiqSell && leg.to == claim => {
                        self.cash += leg.amount;
                    }
                    _ => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Proves that a quoted exit is met to the last micro from the quote to the last batch: the strike pays the quoted cash and sets apart the
    /// quoted units, whatever others ask; within the quoted number of batches every one of those units was sold for him at the mark less
    /// the spread, or is in his hands.
    #[test]
    fn a_quote_is_met(
        price in 500_000..3_000_000_i64,
        shares in 1_000_000..900_000_000_000_i64,
        day in 1..60_i64,
        joins in prop::collection::vec((1..4_usize, 1..2_000_000_000_i64), 0..4),
        rich in any::<bool>(),
        weight in 100_000_000..333_000_000_i64,
    ) {
        let mut state = ledger();
        let fund = name("f");
        rebalance(&mut state, 333_333_333, &["LP"]);
        let prices: BTreeMap<_, _> =
            MODELS.iter().map(|model| (name(model), PriceNano::from_micro(price).unwrap())).collect();
        let marks = Event::MarkSet { fund: fund.clone(), prices, estimates: BTreeMap::new() };
        commit(&mut state, &marks).unwrap();
        if !rich {
            // A counterparty with nearly nothing: what he does not buy is delivered.
            let amount = Cash::from_micro(state.balance(&Account::Person(name("LP")), &Asset::Cash) - 1_000_000);
            commit(&mut state, &Event::Withdraw { who: name("LP"), amount }).unwrap();
        }
        let quote = quote_exit(&state, &fund, Shares::from_nano(shares), day).unwrap();
        let shares = Shares::from_nano(shares);
        commit(&mut state, &Event::Redeem { fund: fund.clone(), who: name("ANN"), shares }).unwrap();
        for (who, amount) in joins {
            let (fund, who) = (fund.clone(), name(INVESTORS[who]));
            commit(&mut state, &Event::Subscribe { fund, who, amount: Cash::from_micro(amount) }).unwrap();
        }
        let claimed = |state: &State| state.balance(&Account::Claim(name("ANN")), &Asset::Cash);
        let before = claimed(&state);
        commit(&mut state, &Event::Strike { fund: fund.clone(), day }).unwrap();
        prop_assert_eq!(claimed(&state) - before, quote.cash.as_micro(), "the quoted cash");
        let epoch = state.fund(&fund).unwrap().epoch();
        let pool = Account::Liquidation { fund: fund.clone(), epoch };
        for (model, units) in &quote.units {
            prop_assert_eq!(state.balance(&pool, &Asset::Unit(model.clone())), units.as_micro());
        }
        let mut left = Left::default();
        for _ in 0..EXIT_BATCHES {
            let batch = rebalance(&mut state, weight, &["LP"]);
            left.read(&batch, &pool, "ANN");
        }
        prop_assert!(!state.fund(&fund).unwrap().pools().contains_key(&epoch), "no further batch");
        let traded = price * 1000 - price * 1000 / 1_000_000_000 * 2_000_000 - price * 1000 % 1_000_000_000 * 2_000_000 / 1_000_000_000;
        let mut least = 0_i128;
        for (model, units) in &quote.units {
            let sold = left.gone.get(model).copied().unwrap_or_default();
            let delivered = left.units.get(model).copied().unwrap_or_default();
            prop_assert_eq!(sold + delivered, units.as_micro(), "every quoted unit");
            least += i128::from(sold) * i128::from(traded);
        }
        prop_assert!(i128::from(left.cash) * 1_000_000_000 >= least, "sold below the mark less the spread");
        prop_assert_eq!(claimed(&state) - before, quote.cash.as_micro() + left.cash);
        prop_assert!(rich || left.units.values().sum::<i64>() > 0 || shares.as_nano() < 10_000_000_000);
    }
}
