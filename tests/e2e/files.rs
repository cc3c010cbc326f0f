//! Files: through to Paradigm without staying anywhere, whose they are, and what runs make of them.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Body, Method};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::client::{Answer, Client};
use tests::stack::{Stack, id};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;

use crate::tenants::ask;

/// Memory a process has taken for data; pages of its own file are the kernel's to keep or drop.
fn memory_bytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number");
    kib * 1024
}

const BOUNDARY: &str = "----boundary-of-a-test";
const MIB: usize = 1 << 20;

/// A form with one file, in pieces.
fn form(name: &str, content: Vec<Vec<u8>>) -> (String, Vec<Vec<u8>>) {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let pieces = std::iter::once(head.into_bytes()).chain(content).chain([tail.into_bytes()]);
    (format!("multipart/form-data; boundary={BOUNDARY}"), pieces.collect())
}

async fn upload(stack: &Stack, name: &str, content: &[u8], key: Option<&str>) -> Answer {
    upload_as(stack.client(), name, content, key).await
}

async fn upload_as(client: &Client, name: &str, content: &[u8], key: Option<&str>) -> Answer {
    let (kind, pieces) = form(name, vec![content.to_vec()]);
    let mut request = client.request(Method::POST, "/files").header("content-type", kind);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    client.send(request.body(pieces.concat())).await
}

/// Asks for a file until it is not being read any more.
async fn settled(stack: &Stack, file: &Value) -> Value {
    let path = format!("/files/{}", id(file));
    let asking = async {
        loop {
            let file = stack.client().get(&path).await.expect(200);
            if file["status"] != "processing" {
                return file;
            }
        }
    };
    tokio::time::timeout(tests::DEADLINE, asking).await.expect("a file is read in time")
}

#[tokio::test]
async fn an_upload_of_25_mb_passes_through_in_flat_memory() {
    let stack = Stack::builder().start().await;
    // Connections, buffers and code pages of a first, small upload are not the point.
    upload(&stack, "warm.txt", b"warm", None).await.expect(201);
    let before = memory_bytes(stack.api.pid());
    let piece: Vec<u8> = (0..MIB).map(|n| b' ' + u8::try_from(n % 90).unwrap()).collect();
    let (kind, pieces) = form("large.txt", vec![piece; 25]);
    let digest = pieces[1..26].iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    let (arrivals, peak) = (stack.paradigm.arrivals(), std::sync::atomic::AtomicU64::new(before));
    arrivals.clear();
    let pid = stack.api.pid();
    let streamed = futures_util::stream::iter(pieces).map(Ok::<_, std::io::Error>);
    let request = stack.client().request(Method::POST, "/files").header("content-type", kind);
    let sending = stack.client().send(request.body(Body::wrap_stream(streamed)));
    // Looked at whenever another megabyte or so has reached the provider.
    let looking = async {
        let mut seen = 0;
        loop {
            let arrived = arrivals.wait_for(seen + 1).await;
            seen = arrived.len();
            peak.fetch_max(memory_bytes(pid), std::sync::atomic::Ordering::Relaxed);
            if arrived.iter().sum::<usize>() >= 25 * MIB {
                return;
            }
        }
    };
    let (answer, ()) = tokio::join!(sending, looking);
    let file = answer.expect(201);
    assert_eq!((file["bytes"].as_u64(), file["name"].as_str()), (Some(25 * MIB as u64), Some("large.txt")));
    let held = stack.paradigm.documents();
    let document = &held[&id(&file).parse::<i64>().unwrap()];
    assert_eq!((document.length_bytes, document.digest.as_str()), (25 * MIB, format!("{digest:x}").as_str()));
    let grown = peak.into_inner().saturating_sub(before);
    eprintln!("api memory before {before}, grown by {grown} bytes during a 25 MiB upload");
    assert!(grown < 8 * MIB as u64, "{grown} bytes more");
    stack.finish().await;
}

