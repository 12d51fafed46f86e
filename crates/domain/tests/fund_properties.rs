//! Properties of the fund engine over random streams of events on a ledger of two funds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::{INVESTORS, MODELS, commit, ledger, name};
use domain::{
    amount::{Cash, Femto, LIMIT, Ppb, PriceNano, Shares},
    digest::Digest,
    fund::{
        Account, Asset, Batch, Event, FundParams, FundState, GlAccount, Kind, Outcome, Salt, State,
        StrikeOutcome, quote_exit,
    },
    name::Name,
};
use num_bigint::BigInt;
use proptest::{prelude::*, sample::Index};
use serde_json::Value;

/// A price, in most cases one that there may be.
fn price() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 500_000_000..2_500_000_000_i64,
        1 => prop_oneof![Just(0), Just(1), Just(-1), Just(LIMIT), 1..100_000_000_i64],
    ]
}

/// One random step; amounts are mostly plausible, sometimes at the edges of `i64`.
fn events() -> impl Strategy<Value = Event> {
    let amount = || {
        prop_oneof![
            8 => 1..100_000_000_000_i64,
            2 => 1..1000_i64,
            1 => prop_oneof![Just(0), Just(-1), Just(LIMIT), Just(LIMIT + 1), Just(i64::MAX), Just(i64::MIN)],
        ]
    };
    let fund = || prop_oneof![4 => Just("f"), 2 => Just("g"), 1 => Just("none")].prop_map(name);
    let who = || {
        prop_oneof![8 => prop::sample::select(INVESTORS.to_vec()), 1 => Just("LP"), 1 => Just("MANAGER")]
            .prop_map(name)
    };
    let model = || prop::sample::select(MODELS.to_vec()).prop_map(name);
    let day = || prop_oneof![12 => 0..400_i64, 1 => prop_oneof![Just(-1), Just(1_000_001), Just(i64::MAX)]];
    let prices =
        move || prop::collection::btree_map(model(), price().prop_map(PriceNano::from_nano), 0..4);
    let asset = (0..4_usize, fund(), model()).prop_map(|(kind, fund, model)| match kind {
        0 => Asset::Cash,
        1 => Asset::Unit(model),
        2 => Asset::Share(fund),
        _ => Asset::SideClaim { fund, model },
    });
    let cash = move || amount().prop_map(Cash::from_micro);
    prop_oneof![
        1 => (who(), cash()).prop_map(|(who, amount)| Event::Deposit { who, amount }),
        1 => (who(), cash()).prop_map(|(who, amount)| Event::Withdraw { who, amount }),
        2 => (who(), who(), asset, amount()).prop_map(|(who, to, asset, amount)| Event::Transfer { who, to, asset, amount }),
        3 => who().prop_map(|who| Event::Claim { who }),
        1 => (fund(), model(), price(), cash()).prop_map(|(fund, model, price, bond)| Event::Admit {
            fund, model, publisher: name("PUB"), price: PriceNano::from_nano(price), bond, contributors: Vec::new(),
        }),
        1 => (fund(), who(), cash()).prop_map(|(fund, who, amount)| Event::Seed { fund, who, amount, day: None }),
        8 => (fund(), prices(), prices()).prop_map(|(fund, prices, estimates)| Event::MarkSet { fund, prices, estimates }),
        8 => (fund(), who(), cash()).prop_map(|(fund, who, amount)| Event::Subscribe { fund, who, amount }),
        8 => (fund(), who(), amount()).prop_map(|(fund, who, shares)| Event::Redeem { fund, who, shares: Shares::from_nano(shares) }),
        3 => (fund(), who(), 0..4_u64, any::<bool>()).prop_map(|(fund, who, place, joins)| match joins {
            true => Event::CancelSubscription { fund, who, place },
            false => Event::CancelRedemption { fund, who, place },
        }),
        1 => (fund(), any::<bool>()).prop_map(|(fund, held)| Event::HoldSubscriptions { fund, held }),
        1 => (fund(), model(), any::<bool>())
            .prop_map(|(fund, model, eligible)| Event::SetEligible { fund, model, eligible }),
        1 => (fund(), 0..2_u8).prop_map(|(fund, on)| Event::SetAllowList { fund, on: on == 0 }),
        1 => (fund(), who(), any::<bool>()).prop_map(|(fund, who, allowed)| Event::Allow { fund, who, allowed }),
        1 => (fund(), who(), any::<bool>()).prop_map(|(fund, who, frozen)| Event::Freeze { fund, who, frozen }),
        1 => (fund(), any::<bool>()).prop_map(|(fund, paused)| Event::Pause { fund, paused }),
        3 => (fund(), day(), 0..4_u8).prop_map(|(fund, day, step)| match step {
            0 => Event::CommitPrices { fund, commitment: Digest::of(b"never told") },
            3 => Event::ReopenOrders { fund, day },
            _ => Event::CloseOrders { fund, day, salt: Salt::from_bytes([step; 32]) },
        }),
        8 => (fund(), day()).prop_map(|(fund, day)| Event::Strike { fund, day }),
        3 => (fund(), who(), amount(), day(), prop::collection::vec(model(), 0..2)).prop_map(
            |(fund, who, shares, day, skip)| Event::InKind { fund, who, shares: Shares::from_nano(shares), day, skip }
        ),
        6 => restating(),
        8 => (fund(), prop::collection::btree_map(model(), (0..400_000_000_i64).prop_map(Ppb::from_ppb), 0..4), 0..300_000_000_i64, prop_oneof![Just(0), Just(2_000_000)], any::<bool>(), prop::option::of(0..200_000_000_i64))
            .prop_map(|(fund, weights, cash, spread, both, primary)| Event::Rebalance {
                fund, weights, cash: Ppb::from_ppb(cash), spread: Ppb::from_ppb(spread),
                counterparties: if both { vec![name("LP"), name("PUB")] } else { vec![name("LP")] },
                max_primary: primary.map(Ppb::from_ppb),
            }),
        2 => (fund(), model(), day()).prop_map(|(fund, model, day)| Event::Vest { fund, model, day }),
        2 => (model(), cash()).prop_map(|(model, amount)| Event::Royalty { model, amount }),
        1 => (fund(), model(), any::<Index>()).prop_filter_map("delisting is rare", |(fund, model, rare)| {
            (rare.index(3) == 0).then_some(Event::Delist { fund, model })
        }),
    ]
}

