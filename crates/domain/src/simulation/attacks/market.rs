//! The market that attacks are made in: one fund, two models, what counterparties pay for them.

use std::collections::BTreeMap;

use crate::{
    amount::{Cash, LIMIT, PPB_ONE, Ppb, PriceNano, Shares, Units},
    fund::{Account, Asset, Event, FundParams, Rejection, State, apply, quote_create},
    name::Name,
    simulation::{
        cast::name,
        model::math::{K, down},
        random::Random,
    },
};

/// A ledger of one fund with models at true prices.
#[derive(Clone)]
pub(super) struct Market {
    pub(super) state: State,
    pub(super) fund: Name,
    /// What counterparties pay, in nano-credits a unit.
    pub(super) values: BTreeMap<Name, i64>,
}

/// Who takes part, with 1,000,000.000000 credits each.
const PARTIES: [&str; 6] = ["SPONSOR", "LP", "STAY", "ATT", "P1", "P2"];
pub(super) const WEALTH: i64 = 1_000_000_000_000;

impl Market {
    pub(super) fn new(params: FundParams) -> Result<Self, Rejection> {
        let fund = name("f");
        let mut market = Self { state: State::new(), fund, values: BTreeMap::new() };
        let fund = market.fund.clone();
        market.run(Event::CreateFund { fund, params })?;
        for who in PARTIES {
            let amount = Cash::from_micro(WEALTH);
            market.run(Event::Deposit { who: name(who), amount })?;
        }
        Ok(market)
    }

    pub(super) fn run(&mut self, event: Event) -> Result<(), Rejection> {
        let batch = apply(&self.state, &event)?;
        self.state.commit(&batch);
        Ok(())
    }

    pub(super) fn admit(
        &mut self,
        model: &str,
        publisher: &str,
        price: i64,
    ) -> Result<(), Rejection> {
        self.values.insert(name(model), price);
        self.run(Event::Admit {
            fund: self.fund.clone(),
            model: name(model),
            publisher: name(publisher),
            price: PriceNano::from_nano(price),
            bond: Cash::from_micro(100_000_000),
            contributors: Vec::new(),
        })
    }

    pub(super) fn seed(&mut self, who: &str, amount: i64) -> Result<(), Rejection> {
        let (fund, amount) = (self.fund.clone(), Cash::from_micro(amount));
        self.run(Event::Seed { fund, who: name(who), amount, day: None })
    }

    pub(super) fn subscribe(&mut self, who: &str, amount: i64) -> Result<(), Rejection> {
        let (fund, amount) = (self.fund.clone(), Cash::from_micro(amount));
        self.run(Event::Subscribe { fund, who: name(who), amount })
    }

    pub(super) fn redeem(&mut self, who: &str, shares: i64) -> Result<(), Rejection> {
        let (fund, shares) = (self.fund.clone(), Shares::from_nano(shares));
        self.run(Event::Redeem { fund, who: name(who), shares })
    }

    pub(super) fn strike(&mut self, day: i64) -> Result<(), Rejection> {
        self.run(Event::Strike { fund: self.fund.clone(), day })
    }

    pub(super) fn in_kind(&mut self, who: &str, shares: i64) -> Result<(), Rejection> {
        self.run(self.leaving(who, shares))
    }

    pub(super) fn leaving(&self, who: &str, shares: i64) -> Event {
        let (fund, who, shares) = (self.fund.clone(), name(who), Shares::from_nano(shares));
        let day = self.state.fund(&fund).map_or(0, |fund| fund.day());
        Event::InKind { fund, who, shares, day, skip: Vec::new() }
    }

    /// Trades towards equal weights; nobody trades where there are no `parties`.
    pub(super) fn rebalance(
        &mut self,
        cash: i64,
        spread: i64,
        parties: &[&str],
    ) -> Result<(), Rejection> {
        let weight = Ppb::from_ppb(PPB_ONE / (self.values.len().max(1) as i64));
        let weights = self.values.keys().map(|model| (model.clone(), weight)).collect();
        let counterparties = parties.iter().map(|who| name(who)).collect();
        let (cash, spread) = (Ppb::from_ppb(cash), Ppb::from_ppb(spread));
        self.run(Event::Rebalance {
            fund: self.fund.clone(),
            weights,
            cash,
            spread,
            counterparties,
            max_primary: None,
        })
    }

