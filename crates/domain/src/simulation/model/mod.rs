//! The independent model: the semantics of the Python reference engine over a dense table of integers.
//!
//! It shares no code with the engine: own table, own quotients, own order of checks, written from `ref_engine.py`.
//! One fund on the ledger, as there. It adds what the ledger of many funds adds to that: the code `fund`, the day of a seed,
//! and the bound of a traded price.

mod access;
pub(super) mod auction;
mod cells;
mod custody;
mod dealing;
mod governing;
pub(super) mod math;
mod publishing;
mod restating;
mod reveal;
mod trading;
pub(super) mod waiting;
pub(super) mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

pub(super) use self::reveal::digest as sealed_digest;
use self::{
    access::Access,
    math::{K, LIMIT, ONE18},
    reveal::Open,
};
use super::cast::{
    ASSETS, CASH, Cast, ESC_RED, ESC_SUB, FUND, ISSUE, LIQ, LOCKED, MANAGER, MODELS, OUTSIDE,
    PUBPOOL, SHARE, person, unit,
};
use crate::{digest::Digest, fund::Event, name::Name};

/// A code of FUND 1.6.
pub(super) type Code = &'static str;

/// Asset, giver, receiver, amount.
type Leg = (usize, usize, usize, i128);

const LAST_DAY: i64 = 1_000_000;

// Accounts of the valuation ledger; the units of each model follow.
pub(super) const GL_CASH: usize = 0;
pub(super) const GL_REDEMPTIONS: usize = 1;
pub(super) const GL_MANAGEMENT_DUE: usize = 2;
pub(super) const GL_PERFORMANCE_DUE: usize = 3;
pub(super) const GL_CAPITAL: usize = 4;
pub(super) const GL_TRADING: usize = 5;
pub(super) const GL_UNREALISED: usize = 6;
pub(super) const GL_INCOME: usize = 7;
pub(super) const GL_MANAGEMENT: usize = 8;
pub(super) const GL_PERFORMANCE: usize = 9;
pub(super) const GL_UNITS: usize = 10;

/// Leavers of one strike.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) row: usize,
    pub(super) batches: u32,
    /// Who left, in the order of names, with the shares burned.
    pub(super) owners: Vec<(usize, i128)>,
}

/// A primary sale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sale {
    pub(super) day: i64,
    pub(super) amount: i128,
    pub(super) paid: i128,
}

/// Fees, levy, reserve.
#[derive(Clone, Copy, Debug)]
struct Rules {
    management: i128,
    performance: i128,
    publishers: i128,
    levy_in: i128,
    reserve: i128,
    locked: i128,
    retention: i128,
    auction: Option<auction::AuctionRules>,
    /// Budget and levy of the instant window.
    window: Option<(i128, i128)>,
}

/// All but the table of balances: what a refused event is rolled back to.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) gl: [i128; GL_UNITS + MODELS],
    pub(super) px: [Option<i64>; MODELS],
    pub(super) est: [Option<i64>; MODELS],
    pub(super) dead: [bool; MODELS],
    pub(super) subs: Vec<(usize, i128)>,
    /// Since when each of them is held back.
    pub(super) waits: Vec<Option<i64>>,
    /// The cut-off that waits for its strike.
    pub(super) cut: Option<waiting::Cut>,
    /// What likeness leaves each model of its fees.
    pub(super) fee_shares: [i128; MODELS],
    pub(super) reds: Vec<(usize, i128)>,
    pub(super) hwm: Option<(i128, i128)>,
    pub(super) last: Option<(i128, i128)>,
    pub(super) day: i64,
    pub(super) epoch: u64,
    pub(super) winding: bool,
    /// Whether joiners wait beyond strikes.
    pub(super) held: bool,
    pub(super) access: Access,
    /// The prices that somebody is bound to.
    pub(super) open: Option<Open>,
    /// Bids that wait, in the order of sealing, their call, the strikes at the last batch, and what the last auction came to.
    pub(super) sealed: Vec<auction::Sealed>,
    pub(super) call: Option<auction::Called>,
    pub(super) passed: u64,
    pub(super) cleared: Option<auction::Cleared>,
    /// Who waits at the window, with how much, and the least for a share.
    pub(super) window: Vec<(usize, i128, i128)>,
    /// Who made shares in kind, on which day, how many.
    pub(super) young: Vec<(usize, i64, i128)>,
    /// What transfers have moved of them.
    pub(super) moved: BTreeMap<u64, Vec<(i64, i128)>>,
    /// The fund's own sales that the window may count: day, mark, price, units; and the shares that there were.
    pub(super) sold: [Vec<(i64, i128, i128, i128)>; MODELS],
    pub(super) sold_supply: i128,
    /// Strikes when the window was paid last.
    pub(super) window_paid: Option<u64>,
    pub(super) pools: BTreeMap<u64, Pool>,
    pub(super) sales: [Vec<Sale>; MODELS],
    /// Events that were reversed, by number.
    pub(super) corrected: BTreeSet<u64>,
    /// The last restatement of a strike that was compensated.
    pub(super) compensated: BTreeMap<u64, u64>,
    /// The last strike whose fees publishers have received.
    pub(super) distributed: u64,
}

