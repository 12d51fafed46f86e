//! An installation with evaluators, whose measurements are made up: what is tested is who commits, reveals and counts.

use std::sync::Arc;

use bytes::Bytes;
use checkpoint::ObjectStorage;
use domain::{
    digest::Digest,
    evaluation::{EvaluatorKey, Report, ReportContext, acceptance::commitment, samples},
    name::Name,
    time::Timestamp,
};
use service::{
    Caller, PublishVersion, QuorumSetting, RegisterEvaluator, RequestRound, Reveal, Round, Scope,
    Service, ServiceError, Upload, Version, YankVersion,
};
use store::{Store, SuiteRow};

use crate::support;

const GRAPH: &[u8] = include_bytes!("../../../cli/demo/mlp/graph.onnx");
const CHECKPOINT: &[u8] = include_bytes!("../../../cli/demo/mlp/step-0010.safetensors");

const NEXT: &[u8] = include_bytes!("../../../cli/demo/mlp/step-0810.safetensors");

const THIRD: &[u8] = include_bytes!("../../../cli/demo/mlp/step-1600.safetensors");

pub(crate) const SUITE: &str = "fashion-mnist-4k.v1.e1";
pub(crate) const ITEMS: usize = 1_000;
/// Seconds to commit, and to reveal.
pub(crate) const COMMIT_MS: i64 = 60_000;
pub(crate) const REVEAL_MS: i64 = 30_000;

pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) service: Arc<Service>,
    pub(crate) version: Version,
}

/// What one evaluator measured.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Per mille of the usual times of the model.
    pub(crate) slower: u64,
    /// Right items.
    pub(crate) right: usize,
    /// Seed of the run, if not that of the seat.
    pub(crate) seed: Option<u64>,
}

