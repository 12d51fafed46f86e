//! Attacks of EVALUATION 6 that need no inference, each with what it earns: nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod support;

use std::path::Path;

use domain::{
    checkpoint::Header,
    digest::Digest,
    evaluation::{
        Breaker, Evidence, Measurement, PriceState, Report, ReportContext, decide,
        similarity::{Logits, Prior, Sketch, fee_share, logit_correlation, score},
        statistics::SplitMix64,
    },
};

use crate::support::{context, first_right, label_counts, measurement, subject, suite};

const ITEMS: usize = 1_000;
const PROBES: usize = 300;
const CLASSES: usize = 10;

/// Two layers of the demo's mlp: `[in, hidden]`, `[hidden]`, `[hidden, out]`, `[out]`, row-major.
#[derive(Clone)]
struct Net {
    w1: Vec<f64>,
    b1: Vec<f64>,
    w2: Vec<f64>,
    b2: Vec<f64>,
}

fn tensor(bytes: &[u8], name: &str) -> Vec<f64> {
    let header = Header::parse(bytes, Some(bytes.len() as u64)).unwrap();
    let found = header.find_tensor(name).unwrap();
    let data = header.data_offset() as usize;
    let bytes = &bytes[data + found.begin as usize..data + found.end as usize];
    let float = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    bytes.chunks_exact(4).map(float).collect()
}

fn demo(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/demo").join(path)).unwrap()
}

impl Net {
    fn read(step: u32) -> Self {
        let bytes = demo(&format!("mlp/step-{step:04}.safetensors"));
        let [w1, b1, w2, b2] =
            ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"].map(|name| tensor(&bytes, name));
        Self { w1, b1, w2, b2 }
    }

    fn hidden(&self) -> usize {
        self.b1.len()
    }

    /// Every number changed by `change`, which gets the place too.
    fn map(&self, mut change: impl FnMut(f64) -> f64) -> Self {
        let mut all = |values: &[f64]| values.iter().map(|v| change(*v)).collect();
        Self { w1: all(&self.w1), b1: all(&self.b1), w2: all(&self.w2), b2: all(&self.b2) }
    }

    /// Hidden neuron `k` becomes `order[k]`, its inputs times `factor`, its outputs divided by it.
    fn rewired(&self, order: &[usize], factor: impl Fn(usize) -> f64) -> Self {
        let (h, inputs) = (self.hidden(), self.w1.len() / self.hidden());
        let mut net = self.clone();
        for (k, from) in order.iter().enumerate() {
            for i in 0..inputs {
                net.w1[i * h + k] = self.w1[i * h + from] * factor(k);
            }
            net.b1[k] = self.b1[*from] * factor(k);
            for o in 0..CLASSES {
                net.w2[k * CLASSES + o] = self.w2[from * CLASSES + o] / factor(k);
            }
        }
        net
    }

    /// Logits of the probes; `linear` leaves the ReLU out.
    fn logits(&self, probes: &[Vec<f64>], linear: bool) -> Vec<f64> {
        let h = self.hidden();
        let one = |x: &Vec<f64>| {
            let mut hidden = self.b1.clone();
            for (i, value) in x.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                let row = &self.w1[i * h..(i + 1) * h];
                hidden.iter_mut().zip(row).for_each(|(sum, w)| *sum += value * w);
            }
            let mut out = self.b2.clone();
            for (k, value) in hidden.iter().enumerate() {
                let value = if linear { *value } else { value.max(0.0) };
                let row = &self.w2[k * CLASSES..(k + 1) * CLASSES];
                out.iter_mut().zip(row).for_each(|(sum, w)| *sum += value * w);
            }
            out
        };
        probes.iter().flat_map(one).collect()
    }

    fn sketch_agreement(&self, other: &Self) -> f64 {
        // By elements: the one large tensor says nearly all.
        let pairs = [(&self.w1, &other.w1), (&self.w2, &other.w2)];
        let weight = |values: &[f64]| values.len() as f64;
        let agreement = |(a, b): &(&Vec<f64>, &Vec<f64>)| {
            let sketch = |values: &[f64]| Sketch::of(values.iter().copied());
            weight(a) * sketch(a).agreement(&sketch(b))
        };
        pairs.iter().map(agreement).sum::<f64>() / pairs.iter().map(|(a, _)| weight(a)).sum::<f64>()
    }
}

fn probes() -> Vec<Vec<f64>> {
    let bytes = demo("suite/cases.safetensors");
    let header = Header::parse(&bytes, Some(bytes.len() as u64)).unwrap();
    let images = header.find_tensor("input.image").unwrap();
    let start = header.data_offset() as usize + images.begin as usize;
    let pixels = bytes[start..].chunks_exact(784).take(PROBES);
    pixels.map(|image| image.iter().map(|p| f64::from(*p) / 255.0).collect()).collect()
}

