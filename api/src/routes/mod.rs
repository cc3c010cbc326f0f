//! The routes: one list from which both the router and the description are made.
//!
//! A handler is: parse, one call, render.

mod audit;
mod credentials;
mod deliveries;
mod events;
mod files;
mod jobs;
mod keys;
mod metrics;
mod rewrites;
mod secrets;
mod service;
mod tenants;
mod usage;
mod versions;
mod workflows;

use std::{fmt, str::FromStr};

use axum::{
    Extension, Json, Router,
    extract::{FromRequestParts, Path},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use shared::{
    id::{JobId, KeyId, TenantId, WorkflowId},
    store,
    tenant::CredentialName,
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::events::STREAMS_MAX;
use crate::{
    Api,
    auth::{self, Needs},
    body, edge,
    idempotency::hex,
    openapi,
    problem::{Code, Problem},
};

/// Everything under its layers.
pub(crate) fn router(api: Api) -> Router {
    let document = service::Document::new(&openapi::served(&api.config));
    let keyed = GROUPS.map(|(needs, group)| {
        let routes: Router<Api> = group().into();
        routes
            .layer(from_fn(edge::time_out))
            .layer(from_fn_with_state(api.clone(), body::receive))
            .layer(from_fn_with_state((api.clone(), needs), auth::authenticate))
    });
    // An upload is not read before it is handled: it goes through.
    let (needs, uploads) = UPLOADS;
    let uploads: Router<Api> = uploads().into();
    let uploads = uploads.layer(from_fn_with_state((api.clone(), needs), auth::authenticate));
    let public: Router<Api> = public().into();
    public
        .route("/docs/{file}", get(service::docs_file))
        .layer(Extension(document))
        .merge(keyed.into_iter().fold(Router::new(), Router::merge))
        .merge(uploads)
        .layer(from_fn_with_state(api.clone(), edge::edge))
        .with_state(api)
}

/// What belongs to a tenant.
fn things() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(workflows::list, workflows::create))
        .routes(routes!(workflows::get, workflows::change, workflows::delete))
        .routes(routes!(versions::list))
        .routes(routes!(versions::get))
        .routes(routes!(versions::diff))
        .routes(routes!(versions::replace_code))
        .routes(routes!(rewrites::regenerate))
        .routes(routes!(rewrites::answer))
        .routes(routes!(workflows::execute))
        .routes(routes!(files::get, files::delete))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::get, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::logs))
        .routes(routes!(jobs::steps))
        .routes(routes!(events::events))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::redeliver))
        .routes(routes!(usage::usage))
}

/// What the tenant's own administrators see and change.
fn managed() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(secrets::webhook_secret))
        .routes(routes!(secrets::rotate_webhook_secret))
        .routes(routes!(credentials::list))
        .routes(routes!(credentials::put, credentials::delete))
}

/// What the operator sees and changes of all tenants.
fn administration() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::get, keys::delete))
        .routes(routes!(keys::rotate))
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::get, tenants::put))
        .routes(routes!(audit::list))
        .routes(routes!(metrics::metrics))
}

/// Routes that ask the same of a key.
type Group = (Needs, fn() -> OpenApiRouter<Api>);

/// Every route that needs a key, with what the key has to allow.
pub(crate) const GROUPS: [Group; 3] =
    [(Needs::ByMethod, things), (Needs::Manage, managed), (Needs::Admin, administration)];

/// What is not read whole before it is handled.
pub(crate) const UPLOADS: Group = (Needs::ByMethod, uploads);

fn uploads() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(files::upload))
}

/// What anybody may see.
pub(crate) fn public() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(service::healthz))
        .routes(routes!(service::readyz))
        .routes(routes!(service::document))
        .routes(routes!(service::docs))
        .routes(routes!(service::error_page))
}

/// A stretch of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    data: Vec<T>,
    /// Whether there may be more.
    has_more: bool,
    /// What to send as `after` to get the next page.
    next_cursor: Option<String>,
}

impl<T> From<store::Page<T>> for Page<T> {
    fn from(page: store::Page<T>) -> Self {
        Self { data: page.items, has_more: page.next.is_some(), next_cursor: page.next }
    }
}

/// An id in a path. Whatever is not one is answered as an unknown one.
pub(crate) struct Id<T>(T);

/// What an id in a path names.
pub(crate) trait Named: FromStr {
    const THING: &'static str;
}

impl Named for JobId {
    const THING: &'static str = "job";
}

impl Named for KeyId {
    const THING: &'static str = "key";
}

impl Named for TenantId {
    const THING: &'static str = "tenant";
}

impl Named for CredentialName {
    const THING: &'static str = "credential";
}

impl Named for WorkflowId {
    const THING: &'static str = "workflow";
}

impl<T: Named, S: Sync + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::no_such(T::THING))
    }
}

/// An object with its entity tag, or 304 when the client has it already.
fn tagged<T: Serialize>(asked: &HeaderMap, object: &T) -> Response {
    let body = match serde_json::to_vec(object) {
        Ok(body) => body,
        Err(error) => {
            return Problem::internal(format!("an answer does not serialise: {error}")).into_response();
        }
    };
    let tag = tag_of(&body);
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim);
    let matches = known.map(|known| known.trim_start_matches("W/")).any(|known| known == "*" || known == tag);
    let tag = [(header::ETAG, tag)];
    if matches {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn tag_of(body: &[u8]) -> String {
    format!("\"{}\"", hex(&Sha256::digest(body)[..16]))
}

/// Whether the request is only for an object in the state the client has read (`If-Match`); an error when the object is
/// in another one. Weak tags never match here (RFC 9110, section 13.1.1).
fn precondition<T: Serialize>(asked: &HeaderMap, object: &T) -> Result<bool, Problem> {
    let mut known = asked.get_all(header::IF_MATCH).iter().peekable();
    if known.peek().is_none() {
        return Ok(false);
    }
    let body = serde_json::to_vec(object)
        .map_err(|error| Problem::internal(format!("an object does not serialise: {error}")))?;
    let tag = tag_of(&body);
    let mut tags =
        known.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    if tags.any(|known| known == "*" || known == tag) {
        return Ok(true);
    }
    let detail =
        "It has changed since it was read: read it again and look whether the request still makes sense.";
    Err(Problem::new(Code::PreconditionFailed, detail))
}

/// An accepted job's answer: status, where things are found, and whether it was accepted before.
struct Accepted<T> {
    object: T,
    done: bool,
    replayed: bool,
    location: String,
    operation: String,
    preference: Option<(HeaderName, HeaderValue)>,
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        let status = if self.done { StatusCode::OK } else { StatusCode::ACCEPTED };
        let mut response = (status, Json(self.object)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, path(self.location));
        headers.insert(HeaderName::from_static("operation-location"), path(self.operation));
        if !self.done {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if self.replayed {
            headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
        }
        headers.extend(self.preference);
        response
    }
}

/// 1 s until it is worth asking again for a job that is not final.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

fn path(path: impl fmt::Display) -> HeaderValue {
    HeaderValue::try_from(path.to_string()).expect("a path of an id is a header value")
}
