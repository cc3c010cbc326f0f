//! Document search, both versions.

use std::time::Duration;

use providers::{
    CallContext, DocumentSearch, Extract, LightonAsk, LightonPassages, ParadigmConfig, ParadigmV2,
    ProviderError, SearchRequest, Source,
};
use secrecy::SecretString;
use serde_json::json;

use crate::upstream::{KEY, Script, Upstream, ok, transport};

fn config(upstream: &Upstream) -> ParadigmConfig {
    ParadigmConfig {
        base_url: upstream.url.clone(),
        api_key: SecretString::from(KEY),
        model: Some("alfred-4.2".to_owned()),
    }
}

fn both(upstream: &Upstream) -> [Box<dyn DocumentSearch>; 2] {
    [
        Box::new(ParadigmV2::new(config(upstream), transport()).unwrap()),
        Box::new(LightonAsk::new(config(upstream), transport()).unwrap()),
    ]
}

fn cx() -> CallContext {
    CallContext::within(Duration::from_secs(20))
}

fn scoped() -> SearchRequest {
    SearchRequest {
        workspace_ids: Some(vec![3, 4]),
        file_ids: Some(vec![7]),
        vision: true,
        ..SearchRequest::new("Who signs?")
    }
}

#[tokio::test]
async fn version_2_is_asked_as_documented_and_its_sources_are_kept() {
    let upstream = Upstream::start([ok(json!({
        "chat_session_id": "c", "answer": "The board.", "model": "alfred-4.2", "chat_settings": {},
        "documents": [
            {"id": 12, "name": "Statutes.pdf", "document_extracts": [
                {"id": 1, "text": "Art. 4", "metadata": {"ID": "x", "pages": [2, 3], "total_pages": 9}},
            ]},
            {"id": "u-1", "name": null},
        ],
    }))])
    .await;
    let search = ParadigmV2::new(config(&upstream), transport()).unwrap();
    let answer = search.search(&scoped(), &cx()).await.unwrap();
    assert_eq!((answer.answer.as_str(), answer.requests, search.provider()), ("The board.", 1, "paradigm"));
    let extract = Extract { text: "Art. 4".into(), pages: Some("2, 3".into()) };
    let named = Source { id: Some("12".into()), name: "Statutes.pdf".into(), extracts: vec![extract] };
    let unnamed = Source { id: Some("u-1".into()), name: "unnamed document".into(), extracts: vec![] };
    assert_eq!(answer.sources, [named, unnamed]);

    let seen = upstream.seen().remove(0);
    assert_eq!(seen.path, "/api/v2/chat/document-search");
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(
        seen.body,
        json!({
            "query": "Who signs?", "workspace_ids": [3, 4], "file_ids": [7], "model": "alfred-4.2",
            "tool": "VisionDocumentSearch",
        })
    );
}

#[tokio::test]
async fn version_3_chunks_are_gathered_by_document() {
    let chunk = |file: i64, name: &str, text: &str, end: i64| {
        json!({"chunk_id": "c", "content": text, "score": 0.5, "workspace": {"id": 1},
               "source": {"file_id": file, "filename": name, "page_start": 1, "page_end": end}})
    };
    let upstream = Upstream::start([ok(json!({
        "answer": "Yes.", "warnings": [],
        "results": [chunk(1, "a.pdf", "first", 1), chunk(2, "b.pdf", "second", 2), chunk(1, "a.pdf", "third", 4)],
    }))])
    .await;
    let search = LightonAsk::new(config(&upstream), transport()).unwrap();
    let request = SearchRequest { vision: false, ..scoped() };
    let answer = search.search(&request, &cx()).await.unwrap();
    let names: Vec<_> =
        answer.sources.iter().map(|source| (source.name.as_str(), source.extracts.len())).collect();
    assert_eq!(names, [("a.pdf", 2), ("b.pdf", 1)]);
    assert_eq!(answer.sources[0].extracts[1].pages.as_deref(), Some("1-4"));
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.path, "/api/v3/ask");
    assert_eq!(
        seen.body,
        json!({"query": "Who signs?", "file_id": [7], "model": "alfred-4.2"}),
        "workspaces cannot be combined with files"
    );
}

