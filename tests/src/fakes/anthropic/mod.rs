//! Anthropic's Messages API, as strict as the original.
//!
//! A request the original would refuse is refused here with the original's status and error type ([`check`]). What a
//! correct request gets is the test's choice: a queue of scripted replies first, then a function. Requests with a
//! system prompt and a JSON schema are generations, all others are chats, and each kind has its own queue and function.

mod check;
mod render;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::server::Server;
use crate::record::Record;

pub use schema::conforming;

/// Above the 32 MB the original accepts, so that its own 413 is what a client sees.
const BODY_BYTES_MAX: usize = 33 * 1024 * 1024;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It brings rules and asks for a structured answer: a program is being written.
    Generate,
    /// A plain question, from `chat_completion`.
    Chat,
}

/// One request the fake accepted.
#[derive(Debug, Clone)]
pub struct Call {
    /// What it is for.
    pub purpose: Purpose,
    /// The whole body.
    pub body: Value,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Call {
    /// The text of the last message of the user.
    pub fn prompt(&self) -> String {
        let messages = self.body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        messages
            .iter()
            .rfind(|message| message["role"] == "user")
            .map_or_else(String::new, |message| text_of(&message["content"]))
    }

    /// The text of the system prompt.
    pub fn system(&self) -> String {
        text_of(&self.body["system"])
    }
}

/// Content is a string or a list of blocks.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// What a correct request gets.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This text, and `end_turn`.
    Text(String),
    /// A structured answer: these fields, and every other field the schema requires, empty.
    Fields(Map<String, Value>),
    /// Whatever was said until `stop_reason` ended it: `max_tokens`, `refusal`, `pause_turn`…
    Stopped {
        /// The text so far; may be empty.
        text: String,
        /// Why it stopped.
        stop_reason: &'static str,
    },
    /// An error of the API.
    Error {
        /// HTTP status.
        status: u16,
        /// `rate_limit_error`, `overloaded_error`…
        kind: &'static str,
        /// More headers: `retry-after`, `x-should-retry`.
        headers: Vec<(&'static str, String)>,
    },
    /// 200 with a body that is not JSON.
    NotJson,
    /// 200 and the beginning of a stream, then an error event of this type; a plain error where nothing is streamed.
    ErrorEvent(&'static str),
    /// The connection breaks in the middle of the answer.
    Cut,
    /// Nothing ever comes back.
    Hang,
    /// The same, later.
    After(Duration, Box<Reply>),
}

impl Reply {
    /// A generated workflow around this program.
    pub fn program(code: &str) -> Self {
        Self::workflow(json!({"code": code}))
    }

    /// A generated workflow with these fields.
    ///
    /// # Panics
    /// When `fields` is no object.
    pub fn workflow(fields: Value) -> Self {
        let Value::Object(mut fields) = fields else { panic!("fields are an object") };
        for (name, value) in [("outcome", "workflow"), ("name", "A workflow"), ("language", "en")] {
            fields.entry(name).or_insert_with(|| value.into());
        }
        Self::Fields(fields)
    }

    /// 429, with `retry-after` when given.
    pub fn rate_limited(retry_after_secs: Option<u32>) -> Self {
        let headers = retry_after_secs.map(|seconds| ("retry-after", seconds.to_string()));
        Self::Error { status: 429, kind: "rate_limit_error", headers: headers.into_iter().collect() }
    }

    /// 529.
    pub fn overloaded() -> Self {
        Self::Error { status: 529, kind: "overloaded_error", headers: Vec::new() }
    }

    /// A refusal: HTTP 200, no content.
    pub fn refusal() -> Self {
        Self::Stopped { text: String::new(), stop_reason: "refusal" }
    }
}

type Answer = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

/// One purpose's queue and function.
struct Line {
    script: Mutex<VecDeque<Reply>>,
    answer: Mutex<Answer>,
}

impl Line {
    fn new(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        Self { script: Mutex::default(), answer: Mutex::new(Arc::new(answer)) }
    }

    fn next(&self, call: &Call) -> Reply {
        if let Some(scripted) = lock(&self.script).pop_front() {
            return scripted;
        }
        let answer = Arc::clone(&lock(&self.answer));
        answer(call)
    }
}

struct Inner {
    key: String,
    generate: Line,
    chat: Line,
    calls: Record<Call>,
    refused: Record<String>,
    /// Prefixes the cache holds: the first request with one writes it, the next ones read it.
    cached: Mutex<HashSet<String>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AnthropicFake").field("calls", &self.calls.len()).finish_non_exhaustive()
    }
}

impl Inner {
    fn line(&self, purpose: Purpose) -> &Line {
        match purpose {
            Purpose::Generate => &self.generate,
            Purpose::Chat => &self.chat,
        }
    }

