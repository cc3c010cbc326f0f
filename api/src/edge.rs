//! The outermost layer: what holds for every request and every answer, whatever route there is or is not.
//!
//! In: a request id, one `Host` that may be asked for, no compressed body, a header within its limit, a place
//! among the requests in flight. Out: problems written out, a panic made into one, security headers, one log line.

use std::{
    any::Any,
    convert::Infallible,
    fmt::Write as _,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts,
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use shared::{id::TenantId, limits, trace::TraceContext};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    Api,
    problem::{self, Code, Problem},
    unparsed::Refuse,
};

/// 8,192 requests that are being handled or wait for a job; more than that are told to come again.
pub(crate) const REQUESTS_MAX: usize = 8_192;
/// 100 header fields, hyper's limit: browsers and proxies together send some thirty.
const HEADER_FIELDS_MAX: usize = 100;
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
    count(&api, &method, &route, &response, started.elapsed());
    let operation = response.headers().get("operation-location").and_then(|path| path.to_str().ok());
    let job = operation.and_then(|path| path.strip_prefix("/jobs/"));
    let names =
        Names { request: &request_id, trace: &trace_id, tenant: tenant.as_ref().map(TenantId::as_str), job };
    log(&names, &method, &route, &response, cause.as_deref(), started.elapsed());
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

/// What a log line is found by.
struct Names<'a> {
    request: &'a str,
    trace: &'a str,
    /// Whose request it was, where a key told or none is needed.
    tenant: Option<&'a str>,
    /// The job it made.
    job: Option<&'a str>,
}

async fn answer(api: &Api, request: Request, next: Next) -> Response {
    let checked = check_header_size(&request)
        .and_then(|()| check_host(&request, api.config.keys_required))
        .and_then(|()| check_encoding(request.headers()));
    if let Err(problem) = checked {
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

fn check_header_size(request: &Request) -> Result<(), Problem> {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let fields: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if path + fields <= limits::HEADER_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("Path and header fields are larger than {} bytes.", limits::HEADER_BYTES_MAX);
    Err(Problem::new(Code::HeaderTooLarge, detail))
}

/// One well-formed host; and where no key protects the api, only a name of this machine: a page of another site can
/// make a browser connect here (DNS rebinding), but not under our name.
fn check_host(request: &Request, keys_required: bool) -> Result<(), Problem> {
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Problem::new(Code::InvalidHost, "There are several Host headers."));
    }
    let field = field.map(|value| value.to_str().ok().and_then(|text| text.parse::<Authority>().ok()));
    if matches!(field, Some(None)) {
        return Err(Problem::new(Code::InvalidHost, "The Host header is not a host."));
    }
    let line = request.uri().authority().cloned();
    let hosts: Vec<Authority> = field.flatten().into_iter().chain(line).collect();
    if hosts.is_empty() && (request.version() != Version::HTTP_10 || !keys_required) {
        return Err(Problem::new(Code::InvalidHost, "There is no Host header."));
    }
    if keys_required {
        return Ok(());
    }
    if !hosts.iter().all(is_loopback_name) {
        let detail = "Without API keys the api answers to localhost, 127.0.0.1 and [::1] only.";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    check_same_site(request)
}

fn is_loopback_name(host: &Authority) -> bool {
    let own = ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| host.host().eq_ignore_ascii_case(own));
    own && !host.as_str().contains('@')
}

/// A browser says when another site's page made it ask; such a page may look at nothing and must change nothing.
fn check_same_site(request: &Request) -> Result<(), Problem> {
    let field = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let foreign = match field("sec-fetch-site") {
        Some(site) => site != b"same-origin" && site != b"none",
        // Older browsers say at least where the page is from.
        None => field("origin").is_some_and(|origin| {
            let host = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            host.is_none() || host != field("host")
        }),
    };
    if foreign && !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::new(Code::Forbidden, "A page of another site asked for this."));
    }
    Ok(())
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        "Compressed bodies are not taken; send it without Content-Encoding.",
    ))
}

