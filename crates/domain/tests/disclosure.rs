//! What a fund says beside its NAV, over random lives: sums that tie to the ledger, and numbers by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[path = "common/mod.rs"]
#[expect(dead_code, reason = "the ledger is shared with tests that use more of it")]
mod common;

use std::collections::BTreeMap;

use common::name;
use domain::{
    amount::{Cash, Femto, PPB_ONE, Ppb, PriceNano, Shares},
    disclosure::{
        Cause, Disclosure, Disclosures, Recorded, Source, Use, analyse, attribute,
        backtest_recorded, recorded,
    },
    fund::{Asset, Event, FundParams, GlAccount, Kind, Methodology, Rejection, State, apply},
    index::IndexLevel,
    name::Name,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::ToPrimitive;
use proptest::prelude::*;

const PEOPLE: [&str; 4] = ["ANN", "BEN", "LP", "SPONSOR"];
const MODELS: [&str; 4] = ["m/a", "m/b", "m/c", "m/d"];
const CAP: i64 = 400_000_000;

fn rules() -> Methodology {
    let text = include_str!("../../cli/demo/methodology.json");
    let rules = Methodology::parse(text).unwrap();
    Methodology {
        levy_in_ppb: 5_000_001,
        management_fee_ppb: 100_000_000,
        performance_fee_ppb: 200_000_000,
        spread_ppb: 2_000_000,
        name_cap_ppb: CAP,
        publisher_cap_ppb: 600_000_000,
        ..rules
    }
}

/// A ledger with its followers, and what the journal pays leavers, counted by hand.
struct World {
    state: State,
    told: Disclosures,
    /// Cash paid out of the fund to leavers, by what the events say.
    left: i128,
    /// Levels by strike, from the functions that the live service calls.
    levels: Vec<Option<PriceNano>>,
    level: Option<IndexLevel>,
}

impl World {
    fn open() -> Self {
        let mut world = Self {
            state: State::new(),
            told: Disclosures::new(),
            left: 0,
            levels: Vec::new(),
            level: None,
        };
        let fund = name("f");
        world.done(Event::CreateFund { fund: fund.clone(), params: rules().fund_params() });
        world.done(Event::CreateFund { fund: name("g"), params: FundParams::default() });
        for who in PEOPLE.iter().chain(&["PUB0", "PUB1"]) {
            let amount = Cash::from_micro(1_000_000_000_000);
            world.done(Event::Deposit { who: name(who), amount });
        }
        for (index, model) in MODELS.iter().enumerate() {
            world.admit("f", model, index);
        }
        world.admit("g", MODELS[0], 0);
        for fund in ["f", "g"] {
            let amount = Cash::from_micro(10_000_000_007);
            let who = name("SPONSOR");
            world.done(Event::Seed { fund: name(fund), who, amount, day: None });
        }
        world
    }

    fn admit(&mut self, fund: &str, model: &str, index: usize) {
        self.done(Event::Admit {
            fund: name(fund),
            model: name(model),
            publisher: name(["PUB0", "PUB1"][index % 2]),
            price: PriceNano::from_nano(1_234_567_000 + 100_000_000 * index as i64),
            bond: Cash::from_micro(1_000_000),
            contributors: Vec::new(),
        });
    }

    fn done(&mut self, event: Event) {
        self.try_do(event).unwrap();
    }

    fn try_do(&mut self, event: Event) -> Result<(), Rejection> {
        let batch = apply(&self.state, &event)?;
        self.state.commit(&batch);
        self.told.follow(&event, &batch);
        let own = domain::fund::Account::Fund(name("f"));
        for entry in &batch.entries {
            let leaves = matches!(entry.kind, Kind::SettleReds | Kind::InKind);
            let cash =
                entry.custody.iter().filter(|leg| leg.asset == Asset::Cash && leg.from == own);
            if leaves {
                self.left += cash.map(|leg| i128::from(leg.amount)).sum::<i128>();
            }
        }
        let prices = self.state.fund(&name("f")).map(|fund| fund.prices().clone());
        match &event {
            Event::Strike { fund, .. } if *fund == name("f") => {
                let level = self.level.as_ref();
                self.levels.push(level.map(|level| level.level(&prices.unwrap()).unwrap()));
            }
            Event::Rebalance { fund, weights, .. } if *fund == name("f") => {
                let prices = prices.unwrap();
                match &mut self.level {
                    Some(level) => level.rebase(weights, &prices).unwrap(),
                    None => self.level = Some(IndexLevel::start(weights, &prices).unwrap()),
                }
            }
            _ => {}
        }
        self.ties();
        Ok(())
    }

    /// Every sum that a disclosure rests on, against the ledger.
    fn ties(&self) {
        for fund in self.state.funds() {
            let trail = self.told.trail(fund.name()).unwrap();
            let standing = trail.standing();
            assert_eq!(standing.nav, fund.nav(&self.state), "NAV by moves is NAV by the books");
            assert_eq!(standing.shares, fund.shares(&self.state));
            let told = Disclosure::of(trail, &self.state, fund, fund.day()).unwrap();
            let held: i64 = told.sources.held.values().map(|cash| cash.as_micro()).sum();
            assert_eq!(Cash::from_micro(held), fund.cash(&self.state), "lots are the fund's cash");
            assert_eq!(fund.cash(&self.state).to_femto(), fund.gl(&GlAccount::Cash));
            assert!(told.realisable_nav <= told.nav && told.realisable_nav >= told.cash.to_femto());
            assert!(!told.sources.held.contains_key(&Source::Other), "every kind has a source");
            assert!(
                told.sources
                    .used
                    .keys()
                    .all(|(to, from)| { *to != Use::Other && *from != Source::Other })
            );
            if fund.name().as_str() == "f" {
                let used = told.sources.used.iter().filter(|((to, _), _)| to.is_redemption());
                let paid: i128 = used.map(|(_, cash)| i128::from(cash.as_micro())).sum();
                assert_eq!(paid, self.left, "redemption cash by source is what leavers were paid");
            }
        }
    }

    /// A live rebalance: the weights of the methodology over what is listed and not delisted.
    fn rebalance(&mut self, counterparties: &[&str]) {
        let rules = rules();
        let fund = self.state.fund(&name("f")).unwrap();
        let publishers = self.told.trail(&name("f")).unwrap().publishers();
        let live = fund.prices().iter().filter(|(model, _)| !self.state.is_delisted(model));
        let scores: Vec<_> =
            live.map(|(m, price)| (m.clone(), publishers[m].clone(), *price)).collect();
        let weights = rules.target_weights(&scores).unwrap();
        let event = Event::Rebalance {
            fund: name("f"),
            weights,
            cash: Ppb::from_ppb(rules.cash_ppb),
            spread: Ppb::from_ppb(rules.spread_ppb),
            counterparties: counterparties.iter().map(|who| name(who)).collect(),
            max_primary: None,
        };
        self.done(event);
    }
}

/// One thing that happens; amounts are small beside what there is.
#[derive(Clone, Debug)]
enum Deed {
    Mark(Vec<i64>),
    Join(usize, i64),
    Leave(usize, i64),
    InKind(usize, i64),
    Strike(i64),
    Rebalance(bool),
    Royalty(usize, i64),
    Vest(usize, i64),
    Delist(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let who = || 0..PEOPLE.len();
    let one = prop_oneof![
        6 => prop::collection::vec(500_000..3_000_000_i64, 4).prop_map(Deed::Mark),
        4 => (who(), 1..5_000_000_000_i64).prop_map(|(who, amount)| Deed::Join(who, amount)),
        3 => (who(), 1..5_000_000_000_i64).prop_map(|(who, shares)| Deed::Leave(who, shares)),
        1 => (who(), 1..5_000_000_000_i64).prop_map(|(who, shares)| Deed::InKind(who, shares)),
        6 => (0..40_i64).prop_map(Deed::Strike),
        6 => any::<bool>().prop_map(Deed::Rebalance),
        1 => (0..4_usize, 1..100_000_000_i64).prop_map(|(model, amount)| Deed::Royalty(model, amount)),
        1 => (0..4_usize, 0..200_i64).prop_map(|(model, days)| Deed::Vest(model, days)),
        1 => (0..16_usize).prop_map(Deed::Delist),
    ];
    prop::collection::vec(one, 1..60)
}

fn live(deeds: &[Deed]) -> World {
    let mut world = World::open();
    world.rebalance(&["LP"]);
    for deed in deeds {
        let fund = name("f");
        let day = world.state.fund(&fund).unwrap().day();
        let person = |who: &usize| name(PEOPLE[*who]);
        let event = match deed {
            Deed::Mark(prices) => {
                let listed = MODELS.iter().zip(prices).map(|(m, micro)| (name(m), *micro));
                let listed = listed.filter(|(m, _)| !world.state.is_delisted(m));
                let prices = listed.map(|(m, p)| (m, PriceNano::from_micro(p).unwrap())).collect();
                Event::MarkSet { fund, prices, estimates: BTreeMap::new() }
            }
            Deed::Join(who, amount) => {
                Event::Subscribe { fund, who: person(who), amount: Cash::from_micro(*amount) }
            }
            Deed::Leave(who, shares) => {
                Event::Redeem { fund, who: person(who), shares: Shares::from_nano(*shares) }
            }
            Deed::InKind(who, shares) => {
                let (who, shares) = (person(who), Shares::from_nano(*shares));
                Event::InKind { fund, who, shares, day: day + 1, skip: Vec::new() }
            }
            Deed::Strike(days) => Event::Strike { fund, day: day + days },
            Deed::Rebalance(both) => {
                if world.state.models().any(|(_, model)| !model.is_delisted()) {
                    world.rebalance(if *both { &["LP", "PUB0"] } else { &["LP"] });
                }
                continue;
            }
            Deed::Royalty(model, amount) => {
                Event::Royalty { model: name(MODELS[*model]), amount: Cash::from_micro(*amount) }
            }
            Deed::Vest(model, days) => {
                Event::Vest { fund, model: name(MODELS[*model]), day: day + days }
            }
            Deed::Delist(model) if *model < 3 => {
                Event::Delist { fund, model: name(MODELS[*model]) }
            }
            Deed::Delist(_) => continue,
        };
        // What is refused changes nothing, which is the engine's own law.
        let _ = world.try_do(event);
    }
    world
}

fn exact(value: Femto) -> BigInt {
    value.to_string().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Proves that after every event NAV by moves is NAV by the books, that cash by source is the fund's cash and what leavers were paid,
    /// to the last micro-credit; that every attribution sums to the difference of its two NAVs, to the last femto, and its linked parts
    /// to the return of a share; and that effects by publisher sum to what marks did beside the index.
    #[test]
    fn sums_tie(deeds in deeds()) {
        let world = live(&deeds);
        let trail = world.told.trail(&name("f")).unwrap();
        let points: Vec<_> = trail.strikes().copied().collect();
        let levels: Vec<_> = points.iter().map(|point| point.level).collect();
        prop_assert_eq!(&levels, &world.levels);
        for to in 1..=points.len() as u64 {
            for from in [0, 1, to.saturating_sub(1)] {
                if from >= to { continue; }
                let told = attribute(trail, from, to).unwrap();
                let sum: Femto = told.ledger.values().copied().sum();
                let start = told.from.map_or(Femto::ZERO, |point| point.nav);
                prop_assert_eq!(sum, told.to.nav - start);
                prop_assert!(!told.ledger.contains_key(&Cause::Other), "every kind has a cause");
                if let (Some(linked), Some(first)) = (&told.linked, told.from) {
                    let per_share = |nav: Femto, shares: Shares| BigRational::new(exact(nav), shares.as_nano().into());
                    let end = per_share(told.to.nav, told.to.shares);
                    let growth = end / per_share(first.nav, first.shares);
                    let total = growth.to_f64().unwrap() - 1.0;
                    let parts: f64 = linked.parts.values().sum();
                    prop_assert!((linked.total - total).abs() < 1e-12 * (1.0 + total.abs()));
                    prop_assert!((parts - total).abs() < 1e-9 * (1.0 + total.abs()), "{parts} {total}");
                }
                if let Some(brinson) = &told.brinson {
                    let all: f64 = brinson.groups.iter().map(|g| g.allocation + g.selection + g.interaction).sum();
                    let active = brinson.portfolio - brinson.benchmark;
                    prop_assert!((all - active).abs() < 1e-9 * (1.0 + active.abs()), "{all} {active}");
                }
            }
        }
        if points.len() > 1 && points.iter().all(|p| p.nav > Femto::ZERO) {
            let all = analyse(trail, 1, points.len() as u64).unwrap();
            prop_assert_eq!(all.performance.returns, points.len() - 1);
            prop_assert!(all.compared.is_some() && all.turnover.as_ppb() >= 0);
        }
    }

    /// Proves invariant 37 over whole lives: a backtest of the live rules over the prices that the fund was struck and rebalanced at gives
    /// the live level of every strike, bit for bit, whoever comes and goes and whatever is delisted.
    #[test]
    fn recorded_prices_give_the_live_level(deeds in deeds()) {
        let world = live(&deeds);
        let trail = world.told.trail(&name("f")).unwrap();
        let last = trail.strikes().len() as u64;
        if last > 0 {
            let told = recorded(trail, 1, last).unwrap();
            let run = backtest_recorded(&told, &rules(), trail.publishers(), None).unwrap();
            let days = told.rows.iter().zip(&run.days);
            let levels: Vec<_> = days.filter(|(row, _)| row.strike.is_some()).map(|(_, day)| day.level).collect();
            prop_assert_eq!(levels, world.levels);
        }
    }
}

/// Proves by hand what a NAV says beside it: the realisable part from sales alone, capped and windowed; days to liquidate; units that wait
/// for leavers; what primary sales were paid; the sources of a leaver's cash, oldest first.
#[test]
fn numbers_by_hand() {
    let mut world = World::open();
    let fund = name("f");
    world.done(Event::Strike { fund: fund.clone(), day: 0 });
    world.rebalance(&["LP"]);
    let told = |world: &World, day| {
        let trail = world.told.trail(&fund).unwrap();
        Disclosure::of(trail, &world.state, world.state.fund(&fund).unwrap(), day).unwrap()
    };
    // Units were bought from the primary offer alone: that is no sale, so nothing of the marks counts.
    let first = told(&world, 0);
    assert_eq!(first.realisable_nav, first.cash.to_femto());
    assert_eq!(first.batch_days, None);
    assert!(first.models.iter().all(|held| held.last_sale.is_none()));
    let spent: i64 = first.publishers.iter().map(|p| p.bond.as_micro() + p.escrow.as_micro()).sum();
    let bought = first.sources.used[&(Use::PrimaryPurchases, Source::Seed)];
    assert_eq!(spent, bought.as_micro());
    assert!(first.publishers.iter().all(|paid| paid.vested == Cash::ZERO));
    // A joiner and a leaver: the leaver's cash is the seed's, because it is older.
    world.done(Event::Subscribe {
        fund: fund.clone(),
        who: name("ANN"),
        amount: Cash::from_micro(500_000_000),
    });
    let shares = Shares::from_nano(1_000_000_000_000);
    world.done(Event::Redeem { fund: fund.clone(), who: name("SPONSOR"), shares });
    world.done(Event::Strike { fund: fund.clone(), day: 1 });
    let second = told(&world, 1);
    let paid: Vec<_> =
        second.sources.used.iter().filter(|((to, _), _)| *to == Use::Slices).collect();
    assert_eq!(paid.len(), 1);
    assert_eq!(paid[0].0.1, Source::Seed);
    assert_eq!(second.liquidations.len(), 4);
    let waiting = second.liquidations[0].units;
    assert!(second.sources.held[&Source::Levies] > Cash::ZERO);
    // The batch sells the leaver's units to LP at the mark less the spread.
    world.rebalance(&["LP"]);
    let third = told(&world, 1);
    assert!(third.liquidations.is_empty(), "all was sold, so that the epoch is closed");
    let held = &third.models[0];
    assert!(held.sold >= waiting);
    assert_eq!(held.last_sale.unwrap().day, 1);
    assert_eq!(held.realisable, held.last_sale.unwrap().over_mark);
    assert!(held.realisable.as_ppb() < PPB_ONE && held.realisable.as_ppb() >= 998_000_000 - 1);
    // Two days had a batch in the window.
    let days = (i128::from(held.units.as_micro()) * 2 + i128::from(held.sold.as_micro()) - 1)
        / i128::from(held.sold.as_micro());
    assert_eq!(held.batch_days, Some(u64::try_from(days).unwrap()));
    assert!(third.sources.for_leavers > Cash::ZERO);
    let marked: i128 = third
        .models
        .iter()
        .map(|m| {
            m.value.as_femto().unwrap() * i128::from(m.realisable.as_ppb()) / i128::from(PPB_ONE)
        })
        .sum();
    assert_eq!(third.realisable_nav, third.cash.to_femto() + Femto::from_femto(marked));
    // The window closes: on the ninetieth day after it a sale counts no more.
    assert_eq!(told(&world, 90).realisable_nav, third.realisable_nav);
    let late = told(&world, 91);
    assert_eq!((late.realisable_nav, late.batch_days), (late.cash.to_femto(), None));
    assert_eq!(late.models[0].last_sale, held.last_sale);
    // Vesting reaches the contributors.
    world.done(Event::Vest { fund: fund.clone(), model: name("m/a"), day: 200 });
    let vested: Vec<_> =
        told(&world, 200).publishers.into_iter().filter(|p| p.vested > Cash::ZERO).collect();
    assert!(vested.len() == 1 && vested[0].vested < vested[0].escrow);
    for (from, to) in [(1, 1), (2, 1), (0, 3), (2, 9)] {
        let trail = world.told.trail(&fund).unwrap();
        assert!(attribute(trail, from, to).is_err(), "{from} {to}");
    }
    let ghost: Name = name("none");
    assert!(world.told.trail(&ghost).is_none());
}

/// Proves invariant 37 where delisted models leave the caps: with both names of one publisher gone the rest are capped among themselves,
/// live and in a backtest over the recorded prices, and the level is the same.
#[test]
fn the_delisted_leave_the_caps() {
    let all = [2_000_000, 1_100_000, 900_000, 2_600_000];
    let deeds = [
        Deed::Strike(1),
        Deed::Mark(all.to_vec()),
        Deed::Delist(0),
        Deed::Delist(2),
        Deed::Rebalance(true),
        Deed::Mark(vec![1, 2_400_000, 1, 1_700_000]),
        Deed::Strike(1),
        Deed::Rebalance(true),
        Deed::Mark(vec![1, 1_900_000, 1, 2_700_000]),
        Deed::Strike(1),
    ];
    let world = live(&deeds);
    let trail = world.told.trail(&name("f")).unwrap();
    let told = recorded(trail, 1, 3).unwrap();
    assert_eq!(told.delisted.len(), 2);
    let levels = |told: &Recorded| -> Vec<_> {
        let run = backtest_recorded(told, &rules(), trail.publishers(), None).unwrap();
        let days = told.rows.iter().zip(&run.days).filter(|(row, _)| row.strike.is_some());
        days.map(|(_, day)| day.level).collect()
    };
    assert_eq!(levels(&told), world.levels);
    // Counted under the caps, the two would give the others other weights.
    let counted = Recorded { delisted: BTreeMap::new(), ..told };
    assert_ne!(levels(&counted), world.levels);
}
