//! Whole documents: uploaded, indexed, analysed, cut into passages, deleted. As the original, slow: a document is not
//! known at once, then pending, then ready; an analysis is unknown at first and counts its pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Inner, SEARCH_QUERY_CHARS_MAX, lock, problem};
use crate::record::Record;

/// 200 MB: what a test may upload.
const UPLOAD_BYTES_MAX: usize = 200 << 20;
/// Looks at a new document or analysis until the server that is asked knows it.
const UNKNOWN_FOR: u32 = 1;
/// Looks until a document is indexed.
const INDEXED_AFTER: u32 = 3;

const ANALYSIS_FIELDS: &[&str] = &["query", "document_ids", "model"];
const IMAGE_FIELDS: &[&str] = &["query", "document_ids", "model", "private"];
const QUERY_FIELDS: &[&str] = &["query", "collection", "n"];
const FILTER_FIELDS: &[&str] = &["query", "chunk_ids", "n", "model"];

/// A document as the fake holds it.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file's name.
    pub name: String,
    /// Its size.
    pub length_bytes: usize,
    /// SHA-256 of its content, hexadecimal.
    pub digest: String,
    looks: u32,
}

#[derive(Debug)]
struct Analysis {
    query: String,
    document_ids: Vec<i64>,
    looks: u32,
}

/// The part of the fake that holds documents.
#[derive(Debug, Default)]
pub(super) struct Documents {
    next_id: Mutex<i64>,
    held: Mutex<BTreeMap<i64, Document>>,
    analyses: Mutex<Vec<Analysis>>,
    /// Pages of an analysis, and how many are read between two looks.
    pages: Mutex<(u32, u32)>,
    polls: Record<f64>,
    /// How much of the current upload has arrived.
    arrived_bytes: Record<usize>,
}

impl super::ParadigmFake {
    /// The documents held, by id.
    pub fn documents(&self) -> BTreeMap<i64, Document> {
        lock(&self.inner.documents.held).clone()
    }

    /// Analyses read so many pages, so many between two looks.
    pub fn analysis_pages(&self, pages: u32, pages_per_look: u32) {
        *lock(&self.inner.documents.pages) = (pages, pages_per_look);
    }

    /// The progress told at each look at an analysis.
    pub fn analysis_polls(&self) -> Vec<f64> {
        self.inner.documents.polls.all()
    }

    /// Sizes of the pieces of uploads, as they arrive.
    pub fn arrivals(&self) -> &Record<usize> {
        &self.inner.documents.arrived_bytes
    }
}

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/api/v2/files", post(upload))
        .route("/api/v2/files/{id}", get(file).delete(delete_file))
        .route("/api/v2/files/{id}/chunks", get(file_chunks))
        .route("/api/v2/chat/document-analysis", post(start_analysis))
        .route("/api/v2/chat/document-analysis/{id}", get(analysis))
        .route("/api/v2/chat/image-analysis", post(image_analysis))
        .route("/api/v2/query", post(query))
        .route("/api/v2/filter/chunks", post(filter_chunks))
}

/// Hears everything before it says anything: an answer to half a request is a broken connection to some clients.
async fn upload(State(fake): State<Arc<Inner>>, headers: HeaderMap, body: Body) -> Response {
    let (mut bytes, mut length_bytes, mut pieces) = (Vec::new(), 0, body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { return problem(StatusCode::BAD_REQUEST, "the upload broke off") };
        fake.documents.arrived_bytes.push(piece.len());
        length_bytes += piece.len();
        if length_bytes <= UPLOAD_BYTES_MAX {
            bytes.extend_from_slice(&piece);
        }
    }
    if let Err(refusal) = fake.authorised(&headers) {
        return *refusal;
    }
    if length_bytes > UPLOAD_BYTES_MAX {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "File too large.");
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(boundary) =
        kind.strip_prefix("multipart/form-data; boundary=").map(|text| text.trim_matches('"'))
    else {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type.");
    };
    let Some(parts) = parts(&bytes, boundary) else {
        return problem(StatusCode::BAD_REQUEST, "Multipart form parse error.");
    };
    let part = |name: &str| parts.iter().find(|(head, _)| head.contains(&format!("name=\"{name}\"")));
    if part("purpose").map(|(_, content)| *content) != Some(b"documents") {
        return problem(StatusCode::BAD_REQUEST, "purpose: This field is required.");
    }
    let Some((head, content)) = part("file") else {
        return problem(StatusCode::BAD_REQUEST, "file: No file was submitted.");
    };
    let name = head.split("filename=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    if name.is_empty() || content.is_empty() {
        return problem(StatusCode::BAD_REQUEST, "file: The submitted file is empty.");
    }
    let document = Document {
        name: name.to_owned(),
        length_bytes: content.len(),
        digest: format!("{:x}", Sha256::digest(content)),
        looks: 0,
    };
    let id = {
        let mut next = lock(&fake.documents.next_id);
        *next += 1;
        4_000 + *next
    };
    let answer = rendered(id, &document);
    lock(&fake.documents.held).insert(id, document);
    (StatusCode::CREATED, Json(answer)).into_response()
}

