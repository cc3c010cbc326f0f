//! Tools side by side within a run, and runs side by side in more workers.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use serde_json::json;
use tests::stack::Stack;

use crate::load::{self, per_second};
use report::{Goal, Report, median};

const GATHER: &str = "import asyncio\n\nasync def execute_workflow(x):\n    answers = await asyncio.gather(*(paradigm_search(\
                      f'{x} {n}') for n in range(40)))\n    return len(answers)";
const WAITS: &str = "async def execute_workflow(x):\n    return await paradigm_search(x)";
/// 200 ms per search, as the goal says.
const SEARCH_MS: u64 = 200;
/// 2 s of waiting per job in 16 slots a worker: 8 jobs a second each, which two cores carry for eight workers.
const WAIT_MS: u64 = 2_000;
const SLOTS: usize = 16;
/// 5 fillings of every slot: the start and the end of the measurement weigh little.
const FILLINGS: usize = 5;

/// Forty searches of 200 ms each.
pub async fn parallel_tools(report: &mut Report) {
    let stack = Stack::builder().alone().on_disk().start().await;
    let workflow = stack.workflow_from_code(GATHER).await;
    stack.paradigm.delay(Duration::from_millis(SEARCH_MS));
    let mut seconds = Vec::new();
    for round in 0..5 {
        let began = Instant::now();
        let path = format!("/workflows/{workflow}/execute");
        let body = json!({"user_input": format!("round {round}")});
        let job = stack.client().post_and_wait(&path, &body, 60).await.expect(200);
        assert_eq!(job["result"], 40, "{job:#}");
        seconds.push(began.elapsed().as_secs_f64());
    }
    report.add(
        "Parallel tools",
        "40 searches of 200 ms with gather, p50",
        median(&seconds),
        "s",
        Goal::AtMost(1.0),
    );
}

/// One to eight workers on jobs that wait.
pub async fn workers(report: &mut Report) {
    let mut one = f64::NAN;
    for count in [1_usize, 2, 4, 8] {
        let rate = waiting_rate(count).await;
        let ideal = per_second(count * SLOTS, Duration::from_millis(WAIT_MS));
        if count == 1 {
            one = rate;
        }
        let share = rate / (one * per_second(count, Duration::from_secs(1)));
        let section = "Scaling: jobs that wait 2 s, 16 slots a worker";
        report.add(
            section,
            format!("{count} workers (full slots would be {ideal})"),
            rate,
            "1/s",
            Goal::None,
        );
        report.add(section, format!("{count} workers, share of linear"), share, "", Goal::AtLeast(0.95));
    }
}

async fn waiting_rate(workers: usize) -> f64 {
    let slots = SLOTS.to_string();
    let stack =
        Stack::builder().alone().on_disk().workers(workers).env("WORKER_CONCURRENCY", &slots).start().await;
    let workflow = stack.workflow_from_code(WAITS).await;
    load::submit(&stack, &workflow, workers, "warm").await.len();
    stack.paradigm.delay(Duration::from_millis(WAIT_MS));
    let jobs = workers * SLOTS * FILLINGS;
    let began = Instant::now();
    let ids = load::submit(&stack, &workflow, jobs, "When does the contract end?").await;
    let ends = stream::iter(&ids).map(|job| stack.wait_job(job));
    let ended: Vec<_> = ends.buffer_unordered(SLOTS * workers).collect().await;
    assert!(ended.iter().all(|job| job["status"] == "succeeded"), "a job failed");
    per_second(jobs, began.elapsed())
}
