//! Correction: what was entered wrongly is reversed by an entry of its own; history is never edited (FUND 1.4).
//!
//! Only what moves one asset between owners is reversed: deposit, withdrawal, transfer, claim. What went through a fund's books settled
//! with others at one rate, and taking it back from one of them would change what the others got; for a wrong price there is
//! [`restatement`](super::restatement). A correction is not corrected: the event is entered again.
//!
//! The event carries the event that it reverses, because a state remembers balances and no events. Whoever has the journal compares the
//! two: the service before it posts, the verifier of a strike for every correction of the journal.

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, DraftLeg, check_amount, check_cash, find_fund},
    custody::{check_asset, check_parties, move_youth},
    event::Event,
    kind::Kind,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
    window::youth::Move,
};
use crate::amount::{Cash, LIMIT};

pub(super) fn correct(
    state: &State,
    corrects: u64,
    event: &Event,
    claimed: Option<Cash>,
) -> Result<Batch, Rejection> {
    if !(1..=state.events()).contains(&corrects) {
        return Err(Rejection::Amount {
            what: "number of the corrected event",
            value: corrects.to_string(),
            min: 1,
            max: i64::try_from(state.events()).unwrap_or(LIMIT),
        });
    }
    let leg = mirror(state, event, claimed)?;
    if state.is_corrected(corrects) {
        return Err(Rejection::Corrected { sequence: corrects });
    }
    if let Event::Transfer { who, to, asset: Asset::Share(fund), .. } = event {
        // A reversal is a gift the other way, and asks what a gift asks.
        find_fund(state, fund)?.check_gift(to, who)?;
    }
    let mut book = Book::over(state);
    book.post(Kind::Correction, None, vec![leg], Vec::new(), Meta::Correction { corrects })?;
    if let Event::Transfer { who, to, asset, amount } = event {
        let amount = i128::from(*amount);
        move_youth(state, &mut book, (to, who), (asset, amount), Move::Back(corrects));
    }
    book.effect(Effect::Corrected { sequence: corrects });
    Ok(book.finish(Outcome::None))
}

/// What `event` moved, the other way.
fn mirror(state: &State, event: &Event, claimed: Option<Cash>) -> Result<DraftLeg, Rejection> {
    let person = |who: &crate::name::Name| Account::Person(who.clone());
    if claimed.is_some() != matches!(event, Event::Claim { .. }) {
        let (what, value) = match claimed {
            Some(cash) => ("claimed, beside an event that is no claim,", cash.to_string()),
            None => ("claimed", "nothing".to_owned()),
        };
        return Err(Rejection::Amount { what, value, min: 1, max: LIMIT });
    }
    Ok(match event {
        Event::Deposit { who, amount } => {
            (Asset::Cash, person(who), Account::Outside, check_cash("deposit", *amount)?)
        }
        Event::Withdraw { who, amount } => {
            (Asset::Cash, Account::Outside, person(who), check_cash("withdrawal", *amount)?)
        }
        Event::Transfer { who, to, asset, amount } => {
            check_parties(who, to)?;
            check_asset(state, asset)?;
            (asset.clone(), person(to), person(who), check_amount("transfer", *amount, 1)?)
        }
        Event::Claim { who } => {
            let amount = check_cash("claimed", claimed.unwrap_or_default())?;
            (Asset::Cash, person(who), Account::Claim(who.clone()), amount)
        }
        other => return Err(Rejection::Irreversible { op: other.op() }),
    })
}
