//! `POST /api/v3/ask`: one question, one answer, with the chunks it rests on.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PROVIDER, ParadigmConfig, bounded, check_scope, plain};
use crate::context::{CallContext, TokenUsage};
use crate::error::{ConfigError, ProviderError};
use crate::http::{Endpoint, KeyHeader, Patience, Transport};
use crate::limits::{ASK_QUERY_CHARS_MAX, SEARCH_REQUEST_TIMEOUT};
use crate::search::{DocumentSearch, Extract, SearchAnswer, SearchRequest, Source};

/// Question answering of the newer platform.
#[derive(Debug, Clone)]
pub struct LightonAsk {
    endpoint: Endpoint,
    model: Option<String>,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    answer: String,
    #[serde(default)]
    results: Option<Vec<Chunk>>,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    source: Option<ChunkSource>,
}

#[derive(Debug, Default, Deserialize)]
struct ChunkSource {
    #[serde(default)]
    file_id: Value,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    page_start: Value,
    #[serde(default)]
    page_end: Value,
}

impl ChunkSource {
    fn pages(&self) -> Option<String> {
        match (plain(&self.page_start), plain(&self.page_end)) {
            (Some(start), Some(end)) if start != end => Some(format!("{start}-{end}")),
            (start, end) => start.or(end),
        }
    }
}

/// Chunks come one by one, best first; a reader wants them by document.
fn by_document(chunks: Vec<Chunk>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for chunk in chunks {
        let origin = chunk.source.unwrap_or_default();
        let id = plain(&origin.file_id);
        let pages = origin.pages();
        let name = origin.filename.or(origin.title).unwrap_or_else(|| "unnamed document".to_owned());
        let extract = chunk.content.map(|text| Extract { text, pages });
        match sources.iter_mut().find(|source| source.id == id && source.name == name) {
            Some(source) => source.extracts.extend(extract),
            None => sources.push(Source { id, name, extracts: extract.into_iter().collect() }),
        }
    }
    sources
}

impl LightonAsk {
    /// A client; nothing is sent yet. Clients of one process share one `transport`.
    pub fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        let endpoint =
            Endpoint::new(PROVIDER, &config.base_url, &config.api_key, KeyHeader::Bearer, transport)?;
        Ok(Self { endpoint, model: config.model })
    }

    async fn ask(&self, request: &SearchRequest, cx: &CallContext) -> Result<SearchAnswer, ProviderError> {
        check_scope(request)?;
        if request.query.chars().count() > ASK_QUERY_CHARS_MAX {
            let message = format!("a question may have {ASK_QUERY_CHARS_MAX} characters");
            return Err(ProviderError::TooLong { provider: PROVIDER, message });
        }
        let body = Body {
            query: &request.query,
            workspace_id: request.workspace_ids.as_deref(),
            file_id: request.file_ids.as_deref(),
            mode: request.vision.then_some("vision"),
            model: self.model.as_deref(),
        };
        let http = self.endpoint.post("/api/v3/ask", &body)?;
        let patience = Patience::of(SEARCH_REQUEST_TIMEOUT);
        let answer = self.endpoint.json::<Reply>(&http, patience, &request.query, cx).await?;
        Ok(SearchAnswer {
            answer: answer.value.answer,
            sources: bounded(by_document(answer.value.results.unwrap_or_default()).into_iter()),
            usage: TokenUsage::default(),
            requests: answer.requests,
            request_id: answer.request_id,
        })
    }
}

impl DocumentSearch for LightonAsk {
    fn search<'a>(
        &'a self,
        request: &'a SearchRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>> {
        self.ask(request, cx).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}
