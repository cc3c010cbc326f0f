//! Version 3: a question answered (`POST /api/v3/ask`, whole or as a stream) and passages alone (`POST /api/v3/search`).
//! As the original, neither takes workspaces and files together, and only `search` knows modes.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Inner, SEARCH_QUERY_CHARS_MAX, problem};
use crate::fakes::server::cut_after;

/// 1,500 characters: what `ask` accepts as a question.
const ASK_QUERY_CHARS_MAX: usize = 1_500;
/// 6 characters of an answer in one event of its stream.
const TOKEN_CHARS: usize = 6;

const ASK_FIELDS: &[&str] = &[
    "query",
    "max_results",
    "workspace_id",
    "tag_id",
    "file_id",
    "content_type",
    "attribute",
    "relevance_scoring",
    "model",
    "stream",
    "response_format",
];
const SEARCH_FIELDS: &[&str] = &[
    "query",
    "max_results",
    "workspace_id",
    "tag_id",
    "file_id",
    "content_type",
    "attribute",
    "mode",
    "relevance_scoring",
    "skip_rerank",
    "include_image",
    "include_bboxes",
];

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new().route("/api/v3/ask", post(ask)).route("/api/v3/search", post(search))
}

impl Inner {
    fn checked_v3(
        &self,
        headers: &HeaderMap,
        bytes: &Bytes,
        fields: &[&str],
        chars_max: usize,
    ) -> Result<(String, Value), Box<Response>> {
        let (query, body) = self.checked(headers, bytes, fields, chars_max)?;
        let named = |name: &str| !body[name].is_null();
        if named("file_id") && (named("workspace_id") || named("tag_id")) {
            let detail = "file_id: cannot be combined with workspace_id or tag_id.";
            return Err(Box::new(problem(StatusCode::UNPROCESSABLE_ENTITY, detail)));
        }
        Ok((query, body))
    }
}

async fn ask(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let (query, body) = match fake.checked_v3(&headers, &bytes, ASK_FIELDS, ASK_QUERY_CHARS_MAX) {
        Ok(checked) => checked,
        Err(refusal) => return *refusal,
    };
    match fake.answer(&query, &body, "/api/v3/ask").await {
        Ok(answer) if body["stream"] == true => streamed(&query, &answer),
        Ok(answer) => {
            Json(json!({"answer": answer, "results": [chunk(&answer)], "warnings": []})).into_response()
        }
        Err(fault) => *fault,
    }
}

async fn search(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let (query, body) = match fake.checked_v3(&headers, &bytes, SEARCH_FIELDS, SEARCH_QUERY_CHARS_MAX) {
        Ok(checked) => checked,
        Err(refusal) => return *refusal,
    };
    match fake.answer(&query, &body, "/api/v3/search").await {
        Ok(answer) => Json(json!({"results": [chunk(&answer)], "warnings": []})).into_response(),
        Err(fault) => *fault,
    }
}

fn chunk(text: &str) -> Value {
    json!({
        "chunk_id": "0b0e2f6a-6d3f-4b52-9a55-8f1f7f6d7a71",
        "content": text,
        "score": 0.87,
        "scores": {"text": 0.8, "vision": null, "keyword": 0.1, "multivector": 0.5, "relevance": 0.87},
        "source": {
            "file_id": 7,
            "filename": "fake.pdf",
            "title": "Fake",
            "mime_type": "application/pdf",
            "size_bytes": 1024,
            "total_pages": 2,
            "page_start": 1,
            "page_end": 1,
            "tags": [],
            "external_metadata": null,
        },
        "workspace": {"id": 1, "name": "Company"},
    })
}

/// Sources first, then the answer piece by piece, with a heartbeat and an event nobody knows between. A question
/// with `error-event` in it breaks down in the middle, one with `cut-stream` loses its connection there.
fn streamed(query: &str, answer: &str) -> Response {
    let event = |name: &str, data: &Value| format!("event: {name}\ndata: {data}\n\n");
    let characters: Vec<char> = answer.chars().collect();
    let tokens = characters.chunks(TOKEN_CHARS).map(|piece| piece.iter().collect::<String>());
    let mut events =
        vec![event("sources", &json!({"results": [chunk(answer)]})), ": heartbeat\n\n".to_owned()];
    events.extend(tokens.map(|text| event("token", &json!({"text": text}))));
    events.push(event("a_future_event", &json!({"note": "to be ignored"})));
    let half = events.len() / 2;
    let body = if query.contains("error-event") {
        events.truncate(half);
        events.push(event("error", &json!({"detail": "the model failed"})));
        Body::from(events.concat())
    } else if query.contains("cut-stream") {
        events.truncate(half);
        cut_after(Bytes::from(events.concat()))
    } else {
        events.push(event("done", &json!({})));
        Body::from(events.concat())
    };
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
}
