//! The workflow: a description, its versions, and whether one of them is ready.
//!
//! Once ready it stays ready: a later try shows in `job` and in its version's own status, and only success
//! moves `version`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    id::WorkflowId,
    job::{Job, JobError},
    time::Timestamp,
};

/// The state of a workflow, and of one of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowStatus {
    /// Its program is being written or checked.
    Generating,
    /// It can be executed.
    Ready,
    /// Its description left questions open.
    NeedsClarification,
    /// It was declined; `error` or `summary` say why.
    Refused,
    /// No program could be made of it.
    Failed,
}

impl WorkflowStatus {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Generating, Self::Ready, Self::NeedsClarification, Self::Refused, Self::Failed];

    /// The name in the API and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generating => "generating",
            Self::Ready => "ready",
            Self::NeedsClarification => "needs_clarification",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for WorkflowStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// Where a version's program came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Written from the description.
    Generated,
    /// Changed by the client.
    Edited,
    /// Sent by the client with the description.
    Supplied,
}

impl FromStr for Source {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "generated" => Ok(Self::Generated),
            "edited" => Ok(Self::Edited),
            "supplied" => Ok(Self::Supplied),
            _ => Err(()),
        }
    }
}

/// A stretch of the program, named in the user's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Stable within the version.
    #[schema(example = "s1")]
    pub id: String,
    /// What it does, in words.
    #[schema(example = "Search the documents")]
    pub title: String,
    /// The tools it calls.
    #[serde(default)]
    #[schema(example = json!(["paradigm_search"]))]
    pub tools: Vec<String>,
}

/// What has to be known before a program can be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// To be named in the answer.
    #[schema(example = "q1")]
    pub id: String,
    /// The question, in the user's language.
    #[schema(example = "Which language shall the answers have?")]
    pub text: String,
}

/// A workflow as clients see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Workflow {
    /// Its name.
    #[schema(value_type = String, example = "wf_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub id: WorkflowId,
    /// Always `workflow`.
    #[schema(example = "workflow")]
    pub object: String,
    /// A title.
    #[schema(example = "Questions and answers")]
    pub name: String,
    /// What it shall do, as the client wrote it.
    #[schema(example = "For each sentence of the input, search the documents.")]
    pub description: String,
    /// Its state.
    pub status: WorkflowStatus,
    /// The current version; 0 until one is ready.
    pub version: u32,
    /// The current version's program.
    pub code: Option<String>,
    /// What the program does, in words.
    pub summary: Option<String>,
    /// The program's named steps.
    pub steps: Vec<Step>,
    /// What has to be answered first.
    pub questions: Vec<Question>,
    /// Why it failed or was refused.
    pub error: Option<JobError>,
    /// Who wrote the program: `anthropic`, `openai_compatible` or `offline`; null for supplied code.
    pub provider: Option<String>,
    /// The client's own labels.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Its latest generate job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}
