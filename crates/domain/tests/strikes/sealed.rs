//! A second strike whose prices are bound before its cut-off, and told after it or never.

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, PriceNano, Shares},
    fund::{Event, PriceSet, Salt},
    name::Name,
    proof::{LeafRecord, OlderHead},
};

use super::{Twist, World, name};

impl World {
    /// Whether strike `number` has a commitment.
    pub(super) fn is_sealed(&self, number: usize) -> bool {
        matches!(self.twist, Twist::Sealed | Twist::Withheld | Twist::OtherBook) && number == 2
    }

    /// The strike on whose prices strike `number` rests.
    pub(super) fn rests_on(&self, number: usize) -> usize {
        if self.twist == Twist::Withheld { 1 } else { number }
    }

    /// Binds prices, takes orders, closes them, signs what the log is, takes two more orders, and tells the prices.
    pub(super) fn seal(
        &mut self,
        fund: &Name,
        prices: BTreeMap<Name, PriceNano>,
        estimates: BTreeMap<Name, PriceNano>,
    ) {
        let (salt, number) = (Salt::from_bytes([5; 32]), 2);
        let set = PriceSet { fund, number, prices: &prices, estimates: &estimates, salt: &salt };
        let commitment = set.commitment().unwrap();
        self.post(Event::CommitPrices { fund: fund.clone(), commitment });
        let at = self.at();
        self.log(LeafRecord::Commitment { at, fund: fund.clone(), number, commitment });
        let join = |who: &str| Event::Subscribe {
            fund: fund.clone(),
            who: name(who),
            amount: Cash::from_micro(55_000_005),
        };
        self.post(join("BOB"));
        self.post(Event::CloseOrders { fund: fund.clone(), day: 20, salt });
        let at = self.at();
        let book = self.watch.commitment().unwrap().book.unwrap();
        let count = book.count - u64::from(self.twist == Twist::OtherBook);
        let cut_off = self.journal.len() as u64;
        let (fund_name, root) = (fund.clone(), book.root);
        let leaf =
            LeafRecord::Orders { at, fund: fund_name, number, commitment, cut_off, root, count };
        self.log(leaf);
        self.book_head = Some(self.sign(at));
        self.post(join("ALICE"));
        let (who, shares) = (name("ALICE"), Shares::from_nano(77));
        self.post(Event::Redeem { fund: fund.clone(), who, shares });
        if self.twist != Twist::Withheld {
            self.post(Event::RevealPrices { fund: fund.clone(), prices, estimates, salt });
        }
    }

    /// The head between book and strike, for a bundle at a head of `size` leaves.
    pub(super) fn book_evidence(&self, number: usize, size: u64) -> Option<OlderHead> {
        let head = self.book_head.clone().filter(|_| self.is_sealed(number))?;
        let path = self.tree.consistency(head.size, size).unwrap();
        Some(OlderHead { head, path })
    }
}