#[tokio::test]
async fn a_file_is_its_accounts_and_what_it_says_it_is() {
    let stack = Stack::builder().start().await;
    let answer = upload(&stack, "été.md", "# Été\n".as_bytes(), Some("one")).await;
    let file = answer.expect(201);
    assert_eq!(answer.header("location"), Some(format!("/files/{}", id(&file)).as_str()));
    assert_eq!((file["object"].as_str(), file["status"].as_str()), (Some("file"), Some("processing")));
    let again = upload(&stack, "été.md", "# Été\n".as_bytes(), Some("one")).await;
    assert_eq!((again.header("idempotent-replayed"), id(&again.expect(201))), (Some("true"), id(&file)));
    upload(&stack, "été.md", b"other", Some("one")).await.expect_problem(422);
    assert_eq!(stack.paradigm.documents().len(), 1);
    assert_eq!(settled(&stack, &file).await["status"], "ready");
    let unreadable = upload(&stack, "unreadable.pdf", b"%PDF-1.7", None).await.expect(201);
    assert_eq!(settled(&stack, &unreadable).await["status"], "failed");

    for (name, content) in
        [("a.exe", b"MZ".as_slice()), ("a.pdf", b"MZ"), ("noending", b"text"), ("a.txt", b"\0\0")]
    {
        upload(&stack, name, content, None).await.expect_problem(415);
    }
    upload(&stack, "a.txt", b"", None).await.expect_problem(422);
    let json = stack.client().post("/files", &json!({"file": "x"})).await;
    json.expect_problem(415);
    for unknown in ["4999", "0", "nonsense", "-1"] {
        stack.client().get(&format!("/files/{unknown}")).await.expect_problem(404);
    }
    let path = format!("/files/{}", id(&file));
    let deleting = || stack.client().request(Method::DELETE, &path);
    assert_eq!(stack.client().send(deleting()).await.status, 204);
    stack.client().get(&path).await.expect_problem(404);
    stack.client().send(deleting()).await.expect_problem(404);
    assert!(!stack.paradigm.documents().contains_key(&id(&file).parse().unwrap()));
    stack.finish().await;
}

#[tokio::test]
async fn runs_search_and_analyse_their_own_files_and_no_others() {
    let stack = Stack::builder().start().await;
    let mut files = Vec::new();
    for number in 1..=3 {
        let name = format!("contract {number}.txt");
        files.push(id(&upload(&stack, &name, b"Clause 1", None).await.expect(201)));
    }
    let numbers: Vec<i64> = files.iter().map(|id| id.parse().unwrap()).collect();
    stack.paradigm.analysis_pages(40, 8);
    let code = format!(
        "async def execute_workflow(user_input: str):\n\
        \x20   told = [await paradigm_search('which'), await paradigm_analyze('compare')]\n\
        \x20   told.append(await paradigm_search('one', file_ids=[{0}, {1}, 77]))\n\
        \x20   try:\n        await paradigm_analyze('other', [{1}])\n\
        \x20   except ToolError as error:\n        told.append(str(error))\n\
        \x20   return told\n",
        numbers[0], numbers[2]
    );
    let workflow = stack.workflow_from_code(&code).await;
    let run = |ids: Vec<String>| json!({"user_input": "", "file_ids": ids});
    stack.execute(&workflow, &run(vec!["4999".to_owned()])).await.expect_problem(404);
    let job = stack.execute(&workflow, &run(files[..2].to_vec())).await.expect(202);
    let job = stack.wait_job(&id(&job)).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let analysed = format!("Read 40 pages of [{}, {}]: compare", numbers[0], numbers[1]);
    assert_eq!(job["result"][1], analysed.as_str(), "{job:#}");
    assert!(job["result"][3].as_str().unwrap().contains("none of the files"), "{job:#}");
    let searched: Vec<Value> =
        stack.paradigm.searches().all().into_iter().map(|search| search.body["file_ids"].clone()).collect();
    assert_eq!(
        searched,
        [json!(numbers[..2]), json!(numbers[..1])],
        "the third is not the run's, 77 nobody's"
    );
    assert_eq!(stack.paradigm.analysis_polls(), [0.2, 0.4, 0.6, 0.8, 1.0]);
    let request = stack.client().request(Method::GET, &format!("/jobs/{}/events", id(&job)));
    let events = stack.client().send(request.header("accept", "application/json")).await.expect(200);
    let progress =
        events["data"].as_array().unwrap().iter().filter(|event| event["type"] == "tool_call.progress");
    assert_eq!(progress.count(), 5, "{events:#}");

    // Without files of its own a run has nothing to read whole.
    let whole = "async def execute_workflow(user_input: str):\n    return await paradigm_analyze('all')\n";
    let workflow = stack.workflow_from_code(whole).await;
    let job = stack.run(&workflow, "").await;
    assert_eq!(job["error"]["code"], "tool_error", "{job:#}");
    stack.finish().await;
}

