//! The schema: what it refuses, what it is made of, and that it goes back and forth.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use store::{
    AliasMoveRow, AuditRow, EntryRow, LegRow, LineRow, ModelRow, OrderRow, OrderSide, Store,
    TensorRow,
};

use crate::rows::{decision, event, fund, job, model, publish, report, strike};

/// A row in as many tables as a few statements reach.
async fn fill(store: &Store) {
    publish(store, 1).await;
    let transaction = store.begin().await.unwrap();
    let tensor = TensorRow {
        checkpoint_digest: "checkpoint".into(),
        position: 0,
        name: "w".into(),
        dtype: "F32".into(),
        shape: "[]".into(),
        begin_byte: 0,
        end_byte: 4,
        tensor_key: "key".into(),
    };
    store::checkpoint_tensor::insert_all(&transaction, vec![tensor]).await.unwrap();
    let moved = AliasMoveRow {
        model_id: "m".into(),
        alias: "listed".into(),
        seq: 1,
        version_id: "m-1".into(),
        moved_by: "alice".into(),
        reason: "first".into(),
        moved_at: 1,
    };
    store::alias_move::insert(&transaction, moved).await.unwrap();
    store::evaluation_job::insert(&transaction, job("j", "m-1", 1)).await.unwrap();
    store::evaluation_report::insert(&transaction, report("r", "m-1", 1)).await.unwrap();
    store::price_decision::insert(&transaction, decision(1, "r", "ADMITTED")).await.unwrap();
    let leg = LegRow {
        asset: "CASH".into(),
        from_account: "a".into(),
        to_account: "b".into(),
        amount: 1,
    };
    let line = LineRow { fund: "f".into(), account: "cash".into(), delta_femto: "1".into() };
    let entry = EntryRow {
        kind: "deposit".into(),
        fund: None,
        meta: "{}".into(),
        legs: vec![leg],
        lines: vec![line],
    };
    store::ledger::append_event(&transaction, event(1), vec![entry]).await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    store::strike::insert(&transaction, strike("f", 1, 1)).await.unwrap();
    let side = OrderSide::Window;
    let order =
        OrderRow { event_seq: 1, fund: "f".into(), side, owner: "alice".into(), closed_by: None };
    store::fund_order::insert(&transaction, order).await.unwrap();
    store::manual_clock::append(&transaction, 1).await.unwrap();
    let audit = AuditRow {
        seq: 0,
        actor: "alice".into(),
        token_id: None,
        operation: "x".into(),
        subject: "y".into(),
        at: 1,
    };
    store::audit_entry::append(&transaction, audit).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Proves that the database itself refuses to change or delete a row of history, whoever asks.
pub(crate) async fn rows_refuse_change(store: Store) {
    fill(&store).await;
    let cases = [
        ("registered_model", "name"),
        ("stored_object", "kind"),
        ("checkpoint_tensor", "tensor_key"),
        ("model_version", "name"),
        ("alias_move", "reason"),
        ("evaluation_report", "body"),
        ("price_decision", "record"),
        ("ledger_event", "chain"),
        ("ledger_entry", "meta"),
        ("custody_leg", "asset"),
        ("gl_line", "delta_femto"),
        ("fund", "methodology"),
        ("strike", "nav_femto"),
        ("fund_order", "side"),
        ("manual_clock", "now_ms"),
        ("audit_entry", "actor"),
        ("evaluation_job", "seed"),
    ];
    for (table, column) in cases {
        let mut statements =
            vec![format!("UPDATE {table} SET {column} = {column}"), format!("DELETE FROM {table}")];
        if store.connection().get_database_backend() == DbBackend::Postgres {
            statements.push(format!("TRUNCATE {table} CASCADE"));
        }
        for statement in statements {
            let error = store.connection().execute_unprepared(&statement).await.unwrap_err();
            assert!(error.to_string().contains("insert-only"), "{statement}: {error}");
        }
    }
}

/// Proves that no column of the schema is anything but BIGINT or TEXT.
pub(crate) async fn columns_are_bigint_or_text(store: Store) {
    let connection = store.connection();
    let backend = connection.get_database_backend();
    let question = if backend == DbBackend::Postgres {
        "SELECT table_name AS t, column_name AS c, data_type AS k FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> 'seaql_migrations'"
    } else {
        "SELECT m.name AS t, p.name AS c, p.type AS k FROM sqlite_master m, pragma_table_info(m.name) p \
         WHERE m.type = 'table' AND m.name <> 'seaql_migrations'"
    };
    let rows = connection.query_all_raw(Statement::from_string(backend, question)).await.unwrap();
    assert!(rows.len() > 150, "{} columns", rows.len());
    for row in rows {
        let table: String = row.try_get("", "t").unwrap();
        let column: String = row.try_get("", "c").unwrap();
        let kind: String = row.try_get("", "k").unwrap();
        let kind = kind.to_ascii_lowercase();
        assert!(kind == "bigint" || kind == "text", "{table}.{column} is {kind}");
    }
}

/// Inventories: their rows go when what they count has gone.
const INVENTORIES: [&str; 4] = ["storage_hold", "storage_part", "storage_place", "object_part"];

/// Proves that every table there is, those of later steps included, has triggers against update and delete; an inventory has that
/// against update.
pub(crate) async fn every_table_refuses_change(store: Store) {
    let connection = store.connection();
    let backend = connection.get_database_backend();
    let (tables, triggers) = if backend == DbBackend::Postgres {
        (
            "SELECT tablename::text AS n FROM pg_tables WHERE schemaname = 'public'",
            "SELECT tgname::text AS n FROM pg_trigger WHERE NOT tgisinternal",
        )
    } else {
        (
            "SELECT name AS n FROM sqlite_master WHERE type = 'table'",
            "SELECT name AS n FROM sqlite_master WHERE type = 'trigger'",
        )
    };
    let mut names = Vec::new();
    for question in [tables, triggers] {
        let rows =
            connection.query_all_raw(Statement::from_string(backend, question)).await.unwrap();
        let found: Vec<String> = rows.iter().map(|row| row.try_get("", "n").unwrap()).collect();
        names.push(found);
    }
    assert!(names[0].len() > 20, "{} tables", names[0].len());
    for table in names[0].iter().filter(|table| *table != "seaql_migrations") {
        for change in ["update", "delete"] {
            let trigger = format!("{table}_no_{change}");
            if change == "delete" && INVENTORIES.contains(&table.as_str()) {
                continue;
            }
            assert!(names[1].contains(&trigger), "{trigger} is absent");
        }
    }
}

/// Proves that all steps go back, also over data, and forth again, and that a second run finds nothing to do.
pub(crate) async fn migrations_go_back_and_forth(store: Store) {
    fill(&store).await;
    migrations::run(store.connection()).await.unwrap();
    assert!(store::registered_model::find_by_id(&store, "m").await.unwrap().is_some());
    migrations::revert(store.connection()).await.unwrap();
    assert!(store::registered_model::find_by_id(&store, "m").await.is_err());
    let (one, other) =
        tokio::join!(migrations::run(store.connection()), migrations::run(store.connection()));
    one.unwrap();
    other.unwrap();
    assert!(store::registered_model::find_by_id(&store, "m").await.unwrap().is_none());
    fill(&store).await;
}

/// Proves that steps which meet rows of earlier ones keep them: the table of orders is made anew for the window with the orders that it had
/// and refuses change afterwards as before, and what was recorded before notes were kept is noted.
pub(crate) async fn earlier_rows_are_kept(store: Store) {
    fill(&store).await;
    let transaction = store.begin().await.unwrap();
    store::ledger::append_event(&transaction, event(2), Vec::new()).await.unwrap();
    store::ledger::append_event(&transaction, event(3), Vec::new()).await.unwrap();
    let side = OrderSide::Subscription;
    let order =
        OrderRow { event_seq: 2, fund: "f".into(), side, owner: "bob".into(), closed_by: Some(3) };
    store::fund_order::insert(&transaction, order.clone()).await.unwrap();
    transaction.commit().await.unwrap();
    migrations::revert_to(store.connection(), "m0046_window").await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    assert_eq!(store::fund_order::find(&store, 2).await.unwrap(), Some(order));
    // A request at the window is of this step alone, and went with it.
    assert!(store::fund_order::find(&store, 1).await.unwrap().is_none());
    let change = store.connection().execute_unprepared("UPDATE fund_order SET owner = 'x'").await;
    assert!(change.is_err());
    let backend = store.connection().get_database_backend();
    let text = "SELECT count(*) AS n FROM ledger_note WHERE recorded_at IN \
        (SELECT decided_at FROM price_decision)";
    let row = store.connection().query_one_raw(Statement::from_string(backend, text)).await;
    assert_eq!(row.unwrap().unwrap().try_get::<i64>("", "n").unwrap(), 1);
    assert!(migrations::revert_to(store.connection(), "m9999").await.is_err());
}

/// Proves that what an error says to anybody holds neither SQL nor a value of a row.
pub(crate) async fn messages_hold_no_sql(store: Store) {
    publish(&store, 1).await;
    let transaction = store.begin().await.unwrap();
    let twin = ModelRow { name: "SELECT secret".into(), ..model("m") };
    let error = store::registered_model::insert(&transaction, twin).await.unwrap_err();
    assert_eq!(error.to_string(), "a row with the same key exists already (registered_model_pkey)");
    drop(transaction);
    migrations::revert(store.connection()).await.unwrap();
    let error = store::registered_model::find_by_id(&store, "m").await.unwrap_err();
    assert_eq!(error.to_string(), "the database refused an operation");
    assert!(std::error::Error::source(&error).is_some());
}
