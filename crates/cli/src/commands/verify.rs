//! `modelfolio verify`: whether a report says what its samples say, or a strike what it rests on; offline, without a database.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use client::{Client, same_origin};
use domain::{
    digest::Digest,
    evaluation::{Attestation, PublicKey, Report, verify_blob},
};
use serde::Serialize;
use service::verify_on_suite;

use super::{
    verify_bundle,
    verify_evidence::{self, Evidence},
};
use crate::exit::{Failure, print};

/// Arguments of `modelfolio verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArguments {
    /// A report as JSON, or its address at a server: `http://HOST/v1/objects/DIGEST`. Or a strike's bundle, or its address:
    /// `http://HOST/v1/strikes/FUND/NUMBER/bundle`. Or one's balance at a strike (`…/FUND/NUMBER/balance`), or one's order in a closed
    /// book (`http://HOST/v1/orders/ID/proof`).
    report: String,
    /// The raw samples; by default `samples.json` beside the report, or what the report's server has.
    #[arg(long)]
    samples: Option<PathBuf>,
    /// Suite folder, to check digest, labels and rules too; without it the report's own word is taken for them.
    #[arg(long)]
    suite: Option<PathBuf>,
    /// The evaluator's signature of the report; by default what the report's server has, and none for a file.
    #[arg(long)]
    attestation: Option<PathBuf>,
    /// The public key of the log that is trusted, 64 hexadecimal digits; without it a strike's log may be anybody's.
    #[arg(long, value_name = "HEX")]
    key: Option<PublicKey>,
    /// The server that the token is for: it is shown to no other.
    #[arg(long, env = "MODELFOLIO_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// Access token, for a bundle's address at that server; the environment keeps it out of the list of processes.
    #[arg(long, env = "MODELFOLIO_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found, as `--json` prints it.
#[derive(Serialize)]
struct Verified<'a> {
    ok: bool,
    report: Digest,
    samples: Digest,
    model: Digest,
    suite: Digest,
    suite_checked: bool,
    price_micro: Option<String>,
    sigma_ln_price: Option<f64>,
    no_price: Option<String>,
    evaluator: &'a str,
    signed_by: Option<String>,
}

/// Derives every number of a report again from its samples, and says whether it is the same to the last bit.
///
/// # Errors
/// [`Failure::Input`] names the first field that differs, or the file that is no report; [`Failure::Environment`] for a server
/// that cannot be reached.
pub(crate) async fn run(arguments: VerifyArguments) -> Result<(), Failure> {
    if let Some(evidence) = evidence(&arguments).await? {
        let (name, key) = (&arguments.report, arguments.key.as_ref());
        return verify_evidence::run(name, &evidence, key, arguments.json);
    }
    if let Some(bundle) = bundle(&arguments).await? {
        let (name, key) = (&arguments.report, arguments.key.as_ref());
        return verify_bundle::run(name, &bundle, key, arguments.json);
    }
    let (text, samples) = match remote(&arguments.report)? {
        Some((client, digest)) => fetch(&client, digest, arguments.samples.as_deref()).await?,
        None => local(Path::new(&arguments.report), arguments.samples.as_deref())?,
    };
    let report = parse(&arguments.report, &text)?;
    let failed = |field: String| Failure::Input(format!("{}: {field}", arguments.report));
    match &arguments.suite {
        Some(folder) => verify_on_suite(&report, &samples, folder)
            .map_err(|e| failed(crate::exit::chain(&e)))?,
        None => verify_blob(&report, &samples).map_err(|e| failed(e.to_string()))?,
    }
    let digest = report.digest().map_err(|e| failed(e.to_string()))?;
    let signed = signature(&arguments, digest).await?;
    if let Some(signed) = &signed {
        signed.verify(digest, &report.evaluator).map_err(|e| failed(e.to_string()))?;
    }
    if arguments.json {
        let verified = Verified {
            ok: true,
            report: digest,
            samples: report.samples,
            model: report.model.digest,
            suite: report.suite.digest,
            suite_checked: arguments.suite.is_some(),
            price_micro: report.price_micro.map(|price| price.to_string()),
            sigma_ln_price: report.sigma_ln_price,
            no_price: report.no_price.map(|reason| reason.to_string()),
            evaluator: &report.evaluator,
            signed_by: signed.map(|signed| signed.public_key.hex()),
        };
        let json = serde_json::to_string(&verified).map_err(Failure::environment)?;
        return print(&format!("{json}\n"));
    }
    print(&in_words(&report, digest, arguments.suite.is_some()))?;
    let words = signed.map_or_else(
        || "none was given".to_owned(),
        |signed| format!("by {}, key {}", signed.evaluator, signed.public_key),
    );
    print(&format!("signature  {words}\n"))
}

