//! The seed: the first subscription, at par 1.000000, with a few shares locked for ever (FUND 2.2).

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Meta},
    book::{Book, check_cash, find_fund},
    kind::Kind,
    math::K,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{
    amount::{Cash, Femto, LIMIT, Shares},
    name::Name,
};

/// Nano-shares for a micro-credit at par.
const PAR: i128 = 1000;

pub(super) fn seed(
    state: &State,
    fund: &Name,
    who: &Name,
    amount: Cash,
    day: Option<i64>,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let cash = check_cash("seed", amount)?;
    let locked = i128::from(fund.params.locked_shares.as_nano());
    if cash * PAR < locked {
        return Err(Rejection::Amount {
            what: "seed",
            value: amount.as_micro().to_string(),
            min: fund.params.locked_shares.as_nano().saturating_add(PAR as i64 - 1) / PAR as i64,
            max: LIMIT,
        });
    }
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    // The clock of a fund may stand at 0 while the calendar is far on: it begins with the fund's first share, so that
    // nobody is charged a fee for days before there was a fund. There are no shares yet, so moving it costs nothing.
    if let Some(day) = day {
        book.charge_clock(fund, &mut progress, day)?;
    }
    if book.shares(fund) != 0 {
        return Err(Rejection::Seeded { fund: fund.name.clone() });
    }
    fund.check_receiver(who)?;
    let share = Asset::Share(fund.name.clone());
    let sponsor = Account::Person(who.clone());
    let legs = vec![
        (Asset::Cash, sponsor.clone(), Account::Fund(fund.name.clone()), cash),
        (share.clone(), Account::Issue, sponsor, cash * PAR - locked),
        (share, Account::Issue, Account::Locked(fund.name.clone()), locked),
    ];
    let lines = vec![(GlAccount::Cash, cash * K), (GlAccount::Capital, -cash * K)];
    book.post(Kind::Seed, Some(&fund.name), legs, lines, Meta::None)?;
    let supply = i64::try_from(book.shares(fund)).unwrap_or(LIMIT);
    progress.high_water = Some((Femto::from_femto(book.nav(fund)), Shares::from_nano(supply)));
    progress.last = progress.high_water;
    book.progressed(fund, progress);
    Ok(book.finish(Outcome::None))
}

#[cfg(test)]
mod tests {
    use super::super::{Event, FundParams, apply};
    use super::*;
    use crate::fund::Kind as EntryKind;

    fn ledger(events: &[Event]) -> Result<State, Rejection> {
        let mut state = State::new();
        for event in events {
            let batch = apply(&state, event)?;
            state.commit(&batch);
        }
        Ok(state)
    }

    /// Proves that fees run from the day of the seed and not from day 0, and that the clock still never goes back.
    #[test]
    fn fees_run_from_the_seed() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let (fund, who) = (name("main"), name("SPONSOR"));
        let params = FundParams {
            management_fee: crate::amount::Ppb::from_ppb(10_000_000),
            ..FundParams::default()
        };
        let amount = Cash::from_micro(1_000_000_000);
        let opening = [
            Event::CreateFund { fund: fund.clone(), params },
            Event::Deposit { who: who.clone(), amount },
            Event::Seed { fund: fund.clone(), who, amount, day: Some(20_458) },
        ];
        let seeded = ledger(&opening).unwrap();
        let strike = |day| apply(&seeded, &Event::Strike { fund: fund.clone(), day });
        let kinds = |batch: Batch| batch.entries.iter().map(|e| e.kind).collect::<Vec<_>>();
        assert_eq!(kinds(strike(20_458).unwrap()), [EntryKind::Strike], "no fee on the first day");
        assert_eq!(kinds(strike(20_459).unwrap()), [EntryKind::MgmtFee, EntryKind::Strike]);
        assert_eq!(strike(20_457).unwrap_err().code(), "clock");
    }
}
