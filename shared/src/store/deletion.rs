//! What a client has deleted: workflows with their versions, and final jobs with all their data.
//!
//! A deleted workflow takes the work it was asked for with it: what waits is cancelled, what runs is told to stop, and
//! its final jobs stay for as long as any others. That may be more than one script should do, so it is done in pieces,
//! by whoever deletes and then by every tick: a crash in between delays it and loses nothing.

use super::{Store, StoreError, script, state::unexpected};
use crate::id::{JobId, TenantId, WorkflowId};

/// 100 jobs in one script: about a millisecond.
const CANCEL_BATCH: usize = 100;

/// What erasing a job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EraseAnswer {
    /// Nothing is left of it.
    Erased,
    /// The tenant has no such job.
    Unknown,
    /// It is not final.
    Active,
}

impl Store {
    /// Deletes a workflow and its versions. `false`: the tenant has no such workflow.
    pub async fn delete_workflow(&self, tenant: &TenantId, id: WorkflowId) -> Result<bool, StoreError> {
        let deleted: i64 = script::DELETE_WORKFLOW
            .key(&self.prefix)
            .arg(id.to_string())
            .arg(tenant.as_str())
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(deleted == 1)
    }

    /// Cancels some of the jobs of deleted workflows that are not final. `false`: none is left.
    pub async fn cancel_deleted(&self) -> Result<bool, StoreError> {
        let more: i64 = script::CANCEL_DELETED
            .key(&self.prefix)
            .arg(CANCEL_BATCH)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(more == 1)
    }

    /// Erases a final job with everything that is kept beside it and the webhook message about it.
    pub async fn erase_job(&self, tenant: &TenantId, id: JobId) -> Result<EraseAnswer, StoreError> {
        let answer: String = script::ERASE_JOB
            .key(&self.prefix)
            .arg(id.to_string())
            .arg(tenant.as_str())
            .invoke_async(&mut self.connection.clone())
            .await?;
        match answer.as_str() {
            "erased" => Ok(EraseAnswer::Erased),
            "unknown" => Ok(EraseAnswer::Unknown),
            "active" => Ok(EraseAnswer::Active),
            other => Err(unexpected(other)),
        }
    }
}