/// The parts of a multipart body: head and content.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<(String, &'a [u8])>> {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let opening = format!("--{boundary}");
    let mut rest = body.strip_prefix(opening.as_bytes())?;
    let closing = format!("\r\n--{boundary}");
    let mut found = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let head = find(part, b"\r\n\r\n")?;
        let content = &part[head + 4..];
        // Contents are large: look for the boundary from the next dash on only.
        let end = boundary_at(content, closing.as_bytes())?;
        found.push((String::from_utf8(part[..head].to_vec()).ok()?, &content[..end]));
        rest = &content[end + closing.len()..];
    }
    rest.starts_with(b"--").then_some(found)
}

fn boundary_at(content: &[u8], closing: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let found = from + content[from..].iter().position(|byte| *byte == b'\r')?;
        if content[found..].starts_with(closing) {
            return Some(found);
        }
        from = found + 1;
    }
}

fn rendered(id: i64, document: &Document) -> Value {
    let status = match document.looks {
        looks if looks >= INDEXED_AFTER && document.name.starts_with("unreadable") => "parsing_failed",
        looks if looks >= INDEXED_AFTER => "embedded",
        looks if looks > UNKNOWN_FOR => "embedding",
        _ => "pending",
    };
    json!({
        "id": id,
        "object": "file",
        "filename": document.name,
        "bytes": document.length_bytes,
        "created_at": 1_790_000_000,
        "purpose": "documents",
        "status": status,
    })
}

async fn file(State(fake): State<Arc<Inner>>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    if let Err(refusal) = fake.authorised(&headers) {
        return *refusal;
    }
    let mut held = lock(&fake.documents.held);
    let Some(document) = held.get_mut(&id) else { return missing() };
    document.looks += 1;
    if document.looks <= UNKNOWN_FOR {
        return missing();
    }
    Json(rendered(id, document)).into_response()
}

async fn delete_file(State(fake): State<Arc<Inner>>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    if let Err(refusal) = fake.authorised(&headers) {
        return *refusal;
    }
    match lock(&fake.documents.held).remove(&id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => missing(),
    }
}

async fn file_chunks(State(fake): State<Arc<Inner>>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    if let Err(refusal) = fake.authorised(&headers) {
        return *refusal;
    }
    let held = lock(&fake.documents.held);
    let Some(document) = held.get(&id) else { return missing() };
    let chunk = |page: u32| json!({"uuid": format!("{id}-{page}"), "text": format!("{} page {page}", document.name), "metadata": {"page": page}});
    Json(json!({"chunks": [chunk(1), chunk(2)]})).into_response()
}

/// The ids in a body, all of documents held.
fn known_ids(fake: &Inner, body: &Value) -> Result<Vec<i64>, Box<Response>> {
    let refused = |status, detail: &str| Box::new(problem(status, detail));
    let ids = body["document_ids"].as_array().filter(|ids| !ids.is_empty());
    let ids = ids.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "document_ids: This field is required."))?;
    let ids: Option<Vec<i64>> = ids.iter().map(Value::as_i64).collect();
    let ids =
        ids.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "document_ids: A valid integer is required."))?;
    let held = lock(&fake.documents.held);
    match ids.iter().find(|id| !held.contains_key(id)) {
        Some(id) => Err(refused(StatusCode::NOT_FOUND, &format!("Document {id} does not exist."))),
        None => Ok(ids),
    }
}

