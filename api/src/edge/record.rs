//! What operators learn of a request: the metrics, and the one log line.

use std::time::Duration;

use axum::{http::Method, response::Response};

use crate::{Api, problem::Code};

/// What a log line is found by.
pub(super) struct Names<'a> {
    pub(super) request: &'a str,
    pub(super) trace: &'a str,
    /// Whose request it was, where a key told or none is needed.
    pub(super) tenant: Option<&'a str>,
    /// The job it made.
    pub(super) job: Option<&'a str>,
}

/// For operators. Methods that no route has are one: a client may make up any number of them.
pub(super) fn count(api: &Api, method: &Method, route: &str, response: &Response, took: Duration) {
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
pub(super) fn log(
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
