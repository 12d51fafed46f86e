//! One fund on the ledger: its parameters, prices, orders and books, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    account::{Account, Asset, GlAccount},
    auction::Auction,
    batch::Effect,
    cut_off::CutOff,
    params::FundParams,
    restriction::Restrictions,
    reveal::Commitment,
    state::State,
    window::Window,
};
use crate::{
    amount::{Cash, Femto, Ppb, PriceNano, Shares, Units},
    digest::Digest,
    name::Name,
};

/// Leavers of one strike whose units are not all sold yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Rebalances that they have been through.
    pub batches: u32,
    /// Who left, by name, with the shares burned.
    pub owners: Vec<(Name, Shares)>,
}

/// What a strike and the clock move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The fund's day.
    pub day: i64,
    /// Strikes so far.
    pub epoch: u64,
    /// NAV and shares of the high-water mark; none before the seed.
    pub high_water: Option<(Femto, Shares)>,
    /// NAV and shares at the end of the last strike; none before the seed.
    pub last: Option<(Femto, Shares)>,
    /// Whether the fund is winding up.
    pub winding: bool,
}

/// One fund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundState {
    pub(super) name: Name,
    pub(super) params: FundParams,
    pub(super) retention: u64,
    pub(super) prices: BTreeMap<Name, PriceNano>,
    pub(super) admissions: BTreeMap<Name, u64>,
    pub(super) estimates: BTreeMap<Name, PriceNano>,
    pub(super) gl: BTreeMap<GlAccount, Femto>,
    pub(super) subscriptions: Vec<(Name, Cash)>,
    pub(super) redemptions: Vec<(Name, Shares)>,
    pub(super) pools: BTreeMap<u64, Pool>,
    pub(super) restrictions: Restrictions,
    pub(super) held: bool,
    /// Subscription orders that strikes leave waiting, by place, with the day since when.
    pub(super) held_orders: BTreeMap<usize, i64>,
    pub(super) cut_off: Option<CutOff>,
    /// Of the models that likeness does not leave the whole.
    pub(super) fee_shares: BTreeMap<Name, Ppb>,
    /// Of the listed models.
    pub(super) ineligible: BTreeSet<Name>,
    pub(super) methodology: Option<Digest>,
    pub(super) commitment: Option<Commitment>,
    pub(super) window: Window,
    pub(super) auction: Auction,
    pub(super) progress: Progress,
    /// The last restatement of a strike that was compensated.
    pub(super) compensated: BTreeMap<u64, u64>,
    /// The last strike whose fees publishers have received.
    pub(super) distributed: u64,
}

/// One name in a fund's portfolio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The model.
    pub model: Name,
    /// Units that the fund owns; may be none.
    pub units: Units,
    /// The accepted price; nothing once delisted.
    pub price: PriceNano,
    /// Units × price, exact.
    pub value: Femto,
}

impl FundState {
    /// The fund's name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Its parameters.
    #[must_use]
    pub const fn params(&self) -> &FundParams {
        &self.params
    }

    /// What a day of the management fee leaves of one, at 1e18.
    #[must_use]
    pub const fn daily_retention(&self) -> u64 {
        self.retention
    }

    /// Digest of the rules that were adopted last; none while those of its creation are in force.
    #[must_use]
    pub const fn methodology(&self) -> Option<Digest> {
        self.methodology
    }

    /// Its day.
    #[must_use]
    pub const fn day(&self) -> i64 {
        self.progress.day
    }

