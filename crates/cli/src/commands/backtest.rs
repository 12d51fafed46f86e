//! `modelfolio backtest`: the live engine over a history of prices.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use domain::{
    amount::Cash,
    analytics::{annual_turnover, performance},
    backtest::{self, History, Schedule, Settings, days_csv, parse_csv, to_json, weights_csv},
    fund::Methodology,
    name::Name,
};
use serde_json::json;

use crate::{
    exit::{Failure, print},
    parquet::{is_parquet, read_prices},
};

/// Days of a year, as statistics of daily returns count them.
const DAYS_A_YEAR: f64 = 365.25;

/// When weights change.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// On the first day of the history and of every month.
    Monthly,
    /// After every strike, as the live fund does.
    EveryStrike,
}

/// What is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A summary for a person.
    Text,
    /// One JSON object: days, rebalances, performance.
    Json,
    /// Days as CSV.
    Days,
    /// Weights of every rebalance as CSV.
    Weights,
}

/// Arguments of `modelfolio backtest`.
#[derive(Debug, clap::Args)]
pub(crate) struct BacktestArguments {
    /// The rules, as JSON.
    #[arg(long)]
    methodology: PathBuf,
    /// The prices: CSV or Parquet with the columns `date,model,price_micro`.
    #[arg(long)]
    prices: PathBuf,
    /// The publisher of a model, for the publisher cap: `MODEL=PUBLISHER`; a model without one is a publisher of its own.
    #[arg(long = "publisher", value_parser = pair)]
    publishers: Vec<(Name, Name)>,
    /// When weights change.
    #[arg(long, value_enum, default_value = "monthly")]
    rebalance: When,
    /// Credits of a notional portfolio that trades towards the weights; without it there is the index level alone.
    #[arg(long)]
    capital: Option<Cash>,
    /// What is printed.
    #[arg(long, value_enum, default_value = "text")]
    form: Form,
    /// The same as `--form json`.
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(Name, Name), String> {
    let (model, publisher) = text.split_once('=').ok_or("expected MODEL=PUBLISHER")?;
    let name = |text: &str| text.parse::<Name>().map_err(|e| e.to_string());
    Ok((name(model)?, name(publisher)?))
}

/// The history in a file, which says itself what it is.
fn read_history(path: &Path) -> Result<History, Failure> {
    let named = |error: &dyn std::error::Error| {
        Failure::Input(format!("{}: {}", path.display(), crate::exit::chain(error)))
    };
    let bytes = std::fs::read(path).map_err(|e| named(&e))?;
    if is_parquet(&bytes) {
        return read_prices(bytes).map_err(|e| named(&e));
    }
    let text = String::from_utf8(bytes).map_err(|e| named(&e))?;
    parse_csv(&text).map_err(|e| named(&e))
}

/// Runs a methodology over a history and prints what became of it.
///
/// # Errors
/// [`Failure::Input`] with the file, and the line or day at fault.
pub(crate) fn run(arguments: &BacktestArguments) -> Result<(), Failure> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|e| Failure::Input(format!("{}: {e}", path.display())))
    };
    let named = |path: &PathBuf, error: &dyn std::error::Error| {
        Failure::Input(format!("{}: {}", path.display(), crate::exit::chain(error)))
    };
    let methodology = Methodology::parse(&read(&arguments.methodology)?)
        .map_err(|e| named(&arguments.methodology, &e))?;
    let history = read_history(&arguments.prices)?;
    let publishers: BTreeMap<Name, Name> = arguments.publishers.iter().cloned().collect();
    let settings = Settings {
        methodology: &methodology,
        publishers: &publishers,
        schedule: match arguments.rebalance {
            When::Monthly => Schedule::Monthly,
            When::EveryStrike => Schedule::EveryStrike,
        },
        capital: arguments.capital,
    };
    let done = backtest::run(&history, &settings).map_err(|e| named(&arguments.prices, &e))?;
    let form = if arguments.json { Form::Json } else { arguments.form };
    match form {
        Form::Days => return print(&days_csv(&done)),
        Form::Weights => return print(&weights_csv(&done)),
        Form::Text | Form::Json => {}
    }
    let dates = history.dates();
    let span = dates.first().zip(dates.last()).map(|(first, last)| last.day() - first.day());
    // A path of one day has no returns.
    let levels = performance(&done.levels(), span).ok();
    let turnover: Vec<_> = done.rebalances.iter().map(|r| r.turnover).collect();
    let turnover = span.and_then(|days| annual_turnover(&turnover, days as f64 / DAYS_A_YEAR));
    if matches!(form, Form::Json) {
        let answer = json!({
            "backtest": to_json(&done),
            "performance": levels,
            "turnover_a_year": turnover,
        });
        return print(&format!("{answer}\n"));
    }
    let percent = |value: Option<f64>| {
        value.map_or_else(|| "none".to_owned(), |value| format!("{:.2} %", value * 100.0))
    };
    let last = done.days.iter().rev().find_map(|day| day.level);
    let last = last.map_or_else(|| "none".to_owned(), |level| level.to_string());
    print(&format!(
        "days        {}\nmodels      {}\nrebalances  {}\nlevel       {last}\n\
         return      {} in all, {} a year\nvolatility  {} a year\ndrawdown    {}\nturnover    {} a year, one-way\n",
        done.days.len(),
        done.models.len(),
        done.rebalances.len(),
        percent(levels.as_ref().map(|p| p.total_return)),
        percent(levels.as_ref().and_then(|p| p.cagr)),
        percent(levels.as_ref().and_then(|p| p.volatility)),
        percent(levels.as_ref().map(|p| p.max_drawdown)),
        percent(turnover),
    ))
}
