//! `POST /api/v3/ask`: one question, one answer, with the chunks it rests on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::search::Dialect;
use super::{PROVIDER, plain};
use crate::error::ProviderError;
use crate::limits::ASK_QUERY_CHARS_MAX;
use crate::search::{Extract, SearchRequest, Source};

/// The newer platform's question answering.
#[derive(Debug, Clone, Copy)]
pub struct V3;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
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
pub(super) struct Reply {
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

impl Dialect for V3 {
    const PATH: &'static str = "/api/v3/ask";
    type Body<'a> = Body<'a>;
    type Reply = Reply;

    fn body<'a>(request: &'a SearchRequest, model: Option<&'a str>) -> Result<Body<'a>, ProviderError> {
        if request.query.chars().count() > ASK_QUERY_CHARS_MAX {
            let message = format!("a question may have {ASK_QUERY_CHARS_MAX} characters");
            return Err(ProviderError::TooLong { provider: PROVIDER, message });
        }
        Ok(Body {
            query: &request.query,
            workspace_id: request.workspace_ids.as_deref(),
            file_id: request.file_ids.as_deref(),
            mode: request.vision.then_some("vision"),
            model,
        })
    }

    fn read(reply: Reply) -> (String, Vec<Source>) {
        (reply.answer, by_document(reply.results.unwrap_or_default()))
    }
}
