//! Columnar files: tables out, prices in.
//!
//! The low-level writer and the reader of rows do; without the library's own tables in memory a build has a dozen crates less.

mod read;
mod write;

pub(crate) use read::{is_parquet, read_prices};
pub(crate) use write::write;

#[cfg(test)]
mod tests {
    use domain::{
        backtest::parse_csv,
        fund::export::{Cell, Column, Kind, Table},
    };

    use super::*;

    /// Prices as a table of ours, with the columns in another order and one price over all of its range.
    fn prices(lines: &[(i64, &str, i64)]) -> Table {
        let column = |name, kind| Column { name, kind, optional: false };
        let mut table = Table::new(&[
            column("price_micro", Kind::Integer),
            column("date", Kind::Day),
            column("model", Kind::Text),
        ]);
        for (day, model, price) in lines {
            table.row([(*price).into(), (*day).into(), Cell::Text((*model).to_owned())]);
        }
        table
    }

    /// Proves that prices come back from a columnar file as from the CSV of the same rows, and that both refuse the same ones.
    #[test]
    fn prices_are_those_of_the_csv() {
        for lines in [
            &[
                (20_458, "b", 2_000_000),
                (20_458, "a", 1_000_000),
                (20_459, "a", 0),
                (20_459, "b", 3),
            ][..],
            &[(20_458, "a", 9_000_000_000_000_000)],
            &[(20_458, "a", 9_000_000_000_000_001)],
            &[(20_458, "a", -1)],
            &[(20_458, "a", 1), (20_458, "a", 2)],
            &[(20_458, "a", 1), (20_458, "b", 1), (20_459, "a", 2)],
            &[(20_458, "a b", 1)],
            &[],
        ] {
            let table = prices(lines);
            let mut csv = "date,model,price_micro\n".to_owned();
            for (day, model, price) in lines {
                csv += &format!("{},{model},{price}\n", domain::time::Date::from_day(*day));
            }
            let bytes = write(&table).unwrap();
            assert!(is_parquet(&bytes));
            let found = read_prices(bytes.clone()).map_err(|e| e.to_string());
            assert_eq!(found, parse_csv(&csv).map_err(|e| e.to_string()), "{csv}");
            assert!(read_prices(bytes[..bytes.len() - 9].to_vec()).is_err(), "cut off");
        }
        let mut other = Table::new(&[Column { name: "day", kind: Kind::Day, optional: false }]);
        other.row([Cell::Integer(1)]);
        let error = read_prices(write(&other).unwrap()).unwrap_err().to_string();
        assert!(error.contains("\"day\""), "{error}");
    }
}
