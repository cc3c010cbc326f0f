//! What a run costs, beside what it would cost elsewhere, in one table.
//!
//! `make bench`. Needs the release `runner` beside it and builds it. Also writes `target/bench/cell.json`.

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
    let mut table = Table::default();
    cold(
        &mut table,
        "cold python3 -I -S with the same imports",
        &["/usr/bin/python3", "-I", "-S", "-c", IMPORTS],
    );
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
    cold(&mut table, "bwrap + the same", &bwrap);
    bare_fork(&mut table);
    for tier in [Tier::A, Tier::B] {
        runtime.block_on(in_cells(tier, &mut table));
    }
    table.write("cell");
}

/// What is printed, kept for those who compare.
#[derive(Default)]
struct Table(serde_json::Map<String, serde_json::Value>);

impl Table {
    fn row(&mut self, what: &str, mut times: Vec<Duration>) {
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1000.0;
        println!("{what:<58} {:>9.2} {:>9.2}", at(50), at(99));
        self.0.insert(what.to_owned(), serde_json::json!({"p50_ms": at(50), "p99_ms": at(99)}));
    }

    fn rate(&mut self, what: &str, per_second: f64) {
        println!("{what:<58} {per_second:>9.0} runs/s");
        self.0.insert(what.to_owned(), serde_json::json!({"runs_per_second": per_second}));
    }

    fn write(&self, name: &str) {
        let executable = std::env::current_exe().expect("a bench has an executable");
        let target = executable.ancestors().nth(3).expect("target/<profile>/deps/<bench>").join("bench");
        std::fs::create_dir_all(&target).expect("the target folder can be written");
        let body = serde_json::to_vec_pretty(&self.0).expect("numbers are JSON");
        std::fs::write(target.join(format!("{name}.json")), body).expect("the target folder can be written");
    }
}

/// The floor: a warm interpreter with the same modules forks, the child ends at once, nothing is walled in.
fn bare_fork(table: &mut Table) {
    let script = format!(
        "{IMPORTS}\nimport os, time, gc\ngc.freeze()\nfor _ in range(200):\n    began = time.perf_counter_ns()\n    \
         child = os.fork()\n    if child == 0: os._exit(0)\n    os.waitpid(child, 0)\n    print(time.perf_counter_ns() - began)"
    );
    let output =
        Command::new("/usr/bin/python3").args(["-I", "-S", "-c", &script]).output().expect("python3 starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let times = said.lines().filter_map(|line| line.parse().ok()).map(Duration::from_nanos).collect();
    table.row("bare fork of the same warm interpreter, to its end", times);
}

fn cold(table: &mut Table, what: &str, command: &[&str]) {
    let once = || {
        let started = Instant::now();
        let done = Command::new(command[0]).args(&command[1..]).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then(|| started.elapsed())
    };
    match (0..20).map(|_| once()).collect::<Option<Vec<_>>>() {
        Some(times) => table.row(what, times),
        None => println!("{what:<58} NOT RUN: {} is not there or may not", command[0]),
    }
}

async fn in_cells(tier: Tier, table: &mut Table) {
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
        table.row(&format!("tier {tier}, {what}"), times);
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
    table.rate(&format!("tier {tier}, eight at a time"), per_second);
    Arc::into_inner(bench).expect("one owner").end().await;
}
