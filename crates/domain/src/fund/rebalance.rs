//! The rebalance: leavers sell, then the fund sells, then it buys; at the mark less or plus the spread (FUND 1.2, 2.18).

mod auction;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Effect, Meta},
    book::{Book, DraftLeg, PARTIES_MAX, check_live, check_seeded, find_fund},
    fund_state::{FundState, Pool},
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    params::OPENING_DAYS_MAX,
    rejection::Rejection,
    state::{State, Tranche},
    trading,
    window::{Depth, OpenSale, open_sales},
};
use crate::{
    amount::{Cash, PPB_ONE, Ppb, PriceNano, Units},
    name::Name,
};

/// Rebalances after which leavers receive in kind what is unsold.
const BATCHES: u32 = 3;
/// The same with those that they wait for, because bids are being opened that may buy them.
const BATCHES_MAX: u32 = BATCHES + OPENING_DAYS_MAX as u32;
/// A publisher's bond receives one part in so many of each primary sale.
const BOND_PART: i128 = 10;

/// What a rebalance says.
pub(super) struct Order<'a> {
    pub(super) fund: &'a Name,
    pub(super) weights: &'a BTreeMap<Name, Ppb>,
    pub(super) cash: Ppb,
    pub(super) spread: Ppb,
    pub(super) counterparties: &'a [Name],
    pub(super) max_primary: Option<Ppb>,
}

pub(super) fn rebalance(state: &State, order: &Order<'_>) -> Result<Batch, Rejection> {
    let fund = find_fund(state, order.fund)?;
    for (model, weight) in order.weights {
        check_live(state, fund, model)?;
        check_weight(model.as_str(), weight.as_ppb(), PPB_ONE)?;
    }
    check_target(order.weights, order.cash, order.spread)?;
    if let Some(part) = order.max_primary {
        check_weight("primary part", part.as_ppb(), PPB_ONE)?;
    }
    check_counterparties(order.counterparties)?;
    check_auction(fund, order)?;
    let passes = auction::passes(fund, order)?;
    let book = Book::over(state);
    let mut venue = Venue { book, fund, order, primary_most: None, depth: None };
    check_seeded(&venue.book, fund)?;
    if !(order.weights.is_empty() && order.counterparties.is_empty()) {
        // A batch without weights and counterparties trades nothing and brings leavers nearer to their units: no pause keeps them from it.
        fund.check_not_paused()?;
    }
    // Nor is there a bid that could trade in a pause.
    if passes {
        venue.pass();
    } else if !fund.restrictions().is_paused() {
        venue.trade()?;
    }
    venue.close_pools(passes)?;
    venue.write_sales();
    Ok(venue.book.finish(Outcome::None))
}

/// `weights` unless `value` is from 0 to `max`.
pub(super) fn check_weight(what: &str, value: i64, max: i64) -> Result<(), Rejection> {
    if (0..=max).contains(&value) {
        return Ok(());
    }
    Err(Rejection::Weights { what: what.to_owned(), value: value.to_string(), max })
}

/// `weights` unless they sum to at most one, and cash part and spread are in their ranges.
pub(super) fn check_target(
    weights: &BTreeMap<Name, Ppb>,
    cash: Ppb,
    spread: Ppb,
) -> Result<(), Rejection> {
    let sum: i128 = weights.values().map(|weight| i128::from(weight.as_ppb())).sum();
    check_weight("sum of weights", i64::try_from(sum).unwrap_or(i64::MAX), PPB_ONE)?;
    check_weight("cash part", cash.as_ppb(), PPB_ONE)?;
    check_weight("spread", spread.as_ppb(), PPB_ONE - 1)
}

/// `owner` where a name stands twice.
fn check_counterparties(names: &[Name]) -> Result<(), Rejection> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let why = "it stands twice among the counterparties";
            return Err(Rejection::Owner { given: name.to_string(), why });
        }
    }
    if names.len() > PARTIES_MAX {
        let what = "counterparties of a rebalance".to_owned();
        return Err(Rejection::Limit { what, max: PARTIES_MAX as i64 });
    }
    Ok(())
}

/// A fund with an auction trades with its bidders at their price, and with nobody else.
fn check_auction(fund: &FundState, order: &Order<'_>) -> Result<(), Rejection> {
    if fund.params.auction.is_none() {
        return Ok(());
    }
    if let Some(name) = order.counterparties.first() {
        let why = "a fund with an auction trades with its bidders alone";
        return Err(Rejection::Owner { given: name.to_string(), why });
    }
    check_weight("spread of a fund with an auction", order.spread.as_ppb(), 0)
}