    /// Refuses a request, and remembers why: a test that did not mean to be refused reads it.
    fn refuse(&self, refusal: &check::Refusal) -> Response {
        self.refused.push(format!("{} {}", refusal.status, refusal.message));
        render::error(refusal.status, refusal.kind, &refusal.message, &[])
    }
}

/// The server.
#[derive(Debug)]
pub struct AnthropicFake {
    inner: Arc<Inner>,
    server: Server,
}

impl AnthropicFake {
    /// Starts it; it accepts `key` and no other.
    pub async fn start(key: &str) -> Self {
        let undecided = |_: &Call| Reply::Error { status: 500, kind: "api_error", headers: Vec::new() };
        let inner = Arc::new(Inner {
            key: key.to_owned(),
            generate: Line::new(undecided),
            chat: Line::new(|call| Reply::Text(format!("Reply to: {}", call.prompt()))),
            calls: Record::default(),
            refused: Record::default(),
            cached: Mutex::default(),
        });
        let router = Router::new()
            .route("/v1/messages", post(messages))
            .route("/v1/messages/count_tokens", post(count_tokens))
            .route("/v1/models", get(models))
            .route("/v1/models/{id}", get(model))
            .fallback(unknown)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&inner));
        Self { inner, server: Server::start(router).await }
    }

    /// What `ANTHROPIC_BASE_URL` has to be.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Answers of one purpose come from this function from now on.
    pub fn answer_with(&self, purpose: Purpose, answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        *lock(&self.inner.line(purpose).answer) = Arc::new(answer);
    }

    /// Every generation gives this program from now on.
    pub fn generate_program(&self, code: &str) {
        let reply = Reply::program(code);
        self.answer_with(Purpose::Generate, move |_| reply.clone());
    }

    /// The next answers of one purpose, in this order, before the function is asked again.
    pub fn script(&self, purpose: Purpose, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.inner.line(purpose).script).extend(replies);
    }

    /// Takes the next scripted answer back; `false` when there is none.
    pub fn take_scripted(&self, purpose: Purpose) -> bool {
        lock(&self.inner.line(purpose).script).pop_front().is_some()
    }

    /// Every accepted request, in order of arrival.
    pub fn calls(&self) -> &Record<Call> {
        &self.inner.calls
    }

    /// The accepted requests of one purpose.
    pub fn calls_for(&self, purpose: Purpose) -> Vec<Call> {
        self.calls().all().into_iter().filter(|call| call.purpose == purpose).collect()
    }

    /// Why requests were refused as wrong, in order.
    pub fn refused(&self) -> Vec<String> {
        self.inner.refused.all()
    }
}

async fn messages(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let body = match check::request(&fake.key, &headers, &bytes) {
        Ok(body) => body,
        Err(refusal) => return fake.refuse(&refusal),
    };
    let structured = body["output_config"]["format"].is_object() && !body["system"].is_null();
    let purpose = if structured { Purpose::Generate } else { Purpose::Chat };
    let call = Call { purpose, body, headers };
    let reply = fake.line(purpose).next(&call);
    fake.calls.push(call.clone());
    let cache_hit = render::cached_prefix(&call.body).map(|prefix| !lock(&fake.cached).insert(prefix));
    perform(&call, reply, cache_hit).await
}

async fn perform(call: &Call, reply: Reply, cache_hit: Option<bool>) -> Response {
    match reply {
        Reply::Text(text) => render::message(&call.body, &text, "end_turn", cache_hit),
        Reply::Fields(fields) => {
            let answer = conforming(&call.body["output_config"]["format"]["schema"], &fields);
            render::message(&call.body, &answer.to_string(), "end_turn", cache_hit)
        }
        Reply::Stopped { text, stop_reason } => render::message(&call.body, &text, stop_reason, cache_hit),
        Reply::Error { status, kind, headers } => render::error(status, kind, kind, &headers),
        Reply::NotJson => "<html>not the API</html>".into_response(),
        Reply::ErrorEvent(kind) if call.body["stream"] == true => render::error_event(&call.body, kind),
        Reply::ErrorEvent(kind) => render::error(529, kind, kind, &[]),
        Reply::Cut => render::cut(&call.body),
        Reply::Hang => std::future::pending().await,
        Reply::After(delay, reply) => {
            tokio::time::sleep(delay).await;
            Box::pin(perform(call, *reply, cache_hit)).await
        }
    }
}

async fn count_tokens(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    match check::count(&fake.key, &headers, &bytes) {
        Ok(body) => render::ok(&json!({"input_tokens": render::tokens(&body["messages"].to_string())})),
        Err(refusal) => fake.refuse(&refusal),
    }
}

async fn models(State(fake): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = check::headers(&fake.key, &headers) {
        return fake.refuse(&refusal);
    }
    let data: Vec<Value> = check::MODELS.iter().map(|id| model_object(id)).collect();
    let (first, last) = (check::MODELS.first(), check::MODELS.last());
    render::ok(&json!({"data": data, "has_more": false, "first_id": first, "last_id": last}))
}

async fn model(State(fake): State<Arc<Inner>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match check::headers(&fake.key, &headers).and_then(|()| check::known_model(&id)) {
        Ok(()) => render::ok(&model_object(&id)),
        Err(refusal) => fake.refuse(&refusal),
    }
}

fn model_object(id: &str) -> Value {
    json!({
        "type": "model",
        "id": id,
        "display_name": id,
        "created_at": "2026-09-01T00:00:00Z",
        "max_input_tokens": 1_000_000,
        "max_tokens": check::OUTPUT_TOKENS_MAX,
    })
}

async fn unknown(State(fake): State<Arc<Inner>>, uri: Uri) -> Response {
    let status = StatusCode::NOT_FOUND.as_u16();
    fake.refuse(&check::Refusal { status, kind: "not_found_error", message: format!("Not found: {uri}") })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
