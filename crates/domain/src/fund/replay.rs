//! Replay of operations written as the reference engine writes them: one fund, no types, any argument.
//!
//! An operation is `{"op": …, "args": {…}}` with the argument names of FUND 1.6.
//! Arguments are checked in the order of the reference, because a bad call earns the code of its first bad argument.

mod file;
mod render;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Asset, Event, FundParams, FundState, Rejection, State,
    admit::{check_new, check_split},
    apply,
    book::{check_amount, check_listed, check_live, clock, find_fund},
    custody::{check_asset, check_parties},
    rebalance::{check_target, check_weight},
};
use crate::{
    amount::{Cash, LIMIT, PPB_ONE, Ppb, PriceNano, Shares},
    name::Name,
};

pub use file::{Lines, ReplayError, lines};
pub use render::{entry, outcome};

/// An operation that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operation {0:?} is unknown")]
pub struct UnknownOperation(String);

/// One replayed operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Why it was refused, where it was.
    pub error: Option<Rejection>,
    /// What the operation returned, as the reference writes it.
    pub result: Value,
    /// The line that `modelfolio replay` prints.
    pub line: Value,
}

/// A ledger with one fund, from the `params` of a replay file; what is absent has its default.
///
/// # Errors
/// `amount` for a parameter that is no integer or out of its range.
pub fn ledger(fund: &Name, params: &Value) -> Result<State, Rejection> {
    let defaults = FundParams::default();
    let number = |key: &'static str, default: i64| match params.get(key) {
        None => Ok(default),
        Some(value) => amount(key, value, 0),
    };
    let params = FundParams {
        levy_in: Ppb::from_ppb(number("levy_in_ppb", 0)?),
        locked_shares: Shares::from_nano(number("min_shares", defaults.locked_shares.as_nano())?),
        management_fee: Ppb::from_ppb(number("mgmt_ppb", defaults.management_fee.as_ppb())?),
        performance_fee: Ppb::from_ppb(number("perf_ppb", 0)?),
        publisher_share: Ppb::from_ppb(number("pub_share_ppb", 500_000_000)?),
        reserve: Cash::from_micro(number("reserve", 0)?),
        ..defaults
    };
    let mut state = State::new();
    let batch = apply(&state, &Event::CreateFund { fund: fund.clone(), params })?;
    state.commit(&batch);
    Ok(state)
}

/// Applies one operation to `fund` and says what the reference says of it.
///
/// # Errors
/// An operation that does not exist; everything else is part of the step.
pub fn step(state: &mut State, fund: &Name, operation: &Value) -> Result<Step, UnknownOperation> {
    let first = state.entries();
    let applied = parse(state, fund, operation)?.and_then(|event| apply(state, &event));
    let (error, result, journal) = match applied {
        Ok(batch) => {
            state.commit(&batch);
            let entries = batch.entries.iter().zip(first..);
            let journal: Vec<Value> = entries.map(|(e, sequence)| entry(sequence, e)).collect();
            (None, outcome(&batch.outcome), journal)
        }
        Err(rejection) => (Some(rejection), Value::Null, Vec::new()),
    };
    let line = json!({
        "op": operation.get("op"),
        "error": error.as_ref().map(Rejection::code),
        "journal": journal,
        "nav_femto": state.fund(fund).map(|f| f.nav(state)),
        "shares_nano": state.fund(fund).map(|f| f.shares(state).as_nano().to_string()),
        "hwm": state.fund(fund).and_then(FundState::hwm)
            .map(|(nav, shares)| [nav.to_string(), shares.as_nano().to_string()]),
        "fund": state.fund(fund).map(|f| holdings(state, f)),
        "digest": state.chain().hex(),
    });
    Ok(Step { error, result, line })
}

/// Cash and units of the fund, by model.
fn holdings(state: &State, fund: &FundState) -> Value {
    let mut all = Map::new();
    all.insert("CASH".to_owned(), json!(fund.cash(state)));
    for holding in fund.holdings(state) {
        all.insert(holding.model.to_string(), json!(holding.units));
    }
    Value::Object(all)
}