/// A balance or an order, if the argument is one; no option is for it that is for reports alone.
async fn evidence(arguments: &VerifyArguments) -> Result<Option<Evidence>, Failure> {
    let VerifyArguments { report, samples, suite, attestation, server, token, .. } = arguments;
    // An address is anybody's word: the token goes to the server that it is for.
    let token = token.as_deref().filter(|_| same_origin(server, report));
    let is_address = report.starts_with("http://") || report.starts_with("https://");
    let text = match verify_evidence::fetch(report, token).await? {
        Some(text) => text,
        None if is_address => return Ok(None),
        None => read(Path::new(report))?,
    };
    let found = verify_evidence::parse(report, &text)?;
    let given = [("--samples", samples), ("--suite", suite), ("--attestation", attestation)];
    match given.into_iter().find(|(_, given)| given.is_some()).filter(|_| found.is_some()) {
        Some((option, _)) => {
            Err(Failure::Input(format!("{report}: {option} is for a report, which this is not")))
        }
        None => Ok(found),
    }
}

/// The text of a strike's bundle, if the argument is one, and that no option is given that is for reports alone, or for bundles.
async fn bundle(arguments: &VerifyArguments) -> Result<Option<Vec<u8>>, Failure> {
    let VerifyArguments { report, samples, suite, attestation, key, server, token, .. } = arguments;
    // An address is anybody's word: the token goes to the server that it is for.
    let token = token.as_deref().filter(|_| same_origin(server, report));
    let text = match verify_bundle::fetch(report, token).await? {
        Some(text) => Some(text),
        None if report.starts_with("http://") || report.starts_with("https://") => None,
        None => Some(read(Path::new(report))?).filter(|text| verify_bundle::is_bundle(text)),
    };
    let unused = match &text {
        Some(_) => [("--samples", samples), ("--suite", suite), ("--attestation", attestation)]
            .into_iter()
            .find_map(|(option, given)| given.is_some().then_some((option, "a report"))),
        None => key.is_some().then_some(("--key", "a strike, a balance or an order")),
    };
    match unused {
        Some((option, what)) => {
            Err(Failure::Input(format!("{report}: {option} is for {what}, which this is not")))
        }
        None => Ok(text),
    }
}

/// The server and the digest of an address; none for a file.
fn remote(report: &str) -> Result<Option<(Client, Digest)>, Failure> {
    if !report.starts_with("http://") && !report.starts_with("https://") {
        return Ok(None);
    }
    let parts = report.split_once("/v1/objects/");
    let parts = parts.and_then(|(base, digest)| {
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        Some((base, format!("sha256:{digest}").parse().ok()?))
    });
    let Some((base, digest)) = parts else {
        let reason = "no address of a report; http://HOST/v1/objects/DIGEST is";
        return Err(Failure::Input(format!("{report}: {reason}")));
    };
    Ok(Some((Client::new(base, None).map_err(Failure::environment)?, digest)))
}

