//! Long runs, for the figures in the documentation: `cargo test --release -p worker --test soak -- --ignored --nocapture`.

#[path = "cell/elsewhere.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell")]
mod elsewhere;
#[path = "cell/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell")]
mod support;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use support::{Answers, Bench, expect_value};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use worker::cell::{
    RunEnd, RunHost, RunLimits, RunTask, StepEntered, StepLeft, Stream, ToolCall, ToolVerdict,
};

/// What a leak would show in.
#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
struct Footprint {
    descriptors: usize,
    resident_kib: u64,
    processes: usize,
    zygote_kib: u64,
    mounts: usize,
}

fn footprint(bench: &Bench) -> Footprint {
    let kib = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("0 0").to_owned();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let zygote = bench.zygote_pid().to_string();
    Footprint {
        descriptors: fs::read_dir("/proc/self/fd").expect("procfs").count(),
        resident_kib: kib("self"),
        processes: bench.processes().len(),
        zygote_kib: kib(&zygote),
        mounts: fs::read_to_string(format!("/proc/{zygote}/mountinfo")).unwrap_or_default().lines().count(),
    }
}

async fn runs(bench: &Arc<Bench>, count: usize) {
    let program = "async def execute_workflow(x):\n    print(x)\n    open('f', 'w').write(x * 1000)\n    return await paradigm_search(x)";
    futures_util::stream::iter(0..count)
        .for_each_concurrent(8, |number| {
            let bench = bench.clone();
            async move {
                let host = Answers::new(|call| ToolVerdict::Answer(call.arguments["query"].clone()));
                let input = number.to_string();
                let report =
                    bench.run(program, &input, RunLimits::default(), host, CancellationToken::new()).await;
                assert_eq!(expect_value(&report, program), json!(input));
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_hundred_thousand_runs_leave_nothing_behind() {
    let bench = Arc::new(Bench::start().await);
    let started = Instant::now();
    let mut done = 0;
    for until in [100, 1_000, 10_000, 100_000] {
        runs(&bench, until - done).await;
        done = until;
        // Cells that are dying are not a leak.
        tokio::time::sleep(Duration::from_millis(500)).await;
        println!("after {done:>6} runs, {:>6.1} s: {:?}", started.elapsed().as_secs_f64(), footprint(&bench));
    }
    Arc::into_inner(bench).expect("all runs are over").end().await;
}

/// A host whose tool answers when it is told to.
struct Patient {
    waiting: Semaphore,
    go: watch::Receiver<bool>,
}

impl RunHost for Patient {
    fn call_tool(&self, _: ToolCall) -> BoxFuture<'_, ToolVerdict> {
        Box::pin(async move {
            self.waiting.add_permits(1);
            let mut go = self.go.clone();
            // The sender lives as long as the test.
            let _ = go.wait_for(|go| *go).await;
            ToolVerdict::Answer(json!("at last"))
        })
    }

    fn step_entered(&self, _: StepEntered) {}

    fn step_left(&self, _: StepLeft) {}

    fn printed(&self, _: Stream, _: &[u8]) {}
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and four gigabytes"]
async fn two_thousand_runs_wait_for_a_model_at_once() {
    const RUNS: u32 = 2_000;
    let bench = Arc::new(Bench::start().await);
    let (go, answered) = watch::channel(false);
    let host = Arc::new(Patient { waiting: Semaphore::new(0), go: answered });
    let started = Instant::now();
    let lanes: Vec<_> = (0..RUNS)
        .map(|_| {
            let (bench, host) = (bench.clone(), host.clone());
            tokio::spawn(async move {
                let task = RunTask::Execute { user_input: "x".to_owned() };
                let spec =
                    Bench::spec("async def execute_workflow(x):\n    return await chat_completion(x)", task);
                bench.room.run(spec, host, CancellationToken::new()).await.end
            })
        })
        .collect();
    let _all = host.waiting.acquire_many(RUNS).await.expect("never closed");
    println!("{RUNS} runs wait after {:.1} s: {:?}", started.elapsed().as_secs_f64(), footprint(&bench));
    let private: Vec<u64> = bench.processes().into_iter().filter_map(private_kib).collect();
    println!(
        "private memory of a cell: {} KiB on average",
        private.iter().sum::<u64>() / private.len().max(1) as u64
    );
    println!("the worker's own watch says {:?}", bench.room.memory());
    go.send(true).expect("the host listens");
    for lane in lanes {
        let end = lane.await.expect("no lane panics");
        assert!(matches!(end, RunEnd::Returned(_)), "{end:?}");
    }
    println!("all ended after {:.1} s", started.elapsed().as_secs_f64());
    Arc::into_inner(bench).expect("all runs are over").end().await;
}

fn private_kib(pid: i32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let fields = rollup.lines().filter(|line| line.starts_with("Private_"));
    Some(fields.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum())
}
