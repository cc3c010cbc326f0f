//! Every error is a problem object, on every path, and names what was wrong.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::Answer;
use tests::stack::Stack;

use crate::ECHO;

const JSON: &str = "application/json";

async fn send(
    stack: &Stack,
    method: &Method,
    path: &str,
    kind: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let request = stack.client().request(method.clone(), path).header("content-type", kind);
    stack.client().send(request.body(body)).await
}

#[tokio::test]
async fn unknown_routes_wrong_methods_and_unknown_ids_are_problems() {
    let stack = Stack::builder().workers(0).start().await;
    let unknown_job = "job_00000000-0000-7000-8000-000000000000";
    let paths = [
        (Method::GET, "/nowhere".to_owned(), 404),
        (Method::GET, "/workflows/".to_owned(), 404),
        (Method::GET, "/workflows/wf_none".to_owned(), 404),
        (Method::GET, format!("/jobs/{unknown_job}"), 404),
        (Method::GET, format!("/jobs/{unknown_job}/logs"), 404),
        (Method::GET, format!("/jobs/{unknown_job}/steps"), 404),
        (Method::POST, format!("/jobs/{unknown_job}/cancel"), 404),
        (Method::GET, "/jobs/%00".to_owned(), 404),
        (Method::PUT, "/workflows".to_owned(), 405),
        (Method::DELETE, "/healthz".to_owned(), 405),
        (Method::POST, "/readyz".to_owned(), 405),
    ];
    for (method, path, status) in paths {
        let answer = stack.client().send(stack.client().request(method.clone(), &path)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        answer.expect_problem(status);
        if status == 405 {
            assert!(answer.header("allow").is_some(), "{method} {path}");
        }
    }
    stack.finish().await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_problems() {
    let stack = Stack::builder().workers(0).start().await;
    let post = Method::POST;
    let cases: [(&str, &str, &[u16]); 7] = [
        (JSON, "not json", &[400]),
        (JSON, "", &[400]),
        (JSON, "{\"description\": ", &[400]),
        (JSON, "[]", &[400, 422]),
        (JSON, "\"text\"", &[400, 422]),
        (JSON, "{\"description\": \"\u{0}\"}", &[400]),
        ("text/plain", "{\"description\": \"d\"}", &[415]),
    ];
    for (kind, body, statuses) in cases {
        let answer = send(&stack, &post, "/workflows", kind, body).await;
        assert!(statuses.contains(&answer.status), "{body:?}: {} {}", answer.status, answer.text);
        answer.expect_problem(answer.status);
    }
    let not_utf8 = send(&stack, &post, "/workflows", JSON, b"{\"description\": \"\xff\"}".to_vec()).await;
    not_utf8.expect_problem(400);
    let large = send(&stack, &post, "/workflows", JSON, vec![b' '; 7 << 20]).await;
    large.expect_problem(413);
    stack.finish().await;
}

#[tokio::test]
async fn a_wrong_field_is_named_by_its_pointer() {
    let stack = Stack::builder().start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let execute = format!("/workflows/{workflow}/execute");
    let long = |bytes: usize| Value::from("x".repeat(bytes));
    let wrong: Vec<(&str, Value, &str)> = vec![
        ("/workflows", json!({}), "/description"),
        ("/workflows", json!({"description": 5}), "/description"),
        ("/workflows", json!({"description": "  "}), "/description"),
        ("/workflows", json!({"description": long(20_001)}), "/description"),
        ("/workflows", json!({"description": "d", "code": long(256_001)}), "/code"),
        ("/workflows", json!({"description": "d", "code": ["x"]}), "/code"),
        ("/workflows", json!({"description": "d", "name": {"a": 1}}), "/name"),
        ("/workflows", json!({"description": "d", "metadata": "m"}), "/metadata"),
        ("/workflows", json!({"description": "d", "callback_url": "not a url"}), "/callback_url"),
        ("/workflows", json!({"description": "d", "callback_url": "ftp://host/"}), "/callback_url"),
        ("/workflows", json!({"description": "d", "surprise": 1}), "/surprise"),
        (&execute, json!({}), "/user_input"),
        (&execute, json!({"user_input": null}), "/user_input"),
        (&execute, json!({"user_input": long((1 << 20) + 1)}), "/user_input"),
        (&execute, json!({"user_input": "x", "timeout_ms": 0}), "/timeout_ms"),
        (&execute, json!({"user_input": "x", "timeout_ms": -5}), "/timeout_ms"),
        (&execute, json!({"user_input": "x", "timeout_ms": 99_999_999_999_u64}), "/timeout_ms"),
        (&execute, json!({"user_input": "x", "timeout_ms": "soon"}), "/timeout_ms"),
        (&execute, json!({"user_input": "x", "file_ids": "f"}), "/file_ids"),
        (&execute, json!({"user_input": "x", "surprise": {}}), "/surprise"),
    ];
    for (path, body, pointer) in wrong {
        let answer = stack.client().post(path, &body).await;
        let shown: String = body.to_string().chars().take(80).collect();
        assert!(matches!(answer.status, 400 | 413 | 422), "{shown}: {} {}", answer.status, answer.text);
        let problem = answer.expect_problem(answer.status);
        let named =
            problem["errors"].as_array().into_iter().flatten().any(|error| error["pointer"] == pointer);
        assert!(named, "{shown}: {problem:#}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn wrong_queries_are_problems() {
    let stack = Stack::builder().workers(0).start().await;
    for query in ["limit=0", "limit=101", "limit=many", "after=nonsense", "status=unknown", "kind=unknown"] {
        let answer = stack.client().get(&format!("/jobs?{query}")).await;
        assert!(matches!(answer.status, 400 | 422), "{query}: {} {}", answer.status, answer.text);
        answer.expect_problem(answer.status);
    }
    let unknown = stack.client().post("/workflows/wf_none/execute", &json!({"user_input": "x"})).await;
    unknown.expect_problem(404);
    stack.finish().await;
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_on_loopback_without_keys() {
    let stack = Stack::builder().workers(0).start().await;
    let request = stack.client().request(Method::GET, "/jobs").header("host", "evil.example");
    let answer = stack.client().send(request).await;
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text);
    answer.expect_problem(answer.status);
    stack.finish().await;
}

#[tokio::test]
async fn the_api_describes_itself_without_the_network() {
    let stack = Stack::builder().workers(0).start().await;
    let openapi = stack.client().get("/openapi.json").await.expect(200);
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"), "{}", openapi["openapi"]);
    let operations = [
        ("/workflows", "post"),
        ("/workflows", "get"),
        ("/workflows/{id}", "get"),
        ("/workflows/{id}/execute", "post"),
        ("/jobs", "get"),
        ("/jobs/{id}", "get"),
        ("/jobs/{id}/cancel", "post"),
        ("/jobs/{id}/logs", "get"),
        ("/jobs/{id}/steps", "get"),
        ("/webhook-secret", "get"),
    ];
    for (path, method) in operations {
        assert!(openapi["paths"][path][method].is_object(), "{method} {path}");
    }
    let docs = stack.client().get("/docs").await;
    let docs = if (300..400).contains(&docs.status) { stack.client().get("/docs/").await } else { docs };
    assert_eq!(docs.status, 200, "{}", docs.text);
    assert!(docs.header("content-type").unwrap().starts_with("text/html"));
    assert!(!docs.text.contains("//cdn") && !docs.text.contains("src=\"http"), "{}", docs.text);
    assert_eq!(stack.client().get("/healthz").await.status, 200);
    stack.until_ready().await;
    stack.finish().await;
}
