//! What is answered to a request that makes a job: submitted, waited for as the client prefers, and described.
//!
//! This is the only door from the api to the queue, so that no job is made without the trace of its request.

use std::{convert::Infallible, marker::PhantomData, time::Duration};

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared::{
    job::{EntryId, Job},
    queue,
    store::{Home, Listener, Submission, SubmitError, Submitted},
    trace::TraceContext,
    workflow::Workflow,
};
use utoipa::{
    IntoParams, IntoResponses, ToSchema,
    openapi::{
        Content, Ref, RefOr, Response as Described, ResponseBuilder,
        path::{Parameter, ParameterIn},
    },
};

use super::RETRY_AFTER;
use crate::{
    Api,
    edge::Trace,
    openapi::{header_parameter, idempotency_key, replayed, seconds, text_header},
    problem::Problem,
    wait,
};

/// How a job is asked for, besides what it shall do.
#[derive(Debug)]
pub(super) struct Asked {
    trace: TraceContext,
    patience: Duration,
}

/// A job that stands for the request.
#[derive(Debug)]
pub(super) struct Accepted {
    submitted: Submitted,
    /// Since before it was accepted, where its end is waited for and it is new.
    listener: Option<Listener>,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Trace(trace) = Trace::from_request_parts(parts, state).await?;
        Ok(Self { trace, patience: wait::preferred(&parts.headers) })
    }
}

impl Asked {
    /// Makes the job.
    pub(super) async fn submit(
        &self,
        api: &Api,
        home: &Home,
        mut submission: Submission,
    ) -> Result<Accepted, SubmitError> {
        debug_assert_eq!(&submission.job.tenant, home.tenant(), "a job lies where its tenant lives");
        submission.job.trace = Some(self.trace);
        let listener = match submission.job.id {
            EntryId::Job(id) if !self.patience.is_zero() => Some(api.hub.listen(id)),
            _ => None,
        };
        submission.watcher = listener.as_ref().map(|_| api.hub.name().to_owned());
        let submitted = queue::enqueue(home.store(), submission).await?;
        let listener = listener.filter(|_| !submitted.replayed);
        Ok(Accepted { submitted, listener })
    }

    /// Answers with the job.
    pub(super) async fn job(
        &self,
        api: &Api,
        home: &Home,
        Accepted { submitted, listener }: Accepted,
    ) -> Result<Response, Problem> {
        let job = wait::until_final(api, home, submitted.job_id, self.patience, listener).await?;
        let job = job.ok_or_else(|| Problem::no_such("job"))?;
        let (ended, location) = (job.status.is_final(), format!("/jobs/{}", submitted.job_id));
        Ok(self.answer(job, ended, location, &submitted))
    }

    /// Answers with the workflow a version is made for.
    pub(super) async fn workflow(
        &self,
        api: &Api,
        home: &Home,
        Accepted { submitted, listener }: Accepted,
    ) -> Result<Response, Problem> {
        let job = wait::until_final(api, home, submitted.job_id, self.patience, listener).await?;
        let workflow = home.store().workflow(home.tenant(), submitted.workflow_id).await?;
        let workflow = workflow.ok_or_else(|| Problem::no_such("workflow"))?;
        let location = format!("/workflows/{}", submitted.workflow_id);
        Ok(self.answer(workflow, job.is_some_and(|job| job.status.is_final()), location, &submitted))
    }

    /// Status, where things are found, and whether it was accepted before.
    fn answer<T: Serialize>(
        &self,
        object: T,
        ended: bool,
        location: String,
        submitted: &Submitted,
    ) -> Response {
        let waited = !self.patience.is_zero();
        let status = if waited && ended { StatusCode::OK } else { StatusCode::ACCEPTED };
        let mut response = (status, Json(object)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, path(location));
        let operation = path(format!("/jobs/{}", submitted.job_id));
        headers.insert(HeaderName::from_static("operation-location"), operation);
        if status == StatusCode::ACCEPTED {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if submitted.replayed {
            headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
        }
        headers.extend(waited.then(|| wait::preference_applied(self.patience)));
        response
    }
}

fn path(path: String) -> HeaderValue {
    HeaderValue::try_from(path).expect("a path of an id is a header value")
}

/// The words in which a route's answers are described.
pub(super) struct Words {
    /// Of a replay under the same key.
    key: &'static str,
    accepted: &'static str,
    location: &'static str,
    /// The job, while it is under way and when it has ended.
    operation: [&'static str; 2],
}

/// What a route makes a job for.
pub(super) trait Purpose {
    /// What it answers with.
    type Object: ToSchema;
    const WORDS: Words;
}

/// A program for a new workflow.
pub(super) struct NewProgram;
/// Another version of a workflow's program.
pub(super) struct NextProgram;
/// The check of the client's own code.
pub(super) struct CodeCheck;
/// A run of a workflow.
pub(super) struct Run;
/// A job once more.
pub(super) struct Repetition;

const PROGRAM: Words = Words {
    key: "The same key and body answer the same workflow",
    accepted: "Accepted; the program is being made",
    location: "The workflow",
    operation: ["The job that makes its program", "The job that made its program"],
};
const VERSION: &str = "The same key and body make one version";

impl Purpose for NewProgram {
    type Object = Workflow;
    const WORDS: Words = PROGRAM;
}

impl Purpose for NextProgram {
    type Object = Workflow;
    const WORDS: Words = Words { key: VERSION, ..PROGRAM };
}

impl Purpose for CodeCheck {
    type Object = Workflow;
    const WORDS: Words = Words {
        key: VERSION,
        accepted: "Accepted; the code is being checked",
        location: "The workflow",
        operation: ["The job that checks the code", "The job that checked the code"],
    };
}

impl Purpose for Run {
    type Object = Job;
    const WORDS: Words = Words {
        key: "The same key and body answer the same job",
        accepted: "Accepted",
        location: "The job",
        operation: ["The job", "The job"],
    };
}

impl Purpose for Repetition {
    type Object = Job;
    const WORDS: Words = Words {
        key: "The same key makes one job",
        accepted: "Accepted",
        location: "The new job",
        operation: ["The new job", "The new job"],
    };
}

/// Parameters and answers of a route that makes jobs for this.
pub(super) struct Makes<P>(PhantomData<P>);

impl<P: Purpose> IntoParams for Makes<P> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let wait = "`wait=N`: answer when the job is final, after N s (at most 60) at the latest";
        let prefer = header_parameter("Prefer", wait, None);
        vec![idempotency_key(P::WORDS.key), prefer]
    }
}

impl<P: Purpose> IntoResponses for Makes<P> {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Described>> {
        let Words { accepted, location, operation: [making, made], .. } = P::WORDS;
        let described = |description: &str, operation: &str| {
            let object = Content::new(Some(Ref::from_schema_name(P::Object::name())));
            ResponseBuilder::new()
                .description(description)
                .content("application/json", object)
                .header("Location", text_header(location))
                .header("Operation-Location", text_header(operation))
                .header("Idempotent-Replayed", replayed("accepted"))
        };
        let seconds = seconds("Seconds until it is worth asking again");
        let accepted = described(accepted, making).header("Retry-After", seconds);
        let ended = described("The job ended within the time of `Prefer: wait`", made)
            .header("Preference-Applied", text_header("The wait that was granted"));
        let responses = [("202", accepted), ("200", ended)];
        responses.map(|(status, response)| (status.to_owned(), RefOr::T(response.build()))).into()
    }
}
