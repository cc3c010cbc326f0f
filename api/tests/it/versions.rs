//! Versions, edits, labels, and the end of workflows and jobs.

use serde_json::{Value, json};
use shared::{
    job::{ErrorCode, JobError, Queue},
    store::{Finish, Progress},
};

use crate::{
    client::Answer,
    fixture::{Fixture, id, success},
};

async fn send(
    api: &Fixture,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    api.client.send(method, path, headers, body).await
}

async fn put_code(api: &Fixture, workflow: &str, headers: &[(&str, &str)], code: &str) -> Answer {
    send(api, "PUT", &format!("/workflows/{workflow}/code"), headers, Some(&json!({"code": code}))).await
}

/// A worker takes an edit as it is.
async fn accept_edit(api: &Fixture) {
    let claimed = api.claim(Queue::Generate).await;
    let version = vec![("status", "ready".to_owned())];
    let workflow = vec![("status", "ready".to_owned())];
    api.end(&claimed, Finish { becomes_current: true, workflow, version, ..Finish::default() }).await;
}

#[tokio::test]
async fn an_edit_becomes_a_version_and_the_older_ones_stay() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let answer = put_code(&api, &workflow, &[], "print(2)\n").await;
    let accepted = answer.expect(202);
    assert_eq!(
        (&accepted["status"], &accepted["version"]),
        (&json!("ready"), &json!(1)),
        "ready stays ready"
    );
    assert_eq!(answer.header("location"), Some(format!("/workflows/{workflow}").as_str()));
    let job = api.client.get(answer.header("operation-location").unwrap()).await.expect(200);
    assert_eq!((&job["kind"], &job["version"]), (&json!("generate"), &json!(2)));
    accept_edit(&api).await;
    let current = api.client.get(&format!("/workflows/{workflow}")).await.expect(200);
    assert_eq!((&current["version"], &current["code"]), (&json!(2), &json!("print(2)\n")));

    let page = api.client.get(&format!("/workflows/{workflow}/versions")).await.expect(200);
    let listed: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|v| (&v["version"], &v["source"])).collect();
    assert_eq!(listed, [(&json!(2), &json!("edited")), (&json!(1), &json!("generated"))]);
    assert!(page["data"][0]["code"].is_null());
    let path = format!("/workflows/{workflow}/versions/1");
    let first = api.client.get(&path).await;
    assert_eq!(first.expect(200)["code"], "print(1)");
    let tag = first.header("etag").unwrap();
    assert_eq!(send(&api, "GET", &path, &[("if-none-match", tag)], None).await.status, 304);
    for other in ["0", "3", "x", "-1", "4294967296"] {
        let path = format!("/workflows/{workflow}/versions/{other}");
        api.client.get(&path).await.problem(404, "not_found");
    }
    let body = json!({"user_input": "", "version": 1});
    let run = api.client.post(&format!("/workflows/{workflow}/execute"), &body).await;
    assert_eq!(run.expect(202)["version"], 1);
    api.finish().await;
}

