//! Whole documents: uploaded, watched, analysed, deleted.

use std::sync::Mutex;
use std::time::Duration;

use axum::body::Bytes;
use providers::paradigm::{FileStatus, ParadigmChunks, ParadigmImages, Upload};
use providers::{
    AnalysisRequest, CallContext, DocumentAnalysis as _, ParadigmAnalysis, ParadigmConfig, ParadigmFiles,
    ProviderError,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::upstream::{KEY, Script, Upstream, ok, transport};

const TICK: Duration = Duration::from_millis(2);

fn config(upstream: &Upstream) -> ParadigmConfig {
    ParadigmConfig { base_url: upstream.url.clone(), api_key: SecretString::from(KEY), model: None }
}

fn analysis(upstream: &Upstream) -> ParadigmAnalysis {
    ParadigmAnalysis::new(config(upstream), transport()).unwrap().with_poll_interval(TICK)
}

fn files(upstream: &Upstream) -> ParadigmFiles {
    ParadigmFiles::new(config(upstream), transport()).unwrap().with_poll_interval(TICK)
}

fn cx() -> CallContext {
    CallContext::within(Duration::from_secs(20))
}

fn not_found() -> Script {
    Script::Reply(404, vec![], json!({"detail": "Not found."}))
}

fn state(status: &str, progress: f64, result: &Value) -> Script {
    ok(
        json!({"uuid": "u-1", "status": status, "progress": progress, "reduction_phase": null, "result": result}),
    )
}

fn question() -> AnalysisRequest {
    AnalysisRequest { query: "Compare".into(), document_ids: vec![4, 5] }
}

#[tokio::test]
async fn an_analysis_is_started_and_polled_to_its_end() {
    let upstream = Upstream::start([
        ok(json!({"chat_response_id": "u-1"})),
        not_found(),
        state("processing", 0.4, &Value::Null),
        Script::Text(503, "busy".into()),
        state("COMPLETED", 1.0, &json!("They differ.")),
    ])
    .await;
    let heard = Mutex::new(Vec::new());
    let listen = |progress: providers::AnalysisProgress| {
        heard.lock().unwrap().push((progress.status, progress.progress));
    };
    let answer = analysis(&upstream).analyze(&question(), &listen, &cx()).await.unwrap();
    assert_eq!((answer.answer.as_str(), answer.requests), ("They differ.", 5));
    let expected = [("processing".to_owned(), Some(0.4)), ("COMPLETED".to_owned(), Some(1.0))];
    assert_eq!(*heard.lock().unwrap(), expected);
    let seen = upstream.seen();
    assert_eq!(seen[0].body, json!({"query": "Compare", "document_ids": [4, 5]}));
    assert_eq!(seen[1].path, "/api/v2/chat/document-analysis/u-1");
    assert_eq!(seen[1].method.as_str(), "GET");
}

#[tokio::test]
async fn an_analysis_that_fails_or_never_ends_is_an_error_in_time() {
    let failed = [ok(json!({"chat_response_id": 17})), state("failed", 0.1, &Value::Null)];
    let upstream = Upstream::start(failed).await;
    let error = analysis(&upstream).analyze(&question(), &|_| {}, &cx()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Rejected { .. }), "{error}");

    let endless = (0..500).map(|_| state("processing", 0.5, &Value::Null));
    let upstream =
        Upstream::start(std::iter::once(ok(json!({"chat_response_id": "u"}))).chain(endless)).await;
    let started = tokio::time::Instant::now();
    let soon = CallContext::within(Duration::from_millis(150));
    let error = analysis(&upstream).analyze(&question(), &|_| {}, &soon).await.unwrap_err();
    assert_eq!(error, ProviderError::Timeout { provider: "paradigm" });
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_id_that_would_change_the_path_is_malformed_and_no_documents_are_no_request() {
    let upstream = Upstream::start([ok(json!({"chat_response_id": "../../keys"}))]).await;
    let error = analysis(&upstream).analyze(&question(), &|_| {}, &cx()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Malformed { .. }), "{error}");
    let nothing = AnalysisRequest { document_ids: vec![], ..question() };
    let error = analysis(&upstream).analyze(&nothing, &|_| {}, &cx()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Rejected { status: 403, .. }), "{error}");
    assert_eq!(upstream.seen().len(), 1);
}

fn file(status: &str) -> Value {
    json!({"id": 77, "object": "file", "filename": "été.pdf", "bytes": 9, "status": status, "created_at": 1, "purpose": "documents"})
}

