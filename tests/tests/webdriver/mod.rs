//! A headless Chromium for one test, driven over the WebDriver protocol, with every outside address blocked.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// The key under which the protocol hides the name of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How often and how long a page is asked for something that it is still preparing.
const POLL: Duration = Duration::from_millis(100);
const POLLS_MAX: u32 = 600;

/// The programs that a browser test needs.
pub(crate) struct Programs {
    browser: PathBuf,
    driver: PathBuf,
}

impl Programs {
    /// Finds both programs, or says on the terminal why the test does not run; under `ops/check` that is a failure.
    pub(crate) fn find() -> Option<Self> {
        let browser =
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path);
        match (browser, on_path("chromedriver")) {
            (Some(browser), Some(driver)) => Some(Self { browser, driver }),
            (browser, driver) => {
                let missing = [("chromium", browser), ("chromedriver", driver)];
                let names: Vec<_> = missing
                    .iter()
                    .filter(|(_, found)| found.is_none())
                    .map(|(name, _)| *name)
                    .collect();
                let message =
                    format!("the browser test did not run: not on PATH: {}", names.join(", "));
                assert!(std::env::var_os("MODELFOLIO_CHECK").is_none(), "{message}");
                // Past the test runner's capture, which would hide it.
                let _ = std::io::stderr().write_all(format!("{message}\n").as_bytes());
                None
            }
        }
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The driver's process and, in the same process group, the browser that it starts; both end with this value.
struct Driver(Child);

impl Driver {
    fn start(program: &Path, home: &Path) -> (Self, u16) {
        let mut child = Command::new(program)
            .arg("--port=0")
            .env("HOME", home) // crash reports and caches go where the profile goes
            .env("XDG_CONFIG_HOME", home)
            .env("XDG_CACHE_HOME", home)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let driver = Self(child);
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| {
                line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver ended without naming its port");
        std::thread::spawn(move || lines.for_each(drop));
        (driver, port)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// One browser session. Methods panic where the browser or the page does not do what the test asks.
pub(crate) struct Browser {
    http: reqwest::Client,
    session: String,
    _driver: Driver,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the driver and a browser with a fresh profile that can reach 127.0.0.1 and nothing else.
    pub(crate) async fn start(programs: &Programs) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let (driver, port) = Driver::start(&programs.driver, profile.path());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--window-size=1280,900",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "timeouts": { "pageLoad": 60_000, "script": 30_000 },
            "goog:chromeOptions": { "binary": programs.browser, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let base = format!("http://127.0.0.1:{port}");
        let mut browser = Self { http, session: base, _driver: driver, _profile: profile };
        let opened = browser.post("session", capabilities).await;
        let id = opened["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {opened}"));
        browser.session = format!("{}/session/{id}", browser.session);
        // Leaves the browser's own first page, and forgets what that asked for.
        browser.load("about:blank").await;
        browser.requested().await;
        browser
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "the browser refuses: {}", value["message"]);
        value
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.answer(self.http.post(format!("{}/{path}", self.session)).json(&body)).await
    }

    /// Loads a page.
    pub(crate) async fn load(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Runs a function body in the page and returns what it returns.
    pub(crate) async fn script(&self, body: &str) -> Value {
        self.post("execute/sync", json!({ "script": body, "args": [] })).await
    }

    /// Runs a function body until it returns something other than null, false or an empty text.
    pub(crate) async fn wait_for(&self, what: &str, body: &str) -> Value {
        for _ in 0..POLLS_MAX {
            let value = self.script(body).await;
            if !matches!(&value, Value::Null | Value::Bool(false)) && value != "" {
                return value;
            }
            tokio::time::sleep(POLL).await;
        }
        let page = self.script("return document.body.innerText").await;
        panic!("waited in vain for {what}; the page says: {page}");
    }

    /// Clicks the `index`-th element that matches, as a reader would.
    pub(crate) async fn click(&self, css: &str, index: usize) {
        let query = json!({ "using": "css selector", "value": css });
        let found = self.post("elements", query).await;
        let id =
            found[index][ELEMENT].as_str().unwrap_or_else(|| panic!("no {css} number {index}"));
        self.post(&format!("element/{id}/click"), json!({})).await;
    }

    /// Shows the page as on a screen `width` pixels wide, in the light or in the dark.
    pub(crate) async fn resize(&self, width: u32, height: u32, scheme: &str) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        for (command, params) in [
            ("Emulation.setDeviceMetricsOverride", metrics),
            ("Emulation.setEmulatedMedia", features),
        ] {
            self.post("goog/cdp/execute", json!({ "cmd": command, "params": params })).await;
        }
    }

    /// Saves a picture of the page and returns its path.
    pub(crate) async fn screenshot(&self, file: &Path) {
        let picture = self.answer(self.http.get(format!("{}/screenshot", self.session))).await;
        std::fs::write(file, from_base64(picture.as_str().unwrap())).unwrap();
    }

    /// Addresses that the page has asked for since the last call, inline `data:` aside.
    pub(crate) async fn requested(&self) -> Vec<String> {
        let mut addresses = Vec::new();
        for entry in self.log("performance").await {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                addresses.extend(event["params"]["request"]["url"].as_str().map(str::to_owned));
            }
        }
        addresses.retain(|address| !address.starts_with("data:"));
        addresses
    }

    /// Errors that the page has written to its console since the last call.
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|e| e["message"].to_string())
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        self.post("se/log", json!({ "type": kind })).await.as_array().cloned().unwrap_or_default()
    }

    /// Ends the browser in good order; a value dropped without it ends it by force.
    pub(crate) async fn quit(self) {
        self.answer(self.http.delete(&self.session)).await;
    }
}

/// Reads standard base64; the protocol sends pictures so.
fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter(|&byte| byte != b'=') {
        let value = DIGITS.iter().position(|&known| known == digit).expect("a base64 digit");
        bits = (bits << 6 | value as u32) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
