//! Submitting: the one way in which jobs come into being.

use super::{
    Store, StoreError,
    state::{millis, to_json, unexpected},
    together::Arguments,
};
use crate::{
    id::{JobId, WorkflowId},
    job::{EntryId, GenerateInput, JobSpec},
    limits,
    workflow::{Source, WorkflowStatus},
};

/// A job to be accepted, with what has to come into being together with it.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The job.
    pub job: JobSpec,
    /// The new workflow or version it will write; none for an execution.
    pub creates: Option<NewVersion>,
    /// The client's key, with a fingerprint of what it asked.
    pub idempotency: Option<(String, String)>,
    /// How many jobs of the tenant may wait, unless its own record says otherwise; 0 for no limit.
    pub queued_max: u64,
    /// Who waits for its end, as [`super::Hub::name`]: it is told the job as it ended, if that is short.
    pub watcher: Option<String>,
}

/// A version to be made, with its workflow when that is new too.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Where its program comes from.
    pub source: Source,
    /// The workflow, when it is new.
    pub workflow: Option<NewWorkflow>,
    /// The newest version the client knows; the submission is refused when there is a newer one.
    pub after: Option<u32>,
    /// Every question of the workflow with its answer; empty leaves what is noted.
    pub answers: Vec<(String, String)>,
}

/// A workflow to be made.
#[derive(Debug, Clone)]
pub struct NewWorkflow {
    /// A title; empty to take one from the program.
    pub name: String,
    /// What it shall do.
    pub description: String,
    /// The client's own labels, as a JSON object.
    pub metadata: String,
}

/// A job was accepted, now or before under the same idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The job.
    pub job_id: JobId,
    /// Its workflow.
    pub workflow_id: WorkflowId,
    /// It was accepted before.
    pub replayed: bool,
}

/// Why a job was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The workflow does not exist (any more).
    #[error("the workflow does not exist")]
    UnknownWorkflow,
    /// The workflow has no program that could run; its state.
    #[error("the workflow has no program: it is {}", .0.as_str())]
    NotReady(WorkflowStatus),
    /// The workflow has newer versions than the client knows.
    #[error("the workflow has changed")]
    Changed,
    /// The workflow has as many versions as it may.
    #[error("too many versions")]
    TooManyVersions,
    /// The tenant has as many jobs waiting as it may.
    #[error("too many jobs are waiting")]
    QueueFull,
    /// Redis did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Accepts a job: all of it or nothing, once per idempotency key.
    pub async fn submit(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let answer = self.submits.ask(arguments(submission)).await?;
        let submitted = submitted(&answer, &submission.job)?;
        self.replicated.wait().await?;
        Ok(submitted)
    }
}

/// What every call says before its jobs.
pub(super) fn header(bytes_max: u64) -> Vec<String> {
    vec![millis(limits::IDEMPOTENCY_TTL).to_string(), limits::VERSIONS_MAX.to_string(), bytes_max.to_string()]
}

fn arguments(submission: &Submission) -> Arguments {
    let job = &submission.job;
    let mode = match &submission.creates {
        None => "execute",
        Some(NewVersion { workflow: None, .. }) => "new_version",
        Some(NewVersion { workflow: Some(_), .. }) => "new_workflow",
    };
    let mut kept = Arguments::default();
    push_job_fields(&mut kept, job, submission.watcher.as_deref());
    if let Some(new) = &submission.creates {
        kept.push_fields(&workflow_fields(new));
        let code = job.decode_input::<GenerateInput>().ok().and_then(|input| input.code);
        let mut version = vec![("source", source_name(new.source).to_owned())];
        version.extend(code.map(|code| ("code", code)));
        kept.push_fields(&version);
    }
    let mut asked = Arguments::default();
    asked.push_shown(job.id);
    asked.push(job.queue.as_str());
    asked.push(job.tenant.as_str());
    match job.workflow_id {
        Some(workflow) => asked.push_shown(workflow),
        None => asked.push(""),
    }
    asked.push_shown(millis(job.expires_in));
    let (key, fingerprint) =
        submission.idempotency.as_ref().map_or(("", ""), |(key, fingerprint)| (key, fingerprint));
    asked.push(key);
    asked.push(fingerprint);
    asked.push_shown(submission.queued_max);
    asked.push(&job.input);
    asked.push(mode);
    match &submission.creates {
        None if job.version == 0 => asked.push("current"),
        Some(NewVersion { after: Some(version), .. }) => asked.push_shown(version),
        _ => asked.push(""),
    }
    asked.push_shown(asked.bytes() + kept.bytes());
    asked.append(&kept);
    asked
}

fn push_job_fields(kept: &mut Arguments, job: &JobSpec, watcher: Option<&str>) {
    let mut fields =
        vec![("timeout_ms", millis(job.timeout).to_string()), ("max_attempts", job.max_attempts.to_string())];
    if job.version > 0 {
        fields.push(("version", job.version.to_string()));
    }
    if !job.metadata.is_empty() {
        fields.push(("metadata", to_json(&job.metadata)));
    }
    fields.extend(job.callback_url.as_ref().map(|url| ("callback_url", url.to_string())));
    fields.extend(job.trace.map(|trace| ("traceparent", trace.to_string())));
    fields.extend(job.retry_of.map(|id| ("retry_of", id.to_string())));
    fields.extend(watcher.map(|name| ("watcher", name.to_owned())));
    kept.push_fields(&fields);
}

fn workflow_fields(new: &NewVersion) -> Vec<(&'static str, String)> {
    let Some(workflow) = &new.workflow else {
        let answered = (!new.answers.is_empty()).then(|| ("answers", to_json(&new.answers)));
        return answered.into_iter().collect();
    };
    vec![
        ("name", workflow.name.clone()),
        ("description", workflow.description.clone()),
        ("metadata", workflow.metadata.clone()),
    ]
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Generated => "generated",
        Source::Edited => "edited",
        Source::Supplied => "supplied",
    }
}

fn submitted(answer: &str, asked: &JobSpec) -> Result<Submitted, SubmitError> {
    match answer {
        "created" => match (asked.id, asked.workflow_id) {
            (EntryId::Job(job_id), Some(workflow_id)) => {
                Ok(Submitted { job_id, workflow_id, replayed: false })
            }
            _ => Err(unexpected(answer).into()),
        },
        "mismatch" => Err(SubmitError::KeyReused),
        "no_workflow" => Err(SubmitError::UnknownWorkflow),
        "changed" => Err(SubmitError::Changed),
        "versions" => Err(SubmitError::TooManyVersions),
        "full" => Err(SubmitError::QueueFull),
        "no_room" => {
            Err(StoreError::Unavailable("its memory is full of jobs that have not ended".to_owned()).into())
        }
        other => match other.strip_prefix("not_ready ") {
            Some(status) => Err(SubmitError::NotReady(status.parse().map_err(|()| unexpected(other))?)),
            None => Ok(replayed(other).ok_or_else(|| unexpected(other))?),
        },
    }
}

fn replayed(answer: &str) -> Option<Submitted> {
    let (job, workflow) = answer.strip_prefix("replayed ")?.split_once(' ')?;
    let (job_id, workflow_id) = (job.parse::<JobId>().ok()?, workflow.parse::<WorkflowId>().ok()?);
    Some(Submitted { job_id, workflow_id, replayed: true })
}
