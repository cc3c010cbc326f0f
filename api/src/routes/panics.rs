//! A handler that panics. None of ours can be made to from outside, so one that does lies here under the layers of all
//! others, and is served as they are.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{http::StatusCode, routing::post};
use serde_json::Value;
use shared::telemetry;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use super::{Group, Needs, under_layers};
use crate::{
    body::JsonBody,
    edge,
    server::{self, Bounds},
};

/// 10 s: none of this takes one.
const DEADLINE: Duration = Duration::from_secs(10);
/// What goes wrong.
const SLIP: &str = "a slip of ours";
/// What a client sent.
const BODY: &str = r#"{"text":"the clients own words"}"#;

async fn slip(JsonBody(_): JsonBody) -> StatusCode {
    panic!("{SLIP}")
}

async fn note(JsonBody(_): JsonBody) -> StatusCode {
    StatusCode::NO_CONTENT
}

const ROUTES: Group =
    (Needs::ByMethod, || OpenApiRouter::new().route("/slips/{name}", post(slip)).route("/notes", post(note)));

/// What was logged, as the api writes it for machines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Answer {
    head: String,
    body: String,
}

async fn read_answer(stream: &mut BufReader<TcpStream>) -> Answer {
    let reading = async {
        let (mut head, mut body) = (String::new(), Vec::new());
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "the connection ended: {head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.resize(length.map_or(0, |length| length.parse().unwrap()), 0);
        stream.read_exact(&mut body).await.unwrap();
        Answer { head, body: String::from_utf8(body).unwrap() }
    };
    timeout(DEADLINE, reading).await.expect("an answer in time")
}

fn head(path: &str) -> String {
    let length = BODY.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_panic_is_a_problem_with_lines_in_the_log_and_nobody_elses_affair() {
    let (log, shutdown) = (Log::default(), CancellationToken::new());
    let written = log.clone();
    // Of the whole process, for other tests run beside: one of them may be the first at a line of ours, and a line
    // nobody listened to then would stay silent.
    tracing::subscriber::set_global_default(telemetry::json("info", move || written.clone())).unwrap();
    let api = edge::tests::api();
    let (router, refuse) = (under_layers(api.clone(), &[ROUTES]), edge::refusals(api));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(server::serve(listener, router, refuse, Bounds::default(), shutdown.clone()));
    let connect = async || BufReader::new(TcpStream::connect(address).await.unwrap());
    let (mut stream, mut other) = (connect().await, connect().await);

    // Somebody else's request is under way meanwhile.
    other.write_all(head("/notes").as_bytes()).await.unwrap();
    telemetry::record_panics();
    stream.write_all((head("/slips/of-a-client") + BODY).as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    drop(std::panic::take_hook()); // another test that fails tells it as ever
    assert!(answer.head.starts_with("HTTP/1.1 500 "), "{}", answer.head);
    assert!(answer.head.contains("\r\ncontent-type: application/problem+json\r\n"), "{}", answer.head);
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    let id = problem["request_id"].as_str().expect("a request id");
    assert!(answer.head.contains(&format!("\r\nx-request-id: {id}\r\n")), "{}", answer.head);
    assert_eq!((&problem["status"], &problem["code"]), (&Value::from(500), &Value::from("internal")));
    assert!(!answer.body.contains(SLIP) && !answer.body.contains("panic"), "{problem}");
    // The same connection, the one that waited, and a new one go on.
    other.write_all(BODY.as_bytes()).await.unwrap();
    stream.write_all((head("/notes") + BODY).as_bytes()).await.unwrap();
    let mut new = connect().await;
    new.write_all((head("/notes") + BODY).as_bytes()).await.unwrap();
    for stream in [&mut stream, &mut other, &mut new] {
        let answer = read_answer(stream).await;
        assert!(answer.head.starts_with("HTTP/1.1 204 "), "{}", answer.head);
    }
    shutdown.cancel();
    timeout(DEADLINE, served).await.expect("it ends in time").unwrap();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_told(&log, id);
}

/// The panic and its request are told, in records of JSON, and nothing of what the client sent.
fn assert_told(log: &str, id: &str) {
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_request = |line: &&Value| line["request.id"] == id || line["span"]["request.id"] == id;
    let told: Vec<&Value> = lines.iter().filter(of_request).collect();
    let [panic, line] = told[..] else { panic!("not the panic and its request: {log}") };
    assert_eq!((&panic["level"], &line["level"]), (&Value::from("ERROR"), &Value::from("ERROR")));
    assert_eq!(
        (&panic["message"], &panic["span"]["request.id"]),
        (&format!("A panic: {SLIP}").into(), &id.into())
    );
    assert!(panic["location"].as_str().is_some_and(|place| place.contains("panics.rs:")), "{panic}");
    for (field, value) in [
        ("request.id", Value::from(id)),
        ("method", Value::from("POST")),
        ("route", Value::from("/slips/{name}")),
        ("status", Value::from(500)),
        ("cause", Value::from(format!("panic: {SLIP}"))),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert!(line["trace.id"].is_string() && line["duration_ms"].is_number(), "{line}");
    assert_eq!(
        lines.iter().filter(|line| line["route"] == "/notes" && line["level"] == "INFO").count(),
        3,
        "{log}"
    );
    for payload in ["the clients own words", "of-a-client"] {
        assert!(!log.contains(payload), "{log}");
    }
}