/// A random creation in kind, correction, compensation or distribution.
fn restating() -> impl Strategy<Value = Event> {
    let fund = || prop::sample::select(vec!["f", "f", "g", "none"]).prop_map(name);
    let who = || prop::sample::select(INVESTORS.to_vec()).prop_map(name);
    let amount = || prop_oneof![8 => 1..100_000_000_000_i64, 1 => Just(0), 1 => Just(-1), 1 => Just(LIMIT), 1 => Just(i64::MAX)];
    let cash = move || amount().prop_map(Cash::from_micro);
    let price = (0..2_000_000_000_i64).prop_map(PriceNano::from_nano);
    let prices = prop::collection::btree_map(
        prop::sample::select(MODELS.to_vec()).prop_map(name),
        price,
        0..3,
    );
    prop_oneof![
        3 => (fund(), who(), amount(), 0..400_i64).prop_map(|(fund, who, shares, day)| Event::CreateInKind {
            fund, who, shares: Shares::from_nano(shares), day,
        }),
        2 => (1..60_u64, who(), who(), cash(), 0..4_usize).prop_map(|(corrects, who, to, amount, kind)| {
            let event = match kind {
                0 => Event::Deposit { who, amount },
                1 => Event::Withdraw { who, amount },
                2 => Event::Transfer { who, to, asset: Asset::Share(name("f")), amount: amount.as_micro() },
                _ => Event::Claim { who },
            };
            Event::Correct { corrects, event: Box::new(event), claimed: (kind == 3).then_some(amount) }
        }),
        2 => (fund(), 0..6_u64, 0..9_u64, prop::collection::btree_map(who(), cash(), 0..3), cash(), prices).prop_map(
            |(fund, strike, restatement, owners, fund_part, prices)| Event::Compensate {
                fund, strike, restatement, payer: name("SPONSOR"), owners, fund_part, prices,
                estimates: BTreeMap::new(), threshold: Ppb::from_ppb(5_000_000),
            }
        ),
        1 => (fund(), 0..6_u64, 0..6_u64, prop::collection::btree_map(who(), amount().prop_map(Shares::from_nano), 0..3)).prop_map(
            |(fund, from, to, parts)| Event::DistributeFees { fund, from, to, fee_shares: BTreeMap::new(), parts }
        ),
        1 => (fund(), prop_oneof![8 => 0..900_000_000_i64, 1 => Just(-1)], 0..50_000_000_i64).prop_map(|(fund, fee, levy)| {
            let params = FundParams {
                management_fee: Ppb::from_ppb(fee), levy_in: Ppb::from_ppb(levy), ..FundParams::default()
            };
            Event::AdoptMethodology { fund, digest: Digest::of(&levy.to_le_bytes()), params }
        }),
    ]
}

