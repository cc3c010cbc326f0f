//! A finished tool call is paid for once: what an attempt that died had recorded answers the next one.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::events;
use tests::fakes::anthropic::{Purpose, Reply};
use tests::fakes::paradigm::Fault;
use tests::stack::{self, Builder, Stack};

/// What the programs here search for, and how much of it is answered before their worker dies.
const CALLS: usize = 40;
const ANSWERED: usize = 25;

/// One after the other.
const IN_TURN: &str = "
async def execute_workflow(user_input):
    return [await paradigm_search(f'{user_input} {n}') for n in range(40)]
";
/// All at once, collected in the order of asking.
const GATHERED: &str = "
import asyncio

async def execute_workflow(user_input):
    return await asyncio.gather(*(paradigm_search(f'{user_input} {n}') for n in range(40)))
";
/// All at once, collected in the order in which the answers come.
const AS_COMPLETED: &str = "
import asyncio

async def execute_workflow(user_input):
    searches = [asyncio.ensure_future(paradigm_search(f'{user_input} {n}')) for n in range(40)]
    return [await answered for answered in asyncio.as_completed(searches)]
";

/// A short lease: the tests wait for its end. Not so short that the next worker loses it on a busy machine.
pub fn builder() -> Builder {
    Stack::builder().env("LEASE_MS", "2500")
}

pub async fn begin(stack: &Stack, workflow: &str, input: &str) -> String {
    stack::id(&stack.execute(workflow, &json!({"user_input": input})).await.expect(202))
}

/// Kills the only worker, and starts another one.
async fn replace_worker(stack: &mut Stack) {
    stack.signal_worker(0, Signal::KILL);
    stack.workers[0].end().await;
    stack.start_worker();
}

/// The job's tool calls in the order of their seq.
pub async fn steps(stack: &Stack, job: &str) -> Vec<Value> {
    let steps = stack.client().get(&format!("/jobs/{job}/steps")).await.expect(200);
    let mut calls = steps["data"].as_array().expect("a list").clone();
    calls.retain(|step| step["kind"] == "tool_call");
    calls
}

/// How often each question was asked.
pub fn asked(stack: &Stack) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for search in stack.paradigm.searches().all() {
        *counts.entry(search.query).or_default() += 1;
    }
    counts
}

/// The result as the api sent it, byte by byte.
async fn result_bytes(stack: &Stack, job: &str) -> String {
    let text = stack.client().get(&format!("/jobs/{job}")).await.text;
    let job: Value = serde_json::from_str(&text).expect("a job");
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let result = job["result"].to_string();
    assert!(text.contains(&result), "{result} stands in {text}");
    result
}

/// What must hold of a job which was answered from 25 entries and made the other 15 calls itself.
async fn assert_reused(stack: &Stack, job: &str) {
    let shown = stack.wait_job(job).await;
    assert_eq!((&shown["status"], &shown["attempt"]), (&json!("succeeded"), &json!(2)), "{shown:#}");
    assert_eq!(shown["replay"], json!({"reused": ANSWERED, "diverged": false}), "{shown:#}");
    assert_eq!(shown["usage"]["tool_calls"], CALLS, "{shown:#}");
    let steps = steps(stack, job).await;
    assert_eq!(steps.len(), CALLS);
    let replayed = steps.iter().filter(|step| step["replayed"] == true);
    assert_eq!(replayed.clone().count(), ANSWERED);
    assert!(replayed.clone().all(|step| step["attempt"] == 1 && step["state"] == "ok"));
    let made_anew = steps.iter().filter(|step| step["replayed"] == false);
    assert!(made_anew.clone().all(|step| step["attempt"] == 2 && step["state"] == "ok"), "{steps:#?}");
}

/// Runs `code` undisturbed, and once more with a worker that dies when 25 of its 40 searches are answered.
async fn dies_after_twenty_five_answers(code: &str, in_flight: usize) {
    let mut stack = builder().start().await;
    let workflow = stack.workflow_from_code(code).await;
    let undisturbed = begin(&stack, &workflow, "question").await;
    stack.wait_job(&undisturbed).await;
    stack.paradigm.searches().clear();
    stack.paradigm.answer_only(ANSWERED);
    let job = begin(&stack, &workflow, "question").await;
    events::until(stack.client(), &job, "tool_call.finished", ANSWERED).await;
    stack.paradigm.searches().wait_for(ANSWERED + in_flight).await;
    replace_worker(&mut stack).await;
    stack.paradigm.release();
    assert_reused(&stack, &job).await;
    let first = stack.paradigm.searches().len() - (CALLS - ANSWERED);
    assert_eq!(first, ANSWERED + in_flight, "exactly 15 calls more");
    let asked = asked(&stack);
    assert_eq!(asked.len(), CALLS);
    assert_eq!(asked.values().filter(|count| **count == 2).count(), in_flight, "{asked:#?}");
    assert_eq!(result_bytes(&stack, &job).await, result_bytes(&stack, &undisturbed).await);
    stack.finish().await;
}

#[tokio::test]
async fn a_program_of_forty_searches_that_dies_after_twenty_five_makes_fifteen_more() {
    dies_after_twenty_five_answers(IN_TURN, 1).await;
}

