//! `modelfolio bids`: sealing bids at home, without any server.

use std::path::PathBuf;

use domain::{
    amount::{PriceNano, Units},
    digest::Digest,
    fund::{Bid, BidSide, Salt, bid_commitment, check_bid_set},
    name::Name,
};
use serde::Deserialize;
use serde_json::json;

use crate::exit::{Failure, chain, print};

/// What is done with bids.
#[derive(clap::Subcommand)]
pub(crate) enum BidsCommand {
    /// Compute the commitment over a file of bids: what `bidsSeal` takes, and what `bidsOpen` takes after the call. Keep the answer.
    Seal(SealArguments),
}

/// Arguments of `modelfolio bids seal`.
#[derive(Debug, clap::Args)]
pub(crate) struct SealArguments {
    /// The bids, as JSON: a list of objects with `model`, `side` (`BUYS` or `SELLS`), `units` and `limit`, as `bidsOpen` takes them.
    file: PathBuf,
    /// The fund.
    #[arg(long)]
    fund: Name,
    /// Who bids: the owner of the token that seals them.
    #[arg(long)]
    owner: Name,
    /// 64 hexadecimal digits that nobody else knows; drawn where they are not given.
    #[arg(long)]
    salt: Option<Salt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    model: Name,
    side: Side,
    units: String,
    limit: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Side {
    Buys,
    Sells,
}

/// Does what is asked.
///
/// # Errors
/// [`Failure::Input`] for a file that holds no bids.
pub(crate) fn run(command: &BidsCommand) -> Result<(), Failure> {
    let BidsCommand::Seal(arguments) = command;
    let path = arguments.file.display();
    let named = |error: String| Failure::Input(format!("{path}: {error}"));
    let text = std::fs::read_to_string(&arguments.file).map_err(|e| named(e.to_string()))?;
    let given: Vec<Given> = serde_json::from_str(&text).map_err(|e| named(chain(&e)))?;
    let mut bids = Vec::with_capacity(given.len());
    for (index, bid) in given.iter().enumerate() {
        let at = |field: &str, error: String| named(format!("[{index}].{field}: {error}"));
        let side = match bid.side {
            Side::Buys => BidSide::Buys,
            Side::Sells => BidSide::Sells,
        };
        bids.push(Bid {
            limit: bid.limit.parse::<PriceNano>().map_err(|e| at("limit", e.to_string()))?,
            model: bid.model.clone(),
            side,
            units: bid.units.parse::<Units>().map_err(|e| at("units", e.to_string()))?,
        });
    }
    // What could never be opened would lose its deposit.
    check_bid_set(&arguments.owner, &bids).map_err(|e| named(e.to_string()))?;
    let salt = match arguments.salt {
        Some(salt) => salt,
        None => draw()?,
    };
    let secret = Digest::from_bytes(*salt.as_bytes());
    let commitment = bid_commitment(&arguments.fund, &arguments.owner, &secret, &bids);
    let answer = json!({
        "fund": arguments.fund,
        "owner": arguments.owner,
        "commitment": commitment.to_string(),
        "salt": salt.to_string(),
    });
    print(&format!("{answer}\n"))
}

fn draw() -> Result<Salt, Failure> {
    let mut bytes = [0; 32];
    let drawn = getrandom::fill(&mut bytes);
    drawn.map_err(|e| Failure::Environment(format!("no random numbers: {e}")))?;
    Ok(Salt::from_bytes(bytes))
}
