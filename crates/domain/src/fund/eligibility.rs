//! Which of its models a fund gives no weight: those of which a person has not said yet that they are no copies.
//!
//! It bears on weights alone. Marks, slices, leaving in kind and royalties do not ask; the operator's rebalance does, and the proof of a
//! strike derives the same weights from the same events.

use super::{
    batch::{Batch, Effect},
    book::{Book, check_live, find_fund},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::name::Name;

pub(super) fn set_eligible(
    state: &State,
    fund: &Name,
    model: &Name,
    eligible: bool,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    check_live(state, fund, model)?;
    if fund.is_eligible(model) == eligible {
        return Err(Rejection::Nothing { what: "say of a model's eligibility: it is so already" });
    }
    let mut book = Book::over(state);
    let (fund, model) = (fund.name.clone(), model.clone());
    book.effect(Effect::EligibilitySet { eligible, fund, model });
    Ok(book.finish(Outcome::None))
}
