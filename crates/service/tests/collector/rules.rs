//! The rules, one by one: what stays, for how long, and what a crash between two steps leaves to the next run.

use domain::{digest::Digest, time::Timestamp};
use service::{Collection, HubChange, HubCommitRequest, ServiceError};
use store::{HolderRow, ObjectKind, ObjectRow, object_holder, storage_part, stored_object};

use crate::world::{GRAPH, World, caller, collect, file, operator, upload, upload_graph};

/// Proves that what a version cites stays for ever, that an upload that nothing cites stays for its grace and goes after it, with its
/// holder, its tensors and its quota, and that the log says so.
#[tokio::test]
async fn versions_stay_and_uploads_go_after_their_grace() {
    let world = World::new(true).await;
    let (kept, left) = (file(&[(1, 30_000)]), file(&[(1, 30_000), (2, 2_000_000)]));
    world.publish("lab", "v1", &kept).await;
    world.check_cited(&[Digest::of(&kept), Digest::of(GRAPH)]).await;
    let after_publication = world.stored().await;
    let digest = upload(world.service(), "lab", &left, 100).await.unwrap();
    assert_eq!(world.collect(149, 50).await.objects, 0, "one millisecond of the grace is left");
    assert_eq!(world.objects.read(digest).await.unwrap(), left);
    // Sent again, the grace begins anew.
    upload(world.service(), "lab", &left, 120).await.unwrap();
    assert_eq!(world.collect(150, 50).await.objects, 0);
    let dry =
        Collection { now: Timestamp::from_millis(170), grace_ms: 50, limit: 100, dry_run: true };
    let told = world.service().collect_garbage(&dry).await.unwrap();
    assert_eq!((told.objects, told.object_bytes), (1, left.len() as u64));
    assert_eq!(world.objects.read(digest).await.unwrap(), left, "a dry run takes nothing");
    let done = world.collect(170, 50).await;
    assert_eq!((done.objects, done.object_bytes, done.parts), (1, left.len() as u64, 0));
    assert!(world.service().get_object(digest).await.is_err());
    // Its parts have a grace of their own: another upload may just have found them.
    assert_eq!(world.collect(219, 50).await.parts, 0);
    let done = world.collect(220, 50).await;
    assert!(done.parts >= 3 && done.part_bytes > 2_000_000, "{done:?}");
    assert_eq!(world.stored().await, after_publication);
    assert_eq!(world.objects.read(Digest::of(&kept)).await.unwrap(), kept);
    assert_eq!(world.objects.read(Digest::of(GRAPH)).await.unwrap(), GRAPH);
    world.check_accounts().await;
    let log = world
        .service()
        .list_audit(&operator(300), &service::AuditSearch::default(), None, 100)
        .await
        .unwrap();
    let entry = log.iter().find(|entry| entry.operation == "object_collect").unwrap();
    assert_eq!((entry.actor.as_str(), entry.subject.as_str()), ("collector", &*digest.hex()));
    // It comes back whole when it is sent again.
    upload(world.service(), "lab", &left, 400).await.unwrap();
    assert_eq!(world.objects.read(digest).await.unwrap(), left);
    world.check_accounts().await;
}

/// Proves that files of the hub stay while any commit has them, deleted from the branch or not, and go if none ever had.
#[tokio::test]
async fn files_of_any_commit_stay() {
    let world = World::new(true).await;
    let service = world.service();
    let lab = caller("lab", 1);
    service.create_model_as(&lab, "create", &"lab/net".parse().unwrap(), false).await.unwrap();
    let repo = service.hub_repo_of(&lab, "lab", "net").await.unwrap();
    let mut digests = Vec::new();
    for text in ["kept", "deleted", "never committed"] {
        let bytes = bytes::Bytes::from(text);
        digests.push(service.receive_hub_file(&lab, "a.txt", bytes).await.unwrap());
    }
    let put = |path: &str, digest| HubChange::Put { path: path.into(), digest };
    let changes = [
        vec![put("kept.txt", digests[0]), put("deleted.txt", digests[1])],
        vec![HubChange::DeleteFile("deleted.txt".into())],
    ];
    for changes in changes {
        let request = HubCommitRequest { changes, ..HubCommitRequest::default() };
        service.commit_to_hub(&lab, &repo, service::MAIN, &request).await.unwrap();
    }
    world.check_cited(&digests[..2]).await;
    assert_eq!(world.collect(1000, 0).await.objects, 1);
    assert_eq!(world.objects.read(digests[0]).await.unwrap(), "kept");
    assert_eq!(world.objects.read(digests[1]).await.unwrap(), "deleted");
    assert!(!world.objects.contains(digests[2]).await.unwrap());
    // It is not said to be there already, and committing it is refused.
    assert_eq!(service.hub_bytes_of(&lab, digests[2]).await.unwrap(), None);
    let changes = vec![put("c.txt", digests[2])];
    let request = HubCommitRequest { changes, ..HubCommitRequest::default() };
    let refused = service.commit_to_hub(&lab, &repo, service::MAIN, &request).await;
    assert_eq!(refused.unwrap_err().code(), "invalid");
    world.check_accounts().await;
}

