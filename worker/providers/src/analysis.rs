//! Document analysis: a question that needs whole documents read, and the trait its providers implement.

use futures_util::future::BoxFuture;

use crate::context::CallContext;
use crate::error::ProviderError;

/// A question to whole documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisRequest {
    /// The question.
    pub query: String,
    /// The documents; at least one. What the host allows, never only what a program asked for.
    pub document_ids: Vec<i64>,
}

/// How far an analysis is, in the provider's words.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisProgress {
    /// Such as `processing`.
    pub status: String,
    /// As the provider counts.
    pub progress: Option<f64>,
    /// Such as the reduction it is in.
    pub phase: Option<String>,
}

/// A finished analysis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisAnswer {
    /// The answer.
    pub answer: String,
    /// HTTP requests of this call, polls included.
    pub requests: u32,
    /// The provider's id of the last request, for its support.
    pub request_id: Option<String>,
}

/// Hears how far an analysis is.
pub type OnProgress<'a> = &'a (dyn Fn(AnalysisProgress) + Send + Sync);

/// A provider of document analysis.
pub trait DocumentAnalysis: Send + Sync {
    /// Starts an analysis and waits for its end, at most until the deadline of `cx`.
    fn analyze<'a>(
        &'a self,
        request: &'a AnalysisRequest,
        progress: OnProgress<'a>,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<AnalysisAnswer, ProviderError>>;

    /// The provider, as in `"provider"` of the public API.
    fn provider(&self) -> &'static str;
}
