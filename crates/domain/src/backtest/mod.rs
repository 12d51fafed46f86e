//! What an index would have done: the live methodology over a history of prices (FUND 6.5, invariant 37).
//!
//! A backtest has no mathematics of its own. Prices become weights in [`Methodology::plan`](crate::fund::Methodology::plan), as live;
//! where no rule looks at the basket that there is, in `Methodology::weights_of` straight away, which the plan calls too. Levels come from the functions of
//! [`IndexLevel`](crate::index::IndexLevel), without its maps; the notional portfolio trades by those of the fund's rebalance.
//! So the backtest of the live methodology over the live price log is the live level, bit for bit.

mod csv;
mod figures;
mod history;
mod portfolio;
mod render;
mod ruled;
mod run;
mod schedule;

pub use csv::{history_of, parse_csv};
pub use figures::{Figures, figures};
pub use history::{CELLS_MAX, DAYS_MAX, History, HistoryError, MODELS_MAX, PRICE_MICRO_MAX};
pub use render::{days_csv, to_json, weights_csv};
pub use run::{Backtest, BacktestError, Day, Rebalance, Settings, Weighted, run, run_without};
pub use schedule::Schedule;
