//! The protocol of EVALUATION 4 as pure rules: which rounds count, when they end, what makes a run void, what enters its error.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod support;

use domain::evaluation::{
    Apart, EnergyBlock, EnergyPair, GpuRound, GpuState, Interrupted, Measurement, NoPrice, Report,
    ReportError, Sweep, SweepPoint, report::wants_round, samples,
};

use crate::support::{context, first_right, label_counts, measurement, subject, suite};

const ITEMS: u64 = 4_000;

fn usual(rounds: u32) -> Measurement {
    let model = subject("model", &first_right(3_400, ITEMS as usize));
    let reference = subject("reference", &first_right(3_300, ITEMS as usize));
    measurement(model, Some(reference), rounds, 7)
}

fn derive(measured: &Measurement) -> Result<Report, ReportError> {
    Report::derive(measured, &context(&suite(ITEMS), &label_counts(ITEMS)))
}

fn void_reasons(measured: &Measurement) -> String {
    let report = derive(measured).unwrap();
    assert_eq!(report.no_price, (!report.void_reasons.is_empty()).then_some(NoPrice::Void));
    report.void_reasons.join("; ")
}

/// Proves that the noise of peak memory enters σ_cost when several children a side tell it, by the figure of the formula
/// γ·α·sd/√n, and that one child a side gives what it gave before.
#[test]
fn memory_noise_enters_the_error() {
    let before = derive(&usual(3)).unwrap();
    let mut measured = usual(3);
    measured.model.peaks = vec![50_000_000, 51_000_000, 49_000_000, 50_500_000];
    measured.reference.as_mut().unwrap().peaks = vec![50_000_000; 4];
    let report = derive(&measured).unwrap();
    let cost = report.cost.as_ref().unwrap();
    let logs: Vec<f64> = measured.model.peaks.iter().map(|p| (*p as f64 / 5e7).ln()).collect();
    let mean = logs.iter().sum::<f64>() / 4.0;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / 3.0;
    assert!((cost.se_ln.memory - (variance / 4.0).sqrt()).abs() < 1e-15);
    assert!((cost.ratios.memory.ln() - mean).abs() < 1e-15);
    assert_eq!(before.cost.as_ref().unwrap().se_ln.memory, 0.0);
    assert!(report.sigma_cost > before.sigma_cost);
}

/// Proves that each side is timed in its fastest size, an item's share of its batch, and that equal sizes prefer the smaller.
#[test]
fn the_fastest_size_is_priced() {
    let point = |items, ns| SweepPoint { items, times: vec![ns, ns + 2, ns + 1] };
    let mut measured = usual(3);
    measured.protocol.sweep = vec![1, 8, 32];
    measured.sweep = Some(Sweep {
        model: vec![point(1, 100), point(8, 400), point(32, 3_000)],
        reference: vec![point(1, 99), point(8, 800), point(32, 3_231)],
    });
    let report = derive(&measured).unwrap();
    let cost = report.cost.as_ref().unwrap();
    assert_eq!(cost.batch_items, Some([8, 1]));
    let times = report.times.unwrap();
    let before = derive(&usual(3)).unwrap().times.unwrap();
    assert!((times.model_offline_ms / before.model_offline_ms - 10.0 / 8.0).abs() < 1e-12);
    let both = times.reference_offline_ms.unwrap() / before.reference_offline_ms.unwrap();
    assert!((both - 10.0).abs() < 1e-12);
}

