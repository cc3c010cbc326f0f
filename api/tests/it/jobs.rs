//! Jobs: listed, waited for, cancelled, and what they leave behind.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::{
    job::{ErrorCode, JobError, Queue},
    store::{Finish, Progress},
};
use tokio::io::AsyncWriteExt as _;

use crate::{
    client::{DEADLINE, read_answer, read_head, request},
    fixture::{Fixture, id, success},
};

/// A run can be waited for in two ways: on the POST that starts it and on a GET. Both are answered by the news of its
/// end; the wait asked for is far longer than the test may take.
#[tokio::test]
async fn whoever_waits_is_woken_by_the_end_of_the_job() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let path = format!("/workflows/{workflow}/execute");
    let waiting = {
        let (client, path) = (api.client.clone(), path.clone());
        let post = async move {
            client.send("POST", &path, &[("prefer", "wait=55")], Some(&json!({"user_input": ""}))).await
        };
        tokio::spawn(post)
    };
    let claimed = loop {
        let mut answer =
            api.store.claim(Queue::Execute, "worker-1", shared::store::Room::of(1)).await.unwrap();
        if let Some(claimed) = answer.jobs.pop() {
            break claimed;
        }
        tokio::task::yield_now().await;
    };
    let polling = {
        let (client, path) = (api.client.clone(), format!("/jobs/{}?wait=55", claimed.0.id));
        tokio::spawn(async move { client.get(&path).await })
    };
    // Something happens that is not the end: nobody is answered.
    let event = Progress { events: vec![("log", "{}".to_owned())], ..Progress::default() };
    api.store.progress(claimed.0.id, claimed.1.fence, &event, 1 << 20).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished() && !polling.is_finished());

    let began = Instant::now();
    api.end(&claimed, success()).await;
    let posted = waiting.await.unwrap();
    assert_eq!(posted.header("preference-applied"), Some("wait=55"));
    let polled = polling.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "woken after {:?}", began.elapsed());
    for job in [posted.expect(200), polled.expect(200)] {
        assert_eq!((&job["status"], &job["result"]), (&json!("succeeded"), &json!("out")));
    }
    api.finish().await;
}

#[tokio::test]
async fn a_wait_that_is_over_answers_the_state_by_then() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let path = format!("/workflows/{workflow}/execute");
    let began = Instant::now();
    let answer =
        api.client.send("POST", &path, &[("prefer", "wait=1")], Some(&json!({"user_input": ""}))).await;
    let job = answer.expect(202);
    assert!(began.elapsed() >= Duration::from_secs(1));
    let job = api.client.get(&format!("/jobs/{}?wait=1", id(&job))).await;
    assert_eq!(job.header("retry-after"), Some("1"));
    assert_eq!(job.expect(200)["status"], "queued");
    api.finish().await;
}

#[tokio::test]
async fn shutdown_answers_those_who_wait() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let mut stream = api.client.connect().await;
    // The api says `100 Continue` when it has taken the request; so it is open when the shutdown comes.
    let expect = [("expect", "100-continue"), ("content-length", "2")];
    let wait = request("GET", &format!("/jobs/{}?wait=60", id(&job)), &expect, b"");
    stream.get_mut().write_all(&wait).await.unwrap();
    assert_eq!(read_head(&mut stream).await.0, 100);
    stream.get_mut().write_all(b"{}").await.unwrap();
    let began = Instant::now();
    api.finish().await;
    let answer = tokio::time::timeout(DEADLINE, read_answer(&mut stream)).await.unwrap();
    assert_eq!(answer.expect(200)["status"], "queued");
    assert!(began.elapsed() < Duration::from_secs(8), "within the drain, not at its end");
}

#[tokio::test]
async fn a_failed_run_is_an_answer_and_not_an_http_error() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let error = JobError { line: Some(3), ..JobError::new(ErrorCode::PythonError, "ZeroDivisionError") };
    api.end(&api.claim(Queue::Execute).await, Finish { error: Some(error), ..Finish::default() }).await;
    let answer = api.client.get(&format!("/jobs/{}", id(&job))).await;
    assert_eq!(answer.header("retry-after"), None);
    let job = answer.expect(200);
    assert_eq!(job["status"], "failed");
    assert_eq!(job["error"], json!({"code": "python_error", "message": "ZeroDivisionError", "line": 3}));
    api.finish().await;
}

