//! Upload sessions, and which stored tensors a login may count as there.

use sea_orm::ConnectionTrait;
use store::{
    HolderRow, ObjectKind, ObjectRow, Reading, Store, StoreError, TensorRow, TensorSource,
    UploadRow, UploadState, checkpoint_tensor, object_holder, stored_object, upload_session,
};

fn upload(id: &str, ordinal: i64, expires_at: i64) -> UploadRow {
    UploadRow {
        id: id.into(),
        owner: "alice".into(),
        digest: "d".into(),
        ordinal,
        bytes: 100,
        manifest: "m".into(),
        plan: "p".into(),
        planned_bytes: 50,
        state: UploadState::Open,
        created_at: 1,
        expires_at,
    }
}

/// Proves that a session is found, prolonged and planned anew while it is open, is closed once, and is not changed after that.
pub(crate) async fn uploads_are_open_until_they_are_closed(store: Store) {
    let transaction = store.begin().await.unwrap();
    for row in [upload("b", 2, 30), upload("a", 1, 20)] {
        upload_session::insert(&transaction, row).await.unwrap();
    }
    let row = upload("a", 1, 20);
    assert!(upload_session::replan(&transaction, &row, "q", 70).await.unwrap());
    assert!(!upload_session::replan(&transaction, &row, "r", 80).await.unwrap(), "a plan is lost");
    transaction.commit().await.unwrap();
    let planned = UploadRow { plan: "q".into(), planned_bytes: 70, ..row };
    assert_eq!(upload_session::find(&store, "a").await.unwrap(), Some(planned.clone()));
    assert_eq!(upload_session::last(&store, "alice", "d").await.unwrap(), Some(upload("b", 2, 30)));
    assert_eq!(upload_session::last(&store, "bob", "d").await.unwrap(), None);
    let both = [planned.clone(), upload("b", 2, 30)];
    assert_eq!(upload_session::list_open(&store, "alice", 9).await.unwrap(), both);
    assert_eq!(upload_session::list_expired(&store, 19, 9).await.unwrap(), []);
    assert_eq!(upload_session::list_expired(&store, 20, 9).await.unwrap(), both[..1]);

    let transaction = store.begin().await.unwrap();
    assert!(upload_session::prolong(&transaction, "a", 40).await.unwrap());
    assert!(upload_session::close(&transaction, "a", UploadState::Finished).await.unwrap());
    assert!(!upload_session::close(&transaction, "a", UploadState::Aborted).await.unwrap());
    assert!(!upload_session::prolong(&transaction, "a", 50).await.unwrap());
    transaction.commit().await.unwrap();
    let ended = UploadRow { state: UploadState::Finished, expires_at: 40, ..planned };
    assert_eq!(upload_session::find(&store, "a").await.unwrap(), Some(ended));
    assert_eq!(upload_session::list_open(&store, "alice", 9).await.unwrap(), [upload("b", 2, 30)]);
}

/// Proves that two sessions never have one number, and that the database refuses to change whose a session is or to delete it.
pub(crate) async fn uploads_keep_their_owner(store: Store) {
    let transaction = store.begin().await.unwrap();
    upload_session::insert(&transaction, upload("a", 1, 20)).await.unwrap();
    transaction.commit().await.unwrap();
    let transaction = store.begin().await.unwrap();
    let error = upload_session::insert(&transaction, upload("b", 1, 20)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    drop(transaction);
    for statement in [
        "UPDATE upload_session SET owner = 'bob'",
        "UPDATE upload_session SET digest = 'e'",
        "UPDATE upload_session SET manifest = 'n'",
        "DELETE FROM upload_session",
    ] {
        let error = store.connection().execute_unprepared(statement).await.unwrap_err();
        assert!(error.to_string().contains("insert-only"), "{statement}: {error}");
    }
}

fn tensor(checkpoint: &str, position: i64, key: &str) -> TensorRow {
    TensorRow {
        checkpoint_digest: checkpoint.into(),
        position,
        name: format!("t{position}"),
        dtype: "U8".into(),
        shape: "[1]".into(),
        begin_byte: position,
        end_byte: position + 1,
        tensor_key: key.into(),
    }
}

/// Proves that a tensor is told to those who brought or hold a checkpoint with it and to the operator, and to nobody else.
pub(crate) async fn tensors_are_told_to_holders(store: Store) {
    let transaction = store.begin().await.unwrap();
    for (digest, owner) in [("c1", "alice"), ("c2", "bob")] {
        let row = ObjectRow {
            digest: digest.into(),
            kind: ObjectKind::Checkpoint,
            bytes: 10,
            uploaded_by: owner.into(),
            created_at: 1,
        };
        stored_object::insert(&transaction, row).await.unwrap();
    }
    let rows = vec![
        tensor("c1", 0, "k1"),
        tensor("c1", 1, "k2"),
        tensor("c2", 0, "k2"),
        tensor("c2", 1, "k3"),
    ];
    checkpoint_tensor::insert_all(&transaction, rows).await.unwrap();
    let row = HolderRow { digest: "c2".into(), holder: "carol".into(), held_at: 1 };
    object_holder::insert(&transaction, row).await.unwrap();
    transaction.commit().await.unwrap();
    let keys: Vec<String> = ["k1", "k2", "k3", "k4"].map(String::from).to_vec();
    let told = async |reading| {
        let mut found = checkpoint_tensor::list_sources(&store, reading, &keys).await.unwrap();
        found.sort_by(|a, b| a.tensor_key.cmp(&b.tensor_key));
        let pair = |s: TensorSource| format!("{} {}", s.tensor_key, s.checkpoint_digest);
        found.into_iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(told(Reading::Login("alice")).await, ["k1 c1", "k2 c1"]);
    assert_eq!(told(Reading::Login("bob")).await, ["k2 c2", "k3 c2"]);
    assert_eq!(told(Reading::Login("carol")).await, ["k2 c2", "k3 c2"]);
    assert_eq!(told(Reading::Login("dave")).await, [""; 0]);
    assert_eq!(told(Reading::Anybody).await, [""; 0]);
    assert_eq!(told(Reading::Everything).await, ["k1 c1", "k2 c2", "k3 c2"]);
}
