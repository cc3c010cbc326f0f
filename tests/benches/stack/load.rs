//! Jobs of ours, one after the other or many at once, and what they cost each process.
//!
//! A counted run has the right result and the full layer report of its own cell; anything else ends the benchmark.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tests::process;
use tests::stack::{Stack, id};

/// The program that ours and theirs run.
pub const PROGRAM: &str = include_str!("program.py");
/// Three sentences, as in the README.
pub const INPUT: &str = "How long do customers have to ask for a refund? Who must approve a trip abroad? When does the \
                         contract for the VPN end?";
/// 60 s: the longest wait of the API.
const WAIT_SECS: u32 = 60;
/// 100: clock ticks in a second, fixed for `/proc` on Linux.
const TICKS_PER_SEC: f64 = 100.0;

/// What the program answers.
pub fn expected() -> String {
    let pairs = INPUT
        .split_inclusive('?')
        .map(str::trim)
        .map(|line| format!("Question: {line}\nAnswer: Answer to: {line}"));
    pairs.collect::<Vec<_>>().join("\n\n")
}

/// One job through HTTP to its result.
pub async fn call(stack: &Stack, path: &str, body: &Value, expected: &Value) -> Duration {
    let began = Instant::now();
    let answer = stack.client().post_and_wait(path, body, WAIT_SECS).await;
    let took = began.elapsed();
    let job = answer.expect(200);
    assert_eq!(&job["result"], expected, "a wrong result: {job:#}");
    assert_eq!(job["sandbox"]["tier"], "A", "not the whole jail: {job:#}");
    took
}

/// 10 ms between two calls of an idle system: what the last one left to do is done.
pub const IDLE: Duration = Duration::from_millis(10);

/// `count` jobs one after the other, each after a pause: milliseconds of each.
pub async fn latencies(stack: &Stack, workflow: &str, count: usize, pause: Duration) -> Vec<f64> {
    let path = format!("/workflows/{workflow}/execute");
    let (body, expected) = (json!({"user_input": INPUT}), json!(expected()));
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        all.push(call(stack, &path, &body, &expected).await.as_secs_f64() * 1e3);
    }
    all
}

/// `count` jobs, `at_once` in flight: jobs a second.
pub async fn throughput(stack: &Stack, workflow: &str, count: usize, at_once: usize) -> f64 {
    let path = format!("/workflows/{workflow}/execute");
    let (body, expected) = (json!({"user_input": INPUT}), json!(expected()));
    let began = Instant::now();
    let calls = stream::iter(0..count).map(|_| call(stack, &path, &body, &expected));
    calls.buffer_unordered(at_once).collect::<Vec<_>>().await;
    per_second(count, began.elapsed())
}

/// Posts `count` jobs without waiting for their ends; their ids.
pub async fn submit(stack: &Stack, workflow: &str, count: usize, input: &str) -> Vec<String> {
    let body = json!({"user_input": input});
    let posts =
        stream::iter(0..count).map(|_| async { id(&stack.execute(workflow, &body).await.expect(202)) });
    posts.buffer_unordered(32).collect().await
}

/// Things a second.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Processor time of each process of a stack, with the children it has waited for, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// The api.
    pub api: f64,
    /// The worker itself.
    pub worker: f64,
    /// The zygote and every cell.
    pub cells: f64,
    /// Redis.
    pub redis: f64,
    /// This process: the client.
    pub client: f64,
}

impl Cpu {
    /// Up to now.
    pub fn of(stack: &Stack) -> Self {
        let worker = stack.workers[0].pid();
        let children = process::descendants(worker);
        Self {
            api: spent(stack.api.pid(), false),
            worker: spent(worker, false),
            cells: children.iter().map(|child| spent(child.pid, true)).sum(),
            redis: spent(stack.redis.process().pid(), false),
            client: spent(std::process::id().try_into().expect("a process id"), false),
        }
    }

    /// Since `earlier`, for each of `count`.
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    pub fn each_since(self, earlier: Self, count: usize) -> [(&'static str, f64); 5] {
        let each = |now: f64, then: f64| (now - then) / count as f64;
        [
            ("api", each(self.api, earlier.api)),
            ("worker", each(self.worker, earlier.worker)),
            ("cells", each(self.cells, earlier.cells)),
            ("Redis", each(self.redis, earlier.redis)),
            ("client", each(self.client, earlier.client)),
        ]
    }
}

/// Fields 14 to 17 of `/proc/<pid>/stat`: own user and system time, and that of children waited for.
fn spent(pid: i32, with_children: bool) -> f64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let fields = stat.rsplit_once(')').expect("a name in brackets").1;
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    let counted = if with_children { 4 } else { 2 };
    ticks.iter().take(counted).sum::<f64>() / TICKS_PER_SEC * 1e3
}
