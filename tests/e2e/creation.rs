//! Creating a workflow from code, and asking twice for the same thing.

use reqwest::Method;
use serde_json::json;
use tests::stack::{self, Stack};

use crate::ECHO;

#[tokio::test]
async fn invalid_code_is_a_failed_workflow_that_names_the_line() {
    let stack = Stack::builder().start().await;
    let wrong = [
        ("def execute_workflow(user_input):\n    return (1,\n", Some(2)),
        ("async def execute_workflow(user_input):\n    x = 1\n     y = 2\n", Some(3)),
        ("def run(user_input):\n    return user_input\n", None),
        ("x = 1\n", None),
    ];
    for (code, line) in wrong {
        let workflow = stack.create_workflow(&json!({"description": "d", "code": code})).await;
        assert_eq!(workflow["status"], "failed", "{workflow:#}");
        assert_eq!(workflow["error"]["code"], "invalid_code", "{workflow:#}");
        if let Some(line) = line {
            assert_eq!(workflow["error"]["line"], line, "{workflow:#}");
        }
        let refused = stack.execute(&stack::id(&workflow), &json!({"user_input": "x"})).await;
        assert_eq!(refused.expect_problem(409)["code"], "workflow_not_ready");
    }
    stack.finish().await;
}

#[tokio::test]
async fn accepted_things_say_where_they_and_their_jobs_are() {
    let stack = Stack::builder().start().await;
    let body = json!({"description": "d", "name": "n", "code": ECHO, "metadata": {"k": "v"}});
    let created = stack.client().post("/workflows", &body).await;
    let workflow = created.expect(202);
    let id = stack::id(&workflow);
    assert!(id.starts_with("wf_"), "{id}");
    assert_eq!(created.header("location"), Some(format!("/workflows/{id}").as_str()));
    let operation = created.header("operation-location").unwrap().to_owned();
    assert!(operation.starts_with("/jobs/job_"), "{operation}");
    assert_eq!(
        (workflow["object"].as_str(), workflow["status"].as_str()),
        (Some("workflow"), Some("generating"))
    );
    assert_eq!((workflow["name"].as_str(), workflow["metadata"]["k"].as_str()), (Some("n"), Some("v")));
    stack.wait_job(operation.trim_start_matches("/jobs/")).await;
    let executed = stack.execute(&id, &json!({"user_input": "hello", "metadata": {"m": "1"}})).await;
    let job = executed.expect(202);
    assert_eq!(executed.header("location"), Some(format!("/jobs/{}", stack::id(&job)).as_str()));
    assert!(executed.header("retry-after").is_some() && executed.header("x-request-id").is_some());
    assert_eq!((job["object"].as_str(), job["kind"].as_str()), (Some("job"), Some("execute")));
    let job = stack.wait_job(&stack::id(&job)).await;
    assert_eq!((job["result"].as_str(), job["input"]["user_input"].as_str()), (Some("hello"), Some("hello")));
    assert_eq!((job["version"].as_i64(), job["attempt"].as_i64()), (Some(1), Some(1)));
    assert_eq!(job["metadata"], json!({"m": "1"}));
    for time in ["created_at", "started_at", "finished_at"] {
        assert!(job[time].as_str().unwrap().ends_with('Z'), "{job:#}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_same_job_and_another_body_is_refused() {
    let stack = Stack::builder().start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let path = format!("/workflows/{workflow}/execute");
    let ask = |input: &'static str| {
        let request = stack.client().request(Method::POST, &path).header("idempotency-key", "\"k-1\"");
        stack.client().send(request.json(&json!({"user_input": input})))
    };
    let first = ask("once").await;
    assert_eq!(first.header("idempotent-replayed"), None);
    let job = stack::id(&first.expect(202));
    stack.wait_job(&job).await;
    let again = ask("once").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(stack::id(&again.json()), job);
    // As it is now, not as it was.
    assert_eq!(again.json()["status"], "succeeded");
    ask("something else").await.expect_problem(422);
    let jobs = stack.client().get("/jobs?kind=execute").await.expect(200);
    assert_eq!(jobs["data"].as_array().unwrap().len(), 1, "{jobs:#}");
    stack.finish().await;
}