/// Reads one operation on `fund`: the event, or the rejection that its first bad argument earns.
///
/// The state is needed because the reference asks it in the middle of the arguments (an unknown model stands before a bad amount).
///
/// # Errors
/// An operation that does not exist.
pub fn parse(
    state: &State,
    fund: &Name,
    operation: &Value,
) -> Result<Result<Event, Rejection>, UnknownOperation> {
    let op = operation.get("op").and_then(Value::as_str).unwrap_or_default();
    let args = Args { state, fund, values: operation.get("args").unwrap_or(&Value::Null) };
    Ok(match op {
        "deposit" => args.deposit(),
        "withdraw" => args.withdraw(),
        "transfer" => args.transfer(),
        "claim" => args.owner("who").map(|who| Event::Claim { who }),
        "admit" => args.admit(),
        "seed" => args.seed(),
        "mark" => args.mark(),
        "mark_set" => args.mark_set(),
        "subscribe" => args.subscribe(),
        "redeem" => args.redeem(),
        "strike" => args.day().map(|day| Event::Strike { fund: fund.clone(), day }),
        "in_kind" => args.in_kind(),
        "rebalance" => args.rebalance(),
        "vest" => args.vest(),
        "royalty" => args.royalty(),
        "delist" => args.live("m").map(|model| Event::Delist { fund: fund.clone(), model }),
        _ => return Err(UnknownOperation(op.chars().take(80).collect())),
    })
}

/// `amount` unless the value is an integer of the range.
fn amount(what: &'static str, value: &Value, min: i64) -> Result<i64, Rejection> {
    let Some(number) = value.as_i64() else {
        let value = value.to_string().chars().take(80).collect();
        return Err(Rejection::Amount { what, value, min, max: LIMIT });
    };
    check_amount(what, number, min).map(|_| number)
}

/// `owner` unless the value is the name of a person.
fn owner(value: &Value) -> Result<Name, Rejection> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| Rejection::Owner {
        given: value.to_string().chars().take(80).collect(),
        why: "expected a name that is not reserved",
    })
}

/// `model` unless the value has the form of a name.
fn model(value: &Value) -> Result<Name, Rejection> {
    let unknown = || Rejection::Model { model: value.to_string().chars().take(80).collect() };
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(unknown)
}

fn ppb(what: &str, value: &Value, max: i64) -> Result<Ppb, Rejection> {
    let Some(number) = value.as_i64() else {
        let value = value.to_string().chars().take(80).collect();
        return Err(Rejection::Weights { what: what.to_owned(), value, max });
    };
    check_weight(what, number, max).map(|()| Ppb::from_ppb(number))
}

/// Arguments of one operation; one that is absent is null, and so of the wrong type.
struct Args<'a> {
    state: &'a State,
    fund: &'a Name,
    values: &'a Value,
}

