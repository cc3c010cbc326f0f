//! One provider's address: requests to it, with its key, through its gate, with retries and capped replies.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::Transport;
use super::failure::{error_message, is_retryable, status_error};
use crate::context::CallContext;
use crate::error::{ConfigError, ProviderError, scrub};
use crate::limits::{ERROR_REPLY_BYTES_MAX, REPLY_BYTES_MAX};
use crate::retry::{Advice, Again, Failure, Retrier};

/// A provider's address together with what authenticates us there.
#[derive(Clone)]
pub(crate) struct Endpoint {
    provider: &'static str,
    base: Url,
    headers: HeaderMap,
    key: SecretString,
    transport: Transport,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("provider", &self.provider)
            .field("host", &self.base.host_str())
            .finish_non_exhaustive()
    }
}

/// How the key is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    ApiKey,
    Bearer,
}

/// A reply that was understood.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    pub(crate) request_id: Option<String>,
    pub(crate) requests: u32,
}

/// The limits of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until the headers of the reply.
    pub(crate) first: Duration,
    /// Until its end.
    pub(crate) whole: Duration,
}

impl Patience {
    pub(crate) fn of(limit: Duration) -> Self {
        Self { first: limit, whole: limit }
    }
}

impl Endpoint {
    pub(crate) fn new(
        provider: &'static str,
        base: &Url,
        key: &SecretString,
        style: KeyHeader,
        transport: Transport,
    ) -> Result<Self, ConfigError> {
        let problem = |problem| ConfigError::BaseUrl { provider, problem };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(problem("has to begin with http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(problem("must not hold a user name or password"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(problem("must not hold a query or fragment"));
        }
        let mut endpoint =
            Self { provider, base: base.clone(), headers: HeaderMap::new(), key: key.clone(), transport };
        match style {
            KeyHeader::ApiKey => endpoint.add_header("x-api-key", key.expose_secret(), "key")?,
            KeyHeader::Bearer if key.expose_secret().is_empty() => {} // servers of one's own often want none
            KeyHeader::Bearer => {
                endpoint.add_header("authorization", &format!("Bearer {}", key.expose_secret()), "key")?;
            }
        }
        Ok(endpoint)
    }

    pub(crate) fn add_header(
        &mut self,
        name: &'static str,
        value: &str,
        what: &'static str,
    ) -> Result<(), ConfigError> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| ConfigError::Header { provider: self.provider, what })?;
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(())
    }

    /// A request to `path` below the base URL, whatever slashes either has.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), path.trim_start_matches('/')));
        self.transport.client.request(method, url).headers(self.headers.clone())
    }

    pub(crate) fn post(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<RequestBuilder, ProviderError> {
        let body = serde_json::to_vec(body).map_err(|_| {
            ProviderError::malformed(self.provider, "the request could not be written as JSON")
        })?;
        Ok(self
            .request(reqwest::Method::POST, path)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body))
    }

    /// Sends a request whose answer is JSON. `sent` is the caller's text in it, which no error may quote.
    pub(crate) async fn json<T: DeserializeOwned + Send + 'static>(
        &self,
        request: &RequestBuilder,
        patience: Patience,
        sent: &str,
        cx: &CallContext,
    ) -> Result<Answer<T>, ProviderError> {
        let provider = self.provider;
        self.send(request, patience, sent, cx, |response| read_json(provider, response).boxed()).await
    }

    /// Sends a request whose body cannot be sent twice: the gate, but no retry.
    pub(crate) async fn json_once<T: DeserializeOwned + Send + 'static>(
        &self,
        request: RequestBuilder,
        patience: Patience,
        cx: &CallContext,
    ) -> Result<Answer<T>, ProviderError> {
        let gate = &self.transport.gate;
        let provider = self.provider;
        let pass = gate
            .pass(cx)
            .await
            .map_err(|retry_after| ProviderError::RateLimited { provider, retry_after })?;
        cx.meter.add_request();
        let read = |response| read_json(provider, response).boxed();
        let outcome = self.attempt(request, patience, "", cx, read).await;
        drop(pass);
        match outcome {
            Ok((value, request_id)) => Ok(Answer { value, request_id, requests: 1 }),
            Err(Failure { error, again: Again::After(pause), closes_gate: true }) => {
                gate.close_for(pause);
                Err(error)
            }
            Err(failure) => Err(failure.error),
        }
    }

    /// Sends a request whose answer is its status.
    pub(crate) async fn done(
        &self,
        request: &RequestBuilder,
        patience: Patience,
        cx: &CallContext,
    ) -> Result<(), ProviderError> {
        self.send(request, patience, "", cx, |_| std::future::ready(Ok(())).boxed()).await.map(|_| ())
    }

    /// Sends a request, with retries, and reads a successful reply with `read`.
    pub(crate) async fn send<T: Send>(
        &self,
        request: &RequestBuilder,
        patience: Patience,
        sent: &str,
        cx: &CallContext,
        read: impl Fn(Response) -> BoxFuture<'static, Result<T, Failure>> + Send + Sync,
    ) -> Result<Answer<T>, ProviderError> {
        let Transport { gate, policy, jitter, .. } = &self.transport;
        let retrier = Retrier { provider: self.provider, policy, gate, jitter: jitter.as_ref() };
        let mut requests = 0;
        let read = &read;
        let (value, request_id) = retrier
            .run(cx, || {
                requests += 1;
                let copy = request.try_clone();
                Box::pin(async move {
                    // Only a streamed body cannot be sent twice; none is sent through here.
                    let copy = copy.ok_or_else(|| {
                        Failure::fatal(ProviderError::malformed(
                            self.provider,
                            "the request cannot be repeated",
                        ))
                    })?;
                    self.attempt(copy, patience, sent, cx, read).await
                })
            })
            .await?;
        Ok(Answer { value, request_id, requests })
    }

    async fn attempt<T>(
        &self,
        request: RequestBuilder,
        patience: Patience,
        sent: &str,
        cx: &CallContext,
        read: impl Fn(Response) -> BoxFuture<'static, Result<T, Failure>>,
    ) -> Result<(T, Option<String>), Failure> {
        let late = |_| Failure::transient(ProviderError::Timeout { provider: self.provider });
        let started = Instant::now();
        let response = timeout_at(cx.deadline.min(started + patience.first), request.send())
            .await
            .map_err(late)?
            .map_err(|error| self.broken(&error))?;
        self.transport.gate.observe(response.headers(), Timestamp::now());
        let request_id = request_id(response.headers());
        let rest = async {
            if response.status().is_success() {
                read(response).await.map(|value| (value, request_id))
            } else {
                Err(self.refusal(response, sent).await)
            }
        };
        timeout_at(cx.deadline.min(started + patience.whole), rest).await.map_err(late)?
    }

    fn broken(&self, error: &reqwest::Error) -> Failure {
        let provider = self.provider;
        if error.is_timeout() && !error.is_connect() {
            return Failure::transient(ProviderError::Timeout { provider });
        }
        // The error's own text names the URL; ours does not.
        let reason = if error.is_connect() { "it cannot be reached" } else { "the connection broke" };
        let error = ProviderError::Unavailable { provider, reason: reason.to_owned(), retry_after: None };
        Failure { again: Again::Reconnect, ..Failure::transient(error) }
    }

    /// What a reply other than a success means.
    async fn refusal(&self, response: Response, sent: &str) -> Failure {
        let status = response.status();
        let advice = Advice::from_headers(response.headers(), Timestamp::now());
        let body = read_capped(response, ERROR_REPLY_BYTES_MAX).await.unwrap_or_default();
        let message = scrub(&error_message(&body).unwrap_or_default(), &[&self.key], sent);
        let error = status_error(self.provider, status, message, advice);
        let retryable = advice.should_retry.unwrap_or_else(|| is_retryable(status));
        let again = match (retryable, advice.retry_after) {
            (false, _) => Again::Never,
            (true, Some(pause)) => Again::After(pause),
            (true, None) => Again::Backoff,
        };
        let asks_for_a_pause = advice.retry_after.is_some() && matches!(status.as_u16(), 503 | 529);
        Failure { error, again, closes_gate: status == StatusCode::TOO_MANY_REQUESTS || asks_for_a_pause }
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 2] = ["request-id", "x-request-id"];
    const CHARS_MAX: usize = 100;
    let id = NAMES.iter().find_map(|name| headers.get(*name))?.to_str().ok()?;
    Some(id.chars().take(CHARS_MAX).collect())
}

