//! A provider that answers from a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use providers::retry::RetryPolicy;
use providers::{HttpConfig, Transport, http_client};
use serde_json::{Value, json};
use url::Url;

/// The key given to every client; must never come back in an error.
pub const KEY: &str = "sk-canary-5d41402abc4b";

/// One scripted answer.
pub enum Script {
    /// Status, headers, JSON.
    Reply(u16, Vec<(&'static str, String)>, Value),
    /// Status and text as it is.
    Text(u16, String),
    /// These pieces, then the connection is closed, properly or not.
    Pieces { pieces: Vec<Vec<u8>>, cut: bool },
    /// Never.
    Hang,
}

/// A request as it came.
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
    pub raw: Bytes,
}

struct Shared {
    script: Mutex<VecDeque<Script>>,
    seen: Mutex<Vec<Seen>>,
}

/// The running server; ends with its test.
pub struct Upstream {
    pub url: Url,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub async fn start(script: impl IntoIterator<Item = Script>) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(script.into_iter().collect()),
            seen: Mutex::new(Vec::new()),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared, task }
    }

    /// Everything that was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let raw = body;
    let body = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    shared.seen.lock().unwrap().push(Seen { method, path: uri.path().to_owned(), headers, body, raw });
    let next = shared.script.lock().unwrap().pop_front();
    match next {
        None => respond(418, "text/plain", Body::from("the script is over")),
        Some(Script::Hang) => std::future::pending().await,
        Some(Script::Text(status, text)) => respond(status, "text/html", Body::from(text)),
        Some(Script::Reply(status, headers, value)) => {
            let mut response = respond(status, "application/json", Body::from(value.to_string()));
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Script::Pieces { pieces, cut }) => {
            let mut items: Vec<std::io::Result<Vec<u8>>> = pieces.into_iter().map(Ok).collect();
            if cut {
                items.push(Err(std::io::Error::other("cut")));
            }
            respond(200, "text/event-stream", Body::from_stream(futures_util::stream::iter(items)))
        }
    }
}

fn respond(status: u16, kind: &str, body: Body) -> Response<Body> {
    Response::builder().status(status).header("content-type", kind).body(body).unwrap()
}

/// The real transport with waits of milliseconds.
pub fn transport() -> Transport {
    Transport::new(http_client(&HttpConfig::default()).unwrap()).with_policy(RetryPolicy {
        unreached_max: 4,
        backoff_base: Duration::from_millis(5),
        backoff_max: Duration::from_millis(20),
        ..RetryPolicy::default()
    })
}

/// A successful message of the Messages API, the way current models send it: an empty thinking block first.
pub fn message(text: &str, stop_reason: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1-2026",
        "content": [
            {"type": "thinking", "thinking": "", "signature": "c2ln"},
            {"type": "text", "text": text, "citations": null},
        ],
        "stop_reason": stop_reason, "stop_sequence": null, "a_new_field": {"x": 1},
        "usage": {
            "input_tokens": 10, "output_tokens": 20, "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 40, "service_tier": "standard",
            "output_tokens_details": {"thinking_tokens": 3},
        },
    })
}

/// `200 OK` with a JSON body.
pub fn ok(value: Value) -> Script {
    Script::Reply(200, vec![("request-id", "req_abc".to_owned())], value)
}

/// An error of the Messages API.
pub fn error(status: u16, kind: &str, message: &str, headers: Vec<(&'static str, String)>) -> Script {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_x"});
    Script::Reply(status, headers, body)
}
