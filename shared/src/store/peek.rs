//! Looking at one field: what those who wait for a job, or ask for a version, need and no more.

use super::{Store, StoreError};
use crate::{
    id::{JobId, TenantId, WorkflowId},
    job::JobStatus,
    workflow::WorkflowStatus,
};

impl Store {
    /// The state of a job, without the rest. `None`: the tenant has no such job.
    pub async fn job_status(&self, tenant: &TenantId, id: JobId) -> Result<Option<JobStatus>, StoreError> {
        let (owner, queue, status): (Option<String>, Option<String>, Option<String>) = redis::cmd("HMGET")
            .arg(self.job_key(id))
            .arg(&["tenant", "queue", "status"])
            .query_async(&mut self.connection.clone())
            .await?;
        if owner.as_deref() != Some(tenant.as_str()) || queue.as_deref() == Some("deliver") {
            return Ok(None);
        }
        let status = status.and_then(|text| text.parse().ok());
        status.map(Some).ok_or_else(|| StoreError::Unreadable("field `status`".to_owned()))
    }

    /// Whether the tenant has this workflow.
    pub async fn has_workflow(&self, tenant: &TenantId, id: WorkflowId) -> Result<bool, StoreError> {
        let owner: Option<String> = redis::cmd("HGET")
            .arg(self.workflow_key(id))
            .arg("tenant")
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(owner.as_deref() == Some(tenant.as_str()))
    }

    /// The state of a version, whether it has a program or not. `None`: the workflow has no such version.
    pub async fn version_status(
        &self,
        id: WorkflowId,
        version: u32,
    ) -> Result<Option<WorkflowStatus>, StoreError> {
        let key = self.key(format_args!("wf:{id}:v:{version}"));
        let status: Option<String> =
            redis::cmd("HGET").arg(key).arg("status").query_async(&mut self.connection.clone()).await?;
        let parse = |text: String| {
            text.parse().map_err(|()| StoreError::Unreadable("field `status` of a version".to_owned()))
        };
        status.map(parse).transpose()
    }
}
