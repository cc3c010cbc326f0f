//! How records read: hashes of text fields, format version 1. Unknown fields are ignored, so that a newer
//! program may add some; a missing or damaged one that matters is [`StoreError::Unreadable`].

use std::{collections::HashMap, str::FromStr, time::Duration};

use serde::de::DeserializeOwned;

use super::StoreError;
use crate::{
    job::{ExecuteInput, Job, JobKind, JobLinks, JobSpec, JobStatus, Queue},
    time::Timestamp,
};

/// A hash as Redis answers it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(pub HashMap<String, String>);

impl Fields {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.text(name).and_then(|text| text.parse().ok()).ok_or_else(|| unreadable(name))
    }

    pub(super) fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.text(name).map(|text| text.parse().map_err(|_| unreadable(name))).transpose()
    }

    pub(super) fn number<T: FromStr + Default>(&self, name: &str) -> T {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(|text| text.parse().ok()).map(Timestamp::from_millis)
    }

    pub(super) fn json<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, StoreError> {
        self.text(name)
            .map_or_else(|| Ok(T::default()), |text| serde_json::from_str(text).map_err(|_| unreadable(name)))
    }
}

fn unreadable(field: &str) -> StoreError {
    StoreError::Unreadable(format!("field `{field}`"))
}

/// A client's job from its record. `None` for what is not a client's job: a webhook message.
pub(super) fn job(
    fields: &Fields,
    input: Option<String>,
    result: Option<String>,
) -> Result<Option<Job>, StoreError> {
    let kind = match fields.parsed::<Queue>("queue")? {
        Queue::Generate => JobKind::Generate,
        Queue::Execute => JobKind::Execute,
        Queue::Deliver => return Ok(None),
    };
    let (id, workflow_id) = (fields.parsed("id")?, fields.parsed("workflow_id")?);
    let status: JobStatus = fields.parsed("status")?;
    let started_at = fields.time("started_at");
    let expires_at = fields.time("expires_at").ok_or_else(|| unreadable("expires_at"))?;
    let attempt_ends = started_at.map(|at| at.plus(Duration::from_millis(fields.number("timeout_ms"))));
    let deadline_at = match attempt_ends {
        Some(at) if status != JobStatus::Queued => at.min(expires_at),
        _ => expires_at,
    };
    let input = match (kind, input) {
        (JobKind::Execute, Some(json)) => {
            Some(serde_json::from_str::<ExecuteInput>(&json).map_err(|_| unreadable("input"))?)
        }
        _ => None,
    };
    let result = result.map(serde_json::value::RawValue::from_string).transpose();
    Ok(Some(Job {
        id,
        object: "job".to_owned(),
        kind,
        status,
        workflow_id,
        version: fields.number("version"),
        attempt: fields.number("attempt"),
        max_attempts: fields.number("max_attempts"),
        input,
        result: result.map_err(|_| unreadable("result"))?,
        error: fields.json("error")?,
        usage: fields.json("usage")?,
        sandbox: fields.json("sandbox")?,
        replay: fields.json("replay")?,
        provider: fields.text("provider").map(str::to_owned),
        metadata: fields.json("metadata")?,
        created_at: fields.time("created_at").ok_or_else(|| unreadable("created_at"))?,
        started_at,
        finished_at: fields.time("finished_at"),
        deadline_at,
        retry_of: fields.optional("retry_of")?,
        links: JobLinks::of(id, workflow_id),
    }))
}

/// A claimed job from its record.
pub(super) fn spec(fields: &Fields, input: String) -> Result<JobSpec, StoreError> {
    let millis = |name| Duration::from_millis(fields.number(name));
    let created = fields.number::<u64>("created_at");
    Ok(JobSpec {
        id: fields.parsed("id")?,
        queue: fields.parsed("queue")?,
        tenant: fields.parsed("tenant")?,
        workflow_id: fields.optional("workflow_id")?,
        version: fields.number("version"),
        timeout: millis("timeout_ms"),
        expires_in: Duration::from_millis(fields.number::<u64>("expires_at").saturating_sub(created)),
        max_attempts: fields.number("max_attempts"),
        callback_url: fields.optional("callback_url")?,
        metadata: fields.json("metadata")?,
        retry_of: fields.optional("retry_of")?,
        input,
        subject: fields.optional("subject")?,
        tries: fields.number("tries"),
        trace: fields.text("traceparent").and_then(|text| text.parse().ok()),
    })
}
