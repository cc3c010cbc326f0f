//! Memory of all cells together, and the room their folders take.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use worker::cell::{
    FailureCode, RunEnd, RunHost, RunLimits, RunTask, StepEntered, StepLeft, Stream, Tier, ToolCall,
    ToolVerdict,
};

use crate::support::{Answers, Bench, expect_failure, expect_value, not_run};

/// A host whose tool answers when it is told to.
struct Patient(watch::Receiver<bool>);

impl RunHost for Patient {
    fn call_tool(&self, _: ToolCall) -> BoxFuture<'_, ToolVerdict> {
        let mut go = self.0.clone();
        Box::pin(async move {
            let _ = go.wait_for(|go| *go).await; // the sender lives as long as the test
            ToolVerdict::Answer(json!("go on"))
        })
    }

    fn step_entered(&self, _: StepEntered) {}

    fn step_left(&self, _: StepLeft) {}

    fn printed(&self, _: Stream, _: &[u8]) {}
}

/// Each may have 512 MiB by its own limit; together they may have 600. Each keeps what it has until all but one have
/// ended. Those that are ended say so, the small one lives.
#[tokio::test(flavor = "multi_thread")]
async fn programs_that_are_too_large_together_end_as_out_of_memory_and_their_neighbour_lives() {
    let budget_bytes = 600 * 1024 * 1024;
    let bench = Arc::new(Bench::start_with(|config| config.memory_budget_bytes = Some(budget_bytes)).await);
    let large = "def execute_workflow(x):\n    data = bytearray(400_000_000)\n    for i in range(0, len(data), 4096):\n        data[i] = 1\n    paradigm_search('held')\n    return len(data)";
    let small = "async def execute_workflow(x):\n    import asyncio\n    for _ in range(150):\n        await asyncio.sleep(0.01)\n    return 'lives'";
    let neighbour = {
        let bench = bench.clone();
        tokio::spawn(async move { expect_value(&bench.execute(small, "x").await, small) })
    };
    let (go, answered) = watch::channel(false);
    let mut runs = JoinSet::new();
    for _ in 0..5 {
        let (bench, host) = (bench.clone(), Arc::new(Patient(answered.clone())));
        let spec = Bench::spec(large, RunTask::Execute { user_input: "x".to_owned() });
        runs.spawn(async move { bench.room.run(spec, host, CancellationToken::new()).await.end });
    }
    for ended in 1..=5 {
        match runs.join_next().await.expect("there are five").expect("no run panics") {
            RunEnd::Returned(_) if ended == 5 => {}
            RunEnd::Failed(failure) => {
                assert_eq!(failure.code, FailureCode::OutOfMemory, "{failure:?}");
                assert!(failure.message.contains(&budget_bytes.to_string()), "{failure:?}");
            }
            other => panic!("{other:?}, after {} of 5 ended", ended - 1),
        }
        go.send_replace(ended == 4);
    }
    assert_eq!(neighbour.await.expect("no run panics"), json!("lives"));
    Arc::into_inner(bench).expect("one owner").end().await;
}

/// What Python maps as shared memory counts too, and so do files in the private folder.
#[tokio::test(flavor = "multi_thread")]
async fn memory_that_hides_as_shared_or_as_a_file_is_seen() {
    let bench = Bench::start_with(|config| {
        config.memory_budget_bytes = Some(64 * 1024 * 1024);
        config.work_bytes_max = 256 * 1024 * 1024;
    })
    .await;
    let shared = "import mmap, time\ndef execute_workflow(x):\n    m = mmap.mmap(-1, 200_000_000)\n    m.write(b'x' * 100_000_000)\n    time.sleep(10)";
    let file = "import time\ndef execute_workflow(x):\n    with open('f', 'wb') as f:\n        for _ in range(15):\n            f.write(b'x' * 10_000_000)\n    time.sleep(10)";
    for program in [shared, file] {
        let limits = RunLimits { work_bytes_max: 256 * 1024 * 1024, ..RunLimits::default() };
        let report = bench.run(program, "x", limits, Answers::none(), CancellationToken::new()).await;
        assert_eq!(expect_failure(&report, program).code, FailureCode::OutOfMemory, "{report:?}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_private_folder_has_a_limit_in_both_tiers() {
    let fill = "import time\ndef execute_workflow(x):\n    for number in range(10):\n        with open(f'f{number}', 'wb') as f:\n            f.write(b'x' * 4_000_000)\n    time.sleep(5)";
    let bench = Bench::start().await;
    let report = bench.execute(fill, "x").await;
    let failure = expect_failure(&report, fill);
    assert_eq!(
        (failure.code, failure.message.contains("its limits are 16777216 bytes and 1024 files")),
        (FailureCode::BudgetExceeded, true),
        "{failure:?}"
    );
    bench.end().await;
    let bench = Bench::start_with(|config| config.max_tier = Tier::B).await;
    let report = bench.execute(fill, "x").await;
    let failure = expect_failure(&report, fill);
    assert_eq!(
        (failure.code, failure.message.contains("16777216")),
        (FailureCode::BudgetExceeded, true),
        "{failure:?}"
    );
    bench.end().await;
}

/// 550 faults without it, 18 in a cell that has not rehearsed, 140 in one that has.
#[tokio::test(flavor = "multi_thread")]
async fn what_every_run_writes_to_is_copied_by_the_fork_and_not_fault_by_fault() {
    let count = "import resource\ndef execute_workflow(x):\n    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt";
    for tier in [Tier::A, Tier::B] {
        let bench = Bench::start_with(|config| config.max_tier = tier).await;
        match &bench.room.sandbox().hot_pages {
            Err(reason) => not_run(&format!("pages copied ahead: {reason}")),
            Ok(pages) => {
                assert!((200..800).contains(pages), "{pages}");
                let faults = expect_value(&bench.execute(count, "x").await, count).as_u64().expect("a count");
                assert!(faults < 300, "{faults} faults with {pages} pages copied ahead, tier {tier}");
            }
        }
        bench.end().await;
    }
}
