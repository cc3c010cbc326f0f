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
    FailureCode, RunEnd, RunHost, RunLimits, RunTask, StepEntered, StepLeft, Stream, Tier, ToolCall,
    ToolVerdict,
};

/// What a leak would show in.
#[derive(Debug, Clone)]
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

/// Cells that are dying are not a leak: waits until the zygote has reaped all but those that wait for a run.
async fn settled(bench: &Bench) -> Footprint {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut last = footprint(bench);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = footprint(bench);
        let same =
            (now.descriptors, now.processes, now.mounts) == (last.descriptors, last.processes, last.mounts);
        if same || Instant::now() > deadline {
            return now;
        }
        last = now;
    }
}

/// So much more may be resident: allocators keep what a burst needed.
const RESIDENT_GROWTH_KIB_MAX: u64 = 16 * 1024;

/// Runs so many programs, and asserts that they leave no more than the first hundred did.
async fn leaves_nothing_behind(stages: &[usize], tier: Tier) {
    let bench = Arc::new(Bench::start_with(|config| config.max_tier = tier).await);
    let started = Instant::now();
    runs(&bench, 100).await;
    let (mut done, first) = (100, settled(&bench).await);
    println!("tier {tier}, after 100 runs: {first:?}");
    for until in stages {
        runs(&bench, until - done).await;
        done = *until;
        let now = settled(&bench).await;
        println!("tier {tier}, after {done} runs, {:.1} s: {now:?}", started.elapsed().as_secs_f64());
        assert_eq!(now.descriptors, first.descriptors, "descriptors after {done} runs");
        assert_eq!(now.processes, first.processes, "processes after {done} runs");
        assert_eq!(now.mounts, first.mounts, "mounts after {done} runs");
        assert!(now.resident_kib < first.resident_kib + RESIDENT_GROWTH_KIB_MAX, "{now:?}, first {first:?}");
        assert!(now.zygote_kib < first.zygote_kib + RESIDENT_GROWTH_KIB_MAX, "{now:?}, first {first:?}");
    }
    Arc::into_inner(bench).expect("all runs are over").end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_leave_no_more_behind_than_a_hundred() {
    leaves_nothing_behind(&[1_000], Tier::A).await;
    leaves_nothing_behind(&[1_000], Tier::B).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_hundred_thousand_runs_leave_no_more_behind_than_a_hundred() {
    leaves_nothing_behind(&[1_000, 10_000, 100_000], Tier::A).await;
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

/// 1.5 MB per waiting run.
const PRIVATE_KIB_MAX: u64 = 1500;

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
    let average_kib = private.iter().sum::<u64>() / private.len().max(1) as u64;
    println!("private memory of a cell: {average_kib} KiB on average of {} processes", private.len());
    assert!(private.len() >= RUNS as usize && average_kib <= PRIVATE_KIB_MAX, "{average_kib} KiB");
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

/// Of the machine's memory that is free now, and never more than this: other tests run beside.
const CROWD_BUDGET_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
const CROWD: usize = 200;

fn free_memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("procfs");
    let line = text.lines().find(|line| line.starts_with("MemAvailable:")).expect("a number");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

/// They want 80 GB together. Each ends as its own failure, by its own limit or because it is the largest of all; the worker,
/// the machine and a small neighbour go on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and gigabytes, and looks at the memory of the whole machine"]
async fn two_hundred_programs_that_grow_to_400_megabytes_end_each_as_its_own_and_a_neighbour_lives() {
    let budget_bytes = CROWD_BUDGET_BYTES_MAX.min(free_memory_bytes() / 4);
    let bench = Arc::new(Bench::start_with(|config| config.memory_budget_bytes = Some(budget_bytes)).await);
    let grows = "import time\ndef execute_workflow(x):\n    data = []\n    for _ in range(400):\n        data.append(bytearray(b'x') * 1_000_000)\n        time.sleep(0.005)\n    return len(data)";
    let limits = RunLimits { memory_bytes_max: 300_000_000, ..RunLimits::default() };
    let (stop, free_before) = (CancellationToken::new(), free_memory_bytes());
    let neighbour = {
        let (bench, stop) = (bench.clone(), stop.clone());
        tokio::spawn(async move {
            let (mut rounds, mut free_least) = (0, u64::MAX);
            while !stop.is_cancelled() {
                let small = "def execute_workflow(x):\n    return sum(range(1000))";
                assert_eq!(expect_value(&bench.execute(small, "x").await, small), json!(499_500));
                rounds += 1;
                free_least = free_least.min(free_memory_bytes());
            }
            (rounds, free_least)
        })
    };
    let runs: Vec<_> = (0..CROWD)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move {
                bench.run(grows, "x", limits, Answers::none(), CancellationToken::new()).await.end
            })
        })
        .collect();
    let (mut by_budget, mut by_own_limit) = (0, 0);
    for run in runs {
        let RunEnd::Failed(failure) = run.await.expect("no run panics") else { panic!("it wants too much") };
        assert_eq!(failure.code, FailureCode::OutOfMemory, "{failure:?}");
        by_budget += usize::from(failure.message.contains("WORKER_MEMORY_BYTES_MAX"));
        by_own_limit += usize::from(failure.message.contains("300000000"));
    }
    stop.cancel();
    let (rounds, free_least) = neighbour.await.expect("the neighbour is always right");
    println!(
        "{CROWD} programs growing to 400 MB each in a budget of {} MB: {by_budget} ended at the budget, {by_own_limit} at \
         their own limit; a neighbour ran {rounds} times; the machine's free memory went from {} MB to {} MB at least",
        budget_bytes >> 20,
        free_before >> 20,
        free_least >> 20
    );
    assert_eq!(by_budget + by_own_limit, CROWD);
    assert!(by_budget > 0 && rounds > 0);
    // Between two samples they grow; twice the budget would be a watch that sleeps.
    assert!(free_before.saturating_sub(free_least) < 2 * budget_bytes, "{free_least}");
    Arc::into_inner(bench).expect("one owner").end().await;
}
