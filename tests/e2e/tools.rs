//! The tools as programs call them, with every argument; what they reach is the host's to say.

use serde_json::{Value, json};
use shared::id::TenantId;
use shared::store::{Store, StoreConfig, TenantChange};
use tests::fakes::anthropic::{Purpose, Reply};
use tests::stack::Stack;

fn program(body: &str) -> String {
    let lines: Vec<String> = body.lines().map(|line| format!("    {line}\n")).collect();
    format!("import json\n\nasync def execute_workflow(user_input: str):\n{}", lines.concat())
}

async fn run(stack: &Stack, body: &str) -> Value {
    let workflow = stack.workflow_from_code(&program(body)).await;
    stack.run(&workflow, "input").await
}

/// Sets the default tenant's workspaces, as its operator would.
async fn set_workspaces(stack: &Stack, ids: &[i64]) {
    let store = Store::new(&StoreConfig::new(stack.redis_url())).expect("the address is one");
    let change = TenantChange { workspaces: Some(Some(ids.to_vec())), ..TenantChange::default() };
    store.change_tenant(&TenantId::default_tenant(), &change).await.expect("Redis is there");
}

#[tokio::test]
async fn a_search_reaches_only_the_workspaces_and_files_the_account_has() {
    let stack = Stack::builder().start().await;
    let calls = "a = await paradigm_search('open')\n\
                 b = await paradigm_search('narrow', workspace_ids=[7, 8], vision=True)\n\
                 return [a, b]";
    assert_eq!(run(&stack, calls).await["status"], "succeeded");
    let bodies = |stack: &Stack| -> Vec<Value> {
        stack.paradigm.searches().all().into_iter().map(|search| search.body).collect()
    };
    assert_eq!(
        bodies(&stack),
        [
            json!({"query": "open"}),
            json!({"query": "narrow", "workspace_ids": [7, 8], "tool": "VisionDocumentSearch"}),
        ]
    );
    stack.paradigm.reset();
    set_workspaces(&stack, &[8, 9]).await;
    let denied = "\nerrors = []\n\
                  for ids in ({'workspace_ids': [7]}, {'workspace_ids': []}, {'file_ids': [4001]}):\n\
                  \x20   try:\n        await paradigm_search('denied', **ids)\n\
                  \x20   except ToolError as error:\n        errors.append(str(error))\n\
                  return errors";
    let job = run(&stack, &calls.replace("return [a, b]", denied)).await;
    assert_eq!(job["result"].as_array().map(Vec::len), Some(3), "{job:#}");
    assert!(job["result"][2].as_str().unwrap_or_default().contains("uploaded"), "{job:#}");
    assert_eq!(
        bodies(&stack),
        [
            json!({"query": "open", "workspace_ids": [8, 9]}),
            json!({"query": "narrow", "workspace_ids": [8], "tool": "VisionDocumentSearch"}),
        ]
    );
    stack.finish().await;
}

#[tokio::test]
async fn a_reply_of_the_model_has_the_form_it_was_asked_for_or_is_a_tool_error() {
    let stack = Stack::builder().start().await;
    let answer = |text: &str| Reply::Text(json!({"answer": text}).to_string());
    stack.anthropic.script(
        Purpose::Chat,
        [
            answer("OUI"),
            answer("552 100 554"),
            Reply::Text(json!({"total": 12, "unit": "EUR"}).to_string()),
            answer("PEUT-ÊTRE"),
            Reply::Text("Plain prose.".to_owned()),
        ],
    );
    let body = "choice = await chat_completion('a', choices=['OUI', 'NON'])\n\
                code = await chat_completion('b', regex=r'\\d{3}( \\d{3}){2}')\n\
                schema = {'type': 'object', 'properties': {'total': {'type': 'integer', 'minimum': 0}, \
                'unit': {'type': 'string'}}, 'required': ['total']}\n\
                total = json.loads(await chat_completion('c', schema=schema))['total']\n\
                try:\n    await chat_completion('d', choices=['OUI', 'NON'])\n\
                except ToolError:\n    failed = True\n\
                plain = await chat_completion('e')\n\
                return [choice, code, total, failed, plain]";
    let job = run(&stack, body).await;
    assert_eq!(job["result"], json!(["OUI", "552 100 554", 12, true, "Plain prose."]), "{job:#}");
    assert_eq!(stack.anthropic.refused(), Vec::<String>::new());
    let sent = &stack.anthropic.calls_for(Purpose::Chat)[2].body["output_config"]["format"]["schema"];
    assert_eq!(sent["additionalProperties"], false, "{sent}");
    assert!(sent["properties"]["total"].get("minimum").is_none(), "{sent}");
    stack.finish().await;
}

#[tokio::test]
async fn arguments_that_cannot_be_are_the_programs_mistake_and_cost_nothing() {
    let stack = Stack::builder().start().await;
    let body = "told = []\n\
                for call in (lambda: paradigm_search('q', file_ids=['a']), lambda: paradigm_search(''),\n\
                \x20            lambda: chat_completion('p', regex='('), lambda: paradigm_analyze('q'),\n\
                \x20            lambda: chat_completion('p', choices=['a'], regex='a')):\n\
                \x20   try:\n        await call()\n\
                \x20   except ToolError as error:\n        told.append(str(error))\n\
                for call in (lambda: paradigm_search(), lambda: paradigm_search('q', [1]),\n\
                \x20            lambda: paradigm_search('q', private_scope=True)):\n\
                \x20   try:\n        await call()\n\
                \x20   except TypeError as error:\n        told.append(str(error))\n\
                return told";
    let job = run(&stack, body).await;
    assert_eq!(job["result"].as_array().map(Vec::len), Some(8), "{job:#}");
    assert!(stack.paradigm.searches().is_empty() && stack.anthropic.calls_for(Purpose::Chat).is_empty());
    stack.finish().await;
}

#[tokio::test]
async fn one_argument_calls_keep_their_place_in_the_journal() {
    let stack = Stack::builder().start().await;
    let job = run(&stack, "return await paradigm_search('q', vision=False, file_ids=None)").await;
    let steps = stack.client().get(&format!("/jobs/{}/steps", tests::stack::id(&job))).await.expect(200);
    let steps = steps["data"].as_array().or(steps.as_array()).cloned().unwrap_or_default();
    assert_eq!(steps[0]["arguments"], json!({"query": "q"}), "{steps:#?}");
    stack.finish().await;
}
