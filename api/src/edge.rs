//! The outermost layer: what holds for every request and every answer, whatever route there is or is not.
//!
//! In: a request id, one `Host` that may be asked for, no compressed body, a header within its limit, a place
//! among the requests in flight. Out: problems written out, a panic made into one, security headers, one log line.

mod checks;
mod record;
mod refusals;

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe, time::Duration};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use shared::{id::TenantId, limits, trace::TraceContext};
use tokio::time::Instant;
use tracing::Instrument as _;

pub(crate) use self::refusals::refusals;
use crate::{
    Api,
    problem::{self, Code, Problem},
};

/// 8,192 requests that are being handled or wait for a job; more than that are told to come again.
pub(crate) const REQUESTS_MAX: usize = 8_192;
/// 64 characters of a client's own request id.
const REQUEST_ID_CHARS_MAX: usize = 64;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer says unless its route says otherwise.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
];

/// The id of a request, for handlers that write it down.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Layer around everything.
pub(crate) async fn edge(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let parent = request.headers().get("traceparent").and_then(|text| text.to_str().ok()?.parse().ok());
    let mut traced = api.tracer.begin_request(format!("{method} {route}"), parent);
    request.extensions_mut().insert(Trace(traced.context()));
    let trace_id = traced.context().trace_id();
    let span = tracing::info_span!("request", request.id = %request_id, trace.id = %trace_id);

    let answering = AssertUnwindSafe(answer(&api, request, next)).catch_unwind();
    let answer = answering.instrument(span).await.unwrap_or_else(|panic| {
        Problem::internal(format!("panic: {}", panic_message(panic.as_ref()))).into_response()
    });

    let tenant = answer.extensions().get::<TenantId>().cloned();
    let (mut response, cause) = problem::written_out(answer, &request_id);
    let headers = response.headers_mut();
    for (name, value) in &HEADERS {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if let Ok(value) = HeaderValue::try_from(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    for (key, value) in [
        ("http.request.method", method.as_str()),
        ("http.route", &route),
        ("http.response.status_code", response.status().as_str()),
        ("request.id", &request_id),
    ] {
        traced.set(key, value);
    }
    if response.status().is_server_error() {
        traced.fail(response.status());
    }
    record::count(&api, &method, &route, &response, started.elapsed());
    let operation = response.headers().get("operation-location").and_then(|path| path.to_str().ok());
    let job = operation.and_then(|path| path.strip_prefix("/jobs/"));
    let names = record::Names {
        request: &request_id,
        trace: &trace_id,
        tenant: tenant.as_ref().map(TenantId::as_str),
        job,
    };
    record::log(&names, &method, &route, &response, cause.as_deref(), started.elapsed());
    response
}

/// Where in which trace a request is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace(pub(crate) TraceContext);

impl<S: Sync> FromRequestParts<S> for Trace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_else(|| Self(TraceContext::new_root())))
    }
}

async fn answer(api: &Api, request: Request, next: Next) -> Response {
    if let Err(problem) = checks::check(&request, api.config.keys_required) {
        return problem.into_response();
    }
    let Ok(_place) = api.requests.try_acquire() else {
        return Problem::new(Code::OverCapacity, "The api takes no more requests at the moment; try again.")
            .into_response();
    };
    next.run(request).await
}

/// Layer inside of [`crate::body::receive`]: a handler ends in time, a waiting one by the end of its wait.
pub(crate) async fn time_out(request: Request, next: Next) -> Response {
    let waits = request.headers().contains_key("prefer")
        || request.uri().query().is_some_and(|q| q.contains("wait="));
    let most = limits::REQUEST_TIMEOUT + if waits { limits::WAIT_MAX } else { Duration::ZERO };
    match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::TimedOut, "The request took longer than it may; try again.")
            .because(format!("no answer within {} s", most.as_secs()))
            .into_response(),
    }
}

/// The client's own id, when it is one a log can hold; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(sane);
    given.map_or_else(new_request_id, str::to_owned)
}

fn new_request_id() -> String {
    format!("req_{}", uuid::Uuid::now_v7().simple())
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use bytes::Bytes;
    use http_body_util::BodyExt as _;
    use shared::config::Vars;
    use tokio_util::sync::CancellationToken;
    use tower::Service as _;

    use super::*;
    use crate::config::Config;

    /// Without a store.
    pub(crate) fn api() -> Api {
        let nowhere =
            [("SECRETS_KEY", "A".repeat(43) + "="), ("REDIS_URL", "redis+unix:///nowhere".to_owned())];
        let config = Config::from_vars(Vars::new(nowhere.map(|(name, value)| (name.to_owned(), value))));
        let shutdown = CancellationToken::new();
        shutdown.cancel(); // nothing listens
        Api::new(config.unwrap(), shutdown).unwrap().0
    }

    async fn answer_of(api: &Api, handler: fn() -> std::future::Ready<&'static str>) -> (u16, String) {
        let router = Router::new().route("/jobs", get(handler));
        let mut router = router.layer(from_fn_with_state(api.clone(), edge));
        let answer = router.call(request(&[("host", "localhost")])).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_says_nothing_of_its_cause() {
        let (status, body) = answer_of(&api(), || panic!("password")).await;
        assert_eq!(status, 500);
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("password"), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_hangs_and_a_body_that_does_not_come_are_given_up() {
        let api = api();
        let hung = get(std::future::pending::<&'static str>).layer(axum::middleware::from_fn(time_out));
        let received = hung.layer(from_fn_with_state(api.clone(), crate::body::receive));
        let mut router = Router::new().route("/jobs", received).layer(from_fn_with_state(api.clone(), edge));
        let answer = router.call(request(&[("host", "localhost")])).await.unwrap();
        assert_eq!(answer.status(), 503);
        let mut slow = request(&[("host", "localhost")]);
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        *slow.body_mut() = Body::from_stream(never);
        assert_eq!(router.call(slow).await.unwrap().status(), 408);
    }

    #[tokio::test]
    async fn a_request_without_a_place_is_told_to_come_again() {
        let api = api();
        let all = api.requests.try_acquire_many(u32::try_from(REQUESTS_MAX).unwrap()).unwrap();
        let (status, body) = answer_of(&api, || std::future::ready("here")).await;
        assert!(status == 503 && body.contains("over_capacity"), "{body}");
        drop(all);
        assert_eq!(answer_of(&api, || std::future::ready("here")).await, (200, "here".to_owned()));
    }

    pub(super) fn request(pairs: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/jobs");
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_request_id_of_the_client_is_kept_when_it_is_sane() {
        assert_eq!(request_id(request(&[("x-request-id", "a-1.B_2")]).headers()), "a-1.B_2");
        for odd in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert!(request_id(request(&[("x-request-id", odd)]).headers()).starts_with("req_"), "{odd}");
        }
    }
}
