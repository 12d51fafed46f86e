//! A fund on the ledger.

use super::{
    batch::{Batch, Effect},
    book::Book,
    outcome::Outcome,
    params::FundParams,
    rejection::Rejection,
    state::State,
};
use crate::name::Name;

pub(super) fn create_fund(
    state: &State,
    fund: &Name,
    params: &FundParams,
) -> Result<Batch, Rejection> {
    if state.fund(fund).is_some() {
        return Err(Rejection::Exists { what: format!("fund {fund}") });
    }
    params.validate()?;
    let mut book = Book::over(state);
    let retention = params.daily_retention();
    book.effect(Effect::FundCreated { fund: fund.clone(), params: params.clone(), retention });
    Ok(book.finish(Outcome::None))
}
