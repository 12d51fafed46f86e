//! A change of rules: other fees, levy and reserve from here on (FUND 6.5).

use super::{
    batch::{Batch, Effect},
    bidding,
    book::{Book, find_fund},
    outcome::Outcome,
    params::FundParams,
    rejection::Rejection,
    state::State,
};
use crate::{digest::Digest, name::Name};

/// Nothing moves but deposits of bids for an auction that changes: what was due until now was charged by the strike before, at the rates before.
///
/// The locked shares exist since the seed, and who receives the fees is a promise to those who hold shares: neither changes.
pub(super) fn adopt_methodology(
    state: &State,
    fund: &Name,
    digest: Digest,
    params: &FundParams,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    params.validate()?;
    let before = &fund.params;
    for (what, stated, given) in [
        ("locked_shares", before.locked_shares.to_string(), params.locked_shares.to_string()),
        ("manager", before.manager.to_string(), params.manager.to_string()),
        ("publisher_pool", before.publisher_pool.to_string(), params.publisher_pool.to_string()),
    ] {
        if stated != given {
            return Err(Rejection::Fixed { what, stated, given });
        }
    }
    if fund.methodology == Some(digest) {
        return Err(Rejection::Nothing { what: "adopt: these rules are in force" });
    }
    let mut book = Book::over(state);
    if params.auction != before.auction {
        // These bids were made for other rules.
        bidding::give_back(&mut book, fund)?;
    }
    let retention = params.daily_retention();
    let (fund, params) = (fund.name.clone(), params.clone());
    book.effect(Effect::MethodologyAdopted { digest, fund, params, retention });
    Ok(book.finish(Outcome::None))
}
