//! API keys: what they open, what they do not, and how they end.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::{
    client::{DEADLINE, request},
    fixture::{ADMIN, Fixture},
};

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("no {name}: {object}"))
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_its_own_tenant_and_no_other() {
    let api = Fixture::with_keys(&[]).await;
    let body = json!({"tenant": "acme", "name": "import"});
    let created = api.operator("POST", "/keys", Some(&body)).await;
    let key = created.expect(201);
    let secret = text(&key, "secret").to_owned();
    assert!(secret.starts_with("wfk_") && secret.ends_with(text(&key, "last4")));
    assert_eq!(created.header("location").unwrap(), format!("/keys/{}", text(&key, "id")));
    assert_eq!(key["scopes"], json!(["read", "write", "manage"]));

    let workflow = json!({"description": "d"});
    let made = api.client.with_key(&secret, "POST", "/workflows", Some(&workflow)).await.expect(202);
    let mine = format!("/workflows/{}", text(&made, "id"));
    api.client.with_key(&secret, "GET", &mine, None).await.expect(200);
    api.client.send("GET", &mine, &[("x-api-key", &secret)], None).await.expect(200);
    let other = api.key_of("other").await;
    api.client.with_key(&other, "GET", &mine, None).await.problem(404, "not_found");
    api.operator("GET", &mine, None).await.problem(404, "not_found");

    let listed = api.operator("GET", "/keys?tenant=acme", None).await.expect(200);
    assert_eq!(listed["data"][0]["name"], "import");
    assert!(listed["data"][0]["last_used_at"].is_string(), "{listed}");
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert!(!listed.to_string().contains(&secret));
    let shown = api.operator("GET", &format!("/keys/{}", text(&key, "id")), None).await.expect(200);
    assert_eq!(shown, listed["data"][0]);
    api.finish().await;
}

#[tokio::test]
async fn a_revoked_key_is_unknown_from_the_next_request_on() {
    let api = Fixture::with_keys(&[]).await;
    let created = api.operator("POST", "/keys", Some(&json!({"tenant": "acme"}))).await.expect(201);
    let (secret, path) = (text(&created, "secret"), format!("/keys/{}", text(&created, "id")));
    api.client.with_key(secret, "GET", "/jobs", None).await.expect(200);
    assert_eq!(api.operator("DELETE", &path, None).await.status, 204);
    let refused = api.client.with_key(secret, "GET", "/jobs", None).await;
    refused.problem(401, "unauthorized");
    assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"));
    api.operator("DELETE", &path, None).await.problem(404, "not_found");
    api.operator("GET", &path, None).await.problem(404, "not_found");
    assert_eq!(api.operator("GET", "/keys", None).await.expect(200)["data"], json!([]));
    api.finish().await;
}

#[tokio::test]
async fn a_rotated_key_stays_good_for_as_long_as_asked() {
    let api = Fixture::with_keys(&[]).await;
    let body = json!({"tenant": "acme", "name": "n", "scopes": ["read"]});
    let old = api.operator("POST", "/keys", Some(&body)).await.expect(201);
    let rotate = format!("/keys/{}/rotate", text(&old, "id"));
    let new = api.operator("POST", &rotate, Some(&json!({"overlap_ms": 3_600_000}))).await.expect(201);
    assert_eq!(
        (&new["name"], &new["scopes"], &new["tenant"]),
        (&old["name"], &old["scopes"], &old["tenant"])
    );
    for key in [&old, &new] {
        api.client.with_key(text(key, "secret"), "GET", "/jobs", None).await.expect(200);
    }
    let shown = api.operator("GET", &format!("/keys/{}", text(&old, "id")), None).await.expect(200);
    assert!(shown["expires_at"].is_string());

    let rotate = format!("/keys/{}/rotate", text(&new, "id"));
    let last = api.operator("POST", &rotate, Some(&json!({"overlap_ms": 0}))).await.expect(201);
    api.client.with_key(text(&new, "secret"), "GET", "/jobs", None).await.problem(401, "unauthorized");
    api.client.with_key(text(&last, "secret"), "GET", "/jobs", None).await.expect(200);
    // Without a body: a day.
    api.operator("POST", &format!("/keys/{}/rotate", text(&last, "id")), None).await.expect(201);
    api.client.with_key(text(&last, "secret"), "GET", "/jobs", None).await.expect(200);
    api.finish().await;
}

