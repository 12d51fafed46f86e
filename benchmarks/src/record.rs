//! A finished run, as a folder: command, versions, machine, raw numbers, summary.

use std::{fs, path::PathBuf, time::SystemTime};

use domain::{evaluation::Machine, time::Timestamp};
use serde_json::Value;

use crate::Error;

/// Writes `benchmarks/runs/<date>-<name>/` and prints the summary.
pub(crate) fn write(
    name: &str,
    machine: &Machine,
    raw: &Value,
    summary: &str,
) -> Result<(), Error> {
    write_beside(name, "", machine, raw, summary)
}

/// The same for a run beside peers, whose versions are lines of `peers`.
pub(crate) fn write_beside(
    name: &str,
    peers: &str,
    machine: &Machine,
    raw: &Value,
    summary: &str,
) -> Result<(), Error> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("runs").join(format!("{}-{name}", today()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("command"), format!("cargo run --release -p benchmarks -- {name}\n"))?;
    let versions = format!(
        "modelfolio {}\nonnxruntime {}\nort {}\n{}, profile {}\n{peers}",
        env!("CARGO_PKG_VERSION"),
        evaluator::runtime::ONNXRUNTIME_VERSION,
        "2.0.0-rc.15",
        rustc(),
        if cfg!(debug_assertions) { "dev (not for claims)" } else { "release" },
    );
    fs::write(folder.join("versions"), versions)?;
    fs::write(folder.join("machine"), format!("{}\n", serde_json::to_string_pretty(machine)?))?;
    fs::write(folder.join("raw.json"), format!("{}\n", serde_json::to_string(raw)?))?;
    let mut summary = summary.to_owned();
    if machine.load_milli[0] > 1_000 {
        summary += "The load average was above 1 at the start: other work may have shared the machine; what is compared is interleaved.\n";
    }
    fs::write(folder.join("summary.md"), &summary)?;
    print!("{summary}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a run is filed under the day on which it was made")]
fn today() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or_default();
    Timestamp::from_millis(millis).to_string().chars().take(10).collect()
}

/// The value below which the share `q` of `values` lies.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (q * (sorted.len().saturating_sub(1)) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// What `rustc --version` says; this program was built by it a moment ago.
fn rustc() -> String {
    let output = std::process::Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "rustc unknown".to_owned(),
        |o| String::from_utf8_lossy(&o.stdout).trim().to_owned(),
    )
}