/// `a/b ≥ c/d`, exactly.
fn not_below(a: i128, b: i128, c: i128, d: i128) -> bool {
    BigInt::from(a) * BigInt::from(d) >= BigInt::from(c) * BigInt::from(b)
}

fn steps(femto: Femto) -> i128 {
    femto.as_femto().unwrap()
}

fn standing(state: &State, fund: &FundState) -> (i128, i128) {
    (steps(fund.nav(state)), i128::from(fund.shares(state).as_nano()))
}

/// What one committed event may not have done to a fund.
fn hold(before: &State, after: &State, name: &Name, event: &Event, batch: &Batch) {
    let (old, new) = (before.fund(name).unwrap(), after.fund(name).unwrap());
    assert!(new.day() >= old.day(), "the clock went back");
    assert!(new.winding() || !old.winding(), "a winding fund came back");
    if let (Some((n0, s0)), Some((n1, s1))) = (old.hwm(), new.hwm()) {
        let (s0, s1) = (i128::from(s0.as_nano()), i128::from(s1.as_nano()));
        assert!(not_below(steps(n1), s1, steps(n0), s0), "the high-water mark fell");
    }
    let (nav0, shares0) = standing(before, old);
    let (nav1, shares1) = standing(after, new);
    let trading = steps(new.gl(&GlAccount::Trading)) - steps(old.gl(&GlAccount::Trading));
    inv_34_shares_reach_nobody_who_may_not_have_them(new, batch);
    match event {
        Event::Rebalance { fund, .. } if fund == name => {
            assert_eq!(nav1 - nav0, -trading, "a rebalance moves NAV by its trading result");
            assert_eq!(shares1, shares0);
            let order = |kind: Kind| match kind {
                Kind::LiqSell => 0,
                Kind::Sell => 1,
                Kind::Buy => 2,
                _ => 3,
            };
            assert!(batch.entries.iter().map(|e| order(e.kind)).is_sorted(), "leavers sell first");
        }
        Event::MarkSet { fund, .. } if fund == name => {
            assert_eq!(new.cash(after), old.cash(before), "a mark made cash");
        }
        Event::InKind { fund, .. } if fund == name && old.day() == new.day() => {
            assert!(not_below(nav1, shares1, nav0, shares0), "leaving in kind took from others");
        }
        Event::CreateInKind { fund, shares, .. } if fund == name && old.day() == new.day() => {
            assert!(not_below(nav1, shares1, nav0, shares0), "a creation took from others");
            assert_eq!(shares1 - shares0, i128::from(shares.as_nano()));
            assert!(!new.winding());
        }
        Event::Compensate { fund, fund_part, .. } if fund == name => {
            let part = i128::from(fund_part.as_micro()) * 1_000_000_000;
            assert_eq!(
                (nav1 - nav0, shares1),
                (part, shares0),
                "a compensation is the fund's part"
            );
        }
        Event::Correct { .. } => assert_eq!((nav1, shares1), (nav0, shares0)),
        Event::Strike { fund, .. } if fund == name => {
            let Outcome::Strike(strike) = &batch.outcome else { panic!("no outcome") };
            hold_strike(after, (old, new), strike);
        }
        _ => {}
    }
}

/// Invariant 34: a frozen or not listed owner receives no shares and a frozen one gives none away, but for fees and for what was his.
fn inv_34_shares_reach_nobody_who_may_not_have_them(fund: &FundState, batch: &Batch) {
    let (lists, share) = (fund.restrictions(), Asset::Share(fund.name().clone()));
    let entries = batch.entries.iter();
    let entries =
        entries.filter(|e| !matches!(e.kind, Kind::MgmtFee | Kind::PerfFee | Kind::RedCancel));
    for leg in entries.flat_map(|entry| &entry.custody).filter(|leg| leg.asset == share) {
        let Account::Person(to) = &leg.to else { continue };
        assert!(!lists.is_paused() && !lists.frozen().contains(to), "{leg:?}");
        assert!(!lists.has_allow_list() || lists.allowed().contains(to), "{leg:?}");
        let Account::Person(from) = &leg.from else { continue };
        assert!(!lists.frozen().contains(from), "{leg:?}");
    }
}