/// What is answered, in whole, to bytes that do not read as a request; hyper decides that, and with which status.
pub(crate) fn refusals(api: Api) -> Refuse {
    Arc::new(move |status| {
        let problem = if status == StatusCode::BAD_REQUEST {
            Problem::new(Code::BadRequest, "This does not read as a request of HTTP/1.1.")
        } else {
            let (bytes, fields) = (limits::HEADER_BYTES_MAX, HEADER_FIELDS_MAX);
            let detail =
                format!("Path and header fields are larger than {bytes} bytes, or more than {fields}.");
            Problem::new(Code::HeaderTooLarge, detail)
        };
        let request_id = new_request_id();
        let (status, body) = problem.into_bytes(&request_id);
        let (length, date) = (body.len(), httpdate::fmt_http_date(SystemTime::now()));
        let mut answer = format!("HTTP/1.1 {status}\r\ncontent-type: {}\r\n", problem::MEDIA_TYPE);
        let ours = HEADERS;
        let ours = ours.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let end = [("connection", "close"), ("date", &date), ("x-request-id", &request_id)];
        for (name, value) in ours.chain(end) {
            answer.extend([name, ": ", value, "\r\n"]);
        }
        let _ = write!(answer, "content-length: {length}\r\n\r\n");
        let labels = [("method", "-"), ("route", "-"), ("status", status.as_str())];
        api.shards.counters().count("wf_http_requests_total", &labels);
        let status = status.as_u16();
        tracing::info!(request.id = request_id, status, "What came did not read as a request");
        Bytes::from([answer.into_bytes(), body].concat())
    })
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

/// For operators. Methods that no route has are one: a client may make up any number of them.
fn count(api: &Api, method: &Method, route: &str, response: &Response, took: Duration) {
    let known = matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    );
    let (method, counters) = (if known { method.as_str() } else { "-" }, api.shards.counters());
    let status = response.status();
    let labels = [("method", method), ("route", route), ("status", status.as_str())];
    counters.count("wf_http_requests_total", &labels);
    counters.observe("wf_http_request_seconds", &[("route", route)], took);
    let code = response.extensions().get::<Code>();
    if code == Some(&Code::StoreUnavailable) {
        counters.count("wf_store_errors_total", &[("process", "api")]);
    }
}

/// The one log line of a request. Paths are not logged, only routes: what a client puts into a path is its own.
fn log(
    names: &Names<'_>,
    method: &Method,
    route: &str,
    response: &Response,
    cause: Option<&str>,
    took: Duration,
) {
    let (status, duration_ms) =
        (response.status().as_u16(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    match (status, cause) {
        (500, _) => {
            tracing::error!(request.id = names.request, trace.id = names.trace, tenant = names.tenant, job.id = names.job, %method, route, status, duration_ms, cause, "{method} {route} failed");
        }
        (_, Some(_)) => {
            tracing::warn!(request.id = names.request, trace.id = names.trace, tenant = names.tenant, job.id = names.job, %method, route, status, duration_ms, cause, "{method} {route} not served");
        }
        _ if matches!(route, "/healthz" | "/readyz") => {
            tracing::debug!(request.id = names.request, trace.id = names.trace, tenant = names.tenant, job.id = names.job, %method, route, status, duration_ms, "{method} {route} answered");
        }
        _ => {
            tracing::info!(request.id = names.request, trace.id = names.trace, tenant = names.tenant, job.id = names.job, %method, route, status, duration_ms, "{method} {route} answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use http_body_util::BodyExt as _;
    use shared::config::Vars;
    use tokio_util::sync::CancellationToken;
    use tower::Service as _;

    use super::*;
    use crate::config::Config;

    fn api() -> Api {
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

    fn request(pairs: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/jobs");
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn only_names_of_this_machine_are_answered_to_without_keys() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:80"] {
            assert!(check_host(&request(&[("host", host)]), false).is_ok(), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "127.0.0.2", "0.0.0.0", "evil@localhost"] {
            assert_eq!(check_host(&request(&[("host", host)]), false).unwrap_err().status(), 403, "{host}");
        }
        assert!(check_host(&request(&[("host", "example.com")]), true).is_ok());
    }

    #[test]
    fn there_is_exactly_one_well_formed_host() {
        for hosts in
            [&[][..], &[("host", "localhost"), ("host", "localhost")], &[("host", "a b")], &[("host", "")]]
        {
            for keys_required in [true, false] {
                let refused = check_host(&request(hosts), keys_required).unwrap_err();
                assert_eq!(refused.status(), 400, "{hosts:?}");
            }
        }
    }

    #[test]
    fn an_absolute_request_line_cannot_contradict_the_host() {
        let mut absolute = request(&[("host", "localhost")]);
        *absolute.uri_mut() = "http://example.com/jobs".parse().unwrap();
        assert!(check_host(&absolute, false).is_err());
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let mut cross = request(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]);
        assert!(check_host(&cross, false).is_ok());
        *cross.method_mut() = Method::POST;
        assert!(check_host(&cross, false).is_err());
    }

    #[test]
    fn a_request_id_of_the_client_is_kept_when_it_is_sane() {
        assert_eq!(request_id(request(&[("x-request-id", "a-1.B_2")]).headers()), "a-1.B_2");
        for odd in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert!(request_id(request(&[("x-request-id", odd)]).headers()).starts_with("req_"), "{odd}");
        }
    }
}