/// One rebalance while it runs.
struct Venue<'a> {
    book: Book<'a>,
    fund: &'a FundState,
    order: &'a Order<'a>,
    /// Cash for the primary offer of each model; none where the order sets no limit.
    primary_most: Option<i128>,
    /// What the fund's window may count, once a trade has changed it.
    depth: Option<Depth>,
}

/// Units of one model, for sale.
struct Lot<'a> {
    model: &'a Name,
    price: PriceNano,
    units: i128,
}

impl<'a> Venue<'a> {
    /// Targets from NAV at the start, then leavers' sales, sales, purchases.
    fn trade(&mut self) -> Result<(), Rejection> {
        let fund = self.fund;
        let nav = self.book.nav(fund);
        let cash_part = i128::from(self.order.cash.as_ppb());
        let invested = trading::invested(nav, cash_part);
        let keep = trading::cash_to_keep(nav, cash_part);
        let most = |part: Ppb| trading::part_in_cash(nav, i128::from(part.as_ppb()));
        self.primary_most = self.order.max_primary.map(most);
        let mut gaps = Vec::new();
        for model in self.book.live(fund) {
            let price = fund.price(model).unwrap_or_default();
            if price == PriceNano::ZERO {
                continue;
            }
            let weight = self.order.weights.get(model).copied().unwrap_or_default();
            let (weight, mark) = (i128::from(weight.as_ppb()), i128::from(price.as_nano()));
            let target = trading::target_units(invested, weight, mark);
            gaps.push((model, price, target - self.book.units(fund, model)));
        }
        if let Some(params) = fund.params.auction {
            return self.trade_with_bidders(params, &gaps, keep);
        }
        for (epoch, pool) in &fund.pools {
            let account = Account::Liquidation { fund: fund.name.clone(), epoch: *epoch };
            for (model, price, _) in &gaps {
                let held = self.book.balance(&account, &Asset::Unit((*model).clone()));
                let lot = Lot { model, price: *price, units: i128::from(held) };
                self.sell(&lot, Some((*epoch, pool)))?;
            }
        }
        for (model, price, gap) in gaps.iter().filter(|gap| gap.2 < 0) {
            self.sell(&Lot { model, price: *price, units: -gap }, None)?;
        }
        for (model, price, gap) in gaps.iter().filter(|gap| gap.2 > 0) {
            self.buy(&Lot { model, price: *price, units: *gap }, keep)?;
        }
        Ok(())
    }

