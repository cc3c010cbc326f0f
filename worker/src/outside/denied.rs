//! A provider that a tenant has no key for: every call says so, and nothing is sent.

use futures_util::{FutureExt as _, future::BoxFuture};
use providers::{
    AnalysisAnswer, AnalysisRequest, CallContext, ChatModel, ChatReply, ChatRequest, DocumentAnalysis,
    DocumentSearch, Generation, GenerationRequest, Generator, OnProgress, ProviderError, SearchAnswer,
    SearchRequest,
};

/// The named provider, for a tenant it is not for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Denied(pub(super) &'static str);

impl Denied {
    fn refused<T: Send + 'static>(self) -> BoxFuture<'static, Result<T, ProviderError>> {
        let message = "this account has no key for it, and the operator's is not granted to it".to_owned();
        let error = ProviderError::Rejected { provider: self.0, status: 403, message };
        std::future::ready(Err(error)).boxed()
    }
}

impl DocumentSearch for Denied {
    fn search<'a>(
        &'a self,
        _: &'a SearchRequest,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>> {
        self.refused()
    }

    fn provider(&self) -> &'static str {
        self.0
    }
}

impl DocumentAnalysis for Denied {
    fn analyze<'a>(
        &'a self,
        _: &'a AnalysisRequest,
        _: OnProgress<'a>,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<AnalysisAnswer, ProviderError>> {
        self.refused()
    }

    fn provider(&self) -> &'static str {
        self.0
    }
}

impl ChatModel for Denied {
    fn complete<'a>(
        &'a self,
        _: &'a ChatRequest,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        self.refused()
    }

    fn provider(&self) -> &'static str {
        self.0
    }

    fn model(&self) -> &'static str {
        "none"
    }
}

impl Generator for Denied {
    fn generate<'a>(
        &'a self,
        _: &'a GenerationRequest,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<Generation, ProviderError>> {
        self.refused()
    }

    fn provider(&self) -> &'static str {
        self.0
    }

    fn model(&self) -> Option<&str> {
        None
    }
}