fn unit(random: &mut SplitMix64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(random: &mut SplitMix64) -> f64 {
    let (u, v) = (1.0 - unit(random), unit(random));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn same_logits(a: &Net, b: &Net, probes: &[Vec<f64>], linear: bool) -> f64 {
    let (x, y) = (a.logits(probes, linear), b.logits(probes, linear));
    let logits = |values| Logits { values, classes: CLASSES };
    logit_correlation(logits(&x), logits(&y)).unwrap()
}

/// What a publisher earns fees on, of a copy at the price of its original.
fn earns(similarity: f64) -> f64 {
    fee_share(100.0, &[Prior { similarity, price: 100.0 }], 0.02)
}

/// Proves that a copy by cast, by noise, by permutation, by rescaling and by both is found by what it answers or by its weights, and
/// earns fees on nothing; and that an independent architecture is not found and earns on its whole price.
#[test]
fn disguised_copies_earn_nothing() {
    let (original, probes) = (Net::read(1600), probes());
    let mut random = SplitMix64::new(1);
    let spread = |net: &Net| {
        let squares = net.w1.iter().map(|w| w * w).sum::<f64>();
        (squares / net.w1.len() as f64).sqrt()
    };
    let scale = spread(&original);
    let mut order: Vec<usize> = (0..original.hidden()).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    let plain: Vec<usize> = (0..original.hidden()).collect();
    let halves = |v: f64| f64::from(f32::from_bits((v as f32).to_bits() & 0xffff_e000));
    let rescale = |k: usize| 0.3 + 0.05 * k as f64;
    let copies = [
        ("cast", original.map(halves)),
        ("noise of 1 %", original.map(|v| v + 0.01 * scale * normal(&mut random))),
        ("permuted", original.rewired(&order, |_| 1.0)),
        ("rescaled", original.rewired(&plain, rescale)),
        ("both", original.rewired(&order, rescale)),
    ];
    for (name, copy) in &copies {
        let sketches = original.sketch_agreement(copy);
        let logits = same_logits(&original, copy, &probes, false);
        let similarity = score(Some(sketches), None, Some(logits));
        assert!(similarity >= 0.95, "{name}: {similarity}, sketches {sketches}, logits {logits}");
        assert_eq!(earns(similarity), 0.0, "{name}");
    }
    // A permutation hides the weights from sketches, and only the answers tell.
    assert!(original.sketch_agreement(&copies[2].1) < 0.65);
    let strong_noise = original.map(|v| v + 0.1 * scale * normal(&mut random));
    let similarity = score(Some(original.sketch_agreement(&strong_noise)), None, None);
    assert_eq!(earns(similarity), 0.0, "noise of 10 %: {similarity}");
    let stranger = Net {
        w1: (0..original.w1.len()).map(|_| scale * normal(&mut random)).collect(),
        ..original.clone()
    };
    let similarity = score(
        Some(original.sketch_agreement(&stranger)),
        None,
        Some(same_logits(&original, &stranger, &probes, false)),
    );
    assert!(similarity < 0.3, "{similarity}");
    assert_eq!(earns(similarity), 100.0);
}

/// Proves that a rotation of a hidden basis, which keeps every answer and changes every weight, is found by the answers.
#[test]
fn a_rotation_earns_nothing() {
    let (original, probes) = (Net::read(1600), probes());
    let h = original.hidden();
    let mut random = SplitMix64::new(5);
    let mut rotated = original.clone();
    // Planes in turn: a product of many rotations of two neurons each.
    for _ in 0..20 * h {
        let (a, b) = (random.below(h as u64) as usize, random.below(h as u64) as usize);
        if a == b {
            continue;
        }
        let (sin, cos) = (std::f64::consts::TAU * unit(&mut random)).sin_cos();
        let turn = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
        for i in 0..rotated.w1.len() / h {
            (rotated.w1[i * h + a], rotated.w1[i * h + b]) =
                turn(rotated.w1[i * h + a], rotated.w1[i * h + b]);
        }
        (rotated.b1[a], rotated.b1[b]) = turn(rotated.b1[a], rotated.b1[b]);
        for o in 0..CLASSES {
            (rotated.w2[a * CLASSES + o], rotated.w2[b * CLASSES + o]) =
                turn(rotated.w2[a * CLASSES + o], rotated.w2[b * CLASSES + o]);
        }
    }
    // Without its ReLU the net is one whose hidden basis may be turned.
    let logits = same_logits(&original, &rotated, &probes, true);
    let sketches = original.sketch_agreement(&rotated);
    assert!(sketches < 0.75, "{sketches}");
    let similarity = score(Some(sketches), None, Some(logits));
    assert_eq!((similarity, earns(similarity)), (1.0, 0.0), "{logits}");
}

/// Proves that training somebody else's checkpoint further earns on what is significantly better, and on nothing if nothing is.
#[test]
fn a_fine_tune_earns_its_improvement_alone() {
    let (early, late) = (Net::read(810), Net::read(1600));
    let similarity = score(Some(early.sketch_agreement(&late)), None, None);
    assert!((0.5..1.0).contains(&similarity), "{similarity}");
    let fee = |price: f64| fee_share(price, &[Prior { similarity, price: 104.0 }], 0.02);
    let whole = fee_share(110.0, &[Prior { similarity: 1.0, price: 104.0 }], 0.02);
    assert_eq!(whole, 0.0, "6 % is within three errors of 2 %");
    assert!(fee(104.0) < 104.0 * (1.0 - (similarity - 0.5) / 0.5) + 1e-9);
    // Clones of one another: the first earns, all others nothing, however many.
    let clones = (0..9).map(|k| {
        let priors = vec![Prior { similarity: 1.0, price: 100.0 }; k];
        fee_share(100.0, &priors, 0.01)
    });
    assert_eq!(clones.sum::<f64>(), 100.0);
}

/// A model with `right` right items on an epoch, at the reference's own speed.
fn report(version: &str, right: usize, epoch: u32) -> (Report, String) {
    let letters = first_right(right, ITEMS);
    let reference = subject("reference", &("0".repeat(200) + &"1".repeat(800)));
    let mut measured: Measurement = measurement(subject(version, &letters), Some(reference), 3, 1);
    for round in &mut measured.rounds {
        round.single_stream.model.clone_from(&round.single_stream.reference);
        round.offline.model.clone_from(&round.offline.reference);
    }
    let mut suite = suite(ITEMS as u64);
    suite.epoch = epoch;
    let counts = label_counts(ITEMS as u64);
    let suite_digest = Digest::of(&epoch.to_le_bytes());
    let context = ReportContext { suite_digest, ..context(&suite, &counts) };
    (Report::derive(&measured, &context).unwrap(), letters)
}

/// Proves that publishing 100 variants and keeping the luckiest earns nothing that lasts: fresh epochs bring the price back to that of an
/// honest model, within the error of one epoch; and that the first price was not.
#[test]
fn the_best_of_a_hundred_falls_back() {
    let mut random = SplitMix64::new(11);
    let mut draw = || (0..ITEMS).filter(|_| unit(&mut random) < 0.8).count();
    let best = (0..100).map(|_| draw()).max().unwrap();
    let price = |versions: &[(u32, usize)]| {
        let mut state = None::<PriceState>;
        for (epoch, right) in versions {
            let (report, right) = report("v", *right, *epoch);
            let evidence = Evidence { report: &report, right: &right, influence: &[] };
            let breaker =
                Breaker { re_evaluation_ppb: 10_000_000_000, new_version_ppb: 10_000_000_000 };
            state = decide(state.as_ref(), evidence, &breaker).unwrap().state;
        }
        state.unwrap().price_micro as f64
    };
    let honest = price(&[(1, 800)]);
    let sigma = report("v", 800, 1).0.sigma_items.unwrap();
    let lucky = price(&[(1, best)]) / honest;
    assert!(lucky.ln() > 1.5 * sigma, "{lucky}: a hundred tries were no luck at all");
    let mut epochs = vec![(1, best)];
    epochs.extend((2..=25).map(|epoch| (epoch, draw())));
    let later = price(&epochs) / honest;
    assert!(later.ln() < 0.5 * sigma, "{later} against {lucky}, sigma {sigma}");
}

/// Proves that a model which answers always the same is worth nothing, however fast it is, also on a suite where the reference is weak.
#[test]
fn a_constant_model_is_worth_nothing() {
    let chance = 0.104;
    for reference in [300, 500, 823] {
        let letters = first_right((chance * ITEMS as f64) as usize, ITEMS);
        let reference = subject("reference", &first_right(reference, ITEMS));
        let mut measured = measurement(subject("constant", &letters), Some(reference), 3, 1);
        for round in &mut measured.rounds {
            let fast =
                |times: &mut Vec<u64>| times.iter_mut().for_each(|ns| *ns = 1 + *ns / 1_000_000);
            fast(&mut round.single_stream.model);
            fast(&mut round.offline.model);
        }
        let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
        let report = Report::derive(&measured, &context(&suite, &counts)).unwrap();
        assert_eq!(report.price_micro, Some(0), "{:?}", report.suite.q_ref);
    }
}

/// Proves that microseconds are worth nothing where a request takes a millisecond: 10 µs against 20 µs is under 1 % of price.
#[test]
fn microseconds_are_worth_nothing() {
    let price = |ns: u64| {
        let reference = subject("reference", &first_right(800, ITEMS));
        let model = subject("quick", &first_right(820, ITEMS));
        let mut measured = measurement(model, Some(reference), 3, 1);
        for (number, round) in measured.rounds.iter_mut().enumerate() {
            round.single_stream.model.iter_mut().for_each(|time| *time = ns + number as u64);
            // Ten items a batch.
            round.offline.model.iter_mut().for_each(|time| *time = 10 * ns + number as u64);
        }
        let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
        Report::derive(&measured, &context(&suite, &counts)).unwrap().price_micro.unwrap() as f64
    };
    let gain = price(10_000) / price(20_000) - 1.0;
    assert!(gain > 0.0 && gain < 0.01, "{gain}");
}
