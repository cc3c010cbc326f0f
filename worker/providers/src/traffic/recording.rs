//! Writes down what is asked of a provider and what it answers.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Answer, Asked, Exchange, Failure};
use crate::analysis::{AnalysisAnswer, AnalysisRequest, DocumentAnalysis, OnProgress};
use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::context::{CallContext, TokenUsage};
use crate::error::ProviderError;
use crate::search::{DocumentSearch, SearchAnswer, SearchRequest, Source};

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

/// Stands for a secret in a recording.
const BLANK: &str = "[secret]";

/// Shorter secrets are not blanked out: they would be found in any text.
const SECRET_BYTES_MIN: usize = 8;

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

    fn write<R: Asked>(&self, who: (&str, Option<&str>), request: &R, answer: Result<Kept, &ProviderError>) {
        let request = request.as_json();
        self.recording.write(&Exchange {
            key: R::key(&request),
            kind: R::KIND,
            provider: who.0.to_owned(),
            model: who.1.map(str::to_owned),
            request,
            answer: match answer {
                Ok((text, sources, usage)) => Answer::Ok { text, sources, usage },
                Err(error) => Answer::Failed(Failure::from(error)),
            },
            recorded_at: jiff::Timestamp::now().to_string(),
        });
    }
}

/// What of an answer is kept.
type Kept = (String, Vec<Source>, TokenUsage);

impl<M: ChatModel> ChatModel for Recorded<M> {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        async move {
            let answer = self.inner.complete(request, cx).await;
            let kept = answer.as_ref().map(|reply| (reply.text.clone(), Vec::new(), reply.usage));
            self.write((self.inner.provider(), Some(self.inner.model())), request, kept);
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
            let kept = answer.as_ref();
            let kept = kept.map(|found| (found.answer.clone(), found.sources.clone(), found.usage));
            self.write((self.inner.provider(), None), request, kept);
            answer
        }
        .boxed()
    }

    fn provider(&self) -> &'static str {
        self.inner.provider()
    }
}

impl<A: DocumentAnalysis> DocumentAnalysis for Recorded<A> {
    fn analyze<'a>(
        &'a self,
        request: &'a AnalysisRequest,
        progress: OnProgress<'a>,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<AnalysisAnswer, ProviderError>> {
        async move {
            let answer = self.inner.analyze(request, progress, cx).await;
            let kept = answer.as_ref();
            let kept = kept.map(|read| (read.answer.clone(), Vec::new(), TokenUsage::default()));
            self.write((self.inner.provider(), None), request, kept);
            answer
        }
        .boxed()
    }

    fn provider(&self) -> &'static str {
        self.inner.provider()
    }
}
