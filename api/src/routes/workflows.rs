//! Workflows: described, listed, executed.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use shared::{
    id::WorkflowId,
    store::ChangeAnswer,
    workflow::{Workflow, WorkflowStatus},
};

use super::{
    Id, Page, Stretch,
    accepted::{self, Asked, Makes},
    tags::{IfMatch, IfNoneMatch, precondition, tagged},
};
use crate::{
    Api,
    auth::Caller,
    body::JsonBody,
    idempotency::Idempotency,
    problem::{Code, Problem},
    requests::{NewRun, NewWorkflow, WorkflowPatch},
};

/// Describe a workflow.
///
/// A program is written from the description and tried, or the supplied one is checked, in a job of its own: the
/// answer comes at once and names it. With `Prefer: wait=N` the answer comes when the job is final, or after N s.
#[utoipa::path(
    post, path = "/workflows", operation_id = "createWorkflow", tag = "workflows", request_body = NewWorkflow,
    params(
        Makes::<accepted::NewProgram>
    ),
    responses(
        Makes<accepted::NewProgram>
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    idempotency: Idempotency,
    asked: Asked,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let request = NewWorkflow::read(fields, &api.config)?;
    let submission = request.submission(caller.tenant(), idempotency, &api.config.jobs);
    let submitted = asked.submit(&api, caller.home(), submission).await?;
    asked.workflow(&api, caller.home(), submitted).await
}

/// List workflows, newest first, without code and job.
#[utoipa::path(
    get, path = "/workflows", operation_id = "listWorkflows", tag = "workflows", params(Stretch::<WorkflowId>),
    responses((status = 200, description = "A page of workflows", body = Page<Workflow>))
)]
pub(crate) async fn list(
    caller: Caller,
    Stretch { limit, after }: Stretch<WorkflowId>,
) -> Result<Json<Page<Workflow>>, Problem> {
    let page = caller.store().workflows(caller.tenant(), after, limit).await?;
    Ok(Json(page.into()))
}

/// One workflow, with its program and its latest generate job.
#[utoipa::path(
    get, path = "/workflows/{id}", operation_id = "getWorkflow", tag = "workflows",
    params(
        ("id" = String, Path, description = "The workflow"),
        IfNoneMatch
    ),
    responses(
        (status = 200, description = "The workflow", body = Workflow)
    )
)]
pub(crate) async fn get(
    caller: Caller,
    Id(id): Id<WorkflowId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let workflow = caller.store().workflow(caller.tenant(), id).await?;
    let workflow = workflow.ok_or_else(|| Problem::no_such("workflow"))?;
    Ok(tagged(&headers, &workflow))
}

/// 5 times a change is made again because another one came between; then there is more of a quarrel than a race.
const CHANGE_TRIES: usize = 5;

/// Change name and labels of a workflow.
///
/// A JSON Merge Patch: what is absent stays, what is null goes.
#[utoipa::path(
    patch, path = "/workflows/{id}", operation_id = "changeWorkflow", tag = "workflows", request_body = WorkflowPatch,
    params(
        ("id" = String, Path, description = "The workflow"),
        IfMatch::<WorkflowId>
    ),
    responses(
        (status = 200, description = "The workflow", body = Workflow, headers(("ETag" = String, description = "Its entity tag"))),
        IfMatch<WorkflowId>
    )
)]
pub(crate) async fn change(
    caller: Caller,
    Id(id): Id<WorkflowId>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let patch = WorkflowPatch::read(fields)?;
    let unknown = || Problem::no_such("workflow");
    for _ in 0..CHANGE_TRIES {
        let labels = caller.store().labels(caller.tenant(), id).await?.ok_or_else(unknown)?;
        check_precondition(&caller, id, &headers).await?;
        let changed = patch.applied_to(&labels)?;
        match caller.store().change_workflow(caller.tenant(), id, &labels, &changed).await? {
            ChangeAnswer::Changed => {
                let workflow = caller.store().workflow(caller.tenant(), id).await?.ok_or_else(unknown)?;
                return Ok(tagged(&HeaderMap::new(), &workflow));
            }
            ChangeAnswer::Overtaken => {}
            ChangeAnswer::Unknown => return Err(unknown()),
        }
    }
    Err(Problem::new(
        Code::OverCapacity,
        "The workflow is being changed by others at the same time; try again.",
    ))
}

