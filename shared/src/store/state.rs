//! The state changes, one method for each script; claiming is in `claim.rs`.

use std::time::Duration;

use super::{DailyLimits, DaySpent, Spending, Store, StoreError, script};
use crate::{
    id::{JobId, TenantId, WorkflowId},
    job::{EntryId, JobError, JobSpec, JobStatus, Replay, Sandbox, Usage},
    limits,
    workflow::Source,
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

/// How a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewAnswer {
    /// Extended.
    Held,
    /// Another attempt is current, or the job is final: stop and write nothing.
    Lost,
    /// Extended, but the client cancelled the job: stop and finish as cancelled.
    Cancel,
}

/// What a running attempt did.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// From 1, another one for each write of an attempt: one that is repeated because its answer was lost is carried
    /// out once. 0: repeating it does no harm.
    pub number: u64,
    /// Printed text.
    pub log: Vec<u8>,
    /// Type and data (JSON) of each event.
    pub events: Vec<(&'static str, String)>,
    /// Key and entry (JSON) of each journal entry.
    pub journal: Vec<(String, String)>,
    /// What it uses of its tenant's day.
    pub spending: Spending,
    /// What the tenant has of a day, unless its record says otherwise.
    pub limits: DailyLimits,
}

/// How recording went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressAnswer {
    /// Recorded.
    Recorded,
    /// Recorded, but the client cancelled the job.
    Cancel,
    /// Another attempt is current: stop and write nothing.
    Stale,
    /// Not recorded: the journal is at its limit.
    JournalFull,
    /// Not recorded: the tenant's day is used up.
    DaySpent(DaySpent),
}

/// The end of a job.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// Result as JSON.
    pub result: Option<String>,
    /// Why it failed; none for success.
    pub error: Option<JobError>,
    /// The client cancelled it.
    pub cancelled: bool,
    /// What it used.
    pub usage: Usage,
    /// What stood around the cell.
    pub sandbox: Option<Sandbox>,
    /// How much of an earlier attempt was used.
    pub replay: Option<Replay>,
    /// Who answered.
    pub provider: Option<String>,
    /// Printed text not yet recorded.
    pub log: Vec<u8>,
    /// The version becomes the workflow's current one.
    pub becomes_current: bool,
    /// Fields of the workflow record.
    pub workflow: Vec<(&'static str, String)>,
    /// Fields of the version record.
    pub version: Vec<(&'static str, String)>,
}

/// What cancelling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The tenant has no such job.
    Unknown,
    /// It had ended before.
    Final,
    /// It was waiting and is cancelled.
    Cancelled,
    /// It is running; its worker has been told.
    Requested,
}

impl Store {
    /// Accepts a job: all of it or nothing, once per idempotency key.
    pub async fn submit(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let job = &submission.job;
        let workflow = job.workflow_id.map(|id| id.to_string()).unwrap_or_default();
        let mode = match &submission.creates {
            None => "execute",
            Some(NewVersion { workflow: None, .. }) => "new_version",
            Some(NewVersion { workflow: Some(_), .. }) => "new_workflow",
        };
        let newest = submission.creates.as_ref().and_then(|new| new.after);
        let (key, fingerprint) = submission.idempotency.clone().unwrap_or_default();
        let mut call = script::SUBMIT.prepare_invoke();
        call.key(&self.prefix)
            .arg(job.id.to_string())
            .arg(job.queue.as_str())
            .arg(job.tenant.as_str())
            .arg(workflow)
            .arg(millis(job.expires_in))
            .arg(key)
            .arg(fingerprint)
            .arg(millis(limits::IDEMPOTENCY_TTL))
            .arg(submission.queued_max)
            .arg(&job.input)
            .arg(mode)
            .arg(newest.map(|version| version.to_string()).unwrap_or_default())
            .arg(limits::VERSIONS_MAX)
            .arg(self.bytes_max);
        push_fields(&mut call, &job_fields(job));
        if let Some(new) = &submission.creates {
            push_fields(&mut call, &workflow_fields(new));
            let code = job.decode_input::<crate::job::GenerateInput>().ok().and_then(|input| input.code);
            let mut version = vec![("source", source_name(new.source).to_owned())];
            version.extend(code.map(|code| ("code", code)));
            push_fields(&mut call, &version);
        }
        let answer: Vec<String> =
            call.invoke_async(&mut self.connection.clone()).await.map_err(StoreError::from)?;
        let submitted = submitted(&answer)?;
        self.replicated.wait().await?;
        Ok(submitted)
    }

