//! Follows one fund through the journal and says at each strike what its record must say.

use std::collections::BTreeMap;

use super::tail::Orders;
use super::{
    auction::AuctionWatch,
    commitment::{CommitmentFacts, Following},
    frozen::{Frozen, fees, settled},
    restated::{Finding, Restated},
    rules::{Adoption, Rules},
    strike::{FillRecord, HighWater, Order, OrderKind, SliceRecord, StrikeFacts},
    watch_error::WatchError,
    window::WindowWatch,
};
use crate::{
    amount::Ppb,
    canonical::first_difference,
    digest::Digest,
    fund::{
        Batch, Event, FundState, Methodology, MethodologyError, Outcome, Plan, RebalanceHistory,
        Review, Salt, State, StrikeOutcome, apply, nav_per_share_nano,
    },
    index::IndexLevel,
    name::Name,
};

/// What is remembered of one fund between events.
///
/// Before each event of the journal, from the first on, call [`before`](Self::before); after it was committed, [`after`](Self::after).
/// Whoever follows many funds gives each its own events only and lets it [`pass`](Self::pass_to) over the others.
/// A level, a queue and a publisher then never come from anywhere but the journal.
#[derive(Clone, Debug)]
pub struct Watch {
    fund: Name,
    rules: Rules,
    sequence: u64,
    publishers: BTreeMap<Name, Name>,
    level: Option<IndexLevel>,
    /// What the rebalances so far leave to the next.
    history: RebalanceHistory,
    orders: Orders,
    /// The last event before the prices were set, and the chain after it.
    marked: Option<(u64, Digest)>,
    /// The commitment that no strike has used up.
    open: Option<Following>,
    /// The event of a cut-off without one, and the chain after it.
    cut: Option<(u64, Digest)>,
    frozen: Option<Frozen>,
    restated: Restated,
    window: WindowWatch,
    auction: AuctionWatch,
}

impl Watch {
    /// Watches a fund from the first event of the journal on, under the rules of its creation.
    #[must_use]
    pub fn new(fund: Name, methodology: Methodology) -> Self {
        Self {
            fund,
            rules: Rules::new(methodology),
            sequence: 0,
            publishers: BTreeMap::new(),
            level: None,
            history: RebalanceHistory::new(),
            orders: Orders::default(),
            marked: None,
            open: None,
            cut: None,
            frozen: None,
            restated: Restated::default(),
            window: WindowWatch::default(),
            auction: AuctionWatch::default(),
        }
    }

    /// What is known of its strikes for those who restate them.
    #[must_use]
    pub const fn restated(&self) -> &Restated {
        &self.restated
    }

    /// Takes rules that an event may adopt; their digest comes back.
    ///
    /// # Errors
    /// Rules without canonical JSON.
    pub fn learn(&mut self, methodology: Methodology) -> Result<Digest, MethodologyError> {
        self.rules.learn(methodology)
    }

    /// The rules in force: those of the creation until others are adopted.
    #[must_use]
    pub const fn methodology(&self) -> &Methodology {
        self.rules.current()
    }

    /// Every change of rules so far, in order.
    #[must_use]
    pub fn adoptions(&self) -> &[Adoption] {
        self.rules.adoptions()
    }

    /// Events so far.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Passes over the events up to number `sequence`: those that name another fund or none change nothing here.
    pub const fn pass_to(&mut self, sequence: u64) {
        if self.sequence < sequence {
            self.sequence = sequence;
        }
    }

    /// The basket; none before the first rebalance.
    #[must_use]
    pub const fn level(&self) -> Option<&IndexLevel> {
        self.level.as_ref()
    }

    /// What is known of the commitment that no strike has used up.
    #[must_use]
    pub fn commitment(&self) -> Option<&CommitmentFacts> {
        self.open.as_ref().map(Following::facts)
    }

    /// Remembers what `event` will change.
    pub fn before(&mut self, state: &State, event: &Event) {
        if let Some(fund) = state.fund(&self.fund).filter(|_| event.fund() == Some(&self.fund)) {
            let mut auction = self.auction;
            auction.before((state, fund), event, || self.may_trade(state, fund));
            self.auction = auction;
        }
        match event {
            Event::MarkSet { fund, .. } if *fund == self.fund => {
                self.marked = Some((self.sequence, state.chain()));
            }
            Event::Strike { fund, .. } if *fund == self.fund => {
                self.frozen = state.fund(fund).map(|fund| Frozen::of(state, fund));
                self.restated.before(state, state.fund(fund));
                self.window.before(state.fund(fund));
            }
            Event::PayWindow { fund, .. } if *fund == self.fund => {
                self.restated.before_window(state, state.fund(fund));
            }
            _ => {}
        }
    }

