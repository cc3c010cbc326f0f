//! A model that answers one prompt: what is asked, what comes back, and the trait its providers implement.

use futures_util::future::BoxFuture;

use crate::context::{CallContext, TokenUsage};
use crate::error::ProviderError;
use crate::format::ReplyFormat;

/// A part of the system prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemBlock {
    /// The text.
    pub text: String,
    /// Everything up to and including this block is the same in every call and worth caching.
    pub cache: bool,
}

/// One prompt.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// The system prompt, stable parts first.
    pub system: Vec<SystemBlock>,
    /// What is asked.
    pub user: String,
    /// The form of the reply.
    pub format: ReplyFormat,
    /// Most output tokens, thinking included; a truncated reply is asked again with twice as many.
    pub max_tokens: u32,
}

impl ChatRequest {
    /// A plain prompt with a plain answer.
    pub fn text(user: impl Into<String>, max_tokens: u32) -> Self {
        Self { system: Vec::new(), user: user.into(), format: ReplyFormat::Text, max_tokens }
    }
}

/// A complete answer. Partial ones are errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatReply {
    /// What the model said, without its thinking.
    pub text: String,
    /// Tokens of this call, repeated requests included.
    pub usage: TokenUsage,
    /// HTTP requests of this call.
    pub requests: u32,
    /// The provider's id of the last request, for its support.
    pub request_id: Option<String>,
    /// The model that answered, as the provider names it.
    pub model: String,
}

/// A model that answers prompts.
pub trait ChatModel: Send + Sync {
    /// Asks and waits for the whole answer, at most until the deadline of `cx`.
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>>;

    /// The provider, as in `"provider"` of the public API.
    fn provider(&self) -> &'static str;

    /// The configured model.
    fn model(&self) -> &str;
}

impl<M: ChatModel + ?Sized> ChatModel for std::sync::Arc<M> {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        (**self).complete(request, cx)
    }

    fn provider(&self) -> &'static str {
        (**self).provider()
    }

    fn model(&self) -> &str {
        (**self).model()
    }
}
