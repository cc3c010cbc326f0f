//! One run and the next, one run and its neighbours: nothing passes between them but what both were given.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use worker::cell::{FailureCode, RunLimits, RunSpec, RunTask, ToolVerdict};

use crate::support::{Answers, Bench, expect_failure, expect_value};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_draws_the_same_numbers_and_secrets_stay_secret() {
    // Two zygotes: what they do not share, two workers do not.
    let (bench, another) = (Bench::start().await, Bench::start().await);
    let program = "import os, random, secrets, time, uuid\ndef execute_workflow(x):\n    return [[random.random(), random.sample(range(100), 5), list({'a', 'b', 'c', 'd'}), list({n: 1 for n in {'k', 'l', 'm'}}), hash('x')], [secrets.token_hex(), str(uuid.uuid4()), os.urandom(8).hex(), random.SystemRandom().random()], time.time()]";
    let first = expect_value(&bench.execute(program, "x").await, program);
    for bench in [&bench, &another] {
        let again = expect_value(&bench.execute(program, "x").await, program);
        assert_eq!(first[0], again[0]);
        for secret in 0..4 {
            assert_ne!(first[1][secret], again[1][secret], "{secret}");
        }
    }
    let task = RunTask::Execute { user_input: "x".to_owned() };
    let other_job = RunSpec { seed: 8, ..Bench::spec(program, task) };
    let report = another.room.run(other_job, Answers::none(), CancellationToken::new()).await;
    let other = expect_value(&report, program);
    for drawn in 0..2 {
        assert_ne!(first[0][drawn], other[0][drawn], "another job draws other numbers");
    }
    for ordered in 2..5 {
        assert_eq!(first[0][ordered], other[0][ordered], "sets have one order in all jobs");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let told = other[2].as_f64().expect("a time");
    assert!((now.as_secs_f64() - told).abs() < 60.0, "the clock is real: {told}");
    bench.end().await;
    another.end().await;
}

/// A cell is never used twice: what one program leaves in the interpreter, the next does not find.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_run_is_left_for_the_next() {
    let bench = Bench::start().await;
    let leave = "import builtins, sys, os, json\ndef execute_workflow(x):\n    builtins.left = 1\n    json.dumps = None\n    open('left', 'w').write('x')\n    return os.listdir('.')";
    let look = "import builtins, json, os\ndef execute_workflow(x):\n    return [hasattr(builtins, 'left'), json.dumps is None, os.listdir('.')]";
    assert_eq!(expect_value(&bench.execute(leave, "x").await, leave), json!(["left"]));
    for _ in 0..3 {
        assert_eq!(expect_value(&bench.execute(look, "x").await, look), json!([false, false, []]));
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_forges_frames_harms_only_itself() {
    let bench = Bench::start().await;
    for (program, expected) in [
        // A forged result is the program's own result.
        (
            "import os, json\ndef execute_workflow(x):\n    body = b'{\"returned\":\"forged\"}'\n    os.write(3, len(body).to_bytes(4, 'big') + body)\n    os._exit(1)",
            Ok(json!("forged")),
        ),
        (
            "import os\ndef execute_workflow(x):\n    for body in (b'{\"returned\":1}', b'{\"returned\":2}', b'junk'):\n        os.write(3, len(body).to_bytes(4, 'big') + body)",
            Ok(json!(1)),
        ),
        (
            "import os\ndef execute_workflow(x):\n    body = b'{\"call\":{\"id\":1,\"tool\":\"rm\",\"arguments\":{},\"step\":null}}'\n    os.write(3, len(body).to_bytes(4, 'big') + body)\n    return 'ignored'",
            Ok(json!("ignored")),
        ),
        (
            "import os\ndef execute_workflow(x):\n    os.write(3, b'\\0\\0\\0\\2{}')\n    import time; time.sleep(9)",
            Err(FailureCode::SandboxViolation),
        ),
        (
            "import os\ndef execute_workflow(x):\n    body = b'{\"wall\":{\"layer\":\"l\",\"reason\":\"r\",\"fix\":\"f\"}}'\n    os.write(3, len(body).to_bytes(4, 'big') + body)\n    import time; time.sleep(9)",
            Err(FailureCode::SandboxViolation),
        ),
    ] {
        let report = bench.execute(program, "x").await;
        match expected {
            Ok(value) => assert_eq!(expect_value(&report, program), value),
            Err(code) => assert_eq!(expect_failure(&report, program).code, code, "{program}: {report:?}"),
        }
    }
    bench.end().await;
}

/// Neither a cell that reads nothing nor one that sends a million frames holds anybody up.
#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_does_not_read_or_floods_blocks_nobody() {
    let bench = Bench::start().await;
    let deaf = "import os\ndef execute_workflow(x):\n    body = b'{\"call\":{\"id\":1,\"tool\":\"paradigm_search\",\"arguments\":{\"query\":\"q\"},\"step\":null}}'\n    for _ in range(1000):\n        os.write(3, len(body).to_bytes(4, 'big') + body)\n    import time; time.sleep(100)";
    let flood = "import os\ndef execute_workflow(x):\n    body = b'{\"left\":{\"id\":1,\"failed\":false}}'\n    many = (len(body).to_bytes(4, 'big') + body) * 1000\n    while True:\n        os.write(3, many)";
    for program in [deaf, flood] {
        let limits = RunLimits { wall: Duration::from_millis(700), ..RunLimits::default() };
        let host = Answers::new(|_| ToolVerdict::Answer(json!("x".repeat(500_000))));
        let report = bench.run(program, "x", limits, host, CancellationToken::new()).await;
        assert_eq!(expect_failure(&report, program).code, FailureCode::Timeout);
        assert!(report.usage.wall < Duration::from_millis(1700), "{:?}", report.usage);
        let next = bench.execute("def execute_workflow(x): return 1", "x").await;
        assert_eq!(expect_value(&next, ""), json!(1));
    }
    bench.end().await;
}
