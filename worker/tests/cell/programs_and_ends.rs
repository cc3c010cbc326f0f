//! What programs return, print and raise, and how each way to end is told.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::cell::{FailureCode, RunEnd, RunLimits, ToolVerdict};

use crate::support::{Answers, Bench, expect_failure, expect_value};

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
        (include_str!("programs/library.py"), json!("ok")),
        (include_str!("programs/concurrency.py"), json!("ok")),
        (include_str!("programs/files.py"), json!("ok")),
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
        ("def other(x): pass", Some(1)),
        ("\n\nreturn 3\ndef execute_workflow(x): pass", Some(3)),
        ("def execute_workflow(x):\n  if:\n    pass", Some(2)),
    ] {
        let report = bench.check(program).await;
        let failure = expect_failure(&report, program);
        assert_eq!((failure.code, failure.line), (FailureCode::InvalidCode, line), "{program}: {failure:?}");
    }
    bench.end().await;
}
