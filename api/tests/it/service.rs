//! What is about the service itself.

use serde_json::json;
use shared::{store::WorkerReport, time::Timestamp};

use crate::fixture::Fixture;

fn report() -> WorkerReport {
    WorkerReport {
        name: "worker-1".to_owned(),
        sandbox_tier: "A".to_owned(),
        sandbox_layers: vec!["seccomp".to_owned(), "landlock".to_owned()],
        python_version: "3.11.2".to_owned(),
        queues: vec!["execute".to_owned()],
        concurrency: 8,
        running: 3,
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
    api.finish().await;
}