#[tokio::test]
async fn versions_are_paged_newest_first() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    for n in 2..=5 {
        put_code(&api, &workflow, &[], &format!("x = {n}")).await.expect(202);
    }
    let (mut seen, mut path) = (Vec::new(), format!("/workflows/{workflow}/versions?limit=2"));
    loop {
        let page = api.client.get(&path).await.expect(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|v| v["version"].as_u64().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/workflows/{workflow}/versions?limit=2&after={cursor}");
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    api.finish().await;
}

#[tokio::test]
async fn a_version_shows_how_it_came_to_be() {
    let api = Fixture::start().await;
    let workflow = api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
    let claimed = api.claim(Queue::Generate).await;
    let fields = [
        ("status", "ready"),
        ("code", "x = 1"),
        ("model", "a-model"),
        ("prompt_version", "4"),
        ("rounds", "1"),
        ("findings", r#"[{"code":"E_STEPS","line":null,"column":null,"message":"m","severity":"warning"}]"#),
        ("tokens", r#"{"input_tokens":7,"output_tokens":9}"#),
    ];
    let version = fields.map(|(name, value)| (name, value.to_owned())).to_vec();
    api.end(&claimed, Finish { becomes_current: true, version, ..Finish::default() }).await;
    let shown = api.client.get(&format!("/workflows/{}/versions/1", id(&workflow))).await.expect(200);
    assert_eq!((&shown["model"], &shown["prompt_version"]), (&json!("a-model"), &json!(4)), "{shown:#}");
    assert_eq!((&shown["rounds"], &shown["input_tokens"]), (&json!(1), &json!(7)));
    assert_eq!((&shown["output_tokens"], &shown["findings"][0]["code"]), (&json!(9), &json!("E_STEPS")));
    assert_eq!(shown["job_id"], workflow["job"]["id"]);
    api.finish().await;
}

#[tokio::test]
async fn two_versions_are_compared_line_by_line() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    put_code(&api, &workflow, &[], "print(1)\nprint(2)\n").await.expect(202);
    let diff = async |query: &str| api.client.get(&format!("/workflows/{workflow}/versions/{query}")).await;
    let answer = diff("2/diff").await;
    assert_eq!(answer.header("content-type"), Some("text/x-diff; charset=utf-8"));
    assert!(
        answer.text().starts_with("--- version 1\n+++ version 2\n@@")
            && answer.text().contains("\n+print(2)\n")
    );
    assert!(diff("1/diff?against=2").await.text().contains("\n-print(2)\n"));
    assert_eq!(diff("2/diff?against=2").await.text(), "");
    assert!(diff("1/diff").await.text().contains("\n+print(1)"));
    diff("1/diff?against=9").await.problem(404, "not_found");
    diff("1/diff?against=x").await.problem(422, "invalid_request");
    let unmade = api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
    let path = format!("/workflows/{}/versions/1/diff", id(&unmade));
    api.client.get(&path).await.problem(409, "workflow_not_ready");
    api.finish().await;
}

#[tokio::test]
async fn of_two_who_edit_the_same_state_the_second_is_told() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let path = format!("/workflows/{workflow}");
    let tag = api.client.get(&path).await.header("etag").unwrap().to_owned();
    let known = [("if-match", tag.as_str())];
    let both = tokio::join!(
        put_code(&api, &workflow, &known, "one = 1"),
        put_code(&api, &workflow, &known, "two = 2"),
    );
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 412]);
    put_code(&api, &workflow, &[("if-match", &tag)], "three = 3").await.problem(412, "precondition_failed");
    let weak = format!("W/{}", api.client.get(&path).await.header("etag").unwrap());
    put_code(&api, &workflow, &[("if-match", &weak)], "x").await.problem(412, "precondition_failed");
    put_code(&api, &workflow, &[("if-match", "*")], "four = 4").await.expect(202);
    for (method, body) in [("PATCH", Some(json!({"name": "n"}))), ("DELETE", None)] {
        let refused = send(&api, method, &path, &[("if-match", &tag)], body.as_ref()).await;
        refused.problem(412, "precondition_failed");
    }
    let tag = api.client.get(&path).await.header("etag").unwrap().to_owned();
    send(&api, "PATCH", &path, &[("if-match", &tag)], Some(&json!({"name": "n"}))).await.expect(200);
    assert_eq!(send(&api, "DELETE", &path, &[("if-match", "*")], None).await.status, 204);
    api.finish().await;
}

