//! Everything that goes wrong, as clients see it: RFC 9457 `application/problem+json`, on every path.
//!
//! This is the one door from errors to HTTP: a handler answers `Err(Problem)`, by `?` from an error of the store (`causes`)
//! or in its own words, and the outermost layer (`edge`) adds the request's id and writes
//! it out. What clients read (`detail`) and what the log reads (`cause`) are two texts.

mod causes;
mod code;

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

pub use self::code::Code;

/// Of every problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";
/// 1 s: a Redis that restarts, or a burst, is over by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    #[schema(example = "The request is invalid")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    pub status: u16,
    /// This very problem, for people.
    #[schema(example = "description: must not be empty")]
    pub detail: String,
    /// The kind of problem, for programs.
    pub code: Code,
    /// Names the request in our logs; also in `X-Request-Id`.
    #[schema(example = "req_0192f0c1a5b87d10a3c4e5f60718293a")]
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
            Some(first) if first.pointer.is_empty() => format!("The body {}.", first.detail),
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

    /// A field names a thing the tenant does not have: as in a path, unknown and foreign ids answer alike.
    pub fn names_no_such(field: &str, detail: impl Into<String>) -> Self {
        Self::of_fields(
            Code::NotFound,
            vec![FieldError { pointer: format!("/{field}"), detail: detail.into() }],
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

    /// Written out where there is no response to carry it.
    pub(crate) fn into_bytes(self, request_id: &str) -> (StatusCode, Vec<u8>) {
        let (status, Json(body)) = self.write_out(request_id);
        (status, serde_json::to_vec(&body).expect("plain data serialises"))
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
        let passes = matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        if passes || self.code == Code::IdempotencyKeyInUse {
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
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response.extensions_mut().insert(code);
    (response, cause)
}

#[cfg(test)]
mod tests {
    use shared::store::StoreError;

    use super::*;

    #[test]
    fn causes_stay_in_the_log() {
        let problem = Problem::from(StoreError::Unavailable("password at 10.0.0.7".into()));
        let (response, cause) = written_out(problem.into_response(), "req_1");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(cause.unwrap().contains("password"));
    }
}
