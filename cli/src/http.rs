//! One call to the public HTTP API: send, read with a limit, tell errors apart.
//!
//! A creating POST carries an `Idempotency-Key`, so every call here may be repeated, and is, for as long as the API
//! says that it is away for a moment (503 while Redis restarts, say). Waiting for jobs is in [`crate::wait`].

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};
use uuid::Uuid;

use crate::config::ApiConfig;
use crate::exit::Exit;

/// 5 s: an API that cannot be connected to by then is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// 30 s, on top of any wait asked of the API: three times its own limit for a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// 32 MiB: several times the largest answer, a job's log or result of 1 MiB each as JSON.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// 5 tries: an API that restarts, or whose Redis does, is back within their 10 s or so.
const TRIES_MAX: u32 = 5;
/// 1 to 5 s between tries; the API's own `Retry-After` decides inside these bounds.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// See [`RETRY_AFTER_MIN`].
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// A client of one API.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: Url,
    key: Option<SecretString>,
}

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API said no, and why.
    #[error("{}", .0.summary())]
    Problem(Box<Problem>),
    /// There is nobody.
    #[error("no API answers at {base}: {reason}\nStart one with `wf dev`, or name another with --url.")]
    Unreachable {
        /// Where we looked.
        base: Url,
        /// The innermost cause.
        reason: String,
    },
    /// Something answered, but not as the API does.
    #[error("the answer of {base} cannot be used: {reason}")]
    Unusable {
        /// Who answered.
        base: Url,
        /// What is wrong with it.
        reason: String,
    },
}

/// RFC 9457, as far as people are told about it, with the whole for `--json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The status.
    pub status: u16,
    /// What kind of problem.
    pub title: String,
    /// This very problem.
    pub detail: String,
    /// For programs.
    pub code: String,
    /// To look it up in the logs.
    pub request_id: String,
    /// Which fields.
    pub errors: Vec<FieldError>,
    /// As it came.
    #[serde(skip)]
    pub raw: Value,
    /// When to come back.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

/// One field of the request that was refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldError {
    /// JSON pointer.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// One sentence.
    pub fn summary(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}

impl ApiError {
    /// What this means to a script.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problem(problem) => Exit::from_http_status(problem.status),
            Self::Unreachable { .. } | Self::Unusable { .. } => Exit::Error,
        }
    }

    /// As the API would say it: the problem object, or one like it for what never reached the API.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Problem(problem) => problem.raw.clone(),
            Self::Unreachable { .. } => json!({"code": "unreachable", "detail": self.to_string()}),
            Self::Unusable { .. } => json!({"code": "unusable_answer", "detail": self.to_string()}),
        }
    }

    /// Whether the same call may succeed in a moment.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Problem(problem) => matches!(problem.status, 502..=504),
            Self::Unreachable { .. } => true,
            Self::Unusable { .. } => false,
        }
    }

    /// How long to leave the API alone before the next try.
    pub fn retry_after(&self) -> Duration {
        let asked = match self {
            Self::Problem(problem) => problem.retry_after,
            Self::Unreachable { .. } | Self::Unusable { .. } => None,
        };
        asked.unwrap_or_default().clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

impl Api {
    /// A client for `config`; TLS roots are loaded only where TLS is spoken.
    pub fn new(config: ApiConfig) -> Result<Self, ApiError> {
        // reqwest asks for the process's provider; whoever installed one first (a test, another client) is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("wf/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if config.base.scheme() == "http" {
            // No system certificates needed: a slim container may have none.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&config.base) {
            builder = builder.no_proxy();
        }
        match builder.build() {
            Ok(http) => Ok(Self { http, base: config.base, key: config.api_key }),
            Err(error) => Err(ApiError::Unusable { base: config.base, reason: innermost(&error) }),
        }
    }

    /// The root of the API.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Reads JSON.
    pub async fn get(&self, path: &[&str]) -> Result<Value, ApiError> {
        self.query(path, &[], Duration::ZERO).await
    }

    /// Reads JSON; the API may hold the call for as long as `held`, on our own asking.
    pub async fn query(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        held: Duration,
    ) -> Result<Value, ApiError> {
        let request = || self.request(Method::GET, path).query(query).timeout(REQUEST_TIMEOUT + held);
        self.json(&self.send(request).await?)
    }

    /// Reads text.
    pub async fn text(&self, path: &[&str]) -> Result<String, ApiError> {
        let request = || self.request(Method::GET, path).timeout(REQUEST_TIMEOUT);
        Ok(String::from_utf8_lossy(&self.send(request).await?).into_owned())
    }

    /// Creates or changes something, once, however often it has to be said.
    pub async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Value, ApiError> {
        let key = Uuid::now_v7().to_string();
        let request = || {
            let request =
                self.request(Method::POST, path).timeout(REQUEST_TIMEOUT).header("idempotency-key", &key);
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        self.json(&self.send(request).await?)
    }

    /// One try: whether the API is up and ready.
    pub async fn is_ready(&self, patience: Duration) -> bool {
        let answer = self.request(Method::GET, &["readyz"]).timeout(patience).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Vec<u8>, ApiError> {
        let mut tries = 1;
        loop {
            let error = match request().send().await {
                Ok(response) => match self.read(response).await {
                    Ok(body) => return Ok(body),
                    Err(error) => error,
                },
                // To a person at a prompt "nobody is there" is an answer; who waits for a job tries again itself.
                Err(error) if error.is_connect() => return Err(self.unreachable(&error)),
                Err(error) => self.unreachable(&error),
            };
            if tries == TRIES_MAX || !error.is_transient() {
                return Err(error);
            }
            tokio::time::sleep(error.retry_after()).await;
            tries += 1;
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ApiError> {
        let status = response.status();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return Err(self.unusable(format!("larger than {ANSWER_BYTES_MAX} bytes"))),
                Ok(None) => break,
                Err(error) => return Err(self.unreachable(&error)),
            }
        }
        if status.is_success() { Ok(body) } else { Err(self.problem(status.as_u16(), &headers, &body)) }
    }

    fn problem(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> ApiError {
        let parsed = serde_json::from_slice::<Value>(body).ok().and_then(|raw| {
            let problem: Problem = serde_json::from_value(raw.clone()).ok()?;
            raw.is_object().then_some(Problem { raw, ..problem })
        });
        let Some(mut problem) = parsed else {
            // A proxy on the way, or some other server on this port.
            return self.unusable(format!("HTTP status {status} without a problem object"));
        };
        problem.status = status;
        let retry_after = headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        problem.retry_after = retry_after.map(Duration::from_secs);
        ApiError::Problem(Box::new(problem))
    }

    fn json(&self, body: &[u8]) -> Result<Value, ApiError> {
        serde_json::from_slice(body).map_err(|error| self.unusable(format!("not JSON ({error})")))
    }

    fn unreachable(&self, error: &reqwest::Error) -> ApiError {
        ApiError::Unreachable { base: self.base.clone(), reason: innermost(error) }
    }

    fn unusable(&self, reason: String) -> ApiError {
        ApiError::Unusable { base: self.base.clone(), reason }
    }
}

fn is_loopback(base: &Url) -> bool {
    match base.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// reqwest's outer messages say "error sending request"; the cause is at the end of the chain.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
