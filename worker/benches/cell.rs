//! What a run costs, beside what it would cost elsewhere, in one table.
//!
//! `cargo bench -p worker --bench cell`. Needs the release `runner` beside it and builds it.

#[path = "../tests/cell/elsewhere.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod elsewhere;
#[path = "../tests/cell/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{Answers, Bench, expect_value};
use tokio_util::sync::CancellationToken;
use worker::cell::{RunLimits, Tier};

/// The modules that a cell finds imported already, as far as a cold interpreter would import them for a program.
const IMPORTS: &str = "import asyncio, csv, dataclasses, datetime, decimal, email, hashlib, html, json, logging, pathlib, \
                       random, re, sqlite3, statistics, tempfile, typing, unicodedata, uuid, xml.etree.ElementTree, zipfile";
const PROGRAM: &str = "def execute_workflow(x):\n    return {'answer': x}";
const ASYNC_PROGRAM: &str = "async def execute_workflow(x):\n    return await paradigm_search(x)";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{:<58} {:>9} {:>9}", "", "p50 ms", "p99 ms");
    cold("cold python3 -I -S with the same imports", &["/usr/bin/python3", "-I", "-S", "-c", IMPORTS]);
    let bwrap = [
        "bwrap",
        "--unshare-all",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--tmpfs",
        "/work",
        "--die-with-parent",
        "/usr/bin/python3",
        "-I",
        "-S",
        "-c",
        IMPORTS,
    ];
    cold("bwrap + the same", &bwrap);
    for tier in [Tier::A, Tier::B] {
        runtime.block_on(in_cells(tier));
    }
}

fn cold(what: &str, command: &[&str]) {
    let once = || {
        let started = Instant::now();
        let done = Command::new(command[0]).args(&command[1..]).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then(|| started.elapsed())
    };
    match (0..20).map(|_| once()).collect::<Option<Vec<_>>>() {
        Some(times) => row(what, times),
        None => println!("{what:<58} NOT RUN: {} is not there or may not", command[0]),
    }
}

async fn in_cells(tier: Tier) {
    let bench = Arc::new(Bench::start_with(|config| config.max_tier = tier).await);
    let host = || Answers::new(|call| worker::cell::ToolVerdict::Answer(call.arguments["query"].clone()));
    for (what, program, pause) in [
        ("pool: dispatch to report, idle", PROGRAM, Duration::from_millis(8)),
        ("pool: the same with a tool call", ASYNC_PROGRAM, Duration::from_millis(8)),
        ("no pause between runs (fork and jail are in it)", PROGRAM, Duration::ZERO),
    ] {
        let mut times = Vec::new();
        for _ in 0..300 {
            tokio::time::sleep(pause).await;
            let started = Instant::now();
            let report =
                bench.run(program, "x", RunLimits::default(), host(), CancellationToken::new()).await;
            times.push(started.elapsed());
            expect_value(&report, program);
        }
        row(&format!("tier {tier}, {what}"), times);
    }
    let started = Instant::now();
    let runs = 3000_u32;
    let lanes: Vec<_> = (0..8)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move {
                for _ in 0..runs / 8 {
                    let report = bench.execute(PROGRAM, "x").await;
                    expect_value(&report, PROGRAM);
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.expect("no lane fails");
    }
    let per_second = f64::from(runs) / started.elapsed().as_secs_f64();
    println!("{:<58} {per_second:>9.0} runs/s", format!("tier {tier}, eight at a time"));
    Arc::into_inner(bench).expect("one owner").end().await;
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1000.0;
    println!("{what:<58} {:>9.2} {:>9.2}", at(50), at(99));
}
