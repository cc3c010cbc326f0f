//! What got a 202 survives: the death of a worker, of Redis, and both kinds of stop.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tests::DEADLINE;
use tests::stack::{self, Stack};

use crate::SEARCH;

/// Posts `count` jobs at once, each with an input of its own; gives id by input.
async fn post_many(stack: &Stack, workflow: &str, count: usize) -> BTreeMap<String, String> {
    let posts = (0..count).map(|number| async move {
        let input = format!("question-{number:03}");
        let job = post_with_key(stack, workflow, &input).await;
        (input, stack::id(&job))
    });
    join_all(posts).await.into_iter().collect()
}

/// Posts as a careful client does: with a key of its own, and again after a 503 when the api says so. A machine busy
/// with other things may well keep Redis from answering in time.
async fn post_with_key(stack: &Stack, workflow: &str, input: &str) -> Value {
    let path = format!("/workflows/{workflow}/execute");
    let post = async {
        loop {
            let request = stack.client().request(Method::POST, &path).header("idempotency-key", input);
            let answer = stack.client().send(request.json(&json!({"user_input": input}))).await;
            if answer.status != 503 {
                return answer.expect(202);
            }
            println!("{input}: 503, posted again");
            let pause = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
            tokio::time::sleep(Duration::from_secs(pause.expect("Retry-After in seconds"))).await;
        }
    };
    tokio::time::timeout(DEADLINE, post).await.expect("accepted at last")
}

/// Waits for all, and asserts that each succeeded with the answer to its own question.
async fn all_succeed(stack: &Stack, jobs: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let mut ended = BTreeMap::new();
    for (input, id) in jobs {
        let job = stack.wait_job(id).await;
        assert_eq!(job["status"], "succeeded", "{job:#}");
        assert_eq!(job["result"], format!("Answer to: {input}"), "{job:#}");
        ended.insert(input.clone(), job);
    }
    ended
}

