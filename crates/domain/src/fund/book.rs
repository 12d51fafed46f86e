//! The draft over the books that an event writes on: the ledger below stays as it is.

use std::collections::BTreeMap;

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Effect, Entry, GlLine, Leg, Meta},
    fund_state::{FundState, Progress},
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{
    amount::{Cash, Femto, LIMIT, Ppb, PriceNano},
    name::Name,
};

/// Units that exist of a model: 1,000,000.000000.
pub(super) const UNITS: i64 = 1_000_000_000_000;
/// The last day that a clock can reach.
pub(super) const DAY_MAX: i64 = 1_000_000;
/// Models that one fund may list; keeps NAV far inside 128 bits and every loop short.
pub(super) const MODELS_MAX: usize = 1_000;
/// Orders of one kind that may wait for one strike.
pub(super) const ORDERS_MAX: usize = 100_000;
/// Contributors of one model, and counterparties of one rebalance.
pub(super) const PARTIES_MAX: usize = 1_000;

/// A leg before it is known to fit.
pub(super) type DraftLeg = (Asset, Account, Account, i128);
/// A line of the valuation ledger before it is known to count.
pub(super) type DraftLine = (GlAccount, i128);

/// Entries and effects of one event, and the balances that they lead to.
pub(super) struct Book<'a> {
    pub(super) base: &'a State,
    changed: BTreeMap<Asset, BTreeMap<Account, i64>>,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
}

impl<'a> Book<'a> {
    pub(super) const fn over(base: &'a State) -> Self {
        Self { base, changed: BTreeMap::new(), entries: Vec::new(), effects: Vec::new() }
    }

