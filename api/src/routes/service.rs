//! What is about the service itself: its health, its description, and the pages to read it.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderValue, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use shared::store::WorkerReport;
use utoipa::{ToSchema, openapi::OpenApi};

use crate::{
    Api, auth,
    problem::{Code, Problem},
};

/// 1 s for Redis to answer a ping: whoever asks for readiness asks again.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A sign of life.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

const HEALTHY: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// A sign of life, with what it can see of the rest of the system.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Detail {
    /// Always `ok`: this process is alive.
    #[schema(example = "ok")]
    status: &'static str,
    /// The version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// `ok` or `unavailable`; only where `workers` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ok", nullable = false)]
    store: Option<&'static str>,
    /// The workers that are there, with their sandboxes. Where keys are required only with the operator's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    workers: Option<Vec<WorkerReport>>,
}

/// Whether the process is alive: 200 also while the store is away, so that nobody restarts it for that.
///
/// Shows the workers that are there, each with the tier of its sandbox and every wall in force; where keys are required
/// only to the operator's key.
#[utoipa::path(
    get, path = "/healthz", operation_id = "getHealth", tag = "service", security(()),
    responses((status = 200, description = "It is", body = Detail))
)]
pub(crate) async fn healthz(State(api): State<Api>, request: Parts) -> Json<Detail> {
    let Health { status, version } = HEALTHY;
    if !auth::is_operator(&api, &request.headers, &request.extensions) {
        return Json(Detail { status, version, store: None, workers: None });
    }
    let (workers, shards) = tokio::join!(
        tokio::time::timeout(PING_TIMEOUT, api.shards.workers()),
        tokio::time::timeout(PING_TIMEOUT, api.shards.ping()),
    );
    let store = if matches!((&workers, &shards), (Ok(Ok(_)), Ok(Ok(())))) { "ok" } else { "unavailable" };
    let workers = workers.map(Result::unwrap_or_default).unwrap_or_default();
    Json(Detail { status, version, store: Some(store), workers: Some(workers) })
}

/// Whether requests are served: Redis answers, for some tenants at least, and the process is not ending.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "service", security(()),
    responses((status = 200, description = "They are", body = Health))
)]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Json<Health>, Problem> {
    if api.shutdown.is_cancelled() {
        return Err(Problem::new(Code::NotReady, "The process is ending."));
    }
    match tokio::time::timeout(PING_TIMEOUT, api.shards.ping_any()).await {
        Ok(pong) => Ok(pong.map(|()| Json(HEALTHY))?),
        Err(_) => Err(Problem::new(Code::StoreUnavailable, "The store does not answer.")),
    }
}

/// The description of the API, made once.
#[derive(Debug, Clone)]
pub(crate) struct Document(Bytes);

impl Document {
    pub(crate) fn new(document: &OpenApi) -> Self {
        let json = document.to_json().expect("the description is plain data");
        Self(json.into())
    }
}

/// The description of this API: OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenApi", tag = "service", security(()),
    responses((status = 200, description = "The description", content_type = "application/json", body = Object))
)]
pub(crate) async fn document(Extension(Document(json)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// What the page of `/docs` may do: run its own scripts and talk to us, nothing else.
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// The page: the interactive documentation's own files, no other host.
const DOCS_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API documentation</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/swagger-ui-standalone-preset.js"></script>
<script src="/docs/swagger-initializer.js"></script>
</body>
</html>
"#;

/// This API, to be read and tried in a browser.
#[utoipa::path(
    get, path = "/docs", operation_id = "getDocs", tag = "service", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
pub(crate) async fn docs() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)], Html(DOCS_PAGE)).into_response()
}

/// A file of the page.
pub(crate) async fn docs_file(Path(file): Path<String>) -> Result<Response, Problem> {
    let config = utoipa_swagger_ui::Config::from("/openapi.json").try_it_out_enabled(true);
    let found = utoipa_swagger_ui::serve(&file, Arc::new(config));
    let found = found.map_err(|error| Problem::internal(format!("a file of /docs: {error}")))?;
    let found = found.ok_or_else(|| Problem::no_such("file"))?;
    let headers =
        [(header::CONTENT_TYPE, found.content_type), (header::CACHE_CONTROL, "max-age=3600".to_owned())];
    let policy = [(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)];
    Ok((headers, policy, found.bytes.into_owned()).into_response())
}

/// What a kind of problem means: where `type` of a problem leads.
#[utoipa::path(
    get, path = "/errors/{code}", operation_id = "getErrorPage", tag = "service", security(()),
    params(("code" = Code, Path, description = "`code` of a problem")),
    responses((status = 200, description = "A line of text", body = String, content_type = "text/plain"))
)]
pub(crate) async fn error_page(Path(name): Path<String>) -> Result<String, Problem> {
    let code = Code::ALL.into_iter().find(|code| code.about().1 == name);
    let (status, name, title) = code.ok_or_else(|| Problem::no_such("kind of problem"))?.about();
    Ok(format!("{name}: {title}. HTTP status {status}.\n"))
}
