//! Everything that goes wrong, as clients see it: RFC 9457 `application/problem+json`, on every path.
//!
//! This is the one door from errors to HTTP: a handler answers `Err(Problem)`, by `?` from a [`StoreError`] or
//! [`SubmitError`] or in its own words, and the outermost layer (`edge`) adds the request's id and writes
//! it out. What clients read (`detail`) and what the log reads (`cause`) are two texts.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use providers::ProviderError;
use serde::Serialize;
use shared::store::{StoreError, SubmitError};
use utoipa::ToSchema;

/// 1 s: a Redis that restarts, or a burst, is over by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON.
    InvalidJson,
    /// The `Host` header is missing, doubled or malformed.
    InvalidHost,
    /// Malformed in some other way.
    BadRequest,
    /// No key, or none that is known.
    Unauthorized,
    /// The request may not come from there.
    Forbidden,
    /// The key does not allow this.
    InsufficientScope,
    /// There is no such thing, for this tenant.
    NotFound,
    /// The path exists, not for this method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The workflow, or the version asked for, cannot be executed (yet).
    WorkflowNotReady,
    /// The job is not final yet.
    JobNotFinal,
    /// The workflow has as many versions as it may.
    TooManyVersions,
    /// The object is not in the state that `If-Match` names.
    PreconditionFailed,
    /// The body, or a field of it, is larger than allowed.
    TooLarge,
    /// Not `application/json`, or compressed.
    UnsupportedMediaType,
    /// Fields are missing, unknown, or hold what they must not.
    InvalidRequest,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// As many jobs of the tenant wait as may.
    QueueFull,
    /// The tenant sends more requests than it may, or an address too many wrong keys.
    RateLimited,
    /// The header of the request is larger than allowed.
    HeaderTooLarge,
    /// The workflow has asked nothing that is open.
    NoOpenQuestions,
    /// The tenant has as many files as it may.
    TooManyFiles,
    /// This installation, or the account, lacks what is needed for it.
    NotConfigured,
    /// The provider behind it did not do its part.
    ProviderError,
    /// A fault of ours; the log has the cause under the request's id.
    Internal,
    /// The store does not answer.
    StoreUnavailable,
    /// More requests than this process can take.
    OverCapacity,
    /// The process is starting or ending.
    NotReady,
    /// The request took longer than it may.
    TimedOut,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 29] = [
        Self::InvalidJson,
        Self::InvalidHost,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::InsufficientScope,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::WorkflowNotReady,
        Self::JobNotFinal,
        Self::TooManyVersions,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidRequest,
        Self::IdempotencyKeyReused,
        Self::QueueFull,
        Self::RateLimited,
        Self::HeaderTooLarge,
        Self::NoOpenQuestions,
        Self::TooManyFiles,
        Self::NotConfigured,
        Self::ProviderError,
        Self::Internal,
        Self::StoreUnavailable,
        Self::OverCapacity,
        Self::NotReady,
        Self::TimedOut,
    ];

    /// Status, name in `code` and `type`, and title: the same for every problem of this kind.
    pub const fn about(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json", "The body is not JSON"),
            Self::InvalidHost => (StatusCode::BAD_REQUEST, "invalid_host", "The Host header is invalid"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad_request", "The request is malformed"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A valid API key is required"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The request is not allowed"),
            Self::InsufficientScope => {
                (StatusCode::FORBIDDEN, "insufficient_scope", "The key does not allow this")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here")
            }
            Self::RequestTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request did not arrive in time")
            }
            Self::WorkflowNotReady => {
                (StatusCode::CONFLICT, "workflow_not_ready", "The workflow is not ready")
            }
            Self::JobNotFinal => (StatusCode::CONFLICT, "job_not_final", "The job is not final"),
            Self::TooManyVersions => {
                (StatusCode::CONFLICT, "too_many_versions", "The workflow has too many versions")
            }
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition_failed", "The object has changed")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request is too large"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body has an unsupported type",
            ),
            Self::InvalidRequest => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", "The request is invalid")
            }
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The idempotency key was used for another request",
            ),
            Self::QueueFull => (StatusCode::TOO_MANY_REQUESTS, "queue_full", "Too many jobs are waiting"),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests"),
            Self::HeaderTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "header_too_large",
                "The request's header is too large",
            ),
            Self::NoOpenQuestions => {
                (StatusCode::CONFLICT, "no_open_questions", "There are no open questions")
            }
            Self::TooManyFiles => (StatusCode::CONFLICT, "too_many_files", "There are too many files"),
            Self::NotConfigured => (StatusCode::NOT_IMPLEMENTED, "not_configured", "Not available here"),
            Self::ProviderError => (StatusCode::BAD_GATEWAY, "provider_error", "The provider failed"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "An internal error"),
            Self::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "The store is unavailable")
            }
            Self::OverCapacity => {
                (StatusCode::SERVICE_UNAVAILABLE, "over_capacity", "Too many requests at once")
            }
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The api is not ready"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed_out", "The request took too long"),
        }
    }

    /// The code that says what a bare status says: for answers of libraries that know no problems.
    fn of_status(status: StatusCode) -> Self {
        let named = Self::ALL.into_iter().find(|code| code.about().0 == status);
        match (status, named) {
            (StatusCode::BAD_REQUEST, _) => Self::BadRequest,
            (_, Some(code)) => code,
            (status, None) if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// One fault in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body, or a slash and the name of the query parameter.
    #[schema(example = "/description")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(example = "must not be empty")]
    pub detail: String,
}

/// Something that went wrong, not yet written out.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    cause: Option<String>,
    retry_after: Duration,
    challenge: Option<&'static str>,
}

