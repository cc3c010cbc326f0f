//! The kinds of problem, each with its status, name and title.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

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
    /// The job has not failed, so there is nothing to mend.
    JobNotFailed,
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
    /// Another request under the idempotency key is being carried out.
    IdempotencyKeyInUse,
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
    pub const ALL: [Self; 31] = [
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
        Self::JobNotFailed,
        Self::TooManyVersions,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidRequest,
        Self::IdempotencyKeyReused,
        Self::IdempotencyKeyInUse,
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
            Self::JobNotFailed => (StatusCode::CONFLICT, "job_not_failed", "The job has not failed"),
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
            Self::IdempotencyKeyInUse => (
                StatusCode::CONFLICT,
                "idempotency_key_in_use",
                "A request under this idempotency key is under way",
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
            Self::NotConfigured => (StatusCode::CONFLICT, "not_configured", "Not available here"),
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
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let named = Self::ALL.into_iter().find(|code| code.about().0 == status);
        match (status, named) {
            (StatusCode::BAD_REQUEST, _) => Self::BadRequest,
            (_, Some(code)) => code,
            (status, None) if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
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
}
