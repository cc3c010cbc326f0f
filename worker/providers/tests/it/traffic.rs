//! What is recorded is replayed to the letter, and holds no secret.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use providers::traffic::{Recorded, Recording, Replay, ReplayError};
use providers::{
    CallContext, ChatModel, ChatReply, ChatRequest, DocumentSearch, Extract, ProviderError, SearchAnswer,
    SearchRequest, Source, TokenUsage,
};
use secrecy::SecretString;

use crate::upstream::KEY;

/// Quotes the key it was given, as careless servers do; fails when asked to.
struct Careless;

const USAGE: TokenUsage = TokenUsage {
    input_tokens: 5,
    output_tokens: 2,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
};

impl ChatModel for Careless {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        let answer = if request.user == "fail" {
            Err(ProviderError::RateLimited {
                provider: "careless",
                retry_after: Duration::from_millis(1_500),
            })
        } else {
            let text = format!("Été à {} with key {KEY} and q\"uo\\te-secret", request.user);
            Ok(ChatReply { text, usage: USAGE, requests: 1, request_id: None, model: "m".to_owned() })
        };
        std::future::ready(answer).boxed()
    }

    fn provider(&self) -> &'static str {
        "careless"
    }

    fn model(&self) -> &'static str {
        "m"
    }
}

impl DocumentSearch for Careless {
    fn search<'a>(
        &'a self,
        request: &'a SearchRequest,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>> {
        let extracts = vec![Extract { text: "it says".to_owned(), pages: Some("1".to_owned()) }];
        let sources = vec![Source { id: Some("7".to_owned()), name: "a.pdf".to_owned(), extracts }];
        let answer = format!("found {}", request.query);
        let found = SearchAnswer { answer, sources, usage: USAGE, requests: 1, request_id: None };
        std::future::ready(Ok(found)).boxed()
    }

    fn provider(&self) -> &'static str {
        "careless"
    }
}

#[tokio::test]
async fn a_recording_is_replayed_with_its_failures_and_tokens_and_without_secrets() {
    let file = std::env::temp_dir().join(format!("traffic-{}.jsonl", std::process::id()));
    let secrets = [SecretString::from(KEY), SecretString::from("q\"uo\\te-secret"), SecretString::from("")];
    let recorded = Recorded::new(Careless, Recording::append_to(&file, secrets).unwrap());
    let cx = CallContext::within(Duration::from_secs(5));
    let (hello, fail) = (ChatRequest::text("hello", 10), ChatRequest::text("fail", 10));
    let question = SearchRequest { file_ids: Some(vec![3]), ..SearchRequest::new("Où ?") };
    let live = recorded.complete(&hello, &cx).await.unwrap();
    assert!(live.text.contains(KEY), "what the caller gets is not changed");
    let failed = recorded.complete(&fail, &cx).await.unwrap_err();
    let found = recorded.search(&question, &cx).await.unwrap();

    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(KEY) && !text.contains("te-secret"), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let replay = Replay::from_file(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let cx = CallContext::within(Duration::from_secs(5));
    let again = replay.complete(&hello, &cx).await.unwrap();
    assert_eq!(again.text, "Été à hello with key [secret] and [secret]");
    assert_eq!((again.usage, replay.model(), cx.meter.spent().usage), (USAGE, "m", USAGE));
    let failed_again = replay.complete(&fail, &cx).await.unwrap_err();
    assert_eq!(failed_again.retry_after(), failed.retry_after());
    let found_again = replay.search(&question, &cx).await.unwrap();
    assert_eq!((found_again.answer, found_again.sources), (found.answer, found.sources));

    let unknown = ChatRequest::text("TOP SECRET", 10);
    let told = replay.complete(&unknown, &cx).await.unwrap_err().to_string();
    assert!(told.contains("differs in user") && !told.contains("TOP"), "{told}");
}

#[tokio::test]
async fn a_damaged_recording_is_refused_with_its_line() {
    let file = std::env::temp_dir().join(format!("traffic-damaged-{}.jsonl", std::process::id()));
    std::fs::write(&file, "not an exchange\n").unwrap();
    assert!(matches!(Replay::from_file(&file), Err(ReplayError::Line(1))));
    std::fs::remove_file(&file).unwrap();
}
