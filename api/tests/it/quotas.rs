//! What a tenant may use: requests a minute, waiting jobs, and the counts of its day.

use serde_json::json;
use shared::store::{DailyLimits, Spending};

use crate::fixture::Fixture;

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_told_when_to_come_again_and_others_are_not() {
    let api = Fixture::with_keys(&[("TENANT_REQUESTS_PER_MINUTE", "5")]).await;
    let (acme, other) = (api.key_of("acme").await, api.key_of("other").await);
    for left in (0..5).rev() {
        let answer = api.client.with_key(&acme, "GET", "/jobs", None).await;
        answer.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"requests\";q=5;w=60"));
        let state = answer.header("ratelimit").unwrap();
        assert!(state.starts_with(&format!("\"requests\";r={left};t=")), "{state}");
    }
    let refused = api.client.with_key(&acme, "GET", "/jobs", None).await;
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "one comes back every 12 s: {wait}");
    assert!(refused.header("ratelimit").unwrap().starts_with("\"requests\";r=0;t="));
    api.client.with_key(&other, "GET", "/jobs", None).await.expect(200);
    api.finish().await;
}

#[tokio::test]
async fn a_tenants_own_limits_come_before_the_configured_ones() {
    let api = Fixture::with_keys(&[("TENANT_REQUESTS_PER_MINUTE", "1"), ("TENANT_QUEUED_MAX", "1")]).await;
    let acme = api.key_of("acme").await;
    // The operator's own tenant is counted, too: one request a minute is over by now.
    api.operator("GET", "/tenants", None).await.problem(429, "rate_limited");
    let change = shared::store::TenantChange {
        limits: vec![("requests_per_minute", Some(0)), ("queued_max", Some(2))],
        ..shared::store::TenantChange::default()
    };
    api.store.change_tenant(&"acme".parse().unwrap(), &change).await.unwrap();
    let workflow = json!({"description": "d"});
    for _ in 0..2 {
        let made = api.client.with_key(&acme, "POST", "/workflows", Some(&workflow)).await;
        made.expect(202);
        assert_eq!(made.header("ratelimit"), None, "no limit, nothing to tell");
    }
    let full = api.client.with_key(&acme, "POST", "/workflows", Some(&workflow)).await;
    full.problem(429, "queue_full");
    assert!(full.header("retry-after").is_some());
    api.finish().await;
}

#[tokio::test]
async fn the_operator_sets_what_holds_for_a_tenant() {
    let api = Fixture::with_keys(&[]).await;
    api.operator("PUT", "/tenants/acme", Some(&json!({}))).await.problem(404, "not_found");
    api.key_of("acme").await;
    let body = json!({"limits": {"running_max": 3, "tokens_per_day": 0}, "workspaces": [4, 9], "operator_credentials": true});
    let set = api.operator("PUT", "/tenants/acme", Some(&body)).await.expect(200);
    assert_eq!(set["limits"]["running_max"], 3);
    assert_eq!(set["limits"]["tokens_per_day"], 0);
    assert_eq!(set["limits"]["queued_max"], json!(null));
    assert_eq!(set["workspaces"], json!([4, 9]));
    let written = json!({"limits": {"running_max": 3.0, "tokens_per_day": 0}, "workspaces": [4.0, 9e0], "operator_credentials": true});
    assert_eq!(
        api.operator("PUT", "/tenants/acme", Some(&written)).await.expect(200),
        set,
        "JSON knows one kind of number"
    );
    assert_eq!(set["operator_credentials"], true);
    assert_eq!(api.operator("GET", "/tenants/acme", None).await.expect(200), set);
    let list = api.operator("GET", "/tenants?limit=1", None).await.expect(200);
    assert_eq!((&list["data"][0], &list["has_more"]), (&set, &json!(false)));
    let back = api.operator("PUT", "/tenants/acme", Some(&json!({}))).await.expect(200);
    assert_eq!((&back["limits"]["running_max"], &back["workspaces"]), (&json!(null), &json!(null)));
    assert_eq!(back["operator_credentials"], false);
    for (body, pointer) in [
        (json!({"limits": {"running_max": -1}}), "/limits/running_max"),
        (json!({"limits": {"walking_max": 1}}), "/limits/walking_max"),
        (json!({"limits": 3}), "/limits"),
        (json!({"workspaces": ["a"]}), "/workspaces/0"),
        (json!({"workspaces": [1, 1]}), "/workspaces/1"),
        (json!({"operator_credentials": "yes"}), "/operator_credentials"),
        (json!({"running_max": 1}), "/running_max"),
    ] {
        let refused = api.operator("PUT", "/tenants/acme", Some(&body)).await;
        assert_eq!(refused.problem(422, "invalid_request")["errors"][0]["pointer"], pointer);
    }
    api.finish().await;
}

