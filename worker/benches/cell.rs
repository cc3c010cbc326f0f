//! What a jailed run costs, beside what it would cost elsewhere; all of it alternately, in rounds, in one run.
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

use report::{Goal, Report, median, percentile};
use support::{Answers, Bench, expect_value};
use tokio_util::sync::CancellationToken;
use worker::cell::{RunLimits, Tier, ToolVerdict};

/// The modules that a cell finds imported already, as far as a cold interpreter would import them for a program.
const IMPORTS: &str = "import asyncio, csv, dataclasses, datetime, decimal, email, hashlib, html, json, logging, pathlib, \
                       random, re, sqlite3, statistics, tempfile, typing, unicodedata, uuid, xml.etree.ElementTree, zipfile";
const PROGRAM: &str = "def execute_workflow(x):\n    return {'answer': x}";
/// What the README shows: text, a pattern, a function awaited in a loop.
const README_PROGRAM: &str = include_str!("../../tests/benches/stack/program.py");
const ASYNC_PROGRAM: &str = "async def execute_workflow(x):\n    return await paradigm_search(x)";

/// 5 rounds: a disturbance of one meets everything that is compared.
const ROUNDS: usize = 5;
/// 60 runs a round and kind: a p99 of 300.
const RUNS: usize = 60;
/// 4 cold starts a round: they take tens of milliseconds each.
const COLD_RUNS: usize = 4;
/// 8 ms between two runs of an idle worker: the pool is full again.
const PAUSE: Duration = Duration::from_millis(8);
/// 600 runs a round, 8 at a time, for runs a second.
const BURST: usize = 600;
const LANES: usize = 8;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    // As in the worker: a run is a task of the threads that wait for the sockets.
    let report = runtime.block_on(async { tokio::spawn(measure()).await.expect("no panic") });
    report.finish("cell").expect("the target folder can be written");
}

/// Samples of one tier, in milliseconds.
#[derive(Default)]
struct Samples {
    idle: Vec<f64>,
    with_call: Vec<f64>,
    readme: Vec<f64>,
    in_a_row: Vec<f64>,
    per_second: Vec<f64>,
}

async fn measure() -> Report {
    let mut report = Report::default();
    let tiers = [Tier::A, Tier::B];
    let mut rooms = Vec::new();
    for tier in tiers {
        rooms.push(Arc::new(Bench::start_with(|config| config.max_tier = tier).await));
    }
    let (mut python, mut bwrap, mut fork) = (Some(Vec::new()), Some(Vec::new()), Vec::new());
    let mut samples: [Samples; 2] = Default::default();
    for _ in 0..ROUNDS {
        python = cold(python, &["/usr/bin/python3", "-I", "-S", "-c", IMPORTS]);
        bwrap = cold(bwrap, &BWRAP);
        fork.extend(bare_forks());
        for (room, samples) in rooms.iter().zip(&mut samples) {
            runs(room, PROGRAM, PAUSE, &mut samples.idle).await;
            runs(room, ASYNC_PROGRAM, PAUSE, &mut samples.with_call).await;
            runs(room, README_PROGRAM, PAUSE, &mut samples.readme).await;
            runs(room, PROGRAM, Duration::ZERO, &mut samples.in_a_row).await;
            samples.per_second.push(burst(room).await);
        }
    }
    for room in rooms {
        Arc::into_inner(room).expect("one owner").end().await;
    }
    for (tier, samples) in tiers.into_iter().zip(&samples) {
        tell(&mut report, tier, samples, bwrap.as_deref());
    }
    elsewhere_told(&mut report, python.as_deref(), bwrap.as_deref(), &fork);
    report
}

