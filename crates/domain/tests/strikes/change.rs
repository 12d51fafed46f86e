//! A change of rules after the first strike: announced, adopted, and all that an operator may get wrong with it.

use domain::{
    amount::Ppb,
    digest::Digest,
    fund::{Event, Methodology},
    name::Name,
    proof::LeafRecord,
    time::{DAY_MS, Timestamp},
};

use super::{Twist, World};

/// The day of the first strike.
const DAY: i64 = 10;

impl World {
    /// Other rules: dearer, with more cash, and without a levy.
    fn other_rules(&self) -> Methodology {
        Methodology {
            cash_ppb: 200_000_000,
            levy_in_ppb: 0,
            management_fee_ppb: 30_000_000,
            name_cap_ppb: 550_000_000,
            publisher_cap_ppb: 550_000_000,
            ..self.rules.clone()
        }
    }

    /// Says in the log which rules come, and when.
    pub(super) fn announce(&mut self, fund: &Name) {
        let rules = self.other_rules();
        let (at, effective_day) = match self.twist {
            Twist::ChangeEarly => (4, DAY),
            Twist::ChangeSoon => (3, DAY + 1),
            _ => (3, DAY),
        };
        let (at, effective_day) = (Timestamp::from_millis(at * DAY_MS), Some(effective_day));
        let (fund, methodology) = (fund.clone(), rules.digest().unwrap());
        let announced = self.log(LeafRecord::Methodology {
            at,
            effective_day,
            fund: fund.clone(),
            methodology,
        });
        if self.twist == Twist::ChangeWithdrawn {
            let announcement = announced;
            self.log(LeafRecord::MethodologyWithdrawal { at, fund, announcement, methodology });
        }
        self.announced = Some(announced);
    }

    /// Puts them in force.
    pub(super) fn adopt(&mut self, fund: &Name) {
        let rules = self.other_rules();
        let mut digest = self.watch.learn(rules.clone()).unwrap();
        let mut params = rules.fund_params();
        if self.twist == Twist::ChangeFee {
            params.management_fee = Ppb::from_ppb(40_000_000);
        }
        if self.twist == Twist::ChangeUnknown {
            digest = Digest::of(b"rules that nobody has seen");
        }
        self.post(Event::AdoptMethodology { fund: fund.clone(), digest, params });
        if let (Some(announcement), Twist::Change | Twist::ChangeOther) =
            (self.announced, self.twist)
        {
            let methodology = match self.twist {
                Twist::ChangeOther => Digest::of(b"rules that nobody has seen"),
                _ => digest,
            };
            let (at, fund, strike) = (self.at(), fund.clone(), 1);
            let leaf =
                LeafRecord::MethodologyAdoption { at, fund, announcement, methodology, strike };
            self.log(leaf);
        }
        self.versions.push(rules.clone());
        self.rules = rules;
    }
}