impl Args<'_> {
    fn get(&self, key: &str) -> &Value {
        self.values.get(key).unwrap_or(&Value::Null)
    }

    fn owner(&self, key: &str) -> Result<Name, Rejection> {
        owner(self.get(key))
    }

    fn cash(&self, key: &'static str) -> Result<Cash, Rejection> {
        amount(key, self.get(key), 1).map(Cash::from_micro)
    }

    fn shares(&self, key: &'static str) -> Result<Shares, Rejection> {
        amount(key, self.get(key), 1).map(Shares::from_nano)
    }

    /// A model that the fund lists, delisted or not.
    fn listed(&self, value: &Value) -> Result<Name, Rejection> {
        let model = model(value)?;
        check_listed(find_fund(self.state, self.fund)?, &model).map(|()| model)
    }

    /// A model that the fund lists and that is not delisted.
    fn live_value(&self, value: &Value) -> Result<Name, Rejection> {
        let model = model(value)?;
        check_live(self.state, find_fund(self.state, self.fund)?, &model).map(|()| model)
    }

    fn live(&self, key: &str) -> Result<Name, Rejection> {
        self.live_value(self.get(key))
    }

    fn day(&self) -> Result<i64, Rejection> {
        let value = self.get("day");
        let current = self.state.fund(self.fund).map_or(0, FundState::day);
        value.as_i64().ok_or_else(|| clock(value.to_string().chars().take(80).collect(), current))
    }

    fn deposit(&self) -> Result<Event, Rejection> {
        Ok(Event::Deposit { who: self.owner("who")?, amount: self.cash("c")? })
    }

    fn withdraw(&self) -> Result<Event, Rejection> {
        Ok(Event::Withdraw { who: self.owner("who")?, amount: self.cash("c")? })
    }

    fn transfer(&self) -> Result<Event, Rejection> {
        let (who, to) = (self.owner("who")?, self.owner("to")?);
        check_parties(&who, &to)?;
        let asset = self.asset()?;
        let amount = amount("n", self.get("n"), 1)?;
        Ok(Event::Transfer { who, to, asset, amount })
    }

    /// `CASH`, `SHARE`, `U:m`, `SC:m`; the fund is understood.
    fn asset(&self) -> Result<Asset, Rejection> {
        let value = self.get("asset");
        let unknown = || Rejection::Asset { asset: value.to_string().chars().take(80).collect() };
        let text = value.as_str().ok_or_else(unknown)?;
        let fund = self.fund.clone();
        let asset = match text.split_once(':') {
            None if text == "CASH" => Asset::Cash,
            None if text == "SHARE" => Asset::Share(fund),
            Some(("U", model)) => Asset::Unit(model.parse().map_err(|_| unknown())?),
            Some(("SC", model)) => {
                Asset::SideClaim { fund, model: model.parse().map_err(|_| unknown())? }
            }
            _ => return Err(unknown()),
        };
        check_asset(self.state, &asset).map(|()| asset)
    }

    fn admit(&self) -> Result<Event, Rejection> {
        let model = model(self.get("m"))?;
        check_new(self.state, self.fund, &model)?;
        let publisher = self.owner("pub")?;
        let price = PriceNano::from_nano(amount("p0", self.get("p0"), 1)?);
        let bond = self.cash("bond")?;
        let contributors = match self.get("contributors") {
            Value::Null => Vec::new(),
            given => contributors(&model, given)?,
        };
        let fund = self.fund.clone();
        Ok(Event::Admit { fund, model, publisher, price, bond, contributors })
    }

    fn seed(&self) -> Result<Event, Rejection> {
        let (who, amount) = (self.owner("who")?, self.cash("c")?);
        Ok(Event::Seed { fund: self.fund.clone(), who, amount, day: None })
    }

    fn mark(&self) -> Result<Event, Rejection> {
        let Some(name) = self.get("m").as_str() else {
            return Err(Rejection::Model { model: self.get("m").to_string() });
        };
        let prices = self.prices(&Map::from_iter([(name.to_owned(), self.get("p").clone())]))?;
        Ok(Event::MarkSet { fund: self.fund.clone(), prices, estimates: BTreeMap::new() })
    }

    fn mark_set(&self) -> Result<Event, Rejection> {
        let empty = Map::new();
        let given = match (self.get("px"), self.get("est")) {
            (Value::Object(prices), Value::Object(estimates)) => Some((prices, estimates)),
            (Value::Object(prices), Value::Null) => Some((prices, &empty)),
            _ => None,
        };
        let Some((prices, estimates)) = given.filter(|g| !(g.0.is_empty() && g.1.is_empty()))
        else {
            return Err(Rejection::Nothing { what: "mark" });
        };
        let (prices, estimates) = (self.prices(prices)?, self.prices(estimates)?);
        Ok(Event::MarkSet { fund: self.fund.clone(), prices, estimates })
    }

    fn prices(&self, given: &Map<String, Value>) -> Result<BTreeMap<Name, PriceNano>, Rejection> {
        let price = |(name, value): (&String, &Value)| {
            let model = self.live_value(&Value::String(name.clone()))?;
            Ok((model, PriceNano::from_nano(amount("price", value, 0)?)))
        };
        given.iter().map(price).collect()
    }

    fn subscribe(&self) -> Result<Event, Rejection> {
        let (who, amount) = (self.owner("who")?, self.cash("c")?);
        Ok(Event::Subscribe { fund: self.fund.clone(), who, amount })
    }

    fn redeem(&self) -> Result<Event, Rejection> {
        let (who, shares) = (self.owner("who")?, self.shares("sh")?);
        Ok(Event::Redeem { fund: self.fund.clone(), who, shares })
    }

    fn in_kind(&self) -> Result<Event, Rejection> {
        let (who, shares) = (self.owner("who")?, self.shares("sh")?);
        let skip = match self.values.get("skip") {
            None => Vec::new(),
            Some(Value::Array(models)) => {
                models.iter().map(|model| self.listed(model)).collect::<Result<_, _>>()?
            }
            Some(other) => return Err(Rejection::Model { model: other.to_string() }),
        };
        Ok(Event::InKind { fund: self.fund.clone(), who, shares, day: self.day()?, skip })
    }

    fn rebalance(&self) -> Result<Event, Rejection> {
        let Value::Object(given) = self.get("wppb") else {
            let value = self.get("wppb").to_string().chars().take(80).collect();
            return Err(Rejection::Weights { what: "weights".to_owned(), value, max: PPB_ONE });
        };
        let mut weights = BTreeMap::new();
        for (name, value) in given {
            let model = self.live_value(&Value::String(name.clone()))?;
            let weight = ppb(name, value, PPB_ONE)?;
            weights.insert(model, weight);
        }
        let cash = ppb("cash part", self.get("cash_ppb"), PPB_ONE)?;
        let spread = match self.values.get("spread_ppb") {
            None => Ppb::ZERO,
            Some(value) => ppb("spread", value, PPB_ONE - 1)?,
        };
        check_target(&weights, cash, spread)?;
        let counterparties = match self.values.get("cps") {
            None => vec![owner(&json!("LP"))?],
            Some(Value::Array(names)) => names.iter().map(owner).collect::<Result<_, _>>()?,
            Some(other) => return Err(owner(other).err().unwrap_or(NO_LIST)),
        };
        let (fund, max_primary) = (self.fund.clone(), None);
        Ok(Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary })
    }

    fn vest(&self) -> Result<Event, Rejection> {
        let model = self.live("m")?;
        Ok(Event::Vest { fund: self.fund.clone(), model, day: self.day()? })
    }

    fn royalty(&self) -> Result<Event, Rejection> {
        Ok(Event::Royalty { model: self.listed(self.get("m"))?, amount: self.cash("c")? })
    }
}

