//! What the journal says of a commitment to prices: by which event it was made, which orders were closed, whether the prices were told.

use serde::{Deserialize, Serialize};

use super::{
    book::BookRoot,
    strike::{Order, OrderKind},
};
use crate::{digest::Digest, fund::Salt, name::Name};

/// The commitment of a strike, as its record has it: made before the cut-off, told after it (invariant 26).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitmentFacts {
    /// What binds to the prices.
    pub digest: Digest,
    /// Number of the event that made it, from 1. An order with a later number met prices that were bound when it was not known.
    pub committed: u64,
    /// The closed book; none where the strike came without a cut-off.
    pub book: Option<BookRoot>,
    /// Number of the event that told the prices; none where they were withheld: joiners of the book have everything back.
    pub revealed: Option<u64>,
    /// What the commitment was salted with; none where the prices were withheld.
    pub salt: Option<Salt>,
}

/// A commitment that the journal has not used up yet.
#[derive(Clone, Debug)]
pub(super) struct Following {
    facts: CommitmentFacts,
    /// The event of the cut-off, the chain after it, and whether joiners are in the book.
    closed: Option<(u64, Digest, bool)>,
}

impl Following {
    pub(super) const fn new(digest: Digest, committed: u64) -> Self {
        let facts = CommitmentFacts { digest, committed, book: None, revealed: None, salt: None };
        Self { facts, closed: None }
    }

    /// The cut-off came with event `sequence`: `orders` are those that wait.
    pub(super) fn close<'a>(
        &mut self,
        (fund, number): (&Name, u64),
        (sequence, chain): (u64, Digest),
        (orders, holds): (impl Iterator<Item = &'a Order>, bool),
        salt: &Salt,
    ) {
        self.closed = Some((sequence, chain, !holds));
        let orders = orders.filter(|order| self.has(order));
        self.facts.book = Some(BookRoot::of(fund, number, orders, salt));
    }

    pub(super) const fn reveal(&mut self, sequence: u64, salt: Salt) {
        self.facts.revealed = Some(sequence);
        self.facts.salt = Some(salt);
    }

    /// Whether an order is in the closed book.
    pub(super) fn has(&self, order: &Order) -> bool {
        self.closed.is_some_and(|(cut_off, _, joins)| {
            order.sequence <= cut_off && (joins || order.kind != OrderKind::Subscription)
        })
    }

    /// The event of the cut-off and the chain after it.
    pub(super) fn cut_off(&self) -> Option<(u64, Digest)> {
        self.closed.map(|(sequence, chain, _)| (sequence, chain))
    }

    pub(super) const fn facts(&self) -> &CommitmentFacts {
        &self.facts
    }

    pub(super) fn into_facts(self) -> CommitmentFacts {
        self.facts
    }
}
