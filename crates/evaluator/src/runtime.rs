//! The ONNX Runtime shared library: found, fetched on first use, loaded.
//!
//! The library is the one inside the published Python wheel, fetched with the user's own `pip`, so that mirrors and proxies
//! that are set up for `pip` serve us too (DESIGN 4, "ONNX Runtime library").
//! Loading a library runs its code, so it is pinned by digest.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::file_digest::file_digest;

/// Version of ONNX Runtime that is fetched.
pub const ONNXRUNTIME_VERSION: &str = "1.31.1";
/// Environment variable that names another library.
pub const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Name of the library in the wheel and in the cache.
const LIBRARY: &str = "libonnxruntime.so.1.31.1";
/// With 1 in this variable ONNX Runtime 1.31.1 collects and sends nothing. Its function that turns telemetry off takes an environment, and by then
/// an identifier of the machine lies in the home of its user (decision 0027).
pub const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";
/// Largest library that is unpacked, in bytes; the CUDA provider of 1.31.1 has 284 MB.
const MEMBER_BYTES_MAX: u64 = 1 << 30;

/// One published wheel.
#[derive(Debug)]
struct Wheel {
    package: &'static str,
    folder: &'static str,
    library_sha256: &'static str,
}

const CPU: Wheel = Wheel {
    package: "onnxruntime",
    folder: "cpu-x86_64",
    library_sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
};
const GPU: Wheel = Wheel {
    package: "onnxruntime-gpu",
    folder: "gpu-x86_64",
    library_sha256: "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303",
};

/// Why there is no usable library: always the environment's fault, never the input's.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum RuntimeError {
    #[error(
        "ONNX Runtime {ONNXRUNTIME_VERSION} is not installed: run `modelfolio runtime install`, or set {LIBRARY_VARIABLE} to the library"
    )]
    NotInstalled,
    #[error(
        "{LIBRARY_VARIABLE} names {path:?}, which is no file: unset it, or let it name the library"
    )]
    OverrideMissing { path: PathBuf },
    #[error(
        "no ONNX Runtime is pinned for {os} on {architecture}; set {LIBRARY_VARIABLE} to a library of version 1.24 or newer"
    )]
    UnsupportedPlatform { os: &'static str, architecture: &'static str },
    #[error(
        "no home for the cache: set XDG_CACHE_HOME or HOME, or set {LIBRARY_VARIABLE} to the library"
    )]
    NoCacheFolder,
    #[error(
        "python3 cannot be started ({source}): install python3 with pip and run `modelfolio runtime install`, or set {LIBRARY_VARIABLE} to the library"
    )]
    NoPython { source: io::Error },
    #[error(
        "pip could not fetch {package} {ONNXRUNTIME_VERSION}; once it can, run `modelfolio runtime install`, or set {LIBRARY_VARIABLE} to the library; pip said: {said}"
    )]
    PipFailed { package: &'static str, said: String },
    #[error("the wheel of {package} {ONNXRUNTIME_VERSION} is not as expected: {reason}")]
    BadWheel { package: &'static str, reason: String },
    #[error(
        "{TELEMETRY_VARIABLE} is not 1: ONNX Runtime would write an identifier of this machine and send reports; it is not loaded"
    )]
    Telemetry,
    #[error("{LIBRARY} has SHA-256 {given}, expected {expected}; it was not installed")]
    WrongDigest { expected: &'static str, given: String },
    #[error("{what} {path:?}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("library {path:?} cannot be used: {reason}")]
    Load { path: PathBuf, reason: String },
}

/// Finds the library: what [`LIBRARY_VARIABLE`] names, else the one in the user's cache.
///
/// # Errors
/// [`RuntimeError::NotInstalled`] if there is none yet, or why none can be.
pub fn find(gpu: bool) -> Result<PathBuf, RuntimeError> {
    if let Some(path) = std::env::var_os(LIBRARY_VARIABLE).filter(|v| !v.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            path.canonicalize().map_err(io_error("cannot resolve", &path))
        } else {
            Err(RuntimeError::OverrideMissing { path })
        };
    }
    let library = target(gpu)?.1.join(LIBRARY);
    if library.is_file() { Ok(library) } else { Err(RuntimeError::NotInstalled) }
}

/// [`find`], and [`install`] where it finds nothing.
///
/// # Errors
/// As [`install`].
pub fn find_or_install(progress: &dyn Fn(&str), gpu: bool) -> Result<PathBuf, RuntimeError> {
    match find(gpu) {
        Err(RuntimeError::NotInstalled) => install(progress, gpu),
        found => found,
    }
}

