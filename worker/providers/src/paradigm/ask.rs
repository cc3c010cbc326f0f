//! Version 3 of the API: `POST /api/v3/ask` answers a question and tells the chunks the answer rests on;
//! `POST /api/v3/search` gives the chunks alone, and no model is asked.
//!
//! Both take workspaces or files, never both. Neither reads pictures of pages into text: `ask` has no such mode, and
//! the chunks `search` finds that way have no content.

use offline::NOT_FOUND;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::search::Dialect;
use super::{PROVIDER, plain};
use crate::error::ProviderError;
use crate::limits::{ASK_QUERY_CHARS_MAX, PASSAGES_MAX, QUERY_CHARS_MAX};
use crate::search::{Extract, SearchRequest, Source};

/// The newer platform's question answering.
#[derive(Debug, Clone, Copy)]
pub struct V3;

/// The newer platform's passages.
#[derive(Debug, Clone, Copy)]
pub struct V3Passages;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_results: Option<usize>,
}

impl<'a> Body<'a> {
    fn new(request: &'a SearchRequest, chars_max: usize) -> Result<Self, ProviderError> {
        if request.query.chars().count() > chars_max {
            let message = format!("a question may have {chars_max} characters");
            return Err(ProviderError::TooLong { provider: PROVIDER, message });
        }
        if request.vision {
            let message = "version 3 reads no pictures of pages: leave `vision` out".to_owned();
            return Err(ProviderError::Rejected { provider: PROVIDER, status: 400, message });
        }
        // The two cannot be combined there; files are the narrower of them.
        let workspaces = request.workspace_ids.as_deref().filter(|_| request.file_ids.is_none());
        Ok(Self {
            query: &request.query,
            workspace_id: workspaces,
            file_id: request.file_ids.as_deref(),
            model: None,
            max_results: None,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    answer: String,
    #[serde(default)]
    results: Option<Vec<Chunk>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Passages {
    results: Vec<Chunk>,
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
    fn name(&self) -> Option<String> {
        self.filename.clone().or_else(|| self.title.clone())
    }

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
        let name = origin.name().unwrap_or_else(|| "unnamed document".to_owned());
        let extract = chunk.content.map(|text| Extract { text, pages });
        match sources.iter_mut().find(|source| source.id == id && source.name == name) {
            Some(source) => source.extracts.extend(extract),
            None => sources.push(Source { id, name, extracts: extract.into_iter().collect() }),
        }
    }
    sources
}

impl Dialect for V3 {
    const PATH: &'static str = "/api/v3/ask";
    type Body<'a> = Body<'a>;
    type Reply = Reply;

    fn body<'a>(request: &'a SearchRequest, model: Option<&'a str>) -> Result<Body<'a>, ProviderError> {
        Ok(Body { model, ..Body::new(request, ASK_QUERY_CHARS_MAX)? })
    }

    fn read(reply: Reply) -> (String, Vec<Source>) {
        (reply.answer, by_document(reply.results.unwrap_or_default()))
    }
}

impl Dialect for V3Passages {
    const PATH: &'static str = "/api/v3/search";
    type Body<'a> = Body<'a>;
    type Reply = Passages;

    fn body<'a>(request: &'a SearchRequest, _: Option<&'a str>) -> Result<Body<'a>, ProviderError> {
        Ok(Body { max_results: Some(PASSAGES_MAX), ..Body::new(request, QUERY_CHARS_MAX)? })
    }

    /// Each passage with the name of its document, best first.
    fn read(reply: Passages) -> (String, Vec<Source>) {
        let passage = |chunk: &Chunk| {
            let text = chunk.content.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
            let name = chunk.source.as_ref().and_then(ChunkSource::name);
            Some(name.map_or_else(|| text.to_owned(), |name| format!("{text} [{name}]")))
        };
        let passages: Vec<String> = reply.results.iter().filter_map(passage).collect();
        let text = if passages.is_empty() { NOT_FOUND.to_owned() } else { passages.join("\n\n") };
        (text, by_document(reply.results))
    }
}
