//! The closed book of a strike under one root, which binds whoever closed it and tells how many orders there are and nothing else.
//!
//! ```text
//! leaf = for each of "mf.order.v1", fund, strike, sequence, kind, amount, owner, salt of the order: u32 length, little endian ‖ bytes
//! salt of the order = SHA-256 of the same form of "mf.order.salt.v1", salt of the book, sequence
//! ```
//! Numbers are 8 bytes, little endian. Orders stand in the order of the journal. A root over few orders could be guessed, so each leaf has
//! a salt, and each its own: one who is told his does not learn the others'.

use serde::{Deserialize, Serialize};

use super::{
    length_prefixed,
    merkle::{leaf_hash, root},
    strike::{Order, OrderKind},
};
use crate::{digest::Digest, fund::Salt, name::Name};

const TAG: &[u8] = b"mf.order.v1";
const SALT_TAG: &[u8] = b"mf.order.salt.v1";

/// The root over the orders of a closed book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookRoot {
    /// Orders.
    pub count: u64,
    /// The root.
    pub root: Digest,
}

impl BookRoot {
    /// The root over `orders`, those of the book of strike `number`, in the order of the journal.
    #[must_use]
    pub fn of<'a>(
        fund: &Name,
        number: u64,
        orders: impl Iterator<Item = &'a Order>,
        salt: &Salt,
    ) -> Self {
        let leaves: Vec<Digest> = orders.map(|order| leaf(fund, number, order, salt)).collect();
        Self { count: leaves.len() as u64, root: root(&leaves) }
    }
}

fn leaf(fund: &Name, number: u64, order: &Order, salt: &Salt) -> Digest {
    let sequence = order.sequence.to_le_bytes();
    let own = Digest::of(&length_prefixed(&[SALT_TAG, salt.as_bytes(), &sequence]));
    let kind: &[u8] = match order.kind {
        OrderKind::Subscription => b"subscription",
        OrderKind::Redemption => b"redemption",
        OrderKind::Window => b"window",
    };
    let (number, amount) = (number.to_le_bytes(), order.amount.to_le_bytes());
    let fields: [&[u8]; 8] = [
        TAG,
        fund.as_str().as_bytes(),
        &number,
        &sequence,
        kind,
        &amount,
        order.who.as_str().as_bytes(),
        own.as_bytes(),
    ];
    leaf_hash(&length_prefixed(&fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every part of a book is under its root, its order and its salt among them, and that an empty book has the empty root.
    #[test]
    fn everything_is_under_the_root() {
        let (fund, salt) = ("F".parse().unwrap(), Salt::from_bytes([1; 32]));
        let order = |sequence, amount, who: &str| Order {
            sequence,
            kind: OrderKind::Subscription,
            amount,
            who: who.parse().unwrap(),
        };
        let orders = [order(3, 10, "A"), order(4, 20, "B")];
        let whole = BookRoot::of(&fund, 2, orders.iter(), &salt);
        assert_eq!(whole.count, 2);
        let other: Name = "G".parse().unwrap();
        let leaves = Order { kind: OrderKind::Redemption, ..orders[1].clone() };
        for changed in [
            BookRoot::of(&other, 2, orders.iter(), &salt),
            BookRoot::of(&fund, 3, orders.iter(), &salt),
            BookRoot::of(&fund, 2, orders.iter().rev(), &salt),
            BookRoot::of(&fund, 2, orders.iter().take(1), &salt),
            BookRoot::of(&fund, 2, orders.iter(), &Salt::from_bytes([2; 32])),
            BookRoot::of(&fund, 2, [&orders[0], &order(5, 20, "B")].into_iter(), &salt),
            BookRoot::of(&fund, 2, [&orders[0], &order(4, 21, "B")].into_iter(), &salt),
            BookRoot::of(&fund, 2, [&orders[0], &order(4, 20, "C")].into_iter(), &salt),
            BookRoot::of(&fund, 2, [&orders[0], &leaves].into_iter(), &salt),
        ] {
            assert_ne!(changed.root, whole.root);
        }
        let none = BookRoot::of(&fund, 2, [].into_iter(), &salt);
        assert_eq!(none, BookRoot { count: 0, root: super::super::merkle::empty_root() });
    }
}
