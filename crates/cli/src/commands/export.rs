//! `modelfolio export`: the journal for other programs.

use clap::ValueEnum;
use domain::{
    fund::{
        Batch,
        export::{beancount, holdings_csv, nav_csv, prices_csv, trades_csv},
    },
    name::Name,
};

use super::InstallationArguments;
use crate::exit::{Failure, print};

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The whole journal, both books, as beancount text.
    Beancount,
    /// NAV at every strike of a fund, as CSV.
    Nav,
    /// Holdings at every strike of a fund, as CSV.
    Holdings,
    /// Marks of a fund, as CSV.
    Prices,
    /// Trades of a fund, as CSV.
    Trades,
}

/// Arguments of `modelfolio export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArguments {
    /// What is exported.
    #[arg(value_enum)]
    what: What,
    /// The fund; for `beancount`, which has all of them, it is not given.
    #[arg(long)]
    fund: Option<Name>,
    #[command(flatten)]
    installation: InstallationArguments,
}

/// Prints what is asked for, derived from the journal by replay: beside a running server or without one.
///
/// # Errors
/// [`Failure::Input`] without a fund where one is needed, or for one that does not exist; [`Failure::Environment`] without database,
/// or for a journal that does not replay.
pub(crate) async fn run(arguments: ExportArguments) -> Result<(), Failure> {
    let service =
        arguments.installation.installation().open().await.map_err(Failure::environment)?;
    let journal = service.journal().await.map_err(Failure::environment)?;
    let form: fn(&[Batch], &Name) -> String = match (arguments.what, &arguments.fund) {
        (What::Beancount, None) => return print(&beancount(&journal)),
        (What::Beancount, Some(_)) => {
            return Err(Failure::Input(
                "beancount has all funds: --fund cannot be given".to_owned(),
            ));
        }
        (What::Nav, _) => |journal, fund| nav_csv(journal, fund),
        (What::Holdings, _) => |journal, fund| holdings_csv(journal, fund),
        (What::Prices, _) => |journal, fund| prices_csv(journal, fund),
        (What::Trades, _) => |journal, fund| trades_csv(journal, fund),
    };
    let Some(fund) = &arguments.fund else {
        return Err(Failure::Input("a fund is needed: --fund NAME".to_owned()));
    };
    let ledger = service.ledger().await.map_err(Failure::environment)?;
    if ledger.fund(fund).is_none() {
        return Err(Failure::Input(format!("no fund {fund}")));
    }
    print(&form(&journal, fund))
}