    /// Extends leases; answers in the same order.
    pub async fn renew(&self, held: &[(EntryId, u64)]) -> Result<Vec<RenewAnswer>, StoreError> {
        let mut call = script::RENEW.prepare_invoke();
        call.key(&self.prefix).arg(millis(self.lease));
        for (id, fence) in held {
            call.arg(id.to_string()).arg(*fence);
        }
        let answers: Vec<String> = call.invoke_async(&mut self.connection.clone()).await?;
        let answer = |text: String| match text.as_str() {
            "ok" => Ok(RenewAnswer::Held),
            "cancel" => Ok(RenewAnswer::Cancel),
            "lost" => Ok(RenewAnswer::Lost),
            other => Err(unexpected(other)),
        };
        answers.into_iter().map(answer).collect()
    }

    /// Records what a running attempt did.
    pub async fn progress(
        &self,
        id: EntryId,
        fence: u64,
        progress: &Progress,
        journal_bytes_max: u64,
    ) -> Result<ProgressAnswer, StoreError> {
        let mut call = script::PROGRESS.prepare_invoke();
        call.key(&self.prefix).arg(id.to_string()).arg(fence).arg(&progress.log).arg(journal_bytes_max);
        call.arg(progress.number).arg(progress.events.len() * 2);
        for (kind, data) in &progress.events {
            call.arg(*kind).arg(data);
        }
        call.arg(progress.journal.len() * 2);
        for (key, entry) in &progress.journal {
            call.arg(key).arg(entry);
        }
        call.arg(progress.limits.tool_calls).arg(progress.limits.tokens);
        call.arg(&progress.spending.arguments());
        let answer: String = call.invoke_async(&mut self.connection.clone()).await?;
        match answer.as_str() {
            "ok" => Ok(ProgressAnswer::Recorded),
            "cancel" => Ok(ProgressAnswer::Cancel),
            "stale" => Ok(ProgressAnswer::Stale),
            "full" => Ok(ProgressAnswer::JournalFull),
            other => match DaySpent::parse(other) {
                Some(spent) => Ok(ProgressAnswer::DaySpent(spent)),
                None => Err(unexpected(other)),
            },
        }
    }

    /// Ends a job. `false`: another attempt is current, nothing was written.
    pub async fn finish(&self, id: EntryId, fence: u64, finish: &Finish) -> Result<bool, StoreError> {
        let status = match (&finish.error, finish.cancelled) {
            (_, true) => JobStatus::Cancelled,
            (Some(_), false) => JobStatus::Failed,
            (None, false) => JobStatus::Succeeded,
        };
        let mut job = vec![("usage", to_json(&finish.usage))];
        job.extend(finish.sandbox.as_ref().map(|sandbox| ("sandbox", to_json(sandbox))));
        job.extend(finish.replay.as_ref().map(|replay| ("replay", to_json(replay))));
        job.extend(finish.provider.clone().map(|provider| ("provider", provider)));
        let mut call = script::FINISH.prepare_invoke();
        call.key(&self.prefix)
            .arg(id.to_string())
            .arg(fence)
            .arg(status.as_str())
            .arg(finish.error.as_ref().map(to_json).unwrap_or_default())
            .arg(u8::from(finish.result.is_some()))
            .arg(finish.result.as_deref().unwrap_or_default())
            .arg(&finish.log)
            .arg(u8::from(finish.becomes_current));
        push_fields(&mut call, &job);
        push_fields(&mut call, &finish.workflow);
        push_fields(&mut call, &finish.version);
        let answer: String = call.invoke_async(&mut self.connection.clone()).await?;
        owned(&answer)
    }

