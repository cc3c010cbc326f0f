//! Answers as the original writes them: headers, error envelope, usage, and the event stream with its oddities.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::fakes::server::cut_after;

/// 7 bytes: a chunk of the stream ends inside of a character as often as not.
const STREAM_CHUNK_BYTES: usize = 7;
/// 12 characters of text in one delta.
const DELTA_CHARS: usize = 12;

/// 200 with this body.
pub(super) fn ok(body: &Value) -> Response {
    (StatusCode::OK, api_headers(&request_id()), axum::Json(body)).into_response()
}

/// The error envelope.
pub(super) fn error(status: u16, kind: &str, message: &str, more: &[(&'static str, String)]) -> Response {
    let id = request_id();
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id});
    let status = StatusCode::from_u16(status).expect("a test gives a valid status");
    let mut response = (status, api_headers(&id), axum::Json(body)).into_response();
    for (name, value) in more {
        response.headers_mut().insert(*name, value.parse().expect("a test gives valid headers"));
    }
    response
}

/// A message, whole or as a stream, as the request asks.
pub(super) fn message(request: &Value, text: &str, stop_reason: &str, cache_hit: Option<bool>) -> Response {
    let id = request_id();
    let whole = message_object(request, text, stop_reason, cache_hit);
    if request["stream"] != true {
        return (StatusCode::OK, api_headers(&id), axum::Json(whole)).into_response();
    }
    let bytes = stream_bytes(&whole, text);
    let chunks: Vec<_> = bytes
        .chunks(STREAM_CHUNK_BYTES)
        .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
        .collect();
    let mut headers = api_headers(&id);
    headers.insert("content-type", HeaderValue::from_static("text/event-stream; charset=utf-8"));
    (StatusCode::OK, headers, Body::from_stream(futures_util::stream::iter(chunks))).into_response()
}

/// Half an answer, then a broken connection.
pub(super) fn cut(request: &Value) -> Response {
    let whole = message_object(request, "half of an answer that never ends", "end_turn", None);
    let bytes = if request["stream"] == true {
        stream_bytes(&whole, "half of an answer that never ends")
    } else {
        whole.to_string().into_bytes()
    };
    let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
    let mut headers = api_headers(&request_id());
    if request["stream"] == true {
        headers.insert("content-type", HeaderValue::from_static("text/event-stream; charset=utf-8"));
    }
    (StatusCode::OK, headers, cut_after(half)).into_response()
}

/// The beginning of a stream, then an error in it.
pub(super) fn error_event(request: &Value, kind: &str) -> Response {
    let whole = message_object(request, "half of an answer", "end_turn", None);
    let mut bytes = stream_bytes(&whole, "half of an answer");
    bytes.truncate(bytes.len() / 2);
    // Up to the end of an event: what follows is one of its own.
    let end = bytes.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
    bytes.truncate(end);
    let error = json!({"type": "error", "error": {"type": kind, "message": kind}});
    bytes.extend_from_slice(format!("event: error\ndata: {error}\n\n").as_bytes());
    let mut headers = api_headers(&request_id());
    headers.insert("content-type", HeaderValue::from_static("text/event-stream; charset=utf-8"));
    (StatusCode::OK, headers, Body::from(bytes)).into_response()
}

/// About four bytes each: enough for sums to be checked.
pub(super) fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// What stands before the last cache mark of the system prompt, if there is one: the part a second request reads.
pub(super) fn cached_prefix(request: &Value) -> Option<String> {
    let blocks = request["system"].as_array()?;
    let last = blocks.iter().rposition(|block| block["cache_control"].is_object())?;
    let text: String = blocks[..=last].iter().filter_map(|block| block["text"].as_str()).collect();
    Some(format!("{}|{}|{text}", request["model"], request["tools"]))
}

fn message_object(request: &Value, text: &str, stop_reason: &str, cache_hit: Option<bool>) -> Value {
    // Thinking comes first and is empty: whoever reads `content[0]` reads nothing.
    let mut content = vec![json!({"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJl"})];
    if !text.is_empty() {
        content.push(json!({"type": "text", "text": text}));
    }
    let details = (stop_reason == "refusal").then(|| json!({"category": "other", "explanation": "declined"}));
    json!({
        "id": format!("msg_{:08}", next()),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "stop_details": details,
        "usage": usage(request, text, cache_hit),
    })
}

fn usage(request: &Value, text: &str, cache_hit: Option<bool>) -> Value {
    let prefix = cached_prefix(request).map_or(0, |prefix| tokens(&prefix));
    let (created, read) = match cache_hit {
        Some(true) => (0, prefix),
        Some(false) => (prefix, 0),
        None => (0, 0),
    };
    json!({
        "input_tokens": tokens(&request["messages"].to_string()),
        "cache_creation_input_tokens": created,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": created, "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens(text).max(1),
        "output_tokens_details": {"thinking_tokens": 0},
        "service_tier": "standard",
    })
}

/// The whole stream: a ping where nobody expects one, thinking before text, an event nobody knows.
fn stream_bytes(whole: &Value, text: &str) -> Vec<u8> {
    let mut start = whole.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let mut events = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    if !text.is_empty() {
        events.push(
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        );
        let characters: Vec<char> = text.chars().collect();
        events.extend(characters.chunks(DELTA_CHARS).map(|part| {
            let part: String = part.iter().collect();
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": part}})
        }));
        events.push(json!({"type": "content_block_stop", "index": 1}));
    }
    events.push(json!({"type": "a_future_event", "note": "to be ignored"}));
    let delta = json!({
        "stop_reason": whole["stop_reason"],
        "stop_sequence": null,
        "stop_details": whole["stop_details"],
    });
    events.push(json!({"type": "message_delta", "delta": delta, "usage": whole["usage"]}));
    events.push(json!({"type": "message_stop"}));
    let lines = events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", text_of(&event["type"])));
    lines.collect::<String>().into_bytes()
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("an event has a type")
}

fn api_headers(request_id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("request-id", request_id.parse().expect("an id is a valid header"));
    for (kind, limit) in
        [("requests", 4_000), ("tokens", 2_000_000), ("input-tokens", 1_600_000), ("output-tokens", 400_000)]
    {
        let mut put = |part: &str, value: HeaderValue| {
            let name = format!("anthropic-ratelimit-{kind}-{part}");
            headers.insert(HeaderName::try_from(name).expect("a valid name"), value);
        };
        put("limit", limit.into());
        put("remaining", (limit - 1).into());
        put("reset", HeaderValue::from_static("2027-01-01T00:00:00Z"));
    }
    headers
}

fn request_id() -> String {
    format!("req_{:08}", next())
}

/// Ids only have to differ.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
