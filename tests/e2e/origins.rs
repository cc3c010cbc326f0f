//! A journal answers for the run it was recorded for: another build's tool is asked anew, and the job says so.

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::fakes::anthropic::{Purpose, Reply};
use tests::stack::{self, Stack};

use crate::replay::{asked, begin, builder, steps};

/// Both tools, twice each; the last answer is withheld until the second worker is there.
const CODE: &str = "
async def execute_workflow(user_input):
    found = [await paradigm_search('first'), await paradigm_search('second')]
    told = [await chat_completion('one'), await chat_completion('two')]
    return [found, told, await paradigm_search('last')]
";

/// What the job's journal says of its origin is changed, as another build or program would have written it.
async fn change_origins(stack: &Stack, job: &str, change: impl Fn(&mut Value)) {
    let key = format!("{{wf:0}}:job:{job}:journal");
    let mut redis = stack.redis.connection().await.expect("Redis is there");
    let entries: Vec<(String, String)> =
        redis::cmd("HGETALL").arg(&key).query_async(&mut redis).await.expect("a journal");
    assert!(!entries.is_empty());
    for (field, text) in entries {
        let mut entry: Value = serde_json::from_str(&text).expect("an entry");
        assert!(entry["origin"]["run"].is_string() && entry["origin"]["tool"].is_string(), "{entry:#}");
        change(&mut entry);
        let set = redis::cmd("HSET").arg(&key).arg(field).arg(entry.to_string()).to_owned();
        set.query_async::<()>(&mut redis).await.expect("Redis takes it");
    }
}

/// Runs until the last search is open, kills the worker, changes the journal, and lets another worker finish it.
async fn finished_after(change: impl Fn(&mut Value)) -> (Stack, Value) {
    let mut stack = builder().on_one_server().start().await;
    let workflow = stack.workflow_from_code(CODE).await;
    // Told twice, should it be asked twice.
    stack.anthropic.script(Purpose::Chat, ["1", "2", "1", "2"].map(|text| Reply::Text(text.to_owned())));
    stack.paradigm.answer_only(2);
    let job = begin(&stack, &workflow, "").await;
    stack.paradigm.searches().wait_for(3).await;
    stack.signal_worker(0, Signal::KILL);
    stack.workers[0].end().await;
    change_origins(&stack, &job, change).await;
    stack.paradigm.release();
    stack.start_worker();
    let ended = stack.wait_job(&job).await;
    let found = ["first", "second", "last"].map(|question| format!("Answer to: {question}"));
    assert_eq!(ended["result"], json!([[found[0], found[1]], ["1", "2"], found[2]]), "{ended:#}");
    (stack, ended)
}

#[tokio::test]
async fn what_another_builds_tool_answered_is_asked_anew_and_the_rest_is_reused() {
    let (stack, ended) = finished_after(|entry| {
        if entry["name"] == "paradigm_search" {
            entry["origin"]["tool"] = json!("another build's");
        }
    })
    .await;
    assert_eq!(ended["replay"], json!({"reused": 2, "diverged": true}), "{ended:#}");
    let asked = asked(&stack);
    assert_eq!((asked["first"], asked["second"], asked["last"]), (2, 2, 2), "{asked:#?}");
    assert_eq!(stack.anthropic.calls_for(Purpose::Chat).len(), 2, "the model was not asked again");
    for step in steps(&stack, &stack::id(&ended)).await {
        let of_the_model = step["tool"] == "chat_completion";
        assert_eq!(step["replayed"], of_the_model, "{step:#}");
        assert_eq!(step["attempt"], if of_the_model { 1 } else { 2 }, "{step:#}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn what_was_recorded_under_another_program_is_reused_and_the_job_says_so() {
    let (stack, ended) = finished_after(|entry| entry["origin"]["run"] = json!("another program's")).await;
    assert_eq!(ended["replay"], json!({"reused": 4, "diverged": true}), "{ended:#}");
    let asked = asked(&stack);
    assert_eq!((asked["first"], asked["second"], asked["last"]), (1, 1, 2), "{asked:#?}");
    stack.finish().await;
}

#[tokio::test]
async fn a_journal_of_a_build_that_noted_no_origin_answers_nothing() {
    let (stack, ended) = finished_after(|entry| {
        entry.as_object_mut().expect("an entry").remove("origin");
    })
    .await;
    assert_eq!(ended["replay"], json!({"reused": 0, "diverged": true}), "{ended:#}");
    assert_eq!(stack.anthropic.calls_for(Purpose::Chat).len(), 4, "each prompt was sent again");
    stack.finish().await;
}
