//! Versions of a workflow, as clients see them: the program, where it came from, and what is known about it.
//!
//! A version never changes once its job is final.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Page, Store, StoreError,
    generation::{DryRun, Finding, ProgramAttempt},
    record::Fields,
};
use crate::{
    id::{JobId, TenantId, WorkflowId},
    job::JobError,
    time::Timestamp,
    workflow::{Question, Source, Step, WorkflowStatus},
};

/// A version of a workflow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VersionView {
    /// Always `version`.
    #[schema(example = "version")]
    pub object: String,
    /// Its workflow.
    #[schema(value_type = String, example = "wf_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub workflow_id: WorkflowId,
    /// Its number, from 1.
    pub version: u32,
    /// Its state; only a `ready` one can be executed.
    pub status: WorkflowStatus,
    /// Where its program came from.
    pub source: Source,
    /// Its program; null in lists and where none could be made.
    pub code: Option<String>,
    /// What the program does, in words.
    pub summary: Option<String>,
    /// The program's named steps.
    pub steps: Vec<Step>,
    /// What has to be answered first.
    pub questions: Vec<Question>,
    /// Why there is no program.
    pub error: Option<JobError>,
    /// Who wrote it: `anthropic`, `openai_compatible` or `offline`; null for the client's own code.
    pub provider: Option<String>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// The version of the prompt it was written with.
    pub prompt_version: Option<u32>,
    /// How often it had to be repaired.
    pub rounds: u32,
    /// It was taken from the tenant's verified programs; no model was asked.
    pub cached: bool,
    /// What was decided without being told.
    pub assumptions: Vec<String>,
    /// What cannot be done here, where it was refused.
    pub missing_capability: Option<String>,
    /// What is known to be doubtful about the program.
    pub findings: Vec<Finding>,
    /// The dry runs of the program.
    pub self_tests: Vec<DryRun>,
    /// Every program that was tried, in order; empty in lists.
    pub attempts: Vec<ProgramAttempt>,
    /// Tokens read to write it.
    pub input_tokens: u64,
    /// Tokens written for it.
    pub output_tokens: u64,
    /// The job that made it.
    #[schema(value_type = Option<String>)]
    pub job_id: Option<JobId>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Store {
    /// The number of the workflow's newest version. `None`: the tenant has no such workflow.
    pub async fn newest_version(&self, tenant: &TenantId, id: WorkflowId) -> Result<Option<u32>, StoreError> {
        let key = self.key(format_args!("wf:{id}"));
        let (owner, newest): (Option<String>, Option<u32>) = redis::cmd("HMGET")
            .arg(key)
            .arg("tenant")
            .arg("last_version")
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(newest.filter(|_| owner.as_deref() == Some(tenant.as_str())))
    }

    /// One version with its program. `None`: the tenant has no such version.
    pub async fn version_view(
        &self,
        tenant: &TenantId,
        id: WorkflowId,
        version: u32,
    ) -> Result<Option<VersionView>, StoreError> {
        if self.newest_version(tenant, id).await?.is_none_or(|newest| version == 0 || version > newest) {
            return Ok(None);
        }
        let record = self.hashes(std::iter::once(self.version_key(id, version))).await?.pop();
        record.filter(|fields| !fields.0.is_empty()).map(|fields| view(id, version, &fields)).transpose()
    }

    /// Versions, newest first, without programs; those below `before`, at most `limit`. `None`: the tenant has no such
    /// workflow.
    pub async fn versions(
        &self,
        tenant: &TenantId,
        id: WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Option<Page<VersionView>>, StoreError> {
        let Some(newest) = self.newest_version(tenant, id).await? else { return Ok(None) };
        let first = before.map_or(newest, |before| before.saturating_sub(1).min(newest));
        let numbers: Vec<u32> = (1..=first).rev().take(limit).collect();
        let next = numbers.last().filter(|last| **last > 1).map(u32::to_string);
        let records = self.hashes(numbers.iter().map(|version| self.version_key(id, *version))).await?;
        let known = numbers.iter().zip(&records).filter(|(_, fields)| !fields.0.is_empty());
        let items = known.map(|(version, fields)| {
            let view = view(id, *version, fields)?;
            Ok(VersionView { code: None, attempts: Vec::new(), ..view })
        });
        Ok(Some(Page { items: items.collect::<Result<_, StoreError>>()?, next }))
    }

    fn version_key(&self, id: WorkflowId, version: u32) -> String {
        self.key(format_args!("wf:{id}:v:{version}"))
    }
}

fn view(id: WorkflowId, version: u32, fields: &Fields) -> Result<VersionView, StoreError> {
    let text = |name| fields.text(name).map(str::to_owned);
    let tokens: std::collections::HashMap<String, u64> = fields.json("tokens")?;
    Ok(VersionView {
        object: "version".to_owned(),
        workflow_id: id,
        version,
        status: fields.parsed("status")?,
        source: fields.parsed("source")?,
        code: text("code"),
        summary: text("summary"),
        steps: fields.json("steps")?,
        questions: fields.json("questions")?,
        error: fields.json("error")?,
        provider: text("provider"),
        model: text("model"),
        prompt_version: fields.optional("prompt_version")?,
        rounds: fields.number("rounds"),
        cached: fields.text("cached") == Some("true"),
        assumptions: fields.json("assumptions")?,
        missing_capability: text("missing_capability"),
        findings: fields.json("findings")?,
        self_tests: fields.json("self_tests")?,
        attempts: fields.json("attempts")?,
        input_tokens: tokens.get("input_tokens").copied().unwrap_or_default(),
        output_tokens: tokens.get("output_tokens").copied().unwrap_or_default(),
        job_id: fields.optional("job")?,
        created_at: fields
            .time("created_at")
            .ok_or_else(|| StoreError::Unreadable("field `created_at`".to_owned()))?,
    })
}
