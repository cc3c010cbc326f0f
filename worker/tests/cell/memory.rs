//! Memory of all cells together, and the room their folders take.

use std::sync::Arc;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use worker::cell::{FailureCode, RunEnd, RunLimits, Tier};

use crate::support::{Answers, Bench, expect_failure, expect_value};

/// Each may have 512 MiB by its own limit; together they may have 600. Those that are ended say so, the small one lives.
#[tokio::test(flavor = "multi_thread")]
async fn programs_that_are_too_large_together_end_as_out_of_memory_and_their_neighbour_lives() {
    let budget_bytes = 600 * 1024 * 1024;
    let bench = Arc::new(Bench::start_with(|config| config.memory_budget_bytes = Some(budget_bytes)).await);
    let large = "import time\ndef execute_workflow(x):\n    data = bytearray(400_000_000)\n    for i in range(0, len(data), 4096):\n        data[i] = 1\n    time.sleep(1.5)\n    return len(data)";
    let small = "async def execute_workflow(x):\n    import asyncio\n    for _ in range(150):\n        await asyncio.sleep(0.01)\n    return 'lives'";
    let neighbour = {
        let bench = bench.clone();
        tokio::spawn(async move { expect_value(&bench.execute(small, "x").await, small) })
    };
    let runs: Vec<_> = (0..5)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.execute(large, "x").await.end })
        })
        .collect();
    let mut ended = 0;
    for run in runs {
        match run.await.expect("no run panics") {
            RunEnd::Returned(_) => {}
            RunEnd::Failed(failure) => {
                assert_eq!(failure.code, FailureCode::OutOfMemory, "{failure:?}");
                assert!(failure.message.contains(&budget_bytes.to_string()), "{failure:?}");
                ended += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(ended >= 4, "only {ended} of 5 ended");
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
    let shared = "import mmap, time\ndef execute_workflow(x):\n    m = mmap.mmap(-1, 200_000_000)\n    m.write(b'x' * 100_000_000)\n    time.sleep(3)";
    let file = "import time\ndef execute_workflow(x):\n    with open('f', 'wb') as f:\n        for _ in range(15):\n            f.write(b'x' * 10_000_000)\n    time.sleep(3)";
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
