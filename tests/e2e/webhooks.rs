//! Callbacks: signed, tried again, and never sent where they must not go.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::json;
use shared::limits::DELIVERY_TIMEOUT;
use tests::fakes::Receiver;
use tests::fakes::receiver::Answer;
use tests::stack::{self, Stack};

use crate::webhook_schedule::between_attempts;
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
async fn while_a_secret_is_replaced_both_verify_and_then_the_new_one_alone() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let body = json!({"user_input": "x", "callback_url": receiver.url("/hook")});
    let old = secret(&stack).await;
    let overlap = json!({"overlap_ms": 600_000});
    let rotated = stack.client().post("/webhook-secret/rotate", &overlap).await.expect(200);
    assert_eq!(rotated["previous"], old.as_str());
    let new = secret(&stack).await;
    stack.execute(&workflow, &body).await.expect(202);
    let delivery = receiver.delivery(1).await;
    delivery.verify(&new).unwrap();
    delivery.verify(&old).unwrap();
    // Without overlap the one before stops at once, and so does the one before it.
    stack.client().post("/webhook-secret/rotate", &json!({"overlap_ms": 0})).await.expect(200);
    stack.execute(&workflow, &body).await.expect(202);
    let delivery = receiver.delivery(2).await;
    delivery.verify(&secret(&stack).await).unwrap();
    assert!(delivery.verify(&new).is_err() && delivery.verify(&old).is_err());
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

#[tokio::test]
async fn every_attempt_is_listed_and_a_message_is_sent_again_on_demand() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    receiver.answer_next([StatusCode::INTERNAL_SERVER_ERROR.into(), StatusCode::GONE.into()]);
    let body = json!({"user_input": "x", "callback_url": receiver.url("/hook")});
    let job = stack::id(&stack.execute(&workflow, &body).await.expect(202));
    let second = receiver.delivery(2).await;
    let path = format!("/jobs/{job}/deliveries");
    let delivery = until(&stack, &path, "failed").await;
    let statuses: Vec<_> =
        delivery["attempts"].as_array().unwrap().iter().map(|a| &a["status_code"]).collect();
    assert_eq!(statuses, [&json!(500), &json!(410)], "{delivery:#}");
    assert_eq!(delivery["attempts"][0]["error"], "status 500");
    assert_eq!(
        (delivery["id"].as_str(), delivery["url"].as_str()),
        (Some(second.id()), body["callback_url"].as_str())
    );
    stack.client().post(&format!("{path}/{}/redeliver", second.id()), &json!({})).await.expect(202);
    let third = receiver.delivery(3).await;
    assert_eq!(third.id(), second.id());
    third.verify(&secret(&stack).await).unwrap();
    assert_eq!(until(&stack, &path, "delivered").await["attempts"].as_array().unwrap().len(), 3);
    stack.finish().await;
}