#[tokio::test]
async fn an_expired_key_is_unknown() {
    let api = Fixture::with_keys(&[]).await;
    let body = json!({"tenant": "acme", "expires_in_ms": 5_000}); // used once before, however slowly
    let key = api.operator("POST", "/keys", Some(&body)).await.expect(201);
    assert!(key["expires_at"].is_string());
    let secret = text(&key, "secret");
    api.client.with_key(secret, "GET", "/jobs", None).await.expect(200);
    // Redis takes it away by its own clock: asked until it has.
    let expired = async {
        while api.client.with_key(secret, "GET", "/jobs", None).await.status != 401 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, expired).await.expect("it expires");
    assert_eq!(api.operator("GET", "/keys", None).await.expect(200)["data"], json!([]));
    api.finish().await;
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_is_told_what_is_missing() {
    let api = Fixture::with_keys(&[]).await;
    let key = async |scopes: Value| {
        let body = json!({"tenant": "acme", "scopes": scopes});
        let key = api.operator("POST", "/keys", Some(&body)).await.expect(201);
        text(&key, "secret").to_owned()
    };
    let (reads, writes) = (key(json!(["read"])).await, key(json!(["write"])).await);
    let (manages, administers) = (key(json!(["manage"])).await, key(json!(["admin"])).await);
    let workflow = json!({"description": "d"});
    for (key, method, path, body, missing) in [
        (&reads, "POST", "/workflows", Some(&workflow), "write"),
        (&reads, "GET", "/webhook-secret", None, "manage"),
        (&reads, "GET", "/keys", None, "admin"),
        (&writes, "GET", "/workflows", None, "read"),
        (&writes, "GET", "/credentials", None, "manage"),
        (&manages, "GET", "/jobs", None, "read"),
        (&manages, "GET", "/audit", None, "admin"),
        (&manages, "GET", "/credentials?tenant=other", None, "admin"),
        (&administers, "GET", "/jobs", None, "read"),
        (&administers, "GET", "/webhook-secret", None, "manage"),
    ] {
        let refused = api.client.with_key(key, method, path, body).await;
        refused.problem(403, "insufficient_scope");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains(&format!("scope=\"{missing}\"")), "{method} {path}: {challenge}");
    }
    api.client.with_key(&reads, "GET", "/workflows", None).await.expect(200);
    api.client.with_key(&writes, "POST", "/workflows", Some(&workflow)).await.expect(202);
    api.client.with_key(&manages, "GET", "/webhook-secret", None).await.expect(200);
    api.client.with_key(&administers, "GET", "/keys", None).await.expect(200);
    api.finish().await;
}

#[tokio::test]
async fn who_guesses_is_made_to_wait_and_who_knows_is_not() {
    let api = Fixture::with_keys(&[]).await;
    let known = api.key_of("acme").await;
    let mut wrong = known.clone();
    wrong.replace_range(40..41, if known.as_bytes()[40] == b'0' { "1" } else { "0" });
    // Twenty, and one more for each 3 s that the guessing takes.
    let (began, mut guessed) = (std::time::Instant::now(), 0);
    while api.client.with_key(&wrong, "GET", "/jobs", None).await.status == 401 {
        guessed += 1;
        assert!(guessed <= 20 + began.elapsed().as_secs() / 3, "{guessed} in {:?}", began.elapsed());
    }
    assert!(guessed >= 20, "{guessed}");
    let refused = api.client.with_key("guess", "GET", "/jobs", None).await;
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // The operator's key could be guessed, ours cannot.
    api.operator("GET", "/jobs", None).await.problem(429, "rate_limited");
    let health = api.operator("GET", "/healthz", None).await.expect(200);
    assert!(health.get("workers").is_none(), "no way around by another path");
    api.client.with_key(&known, "GET", "/jobs", None).await.expect(200);
    api.finish().await;
}

