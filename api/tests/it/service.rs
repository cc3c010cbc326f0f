//! What is about the service itself.

use serde_json::json;
use shared::{
    job::{ErrorCode, JobError, Queue},
    store::{Cells, Finish, WorkerReport},
    time::Timestamp,
};

use crate::fixture::{Fixture, id, success};

fn report() -> WorkerReport {
    WorkerReport {
        name: "worker-1".to_owned(),
        sandbox_tier: "A".to_owned(),
        sandbox_layers: vec!["seccomp".to_owned(), "landlock".to_owned()],
        python_version: "3.11.2".to_owned(),
        queues: vec!["execute".to_owned()],
        concurrency: 8,
        running: 3,
        cells: Cells { ready: 4, busy: 3, memory_bytes: 1000 },
        reported_at: Timestamp::now(),
    }
}

#[tokio::test]
async fn health_shows_the_workers_with_tier_and_walls() {
    let api = Fixture::start().await;
    assert_eq!(api.client.get("/healthz").await.expect(200)["workers"], json!([]));
    api.store.report_worker(&report()).await.unwrap();
    let health = api.client.get("/healthz").await.expect(200);
    assert_eq!((&health["status"], &health["store"]), (&json!("ok"), &json!("ok")));
    let worker = &health["workers"][0];
    assert_eq!(
        (&worker["sandbox_tier"], &worker["sandbox_layers"]),
        (&json!("A"), &json!(["seccomp", "landlock"]))
    );
    api.finish().await;
}

#[tokio::test]
async fn where_keys_are_required_only_the_operator_sees_the_workers() {
    let api = Fixture::with(&[("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", "an-admin-key")]).await;
    api.store.report_worker(&report()).await.unwrap();
    let health = async |headers: &[(&str, &str)]| {
        api.client.send("GET", "/healthz", headers, None).await.expect(200)["workers"].clone()
    };
    assert!(health(&[]).await.is_null());
    assert!(health(&[("authorization", "Bearer wrong")]).await.is_null());
    assert_eq!(health(&[("authorization", "Bearer an-admin-key")]).await[0]["name"], "worker-1");
    api.finish().await;
}

#[tokio::test]
async fn health_is_told_also_while_the_store_is_away() {
    let mut api = Fixture::start().await;
    api.redis.stop();
    let health = api.client.get("/healthz").await.expect(200);
    assert_eq!((&health["status"], &health["store"]), (&json!("ok"), &json!("unavailable")));
    // Who could not be served meanwhile is counted, and told when it is back.
    api.client.get("/jobs").await.problem(503, "store_unavailable");
    api.redis.restart().await;
    let told = async {
        loop {
            let metrics = api.client.get("/metrics").await;
            if metrics.status == 200 {
                return metrics.text();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let told = tokio::time::timeout(crate::client::DEADLINE, told).await.expect("the store is found again");
    let errors = told.lines().find_map(|line| line.strip_prefix("wf_store_errors_total{process=\"api\"} "));
    assert!(errors.and_then(|count| count.parse::<f64>().ok()) >= Some(1.0), "{told}");
    api.finish().await;
}

#[tokio::test]
async fn metrics_tell_what_happened_to_jobs_and_how_the_queues_are() {
    let api = Fixture::start().await;
    api.store.report_worker(&report()).await.unwrap();
    let job = api.queued_job().await;
    let claimed = api.claim(Queue::Execute).await;
    let error = Some(JobError::new(ErrorCode::PythonError, "x"));
    api.end(&claimed, Finish { error, ..Finish::default() }).await;
    let path = format!("/jobs/{}/retry", id(&job));
    api.client.send("POST", &path, &[], None).await.expect(202);
    api.end(&api.claim(Queue::Execute).await, success()).await;
    api.client.send("POST", &path, &[], None).await.expect(202);
    api.store.counters().count("wf_tool_calls_total", &[("tool", "t"), ("outcome", "ok")]);
    api.store.report_counters().await.unwrap();
    let answer = api.client.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    for line in [
        "wf_queue_jobs{queue=\"execute\",state=\"queued\"} 1",
        "wf_queue_jobs{queue=\"execute\",state=\"running\"} 0",
        "wf_jobs_finished_total{queue=\"execute\",status=\"failed\",code=\"python_error\"} 1",
        "wf_jobs_finished_total{queue=\"execute\",status=\"succeeded\",code=\"\"} 1",
        "wf_attempts_total{queue=\"execute\"} 2",
        "wf_job_wait_seconds_count{queue=\"execute\"} 2",
        "wf_job_duration_seconds_count{queue=\"generate\"} 1",
        "wf_job_duration_seconds_bucket{queue=\"generate\",le=\"+Inf\"} 1",
        "wf_tool_calls_total{tool=\"t\",outcome=\"ok\"} 1",
        "wf_worker_info{worker=\"worker-1\",tier=\"A\",python=\"3.11.2\"} 1",
        "wf_worker_sandbox_layer{worker=\"worker-1\",layer=\"seccomp\"} 1",
        "wf_worker_cells{worker=\"worker-1\",state=\"ready\"} 4",
        "wf_http_requests_total{method=\"POST\",route=\"/jobs/{id}/retry\",status=\"202\"} 2",
        "wf_http_requests_in_flight 1",
        "wf_event_streams 0",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} in\n{text}");
    }
    let age =
        text.lines().find_map(|line| line.strip_prefix("wf_queue_oldest_age_seconds{queue=\"execute\"} "));
    assert!(age.unwrap().parse::<f64>().unwrap() < 60.0);
    // Every line is one Prometheus can read: a comment, or a series and a number.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok()), "{line}");
    }
    api.finish().await;
}

#[tokio::test]
async fn metrics_are_for_the_operator() {
    let api = Fixture::with(&[("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", "an-admin-key")]).await;
    api.client.get("/metrics").await.problem(401, "unauthorized");
    let key = [("authorization", "Bearer an-admin-key")];
    assert_eq!(api.client.send("GET", "/metrics", &key, None).await.status, 200);
    api.finish().await;
}
