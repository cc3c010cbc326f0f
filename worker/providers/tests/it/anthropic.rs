//! The Messages API, answered whole.

use std::time::Duration;

use providers::anthropic::{API_VERSION, AnthropicClient, AnthropicConfig};
use providers::{
    CallContext, ChatModel, ChatReply, ChatRequest, OutputSchema, ProviderError, ReplyFormat, SystemBlock,
    TokenUsage, Transport,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::upstream::{KEY, Script, Upstream, error, message, ok, transport};

const PROMPT: &str = "Mrs Dupont's private question about her pension";

pub fn client(upstream: &Upstream, transport: Transport) -> AnthropicClient {
    let config = AnthropicConfig {
        base_url: upstream.url.clone(),
        api_key: SecretString::from(KEY),
        model: "claude-test-1".to_owned(),
        api_version: API_VERSION.to_owned(),
        effort: None,
    };
    AnthropicClient::new(config, transport).unwrap()
}

/// Asks one question; no error may ever show the key or the prompt.
async fn ask(upstream: &Upstream) -> Result<ChatReply, ProviderError> {
    let cx = CallContext::within(Duration::from_secs(20));
    let answer = client(upstream, transport()).complete(&ChatRequest::text(PROMPT, 1_000), &cx).await;
    if let Err(error) = &answer {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(KEY) && !shown.contains("Dupont"), "{shown}");
        assert_eq!(error.provider(), "anthropic");
    }
    answer
}

async fn failure(script: impl IntoIterator<Item = Script>) -> (ProviderError, usize) {
    let upstream = Upstream::start(script).await;
    let error = ask(&upstream).await.unwrap_err();
    (error, upstream.seen().len())
}