/// The answer was lost, the client repeats: that it has changed the workflow itself must not stop it.
#[tokio::test]
async fn an_edit_is_repeated_under_its_key_although_the_workflow_has_changed_by_it() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let tag = api.client.get(&format!("/workflows/{workflow}")).await.header("etag").unwrap().to_owned();
    let headers = [("if-match", tag.as_str()), ("idempotency-key", "edit-1")];
    let first = put_code(&api, &workflow, &headers, "x = 1").await;
    first.expect(202);
    let again = put_code(&api, &workflow, &headers, "x = 1").await;
    again.expect(202);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("operation-location"), first.header("operation-location"));
    let stale = [("if-match", tag.as_str()), ("idempotency-key", "edit-2")];
    put_code(&api, &workflow, &stale, "x = 2").await.problem(412, "precondition_failed");
    put_code(&api, &workflow, &headers, "x = 3").await.problem(422, "idempotency_key_reused");
    api.finish().await;
}

#[tokio::test]
async fn name_and_labels_change_and_nothing_else_does() {
    let api = Fixture::start().await;
    let body = json!({"description": "d", "name": "old", "metadata": {"a": 1, "b": 2}});
    let workflow = api.client.post("/workflows", &body).await.expect(202);
    let path = format!("/workflows/{}", id(&workflow));
    let patch = json!({"name": "new", "metadata": {"a": null, "c": [3]}});
    let answer = send(&api, "PATCH", &path, &[], Some(&patch)).await;
    let changed = answer.expect(200);
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("new"), &json!({"b": 2, "c": [3]})));
    assert_eq!(changed["description"], "d");
    assert_eq!(api.client.get(&path).await.header("etag"), answer.header("etag"));
    send(&api, "PATCH", &path, &[], Some(&json!({"description": "e"}))).await.problem(422, "invalid_request");
    // Many at once: each is made of what the one before it wrote.
    let patches = (0..3).map(|n| {
        let (client, path) = (api.client.clone(), path.clone());
        let patch = json!({"metadata": {format!("k{n}"): n}});
        tokio::spawn(async move { client.send("PATCH", &path, &[], Some(&patch)).await.status })
    });
    for patch in patches.collect::<Vec<_>>() {
        assert_eq!(patch.await.unwrap(), 200);
    }
    let metadata = &api.client.get(&path).await.expect(200)["metadata"];
    assert_eq!(*metadata, json!({"b": 2, "c": [3], "k0": 0, "k1": 1, "k2": 2}));
    api.finish().await;
}

#[tokio::test]
async fn a_deleted_workflow_takes_its_unfinished_jobs_with_it_and_leaves_its_finished_ones() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let run = async || {
        let path = format!("/workflows/{workflow}/execute");
        api.client.post(&path, &json!({"user_input": "in"})).await.expect(202)
    };
    let done = run().await;
    api.end(&api.claim(Queue::Execute).await, success()).await;
    let running = run().await;
    let claimed = api.claim(Queue::Execute).await;
    let mut waiting = Vec::new();
    for _ in 0..120 {
        waiting.push(run().await); // more than one script looks at
    }
    let path = format!("/workflows/{workflow}");
    assert_eq!(send(&api, "DELETE", &path, &[], None).await.status, 204);
    for gone in [&path, &format!("{path}/versions"), &format!("{path}/versions/1")] {
        api.client.get(gone).await.problem(404, "not_found");
    }
    send(&api, "DELETE", &path, &[], None).await.problem(404, "not_found");
    assert_eq!(api.client.get("/workflows").await.expect(200)["data"], json!([]));
    let job = async |job: &Value| api.client.get(&format!("/jobs/{}", id(job))).await.expect(200);
    assert_eq!(
        (&job(&done).await["status"], &job(&done).await["result"]),
        (&json!("succeeded"), &json!("out"))
    );
    for waiting in &waiting {
        assert_eq!(job(waiting).await["status"], "cancelled");
    }
    // The worker is told with its next renewal or write, and what it ends with is the cancellation.
    let progress = api.store.progress(claimed.0.id, claimed.1.fence, &Progress::default(), 1).await.unwrap();
    assert_eq!(progress, shared::store::ProgressAnswer::Cancel);
    api.end(&claimed, success()).await;
    assert_eq!(job(&running).await["status"], "cancelled");
    let again = send(&api, "POST", &format!("/jobs/{}/retry", id(&done)), &[], None).await;
    again.problem(409, "workflow_not_ready");
    api.finish().await;
}