/// The one delivery of a job, once it is in this state. What became of it is told by nothing but itself.
async fn until(stack: &Stack, path: &str, status: &str) -> serde_json::Value {
    let reached = async {
        loop {
            let delivery = stack.client().get(path).await.expect(200)["data"][0].clone();
            if delivery["status"] == status {
                return delivery;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(tests::DEADLINE, reached).await.expect("the delivery gets there")
}

/// 80 messages for a receiver that never answers, more than a worker sends at a time; then one for another receiver.
#[tokio::test]
async fn a_dead_receiver_delays_nobody_else() {
    let stack = Stack::builder().start().await;
    let (dead, alive) = (Receiver::start().await, Receiver::start().await);
    dead.answer_next((0..200).map(|_| Answer {
        status: StatusCode::OK,
        headers: Vec::new(),
        delay: Duration::from_secs(60),
    }));
    let workflow = stack.workflow_from_code(ECHO).await;
    let began = Instant::now();
    for _ in 0..80 {
        let body = json!({"user_input": "x", "callback_url": dead.url("/dead")});
        stack.execute(&workflow, &body).await.expect(202);
    }
    dead.delivery(8).await;
    let mut waited = Duration::ZERO;
    for n in 1..=5 {
        let body = json!({"user_input": "x", "callback_url": alive.url("/alive")});
        let job = stack.execute(&workflow, &body).await.expect(202);
        // Its run waits behind eighty others, and that takes as long as they take; its message waits for nobody.
        stack.wait_job(&stack::id(&job)).await;
        let ended = Instant::now();
        alive.delivery(n).await;
        waited += ended.elapsed();
    }
    // Well under the 15 s after which the first of the dead one's places is free.
    assert!(waited < Duration::from_secs(8), "{waited:?}");
    let turns = 1 + began.elapsed().as_secs() / DELIVERY_TIMEOUT.as_secs();
    let asked = dead.deliveries().len() as u64;
    assert!(asked <= 8 * turns, "no more at a time: {asked} in {:?}", began.elapsed());
    stack.finish().await;
}

#[tokio::test]
async fn a_receiver_that_says_yes_and_goes_on_talking_has_taken_the_message() {
    let stack = Stack::builder().start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let workflow = stack.workflow_from_code(ECHO).await;
    let body = json!({"user_input": "x", "callback_url": url});
    let job = stack::id(&stack.execute(&workflow, &body).await.expect(202));
    let (mut connection, _) =
        tokio::time::timeout(tests::DEADLINE, listener.accept()).await.unwrap().unwrap();
    let talk = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        // First it listens: an answer that comes before the question is a broken connection, and rightly tried again.
        let mut heard = Vec::new();
        while !heard.windows(4).any(|four| four == b"\r\n\r\n") {
            assert_ne!(
                connection.read_buf(&mut heard).await.unwrap(),
                0,
                "the worker hung up before its message"
            );
        }
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        let mut sent = connection.write_all(head).await;
        while sent.is_ok() {
            sent = connection.write_all(&[b'x'; 4096]).await; // until the worker has heard enough
        }
    });
    let delivery = until(&stack, &format!("/jobs/{job}/deliveries"), "delivered").await;
    assert_eq!(delivery["attempts"][0]["response"].as_str().unwrap().len(), 1024);
    tokio::time::timeout(tests::DEADLINE, talk).await.expect("the worker hangs up").unwrap();
    stack.finish().await;
}

/// A proxy of the environment would dial for the worker, past its check of the address.
#[tokio::test]
async fn proxies_of_the_environment_are_not_used_for_webhooks() {
    let proxy = Receiver::start().await;
    let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"];
    let with = names.iter().fold(Stack::builder().offline(), |stack, name| stack.env(name, &proxy.url("")));
    let stack = with.start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let body = json!({"user_input": "x", "callback_url": receiver.url("/hook")});
    stack.execute(&workflow, &body).await.expect(202);
    receiver.delivery(1).await;
    assert!(proxy.deliveries().is_empty());
    stack.finish().await;
}

#[tokio::test]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let stack = Stack::builder().env("WEBHOOK_RETRY_SCHEDULE", "10ms,10ms").start().await;
    let receiver = Receiver::start().await;
    let busy = |after: &str| Answer {
        status: StatusCode::TOO_MANY_REQUESTS,
        headers: vec![("retry-after", after.to_owned())],
        delay: Duration::ZERO,
    };
    receiver.answer_next([busy("2")]);
    let workflow = stack.workflow_from_code(ECHO).await;
    let body = json!({"user_input": "x", "callback_url": receiver.url("/hook")});
    let job = stack::id(&stack.execute(&workflow, &body).await.expect(202));
    receiver.delivery(2).await;
    let delivery = until(&stack, &format!("/jobs/{job}/deliveries"), "delivered").await;
    let waits = between_attempts(&delivery);
    assert!(waits[0] > Duration::from_millis(1500), "{waits:?}");
    stack.finish().await;
}
