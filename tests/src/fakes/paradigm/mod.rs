//! Paradigm: document search (`POST /api/v2/chat/document-search`, and the newer [`version3`]), and whole documents
//! ([`documents`]).
//!
//! As strict as the original about the key and the body. A test chooses the answers, injects faults by keyword, delays
//! answers, or withholds them until it releases them (to look at a system while calls are in flight).

mod documents;
mod version3;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

pub use self::documents::Document;
use self::documents::Documents;
use super::server::{Server, cut_after};
use crate::record::Record;

/// 4,000 characters: what a search accepts as a query.
const SEARCH_QUERY_CHARS_MAX: usize = 4_000;

/// Fields of the v2 request, as documented. Anything else is a bug of ours.
const V2_FIELDS: &[&str] = &[
    "query",
    "workspace_ids",
    "file_ids",
    "chat_session_id",
    "model",
    "company_scope",
    "private_scope",
    "private",
    "tool",
    "generation_instructions",
    "rewrite_query",
    "extra_body",
];

/// What happens to a query instead of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An error with this status, and `Retry-After` in seconds when given.
    Status(StatusCode, Option<u32>),
    /// The request is read, and nothing ever comes back.
    Hang,
    /// The connection breaks in the middle of the answer.
    Cut,
    /// 200 with something that is not JSON.
    NotJson,
}

#[derive(Debug)]
struct KeywordFault {
    keyword: String,
    left: usize,
    fault: Fault,
}

type Answer = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Which answers may be given.
#[derive(Debug)]
struct Gate {
    /// How many more.
    left: usize,
    /// Queries that are answered in any case.
    named: HashSet<String>,
}

impl Gate {
    fn open() -> Self {
        Self { left: usize::MAX, named: HashSet::new() }
    }

    /// Whether this query may be answered now; uses up what lets it pass.
    fn lets_pass(&mut self, query: &str) -> bool {
        if self.named.remove(query) {
            return true;
        }
        let may_pass = self.left > 0;
        if self.left != usize::MAX {
            self.left = self.left.saturating_sub(1);
        }
        may_pass
    }
}

/// One search as it arrived.
#[derive(Debug, Clone)]
pub struct Search {
    /// The question.
    pub query: String,
    /// The whole body.
    pub body: Value,
    /// The path: which generation of the API.
    pub path: String,
    /// Whether it was refused or broken on purpose.
    pub faulty: bool,
}

struct Inner {
    key: String,
    answer: Mutex<Answer>,
    faults: Mutex<Vec<KeywordFault>>,
    delay: Mutex<Duration>,
    gate: watch::Sender<Gate>,
    searches: Record<Search>,
    documents: Documents,
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ParadigmFake").field("searches", &self.searches.len()).finish_non_exhaustive()
    }
}

/// The server.
#[derive(Debug)]
pub struct ParadigmFake {
    inner: Arc<Inner>,
    server: Server,
}

impl ParadigmFake {
    /// Starts it; it accepts `key` and no other.
    pub async fn start(key: &str) -> Self {
        let inner = Arc::new(Inner {
            key: key.to_owned(),
            answer: Mutex::new(Arc::new(|query: &str| format!("Answer to: {query}"))),
            faults: Mutex::default(),
            delay: Mutex::default(),
            gate: watch::Sender::new(Gate::open()),
            searches: Record::default(),
            documents: Documents::default(),
        });
        let router = Router::new()
            .route("/api/v2/chat/document-search", post(search_v2))
            .merge(version3::routes())
            .merge(documents::routes())
            .fallback(unknown)
            .with_state(Arc::clone(&inner));
        Self { inner, server: Server::start(router).await }
    }

    /// What `LIGHTON_BASE_URL` has to be.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Answers come from this function from now on.
    pub fn answer_with(&self, answer: impl Fn(&str) -> String + Send + Sync + 'static) {
        *lock(&self.inner.answer) = Arc::new(answer);
    }

    /// The next `times` queries that contain `keyword` meet this fault.
    pub fn fail(&self, keyword: &str, times: usize, fault: Fault) {
        lock(&self.inner.faults).push(KeywordFault { keyword: keyword.to_lowercase(), left: times, fault });
    }