#[tokio::test]
async fn a_generation_that_ends_after_its_workflow_was_deleted_brings_nothing_back() {
    let api = Fixture::start().await;
    let workflow = api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
    let claimed = api.claim(Queue::Generate).await;
    let path = format!("/workflows/{}", id(&workflow));
    assert_eq!(send(&api, "DELETE", &path, &[], None).await.status, 204);
    let version = vec![("code", "x = 1".to_owned())];
    let workflow = vec![("status", "ready".to_owned())];
    api.end(&claimed, Finish { becomes_current: true, workflow, version, ..Finish::default() }).await;
    api.client.get(&path).await.problem(404, "not_found");
    assert_eq!(api.client.get("/workflows").await.expect(200)["data"], json!([]));
    api.finish().await;
}

#[tokio::test]
async fn a_final_job_is_repeated_as_a_new_one() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let path = format!("/jobs/{}/retry", id(&job));
    send(&api, "POST", &path, &[], None).await.problem(409, "job_not_final");
    let error = JobError::new(ErrorCode::PythonError, "boom");
    api.end(&api.claim(Queue::Execute).await, Finish { error: Some(error), ..Finish::default() }).await;
    let answer = send(&api, "POST", &path, &[("idempotency-key", "again")], None).await;
    let again = answer.expect(202);
    assert_ne!(id(&again), id(&job));
    assert_eq!((&again["retry_of"], &again["status"]), (&job["id"], &json!("queued")));
    assert_eq!((&again["input"], &again["version"]), (&job["input"], &job["version"]));
    assert_eq!(answer.header("location"), Some(format!("/jobs/{}", id(&again)).as_str()));
    let replayed = send(&api, "POST", &path, &[("idempotency-key", "again")], None).await;
    assert_eq!(
        (replayed.header("idempotent-replayed"), id(&replayed.expect(202))),
        (Some("true"), id(&again))
    );
    assert_eq!(api.claim(Queue::Execute).await.0.id.to_string(), id(&again));
    api.finish().await;
}

#[tokio::test]
async fn a_generate_job_is_repeated_as_a_new_version() {
    let api = Fixture::start().await;
    let workflow = api.client.post("/workflows", &json!({"description": "d", "code": "x"})).await.expect(202);
    api.generate("failed").await;
    let path = format!("/jobs/{}/retry", id(&workflow["job"]));
    let again = send(&api, "POST", &path, &[], None).await.expect(202);
    assert_eq!((&again["kind"], &again["version"]), (&json!("generate"), &json!(2)));
    let shown = api.client.get(&format!("/workflows/{}/versions/2", id(&workflow))).await.expect(200);
    assert_eq!((&shown["source"], &shown["code"]), (&json!("supplied"), &json!("x")));
    api.finish().await;
}

