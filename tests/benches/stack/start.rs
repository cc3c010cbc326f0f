//! How long a start takes, how large the programs are and what they hold when nothing happens; and how quickly the api
//! takes jobs at a steady rate.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::binaries;
use tests::client::Client;
use tests::process::{Process, Program};
use tests::stack::Stack;

use crate::density::private_bytes;
use crate::load;
use report::{Goal, Report, median, percentile};

const SECTION: &str = "Start, size, idle memory";
/// 1,000 requests a second for 5 s.
const RATE_INTERVAL: Duration = Duration::from_millis(1);
const REQUESTS: usize = 5_000;

/// `wf dev` from exec to its banner, and a worker from exec to its first result.
pub async fn start(report: &mut Report) {
    let mut ready = Vec::new();
    for _ in 0..5 {
        ready.push(wf_dev().await);
    }
    report.add(SECTION, "wf dev, exec → ready", median(&ready), "s", Goal::AtMost(1.5));
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(first_job().await);
    }
    report.add(SECTION, "worker, exec → first job's result", median(&first), "s", Goal::AtMost(1.0));
    for program in ["api", "worker", "runner", "wf"] {
        let size = std::fs::metadata(binaries::directory().join(program)).expect("it is built").len();
        #[expect(clippy::cast_precision_loss, reason = "a file's size")]
        report.add(SECTION, format!("{program}, size of the binary"), size as f64 / 1e6, "MB", Goal::None);
    }
    let stack = Stack::builder().offline().alone().on_disk().start().await;
    let idle = [
        ("api", stack.api.pid()),
        ("worker", stack.workers[0].pid()),
        ("Redis", stack.redis.process().pid()),
    ];
    for (name, pid) in idle {
        let bytes = private_bytes(pid).expect("it lives");
        report.add(SECTION, format!("{name}, idle, private memory"), bytes / 1e6, "MB", Goal::None);
    }
}

async fn wf_dev() -> f64 {
    let folder = tempfile::Builder::new().prefix("wf-bench-").tempdir().expect("a temporary folder");
    let began = Instant::now();
    let process = Process::start(Program {
        name: "wf".to_owned(),
        path: binaries::directory().join("wf"),
        arguments: ["dev", "--data"]
            .map(str::to_owned)
            .into_iter()
            .chain([folder.path().display().to_string()])
            .collect(),
        environment: BTreeMap::from([
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("API_BIND".to_owned(), "127.0.0.1:0".to_owned()),
            (
                "SEARCH_DOCUMENTS".to_owned(),
                binaries::repository().join("examples/documents").display().to_string(),
            ),
        ]),
        directory: folder.path().to_path_buf(),
    });
    let url = |line: &String| {
        line.split_whitespace()
            .find(|word| word.starts_with("http://"))
            .map(|word| word.trim_end_matches('/').to_owned())
    };
    let url = process.log().wait_until("the banner of wf dev", url).await;
    assert_eq!(Client::new(&url).get("/readyz").await.status, 200, "the banner came too early");
    let took = began.elapsed().as_secs_f64();
    process.signal(rustix::process::Signal::TERM);
    process.end().await;
    took
}

async fn first_job() -> f64 {
    let mut stack = Stack::builder().offline().alone().on_disk().start().await;
    let workflow = stack.workflow_from_code(load::PROGRAM).await;
    stack.workers[0].signal(rustix::process::Signal::TERM);
    stack.workers[0].end().await;
    let job = load::submit(&stack, &workflow, 1, load::INPUT).await.remove(0);
    let began = Instant::now();
    stack.start_worker();
    let job = stack.wait_job(&job).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    began.elapsed().as_secs_f64()
}

/// Latency of `POST …/execute` at 1,000 requests a second. No worker runs: what is measured is the way into the queue.
pub async fn submit_latency(report: &mut Report) {
    let stack = Stack::builder().offline().alone().on_disk().start().await;
    let workflow = stack.workflow_from_code(load::PROGRAM).await;
    stack.workers[0].signal(rustix::process::Signal::TERM);
    stack.workers[0].end().await;
    let body = json!({"user_input": load::INPUT});
    let mut tick = tokio::time::interval(RATE_INTERVAL);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let due = tick.tick().await;
        let (client, path, body) =
            (stack.client().clone(), format!("/workflows/{workflow}/execute"), body.clone());
        calls.spawn(async move {
            client.post(&path, &body).await.expect(202);
            // From when it was due: a late client must not hide a slow server.
            due.elapsed().as_secs_f64() * 1e3
        });
    }
    let took = calls.join_all().await;
    let section = "Submitting through HTTP, 1,000 a second, Redis as shipped";
    report.add(section, "POST …/execute, p50", median(&took), "ms", Goal::None);
    report.add(section, "POST …/execute, p99", percentile(&took, 99.0), "ms", Goal::None);
}
