//! Two tenants on one system of real processes: what one has, the other cannot see, name, stop or pay for.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::fakes::Receiver;
use tests::stack::{Stack, id, is_final};

use crate::SEARCH;

pub async fn ask(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let request = client.request(Method::from_bytes(method.as_bytes()).expect("a method"), path);
    client.send(body.into_iter().fold(request, reqwest::RequestBuilder::json)).await
}

/// A workflow of this tenant that is ready.
pub async fn workflow(client: &Client) -> String {
    program(client, SEARCH).await
}

async fn program(client: &Client, code: &str) -> String {
    let body = json!({"description": "A program of the test", "code": code});
    id(&client.post_and_wait("/workflows", &body, 30).await.expect(200))
}

/// Everything that can be asked about somebody's workflow and job.
pub fn everything(workflow: &str, job: &str) -> Vec<(&'static str, String, Option<Value>)> {
    let (of_workflow, of_job) = (format!("/workflows/{workflow}"), format!("/jobs/{job}"));
    let message = format!("msg_{}", job.trim_start_matches("job_"));
    let run = Some(json!({"user_input": "mine"}));
    vec![
        ("GET", of_workflow.clone(), None),
        ("PATCH", of_workflow.clone(), Some(json!({"name": "mine"}))),
        ("GET", format!("{of_workflow}/versions"), None),
        ("GET", format!("{of_workflow}/versions/1"), None),
        ("GET", format!("{of_workflow}/versions/1/diff"), None),
        ("PUT", format!("{of_workflow}/code"), Some(json!({"code": SEARCH}))),
        ("POST", format!("{of_workflow}/regenerate"), Some(json!({"feedback": "mine"}))),
        ("POST", format!("{of_workflow}/answers"), Some(json!({"answers": {"q1": "mine"}}))),
        ("POST", format!("{of_workflow}/execute"), run),
        ("DELETE", of_workflow, None),
        ("GET", of_job.clone(), None),
        ("GET", format!("{of_job}/events"), None),
        ("GET", format!("{of_job}/logs"), None),
        ("GET", format!("{of_job}/steps"), None),
        ("GET", format!("{of_job}/deliveries"), None),
        ("POST", format!("{of_job}/deliveries/{message}/redeliver"), None),
        ("POST", format!("{of_job}/cancel"), None),
        ("POST", format!("{of_job}/retry"), None),
        ("DELETE", of_job, None),
    ]
}

#[tokio::test]
async fn a_tenant_can_neither_see_nor_stop_nor_start_what_is_anothers() {
    let stack = Stack::builder().tenants().start().await;
    let (alice, bob) = (stack.tenant("alice").await, stack.tenant("bob").await);
    let granted = json!({"operator_credentials": true});
    ask(stack.client(), "PUT", "/tenants/alice", Some(&granted)).await.expect(200);
    let receiver = Receiver::start().await;
    let of_alice = workflow(&alice).await;
    stack.paradigm.withhold();
    let body = json!({"user_input": "alices question", "callback_url": receiver.url("/alice")});
    let path = format!("/workflows/{of_alice}/execute");
    let job = id(&ask(&alice, "POST", &path, Some(&body)).await.expect(202));
    stack.paradigm.searches().wait_for(1).await;

    let unknown = (format!("wf_{}", "0".repeat(32)), format!("job_{}", "0".repeat(32)));
    let foreign = everything(&of_alice, &job).into_iter().zip(everything(&unknown.0, &unknown.1));
    for ((method, path, body), (_, nothing, _)) in foreign {
        let told = ask(&bob, method, &path, body.as_ref()).await.expect_problem(404);
        let of_nothing = ask(&bob, method, &nothing, body.as_ref()).await.expect_problem(404);
        assert_eq!((&told["detail"], &told["code"]), (&of_nothing["detail"], &of_nothing["code"]), "{path}");
    }
    for list in ["/workflows", "/jobs", &format!("/jobs?workflow_id={of_alice}")] {
        assert_eq!(bob.get(list).await.expect(200)["data"], json!([]), "{list}");
    }
    for (method, path) in [("GET", "/keys"), ("GET", "/tenants"), ("GET", "/audit"), ("GET", "/metrics")] {
        ask(&bob, method, path, None).await.expect_problem(403);
    }

    stack.paradigm.release();
    let ended = alice.get(&format!("/jobs/{job}?wait=30")).await.expect(200);
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    let versions = alice.get(&format!("/workflows/{of_alice}/versions")).await.expect(200);
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(1), "{versions:#}");
    // The secret that signs is the tenant's own.
    let secret = async |client: &Client| {
        client.get("/webhook-secret").await.expect(200)["secret"].as_str().expect("a text").to_owned()
    };
    let delivery = receiver.delivery(1).await;
    delivery.verify(&secret(&alice).await).unwrap();
    assert!(delivery.verify(&secret(&bob).await).is_err());
    stack.finish().await;
}

