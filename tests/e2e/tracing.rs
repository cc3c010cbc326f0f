//! A request can be followed through the whole system: by its trace, and by the ids in the logs.

use std::time::Duration;

use serde_json::{Value, json};
use tests::fakes::{Collector, Receiver};
use tests::stack::{self, Stack};

use crate::{ENDLESS, SEARCH};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_trace_goes_from_the_request_through_the_queue_to_the_cell_its_tools_and_the_webhook() {
    let collector = Collector::start().await;
    let stack = Stack::builder().env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()).start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    let body = json!({"user_input": "canary input", "callback_url": receiver.url("/hook")});
    let path = format!("/workflows/{workflow}/execute");
    let request = stack.client().request(reqwest::Method::POST, &path).json(&body);
    let traced = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let accepted = stack.client().send(traced).await;
    let job = stack::id(&accepted.expect(202));
    assert_eq!(stack.wait_job(&job).await["status"], "succeeded");
    receiver.delivery(1).await;

    let mut parent = CALLER.to_owned();
    let expected = [
        ("POST /workflows/{id}/execute", "api"),
        ("execute attempt", "worker"),
        ("cell", "worker"),
        ("paradigm_search", "worker"),
    ];
    for (name, service) in expected {
        let collected = collector.span(TRACE, name).await;
        assert_eq!(
            (collected.service.as_str(), &collected.span["parentSpanId"]),
            (service, &json!(parent)),
            "{name}"
        );
        let time = |name: &str| collected.span[name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
        collected.span["spanId"].as_str().unwrap().clone_into(&mut parent);
    }
    collector.span(TRACE, "deliver attempt").await;
    let all: Vec<Value> = collector.spans().into_iter().map(|collected| collected.span).collect();
    assert!(!json!(all).to_string().contains("canary"), "{all:#?}");

    // The same trace is in the log lines of both processes, with the job and its tenant.
    let of_job = |line: &String| -> Option<Value> {
        let line: Value = serde_json::from_str(line).ok()?;
        let names = (&line["job.id"], &line["trace.id"], &line["tenant"]);
        (names == (&json!(job), &json!(TRACE), &json!("default"))).then_some(line)
    };
    stack.workers[0].log().wait_until("the job's line", of_job).await;
    let line = stack.api.log().wait_until("the request's line", of_job).await;
    assert_eq!(line["request.id"].as_str(), accepted.header("x-request-id"), "{line}");
    // One that goes wrong has a line too, with whose it was.
    let refused = stack.client().get("/jobs?limit=0").await;
    let request = refused.expect_problem(422)["request_id"].clone();
    let of_request = |line: &String| -> Option<Value> {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["request.id"] == request).then_some(line)
    };
    let line = stack.api.log().wait_until("the refusal's line", of_request).await;
    assert_eq!(
        (&line["tenant"], &line["status"], &line["route"]),
        (&json!("default"), &json!(422), &json!("/jobs"))
    );
    stack.finish().await;
}

/// Searches, and asks the model.
const ASKS: &str = "async def execute_workflow(user_input: str) -> str:
    return await chat_completion(await paradigm_search(user_input))
";
/// 200 ms between two looks: a worker tells its counts every few seconds, and nobody of it.
const LOOK: Duration = Duration::from_millis(200);

/// Workers have no port: what they count is told by the api.
#[tokio::test]
async fn what_workers_did_is_in_the_metrics_of_the_api() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ASKS).await;
    let body = json!({"user_input": "canary input", "callback_url": receiver.url("/hook")});
    stack.execute(&workflow, &body).await.expect(202);
    receiver.delivery(1).await;
    let endless = stack.workflow_from_code(ENDLESS).await;
    let job = stack.execute(&endless, &json!({"user_input": "", "timeout_ms": 200})).await.expect(202);
    stack.wait_job(&stack::id(&job)).await;
    let expected = [
        "wf_jobs_finished_total{queue=\"execute\",status=\"succeeded\",code=\"\"} 1",
        "wf_jobs_finished_total{queue=\"execute\",status=\"failed\",code=\"timeout\"} 1",
        "wf_jobs_finished_total{queue=\"generate\",status=\"succeeded\",code=\"\"} 2",
        "wf_attempts_total{queue=\"execute\"} 2",
        "wf_job_wait_seconds_count{queue=\"execute\"} 2",
        "wf_job_duration_seconds_count{queue=\"execute\"} 2",
        "wf_queue_jobs{queue=\"execute\",state=\"queued\"} 0",
        "wf_queue_jobs{queue=\"execute\",state=\"running\"} 0",
        "wf_tool_calls_total{tool=\"paradigm_search\",outcome=\"ok\"} 1",
        "wf_tool_calls_total{tool=\"chat_completion\",outcome=\"ok\"} 1",
        "wf_tool_call_seconds_count{tool=\"paradigm_search\"} 1",
        "wf_tokens_total{purpose=\"chat\",direction=\"input\"} ",
        "wf_tokens_total{purpose=\"chat\",direction=\"output\"} ",
        "wf_deliveries_total{outcome=\"delivered\"} 1",
        "wf_delivery_seconds_count 1",
        "wf_worker_info{",
        "wf_worker_cells{",
        "wf_http_requests_total{method=\"POST\",route=\"/workflows/{id}/execute\",status=\"202\"} 2",
    ];
    let told = async {
        loop {
            let text = stack.client().get("/metrics").await.text;
            let missing: Vec<&&str> = expected
                .iter()
                .filter(|series| !text.lines().any(|line| line.starts_with(**series)))
                .collect();
            if missing.is_empty() {
                return text;
            }
            println!("still missing: {missing:?}");
            tokio::time::sleep(LOOK).await;
        }
    };
    let text = tokio::time::timeout(tests::DEADLINE, told).await.expect("everything is told");
    assert!(!text.contains("canary") && stack.canaries.found_in(text.as_bytes()).is_none(), "{text}");
    stack.finish().await;
}
