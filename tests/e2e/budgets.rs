//! What a run and a tenant may spend: counted, shown, and refused before the call is made.

use serde_json::json;
use tests::fakes::anthropic::Purpose;
use tests::stack::{self, Stack};

/// Searches ten times, one after the other.
const TEN_SEARCHES: &str = "async def execute_workflow(user_input: str) -> str:
    for number in range(10):
        await paradigm_search(f'{user_input} {number}')
    return 'done'
";

/// Asks the model until something stops it.
const TALKS: &str = "async def execute_workflow(user_input: str) -> str:
    for number in range(150):
        await chat_completion(f'{user_input} {number}')
    return 'done'
";

#[tokio::test]
async fn a_tenants_tool_calls_of_the_day_end_a_run_before_the_next_call_is_made() {
    let stack = Stack::builder().env("TENANT_TOOL_CALLS_PER_DAY", "3").start().await;
    let workflow = stack.workflow_from_code(TEN_SEARCHES).await;
    let job = stack.run(&workflow, "again").await;
    assert_eq!(job["error"]["code"], "budget_exceeded", "{job:#}");
    let message = job["error"]["message"].as_str().unwrap();
    assert!(message.contains("3 of 3") && message.contains("tool_calls_per_day"), "{message}");
    assert_eq!(stack.paradigm.searches().len(), 3);
    assert_eq!(job["usage"]["tool_calls"], 3);
    let usage = stack.client().get("/usage").await.expect(200);
    assert_eq!(usage["tool_calls"], json!({"used": 3, "limit": 3}), "{usage:#}");
    // The next run has nothing left; its own limit is another one.
    let next = stack.run(&workflow, "once more").await;
    assert_eq!(next["error"]["code"], "budget_exceeded", "{next:#}");
    assert_eq!(stack.paradigm.searches().len(), 3);
    stack.finish().await;
}

#[tokio::test]
async fn a_run_that_used_its_tokens_ends_and_says_so() {
    let stack = Stack::builder().env("RUN_TOKENS_MAX", "500").start().await;
    let workflow = stack.workflow_from_code(TALKS).await;
    let job = stack.run(&workflow, &"long ".repeat(200)).await;
    assert_eq!(job["error"]["code"], "budget_exceeded", "{job:#}");
    assert!(job["error"]["message"].as_str().unwrap().contains("RUN_TOKENS_MAX"), "{job:#}");
    let asked = stack.anthropic.calls_for(Purpose::Chat).len();
    assert!((1..150).contains(&asked), "{asked}");
    let tokens =
        job["usage"]["input_tokens"].as_u64().unwrap() + job["usage"]["output_tokens"].as_u64().unwrap();
    assert!(tokens >= 500, "{job:#}");
    let usage = stack.client().get("/usage").await.expect(200);
    assert_eq!(usage["tokens"]["used"], tokens, "{usage:#}");
    stack.finish().await;
}

#[tokio::test]
async fn a_generation_over_the_tokens_of_the_day_is_not_asked_for() {
    let stack = Stack::builder().env("TENANT_TOKENS_PER_DAY", "1").start().await;
    let program = "async def execute_workflow(user_input: str) -> str:\n    return user_input\n";
    stack.anthropic.generate_program(program);
    let first = stack.create_workflow(&json!({"description": "Return the input."})).await;
    assert_eq!(first["status"], "ready", "{first:#}");
    let asked = stack.anthropic.calls_for(Purpose::Generate).len();
    let second = stack.create_workflow(&json!({"description": "Return the input, please."})).await;
    assert_eq!(second["error"]["code"], "budget_exceeded", "{second:#}");
    assert!(second["error"]["message"].as_str().unwrap().contains("tokens_per_day"), "{second:#}");
    assert_eq!(stack.anthropic.calls_for(Purpose::Generate).len(), asked);
    let job = stack.run(&stack::id(&first), "x").await;
    assert_eq!(job["status"], "succeeded", "what needs no model goes on: {job:#}");
    stack.finish().await;
}
