//! Jobs: listed, watched, cancelled, and what they left behind.

use std::time::Duration;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use shared::{
    id::JobId,
    job::{Job, JobKind, JobStatus},
    journal::StepView,
    limits,
    store::{CancelAnswer, EraseAnswer, JobFilter, SubmitError},
};

use super::{
    Id, Page, RETRY_AFTER, Stretch,
    accepted::{self, Asked, Makes},
    tags::{IfMatch, IfNoneMatch, precondition, tagged},
};
use crate::{
    Api,
    auth::Caller,
    fields::Fields,
    idempotency::Idempotency,
    problem::{Code, Problem},
    requests, wait,
};

/// Which jobs.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `list` reads")]
pub(crate) struct ListQuery {
    /// Only in this state.
    status: Option<JobStatus>,
    /// Only of this kind.
    kind: Option<JobKind>,
    /// Only of this workflow.
    #[param(pattern = "^wf_[0-9a-f]{32}$")]
    workflow_id: Option<String>,
}

/// List jobs, newest first, without input and result.
#[utoipa::path(
    get, path = "/jobs", operation_id = "listJobs", tag = "jobs", params(ListQuery, Stretch::<JobId>),
    responses((status = 200, description = "A page of jobs", body = Page<Job>))
)]
pub(crate) async fn list(caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Page<Job>>, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let filter = JobFilter {
        status: fields.parsed("status", "queued, running, succeeded, failed or cancelled"),
        kind: fields.parsed::<Kind>("kind", "generate or execute").map(|Kind(kind)| kind),
        workflow_id: fields.parsed("workflow_id", "the id of a workflow"),
    };
    let stretch = Stretch::take(&mut fields);
    let (filter, Stretch { limit, after }) = fields.finish((filter, stretch))?;
    let page = caller.store().jobs(caller.tenant(), &filter, after, limit).await?;
    Ok(Json(page.into()))
}

struct Kind(JobKind);

impl std::str::FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let kinds = [JobKind::Generate, JobKind::Execute];
        kinds.into_iter().find(|kind| kind.queue().as_str() == text).map(Self).ok_or(())
    }
}

/// One job.
///
/// With `?wait=N` the answer comes when the job is final, or after N s with its state by then.
#[utoipa::path(
    get, path = "/jobs/{id}", operation_id = "getJob", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job"),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for the end of the job", minimum = 0, maximum = 60),
        IfNoneMatch
    ),
    responses(
        (status = 200, description = "The job", body = Job, headers(
            ("Retry-After" = Option<u32>, description = "Seconds until it is worth asking again; not when it is final")
        ))
    )
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let patience = fields.integer("wait", 0..=limits::WAIT_MAX.as_secs());
    let patience = fields.finish(Duration::from_secs(patience.unwrap_or(0)))?;
    let job = wait::until_final(&api, caller.home(), id, patience, None).await?;
    let job = job.ok_or_else(|| Problem::no_such("job"))?;
    let mut response = tagged(&headers, &job);
    if !job.status.is_final() {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    Ok(response)
}

/// Cancel a job.
///
/// One that waits is cancelled at once, one that runs as soon as its worker has stopped it; a final one stays as it is.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", operation_id = "cancelJob", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 202, description = "Cancelled, or being cancelled", body = Job),
        (status = 200, description = "It was final before", body = Job)
    )
)]
pub(crate) async fn cancel(caller: Caller, Id(id): Id<JobId>) -> Result<(StatusCode, Json<Job>), Problem> {
    let status = match caller.store().cancel(caller.tenant(), id).await? {
        CancelAnswer::Unknown => return Err(Problem::no_such("job")),
        CancelAnswer::Final => StatusCode::OK,
        CancelAnswer::Cancelled | CancelAnswer::Requested => StatusCode::ACCEPTED,
    };
    let job = caller.store().job(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
    Ok((status, Json(job)))
}

/// Do the same once more.
///
/// A new job with the input, the version and the bounds of a final one, named in its `retry_of`; of a generate job a
/// new version.
#[utoipa::path(
    post, path = "/jobs/{id}/retry", operation_id = "retryJob", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job to repeat"),
        Makes::<accepted::Repetition>
    ),
    responses(
        Makes<accepted::Repetition>,
        (status = 409, description = "`job_not_final`, `workflow_not_ready` when the workflow was deleted, or `too_many_versions`"),
        (status = 429, description = "Too many jobs are waiting; see `Retry-After`")
    )
)]
pub(crate) async fn retry(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
    idempotency: Idempotency,
    asked: Asked,
) -> Result<Response, Problem> {
    let tenant = caller.tenant();
    let status = caller.store().job_status(tenant, id).await?;
    if !status.ok_or_else(|| Problem::no_such("job"))?.is_final() {
        return Err(Problem::new(Code::JobNotFinal, "Only a job that has ended can be repeated."));
    }
    let spec = caller.store().job_spec(tenant, id).await?.ok_or_else(|| Problem::no_such("job"))?;
    let version = match spec.workflow_id {
        Some(workflow) => caller.store().version_view(tenant, workflow, spec.version).await?,
        None => None,
    };
    let source = version.map(|version| version.source);
    let submission = requests::retry(spec, source, idempotency, &api.config.jobs);
    let submitted = asked.submit(&api, caller.home(), submission).await.map_err(|error| match error {
        SubmitError::UnknownWorkflow => {
            Problem::new(Code::WorkflowNotReady, "The job's workflow was deleted.")
        }
        error => error.into(),
    })?;
    asked.job(&api, caller.home(), submitted).await
}

/// Erase a final job: input, result, log, events, steps and deliveries.
///
/// A webhook about it that was not taken yet is not sent any more.
#[utoipa::path(
    delete, path = "/jobs/{id}", operation_id = "deleteJob", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job"),
        IfMatch::<JobId>
    ),
    responses(
        (status = 204, description = "Nothing is left of it"),
        (status = 409, description = "`job_not_final`: cancel it first"),
        IfMatch<JobId>
    )
)]
pub(crate) async fn delete(
    caller: Caller,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    if headers.contains_key(header::IF_MATCH) {
        let job = caller.store().job(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
        precondition(&headers, &job)?;
    }
    match caller.store().erase_job(caller.tenant(), id).await? {
        EraseAnswer::Erased => Ok(StatusCode::NO_CONTENT),
        EraseAnswer::Unknown => Err(Problem::no_such("job")),
        EraseAnswer::Active => Err(Problem::new(Code::JobNotFinal, "The job is not final; cancel it first.")),
    }
}

/// What the program printed.
#[utoipa::path(
    get, path = "/jobs/{id}/logs", operation_id = "getJobLogs", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "Standard output and error", body = String, content_type = "text/plain"))
)]
pub(crate) async fn logs(caller: Caller, Id(id): Id<JobId>) -> Result<Response, Problem> {
    let log = caller.store().log(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
    let text = String::from_utf8_lossy(&log).into_owned();
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// The tool calls and named steps, in the order in which they began.
#[utoipa::path(
    get, path = "/jobs/{id}/steps", operation_id = "getJobSteps", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "All of them", body = Page<StepView>))
)]
pub(crate) async fn steps(caller: Caller, Id(id): Id<JobId>) -> Result<Json<Page<StepView>>, Problem> {
    let steps = caller.store().steps(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
    Ok(Json(Page::whole(steps)))
}