/// Fetches the wheel, checks the library inside and puts it into the user's cache.
///
/// Any number of processes may do this at once: each unpacks in a folder of its own, and one rename wins.
/// `progress` receives one line of text before each step that takes time.
///
/// # Errors
/// Whatever is missing on this machine, with what helps.
pub fn install(progress: &dyn Fn(&str), gpu: bool) -> Result<PathBuf, RuntimeError> {
    let (wheel, folder) = target(gpu)?;
    install_into(wheel, &folder, &|staging| {
        progress(&format!("fetching {} {ONNXRUNTIME_VERSION} with pip", wheel.package));
        let archive = download(wheel, staging)?;
        progress("unpacking and checking ONNX Runtime");
        Ok(archive)
    })
}

/// Fetches, unpacks, checks and renames; a sound library that is there already ends it at once.
fn install_into(
    wheel: &Wheel,
    folder: &Path,
    fetch: &dyn Fn(&Path) -> Result<PathBuf, RuntimeError>,
) -> Result<PathBuf, RuntimeError> {
    let library = folder.join(LIBRARY);
    let sound =
        || library.is_file() && digest_of(&library).is_ok_and(|d| d == wheel.library_sha256);
    if sound() {
        return Ok(library);
    }
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(io_error("cannot create", parent))?;
    let staging = tempfile::Builder::new()
        .prefix(".install-")
        .tempdir_in(parent)
        .map_err(io_error("cannot create a folder in", parent))?;
    let archive = fetch(staging.path())?;
    let unpacked = staging.path().join("capi");
    unpack(wheel, &archive, &unpacked)?;
    let given = digest_of(&unpacked.join(LIBRARY))?;
    if given != wheel.library_sha256 {
        return Err(RuntimeError::WrongDigest { expected: wheel.library_sha256, given });
    }
    if fs::rename(&unpacked, folder).is_err() && !sound() {
        // No other process was first: what stands there is damaged, and goes away with the staging folder.
        let _ = fs::rename(folder, staging.path().join("damaged"));
        if let Err(error) = fs::rename(&unpacked, folder)
            && !sound()
        {
            return Err(io_error("cannot write", folder)(error));
        }
    }
    Ok(library)
}

/// Loads the library into this process and starts ONNX Runtime, without telemetry.
///
/// # Errors
/// [`RuntimeError::Telemetry`] unless this process was started with [`TELEMETRY_VARIABLE`] = 1.
/// [`RuntimeError::Load`] if it is no such library, is too old, or another one is loaded already.
pub fn load(path: &Path) -> Result<ort::environment::Environment, RuntimeError> {
    let fail = |reason: String| RuntimeError::Load { path: path.to_owned(), reason };
    if !telemetry_is_off(std::env::var_os(TELEMETRY_VARIABLE).as_deref()) {
        return Err(RuntimeError::Telemetry);
    }
    ort::init_from(path)
        .map_err(|e| fail(e.to_string()))?
        .with_name("modelfolio")
        .with_telemetry(false)
        .build()
        .map_err(|e| fail(e.to_string()))
}

/// Whether a value of [`TELEMETRY_VARIABLE`] turns telemetry off.
fn telemetry_is_off(value: Option<&std::ffi::OsStr>) -> bool {
    value.is_some_and(|value| value == "1")
}

/// The wheel for this machine, and the folder that keeps what is inside.
fn target(gpu: bool) -> Result<(&'static Wheel, PathBuf), RuntimeError> {
    use std::env::consts::{ARCH, OS};
    if (OS, ARCH) != ("linux", "x86_64") {
        return Err(RuntimeError::UnsupportedPlatform { os: OS, architecture: ARCH });
    }
    let wheel = if gpu { &GPU } else { &CPU };
    // The base directory specification has relative values ignored.
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .ok_or(RuntimeError::NoCacheFolder)?;
    Ok((wheel, cache.join("modelfolio/onnxruntime").join(ONNXRUNTIME_VERSION).join(wheel.folder)))
}

/// Lets pip fetch the wheel into `folder`.
fn download(wheel: &Wheel, folder: &Path) -> Result<PathBuf, RuntimeError> {
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        .args(["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"])
        .args(["--platform", "manylinux_2_28_x86_64"])
        .args(["--quiet", "--disable-pip-version-check", "--no-input", "--dest"])
        .arg(folder)
        .arg(format!("{}=={ONNXRUNTIME_VERSION}", wheel.package))
        .stdin(Stdio::null())
        .output()
        .map_err(|source| RuntimeError::NoPython { source })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let last = lines.rev().take(3).collect::<Vec<_>>();
        let said = last.into_iter().rev().collect::<Vec<_>>().join(" / ");
        return Err(RuntimeError::PipFailed { package: wheel.package, said });
    }
    let entries = fs::read_dir(folder).map_err(io_error("cannot read", folder))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| RuntimeError::PipFailed {
            package: wheel.package,
            said: "nothing, and left no wheel".to_owned(),
        })
}

