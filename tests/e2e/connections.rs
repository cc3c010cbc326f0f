//! Clients that are slow or broken on the level of bytes.

use std::time::{Duration, Instant};

use reqwest::Method;
use tests::DEADLINE;
use tests::client::Client;
use tests::stack::Stack;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The header timeout and what a busy machine adds.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// Sends `bytes`, reads until the server closes, and gives what it said.
async fn converse(stack: &Stack, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(stack.client().authority()).await.expect("the api listens");
    stream.write_all(bytes).await.expect("the api reads");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.expect("the api closes the connection").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_header_that_never_ends_is_cut_off_and_others_are_served_meanwhile() {
    let stack = Stack::builder().workers(0).start().await;
    let began = Instant::now();
    let slow = converse(&stack, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    let idle = converse(&stack, b"");
    let served = async {
        for _ in 0..20 {
            stack.client().get("/healthz").await.expect(200);
        }
        assert!(began.elapsed() < CLOSED_WITHIN);
    };
    tokio::join!(slow, idle, served);
    assert!(began.elapsed() < CLOSED_WITHIN, "{:?}", began.elapsed());
    stack.finish().await;
}

#[tokio::test]
async fn broken_requests_are_answered_with_400_and_closed() {
    let stack = Stack::builder().workers(0).start().await;
    let broken: [&[u8]; 6] = [
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"NONSENSE\r\n\r\n",
        b"POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
        b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
    ];
    for bytes in broken {
        let answer = converse(&stack, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{:?}: {answer}", String::from_utf8_lossy(bytes));
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_body_announced_too_large_is_refused_before_it_is_sent() {
    let stack = Stack::builder().workers(0).start().await;
    let head = "POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n";
    let answer = converse(&stack, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    stack.finish().await;
}

/// Twice the limit are read, so that what is too large is answered as everything is. Past that, which the api announces in
/// its SETTINGS, h2 answers by itself and has no place for a body: a bare 431, and the connection goes on.
#[tokio::test]
async fn over_http_2_a_header_that_is_too_large_is_refused_and_its_connection_goes_on() {
    let stack = Stack::builder().workers(0).start().await;
    let http =
        reqwest::Client::builder().http2_prior_knowledge().no_proxy().timeout(DEADLINE).build().unwrap();
    let get = async |bytes: usize| {
        let request = http.get(format!("{}/jobs", stack.client().base())).header("x-wide", "x".repeat(bytes));
        let answer = request.send().await.expect("an answer");
        let problem =
            answer.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
        (answer.status().as_u16(), problem, answer.text().await.expect("a body"))
    };
    for _ in 0..2 {
        let (status, problem, body) = get(70 << 10).await;
        assert!(status == 431 && problem && body.contains("header_too_large"), "{status} {body}");
        assert_eq!(get(140 << 10).await, (431, false, String::new()));
        assert_eq!(get(10 << 10).await.0, 200);
    }
    stack.finish().await;
}

/// CORS is off: a page of another site is told nothing that would let it read an answer or send a request of its own.
#[tokio::test]
async fn another_sites_page_gets_no_leave_and_every_answer_has_the_headers_of_safety() {
    let stack = Stack::builder().tenants().workers(0).start().await;
    let (known, unknown) = (stack.client().clone(), Client::new(stack.client().base()));
    for (client, method, path, status) in [
        (&known, Method::GET, "/jobs", 200),
        (&known, Method::OPTIONS, "/jobs", 405),
        (&known, Method::GET, "/nothing", 404),
        (&unknown, Method::GET, "/jobs", 401),
        (&unknown, Method::GET, "/healthz", 200),
        (&unknown, Method::GET, "/openapi.json", 200),
        (&unknown, Method::GET, "/docs", 200),
    ] {
        let request = client.request(method.clone(), path).header("origin", "https://evil.example");
        let answer = client.send(request.header("access-control-request-method", "POST")).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        if status >= 400 {
            answer.expect_problem(status);
        }
        let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(cors, None, "{method} {path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {path}");
        }
        assert!(
            answer
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("frame-ancestors 'none'"))
        );
        assert!(answer.header("x-request-id").is_some(), "{method} {path}");
    }
    stack.finish().await;
}
