//! What the original refuses, with the status and the error type it refuses with.
//!
//! The rules are those of the 2026-10-21 version of the API and of its 5.5 models: no sampling parameters, no forced
//! tool, no prefilled assistant turn, no way to switch thinking off.

use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::schema;

/// Models the fake knows.
pub(super) const MODELS: &[&str] =
    &["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2"];
/// 128,000 tokens of output: the models' own limit.
pub(super) const OUTPUT_TOKENS_MAX: u64 = 128_000;
/// 32 MB, as documented.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
const CACHE_BREAKPOINTS_MAX: usize = 4;
const VERSIONS: &[&str] = &["2023-06-01", "2026-10-21"];
const FIELDS: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "stop_sequences",
    "stream",
    "thinking",
    "output_config",
    "cache_control",
    "metadata",
    "service_tier",
    "inference_geo",
    "container",
];

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

type Checked<T = ()> = Result<T, Refusal>;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { status: 400, kind: "invalid_request_error", message: message.into() }
}

fn require(condition: bool, message: &str) -> Checked {
    if condition { Ok(()) } else { Err(invalid(message)) }
}

/// Key and version.
pub(super) fn headers(key: &str, headers: &HeaderMap) -> Checked {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let refusal =
        |message: &str| Refusal { status: 401, kind: "authentication_error", message: message.into() };
    match header("x-api-key").or(bearer) {
        None => return Err(refusal("x-api-key header is required")),
        Some(given) if given != key => return Err(refusal("invalid x-api-key")),
        Some(_) => {}
    }
    let version =
        header("anthropic-version").ok_or_else(|| invalid("anthropic-version: header is required"))?;
    require(VERSIONS.contains(&version), "anthropic-version: not a valid version")
}

/// Everything about a request for a message; gives its body.
pub(super) fn request(key: &str, given: &HeaderMap, bytes: &[u8]) -> Checked<Value> {
    let body = parsed(key, given, bytes)?;
    let object = body.as_object().ok_or_else(|| invalid("the body must be an object"))?;
    sampling(object, given)?;
    if let Some(name) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(invalid(format!("{name}: Extra inputs are not permitted")));
    }
    let limit = body["max_tokens"].as_u64().ok_or_else(|| invalid("max_tokens: Field required"))?;
    require((1..=OUTPUT_TOKENS_MAX).contains(&limit), "max_tokens: out of range for this model")?;
    messages(&body["messages"])?;
    system(&body["system"])?;
    thinking(&body["thinking"])?;
    if matches!(body["tool_choice"]["type"].as_str(), Some("any" | "tool")) {
        return Err(invalid("tool_choice: forced tool use is not supported by this model"));
    }
    output_config(&body["output_config"])?;
    require(
        breakpoints(&body) <= CACHE_BREAKPOINTS_MAX,
        "A maximum of 4 blocks with cache_control may be provided.",
    )?;
    Ok(body)
}

/// A request to count tokens.
pub(super) fn count(key: &str, given: &HeaderMap, bytes: &[u8]) -> Checked<Value> {
    let body = parsed(key, given, bytes)?;
    messages(&body["messages"])?;
    Ok(body)
}

/// 404 for a model that does not exist.
pub(super) fn known_model(id: &str) -> Checked {
    if MODELS.contains(&id) {
        return Ok(());
    }
    Err(Refusal { status: 404, kind: "not_found_error", message: format!("model: {id}") })
}

fn parsed(key: &str, given: &HeaderMap, bytes: &[u8]) -> Checked<Value> {
    headers(key, given)?;
    let kind = given.get("content-type").and_then(|value| value.to_str().ok());
    require(
        kind.is_some_and(|kind| kind.starts_with("application/json")),
        "content-type must be application/json",
    )?;
    if bytes.len() > BODY_BYTES_MAX {
        let message = "Request exceeds the maximum allowed number of bytes.".to_owned();
        return Err(Refusal { status: 413, kind: "request_too_large", message });
    }
    let body: Value = serde_json::from_slice(bytes).map_err(|error| invalid(format!("not JSON: {error}")))?;
    let model = body["model"].as_str().ok_or_else(|| invalid("model: Field required"))?;
    known_model(model)?;
    Ok(body)
}

