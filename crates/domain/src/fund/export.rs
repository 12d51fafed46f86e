//! The journal for other programs: beancount text and CSV, as pure functions of the batches since the ledger began.
//!
//! Nothing is rounded: amounts are whole steps or exact decimals with every digit.

mod beancount;
mod csv;
mod names;

pub use beancount::beancount;
pub use csv::{holdings_csv, nav_csv, prices_csv, trades_csv};
pub use names::{commodity, component};
