//! `modelfolio verify` of a strike: everything that it follows from is derived again, offline.

use std::fmt::Write as _;

use client::Client;
use domain::{
    evaluation::PublicKey,
    name::Name,
    proof::{Bundle, Verified, verify_bundle},
};
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, print};

/// What nobody can derive again, whatever a bundle holds.
const ATTESTED: [&str; 3] = [
    "times, answers and hidden cases behind the samples",
    "samples that are not in the bundle",
    "the weights of evaluators",
];

/// What is attested where the bundle does not have the whole log.
const WITHOUT_LOG: [&str; 2] = [
    "that no later decision was left out",
    "that the log has no second strike of this number, which whoever reads all of it sees",
];

/// What stays attested of what was verified: less where the bundle has the whole log, whose end is its head.
fn attested(verified: &Verified) -> Vec<String> {
    let mut attested: Vec<String> = ATTESTED.map(str::to_owned).into();
    let Some(known) = &verified.known_information else {
        attested.extend(WITHOUT_LOG.map(str::to_owned));
        return attested;
    };
    if known.hidden > 0 {
        attested.push(format!(
            "that none of the {} leaves that are in the bundle by their hash alone is a later decision or a second strike of this number",
            known.hidden
        ));
    }
    attested.push(format!(
        "that no leaf behind the first {} is a second strike of this number, which whoever follows the log sees",
        verified.log_size
    ));
    attested
}

/// What is verified, as `--json` prints it.
#[derive(Serialize)]
struct Printed<'a> {
    ok: bool,
    #[serde(flatten)]
    verified: &'a Verified,
    attested: Vec<String>,
}

/// Whether a text is a bundle, right or wrong.
pub(super) fn is_bundle(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Form {
        bundle_version: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Form>(text).is_ok_and(|form| form.bundle_version.is_some())
}

/// The bundle of an address `http://HOST/v1/strikes/FUND/NUMBER/bundle`; none for anything else.
pub(super) async fn fetch(address: &str, token: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    if !address.starts_with("http://") && !address.starts_with("https://") {
        return Ok(None);
    }
    let Some((base, rest)) = address.split_once("/v1/strikes/") else { return Ok(None) };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parts = path.strip_suffix("/bundle").and_then(|path| path.rsplit_once('/'));
    let parts = parts.and_then(|(fund, number)| {
        let fund: Name = fund.replace("%2F", "/").parse().ok()?;
        Some((fund, number.parse::<u64>().ok()?))
    });
    let Some((fund, number)) = parts else {
        let reason = "no address of a strike; http://HOST/v1/strikes/FUND/NUMBER/bundle is";
        return Err(Failure::Input(format!("{address}: {reason}")));
    };
    let client = Client::new(base, token.map(str::to_owned)).map_err(Failure::environment)?;
    let fetched = client.strike_bundle(&fund, number, query.contains("samples=true")).await;
    fetched.map(Some).map_err(super::transfer::failure)
}

/// Reads and verifies a bundle; both failures name the place.
///
/// # Errors
/// What differs first, in words.
pub(crate) fn check(text: &[u8], trusted: Option<&PublicKey>) -> Result<Verified, String> {
    let bundle: Bundle =
        serde_json::from_slice(text).map_err(|error| format!("no bundle of a strike: {error}"))?;
    verify_bundle(&bundle, trusted).map_err(|error| error.to_string())
}

/// Verifies a bundle and says what was verified and what stays attested.
///
/// # Errors
/// [`Failure::Input`] names the first thing that differs.
pub(super) fn run(
    name: &str,
    text: &[u8],
    trusted: Option<&PublicKey>,
    json: bool,
) -> Result<(), Failure> {
    let verified =
        check(text, trusted).map_err(|error| Failure::Input(format!("{name}: {error}")))?;
    if json {
        let printed = Printed { ok: true, verified: &verified, attested: attested(&verified) };
        let json = serde_json::to_string(&printed).map_err(Failure::environment)?;
        return print(&format!("{json}\n"));
    }
    print(&in_words(&verified))
}

/// Who knew what when the orders were closed.
fn cut_off(verified: &Verified) -> String {
    let cut_off = verified.cut_off;
    let Some(made) = &verified.commitment else {
        return format!("event {cut_off}; nobody bound the prices before it");
    };
    let committed = made.committed;
    match (&made.book, made.revealed) {
        (Some(book), Some(revealed)) => format!(
            "event {cut_off}, with {} orders; prices were bound by event {committed} and told by event {revealed}, after a head with the book",
            book.count
        ),
        _ => format!(
            "event {cut_off}; prices were bound by event {committed} and withheld: joiners had everything back"
        ),
    }
}

fn in_words(verified: &Verified) -> String {
    let Verified { fund, number, record, events, decisions, reports, .. } = verified;
    let mut out = format!("strike     {number} of {fund}\nrecord     {record}\n");
    let share = verified.nav_per_share.map_or_else(|| "–".to_owned(), |price| price.to_string());
    let nav = verified.nav.to_credits_text();
    let _ = writeln!(out, "NAV        {nav} credits, {share} a share");
    if let Some(level) = verified.level {
        let _ = writeln!(out, "level      {level}");
    }
    let _ = writeln!(
        out,
        "rules      {}, {} so far, each change announced before",
        verified.methodology, verified.methodologies
    );
    let _ = writeln!(out, "journal    {events} events, from the first on");
    match &verified.balances {
        Some(root) => {
            let _ = writeln!(
                out,
                "balances   {} holders have {} shares, all that there are; the root is that of the journal",
                root.holders, root.shares
            );
        }
        None => out.push_str("balances   not shown: the record has no root over them\n"),
    }
    let _ = writeln!(
        out,
        "prices     {decisions} decisions on {reports} reports, {} of them from their samples, {} signed",
        verified.reports_from_samples, verified.reports_signed
    );
    let _ = writeln!(out, "cut-off    {}", cut_off(verified));
    let whose = if verified.trusted {
        "which is trusted"
    } else {
        "its own word: anybody can have made it; --key says which is trusted"
    };
    let _ = writeln!(
        out,
        "log        {}, {} leaves\nkey        {}, {whose}",
        verified.log, verified.log_size, verified.public_key
    );
    match &verified.known_information {
        Some(known) => {
            let _ = writeln!(
                out,
                "known      ok: {} orders dealt below no price that {} reports and {} decisions had told; {} leaves, {} without their text, {} reports undecided",
                known.orders,
                known.reports,
                known.decisions,
                known.leaves,
                known.hidden,
                known.undecided
            );
        }
        None => out.push_str("known      not shown: the bundle does not have the whole log\n"),
    }
    out.push_str("verified   orders, fees, NAV, fills, slices, level and weights follow from the journal, prices from reports,\n");
    out.push_str(
        "           and every leaf that they rest on is in the log, after what it cites\n",
    );
    let _ = writeln!(out, "attested   {}", attested(verified).join("; "));
    out
}
