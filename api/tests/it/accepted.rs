//! What every request that makes a job has in common.

use serde_json::{Value, json};
use shared::{
    job::{ErrorCode, JobError, Queue},
    store::Finish,
};

use crate::fixture::{Fixture, id};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn every_job_carries_the_trace_of_the_request_that_made_it() {
    let api = Fixture::start().await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let traced = async |method: &str, path: &str, body: Option<&Value>| {
        api.client.send(method, path, &[("traceparent", &parent)], body).await.expect(202)
    };
    let ended = async |queue: Queue, finish: Finish| {
        let claimed = api.claim(queue).await;
        let trace = claimed.0.trace.map(shared::trace::TraceContext::trace_id);
        assert_eq!(trace.as_deref(), Some(TRACE), "{:?}", claimed.0);
        api.end(&claimed, finish).await;
    };
    let becomes = |status: &str| {
        let status = ("status", status.to_owned());
        let question = r#"[{"id":"q1","text":"Which?"}]"#.to_owned();
        let version = vec![status.clone(), ("questions", question.clone()), ("code", "x = 1".to_owned())];
        Finish { workflow: vec![status, ("questions", question)], version, ..Finish::default() }
    };
    let made = traced("POST", "/workflows", Some(&json!({"description": "d"}))).await;
    ended(Queue::Generate, becomes("needs_clarification")).await;
    let workflow = format!("/workflows/{}", id(&made));
    traced("POST", &format!("{workflow}/answers"), Some(&json!({"answers": {"q1": "this"}}))).await;
    ended(Queue::Generate, Finish { becomes_current: true, ..becomes("ready") }).await;
    traced("POST", &format!("{workflow}/regenerate"), Some(&json!({"feedback": "shorter"}))).await;
    ended(Queue::Generate, becomes("failed")).await;
    traced("PUT", &format!("{workflow}/code"), Some(&json!({"code": "x = 2"}))).await;
    ended(Queue::Generate, becomes("failed")).await;
    let run = traced("POST", &format!("{workflow}/execute"), Some(&json!({"user_input": ""}))).await;
    let failed = Some(JobError::new(ErrorCode::PythonError, "boom"));
    ended(Queue::Execute, Finish { error: failed, ..Finish::default() }).await;
    traced("POST", &format!("/jobs/{}/retry", id(&run)), None).await;
    ended(Queue::Execute, Finish::default()).await;
    api.finish().await;
}
