//! A plain HTTP client of the public API: what it got, unjudged, and a few assertions that tests share.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// 75 s: above the longest `wait` of the API.
const TIMEOUT: Duration = Duration::from_secs(75);

/// One answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none; the message shows it.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in the body of a {}: {:?}", self.status, self.text))
    }

    /// A header, when it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, if the status is the expected one.
    ///
    /// # Panics
    /// With status and body when it is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// The problem object (RFC 9457), if the answer is one with this status in every respect.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn expect_problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["type", "title", "detail", "code", "request_id"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "no {field} in {problem}");
        }
        assert_eq!(self.header("x-request-id"), problem["request_id"].as_str(), "{problem}");
        problem
    }
}

/// A client of one base URL.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Client {
    /// A client for `http://host:port`.
    pub fn new(base: &str) -> Self {
        // The TLS library wants a provider even where no TLS is spoken; it is there already on the second call.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().expect("a plain client");
        Self { http, base: base.to_owned(), key: None }
    }

    /// The same, asking with this API key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// The API key it asks with.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// A request to be filled in and given to [`Self::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }

    /// Sends a request; `Err` when no answer came.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When no answer came.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the api answers")
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// POST of JSON which waits up to `seconds` for the end of the job.
    pub async fn post_and_wait(&self, path: &str, body: &Value, seconds: u32) -> Answer {
        let request = self.request(Method::POST, path).header("prefer", format!("wait={seconds}"));
        self.send(request.json(body)).await
    }
}
