//! Backtests for whoever asks: rules over given prices, or over those that a fund was struck and rebalanced at.

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Ppb, PriceNano},
    analytics::{Performance, annual_turnover, performance},
    backtest::{Backtest, Schedule, Settings, parse_csv, run},
    digest::Digest,
    disclosure::{Trail, backtest_recorded, recorded},
    fund::Methodology,
    name::Name,
    time::Date,
};

use crate::{
    Service, ServiceError,
    disclosures::{last, number, trail_of},
    moment::LedgerAt,
};

/// Prices to run over.
#[derive(Clone, Debug)]
pub enum BacktestSource {
    /// Lines of `date,model,price_micro`.
    Csv {
        /// The text.
        text: String,
        /// Publishers of models, for the publisher cap; a model that is not named is a publisher of its own.
        publishers: BTreeMap<Name, Name>,
        /// When weights change.
        schedule: Schedule,
    },
    /// What a fund was struck and rebalanced at; weights change when the fund's did.
    Fund {
        /// The fund.
        fund: Name,
        /// The first strike; without it the fund's first.
        from: Option<i64>,
        /// The last; without it the fund's last.
        to: Option<i64>,
    },
}

/// A backtest that is asked for.
#[derive(Clone, Debug)]
pub struct RunBacktest {
    /// The prices.
    pub source: BacktestSource,
    /// The rules as JSON; without them the fund's own.
    pub methodology: Option<String>,
    /// With how much a notional portfolio begins; none without it.
    pub capital: Option<Cash>,
}

/// What a row of prices was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BacktestRow {
    /// The day, of given prices.
    pub date: Option<Date>,
    /// The strike, of recorded prices; none where weights changed at others than a strike's.
    pub strike: Option<u64>,
    /// The level that the fund itself had at the strike.
    pub live_level: Option<PriceNano>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct BacktestRun {
    /// Digest of the rules.
    pub methodology: Digest,
    /// One for each of the outcome's days.
    pub rows: Vec<BacktestRow>,
    /// Levels, NAVs and changes of weights.
    pub outcome: Backtest,
    /// Statistics of the levels; none below two of them.
    pub performance: Option<Performance>,
    /// One-way turnover of all changes of weights but the first, a part of the portfolio each.
    pub turnover: Ppb,
    /// The same a year of 365 days; none where no day passed.
    pub turnover_annual: Option<f64>,
}

impl Service {
    /// Runs rules over prices, by the functions of the live strike and rebalance. It changes nothing. The prices of a fund are those up to a
    /// ledger, and its own rules those that were in force then.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund; [`ServiceError::Invalid`] for rules, prices or strikes that give no backtest.
    pub async fn run_backtest(
        &self,
        request: RunBacktest,
        ledger: &LedgerAt,
    ) -> Result<BacktestRun, ServiceError> {
        let (rules, trail) = match (&request.source, &request.methodology) {
            (BacktestSource::Csv { .. }, None) => {
                return Err(ServiceError::invalid("methodology", "is needed with given prices"));
            }
            (BacktestSource::Csv { .. }, Some(text)) => (parse(text)?, None),
            (BacktestSource::Fund { fund, .. }, text) => {
                let trail = trail_of(fund, ledger)?.clone();
                let rules = match text {
                    Some(text) => parse(text)?,
                    None => self.view_fund(fund, ledger).await?.fund.methodology,
                };
                (rules, Some(trail))
            }
        };
        let run = self.turns.compute(move || match (request.source, trail) {
            (BacktestSource::Fund { from, to, .. }, Some(trail)) => {
                over_fund(&trail, &rules, (from, to), request.capital)
            }
            (BacktestSource::Csv { text, publishers, schedule }, _) => {
                over_csv(&text, &rules, &publishers, schedule, request.capital)
            }
            (BacktestSource::Fund { fund, .. }, None) => {
                Err(ServiceError::absent("fund", fund.as_str()))
            }
        });
        run.await?
    }
}

fn parse(text: &str) -> Result<Methodology, ServiceError> {
    Methodology::parse(text).map_err(|error| ServiceError::invalid("methodology", error))
}

fn over_csv(
    text: &str,
    methodology: &Methodology,
    publishers: &BTreeMap<Name, Name>,
    schedule: Schedule,
    capital: Option<Cash>,
) -> Result<BacktestRun, ServiceError> {
    let history = parse_csv(text).map_err(|error| ServiceError::invalid("pricesCsv", error))?;
    let settings = Settings { methodology, publishers, schedule, capital };
    let outcome =
        run(&history, &settings).map_err(|error| ServiceError::invalid("backtest", error))?;
    let row = |date: &Date| BacktestRow { date: Some(*date), strike: None, live_level: None };
    let levelled = outcome.days.iter().filter(|day| day.level.is_some());
    let dates: Vec<i64> = levelled.map(|day| day.date.day()).collect();
    summary(methodology, history.dates().iter().map(row).collect(), outcome, &dates)
}

fn over_fund(
    trail: &Trail,
    methodology: &Methodology,
    (from, to): (Option<i64>, Option<i64>),
    capital: Option<Cash>,
) -> Result<BacktestRun, ServiceError> {
    let (from, to) = (number("fromStrike", from, 1)?, number("toStrike", to, last(trail))?);
    let bad = |error| ServiceError::invalid("strikes", error);
    let prices = recorded(trail, from, to).map_err(bad)?;
    let outcome = backtest_recorded(&prices, methodology, trail.publishers(), capital)
        .map_err(|error| ServiceError::invalid("backtest", error))?;
    let points: BTreeMap<u64, _> = trail.strikes().map(|point| (point.number, point)).collect();
    let row = |row: &domain::disclosure::RecordedRow| BacktestRow {
        date: None,
        strike: row.strike,
        live_level: row.strike.and_then(|strike| points.get(&strike)?.level),
    };
    let rows: Vec<BacktestRow> = prices.rows.iter().map(row).collect();
    let levelled = outcome.days.iter().zip(&rows).filter(|(day, _)| day.level.is_some());
    let days =
        levelled.filter_map(|(_, row)| Some(points.get(&row.strike?)?.day)).collect::<Vec<_>>();
    summary(methodology, rows, outcome, &days)
}

/// The statistics of a run; `days` are those of its levels, ascending.
fn summary(
    methodology: &Methodology,
    rows: Vec<BacktestRow>,
    outcome: Backtest,
    days: &[i64],
) -> Result<BacktestRun, ServiceError> {
    let span = days.last().zip(days.first()).map_or(0, |(last, first)| last - first);
    let turnovers: Vec<Ppb> =
        outcome.rebalances.iter().skip(1).map(|change| change.turnover).collect();
    let turnover = turnovers.iter().fold(0_i64, |sum, part| sum.saturating_add(part.as_ppb()));
    Ok(BacktestRun {
        methodology: methodology.digest().map_err(ServiceError::internal)?,
        // A level of nothing has no returns: then there is nothing to be said.
        performance: performance(&outcome.levels(), Some(span)).ok(),
        turnover: Ppb::from_ppb(turnover),
        turnover_annual: annual_turnover(&turnovers, span as f64 / 365.0),
        rows,
        outcome,
    })
}
