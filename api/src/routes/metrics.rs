//! Numbers for operators, as Prometheus reads them.
//!
//! Any api tells the totals of the whole system; what starts with `wf_http` is its own. Workers have no port: they report
//! what they count with their presence.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use shared::metrics::{Samples, render};

use crate::{Api, edge, problem::Problem};

/// Numbers for Prometheus: queues, jobs, workers, tools, tokens, webhooks, and this api.
///
/// Where keys are required, only with the operator's key or one whose scope is `admin`.
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = "service",
    responses((status = 200, description = "All of them", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let mut samples: Samples = api.shards.measures().await?;
    for (series, more) in api.shards.counters().samples() {
        *samples.entry(series).or_default() += more;
    }
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).into();
    let requests = edge::REQUESTS_MAX.saturating_sub(api.requests.available_permits());
    samples.insert("wf_http_requests_in_flight".to_owned(), number(requests));
    samples.insert("wf_event_streams".to_owned(), number(api.streams.held()));
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, render(&samples)).into_response())
}