fn sampling(object: &Map<String, Value>, given: &HeaderMap) -> Checked {
    let newest = given.get("anthropic-version").is_some_and(|version| version == "2026-10-21");
    match ["temperature", "top_p", "top_k"].into_iter().find(|name| object.contains_key(*name)) {
        Some(name) if newest => Err(invalid(format!("{name}: sampling parameters are not supported"))),
        Some(name) => Err(invalid(format!("{name}: the fake knows the newest version only"))),
        None => Ok(()),
    }
}

fn messages(messages: &Value) -> Checked {
    let list = messages.as_array().ok_or_else(|| invalid("messages: Field required"))?;
    require(!list.is_empty(), "messages: at least one message is required")?;
    for message in list {
        require(matches!(message["role"].as_str(), Some("user" | "assistant")), "messages: unexpected role")?;
        content(&message["content"])?;
    }
    require(list[0]["role"] == "user", "messages: first message must use the \"user\" role")?;
    let last = &list[list.len() - 1]["role"];
    require(last != "assistant", "messages: this model does not support assistant message prefill")
}

fn content(content: &Value) -> Checked {
    const EMPTY: &str = "messages: text content blocks must be non-empty";
    match content {
        Value::String(text) => require(!text.trim().is_empty(), EMPTY),
        Value::Array(blocks) => {
            require(!blocks.is_empty(), "messages: content must not be empty")?;
            blocks.iter().try_for_each(|block| match block["type"].as_str() {
                Some("text") => {
                    let text = block["text"].as_str().ok_or_else(|| invalid("text: Field required"))?;
                    require(!text.trim().is_empty(), EMPTY)
                }
                Some(_) => Ok(()),
                None => Err(invalid("messages: content block has no type")),
            })
        }
        _ => Err(invalid("messages: content: Field required")),
    }
}

fn system(system: &Value) -> Checked {
    match system {
        Value::Null | Value::String(_) => Ok(()),
        Value::Array(blocks) => {
            let is_text = |block: &Value| block["type"] == "text" && block["text"].is_string();
            require(blocks.iter().all(is_text), "system: only text blocks are allowed")
        }
        _ => Err(invalid("system: must be a string or a list of text blocks")),
    }
}

fn thinking(thinking: &Value) -> Checked {
    let off = thinking["type"] == "disabled";
    require(!off, "thinking: cannot be disabled for this model")?;
    require(thinking["budget_tokens"].is_null(), "thinking: budget_tokens is not supported by this model")?;
    require(thinking.is_null() || thinking["type"] == "adaptive", "thinking: unknown type")
}

fn output_config(config: &Value) -> Checked {
    let Some(object) = config.as_object() else {
        return require(config.is_null(), "output_config: must be an object");
    };
    for (name, value) in object {
        match name.as_str() {
            "effort" => {
                let known = matches!(value.as_str(), Some("low" | "medium" | "high" | "xhigh" | "max"));
                require(known, "output_config.effort: unknown value")?;
            }
            "format" => {
                require(value["type"] == "json_schema", "output_config.format.type: must be json_schema")?;
                schema::accepted(&value["schema"])
                    .map_err(|why| invalid(format!("output_config.format.schema: {why}")))?;
            }
            _ => return Err(invalid(format!("output_config.{name}: Extra inputs are not permitted"))),
        }
    }
    Ok(())
}

/// How many `cache_control` marks there are, anywhere.
fn breakpoints(value: &Value) -> usize {
    match value {
        Value::Object(object) => {
            let own = usize::from(object.contains_key("cache_control"));
            own + object.values().map(breakpoints).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(breakpoints).sum(),
        _ => 0,
    }
}
