//! Generation through the real client: what the model is told, and what is made of its reply.

use std::time::Duration;

use providers::generation::prompt::{PROMPT_VERSION, system_prompt};
use providers::{
    AnsweredQuestion, CallContext, Generation, GenerationOutcome, GenerationRequest, Generator,
    ModelGenerator, PreviousAttempt, ProviderError,
};
use serde_json::{Value, json};

use crate::anthropic::client;
use crate::upstream::{Script, Upstream, message, ok, transport};

fn program() -> Value {
    json!({
        "outcome": "workflow", "language": "fr", "name": "Majuscules", "summary": "Met en majuscules.",
        "assumptions": [], "questions": [], "reason": null, "missing_capability": null,
        "steps": [{"id": "s1", "title": "Convertir", "tools": []}],
        "code": "async def execute_workflow(user_input: str) -> str:\n    return user_input.upper()\n",
        "self_tests": [{"input": "été", "tool_replies": [], "must_contain": ["ÉTÉ"]}],
    })
}

async fn generate(
    upstream: &Upstream,
    request: &GenerationRequest,
) -> (Result<Generation, ProviderError>, CallContext) {
    let cx = CallContext::within(Duration::from_secs(20));
    let generator = ModelGenerator::new(client(upstream, transport()));
    assert_eq!((generator.provider(), generator.model()), ("anthropic", Some("claude-test-1")));
    (generator.generate(request, &cx).await, cx)
}

#[tokio::test]
async fn a_description_becomes_a_program_with_plan_and_self_tests() {
    let upstream = Upstream::start([ok(message(&program().to_string(), "end_turn"))]).await;
    let (generation, cx) = generate(&upstream, &GenerationRequest::new("Mets le texte en majuscules.")).await;
    let generation = generation.unwrap();
    let GenerationOutcome::Program(program) = &generation.outcome else { panic!("{generation:?}") };
    assert_eq!((program.language.as_str(), program.steps[0].title.as_str()), ("fr", "Convertir"));
    assert_eq!(generation.prompt_version, Some(PROMPT_VERSION));
    assert_eq!((generation.usage, generation.requests), (cx.meter.spent().usage, 1));

    let body = &upstream.seen()[0].body;
    assert_eq!(body["system"][0]["cache_control"], json!({"type": "ephemeral"}), "the prefix is cached");
    assert_eq!(body["messages"][0]["content"], "<description>\nMets le texte en majuscules.\n</description>");
    assert_eq!(body["output_config"]["format"]["type"], "json_schema");
    closed_and_complete(&body["output_config"]["format"]["schema"]);
}

/// Every object of the schema is closed and requires all it has, as the grammar of the provider wants it.
fn closed_and_complete(schema: &Value) {
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], json!(false));
        let mut required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
        required.sort_unstable();
        names.sort_unstable();
        assert_eq!(required, names);
        properties.values().for_each(closed_and_complete);
    }
    if schema["items"].is_object() {
        closed_and_complete(&schema["items"]);
    }
}

#[tokio::test]
async fn a_repair_shows_the_program_and_numbered_findings() {
    let upstream = Upstream::start([ok(message(&program().to_string(), "end_turn"))]).await;
    let request = GenerationRequest {
        answers: vec![AnsweredQuestion { question: "Which?".into(), answer: "The first".into() }],
        feedback: Some("Shorter, please".into()),
        previous: Some(PreviousAttempt {
            code: "x = 1\n".into(),
            findings: vec!["E_NO_ENTRY line 1".into(), "E_UNUSED line 1".into()],
        }),
        ..GenerationRequest::new("Do it")
    };
    generate(&upstream, &request).await.0.unwrap();
    assert_eq!(
        upstream.seen()[0].body["messages"][0]["content"],
        "<description>\nDo it\n</description>\n\n<answers>\nQ: Which?\nA: The first\n</answers>\n\n\
         <feedback>\nShorter, please\n</feedback>\n\n<previous_program>\nx = 1\n</previous_program>\n\n\
         <findings>\n1. E_NO_ENTRY line 1\n2. E_UNUSED line 1\n</findings>"
    );
}

#[tokio::test]
async fn a_reply_outside_the_schema_is_malformed_and_still_paid_for() {
    let mut odd = program();
    odd["code"] = Value::Null;
    for text in ["Sure! Here is your program:".to_owned(), odd.to_string()] {
        let upstream = Upstream::start([ok(message(&text, "end_turn"))]).await;
        let (generation, cx) = generate(&upstream, &GenerationRequest::new("x")).await;
        assert!(matches!(generation, Err(ProviderError::Malformed { .. })), "{generation:?}");
        assert_eq!((cx.meter.spent().requests, cx.meter.spent().usage.output_tokens), (1, 20));
    }
}

#[tokio::test]
async fn a_refusal_by_the_providers_guard_is_an_honest_no() {
    let mut refusal = message("", "refusal");
    refusal["stop_details"] = json!({"type": "refusal", "category": null, "explanation": "Not this."});
    let upstream = Upstream::start([ok(refusal)]).await;
    let outcome = generate(&upstream, &GenerationRequest::new("x")).await.0.unwrap().outcome;
    assert_eq!(outcome, GenerationOutcome::Cannot { reason: "Not this.".into(), missing_capability: None });
    let upstream = Upstream::start([Script::Hang]).await;
    let generator = ModelGenerator::new(client(&upstream, transport()));
    let cx = CallContext::within(Duration::from_millis(200));
    let error = generator.generate(&GenerationRequest::new("x"), &cx).await.unwrap_err();
    assert_eq!(error, ProviderError::Timeout { provider: "anthropic" });
}

/// The prompt is code: a change has to be seen, and has to raise PROMPT_VERSION. The file is rewritten on a
/// difference, so that the review shows it.
#[test]
fn the_prompt_is_the_one_that_was_reviewed() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/system_prompt.md");
    let now = format!("<!-- prompt version {PROMPT_VERSION} -->\n{}", system_prompt());
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    if now != reviewed {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, now).unwrap();
        panic!("the prompt changed: raise PROMPT_VERSION, review tests/golden/system_prompt.md, run again");
    }
}

/// Each worked example of the prompt is itself a valid reply: a model imitates what it is shown.
#[tokio::test]
async fn every_worked_example_of_the_prompt_is_a_valid_reply() {
    let prompt = system_prompt();
    let examples: Vec<&str> = prompt.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        let upstream = Upstream::start([ok(message(example, "end_turn"))]).await;
        let outcome = generate(&upstream, &GenerationRequest::new("x")).await.0;
        assert!(outcome.is_ok(), "{outcome:?}\n{example}");
    }
}
