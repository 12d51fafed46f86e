//! Tables as data: every migration lists its tables in this form, so that the laws of the schema are kept in one place.

use sea_orm_migration::prelude::{
    ColumnDef, ConnectionTrait, DbErr, Expr, ForeignKey, Index, SchemaManager, Table,
};
use sea_orm_migration::sea_orm::DbBackend;

/// A table, its keys and whether its rows may ever change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableDefinition {
    /// Name of the table.
    pub(crate) name: &'static str,
    /// Columns in order.
    pub(crate) columns: &'static [Column],
    /// Columns of the primary key.
    pub(crate) key: &'static [&'static str],
    /// Column sets that are unique beside the primary key.
    pub(crate) unique: &'static [&'static [&'static str]],
    /// Column sets that queries search by.
    pub(crate) searched: &'static [&'static [&'static str]],
    /// Columns that must be found in another table.
    pub(crate) references: &'static [Reference],
    /// Conditions every row satisfies, in SQL that both databases read.
    pub(crate) checks: &'static [&'static str],
    /// What may happen to a row after its insertion.
    pub(crate) changes: Changes,
}

/// What may happen to a row after its insertion.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Changes {
    /// Nothing: update and delete are refused.
    None,
    /// Only the columns that are not listed may change; delete is refused.
    AllBut(&'static [&'static str]),
    /// An inventory: only the columns that are not listed may change, and rows go when what they count has gone.
    Inventory(&'static [&'static str]),
}

/// A column; both databases know these two types only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    text: bool,
    null: bool,
}

/// Columns that must be found as the key of another table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    /// Columns here.
    pub(crate) columns: &'static [&'static str],
    /// The other table.
    pub(crate) table: &'static str,
    /// Columns there.
    pub(crate) key: &'static [&'static str],
}

/// A `TEXT` column that is always present.
pub(crate) const fn text(name: &'static str) -> Column {
    Column { name, text: true, null: false }
}

/// A `TEXT` column that may be null.
pub(crate) const fn text_or_null(name: &'static str) -> Column {
    Column { name, text: true, null: true }
}

/// A `BIGINT` column that is always present.
pub(crate) const fn bigint(name: &'static str) -> Column {
    Column { name, text: false, null: false }
}

/// A `BIGINT` column that may be null.
pub(crate) const fn bigint_or_null(name: &'static str) -> Column {
    Column { name, text: false, null: true }
}

/// A reference of one column to one column.
pub(crate) const fn reference(
    columns: &'static [&'static str],
    table: &'static str,
    key: &'static [&'static str],
) -> Reference {
    Reference { columns, table, key }
}

/// Creates tables in the order given, with keys, indexes and the triggers that keep rows as they are.
pub(crate) async fn create(
    manager: &SchemaManager<'_>,
    tables: &[TableDefinition],
) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    if backend == DbBackend::Postgres {
        manager.get_connection().execute_unprepared(POSTGRES_REFUSAL).await?;
    }
    for table in tables {
        manager.create_table(create_statement(table, backend)).await?;
        for columns in table.searched {
            let mut index = Index::create();
            index.name(format!("{}_{}_idx", table.name, columns.join("_"))).table(table.name);
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        for statement in triggers(table, backend) {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
    }
    Ok(())
}

/// Drops tables in the reverse of the order given; their indexes and triggers go with them.
pub(crate) async fn drop(
    manager: &SchemaManager<'_>,
    tables: &[TableDefinition],
) -> Result<(), DbErr> {
    for table in tables.iter().rev() {
        manager.drop_table(Table::drop().table(table.name).take()).await?;
    }
    Ok(())
}

fn create_statement(
    table: &TableDefinition,
    backend: DbBackend,
) -> sea_orm_migration::prelude::TableCreateStatement {
    let mut statement = Table::create();
    statement.table(table.name);
    for column in table.columns {
        let mut definition = ColumnDef::new(column.name);
        if column.text {
            definition.text();
            if backend == DbBackend::Postgres {
                definition.extra("COLLATE \"C\"");
            }
        } else {
            // Spelled out, because the library would call it INTEGER on SQLite.
            definition.custom("bigint");
        }
        if !column.null {
            definition.not_null();
        }
        statement.col(&mut definition);
    }
    let mut key = Index::create();
    key.name(format!("{}_pkey", table.name));
    for column in table.key {
        key.col(*column);
    }
    statement.primary_key(&mut key);
    for columns in table.unique {
        let mut unique = Index::create();
        unique.unique().name(format!("{}_{}_key", table.name, columns.join("_")));
        for column in *columns {
            unique.col(*column);
        }
        statement.index(&mut unique);
    }
    for reference in table.references {
        let mut foreign = ForeignKey::create();
        foreign.name(format!("{}_{}_fkey", table.name, reference.columns.join("_")));
        for (column, key) in reference.columns.iter().zip(reference.key) {
            foreign.from(table.name, *column).to(reference.table, *key);
        }
        statement.foreign_key(&mut foreign);
    }
    for check in table.checks {
        statement.check(Expr::cust(*check));
    }
    statement
}

/// PostgreSQL triggers call a function; SQLite's carry their own body.
/// The function outlives its tables on purpose: it names none of them, and every step creates it anew.
const POSTGRES_REFUSAL: &str = "CREATE OR REPLACE FUNCTION modelfolio_refuse_change() RETURNS trigger \
     LANGUAGE plpgsql AS $$ BEGIN \
     RAISE EXCEPTION 'rows of % are insert-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; \
     END $$";

fn triggers(table: &TableDefinition, backend: DbBackend) -> Vec<String> {
    let name = table.name;
    let update = match table.changes {
        Changes::None => "UPDATE".to_owned(),
        Changes::AllBut(fixed) | Changes::Inventory(fixed) => {
            format!("UPDATE OF {}", fixed.join(", "))
        }
    };
    let mut refused = vec![("update", update)];
    if !matches!(table.changes, Changes::Inventory(_)) {
        refused.push(("delete", "DELETE".to_owned()));
    }
    if backend == DbBackend::Postgres {
        let call = "EXECUTE FUNCTION modelfolio_refuse_change()";
        let row = |(word, change): (&str, String)| {
            format!("CREATE TRIGGER {name}_no_{word} BEFORE {change} ON {name} FOR EACH ROW {call}")
        };
        let mut statements: Vec<String> = refused.into_iter().map(row).collect();
        statements.push(format!(
            "CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT {call}"
        ));
        return statements;
    }
    let body = format!("BEGIN SELECT RAISE(ABORT, 'rows of {name} are insert-only'); END");
    let row = |(word, change): (&str, String)| {
        format!("CREATE TRIGGER {name}_no_{word} BEFORE {change} ON {name} FOR EACH ROW {body}")
    };
    refused.into_iter().map(row).collect()
}

/// The trigger that refuses every delete, for a step that goes back to it.
pub(crate) fn refuse_delete(name: &str, backend: DbBackend) -> String {
    let trigger = format!("CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} FOR EACH ROW");
    if backend == DbBackend::Postgres {
        return format!("{trigger} EXECUTE FUNCTION modelfolio_refuse_change()");
    }
    format!("{trigger} BEGIN SELECT RAISE(ABORT, 'rows of {name} are insert-only'); END")
}
