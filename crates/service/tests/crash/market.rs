//! A fund over two models whose prices are rows: what is tested is the ledger between two strikes, not how prices come about.

use std::path::Path;

use checkpoint::ObjectStorage;
use domain::{
    amount::{Cash, PriceNano, Shares, Units},
    digest::Digest,
    fund::{Asset, Bid, BidSide, bid_commitment},
    name::Name,
    time::Timestamp,
};
use service::{
    AdmitModel, Caller, OpenBids, PlaceWindowRequest, RedeemInKind, Scope, SealBids, Service,
    ServiceError, TransferAsset,
};
use store::{
    AliasMoveRow, ModelRow, ObjectKind, ObjectRow, PriceDecisionRow, ReportRow, Store, VersionRow,
};

pub(crate) const MODELS: [&str; 2] = ["lab/a", "lab/b"];
const METHODOLOGY: &str = include_str!("../../../cli/demo/methodology.json");
const DAY: i64 = 86_400_000;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn caller(login: &str, day: i64) -> Caller {
    let now = Timestamp::from_millis(day * DAY + 1);
    let scopes = Scope::ALL.into();
    Caller { owner: name(login), scopes, token_id: "t".to_owned(), models: None, now }
}

/// A service over a database, with objects that nobody asks for.
pub(crate) fn service(store: Store, folder: &Path) -> Service {
    let address = folder.join("objects").display().to_string();
    let objects = ObjectStorage::open(&address, &folder.join("staging")).unwrap();
    Service::new(store, objects)
}