pub(crate) const HONEST: Measured = Measured { slower: 1_000, right: 820, seed: None };

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn caller(login: &str, now: i64) -> Caller {
    let scopes = if login == "operator" { Scope::ALL.into() } else { [Scope::Publish].into() };
    Caller { owner: name(login), scopes, token_id: "t".to_owned(), models: None, now: at(now) }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The key of the evaluator `e0`, `e1` …
pub(crate) fn key(number: usize) -> EvaluatorKey {
    EvaluatorKey::from_secret(&[number as u8 + 1; 32])
}

impl World {
    /// A version of `lab/net`, and as many evaluators of weight 1 as owners are named.
    pub(crate) async fn new(quorum: u32, owners: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
        Self::over(folder, &url, quorum, owners).await
    }

    pub(crate) async fn over(
        folder: tempfile::TempDir,
        url: &str,
        quorum: u32,
        owners: &[&str],
    ) -> Self {
        let store = Store::connect(url).await.unwrap();
        migrations::run(store.connection()).await.unwrap();
        let address = folder.path().join("objects").display().to_string();
        let objects = ObjectStorage::open(&address, &folder.path().join("staging")).unwrap();
        let service = Arc::new(Service::new(store.clone(), objects));
        let version = publish(&service).await;
        let suite = support::suite(ITEMS as u64);
        let row = SuiteRow {
            id: SUITE.to_owned(),
            suite_id: suite.id.clone(),
            version: 1,
            epoch: 1,
            digest: format!("sha256:{}", support::context(&suite, &[]).suite_digest.hex()),
            manifest: manifest(),
            cases_digest: format!("sha256:{}", "0".repeat(64)),
            reference_checkpoint_digest: Some(format!("sha256:{}", "1".repeat(64))),
            reference_graph_digest: Some(format!("sha256:{}", "2".repeat(64))),
            registered_by: "operator".to_owned(),
            registered_at: 1,
        };
        let transaction = store.begin().await.unwrap();
        store::suite::insert(&transaction, row).await.unwrap();
        transaction.commit().await.unwrap();
        for (number, owner) in owners.iter().enumerate() {
            let input = RegisterEvaluator {
                name: name(&format!("e{number}")),
                owner: name(owner),
                public_key: key(number).public(),
                weight_ppb: 1_000_000_000,
            };
            let operator = caller("operator", 1);
            service.register_evaluator(&operator, &format!("e{number}"), &input).await.unwrap();
        }
        let setting = QuorumSetting {
            quorum,
            commit_seconds: COMMIT_MS as u64 / 1_000,
            reveal_seconds: REVEAL_MS as u64 / 1_000,
        };
        service.set_quorum(&caller("operator", 1), "quorum", &setting).await.unwrap();
        Self { _folder: folder, store, service, version }
    }

    /// Publishes the next version of the model, of other weights; all rounds from then on are of it.
    pub(crate) async fn publish_next(&mut self) {
        let (lab, model) = (caller("lab", 2), name("lab/net"));
        let checkpoint = send(&self.service, NEXT, Upload::Checkpoint).await;
        let graph = send(&self.service, GRAPH, Upload::Graph { checkpoint }).await;
        let input = PublishVersion { model, version: name("two"), checkpoint, graph };
        self.version = self.service.publish_version(&lab, "publish two", &input).await.unwrap();
    }

    /// Publishes one more and yanks it at once.
    pub(crate) async fn publish_and_yank(&self) {
        let (lab, model) = (caller("lab", 3), name("lab/net"));
        let checkpoint = send(&self.service, THIRD, Upload::Checkpoint).await;
        let graph = send(&self.service, GRAPH, Upload::Graph { checkpoint }).await;
        let version = name("three");
        let input =
            PublishVersion { model: model.clone(), version: version.clone(), checkpoint, graph };
        self.service.publish_version(&lab, "publish three", &input).await.unwrap();
        let input = YankVersion { model, version, reason: "a mistake".to_owned() };
        self.service.yank_version(&lab, "yank three", &input).await.unwrap();
    }

    pub(crate) async fn ask(&self, asked: &str, now: i64) -> Result<Round, ServiceError> {
        self.ask_as("lab", asked, false, now).await
    }

    pub(crate) async fn ask_as(
        &self,
        login: &str,
        asked: &str,
        trap: bool,
        now: i64,
    ) -> Result<Round, ServiceError> {
        let input = RequestRound {
            model: name("lab/net"),
            version: self.version.name.clone(),
            suite: SUITE.to_owned(),
            protocol: "quick".to_owned(),
            trap,
        };
        self.service.request_round(&caller(login, now), asked, &input).await
    }

    /// Asks for a round and has it drawn.
    pub(crate) async fn drawn(&self, asked: &str, now: i64) -> Round {
        let round = self.ask(asked, now).await.unwrap();
        self.advance(now).await;
        self.round(&round.id).await
    }

    pub(crate) async fn advance(&self, now: i64) {
        self.service.advance_rounds(at(now), [7; 32]).await.unwrap();
    }

    pub(crate) async fn round(&self, id: &str) -> Round {
        self.service.get_round(id).await.unwrap()
    }

    /// What the evaluator of a seat would reveal.
    pub(crate) async fn reveal_of(&self, round: &Round, seat: usize, measured: Measured) -> Reveal {
        let seat = &round.seats[seat];
        let number: usize = seat.evaluator.as_str()[1..].parse().unwrap();
        let job = self.service.get_job(&seat.job_id).await.unwrap();
        let right = support::first_right(measured.right, ITEMS);
        let mut model = support::subject("model", &right);
        (model.checkpoint, model.graph) = (self.version.checkpoint, self.version.graph);
        model.decisions = Digest::of(right.as_bytes());
        let reference = support::subject("reference", &support::first_right(800, ITEMS));
        let seed = measured.seed.unwrap_or(job.seed);
        let mut run = support::measurement(model, Some(reference), 3, seed);
        for round in &mut run.rounds {
            for ns in round.single_stream.model.iter_mut().chain(&mut round.offline.model) {
                *ns = *ns * measured.slower / 1_000;
            }
        }
        let (suite, counts) = (support::suite(ITEMS as u64), support::label_counts(ITEMS as u64));
        let context = ReportContext {
            evaluator: seat.evaluator.as_str(),
            ..support::context(&suite, &counts)
        };
        let report = Report::derive(&run, &context).unwrap();
        let digest = report.digest().unwrap();
        Reveal {
            body: report.to_canonical().unwrap(),
            samples: samples::to_blob(&run).unwrap(),
            salt: *Digest::of(seat.job_id.as_bytes()).as_bytes(),
            attestation: key(number).attest(digest, &seat.evaluator),
        }
    }

    pub(crate) async fn commit(
        &self,
        round: &Round,
        seat: usize,
        reveal: &Reveal,
        now: i64,
    ) -> Result<(), ServiceError> {
        let commitment = commitment_of(round, seat, reveal);
        self.service.commit_report(&round.seats[seat].job_id, commitment, at(now)).await
    }

    /// A whole round: everybody commits in the order of the seats, everybody reveals.
    pub(crate) async fn play(&self, asked: &str, runs: &[Measured], now: i64) -> Round {
        let round = self.drawn(asked, now).await;
        self.play_drawn(&round, runs, now).await
    }

    pub(crate) async fn play_drawn(&self, round: &Round, runs: &[Measured], now: i64) -> Round {
        assert_eq!(round.seats.len(), runs.len());
        let mut reveals = Vec::new();
        for (seat, measured) in runs.iter().enumerate() {
            reveals.push(self.reveal_of(round, seat, *measured).await);
            self.commit(round, seat, &reveals[seat], now + 1).await.unwrap();
        }
        self.advance(now + 2).await;
        for (seat, reveal) in reveals.iter().enumerate() {
            let job = &round.seats[seat].job_id;
            self.service.reveal_report(job, reveal, at(now + 3)).await.unwrap();
        }
        self.advance(now + 4).await;
        self.round(&round.id).await
    }

    pub(crate) async fn accepted_micro(&self) -> Option<i64> {
        let row = store::price_decision::latest(&self.store, &self.version.model_id).await;
        row.unwrap().and_then(|row| row.price_micro)
    }
}

pub(crate) fn commitment_of(round: &Round, seat: usize, reveal: &Reveal) -> Digest {
    let (number, evaluator) = (round.number.unsigned_abs(), round.seats[seat].evaluator.as_str());
    commitment(&round.suite, number, evaluator, &reveal.salt, reveal.attestation.report)
}

pub(crate) fn price_of(reveal: &Reveal) -> i64 {
    let report: Report = serde_json::from_str(&reveal.body).unwrap();
    report.price_micro.unwrap()
}

pub(crate) fn outcomes(round: &Round) -> Vec<&str> {
    round.seats.iter().map(|seat| seat.outcome.as_deref().unwrap_or("none")).collect()
}

fn manifest() -> String {
    let digest = Digest::of(b"reference").hex();
    format!(
        "id = \"fashion-mnist-4k\"\nversion = 1\ntask = \"classification\"\nmetric = \"accuracy\"\nchance = 0.104\n\
         items = {ITEMS}\nlicence = \"MIT\"\nsource = \"made up\"\n[output]\nname = \"logits\"\n[labels]\ntarget = \"label\"\n\
         [reference]\ndigest = \"sha256:{digest}\"\n"
    )
}

async fn publish(service: &Service) -> Version {
    let lab = caller("lab", 1);
    let model = name("lab/net");
    service.create_model_as(&lab, "create", &model, false).await.unwrap();
    let checkpoint = send(service, CHECKPOINT, Upload::Checkpoint).await;
    let graph = send(service, GRAPH, Upload::Graph { checkpoint }).await;
    let input = PublishVersion { model, version: name("one"), checkpoint, graph };
    service.publish_version(&lab, "publish", &input).await.unwrap()
}

async fn send(service: &Service, bytes: &[u8], kind: Upload) -> Digest {
    let pieces: Vec<_> =
        bytes.chunks(100_000).map(|p| Ok::<_, String>(Bytes::copy_from_slice(p))).collect();
    let (digest, length) = (Digest::of(bytes), Some(bytes.len() as u64));
    let stream = futures::stream::iter(pieces);
    service.upload(&caller("lab", 1), digest, length, kind, stream).await.unwrap().digest
}
