//! HTTP as all providers use it: one client, capped bodies, one mapping from status to error. No provider's JSON is
//! known here, except the shapes in which they word errors.
//!
//! No redirect is ever followed (a redirect would carry the key elsewhere) and no proxy is read from the environment.

mod endpoint;
mod failure;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::endpoint::{Answer, Endpoint, KeyHeader, Patience, connection_broke};
pub(crate) use self::failure::{is_retryable, status_error};
use crate::error::ConfigError;
use crate::gate::RateGate;
use crate::limits::{CONNECT_TIMEOUT, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT};
use crate::retry::{Jitter, OsJitter, RetryPolicy};

/// How the process speaks HTTP to its providers.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Limit of the TCP and TLS handshake.
    pub connect_timeout: Duration,
    /// Sent as `User-Agent`.
    pub user_agent: String,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            user_agent: concat!("workflow-automation/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// TLS for all connections of a process: rustls with ring, the machine's certificate authorities together with
/// Mozilla's (a slim container has none of its own).
pub fn tls_config() -> Result<rustls::ClientConfig, ConfigError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tls)
}

/// What speaks HTTP: connections are shared by its clones.
pub type HttpClient = reqwest::Client;

/// The HTTP client for all providers of a process: no redirects, no proxy.
pub fn http_client(config: &HttpConfig) -> Result<reqwest::Client, ConfigError> {
    let tls = tls_config()?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(config.connect_timeout)
        .tcp_keepalive(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(&config.user_agent)
        .build()
        .map_err(|error| ConfigError::Client(error.without_url().to_string()))
}

/// One provider as this process reaches it. Make one for each provider and clone it into every client of that
/// provider: the clones share the rate-limit gate.
#[derive(Debug, Clone)]
pub struct Transport {
    client: reqwest::Client,
    gate: RateGate,
    policy: RetryPolicy,
    jitter: Arc<dyn Jitter>,
}

impl Transport {
    /// A provider reached over `client`, with the default policy and an open gate.
    pub fn new(client: reqwest::Client) -> Self {
        Self { client, gate: RateGate::new(), policy: RetryPolicy::default(), jitter: Arc::new(OsJitter) }
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_policy(self, policy: RetryPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The same with other dice.
    #[must_use]
    pub fn with_jitter(self, jitter: Arc<dyn Jitter>) -> Self {
        Self { jitter, ..self }
    }
}
