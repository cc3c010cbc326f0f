//! The runnable cases, each from its description to its checked result.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tests::cases::{self, Case, Outcome};
use tests::fakes::CaseAnswers;
use tests::fakes::anthropic::{Purpose, Reply};
use tests::fakes::paradigm::Fault;
use tests::stack::{self, Stack};

#[tokio::test]
async fn every_runnable_case_passes_its_checks_through_http() {
    all_pass(Stack::builder().start().await).await;
}

#[tokio::test]
async fn every_runnable_case_passes_its_checks_without_namespaces_too() {
    all_pass(Stack::builder().env("SANDBOX_MAX_TIER", "B").start().await).await;
}

async fn all_pass(stack: Stack) {
    let mut broken = Vec::new();
    for case in cases::all() {
        broken.extend(broken_runs(&stack, &case).await);
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    stack.finish().await;
}

async fn broken_runs(stack: &Stack, case: &Case) -> Vec<String> {
    stack.anthropic.generate_program(&case.program);
    // Some cases share a description; told apart, so that none gets the verified program of another.
    let description = format!("{}\n({})", case.description, case.id);
    let workflow = stack.create_workflow(&json!({"description": description})).await;
    if workflow["status"] != "ready" {
        return vec![format!("{}: {workflow:#}", case.id)];
    }
    assert_eq!(workflow["code"], case.program.as_str(), "{}", case.id);
    assert_eq!(workflow["provider"], "anthropic", "{}", case.id);
    let mut broken = Vec::new();
    for (number, run) in case.runs.iter().enumerate() {
        let salt = format!("{}/{number}", stack.folder().display());
        let outcome = perform(stack, &stack::id(&workflow), &salt, run).await;
        let checks = cases::broken_checks(&salt, run, &outcome);
        broken.extend(checks.into_iter().map(|check| format!("{} run {number}: {check}", case.id)));
    }
    broken
}

/// One run, with providers that follow the case.
async fn perform(stack: &Stack, workflow: &str, salt: &str, run: &Value) -> Outcome {
    let answers = Arc::new(CaseAnswers::of_run(salt, run));
    let (search, chat) = (Arc::clone(&answers), answers);
    stack.paradigm.reset();
    stack.anthropic.calls().clear();
    stack.paradigm.answer_with(move |query| search.search(query));
    stack.anthropic.answer_with(Purpose::Chat, move |call| Reply::Text(chat.chat(&call.prompt())));
    for fault in run["faults"].as_array().into_iter().flatten() {
        let (keyword, times) = (fault[0].as_str().expect("a keyword"), fault[1].as_u64().expect("a number"));
        let times = usize::try_from(times).expect("a small number");
        stack.paradigm.fail(keyword, times, Fault::Status(StatusCode::BAD_REQUEST, None));
    }
    let job = stack.run(workflow, run["input"].as_str().expect("an input")).await;
    Outcome {
        status: if job["status"] == "succeeded" { "completed" } else { "failed" },
        out: job["result"].as_str().map_or_else(|| job["error"].to_string(), str::to_owned),
        searches: stack.paradigm.searches().all().into_iter().map(|search| search.query).collect(),
        prompts: stack
            .anthropic
            .calls_for(Purpose::Chat)
            .iter()
            .map(tests::fakes::anthropic::Call::prompt)
            .collect(),
    }
}