#[tokio::test]
async fn passages_of_version_3_are_the_answer_and_none_is_said_as_the_local_index_says_it() {
    let chunk = |text: Option<&str>| {
        json!({"chunk_id": "c", "content": text, "score": 0.5, "workspace": {"id": 1},
               "source": {"file_id": 1, "filename": "a.pdf", "page_start": 1, "page_end": 1}})
    };
    let found = json!({"results": [chunk(Some("First.")), chunk(None), chunk(Some("Second."))]});
    let upstream = Upstream::start([ok(found), ok(json!({"results": []}))]).await;
    let search = LightonPassages::new(config(&upstream), transport()).unwrap();
    let request = SearchRequest { workspace_ids: Some(vec![3]), ..SearchRequest::new("Who signs?") };
    let answer = search.search(&request, &cx()).await.unwrap();
    assert_eq!(answer.answer, "First. [a.pdf]\n\nSecond. [a.pdf]");
    assert_eq!((answer.sources.len(), answer.sources[0].extracts.len()), (1, 2));
    let nothing = search.search(&request, &cx()).await.unwrap();
    assert!(nothing.answer.starts_with("NOT_FOUND"), "{}", nothing.answer);
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.path, "/api/v3/search");
    assert_eq!(seen.body, json!({"query": "Who signs?", "workspace_id": [3], "max_results": 5}));
}

#[tokio::test]
async fn version_3_says_that_it_reads_no_pictures_and_sends_nothing() {
    let upstream = Upstream::start([]).await;
    let searches: [Box<dyn DocumentSearch>; 2] = [
        Box::new(LightonAsk::new(config(&upstream), transport()).unwrap()),
        Box::new(LightonPassages::new(config(&upstream), transport()).unwrap()),
    ];
    for search in searches {
        let error = search.search(&scoped(), &cx()).await.unwrap_err();
        assert!(error.to_string().contains("no pictures of pages"), "{error}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn an_empty_scope_is_never_sent() {
    let upstream = Upstream::start([]).await;
    for search in both(&upstream) {
        for request in [
            SearchRequest { workspace_ids: Some(vec![]), ..SearchRequest::new("q") },
            SearchRequest { file_ids: Some(vec![]), ..SearchRequest::new("q") },
        ] {
            let error = search.search(&request, &cx()).await.unwrap_err();
            assert!(matches!(error, ProviderError::Rejected { status: 403, .. }), "{error}");
        }
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn both_shapes_of_error_are_understood() {
    let v2 = || Script::Reply(400, vec![], json!({"detail": "Unknown workspace 3"}));
    let v3 = || {
        let body = json!({"id": "e1", "code": "validation_error", "error": "Invalid", "detail": "query: too vague",
                          "doc_url": "https://developers.lighton.ai", "fields": {"query": ["too vague"]}});
        Script::Reply(422, vec![], body)
    };
    let upstream = Upstream::start([v2(), v3()]).await;
    let [old, new] = both(&upstream);
    let texts = [
        old.search(&SearchRequest::new("q"), &cx()).await.unwrap_err().to_string(),
        new.search(&SearchRequest::new("q"), &cx()).await.unwrap_err().to_string(),
    ];
    assert_eq!(
        texts,
        [
            "paradigm rejected the request (status 400): Unknown workspace 3",
            "paradigm rejected the request (status 422): query: too vague",
        ]
    );
}

#[tokio::test]
async fn rate_limits_outages_and_bad_keys_are_what_they_are() {
    let upstream = Upstream::start([
        Script::Reply(429, vec![("retry-after", "0".into())], json!({"detail": "Throttled"})),
        ok(json!({"answer": "ok", "documents": []})),
        Script::Reply(401, vec![], json!({"detail": format!("Invalid token {KEY}")})),
        Script::Text(502, "<html>Bad gateway</html>".into()),
        Script::Text(502, "<html>Bad gateway</html>".into()),
        Script::Text(502, "<html>Bad gateway</html>".into()),
    ])
    .await;
    let search = ParadigmV2::new(config(&upstream), transport()).unwrap();
    let request = SearchRequest::new("q");
    assert_eq!(search.search(&request, &cx()).await.unwrap().requests, 2);
    let denied = search.search(&request, &cx()).await.unwrap_err();
    assert_eq!(denied, ProviderError::Unauthorized { provider: "paradigm", status: 401 });
    assert!(!format!("{denied:?}{denied}").contains(KEY));
    let down = search.search(&request, &cx()).await.unwrap_err();
    assert!(matches!(down, ProviderError::Unavailable { .. }), "{down}");
}

#[tokio::test]
async fn a_question_too_long_for_version_3_is_not_sent() {
    let upstream = Upstream::start([]).await;
    let search = LightonAsk::new(config(&upstream), transport()).unwrap();
    let error = search.search(&SearchRequest::new("é".repeat(1_501)), &cx()).await.unwrap_err();
    assert!(matches!(error, ProviderError::TooLong { .. }), "{error}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_search_that_hangs_ends_at_the_deadline() {
    let upstream = Upstream::start([Script::Hang, Script::Hang]).await;
    for search in both(&upstream) {
        let cx = CallContext::within(Duration::from_millis(200));
        let error = search.search(&SearchRequest::new("q"), &cx).await.unwrap_err();
        assert_eq!(error, ProviderError::Timeout { provider: "paradigm" });
    }
}
