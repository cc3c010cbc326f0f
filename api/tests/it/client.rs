//! A client that hides nothing: bytes are sent as written, and one answer is read as it comes.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

/// 30 s: no answer of these tests takes long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Asserts that this is a whole problem, as every error has to be.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{text}");
        let body = self.json();
        assert_eq!(body["code"], code, "{text}");
        assert_eq!(body["status"], status, "{text}");
        assert_eq!(body["type"], format!("/errors/{code}"), "{text}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{text}");
        for text in ["title", "detail", "request_id"] {
            assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {body}");
        }
        body
    }
}

/// A client of one api.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: SocketAddr,
}

impl Client {
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(body)).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        let json = [("content-type", "application/json")];
        let kind: &[(&str, &str)] = if body.is_some() { &json } else { &[] };
        let headers = [headers, kind].concat();
        self.exchange(&request(method, path, &headers, &body.unwrap_or_default())).await
    }

    /// With an API key.
    pub async fn with_key(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {key}");
        self.send(method, path, &[("authorization", &bearer)], body).await
    }

    /// Sends these bytes and reads one answer.
    pub async fn exchange(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // A server that refuses early may close before it has read all: the answer tells.
        let _ = stream.get_mut().write_all(bytes).await;
        timeout(DEADLINE, read_answer(&mut stream)).await.expect("an answer in time")
    }

    pub async fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.address).await.expect("the api listens"))
    }
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    if !body.is_empty() {
        bytes.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

pub async fn read_answer(stream: &mut BufReader<TcpStream>) -> Answer {
    let (status, headers) = read_head(stream).await;
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a whole body");
    Answer { status, headers, body }
}

pub async fn read_head(stream: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let first = read_line(stream).await;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not an answer: {first:?}"));
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream).await;
        match line.split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => return (status, headers),
        }
    }
}

pub async fn read_line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    timeout(DEADLINE, stream.read_line(&mut line)).await.expect("a line in time").expect("a line");
    line.trim_end().to_owned()
}
