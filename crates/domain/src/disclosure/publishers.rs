//! What a fund has paid for primary sales, and how much of it the contributors have.

use std::collections::BTreeMap;

use super::{DisclosureError, cash};
use crate::{
    amount::Cash,
    fund::{Account, Asset, Entry, Kind},
    name::Name,
};

/// Cash of one model's primary sales to one fund, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Paid {
    bond: i128,
    escrow: i128,
    vested: i128,
}

/// By model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Payments(BTreeMap<Name, Paid>);

impl Payments {
    pub(super) fn post(&mut self, entry: &Entry) {
        for leg in entry.custody.iter().filter(|leg| leg.asset == Asset::Cash) {
            let amount = i128::from(leg.amount);
            match (entry.kind, &leg.from, &leg.to) {
                (Kind::Buy, _, Account::Bond(model)) => self.of(model).bond += amount,
                (Kind::Buy, _, Account::EscrowPublisher(model)) => self.of(model).escrow += amount,
                (Kind::Vest, Account::EscrowPublisher(model), _) => self.of(model).vested += amount,
                _ => {}
            }
        }
    }

    fn of(&mut self, model: &Name) -> &mut Paid {
        self.0.entry(model.clone()).or_default()
    }

    pub(super) fn read(&self) -> Result<Vec<PublisherPayments>, DisclosureError> {
        let read = |(model, paid): (&Name, &Paid)| {
            let what = "a primary sale";
            Ok(PublisherPayments {
                model: model.clone(),
                bond: cash(paid.bond, what)?,
                escrow: cash(paid.escrow, what)?,
                vested: cash(paid.vested, what)?,
            })
        };
        self.0.iter().map(read).collect()
    }
}

/// What a fund has paid for units out of a model's primary offer, to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherPayments {
    /// The model.
    pub model: Name,
    /// Into the publisher's bond.
    pub bond: Cash,
    /// Into escrow, to vest; vested or not, or lost at a delisting.
    pub escrow: Cash,
    /// Of that, what the contributors have received.
    pub vested: Cash,
}
