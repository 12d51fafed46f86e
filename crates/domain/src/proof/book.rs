//! The closed book of a strike under one root, which binds whoever closed it and tells how many orders there are and nothing else.
//!
//! ```text
//! leaf = for each of "mf.order.v1", fund, strike, sequence, kind, amount, owner, salt of the order: u32 length, little endian ‖ bytes
//! salt of the order = SHA-256 of the same form of "mf.order.salt.v1", salt of the book, sequence
//! ```
//! Numbers are 8 bytes, little endian. Orders stand in the order of the journal. A root over few orders could be guessed, so each leaf has
//! a salt, and each its own: one who is told his does not learn the others'. An owner is given the path of his own order.

use serde::{Deserialize, Serialize};

use super::{
    length_prefixed,
    merkle::{MerkleError, Tree, leaf_hash, root, verify_inclusion},
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

/// A closed book with the paths of its orders.
#[derive(Clone, Debug)]
pub struct Book {
    fund: Name,
    strike: u64,
    salt: Salt,
    orders: Vec<Order>,
    tree: Tree,
}

/// What the owner of an order can show: it is in the closed book of a strike, as he placed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderProof {
    /// The fund.
    pub fund: Name,
    /// The strike whose book it is.
    pub strike: u64,
    /// The order.
    pub order: Order,
    /// The salt of the order.
    pub salt: Salt,
    /// Its place in the book, from 0.
    pub index: u64,
    /// The path to the root.
    pub path: Vec<Digest>,
}

impl Book {
    /// The book of strike `number`: its orders, in the order of the journal.
    #[must_use]
    pub fn new(fund: Name, strike: u64, orders: Vec<Order>, salt: Salt) -> Self {
        let mut tree = Tree::new();
        for order in &orders {
            tree.append(leaf(&fund, strike, order, &salt));
        }
        Self { fund, strike, salt, orders, tree }
    }

    /// What the log's leaf has of it.
    #[must_use]
    pub fn root(&self) -> BookRoot {
        BookRoot { count: self.tree.size(), root: self.tree.root() }
    }

    /// The proof of the order whose event has a number; none for an order that is not in the book.
    #[must_use]
    pub fn prove(&self, sequence: u64) -> Option<OrderProof> {
        let index = self.orders.binary_search_by_key(&sequence, |order| order.sequence).ok()?;
        let (order, index) = (self.orders[index].clone(), index as u64);
        Some(OrderProof {
            fund: self.fund.clone(),
            strike: self.strike,
            salt: own_salt(&self.salt, sequence),
            order,
            index,
            path: self.tree.inclusion(index, self.tree.size())?,
        })
    }
}

impl OrderProof {
    /// Checks that the order is one of those under the root.
    ///
    /// # Errors
    /// [`MerkleError`] says what does not fit.
    pub fn verify(&self, root: &BookRoot) -> Result<(), MerkleError> {
        let leaf = salted_leaf(&self.fund, self.strike, &self.order, &self.salt);
        verify_inclusion(leaf, self.index, root.count, &self.path, root.root)
    }
}

fn own_salt(salt: &Salt, sequence: u64) -> Salt {
    let fields: [&[u8]; 3] = [SALT_TAG, salt.as_bytes(), &sequence.to_le_bytes()];
    Salt::from_bytes(*Digest::of(&length_prefixed(&fields)).as_bytes())
}

fn leaf(fund: &Name, number: u64, order: &Order, salt: &Salt) -> Digest {
    salted_leaf(fund, number, order, &own_salt(salt, order.sequence))
}

fn salted_leaf(fund: &Name, number: u64, order: &Order, own: &Salt) -> Digest {
    let sequence = order.sequence.to_le_bytes();
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
