//! Tenants on several shards, as clients and the operator see them: as on one.

use serde_json::{Value, json};
use shared::job::Queue;

use crate::fixture::{ADMIN, Fixture, id, success};

const THREE: &[(&str, &str)] = &[("REDIS_SHARDS", "3")];

/// A workflow of this key's tenant that can be executed.
async fn ready_workflow(api: &Fixture, key: &str) -> String {
    let created = api.client.with_key(key, "POST", "/workflows", Some(&json!({"description": "d"}))).await;
    api.generate("ready").await;
    id(&created.expect(202)).to_owned()
}

async fn shard_of(api: &Fixture, tenant: &str) -> Value {
    api.operator("GET", &format!("/tenants/{tenant}"), None).await.expect(200)["shard"].clone()
}

#[tokio::test]
async fn what_the_operator_names_is_found_on_whichever_shard_it_is() {
    let api = Fixture::with_keys(THREE).await;
    let names = ["zeta", "acme", "mill"];
    for (number, name) in names.into_iter().enumerate() {
        api.key_of(name).await;
        assert_eq!(shard_of(&api, name).await, number);
        // Limits and credentials lie where the tenant's jobs do: workers and scripts look for them there.
        let (path, limits) = (format!("/tenants/{name}"), json!({"limits": {"running_max": number + 1}}));
        let set = api.operator("PUT", &path, Some(&limits)).await.expect(200);
        assert_eq!((&set["shard"], &set["limits"]["running_max"]), (&json!(number), &json!(number + 1)));
        let path = format!("/credentials/openai_api_key?tenant={name}");
        api.operator("PUT", &path, Some(&json!({"value": "sk-0123456789abcdef"}))).await.expect(200);
        let home = api.home(name).await;
        let stored = home.store().tenant(home.tenant()).await.unwrap();
        assert!(stored.credentials_version().is_some() && stored.limits.running_max.is_some());
        let listed = api.operator("GET", &format!("/credentials?tenant={name}"), None).await.expect(200);
        assert_eq!(listed["data"][0]["name"], "openai_api_key");
    }
    let (mut seen, mut path) = (Vec::new(), "/tenants?limit=2".to_owned());
    loop {
        let page = api.operator("GET", &path, None).await.expect(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|tenant| tenant["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/tenants?limit=2&after={next}");
    }
    assert_eq!(seen, ["acme", "mill", "zeta"]);
    api.operator("GET", "/tenants/nobody", None).await.problem(404, "not_found");
    let audit = api.operator("GET", "/audit", None).await.expect(200);
    assert_eq!(audit["data"].as_array().unwrap().len(), 9, "one log for all: {audit}");
    api.finish().await;
}

#[tokio::test]
async fn an_api_that_was_told_of_fewer_serves_all_and_hears_of_their_jobs() {
    let api = Fixture::with_keys(THREE).await;
    let keys = [api.key_of("a").await, api.key_of("b").await, api.key_of("c").await];
    assert_eq!(shard_of(&api, "c").await, 2);
    let required = [("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", ADMIN)];
    let told_of_one = api.another(&required).await;
    let key = &keys[2];
    let path = format!("/workflows/{}/execute", ready_workflow(&api, key).await);
    let body = json!({"user_input": "in"});
    let job = told_of_one.client.with_key(key, "POST", &path, Some(&body)).await.expect(202);
    // It waits, and is woken by the event on a shard it had never heard of before.
    let waiting = format!("/jobs/{}?wait=60", id(&job));
    let (ended, ()) = tokio::join!(told_of_one.client.with_key(key, "GET", &waiting, None), async {
        let claimed = api.claim(Queue::Execute).await;
        api.end(&claimed, success()).await;
    });
    assert_eq!(ended.expect(200)["status"], "succeeded");
    let metrics = told_of_one.client.with_key(ADMIN, "GET", "/metrics", None).await.text();
    let counted = r#"wf_jobs_finished_total{queue="execute",status="succeeded""#;
    assert!(metrics.lines().any(|line| line.starts_with(counted) && line.ends_with(" 1")), "{metrics}");
    told_of_one.stop().await;
    api.finish().await;
}

#[tokio::test]
async fn more_shards_move_nobody() {
    let api = Fixture::with_keys(&[]).await;
    let (old, older) = (api.key_of("old").await, api.key_of("older").await);
    let workflow = format!("/workflows/{}", ready_workflow(&api, &old).await);
    let required = [("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", ADMIN)];
    let more = api.another(&[&required, THREE].concat()).await;
    for (name, number) in [("new", 1), ("newer", 2)] {
        let body = json!({"tenant": name});
        more.client.with_key(ADMIN, "POST", "/keys", Some(&body)).await.expect(201);
        assert_eq!(shard_of(&api, name).await, number);
    }
    for (name, key) in [("old", &old), ("older", &older)] {
        // Another key of the same tenant, made by the api that knows of more.
        let body = json!({"tenant": name});
        let another = more.client.with_key(ADMIN, "POST", "/keys", Some(&body)).await;
        let another = another.expect(201)["secret"].as_str().unwrap().to_owned();
        assert_eq!(shard_of(&api, name).await, 0);
        let found = if name == "old" { 200 } else { 404 };
        for client in [&api.client, &more.client] {
            for key in [key, &another] {
                assert_eq!(client.with_key(key, "GET", &workflow, None).await.status, found);
            }
        }
    }
    more.stop().await;
    api.finish().await;
}