/// Unpacks the shared libraries under `capi/`, but for the Python module.
fn unpack(wheel: &Wheel, archive: &Path, folder: &Path) -> Result<(), RuntimeError> {
    let bad = |reason: String| RuntimeError::BadWheel { package: wheel.package, reason };
    fs::create_dir(folder).map_err(io_error("cannot create", folder))?;
    let file = fs::File::open(archive).map_err(io_error("cannot open", archive))?;
    let mut zip = zip::ZipArchive::new(file).map_err(|e| bad(e.to_string()))?;
    for index in 0..zip.len() {
        let mut member = zip.by_index(index).map_err(|e| bad(e.to_string()))?;
        let name = member.name().map_err(|e| bad(e.to_string()))?.into_owned();
        let Some(name) = name.strip_prefix("onnxruntime/capi/") else { continue };
        // A plain name only: no member may leave the folder.
        if name.contains('/') || !name.starts_with("lib") || !name.contains(".so") {
            continue;
        }
        if member.size() > MEMBER_BYTES_MAX {
            return Err(bad(format!(
                "{name} has {} bytes; at most {MEMBER_BYTES_MAX}",
                member.size()
            )));
        }
        let path = folder.join(name);
        let mut out = fs::File::create(&path).map_err(io_error("cannot create", &path))?;
        io::copy(&mut member, &mut out).map_err(io_error("cannot unpack", &path))?;
        out.sync_all().map_err(io_error("cannot write", &path))?;
    }
    if folder.join(LIBRARY).is_file() { Ok(()) } else { Err(bad(format!("it holds no {LIBRARY}"))) }
}

/// SHA-256 of a file, in hexadecimal digits.
fn digest_of(path: &Path) -> Result<String, RuntimeError> {
    file_digest(path).map(|d| d.hex()).map_err(io_error("cannot read", path))
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RuntimeError {
    let path = path.to_owned();
    move |source| RuntimeError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Proves that only the value with which the library is known to be silent counts as silence.
    #[test]
    fn telemetry_is_off_by_one_value() {
        assert!(telemetry_is_off(Some("1".as_ref())));
        for value in [None, Some("0"), Some(""), Some("true")] {
            assert!(!telemetry_is_off(value.map(str::as_ref)), "{value:?}");
        }
    }

    const FAKE: Wheel = Wheel { package: "fake", folder: "fake", library_sha256: "no digest" };

    fn wheel(folder: &Path, members: &[(&str, &str)]) -> PathBuf {
        let path = folder.join("fake.whl");
        let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, text) in members {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    /// Proves that installs at the same time all end with the one sound library, that a damaged one is replaced,
    /// and that only plain library names are unpacked.
    #[test]
    fn install_is_safe_at_once_and_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("1.31.1/cpu");
        let library_sha256: &'static str =
            Box::leak(domain::digest::Digest::of(b"library").hex().into_boxed_str());
        let fake = Wheel { library_sha256, ..FAKE };
        let fetch = |staging: &Path| {
            Ok(wheel(
                staging,
                &[
                    ("onnxruntime/capi/libonnxruntime.so.1.31.1", "library"),
                    ("onnxruntime/capi/onnxruntime_pybind11_state.so", "python"),
                    ("onnxruntime/capi/../../libescape.so", "escape"),
                ],
            ))
        };
        let go = || install_into(&fake, &folder, &fetch);
        std::thread::scope(|scope| {
            let runs = (0..8).map(|_| scope.spawn(go)).collect::<Vec<_>>();
            runs.into_iter().for_each(|run| assert!(run.join().unwrap().is_ok()));
        });
        fs::write(folder.join(LIBRARY), "damaged").unwrap();
        assert_eq!(fs::read(go().unwrap()).unwrap(), b"library");
        let left = |folder: &Path| {
            let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name());
            names.map(|n| n.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(left(&folder), [LIBRARY]);
        assert_eq!(left(folder.parent().unwrap()), ["cpu"]);
    }

    /// Proves that a wheel with another library, or without one, is not installed.
    #[test]
    fn a_wrong_wheel_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("1.31.1/cpu");
        let name = format!("onnxruntime/capi/{LIBRARY}");
        let wrong = install_into(&FAKE, &folder, &|s| Ok(wheel(s, &[(&name, "other")])));
        assert!(matches!(wrong, Err(RuntimeError::WrongDigest { .. })), "{wrong:?}");
        let none = install_into(&FAKE, &folder, &|s| Ok(wheel(s, &[("README", "")])));
        assert!(matches!(none, Err(RuntimeError::BadWheel { .. })), "{none:?}");
        assert!(!folder.exists());
    }
}
