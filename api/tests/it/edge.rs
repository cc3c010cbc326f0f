//! What is between a socket and a handler, with the bytes of clients that mean no good.

use serde_json::json;
use shared::{job::Queue, limits, store::Finish};
use tokio::io::AsyncWriteExt as _;

use crate::{
    client::{DEADLINE, read_answer, request},
    fixture::{Fixture, id, success},
};

#[tokio::test]
async fn there_is_exactly_one_host_and_it_is_ours() {
    let api = Fixture::start().await;
    for (head, status, code) in [
        ("GET /jobs HTTP/1.1\r\n\r\n", 400, "invalid_host"),
        ("GET /jobs HTTP/1.0\r\n\r\n", 400, "invalid_host"),
        ("GET /jobs HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, "invalid_host"),
        ("GET /jobs HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "invalid_host"),
        ("GET /jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "forbidden"),
        ("GET /nothing HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "forbidden"),
        ("GET http://evil.example/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n", 403, "forbidden"),
    ] {
        api.client.exchange(head.as_bytes()).await.problem(status, code);
    }
    for host in ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:80"] {
        let head = format!("GET /jobs HTTP/1.1\r\nHost: {host}\r\n\r\n");
        api.client.exchange(head.as_bytes()).await.expect(200);
    }
    api.finish().await;
}

#[tokio::test]
async fn what_frames_a_body_in_two_ways_is_not_understood_as_two_requests() {
    let api = Fixture::start().await;
    let host = "Host: localhost\r\nContent-Type: application/json\r\n";
    for framing in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2, 3\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Content-Length : 2\r\n",
        "X: a\r\n b\r\n",
        "X: \0\r\n",
    ] {
        let bytes = format!("POST /workflows HTTP/1.1\r\n{host}{framing}\r\n{{}}");
        assert_eq!(api.client.exchange(bytes.as_bytes()).await.status, 400, "{framing:?}");
    }
    // Both given: the chunks win, the rest is no second request, and the connection ends.
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let both = format!(
        "POST /workflows HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    let mut stream = api.client.connect().await;
    stream.get_mut().write_all(both.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all);
    let _ = tokio::time::timeout(DEADLINE, reading).await.expect("the connection ends");
    let all = String::from_utf8_lossy(&all);
    assert!(all.matches("HTTP/1.1 ").count() <= 1 && !all.contains("HTTP/1.1 200"), "{all}");
    api.finish().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_said_so() {
    let api = Fixture::start().await;
    let wide = "x".repeat(70 << 10);
    api.client.send("GET", "/jobs", &[("x-wide", &wide)], None).await.problem(431, "header_too_large");
    let (half, path) = (&wide[..40 << 10], format!("/jobs?status={}", &wide[..40 << 10]));
    api.client.send("GET", &path, &[("x-wide", half)], None).await.problem(431, "header_too_large");
    let huge = json!({"description": "d", "code": "x".repeat(limits::BODY_BYTES_MAX)}).to_string();
    let json = [("content-type", "application/json")];
    api.client
        .exchange(&request("POST", "/workflows", &json, huge.as_bytes()))
        .await
        .problem(413, "too_large");
    let mut chunked =
        b"POST /workflows HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in huge.as_bytes().chunks(1 << 16) {
        chunked.extend(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend(piece);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    api.client.exchange(&chunked).await.problem(413, "too_large");
    // Who announces it is told at once, though nothing of it was sent; and a little later the connection is closed.
    let announced = "POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n";
    let began = std::time::Instant::now();
    api.client.exchange(announced.as_bytes()).await.problem(413, "too_large");
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
    let form = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999999\r\n\r\n";
    let upload = format!("POST /files HTTP/1.1\r\nHost: localhost\r\n{form}");
    api.client.exchange(upload.as_bytes()).await.problem(413, "too_large");
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
    // Who asks first is told before the body is sent.
    let ask = "POST /workflows HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n";
    api.client.exchange(ask.as_bytes()).await.problem(413, "too_large");
    api.finish().await;
}

#[tokio::test]
async fn every_answer_names_its_request_and_is_not_kept_or_sniffed() {
    let api = Fixture::start().await;
    for path in ["/jobs", "/nothing", "/healthz", "/webhook-secret"] {
        let answer = api.client.get(path).await;
        assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("server"), None);
    }
    let mine = api.client.send("GET", "/nothing", &[("x-request-id", "mine-1")], None).await;
    assert_eq!(mine.problem(404, "not_found")["request_id"], "mine-1");
    let odd = api.client.send("GET", "/jobs", &[("x-request-id", "a\"b{}")], None).await;
    assert!(odd.header("x-request-id").unwrap().starts_with("req_"));
    api.finish().await;
}

#[tokio::test]
async fn several_requests_may_share_a_connection() {
    let api = Fixture::start().await;
    let mut stream = api.client.connect().await;
    for _ in 0..3 {
        let head = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.get_mut().write_all(head).await.unwrap();
        read_answer(&mut stream).await.expect(200);
    }
    api.finish().await;
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let api = Fixture::start().await;
    let body = json!({"description": "d"});
    let cross = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    api.client.send("POST", "/workflows", &cross, Some(&body)).await.problem(403, "forbidden");
    assert_eq!(api.client.get("/workflows").await.expect(200)["data"], json!([]));
    // An older browser says where the page is from, and no more.
    for origin in ["https://evil.example", "http://localhost:1", "null"] {
        let cross = [("origin", origin)];
        api.client.send("POST", "/workflows", &cross, Some(&body)).await.problem(403, "forbidden");
    }
    let own = [("origin", "http://localhost")];
    api.client.send("POST", "/workflows", &own, Some(&body)).await.expect(202);
    let own = [("sec-fetch-site", "same-origin")];
    api.client.send("POST", "/workflows", &own, Some(&body)).await.expect(202);
    api.finish().await;
}

#[tokio::test]
async fn two_apis_in_one_process_are_stopped_apart() {
    let (one, two) = (Fixture::start().await, Fixture::start().await);
    one.finish().await;
    two.client.get("/readyz").await.expect(200);
    two.finish().await;
}

/// What hyper refuses before any of our code sees it: on a new connection, and after another answer on an old one.
#[tokio::test]
async fn what_is_no_request_is_answered_with_a_problem_too() {
    let api = Fixture::start().await;
    let host = "Host: localhost\r\n";
    let (wide, many) = ("x".repeat(300 << 10), "X: a\r\n".repeat(150));
    for (bytes, status, code) in [
        ("GARBAGE\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET /jobs\r\n\r\n".to_owned(), 400, "bad_request"),
        (format!("GET /jobs HTTP/9.9\r\n{host}\r\n"), 400, "bad_request"),
        (format!("GET /jobs HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n"), 400, "bad_request"),
        (format!("GET /jobs HTTP/1.1\r\n{host}A header: x\r\n\r\n"), 400, "bad_request"),
        (format!("GET /jobs HTTP/1.1\r\n{host}{many}\r\n"), 431, "header_too_large"),
        (format!("GET /jobs HTTP/1.1\r\n{host}X: {wide}\r\n\r\n"), 431, "header_too_large"),
        (format!("GET /{} HTTP/1.1\r\n{host}\r\n", &wide[..70 << 10]), 431, "header_too_large"),
    ] {
        for before in ["", "GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let mut stream = api.client.connect().await;
            stream.get_mut().write_all(before.as_bytes()).await.unwrap();
            if !before.is_empty() {
                read_answer(&mut stream).await.expect(200);
            }
            let _ = stream.get_mut().write_all(bytes.as_bytes()).await;
            let answer = read_answer(&mut stream).await;
            answer.problem(status, code);
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    api.finish().await;
}

#[tokio::test]
async fn there_is_nothing_at_other_paths_whoever_asks() {
    let api = Fixture::with_keys(&[]).await;
    let body = json!({"tenant": "acme", "scopes": ["read"]});
    let key = api.operator("POST", "/keys", Some(&body)).await.expect(201);
    let bearer = format!("Bearer {}", key["secret"].as_str().unwrap());
    for headers in [&[][..], &[("authorization", bearer.as_str())], &[("authorization", "Bearer wrong")]] {
        for (method, path) in [("GET", "/nothing"), ("POST", "/v1/workflows"), ("DELETE", "/jobs/x/y/z")] {
            api.client.send(method, path, headers, None).await.problem(404, "not_found");
        }
    }
    api.finish().await;
}

/// `\u00e9` is six bytes for two: a body in ASCII may be several times its content.
#[tokio::test]
async fn the_largest_input_is_taken_however_json_writes_it() {
    let api = Fixture::start().await;
    let workflow = api.ready_workflow().await;
    let path = format!("/workflows/{workflow}/execute");
    let json = [("content-type", "application/json")];
    for (character, bytes) in [("x", 1), ("\\u00e9", 2), ("\\u0001", 1), ("\\ud83e\\udd80", 4)] {
        let text = character.repeat(limits::INPUT_BYTES_MAX / bytes);
        let fits = format!("{{\"user_input\":\"{text}\"}}");
        api.client.exchange(&request("POST", &path, &json, fits.as_bytes())).await.expect(202);
        let over = format!("{{\"user_input\":\"{text}x\"}}");
        let refused = api.client.exchange(&request("POST", &path, &json, over.as_bytes())).await;
        assert_eq!(refused.problem(413, "too_large")["errors"][0]["pointer"], "/user_input");
    }
    api.finish().await;
}

/// A log may be anything, a refusal of hyper's too; it is sent in many writes, which may begin anywhere in it.
#[tokio::test]
async fn what_looks_like_a_refusal_in_an_answer_of_ours_is_left_alone() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let refusal = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let log = refusal.repeat(900_000 / refusal.len());
    let finish = Finish { log: log.clone().into_bytes(), ..success() };
    api.end(&api.claim(Queue::Execute).await, finish).await;
    let get = format!("GET /jobs/{}/logs HTTP/1.1\r\nHost: localhost\r\n\r\n", id(&job));
    let mut stream = api.client.connect().await;
    for _ in 0..3 {
        stream.get_mut().write_all(get.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.status == 200 && answer.text() == log);
    }
    // Two at once, and then what is no request: every answer before it is whole.
    stream.get_mut().write_all(format!("{get}{get}GARBAGE\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..2 {
        assert!(read_answer(&mut stream).await.text() == log);
    }
    read_answer(&mut stream).await.problem(400, "bad_request");
    api.finish().await;
}

/// Everything that is said to `bytes`, sent at once, until the connection ends.
async fn said_to(api: &Fixture, bytes: &str) -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap(); // so that large answers wait
    let mut stream = socket.connect(api.client.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut said);
    tokio::time::timeout(DEADLINE, reading).await.expect("the connection ends").unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

/// However many answers are before it, in whatever form, and however long they take to be sent.
#[tokio::test]
async fn what_is_no_request_behind_answers_that_are_under_way_is_answered_with_a_problem_after_them() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let log = "x".repeat(900_000);
    api.end(&api.claim(Queue::Execute).await, Finish { log: log.into_bytes(), ..success() }).await;
    let head = |line: String, fields: &str| format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let of_job = |path: &str| head(format!("GET /jobs/{}{path}", id(&job)), "");
    let create = |fields: &str| {
        head("POST /workflows".to_owned(), &format!("Content-Type: application/json\r\n{fields}"))
    };
    let body = "{\"description\":\"d\"}";
    for (request, status, times) in [
        (of_job("/logs"), 200, 6),
        (of_job("/events"), 200, 3),
        (of_job(""), 200, 40),
        (head("HEAD /jobs".to_owned(), ""), 200, 40),
        (head("GET /nothing".to_owned(), ""), 404, 40),
        (create("Content-Length: 19\r\n") + body, 202, 10),
        (create("Transfer-Encoding: chunked\r\n") + "13\r\n" + body + "\r\n0\r\n\r\n", 202, 10),
        (create("Expect: 100-continue\r\nContent-Length: 19\r\n") + body, 202, 10),
    ] {
        for (garbage, refusal, code) in [
            ("GARBAGE\r\n\r\n".to_owned(), 400, "bad_request"),
            (head("GET /jobs".to_owned(), &"X: a\r\n".repeat(150)), 431, "header_too_large"),
        ] {
            let said = said_to(&api, &(request.repeat(times) + &garbage)).await;
            let (answers, last) = said.split_at(said.rfind("HTTP/1.1 ").unwrap());
            assert_eq!(answers.matches(&format!("HTTP/1.1 {status} ")).count(), times, "{request}: {said}");
            assert!(last.starts_with(&format!("HTTP/1.1 {refusal} ")), "{request}: {last}");
            let (head, body) = last.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("\r\ncontent-type: application/problem+json\r\n"), "{request}: {last}");
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(refusal)), "{last}");
        }
    }
    api.finish().await;
}
