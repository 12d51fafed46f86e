//! Prices out of a columnar file: the columns that the CSV has, in any order.

use bytes::Bytes;
use domain::{
    backtest::{CELLS_MAX, History, HistoryError, history_of},
    name::{Name, ParseNameError},
    time::{Date, ParseDateError},
};
use parquet::{
    errors::ParquetError,
    file::reader::{FileReader as _, SerializedFileReader},
    record::{Field, Row},
};

/// The bytes with which such a file begins and ends.
const MAGIC: &[u8] = b"PAR1";

/// Why a file holds no prices.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PricesError {
    /// Not such a file, or one that is broken.
    #[error("no Parquet file: {0}")]
    File(#[from] ParquetError),
    /// The prices are at fault.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A value of another type.
    #[error("row {row}, {column}: {found} is none of {expected}")]
    Type {
        /// Counts from 1.
        row: usize,
        /// The column.
        column: &'static str,
        /// What stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
}

/// Whether a file is meant to be columnar.
pub(crate) fn is_parquet(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads a history: `date` as a date or as text, `model` as text, `price_micro` as a whole number.
///
/// # Errors
/// [`PricesError`] with the row, counted from 1, or with the line that the row would have in the CSV.
pub(crate) fn read_prices(bytes: Vec<u8>) -> Result<History, PricesError> {
    let reader = SerializedFileReader::new(Bytes::from(bytes))?;
    let metadata = reader.metadata().file_metadata();
    let given = usize::try_from(metadata.num_rows()).unwrap_or(usize::MAX);
    if given > CELLS_MAX {
        return Err(HistoryError::Limit { what: "prices", given, max: CELLS_MAX }.into());
    }
    let columns: Vec<String> =
        metadata.schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let place = |name: &'static str| match columns.iter().filter(|c| *c == name).count() {
        1 => Ok(columns.iter().position(|column| column == name).unwrap_or_default()),
        times => Err(HistoryError::Column { name, times }),
    };
    let unknown = |name: &&String| !["date", "model", "price_micro"].contains(&name.as_str());
    if let Some(name) = columns.iter().find(unknown) {
        return Err(HistoryError::UnknownColumn { name: name.chars().take(80).collect() }.into());
    }
    let places = [place("date")?, place("model")?, place("price_micro")?];
    let mut rows = Vec::with_capacity(given.min(CELLS_MAX));
    for (number, row) in (1..).zip(reader.get_row_iter(None)?) {
        rows.push(price_of(&row?, number, places)?);
    }
    Ok(history_of(rows)?)
}

fn price_of(
    row: &Row,
    number: usize,
    [date, model, price]: [usize; 3],
) -> Result<(Date, Name, i64), PricesError> {
    // The row's place as a line of the CSV, whose first line is the head.
    let line = number + 1;
    let field = |place: usize| row.get_column_iter().nth(place).map(|(_, field)| field);
    let refused = |column, place, expected| {
        let found = field(place).map_or_else(|| "nothing".to_owned(), ToString::to_string);
        PricesError::Type { row: number, column, found, expected }
    };
    let day = match field(date) {
        Some(Field::Date(day)) => Date::from_day(i64::from(*day)),
        Some(Field::Str(text)) => {
            text.parse().map_err(|source: ParseDateError| HistoryError::Date { line, source })?
        }
        _ => return Err(refused("date", date, "a date or text")),
    };
    let name = match field(model) {
        Some(Field::Str(text)) => {
            text.parse().map_err(|source: ParseNameError| HistoryError::Model { line, source })?
        }
        _ => return Err(refused("model", model, "text")),
    };
    let micro = match field(price) {
        Some(Field::Long(micro)) => *micro,
        Some(Field::Int(micro)) => i64::from(*micro),
        Some(Field::ULong(micro)) => i64::try_from(*micro).unwrap_or(i64::MAX),
        Some(Field::UInt(micro)) => i64::from(*micro),
        _ => return Err(refused("price_micro", price, "the whole numbers of 32 or 64 bits")),
    };
    Ok((day, name, micro))
}
