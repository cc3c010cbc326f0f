//! Thousands of runs that wait for a slow tool in one worker: what each costs, and what a fresh short job feels of them.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::process;
use tests::stack::Stack;

use crate::load;
use report::{Goal, Report, median};

const SECTION: &str = "Density: runs that wait for a tool, in one worker process";
/// 5,000 waiting runs, or what the open files of one process allow.
const WAITING_MAX: usize = 5_000;
/// Slots beside them.
const MORE_SLOTS: usize = 64;
/// 5 min to start them all, 5 min to end them all.
const PATIENCE: Duration = Duration::from_mins(5);
const SHORT_CALLS: usize = 60;
/// 1.5 MB of private memory per waiting run; 200 MB for the worker itself.
const RUN_BYTES_GOAL: f64 = 1.5e6;
const WORKER_BYTES_GOAL: f64 = 200e6;

const WAITS: &str = "async def execute_workflow(x):\n    return await paradigm_search(x)";

/// Starts the runs, looks at them, lets them end.
pub async fn measure(report: &mut Report) {
    let waiting_runs = affordable(report);
    let slots = (waiting_runs + MORE_SLOTS).to_string();
    let stack = Stack::builder()
        .alone()
        .on_disk()
        .env("WORKER_CONCURRENCY", &slots)
        .env("TENANT_RUNNING_MAX", "0")
        .start()
        .await;
    let waiting = stack.workflow_from_code(WAITS).await;
    let short = stack.workflow_from_code(load::PROGRAM).await;
    load::latencies(&stack, &short, SHORT_CALLS, load::IDLE).await; // warm
    let idle = median(&load::latencies(&stack, &short, SHORT_CALLS, load::IDLE).await);

    stack.paradigm.withhold();
    let began = Instant::now();
    load::submit(&stack, &waiting, waiting_runs, "When does the contract end?").await;
    let asked = tokio::time::timeout(PATIENCE, stack.paradigm.searches().wait_for(waiting_runs)).await;
    assert!(asked.is_ok(), "only {} of {waiting_runs} runs wait", stack.paradigm.searches().len());
    report.add(
        SECTION,
        format!("until {waiting_runs} runs wait"),
        began.elapsed().as_secs_f64(),
        "s",
        Goal::None,
    );

    memory(report, &stack, waiting_runs);
    let beside = median(&load::latencies(&stack, &short, SHORT_CALLS, load::IDLE).await);
    report.add(SECTION, "a fresh short job, idle, p50", idle, "ms", Goal::None);
    report.add(SECTION, "the same beside them, p50", beside, "ms", Goal::AtMost(3.0 * idle));

    let began = Instant::now();
    stack.paradigm.release();
    let running = "/jobs?status=running&limit=1";
    let ended = async {
        while stack.client().get(running).await.expect(200)["data"]
            .as_array()
            .is_some_and(|jobs| !jobs.is_empty())
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("all runs end");
    report.add(SECTION, "until all have ended", began.elapsed().as_secs_f64(), "s", Goal::None);
    let failed = stack.client().get("/jobs?status=failed&limit=1").await.expect(200);
    assert_eq!(failed["data"], json!([]), "a waiting run failed: {failed:#}");
}

/// The worker takes five open files a run, and keeps a ninth of the runs for tenants with nothing running.
fn affordable(report: &mut Report) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let runs = usize::try_from(files.saturating_sub(1_024) / 5 / 9 * 8).unwrap_or(usize::MAX);
    let runs = runs.saturating_sub(2 * MORE_SLOTS);
    if runs < WAITING_MAX {
        report.not_run(format!(
            "{WAITING_MAX} waiting runs: {files} open files of a process are enough for {runs}"
        ));
    }
    runs.min(WAITING_MAX)
}

/// Private memory of each cell and of the worker.
fn memory(report: &mut Report, stack: &Stack, waiting_runs: usize) {
    let worker = stack.workers[0].pid();
    let cells: Vec<f64> =
        process::descendants(worker).iter().filter_map(|child| private_bytes(child.pid)).collect();
    // Most of them: an average hides what a run costs when a few are large.
    let each = cells.iter().sum::<f64>() / load::per_second(waiting_runs, Duration::from_secs(1));
    report.add(
        SECTION,
        "private memory of the zygote and all cells, per run",
        each / 1e6,
        "MB",
        Goal::AtMost(RUN_BYTES_GOAL / 1e6),
    );
    report.add(
        SECTION,
        "private memory of one cell, p50",
        median(&cells) / 1e6,
        "MB",
        Goal::AtMost(RUN_BYTES_GOAL / 1e6),
    );
    let own = private_bytes(worker).expect("the worker lives");
    report.add(
        SECTION,
        "private memory of the worker itself",
        own / 1e6,
        "MB",
        Goal::AtMost(WORKER_BYTES_GOAL / 1e6),
    );
}

/// `Private_Clean` and `Private_Dirty` of a process, summed by the kernel.
pub fn private_bytes(pid: i32) -> Option<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kib = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum::<f64>();
    Some(kib * 1_024.0)
}
