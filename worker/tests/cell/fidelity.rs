//! Programs mean in a cell what they mean in plain CPython: each runs in both, and both results must be equal.
//!
//! What cannot be equal is listed with its reason and with what the cell says instead.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use worker::cell::Tier;

use crate::support::{Bench, expect_value};

const PROGRAMS: &str = include_str!("fidelity.py");
const INPUT: &str = "Hallo ü 123";
/// Fewer would mean that the file is not read as it is meant.
const PROGRAMS_MIN: usize = 60;
/// The seed of all cells: sets of words have one order everywhere.
const HASH_SEED: &str = "20250101";

/// What a cell refuses, clearly, and a plain interpreter does.
fn differences() -> [(&'static str, &'static str, Value); 5] {
    let refused = json!(["PermissionError", "Operation not permitted"]);
    [
        ("socket_refused", "there is no network", refused.clone()),
        ("subprocess_refused", "there are no child processes", refused.clone()),
        ("fork_refused", "there are no child processes", refused),
        ("urlopen_refused", "there is no network", json!(["URLError", "PermissionError"])),
        (
            "environment",
            "nothing of the host shows",
            json!([["LANG", "PATH", "TZ"], ["workflow.py"], true, null]),
        ),
    ]
}

fn programs() -> Vec<(&'static str, &'static str)> {
    PROGRAMS
        .split("# === ")
        .skip(1)
        .map(|part| part.split_once('\n').expect("a name and a program"))
        .collect()
}

/// The same program in the distribution's interpreter, in an empty folder.
fn plain(name: &str, program: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cell/plain.py");
    let mut python = Command::new("/usr/bin/python3")
        .args(["-S", "-P", "-X", "utf8", driver, INPUT])
        .current_dir(folder.path())
        .env_clear()
        .envs([("PYTHONHASHSEED", HASH_SEED), ("TZ", "UTC"), ("LANG", "C.UTF-8"), ("PATH", "")])
        .envs([("HOME", folder.path()), ("TMPDIR", folder.path())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    python.stdin.take().expect("piped").write_all(program.as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{name} in plain CPython: {error}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

async fn compare(tier: Tier) {
    let bench = Bench::start_with(|config| config.max_tier = tier).await;
    let (programs, differences) = (programs(), differences());
    assert!(programs.len() >= PROGRAMS_MIN, "{}", programs.len());
    let mut wrong = Vec::new();
    for (name, program) in &programs {
        let report = bench.execute(program, INPUT).await;
        let in_cell = expect_value(&report, program);
        let in_plain = plain(name, program);
        let expected = match differences.iter().find(|(known, ..)| known == name) {
            Some((_, reason, value)) => {
                assert_ne!(*value, in_plain, "{name} is not different any more ({reason})");
                value
            }
            None => &in_plain,
        };
        if in_cell != *expected {
            wrong.push(format!("{name} on tier {tier}:\n  in a cell {in_cell}\n  expected  {expected}"));
        }
    }
    println!("tier {tier}: {} programs, {} of them differ as listed", programs.len(), differences.len());
    bench.end().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_mean_the_same_as_in_plain_cpython_on_tier_a() {
    compare(Tier::A).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_mean_the_same_as_in_plain_cpython_on_tier_b() {
    compare(Tier::B).await;
}
