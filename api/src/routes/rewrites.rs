//! Another program for a workflow: regenerated, or gone on with after its questions were answered.

use axum::{extract::State, response::Response};
use shared::{
    id::WorkflowId,
    job::{JobKind, JobStatus},
    store::SubmitError,
    workflow::{Question, Workflow, WorkflowStatus},
};

use super::{
    Id,
    accepted::{self, Asked, Makes},
};
use crate::{
    Api,
    auth::Caller,
    body::{JsonBody, OptionalJson},
    idempotency::Idempotency,
    problem::{Code, Problem},
    requests::{Answers, Regeneration},
};

/// Write the program of a workflow anew.
///
/// With `feedback` the current program is changed as you say; with `job_id` it is mended after a failed run, of which
/// the writer is told the kind of error, its line, types and lengths, never data. The current version stays until the
/// new one has passed.
#[utoipa::path(
    post, path = "/workflows/{id}/regenerate", operation_id = "regenerateWorkflow", tag = "workflows",
    request_body = Option<Regeneration>,
    params(
        ("id" = String, Path, description = "The workflow"),
        Makes::<accepted::NextProgram>
    ),
    responses(
        Makes<accepted::NextProgram>,
        (status = 409, description = "`job_not_failed`: `job_id` is not a failed run; or `too_many_versions`: the workflow has 1,000 versions")
    )
)]
pub(crate) async fn regenerate(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    idempotency: Idempotency,
    asked: Asked,
    OptionalJson(fields): OptionalJson,
) -> Result<Response, Problem> {
    let request = Regeneration::read(fields, &api.config)?;
    let workflow = known(&caller, id).await?;
    if let Some(job_id) = request.job_id() {
        let job = caller.store().job(caller.tenant(), job_id).await?;
        let job = job.filter(|job| job.workflow_id == id && job.kind == JobKind::Execute);
        match job.map(|job| job.status) {
            Some(JobStatus::Failed) => {}
            Some(_) => return Err(Problem::new(Code::JobNotFailed, "Only a run that failed can be mended.")),
            None => return Err(Problem::names_no_such("job_id", "is not a run of this workflow")),
        }
    }
    let answers = caller.store().answers(caller.tenant(), id).await?;
    let described = (id, workflow.description);
    let submission = request.submission(caller.tenant(), described, answers, idempotency, &api.config.jobs);
    let submitted = asked.submit(&api, caller.home(), submission).await?;
    asked.workflow(&api, caller.home(), submitted).await
}

/// Answer the questions of a workflow; its generation goes on.
#[utoipa::path(
    post, path = "/workflows/{id}/answers", operation_id = "answerQuestions", tag = "workflows", request_body = Answers,
    params(
        ("id" = String, Path, description = "The workflow"),
        Makes::<accepted::NextProgram>
    ),
    responses(
        Makes<accepted::NextProgram>,
        (status = 409, description = "`no_open_questions`: nothing was asked; or `too_many_versions`")
    )
)]
pub(crate) async fn answer(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    idempotency: Idempotency,
    asked: Asked,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let request = Answers::read(fields, &api.config)?;
    let workflow = known(&caller, id).await?;
    let questions = open_questions(&caller, &workflow).await?;
    let mut answers = caller.store().answers(caller.tenant(), id).await?;
    let paired = if questions.is_empty() {
        Err(Problem::new(Code::NoOpenQuestions, "The workflow has no open questions."))
    } else {
        request.paired(&questions)
    };
    if let Ok(pairs) = &paired {
        answers.retain(|(question, _)| pairs.iter().all(|(asked, _)| asked != question));
        answers.extend(pairs.clone());
    }
    let described = (id, workflow.description);
    let mut submission =
        request.submission(caller.tenant(), described, answers, idempotency, &api.config.jobs);
    if let Err(problem) = paired {
        // Accepted before under the same key it is answered again, though the questions are closed by now; else it
        // comes after a version that cannot be: none is newer than none.
        if submission.idempotency.is_none() {
            return Err(problem);
        }
        if let Some(creates) = &mut submission.creates {
            creates.after = Some(0);
        }
        return match asked.submit(&api, caller.home(), submission).await {
            Ok(submitted) => asked.workflow(&api, caller.home(), submitted).await,
            Err(SubmitError::Changed) => Err(problem),
            Err(error) => Err(error.into()),
        };
    }
    let submitted = asked.submit(&api, caller.home(), submission).await?;
    asked.workflow(&api, caller.home(), submitted).await
}

async fn known(caller: &Caller, id: WorkflowId) -> Result<Workflow, Problem> {
    let workflow = caller.store().workflow(caller.tenant(), id).await?;
    workflow.ok_or_else(|| Problem::no_such("workflow"))
}

/// What the latest try asked. A workflow that is ready stays ready: then its newest version has the questions.
async fn open_questions(caller: &Caller, workflow: &Workflow) -> Result<Vec<Question>, Problem> {
    if workflow.status == WorkflowStatus::NeedsClarification {
        return Ok(workflow.questions.clone());
    }
    let Some(newest) = caller.store().newest_version(caller.tenant(), workflow.id).await? else {
        return Ok(Vec::new());
    };
    let version = caller.store().version_view(caller.tenant(), workflow.id, newest).await?;
    let asks = version.filter(|version| version.status == WorkflowStatus::NeedsClarification);
    Ok(asks.map(|version| version.questions).unwrap_or_default())
}
