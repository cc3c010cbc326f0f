//! The state changes, one method for each script; claiming is in `claim.rs`.

use std::time::Duration;

use super::{DailyLimits, DaySpent, Spending, Store, StoreError, script, together::Arguments};
use crate::{
    id::{JobId, TenantId},
    job::{EntryId, JobError, JobStatus, Replay, Sandbox, Usage},
};

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
        let mut asked = Arguments::default();
        asked.push_shown(id);
        asked.push_shown(fence);
        asked.push_bytes(&progress.log);
        asked.push_shown(journal_bytes_max);
        asked.push_shown(progress.number);
        asked.push_fields(&progress.events);
        asked.push_fields(&progress.journal);
        asked.push_shown(progress.limits.tool_calls);
        asked.push_shown(progress.limits.tokens);
        for amount in progress.spending.arguments() {
            asked.push_shown(amount);
        }
        let answer = self.writes.ask(asked).await?;
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
        let mut asked = Arguments::default();
        asked.push_shown(id);
        asked.push_shown(fence);
        asked.push(status.as_str());
        asked.push(&finish.error.as_ref().map(to_json).unwrap_or_default());
        asked.push(if finish.result.is_some() { "1" } else { "0" });
        asked.push(finish.result.as_deref().unwrap_or_default());
        asked.push_bytes(&finish.log);
        asked.push(if finish.becomes_current { "1" } else { "0" });
        for fields in [&job, &finish.workflow, &finish.version] {
            asked.push_fields(fields);
        }
        let answer = self.finishes.ask(asked).await?;
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

pub(super) fn push_fields(call: &mut redis::ScriptInvocation<'_>, fields: &[(&'static str, String)]) {
    call.arg(fields.len() * 2);
    for (name, value) in fields {
        call.arg(*name).arg(value);
    }
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data serialises")
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn unexpected(answer: &str) -> StoreError {
    StoreError::Unreadable(format!("unexpected answer `{answer}`"))
}
