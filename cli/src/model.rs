//! What the client reads of the API's objects. Only what is shown is named: new fields and new statuses of a newer
//! API change nothing here, and `--json` prints what came, not these.

use serde::Deserialize;
use serde_json::Value;

/// A workflow.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Workflow {
    /// `wf_…`
    pub id: String,
    /// A title.
    pub name: Option<String>,
    /// As its author wrote it.
    pub description: String,
    /// `generating`, `ready`, `needs_clarification`, `refused`, `failed`.
    pub status: String,
    /// The current version.
    pub version: u64,
    /// The current program.
    pub code: Option<String>,
    /// What it does.
    pub summary: Option<String>,
    /// Its steps.
    pub steps: Vec<PlannedStep>,
    /// What has to be answered first.
    pub questions: Vec<Question>,
    /// Why there is no program.
    pub error: Option<JobError>,
    /// Who wrote it.
    pub provider: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// Its latest generate job.
    pub job: Option<Job>,
}

/// A step of a program, as planned.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PlannedStep {
    /// What it does.
    pub title: String,
    /// The tools it calls.
    pub tools: Vec<String>,
}

/// What the author has to say first.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Question {
    /// To be named in the answer.
    pub id: String,
    /// The question.
    pub text: String,
}

/// A job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Job {
    /// `job_…`
    pub id: String,
    /// `generate` or `execute`.
    pub kind: String,
    /// `queued`, `running`, `succeeded`, `failed`, `cancelled`.
    pub status: String,
    /// Its workflow.
    pub workflow_id: String,
    /// The version it runs or makes.
    pub version: u64,
    /// The current attempt.
    pub attempt: u64,
    /// The most attempts.
    pub max_attempts: u64,
    /// What the program returned.
    pub result: Value,
    /// How it failed.
    pub error: Option<JobError>,
    /// What it used.
    pub usage: Option<Usage>,
    /// Who answered.
    pub provider: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// When the current attempt began.
    pub started_at: Option<String>,
    /// When it became final.
    pub finished_at: Option<String>,
}

/// How a job failed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct JobError {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Of the program.
    pub line: Option<u64>,
    /// Python's.
    pub traceback: Option<String>,
}

/// What a job used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Wall clock.
    pub wall_ms: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// To models.
    pub input_tokens: u64,
    /// From models.
    pub output_tokens: u64,
}

/// A page of a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}