fn upload(pieces: &[&'static str]) -> Upload {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
    Upload {
        name: "été.pdf".into(),
        content_type: "application/pdf".into(),
        length_bytes: Some(9),
        content: Box::pin(futures_util::stream::iter(pieces)),
    }
}

#[tokio::test]
async fn a_document_is_streamed_through_and_watched_until_it_is_ready() {
    let upstream = Upstream::start([
        Script::Reply(201, vec![], file("pending")),
        not_found(),
        ok(file("embedding")),
        ok(file("embedded")),
    ])
    .await;
    let files = files(&upstream);
    let stored = files.upload(upload(&["%PDF-", "1.7\n"]), &cx()).await.unwrap();
    assert_eq!((stored.id, stored.status, stored.name.as_str()), (77, FileStatus::Processing, "été.pdf"));
    assert_eq!(files.settled(77, &cx()).await.unwrap().status, FileStatus::Ready);
    let seen = upstream.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/api/v2/files"));
    let sent = String::from_utf8_lossy(&seen[0].raw);
    assert!(sent.contains("%PDF-1.7\n") && sent.contains("documents"), "{sent}");
    assert!(seen[0].headers["content-type"].to_str().unwrap().starts_with("multipart/form-data"));
    assert_eq!(seen[1].path, "/api/v2/files/77");
}

#[tokio::test]
async fn an_upload_is_sent_once_whatever_happens() {
    let upstream = Upstream::start([Script::Text(503, "busy".into())]).await;
    let error = files(&upstream).upload(upload(&["123456789"]), &cx()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable { .. }), "{error}");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_failed_and_a_gone_one_is_deleted() {
    let upstream = Upstream::start([
        ok(file("parsing_failed")),
        Script::Text(204, String::new()),
        not_found(),
        Script::Reply(403, vec![], json!({"detail": "Not yours"})),
    ])
    .await;
    let files = files(&upstream);
    assert_eq!(files.settled(77, &cx()).await.unwrap().status, FileStatus::Failed);
    assert_eq!(files.delete(77, &cx()).await, Ok(()));
    assert_eq!(files.delete(77, &cx()).await, Ok(()));
    assert!(files.delete(77, &cx()).await.is_err());
    assert_eq!(upstream.seen()[1].method.as_str(), "DELETE");
}

#[tokio::test]
async fn passages_are_found_filtered_and_listed_whatever_shape_the_version_gives_them() {
    let chunk = |id: &str| json!({"uuid": id, "text": "Clause 4", "metadata": {}, "score": 0.7});
    let upstream = Upstream::start([
        ok(json!([{"query": "q", "chunks": [chunk("a"), chunk("b")]}])),
        ok(json!({"query": "q", "chunks": [{"id": 7, "text": "Clause 5", "filter_score": 0.2}]})),
        ok(json!([{"chunk_id": "c", "content": "Clause 6"}])),
    ])
    .await;
    let chunks = ParadigmChunks::new(config(&upstream), transport()).unwrap();
    let found = chunks.query("q", Some("contracts"), 2, &cx()).await.unwrap();
    assert_eq!((found.len(), found[1].id.as_str(), found[1].score), (2, "b", Some(0.7)));
    let kept = chunks.filter("q", &["a".to_owned(), "b".to_owned()], 1, &cx()).await.unwrap();
    assert_eq!((kept[0].id.as_str(), kept[0].score), ("7", Some(0.2)));
    let listed = files(&upstream).chunks(4, &cx()).await.unwrap();
    assert_eq!((listed[0].text.as_str(), listed[0].score), ("Clause 6", None));
    assert!(chunks.filter("q", &[], 5, &cx()).await.unwrap().is_empty(), "nothing is sent for nothing");
    let seen = upstream.seen();
    assert_eq!(seen[0].body, json!({"query": "q", "collection": "contracts", "n": 2}));
    assert_eq!(seen[1].body, json!({"query": "q", "chunk_ids": ["a", "b"], "n": 1}));
    assert_eq!((seen[2].method.as_str(), seen[2].path.as_str()), ("GET", "/api/v2/files/4/chunks"));
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn one_to_five_pictures_can_be_asked_about() {
    let upstream = Upstream::start([ok(json!({"answer": "A signature."}))]).await;
    let images = ParadigmImages::new(config(&upstream), transport()).unwrap();
    assert_eq!(images.analyze(&question(), &cx()).await.unwrap(), "A signature.");
    for wrong in [0, 6] {
        let request = AnalysisRequest { document_ids: vec![1; wrong], ..question() };
        let error = images.analyze(&request, &cx()).await.unwrap_err();
        assert!(matches!(error, ProviderError::Rejected { status: 403, .. }), "{error}");
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/api/v2/chat/image-analysis");
    assert_eq!(seen[0].body, json!({"query": "Compare", "document_ids": [4, 5]}));
}
