//! The demo's checkpoints and suite, and an evaluation of them in a few words.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::{
    path::{Path, PathBuf},
    sync::{OnceLock, atomic::AtomicBool},
    time::Duration,
};

use domain::{evaluation::Protocol, suite::Suite};
use evaluator::{
    Device, Evaluation, EvaluationError, Limits, Request, Subject, evaluate, protocols,
};

pub(crate) const CHILD: &str = env!("CARGO_BIN_EXE_evaluator-child");

pub(crate) fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/demo").join(path)
}

pub(crate) fn subject(architecture: &str, step: u32) -> Subject {
    Subject {
        checkpoint: demo(&format!("{architecture}/step-{step:04}.safetensors")),
        graph: demo(&format!("{architecture}/graph.onnx")),
    }
}

/// The library, fetched once if it is missing; without it these tests mean nothing, so they fail.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        evaluator::runtime::find_or_install(&|line| println!("{line}"), false)
            .unwrap_or_else(|e| panic!("the ONNX Runtime library is missing: {e}"))
    })
}

pub(crate) fn suite() -> Suite {
    let text = std::fs::read_to_string(demo("suite/suite.toml")).unwrap();
    Suite::parse(&text).unwrap()
}

/// One evaluation with what a test changes about it.
pub(crate) struct Run {
    pub(crate) model: Subject,
    pub(crate) reference: Option<Subject>,
    pub(crate) suite: Suite,
    pub(crate) cases: PathBuf,
    pub(crate) protocol: Protocol,
    pub(crate) device: Device,
    pub(crate) child: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) cancel: AtomicBool,
}

impl Run {
    /// Accuracy and memory of one model, no rounds.
    pub(crate) fn accuracy(model: Subject) -> Self {
        Self {
            model,
            reference: None,
            suite: suite(),
            cases: demo("suite/cases.safetensors"),
            protocol: Protocol { rounds: 0, ..protocols::quick(42) },
            device: Device::Cpu,
            child: CHILD.into(),
            limits: Limits { wall: Duration::from_secs(120), memory_bytes: None },
            cancel: AtomicBool::new(false),
        }
    }

    pub(crate) fn go(&self) -> Result<Evaluation, EvaluationError> {
        evaluate(&Request {
            model: &self.model,
            reference: self.reference.as_ref(),
            panel: &[],
            suite: &self.suite,
            cases: &self.cases,
            protocol: self.protocol.clone(),
            device: self.device,
            child: &self.child,
            library: library(),
            scratch: None,
            limits: self.limits,
            cancel: &self.cancel,
            progress: &|_| {},
        })
    }
}