async fn check_precondition(caller: &Caller, id: WorkflowId, headers: &HeaderMap) -> Result<(), Problem> {
    if !headers.contains_key(axum::http::header::IF_MATCH) {
        return Ok(());
    }
    let workflow = caller.store().workflow(caller.tenant(), id).await?;
    precondition(headers, &workflow.ok_or_else(|| Problem::no_such("workflow"))?).map(drop)
}

/// Delete a workflow with all its versions.
///
/// Its jobs that wait are cancelled, and those that run are told to stop; final ones can be read for as long as any
/// others.
#[utoipa::path(
    delete, path = "/workflows/{id}", operation_id = "deleteWorkflow", tag = "workflows",
    params(
        ("id" = String, Path, description = "The workflow"),
        IfMatch::<WorkflowId>
    ),
    responses(
        (status = 204, description = "It is gone"),
        IfMatch<WorkflowId>
    )
)]
pub(crate) async fn delete(
    caller: Caller,
    Id(id): Id<WorkflowId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    check_precondition(&caller, id, &headers).await?;
    if !caller.store().delete_workflow(caller.tenant(), id).await? {
        return Err(Problem::no_such("workflow"));
    }
    // It is deleted: what is left to do, or fails here, is done by the next ticks.
    for _ in 0..CANCEL_ROUNDS {
        if !matches!(caller.store().cancel_deleted().await, Ok(true)) {
            break;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// 20 rounds of a hundred jobs before the answer: the usual workflow's whole work.
const CANCEL_ROUNDS: usize = 20;

/// Run a workflow on an input.
///
/// The answer comes at once and is the job; with `Prefer: wait=N` it comes when the job is final, or after N s. A run
/// that failed is 200 with `status: "failed"`.
#[utoipa::path(
    post, path = "/workflows/{id}/execute", operation_id = "executeWorkflow", tag = "workflows", request_body = NewRun,
    params(
        ("id" = String, Path, description = "The workflow"),
        Makes::<accepted::Run>
    ),
    responses(
        Makes<accepted::Run>,
        (status = 409, description = "`workflow_not_ready`: there is no program to run (yet)")
    )
)]
pub(crate) async fn execute(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    idempotency: Idempotency,
    asked: Asked,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let run = NewRun::read(fields, &api.config)?;
    own_files(&caller, run.file_ids()).await?;
    if let Some(version) = run.version() {
        check_version(&caller, id, version).await?;
    }
    let submission = run.submission(caller.tenant(), id, idempotency, &api.config.jobs);
    let submitted = asked.submit(&api, caller.home(), submission).await?;
    asked.job(&api, caller.home(), submitted).await
}

/// A run may use the caller's own files only.
async fn own_files(caller: &Caller, ids: &[String]) -> Result<(), Problem> {
    let own = caller.store().own_files(caller.tenant(), ids).await?;
    match ids.iter().position(|id| !own.contains(id)) {
        Some(at) => {
            Err(Problem::names_no_such(&format!("file_ids/{at}"), "is not the id of a file of yours"))
        }
        None => Ok(()),
    }
}

/// A version that was asked for can be run. It never changes, and stays ready: what holds here still holds when the job
/// runs.
async fn check_version(caller: &Caller, id: WorkflowId, asked: u32) -> Result<(), Problem> {
    if !caller.store().has_workflow(caller.tenant(), id).await? {
        return Err(Problem::no_such("workflow"));
    }
    match caller.store().version_status(id, asked).await? {
        Some(WorkflowStatus::Ready) => Ok(()),
        Some(status) => {
            let detail = format!("Version {asked} of the workflow cannot be run: it is {}.", status.as_str());
            Err(Problem::new(Code::WorkflowNotReady, detail))
        }
        None => Err(Problem::no_such("version of this workflow")),
    }
}
