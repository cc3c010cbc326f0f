//! `wf`, as a person or a script uses it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::client::Client;
use tests::process::{Process, Program};
use tests::stack::{self, Stack};
use tests::{DEADLINE, binaries, process};
use tokio::process::Command;

use crate::{ECHO, ENDLESS};

/// What a second `make demo` may take.
const DEMO_MAX: Duration = Duration::from_secs(15);

async fn wf(folder: &Path, more: &BTreeMap<&str, String>, arguments: &[&str]) -> Output {
    let mut command = Command::new(binaries::directory().join("wf"));
    let folder = folder.display().to_string();
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &folder).env("TMPDIR", &folder).envs(more);
    let output = command.args(arguments).current_dir(&folder).kill_on_drop(true).output();
    let output = tokio::time::timeout(DEADLINE, output).await;
    output.unwrap_or_else(|_| panic!("wf {arguments:?} did not end")).expect("wf starts")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

/// A client of the stack's api.
async fn client(stack: &Stack, arguments: &[&str]) -> (i32, String) {
    let folder = stack.folder().join("home");
    let url = BTreeMap::from([("WF_URL", stack.client().base().to_owned())]);
    let output = wf(&folder, &url, arguments).await;
    let status = output.status.code().unwrap_or_else(|| panic!("wf {arguments:?}: {output:?}"));
    if status != 0 {
        println!("wf {arguments:?}: {status}: {}", String::from_utf8_lossy(&output.stderr));
    }
    (status, out(&output))
}

#[tokio::test]
async fn the_demo_prints_three_answered_questions_and_leaves_nothing() {
    tokio::task::spawn_blocking(binaries::directory).await.expect("the programs compile");
    let folder = tempfile::Builder::new().prefix("wf-e2e-demo-").tempdir().expect("a temporary folder");
    let documents = binaries::repository().join("examples/documents").display().to_string();
    let machine = stack::machine().await;
    let began = Instant::now();
    let output = wf(folder.path(), &BTreeMap::from([("SEARCH_DOCUMENTS", documents)]), &["demo"]).await;
    let (text, took) = (out(&output), began.elapsed());
    drop(machine);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let questions = text.lines().filter(|line| line.trim_start().starts_with("Question: "));
    // Each answer names the document it is from.
    let answers =
        text.lines().filter(|line| line.trim_start().starts_with("Answer: ") && line.contains(".md]"));
    assert_eq!((questions.count(), answers.count()), (3, 3), "{text}");
    println!("wf demo took {took:?}");
    assert!(took < DEMO_MAX, "{took:?}");
    let marker = folder.path().display().to_string();
    let left: Vec<_> = process::sightings().into_iter().filter(|seen| mentions(seen.pid, &marker)).collect();
    // What was killed at the end may be on its way out of the kernel.
    let alive: Vec<_> = left.iter().filter_map(|seen| process::wait_gone(seen).err()).collect();
    assert!(alive.is_empty(), "{alive:?}");
    let files: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").flatten().collect();
    assert!(files.is_empty(), "{files:?}");
}

