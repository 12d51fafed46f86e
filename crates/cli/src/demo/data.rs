//! The demo's real data, inside the program: 25 checkpoints of four architectures on Fashion-MNIST, and the suite that scores them.

/// One architecture of the demo, published by a lab of its own.
pub(crate) struct Architecture {
    /// The model's name.
    pub(crate) name: &'static str,
    /// Who publishes it.
    pub(crate) publisher: &'static str,
    /// The weightless graph.
    pub(crate) graph: &'static [u8],
    /// Checkpoints in the order of training.
    pub(crate) steps: &'static [Step],
}

/// One checkpoint.
pub(crate) struct Step {
    /// The version's name.
    pub(crate) name: &'static str,
    /// The safetensors file.
    pub(crate) checkpoint: &'static [u8],
}

macro_rules! architecture {
    ($name:literal: $($step:literal)+) => {
        Architecture {
            name: $name,
            publisher: concat!($name, "-lab"),
            graph: include_bytes!(concat!("../../demo/", $name, "/graph.onnx")),
            steps: &[$(Step {
                name: concat!("step-", $step),
                checkpoint: include_bytes!(concat!("../../demo/", $name, "/step-", $step, ".safetensors")),
            }),+],
        }
    };
}

/// The four models; `mlp` has a seventh checkpoint, which got worse on purpose.
pub(crate) const ARCHITECTURES: [Architecture; 4] = [
    architecture!("linear": "0010" "0030" "0090" "0270" "0810" "1600"),
    architecture!("mlp": "0010" "0030" "0090" "0270" "0810" "1600" "1700"),
    architecture!("cnn": "0010" "0030" "0090" "0270" "0810" "1600"),
    architecture!("rnn": "0010" "0030" "0090" "0270" "0810" "1600"),
];

/// Most checkpoints of one architecture, and so the number of rounds.
pub(crate) const ROUNDS: usize = 7;

/// The suite's description.
pub(crate) const SUITE: &str = include_str!("../../demo/suite/suite.toml");
/// The suite's cases: images and labels.
pub(crate) const CASES: &[u8] = include_bytes!("../../demo/suite/cases.safetensors");
/// The frozen reference model.
pub(crate) const REFERENCE_CHECKPOINT: &[u8] =
    include_bytes!("../../demo/suite/reference/model.safetensors");
/// The reference model's graph.
pub(crate) const REFERENCE_GRAPH: &[u8] = include_bytes!("../../demo/suite/reference/graph.onnx");
/// The index's rules.
pub(crate) const METHODOLOGY: &str = include_str!("../../demo/methodology.json");
