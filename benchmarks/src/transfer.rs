//! A checkpoint of 1 GiB into the server and out again, beside `cp` and beside MLflow's artifact proxy.
//!
//! Everything lies on a file system in memory, so that no disk is measured. The client of both servers is as thin as can be:
//! a socket, a file, and a buffer of 1 MiB.
//! `MODELFOLIO` names the release program (by default the one beside this program), `MLFLOW` the program `mlflow`;
//! without it MLflow does not run, and the summary says so.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use checkpoint::Sha256Stream;
use serde_json::json;

use crate::{Error, record};

const FILE_BYTES: u64 = 1 << 30;
const TENSORS: u64 = 64;
/// Rounds that count; the one before them makes the memory of the file system known to the kernel.
const ROUNDS: usize = 7;

/// The seconds of one round, and the server's greatest memory in it.
#[derive(Default)]
struct Times {
    copy: Vec<f64>,
    upload: Vec<f64>,
    download: Vec<f64>,
    mlflow_upload: Vec<f64>,
    mlflow_download: Vec<f64>,
    peak_kib: Vec<u64>,
}

/// A server that ends with this value.
struct Server {
    child: Child,
    /// Host and port.
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(&parent)?;
    let file = folder.path().join("one.safetensors");
    let digest = write_checkpoint(&file)?;
    let program = program()?;
    let mlflow = match std::env::var_os("MLFLOW") {
        Some(path) => Some(start_mlflow(Path::new(&path), folder.path())?),
        None => None,
    };
    let mut times = Times::default();
    for round in 0..=ROUNDS {
        let mut one = measure(&program, mlflow.as_ref(), folder.path(), &file, &digest)?;
        if round > 0 {
            times.copy.append(&mut one.copy);
            times.upload.append(&mut one.upload);
            times.download.append(&mut one.download);
            times.mlflow_upload.append(&mut one.mlflow_upload);
            times.mlflow_download.append(&mut one.mlflow_download);
            times.peak_kib.append(&mut one.peak_kib);
        }
    }
    let raw = json!({
        "bytes": FILE_BYTES, "tensors": TENSORS, "folder": parent.display().to_string(),
        "cp_s": times.copy, "upload_s": times.upload, "download_s": times.download,
        "mlflow_upload_s": times.mlflow_upload, "mlflow_download_s": times.mlflow_download,
        "server_peak_kib": times.peak_kib,
    });
    record::write("transfer", &evaluator::machine(load), &raw, &summary(&times))
}

fn summary(times: &Times) -> String {
    let middle = |values: &[f64]| record::quantile(values, 0.5);
    // Ratios within a round, so that a slow minute slows both sides.
    let ratio = |side: &[f64]| {
        let ratios: Vec<f64> = side.iter().zip(&times.copy).map(|(s, c)| s / c).collect();
        (middle(&ratios), record::quantile(&ratios, 0.0), record::quantile(&ratios, 1.0))
    };
    let row = |name: &str, side: &[f64], aim: &str| {
        if side.is_empty() {
            return format!("| {name} | did not run: MLFLOW was not set | | {aim} |\n");
        }
        let (ratio, least, most) = ratio(side);
        format!(
            "| {name} | {:.3} s | {ratio:.2} ({least:.2} to {most:.2}) | {aim} |\n",
            middle(side)
        )
    };
    let peak = times.peak_kib.iter().max().copied().unwrap_or_default();
    format!(
        "# 1 GiB in and out\n\n\
         A checkpoint of {} MiB in {TENSORS} tensors, on a file system in memory; medians of {ROUNDS} interleaved rounds, the\n\
         ratio to `cp` of the same file taken within each round. Ours is verified: SHA-256 of the file, every rule of the header,\n\
         blake3 of every tensor, on the way in and again on the way out. MLflow's proxy checks nothing.\n\n\
         | | time | times `cp` | aim |\n| --- | --- | --- | --- |\n{}{}{}{}{}\n\
         Greatest resident memory of our server in any round: {:.1} MiB (aim: below 64 MB).\n",
        FILE_BYTES >> 20,
        row("cp", &times.copy, ""),
        row("upload", &times.upload, "2.0"),
        row("download", &times.download, "1.5"),
        row("MLflow upload", &times.mlflow_upload, ""),
        row("MLflow download", &times.mlflow_download, ""),
        peak as f64 / 1024.0,
    )
}

/// One round on fresh folders.
fn measure(
    program: &Path,
    mlflow: Option<&Server>,
    folder: &Path,
    file: &Path,
    digest: &str,
) -> Result<Times, Error> {
    let mut times = Times::default();
    let copy = folder.join("copy");
    times.copy.push(timed(Command::new("cp").args([file, copy.as_path()]))?);
    std::fs::remove_file(&copy)?;
    let data = folder.join("data");
    let token =
        output(program, &["token", "create", "--owner", "lab", "--scope", "publish"], &data)?;
    {
        let server = start(program, &data)?;
        let bearer = format!("authorization: Bearer {token}\r\n");
        let path = format!("/v1/objects/{digest}");
        let put = format!("{path}?kind=checkpoint");
        times.upload.push(upload(&server.address, &put, &bearer, file)?);
        times.download.push(download(&server.address, &path, &bearer, &copy)?);
        same(file, &copy)?;
        times.peak_kib.push(peak_kib(server.child.id())?);
    }
    std::fs::remove_dir_all(&data)?;
    if let Some(server) = mlflow {
        let path = "/api/2.0/mlflow-artifacts/artifacts/one.safetensors";
        times.mlflow_upload.push(upload(&server.address, path, "", file)?);
        times.mlflow_download.push(download(&server.address, path, "", &copy)?);
        same(file, &copy)?;
        std::fs::remove_dir_all(folder.join("artifacts"))?;
        std::fs::create_dir(folder.join("artifacts"))?;
    }
    Ok(times)
}