/// Counterparties that are one name and no list.
const NO_LIST: Rejection =
    Rejection::Owner { given: String::new(), why: "counterparties are a list of names" };

/// A list of pairs of owner and parts.
fn contributors(model: &Name, given: &Value) -> Result<Vec<(Name, Ppb)>, Rejection> {
    let fail = |why| Rejection::Split { model: model.to_string(), why };
    let shape = "expected a list of pairs of a name and its parts";
    let pairs = given.as_array().filter(|pairs| !pairs.is_empty()).ok_or_else(|| fail(shape))?;
    let pair = |pair: &Value| {
        pair.as_array().filter(|p| p.len() == 2).map(|p| [p[0].clone(), p[1].clone()])
    };
    let pairs: Vec<[Value; 2]> =
        pairs.iter().map(pair).collect::<Option<_>>().ok_or_else(|| fail(shape))?;
    let mut parts = Vec::with_capacity(pairs.len());
    for [who, part] in &pairs {
        let who = owner(who)?;
        let part = part.as_i64().filter(|part| (1..=PPB_ONE).contains(part));
        let part = part.ok_or_else(|| fail("a part is not between 1 and 1000000000 ppb"))?;
        parts.push((who, Ppb::from_ppb(part)));
    }
    check_split(model, &parts).map(|()| parts)
}
