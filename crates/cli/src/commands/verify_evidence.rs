//! `modelfolio verify` of what one person takes home: a balance at a strike, an order in a closed book; offline, by the log alone.

use std::fmt::Write as _;

use client::Client;
use domain::{
    amount::{Cash, Shares},
    evaluation::PublicKey,
    name::Name,
    proof::{BalanceEvidence, OrderEvidence, OrderKind, SignedHead},
};
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, print};

/// What neither file can show.
const ATTESTED: [&str; 2] = [
    "that the root is that of the journal, which the strike's bundle shows",
    "that nobody is shown another log, which two heads of two people show: `modelfolio log`",
];

/// A file of either kind.
pub(super) enum Evidence {
    Balance(Box<BalanceEvidence>),
    Order(Box<OrderEvidence>),
}

/// What was verified, as `--json` prints it.
#[derive(Serialize)]
struct Printed<'a, T> {
    ok: bool,
    trusted: bool,
    #[serde(flatten)]
    verified: &'a T,
    attested: [&'a str; 2],
}

/// A balance or an order, right or wrong; none for a text that is neither.
///
/// # Errors
/// [`Failure::Input`] for one that is not of the form.
pub(super) fn parse(name: &str, text: &[u8]) -> Result<Option<Evidence>, Failure> {
    #[derive(Deserialize)]
    struct Form {
        balance_version: Option<serde::de::IgnoredAny>,
        order_version: Option<serde::de::IgnoredAny>,
    }
    let Ok(form) = serde_json::from_slice::<Form>(text) else { return Ok(None) };
    let wrong = |what: &str, error: serde_json::Error| {
        Failure::Input(format!("{name}: no proof of {what}: {error}"))
    };
    if form.balance_version.is_some() {
        let read = serde_json::from_slice(text).map_err(|error| wrong("a balance", error));
        return read.map(|read| Some(Evidence::Balance(Box::new(read))));
    }
    if form.order_version.is_some() {
        let read = serde_json::from_slice(text).map_err(|error| wrong("an order", error));
        return read.map(|read| Some(Evidence::Order(Box::new(read))));
    }
    Ok(None)
}

/// The file of an address `http://HOST/v1/strikes/FUND/NUMBER/balance` or `http://HOST/v1/orders/ID/proof`; none for anything else.
pub(super) async fn fetch(address: &str, token: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    if !address.starts_with("http://") && !address.starts_with("https://") {
        return Ok(None);
    }
    let (whole, query) = address.split_once('?').unwrap_or((address, ""));
    let client =
        |base: &str| Client::new(base, token.map(str::to_owned)).map_err(Failure::environment);
    let name = |text: &str| text.replace("%2F", "/").parse::<Name>().ok();
    let strike = whole.split_once("/v1/strikes/").and_then(|(base, rest)| {
        let (fund, number) = rest.strip_suffix("/balance")?.rsplit_once('/')?;
        Some((base, name(fund)?, number.parse::<u64>().ok()?))
    });
    let order = whole
        .split_once("/v1/orders/")
        .and_then(|(base, rest)| Some((base, rest.strip_suffix("/proof")?.parse::<i64>().ok()?)));
    let fetched = match (strike, order) {
        (Some((base, fund, number)), _) => {
            let owner = query.split('&').find_map(|pair| name(pair.strip_prefix("owner=")?));
            client(base)?.balance_evidence(&fund, number, owner.as_ref()).await
        }
        (_, Some((base, order))) => client(base)?.order_evidence(order).await,
        _ => return Ok(None),
    };
    fetched.map(Some).map_err(super::transfer::failure)
}

/// Verifies a file and says what was verified and what it cannot show.
///
/// # Errors
/// [`Failure::Input`] names the first thing that differs.
pub(super) fn run(
    name: &str,
    evidence: &Evidence,
    trusted: Option<&PublicKey>,
    json: bool,
) -> Result<(), Failure> {
    let found = match evidence {
        Evidence::Balance(balance) => balance.verify(trusted),
        Evidence::Order(order) => order.verify(trusted),
    };
    found.map_err(|error| Failure::Input(format!("{name}: {error}")))?;
    let trusted = trusted.is_some();
    let text = match (evidence, json) {
        (Evidence::Balance(balance), false) => balance_in_words(balance, trusted),
        (Evidence::Order(order), false) => order_in_words(order, trusted),
        (Evidence::Balance(balance), true) => printed(&**balance, trusted)?,
        (Evidence::Order(order), true) => printed(&**order, trusted)?,
    };
    print(&text)
}

fn printed<T: Serialize>(verified: &T, trusted: bool) -> Result<String, Failure> {
    let printed = Printed { ok: true, trusted, verified, attested: ATTESTED };
    let json = serde_json::to_string(&printed).map_err(Failure::environment)?;
    Ok(format!("{json}\n"))
}

fn log_in_words(index: u64, head: &SignedHead, trusted: bool) -> String {
    let SignedHead { log, size, public_key, .. } = head;
    let whose = if trusted {
        "which is trusted"
    } else {
        "its own word: anybody can have made it; --key says which is trusted"
    };
    format!("log        {log}, leaf {index} of {size} leaves\nkey        {public_key}, {whose}\n")
}

fn balance_in_words(evidence: &BalanceEvidence, trusted: bool) -> String {
    let BalanceEvidence { proof, root, leaf, head, .. } = evidence;
    let mut out = format!(
        "owner      {}\nbalance    {} shares free, {} in orders that wait\nstrike     {} of {}\n",
        proof.owner, proof.free, proof.ordered, proof.strike, proof.fund
    );
    let _ = writeln!(
        out,
        "root       {}, over {} shares of {} holders",
        root.root, root.shares, root.holders
    );
    out.push_str(&log_in_words(leaf.index, head, trusted));
    out.push_str("verified   the balance is under the root, whole and once; the root is in the strike's leaf, the leaf in the log\n");
    let _ = writeln!(out, "attested   {}", ATTESTED.join("; "));
    out
}

fn order_in_words(evidence: &OrderEvidence, trusted: bool) -> String {
    let OrderEvidence { proof, leaf, head, .. } = evidence;
    let order = &proof.order;
    let what = match order.kind {
        OrderKind::Subscription => {
            format!("{} credits for shares", Cash::from_micro(order.amount))
        }
        OrderKind::Redemption => format!("{} shares", Shares::from_nano(order.amount)),
        OrderKind::Window => {
            format!("{} shares at the window", Shares::from_nano(order.amount))
        }
    };
    let mut out = format!(
        "owner      {}\norder      {}, {what}\nstrike     in the closed book of {} of {}, place {}\n",
        order.who, order.sequence, proof.strike, proof.fund, proof.index
    );
    out.push_str(&log_in_words(leaf.index, head, trusted));
    out.push_str(
        "verified   the order is under the root in the leaf of the cut-off, the leaf in the log\n",
    );
    let _ = writeln!(out, "attested   {}", ATTESTED.join("; "));
    out
}
