//! Chat completions as vLLM, Ollama and LightOn serve them.

use std::time::Duration;

use providers::{
    CallContext, ChatModel, ChatReply, ChatRequest, Constraint, GenerationOutcome, GenerationRequest,
    Generator, ModelGenerator, OpenAiCompatible, OpenAiCompatibleConfig, OutputSchema, ProviderError,
    ReplyFormat, SystemBlock,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::upstream::{KEY, Script, Upstream, ok, transport};

fn client(upstream: &Upstream, constraint: Constraint, key: &str) -> OpenAiCompatible {
    let config = OpenAiCompatibleConfig {
        base_url: upstream.url.join("v1").unwrap(),
        api_key: SecretString::from(key),
        model: "alfred-4.2".to_owned(),
        constraint,
    };
    OpenAiCompatible::new(config, transport()).unwrap()
}

fn completion(text: &str, finish_reason: &str) -> Value {
    json!({
        "id": "c1", "object": "chat.completion", "model": "alfred-4.2-q8", "system_fingerprint": null,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, "refusal": null},
                     "finish_reason": finish_reason, "logprobs": null}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17,
                  "prompt_tokens_details": {"cached_tokens": 8}},
    })
}

async fn ask(
    upstream: &Upstream,
    constraint: Constraint,
    format: ReplyFormat,
) -> Result<ChatReply, ProviderError> {
    let request = ChatRequest {
        system: vec![SystemBlock { text: "rules".into(), cache: true }],
        format,
        ..ChatRequest::text("Mrs Dupont's question", 100)
    };
    let cx = CallContext::within(Duration::from_secs(20));
    let answer = client(upstream, constraint, KEY).complete(&request, &cx).await;
    if let Err(error) = &answer {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(KEY) && !shown.contains("Dupont"), "{shown}");
    }
    answer
}

#[tokio::test]
async fn a_plain_question_has_the_common_form() {
    let upstream = Upstream::start([ok(completion("Bonjour", "stop"))]).await;
    let reply = ask(&upstream, Constraint::default(), ReplyFormat::Text).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.model.as_str(), reply.requests), ("Bonjour", "alfred-4.2-q8", 1));
    assert_eq!((reply.usage.input_tokens, reply.usage.cache_read_input_tokens), (4, 8));
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(
        seen.body,
        json!({
            "model": "alfred-4.2", "max_tokens": 100,
            "messages": [
                {"role": "system", "content": "rules"},
                {"role": "user", "content": "Mrs Dupont's question"},
            ],
        })
    );
}

#[tokio::test]
async fn a_server_without_a_key_gets_no_authorization() {
    let upstream = Upstream::start([ok(completion("x", "stop"))]).await;
    let cx = CallContext::within(Duration::from_secs(20));
    let keyless = client(&upstream, Constraint::default(), "");
    keyless.complete(&ChatRequest::text("q", 10), &cx).await.unwrap();
    assert!(!upstream.seen()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn each_form_of_reply_is_asked_for_in_the_words_of_the_server() {
    let schema = || OutputSchema::from_text(r#"{"type":"object"}"#).unwrap();
    let choice = || ReplyFormat::Choice(vec!["OUI".into(), "NON".into()]);
    let upstream = Upstream::start([
        ok(completion("{}", "stop")),
        ok(completion("OUI", "stop")),
        ok(completion("123", "stop")),
        ok(completion("{}", "stop")),
        ok(completion(r#"{"answer":"NON"}"#, "stop")),
    ])
    .await;
    ask(&upstream, Constraint::Guided, ReplyFormat::Json(schema())).await.unwrap();
    assert_eq!(ask(&upstream, Constraint::Guided, choice()).await.unwrap().text, "OUI");
    ask(&upstream, Constraint::Guided, ReplyFormat::Pattern(providers::Pattern::new(r"\d+").unwrap()))
        .await
        .unwrap();
    ask(&upstream, Constraint::ResponseFormat, ReplyFormat::Json(schema())).await.unwrap();
    assert_eq!(ask(&upstream, Constraint::ResponseFormat, choice()).await.unwrap().text, "NON");
    let bodies: Vec<Value> = upstream.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies[0]["guided_json"], json!({"type": "object"}));
    assert_eq!(bodies[1]["guided_choice"], json!(["OUI", "NON"]));
    assert_eq!(bodies[2]["guided_regex"], json!(r"\d+"));
    assert_eq!(
        bodies[3]["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "reply", "strict": true, "schema": {"type": "object"}}})
    );
    let wrapped = &bodies[4]["response_format"]["json_schema"]["schema"];
    assert_eq!(wrapped["properties"]["answer"]["enum"], json!(["OUI", "NON"]));
}

#[tokio::test]
async fn every_end_of_a_completion_has_its_meaning() {
    let refused = |script| async move {
        let upstream = Upstream::start([script]).await;
        let error =
            ask(&upstream, Constraint::Guided, ReplyFormat::Choice(vec!["A".into()])).await.unwrap_err();
        (error, upstream.seen().len())
    };
    let mut declined = completion("", "stop");
    declined["choices"][0]["message"]["refusal"] = json!("I cannot help with that.");
    let (error, _) = refused(ok(declined)).await;
    assert!(
        matches!(&error, ProviderError::Refused { explanation, .. } if explanation.starts_with("I cannot"))
    );
    let (error, _) = refused(ok(completion("", "content_filter"))).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    for script in [
        ok(completion("B", "stop")),
        ok(completion("", "stop")),
        ok(completion("A", "tool_calls")),
        ok(completion("A", "new_reason")),
        ok(json!({"choices": []})),
    ] {
        let (error, asked) = refused(script).await;
        assert!(matches!(error, ProviderError::Malformed { .. }) && asked == 1, "{error}");
    }
    let body = json!({"error": {"message": "Incorrect API key", "type": "invalid_request_error"}});
    let (error, _) = refused(Script::Reply(401, vec![], body)).await;
    assert!(matches!(error, ProviderError::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn a_completion_cut_off_is_asked_again_once_with_twice_the_space() {
    let upstream = Upstream::start([ok(completion("ha", "length")), ok(completion("half", "length"))]).await;
    let error = ask(&upstream, Constraint::Guided, ReplyFormat::Text).await.unwrap_err();
    assert_eq!(error, ProviderError::Truncated { provider: "openai_compatible" });
    let budgets: Vec<Value> = upstream.seen().iter().map(|seen| seen.body["max_tokens"].clone()).collect();
    assert_eq!(budgets, [json!(100), json!(200)]);
}

#[tokio::test]
async fn programs_are_generated_through_the_same_trait() {
    let reply = json!({
        "outcome": "cannot", "language": "en", "name": "N", "summary": "S", "assumptions": [], "questions": [],
        "reason": "There is no e-mail here.", "missing_capability": "e-mail", "steps": [], "code": null,
        "self_tests": [],
    });
    let upstream = Upstream::start([ok(completion(&reply.to_string(), "stop"))]).await;
    let generator = ModelGenerator::new(client(&upstream, Constraint::Guided, KEY));
    let cx = CallContext::within(Duration::from_secs(20));
    let generation = generator.generate(&GenerationRequest::new("mail it"), &cx).await.unwrap();
    assert!(matches!(generation.outcome, GenerationOutcome::Cannot { .. }));
    assert_eq!(generator.provider(), "openai_compatible");
    assert_eq!(upstream.seen()[0].body["guided_json"]["type"], json!("object"));
}
