//! The fake refuses what the original refuses, and answers as it does.

use reqwest::Method;
use serde_json::{Value, json};

use super::{AnthropicFake, Purpose, Reply};
use crate::client::{Answer, Client};

const KEY: &str = "sk-ant-test";

fn body() -> Value {
    json!({"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Bonjour ?"}]})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = body();
    body[field] = value;
    body
}

async fn ask(fake: &AnthropicFake, body: &Value) -> Answer {
    let client = Client::new(fake.url());
    let request = client.request(Method::POST, "/v1/messages").header("x-api-key", KEY);
    client.send(request.header("anthropic-version", "2026-10-21").json(body)).await
}

#[tokio::test]
async fn a_wrong_request_is_refused_as_the_original_refuses_it() {
    let fake = AnthropicFake::start(KEY).await;
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}});
    let assistant = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]);
    let wrong = [
        ("max_tokens", Value::Null, 400, "max_tokens"),
        ("temperature", json!(1), 400, "temperature"),
        ("tool_choice", json!({"type": "any"}), 400, "tool_choice"),
        ("messages", assistant, 400, "prefill"),
        ("messages", json!([{"role": "user", "content": " "}]), 400, "non-empty"),
        ("thinking", json!({"type": "disabled"}), 400, "thinking"),
        ("output_config", format, 400, "additionalProperties"),
        ("surprise", json!(1), 400, "Extra inputs"),
        ("model", json!("claude-1"), 404, "claude-1"),
    ];
    for (field, value, status, message) in wrong {
        let error = ask(&fake, &with(field, value)).await.expect(status);
        assert!(error["error"]["message"].as_str().unwrap().contains(message), "{error}");
        assert!(error["request_id"].is_string() && error["type"] == "error", "{error}");
    }
    let client = Client::new(fake.url());
    let plain = client.request(Method::POST, "/v1/messages").json(&body());
    assert_eq!(client.send(plain).await.expect(401)["error"]["type"], "authentication_error");
    let unversioned = client.request(Method::POST, "/v1/messages").header("x-api-key", KEY).json(&body());
    client.send(unversioned).await.expect(400);
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn a_right_request_gets_thinking_first_then_text_usage_and_limits() {
    let fake = AnthropicFake::start(KEY).await;
    let answer = ask(&fake, &body()).await;
    let message = answer.expect(200);
    assert_eq!(message["content"][0]["type"], "thinking");
    assert_eq!(message["content"][1]["text"], "Reply to: Bonjour ?");
    assert!(message["usage"]["output_tokens"].as_u64().unwrap() > 0);
    assert!(answer.header("request-id").is_some());
    assert!(answer.header("anthropic-ratelimit-requests-remaining").is_some());
    assert_eq!(fake.calls().all()[0].purpose, Purpose::Chat);
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_message() {
    let fake = AnthropicFake::start(KEY).await;
    fake.answer_with(Purpose::Chat, |_| Reply::Text("Où est l’été ? 🦀 vraiment".to_owned()));
    let answer = ask(&fake, &with("stream", json!(true))).await;
    assert_eq!(answer.status, 200);
    let data = answer.text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(text, "Où est l’été ? 🦀 vraiment");
    assert!(events.iter().any(|event| event["type"] == "ping"));
    assert_eq!(events.last().unwrap()["type"], "message_stop");
}

#[tokio::test]
async fn scripted_faults_come_first() {
    let fake = AnthropicFake::start(KEY).await;
    fake.script(
        Purpose::Chat,
        [Reply::rate_limited(Some(3)), Reply::overloaded(), Reply::refusal(), Reply::Cut],
    );
    let limited = ask(&fake, &body()).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("3")));
    assert_eq!(ask(&fake, &body()).await.expect(529)["error"]["type"], "overloaded_error");
    let refused = ask(&fake, &body()).await.expect(200);
    assert_eq!(
        (refused["stop_reason"].as_str(), refused["content"].as_array().unwrap().len()),
        (Some("refusal"), 1)
    );
    let client = Client::new(fake.url());
    let request = client.request(Method::POST, "/v1/messages").header("x-api-key", KEY);
    let cut = client.try_send(request.header("anthropic-version", "2026-10-21").json(&body())).await;
    assert!(cut.is_err(), "{cut:?}");
    ask(&fake, &body()).await.expect(200);
}
