//! Clients of the outside world, behind four traits: [`ChatModel`] answers a prompt, [`DocumentSearch`] answers from
//! documents, [`DocumentAnalysis`] reads whole ones, [`Generator`] turns a description into a program.
//!
//! Invariants:
//! - No call outlives its deadline, whatever a provider asks for or fails to do.
//! - Every reply is bounded before it is read, and parsed into types before it is believed.
//! - No error text holds a key, the credentials of a URL, or text of a prompt or an answer.
//! - Nothing is read from the environment, and nothing is global: clients are built from values, and what they share
//!   (connections, the rate-limit gate) is a [`Transport`] made by the caller.
//!
//! What is deliberately absent: budgets, journals, tenants and Python. The worker has them.

pub mod analysis;
pub mod anthropic;
pub mod chat;
pub mod context;
pub mod error;
pub mod format;
pub mod gate;
pub mod generation;
pub mod http;
pub mod limits;
pub mod offline;
pub mod openai_compatible;
pub mod paradigm;
pub mod pattern;
pub mod reply_schema;
pub mod retry;
pub mod search;
pub mod traffic;

pub use self::offline::{OfflineAnalysis, OfflineChat, OfflineGenerator, OfflineSearch};
pub use analysis::{AnalysisAnswer, AnalysisProgress, AnalysisRequest, DocumentAnalysis, OnProgress};
pub use anthropic::{AnthropicClient, AnthropicConfig};
pub use chat::{ChatModel, ChatReply, ChatRequest, SystemBlock};
pub use context::{CallContext, Meter, Spent, TokenUsage};
pub use error::{ConfigError, ProviderError};
pub use format::{OutputSchema, ReplyFormat};
pub use generation::{
    AnsweredQuestion, GeneratedProgram, Generation, GenerationOutcome, GenerationRequest, Generator,
    ModelGenerator, PlannedStep, PreviousAttempt, Question, SelfTest, ToolReply,
};
pub use http::{HttpClient, HttpConfig, Transport, http_client, tls_config};
pub use openai_compatible::{Constraint, OpenAiCompatible, OpenAiCompatibleConfig};
pub use paradigm::{
    LightonAsk, LightonPassages, ParadigmAnalysis, ParadigmConfig, ParadigmFiles, ParadigmV2,
};
pub use pattern::Pattern;
pub use reply_schema::ReplySchema;
pub use search::{DocumentSearch, Extract, SearchAnswer, SearchRequest, Source};
