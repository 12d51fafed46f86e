//! What counts the orders of one owner that wait, without reading those of everybody: it is asked before each order.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};

const NAME: &str = "fund_order_owner_fund_side_closed_by_idx";

/// Creates the index; back, it drops it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut index = Index::create();
        index.name(NAME).table("fund_order");
        for column in ["owner", "fund", "side", "closed_by"] {
            index.col(column);
        }
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(NAME).table("fund_order").to_owned()).await
    }
}
