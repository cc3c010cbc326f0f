//! What a run costs, beside what it would cost elsewhere, in one table.
//!
//! `make bench`. Needs the release `runner` beside it and builds it. Also writes `target/bench/cell.json`.

#[path = "../tests/cell/elsewhere.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod elsewhere;
#[path = "../tests/cell/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
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

/// Every program in turn, this often: what the machine does meanwhile it does to all of them.
const ROUNDS: u32 = 20;
/// In each round.
const RUNS_PER_ROUND: u32 = 15;
/// Of which eight at a time.
const CROWD_PER_ROUND: u32 = 160;
const LANES: u32 = 8;
/// A cell is refilled meanwhile.
const IDLE: Duration = Duration::from_millis(8);

const BWRAP: &str = "bwrap --unshare-all --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --tmpfs /work \
                     --die-with-parent /usr/bin/python3 -I -S -c";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(all());
}

async fn all() {
    let mut table = Table::default();
    let mut colds = [
        Cold::new("cold python3 -I -S with the same imports", "/usr/bin/python3 -I -S -c"),
        Cold::new("bwrap + the same", BWRAP),
    ];
    let mut fork = BareFork::start();
    let mut rooms = [InCells::start(Tier::A).await, InCells::start(Tier::B).await];
    for _ in 0..ROUNDS {
        for cold in &mut colds {
            cold.once();
        }
        for _ in 0..RUNS_PER_ROUND {
            fork.once();
        }
        for room in &mut rooms {
            room.round().await;
        }
    }
    println!("{:<58} {:>9} {:>9}", "", "p50 ms", "p99 ms");
    for Cold { what, command, times } in colds {
        match times {
            Some(times) => table.row(what, times),
            None => println!("{what:<58} NOT RUN: {} is not there or may not", command[0]),
        }
    }
    table.row("bare fork of the same warm interpreter, to its end", fork.end());
    for room in rooms {
        room.end(&mut table).await;
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

/// A process per run, from its start to its end.
struct Cold {
    what: &'static str,
    command: Vec<&'static str>,
    /// `None`: it does not work here.
    times: Option<Vec<Duration>>,
}

impl Cold {
    fn new(what: &'static str, command: &'static str) -> Self {
        let command = command.split_whitespace().chain([IMPORTS]).collect();
        Self { what, command, times: Some(Vec::new()) }
    }

    fn once(&mut self) {
        let Some(times) = &mut self.times else { return };
        let started = Instant::now();
        let done = Command::new(self.command[0]).args(&self.command[1..]).stderr(Stdio::null()).status();
        if done.is_ok_and(|status| status.success()) {
            times.push(started.elapsed());
        } else {
            self.times = None;
        }
    }
}

/// The floor: a warm interpreter with the same modules forks, the child ends at once, nothing is walled in.
struct BareFork {
    python: Child,
    said: std::io::Lines<BufReader<ChildStdout>>,
    times: Vec<Duration>,
}

impl BareFork {
    fn start() -> Self {
        let script = format!(
            "{IMPORTS}\nimport gc, os, sys, time\ngc.freeze()\nfor _ in sys.stdin:\n    began = time.perf_counter_ns()\n    \
             child = os.fork()\n    if child == 0: os._exit(0)\n    os.waitpid(child, 0)\n    \
             print(time.perf_counter_ns() - began, flush=True)"
        );
        let mut python = Command::new("/usr/bin/python3")
            .args(["-I", "-S", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let said = BufReader::new(python.stdout.take().expect("piped")).lines();
        let mut fork = Self { python, said, times: Vec::new() };
        fork.once(); // it is warm now
        fork.times.clear();
        fork
    }

    fn once(&mut self) {
        self.python.stdin.as_mut().expect("piped").write_all(b"go\n").expect("it reads");
        let took = self.said.next().expect("a line").expect("text").parse().expect("a number");
        self.times.push(Duration::from_nanos(took));
    }

    fn end(mut self) -> Vec<Duration> {
        drop(self.python.stdin.take());
        self.python.wait().expect("it ends");
        self.times
    }
}

/// The cells of one tier.
struct InCells {
    tier: Tier,
    bench: Arc<Bench>,
    rows: [(&'static str, &'static str, Duration, Vec<Duration>); 3],
    crowd: Duration,
}

impl InCells {
    async fn start(tier: Tier) -> Self {
        let bench = Arc::new(Bench::start_with(|config| config.max_tier = tier).await);
        let rows = [
            ("pool: dispatch to report, idle", PROGRAM, IDLE, Vec::new()),
            ("pool: the same with a tool call", ASYNC_PROGRAM, IDLE, Vec::new()),
            ("no pause between runs (fork and jail are in it)", PROGRAM, Duration::ZERO, Vec::new()),
        ];
        Self { tier, bench, rows, crowd: Duration::ZERO }
    }

    async fn round(&mut self) {
        let host = || Answers::new(|call| worker::cell::ToolVerdict::Answer(call.arguments["query"].clone()));
        for (_, program, pause, times) in &mut self.rows {
            for _ in 0..RUNS_PER_ROUND {
                tokio::time::sleep(*pause).await;
                let started = Instant::now();
                let report = self
                    .bench
                    .run(program, "x", RunLimits::default(), host(), CancellationToken::new())
                    .await;
                times.push(started.elapsed());
                expect_value(&report, program);
            }
        }
        let started = Instant::now();
        let lanes: Vec<_> = (0..LANES)
            .map(|_| {
                let bench = self.bench.clone();
                tokio::spawn(async move {
                    for _ in 0..CROWD_PER_ROUND / LANES {
                        let report = bench.execute(PROGRAM, "x").await;
                        expect_value(&report, PROGRAM);
                    }
                })
            })
            .collect();
        for lane in lanes {
            lane.await.expect("no lane fails");
        }
        self.crowd += started.elapsed();
    }

    async fn end(self, table: &mut Table) {
        for (what, _, _, times) in self.rows {
            table.row(&format!("tier {}, {what}", self.tier), times);
        }
        let per_second = f64::from(ROUNDS * CROWD_PER_ROUND) / self.crowd.as_secs_f64();
        table.rate(&format!("tier {}, eight at a time", self.tier), per_second);
        Arc::into_inner(self.bench).expect("one owner").end().await;
    }
}
