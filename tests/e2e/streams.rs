//! Event streams: thousands of them on one api process, one subscription, and nothing lost or repeated.

use std::time::Duration;

use serde_json::{Value, json};
use tests::stack::{self, Stack};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// As many as the promise says.
const LISTENERS: usize = 2_000;
/// 2 min for all of them on two busy cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for two answers, between named steps, so that the test decides how far it is.
const STEPS: &str = r#"
async def execute_workflow(user_input: str) -> str:
    for n in range(20):
        with step(f"Step {n}"):
            if n in (0, 10):
                await paradigm_search(f"{user_input} {n}")
    return "done"
"#;

/// One connection: what it was told until its stream ended, or until it has seen `most` events. Says when it is open.
async fn listen(
    authority: String,
    job: String,
    after: u64,
    most: usize,
    open: mpsc::UnboundedSender<()>,
) -> Vec<(u64, String)> {
    let mut stream = BufReader::new(TcpStream::connect(authority).await.expect("the api listens"));
    let head = format!(
        "GET /jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {after}\r\nConnection: close\r\n\r\n"
    );
    stream.get_mut().write_all(head.as_bytes()).await.expect("the api reads");
    let (mut seen, mut seq, mut line) = (Vec::new(), 0, String::new());
    while seen.len() < most {
        line.clear();
        if stream.read_line(&mut line).await.expect("a line") == 0 {
            break;
        }
        match line.trim_end().split_once(": ") {
            Some(("retry", _)) => drop(open.send(())),
            Some(("id", id)) => seq = id.parse().expect("a number"),
            Some(("event", kind)) => seen.push((seq, kind.to_owned())),
            _ => {}
        }
    }
    seen
}

/// Resident memory of a process.
fn resident_bytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

/// How many connections have subscribed, as Redis counts them.
async fn subscribers(stack: &Stack) -> usize {
    let url = stack.redis.url();
    let socket = url.trim_start_matches("redis+unix://");
    let cli =
        Command::new("redis-cli").args(["-s", socket, "CLIENT", "LIST", "TYPE", "pubsub"]).output().await;
    let list = String::from_utf8(cli.expect("redis-cli is installed").stdout).expect("text");
    list.lines().filter(|line| line.contains("sub=")).count()
}

async fn all_events(stack: &Stack, job: &str) -> Vec<(u64, String)> {
    let request = stack.client().request(reqwest::Method::GET, &format!("/jobs/{job}/events"));
    let page = stack.client().send(request.header("accept", "application/json")).await.expect(200);
    let event = |event: &Value| {
        (event["seq"].as_u64().expect("a number"), event["type"].as_str().expect("a name").to_owned())
    };
    page["data"].as_array().expect("a list").iter().map(event).collect()
}

#[tokio::test]
async fn two_thousand_listeners_hear_everything_in_order_over_one_subscription() {
    let stack = Stack::builder().on_one_server().alone().start().await;
    let workflow = stack.workflow_from_code(STEPS).await;
    stack.paradigm.withhold();
    let subscribed = subscribers(&stack).await;
    let job = stack::id(&stack.execute(&workflow, &json!({"user_input": "x"})).await.expect(202));
    stack.paradigm.searches().wait_for(1).await;
    let before = resident_bytes(stack.api.pid());
    let mut listeners = JoinSet::new();
    let (open, mut opened) = mpsc::unbounded_channel();
    for n in 0..LISTENERS {
        let (authority, job, open) = (stack.client().authority().to_owned(), job.clone(), open.clone());
        let passing = mpsc::unbounded_channel().0;
        // Every fourth comes and goes: it leaves after a few events, and again, and goes on where it was.
        listeners.spawn(async move {
            let (mut seen, mut after) = (Vec::new(), 0);
            if n % 4 == 0 {
                for _ in 0..3 {
                    let part = listen(authority.clone(), job.clone(), after, 1, passing.clone()).await;
                    after = part.last().map_or(after, |(seq, _)| *seq);
                    seen.extend(part);
                }
            }
            seen.extend(listen(authority, job, after, usize::MAX, open).await);
            seen
        });
    }
    let all_open = async {
        for _ in 0..LISTENERS {
            opened.recv().await.expect("they listen");
        }
    };
    tokio::time::timeout(PATIENCE, all_open).await.expect("all streams open");
    let grown = resident_bytes(stack.api.pid()).saturating_sub(before);
    println!("{LISTENERS} listeners: {} bytes of the api each", grown / LISTENERS as u64);
    assert_eq!(subscribers(&stack).await, subscribed, "no listener has a subscription of its own");
    assert!(grown / (LISTENERS as u64) < 64 << 10, "{grown} bytes for all");
    stack.paradigm.release();
    let told = tokio::time::timeout(PATIENCE, listeners.join_all()).await.expect("all streams end");
    let all = all_events(&stack, &job).await;
    assert!(all.len() > 40, "{all:?}");
    for (n, seen) in told.iter().enumerate() {
        assert!(*seen == all, "listener {n}: {seen:?}");
    }
    stack.wait_job(&job).await;
    stack.finish().await;
}

