//! `POST /api/v2/chat/document-search`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plain;
use super::search::Dialect;
use crate::error::ProviderError;
use crate::search::{Extract, SearchRequest, Source};

/// Version 2 of an installation's document search.
#[derive(Debug, Clone, Copy)]
pub struct V2;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_ids: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_ids: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'static str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    answer: String,
    #[serde(default)]
    documents: Option<Vec<Document>>,
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "document_extracts")]
    extracts: Option<Vec<DocumentExtract>>,
}

#[derive(Debug, Deserialize)]
struct DocumentExtract {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    metadata: Value,
}

impl Document {
    fn source(self) -> Source {
        let extracts = self.extracts.unwrap_or_default().into_iter().filter_map(|extract| {
            Some(Extract { text: extract.text?, pages: plain(&extract.metadata["pages"]) })
        });
        Source {
            id: plain(&self.id),
            name: self.name.unwrap_or_else(|| "unnamed document".to_owned()),
            extracts: extracts.collect(),
        }
    }
}

impl Dialect for V2 {
    const PATH: &'static str = "/api/v2/chat/document-search";
    type Body<'a> = Body<'a>;
    type Reply = Reply;

    fn body<'a>(request: &'a SearchRequest, model: Option<&'a str>) -> Result<Body<'a>, ProviderError> {
        Ok(Body {
            query: &request.query,
            workspace_ids: request.workspace_ids.as_deref(),
            file_ids: request.file_ids.as_deref(),
            model,
            tool: request.vision.then_some("VisionDocumentSearch"),
        })
    }

    fn read(reply: Reply) -> (String, Vec<Source>) {
        let documents = reply.documents.unwrap_or_default();
        (reply.answer, documents.into_iter().map(Document::source).collect())
    }
}