    /// Strikes so far.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.progress.epoch
    }

    /// NAV and shares of the high-water mark; none before the seed.
    #[must_use]
    pub const fn hwm(&self) -> Option<(Femto, Shares)> {
        self.progress.high_water
    }

    /// NAV and shares at the end of the last strike; none before the seed.
    #[must_use]
    pub const fn last(&self) -> Option<(Femto, Shares)> {
        self.progress.last
    }

    /// Whether the fund is winding up.
    #[must_use]
    pub const fn winding(&self) -> bool {
        self.progress.winding
    }

    /// Whether strikes leave subscription orders waiting, because a valuation is in doubt.
    #[must_use]
    pub const fn holds_subscriptions(&self) -> bool {
        self.held
    }

    /// Who may receive shares, and whether the fund is paused.
    #[must_use]
    pub const fn restrictions(&self) -> &Restrictions {
        &self.restrictions
    }

    /// Whether rebalances may give a model weight.
    #[must_use]
    pub fn is_eligible(&self, model: &Name) -> bool {
        !self.ineligible.contains(model)
    }

    /// The last strike up to which publishers have received their part of the fees; 0 before the first time.
    #[must_use]
    pub const fn distributed(&self) -> u64 {
        self.distributed
    }

    /// The last restatement of a strike that was compensated; none before the first.
    #[must_use]
    pub fn compensated(&self, strike: u64) -> Option<u64> {
        self.compensated.get(&strike).copied()
    }

    /// The commitment that no strike has used up yet.
    #[must_use]
    pub const fn open_commitment(&self) -> Option<&Commitment> {
        self.commitment.as_ref()
    }

    /// The auction, with what is sealed for the next batch.
    #[must_use]
    pub const fn auction(&self) -> &Auction {
        &self.auction
    }

    /// The instant window, with what waits at it.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// Subscription orders that wait, in the order of placing.
    #[must_use]
    pub fn pending_subscriptions(&self) -> &[(Name, Cash)] {
        &self.subscriptions
    }

    /// Redemption orders that wait, in the order of placing.
    #[must_use]
    pub fn pending_redemptions(&self) -> &[(Name, Shares)] {
        &self.redemptions
    }

    /// Leavers whose units are not all sold yet, by strike.
    #[must_use]
    pub const fn pools(&self) -> &BTreeMap<u64, Pool> {
        &self.pools
    }

    /// The accepted price of a listed model; none where it is not listed, zero once delisted.
    #[must_use]
    pub fn price(&self, model: &Name) -> Option<PriceNano> {
        self.prices.get(model).copied()
    }

    /// Strikes before the admission of a listed model; none where it is not listed.
    #[must_use]
    pub fn admitted(&self, model: &Name) -> Option<u64> {
        self.admissions.get(model).copied()
    }

    /// The pooled estimate beside the price; none where the price stands for it.
    #[must_use]
    pub fn estimate(&self, model: &Name) -> Option<PriceNano> {
        self.estimates.get(model).copied()
    }

    /// Every listed model with its price, by name; delisted ones included, at zero.
    #[must_use]
    pub const fn prices(&self) -> &BTreeMap<Name, PriceNano> {
        &self.prices
    }

    /// Balance of an account of the valuation ledger: debit positive.
    #[must_use]
    pub fn gl(&self, account: &GlAccount) -> Femto {
        self.gl.get(account).copied().unwrap_or_default()
    }

    /// Every account of the valuation ledger that is not nothing.
    pub fn gl_accounts(&self) -> impl Iterator<Item = (&GlAccount, Femto)> {
        self.gl.iter().map(|(account, balance)| (account, *balance))
    }

    /// What the fund has in cash.
    #[must_use]
    pub fn cash(&self, state: &State) -> Cash {
        Cash::from_micro(state.balance(&Account::Fund(self.name.clone()), &Asset::Cash))
    }

    /// What the fund has of a model.
    #[must_use]
    pub fn units(&self, state: &State, model: &Name) -> Units {
        let account = Account::Fund(self.name.clone());
        Units::from_micro(state.balance(&account, &Asset::Unit(model.clone())))
    }

    /// Shares outstanding.
    #[must_use]
    pub fn shares(&self, state: &State) -> Shares {
        Shares::from_nano(-state.balance(&Account::Issue, &Asset::Share(self.name.clone())))
    }

    /// Every listed model with units, price and value, by name; delisted ones included.
    #[must_use]
    pub fn holdings(&self, state: &State) -> Vec<Holding> {
        let holding = |(model, price): (&Name, &PriceNano)| {
            let units = self.units(state, model);
            Holding { model: model.clone(), units, price: *price, value: units.value_at(*price) }
        };
        self.prices.iter().map(holding).collect()
    }

    /// Net asset value: cash and units at their prices, exact (FUND 2.1).
    #[must_use]
    pub fn nav(&self, state: &State) -> Femto {
        let units: Femto = self.holdings(state).into_iter().map(|h| h.value).sum();
        self.cash(state).to_femto() + units
    }

    /// NAV with every name at the larger of price and estimate: what joiners pay (FUND 2.2).
    #[must_use]
    pub fn ask(&self, state: &State) -> Femto {
        let value = |h: Holding| {
            h.units.value_at(self.estimate(&h.model).map_or(h.price, |e| e.max(h.price)))
        };
        self.cash(state).to_femto() + self.holdings(state).into_iter().map(value).sum()
    }

    /// NAV per share at 1e-9, rounded down; for display, never an input; none without shares (FUND 2.1).
    #[must_use]
    pub fn nav_per_share_nano(&self, state: &State) -> Option<PriceNano> {
        nav_per_share_nano(self.nav(state), self.shares(state))
    }
}

