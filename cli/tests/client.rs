//! `wf` as a client, whole: the real program against a small HTTP server that answers as the API does.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tokio::process::Command;

/// 30 s for any one `wf`: a busy machine is slow, a hang is a failure.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the server answers, by method and path (with query); a list is used up to its last, which stays.
type Answers = BTreeMap<&'static str, Vec<(u16, Value)>>;

/// Method, path, headers of interest and body of each request.
type Seen = Arc<Mutex<Vec<(String, BTreeMap<String, String>, Value)>>>;

#[derive(Clone)]
struct Server {
    answers: Arc<Mutex<Answers>>,
    seen: Seen,
}

/// How one `wf` ended.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
    seen: Vec<(String, BTreeMap<String, String>, Value)>,
}

async fn answer(State(server): State<Server>, request: Request<axum::body::Body>) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let call = format!("{} {path}", request.method());
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap_or_default().to_owned())
    };
    let headers: BTreeMap<_, _> = request.headers().iter().map(text).collect();
    let is_post = request.method() == Method::POST;
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    server.seen.lock().unwrap().push((call.clone(), headers, body));
    assert!(!is_post || server.seen.lock().unwrap().last().unwrap().1.contains_key("idempotency-key"));

    let mut answers = server.answers.lock().unwrap();
    let Some(list) = answers.iter_mut().find(|(known, _)| call.starts_with(**known)).map(|(_, list)| list)
    else {
        return (StatusCode::IM_A_TEAPOT, format!("unexpected: {call}")).into_response();
    };
    let (status, body) = if list.len() > 1 { list.remove(0) } else { list[0].clone() };
    let status = StatusCode::from_u16(status).unwrap();
    match body {
        Value::String(text) => (status, text).into_response(),
        body => (status, axum::Json(body)).into_response(),
    }
}

/// Runs `wf` with these arguments against a server with these answers.
async fn wf(arguments: &[&str], answers: Answers) -> Ran {
    let seen = Seen::default();
    let server = Server { answers: Arc::new(Mutex::new(answers)), seen: Arc::clone(&seen) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async {
        axum::serve(listener, Router::new().fallback(answer).with_state(server)).await
    });
    let ran = run(arguments, &url).await;
    serving.abort();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    Ran { seen, ..ran }
}

async fn run(arguments: &[&str], url: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let ended = tokio::time::timeout(DEADLINE, command(arguments, url, folder.path()).output()).await;
    Ran::new(ended.expect("wf ends in time").unwrap())
}

fn command(arguments: &[&str], url: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wf"));
    command.args(arguments).env_clear().env("WF_URL", url).env("WF_API_KEY", "wfk_test").current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Ran {
    fn new(ended: Output) -> Self {
        Self {
            status: ended.status.code().expect("wf is not ended by a signal"),
            stdout: String::from_utf8(ended.stdout).unwrap(),
            stderr: String::from_utf8(ended.stderr).unwrap(),
            seen: Vec::new(),
        }
    }
}

fn job(status: &str) -> Value {
    json!({
        "id": "job_1", "object": "job", "kind": "execute", "status": status, "workflow_id": "wf_1", "version": 1,
        "attempt": 1, "max_attempts": 3, "result": null, "error": null, "created_at": "2026-01-01T00:00:00Z",
    })
}

fn with(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn workflow(status: &str) -> Value {
    json!({
        "id": "wf_1", "object": "workflow", "status": status, "version": 1, "code": "print(1)\n",
        "summary": "Asks and answers.", "steps": [{"id": "s1", "title": "Search", "tools": ["paradigm_search"]}],
        "questions": [], "error": null, "created_at": "2026-01-01T00:00:00Z", "job": {"id": "job_1"},
    })
}

fn problem(status: u16, code: &str) -> Value {
    json!({
        "type": "about:blank", "title": "No", "status": status, "code": code, "detail": "It cannot be done.",
        "request_id": "req_1", "errors": [{"pointer": "/user_input", "detail": "must be text"}],
    })
}

#[tokio::test]
async fn a_run_that_is_waited_for_prints_the_result_and_nothing_else_on_stdout() {
    let done = with(job("succeeded"), &json!({"result": "Question: a\nAnswer: b"}));
    let answers = Answers::from([
        ("POST /workflows/wf_1/execute", vec![(202, job("queued"))]),
        ("GET /jobs/job_1?wait=", vec![(200, job("running")), (200, done)]),
    ]);
    let ran = wf(&["run", "wf_1", "--input", "hello", "--wait"], answers).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "Question: a\nAnswer: b\n"), "{}", ran.stderr);
    let (_, headers, body) = &ran.seen[0];
    assert_eq!(body, &json!({"user_input": "hello"}));
    assert_eq!(headers["authorization"], "Bearer wfk_test");
}