#[tokio::test]
async fn usage_counts_the_day_of_this_tenant_and_shows_its_limits() {
    let api = Fixture::with_keys(&[("TENANT_TOKENS_PER_DAY", "1000")]).await;
    let (acme, other) = (api.key_of("acme").await, api.key_of("other").await);
    let workflow = json!({"description": "d"});
    api.client.with_key(&acme, "POST", "/workflows", Some(&workflow)).await.expect(202);
    let spending = Spending { tool_calls: 2, input_tokens: 30, output_tokens: 4, ..Spending::default() };
    let spent = api.store.spend(&"acme".parse().unwrap(), DailyLimits::default(), &spending).await.unwrap();
    assert_eq!(spent, Ok(()));
    let usage = api.client.with_key(&acme, "GET", "/usage", None).await.expect(200);
    assert_eq!(usage["jobs"], json!({"used": 1, "limit": null}));
    assert_eq!(usage["tool_calls"], json!({"used": 2, "limit": 100_000}));
    assert_eq!(usage["tokens"], json!({"used": 34, "limit": 1000}));
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(30), &json!(4)));
    assert_eq!(usage["queued"], json!({"used": 1, "limit": 10_000}));
    assert!(usage["day"].as_str().unwrap().ends_with("T00:00:00.000Z"));
    assert!(usage["resets_at"].as_str() > usage["day"].as_str());
    let foreign = api.client.with_key(&other, "GET", "/usage", None).await.expect(200);
    assert_eq!(foreign["tokens"]["used"], 0);
    api.finish().await;
}

#[tokio::test]
async fn where_no_keys_are_required_nothing_is_limited() {
    let api = Fixture::start().await;
    let answer = api.client.get("/usage").await;
    let usage = answer.expect(200);
    for name in ["jobs", "tool_calls", "tokens", "queued", "running"] {
        assert_eq!(usage[name], json!({"used": 0, "limit": null}), "{name}");
    }
    assert_eq!(answer.header("ratelimit"), None);
    api.finish().await;
}

#[tokio::test]
async fn every_answer_to_a_known_key_tells_what_is_left_whatever_it_is() {
    // So few that none comes back while they are counted: the next after 6 s.
    let api = Fixture::with_keys(&[("TENANT_REQUESTS_PER_MINUTE", "10")]).await;
    let acme = api.key_of("acme").await;
    let unknown = format!("/jobs/job_{}", "0".repeat(32));
    let empty = json!({});
    let mut left = 10;
    for (method, path, body, status) in [
        ("GET", "/usage", None, 200),
        ("GET", unknown.as_str(), None, 404),
        ("GET", "/jobs?limit=0", None, 422),
        ("POST", "/workflows", Some(&empty), 422),
        ("POST", "/workflows", None, 415),
        ("GET", "/keys", None, 403),
        ("POST", "/files", Some(&empty), 415),
    ] {
        let answer = api.client.with_key(&acme, method, path, body).await;
        left -= 1;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("ratelimit-policy"), Some("\"requests\";q=10;w=60"), "{method} {path}");
        let state = answer.header("ratelimit").unwrap();
        assert!(state.starts_with(&format!("\"requests\";r={left};t=")), "{method} {path}: {state}");
    }
    // Nobody's: nothing to count.
    let foreign = api.client.with_key("wfk_wrong", "GET", "/jobs", None).await;
    assert_eq!((foreign.status, foreign.header("ratelimit")), (401, None));
    api.finish().await;
}

#[tokio::test]
async fn who_waits_as_long_as_told_is_served_again() {
    let api = Fixture::with_keys(&[("TENANT_REQUESTS_PER_MINUTE", "60")]).await;
    let acme = api.key_of("acme").await;
    let ask = async || api.client.with_key(&acme, "GET", "/usage", None).await;
    let refused = loop {
        let answer = ask().await;
        if answer.status != 200 {
            break answer;
        }
    };
    refused.problem(429, "rate_limited");
    let wait = refused.header("retry-after").unwrap().parse().unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    ask().await.expect(200);
    api.finish().await;
}