/// Dealing never lowers NAV per share; one rate per share for all who leave; joiners pay the ask.
fn hold_strike(after: &State, (old, fund): (&FundState, &FundState), strike: &StrikeOutcome) {
    let (nav, shares) = standing(after, fund);
    let frozen = i128::from(strike.shares.as_nano());
    assert!(not_below(nav, shares, steps(strike.nav), frozen), "dealing diluted the holders");
    assert!(strike.ask >= strike.nav);
    let open = old.open_commitment();
    let book = open.and_then(|open| open.book);
    let leaves = book.map_or(old.pending_redemptions().len(), |book| book.redemptions);
    assert_eq!(strike.slices.len(), leaves, "a leaver was kept waiting, or came too early");
    let waits = (fund.holds_subscriptions() || fund.restrictions().is_paused()) && !strike.winding;
    assert!(waits || book.is_some() || fund.pending_subscriptions().is_empty());
    let gives_back = waits || open.is_some_and(|open| !open.revealed);
    let joined = strike.fills.iter().any(|fill| fill.shares > Shares::ZERO);
    assert!(!gives_back || !joined, "somebody joined at a price in doubt");
    assert_eq!(fund.open_commitment(), None);
    for fill in &strike.fills {
        let paid = fill.cost.as_micro() + fill.levy.as_micro();
        assert!(paid <= fill.cash.as_micro() && (fill.shares.as_nano() > 0 || paid == 0));
        assert!(!strike.winding || paid == 0);
        let cost = i128::from(fill.cost.as_micro()) * 1_000_000_000;
        if fill.shares.as_nano() > 0 {
            assert!(not_below(cost, i128::from(fill.shares.as_nano()), steps(strike.ask), frozen));
        }
    }
    for (a, b) in strike.slices.iter().zip(strike.slices.iter().skip(1)) {
        // floor(X·a/S)/a and floor(X·b/S)/b differ by less than one step over the smaller order.
        let (ra, rb) = (i128::from(a.shares.as_nano()), i128::from(b.shares.as_nano()));
        let (ca, cb) = (i128::from(a.cash.as_micro()), i128::from(b.cash.as_micro()));
        assert!((ca * rb - cb * ra).abs() < ra.max(rb), "two rates at one strike");
    }
}