#[tokio::test]
async fn without_a_key_files_say_what_is_missing() {
    let stack = Stack::builder().offline().start().await;
    let problem = upload(&stack, "a.txt", b"text", None).await.expect_problem(409);
    assert_eq!(problem["code"], "not_configured");
    assert!(problem["detail"].as_str().unwrap().contains("LIGHTON_API_KEY"), "{problem:#}");
    // What is wrong with the form is said first: no key would mend it.
    upload(&stack, "a.exe", b"MZ", None).await.expect_problem(415);
    // A key of the account's own that Paradigm does not take is the account's affair, not a server's fault.
    let put = stack.client().request(Method::PUT, "/credentials/lighton_api_key");
    stack.client().send(put.json(&json!({"value": "not-a-key-of-this-provider"}))).await.expect(200);
    let problem = upload(&stack, "a.txt", b"text", None).await.expect_problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("own key"), "{problem:#}");
    let own = json!({"value": stack.canaries.lighton});
    let put = stack.client().request(Method::PUT, "/credentials/lighton_api_key").json(&own);
    stack.client().send(put).await.expect(200);
    upload(&stack, "a.txt", b"text", None).await.expect(201);
    stack.finish().await;
}

#[tokio::test]
async fn a_provider_that_refuses_or_breaks_off_leaves_nothing_behind() {
    let stack = Stack::builder().env("LIGHTON_BASE_URL", "http://127.0.0.1:9").start().await;
    let problem = upload(&stack, "a.txt", b"text", None).await.expect_problem(502);
    assert_eq!(problem["code"], "provider_error", "{problem:#}");
    // A client that stops in the middle of its file.
    let (kind, mut pieces) = form("a.txt", vec![vec![b'x'; MIB]]);
    pieces.pop();
    let request = stack.client().request(Method::POST, "/files").header("content-type", kind);
    let broken =
        tokio::time::timeout(Duration::from_secs(30), stack.client().try_send(request.body(pieces.concat())));
    // The answer may come before the body was read: then a client that still sends sees the connection end.
    if let Ok(answer) = broken.await.expect("it ends") {
        assert!(matches!(answer.status, 400 | 502), "{}", answer.status);
    }
    stack.finish().await;
}

/// An upload that has begun to reach the provider, and whose end is not sent yet.
struct Begun {
    end: Vec<u8>,
    pieces: UnboundedSender<Vec<u8>>,
    answer: JoinHandle<Result<Answer, reqwest::Error>>,
}

impl Begun {
    async fn under(stack: &Stack, key: &str) -> Self {
        Self::of(stack, stack.client(), key).await
    }

    async fn of(stack: &Stack, client: &Client, key: &str) -> Self {
        let (kind, mut all) = form("a.txt", vec![vec![b'x'; MIB]]);
        let end = all.pop().expect("a form has an end");
        let (pieces, mut sent) = mpsc::unbounded_channel();
        for piece in all {
            pieces.send(piece).expect("it is read");
        }
        let body = futures_util::stream::poll_fn(move |context| sent.poll_recv(context));
        let body = Body::wrap_stream(body.map(Ok::<_, std::io::Error>));
        let request = client.request(Method::POST, "/files").header("content-type", kind);
        let request = request.header("idempotency-key", key).body(body);
        stack.paradigm.arrivals().clear();
        let client = client.clone();
        let answer = tokio::spawn(async move { client.try_send(request).await });
        stack.paradigm.arrivals().wait_for(1).await;
        Self { end, pieces, answer }
    }

    async fn finish(self) -> Answer {
        self.pieces.send(self.end).expect("it is read");
        drop(self.pieces);
        self.answer.await.expect("no panic").expect("the api answers")
    }
}