/// Report and samples from a server, each checked against its digest on arrival.
async fn fetch(
    client: &Client,
    digest: Digest,
    samples: Option<&Path>,
) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let folder = tempfile::tempdir().map_err(Failure::environment)?;
    let get = async |digest: Digest| {
        let path = folder.path().join(digest.hex());
        client.download(digest, &path, |_| ()).await.map_err(|error| {
            let text = format!("{}/v1/objects/{}: ", client.base(), digest.hex());
            let text = text + &crate::exit::chain(&error);
            if error.code().is_some() { Failure::Input(text) } else { Failure::Environment(text) }
        })?;
        read(&path)
    };
    let text = get(digest).await?;
    let blob = match samples {
        Some(path) => read(path)?,
        None => get(parse(&digest.to_string(), &text)?.samples).await?,
    };
    Ok((text, blob))
}

/// The signature from a file, or from the report's server.
async fn signature(
    arguments: &VerifyArguments,
    digest: Digest,
) -> Result<Option<Attestation>, Failure> {
    if let Some(path) = &arguments.attestation {
        return serde_json::from_slice(&read(path)?)
            .map(Some)
            .map_err(|e| Failure::Input(format!("{}: no attestation: {e}", path.display())));
    }
    let Some((client, _)) = remote(&arguments.report)? else { return Ok(None) };
    let query = "query ($digest: Sha256!) {
        report(digest: $digest) { attestation { report evaluator public_key: publicKey signature } }
    }";
    let answer: serde_json::Value = client
        .graphql(query, serde_json::json!({ "digest": digest }))
        .await
        .map_err(|e| Failure::Environment(crate::exit::chain(&e)))?;
    match answer.pointer("/report/attestation") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(signed) => serde_json::from_value(signed.clone())
            .map(Some)
            .map_err(|e| Failure::Input(format!("{}: no attestation: {e}", arguments.report))),
    }
}

/// Report and samples from files.
fn local(report: &Path, samples: Option<&Path>) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let text = read(report)?;
    let beside = report.with_file_name("samples.json");
    let path = samples.unwrap_or(&beside);
    if samples.is_none() && !path.exists() {
        let named = parse(&report.display().to_string(), &text)?.samples;
        return Err(Failure::Input(format!(
            "{}: samples {named} are wanted; there is no {}, and no --samples",
            report.display(),
            path.display()
        )));
    }
    Ok((text, read(path)?))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::Input(format!("{}: {e}", path.display())))
}

fn parse(name: &str, text: &[u8]) -> Result<Report, Failure> {
    serde_json::from_slice(text)
        .map_err(|e| Failure::Input(format!("{name}: no evaluation report: {e}")))
}

/// For a person: what holds, and what nobody can recompute.
fn in_words(report: &Report, digest: Digest, suite_checked: bool) -> String {
    let mut out = format!(
        "report     {digest}\nsamples    {}\nmodel      {}\n",
        report.samples, report.model.digest
    );
    let checked = if suite_checked { "its files were checked" } else { "taken from the report" };
    let suite = &report.suite;
    let _ = writeln!(out, "suite      {}, epoch {}, {checked}", suite.id, suite.epoch);
    match (report.price_micro, report.sigma_ln_price, report.no_price) {
        (Some(price), Some(sigma), _) => {
            let (credits, micro) = (price / 1_000_000, price % 1_000_000);
            let percent = sigma * 100.0;
            let _ = writeln!(out, "price      {credits}.{micro:06} credits ± {percent:.2} %");
        }
        (_, _, Some(reason)) => {
            let _ = writeln!(out, "price      none: {reason}");
        }
        _ => out.push_str("price      none\n"),
    }
    if let Some(held) = report.cost_held {
        let _ = writeln!(out, "cost       held at {held}, not measured");
    }
    for reason in &report.void_reasons {
        let _ = writeln!(out, "void       {reason}");
    }
    let _ = writeln!(
        out,
        "verified   every number follows from the samples, bit for bit\n\
         attested   times, answers and hidden cases, by evaluator {}",
        report.evaluator
    );
    out
}
