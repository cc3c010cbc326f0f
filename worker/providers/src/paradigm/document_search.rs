//! `POST /api/v2/chat/document-search`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PROVIDER, ParadigmConfig, bounded, check_scope, plain};
use crate::context::{CallContext, TokenUsage};
use crate::error::{ConfigError, ProviderError};
use crate::http::{Endpoint, KeyHeader, Patience, Transport};
use crate::limits::SEARCH_REQUEST_TIMEOUT;
use crate::search::{DocumentSearch, Extract, SearchAnswer, SearchRequest, Source};

/// Document search of an installation, version 2 of its API.
#[derive(Debug, Clone)]
pub struct ParadigmV2 {
    endpoint: Endpoint,
    model: Option<String>,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
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
struct Reply {
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

impl ParadigmV2 {
    /// A client; nothing is sent yet. Clients of one process share one `transport`.
    pub fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        let endpoint =
            Endpoint::new(PROVIDER, &config.base_url, &config.api_key, KeyHeader::Bearer, transport)?;
        Ok(Self { endpoint, model: config.model })
    }

    async fn ask(&self, request: &SearchRequest, cx: &CallContext) -> Result<SearchAnswer, ProviderError> {
        check_scope(request)?;
        let body = Body {
            query: &request.query,
            workspace_ids: request.workspace_ids.as_deref(),
            file_ids: request.file_ids.as_deref(),
            model: self.model.as_deref(),
            tool: request.vision.then_some("VisionDocumentSearch"),
        };
        let http = self.endpoint.post("/api/v2/chat/document-search", &body)?;
        let patience = Patience::of(SEARCH_REQUEST_TIMEOUT);
        let answer = self.endpoint.json::<Reply>(&http, patience, &request.query, cx).await?;
        let documents = answer.value.documents.unwrap_or_default();
        Ok(SearchAnswer {
            answer: answer.value.answer,
            sources: bounded(documents.into_iter().map(Document::source)),
            usage: TokenUsage::default(),
            requests: answer.requests,
            request_id: answer.request_id,
        })
    }
}

impl DocumentSearch for ParadigmV2 {
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