    pub(super) fn finish(self, outcome: Outcome) -> Batch {
        Batch { effects: self.effects, entries: self.entries, outcome }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn balance(&self, account: &Account, asset: &Asset) -> i64 {
        let changed = self.changed.get(asset).and_then(|owners| owners.get(account));
        changed.copied().unwrap_or_else(|| self.base.balance(account, asset))
    }

    /// Adds an entry; legs and lines of nothing are left out.
    ///
    /// Errors: `funds` where a balance would go negative, then `limit` where one would pass the bound.
    pub(super) fn post(
        &mut self,
        kind: Kind,
        fund: Option<&Name>,
        legs: Vec<DraftLeg>,
        lines: Vec<DraftLine>,
        meta: Meta,
    ) -> Result<(), Rejection> {
        let mut after: BTreeMap<&Asset, BTreeMap<&Account, i128>> = BTreeMap::new();
        for (asset, from, to, amount) in legs.iter().filter(|leg| leg.3 != 0) {
            if *amount < 0 || from == to {
                return Err(Rejection::Internal("a leg is negative or goes nowhere"));
            }
            let owners = after.entry(asset).or_default();
            for (account, delta) in [(from, -amount), (to, *amount)] {
                let before = || i128::from(self.balance(account, asset));
                let balance = owners.entry(account).or_insert_with(before);
                *balance = balance.saturating_add(delta);
            }
        }
        self.check_balances(&after)?;
        if lines.iter().try_fold(0_i128, |sum, line| sum.checked_add(line.1)) != Some(0) {
            return Err(Rejection::Internal("the valuation ledger does not balance"));
        }
        for (asset, owners) in after {
            let changed = self.changed.entry(asset.clone()).or_default();
            for (account, balance) in owners {
                changed.insert(account.clone(), i64::try_from(balance).unwrap_or(LIMIT));
            }
        }
        let custody = legs.into_iter().filter(|leg| leg.3 != 0).map(checked_leg);
        let custody = custody.collect::<Result<_, _>>()?;
        let gl = lines.into_iter().filter(|line| line.1 != 0);
        let gl = gl
            .map(|(account, delta)| GlLine { account, delta: Femto::from_femto(delta) })
            .collect();
        self.entries.push(Entry { custody, fund: fund.cloned(), gl, kind, meta });
        Ok(())
    }

    fn check_balances(
        &self,
        after: &BTreeMap<&Asset, BTreeMap<&Account, i128>>,
    ) -> Result<(), Rejection> {
        let touched =
            || after.iter().flat_map(|(asset, owners)| owners.iter().map(move |o| (*asset, o)));
        let short = touched().find(|(_, (account, b))| **b < 0 && !account.may_be_negative());
        if let Some((asset, (account, balance))) = short {
            let before = self.balance(account, asset);
            return Err(Rejection::Funds {
                account: Box::new((*account).clone()),
                asset: Box::new(asset.clone()),
                balance: before,
                needed: i128::from(before).saturating_sub(*balance).to_string(),
            });
        }
        let bound = i128::from(LIMIT).unsigned_abs();
        match touched().find(|(_, (_, b))| b.unsigned_abs() > bound) {
            None => Ok(()),
            Some((asset, (account, _))) => Err(limit(format!("{asset} of {account}"))),
        }
    }

    // What a fund has, as the draft stands.

    pub(super) fn cash(&self, fund: &FundState) -> i128 {
        i128::from(self.balance(&Account::Fund(fund.name.clone()), &Asset::Cash))
    }

    pub(super) fn units(&self, fund: &FundState, model: &Name) -> i128 {
        let account = Account::Fund(fund.name.clone());
        i128::from(self.balance(&account, &Asset::Unit(model.clone())))
    }

    pub(super) fn shares(&self, fund: &FundState) -> i128 {
        -i128::from(self.balance(&Account::Issue, &Asset::Share(fund.name.clone())))
    }

    /// NAV; below 2^114 because a fund lists at most [`MODELS_MAX`] models.
    pub(super) fn nav(&self, fund: &FundState) -> i128 {
        let value = |(model, price): (&Name, &PriceNano)| {
            self.units(fund, model) * i128::from(price.as_nano())
        };
        self.cash(fund) * K + fund.prices.iter().map(value).sum::<i128>()
    }

    /// NAV with every name at the larger of price and estimate.
    pub(super) fn ask(&self, fund: &FundState) -> i128 {
        let value = |(model, price): (&Name, &PriceNano)| {
            let ask = fund.estimate(model).map_or(*price, |estimate| estimate.max(*price));
            self.units(fund, model) * i128::from(ask.as_nano())
        };
        self.cash(fund) * K + fund.prices.iter().map(value).sum::<i128>()
    }

    /// Models that can be traded and marked, by name.
    pub(super) fn live(&self, fund: &'a FundState) -> Vec<&'a Name> {
        fund.prices.keys().filter(|model| !self.base.is_delisted(model)).collect()
    }

    /// Moves the fund's clock and charges the management fee for the days passed (FUND 2.5).
    pub(super) fn charge_clock(
        &mut self,
        fund: &FundState,
        progress: &mut Progress,
        day: i64,
    ) -> Result<(), Rejection> {
        if !(progress.day..=DAY_MAX).contains(&day) {
            return Err(clock(day.to_string(), progress.day));
        }
        let days = (day - progress.day).unsigned_abs();
        progress.day = day;
        let supply = self.shares(fund);
        if days == 0 || fund.params.management_fee == Ppb::ZERO || supply == 0 {
            return Ok(());
        }
        // A fee that passes the bound of the ledger yields, or no strike and no exit on that day could ever be made.
        let fee = math::management_shares(supply, fund.retention, days);
        let fee = fee.min(i128::from(LIMIT) - supply);
        let publishers = math::floor_div(fee, i128::from(fund.params.publisher_share.as_ppb()), K);
        let value = math::floor_div(self.nav(fund), fee, supply + fee);
        let share = Asset::Share(fund.name.clone());
        let legs =
            [(&fund.params.manager, fee - publishers), (&fund.params.publisher_pool, publishers)]
                .map(|(who, amount)| {
                    (share.clone(), Account::Issue, Account::Person(who.clone()), amount)
                })
                .to_vec();
        let lines = vec![
            (GlAccount::ManagementFee, value),
            (GlAccount::ManagementFeePayable, -value),
            (GlAccount::ManagementFeePayable, value),
            (GlAccount::Capital, -value),
        ];
        self.post(Kind::MgmtFee, Some(&fund.name), legs, lines, Meta::Fee { days })
    }

    /// Records what clock and strike have moved, where they have.
    pub(super) fn progressed(&mut self, fund: &FundState, progress: Progress) {
        if progress != fund.progress {
            self.effect(Effect::Progressed { fund: fund.name.clone(), progress });
        }
    }
}

fn checked_leg((asset, from, to, amount): DraftLeg) -> Result<Leg, Rejection> {
    let amount =
        i64::try_from(amount).map_err(|_| limit(format!("{asset} from {from} to {to}")))?;
    Ok(Leg { amount, asset, from, to })
}

// Checks of arguments, each with its code (FUND 1.6).

pub(super) fn limit(what: String) -> Rejection {
    Rejection::Limit { what, max: LIMIT }
}

pub(super) fn clock(day: String, current: i64) -> Rejection {
    Rejection::Clock { day, current, max: DAY_MAX }
}

/// `amount` unless `value` is from `min` to the limit.
pub(super) fn check_amount(what: &'static str, value: i64, min: i64) -> Result<i128, Rejection> {
    if (min..=LIMIT).contains(&value) {
        Ok(i128::from(value))
    } else {
        Err(Rejection::Amount { what, value: value.to_string(), min, max: LIMIT })
    }
}

pub(super) fn check_cash(what: &'static str, cash: Cash) -> Result<i128, Rejection> {
    check_amount(what, cash.as_micro(), 1)
}

/// `fund` unless it exists.
pub(super) fn find_fund<'a>(state: &'a State, name: &Name) -> Result<&'a FundState, Rejection> {
    state.fund(name).ok_or_else(|| Rejection::Fund { fund: name.clone() })
}

/// `model` unless the fund lists it, then `delisted` unless it is live.
pub(super) fn check_live(state: &State, fund: &FundState, model: &Name) -> Result<(), Rejection> {
    check_listed(fund, model)?;
    if state.is_delisted(model) {
        Err(Rejection::Delisted { model: model.clone() })
    } else {
        Ok(())
    }
}

/// `model` unless the fund lists it, delisted or not.
pub(super) fn check_listed(fund: &FundState, model: &Name) -> Result<(), Rejection> {
    if fund.prices.contains_key(model) {
        Ok(())
    } else {
        Err(Rejection::Model { model: model.to_string() })
    }
}

/// `unseeded` unless the fund has shares.
pub(super) fn check_seeded(book: &Book<'_>, fund: &FundState) -> Result<(), Rejection> {
    if book.shares(fund) > 0 {
        Ok(())
    } else {
        Err(Rejection::Unseeded { fund: fund.name.clone() })
    }
}
