//! The Messages API, streamed: long answers come in events, cut anywhere.

use std::time::Duration;

use providers::{CallContext, ChatModel, ChatReply, ChatRequest, ProviderError};
use serde_json::{Value, json};

use crate::anthropic::client;
use crate::upstream::{Script, Upstream, transport};

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn start() -> Value {
    json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1-2026", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 7, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5},
    }})
}

fn text_events(texts: &[&str], stop_reason: &str) -> String {
    let mut events = vec![
        start(),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
    ];
    for text in texts {
        events.push(
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": text}}),
        );
    }
    events.push(json!({"type": "an_event_of_the_future", "x": 1}));
    events.push(json!({"type": "content_block_stop", "index": 1}));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": null}, "usage": {"output_tokens": 42}}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(event).collect()
}

/// The stream in pieces of a few bytes: characters and line ends are cut.
fn pieces(stream: &str, size: usize) -> Vec<Vec<u8>> {
    stream.as_bytes().chunks(size).map(<[u8]>::to_vec).collect()
}

fn whole(stream: &str) -> Script {
    Script::Pieces { pieces: pieces(stream, 7), cut: false }
}

async fn ask(upstream: &Upstream) -> (Result<ChatReply, ProviderError>, CallContext) {
    let cx = CallContext::within(Duration::from_secs(20));
    let answer = client(upstream, transport()).complete(&ChatRequest::text("hi", 30_000), &cx).await;
    (answer, cx)
}

#[tokio::test]
async fn a_large_budget_is_streamed_and_put_together_again() {
    let upstream = Upstream::start([whole(&text_events(&["Voilà ", "l'été : ", "☀️"], "end_turn"))]).await;
    let (answer, cx) = ask(&upstream).await;
    let reply = answer.unwrap();
    assert_eq!((reply.text.as_str(), reply.model.as_str()), ("Voilà l'été : ☀️", "claude-test-1-2026"));
    assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (7, 42));
    assert_eq!((reply.usage.cache_read_input_tokens, cx.meter.spent().usage), (5, reply.usage));
    assert_eq!(upstream.seen()[0].body["stream"], json!(true));
}

#[tokio::test]
async fn a_stream_cut_in_the_middle_is_not_an_answer() {
    let stream = text_events(&["half"], "end_turn");
    let without_stop = stream.split("event: message_stop").next().unwrap();
    for cut in [true, false] {
        let broken = Script::Pieces { pieces: pieces(without_stop, 50), cut };
        let upstream = Upstream::start([broken, whole(&text_events(&["whole"], "end_turn"))]).await;
        let (answer, cx) = ask(&upstream).await;
        let reply = answer.unwrap();
        assert_eq!((reply.text.as_str(), reply.requests), ("whole", 2));
        let spent = cx.meter.spent().usage.output_tokens;
        assert!(spent >= 42, "the broken half is paid for too: {spent}");
    }
}

#[tokio::test]
async fn an_error_event_stands_for_its_status() {
    let failing = |kind: &str| {
        let error = json!({"type": "error", "error": {"type": kind, "message": "secret words"}});
        whole(&format!("{}{}", event(&start()), event(&error)))
    };
    let upstream =
        Upstream::start([failing("overloaded_error"), whole(&text_events(&["ok"], "end_turn"))]).await;
    assert_eq!(ask(&upstream).await.0.unwrap().requests, 2);

    let upstream = Upstream::start([failing("invalid_request_error")]).await;
    let error = ask(&upstream).await.0.unwrap_err();
    assert!(matches!(error, ProviderError::Rejected { status: 400, .. }), "{error}");
    assert!(!error.to_string().contains("secret"));
}

#[tokio::test]
async fn refusal_and_truncation_are_seen_in_a_stream_too() {
    let mut refusal = event(&start());
    refusal += &event(
        &json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_sequence": null, "stop_details": {"type": "refusal", "category": null, "explanation": "No."}}, "usage": {"output_tokens": 2}}),
    );
    refusal += &event(&json!({"type": "message_stop"}));
    let upstream = Upstream::start([whole(&refusal)]).await;
    let expected = ProviderError::Refused { provider: "anthropic", explanation: "No.".into() };
    assert_eq!(ask(&upstream).await.0, Err(expected));

    let truncated = || whole(&text_events(&["half"], "max_tokens"));
    let upstream = Upstream::start([truncated(), truncated()]).await;
    assert_eq!(ask(&upstream).await.0, Err(ProviderError::Truncated { provider: "anthropic" }));
    assert_eq!(upstream.seen()[1].body["max_tokens"], json!(60_000));
}

#[tokio::test]
async fn nonsense_in_a_stream_is_malformed() {
    let delta =
        json!({"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "x"}});
    for stream in ["data: {\n\n".to_owned(), event(&delta), format!("data: {}", "x".repeat(2 << 20))] {
        let upstream =
            Upstream::start([Script::Pieces { pieces: pieces(&stream, 1 << 16), cut: false }]).await;
        let error = ask(&upstream).await.0.unwrap_err();
        assert!(matches!(error, ProviderError::Malformed { .. }), "{error}");
    }
}
