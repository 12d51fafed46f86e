//! Speed and memory of our own code, as ratios against a peer or a limit.
//!
//! `cargo run --release -p benchmarks -- backtest|balances|control|dedup|evaluation|load|loop|strike|transfer|travel|verify` measures and writes a folder under `benchmarks/runs`.
//! No claim about speed stands anywhere without such a folder.

mod backtest;
mod balances;
mod control;
mod dedup;
mod evaluation;
mod load;
#[path = "../../crates/service/tests/crash/market.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "the market is shared with a test, which uses more of it and stops where it fails"
)]
mod market;
mod noise;
mod onnx_graphs;
mod peer;
mod record;
mod strike;
mod timing_loop;
mod transfer;
mod travel;
mod verify;

use std::process::{Command, ExitCode};

use evaluator::runtime::TELEMETRY_VARIABLE;

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Runtime(#[from] evaluator::runtime::RuntimeError),
    #[error(transparent)]
    Ort(#[from] ort::Error),
    #[error(transparent)]
    Session(#[from] evaluator::session::OpenError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("child: {0}")]
    Child(String),
    #[error("graph: {0}")]
    Graph(#[from] evaluator::graph::GraphError),
    #[error(transparent)]
    Open(#[from] checkpoint::OpenError),
    #[error(transparent)]
    Receive(#[from] checkpoint::ReceiveError),
    #[error("header: {0}")]
    Header(#[from] domain::checkpoint::HeaderError),
}

fn main() -> ExitCode {
    if std::env::var_os(TELEMETRY_VARIABLE).is_none() {
        return again();
    }
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    let done = match arguments[..] {
        ["backtest"] => backtest::run(),
        ["balances"] => balances::run(),
        ["control"] => control::run(),
        ["dedup"] => dedup::run(),
        ["evaluation"] => evaluation::run(),
        ["loop"] => timing_loop::run(),
        ["load"] => load::run(),
        ["strike"] => strike::run(),
        ["transfer"] => transfer::run(),
        ["travel"] => travel::run(),
        ["verify"] => verify::run(),
        [backtest::CHILD, side, models, days, prices] => {
            backtest::child(side, models, days, prices)
        }
        [load::CHILD, graph, prepacking, library] => {
            load::child(graph, prepacking == "on", library)
        }
        _ => {
            eprintln!(
                "usage: benchmarks backtest|balances|control|dedup|evaluation|load|loop|strike|transfer|travel|verify"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again in an environment in which ONNX Runtime is silent; a process cannot change its own safely.
fn again() -> ExitCode {
    let program = std::env::current_exe();
    let ended = program.and_then(|program| {
        let arguments = std::env::args_os().skip(1);
        Command::new(program).args(arguments).env(TELEMETRY_VARIABLE, "1").status()
    });
    match ended {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
