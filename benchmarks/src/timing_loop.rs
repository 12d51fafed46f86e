//! What the evaluator's timing loop costs over bare `run_binding`, on a graph that does nothing.
//!
//! Both loops run the same session and binding in the same process, in blocks of random order, so that placement and drift
//! meet both alike. The limit is 2 µs a sample (EVALUATION 7).

use evaluator::timing::{Enough, Random, Timed, interleave, now};
use ort::{memory::Allocator, value::Tensor};
use prost::Message as _;
use serde_json::json;

use crate::{Error, onnx_graphs, peer::Peer, record};

const BLOCKS: usize = 400;
const SAMPLES: usize = 1_000;
const LIMIT_NS: f64 = 2_000.0;

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let library = evaluator::runtime::find_or_install(&|line| eprintln!("{line}"), false)?;
    let environment = evaluator::runtime::load(&library)?;
    let folder = tempfile::tempdir()?;
    let graph = folder.path().join("identity.onnx");
    std::fs::write(&graph, onnx_graphs::identity().encode_to_vec())?;
    let session = evaluator::session::open(&environment, &graph, 1, true, None)?;
    let mut binding = session.create_binding()?;
    let allocator = Allocator::default();
    binding.bind_input("x", &Tensor::<f32>::new(&allocator, [1_usize, 10])?)?;
    binding.bind_output("y", Tensor::<f32>::new(&allocator, [1_usize, 10])?)?;
    let mut timed = Timed { session, calls: vec![vec![binding]] };
    let mut random = Random::new(1);
    let (mut bare, mut ours, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    timed.warm_up()?;
    let mut peer = Peer::open(&graph, 1, 10)?;
    let mut python = Vec::new();
    for block in 0..BLOCKS + 20 {
        let mut order = [true, false];
        random.shuffle(&mut order);
        let (mut bare_ns, mut ours_ns) = (0.0, 0.0);
        for evaluator_first in order {
            if evaluator_first {
                let start = now();
                let enough = Enough::single_stream(SAMPLES);
                let timed_ns = interleave(&mut [&mut timed], enough, &mut random)?;
                ours_ns = start.elapsed().as_nanos() as f64 / SAMPLES as f64;
                if block >= 20 {
                    samples.extend(timed_ns.times.into_iter().flatten().map(|ns| ns as f64));
                }
            } else {
                let start = now();
                for _ in 0..SAMPLES {
                    timed.session.run_binding(&timed.calls[0][0])?;
                }
                bare_ns = start.elapsed().as_nanos() as f64 / SAMPLES as f64;
            }
        }
        let python_ns = peer.run(SAMPLES)? / SAMPLES as f64;
        // The first blocks warm all loops.
        if block >= 20 {
            python.push(python_ns);
            bare.push(bare_ns);
            ours.push(ours_ns);
        }
    }
    let machine = evaluator::machine(load);
    let summary = summarise([&bare, &ours, &python, &samples], machine.load_milli);
    let raw = json!({"samples_per_block": SAMPLES, "bare_ns": bare, "evaluator_ns": ours, "python_ns": python});
    record::write("loop", &machine, &raw, &summary)
}

fn summarise([bare, ours, python, samples]: [&[f64]; 4], load: [u64; 2]) -> String {
    let overhead = ours.iter().zip(bare).map(|(a, b)| a - b).collect::<Vec<_>>();
    let q = record::quantile;
    format!(
        "# Timing loop against bare run_binding\n\n\
         Identity `[1, 10]`, {BLOCKS} blocks of {SAMPLES} samples each, blocks of both loops in random order.\n\n\
         | nanoseconds a sample | p10 | p50 | p90 |\n| --- | --- | --- | --- |\n\
         | bare `run_binding` | {:.0} | {:.0} | {:.0} |\n\
         | evaluator's loop | {:.0} | {:.0} | {:.0} |\n\
         | Python `run_with_iobinding` | {:.0} | {:.0} | {:.0} |\n\
         | difference, block by block | {:.0} | {:.0} | {:.0} |\n\
         | what the loop records | {:.0} | {:.0} | {:.0} |\n\n\
         Limit: a difference of {LIMIT_NS:.0} ns at the median; {}. Load average before and after, in thousandths: {:?}.\n",
        q(bare, 0.1),
        q(bare, 0.5),
        q(bare, 0.9),
        q(ours, 0.1),
        q(ours, 0.5),
        q(ours, 0.9),
        q(python, 0.1),
        q(python, 0.5),
        q(python, 0.9),
        q(&overhead, 0.1),
        q(&overhead, 0.5),
        q(&overhead, 0.9),
        q(samples, 0.1),
        q(samples, 0.5),
        q(samples, 0.9),
        if q(&overhead, 0.5) <= LIMIT_NS { "held" } else { "MISSED" },
        load,
    )
}
