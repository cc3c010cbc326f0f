//! The job: what a client asked for, its states, how it ended, and how it is shown.
//!
//! A job is accepted once, runs in attempts, and ends in exactly one final state that never changes.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;

use crate::{
    id::{JobId, MessageId, TenantId, WorkflowId},
    time::Timestamp,
    trace::TraceContext,
};

/// The queue a job stands in. A worker serves any subset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Programs to be written or checked.
    Generate,
    /// Programs to be run.
    Execute,
    /// Webhooks to be sent.
    Deliver,
}

impl Queue {
    /// All queues, in the order in which they are reported.
    pub const ALL: [Self; 3] = [Self::Generate, Self::Execute, Self::Deliver];

    /// The name in keys, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Execute => "execute",
            Self::Deliver => "deliver",
        }
    }
}

impl FromStr for Queue {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|queue| queue.as_str() == text);
        found.ok_or_else(|| format!("unknown queue `{text}`: expected generate, execute or deliver"))
    }
}

/// What stands in a queue: a client's job, or a webhook message about one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryId {
    /// A client's job.
    Job(JobId),
    /// A webhook message.
    Message(MessageId),
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(id) => id.fmt(f),
            Self::Message(id) => id.fmt(f),
        }
    }
}

impl FromStr for EntryId {
    type Err = crate::id::InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("msg_") { text.parse().map(Self::Message) } else { text.parse().map(Self::Job) }
    }
}

/// What a client's job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Writes or checks a program.
    Generate,
    /// Runs a program.
    Execute,
}

impl JobKind {
    /// The queue jobs of this kind stand in.
    pub const fn queue(self) -> Queue {
        match self {
            Self::Generate => Queue::Generate,
            Self::Execute => Queue::Execute,
        }
    }
}

/// The state of a job. [`JobStatus::can_become`] is the whole state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Accepted, waiting for a worker or for its next attempt.
    Queued,
    /// An attempt is under way.
    Running,
    /// Final: there is a result.
    Succeeded,
    /// Final: there is an error.
    Failed,
    /// Final: cancelled by the client.
    Cancelled,
}

impl JobStatus {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The name in the API and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Final states never change.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether a job in this state may go into `next`.
    pub const fn can_become(self, next: Self) -> bool {
        match self {
            // claimed; cancelled at once; expired or given up while waiting
            Self::Queued => matches!(next, Self::Running | Self::Cancelled | Self::Failed),
            // handed back or lost; ended
            Self::Running => !matches!(next, Self::Running),
            Self::Succeeded | Self::Failed | Self::Cancelled => false,
        }
    }
}

impl FromStr for JobStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// Why a job failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The program raised.
    PythonError,
    /// An attempt took longer than `timeout_ms`.
    Timeout,
    /// The program needed more memory than a run may have.
    OutOfMemory,
    /// The result was larger than the limit.
    OutputTooLarge,
    /// The program ended without a result.
    NoResult,
    /// The result was not a JSON value.
    ResultNotJson,
    /// The program did what the sandbox forbids.
    SandboxViolation,
    /// A tool failed for good and the program did not handle it.
    ToolError,
    /// A budget (tool calls, tokens, journal) was used up.
    BudgetExceeded,
    /// The job was not finished within `expires_in_ms`.
    Expired,
    /// The program does not parse or has no entry point.
    InvalidCode,
    /// No program could be made of the description.
    GenerationFailed,
    /// The model provider did not answer as it should.
    ProviderError,
    /// The worker died too often while the job ran.
    WorkerLost,
}

/// How a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// The reason, for programs.
    pub code: ErrorCode,
    /// The reason, for people.
    #[schema(example = "ZeroDivisionError: division by zero")]
    pub message: String,
    /// The line of the program, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The program's own part of the Python traceback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}

impl JobError {
    /// An error without a place in the program.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), line: None, traceback: None }
    }
}

/// What a job has used, over all its attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Wall clock of the last attempt.
    pub wall_ms: u64,
    /// CPU time of the last attempt's run.
    pub cpu_ms: u64,
    /// Largest memory of the last attempt's run.
    pub max_rss_bytes: u64,
    /// Tool calls made (replayed ones not counted).
    pub tool_calls: u64,
    /// Tokens sent to models.
    pub input_tokens: u64,
    /// Tokens received from models.
    pub output_tokens: u64,
    /// Requests made to models.
    pub llm_requests: u64,
}

/// What stood around the cell a job ran in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sandbox {
    /// `A` or `B`.
    #[schema(example = "A")]
    pub tier: String,
    /// The walls in force.
    #[schema(example = json!(["seccomp", "landlock"]))]
    pub layers: Vec<String>,
}

/// How much of an earlier attempt a job was answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// Tool calls answered from the journal instead of being made again.
    pub reused: u64,
    /// The attempt asked for other calls, or in another order, than the one before it; or that one was recorded under
    /// another program or with another build's tools. It is a fresh run that reused what it could.
    pub diverged: bool,
}

/// The input of an execute job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecuteInput {
    /// The text the program works on.
    #[schema(example = "Where is the contract kept? Who signed it?")]
    pub user_input: String,
    /// Uploaded files the program may search.
    #[serde(default)]
    pub file_ids: Vec<String>,
}

