//! Document search: what is asked, what comes back, and the trait its providers implement.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::context::{CallContext, TokenUsage};
use crate::error::ProviderError;

/// One question to the documents. The scope is what the host allows, never only what a program asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// The question.
    pub query: String,
    /// Only these workspaces; `None` leaves it to the provider. An empty list finds nothing, and is not sent.
    pub workspace_ids: Option<Vec<i64>>,
    /// Only these files; as above.
    pub file_ids: Option<Vec<i64>>,
    /// Look at pages as images rather than at their text.
    pub vision: bool,
}

impl SearchRequest {
    /// A question without restriction of its own.
    pub fn new(query: impl Into<String>) -> Self {
        Self { query: query.into(), ..Self::default() }
    }
}

/// A passage the answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// Its text, shortened.
    pub text: String,
    /// Where in the document, as the provider words it.
    pub pages: Option<String>,
}

/// A document the answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The provider's id of the document.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// The passages used, best first.
    pub extracts: Vec<Extract>,
}

/// An answer with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchAnswer {
    /// The answer; may be empty when nothing was found.
    pub answer: String,
    /// The documents, best first.
    pub sources: Vec<Source>,
    /// Tokens, where the provider tells.
    pub usage: TokenUsage,
    /// HTTP requests of this call.
    pub requests: u32,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
}

/// A provider of document search.
pub trait DocumentSearch: Send + Sync {
    /// Asks and waits for the answer, at most until the deadline of `cx`.
    fn search<'a>(
        &'a self,
        request: &'a SearchRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>>;

    /// The provider, as in `"provider"` of the public API.
    fn provider(&self) -> &'static str;
}

impl<S: DocumentSearch + ?Sized> DocumentSearch for std::sync::Arc<S> {
    fn search<'a>(
        &'a self,
        request: &'a SearchRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>> {
        (**self).search(request, cx)
    }

    fn provider(&self) -> &'static str {
        (**self).provider()
    }
}
