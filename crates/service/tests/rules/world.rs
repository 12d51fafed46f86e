//! A fund over two models whose prices are rows, in a database of its own.

use std::sync::atomic::{AtomicI64, Ordering};

use domain::amount::{Cash, Shares};
use service::{AdmitModel, Service};
use store::{PriceDecisionRow, Store};

pub(crate) use crate::market::{caller, name};
use crate::market::{price, service};

pub(crate) const DAY: i64 = 86_400_000;

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
        let service = service(store.clone(), folder.path());
        let world = Self { _folder: folder, store, service, keys: AtomicI64::new(0) };
        price(&world.store).await;
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

    pub(crate) fn key(&self) -> String {
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