/// What a strike said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Struck {
    pub(super) epoch: u64,
    pub(super) nav: i128,
    pub(super) ask: i128,
    pub(super) shares: i128,
    pub(super) winding: bool,
    /// Who, shares, cost, levy.
    pub(super) fills: Vec<(usize, i128, i128, i128)>,
    /// Who, shares, cash.
    pub(super) slices: Vec<(usize, i128, i128)>,
}

/// What an operation returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Struck(Struck),
    Vested(i128),
    Window(Vec<window::Paid>),
}

/// One fund, as the reference keeps it.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) cast: Rc<Cast>,
    pub(super) facts: Facts,
    /// Units belong to these; fixed at the first admission.
    pub(super) contributors: [Vec<(usize, i128)>; MODELS],
    rules: Option<Rules>,
    /// Digest of the rules that were adopted last.
    pub(super) adopted: Option<Digest>,
    /// Rows are accounts, columns are assets.
    cells: Vec<i128>,
    /// Accounts of the leavers' rows.
    leavers: Vec<u64>,
    /// What the last event changed: cell and value before.
    touched: Vec<(usize, i128)>,
    /// Events so far.
    events: u64,
    /// Those that can be reversed, with their numbers and what they moved.
    pub(super) reversible: Vec<(u64, Event, i64)>,
}

pub(super) const fn need(holds: bool, code: Code) -> Result<(), Code> {
    if holds { Ok(()) } else { Err(code) }
}

/// Whether a number is an amount of at least `low`.
fn amount(x: i64, low: i64) -> Result<i128, Code> {
    need(x >= low && i128::from(x) <= LIMIT, "amount")?;
    Ok(i128::from(x))
}

impl Model {
    pub(super) fn new(cast: Rc<Cast>) -> Self {
        let facts = Facts {
            gl: [0; GL_UNITS + MODELS],
            px: [None; MODELS],
            est: [None; MODELS],
            dead: [false; MODELS],
            subs: Vec::new(),
            waits: Vec::new(),
            cut: None,
            fee_shares: [K; MODELS],
            reds: Vec::new(),
            hwm: None,
            last: None,
            day: 0,
            epoch: 0,
            winding: false,
            held: false,
            access: Access::new(),
            open: None,
            sealed: Vec::new(),
            call: None,
            passed: 0,
            cleared: None,
            window: Vec::new(),
            young: Vec::new(),
            moved: BTreeMap::new(),
            sold: [const { Vec::new() }; MODELS],
            sold_supply: 0,
            window_paid: None,
            pools: BTreeMap::new(),
            sales: [const { Vec::new() }; MODELS],
            corrected: BTreeSet::new(),
            compensated: BTreeMap::new(),
            distributed: 0,
        };
        Self {
            cast,
            facts,
            contributors: [const { Vec::new() }; MODELS],
            rules: None,
            adopted: None,
            cells: vec![0; LIQ * ASSETS],
            leavers: Vec::new(),
            touched: Vec::new(),
            events: 0,
            reversible: Vec::new(),
        }
    }

    /// Does one event, or says its code and changes nothing.
    pub(super) fn run(&mut self, event: &Event) -> Result<Told, Code> {
        self.touched.clear();
        let keep = self.facts.clone();
        let told = self.dispatch(event);
        if told.is_err() {
            self.facts = keep;
            while let Some((cell, before)) = self.touched.pop() {
                self.cells[cell] = before;
            }
        } else {
            self.events += 1;
            self.remember(event);
        }
        told
    }