/// Proves that the files of a suite stay.
#[tokio::test]
async fn files_of_a_suite_stay() {
    const FILES: [&[u8]; 2] = [
        include_bytes!("../../../cli/demo/suite/cases.safetensors"),
        include_bytes!("../../../cli/demo/suite/reference/model.safetensors"),
    ];
    const REFERENCE_GRAPH: &[u8] = include_bytes!("../../../cli/demo/suite/reference/graph.onnx");
    let world = World::new(true).await;
    let service = world.service();
    let cases = upload(service, "operator", FILES[0], 1).await.unwrap();
    let reference_checkpoint = upload(service, "operator", FILES[1], 1).await.unwrap();
    let pieces =
        futures::stream::iter([Ok::<_, String>(bytes::Bytes::from_static(REFERENCE_GRAPH))]);
    let reference_graph = Digest::of(REFERENCE_GRAPH);
    let kind = service::Upload::Graph { checkpoint: reference_checkpoint };
    service.upload(&operator(1), reference_graph, None, kind, pieces).await.unwrap();
    let manifest = include_str!("../../../cli/demo/suite/suite.toml").to_owned();
    let input = service::RegisterSuite { manifest, cases, reference_checkpoint, reference_graph };
    service.register_suite(&operator(1), "suite", &input).await.unwrap();
    world.check_cited(&[cases, reference_checkpoint, reference_graph]).await;
    assert_eq!(world.collect(1000, 0).await, service::Collected::default());
    for (digest, bytes) in
        [(cases, FILES[0]), (reference_checkpoint, FILES[1]), (reference_graph, REFERENCE_GRAPH)]
    {
        assert_eq!(world.objects.read(digest).await.unwrap(), bytes);
    }
}

/// Proves that a crash after any of the steps is resumed: parts that were marked, and parts whose bytes are gone and whose rows stand.
#[tokio::test]
async fn a_crash_between_the_steps_is_resumed() {
    for crash in ["marked", "bytes gone"] {
        for resumed_by in ["collector", "uploader"] {
            let world = World::new(true).await;
            let bytes = file(&[(1, 30_000), (2, 2_000_000)]);
            let digest = upload(world.service(), "lab", &bytes, 1).await.unwrap();
            // The object goes, its parts have their grace still.
            assert_eq!(world.collect(100, 50).await.objects, 1);
            let locations: Vec<String> =
                world.parts().await.into_iter().map(|row| row.location).collect();
            let transaction = world.store.begin().await.unwrap();
            let marked = storage_part::mark_collecting(&transaction, &locations, 100).await;
            assert_eq!(marked.unwrap(), locations.len() as u64);
            transaction.commit().await.unwrap();
            if crash == "bytes gone" {
                world.objects.remove_parts(&locations, &[]).await.unwrap();
            }
            if resumed_by == "collector" {
                let done = world.collect(101, 50).await;
                assert_eq!(done.parts, locations.len() as u64, "{crash}");
                assert!(world.stored().await.is_empty(), "{crash}");
                let left = world.objects.list_stored().await.unwrap();
                assert!(left.is_empty(), "{crash}: no hint is left: {left:?}");
                assert!(world.parts().await.is_empty(), "{crash}");
            }
            upload(world.service(), "lab", &bytes, 200).await.unwrap();
            assert_eq!(world.objects.read(digest).await.unwrap(), bytes, "{crash}, {resumed_by}");
            world.check_accounts().await;
        }
    }
}

/// Proves that an upload whose part is collected between its look and its record is refused as busy, leaves nothing, and passes when
/// it is sent again.
#[tokio::test]
async fn a_recorder_that_meets_a_collected_part_is_busy() {
    let world = World::new(false).await;
    let first = file(&[(1, 30_000), (2, 2_000_000)]);
    upload(world.service(), "lab", &first, 1).await.unwrap();
    // The second file has the large tensor too. It is held up in its transfer, not in its commit; so the step between look and record
    // is taken here by hand, as `Service::upload` takes it.
    let second = file(&[(2, 2_000_000), (3, 50_000)]);
    let pieces = futures::stream::iter([Ok::<_, String>(bytes::Bytes::from(second.clone()))]);
    let kind = checkpoint::ObjectKind::Checkpoint;
    let staged = world.objects.stage_object(kind, None, None, pieces).await.unwrap();
    let mut commit = world.objects.begin_commit(staged).await.unwrap();
    let sizes =
        commit.candidates().into_iter().map(|part| (part.location, part.bytes as i64)).collect();
    let transaction = world.store.begin().await.unwrap();
    let announced = storage_part::announce(&transaction, &commit.name(), &sizes, 2).await.unwrap();
    transaction.commit().await.unwrap();
    commit.look().await.unwrap();
    commit.write().await.unwrap();
    // Now the first file goes, and all that it alone stood on, in a collection without any grace.
    let done = world.collect(1000, 0).await;
    assert!(done.objects == 1 && done.parts > 0, "{done:?}");
    let transaction = world.store.begin().await.unwrap();
    let locations: Vec<String> = announced.iter().map(|row| row.location.clone()).collect();
    let rows = storage_part::lock(&transaction, &locations).await.unwrap();
    assert!(rows.len() < announced.len(), "what was announced is gone, so the record is refused");
    drop(transaction);
    drop(commit);
    upload(world.service(), "lab", &second, 1001).await.unwrap();
    assert_eq!(world.objects.read(Digest::of(&second)).await.unwrap(), second);
    world.check_accounts().await;
}

