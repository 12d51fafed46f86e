//! Own dealing: what fell into a window is found, whatever lies around it, and nothing else is said to have.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::{
    amount::{Cash, Femto, Shares},
    dealing::{Dealing, DealingKind, Insider, Window, closed_to, dealings_of, register},
    fund::{Asset, Event, Fill, StrikeOutcome},
    name::Name,
    time::Timestamp,
};
use proptest::prelude::*;

const OWNERS: [&str; 4] = ["ANN", "BOB", "LAB", "CY"];
const MODELS: [&str; 3] = ["lab/a", "lab/b", "cy/c"];
const KINDS: [DealingKind; 10] = [
    DealingKind::Subscription,
    DealingKind::Cancellation,
    DealingKind::Fill,
    DealingKind::Given,
    DealingKind::Received,
    DealingKind::Redemption,
    DealingKind::InKind,
    DealingKind::Window,
    DealingKind::WindowCancellation,
    DealingKind::WindowPayment,
];

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn insider() -> impl Strategy<Value = Insider> {
    (0..4_usize, 0..3_usize, 0..1_000_i64, prop::option::of(0..500_i64)).prop_map(
        |(owner, model, from, length)| Insider {
            owner: name(OWNERS[owner]),
            model: name(MODELS[model]),
            from: at(from),
            to: length.map(|length| at(from + length)),
        },
    )
}

/// Event `n` is written at millisecond `10·n`.
fn window() -> impl Strategy<Value = Window> {
    (0..3_usize, 0..100_u64, prop::option::of(1..40_u64)).prop_map(|(model, after, length)| {
        Window {
            model: name(MODELS[model]),
            version: name(&format!("v{after}")),
            opened_at: at(after as i64 * 10 + 5),
            opened_after: after,
            ended_by: length.map(|length| after + length),
        }
    })
}

fn dealing() -> impl Strategy<Value = Dealing> {
    (1..120_u64, 0..4_usize, 0..7_usize).prop_map(|(sequence, owner, kind)| Dealing {
        sequence,
        at: at(sequence as i64 * 10),
        owner: name(OWNERS[owner]),
        kind: KINDS[kind],
    })
}

/// Whether a dealing fell into a window, in words of its own: event by event and owner by owner.
fn is_inside(insiders: &[Insider], window: &Window, dealing: &Dealing) -> bool {
    let mut open = false;
    for event in 0..=dealing.sequence {
        if window.ended_by == Some(event) {
            return false;
        }
        open |= event == window.opened_after + 1;
    }
    let opened = window.opened_at.as_millis();
    let role = |i: &Insider| {
        let ended_before = i.to.is_some_and(|to| to.as_millis() < opened);
        i.owner == dealing.owner
            && i.model == window.model
            && !ended_before
            && i.from.as_millis() <= dealing.at.as_millis()
    };
    open && insiders.iter().any(role)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that a dealing that is planted into a window is found among any others, that every entry with a window fell into it, that none
    /// without one did, that leaving is in none, and that nobody but insiders is in the register.
    #[test]
    fn what_is_planted_is_found(
        insiders in prop::collection::vec(insider(), 0..8),
        windows in prop::collection::vec(window(), 0..6),
        others in prop::collection::vec(dealing(), 0..30),
        (after, length, offset, kind, place) in (0..100_u64, 2..40_u64, any::<prop::sample::Index>(), 0..5_usize, any::<prop::sample::Index>()),
    ) {
        let (mut insiders, mut windows, mut dealings) = (insiders, windows, others);
        let model = name("lab/planted");
        let sequence = after + 1 + offset.index(length as usize - 1) as u64;
        insiders.push(Insider { owner: name("DEB"), model: model.clone(), from: at(0), to: Some(at(after as i64 * 10 + 5)) });
        windows.push(Window { model: model.clone(), version: name("v1"), opened_at: at(after as i64 * 10 + 5), opened_after: after, ended_by: Some(after + length) });
        let planted = Dealing { sequence, at: at(sequence as i64 * 10), owner: name("DEB"), kind: KINDS[kind] };
        dealings.insert(place.index(dealings.len() + 1), planted.clone());
        let found = register(&insiders, &windows, &dealings);
        let hit = found.iter().find(|entry| entry.dealing == planted).unwrap();
        prop_assert_eq!((&hit.model, &hit.inside), (&model, &Some(name("v1"))));
        for entry in &found {
            let dealing = &entry.dealing;
            let fell = windows.iter().any(|w| is_inside(&insiders, w, dealing));
            prop_assert_eq!(entry.inside.is_some(), fell && !dealing.kind.is_leaving(), "{:?}", entry);
            prop_assert!(insiders.iter().any(|i| i.owner == dealing.owner && i.model == entry.model));
        }
        for dealing in &dealings {
            let fell = windows.iter().any(|w| is_inside(&insiders, w, dealing));
            let is_there = found.iter().any(|entry| entry.dealing == *dealing);
            prop_assert!(is_there || dealing.kind.is_leaving() || !fell, "{:?} is missing", dealing);
            // Whoever is asked before he deals is told the same.
            let asked = closed_to(&dealing.owner, &insiders, &windows, (dealing.sequence, dealing.at));
            prop_assert_eq!(asked.is_some(), fell);
        }
    }
}