/// Sends a file with one request; the seconds until it is answered.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn upload(address: &str, path: &str, header: &str, file: &Path) -> Result<f64, Error> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    let start = Instant::now();
    let mut socket = TcpStream::connect(address)?;
    let request = format!(
        "PUT {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{header}\r\n"
    );
    socket.write_all(request.as_bytes())?;
    pour(&mut file, &mut socket)?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let seconds = start.elapsed().as_secs_f64();
    accepted(&answer).map(|()| seconds)
}

/// Fetches a file with one request; the seconds until its last byte is written. HTTP 1.0, so that no server sends it in chunks.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn download(address: &str, path: &str, header: &str, to: &Path) -> Result<f64, Error> {
    let start = Instant::now();
    let mut socket = TcpStream::connect(address)?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n{header}\r\n");
    socket.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    accepted(&head)?;
    pour(&mut socket, &mut File::create(to)?)?;
    Ok(start.elapsed().as_secs_f64())
}

fn pour(from: &mut impl std::io::Read, to: &mut impl std::io::Write) -> Result<(), Error> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read])?;
    }
}

/// Refuses what is no answer of success.
fn accepted(answer: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(answer);
    match text.split_whitespace().nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(Error::Child(format!("the server answered {text}"))),
    }
}

/// Seconds of a command that must succeed.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(command: &mut Command) -> Result<f64, Error> {
    let start = Instant::now();
    let output = command.output()?;
    let seconds = start.elapsed().as_secs_f64();
    if output.status.success() {
        return Ok(seconds);
    }
    Err(Error::Child(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// Checks that a copy has the bytes of the original, and removes it.
fn same(file: &Path, copy: &Path) -> Result<(), Error> {
    timed(Command::new("cmp").args([file, copy]))?;
    Ok(std::fs::remove_file(copy)?)
}

/// The program that `MODELFOLIO` names, or the one beside this program.
pub(crate) fn program() -> Result<PathBuf, Error> {
    let path = match std::env::var_os("MODELFOLIO") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("modelfolio"),
    };
    if path.is_file() {
        return Ok(path);
    }
    let wanted = "build it: cargo build --release --package cli --bin modelfolio";
    Err(Error::Child(format!("no program {}; {wanted}", path.display())))
}

fn output(program: &Path, words: &[&str], data: &Path) -> Result<String, Error> {
    let output = Command::new(program).args(words).arg("--data").arg(data).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(Error::Child(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn start(program: &Path, data: &Path) -> Result<Server, Error> {
    let mut child = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
    let url = lines
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
    let mut server = Server { child, address: String::new() };
    server.address = url.ok_or_else(|| Error::Child("the server does not listen".to_owned()))?;
    Ok(server)
}

fn start_mlflow(program: &Path, folder: &Path) -> Result<Server, Error> {
    let artifacts = folder.join("artifacts");
    std::fs::create_dir(&artifacts)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new(program)
        .args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"])
        .args(["--serve-artifacts", "--artifacts-destination"])
        .arg(&artifacts)
        .arg("--backend-store-uri")
        .arg(format!("sqlite:///{}", folder.join("mlflow.db").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let server = Server { child, address: format!("127.0.0.1:{port}") };
    for _ in 0..300 {
        if download(&server.address, "/health", "", &folder.join("health")).is_ok() {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err(Error::Child("mlflow does not listen within a minute".to_owned()))
}

/// The greatest resident memory of a process, in KiB.
fn peak_kib(process: u32) -> Result<u64, Error> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    number.ok_or_else(|| Error::Child("the system does not tell a process's memory".to_owned()))
}

/// Writes a checkpoint of noise; its digest, as 64 digits.
fn write_checkpoint(path: &Path) -> Result<String, Error> {
    let bytes = FILE_BYTES / TENSORS;
    let tensors = (0..TENSORS).map(|k| {
        let form = json!({
            "dtype": "F32", "shape": [bytes / 4], "data_offsets": [k * bytes, (k + 1) * bytes]
        });
        (format!("layer.{k}"), form)
    });
    let mut header = serde_json::Value::Object(tensors.collect()).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for tensor in 0..TENSORS {
        file.write_all(&crate::noise::noise(tensor, bytes))?;
    }
    let (mut sha, mut file, mut piece) =
        (Sha256Stream::default(), File::open(path)?, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(sha.finish().hex());
        }
        sha.update(&piece[..read]);
    }
}
