//! The stand-ins for a machine without any key, behind the same traits: programs from the offline compiler, answers
//! from a local index, replies by extraction. They are marked as what they are, never passed off as a model.

use std::sync::Arc;

use ::offline::{DocumentIndex, Language, compile, extract};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::analysis::{AnalysisAnswer, AnalysisRequest, DocumentAnalysis, OnProgress};
use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::context::{CallContext, TokenUsage};
use crate::error::ProviderError;
use crate::format::ReplyFormat;
use crate::generation::{
    GeneratedProgram, Generation, GenerationOutcome, GenerationRequest, Generator, PlannedStep,
};
use crate::search::{DocumentSearch, SearchAnswer, SearchRequest, Source};

/// The name of this provider.
pub const PROVIDER: &str = "offline";

/// Stands before every reply of [`OfflineChat`].
pub const MARK: &str = "[offline] ";

/// The offline compiler as a generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfflineGenerator;

impl OfflineGenerator {
    fn compile(request: &GenerationRequest) -> Generation {
        // What the user added later is read as more of the description: understood or named, never ignored.
        let mut description = request.description.clone();
        let answers = request.answers.iter().map(|given| &given.answer);
        for addition in answers.chain(&request.feedback) {
            description.push('\n');
            description.push_str(addition);
        }
        let outcome = match compile(&description) {
            Ok(program) => GenerationOutcome::Program(GeneratedProgram {
                name: program.name,
                summary: program.summary,
                language: match program.language {
                    Language::En => "en".to_owned(),
                    Language::Fr => "fr".to_owned(),
                },
                assumptions: Vec::new(),
                steps: program.steps.into_iter().enumerate().map(planned).collect(),
                code: program.code,
                self_tests: Vec::new(),
            }),
            Err(not_understood) => GenerationOutcome::NotUnderstood { reason: not_understood.to_string() },
        };
        Generation { outcome, usage: TokenUsage::default(), requests: 0, prompt_version: None }
    }
}

fn planned((index, title): (usize, String)) -> PlannedStep {
    PlannedStep { id: format!("s{}", index + 1), title, tools: Vec::new() }
}

impl Generator for OfflineGenerator {
    fn generate<'a>(
        &'a self,
        request: &'a GenerationRequest,
        _cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Generation, ProviderError>> {
        std::future::ready(Ok(Self::compile(request))).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn model(&self) -> Option<&str> {
        None
    }
}

/// A local index as document search. Workspaces and files are notions of a server: a request limited to some finds
/// nothing here rather than everything.
#[derive(Clone)]
pub struct OfflineSearch(Arc<DocumentIndex>);

impl OfflineSearch {
    /// Searches `index`.
    pub fn new(index: DocumentIndex) -> Self {
        Self(Arc::new(index))
    }

    fn answer(&self, request: &SearchRequest) -> Result<SearchAnswer, ProviderError> {
        if request.workspace_ids.is_some() || request.file_ids.is_some() {
            return Err(ProviderError::Rejected {
                provider: PROVIDER,
                status: 400,
                message: "the offline index has no workspaces or files to choose from".to_owned(),
            });
        }
        let found = self.0.answer(&request.query);
        let source = |name: String| Source { id: None, name, extracts: Vec::new() };
        Ok(SearchAnswer {
            answer: found.text,
            sources: found.sources.into_iter().map(source).collect(),
            usage: TokenUsage::default(),
            requests: 0,
            request_id: None,
        })
    }
}

impl DocumentSearch for OfflineSearch {
    fn search<'a>(
        &'a self,
        request: &'a SearchRequest,
        _cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<SearchAnswer, ProviderError>> {
        std::future::ready(self.answer(request)).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}

/// There is nothing to read whole documents with: a request says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfflineAnalysis;

impl DocumentAnalysis for OfflineAnalysis {
    fn analyze<'a>(
        &'a self,
        _request: &'a AnalysisRequest,
        _progress: OnProgress<'a>,
        _cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<AnalysisAnswer, ProviderError>> {
        let message =
            "whole documents are read by Paradigm only, and this service has no key for it".to_owned();
        let error = ProviderError::Rejected { provider: PROVIDER, status: 400, message };
        std::future::ready(Err(error)).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}

/// Extraction as a chat model: it quotes its prompt, marked.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfflineChat;

impl ChatModel for OfflineChat {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        _cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<ChatReply, ProviderError>> {
        if !matches!(request.format, ReplyFormat::Text) {
            let message = "offline replies are quotations and cannot be given a form".to_owned();
            let error = ProviderError::Rejected { provider: PROVIDER, status: 400, message };
            return std::future::ready(Err(error)).boxed();
        }
        let text = format!("{MARK}{}", extract(&request.user));
        let model = self.model().to_owned();
        let reply = ChatReply { text, usage: TokenUsage::default(), requests: 0, request_id: None, model };
        std::future::ready(Ok(reply)).boxed()
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn model(&self) -> &'static str {
        "extraction"
    }
}
