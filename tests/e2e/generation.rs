//! From a description to a program, with a model that behaves in every way a model can.

use serde_json::{Value, json};
use tests::fakes::anthropic::{Purpose, Reply};
use tests::stack::Stack;

use crate::ECHO;

async fn describe(stack: &Stack, replies: impl IntoIterator<Item = Reply>) -> Value {
    stack.anthropic.script(Purpose::Generate, replies);
    stack.create_workflow(&json!({"description": "Return the input."})).await
}

#[tokio::test]
async fn the_description_goes_to_the_model_and_its_plan_to_the_workflow() {
    let stack = Stack::builder().start().await;
    let reply = Reply::workflow(json!({
        "code": ECHO,
        "name": "Echo",
        "summary": "Returns the input as it is.",
        "steps": [{"id": "s1", "title": "Return it", "tools": []}],
    }));
    let workflow = describe(&stack, [reply]).await;
    assert_eq!(
        (workflow["status"].as_str(), workflow["version"].as_i64()),
        (Some("ready"), Some(1)),
        "{workflow:#}"
    );
    assert_eq!(workflow["summary"], "Returns the input as it is.");
    assert_eq!(workflow["steps"][0]["title"], "Return it", "{workflow:#}");
    let calls = stack.anthropic.calls_for(Purpose::Generate);
    assert_eq!(calls.len(), 1);
    assert!(calls[0].prompt().contains("Return the input."));
    assert!(calls[0].system().contains("paradigm_search") && calls[0].system().contains("execute_workflow"));
    assert_eq!(calls[0].body["model"], "claude-opus-5-5");
    stack.finish().await;
}

#[tokio::test]
async fn a_model_in_trouble_is_asked_again_as_it_wishes() {
    let stack = Stack::builder().start().await;
    let workflow =
        describe(&stack, [Reply::rate_limited(Some(1)), Reply::overloaded(), Reply::program(ECHO)]).await;
    assert_eq!(workflow["status"], "ready", "{workflow:#}");
    assert_eq!(stack.anthropic.calls_for(Purpose::Generate).len(), 3);
    stack.finish().await;
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_with_more_room() {
    let stack = Stack::builder().start().await;
    let cut = Reply::Stopped { text: "{\"outcome\": \"work".to_owned(), stop_reason: "max_tokens" };
    let workflow = describe(&stack, [cut, Reply::program(ECHO)]).await;
    assert_eq!(workflow["status"], "ready", "{workflow:#}");
    let calls = stack.anthropic.calls_for(Purpose::Generate);
    let room = |number: usize| calls[number].body["max_tokens"].as_u64().unwrap();
    assert!(room(1) > room(0), "{} {}", room(0), room(1));
    stack.finish().await;
}

#[tokio::test]
async fn a_refusal_of_the_model_is_a_refused_workflow_and_not_tried_again() {
    let stack = Stack::builder().start().await;
    let cannot = Reply::workflow(json!({
        "outcome": "cannot",
        "reason": "There is no tool that sends e-mail.",
        "missing_capability": "e-mail",
    }));
    for reply in [Reply::refusal(), cannot] {
        let workflow = describe(&stack, [reply]).await;
        assert_eq!(workflow["status"], "refused", "{workflow:#}");
        assert_eq!(workflow["job"]["status"], "succeeded", "{workflow:#}");
    }
    assert_eq!(stack.anthropic.calls_for(Purpose::Generate).len(), 2);
    let workflow = &stack.client().get("/workflows?limit=1").await.expect(200)["data"][0];
    assert!(workflow.to_string().contains("e-mail"), "{workflow:#}");
    stack.finish().await;
}

#[tokio::test]
async fn open_questions_are_the_workflows_questions() {
    let stack = Stack::builder().start().await;
    let reply = Reply::workflow(json!({
        "outcome": "needs_clarification",
        "language": "fr",
        "questions": [{"id": "q1", "text": "Quels fichiers ?"}],
    }));
    let workflow = describe(&stack, [reply]).await;
    assert_eq!(workflow["status"], "needs_clarification", "{workflow:#}");
    assert!(workflow["questions"].to_string().contains("Quels fichiers ?"), "{workflow:#}");
    assert_eq!(workflow["job"]["status"], "succeeded", "{workflow:#}");
    stack.finish().await;
}

#[tokio::test]
async fn a_model_that_stays_away_or_talks_nonsense_fails_the_workflow_clearly() {
    let stack = Stack::builder().start().await;
    let unauthorised = Reply::Error { status: 403, kind: "permission_error", headers: Vec::new() };
    let nonsense = || Reply::Text("{\"outcome\": \"workflow\"}".to_owned());
    let troubles: [(Vec<Reply>, &[&str]); 3] = [
        (vec![unauthorised], &["provider_error"]),
        (vec![Reply::overloaded(); 3], &["provider_error"]),
        (vec![nonsense(), nonsense(), nonsense()], &["generation_failed", "provider_error"]),
    ];
    for (replies, codes) in troubles {
        let workflow = describe(&stack, replies.clone()).await;
        let code = workflow["error"]["code"].as_str().unwrap_or_default();
        assert!(workflow["status"] == "failed" && codes.contains(&code), "{replies:?}: {workflow:#}");
        assert_eq!(workflow["job"]["error"]["code"], code, "{workflow:#}");
        // What is left of the script must not meet the next round.
        while stack.anthropic.take_scripted(Purpose::Generate) {}
    }
    stack.finish().await;
}