/// Whether a JSON text has no spaces and every object's keys sorted.
fn is_canonical(text: &str) -> bool {
    fn sorted(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.keys().is_sorted() && map.values().all(sorted),
            Value::Array(items) => items.iter().all(sorted),
            _ => true,
        }
    }
    let value: Value = serde_json::from_str(text).unwrap();
    sorted(&value) && serde_json::to_string(&value).unwrap() == text
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Proves over random streams: both books hold after every event, a refused event changes nothing and has a code of the list,
    /// everybody can leave in kind from wherever the stream ends, and the committed batches, read back from JSON, rebuild the very state.
    #[test]
    fn streams(events in prop::collection::vec(events(), 1..120)) {
        let mut state = ledger();
        let start = state.clone();
        let mut batches = Vec::new();
        for event in &events {
            let before = state.clone();
            match commit(&mut state, event) {
                Ok(batch) => {
                    prop_assert_eq!(state.check(), Ok(()), "{:?}", event);
                    before.funds().for_each(|f| hold(&before, &state, f.name(), event, &batch));
                    batches.push(serde_json::to_string(&batch).unwrap());
                }
                Err(rejection) => {
                    prop_assert_ne!(rejection.code(), "internal", "{:?}: {}", event, rejection);
                    prop_assert_eq!(&state, &before);
                }
            }
        }
        let mut rebuilt = start;
        for text in &batches {
            prop_assert!(is_canonical(text), "{}", text);
            rebuilt.commit(&serde_json::from_str(text).unwrap());
        }
        prop_assert_eq!(&rebuilt, &state);
        prop_assert_eq!(rebuilt.chain(), state.chain());
        for (fund, who) in ["f", "g"].iter().flat_map(|f| INVESTORS.map(|who| (name(f), name(who)))) {
            let held = state.balance(&Account::Person(who.clone()), &Asset::Share(fund.clone()));
            if held > 0 {
                let day = state.fund(&fund).unwrap().day();
                let leave = Event::InKind { fund, who, shares: Shares::from_nano(held), day, skip: Vec::new() };
                // Only a holder at the very bound of the ledger could be refused.
                match commit(&mut state, &leave) {
                    Ok(_) => prop_assert_eq!(state.check(), Ok(())),
                    Err(rejection) => prop_assert_eq!(rejection.code(), "limit"),
                }
            }
        }
    }

    /// Proves that an exit is quoted to the last step, whoever else joins or leaves at that strike, and that a quote changes nothing.
    #[test]
    fn exits_are_quoted(
        shares in 1..3_000_000_000_000_i64,
        others in prop::collection::vec((0..4_usize, any::<bool>(), 1..2_000_000_000_i64), 0..6),
        day in 1..400_i64,
    ) {
        let mut state = ledger();
        let fund = name("f");
        let weights = MODELS.iter().map(|m| (name(m), Ppb::from_ppb(333_333_333))).collect();
        let rebalance = Event::Rebalance { fund: fund.clone(), weights, cash: Ppb::from_ppb(80_000_000), spread: Ppb::ZERO, counterparties: vec![name("LP")], max_primary: None };
        commit(&mut state, &rebalance).unwrap();
        for who in &INVESTORS[1..] {
            let (who, to) = (name("ANN"), name(who));
            let asset = Asset::Share(fund.clone());
            commit(&mut state, &Event::Transfer { who, to, asset, amount: 10_000_000_000 }).unwrap();
        }
        let held = state.balance(&Account::Person(name("ANN")), &Asset::Share(fund.clone()));
        let shares = Shares::from_nano(shares.min(held));
        let before = state.clone();
        let quote = quote_exit(&state, &fund, shares, day).unwrap();
        prop_assert_eq!(&state, &before);
        let leaves = Event::Redeem { fund: fund.clone(), who: name("ANN"), shares };
        commit(&mut state, &leaves).unwrap();
        for (who, joins, size) in others.into_iter().filter(|(who, joins, _)| *joins || *who > 0) {
            let (fund, who) = (fund.clone(), name(INVESTORS[who]));
            let event = if joins {
                Event::Subscribe { fund, who, amount: Cash::from_micro(size) }
            } else {
                Event::Redeem { fund, who, shares: Shares::from_nano(size) }
            };
            commit(&mut state, &event).unwrap();
        }
        let batch = commit(&mut state, &Event::Strike { fund: fund.clone(), day }).unwrap();
        let Outcome::Strike(strike) = batch.outcome else { panic!("no outcome") };
        let slice = &strike.slices[0];
        prop_assert_eq!((slice.cash, &slice.units, strike.shares), (quote.cash, &quote.units, quote.supply));
        let more = Shares::from_nano(quote.supply.as_nano() + 1);
        prop_assert_eq!(quote_exit(&before, &fund, more, day).unwrap_err().code(), "amount");
    }

    /// Proves that an order that is taken back leaves no trace in the books, whatever waits beside it, and that nobody takes back
    /// another's.
    #[test]
    fn cancelling(
        sizes in prop::collection::vec((0..4_usize, any::<bool>(), 1..2_000_000_000_i64), 1..12),
        picked in any::<Index>(),
    ) {
        let mut state = ledger();
        let fund = name("f");
        for who in &INVESTORS[1..] {
            let (who, to) = (name("ANN"), name(who));
            let asset = Asset::Share(fund.clone());
            commit(&mut state, &Event::Transfer { who, to, asset, amount: 2_000_000_000_000 }).unwrap();
        }
        let place_order = |state: &mut State, (who, joins, size): (usize, bool, i64)| {
            let (fund, who) = (fund.clone(), name(INVESTORS[who]));
            let event = if joins {
                Event::Subscribe { fund, who, amount: Cash::from_micro(size) }
            } else {
                Event::Redeem { fund, who, shares: Shares::from_nano(size) }
            };
            commit(state, &event).unwrap();
        };
        let picked = picked.index(sizes.len());
        let (mut with, mut without) = (state.clone(), state);
        for (at, order) in sizes.iter().enumerate() {
            place_order(&mut with, *order);
            if at != picked {
                place_order(&mut without, *order);
            }
        }
        let (who, joins, _) = sizes[picked];
        let place = sizes[..picked].iter().filter(|order| order.1 == joins).count() as u64;
        let cancel = |who: &str| {
            let (fund, who) = (fund.clone(), name(who));
            match joins {
                true => Event::CancelSubscription { fund, who, place },
                false => Event::CancelRedemption { fund, who, place },
            }
        };
        let refused = commit(&mut with, &cancel(INVESTORS[(who + 1) % 4])).unwrap_err();
        prop_assert_eq!(refused.code(), "nothing");
        commit(&mut with, &cancel(INVESTORS[who])).unwrap();
        prop_assert_eq!(with.check(), Ok(()));
        prop_assert!(with.balances().eq(without.balances()));
        let queues = |state: &State| {
            let fund = state.fund(&fund).unwrap();
            (fund.pending_subscriptions().to_vec(), fund.pending_redemptions().to_vec())
        };
        prop_assert_eq!(queues(&with), queues(&without));
    }

    /// Proves that the order of orders does not matter at a strike: same balances, same pools, same NAV.
    #[test]
    fn strike_order(
        prices in prop::collection::vec(100_000_000..9_000_000_000_i64, 3),
        orders in prop::collection::vec((0..4_usize, any::<bool>(), 1..2_000_000_000_i64), 1..24).prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle())),
    ) {
        let mut state = ledger();
        let fund = name("f");
        let share = Asset::Share(fund.clone());
        for who in &INVESTORS[1..] {
            let (who, to) = (name("ANN"), name(who));
            commit(&mut state, &Event::Transfer { who, to, asset: share.clone(), amount: 2_000_000_000_000 }).unwrap();
        }
        let weights = MODELS.iter().map(|m| (name(m), Ppb::from_ppb(333_333_333))).collect();
        let rebalance = Event::Rebalance { fund: fund.clone(), weights, cash: Ppb::from_ppb(80_000_000), spread: Ppb::ZERO, counterparties: vec![name("LP")], max_primary: None };
        commit(&mut state, &rebalance).unwrap();
        let prices = MODELS.iter().zip(prices).map(|(m, p)| (name(m), PriceNano::from_nano(p))).collect();
        commit(&mut state, &Event::MarkSet { fund: fund.clone(), prices, estimates: BTreeMap::new() }).unwrap();
        let deal = |orders: &[(usize, bool, i64)]| {
            let mut state = state.clone();
            for (index, joins, size) in orders {
                let (fund, who) = (fund.clone(), name(INVESTORS[*index]));
                let event = if *joins {
                    Event::Subscribe { fund, who, amount: Cash::from_micro(*size) }
                } else {
                    Event::Redeem { fund, who, shares: Shares::from_nano(*size) }
                };
                commit(&mut state, &event).unwrap();
            }
            let batch = commit(&mut state, &Event::Strike { fund: fund.clone(), day: 30 }).unwrap();
            let Outcome::Strike(strike) = batch.outcome else { panic!("no outcome") };
            (state, strike)
        };
        let ((a, x), (b, y)) = (deal(&orders.0), deal(&orders.1));
        prop_assert!(a.balances().eq(b.balances()), "a balance depends on the order");
        prop_assert_eq!(a.fund(&fund).unwrap().pools(), b.fund(&fund).unwrap().pools());
        prop_assert_eq!((x.nav, x.ask, x.shares), (y.nav, y.ask, y.shares));
        prop_assert_eq!(a.fund(&fund).unwrap().nav(&a), b.fund(&fund).unwrap().nav(&b));
        // Splitting an order never pays more (padding gains nothing): all leavers of one name together get no more than one order.
        let mut merged = BTreeMap::<usize, i64>::new();
        orders.0.iter().filter(|o| !o.1).for_each(|o| *merged.entry(o.0).or_default() += o.2);
        let merged: Vec<_> = merged.into_iter().map(|(who, size)| (who, false, size)).collect();
        let (_, one) = deal(&merged);
        for slice in &one.slices {
            let parts = x.slices.iter().filter(|s| s.who == slice.who);
            let (mut cash, mut units) = (0, BTreeMap::<&Name, i64>::new());
            for part in parts {
                cash += part.cash.as_micro();
                part.units.iter().for_each(|(m, u)| *units.entry(m).or_default() += u.as_micro());
            }
            prop_assert!(cash <= slice.cash.as_micro());
            prop_assert!(slice.units.iter().all(|(m, u)| units.get(m).is_none_or(|p| *p <= u.as_micro())));
        }
    }
}
