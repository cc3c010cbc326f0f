//! A collector of traces: takes OTLP over HTTP as JSON and keeps every span.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;

use super::server::Server;
use crate::record::Record;

/// One span, with the service that sent it.
#[derive(Debug, Clone)]
pub struct Collected {
    /// `service.name` of the resource.
    pub service: String,
    /// As it was sent.
    pub span: Value,
}

/// The server.
#[derive(Debug)]
pub struct Collector {
    spans: Arc<Record<Collected>>,
    server: Server,
}

impl Collector {
    /// Starts it.
    pub async fn start() -> Self {
        let spans = Arc::<Record<Collected>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        Self { spans, server: Server::start(router).await }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be.
    pub fn url(&self) -> String {
        self.server.url().to_string()
    }

    /// Waits for a span with this name in this trace.
    pub async fn span(&self, trace: &str, name: &str) -> Collected {
        let wanted = |span: &Collected| {
            (span.span["traceId"] == trace && span.span["name"] == name).then(|| span.clone())
        };
        self.spans.wait_until(name, wanted).await
    }

    /// All of them.
    pub fn spans(&self) -> Vec<Collected> {
        self.spans.all()
    }
}

async fn take(State(spans): State<Arc<Record<Collected>>>, body: Bytes) -> StatusCode {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    for resource in list(&body, "resourceSpans") {
        let service =
            resource["resource"]["attributes"][0]["value"]["stringValue"].as_str().unwrap_or_default();
        for span in list(&resource, "scopeSpans").iter().flat_map(|scope| list(scope, "spans")) {
            spans.push(Collected { service: service.to_owned(), span });
        }
    }
    StatusCode::OK
}
