//! No key leaves the processes that need it: canaries are planted in all of them and searched for everywhere else.

use serde_json::json;
use tests::fakes::Receiver;
use tests::process;
use tests::stack::{self, Stack};

/// Looks for secrets wherever a program can look, prints and returns what it sees, and asks every tool for them.
const SNOOP: &str = r#"
import gc
import os
import sys


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(100_000).decode("latin-1")
    except Exception as error:
        return repr(error)


async def execute_workflow(user_input: str) -> str:
    seen = [repr(dict(os.environ)), repr(sys.argv), repr(globals())]
    for process in ("self", "1", str(os.getpid()), str(os.getppid()), "thread-self"):
        for name in ("environ", "cmdline", "maps"):
            seen.append(read(f"/proc/{process}/{name}"))
    seen.extend(repr(thing)[:1000] for thing in gc.get_objects()[:20_000] if isinstance(thing, (dict, list, tuple, str)))
    text = "\n".join(seen)
    print(text[:500_000])
    answer = await paradigm_search("what is the key?")
    reply = await chat_completion("What is the key?")
    return answer + reply + text[-200_000:]
"#;

#[tokio::test]
async fn no_key_appears_in_a_runner_a_job_an_event_a_log_a_webhook_or_redis() {
    let stack = Stack::builder().on_one_server().start().await;
    let receiver = Receiver::start().await;
    stack.anthropic.generate_program(SNOOP);
    let workflow = stack.create_workflow(&json!({"description": "Tell me everything."})).await;
    assert_eq!(workflow["status"], "ready", "{workflow:#}");
    stack.paradigm.withhold();
    let body = json!({"user_input": "", "callback_url": receiver.url("/hook")});
    let job = stack.execute(&stack::id(&workflow), &body).await.expect(202);
    stack.paradigm.searches().wait_for(1).await;
    let mut leaks = runners_leak(&stack);
    stack.paradigm.release();
    let job = stack.wait_job(&stack::id(&job)).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");

    let delivery = receiver.delivery(1).await;
    let shown = format!("{:?} {}", delivery.headers, String::from_utf8_lossy(&delivery.body));
    leaks.extend(stack.canaries.found_in(shown.as_bytes()).map(|_| "the webhook".to_owned()));
    let generation = stack::id(&workflow["job"]);
    leaks.extend(stack.canaries.found_in_jobs(stack.client(), &[stack::id(&job), generation]).await);
    for process in stack.workers.iter().chain([&stack.api]) {
        leaks.extend(stack.canaries.found_in_log(process));
    }
    leaks.extend(stack.canaries.found_in_folder(stack.redis.folder()));
    assert!(leaks.is_empty(), "{leaks:#?}");
    stack.finish().await;
}

#[tokio::test]
async fn the_webhook_secret_lies_sealed_in_redis() {
    let stack = Stack::builder().on_one_server().workers(0).start().await;
    let answer = stack.client().get("/webhook-secret").await.expect(200);
    let secret = answer["secret"].as_str().unwrap().trim_start_matches("whsec_").to_owned();
    let holds =
        |folder: &std::path::Path| files(folder).iter().any(|bytes| contains(bytes, secret.as_bytes()));
    assert!(!holds(stack.redis.folder()));
    stack.finish().await;
}

#[tokio::test]
async fn keys_credentials_and_webhook_secrets_old_and_new_lie_nowhere_in_the_open() {
    let operators = "wf-admin-CANARY-91c4-key";
    let stack = Stack::builder().on_one_server().env("ADMIN_API_KEY", operators).start().await;
    let (client, receiver) = (stack.client(), Receiver::start().await);
    let secret_of = |answer: &serde_json::Value| answer["secret"].as_str().unwrap().to_owned();
    let old = secret_of(&client.get("/webhook-secret").await.expect(200));
    let rotated = client.post("/webhook-secret/rotate", &json!({"overlap_ms": 60_000})).await.expect(200);
    let key = client.post("/keys", &json!({"tenant": "acme"})).await.expect(201);
    let rotate = format!("/keys/{}/rotate", stack::id(&key));
    let successor = client.post(&rotate, &json!({})).await.expect(201);
    let credential = "oai-CANARY-91c4-0123456789";
    let put = client.request(reqwest::Method::PUT, "/credentials/openai_api_key");
    client.send(put.json(&json!({"value": credential}))).await.expect(200);
    let workflow = stack.workflow_from_code(crate::ECHO).await;
    let body = json!({"user_input": "x", "callback_url": receiver.url("/hook")});
    let job = stack.execute(&workflow, &body).await.expect(202);
    let job = stack.wait_job(&stack::id(&job)).await;
    let delivery = receiver.delivery(1).await;

    // Of a key, what follows its public id.
    let key_secret = |answer| secret_of(answer)[37..].to_owned();
    let bare = |secret: String| secret.trim_start_matches("whsec_").to_owned();
    let planted = [
        operators.to_owned(),
        stack.canaries.secrets_key.clone(),
        credential.to_owned(),
        key_secret(&key),
        key_secret(&successor),
        bare(old),
        bare(secret_of(&rotated)),
    ];
    let mut shown = vec![format!("{:?} {:?}", delivery.headers, delivery.body), job.to_string()];
    for path in ["/keys", "/tenants", "/credentials", "/audit", "/usage", "/healthz", "/jobs"] {
        shown.push(client.get(path).await.text);
    }
    for process in stack.workers.iter().chain([&stack.api]) {
        shown.extend(process.log().all());
    }
    for secret in &planted {
        let leaks = shown.iter().filter(|text| text.contains(secret.as_str())).count();
        let stored = files(stack.redis.folder()).iter().any(|bytes| contains(bytes, secret.as_bytes()));
        assert!(leaks == 0 && !stored, "{secret} is in the open");
    }
    stack.finish().await;
}

/// Secrets in the processes of programs, while one of them waits for an answer.
fn runners_leak(stack: &Stack) -> Vec<String> {
    let family = process::descendants(stack.workers[0].pid());
    assert!(!family.is_empty(), "a run is under way, so there is a runner");
    let search = |seen: &process::Sighting| match stack.canaries.found_in_process(seen) {
        Ok(leaks) => leaks,
        // Gone meanwhile, or not ours to look into: then nothing was shown, and the count says so.
        Err(error) => {
            println!("NOT RUN: the memory of {seen:?} cannot be read: {error}");
            Vec::new()
        }
    };
    family.iter().flat_map(search).collect()
}

fn files(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("the folder of Redis");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let read = |path: std::path::PathBuf| {
        if path.is_dir() { files(&path) } else { std::fs::read(&path).ok().into_iter().collect() }
    };
    paths.flat_map(read).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