/// Reads a whole JSON reply.
async fn read_json<T: DeserializeOwned>(provider: &'static str, response: Response) -> Result<T, Failure> {
    let body = read_capped(response, REPLY_BYTES_MAX).await.map_err(|error| match error {
        BodyError::TooLong => Failure::fatal(ProviderError::malformed(
            provider,
            format!("it is longer than {} MiB", REPLY_BYTES_MAX >> 20),
        )),
        BodyError::Broken => connection_broke(provider),
    })?;
    // The parser's own message may quote the reply, so it is not passed on.
    serde_json::from_slice(&body).map_err(|_| {
        Failure::fatal(ProviderError::malformed(provider, "it is not the JSON that was expected"))
    })
}

pub(crate) fn connection_broke(provider: &'static str) -> Failure {
    let reason = "the connection broke in the middle of an answer".to_owned();
    Failure::transient(ProviderError::Unavailable { provider, reason, retry_after: None })
}

#[derive(Debug)]
enum BodyError {
    TooLong,
    Broken,
}

async fn read_capped(mut response: Response, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyError::Broken)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HttpConfig, http_client};

    #[test]
    fn a_base_url_with_credentials_is_refused_without_repeating_them() {
        let url: Url = "https://user:hunter2@api.example.com".parse().unwrap();
        let transport = Transport::new(http_client(&HttpConfig::default()).unwrap());
        let error = Endpoint::new("anthropic", &url, &SecretString::from("k"), KeyHeader::ApiKey, transport)
            .unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn paths_join_whatever_the_slashes() {
        let transport = Transport::new(http_client(&HttpConfig::default()).unwrap());
        for base in ["http://h/p", "http://h/p/"] {
            let endpoint = Endpoint::new(
                "paradigm",
                &base.parse().unwrap(),
                &SecretString::from("k"),
                KeyHeader::Bearer,
                transport.clone(),
            )
            .unwrap();
            let request = endpoint.request(reqwest::Method::GET, "/a/b").build().unwrap();
            assert_eq!(request.url().as_str(), "http://h/p/a/b");
            assert!(!format!("{request:?}").contains("Bearer k"));
        }
    }
}
