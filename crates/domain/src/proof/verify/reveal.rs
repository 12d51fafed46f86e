//! The two-sided strike in the log: the commitment before the book, the book under a head that was signed before the prices were told.

use super::{log::before, same};
use crate::{
    evaluation::PublicKey,
    name::Name,
    proof::{
        bundle::{Bundle, BundleError, LeafProof, OlderHead},
        leaf::LeafRecord,
    },
};

fn missing(what: String) -> BundleError {
    BundleError::Missing { what }
}

/// The leaves of commitment and book, which must say what the journal says; none for a strike without a commitment.
pub(super) fn verify<'a>(
    bundle: &'a Bundle,
    strike: &LeafProof,
    trusted: Option<&PublicKey>,
) -> Result<Vec<&'a LeafProof>, BundleError> {
    let facts = &bundle.record.facts;
    let Some(made) = &facts.commitment else { return Ok(Vec::new()) };
    let of =
        |what: &str| format!("the leaf of the {what} of strike {} of {}", facts.number, facts.fund);
    let own = |fund: &Name, number: &u64| *fund == facts.fund && *number == facts.number;
    let bound = bundle.log.leaves.iter().find(|proof| {
        matches!(&proof.leaf, LeafRecord::Commitment { fund, number, commitment, .. }
            if own(fund, number) && *commitment == made.digest)
    });
    let bound = bound.ok_or_else(|| missing(of("commitment")))?;
    let Some(book) = made.book else { return Ok(vec![bound]) };
    let orders = bundle.log.leaves.iter().find(|proof| {
        matches!(&proof.leaf, LeafRecord::Orders { fund, number, commitment, .. }
            if own(fund, number) && *commitment == made.digest)
    });
    let orders = orders.ok_or_else(|| missing(of("book")))?;
    let LeafRecord::Orders { at, .. } = &orders.leaf else { return Err(missing(of("book"))) };
    let derived = LeafRecord::Orders {
        at: *at,
        fund: facts.fund.clone(),
        number: facts.number,
        commitment: made.digest,
        cut_off: facts.cut_off,
        root: book.root,
        count: book.count,
    };
    same("log.orders", &orders.leaf, &derived)?;
    before("log.commitment.index", bound, "orders", orders)?;
    if made.revealed.is_some() {
        verify_head(bundle, orders, strike, trusted)?;
    }
    Ok(vec![bound, orders])
}

/// A head that has the book and not the strike: whoever signed it had closed the book before he told the prices.
fn verify_head(
    bundle: &Bundle,
    orders: &LeafProof,
    strike: &LeafProof,
    trusted: Option<&PublicKey>,
) -> Result<(), BundleError> {
    let Some(OlderHead { head, path }) = &bundle.log.book else {
        return Err(missing("log.book, the head between book and strike".to_owned()));
    };
    let wrong = |source| BundleError::Head { which: "log.book", source };
    head.verify(trusted).map_err(wrong)?;
    bundle.log.head.follows(head, path).map_err(wrong)?;
    if (orders.index + 1..=strike.index).contains(&head.size) {
        return Ok(());
    }
    Err(BundleError::Difference {
        field: "log.book.head.size".to_owned(),
        stated: head.size.to_string(),
        derived: format!(
            "from {} to {}, with the book, before the strike",
            orders.index + 1,
            strike.index
        ),
    })
}