#[tokio::test]
async fn what_a_tenant_spends_and_repeats_is_its_own() {
    let stack = Stack::builder().tenants().offline().start().await;
    let (alice, bob) = (stack.tenant("alice").await, stack.tenant("bob").await);
    for (tenant, most) in [("alice", 5), ("bob", 1)] {
        let settings = json!({"limits": {"tool_calls_per_day": most}});
        ask(stack.client(), "PUT", &format!("/tenants/{tenant}"), Some(&settings)).await.expect(200);
    }
    let (of_alice, of_bob) = (workflow(&alice).await, workflow(&bob).await);
    let run = async |client: &Client, workflow: &str| {
        let body = json!({"user_input": "contract"});
        client.post_and_wait(&format!("/workflows/{workflow}/execute"), &body, 30).await.expect(200)
    };
    for (client, workflow, code) in [
        (&alice, &of_alice, Value::Null),
        (&bob, &of_bob, Value::Null),
        (&bob, &of_bob, json!("budget_exceeded")),
        (&alice, &of_alice, Value::Null),
    ] {
        let job = run(client, workflow).await;
        assert_eq!(job["error"]["code"], code, "{job:#}");
        if code.is_null() {
            assert_eq!(job["provider"], "offline", "{job:#}");
        }
    }
    for (client, used, limit) in [(&alice, 2, 5), (&bob, 1, 1)] {
        let usage = client.get("/usage").await.expect(200);
        assert_eq!(usage["tool_calls"], json!({"used": used, "limit": limit}), "{usage:#}");
    }
    // The same key of idempotency names another thing for each.
    let create = async |client: &Client| {
        let request = client.request(Method::POST, "/workflows").header("idempotency-key", "one");
        client.send(request.json(&json!({"description": "d", "code": SEARCH}))).await
    };
    let (first, second, again) = (create(&alice).await, create(&bob).await, create(&alice).await);
    assert_ne!(id(&first.expect(202)), id(&second.expect(202)));
    assert_eq!(
        (id(&again.expect(202)), again.header("idempotent-replayed")),
        (id(&first.json()), Some("true"))
    );
    assert_eq!(second.header("idempotent-replayed"), None);
    for (client, answer) in [(&alice, &first), (&bob, &second)] {
        let operation = answer.header("operation-location").expect("Operation-Location");
        client.get(&format!("{operation}?wait=30")).await.expect(200);
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_verified_program_is_remembered_for_its_own_tenant_alone() {
    let stack = Stack::builder().tenants().offline().start().await;
    let (alice, bob) = (stack.tenant("alice").await, stack.tenant("bob").await);
    let key = json!({"value": stack.canaries.anthropic});
    for client in [&alice, &bob] {
        ask(client, "PUT", "/credentials/anthropic_api_key", Some(&key)).await.expect(200);
    }
    stack.anthropic.generate_program(crate::ECHO);
    let mut asked = Vec::new();
    for client in [&alice, &alice, &bob, &bob] {
        let body = json!({"description": "Return the input."});
        let made = client.post_and_wait("/workflows", &body, 60).await.expect(200);
        assert_eq!(made["status"], "ready", "{made:#}");
        let version = client.get(&format!("/workflows/{}/versions/1", id(&made))).await.expect(200);
        let calls = stack.anthropic.calls_for(tests::fakes::anthropic::Purpose::Generate).len();
        asked.push((calls, version["cached"] == true));
    }
    assert_eq!(asked, [(1, false), (1, true), (2, false), (2, true)]);
    stack.finish().await;
}

/// `GENERATOR_PROVIDER=offline` is the operator's word that no description leaves the machine; without it, a key decides.
#[tokio::test]
async fn a_tenants_own_key_asks_the_model_unless_the_operator_chose_to_stay_offline() {
    for (choice, provider) in [(None, "anthropic"), (Some("offline"), "offline")] {
        let stack = Stack::builder().tenants().offline();
        let stack = choice.into_iter().fold(stack, |stack, name| stack.env("GENERATOR_PROVIDER", name));
        let stack = stack.start().await;
        let alice = stack.tenant("alice").await;
        let key = json!({"value": stack.canaries.anthropic});
        ask(&alice, "PUT", "/credentials/anthropic_api_key", Some(&key)).await.expect(200);
        stack.anthropic.generate_program(crate::ECHO);
        let description = "For each sentence of the input, search the documents, then format as \
                           \"Q: {sentence} A: {answer}\".";
        let made =
            alice.post_and_wait("/workflows", &json!({"description": description}), 60).await.expect(200);
        assert_eq!((&made["status"], &made["provider"]), (&json!("ready"), &json!(provider)), "{made:#}");
        let asked = stack.anthropic.calls_for(tests::fakes::anthropic::Purpose::Generate).len();
        assert_eq!(asked > 0, provider == "anthropic");
        stack.finish().await;
    }
}

/// One who asks, and everything it asks for.
struct Asking {
    client: Client,
    asks: Vec<(&'static str, String, Option<Value>)>,
}

impl Asking {
    async fn of(stack: &Stack, tenant: &str) -> Self {
        stack.tenant(tenant).await;
        let all = json!({"tenant": tenant, "scopes": ["read", "write", "manage", "admin"]});
        let key = stack.client().post("/keys", &all).await.expect(201);
        let client = stack.client().with_key(key["secret"].as_str().expect("a secret is shown once"));
        let workflow = format!("/workflows/{}", workflow(&client).await);
        let (execute, run) = (format!("{workflow}/execute"), json!({"user_input": "contract"}));
        let job = id(&client.post_and_wait(&execute, &run, 30).await.expect(200));
        let code = Some(json!({"code": crate::ECHO}));
        let asks = vec![
            ("POST", "/workflows".to_owned(), Some(json!({"description": "d", "code": SEARCH}))),
            ("POST", execute, Some(run)),
            ("PUT", format!("{workflow}/code"), code),
            ("POST", format!("/jobs/{job}/retry"), None),
            ("POST", "/keys".to_owned(), Some(json!({"name": "one more"}))),
            ("POST", format!("/keys/{}/rotate", id(&key)), Some(json!({}))),
            ("POST", "/webhook-secret/rotate".to_owned(), Some(json!({}))),
        ];
        Self { client, asks }
    }

    /// Asks for all of it, each under a key of its own; what was made, and whether it was made before.
    async fn ask(&self) -> Vec<(String, bool)> {
        let mut made = Vec::new();
        for (number, (method, path, body)) in self.asks.iter().enumerate() {
            let request = self.client.request(Method::from_bytes(method.as_bytes()).expect("a method"), path);
            let request = request.header("idempotency-key", format!("key-{number}"));
            let answer = self.client.send(body.iter().fold(request, reqwest::RequestBuilder::json)).await;
            assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
            let object = answer.json();
            let name = answer.header("operation-location").or(object["id"].as_str());
            let name = name.or(object["secret"].as_str()).unwrap_or_else(|| panic!("no name: {object}"));
            made.push((name.to_owned(), answer.header("idempotent-replayed") == Some("true")));
        }
        made
    }
}

/// Two ask for the same under the same keys, and again: each is answered its own.
#[tokio::test]
async fn the_same_idempotency_key_of_two_tenants_names_two_things_whatever_is_made() {
    let stack = Stack::builder().tenants().offline().start().await;
    let (alice, bob) = (Asking::of(&stack, "alice").await, Asking::of(&stack, "bob").await);
    let (of_alice, of_bob) = (alice.ask().await, bob.ask().await);
    for (first, second) in of_alice.iter().zip(&of_bob) {
        assert!(first.0 != second.0 && !first.1 && !second.1, "{first:?} {second:?}");
    }
    for (asking, made) in [(&alice, &of_alice), (&bob, &of_bob)] {
        let before: Vec<(String, bool)> = made.iter().map(|(name, _)| (name.clone(), true)).collect();
        assert_eq!(asking.ask().await, before);
        for (job, _) in made.iter().filter(|(name, _)| name.starts_with("/jobs/")) {
            let job = asking.client.get(&format!("{job}?wait=30")).await.expect(200);
            assert!(is_final(&job), "{job:#}");
        }
    }
    let keys = async |tenant: &str| {
        let keys = stack.client().get(&format!("/keys?tenant={tenant}")).await.expect(200);
        keys["data"].as_array().map(Vec::len)
    };
    // The one it began with, the one that asked, the one more, and the one in the place of the one that asked.
    assert_eq!((keys("alice").await, keys("bob").await), (Some(4), Some(4)));
    stack.finish().await;
}

/// How much runs at once and waits, and where runs may search, is each tenant's own, in every process.
#[tokio::test]
async fn what_the_operator_sets_for_a_tenant_holds_for_its_runs_and_for_nobody_elses() {
    let stack = Stack::builder().tenants().start().await;
    let (alice, bob) = (stack.tenant("alice").await, stack.tenant("bob").await);
    let limits = json!({"running_max": 1, "queued_max": 2});
    for (tenant, settings) in [
        ("alice", json!({"operator_credentials": true, "workspaces": [5], "limits": limits})),
        ("bob", json!({"operator_credentials": true, "workspaces": [7]})),
    ] {
        ask(stack.client(), "PUT", &format!("/tenants/{tenant}"), Some(&settings)).await.expect(200);
    }
    let search = |workspaces: &str| {
        SEARCH.replace("(user_input)", &format!("(user_input, workspace_ids={workspaces})"))
    };
    let (of_alice, of_bob) =
        (program(&alice, &search("[5, 7]")).await, program(&bob, &search("[5, 7]")).await);
    let run = async |client: &Client, workflow: &str, input: &str| {
        let body = json!({"user_input": input});
        ask(client, "POST", &format!("/workflows/{workflow}/execute"), Some(&body)).await
    };
    let asked = || -> Vec<(String, Value)> {
        let all = stack.paradigm.searches().all().into_iter();
        all.map(|search| (search.query, search.body["workspace_ids"].clone())).collect()
    };
    stack.paradigm.withhold();
    let mut jobs = Vec::new();
    for input in ["first", "second", "third"] {
        jobs.push((&alice, id(&run(&alice, &of_alice, input).await.expect(202))));
        stack.paradigm.searches().wait_for(1).await;
    }
    let full = run(&alice, &of_alice, "fourth").await;
    assert_eq!(full.expect_problem(429)["code"], "queue_full");
    assert!(full.header("retry-after").is_some());
    jobs.push((&bob, id(&run(&bob, &of_bob, "bobs").await.expect(202))));
    stack.paradigm.searches().wait_for(2).await;
    assert_eq!(asked(), [("first".to_owned(), json!([5])), ("bobs".to_owned(), json!([7]))]);
    stack.paradigm.release();
    for (client, job) in &jobs {
        let job = client.get(&format!("/jobs/{job}?wait=30")).await.expect(200);
        assert_eq!(job["status"], "succeeded", "{job:#}");
    }
    // Named alone, what is another's is nothing.
    let foreign = program(&bob, &search("[5]")).await;
    let job = id(&run(&bob, &foreign, "foreign").await.expect(202));
    let job = bob.get(&format!("/jobs/{job}?wait=30")).await.expect(200);
    assert_eq!(job["error"]["code"], "tool_error", "{job:#}");
    let expected = ["first", "bobs", "second", "third"]
        .map(|input| (input.to_owned(), json!([if input == "bobs" { 7 } else { 5 }])));
    assert_eq!(asked(), expected);
    stack.finish().await;
}
