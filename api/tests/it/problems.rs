//! Every error is a problem: every operation of the description, in every way that can go wrong.

use serde_json::{Value, json};

use crate::{
    client::{Answer, request},
    fixture::Fixture,
};

/// An operation with ids that name nothing.
struct Operation {
    method: String,
    path: String,
    has_body: bool,
    is_public: bool,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let prefix = match path.split('/').nth(1) {
                Some("files") => "", // a provider's number
                Some("jobs") => "job_",
                Some("keys") => "key_",
                _ => "wf_",
            };
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path
                    .replace("{id}", &format!("{prefix}{}", "0".repeat(32)))
                    .replace("{n}", "1")
                    .replace("{name}", "openai_api_key")
                    .replace("{msg}", &format!("msg_{}", "0".repeat(32)))
                    .replace("{code}", "internal"),
                has_body: operation.get("requestBody").is_some(),
                is_public: operation["security"].is_array(),
            });
        }
    }
    assert!(operations.len() >= 16, "the description is complete");
    operations
}

fn valid_body(operation: &Operation) -> Option<Value> {
    let body = if operation.path.ends_with("/execute") {
        json!({"user_input": ""})
    } else if operation.path.ends_with("/code") {
        json!({"code": "x = 1"})
    } else if operation.path.ends_with("/regenerate") {
        json!({})
    } else if operation.path.ends_with("/answers") {
        json!({"answers": {"q1": "a"}})
    } else if operation.method == "PATCH" {
        json!({"name": "n"})
    } else if operation.path.starts_with("/credentials") {
        json!({"value": "sk-0123456789abcdef"})
    } else if ["/keys", "/tenants", "/webhook-secret"].iter().any(|path| operation.path.starts_with(path)) {
        json!({})
    } else {
        json!({"description": "d"})
    };
    operation.has_body.then_some(body)
}

