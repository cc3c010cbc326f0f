//! A receiver of webhooks, which verifies Standard Webhooks signatures with code of its own.
//!
//! It knows nothing of our signing code: the check is written from the specification, so that the two can disagree.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::server::Server;
use crate::record::Record;

/// Five minutes: how far the libraries let a timestamp be off.
const TOLERANCE_SECS: u64 = 300;

/// One attempt as it arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Path of the request.
    pub path: String,
    /// Method: always POST, says the contract.
    pub method: Method,
    /// Headers.
    pub headers: HeaderMap,
    /// The signed bytes.
    pub body: Bytes,
    /// What the receiver answered.
    pub answered: StatusCode,
}

impl Delivery {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a webhook's body is JSON")
    }

    /// `webhook-id`: the same for every attempt of one message.
    pub fn id(&self) -> &str {
        self.header("webhook-id").expect("webhook-id")
    }

    /// Whether headers and body carry a valid `v1` signature of `secret`, made within five minutes of now.
    pub fn verify(&self, secret: &str) -> Result<(), String> {
        let timestamp = self.header("webhook-timestamp").ok_or("no webhook-timestamp")?;
        let seconds: u64 = timestamp.parse().map_err(|_| "webhook-timestamp is not a number")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        if seconds.abs_diff(now) > TOLERANCE_SECS {
            return Err(format!("timestamp {seconds} is more than {TOLERANCE_SECS} s from {now}"));
        }
        let id = self.header("webhook-id").ok_or("no webhook-id")?;
        if id.contains('.') {
            return Err("webhook-id contains a dot".to_owned());
        }
        let expected = signature(secret, id, timestamp, &self.body)?;
        let given = self.header("webhook-signature").ok_or("no webhook-signature")?;
        let fits = |part: &str| part.strip_prefix("v1,").is_some_and(|part| part == expected);
        given.split(' ').any(fits).then_some(()).ok_or_else(|| format!("no signature of ours in {given}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Base64 of HMAC-SHA256 over `id.timestamp.body`, keyed with the decoded part after `whsec_`.
fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Result<String, String> {
    let encoded = secret.strip_prefix("whsec_").ok_or("the secret does not start with whsec_")?;
    let key =
        BASE64_STANDARD.decode(encoded).map_err(|error| format!("the secret is not base64: {error}"))?;
    if !(24..=64).contains(&key.len()) {
        return Err(format!("the secret has {} bytes, not 24 to 64", key.len()));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// How the receiver answers one attempt.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers, `retry-after` or `location` for instance.
    pub headers: Vec<(&'static str, String)>,
    /// How long it takes.
    pub delay: Duration,
}

impl From<StatusCode> for Answer {
    fn from(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), delay: Duration::ZERO }
    }
}

#[derive(Debug, Default)]
struct Inner {
    script: Mutex<VecDeque<Answer>>,
    deliveries: Record<Delivery>,
}

/// The server: accepts any path, answers 204 unless told otherwise.
#[derive(Debug)]
pub struct Receiver {
    inner: Arc<Inner>,
    server: Server,
}

impl Receiver {
    /// Starts it.
    pub async fn start() -> Self {
        let inner = Arc::<Inner>::default();
        let router = Router::new().fallback(receive).with_state(Arc::clone(&inner));
        Self { inner, server: Server::start(router).await }
    }

    /// A callback URL; the path tells its deliveries from others.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// The next attempts are answered so, in this order; then 204 again.
    pub fn answer_next(&self, responses: impl IntoIterator<Item = Answer>) {
        self.inner.script.lock().expect("no holder panics").extend(responses);
    }

    /// Every attempt so far, in order of arrival, whatever it was answered.
    pub fn deliveries(&self) -> &Record<Delivery> {
        &self.inner.deliveries
    }

    /// Waits for the attempt with this number, counted from 1.
    pub async fn delivery(&self, number: usize) -> Delivery {
        self.deliveries().wait_for(number).await[number - 1].clone()
    }
}

async fn receive(
    State(receiver): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let next = receiver.script.lock().expect("no holder panics").pop_front();
    let next = next.unwrap_or_else(|| StatusCode::NO_CONTENT.into());
    let path = uri.path().to_owned();
    receiver.deliveries.push(Delivery { path, method, headers, body, answered: next.status });
    tokio::time::sleep(next.delay).await;
    let mut response = next.status.into_response();
    for (name, value) in next.headers {
        response.headers_mut().insert(name, value.parse().expect("a header of the test is valid"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_have_the_published_signatures() {
        let vectors = [
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                "1649367553",
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                r#"{"test": 2432232314}"#,
                "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ];
        for (secret, id, timestamp, body, expected) in vectors {
            assert_eq!(signature(secret, id, timestamp, body.as_bytes()).as_deref(), Ok(expected));
        }
    }
}
