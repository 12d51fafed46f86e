//! A table with typed columns, from which CSV text and columnar files are made.

use std::borrow::Cow;

use crate::amount::{Cash, Femto, PriceNano, Shares, Units};

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Days since 1970-01-01; in CSV they are whole numbers.
    Day,
    /// Text.
    Text,
    /// Yes or no.
    Flag,
    /// Exact decimals with so many digits behind the point.
    Decimal {
        /// Digits in all, at most.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
}

/// Credits, units, shares and prices: at most 9e18 steps.
const fn steps(scale: u8) -> Kind {
    Kind::Decimal { precision: 19, scale }
}

impl Kind {
    /// Credits and units of models.
    pub const MICRO: Self = steps(6);
    /// Shares and prices.
    pub const NANO: Self = steps(9);
    /// NAV and values: below 2^114 steps.
    pub const FEMTO: Self = Self::Decimal { precision: 38, scale: 15 };
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What its cells are.
    pub kind: Kind,
    /// Whether a cell may be empty.
    pub optional: bool,
}

impl Column {
    /// A column without empty cells.
    pub(super) const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: false }
    }

    /// A column with empty cells.
    pub(super) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: true }
    }
}

/// A cell: of the kind of its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing, in a column that allows it.
    Empty,
    /// A whole number, or a day.
    Integer(i64),
    /// Text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// An exact decimal: its steps, and its text with every digit.
    Decimal {
        /// Steps of the column's last digit.
        steps: i128,
        /// The text.
        text: String,
    },
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// Numbers of entries and strikes, which are far below the end of the range.
impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

macro_rules! decimal_cells {
    ($($amount:ty: $steps:ident),+) => {$(
        impl From<$amount> for Cell {
            fn from(amount: $amount) -> Self {
                Self::Decimal { steps: i128::from(amount.$steps()), text: amount.to_string() }
            }
        }
    )+};
}

decimal_cells!(Cash: as_micro, Units: as_micro, Shares: as_nano, PriceNano: as_nano);

/// NAV is below 2^114 (see [`Femto`]), so its steps fit.
impl From<Femto> for Cell {
    fn from(value: Femto) -> Self {
        let steps = value.as_femto().unwrap_or(i128::MAX);
        Self::Decimal { steps, text: value.to_credits_text() }
    }
}

/// Rows under typed columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    /// Row after row.
    cells: Vec<Cell>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), cells: Vec::new() }
    }

    /// Adds a row: a cell for every column.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.cells.extend(cells);
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows in order; each has a cell for every column.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[Cell]> {
        self.cells.chunks_exact(self.columns.len().max(1))
    }

    /// The table as CSV (RFC 4180): a head line, lines ended by CR LF, decimals with every digit.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        line(&mut text, self.columns.iter().map(|column| column.name.into()));
        for row in self.rows() {
            line(&mut text, row.iter().map(field));
        }
        text
    }
}

fn field(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Empty => "".into(),
        Cell::Integer(number) => number.to_string().into(),
        Cell::Text(text) | Cell::Decimal { text, .. } => text.into(),
        Cell::Flag(flag) => if *flag { "true" } else { "false" }.into(),
    }
}

fn line<'a>(text: &mut String, fields: impl Iterator<Item = Cow<'a, str>>) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&quoted(&field));
    }
    text.push_str("\r\n");
}

/// The field as it is, or in quotes where RFC 4180, 2.6 wants them.
fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the quotes of RFC 4180, and the texts of cells.
    #[test]
    fn quotes() {
        let text = Column::of("a,b", Kind::Text);
        let number = Column::optional("n", Kind::Integer);
        let mut table = Table::new(&[text, number]);
        table.row([Cell::from("say \"no\"".to_owned()), Cell::from(Some(-5_i64))]);
        table.row([Cell::from("two\r\nlines".to_owned()), Cell::Empty]);
        let expected = "\"a,b\",n\r\n\"say \"\"no\"\"\",-5\r\n\"two\r\nlines\",\r\n";
        assert_eq!(table.to_csv(), expected);
        assert_eq!(table.rows().len(), 2);
        assert_eq!(field(&Cell::from(Cash::from_micro(1_500_000))), "1.500000");
    }
}
