//! Many runs, one after the other and at once: what they leave behind, and what they take while they are there.
//!
//! The long ones make the figures in the documentation: `cargo test --release -p worker --test soak -- --ignored --nocapture`.

#[path = "cell/elsewhere.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell")]
mod elsewhere;
#[path = "cell/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell")]
mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use support::{Answers, Bench, expect_value};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use worker::cell::{
    CellConfig, FailureCode, RunEnd, RunHost, RunLimits, RunTask, StepEntered, StepLeft, Stream, Tier,
    ToolCall, ToolVerdict,
};

/// Descriptors are counted of the whole process, and memory is touched by all: no two of these at once.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What a leak would show in.
#[derive(Debug, Clone)]
struct Footprint {
    descriptors: usize,
    resident_kib: u64,
    processes: usize,
    zygote_kib: u64,
    mounts: usize,
    /// Control groups of the cells, and those that are removed and whose memory is not yet: none where cells have none.
    groups: usize,
    dying_groups: usize,
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
        groups: count_of_groups(bench, "nr_descendants"),
        dying_groups: count_of_groups(bench, "nr_dying_descendants"),
    }
}

/// What the kernel counts below the group of a room, which is two above that of its cells.
fn count_of_groups(bench: &Bench, name: &str) -> usize {
    let count = || -> Option<usize> {
        let zygote = bench.zygote_pid();
        let cell = bench.processes().into_iter().find(|pid| *pid != zygote)?;
        let groups = fs::read_to_string(format!("/proc/{cell}/cgroup")).ok()?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let room =
            Path::new(own).parent()?.parent().filter(|room| room.to_string_lossy().contains("wf-cells-"))?;
        let stat = fs::read_to_string(Path::new("/sys/fs/cgroup").join(room).join("cgroup.stat")).ok()?;
        stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    count().unwrap_or(0)
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

impl Footprint {
    /// What is the same again once everything that was on its way out is out.
    fn counted(&self) -> (usize, usize, usize, usize) {
        (self.descriptors, self.processes, self.mounts, self.groups)
    }
}

/// Cells that are dying are not a leak, nor are those that are not there yet: looks until `rest` has been so for half a
/// second, or in vain for ten.
async fn settled(bench: &Bench, rest: impl Fn(&Footprint) -> bool) -> Footprint {
    let deadline = Instant::now() + Duration::from_secs(10);
    let (mut last, mut same) = (footprint(bench), 0);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = footprint(bench);
        same = if rest(&now) && now.counted() == last.counted() { same + 1 } else { 0 };
        if same == 5 || Instant::now() > deadline {
            return now;
        }
        last = now;
    }
}

/// So much more may be resident: allocators keep what a burst needed.
const RESIDENT_GROWTH_KIB_MAX: u64 = 16 * 1024;

/// A group stays as long as a page that one of its cells was the first to read: those of the library, at most.
const DYING_GROUPS_MAX: usize = 50;

/// Runs so many programs, and asserts that they leave no more than the first hundred did.
async fn leaves_nothing_behind(stages: &[usize], tier: Tier) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut waiting = 0;
    let change = |config: &mut CellConfig| {
        config.max_tier = tier;
        waiting = config.pool_size;
    };
    let bench = Arc::new(Bench::start_with(change).await);
    let started = Instant::now();
    runs(&bench, 100).await;
    // The zygote, and the cells that wait for a run.
    let (mut done, first) = (100, settled(&bench, |now| now.processes == 1 + waiting).await);
    println!("tier {tier}, after 100 runs: {first:?}");
    for until in stages {
        runs(&bench, until - done).await;
        done = *until;
        let now = settled(&bench, |now| now.counted() == first.counted()).await;
        println!("tier {tier}, after {done} runs, {:.1} s: {now:?}", started.elapsed().as_secs_f64());
        assert_eq!(now.descriptors, first.descriptors, "descriptors after {done} runs");
        assert_eq!(now.processes, first.processes, "processes after {done} runs");
        assert_eq!(now.mounts, first.mounts, "mounts after {done} runs");
        assert_eq!(now.groups, first.groups, "control groups after {done} runs");
        assert!(now.dying_groups <= first.dying_groups + DYING_GROUPS_MAX, "{now:?}, first {first:?}");
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

/// 1.5 MB per waiting run, as it is shipped; a runner built without optimisation copies more.
const PRIVATE_KIB_MAX: u64 = if cfg!(debug_assertions) { 2000 } else { 1500 };

/// So many runs wait for a tool at once; each has little memory of its own, and all finish.
async fn wait_at_once(runs: u32) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let bench = Arc::new(Bench::start().await);
    let (go, answered) = watch::channel(false);
    let host = Arc::new(Patient { waiting: Semaphore::new(0), go: answered });
    let started = Instant::now();
    let lanes: Vec<_> = (0..runs)
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
    let _all = host.waiting.acquire_many(runs).await.expect("never closed");
    println!("{runs} runs wait after {:.1} s: {:?}", started.elapsed().as_secs_f64(), footprint(&bench));
    let zygote = bench.zygote_pid();
    let cells = bench.processes().into_iter().filter(|pid| *pid != zygote);
    let private: Vec<u64> = cells.filter_map(private_kib).collect();
    let average_kib = private.iter().sum::<u64>() / private.len().max(1) as u64;
    println!("private memory of a cell: {average_kib} KiB on average of {} processes", private.len());
    assert!(private.len() >= runs as usize && average_kib <= PRIVATE_KIB_MAX, "{average_kib} KiB");
    println!("the worker's own watch says {:?}", bench.room.memory());
    go.send(true).expect("the host listens");
    for lane in lanes {
        let end = lane.await.expect("no lane panics");
        assert!(matches!(end, RunEnd::Returned(_)), "{end:?}");
    }
    println!("all ended after {:.1} s", started.elapsed().as_secs_f64());
    Arc::into_inner(bench).expect("all runs are over").end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_runs_wait_for_a_model_at_once() {
    wait_at_once(200).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and four gigabytes"]
async fn two_thousand_runs_wait_for_a_model_at_once() {
    wait_at_once(2_000).await;
}

fn private_kib(pid: i32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let fields = rollup.lines().filter(|line| line.starts_with("Private_"));
    Some(fields.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum())
}

/// 512 MB for 80 GB: what other tests take of the machine does not matter.
const CROWD_BUDGET_BYTES: u64 = 512 * 1024 * 1024;
const CROWD: usize = 200;
const GROWS: &str = "import time\ndef execute_workflow(x):\n    data = []\n    for _ in range(400):\n        data.append(bytearray(b'x') * 1_000_000)\n        time.sleep(0.005)\n    return len(data)";

/// What the cells of a room hold that is not their zygote's: anonymous memory beyond it, and shared memory.
fn memory_of_cells(bench: &Bench) -> u64 {
    let zygote = bench.zygote_pid();
    let shared = anonymous_and_shmem(zygote).map_or(0, |(anonymous, _)| anonymous);
    let cells = bench.processes().into_iter().filter(|pid| *pid != zygote);
    let sizes = cells.filter_map(anonymous_and_shmem);
    sizes.map(|(anonymous, shmem)| anonymous.saturating_sub(shared) + shmem).sum()
}

fn anonymous_and_shmem(pid: i32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Some((bytes("RssAnon:")?, bytes("RssShmem:")?))
}

/// A small program, again and again, until it is told to stop; and how much memory all cells had at most meanwhile.
async fn neighbour_of_a_crowd(bench: Arc<Bench>, stop: CancellationToken) -> (usize, u64) {
    let small = "def execute_workflow(x):\n    return sum(range(1000))";
    let (mut rounds, mut most_bytes) = (0, 0);
    while !stop.is_cancelled() {
        assert_eq!(expect_value(&bench.execute(small, "x").await, small), json!(499_500));
        rounds += 1;
        most_bytes = most_bytes.max(memory_of_cells(&bench));
    }
    (rounds, most_bytes)
}

/// They want 80 GB together. Each ends as its own failure, by its own limit or because it is the largest of all; together
/// they never have much more than their budget; the worker and a small neighbour go on.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_programs_that_grow_to_400_megabytes_end_each_as_its_own_and_a_neighbour_lives() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let change = |config: &mut CellConfig| config.memory_budget_bytes = Some(CROWD_BUDGET_BYTES);
    let bench = Arc::new(Bench::start_with(change).await);
    let limits = RunLimits { memory_bytes_max: 300_000_000, ..RunLimits::default() };
    let stop = CancellationToken::new();
    let neighbour = tokio::spawn(neighbour_of_a_crowd(bench.clone(), stop.clone()));
    let started = Instant::now();
    let runs: Vec<_> = (0..CROWD)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move {
                bench.run(GROWS, "x", limits, Answers::none(), CancellationToken::new()).await.end
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
    let (rounds, most_bytes) = neighbour.await.expect("the neighbour is always right");
    println!(
        "{CROWD} programs growing to 400 MB each in a budget of {} MB, in {:.1} s: {by_budget} ended at the budget, \
         {by_own_limit} at their own limit; all cells had {} MB at most; a neighbour ran {rounds} times",
        CROWD_BUDGET_BYTES >> 20,
        started.elapsed().as_secs_f64(),
        most_bytes >> 20,
    );
    assert_eq!(by_budget + by_own_limit, CROWD);
    assert!(by_budget > 0 && rounds > 0);
    // Between two looks of the watch they grow; twice the budget would be a watch that sleeps.
    assert!(most_bytes < 2 * CROWD_BUDGET_BYTES, "{most_bytes}");
    Arc::into_inner(bench).expect("one owner").end().await;
}