/// Proves that draws which the scheduler broke into are left out, and that all of them stay where fewer than half are clean.
#[test]
fn interrupted_draws_are_left_out() {
    let clean = derive(&usual(3)).unwrap();
    let mut measured = usual(3);
    for round in &mut measured.rounds {
        // Every tenth triple takes ten times as long on the model's side: p90 would be one of them.
        let slow = |k: usize| k.is_multiple_of(8);
        for (k, ns) in round.single_stream.model.iter_mut().enumerate() {
            *ns *= if slow(k) { 10_000 } else { 1 };
        }
        round.interrupted = Some(Interrupted {
            single_stream: (0..100).map(|k| if slow(k) { '1' } else { '0' }).collect(),
            offline: "0".repeat(20),
        });
    }
    let latency = |report: &Report| report.cost.as_ref().unwrap().ratios.latency;
    let kept = derive(&measured).unwrap();
    assert!((latency(&kept) / latency(&clean)).ln().abs() < 0.01, "{}", latency(&kept));
    for round in &mut measured.rounds {
        round.interrupted.as_mut().unwrap().single_stream = "1".repeat(51) + &"0".repeat(49);
    }
    assert!(latency(&derive(&measured).unwrap()) > 10.0 * latency(&clean));
    measured.rounds[1].interrupted.as_mut().unwrap().offline.pop();
    let error = derive(&measured).unwrap_err().to_string();
    assert!(error.contains("rounds[1].interrupted.offline: 19 marks for 20 draws"), "{error}");
}