    /// Every answer takes this much longer from now on.
    pub fn delay(&self, delay: Duration) {
        *lock(&self.inner.delay) = delay;
    }

    /// Withholds answers from now on; queries are still recorded as they arrive.
    pub fn withhold(&self) {
        self.answer_only(0);
    }

    /// Answers this many queries from now on, and withholds the answers to all others.
    pub fn answer_only(&self, count: usize) {
        self.inner.gate.send_modify(|gate| gate.left = count);
    }

    /// Answers this query once, now or when it comes, though others are withheld.
    pub fn answer_to(&self, query: &str) {
        self.inner.gate.send_modify(|gate| {
            gate.named.insert(query.to_owned());
        });
    }

    /// Gives every withheld answer.
    pub fn release(&self) {
        self.inner.gate.send_replace(Gate::open());
    }

    /// What was searched, in order of arrival.
    pub fn searches(&self) -> &Record<Search> {
        &self.inner.searches
    }

    /// Back to the state after the start: no faults, no delay, nothing recorded. The answers stay.
    pub fn reset(&self) {
        lock(&self.inner.faults).clear();
        self.delay(Duration::ZERO);
        self.release();
        self.inner.searches.clear();
    }
}

impl Inner {
    /// The answer to `query`, after everything the test put in its way; `Err` is the response to give instead.
    async fn answer(&self, query: &str, body: &Value, path: &str) -> Result<String, Box<Response>> {
        let fault = self.next_fault(query);
        self.searches.push(Search {
            query: query.to_owned(),
            body: body.clone(),
            path: path.to_owned(),
            faulty: fault.is_some(),
        });
        let delay = *lock(&self.delay);
        tokio::time::sleep(delay).await;
        self.may_answer(query).await;
        match fault {
            None => {
                let answer = Arc::clone(&lock(&self.answer));
                Ok(answer(query))
            }
            Some(Fault::Status(status, retry_after)) => Err(Box::new(failure(status, retry_after))),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Cut) => {
                Err(Box::new(cut_after(Bytes::from_static(b"{\"answer\": \"half of")).into_response()))
            }
            Some(Fault::NotJson) => Err(Box::new("<html>gateway</html>".into_response())),
        }
    }

    async fn may_answer(&self, query: &str) {
        let mut changes = self.gate.subscribe();
        loop {
            let mut may_pass = false;
            changes.mark_unchanged();
            // Nobody waits for less room at the gate: only the test's own changes are told.
            self.gate.send_if_modified(|gate| {
                may_pass = gate.lets_pass(query);
                false
            });
            if may_pass {
                return;
            }
            changes.changed().await.expect("the sender lives in self");
        }
    }

    fn next_fault(&self, query: &str) -> Option<Fault> {
        let query = query.to_lowercase();
        let mut faults = lock(&self.faults);
        let fault = faults.iter_mut().find(|fault| fault.left > 0 && query.contains(&fault.keyword))?;
        fault.left -= 1;
        Some(fault.fault.clone())
    }

    fn authorised(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let detail = match given.map(|value| value.strip_prefix("Bearer ")) {
            Some(Some(key)) if key == self.key => return Ok(()),
            Some(_) => "Invalid API key.",
            None => "Authentication credentials were not provided.",
        };
        Err(Box::new(problem(StatusCode::UNAUTHORIZED, detail)))
    }

    /// The query of a request that is right in every respect.
    fn checked(
        &self,
        headers: &HeaderMap,
        bytes: &Bytes,
        fields: &[&str],
        chars_max: usize,
    ) -> Result<(String, Value), Box<Response>> {
        let refused = |status, detail: &str| Box::new(problem(status, detail));
        self.authorised(headers)?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type."));
        }
        let body: Value = serde_json::from_slice(bytes)
            .map_err(|error| refused(StatusCode::BAD_REQUEST, &format!("JSON parse error - {error}")))?;
        let object = body.as_object();
        if let Some(name) =
            object.and_then(|object| object.keys().find(|name| !fields.contains(&name.as_str())))
        {
            return Err(refused(StatusCode::BAD_REQUEST, &format!("Unknown field: {name}")));
        }
        match body["query"].as_str() {
            Some(query) if query.trim().is_empty() => {
                Err(refused(StatusCode::BAD_REQUEST, "query: This field may not be blank."))
            }
            Some(query) if query.chars().count() > chars_max => {
                Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "query: too long"))
            }
            Some(query) => Ok((query.to_owned(), body.clone())),
            None => Err(refused(StatusCode::BAD_REQUEST, "query: This field is required.")),
        }
    }
}

