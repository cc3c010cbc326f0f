//! Record and replay of what is asked of providers, one JSON object a line, for tests and bug reports.
//!
//! Recorded is what the traits see: requests and answers, never headers, addresses or keys. The secrets a process
//! knows are blanked out in each line all the same, because texts may quote them. A replay is strict: a request that
//! was not recorded is an error which names the fields that differ, never their content.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::context::{CallContext, Spent, TokenUsage};
use crate::error::ProviderError;
use crate::format::ReplyFormat;
use crate::search::{DocumentSearch, SearchAnswer, SearchRequest, Source};

/// The name of a provider that answers from a recording.
pub const PROVIDER: &str = "replay";

/// Stands for a secret in a recording.
const BLANK: &str = "[secret]";

/// Shorter secrets are not blanked out: they would be found in any text.
const SECRET_BYTES_MIN: usize = 8;

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Names the request: a digest of its kind and content.
    pub key: String,
    /// `chat` or `search`.
    pub kind: String,
    /// Who answered.
    pub provider: String,
    /// The model, for a chat.
    pub model: Option<String>,
    /// What was asked.
    pub request: Value,
    /// What came back.
    pub answer: Answer,
    /// When, RFC 3339.
    pub recorded_at: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A reply.
    Ok {
        /// Its text.
        text: String,
        /// Documents it rests on.
        #[serde(default)]
        sources: Vec<Source>,
        /// Tokens.
        usage: TokenUsage,
    },
    /// A failure.
    Failed(Failure),
}

/// A failure, without the name of who failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "error")]
#[expect(missing_docs, reason = "the variants and fields of ProviderError, explained there")]
pub enum Failure {
    RateLimited { retry_after_ms: u64 },
    Unavailable { reason: String, retry_after_ms: Option<u64> },
    Timeout,
    Rejected { status: u16, message: String },
    TooLong { message: String },
    Refused { explanation: String },
    Truncated,
    Malformed { reason: String },
    Unauthorized { status: u16 },
}

/// The file that exchanges are appended to. Clones share it.
#[derive(Debug, Clone)]
pub struct Recording {
    file: Arc<Mutex<File>>,
    secrets: Arc<[SecretString]>,
}

impl Recording {
    /// Opens or makes the file, readable by its owner only; these secrets never get into it.
    pub fn append_to(path: &Path, secrets: impl IntoIterator<Item = SecretString>) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Self { file: Arc::new(Mutex::new(file)), secrets: secrets.into_iter().collect() })
    }

    fn write(&self, exchange: &Exchange) {
        let Ok(mut line) = serde_json::to_string(exchange) else { return };
        for secret in self.secrets.iter().map(ExposeSecret::expose_secret) {
            // As it stands in JSON, where a quote or a backslash in it is escaped.
            let escaped = json!(secret).to_string();
            for form in [secret, escaped.trim_matches('"')] {
                if form.len() >= SECRET_BYTES_MIN {
                    line = line.replace(form, BLANK);
                }
            }
        }
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "A provider's answer was not recorded.");
        }
    }
}

/// A provider whose traffic is recorded.
#[derive(Debug, Clone)]
pub struct Recorded<P> {
    inner: P,
    recording: Recording,
}

impl<P> Recorded<P> {
    /// Records what is asked of `inner`.
    pub fn new(inner: P, recording: Recording) -> Self {
        Self { inner, recording }
    }
}

impl<M: ChatModel> ChatModel for Recorded<M> {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        async move {
            let answer = self.inner.complete(request, cx).await;
            let kept = answer.as_ref().map(|reply| (reply.text.clone(), Vec::new(), reply.usage));
            let model = Some(self.inner.model().to_owned());
            self.recording.write(&exchange("chat", self.inner.provider(), model, chat_json(request), kept));
            answer
        }
        .boxed()
    }

    fn provider(&self) -> &'static str {
        self.inner.provider()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }
}

impl<S: DocumentSearch> DocumentSearch for Recorded<S> {
    fn search<'a>(
        &'a self,
        request: &'a SearchRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>> {
        async move {
            let answer = self.inner.search(request, cx).await;
            let kept =
                answer.as_ref().map(|found| (found.answer.clone(), found.sources.clone(), found.usage));
            self.recording.write(&exchange(
                "search",
                self.inner.provider(),
                None,
                search_json(request),
                kept,
            ));
            answer
        }
        .boxed()
    }

    fn provider(&self) -> &'static str {
        self.inner.provider()
    }
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file does not read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is not an exchange.
    #[error("line {0} of the recording is not an exchange")]
    Line(usize),
}

/// A provider that answers from a recording: the same request gets the same answers in the same order, the last one
/// again and again. It spends what was spent.
#[derive(Debug, Clone)]
pub struct Replay {
    exchanges: Arc<Mutex<HashMap<String, VecDeque<Exchange>>>>,
    model: String,
}

impl Replay {
    /// Reads a recording.
    pub fn from_file(path: &Path) -> Result<Self, ReplayError> {
        let mut exchanges: HashMap<String, VecDeque<Exchange>> = HashMap::new();
        let mut model = None;
        for (index, line) in BufReader::new(File::open(path)?).lines().enumerate() {
            let exchange: Exchange =
                serde_json::from_str(&line?).map_err(|_| ReplayError::Line(index + 1))?;
            model = model.or_else(|| exchange.model.clone());
            exchanges.entry(exchange.key.clone()).or_default().push_back(exchange);
        }
        let exchanges = Arc::new(Mutex::new(exchanges));
        Ok(Self { exchanges, model: model.unwrap_or_else(|| PROVIDER.to_owned()) })
    }