    fn dispatch(&mut self, event: &Event) -> Result<Told, Code> {
        match event {
            Event::CreateFund { fund, params } => self.create(fund, params)?,
            Event::Deposit { who, amount } => self.deposit(who, amount.as_micro())?,
            Event::Withdraw { who, amount } => self.withdraw(who, amount.as_micro())?,
            Event::Transfer { who, to, asset, amount } => self.transfer(who, to, asset, *amount)?,
            Event::Claim { who } => self.claim(who)?,
            Event::Admit { .. } => self.admit(event)?,
            Event::Seed { fund, who, amount, day } => {
                self.seed(fund, who, amount.as_micro(), *day)?;
            }
            Event::MarkSet { fund, prices, estimates } => {
                self.mark_set(fund, prices, estimates)?;
            }
            Event::Subscribe { fund, who, amount } => {
                self.subscribe(fund, who, amount.as_micro())?;
            }
            Event::Redeem { fund, who, shares } => self.redeem(fund, who, shares.as_nano())?,
            Event::CancelSubscription { fund, who, place } => {
                self.cancel(fund, who, *place, true)?
            }
            Event::CancelRedemption { fund, who, place } => {
                self.cancel(fund, who, *place, false)?
            }
            Event::HoldSubscriptions { fund, held } => self.hold_joiners(fund, *held)?,
            Event::SetAllowList { .. }
            | Event::Allow { .. }
            | Event::Freeze { .. }
            | Event::Pause { .. }
            | Event::SetEligible { .. } => self.restrict(event)?,
            Event::CommitPrices { fund, commitment } => self.commit_prices(fund, *commitment)?,
            Event::CloseOrders { fund, day, .. } => self.close_orders(fund, *day)?,
            Event::ReopenOrders { fund, day } => self.reopen(fund, *day)?,
            Event::RevealPrices { fund, prices, estimates, salt } => {
                self.reveal(fund, (prices, estimates), &salt.to_string())?;
            }
            Event::CutOff { fund, at } => self.cut_off(fund, *at)?,
            Event::HoldOrder { fund, who, place, held, day } => {
                self.hold_order(fund, (who, *place), (*held, *day))?;
            }
            Event::SetFeeShare { fund, model, share } => self.fee_share(fund, model, *share)?,
            Event::SealBids { .. }
            | Event::TakeBackBids { .. }
            | Event::CallBids { .. }
            | Event::OpenBids { .. }
            | Event::CloseBids { .. } => self.bidding(event)?,
            Event::RequestWindow { fund, who, shares, least } => {
                self.request_window(fund, who, (shares.as_nano(), least.as_nano()))?;
            }
            Event::CancelWindow { fund, who, place } => self.cancel_window(fund, who, *place)?,
            Event::PayWindow { fund, day } => return self.pay_window(fund, *day).map(Told::Window),
            Event::Strike { fund, day } => return self.strike(fund, *day).map(Told::Struck),
            Event::InKind { .. } => self.in_kind(event)?,
            Event::CreateInKind { fund, who, shares, day } => {
                self.create_in_kind(fund, who, shares.as_nano(), *day)?;
            }
            Event::Correct { .. } => self.correct(event)?,
            Event::Compensate { .. } => self.compensate(event)?,
            Event::DistributeFees { .. } => self.distribute(event)?,
            Event::Rebalance { .. } => self.rebalance(event)?,
            Event::Vest { fund, model, day } => {
                return self.vest(fund, model, *day).map(Told::Vested);
            }
            Event::Royalty { model, amount } => self.royalty(model, amount.as_micro())?,
            Event::Delist { fund, model } => self.delist(fund, model)?,
            Event::AdoptMethodology { fund, digest, params } => {
                self.adopt(fund, *digest, params)?;
            }
        }
        Ok(Told::Nothing)
    }

    // The table.

    pub(super) fn cell(&self, row: usize, column: usize) -> i128 {
        self.cells[row * ASSETS + column]
    }

    /// Every cell that is not nothing.
    pub(super) fn filled_cells(&self) -> impl Iterator<Item = (usize, i128)> {
        self.cells.iter().copied().enumerate().filter(|(_, value)| *value != 0)
    }

    /// Cells that the last event changed, one or more times each, with their values before.
    pub(super) fn touched(&self) -> &[(usize, i128)] {
        &self.touched
    }

    pub(super) fn value(&self, cell: usize) -> i128 {
        self.cells[cell]
    }

    /// A row for the leavers of `epoch`: one that no open pool has, or a new one.
    fn leavers_row(&mut self, epoch: u64) -> usize {
        let taken = |index: usize| self.facts.pools.values().any(|p| p.row == LIQ + index);
        let index = (0..self.leavers.len()).find(|i| !taken(*i)).unwrap_or(self.leavers.len());
        if index == self.leavers.len() {
            self.leavers.push(epoch);
            self.cells.resize((LIQ + self.leavers.len()) * ASSETS, 0);
        } else {
            self.leavers[index] = epoch;
        }
        LIQ + index
    }

