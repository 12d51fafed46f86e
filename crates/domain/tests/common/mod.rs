//! A ledger of two funds, for tests of the fund engine.

use domain::{
    amount::{Cash, Ppb, PriceNano},
    fund::{Batch, Event, FundParams, Rejection, State, apply},
    name::Name,
};

/// People with cash.
pub(crate) const INVESTORS: [&str; 4] = ["ANN", "BEN", "CAT", "DAN"];
/// Models; the first fund lists all, the second the first two.
pub(crate) const MODELS: [&str; 3] = ["m/a", "m/b", "m/c"];

/// A name, from a literal.
pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Applies and commits.
pub(crate) fn commit(state: &mut State, event: &Event) -> Result<Batch, Rejection> {
    let batch = apply(state, event)?;
    state.commit(&batch);
    Ok(batch)
}

/// Two funds over shared models: one with every fee, one with none; seeded, subscribed, invested.
pub(crate) fn ledger() -> State {
    let mut state = State::new();
    let busy = FundParams {
        levy_in: Ppb::from_ppb(5_000_001),
        management_fee: Ppb::from_ppb(100_000_000),
        performance_fee: Ppb::from_ppb(200_000_000),
        ..FundParams::default()
    };
    let plain = FundParams { management_fee: Ppb::ZERO, ..FundParams::default() };
    let mut do_it = |event: Event| commit(&mut state, &event).map(|_| ()).unwrap();
    for (fund, params) in [("f", busy), ("g", plain)] {
        do_it(Event::CreateFund { fund: name(fund), params });
    }
    for who in INVESTORS.iter().chain(&["LP", "SPONSOR", "PUB"]) {
        do_it(Event::Deposit { who: name(who), amount: Cash::from_micro(1_000_000_000_000) });
    }
    for (index, fund) in ["f", "f", "f", "g", "g"].into_iter().enumerate() {
        let contributors = if index == 1 {
            vec![
                (name("PUB"), Ppb::from_ppb(600_000_001)),
                (name("ANN"), Ppb::from_ppb(399_999_999)),
            ]
        } else {
            Vec::new()
        };
        do_it(Event::Admit {
            fund: name(fund),
            model: name(MODELS[index % 3]),
            publisher: name("PUB"),
            price: PriceNano::from_nano(1_234_567_891),
            bond: Cash::from_micro(1_000_000),
            contributors,
        });
    }
    for fund in ["f", "g"] {
        let fund = name(fund);
        let amount = Cash::from_micro(10_000_000_007);
        do_it(Event::Seed { fund: fund.clone(), who: name("SPONSOR"), amount, day: None });
        do_it(Event::Subscribe { fund: fund.clone(), who: name("ANN"), amount });
        do_it(Event::Strike { fund, day: 0 });
    }
    state
}