#[tokio::test]
async fn an_erased_job_leaves_nothing() {
    let api = Fixture::with(&[("WEBHOOK_ALLOW_PRIVATE", "true")]).await;
    let workflow = api.ready_workflow().await;
    let body = json!({"user_input": "canary-input", "callback_url": "http://127.0.0.1:9/canary-hook",
        "metadata": {"k": "canary-label"}});
    let job = api.client.post(&format!("/workflows/{workflow}/execute"), &body).await.expect(202);
    let path = format!("/jobs/{}", id(&job));
    send(&api, "DELETE", &path, &[], None).await.problem(409, "job_not_final");
    let claimed = api.claim(Queue::Execute).await;
    let entry = json!({"seq": 1, "kind": "tool_call", "name": "t", "arguments": {"query": "canary-query"},
        "state": "ok", "answer": "canary-answer", "started_ms": 1, "ms": 1, "attempt": 1});
    let journal = vec![("k".to_owned(), entry.to_string())];
    let progress = Progress { journal, log: b"canary-log".to_vec(), ..Progress::default() };
    api.store.progress(claimed.0.id, claimed.1.fence, &progress, 1 << 20).await.unwrap();
    let result = Some("\"canary-result\"".to_owned());
    api.end(&claimed, Finish { result, ..Finish::default() }).await;
    let message = api.client.get(&format!("{path}/deliveries")).await.expect(200)["data"][0].clone();
    assert_eq!((&message["status"], &message["url"]), (&json!("pending"), &body["callback_url"]));
    assert!(api.redis.holds("canary"));
    let stale = send(&api, "DELETE", &path, &[("if-match", "\"other\"")], None).await;
    stale.problem(412, "precondition_failed");
    assert_eq!(send(&api, "DELETE", &path, &[], None).await.status, 204);
    for part in ["", "/events", "/logs", "/steps", "/deliveries"] {
        api.client.get(&format!("{path}{part}")).await.problem(404, "not_found");
    }
    send(&api, "DELETE", &path, &[], None).await.problem(404, "not_found");
    assert!(!api.redis.holds("canary"));
    // Where its message stood in line nothing stands any more, as the next worker that looks finds out.
    assert!(
        api.store
            .claim(Queue::Deliver, "worker-1", shared::store::Room::of(1))
            .await
            .unwrap()
            .jobs
            .is_empty()
    );
    assert!(!api.redis.holds(&id(&job)[4..]));
    api.finish().await;
}

#[tokio::test]
async fn a_webhook_is_sent_again_on_demand_whatever_became_of_it() {
    let api = Fixture::with(&[("WEBHOOK_ALLOW_PRIVATE", "true")]).await;
    let workflow = api.ready_workflow().await;
    let body = json!({"user_input": "", "callback_url": "http://127.0.0.1:9/hook"});
    let job = api.client.post(&format!("/workflows/{workflow}/execute"), &body).await.expect(202);
    let path = format!("/jobs/{}/deliveries", id(&job));
    assert_eq!(api.client.get(&path).await.expect(200)["data"], json!([]), "not final yet");
    api.end(&api.claim(Queue::Execute).await, success()).await;
    let deliveries = async || api.client.get(&path).await.expect(200)["data"][0].clone();
    let message = id(&deliveries().await).to_owned();
    let redeliver = async || {
        let path = format!("{path}/{message}/redeliver");
        api.client.send("POST", &path, &[], None).await.expect(202)
    };
    // Waiting for its next attempt.
    let claimed = api.claim(Queue::Deliver).await;
    let hour = std::time::Duration::from_secs(3600);
    assert!(api.store.retry_later(claimed.0.id, claimed.1.fence, hour, false, &[]).await.unwrap());
    assert!(deliveries().await["next_attempt_at"].is_string());
    assert_eq!(redeliver().await["next_attempt_at"], Value::Null);
    // Given up.
    let error = Some(JobError::new(ErrorCode::ProviderError, "410"));
    api.end(&api.claim(Queue::Deliver).await, Finish { error, ..Finish::default() }).await;
    let given_up = deliveries().await;
    assert_eq!((&given_up["status"], &given_up["error"]), (&json!("failed"), &json!("410")));
    assert_eq!(redeliver().await["status"], "pending");
    // Taken.
    api.end(&api.claim(Queue::Deliver).await, Finish::default()).await;
    assert_eq!(deliveries().await["status"], "delivered");
    redeliver().await;
    assert_eq!(api.claim(Queue::Deliver).await.0.id.to_string(), message);
    let foreign = format!("{path}/msg_{}/redeliver", "0".repeat(32));
    api.client.send("POST", &foreign, &[], None).await.problem(404, "not_found");
    api.finish().await;
}