/// How often each question was searched.
fn searches(stack: &Stack) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for search in stack.paradigm.searches().all() {
        *counts.entry(search.query).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn two_hundred_jobs_on_two_workers_succeed_exactly_once_though_one_worker_is_killed() {
    const SLOTS: usize = 8;
    let slots = SLOTS.to_string();
    let builder =
        Stack::builder().workers(2).env("WORKER_CONCURRENCY", &slots).env("LEASE_MS", "2000").alone();
    let mut stack = builder.start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let jobs = post_many(&stack, &workflow, 200).await;
    // Every slot of both workers holds a run that waits for its search.
    stack.paradigm.searches().wait_for(2 * SLOTS).await;
    stack.signal_worker(0, Signal::KILL);
    stack.workers[0].end().await;
    stack.paradigm.release();
    let ended = all_succeed(&stack, &jobs).await;
    let searches = searches(&stack);
    for (input, job) in &ended {
        // A lost attempt had asked once and got no answer; nobody else asked twice.
        assert_eq!(Some(job["attempt"].as_u64().unwrap()), searches.get(input).copied(), "{input}: {job:#}");
    }
    let lost = ended.values().filter(|job| job["attempt"] == 2).count();
    assert_eq!((lost, ended.len()), (SLOTS, 200));
    stack.finish().await;
}

#[tokio::test]
async fn jobs_of_two_idle_workers_run_once_each() {
    let stack = Stack::builder().workers(2).alone().start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    let jobs = post_many(&stack, &workflow, 200).await;
    let ended = all_succeed(&stack, &jobs).await;
    assert!(ended.values().all(|job| job["attempt"] == 1));
    assert!(searches(&stack).values().all(|count| *count == 1));
    stack.finish().await;
}

#[tokio::test]
async fn redis_may_be_killed_and_come_back_in_the_middle_of_a_hundred_jobs() {
    let mut stack = Stack::builder().on_one_server().env("WORKER_CONCURRENCY", "8").start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let jobs = post_many(&stack, &workflow, 100).await;
    stack.paradigm.searches().wait_for(8).await;
    stack.redis.stop(Signal::KILL).await;
    // Runs go on and end while nobody can note it.
    stack.paradigm.release();
    let refused = stack.execute(&workflow, &json!({"user_input": "meanwhile"})).await;
    refused.expect_problem(503);
    assert!(refused.header("retry-after").is_some());
    let unread = stack.client().get(&format!("/jobs/{}", jobs["question-000"])).await;
    unread.expect_problem(503);
    assert_eq!(stack.client().get("/readyz").await.status, 503);
    assert_eq!(stack.client().get("/healthz").await.status, 200);
    stack.redis.start_again().await;
    stack.until_ready().await;
    all_succeed(&stack, &jobs).await;
    assert!(stack.api.is_running() && stack.workers[0].is_running());
    assert!(!searches(&stack).contains_key("meanwhile"));
    stack.finish().await;
}

#[tokio::test]
async fn a_post_whose_fate_is_unknown_is_made_once_when_it_is_repeated_with_its_key() {
    let stack = Stack::builder().on_one_server().start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    let path = format!("/workflows/{workflow}/execute");
    // Redis hangs: it has received the command, will carry it out, and nobody waits for its answer any more.
    stack.redis.process().signal(Signal::STOP);
    let request = stack.client().request(Method::POST, &path).header("idempotency-key", "again");
    let answer = stack.client().send(request.json(&json!({"user_input": "again"}))).await;
    answer.expect_problem(503);
    assert!(answer.header("retry-after").is_some());
    stack.redis.process().signal(Signal::CONT);
    stack.until_ready().await;
    let job = post_with_key(&stack, &workflow, "again").await;
    assert_eq!(stack.wait_job(&stack::id(&job)).await["result"], "Answer to: again");
    let jobs = stack.client().get("/jobs?kind=execute").await.expect(200);
    assert_eq!(jobs["data"].as_array().expect("jobs").len(), 1, "{jobs:#}");
    assert_eq!(stack.paradigm.searches().len(), 1);
    stack.finish().await;
}

#[tokio::test]
async fn redis_may_be_away_when_api_and_worker_start() {
    let mut stack = Stack::builder().on_one_server().workers(0).start().await;
    stack.redis.stop(Signal::TERM).await;
    stack.api.signal(Signal::TERM);
    stack.api.end().await;
    stack.restart_api().await;
    stack.start_worker();
    stack.client().get("/jobs").await.expect_problem(503);
    stack.redis.start_again().await;
    stack.until_ready().await;
    let workflow = stack.workflow_from_code(crate::ECHO).await;
    assert_eq!(stack.run(&workflow, "back").await["result"], "back");
    stack.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_loses_nothing_and_burns_no_attempt() {
    let mut stack = Stack::builder().env("WORKER_CONCURRENCY", "2").start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let jobs = post_many(&stack, &workflow, 6).await;
    stack.paradigm.searches().wait_for(2).await;
    stack.signal_worker(0, Signal::TERM);
    stack.start_worker();
    // The new one takes what the old one no longer claims.
    stack.paradigm.searches().wait_for(4).await;
    stack.paradigm.release();
    let ended = all_succeed(&stack, &jobs).await;
    assert!(ended.values().all(|job| job["attempt"] == 1), "{ended:#?}");
    assert!(stack.workers[0].end().await.success());
    stack.finish().await;
}

#[tokio::test]
async fn a_program_that_always_kills_its_worker_ends_as_worker_lost() {
    let mut stack = Stack::builder().env("LEASE_MS", "1000").env("JOB_MAX_ATTEMPTS", "2").start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let job = stack.execute(&workflow, &json!({"user_input": "poison"})).await.expect(202);
    for attempt in 0..2 {
        stack.paradigm.searches().wait_for(attempt + 1).await;
        stack.signal_worker(attempt, Signal::KILL);
        stack.workers[attempt].end().await;
        stack.start_worker();
    }
    let job = stack.wait_job(&stack::id(&job)).await;
    assert_eq!(
        (job["status"].as_str(), job["error"]["code"].as_str()),
        (Some("failed"), Some("worker_lost")),
        "{job:#}"
    );
    stack.paradigm.release();
    stack.finish().await;
}
