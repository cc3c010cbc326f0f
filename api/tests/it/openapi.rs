//! The description: the golden copy, and that it says what the server does.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fixture::Fixture;

/// The golden copy changes with the API and is reviewed with it: `UPDATE_GOLDEN=1 cargo test -p api` writes it.
#[test]
fn the_description_is_as_it_was_reviewed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi.json");
    let document = api::openapi::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == document,
        "the description has changed: UPDATE_GOLDEN=1 cargo test -p api, then review it"
    );
}

#[tokio::test]
async fn what_is_served_is_the_description_of_this_process() {
    let api = Fixture::start().await;
    let served = api.client.get("/openapi.json").await.expect(200);
    assert_eq!(served["openapi"], "3.1.0");
    assert!(served.get("security").is_none(), "no keys are required here");
    let mut expected = serde_json::to_value(api::openapi::document()).unwrap();
    expected.as_object_mut().unwrap().remove("security");
    assert_eq!(served, expected);
    api.finish().await;
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let api = Fixture::start().await;
    let page = api.client.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = page.text();
    assert!(!page.contains("http"), "{page}");
    for part in page.split('"').filter(|part| part.starts_with("/docs/")) {
        let file = api.client.get(part).await;
        assert_eq!(file.status, 200, "{part}");
        assert!(!file.body.is_empty(), "{part}");
    }
    let start = api.client.get("/docs/swagger-initializer.js").await.text();
    assert!(start.contains("\"/openapi.json\"") && !start.contains("petstore"), "{start}");
    api.client.get("/docs/none.js").await.problem(404, "not_found");
    api.finish().await;
}

/// Every operation of the description, with its path, method and responses.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

/// The answers of an operation by status; what is described once for all is looked up.
fn answers<'a>(document: &'a Value, operation: &'a Value) -> BTreeMap<&'a str, &'a Value> {
    let of = |(status, answer): (&'a String, &'a Value)| {
        let shared = answer["$ref"].as_str().and_then(|path| document.pointer(path.trim_start_matches('#')));
        (status.as_str(), shared.unwrap_or(answer))
    };
    operation["responses"].as_object().unwrap().iter().map(of).collect()
}

#[test]
fn every_answer_is_described_with_its_headers() {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    for (name, operation) in operations(&document) {
        let keyed = operation.get("security").is_none();
        let responses = answers(&document, operation);
        let most = ["400", "403", "431", "500", "503"];
        let keys = ["401", "408", "413", "422", "429"];
        for status in most.iter().chain(keys.iter().filter(|_| keyed)) {
            assert!(responses.contains_key(*status), "{name}: {status}");
        }
        for (status, response) in &responses {
            let mut headers = vec!["X-Request-Id"];
            if keyed && *status != "401" {
                headers.extend(["RateLimit", "RateLimit-Policy"]);
            }
            match *status {
                "401" => headers.push("WWW-Authenticate"),
                "403" if keyed => headers.push("WWW-Authenticate"),
                "202" if name != "post /jobs/{id}/cancel" && !name.ends_with("/redeliver") => {
                    headers.extend(["Location", "Operation-Location", "Retry-After", "Idempotent-Replayed"]);
                }
                "201" => headers.extend(["Location", "Idempotent-Replayed"]),
                "304" => headers.push("ETag"),
                "429" | "503" => headers.push("Retry-After"),
                _ => {}
            }
            for header in headers {
                assert!(response["headers"][header].is_object(), "{name} {status}: {header}");
            }
            if *status >= "400" {
                assert!(response["content"]["application/problem+json"].is_object(), "{name} {status}");
            }
        }
    }
}

#[test]
fn everything_that_is_sent_has_an_example_that_is_whole() {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    let schema_of = |content: &Value| {
        let name = content["schema"]["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        name.map(|name| document["components"]["schemas"][name].clone())
    };
    for (name, operation) in operations(&document) {
        let answers = operation["responses"].as_object().unwrap().values();
        let bodies =
            answers.chain(operation.get("requestBody")).filter_map(|body| body["content"].as_object());
        for (media_type, content) in bodies.flatten() {
            if !media_type.ends_with("json") || name == "get /openapi.json" {
                continue;
            }
            let example = &content["example"];
            assert!(example.is_object(), "{name} {media_type}: {content}");
            let required = schema_of(content).map(|schema| schema["required"].clone());
            for member in required.iter().filter_map(Value::as_array).flatten() {
                assert!(example.get(member.as_str().unwrap()).is_some(), "{name}: {member} in {example}");
            }
            // Made up where a field has none of its own.
            assert!(!example.to_string().contains(":\"text\""), "{name}: {example}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let schema = &parameter["schema"];
            let told = ["example", "examples", "enum", "$ref", "oneOf", "anyOf"];
            assert!(told.iter().any(|it| schema.get(it).is_some()), "{name}: {parameter}");
        }
    }
}
