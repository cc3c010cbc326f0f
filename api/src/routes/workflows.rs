//! Workflows: described, listed, executed.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use shared::{
    id::WorkflowId,
    job::{Job, JobStatus},
    limits,
    queue::enqueue,
    store::ChangeAnswer,
    workflow::{Workflow, WorkflowStatus},
};

use super::{Accepted, Id, Page, precondition, tagged};
use crate::{
    Api,
    auth::Caller,
    body::JsonBody,
    edge::Trace,
    fields::Fields,
    idempotency::Idempotency,
    problem::{Code, Problem},
    requests::{NewRun, NewWorkflow, WorkflowPatch},
    wait,
};

/// Describe a workflow.
///
/// A program is written from the description and tried, or the supplied one is checked, in a job of its own: the
/// answer comes at once and names it. With `Prefer: wait=N` the answer comes when the job is final, or after N s.
#[utoipa::path(
    post, path = "/workflows", operation_id = "createWorkflow", tag = "workflows", request_body = NewWorkflow,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body answer the same workflow", pattern = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~][ -~]{0,254})$"#),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the job is final, after N s (at most 60) at the latest")
    ),
    responses(
        (status = 202, description = "Accepted; the program is being made", body = Workflow, headers(
            ("Location" = String, description = "The workflow"),
            ("Operation-Location" = String, description = "The job that makes its program"),
            ("Retry-After" = u32, description = "Seconds until it is worth asking again"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: accepted before under the same key")
        )),
        (status = 200, description = "The job ended within the time of `Prefer: wait`", body = Workflow, headers(
            ("Location" = String, description = "The workflow"),
            ("Operation-Location" = String, description = "The job that made its program"),
            ("Preference-Applied" = String, description = "The wait that was granted"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: accepted before under the same key")
        ))
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    idempotency: Idempotency,
    trace: Trace,
    headers: HeaderMap,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let request = NewWorkflow::read(fields, &api.config)?;
    let mut submission = request.submission(caller.tenant(), idempotency, &api.config.jobs);
    submission.job.trace = Some(trace.0);
    let submitted = enqueue(&api.store, submission).await?;

    let patience = wait::preferred(&headers);
    let status = wait::until_final(&api, caller.tenant(), submitted.job_id, patience).await?;
    let workflow = api.store.workflow(caller.tenant(), submitted.workflow_id).await?;
    let accepted = Accepted {
        object: workflow.ok_or_else(|| Problem::no_such("workflow"))?,
        done: !patience.is_zero() && status.is_some_and(JobStatus::is_final),
        replayed: submitted.replayed,
        location: format!("/workflows/{}", submitted.workflow_id),
        operation: format!("/jobs/{}", submitted.job_id),
        preference: (!patience.is_zero()).then(|| wait::preference_applied(patience)),
    };
    Ok(accepted.into_response())
}

/// Which stretch of the list of workflows.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `list` reads")]
pub(crate) struct ListQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the previous page.
    #[param(pattern = "^wf_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// List workflows, newest first, without code and job.
#[utoipa::path(
    get, path = "/workflows", operation_id = "listWorkflows", tag = "workflows", params(ListQuery),
    responses((status = 200, description = "A page of workflows", body = Page<Workflow>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<Workflow>>, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let limit = super::jobs::limit(&mut fields);
    let after = fields.parsed("after", "the `next_cursor` of a page");
    let (limit, after) = fields.finish((limit, after))?;
    let page = api.store.workflows(caller.tenant(), after, limit).await?;
    Ok(Json(page.into()))
}

/// One workflow, with its program and its latest generate job.
#[utoipa::path(
    get, path = "/workflows/{id}", operation_id = "getWorkflow", tag = "workflows",
    params(
        ("id" = String, Path, description = "The workflow"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags the client has")
    ),
    responses(
        (status = 200, description = "The workflow", body = Workflow, headers(("ETag" = String, description = "Its entity tag"))),
        (status = 304, description = "Unchanged", headers(("ETag" = String, description = "Its entity tag")))
    )
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let workflow = api.store.workflow(caller.tenant(), id).await?;
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
        ("If-Match" = Option<String>, Header, description = "Entity tags of the workflow; another state of it is 412")
    ),
    responses(
        (status = 200, description = "The workflow", body = Workflow, headers(("ETag" = String, description = "Its entity tag"))),
        (status = 412, description = "The workflow has changed since it was read", body = crate::problem::ProblemBody, content_type = "application/problem+json")
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let patch = WorkflowPatch::read(fields)?;
    let unknown = || Problem::no_such("workflow");
    for _ in 0..CHANGE_TRIES {
        let labels = api.store.labels(caller.tenant(), id).await?.ok_or_else(unknown)?;
        check_precondition(&api, &caller, id, &headers).await?;
        let changed = patch.applied_to(&labels)?;
        match api.store.change_workflow(caller.tenant(), id, &labels, &changed).await? {
            ChangeAnswer::Changed => {
                let workflow = api.store.workflow(caller.tenant(), id).await?.ok_or_else(unknown)?;
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

async fn check_precondition(
    api: &Api,
    caller: &Caller,
    id: WorkflowId,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if !headers.contains_key(axum::http::header::IF_MATCH) {
        return Ok(());
    }
    let workflow = api.store.workflow(caller.tenant(), id).await?;
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
        ("If-Match" = Option<String>, Header, description = "Entity tags of the workflow; another state of it is 412")
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 412, description = "The workflow has changed since it was read", body = crate::problem::ProblemBody, content_type = "application/problem+json")
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    check_precondition(&api, &caller, id, &headers).await?;
    if !api.store.delete_workflow(caller.tenant(), id).await? {
        return Err(Problem::no_such("workflow"));
    }
    // It is deleted: what is left to do, or fails here, is done by the next ticks.
    for _ in 0..CANCEL_ROUNDS {
        if !matches!(api.store.cancel_deleted().await, Ok(true)) {
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
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body answer the same job", pattern = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~][ -~]{0,254})$"#),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the job is final, after N s (at most 60) at the latest")
    ),
    responses(
        (status = 202, description = "Accepted", body = Job, headers(
            ("Location" = String, description = "The job"),
            ("Operation-Location" = String, description = "The job"),
            ("Retry-After" = u32, description = "Seconds until it is worth asking again"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: accepted before under the same key")
        )),
        (status = 200, description = "The job ended within the time of `Prefer: wait`", body = Job, headers(
            ("Location" = String, description = "The job"),
            ("Operation-Location" = String, description = "The job"),
            ("Preference-Applied" = String, description = "The wait that was granted"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: accepted before under the same key")
        )),
        (status = 409, description = "`workflow_not_ready`: there is no program to run (yet)", body = crate::problem::ProblemBody, content_type = "application/problem+json")
    )
)]
pub(crate) async fn execute(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    idempotency: Idempotency,
    trace: Trace,
    headers: HeaderMap,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let run = NewRun::read(fields, &api.config)?;
    own_files(&api, &caller, run.file_ids()).await?;
    let version = ready_version(&api, &caller, id, run.version()).await?;
    let mut submission = run.submission(caller.tenant(), id, version, idempotency, &api.config.jobs);
    submission.job.trace = Some(trace.0);
    let submitted = enqueue(&api.store, submission).await?;

    let patience = wait::preferred(&headers);
    wait::until_final(&api, caller.tenant(), submitted.job_id, patience).await?;
    let job = api.store.job(caller.tenant(), submitted.job_id).await?;
    let job = job.ok_or_else(|| Problem::no_such("job"))?;
    let accepted = Accepted {
        done: !patience.is_zero() && job.status.is_final(),
        object: job,
        replayed: submitted.replayed,
        location: format!("/jobs/{}", submitted.job_id),
        operation: format!("/jobs/{}", submitted.job_id),
        preference: (!patience.is_zero()).then(|| wait::preference_applied(patience)),
    };
    Ok(accepted.into_response())
}

/// A run may use the caller's own files only.
async fn own_files(api: &Api, caller: &Caller, ids: &[String]) -> Result<(), Problem> {
    let own = api.store.own_files(caller.tenant(), ids).await?;
    match ids.iter().position(|id| !own.contains(id)) {
        Some(at) => Err(Problem::field(&format!("file_ids/{at}"), "is not the id of a file of yours")),
        None => Ok(()),
    }
}

/// The version to run: the one asked for, or the current one. Versions never change and a ready workflow stays ready,
/// so what holds here still holds when the job runs.
async fn ready_version(
    api: &Api,
    caller: &Caller,
    id: WorkflowId,
    asked: Option<u32>,
) -> Result<u32, Problem> {
    let workflow = api.store.workflow(caller.tenant(), id).await?;
    let workflow = workflow.ok_or_else(|| Problem::no_such("workflow"))?;
    let Some(asked) = asked.filter(|asked| *asked != workflow.version) else {
        if workflow.version > 0 {
            return Ok(workflow.version);
        }
        let detail = match workflow.status {
            WorkflowStatus::Generating => "The workflow's program is still being made.",
            WorkflowStatus::NeedsClarification => "The workflow has questions that must be answered first.",
            WorkflowStatus::Refused => "The workflow was refused; it has no program.",
            WorkflowStatus::Failed | WorkflowStatus::Ready => "No program could be made for the workflow.",
        };
        return Err(Problem::new(Code::WorkflowNotReady, detail));
    };
    match api.store.version_status(id, asked).await? {
        Some(WorkflowStatus::Ready) => Ok(asked),
        Some(status) => {
            let detail = format!("Version {asked} of the workflow cannot be run: it is {}.", status.as_str());
            Err(Problem::new(Code::WorkflowNotReady, detail))
        }
        None => Err(Problem::no_such("version of this workflow")),
    }
}

const _: () =
    assert!(limits::PAGE_ITEMS_MAX == 100 && limits::PAGE_ITEMS_DEFAULT == 20, "as documented above");
