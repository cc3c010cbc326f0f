//! Chat completions as OpenAI first shaped them and others speak them: LightOn's own models, vLLM, Ollama. Servers
//! differ in how they constrain a reply, so that is configuration.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::context::{CallContext, TokenUsage};
use crate::error::{ConfigError, ProviderError};
use crate::format::{OutputSchema, ReplyFormat};
use crate::http::{Endpoint, KeyHeader, Patience, Transport};
use crate::limits::{MODEL_REQUEST_TIMEOUT, OUTPUT_TOKENS_MAX};

/// The name of this provider.
pub const PROVIDER: &str = "openai_compatible";

/// How a server is told the form of a reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Constraint {
    /// `response_format: {type: json_schema}`: OpenAI, Ollama, recent vLLM.
    #[default]
    ResponseFormat,
    /// `guided_json`, `guided_choice`, `guided_regex`: LightOn, vLLM.
    Guided,
}

/// What a client is built from.
#[derive(Debug, Clone)]
pub struct OpenAiCompatibleConfig {
    /// Up to and including the version, such as `http://127.0.0.1:11434/v1` or `https://paradigm.lighton.ai/api/v2`.
    pub base_url: Url,
    /// Sent as a bearer token; empty for servers that want none.
    pub api_key: SecretString,
    /// The model's name on that server.
    pub model: String,
    /// How replies are constrained there.
    pub constraint: Constraint,
}

/// One model behind a server of this kind.
#[derive(Debug, Clone)]
pub struct OpenAiCompatible {
    endpoint: Endpoint,
    model: String,
    constraint: Constraint,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guided_json: Option<OutputSchema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guided_choice: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guided_regex: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: NamedSchema,
}

#[derive(Debug, Serialize)]
struct NamedSchema {
    name: &'static str,
    strict: bool,
    schema: OutputSchema,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Deserialize)]
struct Completion {
    #[serde(default)]
    model: Option<String>,
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Said,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Usage {
    #[serde(default, rename = "prompt_tokens")]
    prompt: u64,
    #[serde(default, rename = "completion_tokens")]
    completion: u64,
    #[serde(default, rename = "prompt_tokens_details")]
    details: Option<PromptDetails>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

impl Usage {
    fn tokens(self) -> TokenUsage {
        let cached = self.details.and_then(|details| details.cached_tokens).unwrap_or(0);
        TokenUsage {
            input_tokens: self.prompt.saturating_sub(cached),
            output_tokens: self.completion,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: cached,
        }
    }
}

impl OpenAiCompatible {
    /// A client; nothing is sent yet. Clients of one server share one `transport`.
    pub fn new(config: OpenAiCompatibleConfig, transport: Transport) -> Result<Self, ConfigError> {
        let endpoint =
            Endpoint::new(PROVIDER, &config.base_url, &config.api_key, KeyHeader::Bearer, transport)?;
        Ok(Self { endpoint, model: config.model, constraint: config.constraint })
    }

    async fn ask(&self, request: &ChatRequest, cx: &CallContext) -> Result<ChatReply, ProviderError> {
        let mut usage = TokenUsage::default();
        let mut requests = 0_u32;
        let mut max_tokens = request.max_tokens.min(OUTPUT_TOKENS_MAX);
        let mut last = false;
        loop {
            let http = self.endpoint.post("chat/completions", &self.body(request, max_tokens))?;
            let patience = Patience::of(MODEL_REQUEST_TIMEOUT);
            let answer = self.endpoint.json::<Completion>(&http, patience, &request.user, cx).await?;
            let completion = answer.value;
            let tokens = completion.usage.unwrap_or_default().tokens();
            cx.meter.add_usage(tokens);
            usage.add(tokens);
            requests = requests.saturating_add(answer.requests);
            let model = completion.model.unwrap_or_else(|| self.model.clone());
            let said = completion.choices.into_iter().next();
            match self.read(said, &request.format)? {
                Some(text) => {
                    return Ok(ChatReply { text, usage, requests, request_id: answer.request_id, model });
                }
                None if last || max_tokens >= OUTPUT_TOKENS_MAX => {
                    return Err(ProviderError::Truncated { provider: PROVIDER });
                }
                None => {
                    max_tokens = max_tokens.saturating_mul(2).min(OUTPUT_TOKENS_MAX);
                    last = true;
                }
            }
        }
    }

    fn body<'a>(&'a self, request: &'a ChatRequest, max_tokens: u32) -> Body<'a> {
        let system = request.system.iter().map(|block| Message { role: "system", content: &block.text });
        let user = Message { role: "user", content: &request.user };
        let mut body = Body {
            model: &self.model,
            messages: system.chain([user]).collect(),
            max_tokens,
            response_format: None,
            guided_json: None,
            guided_choice: None,
            guided_regex: None,
        };
        match (self.constraint, &request.format) {
            (Constraint::ResponseFormat, format) => {
                body.response_format = format.schema().map(|schema| ResponseFormat {
                    kind: "json_schema",
                    json_schema: NamedSchema { name: "reply", strict: true, schema },
                });
            }
            (Constraint::Guided, ReplyFormat::Text) => {}
            (Constraint::Guided, ReplyFormat::Json(schema)) => body.guided_json = Some(schema.clone()),
            (Constraint::Guided, ReplyFormat::Choice(choices)) => body.guided_choice = Some(choices),
            (Constraint::Guided, ReplyFormat::Pattern(pattern)) => body.guided_regex = Some(pattern.as_str()),
        }
        body
    }

    /// The text of a choice; `None` when it was cut off.
    fn read(&self, choice: Option<Choice>, format: &ReplyFormat) -> Result<Option<String>, ProviderError> {
        let choice = choice.ok_or_else(|| ProviderError::malformed(PROVIDER, "it holds no choice"))?;
        if let Some(refusal) = &choice.message.refusal {
            return Err(ProviderError::refused(PROVIDER, Some(refusal)));
        }
        match choice.finish_reason.as_deref() {
            Some("stop") => {}
            Some("length") => return Ok(None),
            Some("content_filter") => return Err(ProviderError::refused(PROVIDER, None)),
            Some("tool_calls" | "function_call") => {
                return Err(ProviderError::malformed(
                    PROVIDER,
                    "the model called a tool that it was not given",
                ));
            }
            Some(_) => {
                return Err(ProviderError::malformed(PROVIDER, "it ended for a reason that is not known"));
            }
            None => return Err(ProviderError::malformed(PROVIDER, "it does not say why it ended")),
        }
        let text = choice.message.content.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| ProviderError::malformed(PROVIDER, "it holds no text"))?;
        let text = match self.constraint {
            Constraint::ResponseFormat => format.unwrap_schema(text),
            Constraint::Guided => format.check(text),
        };
        text.map(Some).map_err(|reason| ProviderError::malformed(PROVIDER, reason))
    }
}

impl ChatModel for OpenAiCompatible {
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
