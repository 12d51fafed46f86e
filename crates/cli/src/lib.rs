//! The command line: every subcommand, progress bars, exit codes.
//!
//! Exit codes: 0 done, 1 the input is at fault, 2 usage, 3 the environment is at fault.

mod commands;
mod demo;
mod exit;
mod parquet;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::exit::Failure;

/// Store model checkpoints, measure them, and run index funds over the priced models.
#[derive(Parser)]
#[command(name = "modelfolio", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// From nothing to a priced, rebalanced, struck index over 25 real checkpoints.
    Demo(demo::DemoArguments),
    /// Serve API, playground and dashboard; prints one line `listening on http://…`.
    Serve(commands::serve::ServeArguments),
    /// Take evaluation jobs from the database.
    Worker(commands::worker::WorkerArguments),
    /// Keys of evaluators.
    #[command(subcommand)]
    Evaluator(commands::evaluator::EvaluatorCommand),
    /// Evaluate a model folder on a suite folder, without any server.
    Evaluate(commands::evaluate::EvaluateArguments),
    /// Recompute a report or a strike from what it rests on, or check one's own balance or order; no server is trusted for it.
    Verify(commands::verify::VerifyArguments),
    /// Follow the log of a server as a witness: keep the last head that was verified, and hold the next one against it.
    #[command(subcommand)]
    Log(commands::log::LogCommand),
    /// Publish a folder (`model.safetensors`, `graph.onnx`) as a version of a model; sends only what the server does not have.
    #[command(disable_version_flag = true)]
    Push(commands::push::PushArguments),
    /// Fetch a version into a folder, every digest checked; an interrupted pull continues where it stopped.
    Pull(commands::pull::PullArguments),
    /// Turn any ONNX file into the pair that is published: a graph without weights, and the weights as safetensors; proven equal.
    Pack(commands::pack::PackArguments),
    /// Show header, tensors and digests of a safetensors file, or of a folder's shards, and what is wrong with it.
    Inspect {
        /// The file, or a folder with `model.safetensors.index.json` and its shards.
        file: PathBuf,
        /// Count the NaN and infinite values of each tensor.
        #[arg(long)]
        count_nonfinite: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Apply a file of operations to an empty ledger; prints one JSON line a step.
    Replay {
        /// The file, in the form of `lifecycle.json`.
        file: PathBuf,
    },
    /// Print journal, NAV, holdings, prices or trades for other programs.
    Export(commands::export::ExportArguments),
    /// Run a methodology over a history of prices, by the functions of the live fund.
    Backtest(commands::backtest::BacktestArguments),
    /// Simulate the fund engine under faults beside an independent model; prints events per second and the final state's digest.
    Sim(commands::sim::SimArguments),
    /// Attack a methodology by seeded simulations; exit 1 if any attack earns.
    Attack(commands::attack::AttackArguments),
    /// Sealed bids on what a fund trades.
    #[command(subcommand)]
    Bids(commands::bids::BidsCommand),
    /// Remove uploads that nothing cites, and what crashes left; a running server does it by itself.
    Gc(commands::gc::GcArguments),
    /// Access tokens.
    #[command(subcommand)]
    Token(commands::token::TokenCommand),
    /// Bring the database up to date.
    Migrate(commands::InstallationArguments),
    /// The ONNX Runtime library.
    #[command(subcommand)]
    Runtime(commands::runtime::RuntimeCommand),
    /// Print the GraphQL schema in SDL.
    Schema,
    /// Run inference for a parent process.
    #[command(name = "__child", hide = true)]
    Child,
}

/// Runs the program and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap says which is which.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    // The child is single-threaded from its first breath: no runtime, no log, nothing that takes time or memory.
    if let Command::Child = arguments.command {
        return service::child_main();
    }
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Environment(format!("cannot start threads: {e}")))
        .and_then(|runtime| runtime.block_on(run(arguments.command)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("modelfolio: {failure}");
            failure.exit_code()
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Serve(arguments) => commands::serve::run(arguments).await,
        Command::Worker(arguments) => commands::worker::run(arguments).await,
        Command::Evaluator(command) => commands::evaluator::run(command),
        Command::Evaluate(arguments) => commands::evaluate::run(arguments).await,
        Command::Verify(arguments) => commands::verify::run(arguments).await,
        Command::Log(command) => commands::log::run(command).await,
        Command::Push(arguments) => commands::push::run(arguments).await,
        Command::Pull(arguments) => commands::pull::run(arguments).await,
        Command::Pack(arguments) => commands::pack::run(arguments).await,
        Command::Inspect { file, count_nonfinite, json } => {
            commands::inspect::run(&file, count_nonfinite, json)
        }
        Command::Replay { file } => commands::replay::run(&file),
        Command::Export(arguments) => commands::export::run(arguments).await,
        Command::Backtest(arguments) => commands::backtest::run(&arguments),
        Command::Sim(arguments) => commands::sim::run(&arguments),
        Command::Attack(arguments) => commands::attack::run(&arguments),
        Command::Bids(command) => commands::bids::run(&command),
        Command::Gc(arguments) => commands::gc::run(arguments).await,
        Command::Token(command) => commands::token::run(command).await,
        Command::Migrate(arguments) => commands::migrate(&arguments).await,
        Command::Runtime(command) => commands::runtime::run(command).await,
        Command::Schema => exit::print(&server::sdl()),
        Command::Child => Ok(()),
    }
}
