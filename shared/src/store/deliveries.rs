//! Webhook messages as their tenant sees them: one for each job with a callback, and every attempt to send it.
//!
//! An attempt is noted in the message's journal, under the fence of its claim, before its end is settled: an attempt
//! whose worker died right after the receiver's answer is listed too, because it reached the receiver.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, StoreError, record::Fields, script};
use crate::{
    id::{JobId, MessageId, TenantId},
    job::{JobError, JobStatus},
    time::Timestamp,
};

/// How it stands with a webhook message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is being sent, or waits for its next attempt.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}

/// One attempt to send a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryAttempt {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The receiver's status; null when it gave none.
    pub status_code: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The beginning of what the receiver said, at most 1 KiB.
    pub response: Option<String>,
}

/// A webhook message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Delivery {
    /// Its name: the `webhook-id` of every attempt.
    #[schema(value_type = String, example = "msg_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub id: MessageId,
    /// Always `delivery`.
    #[schema(example = "delivery")]
    pub object: String,
    /// The job it tells of.
    #[schema(value_type = String, example = "job_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub job_id: JobId,
    /// Where it is sent.
    #[schema(example = "https://example.com/hook")]
    pub url: String,
    /// How it stands.
    pub status: DeliveryStatus,
    /// Why it was given up.
    pub error: Option<String>,
    /// When it is sent again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// The attempts so far, oldest first; of very many the first ones.
    pub attempts: Vec<DeliveryAttempt>,
    /// When the job ended.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Owner and URL of the job; record, attempts and due time of its message.
type Read = ((Option<String>, Option<String>), HashMap<String, String>, HashMap<String, String>, Option<f64>);

impl Store {
    /// The webhook messages about a job. `None`: the tenant has no such job.
    pub async fn deliveries(
        &self,
        tenant: &TenantId,
        job: JobId,
    ) -> Result<Option<Vec<Delivery>>, StoreError> {
        let message = job.message();
        let key = self.job_key(message);
        let ((owner, url), fields, attempts, due): Read = redis::pipe()
            .cmd("HMGET")
            .arg(self.job_key(job))
            .arg(&["tenant", "callback_url"])
            .hgetall(&key)
            .hgetall(format!("{key}:journal"))
            .zscore(self.key("q:deliver:due"), message.to_string())
            .query_async(&mut self.connection.clone())
            .await?;
        if owner.as_deref() != Some(tenant.as_str()) {
            return Ok(None);
        }
        let fields = Fields(fields);
        if fields.text("tenant") != Some(tenant.as_str()) {
            return Ok(Some(Vec::new()));
        }
        let status = match fields.parsed::<JobStatus>("status")? {
            JobStatus::Queued | JobStatus::Running => DeliveryStatus::Pending,
            JobStatus::Succeeded => DeliveryStatus::Delivered,
            JobStatus::Failed | JobStatus::Cancelled => DeliveryStatus::Failed,
        };
        let error: Option<JobError> = fields.json("error")?;
        Ok(Some(vec![Delivery {
            id: message,
            object: "delivery".to_owned(),
            job_id: job,
            url: url.unwrap_or_default(),
            status,
            error: error.map(|error| error.message),
            next_attempt_at: due.map(|at| Timestamp::from_millis(whole(at))),
            attempts: in_order(attempts)?,
            created_at: fields.time("created_at").unwrap_or_else(Timestamp::now),
        }]))
    }

    /// Sends a message again, now. `false`: the tenant has no such message about this job.
    pub async fn redeliver(
        &self,
        tenant: &TenantId,
        job: JobId,
        message: MessageId,
    ) -> Result<bool, StoreError> {
        let queued: i64 = script::REDELIVER
            .key(&self.prefix)
            .arg(message.to_string())
            .arg(tenant.as_str())
            .arg(job.to_string())
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(queued == 1)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds since the epoch are whole")]
fn whole(millis: f64) -> i64 {
    millis as i64
}

/// Attempts are noted under their fences, which grow.
fn in_order(attempts: HashMap<String, String>) -> Result<Vec<DeliveryAttempt>, StoreError> {
    let unreadable = || StoreError::Unreadable("an attempt of a delivery".to_owned());
    let mut numbered = Vec::with_capacity(attempts.len());
    for (fence, json) in attempts {
        let fence: u64 = fence.parse().map_err(|_| unreadable())?;
        let attempt: DeliveryAttempt = serde_json::from_str(&json).map_err(|_| unreadable())?;
        numbered.push((fence, attempt));
    }
    numbered.sort_by_key(|(fence, _)| *fence);
    Ok(numbered.into_iter().map(|(_, attempt)| attempt).collect())
}