/// The input of a generate job: where the program comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerateInput {
    /// What the workflow shall do, in plain language.
    pub description: String,
    /// The client's own program: nothing is generated, the program is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was wrong with the previous version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// Every question that was asked so far, and its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<(String, String)>,
    /// A run of the workflow that failed and is to be mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_job: Option<JobId>,
    /// The tenant's verified programs are not looked through.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// A job as it stands in the queue: the same when it is pushed and when it is claimed.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Its name.
    pub id: EntryId,
    /// Where it stands.
    pub queue: Queue,
    /// Whose it is.
    pub tenant: TenantId,
    /// The workflow; none for a webhook message.
    pub workflow_id: Option<WorkflowId>,
    /// The version to run or to make. 0 at `submit`: the workflow's current one is run, a new one is numbered.
    pub version: u32,
    /// Wall clock of one attempt, from its start.
    pub timeout: Duration,
    /// From acceptance to the final state.
    pub expires_in: Duration,
    /// How many attempts may be lost to crashes.
    pub max_attempts: u32,
    /// Where the final state is posted.
    pub callback_url: Option<url::Url>,
    /// The client's own labels.
    pub metadata: Map<String, Value>,
    /// The job this one repeats.
    pub retry_of: Option<JobId>,
    /// [`ExecuteInput`] or [`GenerateInput`] as JSON; empty for a webhook message.
    pub input: String,
    /// For a webhook message: the job it tells of.
    pub subject: Option<JobId>,
    /// For a webhook message: sends made so far.
    pub tries: u32,
    /// Where in which trace it was asked for.
    pub trace: Option<TraceContext>,
}

impl JobSpec {
    /// Reads the input; an undecodable one is the job's own failure, never the worker's.
    pub fn decode_input<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.input)
    }
}

/// Where the parts of a job are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobLinks {
    /// This job.
    #[serde(rename = "self")]
    #[schema(example = "/jobs/job_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub this: String,
    /// Its workflow.
    #[schema(example = "/workflows/wf_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub workflow: String,
    /// Its events.
    #[schema(example = "/jobs/job_019a1b2c3d4e7f60a1b2c3d4e5f60718/events")]
    pub events: String,
    /// What the program printed.
    #[schema(example = "/jobs/job_019a1b2c3d4e7f60a1b2c3d4e5f60718/logs")]
    pub logs: String,
    /// Its tool calls and named steps.
    #[schema(example = "/jobs/job_019a1b2c3d4e7f60a1b2c3d4e5f60718/steps")]
    pub steps: String,
    /// The attempts to tell its callback.
    #[serde(default)]
    #[schema(example = "/jobs/job_019a1b2c3d4e7f60a1b2c3d4e5f60718/deliveries")]
    pub deliveries: String,
    /// Where to cancel it.
    #[schema(example = "/jobs/job_019a1b2c3d4e7f60a1b2c3d4e5f60718/cancel")]
    pub cancel: String,
}

impl JobLinks {
    /// The links of a job.
    pub fn of(id: JobId, workflow: WorkflowId) -> Self {
        Self {
            this: format!("/jobs/{id}"),
            workflow: format!("/workflows/{workflow}"),
            events: format!("/jobs/{id}/events"),
            logs: format!("/jobs/{id}/logs"),
            steps: format!("/jobs/{id}/steps"),
            deliveries: format!("/jobs/{id}/deliveries"),
            cancel: format!("/jobs/{id}/cancel"),
        }
    }
}

/// A job as clients see it, in responses and webhooks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its name.
    #[schema(value_type = String, example = "job_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub id: JobId,
    /// Always `job`.
    #[schema(example = "job")]
    pub object: String,
    /// What it does.
    pub kind: JobKind,
    /// Its state.
    pub status: JobStatus,
    /// Its workflow.
    #[schema(value_type = String, example = "wf_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub workflow_id: WorkflowId,
    /// The version it runs or makes.
    pub version: u32,
    /// The current attempt; 0 before the first.
    pub attempt: u32,
    /// How many attempts may be lost to crashes.
    pub max_attempts: u32,
    /// `{user_input, file_ids}` of an execute job; null in lists and for generate jobs.
    pub input: Option<ExecuteInput>,
    /// What the program returned: any JSON value; null in lists and until it succeeded.
    #[schema(value_type = Value, example = json!(null))]
    pub result: Option<Box<RawValue>>,
    /// How it failed.
    pub error: Option<JobError>,
    /// What it used.
    pub usage: Usage,
    /// What stood around the cell of its last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// How much of an earlier attempt it was answered from, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// Which provider answered: `anthropic`, `openai_compatible` or `offline`; null when none was asked.
    pub provider: Option<String>,
    /// The client's own labels.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its current attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it reached its final state.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// When the current attempt, or the waiting, ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub deadline_at: Timestamp,
    /// The job this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub retry_of: Option<JobId>,
    /// Where its parts are found.
    pub links: JobLinks,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_state_never_changes() {
        for from in JobStatus::ALL {
            for to in JobStatus::ALL {
                if from.is_final() {
                    assert!(!from.can_become(to), "{from:?} -> {to:?}");
                }
                if to == JobStatus::Queued {
                    assert_eq!(from.can_become(to), from == JobStatus::Running);
                }
            }
        }
    }

    #[test]
    fn only_a_running_job_succeeds() {
        for from in JobStatus::ALL {
            assert_eq!(from.can_become(JobStatus::Succeeded), from == JobStatus::Running);
        }
    }
}
