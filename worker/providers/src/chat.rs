//! A model that answers one prompt: what is asked, what comes back, and the trait its providers implement.

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::context::{CallContext, TokenUsage};
use crate::error::ProviderError;

/// A part of the system prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemBlock {
    /// The text.
    pub text: String,
    /// Everything up to and including this block is the same in every call and worth caching.
    pub cache: bool,
}

/// A JSON schema a reply has to follow. Kept as text: the order of its properties is the order in which the model
/// writes them, and a plan written before the code is a better plan.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct OutputSchema(Box<RawValue>);

impl OutputSchema {
    /// A schema from its JSON text.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// The schema as a value (properties in no particular order).
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.0.get()).unwrap_or(Value::Null)
    }
}

impl TryFrom<&Value> for OutputSchema {
    type Error = serde_json::Error;

    fn try_from(value: &Value) -> Result<Self, Self::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }
}

/// The form a reply has to have. The provider enforces it where it can, and the client checks it where it can.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum ReplyFormat {
    /// Any text.
    #[default]
    Text,
    /// JSON that follows a schema.
    Json(OutputSchema),
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