#[tokio::test]
async fn forty_searches_side_by_side_are_replayed_though_they_have_no_order() {
    dies_after_twenty_five_answers(GATHERED, CALLS - ANSWERED).await;
}

/// Lets these questions be answered one by one, each when the answer before it is recorded.
async fn answer_in_order(stack: &Stack, job: &str, questions: &[String], already: usize) {
    for (number, question) in questions.iter().enumerate() {
        stack.paradigm.answer_to(question);
        events::until(stack.client(), job, "tool_call.finished", already + number + 1).await;
    }
}

#[tokio::test]
async fn answers_come_in_their_first_order_on_the_next_worker() {
    let mut stack = builder().start().await;
    let workflow = stack.workflow_from_code(AS_COMPLETED).await;
    // 7 and 40 have no common divisor: every question once, in an order that is not that of asking.
    let order: Vec<String> = (0..CALLS).map(|n| format!("question {}", (n * 7 + 3) % CALLS)).collect();
    stack.paradigm.withhold();
    let undisturbed = begin(&stack, &workflow, "question").await;
    stack.paradigm.searches().wait_for(CALLS).await;
    answer_in_order(&stack, &undisturbed, &order, 0).await;
    let expected: Vec<String> = order.iter().map(|question| format!("Answer to: {question}")).collect();
    assert_eq!(stack.wait_job(&undisturbed).await["result"], json!(expected));

    stack.paradigm.searches().clear();
    let job = begin(&stack, &workflow, "question").await;
    stack.paradigm.searches().wait_for(CALLS).await;
    let (before, after) = order.split_at(ANSWERED);
    answer_in_order(&stack, &job, before, 0).await;
    replace_worker(&mut stack).await;
    stack.paradigm.searches().wait_for(CALLS + CALLS - ANSWERED).await;
    answer_in_order(&stack, &job, after, ANSWERED).await;
    assert_reused(&stack, &job).await;
    assert_eq!(stack.paradigm.searches().len(), CALLS + CALLS - ANSWERED);
    assert_eq!(result_bytes(&stack, &job).await, result_bytes(&stack, &undisturbed).await);
    stack.finish().await;
}

#[tokio::test]
async fn new_answers_wait_until_the_recorded_ones_were_given() {
    let mut stack = builder().start().await;
    // The slow question is asked last and was answered first; the fast one is still open when the worker dies.
    let code = "
import asyncio

async def ask(question, after):
    await asyncio.sleep(after)
    return await paradigm_search(question)

async def execute_workflow(user_input):
    asked = [ask('fast', 0), ask('slow', 1.5)]
    return [await answered for answered in asyncio.as_completed(asked)]
";
    let workflow = stack.workflow_from_code(code).await;
    stack.paradigm.withhold();
    let job = begin(&stack, &workflow, "").await;
    stack.paradigm.searches().wait_for(2).await;
    answer_in_order(&stack, &job, &["slow".to_owned()], 0).await;
    replace_worker(&mut stack).await;
    stack.paradigm.release();
    let job = stack.wait_job(&job).await;
    assert_eq!(job["result"], json!(["Answer to: slow", "Answer to: fast"]), "{job:#}");
    assert_eq!(job["replay"], json!({"reused": 1, "diverged": false}), "{job:#}");
    stack.finish().await;
}

#[tokio::test]
async fn identical_prompts_keep_their_different_answers() {
    for asked in [
        "[await chat_completion(user_input) for _ in range(3)]",
        "await asyncio.gather(*(chat_completion(user_input) for _ in range(3)))",
    ] {
        let mut stack = builder().start().await;
        let code = format!(
            "import asyncio\n\nasync def execute_workflow(user_input):\n    answers = {asked}\n    return [answers, await paradigm_search('then')]\n"
        );
        let workflow = stack.workflow_from_code(&code).await;
        let replies = || ["one", "two", "three"].map(|text| Reply::Text(text.to_owned()));
        stack.anthropic.script(Purpose::Chat, replies());
        let undisturbed = begin(&stack, &workflow, "say something").await;
        let expected = stack.wait_job(&undisturbed).await["result"].clone();
        stack.anthropic.script(Purpose::Chat, replies());
        stack.paradigm.withhold();
        let job = begin(&stack, &workflow, "say something").await;
        events::until(stack.client(), &job, "tool_call.started", 4).await;
        let shown = steps(&stack, &job).await;
        assert_eq!(shown.iter().filter(|step| step["state"] == "ok").count(), 3, "{shown:#?}");
        replace_worker(&mut stack).await;
        stack.paradigm.release();
        let ended = stack.wait_job(&job).await;
        assert_eq!(ended["replay"], json!({"reused": 3, "diverged": false}), "{ended:#}");
        assert_eq!(stack.anthropic.calls_for(Purpose::Chat).len(), 6, "nothing was asked again");
        let mut answers = ended["result"][0].as_array().expect("answers").clone();
        if asked.starts_with('[') {
            assert_eq!(ended["result"], expected, "{ended:#}");
        }
        answers.sort_by_key(ToString::to_string);
        assert_eq!(answers, ["one", "three", "two"], "{ended:#}");
        stack.finish().await;
    }
}