#[tokio::test]
async fn the_development_stack_serves_until_it_is_interrupted_and_leaves_only_its_data() {
    tokio::task::spawn_blocking(binaries::directory).await.expect("the programs compile");
    let folder = tempfile::Builder::new().prefix("wf-e2e-dev-").tempdir().expect("a temporary folder");
    let marker = folder.path().display().to_string();
    let environment =
        [("PATH", "/usr/bin:/bin"), ("HOME", &marker), ("TMPDIR", &marker), ("API_BIND", "127.0.0.1:0")];
    let dev = Process::start(Program {
        name: "wf dev".to_owned(),
        path: binaries::directory().join("wf"),
        arguments: vec!["dev".to_owned(), "--data".to_owned(), "data".to_owned()],
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        directory: folder.path().to_path_buf(),
    });
    let address = |line: &String| Some(line.strip_prefix("API ")?.trim().trim_end_matches('/').to_owned());
    let client = Client::new(&dev.log().wait_until("the address in the banner", address).await);
    let body = json!({"description": "d", "code": ECHO});
    let workflow = client.post_and_wait("/workflows", &body, 30).await.expect(200);
    let path = format!("/workflows/{}/execute", workflow["id"].as_str().expect("an id"));
    let job = client.post_and_wait(&path, &json!({"user_input": "x"}), 30).await.expect(200);
    assert_eq!(job["result"], "x", "{job:#}");
    let family = process::descendants(dev.pid());
    assert!(family.len() >= 3, "Redis, api and worker: {family:?}");
    dev.signal(Signal::INT);
    let status = dev.end().await;
    assert!(status.success(), "{status}: {}", dev.tail(20));
    for member in &family {
        process::wait_gone(member).unwrap_or_else(|alive| panic!("still alive: {alive:?}"));
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").flatten().collect();
    assert_eq!(left.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(), ["data"]);
}

/// Whether a process has `marker` in its environment, command line or working directory.
fn mentions(pid: i32, marker: &str) -> bool {
    let folder = format!("/proc/{pid}");
    let texts =
        ["environ", "cmdline"].map(|name| std::fs::read(format!("{folder}/{name}")).unwrap_or_default());
    let directory = std::fs::read_link(format!("{folder}/cwd")).unwrap_or_default();
    texts.iter().any(|text| String::from_utf8_lossy(text).contains(marker)) || directory.starts_with(marker)
}

#[tokio::test]
async fn new_and_run_go_from_a_description_to_answers_in_english_and_french() {
    let stack = Stack::builder().offline().start().await;
    let described = [
        (
            "For each line of the input, search the documents and format as \"Q: [line] / A: [result]\".",
            "Who approves travel?\nWhat is our refund policy?",
            "Q: ",
        ),
        (
            "Pour chaque phrase, cherche dans les documents puis présente le résultat sous la forme « Demande : [phrase] / Réponse : [résultat] ».",
            "Qui valide les déplacements ? Quel est le délai de remboursement ?",
            "Demande : ",
        ),
    ];
    for (description, input, start) in described {
        let (status, id) = client(&stack, &["new", description, "--wait"]).await;
        assert_eq!(status, 0, "{id}");
        let (status, text) = client(&stack, &["run", id.trim(), "--input", input, "--wait"]).await;
        assert_eq!((status, text.matches(start).count()), (0, 2), "{text}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn exit_codes_tell_a_script_what_happened() {
    let stack = Stack::builder().start().await;
    let endless = stack.workflow_from_code(ENDLESS).await;
    let failing = stack
        .workflow_from_code("def execute_workflow(user_input):\n    raise ValueError(user_input)\n")
        .await;
    let (status, _) = client(&stack, &["run", &failing, "--input", "x", "--wait"]).await;
    assert_eq!(status, 3, "a failed job");
    let (status, _) = client(&stack, &["jobs", "get", "job_none"]).await;
    assert_eq!(status, 5, "an unknown job");
    let (status, _) = client(&stack, &["run"]).await;
    assert_eq!(status, 2, "a wrong command line");
    let (status, text) = client(&stack, &["run", &endless, "--wait", "--timeout", "1"]).await;
    assert_eq!(status, 8, "a wait that timed out");
    let job = text.trim().to_owned();
    let (status, _) = client(&stack, &["jobs", "cancel", &job]).await;
    assert_eq!(status, 0, "a cancelled job");
    let (status, _) = client(&stack, &["jobs", "get", &job, "--wait"]).await;
    assert_eq!(status, 6, "waiting for a cancelled job");
    stack.finish().await;
}

#[tokio::test]
async fn json_output_is_the_apis_own_and_input_may_come_from_a_file() {
    let stack = Stack::builder().start().await;
    let folder = stack.folder().join("home");
    std::fs::write(folder.join("echo.py"), ECHO).expect("a file of the test");
    std::fs::write(folder.join("input.txt"), "from a file, é\n").expect("a file of the test");
    let (status, text) = client(&stack, &["new", "d", "--code", "@echo.py", "--wait", "--json"]).await;
    let workflow: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &workflow["status"]), (0, &json!("ready")), "{workflow:#}");
    let id = workflow["id"].as_str().expect("an id");
    let (status, text) = client(&stack, &["run", id, "--input", "@input.txt", "--wait", "--json"]).await;
    let job: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &job["result"]), (0, &json!("from a file, é\n")), "{job:#}");
    let (status, text) = client(&stack, &["jobs", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, list["data"].as_array().map(Vec::len)), (0, Some(2)), "{list:#}");
    let (status, _) = client(&stack, &["jobs", "logs", job["id"].as_str().expect("an id")]).await;
    assert_eq!(status, 0);
    stack.finish().await;
}
