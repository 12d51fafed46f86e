//! Storage accounts: which stored parts each object stands on, who holds it, and what may be collected.
//!
//! Objects that nothing cites are inventory, not history: their rows may go. What a version, a suite, a report or a tree of the hub
//! cites may not, and the database itself says so.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::DbBackend;

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "storage_object",
        columns: &[text("digest"), bigint("bytes"), bigint("cited"), bigint("touched_at")],
        key: &["digest"],
        unique: &[],
        searched: &[&["cited", "touched_at"]],
        references: &[],
        checks: &["bytes >= 0", "cited IN (0, 1)"],
        changes: Changes::Inventory(&["digest", "bytes"]),
    },
    TableDefinition {
        name: "storage_hold",
        columns: &[text("login"), text("digest"), bigint("held_at")],
        key: &["login", "digest"],
        unique: &[],
        searched: &[&["digest"]],
        references: &[reference(&["digest"], "storage_object", &["digest"])],
        checks: &[],
        changes: Changes::Inventory(&["login", "digest", "held_at"]),
    },
    TableDefinition {
        name: "storage_part",
        columns: &[
            text("location"),
            bigint("bytes"),
            text("generation"),
            bigint("reference_count"),
            text_or_null("brought_by"),
            bigint_or_null("free_since"),
            bigint("collecting"),
        ],
        key: &["location"],
        unique: &[],
        searched: &[&["collecting", "free_since"]],
        references: &[],
        checks: &[
            "bytes >= 0",
            "reference_count >= 0",
            "(reference_count = 0) = (free_since IS NOT NULL)",
            "collecting = 0 OR (collecting = 1 AND reference_count = 0)",
        ],
        changes: Changes::Inventory(&["location", "generation"]),
    },
    TableDefinition {
        name: "storage_place",
        columns: &[text("part"), text("location")],
        key: &["part", "location"],
        unique: &[],
        searched: &[],
        references: &[reference(&["part"], "storage_part", &["location"])],
        checks: &[],
        changes: Changes::Inventory(&["part", "location"]),
    },
    TableDefinition {
        name: "object_part",
        columns: &[text("digest"), text("location")],
        key: &["digest", "location"],
        unique: &[],
        searched: &[&["location"]],
        references: &[
            reference(&["digest"], "storage_object", &["digest"]),
            reference(&["location"], "storage_part", &["location"]),
        ],
        checks: &[],
        changes: Changes::Inventory(&["digest", "location"]),
    },
    TableDefinition {
        name: "storage_usage",
        columns: &[
            text("login"),
            bigint("objects"),
            bigint("logical_bytes"),
            bigint("stored_bytes"),
        ],
        key: &["login"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &["objects >= 0", "logical_bytes >= 0", "stored_bytes >= 0"],
        changes: Changes::AllBut(&["login"]),
    },
    TableDefinition {
        name: "storage_quota",
        columns: &[
            text("login"),
            bigint("seq"),
            bigint_or_null("bytes"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["login", "seq"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &["bytes >= 0"],
        changes: Changes::None,
    },
];

/// Tables whose rows go with an object that nothing cites, and the column that names the object.
const OF_OBJECTS: [(&str, &str); 4] = [
    ("stored_object", "digest"),
    ("checkpoint_tensor", "checkpoint_digest"),
    ("object_holder", "digest"),
    ("hub_blob", "digest"),
];

/// Columns that cite an object by its digest; `store::citation` holds the same list, and a test compares the two.
const CITING: [(&str, &str); 10] = [
    ("model_version", "checkpoint_digest"),
    ("model_version", "graph_digest"),
    ("suite", "cases_digest"),
    ("suite", "reference_checkpoint_digest"),
    ("suite", "reference_graph_digest"),
    ("evaluation_report", "digest"),
    ("evaluation_report", "samples_digest"),
    ("hub_tree_entry", "digest"),
    ("checkpoint_shard", "checkpoint_digest"),
    ("checkpoint_shard", "shard_digest"),
];

/// Creates the tables above and lets rows of uncited objects go; back, it undoes both.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await?;
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        if backend == DbBackend::Postgres {
            connection.execute_unprepared(&postgres_refusal()).await?;
        }
        for (table, _) in OF_OBJECTS {
            connection.execute_unprepared(&drop_trigger(table, backend)).await?;
        }
        for (table, column) in OF_OBJECTS.into_iter().chain([("storage_object", "digest")]) {
            connection.execute_unprepared(&refuse_while_cited(table, column, backend)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        for (table, _) in OF_OBJECTS {
            connection.execute_unprepared(&drop_trigger(table, backend)).await?;
            connection.execute_unprepared(&table::refuse_delete(table, backend)).await?;
        }
        table::drop(manager, TABLES).await
    }
}

fn drop_trigger(table: &str, backend: DbBackend) -> String {
    let on = if backend == DbBackend::Postgres { format!(" ON {table}") } else { String::new() };
    format!("DROP TRIGGER {table}_no_delete{on}")
}

/// Whether anything cites the digest, as a condition in SQL.
fn is_cited(digest: &str) -> String {
    let exists = |(table, column): (&str, &str)| {
        format!("EXISTS (SELECT 1 FROM {table} WHERE {column} = {digest})")
    };
    CITING.map(exists).join(" OR ")
}

fn refuse_while_cited(table: &str, column: &str, backend: DbBackend) -> String {
    if backend == DbBackend::Postgres {
        return format!(
            "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW \
             EXECUTE FUNCTION modelfolio_refuse_cited('{column}')"
        );
    }
    let condition = is_cited(&format!("OLD.{column}"));
    format!(
        "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW WHEN {condition} \
         BEGIN SELECT RAISE(ABORT, 'rows of {table} are insert-only while something cites them'); END"
    )
}

/// PostgreSQL takes no subquery as the condition of a trigger, so its function asks.
fn postgres_refusal() -> String {
    format!(
        "CREATE OR REPLACE FUNCTION modelfolio_refuse_cited() RETURNS trigger LANGUAGE plpgsql AS $$ \
         DECLARE cited_digest text := to_jsonb(OLD) ->> TG_ARGV[0]; \
         BEGIN IF {} THEN \
         RAISE EXCEPTION 'rows of % are insert-only while something cites them', TG_TABLE_NAME \
         USING ERRCODE = 'restrict_violation'; \
         END IF; RETURN OLD; END $$",
        is_cited("cited_digest")
    )
}
