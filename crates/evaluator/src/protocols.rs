//! The measuring plans that have names, and the limits of any plan.

use domain::evaluation::Protocol;

use crate::error::EvaluationError;

/// Batch sizes that `full` tries (EVALUATION 4, rule 4); those above the suite's items or the memory that is kept bound are left out.
const SWEEP: [u32; 5] = [1, 8, 32, 128, 512];
/// Most children a side that tell memory, and most pairs of blocks of energy.
const MEMORY_CHILDREN_MAX: u32 = 32;
const ENERGY_PAIRS_MAX: u32 = 32;
/// Most rounds (EVALUATION 4, rule 2), samples of each kind in a round, items of a batch, and threads.
const ROUNDS_MAX: u32 = 64;
const SAMPLES_MAX: u32 = 10_000;
const BATCH_ITEMS_MAX: u32 = 4_096;
const THREADS_MAX: u32 = 64;

/// `quick`: 3 rounds of 300 triples and 50 offline batches of 32 items, on one thread (DESIGN 4); memory from 3 children a side.
#[must_use]
pub fn quick(seed: u64) -> Protocol {
    Protocol {
        name: "quick".to_owned(),
        rounds: 3,
        rounds_max: None,
        pairs: 300,
        offline_batches: 50,
        offline_batch_items: 32,
        sweep: Vec::new(),
        memory_children: Some(3),
        energy_pairs: None,
        threads: 1,
        seed,
    }
}

/// `full`: 16 rounds, as a listing wants them, and up to 64 until time and latency are known to 2 % (EVALUATION 4, rule 2), of 1,000
/// triples and 100 offline batches in the best size; memory from 8 children a side; energy where the device counts it.
#[must_use]
pub fn full(seed: u64) -> Protocol {
    Protocol {
        name: "full".to_owned(),
        rounds: 16,
        rounds_max: Some(ROUNDS_MAX),
        pairs: 1_000,
        offline_batches: 100,
        sweep: SWEEP.to_vec(),
        memory_children: Some(8),
        energy_pairs: Some(4),
        ..quick(seed)
    }
}

/// Names of the plans that [`named`] knows.
pub const NAMES: [&str; 2] = ["quick", "full"];

/// The plan of this name; none for another.
#[must_use]
pub fn named(name: &str, seed: u64) -> Option<Protocol> {
    match name {
        "quick" => Some(quick(seed)),
        "full" => Some(full(seed)),
        _ => None,
    }
}

/// Holds a plan to its limits; no rounds at all is a plan too, for accuracy alone.
pub(crate) fn check(protocol: &Protocol) -> Result<(), EvaluationError> {
    let limits = [
        ("rounds", protocol.rounds, 0, ROUNDS_MAX),
        ("pairs", protocol.pairs, 1, SAMPLES_MAX),
        ("offline_batches", protocol.offline_batches, 1, SAMPLES_MAX),
        ("offline_batch_items", protocol.offline_batch_items, 1, BATCH_ITEMS_MAX),
        ("threads", protocol.threads, 1, THREADS_MAX),
    ];
    let optional = [
        ("rounds_max", protocol.rounds_max, protocol.rounds, ROUNDS_MAX),
        ("memory_children", protocol.memory_children, 1, MEMORY_CHILDREN_MAX),
        ("energy_pairs", protocol.energy_pairs, 2, ENERGY_PAIRS_MAX),
    ];
    let optional =
        optional.into_iter().filter_map(|(f, v, least, most)| Some((f, v?, least, most)));
    let sizes = protocol.sweep.iter().map(|size| ("sweep", *size, 1, BATCH_ITEMS_MAX));
    for (field, value, least, most) in limits.into_iter().chain(optional).chain(sizes) {
        if !(least..=most).contains(&value) {
            let reason = format!("{value} is not between {least} and {most}");
            return Err(EvaluationError::Protocol { field, reason });
        }
    }
    Ok(())
}
