//! The cell, through its door: real runner, real interpreter, real walls.
//!
//! Each test starts a room of its own and ends it; what it asserts is what a program, or its user, would see.

#[path = "cell/elsewhere.rs"]
mod elsewhere;
#[path = "cell/support.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use elsewhere::Elsewhere;
use serde_json::{Value, json};
use support::{Answers, Bench, expect_failure, expect_value};
use tokio_util::sync::CancellationToken;
use worker::cell::{
    Canary, CellConfig, CellError, CellRoom, FailureCode, RunEnd, RunLimits, RunTask, Tier, ToolVerdict,
};

/// Entry points, values and surroundings, as in plain CPython.
#[tokio::test(flavor = "multi_thread")]
async fn programs_behave_as_in_plain_cpython() {
    let bench = Bench::start().await;
    for (program, expected) in [
        (
            "async def execute_workflow(user_input: str) -> str:\n    return user_input.upper()",
            json!("HALLO Ü"),
        ),
        (
            "def execute_workflow(user_input):\n    return {'n': [1, 2.5, None, True], 's': user_input}",
            json!({"n": [1, 2.5, null, true], "s": "hallo ü"}),
        ),
        ("\u{feff}def execute_workflow(user_input):\n    return 'bom'", json!("bom")),
        ("def execute_workflow(user_input):\n    return None", Value::Null),
        (
            "def execute_workflow(user_input):\n    import os\n    return sorted(k for k in os.environ if k not in ('HOME', 'TMPDIR', 'LANG', 'TZ', 'PATH'))",
            json!([]),
        ),
        (
            "import asyncio\ndef execute_workflow(user_input):\n    async def inner():\n        await asyncio.sleep(0.01)\n        return 'own loop'\n    return asyncio.run(inner())",
            json!("own loop"),
        ),
        ("execute_workflow = lambda user_input: len(user_input)", json!(7)),
        (
            "import random\ndef execute_workflow(user_input):\n    return [random.random() for _ in range(2)] == [random.Random(7).random()] * 2 or random.getstate()[1][0] is not None",
            json!(true),
        ),
        (include_str!("cell/programs/library.py"), json!("ok")),
        (include_str!("cell/programs/concurrency.py"), json!("ok")),
        (include_str!("cell/programs/files.py"), json!("ok")),
    ] {
        let report = bench.execute(program, "hallo ü").await;
        assert_eq!(expect_value(&report, program), expected, "{program}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table, one row per way")]
async fn each_way_to_fail_has_its_code_and_names_its_line() {
    let bench = Bench::start().await;
    let deep =
        format!("def execute_workflow(x):\n    v = {}1{}\n    return v", "[".repeat(150), "]".repeat(150));
    for (program, code, line, fragment) in [
        (
            "def execute_workflow(x):\n    a = 1\n    return a / 0",
            FailureCode::PythonError,
            Some(3),
            "ZeroDivisionError: division by zero",
        ),
        (
            "async def execute_workflow(x):\n    raise KeyError('k')",
            FailureCode::PythonError,
            Some(2),
            "KeyError",
        ),
        (
            "raise ValueError('at import')\ndef execute_workflow(x): pass",
            FailureCode::PythonError,
            Some(1),
            "at import",
        ),
        (
            "def execute_workflow(x):\n    raise ToolError('gave up')",
            FailureCode::ToolError,
            Some(2),
            "gave up",
        ),
        (
            "def execute_workflow(x):\n    raise ExceptionGroup('g', [ToolError('one'), ToolError('two')])",
            FailureCode::ToolError,
            Some(2),
            "one",
        ),
        ("def execute_workflow(x):\n    raise MemoryError", FailureCode::OutOfMemory, Some(2), "536870912"),
        (
            "def execute_workflow(x):\n    data = []\n    while True:\n        data.append(bytearray(10_000_000))",
            FailureCode::OutOfMemory,
            Some(4),
            "536870912",
        ),
        ("def execute_workflow(x):\n    return 'x' * 2**33", FailureCode::OutOfMemory, Some(2), "536870912"),
        ("def execute_workflow(x):\n    return {1, 2}", FailureCode::ResultNotJson, None, "set"),
        ("def execute_workflow(x):\n    return float('nan')", FailureCode::ResultNotJson, None, "not JSON"),
        ("def execute_workflow(x):\n    return [float('inf')]", FailureCode::ResultNotJson, None, "not JSON"),
        ("def execute_workflow(x):\n    return '\\ud800'", FailureCode::ResultNotJson, None, "surrogate"),
        (
            "def execute_workflow(x):\n    a = []\n    a.append(a)\n    return a",
            FailureCode::ResultNotJson,
            None,
            "ircular",
        ),
        (&deep, FailureCode::ResultNotJson, None, "recursion limit"),
        ("def execute_workflow(x):\n    return 10**400", FailureCode::ResultNotJson, None, "number"),
        (
            "def execute_workflow(x):\n    return 'x' * 2_000_000",
            FailureCode::OutputTooLarge,
            None,
            "1048576",
        ),
        ("def execute_workflow(x:\n    pass", FailureCode::InvalidCode, Some(1), "SyntaxError"),
        ("x = 1\n\0", FailureCode::InvalidCode, Some(2), "NUL"),
        ("x = 1", FailureCode::InvalidCode, None, "execute_workflow"),
        ("execute_workflow = 3", FailureCode::InvalidCode, None, "execute_workflow"),
        (
            "import os\ndef execute_workflow(x):\n    os._exit(0)",
            FailureCode::NoResult,
            None,
            "exit status 0",
        ),
        ("import os\ndef execute_workflow(x):\n    os.abort()", FailureCode::NoResult, None, "signal"),
        (
            "import os\ndef execute_workflow(x):\n    os.kill(os.getpid(), 9)",
            FailureCode::NoResult,
            None,
            "exit status 137",
        ),
        (
            "import ctypes\ndef execute_workflow(x):\n    ctypes.string_at(0)",
            FailureCode::NoResult,
            None,
            "signal 11",
        ),
        ("import sys\ndef execute_workflow(x):\n    sys.exit(0)", FailureCode::NoResult, Some(3), "sys.exit"),
        (
            "import ctypes\ndef execute_workflow(x):\n    ctypes.CDLL(None).syscall(272, 0x10000000)",
            FailureCode::SandboxViolation,
            None,
            "never allowed",
        ),
        (
            "import os\ndef execute_workflow(x):\n    os.write(3, b'\\xff\\xff\\xff\\xff')\n    import time; time.sleep(5)",
            FailureCode::SandboxViolation,
            None,
            "4294967295",
        ),
        (
            "import subprocess\ndef execute_workflow(x):\n    return subprocess.run(['true']).returncode",
            FailureCode::PythonError,
            Some(3),
            "Error",
        ),
        (
            "import socket\ndef execute_workflow(x):\n    socket.create_connection(('127.0.0.1', 80))",
            FailureCode::PythonError,
            Some(3),
            "Error",
        ),
    ] {
        let report = bench.execute(program, "x").await;
        let failure = expect_failure(&report, program);
        assert_eq!(failure.code, code, "{program}\n{failure:?}");
        assert_eq!(failure.line, line, "{program}\n{failure:?}");
        assert!(failure.message.contains(fragment), "{program}\n{failure:?}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traceback_shows_the_programs_own_lines_only() {
    let bench = Bench::start().await;
    let program = "import json\n\ndef inner(text):\n    return json.loads(text)\n\nasync def execute_workflow(x):\n    return inner(x)\n";
    let report = bench.execute(program, "{not json").await;
    let failure = expect_failure(&report, program);
    let traceback = failure.traceback.clone().expect("there is one");
    assert_eq!(failure.line, Some(4), "{traceback}");
    assert!(
        traceback.contains("    return json.loads(text)")
            && traceback.contains("line 7, in execute_workflow"),
        "{traceback}"
    );
    assert!(!traceback.contains("cell.py") && !traceback.contains("decoder.py"), "{traceback}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_never_ends_is_ended_by_each_clock() {
    let bench = Bench::start().await;
    let programs = [
        "def execute_workflow(x):\n    while True: pass",
        "def execute_workflow(x):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
        "import time\ndef execute_workflow(x):\n    time.sleep(100)",
        "import re\ndef execute_workflow(x):\n    re.match('(a+)+$', 'a' * 60 + 'b')",
        "import asyncio\nasync def execute_workflow(x):\n    await asyncio.Event().wait()",
        "import os\ndef execute_workflow(x):\n    os.close(3)\n    while True: pass",
    ];
    for program in programs {
        let limits = RunLimits { wall: Duration::from_millis(400), ..RunLimits::default() };
        let report = bench.run(program, "x", limits, Answers::none(), CancellationToken::new()).await;
        assert!(report.usage.wall < Duration::from_millis(1400), "{program}: {:?}", report.usage);
        match &report.end {
            RunEnd::Failed(failure) if failure.code == FailureCode::Timeout => {
                assert!(failure.message.contains("400 ms"), "{failure:?}");
            }
            // It hung up: that ends it too, sooner or later.
            RunEnd::Failed(failure) if program.contains("os.close(3)") => {
                assert_eq!(failure.code, FailureCode::NoResult);
            }
            other => panic!("{program}: {other:?}"),
        }
    }
    let deaf = "import signal\ndef execute_workflow(x):\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True: pass";
    for program in [programs[0], deaf] {
        let limits =
            RunLimits { cpu: Duration::from_secs(1), wall: Duration::from_secs(20), ..RunLimits::default() };
        let report = bench.run(program, "x", limits, Answers::none(), CancellationToken::new()).await;
        let failure = expect_failure(&report, program);
        assert_eq!(
            (failure.code, failure.message.contains("1 s of processor time")),
            (FailureCode::Timeout, true),
            "{failure:?}"
        );
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_ends_at_once() {
    let bench = Bench::start().await;
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let host = Answers::new(move |_| {
        stopper.cancel();
        ToolVerdict::Answer(Value::Null)
    });
    let program = "import time\ndef execute_workflow(x):\n    paradigm_search('now')\n    time.sleep(100)";
    let report = bench.run(program, "x", RunLimits::default(), host, stop).await;
    assert!(matches!(report.end, RunEnd::Stopped), "{report:?}");
    assert!(report.usage.wall < Duration::from_secs(5), "{report:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_await_in_a_loop_and_block_elsewhere() {
    let bench = Bench::start().await;
    let echo = || {
        Answers::new(|call| {
            ToolVerdict::Answer(json!(format!(
                "{}:{}",
                call.tool,
                call.arguments.values().map(Value::to_string).collect::<String>()
            )))
        })
    };
    for program in [
        "async def execute_workflow(x):\n    return [await paradigm_search('q'), await chat_completion(prompt='p')]",
        "def execute_workflow(x):\n    return [paradigm_search(query='q'), chat_completion('p')]",
        "import asyncio\nasync def execute_workflow(x):\n    return list(await asyncio.gather(paradigm_search('q'), asyncio.to_thread(chat_completion, 'p')))",
        "import asyncio\nasync def execute_workflow(x):\n    a = asyncio.create_task(paradigm_search('q'))\n    async with asyncio.TaskGroup() as g:\n        b = g.create_task(chat_completion('p'))\n    return [await a, b.result()]",
        "from concurrent.futures import ThreadPoolExecutor\ndef execute_workflow(x):\n    with ThreadPoolExecutor() as pool:\n        return list(pool.map(lambda f: f[0](f[1]), [(paradigm_search, 'q'), (chat_completion, 'p')]))",
        "top = paradigm_search('q')\nasync def execute_workflow(x):\n    return [top, await chat_completion('p')]",
    ] {
        let report = bench.run(program, "x", RunLimits::default(), echo(), CancellationToken::new()).await;
        assert_eq!(
            expect_value(&report, program),
            json!(["paradigm_search:\"q\"", "chat_completion:\"p\""]),
            "{program}"
        );
    }
    bench.end().await;
}

/// The host answers none before it has all: only calls that are really side by side get through.
#[tokio::test(flavor = "multi_thread")]
async fn gather_runs_a_hundred_calls_side_by_side() {
    let bench = Bench::start().await;
    let program = "import asyncio\nasync def execute_workflow(x):\n    return sum(len(a) for a in await asyncio.gather(*[paradigm_search(f'q{i}') for i in range(100)]))";
    let report = bench
        .run(program, "x", RunLimits::default(), Answers::together(100, "ab"), CancellationToken::new())
        .await;
    assert_eq!(expect_value(&report, program), json!(200));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_tool_is_a_tool_error_and_a_spent_budget_ends_the_run() {
    let bench = Bench::start().await;
    let program = "async def execute_workflow(x):\n    try:\n        await paradigm_search('q')\n    except ToolError as e:\n        return str(e)";
    let refusing = Answers::new(|_| ToolVerdict::Fail("404: no such workspace".to_owned()));
    let report = bench.run(program, "x", RunLimits::default(), refusing, CancellationToken::new()).await;
    assert_eq!(expect_value(&report, program), json!("404: no such workspace"));

    let program = "def execute_workflow(x):\n    while True:\n        try:\n            paradigm_search('q')\n        except BaseException:\n            pass";
    let spent = Answers::new(|_| {
        ToolVerdict::End(RunEnd::Failed(worker::cell::RunFailure::new(
            FailureCode::BudgetExceeded,
            "200 calls",
        )))
    });
    let report = bench.run(program, "x", RunLimits::default(), spent, CancellationToken::new()).await;
    assert_eq!(expect_failure(&report, program).code, FailureCode::BudgetExceeded);

    let program = "def execute_workflow(x):\n    return paradigm_search('x' * 100_000_000)";
    let limits = RunLimits { memory_bytes_max: 1 << 30, ..RunLimits::default() };
    let report = bench.run(program, "x", limits, Answers::none(), CancellationToken::new()).await;
    let failure = expect_failure(&report, program);
    assert_eq!(
        (failure.code, failure.message.contains("1048576")),
        (FailureCode::ToolError, true),
        "{failure:?}"
    );
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gathered_calls_land_in_the_step_they_were_made_in() {
    let bench = Bench::start().await;
    let program = "import asyncio\nasync def branch(name):\n    with step(name):\n        await asyncio.sleep(0.01)\n        return await paradigm_search(name)\nasync def execute_workflow(x):\n    async with step('outer'):\n        await asyncio.gather(branch('a'), branch('b'))\n    return await paradigm_search('none')";
    let host = Answers::new(|call| ToolVerdict::Answer(call.arguments["query"].clone()));
    let report = bench.run(program, "x", RunLimits::default(), host.clone(), CancellationToken::new()).await;
    assert_eq!(expect_value(&report, program), json!("none"));
    let steps = host.steps();
    let id_of = |title: &str| steps.iter().find(|step| step.title == title).expect(title).id;
    for call in host.calls() {
        let query = call.arguments["query"].as_str().expect("text").to_owned();
        assert_eq!(call.step, (query != "none").then(|| id_of(&query)), "{query}");
    }
    for inner in ["a", "b"] {
        let step = steps.iter().find(|step| step.title == inner).expect(inner);
        assert_eq!(step.parent, Some(id_of("outer")));
    }
    assert_eq!(host.steps_left(), 3);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_arrive_byte_by_byte_up_to_the_limit_and_the_run_goes_on() {
    let bench = Bench::start().await;
    let program = "import sys, os\ndef execute_workflow(x):\n    print('one', 'ü', '\\ud800')\n    print('two', file=sys.stderr)\n    os.write(1, b'\\xff\\x00\\x1b[31m')\n    sys.stdout.write('no newline')\n    return 'done'";
    let host = Answers::none();
    let report = bench.run(program, "x", RunLimits::default(), host.clone(), CancellationToken::new()).await;
    assert_eq!(expect_value(&report, program), json!("done"));
    assert_eq!(host.stdout(), b"one \xc3\xbc \\ud800\n\xff\x00\x1b[31mno newline");
    assert_eq!(host.stderr(), b"two\n");

    let program = "def execute_workflow(x):\n    line = 'x' * 999_999\n    for _ in range(1000):\n        print(line)\n    return 'went on'";
    let host = Answers::none();
    let report = bench.run(program, "x", RunLimits::default(), host.clone(), CancellationToken::new()).await;
    assert_eq!(expect_value(&report, program), json!("went on"));
    assert!(report.log_truncated);
    assert_eq!(host.stdout().len(), 1024 * 1024);

    let program = "import os\ndef execute_workflow(x):\n    print('before the crash')\n    os.abort()";
    let host = Answers::none();
    let report = bench.run(program, "x", RunLimits::default(), host.clone(), CancellationToken::new()).await;
    assert_eq!(expect_failure(&report, program).code, FailureCode::NoResult);
    assert_eq!(host.stdout(), b"before the crash\n");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_runs_nothing_and_says_what_it_sees() {
    let bench = Bench::start().await;
    let program = "import json, requests, subprocess\nraise SystemExit\nasync def execute_workflow(user_input): return 1";
    let report = bench.check(program).await;
    let RunEnd::Checked(checked) = &report.end else { panic!("{report:?}") };
    assert!(checked.entry_is_async);
    assert_eq!(checked.imports, ["json", "requests", "subprocess"]);
    assert_eq!(checked.findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(1), Some(1)]);
    for (program, line) in [
        ("def execute_workflow(): pass", Some(1)),
        ("def other(x): pass", None),
        ("\n\nreturn 3\ndef execute_workflow(x): pass", Some(3)),
        ("def execute_workflow(x):\n  if:\n    pass", Some(2)),
    ] {
        let report = bench.check(program).await;
        let failure = expect_failure(&report, program);
        assert_eq!((failure.code, failure.line), (FailureCode::InvalidCode, line), "{program}: {failure:?}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_draws_the_same_numbers_and_secrets_stay_secret() {
    let bench = Bench::start().await;
    let program = "import random, secrets, uuid\ndef execute_workflow(x):\n    return [[random.random(), random.sample(range(100), 5), list({'a', 'b', 'c', 'd'}), hash('x')], [secrets.token_hex(), str(uuid.uuid4())]]";
    let first = expect_value(&bench.execute(program, "x").await, program);
    let second = expect_value(&bench.execute(program, "x").await, program);
    assert_eq!(first[0], second[0]);
    assert_ne!(first[1][0], second[1][0]);
    assert_ne!(first[1][1], second[1][1]);
    bench.end().await;
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
async fn two_hundred_runs_at_once_all_end_as_they_should() {
    let bench = Arc::new(Bench::start().await);
    let program = "async def execute_workflow(x):\n    return x + await paradigm_search(x)";
    let runs = (0..200).map(|number| {
        let bench = bench.clone();
        tokio::spawn(async move {
            let host = Answers::new(|call| ToolVerdict::Answer(call.arguments["query"].clone()));
            let input = format!("<{number}>");
            let report =
                bench.run(program, &input, RunLimits::default(), host, CancellationToken::new()).await;
            assert_eq!(expect_value(&report, program), json!(format!("{input}{input}")));
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.expect("no run panics");
    }
    Arc::into_inner(bench).expect("all runs are over").end().await;
}

/// Runs in flight are lost, and say so; the next find a new zygote.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_zygote_loses_its_runs_and_nothing_else() {
    let bench = Arc::new(Bench::start().await);
    let zygote = bench.zygote_pid();
    let host = Answers::new(move |_| {
        let pid = rustix::process::Pid::from_raw(zygote).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lives");
        ToolVerdict::Answer(Value::Null)
    });
    let program = "import time\ndef execute_workflow(x):\n    paradigm_search('now')\n    time.sleep(100)";
    let report = bench.run(program, "x", RunLimits::default(), host, CancellationToken::new()).await;
    assert!(matches!(report.end, RunEnd::Lost(_)), "{report:?}");
    let report = bench.execute("def execute_workflow(x): return 'again'", "x").await;
    assert_eq!(expect_value(&report, ""), json!("again"));
    assert_ne!(bench.zygote_pid(), zygote);
    Arc::into_inner(bench).expect("one owner").end().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_missing_or_foreign_is_refused_with_the_build_command() {
    let config = CellConfig::new("/nonexistent/runner".into(), Tier::B, Tier::A, None);
    let error = CellRoom::start(config, CancellationToken::new()).await.expect_err("there is none");
    assert!(
        matches!(error, CellError::RunnerMissing { .. }) && error.to_string().contains("-p runner"),
        "{error}"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let stale = support::speaker(folder.path(), r#"{"hello":{"build_id":"0000000000000000"}}"#);
    let config = CellConfig::new(stale, Tier::B, Tier::A, None);
    let error = CellRoom::start(config, CancellationToken::new()).await.expect_err("another build");
    assert!(
        matches!(error, CellError::RunnerStale { .. }) && error.to_string().contains("cargo build"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_room_ends_every_process() {
    let bench = Bench::start().await;
    let pids = bench.processes();
    assert!(!pids.is_empty());
    bench.end().await; // asserts that none is left
}

#[tokio::test(flavor = "multi_thread")]
async fn tier_b_runs_the_same_programs_without_namespaces() {
    let bench = Bench::start_with(|config| config.max_tier = Tier::B).await;
    assert_eq!(bench.room.sandbox().tier, Tier::B);
    for (program, expected) in [
        ("async def execute_workflow(x):\n    return x", json!("x")),
        (include_str!("cell/programs/library.py"), json!("ok")),
        (include_str!("cell/programs/concurrency.py"), json!("ok")),
        (include_str!("cell/programs/files.py"), json!("ok")),
    ] {
        let report = bench.execute(program, "x").await;
        assert_eq!(expect_value(&report, program), expected);
    }
    let report = bench
        .room
        .run(
            Bench::spec("def execute_workflow(x): return 1", RunTask::Check),
            Answers::none(),
            CancellationToken::new(),
        )
        .await;
    assert!(matches!(report.end, RunEnd::Checked(_)), "{report:?}");
    bench.end().await;
}

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
        (failure.code, failure.message.contains("No space left")),
        (FailureCode::PythonError, true),
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

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_asked_at_start_and_contained_in_both_tiers() {
    for tier in [Tier::A, Tier::B] {
        let bench = Bench::start_with(|config| config.max_tier = tier).await;
        let Canary::Contained { acts } = bench.room.canary() else { panic!("{:?}", bench.room.canary()) };
        assert!(acts >= 20, "{acts}");
        bench.end().await;
    }
}

const SURE_EVERYWHERE: [&str; 5] = [
    "tier_b_runs_the_same_programs_without_namespaces",
    "each_way_to_fail_has_its_code_and_names_its_line",
    "tools_await_in_a_loop_and_block_elsewhere",
    "a_killed_zygote_loses_its_runs_and_nothing_else",
    "closing_the_room_ends_every_process",
];

/// User namespaces give an ordinary user tier A as well.
#[test]
fn an_ordinary_user_has_the_same_cells() {
    let mut names = SURE_EVERYWHERE.to_vec();
    names.extend(["the_private_folder_has_a_limit_in_both_tiers", "the_tier_is_what_the_surroundings_allow"]);
    elsewhere::run_tests(Elsewhere::OrdinaryUser, &names);
}

#[test]
fn a_container_with_the_default_profile_has_tier_b() {
    let mut names = SURE_EVERYWHERE.to_vec();
    names.push("the_tier_is_what_the_surroundings_allow");
    elsewhere::run_tests(Elsewhere::ContainerRoot, &names);
    elsewhere::run_tests(Elsewhere::ContainerNobody, &names);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tier_is_what_the_surroundings_allow() {
    let bench = Bench::start().await;
    let report = bench.room.sandbox();
    let contained = elsewhere::here().is_some_and(|place| place.starts_with("Container"));
    if contained {
        assert_eq!(report.tier, Tier::B);
        let refusal = report.higher_tier_refused.expect("tier A was tried");
        assert!(refusal.layer.contains("namespace") && refusal.fix.contains("CAP_SYS_ADMIN"), "{refusal:?}");
        let config = CellConfig::new(support::runner(), Tier::A, Tier::A, None);
        let error =
            CellRoom::start(config, CancellationToken::new()).await.expect_err("tier A is not to be had");
        assert!(matches!(error, CellError::BelowMinTier { min_tier: Tier::A, .. }), "{error}");
        assert!(error.to_string().contains("namespace"), "{error}");
    } else {
        assert_eq!(report.tier, Tier::A, "{:?}", report.higher_tier_refused);
        assert!(report.higher_tier_refused.is_none());
    }
    bench.end().await;
}
