//! Another program for a workflow: what may be asked for, and what the answer names when it may not.

use serde_json::json;
use shared::{
    job::{ErrorCode, JobError, Queue},
    store::Finish,
};

use crate::fixture::{Fixture, id, success};

#[tokio::test]
async fn a_program_is_written_anew_without_saying_anything() {
    let api = Fixture::start().await;
    let path = format!("/workflows/{}/regenerate", api.ready_workflow().await);
    let answer = api.client.send("POST", &path, &[], None).await;
    assert_eq!(answer.expect(202)["status"], "ready", "it stays ready");
    let job = api.client.get(answer.header("operation-location").unwrap()).await.expect(200);
    assert_eq!((&job["kind"], &job["version"]), (&json!("generate"), &json!(2)));
    let problem = api.client.post(&path, &json!([])).await;
    let told = problem.problem(422, "invalid_request")["detail"].to_string();
    assert!(!told.contains("\": "), "{told}");
    api.finish().await;
}

#[tokio::test]
async fn only_a_failed_run_of_the_workflow_is_mended() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let other = api.ready_workflow().await;
    let path = format!("/workflows/{workflow}/regenerate");
    let run = async |workflow: &str, end: Finish| {
        let path = format!("/workflows/{workflow}/execute");
        let job = api.client.post(&path, &json!({"user_input": "x"})).await.expect(202);
        api.end(&api.claim(Queue::Execute).await, end).await;
        id(&job).to_owned()
    };
    let failure = || {
        let error = JobError::new(ErrorCode::PythonError, "boom");
        Finish { error: Some(error), ..Finish::default() }
    };
    let (well, elsewhere) = (run(&workflow, success()).await, run(&other, failure()).await);
    api.client.post(&path, &json!({"job_id": well})).await.problem(409, "job_not_failed");
    for unknown in [elsewhere.as_str(), "job_00000000000000000000000000000000"] {
        let problem = api.client.post(&path, &json!({"job_id": unknown})).await.problem(404, "not_found");
        assert_eq!(problem["errors"][0]["pointer"], "/job_id", "{problem}");
    }
    let failed = run(&workflow, failure()).await;
    api.client.post(&path, &json!({"job_id": failed})).await.expect(202);
    api.finish().await;
}
