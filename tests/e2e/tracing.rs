//! A request can be followed through the whole system: by its trace, and by the ids in the logs.

use serde_json::{Value, json};
use tests::fakes::{Collector, Receiver};
use tests::stack::{self, Stack};

use crate::SEARCH;

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
