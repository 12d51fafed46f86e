//! The real program, started and stopped.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_modelfolio-under-test");

/// A process that is killed when the test ends, however it ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a test keeps its installation.
pub(crate) struct Place {
    /// The folder.
    pub(crate) data: tempfile::TempDir,
    /// The database, if it is not in the folder.
    pub(crate) database: Option<String>,
}

impl Place {
    /// A new folder with its own SQLite file.
    pub(crate) fn sqlite() -> Self {
        Self { data: tempfile::tempdir().unwrap(), database: None }
    }

    /// A new database on the PostgreSQL server of the check, if there is one.
    pub(crate) fn postgres(name: &str) -> Option<Self> {
        let server = std::env::var("MODELFOLIO_TEST_POSTGRES").ok()?;
        let (base, _) = server.rsplit_once('/')?;
        let name = format!("e2e_{name}_{}", std::process::id());
        let create = format!("CREATE DATABASE {name}");
        let made = Command::new("psql").args([&server, "-qc", &create]).status().unwrap();
        assert!(made.success(), "psql could not create {name}");
        Some(Self { database: Some(format!("{base}/{name}")), ..Self::sqlite() })
    }

    /// `--data` and `--database`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--data".to_owned(), self.path().display().to_string()];
        arguments
            .extend(self.database.iter().flat_map(|url| ["--database".to_owned(), url.clone()]));
        arguments
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.data.path()
    }
}

/// Starts `serve` with a clock moved by hand; its address.
pub(crate) fn serve(place: &Place) -> (Running, String) {
    serve_with(place, &[])
}

/// Starts `serve` with a clock moved by hand and further arguments; its address.
pub(crate) fn serve_with(place: &Place, arguments: &[&str]) -> (Running, String) {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0", "--clock", "manual"])
        .args(arguments)
        .args(place.arguments())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let running = Running(child);
    let url = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    (running, url.expect("the server says where it listens"))
}

/// Makes a token.
pub(crate) fn token(place: &Place, owner: &str, scope: &str) -> String {
    let output = Command::new(PROGRAM)
        .args(["token", "create", "--owner", owner])
        .args(scope.split(',').flat_map(|scope| ["--scope", scope]))
        .args(place.arguments())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Asks, and stops the test at any error.
pub(crate) async fn ask(client: &client::Client, query: &str) -> Value {
    client.graphql(query, json!({})).await.unwrap_or_else(|e| panic!("{query}: {e}"))
}

/// Sends a signal to a process that the test, or a process of the test, has started.
pub(crate) fn signal(pid: u64, signal: &str) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "no process {pid}");
}

/// A decimal text as a number of its smallest steps.
pub(crate) fn steps(text: &Value, digits: usize) -> i128 {
    let text = text.as_str().unwrap_or_else(|| panic!("{text} is no decimal text"));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    assert_eq!(part.len(), digits, "{text}");
    format!("{whole}{part}").parse().unwrap()
}