    /// Sells to the counterparties in their order, as far as each has cash.
    fn sell(&mut self, lot: &Lot<'_>, leavers: Option<(u64, &'a Pool)>) -> Result<(), Rejection> {
        let price = i128::from(lot.price.as_nano());
        let spread = i128::from(self.order.spread.as_ppb());
        let traded = trading::selling_price(price, spread);
        let mut left = lot.units;
        for name in self.order.counterparties {
            let buyer = Account::Person(name.clone());
            let cash = i128::from(self.book.balance(&buyer, &Asset::Cash));
            let units = left.min(cash * K / price);
            if units <= 0 {
                continue;
            }
            left -= units;
            let proceeds = trading::proceeds(units, traded);
            match leavers {
                None => self.sell_own(lot, &buyer, units, (proceeds, traded))?,
                Some(pool) => self.sell_for(pool, lot, &buyer, units, (proceeds, traded))?,
            }
        }
        Ok(())
    }

    fn open_depth(&mut self) -> &mut Depth {
        let (supply, fund) = (self.book.shares(self.fund), self.fund);
        self.depth.get_or_insert_with(|| fund.window.depth.at(supply, fund.day()))
    }

    /// What the fund sells its window may count, at no more than it brought; leavers' sales it may not.
    fn note_sale(&mut self, lot: &Lot<'_>, units: i128, traded: i128) {
        if self.fund.params.window.is_none() {
            return;
        }
        // Both are within what is in the books.
        let narrow = |x: i128| i64::try_from(x).unwrap_or(0);
        let sold = OpenSale {
            day: self.fund.day(),
            mark: lot.price,
            traded: PriceNano::from_nano(narrow(traded)),
            units: Units::from_micro(narrow(units)),
        };
        self.open_depth().sell(lot.model, sold);
    }

    /// What the fund buys back its window may not count any more.
    fn note_purchase(&mut self, model: &Name, units: i128) {
        if self.depth.is_some() || !self.fund.window.depth.is_empty() {
            self.open_depth().buy(model, units);
        }
    }

    fn write_sales(&mut self) {
        if let Some(depth) = self.depth.take() {
            open_sales(&mut self.book, self.fund, depth);
        }
    }

    fn sell_own(
        &mut self,
        lot: &Lot<'_>,
        buyer: &Account,
        units: i128,
        (proceeds, traded): (i128, i128),
    ) -> Result<(), Rejection> {
        let owner = Account::Fund(self.fund.name.clone());
        let value = units * i128::from(lot.price.as_nano());
        let legs = vec![
            (Asset::Unit(lot.model.clone()), owner.clone(), buyer.clone(), units),
            (Asset::Cash, buyer.clone(), owner, proceeds),
        ];
        let lines = vec![
            (GlAccount::Cash, proceeds * K),
            (GlAccount::Units(lot.model.clone()), -value),
            (GlAccount::Trading, value - proceeds * K),
        ];
        let facts = trade(lot.model, buyer, traded, None)?;
        self.book.post(Kind::Sell, Some(&self.fund.name), legs, lines, facts)?;
        self.note_sale(lot, units, traded);
        Ok(())
    }

    /// Proceeds go to the leavers by shares burned; dust to the fund.
    fn sell_for(
        &mut self,
        (epoch, pool): (u64, &Pool),
        lot: &Lot<'_>,
        buyer: &Account,
        units: i128,
        (proceeds, traded): (i128, i128),
    ) -> Result<(), Rejection> {
        let name = &self.fund.name;
        let from = Account::Liquidation { fund: name.clone(), epoch };
        let mut legs = vec![(Asset::Unit(lot.model.clone()), from, buyer.clone(), units)];
        let parts = math::split(proceeds, pool.owners.iter().map(|(_, shares)| shares.as_nano()));
        let dust = proceeds - parts.iter().sum::<i128>();
        for ((who, _), part) in pool.owners.iter().zip(parts) {
            legs.push((Asset::Cash, buyer.clone(), Account::Claim(who.clone()), part));
        }
        legs.push((Asset::Cash, buyer.clone(), Account::Fund(name.clone()), dust));
        let lines = vec![(GlAccount::Cash, dust * K), (GlAccount::Trading, -dust * K)];
        let facts = trade(lot.model, buyer, traded, Some(epoch))?;
        self.book.post(Kind::LiqSell, Some(name), legs, lines, facts)
    }

    /// Buys from the primary offer, as far as the order lets it, then from the counterparties; never below the cash to keep.
    fn buy(&mut self, lot: &Lot<'_>, keep: i128) -> Result<(), Rejection> {
        let (fund, price) = (self.fund, i128::from(lot.price.as_nano()));
        let traded = trading::buying_price(price, i128::from(self.order.spread.as_ppb()));
        let floor = keep.max(i128::from(fund.params.reserve.as_micro()));
        let unit = Asset::Unit(lot.model.clone());
        let primary = Account::Primary(lot.model.clone());
        let others = self.order.counterparties.iter().map(|name| Account::Person(name.clone()));
        let mut left = lot.units;
        for seller in std::iter::once(primary.clone()).chain(others) {
            let offered = i128::from(self.book.balance(&seller, &unit));
            let affordable = trading::affordable(self.book.cash(fund), floor, traded);
            let most = match self.primary_most.filter(|_| seller == primary) {
                // Rounded down, so that the cost is within it.
                Some(cash) => trading::affordable(cash, 0, traded),
                None => left,
            };
            let units = left.min(offered).min(affordable).min(most);
            if units <= 0 {
                continue;
            }
            left -= units;
            self.buy_some(lot, &seller, units, traded)?;
        }
        Ok(())
    }

    fn buy_some(
        &mut self,
        lot: &Lot<'_>,
        seller: &Account,
        units: i128,
        traded: i128,
    ) -> Result<(), Rejection> {
        if units <= 0 {
            return Ok(());
        }
        let (unit, owner) = (Asset::Unit(lot.model.clone()), Account::Fund(self.fund.name.clone()));
        let cost = trading::cost(units, traded);
        let value = units * i128::from(lot.price.as_nano());
        let mut legs = vec![(unit, seller.clone(), owner.clone(), units)];
        if matches!(seller, Account::Primary(_)) {
            legs.extend(self.primary_payment(lot.model, &owner, cost)?);
        } else {
            legs.push((Asset::Cash, owner, seller.clone(), cost));
        }
        let lines = vec![
            (GlAccount::Units(lot.model.clone()), value),
            (GlAccount::Cash, -cost * K),
            (GlAccount::Trading, cost * K - value),
        ];
        let facts = trade(lot.model, seller, traded, None)?;
        self.book.post(Kind::Buy, Some(&self.fund.name), legs, lines, facts)?;
        self.note_purchase(lot.model, units);
        Ok(())
    }

    /// One tenth of a primary sale goes to the bond, rounded up, the rest waits for its vesting.
    fn primary_payment(
        &mut self,
        model: &Name,
        owner: &Account,
        cost: i128,
    ) -> Result<[DraftLeg; 2], Rejection> {
        let bond = math::ceil_div(cost, 1, BOND_PART);
        let vesting = cost - bond;
        if vesting > 0 {
            let amount = i64::try_from(vesting)
                .map_err(|_| Rejection::Internal("a sale is larger than the fund's cash"))?;
            let tranche = Tranche {
                amount: Cash::from_micro(amount),
                day: self.fund.day(),
                fund: self.fund.name.clone(),
                paid: Cash::ZERO,
            };
            self.book.effect(Effect::TrancheSold { model: model.clone(), tranche });
        }
        let escrow = Account::EscrowPublisher(model.clone());
        Ok([
            (Asset::Cash, owner.clone(), Account::Bond(model.clone()), bond),
            (Asset::Cash, owner.clone(), escrow, vesting),
        ])
    }

    /// Ends pools that have had three batches or have nothing left: the rest is delivered, dust to the fund.
    ///
    /// A batch that passes while bids are being opened is nobody's last: their sale is to come, and its day is known. It is not put off for
    /// ever: whoever has waited for as many batches as an opening has days at most has his units.
    fn close_pools(&mut self, passes: bool) -> Result<(), Rejection> {
        let name = &self.fund.name;
        let is_open = self.fund.opening_until().is_some_and(|until| self.fund.day() < until);
        let waits = passes && is_open;
        for (epoch, pool) in &self.fund.pools {
            let from = Account::Liquidation { fund: name.clone(), epoch: *epoch };
            let held = |model| {
                let units = self.book.balance(&from, &Asset::Unit(Name::clone(model)));
                (model, i128::from(units))
            };
            let left: Vec<(&Name, i128)> =
                self.book.live(self.fund).into_iter().map(held).collect();
            let any = left.iter().any(|(_, units)| *units > 0);
            let batches = pool.batches + 1;
            if any && (batches < BATCHES || waits && batches < BATCHES_MAX) {
                let pool = Pool { batches, owners: pool.owners.clone() };
                self.book.effect(Effect::PoolSet { epoch: *epoch, fund: name.clone(), pool });
                continue;
            }
            if any {
                self.deliver(&from, &left, pool, *epoch)?;
            }
            self.book.effect(Effect::PoolClosed { epoch: *epoch, fund: name.clone() });
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        from: &Account,
        left: &[(&Name, i128)],
        pool: &Pool,
        epoch: u64,
    ) -> Result<(), Rejection> {
        let (mut legs, mut lines) = (Vec::new(), Vec::new());
        for (model, units) in left {
            let unit = Asset::Unit((*model).clone());
            let parts = math::split(*units, pool.owners.iter().map(|(_, shares)| shares.as_nano()));
            let dust = units - parts.iter().sum::<i128>();
            for ((who, _), part) in pool.owners.iter().zip(parts) {
                legs.push((unit.clone(), from.clone(), Account::Person(who.clone()), part));
            }
            legs.push((unit, from.clone(), Account::Fund(self.fund.name.clone()), dust));
            let worth = dust * i128::from(self.fund.price(model).unwrap_or_default().as_nano());
            lines.push((GlAccount::Units((*model).clone()), worth));
            lines.push((GlAccount::Trading, -worth));
        }
        let facts = Meta::Delivery { epoch };
        self.book.post(Kind::LiqDeliver, Some(&self.fund.name), legs, lines, facts)
    }
}

fn trade(
    model: &Name,
    counterparty: &Account,
    price: i128,
    epoch: Option<u64>,
) -> Result<Meta, Rejection> {
    let price = i64::try_from(price).map(PriceNano::from_nano).map_err(|_| Rejection::Limit {
        what: format!("price of {model} with its spread"),
        max: i64::MAX,
    })?;
    Ok(Meta::Trade { counterparty: counterparty.clone(), epoch, model: model.clone(), price })
}
