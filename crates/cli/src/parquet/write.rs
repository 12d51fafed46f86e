//! A table of ours as a columnar file, compressed with snappy.

use std::{fmt::Write as _, sync::Arc};

use domain::fund::export::{Cell, Column, Kind, Table};
use parquet::{
    basic::Compression,
    data_type::{
        BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType,
        Int32Type, Int64Type,
    },
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};

/// Rows that are written and read at a time.
const GROUP_ROWS: usize = 1 << 16;

/// The file.
///
/// Integers and days are as wide as their type; a decimal is its steps as a big-endian number, with precision and scale, because 9e18
/// steps have a digit more than a decimal of 64 bits may have.
///
/// # Errors
/// The library's, and a cell that is not of its column's kind.
pub(crate) fn write(table: &Table) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(&message(table.columns()))?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let properties = properties.set_created_by("modelfolio".to_owned()).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let rows: Vec<&[Cell]> = table.rows().collect();
    for rows in rows.chunks(GROUP_ROWS) {
        let mut group = writer.next_row_group()?;
        for (place, column) in table.columns().iter().enumerate() {
            let missing = || ParquetError::General(format!("no column {}", column.name));
            let mut out = group.next_column()?.ok_or_else(missing)?;
            let cells: Vec<&Cell> = rows.iter().filter_map(|row| row.get(place)).collect();
            write_column(&mut out, *column, &cells)?;
            out.close()?;
        }
        group.close()?;
    }
    writer.into_inner()
}

/// The schema in the text form of the format.
fn message(columns: &[Column]) -> String {
    let mut text = "message modelfolio {".to_owned();
    for Column { name, kind, optional } in columns {
        let repetition = if *optional { "OPTIONAL" } else { "REQUIRED" };
        // Writing into a String cannot fail.
        let _ = match kind {
            Kind::Integer => write!(text, " {repetition} INT64 {name};"),
            Kind::Day => write!(text, " {repetition} INT32 {name} (DATE);"),
            Kind::Text => write!(text, " {repetition} BYTE_ARRAY {name} (STRING);"),
            Kind::Flag => write!(text, " {repetition} BOOLEAN {name};"),
            Kind::Decimal { precision, scale } => write!(
                text,
                " {repetition} FIXED_LEN_BYTE_ARRAY ({}) {name} (DECIMAL({precision}, {scale}));",
                width(*precision)
            ),
        };
    }
    text + " }"
}

/// Bytes of a signed number with so many digits.
const fn width(precision: u8) -> usize {
    let mut bytes = 1;
    // 8 bits hold 2.4 digits; one bit is the sign.
    while (bytes * 8 - 1) * 30_103 / 100_000 < precision as usize {
        bytes += 1;
    }
    bytes
}

fn write_column(
    out: &mut SerializedColumnWriter<'_>,
    column: Column,
    cells: &[&Cell],
) -> Result<(), ParquetError> {
    match column.kind {
        Kind::Integer => put::<Int64Type>(out, column, cells, |cell| match cell {
            Cell::Integer(number) => Some(*number),
            _ => None,
        }),
        Kind::Day => put::<Int32Type>(out, column, cells, |cell| match cell {
            Cell::Integer(day) => i32::try_from(*day).ok(),
            _ => None,
        }),
        Kind::Text => put::<ByteArrayType>(out, column, cells, |cell| match cell {
            Cell::Text(text) => Some(ByteArray::from(text.as_bytes().to_vec())),
            _ => None,
        }),
        Kind::Flag => put::<BoolType>(out, column, cells, |cell| match cell {
            Cell::Flag(flag) => Some(*flag),
            _ => None,
        }),
        Kind::Decimal { precision, .. } => {
            let width = width(precision);
            put::<FixedLenByteArrayType>(out, column, cells, |cell| match cell {
                Cell::Decimal { steps, .. } => {
                    let bytes = steps.to_be_bytes();
                    let from = bytes.len().checked_sub(width)?;
                    // What is cut off may hold nothing but the sign.
                    let sign = if *steps < 0 { 0xff } else { 0 };
                    let fits = bytes[..from].iter().all(|byte| *byte == sign)
                        && (bytes[from] >= 0x80) == (*steps < 0);
                    fits.then(|| FixedLenByteArray::from(bytes[from..].to_vec()))
                }
                _ => None,
            })
        }
    }
}

/// Writes the cells that hold something, and which do.
fn put<T: DataType>(
    out: &mut SerializedColumnWriter<'_>,
    column: Column,
    cells: &[&Cell],
    value: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let mut values = Vec::with_capacity(cells.len());
    let mut levels = Vec::with_capacity(cells.len());
    for cell in cells {
        let empty = column.optional && **cell == Cell::Empty;
        levels.push(i16::from(!empty));
        if !empty {
            let refused = || ParquetError::General(format!("column {}: {cell:?}", column.name));
            values.push(value(cell).ok_or_else(refused)?);
        }
    }
    let levels = column.optional.then_some(levels.as_slice());
    out.typed::<T>().write_batch(&values, levels, None).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a decimal has the bytes that its digits need, and no more.
    #[test]
    fn widths() {
        assert_eq!([2, 9, 18, 19, 38].map(width), [1, 4, 8, 9, 16]);
    }
}
