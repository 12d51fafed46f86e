//! The pages that the server carries, in a real browser that can reach nothing but the server.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these are tests, though the lint sees only the functions that they call"
)]

mod webdriver;

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use webdriver::{Browser, Programs};

const EXAMPLES: &str = include_str!("../../crates/server/assets/playground/examples.graphql");
const START_SECONDS_MAX: u64 = 60;

/// The real program's server on a free port and a fresh folder; it ends with this value.
struct Server {
    base: String,
    _process: Child,
    _data: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_modelfolio-under-test"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(base) = line.strip_prefix("listening on ") {
                    return base.trim().to_owned();
                }
            }
            panic!("the server ended without `listening on`");
        };
        let base =
            tokio::time::timeout(Duration::from_secs(START_SECONDS_MAX), said).await.unwrap();
        // A full pipe would stop the server.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { base, _process: process, _data: data }
    }
}

fn picture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Opens the tab, presses the page's own button and returns the text of the result pane once an answer stands there.
async fn run_tab(browser: &Browser, tab: usize) -> String {
    const RESULT: &str = "document.querySelector('.result-window .CodeMirror').CodeMirror";
    browser.click(".graphiql-tab-button", tab).await;
    browser.script(&format!("{RESULT}.setValue('')")).await;
    browser.click("button.graphiql-execute-button", 0).await;
    let answered =
        format!("const text = {RESULT}.getValue(); return /\"(data|errors)\"/.test(text) && text");
    browser.wait_for("an answer in the result pane", &answered).await.as_str().unwrap().to_owned()
}

async fn check_playground(browser: &Browser, server: &Server) {
    browser.load(&format!("{}/playground", server.base)).await;
    browser
        .wait_for(
            "the run button",
            "return document.querySelector('button.graphiql-execute-button') !== null",
        )
        .await;
    assert_eq!(browser.script("return document.title").await, "modelfolio playground");

    let titles: Vec<&str> = EXAMPLES.lines().filter_map(|line| line.strip_prefix("#: ")).collect();
    let count = "return document.querySelectorAll('.graphiql-tab-button').length";
    assert_eq!(browser.script(count).await, titles.len(), "each worked example has a tab");
    for (tab, title) in titles.iter().enumerate() {
        let answer: Value = serde_json::from_str(&run_tab(browser, tab).await).unwrap();
        assert!(answer.get("errors").is_none(), "{title}: {answer}");
        let data = answer["data"].as_object().unwrap_or_else(|| panic!("{title}: {answer}"));
        assert!(!data.is_empty(), "{title}: {answer}");
    }
    let seen = browser.script("return document.querySelector('.result-window').innerText").await;
    assert!(
        seen.as_str().unwrap().contains("\"clock\""),
        "the answer can be seen, not only found: {seen}"
    );
    browser.screenshot(&picture("playground.png")).await;

    browser.click("button.graphiql-tab-add", 0).await;
    assert_eq!(browser.script(count).await, titles.len() + 1, "a tab of the reader's own");
    browser.click("button#examples", 0).await;
    let only_examples =
        format!("const tabs = (() => {{ {count} }})(); return tabs === {}", titles.len());
    browser.wait_for("the examples alone", &only_examples).await;
}

async fn check_dashboard(browser: &Browser, server: &Server) {
    browser.load(&format!("{}/", server.base)).await;
    browser
        .wait_for("the numbers", "return document.querySelector('main[aria-busy=false]') !== null")
        .await;
    let failure = browser.script("return document.getElementById('failure').innerText").await;
    assert_eq!(failure, "", "the dashboard reads every field it asks for");
    let text = browser.script("return document.body.innerText").await;
    assert!(text.as_str().unwrap().contains("mark to model; no market stands behind it"), "{text}");
    for (name, width, scheme) in [
        ("dashboard.png", 1280, "light"),
        ("dashboard-phone.png", 390, "light"),
        ("dashboard-dark.png", 1280, "dark"),
    ] {
        browser.resize(width, 1000, scheme).await;
        let wide = browser.script("return document.documentElement.scrollWidth").await;
        assert!(
            wide.as_u64().unwrap() <= u64::from(width),
            "the page is {wide} wide on a screen of {width}"
        );
        browser.screenshot(&picture(name)).await;
    }
}

/// Proves that playground and dashboard work with every outside address blocked, and that neither asks for one.
#[tokio::test]
async fn pages_work_without_any_outside_address() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start().await;
    let browser = Browser::start(&programs).await;

    check_playground(&browser, &server).await;
    check_dashboard(&browser, &server).await;

    let foreign: Vec<String> = browser
        .requested()
        .await
        .into_iter()
        .filter(|address| !address.starts_with(&server.base))
        .collect();
    assert_eq!(foreign, Vec::<String>::new(), "the pages ask for nothing elsewhere");
    assert_eq!(browser.console_errors().await, Vec::<String>::new(), "the console is quiet");
    browser.quit().await;
}