#[tokio::test]
async fn an_unknown_id_and_a_malformed_one_answer_alike() {
    let api = Fixture::start().await;
    for operation in operations().iter().filter(|operation| operation.path.contains("000")) {
        let mut answers = Vec::new();
        for id in ["0".repeat(32), "x".to_owned(), "%ff".to_owned(), "F".repeat(32)] {
            let path = operation.path.replace(&"0".repeat(32), &id);
            let answer = api
                .client
                .send(&operation.method, &path, &[("x-request-id", "same")], valid_body(operation).as_ref())
                .await;
            answers.push(answer.problem(404, "not_found"));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{}: {answers:?}", operation.path);
    }
    api.finish().await;
}

#[tokio::test]
async fn without_a_key_nothing_of_a_tenant_is_answered() {
    let api = Fixture::with(&[("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", "an-admin-key")]).await;
    for operation in operations() {
        let body = valid_body(&operation);
        let send = async |headers: &[(&str, &str)]| {
            api.client.send(&operation.method, &operation.path, headers, body.as_ref()).await
        };
        if operation.is_public {
            assert_eq!(send(&[]).await.status, 200, "{}", operation.path);
            continue;
        }
        for headers in [&[][..], &[("authorization", "Basic an-admin-key")]] {
            let refused = send(headers).await;
            refused.problem(401, "unauthorized");
            assert!(refused.header("www-authenticate").is_some());
        }
        for header in [("authorization", "Bearer an-admin-key"), ("x-api-key", "an-admin-key")] {
            assert_ne!(send(&[header]).await.status, 401, "{}", operation.path);
        }
    }
    api.finish().await;
}

#[tokio::test]
async fn with_the_store_away_everything_that_needs_it_says_so() {
    let mut api = Fixture::start().await;
    api.redis.stop();
    for operation in operations() {
        let answer =
            api.client.send(&operation.method, &operation.path, &[], valid_body(&operation).as_ref()).await;
        if operation.is_public && operation.path != "/readyz" {
            assert_eq!(answer.status, 200, "{}", operation.path);
        } else {
            answer.problem(503, "store_unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert!(!String::from_utf8_lossy(&answer.body).contains("redis"), "{}", operation.path);
        }
    }
    api.finish().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_which_are_right() {
    let api = Fixture::start().await;
    for operation in operations() {
        let answer = api.client.send("TRACE", &operation.path, &[], None).await;
        answer.problem(405, "method_not_allowed");
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        assert!(allow.split(',').any(|method| method == operation.method), "{}: {allow}", operation.path);
    }
    for path in ["/", "/nothing", "/jobs/", "/v1/jobs", "/workflows/a/b/c", "/jobs/..%2f", "*"] {
        api.client.get(path).await.problem(404, "not_found");
    }
    api.finish().await;
}

#[tokio::test]
async fn a_wrong_body_is_told_what_is_wrong_and_where() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let execute = format!("/workflows/{workflow}/execute");
    for path in ["/workflows", &execute] {
        let raw = async |kind: &str, body: &[u8]| -> Answer {
            api.client.exchange(&request("POST", path, &[("content-type", kind)], body)).await
        };
        for body in [&b""[..], b"{", b"nonsense", b"\xff\xfe", b"{\"a\":1}x"] {
            raw("application/json", body).await.problem(400, "invalid_json");
        }
        for body in [&b"[]"[..], b"3", b"null", b"\"x\""] {
            raw("application/json", body).await.problem(422, "invalid_request");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
            raw(kind, b"{}").await.problem(415, "unsupported_media_type");
        }
        let compressed = [("content-type", "application/json"), ("content-encoding", "gzip")];
        api.client
            .exchange(&request("POST", path, &compressed, b"{}"))
            .await
            .problem(415, "unsupported_media_type");
        let unknown =
            raw("application/json", br#"{"description":"d","user_input":"","tenant_id":"t"}"#).await;
        let errors = unknown.problem(422, "invalid_request")["errors"].to_string();
        assert!(errors.contains("\"/tenant_id\""), "{errors}");
    }
    let wrong = |pointer: &str, answer: &Answer, status, code| {
        let problem = answer.problem(status, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    };
    let create = async |body: Value| api.client.post("/workflows", &body).await;
    wrong("/description", &create(json!({})).await, 422, "invalid_request");
    wrong("/description", &create(json!({"description": null})).await, 422, "invalid_request");
    wrong("/description", &create(json!({"description": " \t\n"})).await, 422, "invalid_request");
    wrong("/description", &create(json!({"description": 3})).await, 422, "invalid_request");
    wrong("/description", &create(json!({"description": "x".repeat(20_001)})).await, 413, "too_large");
    wrong("/code", &create(json!({"description": "d", "code": "x".repeat(256_001)})).await, 413, "too_large");
    wrong("/metadata", &create(json!({"description": "d", "metadata": []})).await, 422, "invalid_request");
    let run = async |body: Value| api.client.post(&execute, &body).await;
    wrong("/user_input", &run(json!({})).await, 422, "invalid_request");
    wrong("/user_input", &run(json!({"user_input": "x".repeat((1 << 20) + 1)})).await, 413, "too_large");
    wrong("/timeout_ms", &run(json!({"user_input": "", "timeout_ms": 1.5})).await, 422, "invalid_request");
    wrong("/file_ids/0", &run(json!({"user_input": "", "file_ids": [1]})).await, 422, "invalid_request");
    let private = json!({"user_input": "", "callback_url": "http://169.254.169.254/latest"});
    wrong("/callback_url", &run(private).await, 422, "invalid_request");
    run(json!({"user_input": "x".repeat(1 << 20)})).await.expect(202);
    api.finish().await;
}

#[tokio::test]
async fn a_wrong_query_is_told_which_parameter() {
    let api = Fixture::start().await;
    let job = format!("/jobs/job_{}", "0".repeat(32));
    for (query, pointer) in [
        ("/jobs?limit=0", "/limit"),
        ("/jobs?limit=101", "/limit"),
        ("/jobs?limit=ten", "/limit"),
        ("/jobs?status=done", "/status"),
        ("/jobs?kind=deliver", "/kind"),
        ("/jobs?after=nonsense", "/after"),
        ("/jobs?workflow_id=x", "/workflow_id"),
        ("/jobs?staus=queued", "/staus"),
        ("/workflows?limit=5&limit=6", "/limit"),
        ("/workflows?after=job_1", "/after"),
        (&format!("{job}?wait=61"), "/wait"),
        (&format!("{job}?wait=-1"), "/wait"),
        (&format!("{job}/events?after=x"), "/after"),
    ] {
        let problem = api.client.get(query).await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
    api.finish().await;
}

#[tokio::test]
async fn a_malformed_idempotency_key_is_refused() {
    let api = Fixture::start().await;
    for key in ["", "\"open", &"k".repeat(256)] {
        let body = json!({"description": "d"});
        let answer = api.client.send("POST", "/workflows", &[("idempotency-key", key)], Some(&body)).await;
        answer.problem(400, "bad_request");
    }
    api.finish().await;
}

#[tokio::test]
async fn every_kind_of_problem_can_be_looked_up() {
    let api = Fixture::start().await;
    for code in api::problem::Code::ALL {
        let (_, name, title) = code.about();
        let page = api.client.get(&format!("/errors/{name}")).await;
        assert!(page.status == 200 && page.text().contains(title), "{name}");
    }
    api.client.get("/errors/none").await.problem(404, "not_found");
    api.finish().await;
}
