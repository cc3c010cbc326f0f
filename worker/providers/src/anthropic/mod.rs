//! Anthropic's Messages API as of version 2026-10-21.
//!
//! What must not be here, because current models answer it with 400: sampling parameters, forced `tool_choice`,
//! an assistant prefill, disabled thinking. Content is selected by `type`, never by position: thinking comes first.
//! A refusal is HTTP 200.

mod sse;
mod stream;
mod wire;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use self::wire::{CacheControl, Message, MessagesBody, OutputConfig, OutputFormat, TextBlock, Turn};
use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::context::{CallContext, TokenUsage};
use crate::error::{ConfigError, ProviderError};
use crate::format::OutputSchema;
use crate::http::{Answer, Endpoint, KeyHeader, Patience, Transport};
use crate::limits::{
    MODEL_REQUEST_TIMEOUT, OUTPUT_TOKENS_MAX, PAUSED_TURNS_MAX, STREAM_TIMEOUT, UNSTREAMED_OUTPUT_TOKENS_MAX,
};

/// The name of this provider.
pub const PROVIDER: &str = "anthropic";

/// The newest version of the API this client was written for.
pub const API_VERSION: &str = "2026-10-21";

/// How hard a model thinks, for the models that let one say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the provider's own scale")]
pub enum Effort {
    Low,
    Medium,
    High,
    Max,
}

/// What a client is built from.
#[derive(Debug, Clone)]
pub struct AnthropicConfig {
    /// `https://api.anthropic.com`, or a gateway that speaks the same.
    pub base_url: Url,
    /// Sent as `x-api-key`.
    pub api_key: SecretString,
    /// Such as `claude-opus-5-5`. Models are retired within a year: always configuration.
    pub model: String,
    /// Sent as `anthropic-version`; [`API_VERSION`] unless a gateway is older.
    pub api_version: String,
    /// `None` leaves it to the model.
    pub effort: Option<Effort>,
}

/// One model behind the Messages API.
#[derive(Debug, Clone)]
pub struct AnthropicClient {
    endpoint: Endpoint,
    model: String,
    effort: Option<Effort>,
}

/// How one request ended, as far as the conversation is concerned.
enum Exchange {
    Done { text: String, model: String, request_id: Option<String> },
    Truncated,
}

/// What a call has cost so far.
#[derive(Default)]
struct Cost {
    usage: TokenUsage,
    requests: u32,
}

impl AnthropicClient {
    /// A client; nothing is sent yet. Clients of one process share one `transport`.
    pub fn new(config: AnthropicConfig, transport: Transport) -> Result<Self, ConfigError> {
        let mut endpoint =
            Endpoint::new(PROVIDER, &config.base_url, &config.api_key, KeyHeader::ApiKey, transport)?;
        endpoint.add_header("anthropic-version", &config.api_version, "API version")?;
        Ok(Self { endpoint, model: config.model, effort: config.effort })
    }

    async fn ask(&self, request: &ChatRequest, cx: &CallContext) -> Result<ChatReply, ProviderError> {
        let mut cost = Cost::default();
        let mut max_tokens = request.max_tokens.min(OUTPUT_TOKENS_MAX);
        let mut last = false;
        loop {
            match self.exchange(request, max_tokens, cx, &mut cost).await? {
                Exchange::Done { text, model, request_id } => {
                    let Cost { usage, requests } = cost;
                    return Ok(ChatReply { text, usage, requests, request_id, model });
                }
                Exchange::Truncated if last || max_tokens >= OUTPUT_TOKENS_MAX => {
                    return Err(ProviderError::Truncated { provider: PROVIDER });
                }
                Exchange::Truncated => {
                    max_tokens = max_tokens.saturating_mul(2).min(OUTPUT_TOKENS_MAX);
                    last = true;
                }
            }
        }
    }

