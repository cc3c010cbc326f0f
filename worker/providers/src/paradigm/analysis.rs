//! `POST /api/v2/chat/document-analysis`: a question that needs whole documents read. It is a job at the provider's:
//! started, then polled. There is no way to cancel one; a caller that gives up leaves it to end by itself.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::{PROVIDER, Paradigm, ParadigmConfig, Polling, plain};
use crate::analysis::{AnalysisAnswer, AnalysisProgress, AnalysisRequest, DocumentAnalysis, OnProgress};
use crate::context::CallContext;
use crate::error::{ConfigError, ProviderError};
use crate::http::{Patience, Transport};
use crate::limits::{ANALYSIS_DOCUMENTS_MAX, FRESH_NOT_FOUND_MAX, POLL_INTERVAL, POLL_REQUEST_TIMEOUT};

const PATH: &str = "/api/v2/chat/document-analysis";

/// Document analysis of an installation.
#[derive(Debug, Clone)]
pub struct ParadigmAnalysis {
    paradigm: Paradigm,
    poll_interval: Duration,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    query: &'a str,
    document_ids: &'a [i64],
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Started {
    chat_response_id: Value,
}

#[derive(Debug, Deserialize)]
struct State {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    progress: Option<Value>,
    #[serde(default)]
    reduction_phase: Option<Value>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    detailed_analysis: Option<String>,
}

impl State {
    fn progress(&self) -> AnalysisProgress {
        AnalysisProgress {
            status: self.status.clone().unwrap_or_default(),
            progress: self.progress.as_ref().and_then(Value::as_f64),
            phase: self.reduction_phase.as_ref().and_then(plain),
        }
    }
}

impl ParadigmAnalysis {
    /// A client; nothing is sent yet. Clients of one installation share one `transport`.
    pub fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        Ok(Self { paradigm: Paradigm::new(config, transport)?, poll_interval: POLL_INTERVAL })
    }

    /// The same, polling at another pace.
    #[must_use]
    pub fn with_poll_interval(self, poll_interval: Duration) -> Self {
        Self { poll_interval, ..self }
    }

    async fn run(
        &self,
        request: &AnalysisRequest,
        progress: OnProgress<'_>,
        cx: &CallContext,
    ) -> Result<AnalysisAnswer, ProviderError> {
        let documents = request.document_ids.len();
        if documents == 0 || documents > ANALYSIS_DOCUMENTS_MAX {
            let message = format!("one to {ANALYSIS_DOCUMENTS_MAX} documents can be analysed at a time");
            return Err(ProviderError::Rejected { provider: PROVIDER, status: 403, message });
        }
        let model = self.paradigm.model.as_deref();
        let body = Body { query: &request.query, document_ids: &request.document_ids, model };
        let started = self.paradigm.ask::<Started>(PATH, &body, &request.query, cx).await?;
        let id = plain(&started.value.chat_response_id).filter(|id| is_plain_id(id));
        let id = id.ok_or_else(|| ProviderError::malformed(PROVIDER, "it names no analysis"))?;
        self.poll(&format!("{PATH}/{id}"), started.requests, progress, cx).await
    }

    async fn poll(
        &self,
        path: &str,
        mut requests: u32,
        progress: OnProgress<'_>,
        cx: &CallContext,
    ) -> Result<AnalysisAnswer, ProviderError> {
        let (begun, mut polling) = (Instant::now(), Polling::every(self.poll_interval));
        loop {
            polling.wait(cx).await?;
            let endpoint = &self.paradigm.endpoint;
            let http = endpoint.request(Method::GET, path);
            let state = endpoint.json::<State>(&http, Patience::of(POLL_REQUEST_TIMEOUT), "", cx).await;
            let state = match state {
                // Just started: not known everywhere yet.
                Err(ProviderError::Rejected { status: 404, .. }) if begun.elapsed() < FRESH_NOT_FOUND_MAX => {
                    requests = requests.saturating_add(1);
                    continue;
                }
                other => other?,
            };
            requests = requests.saturating_add(state.requests);
            progress(state.value.progress());
            match state.value.status.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
                "completed" | "complete" | "finished" | "success" | "done" => {
                    let answer = state.value.result.or(state.value.detailed_analysis);
                    let answer =
                        answer.ok_or_else(|| ProviderError::malformed(PROVIDER, "it holds no result"))?;
                    return Ok(AnalysisAnswer { answer, requests, request_id: state.request_id });
                }
                "failed" | "failure" | "error" | "cancelled" | "canceled" => {
                    let message = "the analysis of the documents failed there".to_owned();
                    return Err(ProviderError::Rejected { provider: PROVIDER, status: 200, message });
                }
                _ => {}
            }
        }
    }
}

impl DocumentAnalysis for ParadigmAnalysis {
    fn analyze<'a>(
        &'a self,
        request: &'a AnalysisRequest,
        progress: OnProgress<'a>,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<AnalysisAnswer, ProviderError>> {
        self.run(request, progress, cx).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}

/// An identifier from outside becomes part of a path only when it cannot be anything else there.
fn is_plain_id(id: &str) -> bool {
    const ID_CHARS_MAX: usize = 100;
    (1..=ID_CHARS_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
