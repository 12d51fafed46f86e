//! `modelfolio export`: the journal for other programs.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use domain::{
    fund::{
        Batch,
        export::{Table, beancount, holdings_table, nav_table, prices_table, trades_table},
    },
    name::Name,
};

use super::InstallationArguments;
use crate::{
    exit::{Failure, print, print_bytes},
    parquet,
};

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The whole journal, both books, as beancount text.
    Beancount,
    /// NAV at every strike of a fund.
    Nav,
    /// Holdings at every strike of a fund.
    Holdings,
    /// Marks of a fund.
    Prices,
    /// Trades of a fund.
    Trades,
}

/// In which form tables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Text with every digit.
    Csv,
    /// Columns with types: dates, and decimals with every digit.
    Parquet,
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
    /// In which form; beancount has its own.
    #[arg(long, value_enum, default_value = "csv")]
    form: Form,
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
    let table: fn(&[Batch], &Name) -> Table = match (arguments.what, &arguments.fund) {
        (What::Beancount, None) if arguments.form == Form::Csv => {
            return print(&beancount(&journal));
        }
        (What::Beancount, None) => {
            return Err(Failure::Input("beancount is text: --form cannot be given".to_owned()));
        }
        (What::Beancount, Some(_)) => {
            return Err(Failure::Input(
                "beancount has all funds: --fund cannot be given".to_owned(),
            ));
        }
        (What::Nav, _) => |journal, fund| nav_table(journal, fund),
        (What::Holdings, _) => |journal, fund| holdings_table(journal, fund),
        (What::Prices, _) => |journal, fund| prices_table(journal, fund),
        (What::Trades, _) => |journal, fund| trades_table(journal, fund),
    };
    let Some(fund) = &arguments.fund else {
        return Err(Failure::Input("a fund is needed: --fund NAME".to_owned()));
    };
    let ledger = service.ledger().await.map_err(Failure::environment)?;
    if ledger.fund(fund).is_none() {
        return Err(Failure::Input(format!("no fund {fund}")));
    }
    let table = table(&journal, fund);
    match arguments.form {
        Form::Csv => print(&table.to_csv()),
        // A terminal shows nothing of it and takes harm.
        Form::Parquet if std::io::stdout().is_terminal() => {
            Err(Failure::Input("Parquet is no text: send standard output to a file".to_owned()))
        }
        Form::Parquet => print_bytes(&parquet::write(&table).map_err(Failure::environment)?),
    }
}
