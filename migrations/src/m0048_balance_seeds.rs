//! What the salts of a strike's balances follow from, so that a holder's proof is the same years later and from every server; and the
//! search for a leaf of the log by its hash.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "balance_seed",
    columns: &[text("fund"), bigint("number"), text("seed")],
    key: &["fund", "number"],
    unique: &[],
    searched: &[],
    references: &[reference(&["fund", "number"], "strike_record", &["fund", "number"])],
    checks: &["length(seed) = 64"],
    changes: Changes::None,
}];

const LEAF_BY_HASH: &str = "log_leaf_leaf_hash_idx";

/// Creates the table above and the database index; back, it drops them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await?;
        let mut index = Index::create();
        index.name(LEAF_BY_HASH).table("log_leaf").col("leaf_hash");
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut index = Index::drop();
        index.name(LEAF_BY_HASH).table("log_leaf");
        manager.drop_index(index).await?;
        table::drop(manager, TABLES).await
    }
}
