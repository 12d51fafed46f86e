//! The whole ledger: balances, models, funds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    account::{Account, Asset},
    auction::Auction,
    batch::{Batch, Effect, Entry},
    fund_state::{FundState, Progress},
    restriction::Restrictions,
    window::Window,
};
use crate::{
    amount::{Cash, Ppb},
    digest::Digest,
    name::Name,
};

/// Room for the text of a common batch.
const BATCH_BYTES: usize = 4096;

/// The whole ledger after some events: custody balances, models, and every fund on it.
///
/// [`apply`](super::apply) reads it; [`State::commit`] alone changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(super) balances: BTreeMap<Asset, BTreeMap<Account, i64>>,
    pub(super) models: BTreeMap<Name, ModelState>,
    pub(super) funds: BTreeMap<Name, FundState>,
    corrected: BTreeSet<u64>,
    events: u64,
    entries: u64,
    chain: Digest,
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// A model as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelState {
    pub(super) contributors: Vec<(Name, Ppb)>,
    pub(super) sales: Vec<Tranche>,
    pub(super) delisted: bool,
}

impl ModelState {
    /// Who receives the proceeds; parts sum to 1e9.
    #[must_use]
    pub fn contributors(&self) -> &[(Name, Ppb)] {
        &self.contributors
    }

    /// Primary sales that have not been paid out in full, oldest first.
    #[must_use]
    pub fn sales(&self) -> &[Tranche] {
        &self.sales
    }

    /// Whether the model is delisted.
    #[must_use]
    pub const fn is_delisted(&self) -> bool {
        self.delisted
    }
}

/// A primary sale on its way to the contributors (FUND 2.16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tranche {
    /// What will be paid in all.
    pub amount: Cash,
    /// The buyer's day of the sale.
    pub day: i64,
    /// The fund that bought; its clock releases the money.
    pub fund: Name,
    /// What has been paid.
    pub paid: Cash,
}