    /// Gives a job back, to be claimed again after `delay`. `false`: another attempt is current.
    pub async fn retry_later(
        &self,
        id: EntryId,
        fence: u64,
        delay: Duration,
        counts_as_lost: bool,
        fields: &[(&'static str, String)],
    ) -> Result<bool, StoreError> {
        let mut call = script::RETRY_LATER.prepare_invoke();
        call.key(&self.prefix)
            .arg(id.to_string())
            .arg(fence)
            .arg(millis(delay))
            .arg(u8::from(counts_as_lost));
        push_fields(&mut call, fields);
        let answer: String = call.invoke_async(&mut self.connection.clone()).await?;
        owned(&answer)
    }

    /// Cancels a job of the tenant.
    pub async fn cancel(&self, tenant: &TenantId, id: JobId) -> Result<CancelAnswer, StoreError> {
        let answer: String = script::CANCEL
            .key(&self.prefix)
            .arg(id.to_string())
            .arg(tenant.as_str())
            .invoke_async(&mut self.connection.clone())
            .await?;
        match answer.as_str() {
            "unknown" => Ok(CancelAnswer::Unknown),
            "final" => Ok(CancelAnswer::Final),
            "cancelled" => Ok(CancelAnswer::Cancelled),
            "requested" => Ok(CancelAnswer::Requested),
            other => Err(unexpected(other)),
        }
    }
}

/// Whether the attempt that wrote was the current one.
fn owned(answer: &str) -> Result<bool, StoreError> {
    match answer {
        "ok" => Ok(true),
        "stale" => Ok(false),
        other => Err(unexpected(other)),
    }
}

fn job_fields(job: &JobSpec) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("version", job.version.to_string()),
        ("timeout_ms", millis(job.timeout).to_string()),
        ("max_attempts", job.max_attempts.to_string()),
    ];
    if !job.metadata.is_empty() {
        fields.push(("metadata", to_json(&job.metadata)));
    }
    fields.extend(job.callback_url.as_ref().map(|url| ("callback_url", url.to_string())));
    fields.extend(job.trace.map(|trace| ("traceparent", trace.to_string())));
    fields.extend(job.retry_of.map(|id| ("retry_of", id.to_string())));
    fields
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

fn submitted(answer: &[String]) -> Result<Submitted, SubmitError> {
    let id = |at: usize| answer.get(at).map(String::as_str).unwrap_or_default();
    match id(0) {
        "created" | "replayed" => Ok(Submitted {
            job_id: id(1).parse().map_err(|_| unexpected(id(1)))?,
            workflow_id: id(2).parse().map_err(|_| unexpected(id(2)))?,
            replayed: id(0) == "replayed",
        }),
        "mismatch" => Err(SubmitError::KeyReused),
        "no_workflow" => Err(SubmitError::UnknownWorkflow),
        "changed" => Err(SubmitError::Changed),
        "versions" => Err(SubmitError::TooManyVersions),
        "full" => Err(SubmitError::QueueFull),
        "no_room" => {
            Err(StoreError::Unavailable("its memory is full of jobs that have not ended".to_owned()).into())
        }
        other => Err(unexpected(other).into()),
    }
}

pub(super) fn push_fields(call: &mut redis::ScriptInvocation<'_>, fields: &[(&'static str, String)]) {
    call.arg(fields.len() * 2);
    for (name, value) in fields {
        call.arg(*name).arg(value);
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data serialises")
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn unexpected(answer: &str) -> StoreError {
    StoreError::Unreadable(format!("unexpected answer `{answer}`"))
}
