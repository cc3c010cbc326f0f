//! Runs programs in the system's CPython, in a plain subprocess, against the tools of `stub_tools.py`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const PYTHON: &str = "/usr/bin/python3";

/// What the program returned and called. The stub ends itself after its own deadline.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub fn run(code: &str, input: &str) -> Value {
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stub_tools.py");
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program.py");
    std::fs::write(&program, code).expect("written");
    let output = python(&[stub.as_os_str(), program.as_os_str()], input.as_bytes());
    serde_json::from_slice(&output).expect("the stub prints JSON")
}

/// Runs every program on two inputs; fails with the first that CPython rejects or that breaks.
#[allow(dead_code, reason = "each test binary uses some of these")]
pub fn run_all(sources: &[String]) {
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stub_tools.py");
    let sources = serde_json::to_vec(sources).expect("JSON");
    python(&[stub.as_os_str(), "--many".as_ref()], &sources);
}

fn python(arguments: &[&std::ffi::OsStr], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(PYTHON)
        .arg("-I")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    child.stdin.take().expect("stdin").write_all(input).expect("input is read");
    let output = child.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