/// Proves which events are dealings in a fund's shares, that both sides of a gift are told, that only orders that got shares are fills,
/// and that other funds and other assets are none.
#[test]
fn events_are_dealings() {
    let (f, g, ann, bob) = (name("f"), name("g"), name("ANN"), name("BOB"));
    let fill = |who: &Name, shares: i64| Fill {
        cash: Cash::from_micro(1),
        cost: Cash::ZERO,
        levy: Cash::ZERO,
        shares: Shares::from_nano(shares),
        who: who.clone(),
    };
    let outcome = StrikeOutcome {
        ask: Femto::ZERO,
        epoch: 1,
        fills: vec![fill(&ann, 5), fill(&bob, 0), fill(&ann, 6)],
        nav: Femto::ZERO,
        shares: Shares::ZERO,
        slices: Vec::new(),
        winding: false,
    };
    let gift =
        |asset: Asset| Event::Transfer { who: ann.clone(), to: bob.clone(), asset, amount: 1 };
    let order = |fund: &Name| {
        let (fund, who) = (fund.clone(), ann.clone());
        Event::Subscribe { fund, who, amount: Cash::from_micro(1) }
    };
    let cancel = Event::CancelSubscription { fund: f.clone(), who: ann.clone(), place: 0 };
    let strike = Event::Strike { fund: f.clone(), day: 1 };
    let shares = Shares::from_nano(1);
    let least = domain::amount::PriceNano::ZERO;
    let asks = Event::RequestWindow { fund: f.clone(), who: ann.clone(), shares, least };
    let takes_back = Event::CancelWindow { fund: f.clone(), who: ann.clone(), place: 0 };
    for (event, expected) in [
        (order(&f), vec![("ANN", DealingKind::Subscription)]),
        (order(&g), vec![]),
        (cancel, vec![("ANN", DealingKind::Cancellation)]),
        (asks, vec![("ANN", DealingKind::Window)]),
        (takes_back, vec![("ANN", DealingKind::WindowCancellation)]),
        (
            gift(Asset::Share(f.clone())),
            vec![("ANN", DealingKind::Given), ("BOB", DealingKind::Received)],
        ),
        (gift(Asset::Share(g.clone())), vec![]),
        (gift(Asset::Cash), vec![]),
        (strike, vec![("ANN", DealingKind::Fill), ("ANN", DealingKind::Fill)]),
    ] {
        let told = dealings_of(&f, &event, Some(&outcome), (7, at(9)));
        let told: Vec<_> = told.iter().map(|d| (d.owner.as_str(), d.kind)).collect();
        assert_eq!(told, expected, "{event:?}");
    }
}