fn tell(report: &mut Report, tier: Tier, samples: &Samples, bwrap: Option<&[f64]>) {
    let section = format!("One jailed run, tier {tier}: dispatch to report, without queue and HTTP");
    // The goals are for all walls; tier B is there to be seen.
    let goal = |goal| if tier == Tier::A { goal } else { Goal::None };
    let p50 = median(&samples.idle);
    report.add(&section, "idle worker, p50", p50, "ms", goal(Goal::AtMost(0.6)));
    report.add(&section, "idle worker, p99", percentile(&samples.idle, 99.0), "ms", Goal::None);
    report.add(&section, "with a tool call, p50", median(&samples.with_call), "ms", Goal::None);
    report.add(
        &section,
        "the README's program without its network, p50",
        median(&samples.readme),
        "ms",
        Goal::None,
    );
    let name = "no pause between runs (fork and walls are in it), p50";
    report.add(&section, name, median(&samples.in_a_row), "ms", Goal::None);
    let name = "eight at a time, runs a second";
    report.add(&section, name, median(&samples.per_second), "1/s", goal(Goal::AtLeast(450.0)));
    if let Some(bwrap) = bwrap {
        let ratio = median(bwrap) / p50;
        report.add(&section, "bwrap + python3 / ours", ratio, "×", goal(Goal::AtLeast(30.0)));
    }
}

fn elsewhere_told(report: &mut Report, python: Option<&[f64]>, bwrap: Option<&[f64]>, fork: &[f64]) {
    let section = "The same elsewhere";
    report.add(
        section,
        "the floor: bare fork of a warm interpreter to its end",
        median(fork),
        "ms",
        Goal::None,
    );
    for (name, times) in
        [("python3 with the same imports, cold", python), ("bwrap + python3 with them, cold", bwrap)]
    {
        match times {
            Some(times) => report.add(section, name, median(times), "ms", Goal::None),
            None => report.not_run(format!("{name}: it is not there, or may not")),
        }
    }
}

async fn runs(room: &Bench, program: &str, pause: Duration, times: &mut Vec<f64>) {
    for _ in 0..RUNS {
        tokio::time::sleep(pause).await;
        let host = Answers::new(|call| ToolVerdict::Answer(call.arguments["query"].clone()));
        let began = Instant::now();
        let report =
            room.run(program, "One. Two! Three?", RunLimits::default(), host, CancellationToken::new()).await;
        times.push(ms(began.elapsed()));
        expect_value(&report, program);
    }
}

/// Runs a second, some lanes at once.
async fn burst(room: &Arc<Bench>) -> f64 {
    let began = Instant::now();
    let lanes: Vec<_> = (0..LANES)
        .map(|_| {
            let room = room.clone();
            tokio::spawn(async move {
                for _ in 0..BURST / LANES {
                    expect_value(&room.execute(PROGRAM, "x").await, PROGRAM);
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.expect("no lane fails");
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let runs = BURST as f64;
    runs / began.elapsed().as_secs_f64()
}

const BWRAP: [&str; 19] = [
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

/// Some more starts of a command; none once it has failed.
fn cold(times: Option<Vec<f64>>, command: &[&str]) -> Option<Vec<f64>> {
    let mut times = times?;
    for _ in 0..COLD_RUNS {
        let began = Instant::now();
        let done = Command::new(command[0]).args(&command[1..]).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then(|| times.push(ms(began.elapsed())))?;
    }
    Some(times)
}

/// A warm interpreter with the same modules forks, the child ends at once, nothing is walled in.
fn bare_forks() -> Vec<f64> {
    let script = format!(
        "{IMPORTS}\nimport os, time, gc\ngc.freeze()\nfor _ in range({RUNS}):\n    began = time.perf_counter_ns()\n    \
         child = os.fork()\n    if child == 0: os._exit(0)\n    os.waitpid(child, 0)\n    print(time.perf_counter_ns() - began)"
    );
    let output =
        Command::new("/usr/bin/python3").args(["-I", "-S", "-c", &script]).output().expect("python3 starts");
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().filter_map(|line| line.parse().ok()).map(|nanos| ms(Duration::from_nanos(nanos))).collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
