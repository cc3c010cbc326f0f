//! LightOn's Paradigm: the installation of a company's documents (`/api/v2`, hosted or on premises), and the newer
//! `/api/v3/ask` and `/api/v3/search`. All answer questions; which one is asked is configuration.

mod analysis;
mod ask;
mod chunks;
mod document_search;
mod files;
mod image;
mod search;

use std::time::Duration;

use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use url::Url;

pub use self::analysis::ParadigmAnalysis;
pub use self::ask::{V3, V3Passages};
pub use self::chunks::{Chunk, ParadigmChunks};
pub use self::document_search::V2;
pub use self::files::{FileStatus, ParadigmFiles, StoredFile, Upload};
pub use self::image::ParadigmImages;
pub use self::search::ParadigmSearch;

use crate::context::CallContext;
use crate::error::{ConfigError, ProviderError};
use crate::http::{Answer, Endpoint, KeyHeader, Patience, Transport};
use crate::limits::{
    EXTRACT_CHARS_MAX, EXTRACTS_PER_SOURCE_MAX, POLL_INTERVAL_MAX, SEARCH_REQUEST_TIMEOUT, SOURCES_MAX,
};
use crate::search::{Extract, SearchRequest, Source};

/// Document search of an installation, version 2 of its API.
pub type ParadigmV2 = ParadigmSearch<V2>;
/// Question answering of the newer platform.
pub type LightonAsk = ParadigmSearch<V3>;
/// Passages of the newer platform, without an answer made of them.
pub type LightonPassages = ParadigmSearch<V3Passages>;

/// The name of this provider.
pub const PROVIDER: &str = "paradigm";

/// What a client is built from.
#[derive(Debug, Clone)]
pub struct ParadigmConfig {
    /// `https://paradigm.lighton.ai`, `https://api.lighton.ai`, or an installation of one's own.
    pub base_url: Url,
    /// Sent as a bearer token.
    pub api_key: SecretString,
    /// `None` leaves it to the installation.
    pub model: Option<String>,
}

/// An installation as all its clients reach it.
#[derive(Debug, Clone)]
struct Paradigm {
    endpoint: Endpoint,
    model: Option<String>,
}

impl Paradigm {
    fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        let ParadigmConfig { base_url, api_key, model } = config;
        Ok(Self {
            endpoint: Endpoint::new(PROVIDER, &base_url, &api_key, KeyHeader::Bearer, transport)?,
            model,
        })
    }

    /// Posts a question; `sent` is its text, which no error may repeat.
    async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        sent: &str,
        cx: &CallContext,
    ) -> Result<Answer<T>, ProviderError> {
        let http = self.endpoint.post(path, body)?;
        self.endpoint.json::<T>(&http, Patience::of(SEARCH_REQUEST_TIMEOUT), sent, cx).await
    }
}

/// The waits between looks at something that takes its time: longer each time.
struct Polling(Duration);

impl Polling {
    fn every(first: Duration) -> Self {
        Self(first)
    }

    /// Waits; `Err` when the call would be over before.
    async fn wait(&mut self, cx: &CallContext) -> Result<(), ProviderError> {
        if Instant::now() + self.0 >= cx.deadline {
            return Err(ProviderError::Timeout { provider: PROVIDER });
        }
        sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(POLL_INTERVAL_MAX);
        Ok(())
    }
}

/// A scope that allows nothing must not be sent: an empty list means "everything" to some servers.
fn check_scope(request: &SearchRequest) -> Result<(), ProviderError> {
    let is_empty = |ids: &Option<Vec<i64>>| ids.as_ref().is_some_and(Vec::is_empty);
    if is_empty(&request.workspace_ids) || is_empty(&request.file_ids) {
        return Err(ProviderError::Rejected {
            provider: PROVIDER,
            status: 403,
            message: "no workspace or file is left that may be searched".to_owned(),
        });
    }
    Ok(())
}

/// Cuts sources down to what is kept of them.
fn bounded(sources: impl Iterator<Item = Source>) -> Vec<Source> {
    let cut = |extract: Extract| Extract {
        text: extract.text.chars().take(EXTRACT_CHARS_MAX).collect(),
        pages: extract.pages,
    };
    sources
        .take(SOURCES_MAX)
        .map(|source| Source {
            extracts: source.extracts.into_iter().take(EXTRACTS_PER_SOURCE_MAX).map(cut).collect(),
            ..source
        })
        .collect()
}

/// An identifier or page reference that some versions send as a number and some as text.
fn plain(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(plain).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        _ => None,
    }
}