#[tokio::test]
async fn a_run_that_is_not_waited_for_prints_the_jobs_id() {
    let answers = Answers::from([("POST /workflows/wf_1/execute", vec![(202, job("queued"))])]);
    let ran = wf(&["run", "wf_1"], answers).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "job_1\n"));
    assert!(ran.stderr.contains("wf jobs get job_1 --wait"));
}

#[tokio::test]
async fn a_failed_run_says_why_and_exits_3() {
    let error = json!({"error": {"code": "python_error", "message": "ValueError: no", "line": 3}});
    let answers = Answers::from([
        ("POST /workflows/wf_1/execute", vec![(202, job("queued"))]),
        ("GET /jobs/job_1?wait=", vec![(200, with(job("failed"), &error))]),
    ]);
    let ran = wf(&["run", "wf_1", "--wait"], answers).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("python_error: ValueError: no (line 3)"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_cancelled_job_exits_6() {
    let answers = Answers::from([("GET /jobs/job_1?wait=", vec![(200, job("cancelled"))])]);
    assert_eq!(wf(&["jobs", "get", "job_1", "--wait"], answers).await.status, 6);
}

#[tokio::test]
async fn a_wait_that_is_over_first_exits_8_and_says_how_to_go_on() {
    let answers = Answers::from([
        ("POST /workflows/wf_1/execute", vec![(202, job("queued"))]),
        ("GET /jobs/job_1?wait=", vec![(200, job("running"))]),
    ]);
    let ran = wf(&["run", "wf_1", "--wait", "--timeout", "1"], answers).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (8, "job_1\n"));
    assert!(ran.stderr.contains("wf jobs get job_1 --wait"), "{}", ran.stderr);
}

#[tokio::test]
async fn ctrl_c_stops_waiting_and_leaves_the_job() {
    // A server that never answers: the first connection says that `wf` is waiting.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let wf = command(&["jobs", "get", "job_1", "--wait"], &url, folder.path()).spawn().unwrap();
    let (_held, _) = tokio::time::timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    let pid = Pid::from_raw(i32::try_from(wf.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let ran = Ran::new(tokio::time::timeout(DEADLINE, wf.wait_with_output()).await.unwrap().unwrap());
    assert_eq!(ran.status, 130);
    assert!(ran.stderr.contains("it goes on: wf jobs get job_1 --wait"), "{}", ran.stderr);
}

#[tokio::test]
async fn an_api_that_is_away_for_a_moment_does_not_end_a_wait() {
    let done = with(job("succeeded"), &json!({"result": [1]}));
    let answers =
        Answers::from([("GET /jobs/job_1?wait=", vec![(503, problem(503, "store_away")), (200, done)])]);
    let ran = wf(&["jobs", "get", "job_1", "--wait", "--json"], answers).await;
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["result"], json!([1]));
}

#[tokio::test]
async fn errors_are_sentences_for_people_and_objects_under_json() {
    for (status, exit) in [(400, 1), (401, 4), (403, 4), (404, 5), (409, 1), (429, 7)] {
        let answers = || Answers::from([("GET /jobs/job_1", vec![(status, problem(status, "some_code"))])]);
        let ran = wf(&["jobs", "get", "job_1"], answers()).await;
        assert_eq!((ran.status, ran.stdout.as_str()), (exit, ""), "status {status}");
        for part in ["It cannot be done. (some_code)", "/user_input: must be text", "request id: req_1"] {
            assert!(ran.stderr.contains(part), "{part:?} in {}", ran.stderr);
        }
        let ran = wf(&["jobs", "get", "job_1", "--json"], answers()).await;
        assert_eq!(ran.status, exit);
        assert_eq!(serde_json::from_str::<Value>(&ran.stderr).unwrap(), problem(status, "some_code"));
    }
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    // Nobody listens there, and the kernel gives it to nobody who asks for any port.
    let ran = run(&["workflows", "list"], "http://127.0.0.1:1").await;
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("wf dev"), "{}", ran.stderr);
}

#[tokio::test]
async fn something_else_on_the_port_is_not_taken_for_the_api() {
    for answer in [(200, json!("<html>hello</html>")), (500, json!("oops"))] {
        let ran = wf(&["jobs", "get", "job_1"], Answers::from([("GET /jobs/job_1", vec![answer])])).await;
        assert_eq!(ran.status, 1);
        assert!(ran.stderr.contains("cannot be used"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_new_workflow_that_is_ready_prints_its_id() {
    let answers = Answers::from([
        ("POST /workflows", vec![(202, workflow("generating"))]),
        ("GET /jobs/job_1?wait=", vec![(200, job("succeeded"))]),
        ("GET /workflows/wf_1", vec![(200, workflow("ready"))]),
    ]);
    let ran = wf(&["new", "For each line, search.", "--name", "lines", "--wait"], answers).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "wf_1\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1. Search  [paradigm_search]"), "{}", ran.stderr);
    assert_eq!(ran.seen[0].2, json!({"description": "For each line, search.", "name": "lines"}));
}

#[tokio::test]
async fn a_workflow_with_open_questions_is_not_ready_and_says_what_it_asks() {
    let asking =
        with(workflow("needs_clarification"), &json!({"questions": [{"id": "q1", "text": "Which year?"}]}));
    let answers = Answers::from([
        ("POST /workflows", vec![(202, workflow("generating"))]),
        ("GET /jobs/job_1?wait=", vec![(200, job("succeeded"))]),
        ("GET /workflows/wf_1", vec![(200, asking)]),
    ]);
    let ran = wf(&["new", "Sum it up.", "--wait"], answers).await;
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.contains("question q1: Which year?"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_list_in_a_pipe_is_tab_separated_and_names_the_next_page_on_stderr() {
    let page = json!({"data": [job("queued"), job("failed")], "has_more": true, "next_cursor": "abc"});
    let answers = Answers::from([("GET /jobs?limit=2&after=xyz&status=queued", vec![(200, page)])]);
    let ran = wf(&["jobs", "list", "--limit", "2", "--after", "xyz", "--status", "queued"], answers).await;
    let expected = "job_1\texecute\tqueued\t2026-01-01T00:00:00Z\twf_1\njob_1\texecute\tfailed\t2026-01-01T00:00:00Z\twf_1\n";
    assert_eq!((ran.status, ran.stdout.as_str()), (0, expected), "{}", ran.stderr);
    assert!(ran.stderr.contains("--after abc"));
}

#[tokio::test]
async fn code_and_logs_are_printed_as_they_are() {
    let answers = Answers::from([
        ("GET /workflows/wf_1", vec![(200, workflow("ready"))]),
        ("GET /jobs/job_1/logs", vec![(200, json!("line 1\nline 2\n"))]),
    ]);
    assert_eq!(wf(&["workflows", "code", "wf_1"], answers.clone()).await.stdout, "print(1)\n");
    assert_eq!(wf(&["jobs", "logs", "job_1"], answers).await.stdout, "line 1\nline 2\n");
}

#[tokio::test]
async fn an_id_cannot_reach_another_path() {
    let answers = Answers::from([("GET /jobs/..%2Fkeys%3Fx", vec![(404, problem(404, "not_found"))])]);
    assert_eq!(wf(&["jobs", "get", "../keys?x"], answers).await.status, 5);
}

#[tokio::test]
async fn mistakes_on_the_command_line_exit_2() {
    for arguments in [&["run"][..], &["jobs", "list", "--limit", "x"], &["--url", "nonsense", "jobs", "list"]]
    {
        assert_eq!(run(arguments, "http://127.0.0.1:9").await.status, 2, "{arguments:?}");
    }
}
