//! ONNX Runtime driven from Python, as a process beside a benchmark. `MODELFOLIO_PYTHON` names an interpreter that has
//! `onnxruntime` of our version and `numpy`; without it `python3` is asked.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::Error;

/// A session of the peer that has run once, until it is dropped.
pub(crate) struct Peer {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Largest resident bytes after the first run.
    pub(crate) peak_bytes: u64,
}

impl Peer {
    /// Opens `graph` without prepacking and runs it once on `rows` rows of `width` zeros.
    pub(crate) fn open(graph: &Path, rows: usize, width: usize) -> Result<Self, Error> {
        let python = std::env::var("MODELFOLIO_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/peer.py"))
            .arg(graph)
            .args([rows.to_string(), width.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (commands, answers) = pipes.ok_or_else(|| Error::Child("no pipes".to_owned()))?;
        let mut peer = Self { child, commands, answers: BufReader::new(answers), peak_bytes: 0 };
        let ready = peer.answer().map_err(|error| {
            Error::Child(format!(
                "{python} with onnxruntime and numpy (MODELFOLIO_PYTHON): {error}"
            ))
        })?;
        let (ours, theirs) = (evaluator::runtime::ONNXRUNTIME_VERSION, &ready["version"]);
        if theirs != ours {
            return Err(Error::Child(format!("{python} has onnxruntime {theirs}, not {ours}")));
        }
        peer.peak_bytes = ready["peak_bytes"].as_u64().unwrap_or_default();
        Ok(peer)
    }

    /// Nanoseconds of so many runs.
    pub(crate) fn run(&mut self, samples: usize) -> Result<f64, Error> {
        writeln!(self.commands, "{samples}")?;
        self.answer()?["ns"].as_f64().ok_or_else(|| Error::Child("peer: no time".to_owned()))
    }

    fn answer(&mut self) -> Result<Value, Error> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
