//! Answers to requests whose body was not read: the client gets to read why, and the connection says that it ends.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{DEADLINE, read_answer};
use crate::fixture::{ADMIN, Fixture};

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_says_that_the_connection_ends_with_it() {
    let api = Fixture::with_keys(&[]).await;
    let key = format!("Authorization: Bearer {ADMIN}\r\n");
    let form = "Content-Type: multipart/form-data; boundary=b\r\n";
    let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.exe\"\r\n\r\nMZ";
    let early = [
        ("POST /workflows HTTP/1.1\r\n".to_owned(), "{\"description\":", 401),
        (format!("POST /workflows HTTP/1.1\r\n{key}Content-Type: application/json\r\n"), "", 413),
        (format!("POST /files HTTP/1.1\r\n{key}{form}"), part, 415),
        (format!("POST /files HTTP/1.1\r\n{key}Content-Type: text/plain\r\n"), "x", 415),
        (format!("PUT /nothing HTTP/1.1\r\n{key}"), "x", 404),
    ];
    // Side by side: what is left of each body is waited for a while.
    let asking = early.map(|(head, sent, status)| {
        let client = api.client.clone();
        tokio::spawn(async move {
            let mut stream = client.connect().await;
            let request = format!("{head}Host: localhost\r\nContent-Length: 50000000\r\n\r\n{sent}");
            stream.get_mut().write_all(request.as_bytes()).await.unwrap();
            let answer = read_answer(&mut stream).await;
            assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{head}");
            // It keeps its word, by itself, though nothing more comes.
            let mut rest = Vec::new();
            tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect(&head).expect(&head);
            assert!(rest.is_empty());
        })
    });
    for asked in asking {
        asked.await.unwrap();
    }
    api.finish().await;
}

#[tokio::test]
async fn who_sends_a_whole_body_reads_why_it_was_refused() {
    let api = Fixture::with_keys(&[]).await;
    let large = "x".repeat(6 << 20);
    let text = json!({"description": large}).to_string();
    let request = format!(
        "POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    api.client.exchange(request.as_bytes()).await.problem(401, "unauthorized");
    api.finish().await;
}

#[tokio::test]
async fn a_body_that_was_read_leaves_the_connection_open() {
    let api = Fixture::start().await;
    let mut stream = api.client.connect().await;
    for (body, status) in [("{\"description\":\"d\"}", 202), ("{", 400), ("{\"x\":1}", 422)] {
        for (framing, body) in [
            (format!("Content-Length: {}", body.len()), body.to_owned()),
            ("Transfer-Encoding: chunked".to_owned(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
        ] {
            let head = "POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
            let request = format!("{head}{framing}\r\n\r\n{body}");
            stream.get_mut().write_all(request.as_bytes()).await.unwrap();
            let answer = read_answer(&mut stream).await;
            assert_eq!((answer.status, answer.header("connection")), (status, None), "{request}");
        }
    }
    api.finish().await;
}
