//! Who may read what: private models, grants, holders of objects, and the indexes that lead from an object to its models.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "model_visibility",
        columns: &[
            text("model_id"),
            bigint("seq"),
            bigint("private"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["model_id", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["private IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "access_grant",
        columns: &[
            text("model_id"),
            text("grantee"),
            bigint("seq"),
            bigint("granted"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["model_id", "grantee", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["granted IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "object_holder",
        columns: &[text("digest"), text("holder"), bigint("held_at")],
        key: &["digest", "holder"],
        unique: &[],
        searched: &[],
        references: &[reference(&["digest"], "stored_object", &["digest"])],
        checks: &[],
        changes: Changes::None,
    },
];

/// Indexes on tables of earlier steps: a download asks which models an object belongs to.
const INDEXES: &[(&str, &str, &str)] = &[
    ("model_version_checkpoint_digest_idx", "model_version", "checkpoint_digest"),
    ("model_version_graph_digest_idx", "model_version", "graph_digest"),
    ("evaluation_report_samples_digest_idx", "evaluation_report", "samples_digest"),
];

/// Creates the tables and indexes above; back, it drops them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await?;
        for (name, table, column) in INDEXES {
            manager
                .create_index(Index::create().name(*name).table(*table).col(*column).take())
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in INDEXES {
            manager.drop_index(Index::drop().name(*name).table(*table).to_owned()).await?;
        }
        table::drop(manager, TABLES).await
    }
}
