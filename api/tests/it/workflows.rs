//! Describing workflows, listing them, and accepting runs.

use serde_json::json;
use shared::job::Queue;

use crate::fixture::{Fixture, id, success};

#[tokio::test]
async fn a_description_is_accepted_with_its_workflow_and_its_job() {
    let api = Fixture::start().await;
    let body = json!({"description": "Do it.", "name": "It", "metadata": {"k": [1]}});
    let answer = api.client.post("/workflows", &body).await;
    let workflow = answer.expect(202);
    assert_eq!(workflow["status"], "generating");
    assert_eq!(workflow["name"], "It");
    assert_eq!(workflow["metadata"], json!({"k": [1]}));
    assert_eq!(answer.header("location"), Some(format!("/workflows/{}", id(&workflow)).as_str()));
    let job = answer.header("operation-location").unwrap();
    assert_eq!(job, format!("/jobs/{}", id(&workflow["job"])));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(api.client.get(job).await.expect(200)["kind"], "generate");
    api.finish().await;
}

#[tokio::test]
async fn a_supplied_program_goes_to_the_worker_as_it_is() {
    let api = Fixture::start().await;
    let code = "def execute_workflow(x):\n    return x\n";
    api.client.post("/workflows", &json!({"description": "d", "code": code})).await.expect(202);
    let (spec, _) = api.claim(Queue::Generate).await;
    let input: shared::job::GenerateInput = spec.decode_input().unwrap();
    assert_eq!(input.code.as_deref(), Some(code));
    api.finish().await;
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let api = Fixture::start().await;
    let mut made = Vec::new();
    for n in 0..5 {
        let answer = api.client.post("/workflows", &json!({"description": format!("{n}")})).await;
        made.push(id(&answer.expect(202)).to_owned());
    }
    made.reverse();
    for what in ["workflows", "jobs"] {
        let (mut seen, mut path) = (Vec::new(), format!("/{what}?limit=2"));
        loop {
            let page = api.client.get(&path).await.expect(200);
            for item in page["data"].as_array().unwrap() {
                seen.push(item["workflow_id"].as_str().unwrap_or_else(|| id(item)).to_owned());
                assert!(item["input"].is_null() && item["code"].is_null());
            }
            assert_eq!(page["has_more"], page["next_cursor"].is_string());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/{what}?limit=2&after={cursor}");
        }
        assert_eq!(seen, made, "{what}");
    }
    api.finish().await;
}

#[tokio::test]
async fn a_run_is_accepted_for_the_current_version_or_another_ready_one() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let path = format!("/workflows/{workflow}/execute");
    let body = json!({"user_input": "héllo", "file_ids": [], "timeout_ms": 1500, "expires_in_ms": 60_000});
    let answer = api.client.post(&path, &body).await;
    let job = answer.expect(202);
    assert_eq!(job["input"], json!({"user_input": "héllo", "file_ids": []}));
    assert_eq!(job["version"], 1);
    assert_eq!(job["status"], "queued");
    assert_eq!(answer.header("location"), Some(format!("/jobs/{}", id(&job)).as_str()));
    let (spec, _) = api.claim(Queue::Execute).await;
    assert_eq!((spec.timeout.as_millis(), spec.expires_in.as_millis()), (1500, 60_000));
    api.client.post(&path, &json!({"user_input": "", "version": 1})).await.expect(202);
    let unknown = api.client.post(&path, &json!({"user_input": "", "version": 2})).await;
    unknown.problem(404, "not_found");
    api.finish().await;
}

#[tokio::test]
async fn a_workflow_without_a_program_is_not_executed() {
    let api = Fixture::start().await;
    for status in ["generating", "needs_clarification", "refused", "failed"] {
        let workflow = api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
        if status != "generating" {
            api.generate(status).await;
        }
        let path = format!("/workflows/{}/execute", id(&workflow));
        for body in [json!({"user_input": ""}), json!({"user_input": "", "version": 1})] {
            api.client.post(&path, &body).await.problem(409, "workflow_not_ready");
        }
        if status == "generating" {
            api.generate("failed").await;
        }
    }
    api.finish().await;
}

#[tokio::test]
async fn an_idempotency_key_makes_a_request_happen_once() {
    let api = Fixture::start().await;
    let (body, other) = (json!({"description": "d"}), json!({"description": "e"}));
    let post = async |key: &str, body| {
        api.client.send("POST", "/workflows", &[("idempotency-key", key)], Some(body)).await
    };
    let first = post("k1", &body).await;
    assert_eq!(first.header("idempotent-replayed"), None);
    api.generate("ready").await;
    let again = post("\"k1\"", &body).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("operation-location"), first.header("operation-location"));
    let (first, again) = (first.expect(202), again.expect(202));
    assert_eq!(id(&first), id(&again));
    assert_eq!(again["status"], "ready", "the object as it is now");

    post("k1", &other).await.problem(422, "idempotency_key_reused");
    assert_ne!(id(&post("k2", &body).await.expect(202)), id(&first));
    api.generate("ready").await;
    let execute = format!("/workflows/{}/execute", id(&first));
    let run = async |key: &str| {
        api.client
            .send("POST", &execute, &[("idempotency-key", key)], Some(&json!({"user_input": "x"})))
            .await
    };
    run("k1").await.problem(422, "idempotency_key_reused");
    let job = run("k3").await.expect(202);
    api.end(&api.claim(Queue::Execute).await, success()).await;
    let again = run("k3").await.expect(202);
    assert_eq!((id(&again), &again["status"]), (id(&job), &json!("succeeded")));
    assert_eq!(api.client.get("/jobs?kind=execute").await.expect(200)["data"].as_array().unwrap().len(), 1);
    api.finish().await;
}

#[tokio::test]
async fn a_workflow_is_tagged_so_that_it_is_not_sent_twice() {
    let api = Fixture::start().await;
    let workflow = api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
    let path = format!("/workflows/{}", id(&workflow));
    let first = api.client.get(&path).await;
    let tag = first.header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = api.client.send("GET", &path, &[("if-none-match", &known)], None).await;
        assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())), "{known}");
    }
    api.generate("ready").await;
    let changed = api.client.send("GET", &path, &[("if-none-match", &tag)], None).await;
    assert_eq!(changed.expect(200)["status"], "ready");
    api.finish().await;
}

#[tokio::test]
async fn as_many_jobs_wait_as_may_and_no_more() {
    let api = Fixture::with(&[("TENANT_QUEUED_MAX", "2")]).await;
    for _ in 0..2 {
        api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
    }
    let refused = api.client.post("/workflows", &json!({"description": "d"})).await;
    refused.problem(429, "queue_full");
    assert!(refused.header("retry-after").is_some());
    api.finish().await;
}

#[tokio::test]
async fn the_webhook_secret_is_made_once() {
    let api = Fixture::start().await;
    let first = api.client.get("/webhook-secret").await.expect(200);
    assert!(first["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(api.client.get("/webhook-secret").await.expect(200), first);
    api.finish().await;
}
