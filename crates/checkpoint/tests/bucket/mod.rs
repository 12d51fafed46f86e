//! A real S3 server on loopback: `moto` from the Python package index, in an environment made once a target folder.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

/// The release of moto that is run.
const MOTO: &str = "5.2.5";
const BUCKET: &str = "models";

/// The server; it ends with this value.
pub(crate) struct S3 {
    child: Child,
    port: u16,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl S3 {
    /// Starts a server with an empty bucket; `None`, with a plain line, where it cannot be installed and the check does not insist.
    pub(crate) fn start() -> Option<Self> {
        let python = match environment() {
            Ok(python) => python,
            Err(reason) => {
                let line = format!("SKIPPED: moto cannot be installed: {reason}");
                assert!(std::env::var_os("MODELFOLIO_CHECK").is_none(), "{line}");
                eprintln!("{line}");
                return None;
            }
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(python.with_file_name("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        for _ in 0..300 {
            if let Some(answer) = server.ask(&format!("PUT /{BUCKET}")) {
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto does not listen within half a minute");
    }

    /// Sends a request without a body; the answer, unless nobody listens.
    fn ask(&self, line: &str) -> Option<String> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!(
            "{line} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.port
        );
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// How many multipart uploads have been begun and not ended.
    pub(crate) fn open_uploads(&self) -> usize {
        self.ask(&format!("GET /{BUCKET}?uploads")).unwrap().matches("<UploadId>").count()
    }

    /// The address of a prefix in the bucket, or in a bucket that is not there.
    pub(crate) fn address(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// What the environment of a program would say.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let pairs = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }
}

fn environment() -> Result<PathBuf, String> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = parent.join(format!("moto-{MOTO}"));
    // Tests that run at the same time make it once.
    let lock = File::create(parent.join(format!("moto-{MOTO}.lock"))).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let python = folder.join("bin/python");
    let import = format!("import moto, flask; assert moto.__version__ == '{MOTO}'");
    if Command::new(&python).args(["-c", &import]).output().is_ok_and(|o| o.status.success()) {
        return Ok(python);
    }
    let package = format!("moto[s3,server]=={MOTO}");
    let steps: [(&Path, &[&str]); 2] = [
        (Path::new("python3"), &["-m", "venv", "--clear", folder.to_str().unwrap()]),
        (&python, &["-m", "pip", "install", "--quiet", "--retries", "1", &package]),
    ];
    for (program, words) in steps {
        let output: Output =
            Command::new(program).args(words).output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(python)
}
