//! From a description to a program, to questions, or to an honest no: one call, one structured reply, strictly read.
//!
//! Nothing here runs or checks Python; the worker does, in a cell, and comes back with findings for a repair.

pub mod prompt;
mod reply;
mod schema;
pub mod tools;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::chat::ChatModel;
use crate::context::{CallContext, TokenUsage};
use crate::error::ProviderError;

/// What a program is wanted for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenerationRequest {
    /// The user's description.
    pub description: String,
    /// The user's answers to earlier questions.
    pub answers: Vec<AnsweredQuestion>,
    /// What the user wants changed.
    pub feedback: Option<String>,
    /// A program that has to be corrected or changed.
    pub previous: Option<PreviousAttempt>,
}

impl GenerationRequest {
    /// A first request.
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), ..Self::default() }
    }
}

/// A question of ours and the user's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredQuestion {
    /// As it was asked.
    pub question: String,
    /// As it was answered.
    pub answer: String,
}

/// A program that did not pass, with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousAttempt {
    /// The program.
    pub code: String,
    /// One finding a line; numbered in the prompt. Of a run on real data: class, line, types and lengths only.
    pub findings: Vec<String>,
}

/// What a generation gave, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// What came out.
    pub outcome: GenerationOutcome,
    /// Tokens.
    pub usage: TokenUsage,
    /// HTTP requests.
    pub requests: u32,
    /// The prompt used; `None` where no model was asked.
    pub prompt_version: Option<u32>,
}

/// What came out of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GenerationOutcome {
    /// A program, not yet checked.
    Program(GeneratedProgram),
    /// It depends on the user's answers.
    Questions(Vec<Question>),
    /// It cannot or must not be done.
    Cannot {
        /// Why, in the user's language.
        reason: String,
        /// What is missing, in a few words.
        missing_capability: Option<String>,
    },
    /// The offline compiler does not read descriptions of this form.
    NotUnderstood {
        /// What it does understand.
        reason: String,
    },
}

/// A program with its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratedProgram {
    /// A name for the workflow.
    pub name: String,
    /// What it does, for its user.
    pub summary: String,
    /// The language of the description, such as `en`.
    pub language: String,
    /// What was decided without being told.
    pub assumptions: Vec<String>,
    /// The plan.
    pub steps: Vec<PlannedStep>,
    /// The program.
    pub code: String,
    /// Runs to try it on.
    pub self_tests: Vec<SelfTest>,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Unique within the plan.
    pub id: String,
    /// As in `with step(title)`.
    pub title: String,
    /// The tools called within.
    pub tools: Vec<String>,
}

/// A run to try a program on, with stand-in tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// The input of the run.
    pub input: String,
    /// What the tools answer; the first that matches wins.
    pub tool_replies: Vec<ToolReply>,
    /// What the result is expected to hold. An unmet expectation is a finding, not a failure: the model wrote it.
    pub must_contain: Vec<String>,
}

/// What a stand-in tool answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolReply {
    /// The tool.
    pub tool: String,
    /// Matches a call whose first argument contains this; empty matches all.
    pub contains: String,
    /// The answer.
    pub reply: String,
}

/// A question to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Unique within the reply.
    pub id: String,
    /// In the user's language.
    pub text: String,
}

/// Something that writes programs.
pub trait Generator: Send + Sync {
    /// Writes a program, or says why not, at most until the deadline of `cx`.
    fn generate<'a>(
        &'a self,
        request: &'a GenerationRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Generation, ProviderError>>;

    /// The provider, as in `"provider"` of the public API.
    fn provider(&self) -> &'static str;

    /// The model, where there is one.
    fn model(&self) -> Option<&str>;
}

/// Generation by a chat model.
#[derive(Debug, Clone)]
pub struct ModelGenerator<M>(M);

impl<M: ChatModel> ModelGenerator<M> {
    /// Generates with `model`.
    pub fn new(model: M) -> Self {
        Self(model)
    }

    async fn ask(&self, request: &GenerationRequest, cx: &CallContext) -> Result<Generation, ProviderError> {
        let provider = self.0.provider();
        let chat = prompt::chat_request(request).map_err(|_| {
            ProviderError::malformed(provider, "the reply schema of this service is not JSON")
        })?;
        let part = cx.part();
        let answer = self.0.complete(&chat, &part).await;
        let spent = part.meter.spent();
        cx.meter.add(spent);
        let outcome = match answer {
            Ok(reply) => {
                reply::read(&reply.text).map_err(|reason| ProviderError::malformed(provider, reason))?
            }
            // The provider's own guard said no before the model did: the same thing to the user.
            Err(ProviderError::Refused { explanation, .. }) => {
                GenerationOutcome::Cannot { reason: explanation, missing_capability: None }
            }
            Err(error) => return Err(error),
        };
        Ok(Generation {
            outcome,
            usage: spent.usage,
            requests: spent.requests,
            prompt_version: Some(prompt::PROMPT_VERSION),
        })
    }
}

impl<M: ChatModel> Generator for ModelGenerator<M> {
    fn generate<'a>(
        &'a self,
        request: &'a GenerationRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Generation, ProviderError>> {
        self.ask(request, cx).boxed()
    }

    fn provider(&self) -> &'static str {
        self.0.provider()
    }

    fn model(&self) -> Option<&str> {
        Some(self.0.model())
    }
}