async fn start_analysis(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let checked = fake.checked(&headers, &bytes, ANALYSIS_FIELDS, SEARCH_QUERY_CHARS_MAX);
    let started = checked.and_then(|(query, body)| Ok((query, known_ids(&fake, &body)?)));
    let (query, document_ids) = match started {
        Ok(started) => started,
        Err(refusal) => return *refusal,
    };
    let mut analyses = lock(&fake.documents.analyses);
    analyses.push(Analysis { query, document_ids, looks: 0 });
    Json(json!({"chat_response_id": format!("analysis-{}", analyses.len())})).into_response()
}

async fn analysis(State(fake): State<Arc<Inner>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if let Err(refusal) = fake.authorised(&headers) {
        return *refusal;
    }
    let mut analyses = lock(&fake.documents.analyses);
    let number = id.strip_prefix("analysis-").and_then(|number| number.parse::<usize>().ok());
    let Some(analysis) = number.and_then(|number| analyses.get_mut(number.checked_sub(1)?)) else {
        return missing();
    };
    analysis.looks += 1;
    if analysis.looks <= UNKNOWN_FOR {
        return missing();
    }
    let (pages, per_look) = *lock(&fake.documents.pages);
    let read = (per_look * (analysis.looks - UNKNOWN_FOR)).min(pages);
    let done = read == pages;
    let progress = if pages == 0 { 1.0 } else { f64::from(read) / f64::from(pages) };
    fake.documents.polls.push(progress);
    let Analysis { query, document_ids, .. } = analysis;
    Json(json!({
        "uuid": id,
        "status": if done { "completed" } else { "processing" },
        "progress": progress,
        "result": done.then(|| format!("Read {pages} pages of {document_ids:?}: {query}")),
        "reduction_phase": if done { Value::Null } else { json!("map") },
        "documents": document_ids,
    }))
    .into_response()
}

async fn image_analysis(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let checked = fake.checked(&headers, &bytes, IMAGE_FIELDS, SEARCH_QUERY_CHARS_MAX);
    match checked.and_then(|(query, body)| Ok((query, known_ids(&fake, &body)?))) {
        Ok((_, ids)) if ids.len() > 5 => problem(StatusCode::BAD_REQUEST, "document_ids: at most 5 images"),
        Ok((query, ids)) => Json(json!({"answer": format!("Seen {ids:?}: {query}")})).into_response(),
        Err(refusal) => *refusal,
    }
}

async fn query(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    match fake.checked(&headers, &bytes, QUERY_FIELDS, SEARCH_QUERY_CHARS_MAX) {
        Ok((query, body)) => {
            let chunk = |n: u64| json!({"uuid": format!("chunk-{n}"), "text": format!("{query} {n}"), "metadata": {}, "score": 0.9});
            let chunks: Vec<Value> = (0..body["n"].as_u64().unwrap_or(5)).map(chunk).collect();
            Json(json!([{"query": query, "chunks": chunks}])).into_response()
        }
        Err(refusal) => *refusal,
    }
}

async fn filter_chunks(State(fake): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> Response {
    match fake.checked(&headers, &bytes, FILTER_FIELDS, SEARCH_QUERY_CHARS_MAX) {
        Ok((_, body)) => {
            let Some(ids) = body["chunk_ids"].as_array().filter(|ids| !ids.is_empty()) else {
                return problem(StatusCode::BAD_REQUEST, "chunk_ids: This field is required.");
            };
            let count = usize::try_from(body["n"].as_u64().unwrap_or(5)).unwrap_or(5);
            let chunk =
                |id: &Value| json!({"uuid": id, "text": format!("text of {id}"), "filter_score": 0.8});
            let chunks: Vec<Value> = ids.iter().take(count).map(chunk).collect();
            Json(json!({"query": body["query"], "chunks": chunks})).into_response()
        }
        Err(refusal) => *refusal,
    }
}

fn missing() -> Response {
    problem(StatusCode::NOT_FOUND, "Not found.")
}