/// RFC 9457, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A reference that names the kind of problem; it can be read there.
    #[schema(example = "/errors/invalid_request")]
    pub r#type: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    pub status: u16,
    /// This very problem, for people.
    pub detail: String,
    /// The kind of problem, for programs.
    pub code: Code,
    /// Names the request in our logs; also in `X-Request-Id`.
    pub request_id: String,
    /// Which fields are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem with its own words for the client.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let challenge = (code == Code::Unauthorized).then_some("Bearer realm=\"api\"");
        let detail = detail.into();
        Self { code, detail, errors: Vec::new(), cause: None, retry_after: RETRY_AFTER, challenge }
    }

    /// Fields that are wrong.
    pub fn of_fields(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = match errors.first() {
            Some(first) => format!("{}: {}", first.pointer.trim_start_matches('/'), first.detail),
            None => code.about().2.to_owned(),
        };
        Self { errors, ..Self::new(code, detail) }
    }

    /// One field is wrong.
    pub fn field(name: &str, detail: impl Into<String>) -> Self {
        Self::of_fields(
            Code::InvalidRequest,
            vec![FieldError { pointer: format!("/{name}"), detail: detail.into() }],
        )
    }

    /// Of this tenant there is no such thing: unknown, malformed and foreign ids answer alike.
    pub fn no_such(thing: &'static str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {thing}."))
    }

    /// A fault of ours: the client learns nothing but the request's id.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::new(Code::Internal, "Something went wrong on our side; it was logged under the request's id.")
            .because(cause)
    }

    /// Adds what the log shall say.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says when to come again; otherwise it is a second.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = wait.max(RETRY_AFTER);
        self
    }

    /// Says what is wrong with the key, as RFC 6750 has it in `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code.about().0
    }

    /// What the log shall say.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    fn write_out(self, request_id: &str) -> (StatusCode, Json<ProblemBody>) {
        let (status, name, title) = self.code.about();
        let body = ProblemBody {
            r#type: format!("/errors/{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.into_owned(),
            code: self.code,
            request_id: request_id.to_owned(),
            errors: self.errors,
        };
        (status, Json(body))
    }
}

impl IntoResponse for Problem {
    /// Carries the problem to the outermost layer, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after.as_secs()));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes a problem out: one that a handler answered, or one made of a bare error status of axum's, whose headers
/// (`Allow`) stay. Answers what the log shall say.
pub(crate) fn written_out(response: Response, request_id: &str) -> (Response, Option<String>) {
    if response.status().as_u16() < 400 {
        return (response, None);
    }
    let (mut parts, _) = response.into_parts();
    let problem = parts.extensions.remove::<Problem>().unwrap_or_else(|| {
        let code = Code::of_status(parts.status);
        let detail = match code {
            Code::NotFound => "There is nothing at this path.",
            Code::MethodNotAllowed => {
                "This path does not take this method; the Allow header says which it takes."
            }
            _ => code.about().2,
        };
        Problem::new(code, detail)
    });
    let cause = problem.cause().map(str::to_owned);
    parts.headers.remove(header::CONTENT_LENGTH);
    let code = problem.code;
    let (status, body) = problem.write_out(request_id);
    let mut response = (status, parts.headers, body).into_response();
    let media_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response.extensions_mut().insert(code);
    (response, cause)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new(
                Code::StoreUnavailable,
                "The store does not answer, so it is not known whether this was carried out. Repeat it, with an \
                 Idempotency-Key if it creates something.",
            )
            .because(error.to_string()),
            StoreError::Unreadable(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        match &error {
            ProviderError::TooLong { .. } => Self::new(Code::TooLarge, error.to_string()),
            ProviderError::Rejected { status: 415, .. } => {
                Self::new(Code::UnsupportedMediaType, error.to_string())
            }
            _ => Self::new(Code::ProviderError, error.to_string()),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::KeyReused => {
                Self::new(Code::IdempotencyKeyReused, "This Idempotency-Key came with another request before.")
            }
            SubmitError::UnknownWorkflow => Self::no_such("workflow"),
            SubmitError::Changed => {
                Self::new(Code::PreconditionFailed, "The workflow has changed since it was read: read it again.")
            }
            SubmitError::TooManyVersions => {
                Self::new(Code::TooManyVersions, "The workflow has as many versions as it may; make a new one.")
            }
            SubmitError::QueueFull => {
                Self::new(Code::QueueFull, "As many jobs are waiting as may; try again when some have ended.")
            }
            // It may have been accepted: its answer was lost. A retry under an idempotency key tells.
            SubmitError::Store(StoreError::Unavailable(cause)) => Self::new(
                Code::StoreUnavailable,
                "The store does not answer. Try again, with the same Idempotency-Key to be sure it happens once.",
            )
            .because(cause),
            SubmitError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_as_they_are_serialised() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.about().1);
        }
    }

    #[test]
    fn every_error_status_becomes_a_problem_of_its_own_class() {
        for status in (400..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            let class = Code::of_status(status).about().0;
            assert_eq!(class.is_client_error(), status.is_client_error(), "{status}");
        }
    }

    #[test]
    fn causes_stay_in_the_log() {
        let problem = Problem::from(StoreError::Unavailable("password at 10.0.0.7".into()));
        let (response, cause) = written_out(problem.into_response(), "req_1");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(cause.unwrap().contains("password"));
    }
}