/// Proves that objects of a time before accounts are entered in bounded steps, that nothing is collected before all are, and that
/// what nothing cites then has a grace like the rest.
#[tokio::test]
async fn objects_of_before_are_entered_first() {
    let world = World::new(true).await;
    let files = [file(&[(1, 30_000)]), file(&[(1, 30_000), (2, 1_500_000)]), file(&[(3, 10)])];
    for bytes in &files {
        let pieces = futures::stream::iter([Ok::<_, String>(bytes::Bytes::from(bytes.clone()))]);
        let kind = checkpoint::ObjectKind::Checkpoint;
        let received = world.objects.receive(kind, None, None, pieces).await.unwrap();
        let (digest, bytes) = (received.digest.hex(), received.bytes as i64);
        let kind = ObjectKind::Checkpoint;
        let transaction = world.store.begin().await.unwrap();
        let row = ObjectRow {
            digest: digest.clone(),
            kind,
            bytes,
            uploaded_by: "lab".into(),
            created_at: 1,
        };
        stored_object::insert(&transaction, row).await.unwrap();
        for holder in ["lab", "other"] {
            let row = HolderRow { digest: digest.clone(), holder: holder.into(), held_at: 1 };
            object_holder::insert(&transaction, row).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    let stored = world.stored().await;
    let order =
        Collection { now: Timestamp::from_millis(1000), grace_ms: 0, limit: 2, dry_run: false };
    let first = world.service().collect_garbage(&order).await.unwrap();
    assert!(first.is_entering && first.objects == 0, "{first:?}");
    assert_eq!(world.stored().await, stored);
    assert!(!world.service().enter_old_objects(Timestamp::from_millis(1000), 9).await.unwrap());
    world.check_accounts().await;
    let rows: std::collections::BTreeSet<String> =
        world.parts().await.into_iter().map(|row| row.location).collect();
    assert_eq!(rows, stored, "every part has its row");
    let login = "other".parse().unwrap();
    let other = world.service().storage_use(&operator(1), &login).await.unwrap();
    let bytes: usize = files.iter().map(Vec::len).sum();
    assert_eq!((other.objects, other.logical_bytes, other.stored_bytes), (3, bytes as u64, 0));
    assert_eq!(world.collect(1049, 50).await.objects, 0);
    assert_eq!(world.collect(1050, 50).await.objects, 3);
    world.collect(1100, 50).await;
    assert!(world.objects.list_stored().await.unwrap().is_empty());
}

/// Proves that two collectors at once take each object and each part once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_collectors_share_the_work() {
    let world = World::new(false).await;
    for seed in 1..=10 {
        let bytes = file(&[(seed, 30_000), (50 + seed, 1_100_000)]);
        upload(world.service(), "lab", &bytes, 1).await.unwrap();
    }
    let parts = world.parts().await.len() as u64;
    let (one, other) =
        tokio::join!(collect(&world.services[0], 100, 0), collect(&world.services[1], 100, 0));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.objects + other.objects, 10);
    let last = world.collect(200, 0).await;
    assert_eq!(one.parts + other.parts + last.parts, parts);
    assert!(world.objects.list_stored().await.unwrap().is_empty());
    let lab = world.service().storage_use(&operator(1), &"lab".parse().unwrap()).await.unwrap();
    assert_eq!((lab.objects, lab.logical_bytes, lab.stored_bytes), (0, 0, 0));
}

/// Proves that publishing what was collected after its upload is refused as absent, and that nothing is half there then.
#[tokio::test]
async fn a_collected_object_cannot_be_published() {
    let world = World::new(true).await;
    let service = world.service();
    let lab = caller("lab", 1);
    let model: domain::name::Name = "lab/net".parse().unwrap();
    service.create_model_as(&lab, "create", &model, false).await.unwrap();
    let checkpoint = upload(service, "lab", &file(&[(1, 10)]), 1).await.unwrap();
    let graph = upload_graph(service, "lab", checkpoint, 1).await.unwrap();
    world.collect(10, 0).await;
    let version = "v1".parse().unwrap();
    let input = service::PublishVersion { model, version, checkpoint, graph };
    let refused = service.publish_version(&lab, "publish", &input).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Absent { kind: "object", .. }), "{refused}");
    world.check_accounts().await;
}