impl State {
    /// An empty ledger.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            balances: BTreeMap::new(),
            models: BTreeMap::new(),
            funds: BTreeMap::new(),
            corrected: BTreeSet::new(),
            events: 0,
            entries: 0,
            chain: Digest::from_bytes([0; 32]),
        }
    }

    /// What `account` owns of `asset`; negative only for `ISSUE` and `OUTSIDE`.
    #[must_use]
    pub fn balance(&self, account: &Account, asset: &Asset) -> i64 {
        self.balances.get(asset).and_then(|owners| owners.get(account)).copied().unwrap_or(0)
    }

    /// Every owner of `asset` with a balance, in the order of [`Account`].
    pub fn accounts_of(&self, asset: &Asset) -> impl Iterator<Item = (&Account, i64)> {
        self.balances.get(asset).into_iter().flatten().map(|(account, balance)| (account, *balance))
    }

    /// Every balance that is not nothing.
    pub fn balances(&self) -> impl Iterator<Item = (&Account, &Asset, i64)> {
        self.balances.iter().flat_map(|(asset, owners)| {
            owners.iter().map(move |(account, balance)| (account, asset, *balance))
        })
    }

    /// The fund of that name.
    #[must_use]
    pub fn fund(&self, name: &Name) -> Option<&FundState> {
        self.funds.get(name)
    }

    /// Every fund, by name.
    pub fn funds(&self) -> impl Iterator<Item = &FundState> {
        self.funds.values()
    }

    /// The model of that name, where its units were issued.
    #[must_use]
    pub fn model(&self, name: &Name) -> Option<&ModelState> {
        self.models.get(name)
    }

    /// Every issued model, by name.
    pub fn models(&self) -> impl Iterator<Item = (&Name, &ModelState)> {
        self.models.iter()
    }

    /// Batches committed so far: the sequence number of the next one.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Entries committed so far: the sequence number of the next one.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// SHA-256 over the chain before and the canonical JSON of the last batch; zero for an empty ledger.
    #[must_use]
    pub const fn chain(&self) -> Digest {
        self.chain
    }

    /// Whether a model is delisted.
    #[must_use]
    pub fn is_delisted(&self, model: &Name) -> bool {
        self.models.get(model).is_some_and(|m| m.delisted)
    }

    /// Whether the event of a number was reversed.
    #[must_use]
    pub fn is_corrected(&self, sequence: u64) -> bool {
        self.corrected.contains(&sequence)
    }

    /// Takes over what [`apply`](super::apply) computed from this very state.
    ///
    /// Total: a batch that names what does not exist changes nothing there, and sums do not panic.
    pub fn commit(&mut self, batch: &Batch) {
        for entry in &batch.entries {
            self.post(entry);
        }
        for effect in &batch.effects {
            self.take(effect);
        }
        self.events += 1;
        self.entries += batch.entries.len() as u64;
        // A batch holds text, integers and maps keyed by text: it always has a JSON form.
        let mut bytes = Vec::with_capacity(BATCH_BYTES);
        bytes.extend_from_slice(self.chain.as_bytes());
        let start = bytes.len();
        if serde_json::to_writer(&mut bytes, batch).is_err() {
            bytes.truncate(start);
        }
        self.chain = Digest::of(&bytes);
    }

    fn post(&mut self, entry: &Entry) {
        for leg in &entry.custody {
            self.add(&leg.asset, &leg.from, leg.amount.saturating_neg());
            self.add(&leg.asset, &leg.to, leg.amount);
        }
        let fund = entry.fund.as_ref().and_then(|name| self.funds.get_mut(name));
        let Some(fund) = fund else { return };
        for line in &entry.gl {
            let balance = fund.gl.entry(line.account.clone()).or_default();
            *balance += line.delta;
            if balance.is_zero() {
                fund.gl.remove(&line.account);
            }
        }
    }

    fn add(&mut self, asset: &Asset, account: &Account, amount: i64) {
        let Some(owners) = self.balances.get_mut(asset) else {
            self.balances.insert(asset.clone(), BTreeMap::from([(account.clone(), amount)]));
            return;
        };
        if let Some(balance) = owners.get_mut(account) {
            *balance = balance.saturating_add(amount);
            if *balance == 0 {
                owners.remove(account);
            }
        } else {
            owners.insert(account.clone(), amount);
        }
    }

    fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::FundCreated { fund, params, retention } => {
                let made = FundState {
                    name: fund.clone(),
                    params: params.clone(),
                    retention: *retention,
                    prices: BTreeMap::new(),
                    admissions: BTreeMap::new(),
                    estimates: BTreeMap::new(),
                    gl: BTreeMap::new(),
                    subscriptions: Vec::new(),
                    redemptions: Vec::new(),
                    pools: BTreeMap::new(),
                    restrictions: Restrictions::default(),
                    held: false,
                    held_orders: BTreeMap::new(),
                    cut_off: None,
                    fee_shares: BTreeMap::new(),
                    ineligible: BTreeSet::new(),
                    methodology: None,
                    commitment: None,
                    window: Window::default(),
                    auction: Auction::default(),
                    progress: Progress::default(),
                    compensated: BTreeMap::new(),
                    distributed: 0,
                };
                self.funds.insert(fund.clone(), made);
            }
            Effect::ModelIssued { contributors, model } => {
                let contributors = contributors.clone();
                let made = ModelState { contributors, sales: Vec::new(), delisted: false };
                self.models.insert(model.clone(), made);
            }
            Effect::ModelDelisted { model } => self.with_model(model, |m| {
                m.delisted = true;
                m.sales.clear();
            }),
            Effect::TrancheSold { model, tranche } => {
                self.with_model(model, |m| m.sales.push(tranche.clone()));
            }
            Effect::TranchesVested { model, tranches } => {
                self.with_model(model, |m| m.sales.clone_from(tranches));
            }
            Effect::Corrected { sequence } => {
                self.corrected.insert(*sequence);
            }
            _ => {
                let fund = fund_of(effect).and_then(|name| self.funds.get_mut(name));
                if let Some(fund) = fund {
                    fund.take(effect);
                }
            }
        }
    }

    fn with_model(&mut self, name: &Name, change: impl FnOnce(&mut ModelState)) {
        if let Some(model) = self.models.get_mut(name) {
            change(model);
        }
    }
}

/// The fund whose own state an effect changes; none for those of the ledger as a whole.
const fn fund_of(effect: &Effect) -> Option<&Name> {
    match effect {
        Effect::Compensated { fund, .. }
        | Effect::FeesDistributed { fund, .. }
        | Effect::Priced { fund, .. }
        | Effect::SubscriptionQueued { fund, .. }
        | Effect::RedemptionQueued { fund, .. }
        | Effect::SubscriptionCancelled { fund, .. }
        | Effect::RedemptionCancelled { fund, .. }
        | Effect::SubscriptionsHeld { fund, .. }
        | Effect::EligibilitySet { fund, .. }
        | Effect::FeeShareSet { fund, .. }
        | Effect::Queued { fund, .. }
        | Effect::Restricted { fund, .. }
        | Effect::Bids { fund, .. }
        | Effect::WindowRequested { fund, .. }
        | Effect::WindowCancelled { fund, .. }
        | Effect::WindowPaid { fund, .. }
        | Effect::WindowReturned { fund, .. }
        | Effect::YoungSet { fund, .. }
        | Effect::SalesOpen { fund, .. }
        | Effect::RedemptionsSettled { fund }
        | Effect::QueuesSettled { fund }
        | Effect::PricesCommitted { fund, .. }
        | Effect::OrdersClosed { fund, .. }
        | Effect::PricesRevealed { fund }
        | Effect::CommitmentUsed { fund, .. }
        | Effect::Progressed { fund, .. }
        | Effect::PoolSet { fund, .. }
        | Effect::PoolClosed { fund, .. }
        | Effect::MethodologyAdopted { fund, .. } => Some(fund),
        Effect::FundCreated { .. }
        | Effect::ModelIssued { .. }
        | Effect::ModelDelisted { .. }
        | Effect::TrancheSold { .. }
        | Effect::TranchesVested { .. }
        | Effect::Corrected { .. } => None,
    }
}