#[tokio::test]
async fn keys_lie_hashed_and_survive_a_new_secrets_key() {
    let api = Fixture::with_keys(&[]).await;
    let key = api.key_of("acme").await;
    let redis = &api.redis;
    let dump = redis.dump().await;
    assert!(dump.contains("digest") && !dump.contains(&key[37..]) && !dump.contains(ADMIN), "{dump}");

    let newest = "bmV3IHNlY3JldHMga2V5LCBuZXcgc2VjcmV0cyBrZXk=";
    let both = format!("{newest},{}", crate::fixture::SECRETS_KEY);
    let keys = [("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", ADMIN)];
    let second = api.another(&[&keys[..], &[("SECRETS_KEY", both.as_str())]].concat()).await;
    second.client.with_key(&key, "GET", "/jobs", None).await.expect(200);
    second.stop().await;
    // Used under both, it is known to the newest alone.
    let third = api.another(&[&keys[..], &[("SECRETS_KEY", newest)]].concat()).await;
    third.client.with_key(&key, "GET", "/jobs", None).await.expect(200);
    third.stop().await;
    api.finish().await;
}

#[tokio::test]
async fn where_no_keys_are_required_everybody_is_the_operator_and_a_key_changes_nothing() {
    let api = Fixture::start().await;
    let made = api.client.post("/keys", &json!({"tenant": "acme"})).await.expect(201);
    let workflow = api.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
    let path = format!("/workflows/{}", text(&workflow, "id"));
    api.client.with_key(text(&made, "secret"), "GET", &path, None).await.expect(200);
    api.client.with_key("nonsense", "GET", &path, None).await.expect(200);
    api.finish().await;
}

#[tokio::test]
async fn what_the_operator_changes_is_written_down_and_what_is_secret_is_not() {
    let api = Fixture::with_keys(&[]).await;
    let created = api.operator("POST", "/keys", Some(&json!({"tenant": "acme"}))).await;
    let key = created.expect(201);
    let settings = json!({"limits": {"running_max": 2}, "workspaces": [5]});
    api.operator("PUT", "/tenants/acme", Some(&settings)).await.expect(200);
    let secret = text(&key, "secret");
    let value = json!({"value": "lgt-0123456789-secret"});
    api.client.with_key(secret, "PUT", "/credentials/lighton_api_key", Some(&value)).await.expect(200);
    api.client.with_key(secret, "POST", "/webhook-secret/rotate", None).await.expect(200);
    api.operator("POST", &format!("/keys/{}/rotate", text(&key, "id")), None).await.expect(201);
    assert_eq!(api.operator("DELETE", &format!("/keys/{}", text(&key, "id")), None).await.status, 204);

    let log = api.operator("GET", "/audit", None).await.expect(200);
    let told: Vec<(&str, &str)> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(entry, "action"), text(entry, "actor")))
        .collect();
    let acme = text(&key, "id");
    assert_eq!(
        told,
        [
            ("key.revoke", "operator"),
            ("key.rotate", "operator"),
            ("webhook_secret.rotate", acme),
            ("credential.set", acme),
            ("tenant.set", "operator"),
            ("key.create", "operator"),
        ]
    );
    assert!(log["data"].as_array().unwrap().iter().all(|entry| entry["tenant"] == "acme"));
    assert_eq!(log["data"][5]["request_id"].as_str(), created.header("x-request-id"));
    assert!(!log.to_string().contains("0123456789-secret") && !log.to_string().contains(secret));

    let first = api.operator("GET", "/audit?limit=4", None).await.expect(200);
    let next = format!("/audit?limit=4&after={}", text(&first, "next_cursor"));
    let second = api.operator("GET", &next, None).await.expect(200);
    assert_eq!(second["data"].as_array().unwrap().len(), 2);
    assert_eq!(second["has_more"], false);
    api.operator("GET", "/audit?after=x", None).await.problem(422, "invalid_request");
    for before_all in ["0-0", "000-00", "0-1", "1-0"] {
        let none = api.operator("GET", &format!("/audit?after={before_all}"), None).await.expect(200);
        assert_eq!((&none["data"], &none["has_more"]), (&json!([]), &json!(false)), "{before_all}");
    }
    api.finish().await;
}