/// Proves that rounds end when both intervals are narrow at a declared look, go on to the most otherwise, and that a run with
/// fewer or more rounds than the rule gives is refused: nobody stops on luck.
#[test]
fn rounds_end_when_they_are_precise() {
    let plan = |rounds: u32, noise: f64| {
        let mut measured = usual(rounds);
        (measured.protocol.rounds, measured.protocol.rounds_max) = (16, Some(64));
        for (k, round) in measured.rounds.iter_mut().enumerate() {
            let factor = if k % 2 == 0 { 1.0 + noise } else { 1.0 };
            for ns in &mut round.offline.model {
                *ns = (*ns as f64 * 1e3 * factor) as u64;
            }
        }
        measured
    };
    assert!(wants_round(&plan(15, 0.0), 1.0));
    assert!(!wants_round(&plan(16, 0.0), 1.0));
    assert!(derive(&plan(16, 0.0)).is_ok());
    // Half of the rounds 30 % slower: ±7 % at 16 rounds, ±3.5 % at 64.
    assert!(wants_round(&plan(16, 0.3), 1.0) && wants_round(&plan(63, 0.3), 1.0));
    assert!(!wants_round(&plan(64, 0.3), 1.0));
    assert!(derive(&plan(64, 0.3)).is_ok());
    for (rounds, noise, says) in [
        (15, 0.0, "15 measured, 16 to 64 planned"),
        (24, 0.0, "24 measured; 16 were precise enough"),
        (17, 0.3, "17 measured; the plan wants more"),
        (65, 0.3, "65 measured, 16 to 64 planned"),
    ] {
        let error = derive(&plan(rounds, noise)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// Proves that a model which answers otherwise when it is timed, or remembers its answers, is void by name, and within the limits
/// is not.
#[test]
fn a_model_that_knows_when_it_is_timed_is_void() {
    let with = |apart: Apart| {
        let mut measured = usual(3);
        measured.rounds[1].apart = Some(apart);
        void_reasons(&measured)
    };
    assert_eq!(with(Apart { single_stream_ppm: 50_000, offline_ppm: 50_000 }), "");
    let says = with(Apart { single_stream_ppm: 1_000_000, offline_ppm: 0 });
    assert_eq!(
        says,
        "outputs of timed single calls lie 100.00 % from the scored ones; at most 5 %"
    );
    let says = with(Apart { single_stream_ppm: 0, offline_ppm: 50_001 });
    assert!(says.contains("offline batches lie 5.00 %"), "{says}");
    let repeated = |share: f64| {
        let mut measured = usual(3);
        for round in &mut measured.rounds {
            for ns in &mut round.single_stream.model {
                *ns *= 1_000;
            }
            let times = round.single_stream.model.iter();
            round.repeated = Some(times.map(|ns| (*ns as f64 * share) as u64).collect());
        }
        void_reasons(&measured)
    };
    assert_eq!(repeated(0.95), "");
    assert!(repeated(0.5).contains("one input again and again takes 0.5"), "{}", repeated(0.5));
}

fn gpu(clock: u32, reasons: &[&str], processes: u32) -> GpuState {
    GpuState {
        sm_clock_mhz: Some(clock),
        memory_clock_mhz: None,
        temperature_celsius: None,
        energy_mj: None,
        throttle_reasons: Some(reasons.iter().map(|r| (*r).to_owned()).collect()),
        processes: Some(processes),
    }
}

/// Proves that a round on a slowed, shared or failing GPU counts for nothing and is named, that the run goes on without it, and
/// that a run which lost more than half of its rounds is void.
#[test]
fn rounds_on_a_disturbed_gpu_do_not_count() {
    let fine = || gpu(1_900, &["gpu_idle"], 1);
    let cases = [
        (gpu(1_900, &["sw_thermal_slowdown"], 1), fine(), 0, "slowed by sw_thermal_slowdown"),
        (fine(), gpu(1_900, &[], 2), 0, "2 processes computed"),
        (gpu(1_500, &[], 1), fine(), 0, "the model at 1500 MHz and the reference at 1900 MHz"),
        (fine(), fine(), 3, "3 memory errors"),
    ];
    for (model, reference, errors, says) in cases {
        let state = GpuRound { model, reference: Some(reference), ecc_errors: Some(errors) };
        let with = |count: usize| {
            let mut measured = usual(4);
            for round in &mut measured.rounds[..count] {
                round.gpu = Some(state.clone());
            }
            measured
        };
        let cost = derive(&with(1)).unwrap().cost.unwrap();
        assert_eq!((cost.rounds.len(), cost.dropped.len()), (3, 1));
        assert!(cost.dropped[0].starts_with("round 0: "), "{:?}", cost.dropped);
        assert!(cost.dropped[0].contains(says), "{:?}", cost.dropped);
        assert!(void_reasons(&with(3)).contains("round 2: "));
    }
    let mut measured = usual(4);
    let quiet = GpuRound { model: fine(), reference: Some(fine()), ecc_errors: Some(0) };
    measured.rounds[0].gpu = Some(quiet);
    assert_eq!(derive(&measured).unwrap().cost.unwrap().dropped, Vec::<String>::new());
}

/// Proves that energy enters the cost index by its ratio for an item and its own error, and that time gives up the weight it held
/// for it.
#[test]
fn energy_enters_the_cost() {
    let block = |millijoules, items| EnergyBlock { millijoules, items, milliseconds: 5_000 };
    let mut measured = usual(3);
    measured.energy = [2_000, 2_100, 1_900]
        .map(|mj| EnergyPair { model: block(mj, 100), reference: block(1_000, 200) })
        .to_vec();
    let report = derive(&measured).unwrap();
    let cost = report.cost.clone().unwrap();
    let energy = cost.ratios.energy.unwrap();
    assert!((energy - (4.0 * 4.2 * 3.8f64).cbrt()).abs() < 1e-12, "{energy}");
    assert!(cost.se_ln.energy.unwrap() > 0.0);
    let without = derive(&usual(3)).unwrap();
    let time = without.cost.unwrap().ratios.time;
    let expected = without.cost_index.unwrap() * energy.powf(0.1) * time.powf(-0.1);
    assert!((report.cost_index.unwrap() / expected - 1.0).abs() < 1e-12);
    // One pair has no error, and counts as not measured.
    measured.energy.truncate(1);
    assert_eq!(derive(&measured).unwrap().cost.unwrap().ratios.energy, None);
}

/// Proves that a blob without any of the newer facts reads and writes back to the same bytes: old reports keep their samples.
#[test]
fn old_blobs_keep_their_bytes() {
    let blob = samples::to_blob(&usual(2)).unwrap();
    let text = String::from_utf8(blob.clone()).unwrap();
    for newer in
        ["rounds_max", "sweep", "peaks", "apart", "repeated", "interrupted", "gpu", "energy"]
    {
        assert!(!text.contains(newer), "{newer}");
    }
    let read = samples::from_blob(&blob).unwrap();
    assert_eq!(samples::to_blob(&read).unwrap(), blob);
}