/// The same upload until it is not said any more that another one is under way: what a client does.
async fn upload_patiently(stack: &Stack, key: &str) -> Answer {
    let trying = async {
        loop {
            let answer = upload(stack, "a.txt", &vec![b'x'; MIB], Some(key)).await;
            if answer.status != 409 {
                return answer;
            }
            assert_eq!(answer.expect_problem(409)["code"], "idempotency_key_in_use");
            let wait = answer.header("retry-after").expect("when to come again").parse().expect("seconds");
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
    };
    tokio::time::timeout(tests::DEADLINE, trying).await.expect("a key is not held for ever")
}

#[tokio::test]
async fn an_upload_under_a_key_happens_once_whoever_repeats_it_meanwhile() {
    let stack = Stack::builder().start().await;
    let begun = Begun::under(&stack, "one").await;
    let meanwhile = upload(&stack, "a.txt", &vec![b'x'; MIB], Some("one")).await;
    assert_eq!(meanwhile.expect_problem(409)["code"], "idempotency_key_in_use");
    assert_eq!(meanwhile.header("retry-after"), Some("1"));
    upload(&stack, "b.txt", b"another", Some("two")).await.expect(201);
    let first = begun.finish().await.expect(201);
    let again = upload(&stack, "a.txt", &vec![b'x'; MIB], Some("one")).await;
    assert_eq!((id(&again.expect(201)), again.header("idempotent-replayed")), (id(&first), Some("true")));
    upload(&stack, "a.txt", b"other", Some("one")).await.expect_problem(422);
    assert_eq!(stack.paradigm.documents().len(), 2);
    stack.finish().await;
}

#[tokio::test]
async fn an_upload_that_broke_off_or_whose_api_died_may_be_repeated_under_its_key() {
    let mut stack = Stack::builder().start().await;
    let begun = Begun::under(&stack, "one").await;
    begun.answer.abort(); // the client hangs up
    upload_patiently(&stack, "one").await.expect(201);
    let begun = Begun::under(&stack, "two").await;
    stack.api.signal(Signal::KILL);
    stack.api.end().await;
    assert!(begun.answer.await.expect("no panic").is_err());
    stack.restart_api().await;
    stack.until_ready().await;
    let made = upload_patiently(&stack, "two").await;
    assert_eq!(made.header("idempotent-replayed"), None, "nothing had been made");
    made.expect(201);
    assert_eq!(stack.paradigm.documents().len(), 2);
    stack.finish().await;
}

/// Whatever one account uploads, begins to upload or has, the other waits for nothing, is refused nothing and learns nothing.
#[tokio::test]
async fn the_same_idempotency_key_of_two_tenants_names_two_files_and_neither_reaches_the_others() {
    let stack = Stack::builder().tenants().start().await;
    let (alice, bob) = (stack.tenant("alice").await, stack.tenant("bob").await);
    for tenant in ["alice", "bob"] {
        let granted = json!({"operator_credentials": true});
        let path = format!("/tenants/{tenant}");
        ask(stack.client(), "PUT", &path, Some(&granted)).await.expect(200);
    }
    let begun = Begun::of(&stack, &alice, "one").await;
    let other = upload_as(&bob, "b.txt", b"bobs", Some("one")).await;
    let (alices, bobs) = (begun.finish().await, other);
    let (same, again) = (
        upload_as(&alice, "a.txt", b"same", Some("two")).await,
        upload_as(&bob, "a.txt", b"same", Some("two")).await,
    );
    let made = [&alices, &bobs, &same, &again].map(|answer| {
        assert_eq!(answer.header("idempotent-replayed"), None, "{}", answer.text);
        id(&answer.expect(201))
    });
    assert_eq!(std::collections::BTreeSet::from(made.clone()).len(), 4, "{made:?}");
    assert_eq!(stack.paradigm.documents().len(), 4);
    // Each is told its own again, and what differs from its own is refused.
    for (client, name, content, own) in
        [(&alice, "a.txt", vec![b'x'; MIB], &made[0]), (&bob, "b.txt", b"bobs".to_vec(), &made[1])]
    {
        let told = upload_as(client, name, &content, Some("one")).await;
        assert_eq!((&id(&told.expect(201)), told.header("idempotent-replayed")), (own, Some("true")));
        upload_as(client, "c.txt", b"another", Some("one")).await.expect_problem(422);
    }
    // The file of the other is one that is not there, wherever it is named.
    let workflow = crate::tenants::workflow(&bob).await;
    let told = async |file: &str| {
        let (path, run) = (format!("/files/{file}"), json!({"user_input": "", "file_ids": [file]}));
        let execute = format!("/workflows/{workflow}/execute");
        let mut told = Vec::new();
        for (method, path, body) in
            [("GET", &path, None), ("DELETE", &path, None), ("POST", &execute, Some(&run))]
        {
            let problem = ask(&bob, method, path, body).await.expect_problem(404);
            told.push((problem["code"].clone(), problem["detail"].clone(), problem["errors"].clone()));
        }
        told
    };
    assert_eq!(
        format!("{:?}", told(&made[0]).await).replace(&made[0], "4999"),
        format!("{:?}", told("4999").await)
    );
    alice.get(&format!("/files/{}", made[0])).await.expect(200);
    stack.finish().await;
}