#[tokio::test]
async fn a_key_is_made_once_under_an_idempotency_key_and_its_secret_is_not_shown_again() {
    let api = Fixture::with_keys(&[]).await;
    let bearer = format!("Bearer {ADMIN}");
    let make = async |path: &str, key: &str, body: Value| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        api.client.send("POST", path, &headers, Some(&body)).await
    };
    let first = make("/keys", "one", json!({"tenant": "acme"})).await;
    let key = first.expect(201);
    assert!(key["secret"].is_string() && first.header("idempotent-replayed").is_none());
    let again = make("/keys", "one", json!({"tenant": "acme"})).await;
    assert_eq!((&again.expect(201)["id"], again.header("idempotent-replayed")), (&key["id"], Some("true")));
    assert!(again.json().get("secret").is_none(), "{again:?}");
    make("/keys", "one", json!({"tenant": "other"})).await.problem(422, "idempotency_key_reused");
    let rotate = format!("/keys/{}/rotate", key["id"].as_str().unwrap());
    let rotated = make(&rotate, "two", json!({})).await.expect(201);
    let replayed = make(&rotate, "two", json!({})).await;
    assert_eq!(replayed.expect(201)["id"], rotated["id"]);
    let all = api.operator("GET", "/keys?tenant=acme", None).await.expect(200);
    assert_eq!(all["data"].as_array().map(Vec::len), Some(2), "{all:#}");
    api.finish().await;
}

/// Looking whether there is one, and making one, are a single step of the store; so is taking the old one away.
#[tokio::test]
async fn however_many_ask_at_once_under_one_idempotency_key_one_key_is_made() {
    let api = Fixture::with_keys(&[]).await;
    let old = api.operator("POST", "/keys", Some(&json!({"tenant": "acme"}))).await.expect(201);
    let rotate = format!("/keys/{}/rotate", text(&old, "id"));
    for (key, path, body) in
        [("one", "/keys", json!({"tenant": "acme"})), ("two", &rotate, json!({"overlap_ms": 0}))]
    {
        let ask = |_| {
            let (client, path, body) = (api.client.clone(), path.to_owned(), body.clone());
            tokio::spawn(async move {
                let bearer = format!("Bearer {ADMIN}");
                let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
                client.send("POST", &path, &headers, Some(&body)).await
            })
        };
        let asking: Vec<_> = (0..20).map(ask).collect();
        let (mut ids, mut shown) = (BTreeSet::new(), 0);
        for asked in asking {
            let answer = asked.await.unwrap();
            let made = answer.expect(201);
            ids.insert(text(&made, "id").to_owned());
            assert_eq!(answer.header("idempotent-replayed").is_some(), made.get("secret").is_none());
            shown += usize::from(made.get("secret").is_some());
        }
        assert_eq!((ids.len(), shown), (1, 1), "{path}: one key, and its secret once");
    }
    let all = api.operator("GET", "/keys?tenant=acme", None).await.expect(200);
    assert_eq!(all["data"].as_array().map(Vec::len), Some(2), "{all:#}");
    api.finish().await;
}

#[tokio::test]
async fn a_key_whose_answer_was_lost_is_not_made_again() {
    let api = Fixture::with_keys(&[]).await;
    let body = json!({"tenant": "acme"}).to_string();
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", "one"),
        ("content-type", "application/json"),
    ];
    let request = request("POST", "/keys", &headers, body.as_bytes());
    let listed = async || api.operator("GET", "/keys?tenant=acme", None).await.expect(200)["data"].clone();
    {
        let mut stream = api.client.connect().await;
        stream.get_mut().write_all(&request).await.unwrap();
        let made = async {
            while listed().await == json!([]) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, made).await.expect("it is made");
    }
    let again = api.client.exchange(&request).await;
    assert_eq!(
        (again.expect(201)["id"].clone(), again.header("idempotent-replayed")),
        (listed().await[0]["id"].clone(), Some("true"))
    );
    assert_eq!(listed().await.as_array().map(Vec::len), Some(1));
    api.finish().await;
}
