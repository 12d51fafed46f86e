//! Python environments, each with one release of the stock Hugging Face client, made once a target folder.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What a program said, on both of its ways out.
pub(crate) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// The Python of an environment with one release in it; the reason where it cannot be made.
pub(crate) fn environment(release: &str) -> Result<PathBuf, String> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = parent.join(format!("huggingface_hub-{release}"));
    // Tests that run at the same time make it once.
    let lock = File::create(parent.join(format!("huggingface_hub-{release}.lock")));
    let lock = lock.map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let python = folder.join("bin/python");
    let import = format!("import huggingface_hub as h; assert h.__version__ == '{release}'");
    if Command::new(&python).args(["-c", &import]).output().is_ok_and(|o| o.status.success()) {
        return Ok(python);
    }
    let package = format!("huggingface_hub=={release}");
    // Release 1.5.0 needs click for its command line and does not say so.
    let pip = ["-m", "pip", "install", "--quiet", "--retries", "1", &package, "click"];
    let steps: [(&Path, &[&str]); 2] = [
        (Path::new("python3"), &["-m", "venv", "--clear", folder.to_str().unwrap()]),
        (&python, &pip),
    ];
    for (program, words) in steps {
        let output = Command::new(program).args(words).output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(said(&output));
        }
    }
    Ok(python)
}

/// The Python of a release; `None`, with a plain line, where the package index cannot be reached and the check does not insist.
pub(crate) fn environment_or_reason(release: &str) -> Option<PathBuf> {
    match environment(release) {
        Ok(python) => Some(python),
        Err(reason) => {
            let line = format!("SKIPPED: huggingface_hub cannot be installed: {reason}");
            assert!(std::env::var_os("MODELFOLIO_CHECK").is_none(), "{line}");
            eprintln!("{line}");
            None
        }
    }
}
