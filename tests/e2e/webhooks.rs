//! Callbacks: signed, tried again, and never sent where they must not go.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tests::fakes::Receiver;
use tests::fakes::receiver::Answer;
use tests::stack::{self, Stack};

use crate::{ECHO, ENDLESS};

async fn secret(stack: &Stack) -> String {
    let answer = stack.client().get("/webhook-secret").await.expect(200);
    answer["secret"].as_str().expect("a secret").to_owned()
}

#[tokio::test]
async fn the_end_of_a_job_is_posted_signed_to_its_callback() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let body = json!({"user_input": "secret input é", "callback_url": receiver.url("/hook?x=1")});
    let job = stack.execute(&workflow, &body).await.expect(202);
    let delivery = receiver.delivery(1).await;
    delivery.verify(&secret(&stack).await).unwrap();
    assert_eq!((delivery.method.as_str(), delivery.path.as_str()), ("POST", "/hook"));
    let message = delivery.json();
    assert_eq!(message["type"], "job.succeeded", "{message:#}");
    assert!(message["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&message["data"]["id"], &message["data"]["status"]), (&job["id"], &json!("succeeded")));
    assert_eq!(message["data"]["result"], "secret input é");
    assert!(message["data"]["input"].is_null(), "{message:#}");
    // Someone else's secret does not verify, nor does another body.
    assert!(delivery.verify("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").is_err());
    stack.finish().await;
}

#[tokio::test]
async fn a_workflow_and_a_failed_run_call_back_too() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let body = json!({"description": "d", "code": ENDLESS, "callback_url": receiver.url("/generated")});
    let workflow = stack.create_workflow(&body).await;
    let generated = receiver.delivery(1).await.json();
    assert_eq!(
        (&generated["type"], &generated["data"]["kind"]),
        (&json!("job.succeeded"), &json!("generate"))
    );
    let body = json!({"user_input": "", "timeout_ms": 200, "callback_url": receiver.url("/failed")});
    stack.execute(&stack::id(&workflow), &body).await.expect(202);
    let failed = receiver.delivery(2).await;
    failed.verify(&secret(&stack).await).unwrap();
    assert_eq!(failed.json()["type"], "job.failed");
    assert_eq!(failed.json()["data"]["error"]["code"], "timeout");
    stack.finish().await;
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_with_the_same_message() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let redirect = Answer {
        status: StatusCode::FOUND,
        headers: vec![("location", receiver.url("/elsewhere"))],
        delay: Duration::ZERO,
    };
    receiver.answer_next([StatusCode::INTERNAL_SERVER_ERROR.into(), redirect]);
    let workflow = stack.workflow_from_code(ECHO).await;
    let body = json!({"user_input": "x", "callback_url": receiver.url("/hook")});
    stack.execute(&workflow, &body).await.expect(202);
    let third = receiver.delivery(3).await;
    let secret = secret(&stack).await;
    for delivery in receiver.deliveries().all() {
        assert_eq!((delivery.path.as_str(), delivery.id()), ("/hook", third.id()));
        delivery.verify(&secret).unwrap();
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_asked_again() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    receiver.answer_next([StatusCode::GONE.into(), StatusCode::BAD_GATEWAY.into()]);
    for path in ["/gone", "/later"] {
        let body = json!({"user_input": path, "callback_url": receiver.url(path)});
        stack.execute(&workflow, &body).await.expect(202);
        receiver.delivery(if path == "/gone" { 1 } else { 2 }).await;
    }
    // The second message's retry is due after the first one's would have been.
    receiver.delivery(3).await;
    let paths: Vec<String> = receiver.deliveries().all().into_iter().map(|delivery| delivery.path).collect();
    assert_eq!(paths, ["/gone", "/later", "/later"]);
    stack.finish().await;
}

#[tokio::test]
async fn a_private_address_is_never_called_unless_allowed() {
    let stack = Stack::builder().env("WEBHOOK_ALLOW_PRIVATE", "false").start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let port = receiver.url("").rsplit(':').next().expect("a port").to_owned();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "localhost"] {
        let body = json!({"user_input": "x", "callback_url": format!("http://{host}:{port}/hook")});
        let answer = stack.execute(&workflow, &body).await;
        if answer.status == 202 {
            // Accepted by name only: it must fail when the name is resolved.
            stack.wait_job(&stack::id(&answer.json())).await;
        } else {
            let problem = answer.expect_problem(answer.status);
            assert_eq!(problem["errors"][0]["pointer"], "/callback_url", "{host}: {problem:#}");
        }
    }
    assert!(receiver.deliveries().is_empty());
    stack.finish().await;
}