/// `⌊1000·N/S⌋`; none without shares or beyond the range of a price.
#[must_use]
pub fn nav_per_share_nano(nav: Femto, shares: Shares) -> Option<PriceNano> {
    let nav = nav.as_femto()?.checked_mul(1000)?;
    let per_share = nav.checked_div_euclid(i128::from(shares.as_nano()))?;
    i64::try_from(per_share).ok().map(PriceNano::from_nano)
}

impl FundState {
    pub(super) fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Priced { estimates, prices, .. } => {
                for (model, price) in prices {
                    // The first price is that of the admission.
                    self.admissions.entry(model.clone()).or_insert(self.progress.epoch);
                    self.prices.insert(model.clone(), *price);
                    self.estimates.remove(model);
                }
                self.estimates.extend(estimates.iter().map(|(m, e)| (m.clone(), *e)));
            }
            Effect::SubscriptionQueued { amount, who, .. } => {
                self.subscriptions.push((who.clone(), *amount));
            }
            Effect::RedemptionQueued { shares, who, .. } => {
                self.redemptions.push((who.clone(), *shares));
            }
            Effect::SubscriptionCancelled { place, .. } => {
                self.drop_subscriptions(|at| at as u64 == *place);
            }
            Effect::FeeShareSet { model, share, .. } => self.take_fee_share(model, *share),
            Effect::Queued { change, .. } => self.take_queues(change),
            Effect::RedemptionCancelled { place, .. } => remove(&mut self.redemptions, *place),
            Effect::SubscriptionsHeld { held, .. } => self.held = *held,
            Effect::EligibilitySet { eligible, model, .. } => {
                if *eligible {
                    self.ineligible.remove(model);
                } else {
                    self.ineligible.insert(model.clone());
                }
            }
            Effect::Restricted { change, .. } => self.restrictions.take(change),
            Effect::RedemptionsSettled { .. } => self.redemptions.clear(),
            Effect::QueuesSettled { .. } => {
                self.drop_subscriptions(|_| true);
                self.redemptions.clear();
            }
            Effect::PricesCommitted { .. }
            | Effect::OrdersClosed { .. }
            | Effect::PricesRevealed { .. }
            | Effect::CommitmentUsed { .. } => self.take_reveal(effect),
            Effect::Progressed { progress, .. } => self.progress.clone_from(progress),
            Effect::PoolSet { epoch, pool, .. } => {
                self.pools.insert(*epoch, pool.clone());
            }
            Effect::PoolClosed { epoch, .. } => {
                self.pools.remove(epoch);
            }
            Effect::FeesDistributed { through, .. } => self.distributed = *through,
            Effect::Compensated { restatement, strike, .. } => {
                self.compensated.insert(*strike, *restatement);
            }
            Effect::MethodologyAdopted { digest, params, retention, .. } => {
                self.params.clone_from(params);
                (self.retention, self.methodology) = (*retention, Some(*digest));
            }
            Effect::Bids { change, .. } => self.auction.take(change),
            Effect::WindowRequested { .. }
            | Effect::WindowCancelled { .. }
            | Effect::WindowPaid { .. }
            | Effect::WindowReturned { .. }
            | Effect::YoungSet { .. }
            | Effect::SalesOpen { .. } => self.take_window(effect),
            Effect::FundCreated { .. }
            | Effect::Corrected { .. }
            | Effect::ModelIssued { .. }
            | Effect::ModelDelisted { .. }
            | Effect::TrancheSold { .. }
            | Effect::TranchesVested { .. } => {}
        }
    }
}
/// Takes an order out of a queue; those behind it move up.
fn remove<T>(queue: &mut Vec<T>, place: u64) {
    if let Some(place) = usize::try_from(place).ok().filter(|place| *place < queue.len()) {
        queue.remove(place);
    }
}
