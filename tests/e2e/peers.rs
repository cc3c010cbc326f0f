//! The official Python clients accept the fakes: then the fakes are shaped like the original, and what our own clients
//! understand of them they understand of it.

use std::path::Path;

use axum::http::StatusCode;
use tests::fakes::anthropic::{AnthropicFake, Purpose, Reply};
use tests::fakes::paradigm::{Fault, ParadigmFake};
use tests::published;
use tokio::process::Command;

/// The clients, at the versions the fakes were made after.
const PACKAGES: [&str; 2] = ["anthropic==2.12.0", "lighton-sdk==1.3.0"];
#[tokio::test]
async fn the_official_clients_accept_the_fakes() {
    let packages = match published::from_pypi(env!("CARGO_TARGET_TMPDIR"), &PACKAGES).await {
        Ok(folder) => folder,
        Err(reason) => {
            eprintln!("NOT RUN: the official clients cannot be installed here: {reason}");
            return;
        }
    };
    let anthropic = AnthropicFake::start("key").await;
    let paradigm = ParadigmFake::start("key").await;
    // One whole and one streamed answer, then what the script expects.
    let answer = || Reply::Text("Reply to: Où est l'été ?".to_owned());
    let error = |status, kind| Reply::Error { status, kind, headers: Vec::new() };
    let stopped = |stop_reason| Reply::Stopped { text: "half".to_owned(), stop_reason };
    let final_headers = vec![("x-should-retry", "false".to_owned())];
    let scripted = [
        answer(),
        answer(),
        Reply::rate_limited(Some(1)),
        Reply::overloaded(),
        error(500, "api_error"),
        error(403, "permission_error"),
        error(402, "billing_error"),
        error(413, "request_too_large"),
        Reply::refusal(),
        stopped("max_tokens"),
        stopped("pause_turn"),
        stopped("model_context_window_exceeded"),
        Reply::ErrorEvent("overloaded_error"),
        Reply::Cut,
        Reply::rate_limited(Some(1)),
        Reply::Text("after a pause".to_owned()),
        Reply::Error { status: 529, kind: "overloaded_error", headers: final_headers },
        Reply::Hang,
    ];
    anthropic.script(Purpose::Chat, scripted);
    paradigm.fail("limited", 1, Fault::Status(StatusCode::TOO_MANY_REQUESTS, Some(2)));
    paradigm.fail("broken", 1, Fault::Status(StatusCode::INTERNAL_SERVER_ERROR, None));
    paradigm.fail("forbidden", 1, Fault::Status(StatusCode::FORBIDDEN, None));
    paradigm.fail("garbled", 1, Fault::NotJson);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/peers/clients.py");
    let run = Command::new("python3")
        .arg(script)
        .args([anthropic.url(), paradigm.url()])
        .env("PYTHONPATH", packages)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(tests::DEADLINE, run).await.expect("it ends").expect("python3 starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout.ends_with(b"ok\n"), "{told}");
    assert!(!anthropic.take_scripted(Purpose::Chat), "everything scripted was met");
}