async fn search_v2(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let (query, body) = match fake.checked(&headers, &bytes, V2_FIELDS, SEARCH_QUERY_CHARS_MAX) {
        Ok(checked) => checked,
        Err(refusal) => return *refusal,
    };
    match fake.answer(&query, &body, "/api/v2/chat/document-search").await {
        Ok(answer) => Json(json!({
            "chat_session_id": "5f0c7b4e-4f59-4a8c-9a2c-3d1c0c1f7b11",
            "answer": answer,
            "model": "alfred-4.2",
            "user_instructions": null,
            "chat_settings": {"id": 3, "name": "default"},
            "documents": [{
                "id": 7,
                "name": "fake.pdf",
                "document_extracts": [{
                    "id": 71,
                    "text": answer,
                    "metadata": {"ID": "7-1", "pages": [1], "total_pages": 2},
                }],
            }],
        }))
        .into_response(),
        Err(fault) => *fault,
    }
}

async fn unknown(uri: Uri) -> Response {
    problem(StatusCode::NOT_FOUND, &format!("Not found: {}", uri.path()))
}

fn failure(status: StatusCode, retry_after: Option<u32>) -> Response {
    let mut response = problem(status, status.canonical_reason().unwrap_or("Error"));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Both generations' error shapes in one object: each reads its own fields.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "id": "err-fake",
        "code": status.as_u16().to_string(),
        "error": status.canonical_reason(),
        "detail": detail,
        "doc_url": null,
    });
    (status, Json(body)).into_response()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;
    use crate::client::{Answer, Client};

    async fn ask(fake: &ParadigmFake, path: &str, key: &str, body: &Value) -> Answer {
        let client = Client::new(fake.url());
        client.send(client.request(Method::POST, path).bearer_auth(key).json(body)).await
    }

    #[tokio::test]
    async fn both_generations_answer_and_check_key_and_body() {
        let fake = ParadigmFake::start("key").await;
        for path in ["/api/v2/chat/document-search", "/api/v3/ask", "/api/v3/search"] {
            let answer = ask(&fake, path, "key", &json!({"query": "Où ?"})).await.expect(200);
            let told = answer.get("answer").unwrap_or(&answer["results"][0]["content"]);
            assert_eq!(told, "Answer to: Où ?");
            ask(&fake, path, "other", &json!({"query": "x"})).await.expect(401);
            ask(&fake, path, "key", &json!({"query": " "})).await.expect(400);
            ask(&fake, path, "key", &json!({"query": "x", "surprise": 1})).await.expect(400);
        }
        assert_eq!(fake.searches().len(), 3);
        // Only `search` has modes, and version 3 takes workspaces or files.
        ask(&fake, "/api/v3/ask", "key", &json!({"query": "x", "mode": "vision"})).await.expect(400);
        ask(&fake, "/api/v3/search", "key", &json!({"query": "x", "mode": "vision"})).await.expect(200);
        let both = json!({"query": "x", "workspace_id": [1], "file_id": [2]});
        ask(&fake, "/api/v3/search", "key", &both).await.expect(422);
    }

    #[tokio::test]
    async fn a_fault_meets_its_keyword_as_often_as_asked_and_answers_can_be_withheld() {
        let fake = ParadigmFake::start("key").await;
        let path = "/api/v2/chat/document-search";
        fake.fail("broken", 1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE, Some(2)));
        let failed = ask(&fake, path, "key", &json!({"query": "Broken lamp"})).await;
        assert_eq!((failed.status, failed.header("retry-after")), (503, Some("2")));
        ask(&fake, path, "key", &json!({"query": "Broken lamp"})).await.expect(200);
        fake.withhold();
        let (body, seen) = (json!({"query": "x"}), fake.searches());
        let ((), answer) = tokio::join!(
            async {
                seen.wait_for(3).await;
                fake.release();
            },
            ask(&fake, path, "key", &body),
        );
        answer.expect(200);
    }
}
