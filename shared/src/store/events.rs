//! Events of jobs: the numbered list kept with each job. That there are new ones, the hub says.

use serde::Deserialize;
use serde_json::Value;

use super::{Store, StoreError, script};
use crate::{
    id::{JobId, TenantId},
    job::JobStatus,
    time::Timestamp,
};

/// One event of a job.
#[derive(Debug, Clone)]
pub struct JobEvent {
    /// Numbered from 1 without gaps.
    pub seq: u64,
    /// `job.started`, `tool_call.finished`, …
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub data: Value,
}

/// Events after a point.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<JobEvent>,
    /// Some events after the point were trimmed before they could be read.
    pub gap: bool,
    /// The state the job was in with these.
    pub status: JobStatus,
}

impl Store {
    /// The events of a job after number `after`. `None`: the tenant has no such job.
    pub async fn events(
        &self,
        tenant: &TenantId,
        id: JobId,
        after: u64,
    ) -> Result<Option<EventPage>, StoreError> {
        let answer: Vec<String> = script::EVENTS_AFTER
            .key(&self.prefix)
            .arg(id.to_string())
            .arg(tenant.as_str())
            .arg(after)
            .invoke_async(&mut self.connection.clone())
            .await?;
        let Some((status, entries)) = answer.split_first() else { return Ok(None) };
        let status = status.parse().map_err(|()| StoreError::Unreadable("field `status`".to_owned()))?;
        let events = entries.iter().map(|json| parse(json)).collect::<Result<Vec<_>, _>>()?;
        let gap = events.first().is_some_and(|first| first.seq > after + 1);
        Ok(Some(EventPage { events, gap, status }))
    }
}

fn parse(json: &str) -> Result<JobEvent, StoreError> {
    #[derive(Deserialize)]
    struct Stored {
        seq: u64,
        r#type: String,
        at: i64,
        data: Value,
    }
    let stored: Stored =
        serde_json::from_str(json).map_err(|_| StoreError::Unreadable("an event".to_owned()))?;
    Ok(JobEvent {
        seq: stored.seq,
        kind: stored.r#type,
        at: Timestamp::from_millis(stored.at),
        data: stored.data,
    })
}
