//! Sealed bids, written from the laws of the auction: one price a model and direction, within the band.

use std::collections::BTreeMap;

use super::{
    Code, ESC_SUB, FUND, GL_CASH, GL_INCOME, GL_TRADING, GL_UNITS, Leg, Model, amount,
    math::{K, down, split, up},
    need,
};
use crate::{
    amount::{Cash, Ppb},
    digest::Digest,
    fund::{AuctionParams, Bid, BidSide, Event, bid_commitment},
    name::Name,
    simulation::cast::{CASH, claim, person, primary, unit},
};

/// What is sealed of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulation) struct Sealed {
    pub(in crate::simulation) who: usize,
    pub(in crate::simulation) digest: Digest,
    pub(in crate::simulation) bids: Option<Vec<Bid>>,
    pub(in crate::simulation) deposit: i128,
    budget: i128,
    /// Whether it is part of the call.
    called: bool,
    /// The day of sealing.
    day: i64,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) struct Called {
    pub(in crate::simulation) day: i64,
    /// What was lost since its end.
    pub(in crate::simulation) lost: Option<i128>,
    /// Whether prices were set that no strike has taken.
    pub(in crate::simulation) marked: bool,
    /// The strike that took them.
    pub(in crate::simulation) met: Option<u64>,
}

/// What a batch came to: its day, strikes, what was lost, and of each market the model, the direction, the price and the units.
pub(in crate::simulation) type Cleared = (i64, u64, i128, Vec<(usize, BidSide, i128, i128)>);

/// Rules of the auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AuctionRules {
    pub(super) band: i128,
    pub(super) deposit: i128,
    pub(super) minimum: i128,
    pub(super) days: i64,
}

/// A bid that is good enough: who, units, limit.
type Good = (usize, i128, i128);

impl AuctionRules {
    pub(super) fn read(params: &AuctionParams) -> Result<Self, Code> {
        let (band, deposit) = (params.band.as_ppb(), params.deposit.as_ppb());
        need((0..1_000_000_000).contains(&band), "amount")?;
        need((1..1_000_000_000).contains(&deposit), "amount")?;
        let minimum = amount(params.minimum.as_micro(), 1)?;
        need((1..=14).contains(&params.opening_days), "amount")?;
        let (band, deposit) = (i128::from(band), i128::from(deposit));
        Ok(Self { band, deposit, minimum, days: params.opening_days })
    }
}

impl Model {
    /// What bidders and the operator do.
    pub(super) fn bidding(&mut self, event: &Event) -> Result<(), Code> {
        match event {
            Event::SealBids { fund, who, budget, commitment } => {
                self.seal((fund, who), budget.as_micro(), *commitment)
            }
            Event::CallBids { fund, day } => self.call(fund, *day),
            Event::CloseBids { fund, day } => self.end_opening(fund, *day),
            Event::OpenBids { fund, who, bids, salt } => self.open((fund, who), bids, salt),
            Event::TakeBackBids { fund, who, day } => self.take_back((fund, who), *day),
            _ => Err("nothing"),
        }
    }

    /// The auction that is in force, as parameters have it.
    pub(in crate::simulation) fn auction_now(&self) -> Option<AuctionParams> {
        let rules = self.rules?.auction?;
        let part = |ppb: i128| Ppb::from_ppb(i64::try_from(ppb).unwrap_or(0));
        Some(AuctionParams {
            band: part(rules.band),
            deposit: part(rules.deposit),
            minimum: Cash::from_micro(i64::try_from(rules.minimum).unwrap_or(1)),
            opening_days: rules.days,
        })
    }

    pub(super) fn seal(
        &mut self,
        (fund, who): (&Name, &Name),
        budget: i64,
        digest: Digest,
    ) -> Result<(), Code> {
        let rules = self.rules(fund)?.auction.ok_or("auction")?;
        let who = self.person(who)?;
        need(i128::from(budget) >= rules.minimum, "amount")?;
        let budget = amount(budget, 1)?;
        need(self.shares() > 0, "unseeded")?;
        need(!self.facts.access.paused, "paused")?;
        need(self.facts.sealed.iter().all(|sealed| sealed.who != who), "exists")?;
        let deposit = up(budget, rules.deposit, K);
        self.post(&[(CASH, person(who), ESC_SUB, deposit)])?;
        let (bids, called, day) = (None, false, self.facts.day);
        self.facts.sealed.push(Sealed { who, digest, bids, deposit, budget, called, day });
        Ok(())
    }

