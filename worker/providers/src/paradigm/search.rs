//! Document search as both generations of the API offer it: one question, one answer, the passages it rests on. What
//! differs between them is a [`Dialect`].

use std::marker::PhantomData;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{PROVIDER, Paradigm, ParadigmConfig, bounded, check_scope};
use crate::context::{CallContext, TokenUsage};
use crate::error::{ConfigError, ProviderError};
use crate::http::Transport;
use crate::search::{DocumentSearch, SearchAnswer, SearchRequest, Source};

/// One generation of the API.
pub(super) trait Dialect: Send + Sync + 'static {
    const PATH: &'static str;
    type Body<'a>: Serialize + Send + Sync;
    type Reply: DeserializeOwned + Send + 'static;

    fn body<'a>(request: &'a SearchRequest, model: Option<&'a str>) -> Result<Self::Body<'a>, ProviderError>;
    fn read(reply: Self::Reply) -> (String, Vec<Source>);
}

/// Document search of an installation.
#[derive(Debug, Clone)]
pub struct ParadigmSearch<D> {
    paradigm: Paradigm,
    dialect: PhantomData<D>,
}

#[expect(private_bounds, reason = "the two generations are all there are")]
impl<D: Dialect> ParadigmSearch<D> {
    /// A client; nothing is sent yet. Clients of one installation share one `transport`.
    pub fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        Ok(Self { paradigm: Paradigm::new(config, transport)?, dialect: PhantomData })
    }

    async fn ask(&self, request: &SearchRequest, cx: &CallContext) -> Result<SearchAnswer, ProviderError> {
        check_scope(request)?;
        let body = D::body(request, self.paradigm.model.as_deref())?;
        let answer = self.paradigm.ask::<D::Reply>(D::PATH, &body, &request.query, cx).await?;
        let (text, sources) = D::read(answer.value);
        Ok(SearchAnswer {
            answer: text,
            sources: bounded(sources.into_iter()),
            usage: TokenUsage::default(),
            requests: answer.requests,
            request_id: answer.request_id,
        })
    }
}

impl<D: Dialect> DocumentSearch for ParadigmSearch<D> {
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
