//! Record and replay of what is asked of providers, one JSON object a line, for tests and bug reports.
//!
//! Recorded is what the traits see: requests and answers, never headers, addresses or keys. The secrets a process
//! knows are blanked out in each line all the same, because texts may quote them. A replay is strict: a request that
//! was not recorded is an error which names the fields that differ, never their content.

mod failure;
mod recording;
mod replay;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::failure::Failure;
pub use self::recording::{Recorded, Recording};
pub use self::replay::{Replay, ReplayError};
use crate::analysis::AnalysisRequest;
use crate::chat::ChatRequest;
use crate::context::TokenUsage;
use crate::format::ReplyFormat;
use crate::search::{SearchRequest, Source};

/// The name of a provider that answers from a recording.
pub const PROVIDER: &str = "replay";

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Names the request: a digest of its kind and content.
    pub key: String,
    /// What was asked for.
    pub kind: Kind,
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

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A model's answer.
    Chat,
    /// An answer from documents.
    Search,
    /// An answer from whole documents.
    Analysis,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Search => "search",
            Self::Analysis => "analysis",
        }
    }
}

/// A request as it is written down, and found again.
trait Asked {
    const KIND: Kind;

    fn as_json(&self) -> Value;

    /// Keys of JSON objects are sorted here, so equal requests are equal texts.
    fn key(request: &Value) -> String {
        format!("{:x}", Sha256::digest(format!("{}\n{request}", Self::KIND.as_str())))
    }
}

impl Asked for ChatRequest {
    const KIND: Kind = Kind::Chat;

    /// The model is not part of a request: a recording made with one answers for another.
    fn as_json(&self) -> Value {
        let system: Vec<&str> = self.system.iter().map(|block| block.text.as_str()).collect();
        let format = match &self.format {
            ReplyFormat::Text => json!("text"),
            other => json!(format!("{other:?}")),
        };
        json!({ "system": system, "user": self.user, "format": format, "max_tokens": self.max_tokens })
    }
}

impl Asked for SearchRequest {
    const KIND: Kind = Kind::Search;

    fn as_json(&self) -> Value {
        let Self { query, workspace_ids, file_ids, vision } = self;
        json!({ "query": query, "workspace_ids": workspace_ids, "file_ids": file_ids, "vision": vision })
    }
}

impl Asked for AnalysisRequest {
    const KIND: Kind = Kind::Analysis;

    fn as_json(&self) -> Value {
        let Self { query, document_ids } = self;
        json!({ "query": query, "document_ids": document_ids })
    }
}
