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
    queue::enqueue,
    store::{CancelAnswer, EraseAnswer, JobFilter, SubmitError},
};

use super::{Accepted, Id, Page, RETRY_AFTER, precondition, tagged};
use crate::{
    Api,
    auth::Caller,
    edge::Trace,
    fields::Fields,
    idempotency::Idempotency,
    problem::{Code, Problem},
    requests, wait,
};

/// Which jobs, and which stretch of their list.
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
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the previous page.
    #[param(pattern = "^job_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// List jobs, newest first, without input and result.
#[utoipa::path(
    get, path = "/jobs", operation_id = "listJobs", tag = "jobs", params(ListQuery),
    responses((status = 200, description = "A page of jobs", body = Page<Job>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<Job>>, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let filter = JobFilter {
        status: fields.parsed("status", "queued, running, succeeded, failed or cancelled"),
        kind: fields.parsed::<Kind>("kind", "generate or execute").map(|Kind(kind)| kind),
        workflow_id: fields.parsed("workflow_id", "the id of a workflow"),
    };
    let limit = limit(&mut fields);
    let after = fields.parsed("after", "the `next_cursor` of a page");
    let (filter, after) = fields.finish((filter, after))?;
    let page = api.store.jobs(caller.tenant(), &filter, after, limit).await?;
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

/// The page's size.
pub(super) fn limit(fields: &mut Fields) -> usize {
    let limit = fields.integer("limit", 1..=limits::PAGE_ITEMS_MAX as u64);
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(limits::PAGE_ITEMS_DEFAULT)
}

/// One job.
///
/// With `?wait=N` the answer comes when the job is final, or after N s with its state by then.
#[utoipa::path(
    get, path = "/jobs/{id}", operation_id = "getJob", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job"),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for the end of the job", minimum = 0, maximum = 60),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags the client has")
    ),
    responses(
        (status = 200, description = "The job", body = Job, headers(
            ("ETag" = String, description = "Its entity tag"),
            ("Retry-After" = Option<u32>, description = "Seconds until it is worth asking again; not when it is final")
        )),
        (status = 304, description = "Unchanged", headers(("ETag" = String, description = "Its entity tag")))
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
    if !patience.is_zero() {
        wait::until_final(&api, caller.tenant(), id, patience).await?;
    }
    let job = api.store.job(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
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
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    let status = match api.store.cancel(caller.tenant(), id).await? {
        CancelAnswer::Unknown => return Err(Problem::no_such("job")),
        CancelAnswer::Final => StatusCode::OK,
        CancelAnswer::Cancelled | CancelAnswer::Requested => StatusCode::ACCEPTED,
    };
    let job = api.store.job(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
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
        ("Idempotency-Key" = Option<String>, Header, description = "The same key makes one job", pattern = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~][ -~]{0,254})$"#),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the job is final, after N s (at most 60) at the latest")
    ),
    responses(
        (status = 202, description = "Accepted", body = Job, headers(
            ("Location" = String, description = "The new job"),
            ("Operation-Location" = String, description = "The new job"),
            ("Retry-After" = u32, description = "Seconds until it is worth asking again"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: accepted before under the same key")
        )),
        (status = 200, description = "The job ended within the time of `Prefer: wait`", body = Job, headers(
            ("Location" = String, description = "The new job"),
            ("Operation-Location" = String, description = "The new job"),
            ("Preference-Applied" = String, description = "The wait that was granted"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: accepted before under the same key")
        )),
        (status = 409, description = "`job_not_final`, `workflow_not_ready` when the workflow was deleted, or `too_many_versions`", body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many jobs are waiting; see `Retry-After`", body = crate::problem::ProblemBody, content_type = "application/problem+json")
    )
)]
pub(crate) async fn retry(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
    idempotency: Idempotency,
    trace: Trace,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = caller.tenant();
    let status = api.store.job_status(tenant, id).await?;
    if !status.ok_or_else(|| Problem::no_such("job"))?.is_final() {
        return Err(Problem::new(Code::JobNotFinal, "Only a job that has ended can be repeated."));
    }
    let spec = api.store.job_spec(tenant, id).await?.ok_or_else(|| Problem::no_such("job"))?;
    let version = match spec.workflow_id {
        Some(workflow) => api.store.version_view(tenant, workflow, spec.version).await?,
        None => None,
    };
    let source = version.map(|version| version.source);
    let mut submission = requests::retry(spec, source, idempotency, &api.config.jobs);
    submission.job.trace = Some(trace.0);
    let submitted = enqueue(&api.store, submission).await;
    let submitted = submitted.map_err(|error| match error {
        SubmitError::UnknownWorkflow => {
            Problem::new(Code::WorkflowNotReady, "The job's workflow was deleted.")
        }
        error => error.into(),
    })?;

    let patience = wait::preferred(&headers);
    wait::until_final(&api, tenant, submitted.job_id, patience).await?;
    let job = api.store.job(tenant, submitted.job_id).await?.ok_or_else(|| Problem::no_such("job"))?;
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

/// Erase a final job: input, result, log, events, steps and deliveries.
///
/// A webhook about it that was not taken yet is not sent any more.
#[utoipa::path(
    delete, path = "/jobs/{id}", operation_id = "deleteJob", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job"),
        ("If-Match" = Option<String>, Header, description = "Entity tags of the job; another state of it is 412")
    ),
    responses(
        (status = 204, description = "Nothing is left of it"),
        (status = 409, description = "`job_not_final`: cancel it first", body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "The job has changed since it was read", body = crate::problem::ProblemBody, content_type = "application/problem+json")
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    if headers.contains_key(header::IF_MATCH) {
        let job = api.store.job(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
        precondition(&headers, &job)?;
    }
    match api.store.erase_job(caller.tenant(), id).await? {
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
pub(crate) async fn logs(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Response, Problem> {
    let log = api.store.log(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
    let text = String::from_utf8_lossy(&log).into_owned();
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// The tool calls and named steps, in the order in which they began.
#[utoipa::path(
    get, path = "/jobs/{id}/steps", operation_id = "getJobSteps", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "All of them", body = Page<StepView>))
)]
pub(crate) async fn steps(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Json<Page<StepView>>, Problem> {
    let steps = api.store.steps(caller.tenant(), id).await?.ok_or_else(|| Problem::no_such("job"))?;
    Ok(Json(Page { data: steps, has_more: false, next_cursor: None }))
}
