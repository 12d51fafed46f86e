//! A queue of orders whose copy costs little: what is far from its end is shared.
//!
//! A command works on a copy of what is followed, and the queue is nearly all of it. With one list the orders of a day, placed one by one,
//! were copied once each for every order: twenty thousand orders, two hundred million copies.

use std::sync::Arc;

use super::strike::Order;

/// Orders of one shared piece.
const PIECE_ORDERS: usize = 256;

/// Orders in the order of the journal.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// Pieces that nobody adds to.
    pieces: Arc<Vec<Arc<Vec<Order>>>>,
    /// Fewer than a piece, unless orders were taken out before it.
    tail: Vec<Order>,
}

impl Orders {
    /// Adds one at the end.
    pub(super) fn push(&mut self, order: Order) {
        self.tail.push(order);
        if self.tail.len() >= PIECE_ORDERS {
            let piece = std::mem::take(&mut self.tail);
            Arc::make_mut(&mut self.pieces).push(Arc::new(piece));
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.pieces.iter().flat_map(|piece| piece.iter()).chain(&self.tail)
    }

    /// Takes out the first after `skip` others for which `wanted` holds.
    pub(super) fn remove(&mut self, wanted: impl Fn(&Order) -> bool, skip: u64) {
        let mut left = skip;
        let mut is_it = |order: &Order| {
            let found = wanted(order) && left == 0;
            left -= u64::from(wanted(order) && left > 0);
            found
        };
        for (index, piece) in self.pieces.iter().enumerate() {
            if let Some(at) = piece.iter().position(&mut is_it) {
                Arc::make_mut(&mut Arc::make_mut(&mut self.pieces)[index]).remove(at);
                return;
            }
        }
        if let Some(at) = self.tail.iter().position(is_it) {
            self.tail.remove(at);
        }
    }

    /// Takes out all for which `wanted` holds, in their order.
    pub(super) fn take(&mut self, wanted: impl FnMut(&Order) -> bool) -> Vec<Order> {
        let (taken, left) = self.iter().cloned().partition(wanted);
        let left: Vec<Order> = left;
        *self = Self::default();
        left.into_iter().for_each(|order| self.push(order));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::OrderKind;

    fn order(sequence: u64) -> Order {
        let is_odd = sequence % 2 == 1;
        let kind = if is_odd { OrderKind::Subscription } else { OrderKind::Redemption };
        Order { sequence, kind, amount: 1, who: "A".parse().unwrap() }
    }

    /// Proves that the queue is a list like any other: at every length around a piece, with orders taken out at all places; that a copy
    /// keeps what it had; and that a copy of a long queue copies less than a piece.
    #[test]
    fn it_is_a_list() {
        let joins = |order: &Order| order.kind == OrderKind::Subscription;
        let (mut queue, mut list) = (Orders::default(), Vec::new());
        for sequence in 1..=1500 {
            let before = queue.clone();
            let length = list.len();
            queue.push(order(sequence));
            list.push(order(sequence));
            assert_eq!(before.iter().count(), length);
            if sequence % 7 == 0 {
                let skip = sequence % 600;
                queue.remove(joins, skip);
                let found = list.iter().enumerate().filter(|(_, order)| joins(order));
                if let Some((at, _)) = found.clone().nth(skip as usize) {
                    list.remove(at);
                }
            }
            assert!(queue.iter().eq(&list), "after {sequence}");
            assert!(queue.tail.len() < PIECE_ORDERS);
        }
        let taken = queue.take(joins);
        let (wanted, left): (Vec<Order>, Vec<Order>) = list.into_iter().partition(joins);
        assert_eq!(taken, wanted);
        assert!(queue.iter().eq(&left));
    }

    /// Proves that a copy of 20,000 orders shares all but the last few with what it was made of, when one more is added and when one is
    /// taken out of the middle.
    #[test]
    fn copies_share() {
        let mut queue = Orders::default();
        (1..=20_000).for_each(|sequence| queue.push(order(sequence)));
        let mut copy = queue.clone();
        copy.push(order(20_001));
        assert!(Arc::ptr_eq(&copy.pieces, &queue.pieces) && queue.tail.len() < PIECE_ORDERS);
        copy.remove(|_| true, 10_000);
        let pieces = copy.pieces.iter().zip(queue.pieces.iter());
        let own = pieces.filter(|(copied, kept)| !Arc::ptr_eq(copied, kept));
        assert_eq!((own.count(), queue.iter().count()), (1, 20_000));
    }
}
