//! The functions a program finds: called from loops and threads, answered, failed, counted, told with their step.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::cell::{FailureCode, RunEnd, RunFailure, RunLimits, ToolVerdict};

use crate::support::{Answers, Bench, expect_failure, expect_value};

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

/// Replies are read by the loop that called, until somebody else calls or much is under way; then by a thread. Each of these
/// makes that change at another moment, and none loses a reply.
#[tokio::test(flavor = "multi_thread")]
async fn replies_reach_their_callers_whoever_reads() {
    let bench = Bench::start().await;
    for (program, expected) in [
        (
            "import asyncio, threading\nasync def execute_workflow(x):\n    first = await paradigm_search('a')\n    box = []\n    thread = threading.Thread(target=lambda: box.append(paradigm_search('b')))\n    thread.start()\n    thread.join()\n    return [first, box[0], await paradigm_search('c')]",
            json!(["a", "b", "c"]),
        ),
        (
            "import asyncio\nasync def both(q):\n    return await asyncio.gather(paradigm_search(q), paradigm_search(q + q))\ndef execute_workflow(x):\n    return [asyncio.run(both('a')), asyncio.run(both('b')), paradigm_search('c')]",
            json!([["a", "aa"], ["b", "bb"], "c"]),
        ),
        (
            "import asyncio\nasync def execute_workflow(x):\n    here = paradigm_search('here')\n    other = asyncio.to_thread(asyncio.run, paradigm_search('other'))\n    return await asyncio.gather(here, other, paradigm_search('last'))",
            json!(["here", "other", "last"]),
        ),
        (
            "import asyncio\nasync def execute_workflow(x):\n    found = await asyncio.gather(*(paradigm_search(str(n)) for n in range(1000)))\n    return found == [str(n) for n in range(1000)]",
            json!(true),
        ),
        (
            "import asyncio\nasync def execute_workflow(x):\n    large = 'ü' * 200_000\n    found = await asyncio.gather(*(paradigm_search(large + str(n)) for n in range(8)))\n    return [f[200_000:] for f in found]",
            json!(["0", "1", "2", "3", "4", "5", "6", "7"]),
        ),
    ] {
        let host = Answers::new(|call| ToolVerdict::Answer(call.arguments["query"].clone()));
        let report = bench.run(program, "x", RunLimits::default(), host, CancellationToken::new()).await;
        assert_eq!(expect_value(&report, program), expected, "{program}");
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
        ToolVerdict::End(RunEnd::Failed(RunFailure::new(FailureCode::BudgetExceeded, "200 calls")))
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