    /// Moves every leg, then looks: nobody below nothing but the two sources, and nobody beyond the limit.
    fn post(&mut self, legs: &[Leg]) -> Result<(), Code> {
        let start = self.touched.len();
        for (asset, from, to, amount) in legs.iter().filter(|leg| leg.3 != 0) {
            need(*amount > 0 && from != to, "model: a leg is negative or goes nowhere")?;
            for (row, delta) in [(from, -amount), (to, *amount)] {
                let cell = row * ASSETS + asset;
                self.touched.push((cell, self.cells[cell]));
                self.cells[cell] += delta;
            }
        }
        let free = |cell: usize| cell / ASSETS <= OUTSIDE;
        let now = || self.touched[start..].iter().map(|t| (t.0, self.cells[t.0]));
        need(now().all(|(cell, value)| value >= 0 || free(cell)), "funds")?;
        need(now().all(|(_, value)| value.abs() <= LIMIT), "limit")
    }

    fn book(&mut self, account: usize, delta: i128) {
        self.facts.gl[account] += delta;
    }

    // What the fund is.

    pub(super) fn shares(&self) -> i128 {
        -self.cell(ISSUE, SHARE)
    }

    pub(super) fn units(&self, model: usize) -> i128 {
        self.cell(FUND, unit(model))
    }

    pub(super) fn cash(&self) -> i128 {
        self.cell(FUND, CASH)
    }

    pub(super) fn nav(&self) -> i128 {
        let priced = |(m, p): (usize, &Option<i64>)| self.units(m) * i128::from(p.unwrap_or(0));
        self.cash() * K + self.facts.px.iter().enumerate().map(priced).sum::<i128>()
    }

    fn ask(&self) -> i128 {
        let priced = |(m, p): (usize, &Option<i64>)| {
            let price = p.unwrap_or(0);
            self.units(m) * i128::from(price.max(self.facts.est[m].unwrap_or(price)))
        };
        self.cash() * K + self.facts.px.iter().enumerate().map(priced).sum::<i128>()
    }

    /// Models that are listed and not delisted; their index is their order by name.
    pub(super) fn live(&self) -> impl Iterator<Item = usize> + '_ {
        (0..MODELS).filter(|m| self.facts.px[*m].is_some() && !self.facts.dead[*m])
    }

    fn price(&self, model: usize) -> i128 {
        i128::from(self.facts.px[model].unwrap_or(0))
    }

    // Arguments.

    fn rules(&self, fund: &Name) -> Result<Rules, Code> {
        need(*fund == self.cast.fund, "fund")?;
        self.rules.ok_or("fund")
    }

    fn person(&self, name: &Name) -> Result<usize, Code> {
        self.cast.find_person(name).ok_or("model: a stranger")
    }

    /// A listed model, delisted or not.
    fn listed(&self, name: &Name) -> Result<usize, Code> {
        let listed = |m: &usize| self.facts.px[*m].is_some();
        self.cast.find_model(name).filter(listed).ok_or("model")
    }

    fn alive(&self, name: &Name) -> Result<usize, Code> {
        let model = self.listed(name)?;
        need(!self.facts.dead[model], "delisted")?;
        Ok(model)
    }

    // Outside the fund's books.

    fn seed(&mut self, fund: &Name, who: &Name, c: i64, day: Option<i64>) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        let (who, c) = (self.person(who)?, amount(c, 1)?);
        need(c * 1000 >= rules.locked, "amount")?;
        if let Some(day) = day {
            self.clock(rules, day)?;
        }
        need(self.shares() == 0, "seeded")?;
        self.facts.access.may_join(who)?;
        self.post(&[
            (CASH, person(who), FUND, c),
            (SHARE, ISSUE, person(who), c * 1000 - rules.locked),
            (SHARE, ISSUE, LOCKED, rules.locked),
        ])?;
        self.book(GL_CASH, c * K);
        self.book(GL_CAPITAL, -c * K);
        self.facts.hwm = Some((self.nav(), self.shares()));
        self.facts.last = self.facts.hwm;
        Ok(())
    }

    /// The clock never goes back; whole days are charged the management fee.
    fn clock(&mut self, rules: Rules, day: i64) -> Result<(), Code> {
        need((self.facts.day..=LAST_DAY).contains(&day), "clock")?;
        let days = day - self.facts.day;
        self.facts.day = day;
        let supply = self.shares();
        if days == 0 || rules.management == 0 || supply == 0 {
            return Ok(());
        }
        let kept = math::power(rules.retention, days);
        // The reference refuses what passes the bound; here it yields.
        let fee = math::down(supply, ONE18 - kept, kept).min(LIMIT - supply);
        let publishers = math::down(fee, rules.publishers, K);
        let value = math::down(self.nav(), fee, supply + fee);
        self.post(&[
            (SHARE, ISSUE, person(MANAGER), fee - publishers),
            (SHARE, ISSUE, person(PUBPOOL), publishers),
        ])?;
        self.book(GL_MANAGEMENT, value);
        self.book(GL_CAPITAL, -value);
        Ok(())
    }
}
