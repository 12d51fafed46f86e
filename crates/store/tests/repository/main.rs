//! The repository suite: one list of cases, each run on a SQLite file and on a PostgreSQL database of its own.
//!
//! PostgreSQL is the server named by `MODELFOLIO_TEST_POSTGRES` (a `postgres://` URL whose user may create databases);
//! without it that half says that it did not run.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the cases are tests, though the lint sees only the functions that call them"
)]

mod access;
mod calendars;
mod connection;
mod harness;
mod hub;
mod jobs;
mod ledger;
mod log;
mod methodologies;
mod moments;
mod orders;
mod registry;
mod restatements;
mod rows;
mod schema;
mod storage;
mod uploads;

/// Makes two tests of each case, one on each database.
macro_rules! on_both_databases {
    ($($module:ident :: $case:ident,)+) => {
        mod sqlite {
            $(
                #[test]
                fn $case() {
                    crate::harness::on_sqlite(crate::$module::$case);
                }
            )+
        }

        mod postgres {
            $(
                #[test]
                fn $case() {
                    crate::harness::on_postgres(stringify!($case), crate::$module::$case);
                }
            )+
        }
    };
}

on_both_databases! {
    access::private_models_are_seen_by_few,
    access::objects_are_seen_through_models,
    access::aliases_pins_yanks_and_bases_are_told,
    access::models_are_found_by_words_tags_and_structure,
    registry::tokens_are_found_listed_and_revoked_once,
    registry::unique_keys_conflict_by_name,
    registry::objects_and_tensors_are_idempotent_and_paged,
    registry::shards_are_paged_and_hold_together,
    registry::versions_and_aliases_keep_their_history,
    registry::suites_are_found_three_ways,
    registry::reports_and_decisions_are_told_in_order,
    calendars::the_last_calendar_is_in_force,
    calendars::dealing_days_are_settled_once,
    hub::hub_rows_come_back,
    hub::hub_rows_hold_together,
    hub::hub_rows_refuse_change,
    jobs::a_job_is_done_once,
    jobs::a_failed_attempt_is_retried_until_the_last,
    jobs::an_expired_lease_is_taken_over,
    jobs::a_dead_job_fails_and_the_next_is_leased,
    jobs::workers_never_share_a_job,
    ledger::an_event_comes_back_as_written,
    ledger::a_large_event_is_chunked_and_paged,
    ledger::a_dropped_transaction_leaves_nothing,
    ledger::writers_of_the_ledger_take_turns,
    ledger::strikes_baskets_and_fills_are_paged,
    log::leaves_are_one_sequence,
    log::subtrees_and_heads_are_written_once,
    log::a_strike_has_one_record,
    methodologies::a_proposal_ends_once,
    moments::moments_find_the_last_by_then,
    moments::notes_and_horizon_are_the_last,
    orders::orders_wait_until_they_are_closed,
    orders::windows_open_and_end,
    orders::commitments_are_used_up_once,
    orders::likenesses_are_kept_once,
    restatements::what_was_known_reads_the_same,
    rows::numbers_survive_at_their_limits,
    rows::pages_are_complete_and_ordered_by_bytes,
    rows::replies_clock_and_audit_are_told_again,
    rows::a_flag_that_is_no_flag_is_corrupt,
    uploads::uploads_are_open_until_they_are_closed,
    uploads::uploads_keep_their_owner,
    uploads::tensors_are_told_to_holders,
    storage::parts_are_counted_and_removed,
    storage::a_marked_part_takes_no_reference,
    storage::what_is_cited_cannot_go,
    storage::usage_and_quotas_are_told,
    schema::rows_refuse_change,
    schema::columns_are_bigint_or_text,
    schema::every_table_refuses_change,
    schema::migrations_go_back_and_forth,
    schema::earlier_rows_are_kept,
    schema::messages_hold_no_sql,
}

/// Proves that the futures of reads and writes can be sent between threads, which every server needs.
#[test]
fn futures_are_send() {
    fn sendable<T: Send>(_: T) {}
    fn of(store: &store::Store, transaction: &store::StoreTransaction) {
        sendable(store::ledger::list_entries(store, 1, None, 1));
        sendable(store::ledger::list_entries(transaction, 1, None, 1));
        sendable(store::ledger::append_event(transaction, rows::event(1), Vec::new()));
        sendable(store::evaluation_job::lease_next(transaction, "w", 1, 2));
        sendable(store.begin());
    }
    let _ = of;
}
