//! Who and what takes part: names, with the accounts and assets of the ledger that they stand for.

use std::collections::BTreeMap;

use crate::{
    fund::{Account, Asset},
    name::Name,
};

/// Models that one life may admit.
pub(super) const MODELS: usize = 12;
/// Investors at most.
pub(super) const INVESTORS: usize = 8;

/// Persons with a part of their own, by index; investors follow, then one publisher a model.
pub(super) const SPONSOR: usize = 0;
pub(super) const MANAGER: usize = 1;
pub(super) const PUBPOOL: usize = 2;
pub(super) const PROVIDERS: [usize; 2] = [3, 4];
pub(super) const FIRST_INVESTOR: usize = 5;
const FIRST_PUBLISHER: usize = FIRST_INVESTOR + INVESTORS;
/// Persons in all.
pub(super) const PERSONS: usize = FIRST_PUBLISHER + MODELS;

// Rows of the model's table: accounts. Leavers' accounts follow, one a pool.
pub(super) const ISSUE: usize = 0;
pub(super) const OUTSIDE: usize = 1;
pub(super) const FUND: usize = 2;
pub(super) const LOCKED: usize = 3;
pub(super) const ESC_SUB: usize = 4;
pub(super) const ESC_RED: usize = 5;
const PERSON: usize = 6;
const CLAIM: usize = PERSON + PERSONS;
const PRIMARY: usize = CLAIM + PERSONS;
const BOND: usize = PRIMARY + MODELS;
const ESC_PUB: usize = BOND + MODELS;
const SIDE: usize = ESC_PUB + MODELS;
/// The first leavers' account.
pub(super) const LIQ: usize = SIDE + MODELS;

// Columns: assets.
pub(super) const CASH: usize = 0;
pub(super) const SHARE: usize = 1;
/// Assets in all.
pub(super) const ASSETS: usize = 2 + 2 * MODELS;

pub(super) const fn person(index: usize) -> usize {
    PERSON + index
}
pub(super) const fn claim(index: usize) -> usize {
    CLAIM + index
}
pub(super) const fn primary(model: usize) -> usize {
    PRIMARY + model
}
pub(super) const fn bond(model: usize) -> usize {
    BOND + model
}
pub(super) const fn esc_pub(model: usize) -> usize {
    ESC_PUB + model
}
pub(super) const fn side(model: usize) -> usize {
    SIDE + model
}
pub(super) const fn unit(model: usize) -> usize {
    2 + model
}
pub(super) const fn side_claim(model: usize) -> usize {
    2 + MODELS + model
}
pub(super) const fn publisher(model: usize) -> usize {
    FIRST_PUBLISHER + model
}

/// The names of one life.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) fund: Name,
    pub(super) persons: Vec<Name>,
    pub(super) models: Vec<Name>,
    /// Accounts of the rows before the leavers'.
    pub(super) accounts: Vec<Account>,
    /// Assets of the columns.
    pub(super) assets: Vec<Asset>,
    person_index: BTreeMap<Name, usize>,
    model_index: BTreeMap<Name, usize>,
}

impl Cast {
    pub(super) fn new() -> Self {
        let fund = name("f");
        let models: Vec<Name> = (0..MODELS).map(|m| name(&format!("org/m{m:02}"))).collect();
        let mut persons: Vec<Name> =
            ["SPONSOR", "MANAGER", "PUBPOOL", "LP", "LP2"].map(name).to_vec();
        persons.extend((0..INVESTORS).map(|i| name(&format!("INV{i}"))));
        persons.extend((0..MODELS).map(|m| name(&format!("PUB{m:02}"))));
        let f = || fund.clone();
        let mut accounts = vec![
            Account::Issue,
            Account::Outside,
            Account::Fund(f()),
            Account::Locked(f()),
            Account::EscrowSubscriptions(f()),
            Account::EscrowRedemptions(f()),
        ];
        accounts.extend(persons.iter().cloned().map(Account::Person));
        accounts.extend(persons.iter().cloned().map(Account::Claim));
        accounts.extend(models.iter().cloned().map(Account::Primary));
        accounts.extend(models.iter().cloned().map(Account::Bond));
        accounts.extend(models.iter().cloned().map(Account::EscrowPublisher));
        accounts.extend(models.iter().cloned().map(|model| Account::Side { fund: f(), model }));
        let mut assets = vec![Asset::Cash, Asset::Share(f())];
        assets.extend(models.iter().cloned().map(Asset::Unit));
        assets.extend(models.iter().cloned().map(|model| Asset::SideClaim { fund: f(), model }));
        let index =
            |names: &[Name]| names.iter().cloned().enumerate().map(|(i, n)| (n, i)).collect();
        let (person_index, model_index) = (index(&persons), index(&models));
        Self { fund, persons, models, accounts, assets, person_index, model_index }
    }

    pub(super) fn find_person(&self, name: &Name) -> Option<usize> {
        self.person_index.get(name).copied()
    }

    pub(super) fn find_model(&self, name: &Name) -> Option<usize> {
        self.model_index.get(name).copied()
    }

    /// The column of an asset; none for one of another fund or of a model that is no part of this life.
    pub(super) fn find_asset(&self, asset: &Asset) -> Option<usize> {
        match asset {
            Asset::Cash => Some(CASH),
            Asset::Share(fund) => (*fund == self.fund).then_some(SHARE),
            Asset::Unit(model) => self.find_model(model).map(unit),
            Asset::SideClaim { fund, model } => {
                self.find_model(model).filter(|_| *fund == self.fund).map(side_claim)
            }
        }
    }

    /// The row of an account but a leavers'.
    pub(super) fn find_account(&self, account: &Account) -> Option<usize> {
        let own = |fund: &Name, row: usize| (*fund == self.fund).then_some(row);
        match account {
            Account::Issue => Some(ISSUE),
            Account::Outside => Some(OUTSIDE),
            Account::Person(who) => self.find_person(who).map(person),
            Account::Claim(who) => self.find_person(who).map(claim),
            Account::Fund(fund) => own(fund, FUND),
            Account::Locked(fund) => own(fund, LOCKED),
            Account::EscrowSubscriptions(fund) => own(fund, ESC_SUB),
            Account::EscrowRedemptions(fund) => own(fund, ESC_RED),
            Account::Primary(model) => self.find_model(model).map(primary),
            Account::Bond(model) => self.find_model(model).map(bond),
            Account::EscrowPublisher(model) => self.find_model(model).map(esc_pub),
            Account::Side { fund, model } => {
                self.find_model(model).and_then(|model| own(fund, side(model)))
            }
            Account::Liquidation { .. } => None,
        }
    }
}

#[expect(clippy::expect_used, reason = "every text here has the form of a name")]
pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}