#[tokio::test]
async fn a_rerun_that_takes_another_way_reuses_what_it_can_and_says_so() {
    let mut stack = builder().start().await;
    let code = "
import time

async def execute_workflow(user_input):
    first = await paradigm_search('first')
    now = await paradigm_search(f'at {time.time_ns()}')
    later = [await paradigm_search(f'later {n}') for n in range(5)]
    return [first, now, later, await paradigm_search('last')]
";
    let workflow = stack.workflow_from_code(code).await;
    stack.paradigm.answer_only(7);
    let job = begin(&stack, &workflow, "").await;
    stack.paradigm.searches().wait_for(8).await;
    replace_worker(&mut stack).await;
    stack.paradigm.release();
    let ended = stack.wait_job(&job).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    assert_eq!(ended["replay"], json!({"reused": 6, "diverged": true}), "{ended:#}");
    let asked = asked(&stack);
    let times = asked.keys().filter(|question| question.starts_with("at ")).count();
    assert_eq!((times, asked["first"], asked["later 4"], asked["last"]), (2, 1, 1, 2), "{asked:#?}");
    // Held up for a second where the ways part, and not at each of the seven calls from there on.
    let wall_ms = ended["usage"]["wall_ms"].as_u64().expect("a number");
    assert!(wall_ms < 6000, "{ended:#}");
    stack.finish().await;
}

#[tokio::test]
async fn a_tool_error_is_the_same_error_again_and_the_tool_is_not_asked_again() {
    let mut stack = builder().start().await;
    let code = "
async def execute_workflow(user_input):
    try:
        told = await paradigm_search('broken')
    except ToolError as error:
        told = f'{type(error).__name__}: {error}'
    return [told, await paradigm_search('after')]
";
    let workflow = stack.workflow_from_code(code).await;
    let fault = || Fault::Status(axum::http::StatusCode::BAD_REQUEST, None);
    stack.paradigm.fail("broken", 1, fault());
    let undisturbed = begin(&stack, &workflow, "").await;
    let expected = stack.wait_job(&undisturbed).await["result"].clone();
    assert!(expected[0].as_str().expect("text").starts_with("ToolError: "), "{expected}");

    stack.paradigm.searches().clear();
    stack.paradigm.fail("broken", 1, fault());
    stack.paradigm.answer_only(1);
    let job = begin(&stack, &workflow, "").await;
    stack.paradigm.searches().wait_for(2).await;
    replace_worker(&mut stack).await;
    stack.paradigm.release();
    let ended = stack.wait_job(&job).await;
    assert_eq!(ended["result"], expected, "{ended:#}");
    assert_eq!(asked(&stack)["broken"], 1);
    let steps = steps(&stack, &stack::id(&ended)).await;
    assert_eq!((&steps[0]["state"], &steps[0]["replayed"]), (&json!("error"), &json!(true)), "{steps:#?}");
    stack.finish().await;
}

#[tokio::test]
async fn what_failed_because_the_attempt_died_is_not_an_answer() {
    let mut stack = builder().env("WORKER_DRAIN_MS", "0").start().await;
    let workflow = stack.workflow_from_code(crate::SEARCH).await;
    // The provider is in trouble when the first worker is told to go, which would ask again only much later: the
    // trouble is not recorded as the answer.
    let busy = Fault::Status(axum::http::StatusCode::SERVICE_UNAVAILABLE, Some(30));
    stack.paradigm.fail("question", 1, busy);
    let job = begin(&stack, &workflow, "question").await;
    stack.paradigm.searches().wait_for(1).await;
    stack.signal_worker(0, Signal::TERM);
    assert!(stack.workers[0].end().await.success());
    let open = steps(&stack, &job).await;
    assert_eq!((open.len(), &open[0]["state"]), (1, &json!("started")), "{open:#?}");
    stack.start_worker();
    let ended = stack.wait_job(&job).await;
    assert_eq!(ended["result"], "Answer to: question", "{ended:#}");
    assert_eq!((&ended["attempt"], &ended["replay"]), (&json!(1), &Value::Null), "{ended:#}");
    stack.finish().await;
}

#[tokio::test]
async fn a_journal_beyond_its_limit_fails_the_job_and_does_not_raise() {
    let stack = Stack::builder().env("JOURNAL_BYTES_MAX", "20000").start().await;
    stack.paradigm.answer_with(|query| format!("{query} {}", "x".repeat(3000)));
    let code = "
async def execute_workflow(user_input):
    try:
        for n in range(100):
            await paradigm_search(f'q{n}')
    except BaseException as error:
        return 'caught'
";
    let workflow = stack.workflow_from_code(code).await;
    let job = stack.run(&workflow, "").await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&json!("failed"), &json!("budget_exceeded")),
        "{job:#}"
    );
    assert!(job["error"]["message"].as_str().expect("text").contains("JOURNAL_BYTES_MAX"), "{job:#}");
    assert!((2..=6).contains(&stack.paradigm.searches().len()), "{}", stack.paradigm.searches().len());
    stack.finish().await;
}
