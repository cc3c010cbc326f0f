//! The official Python clients accept the fakes: then the fakes are shaped like the original, and what our own clients
//! understand of them they understand of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use tests::fakes::anthropic::{AnthropicFake, Purpose, Reply};
use tests::fakes::paradigm::{Fault, ParadigmFake};
use tokio::process::Command;

/// The clients, at the versions the fakes were made after.
const PACKAGES: [&str; 2] = ["anthropic==2.12.0", "lighton-sdk==1.3.0"];
/// 3 min to install them: a few megabytes over a slow line.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(180);

/// The folder with the packages, installed once per target folder; `Err` says why there is none.
async fn packages() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGES.join("_").replace("==", "-"));
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(folder);
    }
    let install = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
        .arg(&folder)
        .args(PACKAGES)
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(INSTALL_TIMEOUT, install).await;
    let output = done.map_err(|_| "pip took too long")?.map_err(|error| format!("python3: {error}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(told.lines().last().unwrap_or("pip failed").to_owned());
    }
    std::fs::write(&complete, "").map_err(|error| error.to_string())?;
    Ok(folder)
}

#[tokio::test]
async fn the_official_clients_accept_the_fakes() {
    let packages = match packages().await {
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
    let scripted = [answer(), answer(), Reply::rate_limited(Some(1)), Reply::overloaded(), Reply::refusal()];
    anthropic.script(Purpose::Chat, scripted);
    paradigm.fail("limited", 1, Fault::Status(StatusCode::TOO_MANY_REQUESTS, Some(2)));
    paradigm.fail("broken", 1, Fault::Status(StatusCode::INTERNAL_SERVER_ERROR, None));
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
}
