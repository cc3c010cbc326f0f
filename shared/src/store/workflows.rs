//! Reading workflows and versions.

use super::{Page, Store, StoreError, record::Fields, script, state::unexpected};
use crate::{
    id::{JobId, TenantId, WorkflowId},
    workflow::{Workflow, WorkflowStatus},
};

/// A version's program, as the worker needs it.
#[derive(Debug, Clone)]
pub struct Version {
    /// The program.
    pub code: String,
    /// Its state.
    pub status: WorkflowStatus,
}

/// What a client calls a workflow and notes on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Its title; empty to take one from the program.
    pub name: String,
    /// The client's own labels, as a JSON object; empty for none.
    pub metadata: String,
}

/// How a change of labels went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeAnswer {
    /// Written.
    Changed,
    /// Somebody else changed them meanwhile: nothing was written.
    Overtaken,
    /// The tenant has no such workflow.
    Unknown,
}

impl Store {
    /// A workflow with its current program and its latest generate job.
    pub async fn workflow(&self, tenant: &TenantId, id: WorkflowId) -> Result<Option<Workflow>, StoreError> {
        let key = self.workflow_key(id);
        let fields = self.hashes(std::iter::once(key.clone())).await?.pop().unwrap_or_default();
        if fields.text("tenant") != Some(tenant.as_str()) {
            return Ok(None);
        }
        let version: u32 = fields.number("version");
        let code: Option<String> = redis::cmd("HGET")
            .arg(format!("{key}:v:{version}"))
            .arg("code")
            .query_async(&mut self.connection.clone())
            .await?;
        let job = match fields.optional::<JobId>("job")? {
            Some(job) => self.job(tenant, job).await?,
            None => None,
        };
        let mut workflow = workflow(&fields)?;
        workflow.code = code;
        workflow.job = job;
        Ok(Some(workflow))
    }

    /// What the client answered to the workflow's questions so far: question, answer.
    pub async fn answers(
        &self,
        tenant: &TenantId,
        id: WorkflowId,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let fields = self.hashes(std::iter::once(self.workflow_key(id))).await?.pop().unwrap_or_default();
        if fields.text("tenant") != Some(tenant.as_str()) {
            return Ok(Vec::new());
        }
        fields.json("answers")
    }

    /// Name and labels of a workflow as they are written, for a change of them.
    pub async fn labels(&self, tenant: &TenantId, id: WorkflowId) -> Result<Option<Labels>, StoreError> {
        let key = self.workflow_key(id);
        let fields = self.hashes(std::iter::once(key)).await?.pop().unwrap_or_default();
        if fields.text("tenant") != Some(tenant.as_str()) {
            return Ok(None);
        }
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        Ok(Some(Labels { name: text("name"), metadata: text("metadata") }))
    }

    /// Writes name and labels of a workflow, if they still are as they were `read`.
    pub async fn change_workflow(
        &self,
        tenant: &TenantId,
        id: WorkflowId,
        read: &Labels,
        written: &Labels,
    ) -> Result<ChangeAnswer, StoreError> {
        let answer: String = script::CHANGE_WORKFLOW
            .key(&self.prefix)
            .arg(id.to_string())
            .arg(tenant.as_str())
            .arg(&read.name)
            .arg(&read.metadata)
            .arg(&written.name)
            .arg(&written.metadata)
            .invoke_async(&mut self.connection.clone())
            .await?;
        match answer.as_str() {
            "ok" => Ok(ChangeAnswer::Changed),
            "changed" => Ok(ChangeAnswer::Overtaken),
            "unknown" => Ok(ChangeAnswer::Unknown),
            other => Err(unexpected(other)),
        }
    }

    /// The tenant's workflows, newest first, without code and job.
    pub async fn workflows(
        &self,
        tenant: &TenantId,
        after: Option<WorkflowId>,
        limit: usize,
    ) -> Result<Page<Workflow>, StoreError> {
        let index = self.key(format_args!("t:{tenant}:workflows"));
        let after = after.map(|id| id.to_string());
        let mut ids = self.index_page(&index, after.as_deref(), limit + 1).await?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = if more { ids.last().cloned() } else { None };
        let records = self.hashes(ids.iter().map(|id| self.key(format_args!("wf:{id}")))).await?;
        let known = records.iter().filter(|fields| fields.text("tenant") == Some(tenant.as_str()));
        Ok(Page { items: known.map(workflow).collect::<Result<_, _>>()?, next })
    }

    /// A version's program. `None` while there is none.
    pub async fn version(&self, id: WorkflowId, version: u32) -> Result<Option<Version>, StoreError> {
        let key = format!("{}:v:{version}", self.workflow_key(id));
        let fields = self.hashes(std::iter::once(key)).await?.pop().unwrap_or_default();
        let Some(code) = fields.text("code") else { return Ok(None) };
        Ok(Some(Version {
            code: code.to_owned(),
            status: fields.parsed("status").unwrap_or(WorkflowStatus::Failed),
        }))
    }

    pub(super) fn workflow_key(&self, id: WorkflowId) -> String {
        self.key(format_args!("wf:{id}"))
    }
}

fn workflow(fields: &Fields) -> Result<Workflow, StoreError> {
    let time = |name| fields.time(name).ok_or_else(|| StoreError::Unreadable(format!("field `{name}`")));
    Ok(Workflow {
        id: fields.parsed("id")?,
        object: "workflow".to_owned(),
        name: fields.text("name").or_else(|| fields.text("suggested_name")).unwrap_or_default().to_owned(),
        description: fields.text("description").unwrap_or_default().to_owned(),
        status: fields.parsed("status")?,
        version: fields.number("version"),
        code: None,
        summary: fields.text("summary").map(str::to_owned),
        steps: fields.json("steps")?,
        questions: fields.json("questions")?,
        error: fields.json("error")?,
        provider: fields.text("provider").map(str::to_owned),
        metadata: fields.json("metadata")?,
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
        job: None,
    })
}