#[tokio::test]
async fn a_request_has_the_current_form_and_nothing_that_current_models_reject() {
    let upstream = Upstream::start([ok(message("{\"a\":1}", "end_turn"))]).await;
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let request = ChatRequest {
        system: vec![
            SystemBlock { text: "rules".into(), cache: true },
            SystemBlock { text: "today".into(), cache: false },
        ],
        format: ReplyFormat::Json(OutputSchema::try_from(&schema).unwrap()),
        ..ChatRequest::text("hi", 500)
    };
    let cx = CallContext::within(Duration::from_secs(20));
    let reply = client(&upstream, transport()).complete(&request, &cx).await.unwrap();
    let expected = TokenUsage {
        input_tokens: 10,
        output_tokens: 20,
        cache_creation_input_tokens: 30,
        cache_read_input_tokens: 40,
    };
    assert_eq!(reply.text, "{\"a\":1}", "thinking comes first and is not the answer");
    assert_eq!((reply.usage, reply.requests, reply.model.as_str()), (expected, 1, "claude-test-1-2026"));
    assert_eq!(reply.request_id.as_deref(), Some("req_abc"));
    assert_eq!((cx.meter.spent().usage, cx.meter.spent().requests), (expected, 1));

    let seen = upstream.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/messages"));
    assert_eq!(seen.headers["x-api-key"], KEY);
    assert_eq!(seen.headers["anthropic-version"], "2026-10-21");
    assert!(!seen.headers.contains_key("authorization"));
    assert_eq!(
        seen.body,
        json!({
            "model": "claude-test-1",
            "max_tokens": 500,
            "system": [
                {"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "today"},
            ],
            "messages": [{"role": "user", "content": "hi"}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        })
    );
}

#[tokio::test]
async fn a_choice_is_asked_for_by_schema_and_answered_plainly() {
    let upstream = Upstream::start([
        ok(message(r#"{"answer":"NON"}"#, "end_turn")),
        ok(message(r#"{"answer":"PEUT-ÊTRE"}"#, "end_turn")),
    ])
    .await;
    let request = ChatRequest {
        format: ReplyFormat::Choice(vec!["OUI".into(), "NON".into()]),
        ..ChatRequest::text("Oui ou non ?", 10)
    };
    let cx = CallContext::within(Duration::from_secs(20));
    let model = client(&upstream, transport());
    assert_eq!(model.complete(&request, &cx).await.unwrap().text, "NON");
    let error = model.complete(&request, &cx).await.unwrap_err();
    assert!(matches!(error, ProviderError::Malformed { .. }), "{error}");
    let schema = &upstream.seen()[0].body["output_config"]["format"]["schema"];
    assert_eq!(schema["properties"]["answer"]["enum"], json!(["OUI", "NON"]));
}

#[tokio::test]
async fn a_429_is_waited_out_as_long_as_it_says() {
    let limited = error(429, "rate_limit_error", "slow down", vec![("retry-after-ms", "300".to_owned())]);
    let upstream = Upstream::start([limited, ok(message("ok", "end_turn"))]).await;
    let started = Instant::now();
    let reply = ask(&upstream).await.unwrap();
    assert_eq!(reply.requests, 2);
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test]
async fn one_429_holds_all_clients_of_the_process_and_they_do_not_ask_meanwhile() {
    let limited = error(429, "rate_limit_error", "slow down", vec![("retry-after-ms", "400".to_owned())]);
    let answers = (0..5).map(|_| ok(message("ok", "end_turn")));
    let upstream = Upstream::start(std::iter::once(limited).chain(answers)).await;
    let shared = transport();
    let request = ChatRequest::text("hi", 10);
    // The first has no time to wait and is refused; the gate it shut is everyone's.
    let hurried = CallContext::within(Duration::from_millis(350));
    let refused = client(&upstream, shared.clone()).complete(&request, &hurried).await;
    assert!(matches!(refused, Err(ProviderError::RateLimited { .. })), "{refused:?}");
    let started = Instant::now();
    let others = client(&upstream, shared);
    let cx = CallContext::within(Duration::from_secs(20));
    let five = futures_util::future::join_all((0..5).map(|_| others.complete(&request, &cx))).await;
    assert!(five.iter().all(Result::is_ok));
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(390) && waited < Duration::from_millis(1_200), "{waited:?}");
    assert_eq!(upstream.seen().len(), 6, "one refusal, then one request each");
}

#[tokio::test]
async fn rate_limit_headers_of_an_answer_pace_all_clients_of_the_process() {
    // Two requests a second, none left, whole again in a second: the next one waits for half of it.
    let reset = jiff::Timestamp::now() + Duration::from_secs(1);
    let headers = vec![
        ("anthropic-ratelimit-requests-limit", "2".to_owned()),
        ("anthropic-ratelimit-requests-remaining", "0".to_owned()),
        ("anthropic-ratelimit-requests-reset", reset.to_string()),
    ];
    let told = Script::Reply(200, headers, message("ok", "end_turn"));
    let upstream = Upstream::start([told, ok(message("ok", "end_turn"))]).await;
    let shared = transport();
    let request = ChatRequest::text("hi", 10);
    let cx = CallContext::within(Duration::from_secs(20));
    client(&upstream, shared.clone()).complete(&request, &cx).await.unwrap();
    let started = Instant::now();
    client(&upstream, shared).complete(&request, &cx).await.unwrap();
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(300) && waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test]
async fn overload_and_internal_errors_are_tried_three_times_in_all() {
    for status in [500, 503, 504, 529, 408] {
        let (error, asked) = failure((0..5).map(|_| error(status, "overloaded_error", "busy", vec![]))).await;
        assert!(matches!(error, ProviderError::Unavailable { .. }), "{status}: {error}");
        assert_eq!(asked, 3, "{status}");
    }
    let upstream = Upstream::start([
        error(529, "overloaded_error", "busy", vec![]),
        error(529, "overloaded_error", "busy", vec![]),
        ok(message("at last", "end_turn")),
    ])
    .await;
    assert_eq!(ask(&upstream).await.unwrap().requests, 3);
}

#[tokio::test]
async fn x_should_retry_decides_over_the_status() {
    let never = error(529, "overloaded_error", "busy", vec![("x-should-retry", "false".to_owned())]);
    assert_eq!(failure([never]).await.1, 1);
    let again = error(400, "invalid_request_error", "odd", vec![("x-should-retry", "true".to_owned())]);
    let upstream = Upstream::start([again, ok(message("ok", "end_turn"))]).await;
    assert_eq!(ask(&upstream).await.unwrap().requests, 2);
}

#[tokio::test]
async fn a_long_retry_after_is_handed_back_instead_of_waited_for() {
    let limited = error(429, "rate_limit_error", "daily limit", vec![("retry-after", "3600".to_owned())]);
    let started = Instant::now();
    let (error, asked) = failure([limited]).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3_600)));
    assert!(matches!(error, ProviderError::RateLimited { .. }) && asked == 1);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_4xx_is_never_tried_again_and_its_message_quotes_neither_key_nor_prompt() {
    let (bad, asked) =
        failure([error(400, "invalid_request_error", "max_tokens: must be positive", vec![])]).await;
    let expected = ProviderError::Rejected {
        provider: "anthropic",
        status: 400,
        message: "max_tokens: must be positive".into(),
    };
    assert_eq!((bad, asked), (expected, 1));
    for quoting in [format!("bad key {KEY}"), format!("bad content: {PROMPT}")] {
        let (bad, asked) = failure([error(404, "not_found_error", &quoting, vec![])]).await;
        assert!(matches!(bad, ProviderError::Rejected { status: 404, .. }) && asked == 1, "{bad}");
    }
    let (redirected, _) =
        failure([Script::Reply(307, vec![("location", "http://127.0.0.1:9/".into())], json!({}))]).await;
    assert!(matches!(redirected, ProviderError::Rejected { status: 307, .. }), "a redirect is not followed");
}

#[tokio::test]
async fn bad_credentials_are_the_operators_business() {
    for status in [401, 402, 403] {
        let (error, asked) =
            failure([error(status, "authentication_error", "invalid x-api-key", vec![])]).await;
        assert_eq!((error, asked), (ProviderError::Unauthorized { provider: "anthropic", status }, 1));
    }
}

#[tokio::test]
async fn what_is_too_long_is_said_to_be_too_long() {
    let answers = [
        error(413, "request_too_large", "Request exceeds the maximum size", vec![]),
        error(400, "invalid_request_error", "prompt is too long: 220000 tokens > 200000 maximum", vec![]),
        ok(message("", "model_context_window_exceeded")),
    ];
    for answer in answers {
        let (error, asked) = failure([answer]).await;
        assert!(matches!(error, ProviderError::TooLong { .. }) && asked == 1, "{error}");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_carries_its_explanation() {
    let mut refusal = message("", "refusal");
    refusal["content"] = json!([]);
    refusal["stop_details"] =
        json!({"type": "refusal", "category": "cyber", "explanation": "This is\nnot allowed."});
    let (error, asked) = failure([ok(refusal.clone())]).await;
    let expected =
        ProviderError::Refused { provider: "anthropic", explanation: "This is not allowed.".into() };
    assert_eq!((error, asked), (expected, 1));
    refusal["stop_details"] = Value::Null;
    assert!(matches!(failure([ok(refusal)]).await.0, ProviderError::Refused { .. }));
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_once_with_twice_the_space() {
    let upstream =
        Upstream::start([ok(message("half", "max_tokens")), ok(message("whole", "end_turn"))]).await;
    let reply = ask(&upstream).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.requests, reply.usage.output_tokens), ("whole", 2, 40));
    let budgets: Vec<Value> = upstream.seen().iter().map(|seen| seen.body["max_tokens"].clone()).collect();
    assert_eq!(budgets, [json!(1_000), json!(2_000)]);

    let upstream = Upstream::start((0..3).map(|_| ok(message("half", "max_tokens")))).await;
    let cx = CallContext::within(Duration::from_secs(20));
    let answer = client(&upstream, transport()).complete(&ChatRequest::text("hi", 10), &cx).await;
    assert_eq!(answer, Err(ProviderError::Truncated { provider: "anthropic" }));
    assert_eq!(
        (upstream.seen().len(), cx.meter.spent().usage.output_tokens),
        (2, 40),
        "paid for all the same"
    );
}

#[tokio::test]
async fn a_paused_turn_is_continued_with_what_it_said_but_not_for_ever() {
    let upstream =
        Upstream::start([ok(message("One, ", "pause_turn")), ok(message("two.", "end_turn"))]).await;
    assert_eq!(ask(&upstream).await.unwrap().text, "One, two.");
    let seen = upstream.seen();
    let turns = seen[1].body["messages"].as_array().unwrap();
    assert_eq!((turns.len(), turns[1]["role"].as_str()), (2, Some("assistant")));
    assert_eq!(
        turns[1]["content"],
        message("One, ", "pause_turn")["content"],
        "unchanged, thinking included"
    );

    let (error, asked) = failure((0..9).map(|_| ok(message("…", "pause_turn")))).await;
    assert!(matches!(error, ProviderError::Malformed { .. }) && asked == 4, "{asked}: {error}");
}

#[tokio::test]
async fn answers_outside_the_protocol_are_malformed() {
    let answers = [
        ok(message("x", "tool_use")),
        ok(message("x", "something_new")),
        ok(message("", "end_turn")),
        ok(json!({"content": "secret words"})),
        Script::Text(200, "<html>secret words</html>".into()),
        Script::Text(200, "x".repeat(9 << 20)),
    ];
    for answer in answers {
        let (error, asked) = failure([answer]).await;
        assert!(matches!(error, ProviderError::Malformed { .. }) && asked == 1, "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_hang_ends_at_the_deadline() {
    let upstream = Upstream::start([Script::Hang]).await;
    let started = Instant::now();
    let cx = CallContext::within(Duration::from_millis(300));
    let answer = client(&upstream, transport()).complete(&ChatRequest::text("hi", 10), &cx).await;
    assert_eq!(answer, Err(ProviderError::Timeout { provider: "anthropic" }));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(1_000), "{took:?}");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unavailable() {
    let upstream = Upstream::start([]).await;
    let gone = client(&upstream, transport());
    drop(upstream);
    tokio::task::yield_now().await;
    let cx = CallContext::within(Duration::from_secs(20));
    let error = gone.complete(&ChatRequest::text("hi", 10), &cx).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable { .. }), "{error}");
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    assert_eq!(cx.meter.spent().requests, 4, "as often as the policy asks while nothing answers");
}
