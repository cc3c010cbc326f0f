//! Waiting for a job: woken, never polled.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tests::stack::{self, Stack};

use crate::{ECHO, SEARCH};

/// How often the idle system is asked.
const CALLS: usize = 50;
/// A quarter of the longest a worker may block: an answer that waited for it would come later than this.
const P50_MAX: Duration = Duration::from_millis(250);

#[tokio::test]
async fn an_idle_system_answers_an_execute_that_prefers_to_wait_at_once() {
    let stack = Stack::builder().alone().start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let path = format!("/workflows/{workflow}/execute");
    let mut took = Vec::new();
    for number in 0..CALLS {
        let began = Instant::now();
        let body = json!({"user_input": number.to_string()});
        let job = stack.client().post_and_wait(&path, &body, 20).await.expect(200);
        took.push(began.elapsed());
        assert_eq!(job["result"], number.to_string(), "{job:#}");
    }
    took.sort();
    println!("{CALLS} idle executes with Prefer: wait: p50 {:?}, max {:?}", took[CALLS / 2], took[CALLS - 1]);
    assert!(took[CALLS / 2] < P50_MAX, "p50 {:?}", took[CALLS / 2]);
    stack.finish().await;
}

#[tokio::test]
async fn a_wait_that_ends_before_the_job_shows_the_job_as_it_is() {
    let stack = Stack::builder().start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let path = format!("/workflows/{workflow}/execute");
    let answer = stack.client().post_and_wait(&path, &json!({"user_input": "x"}), 1).await;
    let job = answer.expect(202);
    assert!(answer.header("retry-after").is_some());
    stack.paradigm.searches().wait_for(1).await;
    let now = stack.client().get(&format!("/jobs/{}?wait=1", stack::id(&job))).await.expect(200);
    assert_eq!(now["status"], "running", "{now:#}");
    stack.paradigm.release();
    assert_eq!(stack.wait_job(&stack::id(&job)).await["result"], "Answer to: x");
    stack.finish().await;
}

#[tokio::test]
async fn an_unchanged_job_is_not_sent_again() {
    let stack = Stack::builder().start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let job = stack.run(&workflow, "x").await;
    let path = format!("/jobs/{}", stack::id(&job));
    let tag = stack.client().get(&path).await.header("etag").expect("an ETag").to_owned();
    let request = stack.client().request(Method::GET, &path).header("if-none-match", tag);
    let answer = stack.client().send(request).await;
    assert_eq!((answer.status, answer.text.as_str()), (304, ""));
    stack.finish().await;
}
