//! What providers are asked is written down for a bug report, and taken from there instead of asking them.

use serde_json::{Value, json};
use tests::fakes::anthropic::Purpose;
use tests::stack::Stack;

/// Uses both tools: what is recorded is a generation, a search and an answer.
const PROGRAM: &str = "async def execute_workflow(user_input: str) -> str:\n\
                       \x20   found = await paradigm_search(user_input)\n\
                       \x20   return await chat_completion('Shorten: ' + found)\n";

async fn describe_and_run(stack: &Stack) -> (Value, Value) {
    let workflow = stack.create_workflow(&json!({"description": "Search the input and shorten it."})).await;
    assert_eq!(workflow["status"], "ready", "{workflow:#}");
    let job = stack.run(workflow["id"].as_str().expect("an id"), "Who may sign?").await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    (workflow, job)
}

#[tokio::test]
async fn what_was_recorded_with_keys_is_replayed_without_keys_and_without_asking_anybody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("traffic.jsonl");
    let path = file.to_str().expect("UTF-8");
    let stack = Stack::builder().env("PROVIDER_RECORDING", path).start().await;
    stack.anthropic.generate_program(PROGRAM);
    let (workflow, job) = describe_and_run(&stack).await;
    let text = std::fs::read(&file).expect("it was written");
    assert_eq!(stack.canaries.found_in(&text), None);
    stack.finish().await;

    let stack = Stack::builder().offline().env("PROVIDER_REPLAY", path).start().await;
    let (again, job_again) = describe_and_run(&stack).await;
    assert_eq!((&again["code"], &again["provider"]), (&workflow["code"], &json!("replay")), "{again:#}");
    assert_eq!(job_again["result"], job["result"], "{job_again:#}");
    assert_eq!(stack.anthropic.calls_for(Purpose::Generate).len() + stack.paradigm.searches().all().len(), 0);

    // What was not recorded says so, and never what was.
    let other = json!({"description": "Something else."});
    let failed = stack.create_workflow(&other).await;
    let told = failed["error"]["message"].as_str().unwrap_or_default();
    assert!(told.contains("was not recorded") && !told.contains("shorten"), "{failed:#}");
    stack.finish().await;
}
