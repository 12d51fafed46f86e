//! The root over all balances: made again of the state that the journal leaves, so that nobody signs balances that the journal denies.

use super::same;
use crate::{
    fund::State,
    proof::{
        balance::Balances,
        bundle::{Bundle, BundleError},
    },
};

/// Checks that the record's root is that of the state after the strike, under the seed that the bundle tells.
pub(super) fn verify(bundle: &Bundle, state: &State) -> Result<(), BundleError> {
    let (record, facts) = (&bundle.record, &bundle.record.facts);
    let stated = match (&record.balances, &bundle.balance_seed) {
        (None, None) => return Ok(()),
        (Some(stated), Some(seed)) => (stated, seed),
        (Some(_), None) => {
            let what = "balance_seed, which opens record.balances".to_owned();
            return Err(BundleError::Missing { what });
        }
        (None, Some(_)) => {
            let what = "record.balances, which balance_seed opens".to_owned();
            return Err(BundleError::Missing { what });
        }
    };
    let (stated, seed) = stated;
    let derived = Balances::of(state, (&facts.fund, facts.number), seed)?.root();
    same("record.balances", stated, &derived)
}