    /// One conversation of ours: a prompt, and continuations while the provider pauses its turn.
    async fn exchange(
        &self,
        request: &ChatRequest,
        max_tokens: u32,
        cx: &CallContext,
        cost: &mut Cost,
    ) -> Result<Exchange, ProviderError> {
        let mut turns = vec![Turn { role: "user", content: Value::String(request.user.clone()) }];
        let mut text = String::new();
        for _ in 0..=PAUSED_TURNS_MAX {
            let answer = self.send(request, max_tokens, &turns, cx).await?;
            cost.requests = cost.requests.saturating_add(answer.requests);
            cost.usage.add(answer.value.usage.tokens());
            let message = answer.value;
            match message.stop_reason.as_deref() {
                Some("end_turn" | "stop_sequence") => {
                    text.push_str(&message.text());
                    if text.is_empty() {
                        return Err(ProviderError::malformed(PROVIDER, "it holds no text"));
                    }
                    let text = request.format.unwrap_schema(text);
                    let text = text.map_err(|reason| ProviderError::malformed(PROVIDER, reason))?;
                    return Ok(Exchange::Done { text, model: message.model, request_id: answer.request_id });
                }
                Some("max_tokens") => return Ok(Exchange::Truncated),
                Some("pause_turn") => {
                    text.push_str(&message.text());
                    turns.push(Turn { role: "assistant", content: Value::Array(message.content) });
                }
                reason => return Err(unusable(reason, &message)),
            }
        }
        Err(ProviderError::malformed(PROVIDER, "the model paused its turn again and again"))
    }

    async fn send(
        &self,
        request: &ChatRequest,
        max_tokens: u32,
        turns: &[Turn],
        cx: &CallContext,
    ) -> Result<Answer<Message>, ProviderError> {
        let stream = max_tokens > UNSTREAMED_OUTPUT_TOKENS_MAX;
        let schema = request.format.schema();
        let body = MessagesBody {
            model: &self.model,
            max_tokens,
            system: request
                .system
                .iter()
                .map(|block| TextBlock {
                    kind: "text",
                    text: &block.text,
                    cache_control: block.cache.then_some(CacheControl { kind: "ephemeral" }),
                })
                .collect(),
            messages: turns,
            output_config: output_config(self.effort, schema.as_ref()),
            stream: stream.then_some(true),
        };
        let http = self.endpoint.post("/v1/messages", &body)?;
        let meter = cx.meter.clone();
        if stream {
            let patience = Patience { first: MODEL_REQUEST_TIMEOUT, whole: STREAM_TIMEOUT };
            let read = move |response| stream::read(response, meter.clone()).boxed();
            return self.endpoint.send(&http, patience, &request.user, cx, read).await;
        }
        let patience = Patience::of(MODEL_REQUEST_TIMEOUT);
        let answer = self.endpoint.json::<Message>(&http, patience, &request.user, cx).await?;
        meter.add_usage(answer.value.usage.tokens());
        Ok(answer)
    }
}

fn output_config(effort: Option<Effort>, schema: Option<&OutputSchema>) -> Option<OutputConfig<'_>> {
    let format = schema.map(|schema| OutputFormat { kind: "json_schema", schema });
    (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format })
}

/// The stop reasons that end a call without an answer.
fn unusable(reason: Option<&str>, message: &Message) -> ProviderError {
    match reason {
        Some("refusal") => {
            let details = message.stop_details.as_ref();
            ProviderError::refused(PROVIDER, details.and_then(|details| details.explanation.as_deref()))
        }
        Some("model_context_window_exceeded") => ProviderError::TooLong {
            provider: PROVIDER,
            message: "the model's context window is full".to_owned(),
        },
        Some("tool_use") => {
            ProviderError::malformed(PROVIDER, "the model called a tool that it was not given")
        }
        Some(_) => ProviderError::malformed(PROVIDER, "it ended for a reason that is not known"),
        None => ProviderError::malformed(PROVIDER, "it does not say why it ended"),
    }
}

impl ChatModel for AnthropicClient {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        self.ask(request, cx).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn model(&self) -> &str {
        &self.model
    }
}
