//! Entries and outcomes as the reference engine writes them: the fund is understood and stays unnamed.

use serde_json::{Map, Value, json};

use crate::{
    amount::Shares,
    fund::{Entry, Fill, Leg, Meta, Outcome, Slice},
};

/// One journal entry with its sequence number: `seq`, `kind`, `custody`, `gl` and the facts of its kind.
#[must_use]
pub fn entry(sequence: u64, entry: &Entry) -> Value {
    let leg = |leg: &Leg| json!([leg.asset.short(), leg.from.short(), leg.to.short(), leg.amount]);
    let mut fields = Map::new();
    fields.insert("seq".to_owned(), json!(sequence));
    fields.insert("kind".to_owned(), json!(entry.kind));
    fields.insert("custody".to_owned(), entry.custody.iter().map(leg).collect());
    let lines = entry.gl.iter().map(|line| json!([line.account, line.delta]));
    fields.insert("gl".to_owned(), lines.collect());
    if let Value::Object(facts) = facts(&entry.meta) {
        fields.extend(facts);
    }
    Value::Object(fields)
}

fn facts(meta: &Meta) -> Value {
    match meta {
        Meta::None => json!({}),
        Meta::Fee { days } => json!({ "days": days }),
        Meta::Admission { contributors, model, price } => {
            json!({ "model": model, "price": price, "contributors": contributors })
        }
        Meta::Marks { estimates, old, prices } => {
            json!({ "px": prices, "est": estimates, "old": old })
        }
        Meta::Request { who } => json!({ "who": who }),
        Meta::Strike { ask, day, epoch, nav, shares, winding } => json!({
            "day": day, "epoch": epoch, "nav15": nav, "ask15": ask, "shares": text(*shares),
            "winding": winding,
        }),
        Meta::Settlement { epoch } => json!({ "epoch": epoch }),
        Meta::Trade { counterparty, epoch, model, price } => {
            let mut facts = json!({ "model": model, "cp": counterparty.short(), "price": price });
            if let (Some(epoch), Value::Object(facts)) = (epoch, &mut facts) {
                facts.insert("pool".to_owned(), pool(*epoch));
            }
            facts
        }
        Meta::Delivery { epoch } => json!({ "pool": pool(*epoch) }),
        Meta::Model { model } => json!({ "model": model }),
        Meta::Distribution { from, to } => json!({ "from": from, "to": to }),
        Meta::Correction { corrects } => json!({ "corrects": corrects }),
        Meta::Compensation { restatement, strike } => {
            json!({ "restatement": restatement, "strike": strike })
        }
    }
}

/// What an operation returned; NAV in steps, as text.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::None => Value::Null,
        Outcome::Vested(cash) => json!(cash),
        Outcome::Window(fills) => json!(fills),
        Outcome::Strike(strike) => json!({
            "epoch": strike.epoch, "nav15": strike.nav, "ask15": strike.ask,
            "shares": strike.shares, "winding": strike.winding,
            "subs": strike.fills.iter().map(fill).collect::<Value>(),
            "reds": strike.slices.iter().map(slice).collect::<Value>(),
        }),
    }
}

fn fill(fill: &Fill) -> Value {
    json!([fill.who, fill.cash, fill.shares, fill.cost, fill.levy])
}

fn slice(slice: &Slice) -> Value {
    json!([slice.who, slice.shares, slice.cash, slice.units])
}

fn pool(epoch: u64) -> Value {
    json!(format!("LIQ:{epoch}"))
}

fn text(shares: Shares) -> Value {
    json!(shares.as_nano().to_string())
}
