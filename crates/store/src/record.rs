//! Rows in and out: one description of a table per file, and the few statements that all tables share.
//!
//! The rows are plain structs; sea-orm's entities are not used, because an entity would be a third copy of every struct
//! and would expose an update and a delete for rows that know neither.

use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, IntoCondition, OnConflict, Order, Query, SelectStatement,
    UpdateStatement, Value,
};
use sea_orm::{ConnectionTrait, QueryResult, StatementBuilder, TryGetable};

use crate::connection::sealed::Executor;
use crate::{Connection, StoreError, StoreTransaction};

/// The most rows one page holds; a greater limit is cut to it.
pub const PAGE_ROWS_MAX: u64 = 10_000;

/// The most values one statement binds: SQLite takes 32,766, PostgreSQL 65,535.
const BIND_VALUES_MAX: usize = 30_000;

/// The most values that one statement looks for in a column.
pub(crate) const CHUNK_VALUES: usize = 5_000;

/// A row of one table.
pub(crate) trait Record: Sized + Send {
    /// Name of the table.
    const TABLE: &'static str;
    /// Names of the columns, in the order of [`Record::into_values`].
    const COLUMNS: &'static [&'static str];

    /// The row as values to bind.
    fn into_values(self) -> Vec<Value>;

    /// The row out of an answer.
    fn read(row: &QueryResult) -> Result<Self, StoreError>;
}

/// A type that a column can hold.
pub(crate) trait Field: Sized {
    /// What the column holds.
    type Stored: TryGetable + Into<Value>;

    /// The value as stored.
    fn store(self) -> Self::Stored;

    /// The value as it was; `None` when no program of ours can have stored it.
    fn restore(stored: Self::Stored) -> Option<Self>;
}

macro_rules! plain_fields {
    ($($plain:ty),+) => {$(
        impl Field for $plain {
            type Stored = Self;

            fn store(self) -> Self {
                self
            }

            fn restore(stored: Self) -> Option<Self> {
                Some(stored)
            }
        }
    )+};
}

plain_fields!(String, Option<String>, i64, Option<i64>);

impl Field for bool {
    type Stored = i64;

    fn store(self) -> i64 {
        i64::from(self)
    }

    fn restore(stored: i64) -> Option<Self> {
        match stored {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Field for Option<bool> {
    type Stored = Option<i64>;

    fn store(self) -> Option<i64> {
        self.map(i64::from)
    }

    fn restore(stored: Option<i64>) -> Option<Self> {
        stored.map_or(Some(None), |flag| bool::restore(flag).map(Some))
    }
}

/// Reads one column.
pub(crate) fn read_field<F: Field>(
    row: &QueryResult,
    table: &str,
    column: &str,
) -> Result<F, StoreError> {
    let stored = row.try_get::<F::Stored>("", column).ok();
    stored
        .and_then(F::restore)
        .ok_or_else(|| StoreError::Corrupt { what: format!("{table}.{column}") })
}

/// Declares the struct of a row and ties it to its table; field names are column names.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident in $table:literal {
            $($(#[$field_meta:meta])* $field:ident: $kind:ty,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        $visibility struct $name {
            $($(#[$field_meta])* pub $field: $kind,)+
        }

        impl $crate::record::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn into_values(self) -> Vec<sea_orm::Value> {
                vec![$($crate::record::Field::store(self.$field).into()),+]
            }

            fn read(row: &sea_orm::QueryResult) -> Result<Self, $crate::StoreError> {
                Ok(Self {
                    $($field: $crate::record::read_field(row, $table, stringify!($field))?,)+
                })
            }
        }
    };
}
pub(crate) use record;

/// Declares an enumeration that a `TEXT` column holds by its word.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        $visibility enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the table.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The member of this word, if there is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl $crate::record::Field for $name {
            type Stored = String;

            fn store(self) -> String {
                self.as_str().to_owned()
            }

            fn restore(stored: String) -> Option<Self> {
                Self::from_word(&stored)
            }
        }
    };
}
pub(crate) use words;