    fn answer(&self, kind: &str, request: &Value, cx: &CallContext) -> Result<Exchange, ProviderError> {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(recorded) = exchanges.get_mut(&key(kind, request)) else {
            let reason = nearest(exchanges.values().flatten(), kind, request);
            return Err(ProviderError::malformed(PROVIDER, reason));
        };
        let exchange = if recorded.len() > 1 { recorded.pop_front() } else { recorded.front().cloned() };
        let exchange = exchange.ok_or_else(|| ProviderError::malformed(PROVIDER, "nothing was recorded"))?;
        match &exchange.answer {
            Answer::Ok { usage, .. } => {
                cx.meter.add(Spent { usage: *usage, requests: 1 });
                Ok(exchange)
            }
            Answer::Failed(failure) => Err(failure.clone().into()),
        }
    }
}

impl ChatModel for Replay {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        let found = self.answer("chat", &chat_json(request), cx).map(|exchange| {
            let Answer::Ok { text, usage, .. } = exchange.answer else { unreachable!("failures are errors") };
            let model = exchange.model.unwrap_or_else(|| self.model.clone());
            ChatReply { text, usage, requests: 1, request_id: None, model }
        });
        std::future::ready(found).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn model(&self) -> &str {
        &self.model
    }
}

impl DocumentSearch for Replay {
    fn search<'a>(
        &'a self,
        request: &'a SearchRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>> {
        let found = self.answer("search", &search_json(request), cx).map(|exchange| {
            let Answer::Ok { text, sources, usage } = exchange.answer else {
                unreachable!("failures are errors")
            };
            SearchAnswer { answer: text, sources, usage, requests: 1, request_id: None }
        });
        std::future::ready(found).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}

fn exchange(
    kind: &str,
    provider: &str,
    model: Option<String>,
    request: Value,
    answer: Result<(String, Vec<Source>, TokenUsage), &ProviderError>,
) -> Exchange {
    Exchange {
        key: key(kind, &request),
        kind: kind.to_owned(),
        provider: provider.to_owned(),
        model,
        request,
        answer: match answer {
            Ok((text, sources, usage)) => Answer::Ok { text, sources, usage },
            Err(error) => Answer::Failed(Failure::from(error)),
        },
        recorded_at: jiff::Timestamp::now().to_string(),
    }
}

/// The model is not part of a request: a recording made with one answers for another.
fn chat_json(request: &ChatRequest) -> Value {
    let system: Vec<&str> = request.system.iter().map(|block| block.text.as_str()).collect();
    let format = match &request.format {
        ReplyFormat::Text => json!("text"),
        other => json!(format!("{other:?}")),
    };
    json!({ "system": system, "user": request.user, "format": format, "max_tokens": request.max_tokens })
}

fn search_json(request: &SearchRequest) -> Value {
    let SearchRequest { query, workspace_ids, file_ids, vision } = request;
    json!({ "query": query, "workspace_ids": workspace_ids, "file_ids": file_ids, "vision": vision })
}

/// Keys of JSON objects are sorted here, so equal requests are equal texts.
fn key(kind: &str, request: &Value) -> String {
    format!("{:x}", Sha256::digest(format!("{kind}\n{request}")))
}

/// In which fields the recorded request that is most like this one differs.
fn nearest<'a>(recorded: impl Iterator<Item = &'a Exchange>, kind: &str, request: &Value) -> String {
    let fields = request.as_object().cloned().unwrap_or_default();
    let differing = |exchange: &Exchange| -> Vec<String> {
        let differs =
            fields.iter().filter(|(name, value)| exchange.request.get(name.as_str()) != Some(value));
        differs.map(|(name, _)| name.clone()).collect()
    };
    let best = recorded.filter(|exchange| exchange.kind == kind).map(differing).min_by_key(Vec::len);
    best.map_or_else(
        || format!("no {kind} was recorded"),
        |fields| format!("this {kind} was not recorded; the nearest one differs in {}", fields.join(", ")),
    )
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<&ProviderError> for Failure {
    fn from(error: &ProviderError) -> Self {
        match error.clone() {
            ProviderError::RateLimited { retry_after, .. } => {
                Self::RateLimited { retry_after_ms: ms(retry_after) }
            }
            ProviderError::Unavailable { reason, retry_after, .. } => {
                Self::Unavailable { reason, retry_after_ms: retry_after.map(ms) }
            }
            ProviderError::Timeout { .. } => Self::Timeout,
            ProviderError::Rejected { status, message, .. } => Self::Rejected { status, message },
            ProviderError::TooLong { message, .. } => Self::TooLong { message },
            ProviderError::Refused { explanation, .. } => Self::Refused { explanation },
            ProviderError::Truncated { .. } => Self::Truncated,
            ProviderError::Malformed { reason, .. } => Self::Malformed { reason },
            ProviderError::Unauthorized { status, .. } => Self::Unauthorized { status },
        }
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        let provider = PROVIDER;
        match failure {
            Failure::RateLimited { retry_after_ms } => {
                Self::RateLimited { provider, retry_after: Duration::from_millis(retry_after_ms) }
            }
            Failure::Unavailable { reason, retry_after_ms } => {
                let retry_after = retry_after_ms.map(Duration::from_millis);
                Self::Unavailable { provider, reason, retry_after }
            }
            Failure::Timeout => Self::Timeout { provider },
            Failure::Rejected { status, message } => Self::Rejected { provider, status, message },
            Failure::TooLong { message } => Self::TooLong { provider, message },
            Failure::Refused { explanation } => Self::Refused { provider, explanation },
            Failure::Truncated => Self::Truncated { provider },
            Failure::Malformed { reason } => Self::Malformed { provider, reason },
            Failure::Unauthorized { status } => Self::Unauthorized { provider, status },
        }
    }
}