#[tokio::test]
async fn lists_are_filtered_by_state_kind_and_workflow() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    api.end(&api.claim(Queue::Execute).await, success()).await;
    let other = api.queued_job().await;
    let count = async |query: &str| {
        let page = api.client.get(&format!("/jobs?{query}")).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 4);
    assert_eq!(count("kind=generate").await, 2);
    assert_eq!(count("status=queued").await, 1);
    assert_eq!(count(&format!("workflow_id={}", job["workflow_id"].as_str().unwrap())).await, 2);
    assert_eq!(
        count(&format!("workflow_id={}&status=queued", other["workflow_id"].as_str().unwrap())).await,
        1
    );
    assert_eq!(count(&format!("workflow_id=wf_{}", "0".repeat(32))).await, 0);
    let listed = api.client.get("/jobs?status=succeeded&kind=execute").await.expect(200);
    assert!(listed["data"][0]["input"].is_null() && listed["data"][0]["result"].is_null());
    api.finish().await;
}

#[tokio::test]
async fn cancelling_is_accepted_until_the_job_is_final() {
    let api = Fixture::start().await;
    let waiting = api.queued_job().await;
    let cancel = async |id: &str| api.client.send("POST", &format!("/jobs/{id}/cancel"), &[], None).await;
    assert_eq!(cancel(id(&waiting)).await.expect(202)["status"], "cancelled");
    assert_eq!(cancel(id(&waiting)).await.expect(200)["status"], "cancelled");
    let running = api.queued_job().await;
    let claimed = api.claim(Queue::Execute).await;
    assert_eq!(cancel(id(&running)).await.expect(202)["status"], "running");
    api.end(&claimed, Finish { cancelled: true, ..Finish::default() }).await;
    assert_eq!(cancel(id(&running)).await.expect(200)["status"], "cancelled");
    api.finish().await;
}

#[tokio::test]
async fn what_a_run_did_and_printed_can_be_read() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let claimed = api.claim(Queue::Execute).await;
    let entry = json!({"seq": 1, "kind": "tool_call", "name": "paradigm_search", "arguments": {"query": "q"},
        "state": "ok", "answer": "secret answer", "started_ms": 1_700_000_000_000_i64, "ms": 12, "attempt": 1});
    let progress = Progress { journal: vec![("k".to_owned(), entry.to_string())], ..Progress::default() };
    api.store.progress(claimed.0.id, claimed.1.fence, &progress, 1 << 20).await.unwrap();
    api.end(&claimed, success()).await;
    let steps = api.client.get(&format!("/jobs/{}/steps", id(&job))).await.expect(200);
    assert_eq!(steps["data"][0]["tool"], "paradigm_search");
    assert_eq!(steps["data"][0]["arguments"], json!({"query": "q"}));
    assert!(!steps.to_string().contains("secret answer"));
    let log = api.client.get(&format!("/jobs/{}/logs", id(&job))).await;
    assert_eq!(log.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(log.text(), "printed \u{fffd}\n");
    api.finish().await;
}

#[tokio::test]
async fn an_outage_of_the_store_is_answered_and_survived() {
    let mut api = Fixture::start().await;
    api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
    api.redis.stop();
    api.client.get("/readyz").await.problem(503, "store_unavailable");
    let refused = api.client.post("/workflows", &json!({"description": "d"})).await;
    refused.problem(503, "store_unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    api.client.get("/healthz").await.expect(200);
    api.redis.restart().await;
    let back = async {
        while api.client.get("/readyz").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, back).await.expect("the api finds the store again");
    whoever_waits_is_still_woken(&api).await;
    api.finish().await;
}

async fn whoever_waits_is_still_woken(api: &Fixture) {
    let job = api.queued_job().await;
    let claimed = api.claim(Queue::Execute).await;
    let waiting = {
        let (client, path) = (api.client.clone(), format!("/jobs/{}?wait=60", id(&job)));
        tokio::spawn(async move { client.get(&path).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    api.end(&claimed, success()).await;
    assert_eq!(waiting.await.unwrap().expect(200)["status"], "succeeded");
    assert!(began.elapsed() < Duration::from_secs(20));
}