/// `column = value`.
pub(crate) fn equal(column: &'static str, value: impl Into<Value>) -> Expr {
    Expr::col(column).eq(Expr::val(value))
}

/// All columns of a table.
pub(crate) fn select<R: Record>() -> SelectStatement {
    Query::select().columns(R::COLUMNS.iter().copied()).from(R::TABLE).take()
}

/// The first row of an answer.
pub(crate) async fn first<R: Record, C: Connection>(
    connection: &C,
    mut statement: SelectStatement,
) -> Result<Option<R>, StoreError> {
    statement.limit(1);
    Ok(rows(connection, statement).await?.pop())
}

/// All rows of an answer; the caller has limited it.
pub(crate) async fn rows<R: Record, C: Connection>(
    connection: &C,
    statement: SelectStatement,
) -> Result<Vec<R>, StoreError> {
    answer(connection, &statement).await?.iter().map(R::read).collect()
}

/// All rows of an answer that is no row of a table; the caller has limited it.
pub(crate) async fn answer<C: Connection>(
    connection: &C,
    statement: &SelectStatement,
) -> Result<Vec<QueryResult>, StoreError> {
    connection.executor().query_all(statement).await.map_err(StoreError::from_database)
}

/// The one row that satisfies a condition on a unique key.
pub(crate) async fn find<R: Record, C: Connection>(
    connection: &C,
    condition: impl IntoCondition,
) -> Result<Option<R>, StoreError> {
    let statement = select::<R>().cond_where(condition).take();
    first(connection, statement).await
}

/// The row with the greatest value in a column among those that satisfy a condition.
pub(crate) async fn last<R: Record, C: Connection>(
    connection: &C,
    condition: impl IntoCondition,
    column: &'static str,
) -> Result<Option<R>, StoreError> {
    let statement = select::<R>().cond_where(condition).order_by(column, Order::Desc).take();
    first(connection, statement).await
}

/// The rows that a page asked for as `limit` holds.
pub(crate) fn page_rows(limit: u64) -> u64 {
    Ord::min(limit, PAGE_ROWS_MAX)
}

/// A page of the rows that satisfy a condition, by a column that is unique among them, after a value of it.
pub(crate) async fn page<R: Record, C: Connection>(
    connection: &C,
    condition: Condition,
    column: &'static str,
    after: Option<Value>,
    limit: u64,
) -> Result<Vec<R>, StoreError> {
    let mut statement = select::<R>();
    statement.cond_where(condition).order_by(column, Order::Asc).limit(page_rows(limit));
    if let Some(after) = after {
        statement.and_where(Expr::col(column).gt(Expr::val(after)));
    }
    rows(connection, statement).await
}

/// The greatest value of a column among the rows that satisfy a condition.
pub(crate) async fn greatest<R: Record, C: Connection>(
    connection: &C,
    condition: Condition,
    column: &'static str,
) -> Result<Option<i64>, StoreError> {
    let statement = Query::select()
        .expr_as(Expr::col(column).max(), "greatest")
        .from(R::TABLE)
        .cond_where(condition)
        .take();
    let answer =
        connection.executor().query_one(&statement).await.map_err(StoreError::from_database)?;
    match answer {
        Some(row) => read_field(&row, R::TABLE, "greatest"),
        None => Ok(None),
    }
}

/// The number of rows that satisfy a condition.
pub(crate) async fn count<R: Record, C: Connection>(
    connection: &C,
    condition: Condition,
) -> Result<i64, StoreError> {
    let statement = Query::select()
        .expr_as(Expr::cust("COUNT(*)"), "number")
        .from(R::TABLE)
        .cond_where(condition)
        .take();
    let answer =
        connection.executor().query_one(&statement).await.map_err(StoreError::from_database)?;
    match answer {
        Some(row) => read_field(&row, R::TABLE, "number"),
        None => Ok(0),
    }
}

/// Writes one row.
pub(crate) async fn insert<R: Record>(
    transaction: &StoreTransaction,
    row: R,
) -> Result<(), StoreError> {
    insert_all(transaction, vec![row]).await
}

