//! When a webhook is tried again, when no more, and what of a job it carries.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use shared::time::Timestamp;
use tests::fakes::Receiver;
use tests::stack::{self, Stack};

/// The waits of the schedule under test.
const SCHEDULE: &str = "500ms,1s,2s";
const WAITS_MS: [u64; 3] = [500, 1000, 2000];
/// 700 ms for what a busy machine adds to a wait.
const SLACK: Duration = Duration::from_millis(700);
/// 64 KiB of result are sent; more is linked.
const RESULT_BYTES_MAX: usize = 64 << 10;

async fn delivery_of(stack: &Stack, job: &str) -> Value {
    stack.client().get(&format!("/jobs/{job}/deliveries")).await.expect(200)["data"][0].clone()
}

/// How long after each attempt the next one began, as the worker noted it: when a test comes to look is another matter.
pub fn between_attempts(delivery: &Value) -> Vec<Duration> {
    let attempts = delivery["attempts"].as_array().expect("a list");
    let begun = |attempt: &Value| {
        let at: Timestamp = serde_json::from_value(attempt["at"].clone()).expect("a time");
        at.as_millis()
    };
    let waits = attempts.windows(2).map(|pair| u64::try_from(begun(&pair[1]) - begun(&pair[0])));
    waits.map(|wait| Duration::from_millis(wait.expect("one after the other"))).collect()
}

/// Once a delivery is over it is not due any more; until then it is asked again.
async fn over(stack: &Stack, job: &str) -> Value {
    let over = async {
        loop {
            let delivery = delivery_of(stack, job).await;
            if delivery["status"] != "pending" {
                return delivery;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(tests::DEADLINE, over).await.expect("it ends")
}

/// Each wait is the schedule's, a fifth more or less; then it is over, and a redelivery has the schedule ahead of it again.
#[tokio::test]
async fn a_receiver_that_always_fails_is_asked_as_often_as_the_schedule_has_waits() {
    let stack = Stack::builder().alone().env("WEBHOOK_RETRY_SCHEDULE", SCHEDULE).start().await;
    let receiver = Receiver::start().await;
    receiver.answer_next([StatusCode::INTERNAL_SERVER_ERROR; 5].map(Into::into));
    let workflow = stack.workflow_from_code(crate::ECHO).await;
    let body = json!({"user_input": "x", "callback_url": receiver.url("/hook")});
    let job = stack::id(&stack.execute(&workflow, &body).await.expect(202));
    receiver.delivery(4).await;
    let failed = over(&stack, &job).await;
    let waits = between_attempts(&failed);
    for (wait, base) in waits.iter().zip(WAITS_MS.map(Duration::from_millis)) {
        assert!(*wait >= base.mul_f64(0.75) && *wait <= base.mul_f64(1.2) + SLACK, "{waits:?}");
    }
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("status 500")), "{failed:#}");
    assert_eq!(failed["attempts"].as_array().map(Vec::len), Some(4), "{failed:#}");
    assert_eq!(failed["next_attempt_at"], json!(null));
    // Asked for once more it fails once more, is tried again, and is taken.
    let path = format!("/jobs/{job}/deliveries/{}/redeliver", failed["id"].as_str().expect("an id"));
    let again = stack.client().post(&path, &json!({})).await.expect(202);
    assert_eq!(again["status"], "pending", "{again:#}");
    receiver.delivery(6).await;
    assert_eq!(over(&stack, &job).await["status"], "delivered");
    let all = receiver.deliveries().all();
    assert!(all.len() == 6 && all.iter().all(|delivery| delivery.id() == all[0].id()));
    stack.finish().await;
}

/// The largest result that is sent, and the smallest that is not: JSON counts, quotes included.
#[tokio::test]
async fn a_large_result_is_not_sent_but_linked_and_no_input_ever_is() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let code = "def execute_workflow(size):\n    return 'r' * int(size)\n";
    let workflow = stack.workflow_from_code(code).await;
    for (number, (bytes, sent)) in
        [(RESULT_BYTES_MAX, true), (RESULT_BYTES_MAX + 1, false)].iter().enumerate()
    {
        let input = (bytes - 2).to_string();
        let body = json!({"user_input": input, "callback_url": receiver.url("/hook")});
        let job = stack::id(&stack.execute(&workflow, &body).await.expect(202));
        let message = receiver.delivery(number + 1).await.json();
        let told = &message["data"];
        assert_eq!((&told["id"], &told["input"]), (&json!(job), &json!(null)));
        let whole = stack.client().get(told["links"]["self"].as_str().expect("a link")).await.expect(200);
        assert_eq!(whole["result"].as_str().map(str::len), Some(bytes - 2));
        assert_eq!(whole["input"]["user_input"], input.as_str());
        let expected = if *sent { whole["result"].clone() } else { Value::Null };
        assert_eq!(told["result"], expected, "{bytes} bytes");
        // Otherwise it is the job as everybody reads it.
        let (mut told, mut whole) = (told.clone(), whole);
        for part in [&mut told, &mut whole] {
            let part = part.as_object_mut().expect("an object");
            part.remove("input");
            part.remove("result");
        }
        assert_eq!(told, whole);
        assert_eq!(message["timestamp"], whole["finished_at"]);
        assert_eq!(message.as_object().map(serde_json::Map::len), Some(3), "{message:#}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_cancelled_job_calls_back() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(crate::ENDLESS).await;
    let body = json!({"user_input": "", "callback_url": receiver.url("/hook")});
    let job = stack::id(&stack.execute(&workflow, &body).await.expect(202));
    stack.client().post(&format!("/jobs/{job}/cancel"), &json!({})).await.expect(202);
    let message = receiver.delivery(1).await.json();
    assert_eq!(
        (&message["type"], &message["data"]["status"]),
        (&json!("job.cancelled"), &json!("cancelled"))
    );
    assert_eq!(over(&stack, &job).await["status"], "delivered");
    stack.finish().await;
}
