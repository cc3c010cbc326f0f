//! Cancelling: a job that waits never runs, a job that runs is stopped, a final one stays as it is.

use serde_json::json;
use tests::stack::{self, Stack};

use crate::SEARCH;

#[tokio::test]
async fn waiting_and_running_jobs_are_cancelled_and_final_ones_are_not() {
    let stack = Stack::builder().env("WORKER_CONCURRENCY", "1").start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let mut jobs = Vec::new();
    for input in ["running", "waiting", "next"] {
        let job = stack.execute(&workflow, &json!({"user_input": input})).await.expect(202);
        jobs.push(stack::id(&job));
        if input == "running" {
            stack.paradigm.searches().wait_for(1).await;
        }
    }
    for job in [&jobs[1], &jobs[0]] {
        let answer = stack.client().post(&format!("/jobs/{job}/cancel"), &json!({})).await;
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text);
        let job = stack.wait_job(job).await;
        assert_eq!(job["status"], "cancelled", "{job:#}");
        assert!(job["result"].is_null() && job["finished_at"].is_string(), "{job:#}");
    }
    // The slot is free again although the search was never answered.
    stack.paradigm.searches().wait_for(2).await;
    stack.paradigm.release();
    assert_eq!(stack.wait_job(&jobs[2]).await["result"], "Answer to: next");
    let queries: Vec<String> =
        stack.paradigm.searches().all().into_iter().map(|search| search.query).collect();
    assert_eq!(queries, ["running", "next"]);
    let done = stack.client().post(&format!("/jobs/{}/cancel", jobs[2]), &json!({})).await.expect(200);
    assert_eq!(done["status"], "succeeded");
    stack.finish().await;
}