/// Writes rows in as few statements as the databases take.
pub(crate) async fn insert_all<R: Record>(
    transaction: &StoreTransaction,
    rows: Vec<R>,
) -> Result<(), StoreError> {
    let chunk_rows = (BIND_VALUES_MAX / R::COLUMNS.len()).max(1);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut statement = Query::insert();
        statement.into_table(R::TABLE).columns(R::COLUMNS.iter().copied());
        for row in rows.by_ref().take(chunk_rows) {
            // The macro makes columns and values from one list, so that their numbers agree.
            statement.values_panic(row.into_values().into_iter().map(Expr::val));
        }
        execute(transaction, statement).await?;
    }
    Ok(())
}

/// Writes one row unless its key exists; tells whether it was written.
pub(crate) async fn insert_if_absent<R: Record>(
    transaction: &StoreTransaction,
    row: R,
    key: &'static str,
) -> Result<bool, StoreError> {
    insert_if_absent_by(transaction, row, &[key]).await
}

/// Writes one row unless its key of several columns exists; tells whether it was written.
pub(crate) async fn insert_if_absent_by<R: Record>(
    transaction: &StoreTransaction,
    row: R,
    key: &[&'static str],
) -> Result<bool, StoreError> {
    let mut statement = Query::insert();
    statement.into_table(R::TABLE).columns(R::COLUMNS.iter().copied());
    statement.values_panic(row.into_values().into_iter().map(Expr::val));
    statement.on_conflict(OnConflict::columns(key.iter().copied()).do_nothing().to_owned());
    Ok(execute(transaction, statement).await? > 0)
}

/// Changes rows of the tables that may change; tells how many.
pub(crate) async fn update(
    transaction: &StoreTransaction,
    statement: UpdateStatement,
) -> Result<u64, StoreError> {
    execute(transaction, statement).await
}

/// Removes the rows of an inventory that satisfy a condition; tells how many.
pub(crate) async fn delete<R: Record>(
    transaction: &StoreTransaction,
    condition: impl IntoCondition,
) -> Result<u64, StoreError> {
    let statement = Query::delete().from_table(R::TABLE).cond_where(condition).take();
    execute(transaction, statement).await
}

/// The rows whose column has one of the values, in pieces that a statement can bind; `lock` keeps them until the end of the
/// transaction, always in the order of the column, so that two who lock several wait for each other and do not embrace.
pub(crate) async fn rows_in<R: Record>(
    transaction: &StoreTransaction,
    column: &'static str,
    values: &[String],
    lock: bool,
) -> Result<Vec<R>, StoreError> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    let mut found = Vec::with_capacity(values.len());
    for chunk in values.chunks(CHUNK_VALUES) {
        let mut statement = select::<R>();
        statement.and_where(Expr::col(column).is_in(chunk.to_vec()));
        statement.order_by(column, Order::Asc);
        if lock {
            statement.lock_exclusive();
        }
        found.extend(rows(transaction, statement).await?);
    }
    Ok(found)
}

/// Writes those of many rows whose key is not there.
pub(crate) async fn insert_absent<R: Record>(
    transaction: &StoreTransaction,
    rows: Vec<R>,
    key: &[&'static str],
) -> Result<u64, StoreError> {
    let chunk_rows = (BIND_VALUES_MAX / R::COLUMNS.len()).max(1);
    let mut written = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut statement = Query::insert();
        statement.into_table(R::TABLE).columns(R::COLUMNS.iter().copied());
        for row in rows.by_ref().take(chunk_rows) {
            statement.values_panic(row.into_values().into_iter().map(Expr::val));
        }
        statement.on_conflict(OnConflict::columns(key.iter().copied()).do_nothing().to_owned());
        written += execute(transaction, statement).await?;
    }
    Ok(written)
}

async fn execute<S: StatementBuilder + Sync + Send>(
    transaction: &StoreTransaction,
    statement: S,
) -> Result<u64, StoreError> {
    transaction.pass_write()?;
    let done =
        transaction.executor().execute(&statement).await.map_err(StoreError::from_database)?;
    Ok(done.rows_affected())
}