    pub(super) fn call(&mut self, fund: &Name, day: i64) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        need(rules.auction.is_some(), "auction")?;
        self.clock(rules, day)?;
        need(!self.facts.access.paused, "paused")?;
        need(self.facts.call.is_none(), "auction")?;
        need(!self.facts.sealed.is_empty(), "nothing")?;
        self.facts.sealed.iter_mut().for_each(|sealed| sealed.called = true);
        self.facts.call = Some(Called { day, lost: None, marked: false, met: None });
        Ok(())
    }

    /// The call while its bids can be opened.
    fn opening(&self) -> Option<Called> {
        self.facts.call.filter(|call| call.lost.is_none())
    }

    fn take_back(&mut self, (fund, who): (&Name, &Name), day: i64) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        self.clock(rules, day)?;
        let who = self.person(who)?;
        let place = self.facts.sealed.iter().position(|sealed| sealed.who == who);
        let place = place.ok_or("nothing")?;
        let days = rules.auction.ok_or("auction")?.days;
        let sealed = &self.facts.sealed[place];
        // No call for a month, or no batch within a month of the opening.
        let free = match self.facts.call.filter(|_| sealed.called) {
            None => day - sealed.day > 31,
            Some(call) => day - call.day > days + 31,
        };
        need(free || self.live().next().is_none(), "auction")?;
        let gone = self.facts.sealed.remove(place);
        self.end_empty_call();
        self.post(&[(CASH, ESC_SUB, person(who), gone.deposit)])
    }

    /// Prices are set, of these models.
    pub(super) fn bids_marked(&mut self, models: &[usize]) {
        let all = self.live().all(|model| models.contains(&model));
        if let Some(call) = self.facts.call.as_mut().filter(|call| all && call.lost.is_some()) {
            (call.marked, call.met) = (true, None);
        }
    }

    /// A strike is over; in doubt it meets nobody.
    pub(super) fn bids_struck(&mut self) {
        let (epoch, doubt) = (self.facts.epoch, self.facts.held || self.facts.access.paused);
        let doubt = doubt && !self.facts.winding;
        if let Some(call) = self.facts.call.as_mut().filter(|call| call.marked) {
            call.marked = false;
            call.met = (!doubt).then_some(epoch).or(call.met);
        }
    }

    pub(super) fn open(
        &mut self,
        (fund, name): (&Name, &Name),
        bids: &[Bid],
        salt: &Digest,
    ) -> Result<(), Code> {
        self.rules(fund)?;
        let who = self.person(name)?;
        need(bids.len() <= 200, "limit")?;
        for (index, bid) in bids.iter().enumerate() {
            amount(bid.units.as_micro(), 1)?;
            amount(bid.limit.as_nano(), 1)?;
            let same = |other: &Bid| other.model == bid.model && other.side == bid.side;
            need(!bids[..index].iter().any(same), "exists")?;
        }
        let least = self.rules(fund)?.auction.ok_or("auction")?.minimum;
        for bid in bids {
            let price = self.price(self.listed(&bid.model)?);
            let worth = down(i128::from(bid.units.as_micro()), price, K);
            need(price == 0 || worth >= least, "amount")?;
        }
        let found = self.facts.sealed.iter().position(|s| s.who == who && s.bids.is_none());
        let place = found.ok_or("nothing")?;
        let sealed = &self.facts.sealed[place];
        need(self.opening().is_some() && sealed.called, "auction")?;
        need(bid_commitment(fund, name, salt, bids) == sealed.digest, "auction")?;
        self.facts.sealed[place].bids = Some(bids.to_vec());
        Ok(())
    }

    pub(super) fn end_opening(&mut self, fund: &Name, day: i64) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        let auction = rules.auction.ok_or("auction")?;
        self.clock(rules, day)?;
        let call = self.facts.call.filter(|call| !call.marked).ok_or("nothing")?;
        // The day of the call does not count.
        need(call.lost.is_some() || day - call.day > auction.days, "auction")?;
        need(self.facts.open.is_none(), "commitment")?;
        let is_lost = |sealed: &Sealed| sealed.called && !self.can_do(sealed);
        let (gone, stay): (Vec<Sealed>, Vec<Sealed>) =
            self.facts.sealed.clone().into_iter().partition(is_lost);
        let lost = gone.iter().map(|sealed| sealed.deposit).sum();
        self.lose(lost)?;
        self.facts.sealed = stay;
        let all = call.lost.unwrap_or(0) + lost;
        self.facts.call = Some(Called { lost: Some(all), ..call });
        self.end_empty_call();
        Ok(())
    }

    fn end_empty_call(&mut self) {
        if !self.facts.sealed.iter().any(|sealed| sealed.called) {
            self.facts.call = None;
        }
    }

    /// Whether somebody who opened has what he says.
    fn can_do(&self, sealed: &Sealed) -> bool {
        let Some(bids) = &sealed.bids else { return false };
        bids.iter().all(|bid| match (bid.side, self.listed(&bid.model)) {
            (BidSide::Buys, Ok(model)) if !self.facts.dead[model] => {
                self.cell(person(sealed.who), CASH) >= sealed.budget - sealed.deposit
            }
            (BidSide::Sells, Ok(model)) if !self.facts.dead[model] => {
                self.cell(person(sealed.who), unit(model)) >= i128::from(bid.units.as_micro())
            }
            _ => true,
        })
    }

    fn lose(&mut self, lost: i128) -> Result<(), Code> {
        self.post(&[(CASH, ESC_SUB, FUND, lost)])?;
        self.book(GL_CASH, lost * K);
        self.book(GL_INCOME, -lost * K);
        Ok(())
    }

    /// All bids are gone and all deposits are back.
    pub(super) fn call_off(&mut self) -> Result<(), Code> {
        let sealed = std::mem::take(&mut self.facts.sealed);
        let legs = sealed.iter().map(|sealed| (CASH, ESC_SUB, person(sealed.who), sealed.deposit));
        self.post(&legs.collect::<Vec<Leg>>())?;
        self.facts.call = None;
        Ok(())
    }

    /// Whether the last strike met the bids that are called; none where none are.
    pub(in crate::simulation) fn bids_met(&self) -> Option<bool> {
        self.facts.call.map(|call| call.met == Some(self.facts.epoch))
    }

    /// Whether bids are called and their days are not over.
    pub(super) fn sale_is_to_come(&self) -> bool {
        let rules = self.rules.and_then(|rules| rules.auction);
        let days = |call: &Called| self.facts.day - call.day;
        self.opening().zip(rules).is_some_and(|(call, rules)| days(&call) <= rules.days)
    }

    /// Whether this batch only counts.
    pub(super) fn batch_passes(&self, empty: bool) -> Result<bool, Code> {
        let Some(met) = self.bids_met() else { return Ok(false) };
        need(if empty { self.facts.passed < self.facts.epoch } else { met }, "auction")?;
        Ok(empty)
    }

    /// The least and the most that may be paid: within the band around the mark, and where the estimate stands on the other side of it
    /// from those who trade, within the band around the estimate too.
    fn corridor(&self, model: usize, side: BidSide, rules: AuctionRules) -> (i128, i128) {
        let price = self.price(model);
        let estimate = self.facts.est[model].map_or(price, i128::from);
        let off = |price: i128| down(price, rules.band, K);
        let (mut least, mut most) = (price - off(price), price + off(price));
        if side == BidSide::Buys && estimate > price {
            least = estimate - off(estimate);
        }
        if side == BidSide::Sells && estimate < price {
            most = estimate + off(estimate);
        }
        (least, most)
    }

    /// All that is good enough for one model in one direction, in the order in which it is served; nothing is paid beyond the band.
    fn good(&self, model: usize, side: BidSide, rules: AuctionRules) -> Vec<Good> {
        let (least, most) = self.corridor(model, side, rules);
        let mut good = Vec::new();
        for sealed in self.facts.sealed.iter().filter(|_| least <= most) {
            for bid in sealed.bids.iter().flatten() {
                let limit = i128::from(bid.limit.as_nano());
                let within = if side == BidSide::Buys { limit >= least } else { limit <= most };
                let units = i128::from(bid.units.as_micro());
                if bid.side == side && within && bid.model == self.cast.models[model] {
                    good.push((sealed.who, units, limit.clamp(least, most)));
                }
            }
        }
        // Stable: those as good stand in the order of sealing.
        good.sort_by(|a, b| if side == BidSide::Buys { b.2.cmp(&a.2) } else { a.2.cmp(&b.2) });
        good.retain(|bid| bid.2 > 0);
        good
    }

    /// The whole batch; `gaps` are the models that are traded, with what they lack.
    pub(super) fn auction(
        &mut self,
        gaps: &[(usize, i128)],
        (keep, primary_cash): (i128, Option<i128>),
        rules: AuctionRules,
    ) -> Result<(), Code> {
        let open = self.facts.sealed.iter().filter(|sealed| sealed.bids.is_some());
        let open: Vec<(usize, i128, i128)> = open.map(|s| (s.who, s.deposit, s.budget)).collect();
        let mut floor = Floor { rules, short: Vec::new(), may: BTreeMap::new(), told: Vec::new() };
        floor.may.extend(open.iter().map(|(who, deposit, budget)| (*who, *budget - *deposit)));
        let epochs: Vec<u64> = self.facts.pools.keys().copied().collect();
        let rows: Vec<usize> = self.facts.pools.values().map(|pool| pool.row).collect();
        let lots = rows.len() as i128 + 1;
        let mut purse: Vec<i128> =
            (0..self.cast.persons.len()).map(|p| self.cell(person(p), CASH)).collect();
        let mut served: Vec<(i128, Vec<(usize, i128)>)> = Vec::new();
        for (model, gap) in gaps {
            let mut supply: i128 = rows.iter().map(|row| self.cell(*row, unit(*model))).sum();
            supply += if *gap < 0 { -gap } else { 0 };
            let (mut at, mut takers) = (0, Vec::new());
            for (who, units, limit) in self.good(*model, BidSide::Buys, rules) {
                let reach = |cash: i128| if cash > lots { down(cash - lots, K, limit) } else { 0 };
                let due = units.min(supply).min(reach(floor.may[&who]));
                let most = due.min(reach(purse[who]));
                if most < due {
                    floor.short.push(who);
                }
                if most > 0 {
                    purse[who] -= up(most, limit, K) + lots;
                    floor.pays(who, up(most, limit, K) + lots);
                    supply -= most;
                    at = limit;
                    takers.push((who, most));
                }
            }
            floor.tell(*model, BidSide::Buys, (at, &takers));
            served.push((at, takers));
        }
        for (epoch, row) in epochs.iter().zip(&rows) {
            for (index, (model, _)) in gaps.iter().enumerate() {
                let units = self.cell(*row, unit(*model));
                self.hand_over(*model, *row, units, &mut served[index])?;
            }
            self.pay_out(*epoch, *row)?;
        }
        for (index, (model, gap)) in gaps.iter().enumerate().filter(|g| g.1.1 < 0) {
            self.hand_over(*model, FUND, -gap, &mut served[index])?;
        }
        for (model, gap) in gaps.iter().filter(|gap| gap.1 > 0) {
            self.take_offers(*model, *gap, (keep, primary_cash), &mut floor)?;
        }
        self.facts.passed = self.facts.epoch;
        let Some(call) = self.facts.call.take() else { return Ok(()) };
        let (mut lost, mut back) = (0, Vec::<Leg>::new());
        for (who, deposit, _) in open {
            if floor.short.contains(&who) {
                lost += deposit;
            } else {
                back.push((CASH, ESC_SUB, person(who), deposit));
            }
        }
        self.lose(lost)?;
        self.post(&back)?;
        let before = call.lost.unwrap_or(0);
        self.facts.sealed.retain(|sealed| sealed.bids.is_none());
        let (day, epoch) = (self.facts.day, self.facts.epoch);
        self.facts.cleared = Some((day, epoch, before + lost, floor.told));
        Ok(())
    }

    /// Leavers of a strike share what was paid for their units.
    fn pay_out(&mut self, epoch: u64, row: usize) -> Result<(), Code> {
        let cash = self.cell(row, CASH);
        let owners = self.facts.pools.get(&epoch).map_or(&[][..], |pool| &pool.owners);
        let parts = split(cash, owners);
        let dust = cash - parts.iter().map(|part| part.1).sum::<i128>();
        let mut legs: Vec<Leg> =
            parts.into_iter().map(|(who, part)| (CASH, row, claim(who), part)).collect();
        legs.push((CASH, row, FUND, dust));
        self.post(&legs)?;
        self.book(GL_CASH, dust * K);
        self.book(GL_TRADING, -dust * K);
        Ok(())
    }

    fn hand_over(
        &mut self,
        model: usize,
        row: usize,
        mut units: i128,
        (at, takers): &mut (i128, Vec<(usize, i128)>),
    ) -> Result<(), Code> {
        let price = self.price(model);
        for (who, wants) in takers {
            let sold = units.min(*wants);
            if sold == 0 {
                continue;
            }
            units -= sold;
            *wants -= sold;
            let cash = up(sold, *at, K);
            self.post(&[(unit(model), row, person(*who), sold), (CASH, person(*who), row, cash)])?;
            if row == FUND {
                self.sold(model, sold, *at);
                self.book(GL_CASH, cash * K);
                self.book(GL_UNITS + model, -sold * price);
                self.book(GL_TRADING, sold * price - cash * K);
            }
        }
        Ok(())
    }

    /// The primary offer at the mark, then the offers, cheapest first, all at the price of the last one.
    fn take_offers(
        &mut self,
        model: usize,
        gap: i128,
        (keep, primary_cash): (i128, Option<i128>),
        floor: &mut Floor,
    ) -> Result<(), Code> {
        let price = self.price(model);
        let offered = self.cell(primary(model), unit(model));
        let reach = |cash: i128, at: i128| down((cash - keep).max(0), K, at);
        let (_, worst) = self.corridor(model, BidSide::Sells, floor.rules);
        // The publisher gains nothing either by a mark that is far above the estimate.
        let first = if worst < price { 0 } else { gap.min(offered).min(reach(self.cash(), price)) };
        let first = primary_cash.map_or(first, |cash| first.min(cash * K / price));
        if first > 0 {
            self.buy_units(model, primary(model), first, price)?;
        }
        if worst >= price && first < offered && primary_cash.is_none() {
            return Ok(());
        }
        let (cash, mut left) = (self.cash(), gap - first);
        let (mut at, mut all, mut takers) = (0, 0, Vec::new());
        for (who, units, limit) in self.good(model, BidSide::Sells, floor.rules) {
            let due = units.min(left).min(reach(cash, limit) - all);
            let due = due.min(down(floor.may[&who].max(0), K, worst));
            let most = due.min(self.cell(person(who), unit(model)));
            if most < due {
                floor.short.push(who);
            }
            if most > 0 {
                floor.pays(who, up(most, worst, K));
                left -= most;
                all += most;
                at = limit;
                takers.push((who, most));
            }
        }
        floor.tell(model, BidSide::Sells, (at, &takers));
        for (who, units) in takers {
            self.buy_units(model, person(who), units, at)?;
        }
        Ok(())
    }
}

/// One batch while it runs.
struct Floor {
    rules: AuctionRules,
    /// Who could not do what he bid.
    short: Vec<usize>,
    /// What each may still spend or take.
    may: BTreeMap<usize, i128>,
    told: Vec<(usize, BidSide, i128, i128)>,
}

impl Floor {
    fn pays(&mut self, who: usize, cash: i128) {
        *self.may.entry(who).or_default() -= cash;
    }

    fn tell(&mut self, model: usize, side: BidSide, (at, takers): (i128, &[(usize, i128)])) {
        let units: i128 = takers.iter().map(|taker| taker.1).sum();
        if units > 0 {
            self.told.push((model, side, at, units));
        }
    }
}
