//! The journal for other programs: beancount text, and tables as CSV or for columnar files, as pure functions of the batches since the ledger began.
//!
//! Nothing is rounded: amounts are whole steps or exact decimals with every digit.

mod beancount;
mod names;
mod table;
mod tables;

pub use beancount::beancount;
pub use names::{commodity, component};
pub use table::{Cell, Column, Kind, Table};
pub use tables::{
    holdings_csv, holdings_table, nav_csv, nav_table, prices_csv, prices_table, trades_csv,
    trades_table,
};
