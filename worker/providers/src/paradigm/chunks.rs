//! Passages rather than answers: `POST /api/v2/query` finds them, `POST /api/v2/filter/chunks` keeps those of a set
//! that are about a question.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PROVIDER, Paradigm, ParadigmConfig, plain};
use crate::context::CallContext;
use crate::error::{ConfigError, ProviderError};
use crate::http::Transport;
use crate::limits::{CHUNKS_MAX, EXTRACT_CHARS_MAX};

/// A passage of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The provider's id of it.
    pub id: String,
    /// Its text, shortened.
    pub text: String,
    /// How well it fits the question, where one was asked.
    pub score: Option<f64>,
}

/// The passages of an installation.
#[derive(Debug, Clone)]
pub struct ParadigmChunks(Paradigm);

#[derive(Debug, Serialize)]
struct QueryBody<'a> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<&'a str>,
    n: usize,
}

#[derive(Debug, Serialize)]
struct FilterBody<'a> {
    query: &'a str,
    chunk_ids: &'a [String],
    n: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

/// Some versions answer one object, some a list with one object for each query, some the bare list of passages.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum WireChunks {
    Object { chunks: Vec<WireChunk> },
    Listed(Vec<Asked>),
    Bare(Vec<WireChunk>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    chunks: Vec<WireChunk>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireChunk {
    #[serde(alias = "id", alias = "chunk_id")]
    uuid: Value,
    #[serde(alias = "content")]
    text: String,
    #[serde(default, alias = "filter_score")]
    score: Option<f64>,
}

impl WireChunks {
    pub(super) fn read(self) -> Vec<Chunk> {
        let chunks = match self {
            Self::Object { chunks } | Self::Bare(chunks) => chunks,
            Self::Listed(queries) => queries.into_iter().flat_map(|asked| asked.chunks).collect(),
        };
        let read = |chunk: WireChunk| Chunk {
            id: plain(&chunk.uuid).unwrap_or_default(),
            text: chunk.text.chars().take(EXTRACT_CHARS_MAX).collect(),
            score: chunk.score,
        };
        chunks.into_iter().take(CHUNKS_MAX).map(read).collect()
    }
}

impl ParadigmChunks {
    /// A client; nothing is sent yet. Clients of one installation share one `transport`.
    pub fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        Paradigm::new(config, transport).map(Self)
    }

    /// The `count` passages that fit a question best; `collection` narrows where.
    pub async fn query(
        &self,
        query: &str,
        collection: Option<&str>,
        count: usize,
        cx: &CallContext,
    ) -> Result<Vec<Chunk>, ProviderError> {
        let body = QueryBody { query, collection, n: count.clamp(1, CHUNKS_MAX) };
        Ok(self.0.ask::<WireChunks>("/api/v2/query", &body, query, cx).await?.value.read())
    }

    /// Those of these passages that are about a question, best first, at most `count`.
    pub async fn filter(
        &self,
        query: &str,
        chunk_ids: &[String],
        count: usize,
        cx: &CallContext,
    ) -> Result<Vec<Chunk>, ProviderError> {
        if chunk_ids.is_empty() {
            return Ok(Vec::new());
        }
        if chunk_ids.len() > CHUNKS_MAX {
            let message = format!("{CHUNKS_MAX} passages can be filtered at a time");
            return Err(ProviderError::TooLong { provider: PROVIDER, message });
        }
        let n = count.clamp(1, CHUNKS_MAX);
        let body = FilterBody { query, chunk_ids, n, model: self.0.model.as_deref() };
        Ok(self.0.ask::<WireChunks>("/api/v2/filter/chunks", &body, query, cx).await?.value.read())
    }
}
