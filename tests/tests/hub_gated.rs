//! Gated models and the stock Hugging Face client, its newest release.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use support::{Place, serve, token};

const RELEASE: &str = "2.4.0";

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// The Python of an environment with the release in it, of this test's own; the reason where it cannot be made.
fn environment() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gated-{RELEASE}"));
    let python = folder.join("bin/python");
    let import = format!("import huggingface_hub as h; assert h.__version__ == '{RELEASE}'");
    if Command::new(&python).args(["-c", &import]).output().is_ok_and(|o| o.status.success()) {
        return Ok(python);
    }
    let package = format!("huggingface_hub=={RELEASE}");
    let steps: [(&Path, Vec<&str>); 2] = [
        (Path::new("python3"), vec!["-m", "venv", "--clear", folder.to_str().unwrap()]),
        (&python, vec!["-m", "pip", "install", "--quiet", "--retries", "1", &package]),
    ];
    for (program, words) in steps {
        let output = Command::new(program).args(words).output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(said(&output));
        }
    }
    Ok(python)
}

/// Proves that the stock client raises `GatedRepoError` for the files of a gated repository, shows the gate, sets it by
/// `update_repo_settings`, and downloads the same bytes once its user was granted them.
#[tokio::test]
async fn the_stock_client_knows_gates() {
    let python = match environment() {
        Ok(python) => python,
        Err(reason) => {
            let line = format!("SKIPPED: huggingface_hub cannot be installed: {reason}");
            assert!(std::env::var_os("MODELFOLIO_CHECK").is_none(), "{line}");
            eprintln!("{line}");
            return;
        }
    };
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let [lab, reader] = ["lab", "reader"].map(|owner| token(&place, owner, "publish"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = root.join("../crates/cli/demo/mlp");
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command
        .arg(root.join("hub/gated.py"))
        .arg(demo.join("step-0010.safetensors"))
        .arg(reader)
        .env("HF_ENDPOINT", format!("{url}/hf"))
        .env("HF_TOKEN", lab)
        .env("HF_HOME", home.path())
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}
