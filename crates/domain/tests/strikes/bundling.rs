//! The bundle of a strike, out of everything that happened.

use domain::fund::Asset;

use super::*;

impl World {
    pub(super) fn sign(&self, at: Timestamp) -> SignedHead {
        key().sign(&name("test"), self.tree.size(), self.tree.root(), at).unwrap()
    }

    pub(super) fn strike_leaf(&self, wanted: u64) -> Option<usize> {
        self.leaves
            .iter()
            .position(|leaf| matches!(leaf, LeafRecord::Strike { number, .. } if *number == wanted))
    }

    /// The bundle of strike `number`.
    pub(crate) fn bundle(&self, number: usize) -> Bundle {
        let head = self.heads[number - 1].clone();
        let size = head.size;
        let proof = |(index, leaf): (u64, &LeafRecord)| LeafProof {
            index,
            leaf: leaf.clone(),
            path: self.tree.inclusion(index, size).unwrap(),
        };
        let older = number.checked_sub(2).map(|older| {
            let head = self.heads[older].clone();
            let path = self.tree.consistency(head.size, size).unwrap();
            OlderHead { head, path }
        });
        let record = self.records[number - 1].clone();
        let last = record.facts.sequence as usize;
        let rests_on = self.rests_on(number);
        let steps = |(model, (_, steps, ..)): (&Name, &(_, Vec<PriceStep>, _, _))| {
            // A third strike rests on the prices of the second.
            (model.clone(), steps[..rests_on.min(steps.len())].to_vec())
        };
        let changed = number > 1 && self.versions.len() > 1;
        Bundle {
            bundle_version: Bundle::VERSION,
            record,
            methodology: if number > 1 { self.rules.clone() } else { self.versions[0].clone() },
            methodologies: if changed { self.versions.clone() } else { Vec::new() },
            journal: self.journal[..last].to_vec(),
            reports: self.reports[..if rests_on == 1 { 2 } else { self.reports.len() }].to_vec(),
            decisions: self.prices.iter().map(steps).collect(),
            balance_seed: Some(seed(number as u64)),
            log: LogEvidence {
                leaves: (0..size).zip(&self.leaves).map(proof).collect(),
                book: self.book_evidence(number, size),
                head,
                older,
                entries: self.leaves[..size as usize].iter().cloned().map(LogEntry::Leaf).collect(),
            },
        }
    }

    /// The root over balances that the operator signs.
    pub(super) fn twisted(&self, honest: BalanceRoot) -> BalanceRoot {
        if self.twist != Twist::OtherBalance || self.records.len() != 1 {
            return honest;
        }
        let mut state = self.state.clone();
        let asset = Asset::Share(name("main"));
        let transfer = Event::Transfer { who: name("ALICE"), to: name("BOB"), asset, amount: 1 };
        let batch = apply(&state, &transfer).unwrap();
        state.commit(&batch);
        Balances::of(&state, (&name("main"), 2), &seed(2)).unwrap().root()
    }
}
