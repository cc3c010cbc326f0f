//! Clients that are slow or broken on the level of bytes.

use std::time::{Duration, Instant};

use tests::DEADLINE;
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
    let broken: [&[u8]; 4] = [
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"NONSENSE\r\n\r\n",
    ];
    for bytes in broken {
        let answer = converse(&stack, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{:?}: {answer}", String::from_utf8_lossy(bytes));
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
