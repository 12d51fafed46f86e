//! The invariants of FUND 3 that a state can be asked for.

use std::collections::BTreeMap;

use super::{
    account::{Account, Asset, GlAccount},
    book::{MODELS_MAX, UNITS},
    fund_state::FundState,
    state::State,
};
use crate::amount::{Femto, LIMIT};

impl State {
    /// Checks both books, the escrows and the side claims; what one event may not break.
    ///
    /// # Errors
    /// The first invariant that does not hold, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        self.check_custody()?;
        for (model, record) in self.models() {
            let issued = self.balance(&Account::Issue, &Asset::Unit(model.clone()));
            ensure(issued == -UNITS, || format!("units of {model} are {issued}"))?;
            let escrow = self.balance(&Account::EscrowPublisher(model.clone()), &Asset::Cash);
            let unpaid = record.sales().iter();
            let unpaid: i128 = unpaid
                .map(|s| i128::from(s.amount.as_micro()) - i128::from(s.paid.as_micro()))
                .sum();
            ensure(i128::from(escrow) == unpaid, || {
                format!("escrow of {model} is {escrow}, owes {unpaid}")
            })?;
            if record.is_delisted() {
                let bond = self.balance(&Account::Bond(model.clone()), &Asset::Cash);
                ensure(bond == 0, || format!("bond of delisted {model} is {bond}"))?;
            }
        }
        self.funds().try_for_each(|fund| self.check_fund(fund))
    }

    /// Sums of nothing, signs, bounds, and who may hold what.
    fn check_custody(&self) -> Result<(), String> {
        let mut sums = BTreeMap::<&Asset, i128>::new();
        for (account, asset, balance) in self.balances() {
            *sums.entry(asset).or_default() += i128::from(balance);
            let place = || format!("{account} has {balance} of {asset}");
            ensure(balance >= 0 || account.may_be_negative(), place)?;
            ensure(balance.unsigned_abs() <= LIMIT.unsigned_abs(), place)?;
            if let Account::Liquidation { fund, epoch } = account {
                let open = self.fund(fund).is_some_and(|f| f.pools().contains_key(epoch));
                let live = matches!(asset, Asset::Unit(model) if !self.is_delisted(model));
                ensure(open && live, place)?;
            }
            if let Asset::SideClaim { .. } = asset {
                let may =
                    matches!(account, Account::Person(_) | Account::Issue | Account::Locked(_));
                ensure(may, place)?;
            }
        }
        match sums.iter().find(|(_, sum)| **sum != 0) {
            None => Ok(()),
            Some((asset, sum)) => Err(format!("all balances of {asset} sum to {sum}")),
        }
    }

    fn check_fund(&self, fund: &FundState) -> Result<(), String> {
        let name = fund.name();
        ensure(fund.prices().len() <= MODELS_MAX, || format!("{name} lists too many models"))?;
        let nav = fund.nav(self);
        let of = |classes: &[u8]| -> Femto {
            fund.gl_accounts().filter(|(a, _)| classes.contains(&a.class())).map(|(_, b)| b).sum()
        };
        let (assets, equity) = (of(&[1]), of(&[3, 4, 5]));
        ensure(of(&[1, 2, 3, 4, 5]).is_zero(), || format!("ledger of {name} does not balance"))?;
        ensure(assets == nav && -equity == nav, || {
            format!("{name}: NAV {nav}, assets {assets}, equity {equity}")
        })?;
        let cash = fund.gl(&GlAccount::Cash);
        ensure(cash == fund.cash(self).to_femto(), || format!("cash of {name} is {cash}"))?;
        for payable in [
            GlAccount::RedemptionsPayable,
            GlAccount::ManagementFeePayable,
            GlAccount::PerformanceFeePayable,
        ] {
            ensure(fund.gl(&payable).is_zero(), || format!("{payable} of {name} is not nothing"))?;
        }
        for holding in fund.holdings(self) {
            let model = &holding.model;
            let value = fund.gl(&GlAccount::Units(model.clone()));
            ensure(value == holding.value, || format!("{model} in {name} is booked at {value}"))?;
            let gone = holding.units.as_micro() == 0 && holding.price.as_nano() == 0;
            ensure(gone || !self.is_delisted(model), || format!("{name} has delisted {model}"))?;
        }
        self.check_queues(fund)
    }

    fn check_queues(&self, fund: &FundState) -> Result<(), String> {
        let name = fund.name();
        let escrow = self.balance(&Account::EscrowSubscriptions(name.clone()), &Asset::Cash);
        let waiting = fund.pending_subscriptions().iter();
        let waiting: i128 = waiting.map(|(_, cash)| i128::from(cash.as_micro())).sum();
        let waiting = waiting + fund.auction().deposits();
        ensure(i128::from(escrow) == waiting, || {
            format!("{name}: {escrow} in escrow, {waiting} ordered")
        })?;
        let share = Asset::Share(name.clone());
        let escrow = self.balance(&Account::EscrowRedemptions(name.clone()), &share);
        let waiting = fund.pending_redemptions().iter().chain(fund.window().requests());
        let waiting: i128 = waiting.map(|(_, shares)| i128::from(shares.as_nano())).sum();
        ensure(i128::from(escrow) == waiting, || {
            format!("{name}: {escrow} in escrow, {waiting} given back")
        })?;
        let book = fund.open_commitment().and_then(|open| open.book);
        let waits = book.is_none_or(|book| {
            book.subscriptions <= fund.pending_subscriptions().len()
                && book.redemptions <= fund.pending_redemptions().len()
                && book.window <= fund.window().requests().len()
        });
        ensure(waits, || format!("an order of the closed book of {name} is gone"))?;
        let locked = self.balance(&Account::Locked(name.clone()), &share);
        let constant = fund.params().locked_shares.as_nano();
        let seeded = fund.shares(self).as_nano() != 0;
        ensure(!seeded || locked == constant, || format!("{name} has {locked} locked shares"))
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
