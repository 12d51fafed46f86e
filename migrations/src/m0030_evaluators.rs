//! Several evaluators: who they are, the rounds in which they commit and reveal, and what became of each.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "evaluator",
        columns: &[
            text("public_key"),
            text("name"),
            text("owner"),
            text("registered_by"),
            bigint("registered_at"),
        ],
        key: &["public_key"],
        unique: &[&["name"]],
        searched: &[],
        references: &[],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "evaluator_standing",
        columns: &[
            text("public_key"),
            bigint("seq"),
            bigint("weight_ppb"),
            bigint("active"),
            text("reason"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["public_key", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["public_key"], "evaluator", &["public_key"])],
        checks: &["weight_ppb BETWEEN 0 AND 1000000000", "active IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "quorum_setting",
        columns: &[
            bigint("seq"),
            bigint("quorum"),
            bigint("commit_ms"),
            bigint("reveal_ms"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["seq"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &["quorum >= 1", "commit_ms >= 1", "reveal_ms >= 1"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "evaluation_round",
        columns: &[
            text("id"),
            bigint("number"),
            text("version_id"),
            text("suite"),
            text("protocol"),
            bigint("quorum"),
            bigint("commit_ms"),
            bigint("reveal_ms"),
            text_or_null("confirms"),
            bigint("trap"),
            text("asked_by"),
            bigint("asked_at"),
        ],
        key: &["id"],
        unique: &[&["number"]],
        searched: &[&["version_id", "number"]],
        references: &[reference(&["version_id"], "model_version", &["id"])],
        checks: &["quorum >= 1", "trap IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "round_phase",
        columns: &[
            text("round_id"),
            bigint("seq"),
            text("phase"),
            bigint("deadline"),
            bigint("began_at"),
        ],
        key: &["round_id", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["round_id"], "evaluation_round", &["id"])],
        checks: &["phase IN ('committing', 'revealing')"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "round_draw",
        columns: &[
            text("round_id"),
            text("seed"),
            text("entropy"),
            text_or_null("latest_report"),
            bigint("drawn_at"),
        ],
        key: &["round_id"],
        unique: &[],
        searched: &[],
        references: &[reference(&["round_id"], "evaluation_round", &["id"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "round_seat",
        columns: &[
            text("job_id"),
            text("round_id"),
            bigint("seat"),
            text("public_key"),
            text_or_null("replaces"),
            bigint("seated_at"),
        ],
        key: &["job_id"],
        unique: &[&["round_id", "seat"], &["round_id", "public_key"]],
        searched: &[],
        references: &[
            reference(&["job_id"], "evaluation_job", &["id"]),
            reference(&["round_id"], "evaluation_round", &["id"]),
            reference(&["public_key"], "evaluator", &["public_key"]),
        ],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "round_commitment",
        columns: &[
            text("round_id"),
            text("public_key"),
            bigint("place"),
            text("commitment"),
            bigint("committed_at"),
        ],
        key: &["round_id", "public_key"],
        unique: &[&["round_id", "place"], &["commitment"]],
        searched: &[],
        references: &[reference(
            &["round_id", "public_key"],
            "round_seat",
            &["round_id", "public_key"],
        )],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "round_reveal",
        columns: &[
            text("round_id"),
            text("public_key"),
            text("report_digest"),
            text("salt"),
            bigint("revealed_at"),
        ],
        key: &["round_id", "public_key"],
        unique: &[&["report_digest"]],
        searched: &[],
        references: &[
            reference(&["round_id", "public_key"], "round_commitment", &["round_id", "public_key"]),
            reference(&["report_digest"], "evaluation_report", &["digest"]),
        ],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "refused_reveal",
        columns: &[
            text("round_id"),
            text("public_key"),
            bigint("seq"),
            text("report_digest"),
            text("reason"),
            bigint("refused_at"),
        ],
        key: &["round_id", "public_key", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(
            &["round_id", "public_key"],
            "round_seat",
            &["round_id", "public_key"],
        )],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "round_outcome",
        columns: &[
            text("round_id"),
            text("public_key"),
            bigint("number"),
            text("outcome"),
            bigint("weight_ppb"),
            text_or_null("report_digest"),
            text_or_null("deviation"),
            text("mean_deviation"),
            bigint_or_null("decisions_agree"),
            bigint("settled_at"),
        ],
        key: &["round_id", "public_key"],
        unique: &[&["public_key", "number"]],
        searched: &[],
        references: &[reference(
            &["round_id", "public_key"],
            "round_seat",
            &["round_id", "public_key"],
        )],
        checks: &[
            "outcome IN ('kept', 'copied', 'rejected', 'no_price', 'unrevealed', 'missed', 'failed')",
            "decisions_agree IN (0, 1)",
        ],
        changes: Changes::None,
    },
    TableDefinition {
        name: "round_verdict",
        columns: &[
            text("round_id"),
            text("status"),
            text("reason"),
            bigint_or_null("price_micro"),
            text_or_null("sigma_ln"),
            text_or_null("scale"),
            text_or_null("model_id"),
            bigint_or_null("decision_seq"),
            bigint("settled_at"),
        ],
        key: &["round_id"],
        unique: &[],
        searched: &[&["model_id", "decision_seq"]],
        references: &[
            reference(&["round_id"], "evaluation_round", &["id"]),
            reference(&["model_id", "decision_seq"], "price_decision", &["model_id", "seq"]),
        ],
        checks: &["status IN ('agreed', 'held')", "(model_id IS NULL) = (decision_seq IS NULL)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "report_attestation",
        columns: &[text("report_digest"), text("evaluator"), text("public_key"), text("signature")],
        key: &["report_digest"],
        unique: &[],
        searched: &[],
        references: &[reference(&["report_digest"], "evaluation_report", &["digest"])],
        checks: &[],
        changes: Changes::None,
    },
];

/// Creates the tables above; back, it drops them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, TABLES).await
    }
}
