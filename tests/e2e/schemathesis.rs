//! The api against its own description, as schemathesis sees it: what is described is answered as described, what is not is
//! refused, and of two tenants none sees the other's things.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tests::client::Client;
use tests::published;
use tests::stack::{OPERATOR, Stack};
use tokio::process::Command;

/// From PyPI.
const PACKAGE: &str = "schemathesis==4.32.5";
/// 40 s of requests, and 50 s for what it does before and after them on a machine that is busy.
const BUDGET_SECS: u32 = 40;
/// 20 s for the operator's fifteen operations.
const OPERATOR_SECS: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(90);
/// 50 ms between two looks whether something still runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// 75 s: above the longest wait a request may ask for.
const REQUEST_TIMEOUT_SECS: u32 = 75;
/// What a request that breaks the description may be answered: also that a text is too large.
const REFUSALS: [&str; 12] =
    ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"];

/// What an upload that keeps to the description may be answered: no schema can say by what a file's name ends, how its content
/// begins, and that the head of a part of a form can be read.
const FORMS: [&str; 9] = ["2xx", "400", "401", "403", "404", "409", "415", "422", "429"];

async fn stack() -> Stack {
    let stack = Stack::builder().tenants().offline().alone();
    let stack = stack.env("WEBHOOK_ALLOW_PRIVATE", "false").env("TENANT_REQUESTS_PER_MINUTE", "1000000");
    stack.start().await
}

/// A file in the stack's own folder.
fn write(stack: &Stack, name: &str, text: &str) -> String {
    let path = stack.folder().join(name);
    std::fs::write(&path, text).expect("the stack's own folder");
    path.display().to_string()
}

/// The settings of every run, and those of one.
fn settings(stack: &Stack, own: &str) -> String {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/peers/preconditions.py");
    let text = format!(
        "request-timeout = {REQUEST_TIMEOUT_SECS}\nhooks = {:?}\n{own}\
         [checks.negative_data_rejection]\nexpected-statuses = {REFUSALS:?}\n\
         [[operations]]\ninclude-operation-id = \"uploadFile\"\n\
         checks.positive_data_acceptance.expected-statuses = {FORMS:?}\n",
        hooks.display().to_string()
    );
    write(stack, "schemathesis.toml", &text)
}

/// Runs it for so many seconds; every failure is one of this test.
async fn judge(stack: &Stack, settings: &str, seconds: u32, more: &[&str]) {
    let folder = match published::from_pypi(env!("CARGO_TARGET_TMPDIR"), &[PACKAGE]).await {
        Ok(folder) => folder,
        Err(reason) => {
            println!("NOT RUN: schemathesis cannot be installed here: {reason}");
            return;
        }
    };
    let run = Command::new("python3")
        .arg(folder.join("bin/schemathesis"))
        .args(["--config-file", settings, "run", &format!("{}/openapi.json", stack.client().base())])
        .args(["--max-time", &seconds.to_string(), "--workers", "1", "--seed", "1", "--continue-on-failure"])
        .args(more)
        .env("PYTHONPATH", &folder)
        .env("HOME", stack.folder().join("home"))
        .current_dir(stack.folder())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(PATIENCE, run).await.expect("it keeps to its time").expect("python3 starts");
    let told = String::from_utf8_lossy(&output.stdout);
    println!(
        "{}",
        told.lines().rev().take(25).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    );
    assert!(output.status.success(), "{told}");
}

/// What was accepted at the last moment is still to run.
async fn until_idle(client: &Client) {
    let ended = async {
        for status in ["queued", "running"] {
            let path = format!("/jobs?status={status}&limit=1");
            while client.get(&path).await.expect(200)["data"] != json!([]) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::time::timeout(tests::DEADLINE, ended).await.expect("all jobs end");
}

#[tokio::test]
async fn the_api_is_as_it_is_described_to_two_tenants() {
    let stack = stack().await;
    let (alice, bob) = (stack.tenant("alice").await, stack.tenant("bob").await);
    let auth: Vec<Value> = [("alice", &alice), ("bob", &bob)]
        .into_iter()
        .map(|(name, client)| {
            let key = client.key().expect("a tenant's client has one");
            json!({"name": name, "fixedHeaders": [{"name": "Authorization", "value": format!("Bearer {key}")}]})
        })
        .collect();
    let users = write(&stack, "wfc.json", &json!({ "auth": auth }).to_string()); // JSON is YAML
    let own = format!("[auth.wfc]\npath = {users:?}\npeers = [\"alice\", \"bob\"]\n");
    judge(&stack, &settings(&stack, &own), BUDGET_SECS, &[]).await;
    tokio::join!(until_idle(&alice), until_idle(&bob));
    stack.finish().await;
}

/// To tenants the operator's part is closed; here it is open.
#[tokio::test]
async fn the_operators_part_is_as_it_is_described() {
    let stack = stack().await;
    // Not through the stack: its keys may be revoked on the way.
    stack.client().post("/keys", &json!({"tenant": "acme"})).await.expect(201);
    let header = format!("Authorization: Bearer {OPERATOR}");
    let paths = "^/(keys|tenants|audit|metrics|credentials|webhook-secret|usage)";
    let more = ["-H", &header, "--include-path-regex", paths];
    judge(&stack, &settings(&stack, ""), OPERATOR_SECS, &more).await;
    stack.finish().await;
}
