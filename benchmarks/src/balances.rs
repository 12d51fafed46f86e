//! The root over every balance of a fund, a proof under it and its verification, beside the SHA-256 that they cannot do without.
//!
//! A holder is two leaves (decision 0048), a tree over L leaves has L - 1 nodes above them, and each of both is hashed once. The limit is
//! so many hashes of a block as long as a node's, one after the other on one core. Sizes are taken in turn, so that what else the machine
//! does meets all of them.

use std::hint::black_box;

use domain::{
    amount::Cash,
    digest::Digest,
    fund::{Account, Asset, Event, FundParams, Salt, State, apply},
    name::Name,
    proof::Balances,
};
use serde_json::{Value, json};

use crate::{Error, record};

const HOLDERS: [usize; 3] = [1_000, 10_000, 100_000];
const ROUNDS: usize = 5;
/// Proofs of a round.
const PROOFS: usize = 100;
/// Two hashes of children, two sums and a domain byte.
const NODE_BYTES: usize = 32 + 32 + 8 + 8 + 1;

pub(crate) fn run() -> Result<(), Error> {
    let machine = evaluator::machine(evaluator::load_milli());
    let funds = HOLDERS.into_iter().map(crowd).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for _ in 0..ROUNDS {
        for (holders, state) in HOLDERS.into_iter().zip(&funds) {
            rows.push(measure(holders, state)?);
        }
    }
    let mut table = String::new();
    for holders in HOLDERS {
        let of = |field: &str| -> f64 {
            let own = rows.iter().filter(|row| row["holders"] == holders);
            let all: Vec<f64> = own.filter_map(|row| row[field].as_f64()).collect();
            record::quantile(&all, 0.5)
        };
        let (root, limit, prove, verify) = (of("root"), of("limit"), of("prove"), of("verify"));
        table += &format!(
            "| {holders} | {:.1} | {:.2} | {:.1} | {:.1} |\n",
            root * 1e3,
            root / limit,
            prove * 1e6,
            verify * 1e6
        );
    }
    let summary = format!(
        "# The root over every balance of a fund\n\n\
         Medians of {ROUNDS} rounds, one core. The ratio is to as many SHA-256 of {NODE_BYTES} bytes as leaves and nodes need.\n\n\
         | holders | root ms | ratio to the hashes | a proof µs | its verification µs |\n| --- | --- | --- | --- | --- |\n{table}"
    );
    record::write("balances", &machine, &Value::from(rows), &summary)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Child(error.to_string())
}

fn name(text: &str) -> Result<Name, Error> {
    text.parse().map_err(failed)
}

/// A fund with so many holders, its sponsor, and its locked shares.
fn crowd(holders: usize) -> Result<State, Error> {
    let (fund, sponsor) = (name("F")?, name("SPONSOR")?);
    let cash = Cash::from_micro(1_000_000_000_000);
    let mut state = State::new();
    let mut act = |event: Event| -> Result<(), Error> {
        let batch = apply(&state, &event).map_err(failed)?;
        state.commit(&batch);
        Ok(())
    };
    act(Event::CreateFund { fund: fund.clone(), params: FundParams::default() })?;
    act(Event::Deposit { who: sponsor.clone(), amount: cash })?;
    let amount = Cash::from_micro(cash.as_micro() / 2);
    act(Event::Seed { fund: fund.clone(), who: sponsor.clone(), amount, day: None })?;
    for number in 0..holders {
        let (who, to) = (sponsor.clone(), name(&format!("holder-{number}"))?);
        let asset = Asset::Share(fund.clone());
        act(Event::Transfer { who, to, asset, amount: 1_000_000 + number as i64 })?;
    }
    Ok(state)
}

/// Seconds of a root, of a proof, of its verification, and of the hashes.
fn measure(holders: usize, state: &State) -> Result<Value, Error> {
    let (fund, seed) = (name("F")?, Salt::from_bytes([7; 32]));
    let start = evaluator::timing::now();
    let balances = Balances::of(state, (&fund, 1), &seed).map_err(failed)?;
    let root = start.elapsed().as_secs_f64();
    let owners = (0..PROOFS).map(|part| name(&format!("holder-{}", part * holders / PROOFS)));
    let owners = owners.collect::<Result<Vec<_>, _>>()?;
    let start = evaluator::timing::now();
    let proofs: Option<Vec<_>> =
        owners.iter().map(|owner| balances.prove(&Account::Person(owner.clone()))).collect();
    let prove = start.elapsed().as_secs_f64() / PROOFS as f64;
    let proofs = proofs.ok_or_else(|| failed("a holder without a proof"))?;
    let start = evaluator::timing::now();
    proofs.iter().try_for_each(|proof| proof.verify(&balances.root())).map_err(failed)?;
    let verify = start.elapsed().as_secs_f64() / PROOFS as f64;
    let leaves = 2 * balances.root().holders;
    let mut block = [0; NODE_BYTES];
    let start = evaluator::timing::now();
    for number in 0..2 * leaves - 1 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        black_box(Digest::of(black_box(&block)));
    }
    let limit = start.elapsed().as_secs_f64();
    Ok(json!({
        "holders": holders, "root": root, "prove": prove, "verify": verify, "limit": limit,
    }))
}
