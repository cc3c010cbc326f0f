//! A tenant's provider keys and webhook secret: set and replaced, and never told again.

use serde_json::json;

use crate::fixture::Fixture;

const VALUE: &str = "sk-ant-0123456789-canary";

#[tokio::test]
async fn a_credential_is_known_by_its_end_and_lies_sealed() {
    let api = Fixture::with_keys(&[]).await;
    let (acme, other) = (api.key_of("acme").await, api.key_of("other").await);
    let path = "/credentials/anthropic_api_key";
    let set = api.client.with_key(&acme, "PUT", path, Some(&json!({"value": VALUE}))).await;
    assert_eq!(
        set.expect(200),
        json!({"name": "anthropic_api_key", "object": "credential", "last4": "nary"})
    );
    let listed = api.client.with_key(&acme, "GET", "/credentials", None).await.expect(200);
    assert_eq!(listed["data"], json!([set.json()]));
    let named = api.operator("GET", "/credentials?tenant=acme", None).await.expect(200);
    assert_eq!(named, listed);
    assert!(!api.redis.dump().await.contains(VALUE));

    let foreign = api.client.with_key(&other, "GET", "/credentials", None).await.expect(200);
    assert_eq!(foreign["data"], json!([]));
    api.client.with_key(&other, "DELETE", path, None).await.problem(404, "not_found");
    let reach = format!("{path}?tenant=acme");
    api.client.with_key(&other, "DELETE", &reach, None).await.problem(403, "insufficient_scope");
    assert_eq!(api.client.with_key(&acme, "DELETE", path, None).await.status, 204);
    api.client.with_key(&acme, "DELETE", path, None).await.problem(404, "not_found");
    api.finish().await;
}

#[tokio::test]
async fn what_is_no_credential_is_refused_without_being_repeated() {
    let api = Fixture::with_keys(&[]).await;
    let acme = api.key_of("acme").await;
    let put = async |path: &str, value: &str| {
        api.client.with_key(&acme, "PUT", path, Some(&json!({"value": value}))).await
    };
    put("/credentials/admin_api_key", VALUE).await.problem(404, "not_found");
    for value in ["short", "with a space", "ünïcode-key", "line\nbreak"] {
        let refused = put("/credentials/lighton_api_key", value).await;
        let problem = refused.problem(422, "invalid_request");
        assert!(problem["errors"][0]["pointer"] == "/value" && !problem.to_string().contains(value));
    }
    put("/credentials/lighton_api_key", &"x".repeat(1001)).await.problem(413, "too_large");
    api.finish().await;
}

#[tokio::test]
async fn a_webhook_secret_is_replaced_and_the_old_one_signs_on_for_a_while() {
    let api = Fixture::with_keys(&[]).await;
    let (acme, other) = (api.key_of("acme").await, api.key_of("other").await);
    let get = async |key: &str| api.client.with_key(key, "GET", "/webhook-secret", None).await.expect(200);
    let first = get(&acme).await;
    let foreign = get(&other).await;
    assert_eq!((&first["previous"], &first["previous_expires_at"]), (&json!(null), &json!(null)));
    let body = json!({"overlap_ms": 60_000});
    let rotated = api.client.with_key(&acme, "POST", "/webhook-secret/rotate", Some(&body)).await.expect(200);
    assert_eq!(rotated["previous"], first["secret"]);
    assert_ne!(rotated["secret"], first["secret"]);
    assert!(rotated["previous_expires_at"].is_string());
    assert_eq!(get(&acme).await, rotated);
    assert_eq!(get(&other).await, foreign, "another tenant's stays as it is");
    let at_once = json!({"overlap_ms": 0});
    let last = api.client.with_key(&acme, "POST", "/webhook-secret/rotate", Some(&at_once)).await.expect(200);
    assert_eq!(last["previous"], json!(null));
    let wrong = json!({"overlap_ms": 604_800_001});
    let refused = api.client.with_key(&acme, "POST", "/webhook-secret/rotate", Some(&wrong)).await;
    refused.problem(422, "invalid_request");
    let dump = api.redis.dump().await;
    for secret in [&first["secret"], &rotated["secret"], &last["secret"]] {
        assert!(!dump.contains(&secret.as_str().unwrap()[6..]));
    }
    api.finish().await;
}

/// A second rotation would silence the secret that receivers still verify with.
#[tokio::test]
async fn a_rotation_whose_answer_was_lost_is_repeated_under_its_key_without_rotating_again() {
    let api = Fixture::with_keys(&[]).await;
    let acme = api.key_of("acme").await;
    let bearer = format!("Bearer {acme}");
    let rotate = |key: &'static str, overlap_ms: u64| {
        let (client, bearer) = (api.client.clone(), bearer.clone());
        tokio::spawn(async move {
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
            let body = json!({"overlap_ms": overlap_ms});
            client.send("POST", "/webhook-secret/rotate", &headers, Some(&body)).await
        })
    };
    let first = api.client.with_key(&acme, "GET", "/webhook-secret", None).await.expect(200);
    let asking: Vec<_> = (0..10).map(|_| rotate("one", 60_000)).collect();
    let (mut secrets, mut replayed) = (std::collections::BTreeSet::new(), 0);
    for asked in asking {
        let answer = asked.await.unwrap();
        let rotated = answer.expect(200);
        assert_eq!(rotated["previous"], first["secret"]);
        secrets.insert(rotated["secret"].to_string());
        replayed += usize::from(answer.header("idempotent-replayed") == Some("true"));
    }
    assert_eq!((secrets.len(), replayed), (1, 9), "one new secret, told ten times");
    rotate("one", 0).await.unwrap().problem(422, "idempotency_key_reused");
    let next = rotate("two", 60_000).await.unwrap().expect(200);
    assert!(secrets.contains(&next["previous"].to_string()));
    api.finish().await;
}

#[tokio::test]
async fn at_its_start_an_api_with_a_new_secrets_key_seals_everything_with_it() {
    let api = Fixture::with_keys(&[]).await;
    let acme = api.key_of("acme").await;
    let body = json!({"value": VALUE});
    api.client.with_key(&acme, "PUT", "/credentials/lighton_api_key", Some(&body)).await.expect(200);
    let secret = api.client.with_key(&acme, "GET", "/webhook-secret", None).await.expect(200);
    let newest = "bmV3IHNlY3JldHMga2V5LCBuZXcgc2VjcmV0cyBrZXk=";
    let keys = [("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", crate::fixture::ADMIN)];
    let both = format!("{newest},{}", crate::fixture::SECRETS_KEY);
    let second = api.another(&[&keys[..], &[("SECRETS_KEY", both.as_str())]].concat()).await;
    let sealed_anew = shared::seal::Sealer::from_keys(&newest.to_owned().into()).unwrap();
    let tenant = "acme".parse().unwrap();
    let resealed = async {
        while api.store.webhook_secrets(&tenant, &sealed_anew).await.is_err()
            || api.store.tenant(&tenant).await.unwrap().credentials(&sealed_anew).is_err()
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::client::DEADLINE, resealed).await.expect("it is sealed anew");
    let same = second.client.with_key(&acme, "GET", "/webhook-secret", None).await.expect(200);
    assert_eq!(same["secret"], secret["secret"]);
    second.stop().await;
    api.finish().await;
}
