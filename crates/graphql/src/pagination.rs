//! Pages: `first` and `after`, in one order, with a limit.

use async_graphql::{
    OutputType, Result,
    connection::{Connection, DefaultConnectionName, DefaultEdgeName, Edge, EmptyFields},
};
use service::ServiceError;

use crate::error::{api_error, invalid};

/// Rows of a page that does not say how many.
const PAGE_DEFAULT: i32 = 20;
/// Most rows of a page.
pub(crate) const PAGE_MAX: i32 = 100;

/// What a page costs: its rows times what each of them asks for. A page that will be refused counts as the largest.
pub(crate) fn cost(first: Option<i32>, child: usize) -> usize {
    let rows = first.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX) as usize;
    rows.saturating_mul(child).saturating_add(1)
}

/// A page of `T` after a cursor.
pub(crate) type Page<T> =
    Connection<String, T, EmptyFields, EmptyFields, DefaultConnectionName, DefaultEdgeName>;

/// Which rows are wanted.
pub(crate) struct PageArguments {
    /// The cursor of the last row that the client has.
    pub(crate) after: Option<String>,
    rows: usize,
}

impl PageArguments {
    pub(crate) fn new(first: Option<i32>, after: Option<String>) -> Result<Self> {
        let rows = first.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&rows) {
            return Err(invalid("first", format!("is {rows}; expected 1 to {PAGE_MAX}")));
        }
        Ok(Self { after, rows: rows as usize })
    }

    /// The cursor as a whole number.
    pub(crate) fn after_number(&self) -> Result<Option<i64>> {
        let number =
            |text: &String| text.parse().map_err(|_| invalid("after", "is no cursor of this list"));
        self.after.as_ref().map(number).transpose()
    }

    /// The cursor as a value that it is the text of.
    pub(crate) fn after_text<T: std::str::FromStr>(&self) -> Result<Option<T>> {
        let value =
            |text: &String| text.parse().map_err(|_| invalid("after", "is no cursor of this list"));
        self.after.as_ref().map(value).transpose()
    }

    /// Rows to fetch: one more than the page, to know whether there is a next one.
    pub(crate) const fn limit(&self) -> u64 {
        self.rows as u64 + 1
    }

    /// Makes the page of what was fetched.
    pub(crate) fn page<S, T: OutputType>(
        &self,
        rows: std::result::Result<Vec<S>, ServiceError>,
        cursor: impl Fn(&S) -> String,
        node: impl Fn(S) -> T,
    ) -> Result<Page<T>> {
        let rows = rows.map_err(api_error)?;
        let mut connection = Connection::new(self.after.is_some(), rows.len() > self.rows);
        connection.edges.extend(rows.into_iter().take(self.rows).map(|row| {
            let cursor = cursor(&row);
            Edge::new(cursor, node(row))
        }));
        Ok(connection)
    }
}

/// A page of what is in memory already; the cursor is the place, from 0.
pub(crate) fn memory_page<S: Clone, T: OutputType>(
    rows: &[S],
    first: Option<i32>,
    after: Option<String>,
    node: impl Fn(S) -> T,
) -> Result<Page<T>> {
    let page = PageArguments::new(first, after)?;
    let start = match page.after_number()? {
        Some(last) => usize::try_from(last).map_or(rows.len(), |last| last.saturating_add(1)),
        None => 0,
    };
    let wanted = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let rows = rows.iter().cloned().enumerate().skip(start).take(wanted).collect();
    page.page(Ok(rows), |(place, _)| place.to_string(), |(_, row)| node(row))
}