#[tokio::test]
async fn an_api_that_ends_sends_its_listeners_to_another_which_goes_on_where_they_were() {
    let mut stack = Stack::builder().start().await;
    let workflow = stack.workflow_from_code(STEPS).await;
    stack.paradigm.withhold();
    let job = stack::id(&stack.execute(&workflow, &json!({"user_input": "x"})).await.expect(202));
    stack.paradigm.searches().wait_for(1).await;
    let (open, mut opened) = mpsc::unbounded_channel();
    let stream = listen(stack.client().authority().to_owned(), job.clone(), 0, usize::MAX, open.clone());
    let listening = tokio::spawn(stream);
    opened.recv().await.expect("it listens");
    let began = std::time::Instant::now();
    stack.api.signal(rustix::process::Signal::TERM);
    assert!(stack.api.end().await.success());
    assert!(began.elapsed() < Duration::from_secs(8), "streams end first: {:?}", began.elapsed());
    let mut seen = listening.await.unwrap();
    stack.restart_api().await;
    stack.until_ready().await;
    stack.paradigm.release();
    let after = seen.last().map_or(0, |(seq, _)| *seq);
    let rest = listen(stack.client().authority().to_owned(), job.clone(), after, usize::MAX, open);
    seen.extend(tokio::time::timeout(tests::DEADLINE, rest).await.expect("the stream ends"));
    assert_eq!(seen, all_events(&stack, &job).await);
    stack.finish().await;
}

/// Prints before and after it waits for an answer, and more than an event tells at the end.
const TELLS: &str = r#"
async def execute_workflow(user_input: str) -> str:
    print("erste Zeile é")
    with step("Look"):
        found = await paradigm_search(user_input)
    print("x" * 5000)
    return await chat_completion(found)
"#;

/// Steps, calls and printed text are told while the run lasts, and what it came to when it ends.
#[tokio::test]
async fn a_run_tells_its_steps_its_calls_and_what_it_prints_as_it_happens() {
    let stack = Stack::builder().start().await;
    let workflow = stack.workflow_from_code(TELLS).await;
    stack.paradigm.withhold();
    let job = stack::id(&stack.execute(&workflow, &json!({"user_input": "x"})).await.expect(202));
    tests::events::until(stack.client(), &job, "log", 1).await;
    tests::events::until(stack.client(), &job, "step.started", 1).await;
    stack.paradigm.release();
    let ended = stack.wait_job(&job).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    let request = stack.client().request(reqwest::Method::GET, &format!("/jobs/{job}/events"));
    let page = stack.client().send(request.header("accept", "application/json")).await.expect(200);
    let all = page["data"].as_array().expect("a list");
    let told = |kind: &str| -> Vec<&Value> {
        all.iter().filter(|event| event["type"] == kind).map(|event| &event["data"]).collect()
    };
    let count = |kind: &str| told(kind).len();
    for (kind, times) in [
        ("job.queued", 1),
        ("job.started", 1),
        ("step.started", 1),
        ("step.finished", 1),
        ("job.succeeded", 1),
    ] {
        assert_eq!(count(kind), times, "{kind}: {page:#}");
    }
    assert_eq!((count("tool_call.started"), count("tool_call.finished")), (2, 2), "{page:#}");
    let logs = told("log");
    assert_eq!(logs[0], &json!({"text": "erste Zeile é\n", "cut": false}), "{page:#}");
    assert!(logs[1]["cut"] == true && logs[1]["text"].as_str().map(str::len) == Some(1024), "{page:#}");
    let log = stack.client().get(&format!("/jobs/{job}/logs")).await.text;
    assert_eq!(log, format!("erste Zeile é\n{}\n", "x".repeat(5000)));
    // The calls with what they cost, and the whole of it.
    let steps = stack.client().get(&format!("/jobs/{job}/steps")).await.expect(200);
    let [look, search, chat] = &steps["data"].as_array().expect("a list")[..] else { panic!("{steps:#}") };
    assert_eq!((&look["title"], &search["tool"]), (&json!("Look"), &json!("paradigm_search")));
    assert_eq!((&search["parent"], &search["arguments"]), (&look["seq"], &json!({"query": "x"})));
    assert_eq!((&search["replayed"], &chat["tool"]), (&json!(false), &json!("chat_completion")));
    assert!(chat["input_tokens"].as_u64() > Some(0) && chat["output_tokens"].as_u64() > Some(0), "{chat:#}");
    let (begun, took) = (search["started_at"].as_str(), search["ms"].as_u64());
    assert!(begun.is_some_and(|time| time.ends_with('Z')) && took.is_some(), "{search:#}");
    for of_run in ["wall_ms", "max_rss_bytes", "tool_calls", "input_tokens", "output_tokens", "llm_requests"]
    {
        assert!(ended["usage"][of_run].as_u64() > Some(0), "{of_run}: {ended:#}");
    }
    assert!(ended["usage"]["cpu_ms"].is_u64(), "{ended:#}");
    stack.finish().await;
}
