//! Reading jobs: one, a page, and the parts that are kept beside the record. All by tenant: another tenant's
//! job reads exactly as one that does not exist.

use std::collections::HashMap;

use super::{Store, StoreError, record, record::Fields};
use crate::{
    id::{JobId, TenantId, WorkflowId},
    job::{Job, JobKind, JobSpec, JobStatus},
    journal::{Entry, StepView},
};

/// 100 records a round trip while a list is filtered.
const SCAN_BATCH: usize = 100;
/// 2,000 records looked at for one page; then the page ends early and says that there is more.
const SCAN_MAX: usize = 2_000;

/// Which jobs a list shows.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only in this state.
    pub status: Option<JobStatus>,
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only of this workflow.
    pub workflow_id: Option<WorkflowId>,
}

impl JobFilter {
    fn is_empty(&self) -> bool {
        self.status.is_none() && self.kind.is_none()
    }

    fn admits(&self, job: &Job) -> bool {
        self.status.is_none_or(|status| job.status == status) && self.kind.is_none_or(|kind| job.kind == kind)
    }
}

/// A stretch of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts, when there may be one.
    pub next: Option<String>,
}

impl Store {
    /// A job with its input and result.
    pub async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        let key = self.job_key(id);
        let (fields, input, result): (HashMap<String, String>, Option<String>, Option<String>) =
            redis::pipe()
                .hgetall(&key)
                .get(format!("{key}:input"))
                .get(format!("{key}:result"))
                .query_async(&mut self.connection.clone())
                .await?;
        let fields = Fields(fields);
        if fields.text("tenant") != Some(tenant.as_str()) {
            return Ok(None);
        }
        record::job(&fields, input, result)
    }

    /// What a job was asked to do, to ask for it again. `None`: the tenant has no such job.
    pub async fn job_spec(&self, tenant: &TenantId, id: JobId) -> Result<Option<JobSpec>, StoreError> {
        let key = self.job_key(id);
        let (fields, input): (HashMap<String, String>, Option<String>) = redis::pipe()
            .hgetall(&key)
            .get(format!("{key}:input"))
            .query_async(&mut self.connection.clone())
            .await?;
        let fields = Fields(fields);
        if fields.text("tenant") != Some(tenant.as_str()) || fields.text("queue") == Some("deliver") {
            return Ok(None);
        }
        record::spec(&fields, input.unwrap_or_default()).map(Some)
    }

    /// The URL the final state of a job is posted to.
    pub async fn callback_url(&self, id: JobId) -> Result<Option<String>, StoreError> {
        let url: Option<String> = redis::cmd("HGET")
            .arg(self.job_key(id))
            .arg("callback_url")
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(url.filter(|url| !url.is_empty()))
    }

    /// The tenant's jobs, newest first, without input and result; after `after`, at most `limit`.
    pub async fn jobs(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Page<Job>, StoreError> {
        let index = match filter.workflow_id {
            Some(workflow) => self.key(format_args!("wf:{workflow}:jobs")),
            None => self.key(format_args!("t:{tenant}:jobs")),
        };
        // Without a filter every record is shown: no more are read than the page needs.
        let batch = if filter.is_empty() { (limit + 1).min(SCAN_BATCH) } else { SCAN_BATCH };
        let (mut items, mut cursor, mut scanned) = (Vec::new(), after.map(|id| id.to_string()), 0);
        loop {
            let ids = self.index_page(&index, cursor.as_deref(), batch).await?;
            let exhausted = ids.len() < batch;
            scanned += ids.len();
            let records = self.hashes(ids.iter().map(|id| self.job_key(id))).await?;
            for (id, fields) in ids.into_iter().zip(records) {
                if items.len() == limit {
                    return Ok(Page { items, next: cursor });
                }
                cursor = Some(id);
                if fields.text("tenant") != Some(tenant.as_str()) {
                    continue; // erased, or a foreign workflow's list
                }
                items.extend(record::job(&fields, None, None)?.filter(|job| filter.admits(job)));
            }
            if exhausted {
                return Ok(Page { items, next: None });
            }
            if scanned >= SCAN_MAX {
                return Ok(Page { items, next: cursor });
            }
        }
    }

    /// What the program printed. `None`: the tenant has no such job.
    pub async fn log(&self, tenant: &TenantId, id: JobId) -> Result<Option<Vec<u8>>, StoreError> {
        let key = self.job_key(id);
        let (owner, log): (Option<String>, Option<Vec<u8>>) = redis::pipe()
            .hget(&key, "tenant")
            .get(format!("{key}:log"))
            .query_async(&mut self.connection.clone())
            .await?;
        Ok((owner.as_deref() == Some(tenant.as_str())).then(|| log.unwrap_or_default()))
    }

    /// The tool calls and named steps in the order in which they began. `None`: the tenant has no such job.
    pub async fn steps(&self, tenant: &TenantId, id: JobId) -> Result<Option<Vec<StepView>>, StoreError> {
        let owner: Option<String> = redis::cmd("HGET")
            .arg(self.job_key(id))
            .arg("tenant")
            .query_async(&mut self.connection.clone())
            .await?;
        if owner.as_deref() != Some(tenant.as_str()) {
            return Ok(None);
        }
        let journal = self.journal(id).await?;
        let mut steps: Vec<StepView> = journal.into_values().map(StepView::from).collect();
        steps.sort_by_key(|step| step.seq);
        Ok(Some(steps))
    }

    /// The journal of a job, for replay.
    pub async fn journal(&self, id: JobId) -> Result<HashMap<String, Entry>, StoreError> {
        let entries: HashMap<String, String> = redis::cmd("HGETALL")
            .arg(format!("{}:journal", self.job_key(id)))
            .query_async(&mut self.connection.clone())
            .await?;
        let parse = |(key, json): (String, String)| {
            let entry = serde_json::from_str(&json);
            entry.map(|entry| (key, entry)).map_err(|_| StoreError::Unreadable("a journal entry".to_owned()))
        };
        entries.into_iter().map(parse).collect()
    }

    /// Members of an index, greatest first, below `after`.
    pub(super) async fn index_page(
        &self,
        index: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let from = after.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        Ok(redis::cmd("ZRANGE")
            .arg(index)
            .arg(from)
            .arg("-")
            .arg("BYLEX")
            .arg("REV")
            .arg("LIMIT")
            .arg(0)
            .arg(limit)
            .query_async(&mut self.connection.clone())
            .await?)
    }

    /// Several hashes in one round trip.
    pub(super) async fn hashes(&self, keys: impl Iterator<Item = String>) -> Result<Vec<Fields>, StoreError> {
        let mut pipe = redis::pipe();
        let mut empty = true;
        for key in keys {
            pipe.hgetall(key);
            empty = false;
        }
        if empty {
            return Ok(Vec::new());
        }
        let hashes: Vec<HashMap<String, String>> = pipe.query_async(&mut self.connection.clone()).await?;
        Ok(hashes.into_iter().map(Fields).collect())
    }
}
