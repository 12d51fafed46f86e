//! What likeness leaves a model of its part of the fees: said when it changes, before the strike that it counts from.
//!
//! It bears on distributions alone (`distribute.rs`): each strike of a span is divided by what was in force at it. Nothing said is the
//! whole.

use super::{
    batch::{Batch, Effect},
    book::{Book, check_live, find_fund},
    fund_state::FundState,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{
    amount::{PPB_ONE, Ppb},
    name::Name,
};

pub(super) fn set_fee_share(
    state: &State,
    fund: &Name,
    model: &Name,
    share: Ppb,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    check_live(state, fund, model)?;
    if !(0..=PPB_ONE).contains(&share.as_ppb()) {
        let (what, value) = (format!("fee share of {model}"), share.as_ppb().to_string());
        return Err(Rejection::Weights { what, value, max: PPB_ONE });
    }
    if fund.fee_share(model) == share {
        return Err(Rejection::Nothing { what: "say of a fee share: it is so already" });
    }
    let mut book = Book::over(state);
    let (fund, model) = (fund.name.clone(), model.clone());
    book.effect(Effect::FeeShareSet { fund, model, share });
    Ok(book.finish(Outcome::None))
}

impl FundState {
    /// The part of its fees that likeness leaves a model, from the next strike on.
    #[must_use]
    pub fn fee_share(&self, model: &Name) -> Ppb {
        self.fee_shares.get(model).copied().unwrap_or(Ppb::from_ppb(PPB_ONE))
    }

    pub(super) fn take_fee_share(&mut self, model: &Name, share: Ppb) {
        if share.as_ppb() == PPB_ONE {
            self.fee_shares.remove(model);
        } else {
            self.fee_shares.insert(model.clone(), share);
        }
    }
}
