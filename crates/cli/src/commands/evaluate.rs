//! `modelfolio evaluate`: a folder, a suite, one report; no server.

use std::{fmt::Write as _, io::IsTerminal as _, path::PathBuf};

use domain::evaluation::Report;
use indicatif::{ProgressBar, ProgressStyle};
use service::{FolderEvaluation, FolderReport, evaluate_folder};

use super::runtime;
use crate::exit::{Failure, print};

/// Arguments of `modelfolio evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct EvaluateArguments {
    /// Folder with `model.safetensors`, or shards and their index, and `graph.onnx`.
    folder: PathBuf,
    /// Suite folder: `suite.toml`, `cases.safetensors`, `reference/`.
    #[arg(long)]
    suite: PathBuf,
    /// Reference folder instead of the suite's own.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// `cpu` or `cuda:N`.
    #[arg(long, default_value = "cpu", value_parser = super::device_name)]
    device: String,
    /// Three short rounds instead of sixteen long ones; the report says so.
    #[arg(long)]
    quick: bool,
    /// Seed of every random order in the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the raw samples, from which `modelfolio verify` recomputes the report, to this file.
    #[arg(long)]
    samples: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Evaluates, and prints one report on standard output.
///
/// # Errors
/// [`Failure::Input`] with the file, tensor or field at fault, [`Failure::Environment`] without library or device.
pub(crate) async fn run(arguments: EvaluateArguments) -> Result<(), Failure> {
    runtime::check_device(&arguments.device)?;
    let library = runtime::ensure(&arguments.device).await?;
    let program =
        std::env::current_exe().map_err(|e| Failure::Environment(format!("own program: {e}")))?;
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) =
        ProgressStyle::with_template("{bar:32} {pos}/{len}  {elapsed}, {eta} left  {msg}")
    {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let progress = move |stage: &str, done: u64, total: u64| {
        shown.set_length(total);
        shown.set_position(done);
        shown.set_message(stage.to_owned());
    };
    let request = FolderEvaluation {
        model: arguments.folder,
        suite: arguments.suite,
        reference: arguments.reference,
        device: arguments.device,
        quick: arguments.quick,
        seed: arguments.seed,
        library,
        program,
    };
    let evaluated = tokio::task::spawn_blocking(move || evaluate_folder(&request, &progress));
    let evaluated = evaluated.await.map_err(Failure::environment)?;
    bar.finish_and_clear();
    let FolderReport { report, samples } = evaluated.map_err(|error| {
        if error.is_environment() { Failure::environment(error) } else { Failure::input(error) }
    })?;
    if let Some(path) = arguments.samples {
        std::fs::write(&path, samples)
            .map_err(|e| Failure::Environment(format!("{}: {e}", path.display())))?;
    }
    if let Some(reason) = report.no_price {
        eprintln!("no price: {reason}");
    }
    if !report.model.finite {
        eprintln!("the model's outputs are not all finite numbers: quality 0");
    }
    if arguments.json {
        print(&format!("{}\n", report.to_canonical().map_err(Failure::environment)?))
    } else {
        print(&in_words(&report))
    }
}

/// The report's main numbers for a person; the JSON has all of them.
fn in_words(report: &Report) -> String {
    let mut out = format!(
        "suite      {}, {} items, protocol {}\n",
        report.suite.id, report.suite.items, report.protocol.name
    );
    for (name, metric) in &report.metrics {
        let _ = writeln!(
            out,
            "{name:<10} {:.4} ({:.4} to {:.4} at 95 %)",
            metric.value, metric.low, metric.high
        );
    }
    for (name, found) in &report.expected {
        let within = if found.within_tolerance { "within" } else { "NOT within" };
        let _ = writeln!(
            out,
            "expected   {name}: {within} tolerance, at most {:e} apart",
            found.max_abs_error
        );
    }
    if let Some(bits) = report.quality_bits {
        let _ = writeln!(out, "quality    {bits:.4} bits");
    }
    if let Some(index) = report.cost_index {
        let _ = writeln!(out, "cost       {index:.4} of the reference");
    }
    if let (Some(price), Some(sigma)) = (report.price_micro, report.sigma_ln_price) {
        let _ = writeln!(
            out,
            "price      {}.{:06} credits ± {:.2} % (mark to model)",
            price / 1_000_000,
            price % 1_000_000,
            sigma * 100.0
        );
    }
    for reason in &report.void_reasons {
        let _ = writeln!(out, "void       {reason}");
    }
    out
}