    /// Follows `event`, which `batch` applied and left `state`; a strike of the fund gives what its record must say.
    ///
    /// # Errors
    /// [`WatchError`]: an order after the prices, parameters or a rebalance that do not follow from the methodology
    /// in force, a change of rules that is not right after a strike or to rules that nobody has given.
    pub fn after(
        &mut self,
        state: &State,
        event: &Event,
        batch: &Batch,
    ) -> Result<Option<StrikeFacts>, WatchError> {
        self.sequence += 1;
        self.restate(state, event, batch)?;
        if event.fund() == Some(&self.fund) {
            self.window.follow(self.sequence, event)?;
            self.auction.follow(self.sequence, (event, batch))?;
            self.follow_orders(event);
        }
        match event {
            Event::CreateFund { fund, params } if *fund == self.fund => {
                let wanted = self.rules.current().fund_params();
                self.same("params", params, &wanted)?;
            }
            Event::AdoptMethodology { fund, digest, params } if *fund == self.fund => {
                let wanted = self.rules.find(self.sequence, *digest)?.fund_params();
                self.same("params", params, &wanted)?;
                self.rules.adopt(self.sequence, *digest);
            }
            Event::Admit { fund, model, publisher, .. } if *fund == self.fund => {
                self.publishers.insert(model.clone(), publisher.clone());
            }
            Event::PayWindow { fund, day } if *fund == self.fund => {
                let (at, open) = ((self.sequence, *day), self.open.as_ref());
                let closed = open.and_then(Following::cut_off).or(self.cut);
                let in_book = |order: &Order| match (open, self.cut) {
                    (Some(open), _) => open.has(order),
                    (None, Some((cut_off, _))) => order.sequence <= cut_off,
                    (None, None) => true,
                };
                let cut_off = closed.or(self.marked).map(|at| at.0);
                self.window.pay(at, &batch.outcome, (&mut self.orders, in_book), cut_off)?;
            }
            Event::CommitPrices { fund, commitment } if *fund == self.fund => {
                self.open = Some(Following::new(*commitment, self.sequence));
            }
            Event::CloseOrders { fund, salt, .. } if *fund == self.fund => {
                self.close_orders(state, salt);
            }
            Event::RevealPrices { fund, salt, .. } if *fund == self.fund => {
                if let Some(open) = &mut self.open {
                    open.reveal(self.sequence, *salt);
                }
            }
            Event::CutOff { fund, .. } if *fund == self.fund => {
                self.cut = Some((self.sequence, state.chain()));
            }
            Event::ReopenOrders { fund, .. } if *fund == self.fund => self.reopen_orders(),
            Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary }
                if *fund == self.fund =>
            {
                let rules = self.rules.current();
                self.same("cash", cash, &Ppb::from_ppb(rules.cash_ppb))?;
                self.same("spread", spread, &Ppb::from_ppb(rules.spread_ppb))?;
                // The only batch of a paused fund, or while bids wait, trades nothing: it counts for leavers who wait for their units.
                let is_paused = |fund: &FundState| fund.restrictions().is_paused();
                if !state.fund(fund).is_some_and(is_paused) && !batch.passes_bids() {
                    self.same("counterparties", counterparties, &rules.counterparties)?;
                    self.same("max_primary", max_primary, &rules.max_primary())?;
                    self.rebalance(state, weights)?;
                }
            }
            Event::Strike { fund, day } if *fund == self.fund => {
                let Outcome::Strike(outcome) = &batch.outcome else {
                    return Err(WatchError::Internal("a strike without outcome"));
                };
                self.rules.strike(self.sequence, *day);
                return self.strike(state, *day, batch, outcome).map(Some);
            }
            _ => {}
        }
        Ok(None)
    }

    fn same<T: PartialEq + serde::Serialize>(
        &self,
        field: &str,
        stated: &T,
        derived: &T,
    ) -> Result<(), WatchError> {
        if stated == derived {
            return Ok(());
        }
        let json = |value: &T| serde_json::to_value(value).unwrap_or_default();
        let found = first_difference(field, &json(stated), &json(derived));
        let (field, stated, derived) =
            found.unwrap_or_else(|| (field.to_owned(), String::new(), String::new()));
        Err(WatchError::Rules { sequence: self.sequence, field, stated, derived })
    }

    /// Takes in what bears on restatements and on fees; a compensation or a distribution that does not follow from its strikes is an error.
    fn restate(&mut self, state: &State, event: &Event, batch: &Batch) -> Result<(), WatchError> {
        let (Event::CreateFund { fund, .. }
        | Event::AdoptMethodology { fund, .. }
        | Event::PayWindow { fund, .. }
        | Event::Seed { fund, .. }
        | Event::Strike { fund, .. }
        | Event::InKind { fund, .. }
        | Event::CreateInKind { fund, .. }
        | Event::TakeBackBids { fund, .. }
        | Event::CallBids { fund, .. }
        | Event::CloseBids { fund, .. }
        | Event::Vest { fund, .. }
        | Event::DistributeFees { fund, .. }
        | Event::SetFeeShare { fund, .. }
        | Event::Rebalance { fund, .. }
        | Event::Compensate { fund, .. }) = event
        else {
            return Ok(());
        };
        if *fund != self.fund {
            return Ok(());
        }
        let sequence = self.sequence;
        let manager = self.rules.current().fund_params().manager;
        let finding = self.restated.check(event, state, &manager);
        // What happened, happened: later restatements start from it.
        self.restated.after(event, batch);
        match finding {
            Ok(Finding::Follows) => Ok(()),
            Ok(Finding::Differs { field, stated, derived }) => {
                let found = first_difference(field, &stated, &derived);
                let (field, stated, derived) = found
                    .unwrap_or_else(|| (field.to_owned(), stated.to_string(), derived.to_string()));
                Err(WatchError::Rules { sequence, field, stated, derived })
            }
            Err(source) => Err(WatchError::Restatement { sequence, source }),
        }
    }

    /// Takes an order of the fund in, or out where its owner took it back.
    fn follow_orders(&mut self, event: &Event) {
        match event {
            Event::Subscribe { who, amount, .. } => {
                self.order(OrderKind::Subscription, who, amount.as_micro());
            }
            Event::Redeem { who, shares, .. } => {
                self.order(OrderKind::Redemption, who, shares.as_nano());
            }
            Event::RequestWindow { who, shares, .. } => {
                self.order(OrderKind::Window, who, shares.as_nano());
            }
            Event::CancelSubscription { place, .. } => {
                self.cancel(OrderKind::Subscription, *place);
            }
            Event::CancelRedemption { place, .. } => self.cancel(OrderKind::Redemption, *place),
            Event::CancelWindow { place, .. } => self.cancel(OrderKind::Window, *place),
            _ => {}
        }
    }

    fn order(&mut self, kind: OrderKind, who: &Name, amount: i64) {
        let (sequence, who) = (self.sequence, who.clone());
        self.orders.push(Order { sequence, kind, amount, who });
    }

    /// Takes out the order at a place among those of its kind, as the engine's queue does.
    fn cancel(&mut self, kind: OrderKind, place: u64) {
        self.orders.remove(|order| order.kind == kind, place);
    }

    fn close_orders(&mut self, state: &State, salt: &Salt) {
        let Some((open, fund)) = self.open.as_mut().zip(state.fund(&self.fund)) else { return };
        let (number, orders) = (fund.epoch() + 1, self.orders.iter());
        let cut_off = (self.sequence, state.chain());
        open.close((&self.fund, number), cut_off, (orders, fund.subscriptions_wait()), salt);
    }

    /// Joiners of the book have their money back, and the window's leavers their shares; the others wait on.
    fn reopen_orders(&mut self) {
        self.cut = None;
        let Some(open) = self.open.take() else { return };
        self.orders.take(|order| order.kind != OrderKind::Redemption && open.has(order));
    }

    /// What the methodology in force makes of the fund's marks; a model that is not eligible by then gets nothing.
    fn plan(&self, state: &State, fund: &FundState) -> Result<Plan, WatchError> {
        let sequence = self.sequence;
        let publisher = |model: &Name| {
            // Every listed model was admitted by an event of this journal.
            let publisher = self.publishers.get(model).unwrap_or(model);
            fund.is_eligible(model).then(|| publisher.clone())
        };
        let history = self.history.clone();
        let review = Review::of(state, fund, publisher, self.level.as_ref(), history)
            .map_err(|source| WatchError::Level { sequence, source })?;
        let rules = self.rules.current();
        rules.plan(&review).map_err(|source| WatchError::Weights { sequence, source })
    }

    /// Whether the batch that the rules ask for could be made: they give a plan, the index a level, and the engine takes it.
    fn may_trade(&self, state: &State, fund: &FundState) -> bool {
        let Ok(plan) = self.plan(state, fund) else { return false };
        let rules = self.rules.current();
        let (weights, prices) = (&plan.weights, fund.prices());
        let has_level = match self.level.clone() {
            Some(mut level) => level.rebase(weights, prices).is_ok(),
            None => IndexLevel::start(weights, prices).is_ok(),
        };
        let event = Event::Rebalance {
            fund: self.fund.clone(),
            weights: plan.weights,
            cash: Ppb::from_ppb(rules.cash_ppb),
            spread: Ppb::from_ppb(rules.spread_ppb),
            counterparties: rules.counterparties.clone(),
            max_primary: rules.max_primary(),
        };
        has_level && apply(state, &event).is_ok_and(|batch| batch.clears_bids())
    }

    fn rebalance(
        &mut self,
        state: &State,
        weights: &BTreeMap<Name, Ppb>,
    ) -> Result<(), WatchError> {
        let sequence = self.sequence;
        let fund = state.fund(&self.fund).ok_or(WatchError::Internal("a rebalance of no fund"))?;
        let plan = self.plan(state, fund)?;
        self.same("weights", weights, &plan.weights)?;
        self.history = plan.history;
        let moved = match &mut self.level {
            Some(level) => level.rebase(weights, fund.prices()),
            None => IndexLevel::start(weights, fund.prices()).map(|level| self.level = Some(level)),
        };
        moved.map_err(|source| WatchError::Level { sequence, source })
    }

    fn strike(
        &mut self,
        state: &State,
        day: i64,
        batch: &Batch,
        outcome: &StrikeOutcome,
    ) -> Result<StrikeFacts, WatchError> {
        let sequence = self.sequence;
        let frozen = self.frozen.take().ok_or(WatchError::Internal("a strike of no fund"))?;
        let fund = state.fund(&self.fund).ok_or(WatchError::Internal("a strike of no fund"))?;
        let (marked, open) = (self.marked.take(), self.open.take());
        let closed = open.as_ref().and_then(Following::cut_off).or(self.cut.take());
        let (cut_off, state_before) =
            closed.or(marked.filter(|_| open.is_none())).unwrap_or((sequence - 1, frozen.chain));
        let (waited, window) = self.window.strike(fund, &mut self.orders);
        let mut orders = settled(&mut self.orders, batch, outcome);
        orders.extend(waited);
        orders.sort_by_key(|order| order.sequence);
        if let Some(late) = orders.iter().find(|order| order.sequence > cut_off) {
            let order = late.sequence;
            return Err(WatchError::Late { order, strike: sequence, cut_off });
        }
        let level = self.level.as_ref().map(|level| level.level(fund.prices())).transpose();
        let weights = self.plan(state, fund).map(|plan| plan.weights);
        let (high_nav, high_shares) =
            fund.hwm().ok_or(WatchError::Internal("a seeded fund has a high-water mark"))?;
        Ok(StrikeFacts {
            fund: self.fund.clone(),
            number: outcome.epoch,
            day,
            sequence,
            cut_off,
            commitment: open.map(Following::into_facts),
            prices: frozen.prices,
            cash: frozen.cash,
            units: frozen.units,
            orders,
            fees: fees(&self.fund, batch, outcome),
            nav: outcome.nav,
            ask: outcome.ask,
            shares: outcome.shares,
            nav_per_share: nav_per_share_nano(outcome.nav, outcome.shares),
            fills: outcome.fills.iter().map(FillRecord::from).collect(),
            slices: outcome.slices.iter().map(SliceRecord::from).collect(),
            window,
            high_water: HighWater { nav: high_nav, shares: high_shares },
            winding: outcome.winding,
            level: level.map_err(|source| WatchError::Level { sequence, source })?,
            weights: weights.ok(),
            state_before,
            state_after: state.chain(),
        })
    }
}
