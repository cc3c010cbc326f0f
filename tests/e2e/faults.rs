//! Every way in which a model provider can be in trouble, from the description to the workflow's end: what is asked
//! again is asked as the provider wishes, what is final is said at once, and nothing hangs past its deadline.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::fakes::anthropic::{Purpose, Reply};
use tests::stack::Stack;

use crate::ECHO;

/// One trouble: what the provider does, and how it must end.
struct Case {
    name: &'static str,
    script: Vec<Reply>,
    /// The workflow's state, and its error's code.
    end: (&'static str, &'static str),
    /// Requests that reach the provider.
    calls: usize,
    /// Not sooner.
    takes_at_least: Duration,
}

fn case(name: &'static str, script: Vec<Reply>, end: (&'static str, &'static str), calls: usize) -> Case {
    Case { name, script, end, calls, takes_at_least: Duration::ZERO }
}

fn error(status: u16, kind: &'static str, headers: &[(&'static str, &str)]) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Error { status, kind, headers }
}

fn truncated() -> Reply {
    Reply::Stopped { text: "{\"outcome\": \"work".to_owned(), stop_reason: "max_tokens" }
}

fn nonsense() -> Reply {
    Reply::Text("{\"outcome\": \"workflow\"}".to_owned())
}

fn cases() -> Vec<Case> {
    let good = || Reply::program(ECHO);
    let bad = || Reply::program(&ECHO.replace("return user_input", "return user_inptu"));
    let (ready, provider) = (("ready", ""), ("failed", "provider_error"));
    let generation = ("failed", "generation_failed");
    vec![
        Case {
            takes_at_least: Duration::from_secs(2),
            ..case("429 with retry-after", vec![Reply::rate_limited(Some(2)), good()], ready, 2)
        },
        case("529 twice", vec![Reply::overloaded(), Reply::overloaded(), good()], ready, 3),
        case("529 for good", vec![Reply::overloaded(); 3], provider, 3),
        case(
            "529, not to be retried",
            vec![error(529, "overloaded_error", &[("x-should-retry", "false")])],
            provider,
            1,
        ),
        case(
            "400, to be retried",
            vec![error(400, "invalid_request_error", &[("x-should-retry", "true")]), good()],
            ready,
            2,
        ),
        case("400", vec![error(400, "invalid_request_error", &[])], provider, 1),
        case("a wrong key", vec![error(401, "authentication_error", &[])], provider, 1),
        case("a broken connection", vec![Reply::Cut, good()], ready, 2),
        // Above 21,333 tokens of room an answer is streamed: what is asked again after a truncation is.
        case("truncated", vec![truncated(), good()], ready, 2),
        case("truncated twice", vec![truncated(), truncated()], provider, 2),
        case("cut in mid-stream", vec![truncated(), Reply::Cut, good()], ready, 3),
        case("an error event", vec![truncated(), Reply::ErrorEvent("overloaded_error"), good()], ready, 3),
        case("a refusal", vec![Reply::refusal()], ("refused", ""), 1),
        case("not JSON, then good", vec![nonsense(), good()], ready, 2),
        case("not JSON for good", vec![nonsense(), nonsense(), nonsense()], generation, 3),
        case("no API at all", vec![Reply::NotJson, good()], ready, 2),
        case("bad code, then good", vec![bad(), good()], ready, 2),
        case("bad code for good", vec![bad(), bad(), bad()], generation, 3),
    ]
}

#[tokio::test]
async fn every_trouble_of_the_provider_ends_as_it_should() {
    let stack = Stack::builder().start().await;
    for (number, case) in cases().into_iter().enumerate() {
        stack.anthropic.calls().clear();
        stack.anthropic.script(Purpose::Generate, case.script);
        let began = Instant::now();
        let body = json!({"description": format!("Return the input, {number}.")});
        let workflow = stack.create_workflow(&body).await;
        let took = began.elapsed();
        let code = workflow["error"]["code"].as_str().unwrap_or_default();
        assert_eq!((workflow["status"].as_str().unwrap(), code), case.end, "{}: {workflow:#}", case.name);
        assert_eq!(stack.anthropic.calls().len(), case.calls, "{}", case.name);
        assert!(took >= case.takes_at_least, "{}: {took:?}", case.name);
        assert!(!stack.anthropic.take_scripted(Purpose::Generate), "{}: the script is not over", case.name);
        if case.end.1 == "generation_failed" {
            let told = workflow["error"]["message"].as_str().unwrap();
            assert!(told.contains("1. E_"), "{}: {told}", case.name);
        }
    }
    assert_eq!(stack.anthropic.refused(), Vec::<String>::new());
    stack.finish().await;
}

#[tokio::test]
async fn both_attempts_of_a_repaired_program_are_visible() {
    let stack = Stack::builder().start().await;
    let bad = ECHO.replace("return user_input", "return user_inptu");
    stack.anthropic.script(Purpose::Generate, [Reply::program(&bad), Reply::program(ECHO)]);
    let workflow = stack.create_workflow(&json!({"description": "Return the input."})).await;
    let path = format!("/workflows/{}/versions/1", tests::stack::id(&workflow));
    let version = stack.client().get(&path).await.expect(200);
    let attempts = version["attempts"].as_array().expect("attempts");
    let codes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["code"]).collect();
    assert_eq!(codes, [&json!(bad), &json!(ECHO)], "{version:#}");
    assert_eq!(attempts[0]["findings"][0]["code"], "E_UNDEFINED_NAME", "{version:#}");
    assert_eq!(version["rounds"], 1, "{version:#}");
    stack.finish().await;
}

#[tokio::test]
async fn a_limit_is_waited_out_once_for_all_jobs_of_a_process() {
    const PAUSE: Duration = Duration::from_secs(2);
    let stack = Stack::builder().start().await;
    stack.anthropic.generate_program(ECHO);
    stack.anthropic.script(Purpose::Generate, [Reply::rate_limited(Some(2))]);
    let began = Instant::now();
    let create = |number: u32| {
        let body = json!({"description": format!("Return the input, {number}.")});
        async { stack.client().post("/workflows", &{ body }).await.expect(202) }
    };
    let first = create(1).await;
    stack.anthropic.calls().wait_for(1).await;
    let others = futures_util::future::join_all((2..6).map(create)).await;
    // The others meet a shut gate: none of them is refused, and all go on when it opens.
    for workflow in std::iter::once(&first).chain(&others) {
        let job = workflow["job"]["id"].as_str().expect("a job");
        assert_eq!(stack.wait_job(job).await["status"], "succeeded");
    }
    let took = began.elapsed();
    assert_eq!(stack.anthropic.calls().len(), 6, "one refused, five answered");
    assert!((PAUSE..PAUSE * 5).contains(&took), "{took:?}");
    stack.finish().await;
}

#[tokio::test]
async fn a_provider_that_hangs_ends_with_the_jobs_own_time() {
    const EXPIRES: Duration = Duration::from_secs(3);
    let stack = Stack::builder().env("JOB_EXPIRES_MS", &EXPIRES.as_millis().to_string()).start().await;
    for hanging in [vec![Reply::Hang], vec![truncated(), Reply::Hang]] {
        stack.anthropic.script(Purpose::Generate, hanging);
        let began = Instant::now();
        let workflow = stack.create_workflow(&json!({"description": "Return the input."})).await;
        let took = began.elapsed();
        assert_eq!(workflow["error"]["code"], "expired", "{workflow:#}");
        assert!((EXPIRES * 9 / 10..EXPIRES * 2).contains(&took), "{took:?}");
    }
    stack.finish().await;
}
