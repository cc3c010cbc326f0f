//! Every limit of a run: reached, it ends the run with its own code, and the message names the limit and its value.
//!
//! Not here because no cell is needed or the worker's own host decides: calls, tokens and the journal of a job
//! (`RUN_TOOL_CALLS_MAX` and others), and the memory of all cells together (`memory.rs`).

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use worker::cell::{CellConfig, FailureCode, RunEnd, RunLimits, Tier};

use crate::support::{Answers, Bench, expect_failure};

/// Numbers that appear nowhere by chance.
fn small(config: &mut CellConfig, tier: Tier) {
    config.max_tier = tier;
    config.work_bytes_max = 3_145_728;
    config.work_inodes_max = 50;
    config.open_files_max = 40;
    config.threads_max = 20;
}

fn limits() -> RunLimits {
    RunLimits { wall: Duration::from_secs(20), work_bytes_max: 3_145_728, ..RunLimits::default() }
}

struct Row {
    name: &'static str,
    limits: RunLimits,
    program: &'static str,
    code: FailureCode,
    /// All of them are in the message.
    names: &'static [&'static str],
}

const LOOP: &str = "def execute_workflow(x):\n    while True: pass";

fn time_and_memory() -> Vec<Row> {
    vec![
        Row {
            name: "wall",
            limits: RunLimits { wall: Duration::from_millis(321), ..limits() },
            program: LOOP,
            code: FailureCode::Timeout,
            names: &["321 ms"],
        },
        Row {
            name: "cpu",
            limits: RunLimits { cpu: Duration::from_secs(1), ..limits() },
            program: LOOP,
            code: FailureCode::Timeout,
            names: &["1 s of processor time"],
        },
        Row {
            name: "memory",
            limits: RunLimits { memory_bytes_max: 123_000_000, ..limits() },
            program: "def execute_workflow(x):\n    data = []\n    while True:\n        data.append(bytearray(1_000_000))",
            code: FailureCode::OutOfMemory,
            names: &["123000000 bytes", "RUN_MEMORY_BYTES_MAX"],
        },
        Row {
            name: "result",
            limits: RunLimits { result_bytes_max: 1234, ..limits() },
            program: "def execute_workflow(x):\n    return 'x' * 2000",
            code: FailureCode::OutputTooLarge,
            names: &["2002 bytes", "1234 bytes", "RESULT_BYTES_MAX"],
        },
        Row {
            name: "threads",
            limits: limits(),
            program: "import threading\ndef execute_workflow(x):\n    for _ in range(30):\n        threading.Thread(target=threading.Event().wait, daemon=True).start()\n    threading.Event().wait()",
            code: FailureCode::BudgetExceeded,
            names: &["thread", "20 threads"],
        },
    ]
}

fn files() -> Vec<Row> {
    vec![
        Row {
            name: "bytes of the folder",
            limits: limits(),
            program: "import time\ndef execute_workflow(x):\n    for n in range(20):\n        open(f'f{n}', 'wb').write(b'x' * 400_000)\n    time.sleep(10)",
            code: FailureCode::BudgetExceeded,
            names: &["folder", "3145728 bytes"],
        },
        Row {
            name: "bytes of the folder, by a database",
            limits: limits(),
            program: "import sqlite3, time\ndef execute_workflow(x):\n    db = sqlite3.connect('db')\n    db.execute('create table t (a)')\n    for n in range(20):\n        with db: db.execute('insert into t values (zeroblob(400000))')\n    time.sleep(10)",
            code: FailureCode::BudgetExceeded,
            names: &["3145728 bytes"],
        },
        Row {
            name: "bytes of one file",
            limits: limits(),
            program: "def execute_workflow(x):\n    open('f', 'wb').truncate(10_000_000)",
            code: FailureCode::BudgetExceeded,
            names: &["file", "3145728 bytes"],
        },
        Row {
            name: "files",
            limits: limits(),
            program: "import time\ndef execute_workflow(x):\n    for n in range(100):\n        open(f'f{n}', 'w').close()\n    time.sleep(10)",
            code: FailureCode::BudgetExceeded,
            names: &["folder", "50 files"],
        },
        Row {
            name: "open files",
            limits: limits(),
            program: "def execute_workflow(x):\n    kept = [open('f', 'w') for _ in range(100)]",
            code: FailureCode::BudgetExceeded,
            names: &["files open", "limit of 40"],
        },
        Row {
            name: "open files, in a group",
            limits: limits(),
            program: "import asyncio\nasync def execute_workflow(x):\n    kept = []\n    async def one(): kept.append(open('f', 'w'))\n    async with asyncio.TaskGroup() as group:\n        for _ in range(100): group.create_task(one())",
            code: FailureCode::BudgetExceeded,
            names: &["files open", "limit of 40"],
        },
    ]
}

fn messages() -> Vec<Row> {
    vec![
        Row {
            name: "arguments of one call",
            limits: RunLimits { arguments_bytes_max: 4321, ..limits() },
            program: "def execute_workflow(x):\n    paradigm_search('x' * 10_000)",
            code: FailureCode::ToolError,
            names: &["4321"],
        },
        Row {
            name: "size of a frame",
            limits: limits(),
            program: "import os, time\ndef execute_workflow(x):\n    os.write(3, (2097153).to_bytes(4, 'big'))\n    time.sleep(10)",
            code: FailureCode::SandboxViolation,
            names: &["2097153 bytes", "limit is 2097152 bytes"],
        },
        Row {
            name: "rate of frames",
            limits: limits(),
            program: "import os\ndef execute_workflow(x):\n    body = b'{\"left\":{\"id\":1,\"failed\":false}}'\n    many = (len(body).to_bytes(4, 'big') + body) * 1000\n    while True:\n        os.write(3, many)",
            code: FailureCode::BudgetExceeded,
            names: &["20000 messages a second"],
        },
    ]
}

async fn each_limit(tier: Tier) {
    let bench = Bench::start_with(|config| small(config, tier)).await;
    assert_eq!(bench.room.sandbox().tier, tier);
    let mut wrong = Vec::new();
    for Row { name, limits, program, code, names } in
        time_and_memory().into_iter().chain(files()).chain(messages())
    {
        let report = bench.run(program, "x", limits, Answers::none(), CancellationToken::new()).await;
        let in_time = report.usage.wall <= limits.wall + Duration::from_secs(1);
        let RunEnd::Failed(failure) = &report.end else {
            wrong.push(format!("{name} on tier {tier}: {:?}", report.end));
            continue;
        };
        let named = names.iter().all(|part| failure.message.contains(part));
        if failure.code != code || !named || !in_time {
            wrong.push(format!("{name} on tier {tier}: {failure:?} after {:?}", report.usage.wall));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    the_log_is_cut(&bench).await;
    bench.end().await;
}

/// The one limit that ends nothing: what is printed beyond it is left out, and the report says so.
async fn the_log_is_cut(bench: &Bench) {
    let program = "def execute_workflow(x):\n    for _ in range(100):\n        print('x' * 99)\n    raise KeyError('end')";
    let limits = RunLimits { log_bytes_max: 1234, ..limits() };
    let host = Answers::none();
    let report = bench.run(program, "x", limits, host.clone(), CancellationToken::new()).await;
    assert_eq!(expect_failure(&report, program).code, FailureCode::PythonError);
    assert!(report.log_truncated);
    assert_eq!(host.stdout().len(), 1234);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_ends_in_its_code_and_names_its_value_on_tier_a() {
    each_limit(Tier::A).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_ends_in_its_code_and_names_its_value_on_tier_b() {
    each_limit(Tier::B).await;
}
