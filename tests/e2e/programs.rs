//! What programs do, well and badly: each run ends in its own way, and the worker goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::stack::{self, Stack};

use crate::{ECHO, ENDLESS};

/// Runs `code` once and gives the job.
async fn run(stack: &Stack, code: &str, input: &str) -> Value {
    let workflow = stack.workflow_from_code(code).await;
    stack.run(&workflow, input).await
}

#[tokio::test]
async fn an_endless_loop_is_stopped_at_its_timeout_and_the_worker_takes_the_next_job() {
    let stack = Stack::builder().env("WORKER_CONCURRENCY", "1").alone().start().await;
    let endless = stack.workflow_from_code(ENDLESS).await;
    let echo = stack.workflow_from_code(ECHO).await;
    let began = Instant::now();
    let job = stack.execute(&endless, &json!({"user_input": "", "timeout_ms": 1000})).await.expect(202);
    let next = stack.execute(&echo, &json!({"user_input": "next"})).await.expect(202);
    let job = stack.wait_job(&stack::id(&job)).await;
    let took = began.elapsed();
    assert_eq!(
        (job["status"].as_str(), job["error"]["code"].as_str()),
        (Some("failed"), Some("timeout")),
        "{job:#}"
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(stack.wait_job(&stack::id(&next)).await["result"], "next");
    stack.finish().await;
}

#[tokio::test]
async fn any_json_value_may_be_returned_by_either_kind_of_entry() {
    let stack = Stack::builder().start().await;
    let values = [
        ("None", json!(null)),
        ("[1, 2.5, True, 'é', {'a': []}]", json!([1, 2.5, true, "é", {"a": []}])),
        ("{'text': user_input}", json!({"text": "🦀 \" \\ \n"})),
    ];
    for (expression, expected) in values {
        for keyword in ["async def", "def"] {
            let code = format!("{keyword} execute_workflow(user_input: str):\n    return {expression}\n");
            let job = run(&stack, &code, "🦀 \" \\ \n").await;
            assert_eq!(job["status"], "succeeded", "{code} {job:#}");
            assert_eq!(job["result"], expected, "{code}");
        }
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_result_that_is_not_json_fails_its_own_job() {
    let stack = Stack::builder().start().await;
    for expression in ["{1, 2}", "float('nan')", "float('inf')", "'\\ud800'", "object()", "b'bytes'"] {
        let code = format!("def execute_workflow(user_input):\n    return {expression}\n");
        let job = run(&stack, &code, "").await;
        assert_eq!(job["status"], "failed", "{expression}: {job:#}");
        assert_eq!(job["error"]["code"], "result_not_json", "{expression}: {job:#}");
        assert!(job["result"].is_null());
    }
    stack.finish().await;
}

#[tokio::test]
async fn an_exception_is_shown_with_its_line_and_traceback() {
    let stack = Stack::builder().start().await;
    let code = "def execute_workflow(user_input):\n    # é\n    return helper(user_input)\n\n\ndef helper(text):\n    return 1 / len(text)\n";
    let job = run(&stack, code, "").await;
    let error = &job["error"];
    assert_eq!(
        (job["status"].as_str(), error["code"].as_str()),
        (Some("failed"), Some("python_error")),
        "{job:#}"
    );
    assert_eq!(error["line"], 7, "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("ZeroDivisionError"), "{error:#}");
    let traceback = error["traceback"].as_str().unwrap();
    assert!(traceback.contains("line 3") && traceback.contains("line 7"), "{traceback}");
    assert!(traceback.contains("return helper(user_input)"), "{traceback}");
    stack.finish().await;
}

#[tokio::test]
async fn a_program_that_ends_its_own_process_fails_alone() {
    let stack = Stack::builder().start().await;
    let deaths = [
        "import os\n    os._exit(0)",
        "import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)",
        "raise SystemExit(0)",
    ];
    for death in deaths {
        let code = format!("def execute_workflow(user_input):\n    {death}\n");
        let job = run(&stack, &code, "").await;
        assert_eq!(job["status"], "failed", "{death}: {job:#}");
        let code = job["error"]["code"].as_str().unwrap();
        assert!(["no_result", "python_error", "sandbox_violation"].contains(&code), "{death}: {job:#}");
    }
    assert_eq!(run(&stack, ECHO, "still here").await["result"], "still here");
    stack.finish().await;
}

#[tokio::test]
async fn memory_beyond_the_limit_ends_as_out_of_memory() {
    let stack = Stack::builder().start().await;
    let code = "def execute_workflow(user_input):\n    return len(bytearray(2_000_000_000))\n";
    let job = run(&stack, code, "").await;
    assert_eq!(job["error"]["code"], "out_of_memory", "{job:#}");
    stack.finish().await;
}

#[tokio::test]
async fn what_a_program_prints_is_its_log_and_a_flood_is_cut_and_marked() {
    let stack = Stack::builder().env("LOG_BYTES_MAX", "65536").start().await;
    let code = "import sys\n\ndef execute_workflow(user_input):\n    print('premier', user_input)\n    print('to stderr', file=sys.stderr)\n    for _ in range(int(user_input)):\n        print('x' * 1000)\n    return 'done'\n";
    let workflow = stack.workflow_from_code(code).await;
    let job = stack.run(&workflow, "0").await;
    let log = stack.client().get(&format!("/jobs/{}/logs", stack::id(&job))).await;
    assert_eq!(log.status, 200);
    assert!(log.header("content-type").unwrap().starts_with("text/plain"));
    assert!(log.text.contains("premier 0") && log.text.contains("to stderr"), "{}", log.text);
    let job = stack.run(&workflow, "20000").await;
    assert_eq!(job["result"], "done", "{job:#}");
    let log = stack.client().get(&format!("/jobs/{}/logs", stack::id(&job))).await.text;
    assert!(log.len() < 70_000, "{}", log.len());
    assert!(log.contains("premier 20000") && log.contains("cut"), "{}", &log[log.len() - 300..]);
    stack.finish().await;
}

#[tokio::test]
async fn a_result_beyond_the_limit_is_output_too_large() {
    let stack = Stack::builder().env("RESULT_BYTES_MAX", "10000").start().await;
    let code = "def execute_workflow(user_input):\n    return 'x' * 20_000\n";
    let job = run(&stack, code, "").await;
    assert_eq!(job["error"]["code"], "output_too_large", "{job:#}");
    stack.finish().await;
}

#[tokio::test]
async fn tool_calls_run_side_by_side_and_show_as_steps() {
    let stack = Stack::builder().start().await;
    let code = "import asyncio\n\nasync def execute_workflow(user_input):\n    with step('Gather'):\n        answers = await asyncio.gather(*(paradigm_search(f'q{n}') for n in range(8)))\n    return answers\n";
    let workflow = stack.workflow_from_code(code).await;
    stack.paradigm.withhold();
    let job = stack.execute(&workflow, &json!({"user_input": ""})).await.expect(202);
    // All eight are under way before the first is answered.
    stack.paradigm.searches().wait_for(8).await;
    stack.paradigm.release();
    let job = stack.wait_job(&stack::id(&job)).await;
    assert_eq!(job["result"][7], "Answer to: q7", "{job:#}");
    assert_eq!(job["usage"]["tool_calls"], 8, "{job:#}");
    let steps = stack.client().get(&format!("/jobs/{}/steps", stack::id(&job))).await.expect(200);
    let text = steps.to_string();
    assert!(text.contains("Gather") && text.contains("paradigm_search") && text.contains("q7"), "{steps:#}");
    stack.finish().await;
}

#[tokio::test]
async fn more_tool_calls_than_the_budget_fail_the_job_and_do_not_raise() {
    let stack = Stack::builder().env("RUN_TOOL_CALLS_MAX", "5").start().await;
    let code = "async def execute_workflow(user_input):\n    try:\n        while True:\n            await paradigm_search('a')\n    except Exception as error:\n        return 'caught'\n";
    let job = run(&stack, code, "").await;
    assert_eq!(job["error"]["code"], "budget_exceeded", "{job:#}");
    assert_eq!(stack.paradigm.searches().len(), 5);
    stack.finish().await;
}

#[tokio::test]
async fn an_unhandled_tool_error_is_the_jobs_error() {
    let stack = Stack::builder().start().await;
    let broken = tests::fakes::paradigm::Fault::Status(axum::http::StatusCode::BAD_REQUEST, None);
    stack.paradigm.fail("broken", 1, broken);
    let job = run(&stack, crate::SEARCH, "a broken query").await;
    assert_eq!(
        (job["status"].as_str(), job["error"]["code"].as_str()),
        (Some("failed"), Some("tool_error")),
        "{job:#}"
    );
    // A 4xx is not tried again.
    assert_eq!(stack.paradigm.searches().len(), 1);
    stack.finish().await;
}

#[tokio::test]
async fn a_provider_that_recovers_is_asked_again_and_the_program_does_not_notice() {
    use tests::fakes::anthropic::{Purpose, Reply};
    let stack = Stack::builder().start().await;
    let busy = tests::fakes::paradigm::Fault::Status(axum::http::StatusCode::SERVICE_UNAVAILABLE, None);
    stack.paradigm.fail("lamp", 1, busy);
    stack.paradigm.fail("lamp", 1, tests::fakes::paradigm::Fault::Cut);
    stack.anthropic.script(Purpose::Chat, [Reply::overloaded(), Reply::rate_limited(Some(1))]);
    let code = "async def execute_workflow(user_input):\n    return await chat_completion(await paradigm_search(user_input))\n";
    let job = run(&stack, code, "lamp").await;
    assert_eq!(job["result"], "Reply to: Answer to: lamp", "{job:#}");
    assert_eq!(stack.paradigm.searches().len(), 3);
    assert_eq!(job["usage"]["tool_calls"], 2, "{job:#}");
    assert!(job["usage"]["input_tokens"].as_u64().unwrap() > 0, "{job:#}");
    stack.finish().await;
}

#[tokio::test]
async fn the_newer_search_api_is_used_when_configured() {
    for (setting, path, result) in [
        ("v3", "/api/v3/ask", "Answer to: Où ?"),
        ("v3_search", "/api/v3/search", "Answer to: Où ? [fake.pdf]"),
    ] {
        let stack = Stack::builder().env("LIGHTON_SEARCH", setting).start().await;
        let job = run(&stack, crate::SEARCH, "Où ?").await;
        assert_eq!(job["result"], result, "{job:#}");
        assert_eq!(stack.paradigm.searches().all()[0].path, path);
        stack.finish().await;
    }
}
