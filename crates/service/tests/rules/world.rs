//! A fund over two models whose prices are rows, in a database of its own.

use std::sync::atomic::{AtomicI64, Ordering};

use checkpoint::ObjectStorage;
use domain::{
    amount::{Cash, Shares},
    name::Name,
    time::Timestamp,
};
use service::{AdmitModel, Caller, Scope, Service};
use store::{
    AliasMoveRow, ModelRow, ObjectKind, ObjectRow, PriceDecisionRow, ReportRow, Store, VersionRow,
};

pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn caller(login: &str, day: i64) -> Caller {
    let now = Timestamp::from_millis(day * DAY + 1);
    let scopes = Scope::ALL.into();
    Caller { owner: name(login), scopes, token_id: "t".to_owned(), models: None, now }
}

pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) service: Service,
    keys: AtomicI64,
}

impl World {
    /// A seeded fund with two admitted models and two rich investors.
    pub(crate) async fn open(methodology: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
        let store = Store::connect(&url).await.unwrap();
        migrations::run(store.connection()).await.unwrap();
        let address = folder.path().join("objects").display().to_string();
        let objects = ObjectStorage::open(&address, &folder.path().join("staging")).unwrap();
        let service = Service::new(store.clone(), objects);
        let world = Self { _folder: folder, store, service, keys: AtomicI64::new(0) };
        world.models().await;
        let (operator, fund) = (caller("operator", 1), name("F"));
        world.service.create_fund(&operator, "create", &fund, methodology).await.unwrap();
        for who in ["operator", "LP", "lab", "ann", "bob"] {
            let amount = Cash::from_micro(9_000_000_000);
            world.service.deposit_cash(&operator, who, &name(who), amount).await.unwrap();
        }
        for model in ["lab/a", "lab/b"] {
            let bond = Cash::from_micro(100_000_000);
            let admit = AdmitModel { fund: fund.clone(), model: name(model), bond };
            world.service.admit_model(&operator, model, &admit).await.unwrap();
        }
        let amount = Cash::from_micro(1_000_000_000);
        let seeded = world.service.seed_fund(&operator, "seed", &fund, &operator.owner, amount);
        seeded.await.unwrap();
        world.subscribe("ann", 2_000_000_000, 1).await;
        world
    }

    async fn models(&self) {
        let transaction = self.store.begin().await.unwrap();
        for (digest, kind) in [("checkpoint", ObjectKind::Checkpoint), ("graph", ObjectKind::Graph)]
        {
            let uploaded_by = "lab".into();
            let row =
                ObjectRow { digest: digest.into(), kind, bytes: 10, uploaded_by, created_at: 1 };
            store::stored_object::insert(&transaction, row).await.unwrap();
        }
        for (id, model) in [("lab-a", "lab/a"), ("lab-b", "lab/b")] {
            let (publisher, version) = ("lab".to_owned(), format!("{id}-1"));
            let row = ModelRow { id: id.into(), name: model.into(), publisher, created_at: 1 };
            store::registered_model::insert(&transaction, row).await.unwrap();
            let row = VersionRow {
                id: version.clone(),
                model_id: id.into(),
                ordinal: 1,
                name: "v1".into(),
                digest: version.clone(),
                checkpoint_digest: "checkpoint".into(),
                graph_digest: "graph".into(),
                published_by: "lab".into(),
                published_at: 1,
            };
            store::model_version::insert(&transaction, row).await.unwrap();
            let row = AliasMoveRow {
                model_id: id.into(),
                alias: "listed".into(),
                seq: 1,
                version_id: version.clone(),
                moved_by: "lab".into(),
                reason: "first".into(),
                moved_at: 1,
            };
            store::alias_move::insert(&transaction, row).await.unwrap();
            let row = ReportRow {
                digest: format!("report-{id}"),
                version_id: version,
                suite: "suite".into(),
                job_id: "job".into(),
                samples_digest: "samples".into(),
                evaluator: "e".into(),
                items: 1,
                correct: Some(1),
                price_micro: Some(1),
                body: "{}".into(),
                void: false,
                recorded_at: 1,
            };
            store::evaluation_report::insert(&transaction, row).await.unwrap();
        }
        transaction.commit().await.unwrap();
        self.decide("lab-a", "ADMITTED", 90_000_000, 1).await;
        self.decide("lab-b", "ADMITTED", 90_000_000, 1).await;
    }

    /// One more decision on a model's price, at `decided_at`.
    pub(crate) async fn decide(&self, id: &str, status: &str, price_micro: i64, decided_at: i64) {
        let transaction = self.store.begin().await.unwrap();
        let last = store::price_decision::latest(&transaction, id).await.unwrap();
        let row = PriceDecisionRow {
            model_id: id.into(),
            seq: last.map_or(1, |last| last.seq + 1),
            version_id: format!("{id}-1"),
            report_digest: format!("report-{id}"),
            status: status.into(),
            price_micro: Some(price_micro),
            est_micro: Some(price_micro),
            previous_micro: None,
            sigma_ln: "0.01".into(),
            sigma_delta: None,
            band_ln: None,
            record: "null".into(),
            decided_at,
        };
        store::price_decision::insert(&transaction, row).await.unwrap();
        transaction.commit().await.unwrap();
    }

    fn key(&self) -> String {
        format!("key {}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn subscribe(&self, who: &str, micro: i64, day: i64) -> i64 {
        let (amount, key) = (Cash::from_micro(micro), self.key());
        let placed =
            self.service.place_subscription(&caller(who, day), &key, &name("F"), amount).await;
        placed.unwrap()
    }

    pub(crate) async fn redeem(&self, who: &str, nano: i64, day: i64) -> i64 {
        let (shares, key) = (Shares::from_nano(nano), self.key());
        let placed =
            self.service.place_redemption(&caller(who, day), &key, &name("F"), shares).await;
        placed.unwrap()
    }

    pub(crate) async fn strike(&self, day: i64) -> i64 {
        let key = self.key();
        self.service.strike_fund(&caller("operator", day), &key, &name("F"), false).await.unwrap()
    }

    pub(crate) async fn rebalance(&self, day: i64) {
        let key = self.key();
        self.service.rebalance_fund(&caller("operator", day), &key, &name("F")).await.unwrap();
    }
}