/// Models with a version, a report and an accepted price each.
pub(crate) async fn price(store: &Store) {
    let transaction = store.begin().await.unwrap();
    for (digest, kind) in [("checkpoint", ObjectKind::Checkpoint), ("graph", ObjectKind::Graph)] {
        let row = ObjectRow {
            digest: digest.into(),
            kind,
            bytes: 10,
            uploaded_by: "lab".into(),
            created_at: 1,
        };
        store::stored_object::insert(&transaction, row).await.unwrap();
    }
    for model in MODELS {
        let id = model.replace('/', "-");
        let (version, report) = (format!("{id}-1"), format!("report-{id}"));
        let row =
            ModelRow { id: id.clone(), name: model.into(), publisher: "lab".into(), created_at: 1 };
        store::registered_model::insert(&transaction, row).await.unwrap();
        let row = VersionRow {
            id: version.clone(),
            model_id: id.clone(),
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
            model_id: id.clone(),
            alias: "listed".into(),
            seq: 1,
            version_id: version.clone(),
            moved_by: "lab".into(),
            reason: "first".into(),
            moved_at: 1,
        };
        store::alias_move::insert(&transaction, row).await.unwrap();
        let row = ReportRow {
            digest: report.clone(),
            version_id: version.clone(),
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
        decide(&transaction, &id, 1, "ADMITTED", 90_000_000).await;
    }
    transaction.commit().await.unwrap();
}

/// One more decision on a model's price.
pub(crate) async fn decide(
    transaction: &store::StoreTransaction,
    id: &str,
    seq: i64,
    status: &str,
    price_micro: i64,
) {
    let row = PriceDecisionRow {
        model_id: id.into(),
        seq,
        version_id: format!("{id}-1"),
        report_digest: format!("report-{id}"),
        status: status.into(),
        price_micro: Some(price_micro),
        est_micro: Some(price_micro + 1_000),
        previous_micro: None,
        sigma_ln: "0.01".into(),
        sigma_delta: None,
        band_ln: None,
        record: "null".into(),
        decided_at: seq,
    };
    store::price_decision::insert(transaction, row).await.unwrap();
}

/// What one party asks for; every step has its own key, so a repetition is one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Deposit(&'static str, i64),
    CreateFund,
    Admit(usize),
    Seed(i64),
    Subscribe(&'static str, i64),
    Redeem(&'static str, i64),
    /// Takes back the order that the step of this number placed.
    Cancel(&'static str, usize),
    InKind(&'static str, i64),
    /// A request at the instant window, which the next strike pays.
    Window(&'static str, i64),
    Give(&'static str, &'static str, i64),
    Claim(&'static str),
    Strike(i64),
    Rebalance(i64),
    /// Another fund, whose rebalances trade with sealed bids.
    CreateAuction,
    AdmitAuction(usize),
    SeedAuction(i64),
    Seal(&'static str, i64),
    CallBids(i64),
    OpenBids(&'static str),
    StrikeAuction(i64),
    RebalanceAuction(i64),
}

/// The demo's rules with an auction.
fn auction_rules() -> String {
    let mut rules: serde_json::Value = serde_json::from_str(METHODOLOGY).unwrap();
    rules["auction"] = serde_json::json!({
        "band": 10_000_000, "deposit": 20_000_000, "minimum": 1_000_000, "opening_days": 1,
    });
    rules["levy_in_ppb"] = 10_000_000.into();
    rules["counterparties"] = serde_json::json!([]);
    rules.to_string()
}

/// What everybody seals: a little of the first model, at the mark.
fn bids() -> Vec<Bid> {
    let (limit, units) = (PriceNano::from_nano(90_000_000_000), Units::from_micro(1_000_000));
    vec![Bid { limit, model: name(MODELS[0]), side: BidSide::Buys, units }]
}

/// The demo's rules with an instant window.
fn with_window() -> String {
    let window = "\"window\": { \"budget\": 250000000, \"levy_out\": 5000000 }, \"quorum\"";
    METHODOLOGY.replacen("\"quorum\"", window, 1)
}

/// Does a step; the number that it told, where it tells one.
pub(crate) async fn run(
    service: &Service,
    number: usize,
    step: Step,
    told: &[i64],
) -> Result<i64, ServiceError> {
    let (fund, key) = (name("F"), format!("step {number}"));
    let operator = caller("operator", 1);
    match step {
        Step::Deposit(who, amount) => service
            .deposit_cash(&operator, &key, &name(who), Cash::from_micro(amount))
            .await
            .map(|_| 0),
        Step::CreateFund => {
            service.create_fund(&operator, &key, &fund, &with_window()).await.map(|_| 0)
        }
        Step::Admit(model) => {
            let (model, bond) = (name(MODELS[model]), Cash::from_micro(100_000_000));
            let input = AdmitModel { fund, model, bond };
            service.admit_model(&operator, &key, &input).await.map(|_| 0)
        }
        Step::Seed(amount) => {
            let amount = Cash::from_micro(amount);
            service.seed_fund(&operator, &key, &fund, &name("operator"), amount).await.map(|_| 0)
        }
        Step::Subscribe(who, amount) => {
            let amount = Cash::from_micro(amount);
            service.place_subscription(&caller(who, 1), &key, &fund, amount).await
        }
        Step::Redeem(who, shares) => {
            let shares = Shares::from_nano(shares);
            service.place_redemption(&caller(who, 1), &key, &fund, shares).await
        }
        Step::Cancel(who, placed) => {
            service.cancel_order(&caller(who, 1), &key, told[placed]).await
        }
        Step::InKind(who, shares) => {
            let shares = Shares::from_nano(shares);
            let input = RedeemInKind { fund, shares, skip: Vec::new() };
            let received = service.redeem_in_kind(&caller(who, 1), &key, &input).await;
            received.map(|received| received.event)
        }
        Step::Window(who, shares) => {
            let shares = Shares::from_nano(shares);
            let input = PlaceWindowRequest { fund, shares, least: None };
            service.place_window_request(&caller(who, 1), &key, &input).await
        }
        Step::Give(who, to, amount) => {
            let input = TransferAsset { to: name(to), asset: Asset::Cash, amount };
            service.transfer_asset(&caller(who, 1), &key, &input).await.map(|_| 0)
        }
        Step::Claim(who) => service.claim_cash(&caller(who, 1), &key).await.map(|_| 0),
        Step::Strike(day) => {
            service.strike_fund(&caller("operator", day), &key, &fund, false).await
        }
        Step::Rebalance(day) => {
            let done = service.rebalance_fund(&caller("operator", day), &key, &fund).await;
            done.map(|done| done.level_nano)
        }
        _ => bid(service, &key, step).await,
    }
}

/// Does a step of the fund whose rebalances trade with sealed bids.
async fn bid(service: &Service, key: &str, step: Step) -> Result<i64, ServiceError> {
    let operator = caller("operator", 1);
    match step {
        Step::CreateAuction => {
            service.create_fund(&operator, key, &name("G"), &auction_rules()).await.map(|_| 0)
        }
        Step::AdmitAuction(model) => {
            let (model, bond) = (name(MODELS[model]), Cash::from_micro(1_000_000));
            let input = AdmitModel { fund: name("G"), model, bond };
            service.admit_model(&operator, key, &input).await.map(|_| 0)
        }
        Step::SeedAuction(amount) => {
            let (who, amount) = (name("operator"), Cash::from_micro(amount));
            service.seed_fund(&operator, key, &name("G"), &who, amount).await.map(|_| 0)
        }
        Step::Seal(who, budget) => {
            let (fund, who, salt) = (name("G"), caller(who, 1), Digest::of(b"salt"));
            let commitment = bid_commitment(&fund, &who.owner, &salt, &bids());
            let input = SealBids { fund, budget: Cash::from_micro(budget), commitment };
            service.seal_bids(&who, key, &input).await.map(|_| 0)
        }
        Step::OpenBids(who) => {
            let input = OpenBids { fund: name("G"), bids: bids(), salt: Digest::of(b"salt") };
            service.open_bids(&caller(who, 1), key, &input).await.map(|_| 0)
        }
        Step::CallBids(day) => service.call_bids(&caller("operator", day), key, &name("G")).await,
        Step::StrikeAuction(day) => {
            service.strike_fund(&caller("operator", day), key, &name("G"), false).await
        }
        Step::RebalanceAuction(day) => {
            let caller = caller("operator", day);
            let done = service.rebalance_fund(&caller, key, &name("G")).await;
            done.map(|done| done.level_nano)
        }
        _ => unreachable!("{step:?} is no step of an auction"),
    }
}