    /// The same, with nothing bought of publishers: what the fund buys it buys of the parties.
    pub(super) fn rebalance_between(
        &mut self,
        cash: i64,
        parties: &[&str],
    ) -> Result<(), Rejection> {
        let weight = Ppb::from_ppb(PPB_ONE / (self.values.len().max(1) as i64));
        self.run(Event::Rebalance {
            fund: self.fund.clone(),
            weights: self.values.keys().map(|model| (model.clone(), weight)).collect(),
            cash: Ppb::from_ppb(cash),
            spread: Ppb::ZERO,
            counterparties: parties.iter().map(|who| name(who)).collect(),
            max_primary: Some(Ppb::ZERO),
        })
    }

    /// A batch at the weights that there are, so that hardly anybody trades but the leavers.
    pub(super) fn hold(&mut self, spread: i64, parties: &[&str]) -> Result<(), Rejection> {
        let Some(fund) = self.state.fund(&self.fund) else { return Ok(()) };
        let nav = fund.nav(&self.state).as_femto().unwrap_or(i128::MAX).max(1);
        let weight = |model: &Name| {
            let value = fund.units(&self.state, model);
            let value = value.value_at(fund.price(model).unwrap_or_default()).as_femto();
            // At most one, because NAV holds it.
            Ppb::from_ppb(down(value.unwrap_or(0), K, nav) as i64)
        };
        let weights = self.values.keys().map(|model| (model.clone(), weight(model))).collect();
        let counterparties = parties.iter().map(|who| name(who)).collect();
        let (fund, spread) = (self.fund.clone(), Ppb::from_ppb(spread));
        let (cash, max_primary) = (Ppb::ZERO, None);
        self.run(Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary })
    }

    /// Delivers what leavers wait for: three batches in which nobody trades.
    pub(super) fn deliver(&mut self) -> Result<(), Rejection> {
        (0..3).try_for_each(|_| self.run(self.idle()))
    }

    pub(super) fn idle(&self) -> Event {
        Event::Rebalance {
            fund: self.fund.clone(),
            weights: BTreeMap::new(),
            cash: Ppb::ZERO,
            spread: Ppb::ZERO,
            counterparties: Vec::new(),
            max_primary: None,
        }
    }

    pub(super) fn claim(&mut self, who: &str) -> Result<(), Rejection> {
        if self.cash(&Account::Claim(name(who))) == 0 {
            return Ok(());
        }
        self.run(Event::Claim { who: name(who) })
    }

    /// Sells all units of a person to a provider at their true price, rounded up in his favour.
    pub(super) fn settle(&mut self, who: &str) -> Result<(), Rejection> {
        for (model, value) in self.values.clone() {
            let asset = Asset::Unit(model);
            let units = self.state.balance(&Account::Person(name(who)), &asset);
            if units == 0 {
                continue;
            }
            let worth = (i128::from(units) * i128::from(value) + K - 1) / K;
            let (seller, buyer) = (name(who), name("LP"));
            self.run(Event::Transfer { who: seller, to: buyer, asset, amount: units })?;
            let amount = i64::try_from(worth).unwrap_or(LIMIT);
            let (payer, payee) = (name("LP"), name(who));
            self.run(Event::Transfer { who: payer, to: payee, asset: Asset::Cash, amount })?;
        }
        Ok(())
    }

    /// Marks every model at `over` times its true price.
    pub(super) fn mark(&mut self, over: i64) -> Result<(), Rejection> {
        let price = |(model, value): (&Name, &i64)| {
            (model.clone(), PriceNano::from_nano(value.saturating_mul(over)))
        };
        let prices = self.values.iter().map(price).collect();
        let (fund, estimates) = (self.fund.clone(), BTreeMap::new());
        self.run(Event::MarkSet { fund, prices, estimates })
    }

    /// Marks one model at `over` times its true price and the others at theirs.
    pub(super) fn mark_one(&mut self, over_marked: &str, over: i64) -> Result<(), Rejection> {
        let price = |(model, value): (&Name, &i64)| {
            let times = if model.as_str() == over_marked { over } else { 1 };
            (model.clone(), PriceNano::from_nano(value.saturating_mul(times)))
        };
        let prices = self.values.iter().map(price).collect();
        let (fund, estimates) = (self.fund.clone(), BTreeMap::new());
        self.run(Event::MarkSet { fund, prices, estimates })
    }

    /// Shares whose slice a person can pay with one part in `parts` of his cash and what the provider has.
    pub(super) fn creatable(&self, who: &str, parts: i64) -> i64 {
        let Some(fund) = self.state.fund(&self.fund) else { return 0 };
        let supply = i128::from(fund.shares(&self.state).as_nano());
        let worth = self.worth(&Account::Fund(self.fund.clone())).max(1);
        let cash = i128::from(self.cash(&Account::Person(name(who))) / parts);
        let paid = down(cash * K, supply, worth);
        let sold = self.values.keys().map(|model| {
            let held = i128::from(fund.units(&self.state, model).as_micro());
            let asset = Asset::Unit(model.clone());
            let has = i128::from(self.state.balance(&Account::Person(name("LP")), &asset));
            if held == 0 { i128::MAX } else { down(has, supply, held) }
        });
        i64::try_from(sold.fold(paid, i128::min) - 2).unwrap_or(0).max(0)
    }

    /// The units of a slice for shares that are to be made.
    pub(super) fn slice_of(&self, shares: i64) -> Result<BTreeMap<Name, Units>, Rejection> {
        if shares == 0 {
            return Ok(BTreeMap::new());
        }
        let day = self.state.fund(&self.fund).map_or(0, |fund| fund.day());
        quote_create(&self.state, &self.fund, Shares::from_nano(shares), day).map(|q| q.units)
    }

    /// Buys units of the provider at their true price, rounded down in the buyer's favour.
    pub(super) fn buy(&mut self, who: &str, model: &Name, units: Units) -> Result<(), Rejection> {
        let value = self.values.get(model).copied().unwrap_or(0);
        let cost = down(i128::from(units.as_micro()), i128::from(value), K);
        let (provider, buyer) = (name("LP"), name(who));
        if let Some(amount) = i64::try_from(cost).ok().filter(|cost| *cost > 0) {
            let (who, to) = (buyer.clone(), provider.clone());
            self.run(Event::Transfer { who, to, asset: Asset::Cash, amount })?;
        }
        let (asset, amount) = (Asset::Unit(model.clone()), units.as_micro());
        self.run(Event::Transfer { who: provider, to: buyer, asset, amount })
    }

    pub(super) fn create_in_kind(&mut self, who: &str, shares: i64) -> Result<(), Rejection> {
        let (fund, who, shares) = (self.fund.clone(), name(who), Shares::from_nano(shares));
        let day = self.state.fund(&fund).map_or(0, |fund| fund.day());
        self.run(Event::CreateInKind { fund, who, shares, day })
    }

    pub(super) fn cash(&self, account: &Account) -> i64 {
        self.state.balance(account, &Asset::Cash)
    }

    pub(super) fn shares(&self, who: &str) -> i64 {
        self.state.balance(&Account::Person(name(who)), &Asset::Share(self.fund.clone()))
    }

    /// What an account holds beside shares, at true prices.
    pub(super) fn worth(&self, account: &Account) -> i128 {
        let units = self.values.iter().map(|(model, value)| {
            let units = self.state.balance(account, &Asset::Unit(model.clone()));
            i128::from(units) * i128::from(*value)
        });
        i128::from(self.cash(account)) * K + units.sum::<i128>()
    }

    /// Cash, claims and units of a person, at true prices.
    pub(super) fn wealth(&self, who: &str) -> i128 {
        self.worth(&Account::Person(name(who))) + self.worth(&Account::Claim(name(who)))
    }
}

/// A fund of two models that somebody else holds, invested at true prices.
pub(super) fn invested(random: &mut Random, params: FundParams) -> Result<Market, Rejection> {
    let mut market = Market::new(params)?;
    for (model, publisher) in [("A", "P1"), ("B", "P2")] {
        market.admit(model, publisher, random.range(10_000_000, 10_000_000_000))?;
    }
    market.seed("SPONSOR", random.range(1_000_000, 10_000_000_000))?;
    market.subscribe("STAY", random.range(1_000_000_000, 200_000_000_000))?;
    market.strike(0)?;
    market.rebalance(random.range(0, 300_000_000), 0, &["LP"])?;
    Ok(market)
}
