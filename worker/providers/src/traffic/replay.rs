//! Answers from a recording.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{Answer, Asked, Exchange, Kind, PROVIDER};
use crate::analysis::{AnalysisAnswer, AnalysisRequest, DocumentAnalysis, OnProgress};
use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::context::{CallContext, Spent, TokenUsage};
use crate::error::ProviderError;
use crate::search::{DocumentSearch, SearchAnswer, SearchRequest, Source};

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

    fn answer<R: Asked>(&self, request: &R, cx: &CallContext) -> Result<Found, ProviderError> {
        let request = request.as_json();
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(recorded) = exchanges.get_mut(&R::key(&request)) else {
            let reason = nearest(exchanges.values().flatten(), R::KIND, &request);
            return Err(ProviderError::malformed(PROVIDER, reason));
        };
        let exchange = if recorded.len() > 1 { recorded.pop_front() } else { recorded.front().cloned() };
        let exchange = exchange.ok_or_else(|| ProviderError::malformed(PROVIDER, "nothing was recorded"))?;
        match exchange.answer {
            Answer::Ok { text, sources, usage } => {
                cx.meter.add(Spent { usage, requests: 1 });
                Ok(Found { text, sources, usage, model: exchange.model })
            }
            Answer::Failed(failure) => Err(failure.into()),
        }
    }
}

/// A recorded answer.
struct Found {
    text: String,
    sources: Vec<Source>,
    usage: TokenUsage,
    model: Option<String>,
}

impl ChatModel for Replay {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        let found = self.answer(request, cx).map(|Found { text, usage, model, .. }| {
            let model = model.unwrap_or_else(|| self.model.clone());
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
        let found = self.answer(request, cx).map(|Found { text, sources, usage, .. }| SearchAnswer {
            answer: text,
            sources,
            usage,
            requests: 1,
            request_id: None,
        });
        std::future::ready(found).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}

impl DocumentAnalysis for Replay {
    fn analyze<'a>(
        &'a self,
        request: &'a AnalysisRequest,
        _: OnProgress<'a>,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<AnalysisAnswer, ProviderError>> {
        let found = self.answer(request, cx);
        let read = found.map(|found| AnalysisAnswer { answer: found.text, requests: 1, request_id: None });
        std::future::ready(read).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}

/// In which fields the recorded request that is most like this one differs.
fn nearest<'a>(recorded: impl Iterator<Item = &'a Exchange>, kind: Kind, request: &Value) -> String {
    let fields = request.as_object().cloned().unwrap_or_default();
    let differing = |exchange: &Exchange| -> Vec<String> {
        let differs =
            fields.iter().filter(|(name, value)| exchange.request.get(name.as_str()) != Some(value));
        differs.map(|(name, _)| name.clone()).collect()
    };
    let best = recorded.filter(|exchange| exchange.kind == kind).map(differing).min_by_key(Vec::len);
    let kind = kind.as_str();
    best.map_or_else(
        || format!("no {kind} was recorded"),
        |fields| format!("this {kind} was not recorded; the nearest one differs in {}", fields.join(", ")),
    )
}
