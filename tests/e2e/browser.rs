//! The page of `/docs` in a real browser: it shows every operation and carries one out, with nothing but this api to
//! talk to. Driven over WebDriver, spoken by hand: four kinds of requests.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tests::stack::Stack;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// 200 ms between two looks at the page: a browser tells nobody when it has drawn.
const LOOK: Duration = Duration::from_millis(200);

/// A browser with one page; both processes end with it.
struct Browser {
    http: reqwest::Client,
    session: String,
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `Err`: there is none on this machine.
    async fn start() -> Result<Self, String> {
        if !["/usr/bin/chromium", "/usr/bin/chromium-browser"]
            .iter()
            .any(|path| std::path::Path::new(path).exists())
        {
            return Err("chromium is not installed".to_owned());
        }
        let profile = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("chromedriver: {error}"))?;
        let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = loop {
            let line = tokio::time::timeout(tests::DEADLINE, lines.next_line()).await;
            let line = line.expect("chromedriver starts").expect("it writes text").expect("it goes on");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", profile.path().join("profile").display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}
        }}});
        let http = reqwest::Client::builder().no_proxy().timeout(tests::DEADLINE).build().expect("a client");
        let base = format!("http://127.0.0.1:{port}/session");
        let answer = http.post(&base).json(&wanted).send().await.expect("chromedriver answers");
        let answer: Value = answer.json().await.expect("JSON");
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        Ok(Self { session: format!("{base}/{id}"), http, _driver: driver, _profile: profile })
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}/{command}", self.session)).json(&body);
        let answer: Value = request.send().await.expect("chromedriver answers").json().await.expect("JSON");
        assert!(answer["value"]["error"].is_null(), "{command}: {answer}");
        answer["value"].clone()
    }

    async fn evaluate(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Evaluates until it gives something.
    async fn wait_for(&self, script: &str) -> Value {
        let found = async {
            loop {
                let value = self.evaluate(script).await;
                if !value.is_null() && value != json!(false) {
                    return value;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(tests::DEADLINE, found).await;
        waited.unwrap_or_else(|_| panic!("the page never gets to: {script}"))
    }

    async fn close(self) {
        let _ = self.http.delete(&self.session).send().await; // the processes are killed anyway
    }
}

#[tokio::test]
async fn the_page_of_the_documentation_carries_out_a_request() {
    let stack = Stack::builder().workers(0).start().await;
    let browser = match Browser::start().await {
        Ok(browser) => browser,
        Err(reason) => {
            println!("NOT RUN: {reason} (.ci/deps test installs it)");
            return stack.finish().await;
        }
    };
    browser.post("url", json!({"url": format!("{}/docs", stack.client().base())})).await;
    let block = "document.querySelector('#operations-jobs-listJobs')";
    browser.wait_for(&format!("return {block} !== null")).await;
    let shown = browser.evaluate("return document.querySelectorAll('.opblock').length").await;
    let document = stack.client().get("/openapi.json").await.expect(200);
    let operations: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(shown, json!(operations), "every operation is shown");
    browser.evaluate(&format!("{block}.querySelector('.opblock-summary-control').click()")).await;
    browser.wait_for(&format!("return {block}.querySelector('.execute') !== null")).await;
    browser.evaluate(&format!("{block}.querySelector('.execute').click()")).await;
    let live = format!("{block}.querySelector('.live-responses-table')");
    let status = browser
        .wait_for(&format!("return {live} && {live}.querySelector('tbody .response-col_status').innerText"))
        .await;
    assert!(status.as_str().unwrap().starts_with("200"), "{status}");
    let body = browser.evaluate(&format!("return {live}.querySelector('tbody').innerText")).await;
    assert!(body.as_str().unwrap().contains("has_more"), "{body}");
    let loaded = "return performance.getEntriesByType('resource').map(e => e.name)";
    let loaded = browser.evaluate(loaded).await;
    for name in loaded.as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
        assert!(name.starts_with(stack.client().base()) || name.starts_with("data:"), "{name}");
    }
    let log = browser.post("se/log", json!({"type": "browser"})).await;
    let errors: Vec<&Value> =
        log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE").collect();
    assert!(errors.is_empty(), "{errors:#?}");
    browser.close().await;
    stack.finish().await;
}
