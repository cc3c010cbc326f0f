//! The routes: one list from which both the router and the description are made.
//!
//! A handler is: parse, one call, render.

mod accepted;
mod audit;
mod credentials;
mod deliveries;
mod events;
mod files;
mod jobs;
mod keys;
mod metrics;
mod page;
#[cfg(test)]
mod panics;
mod rewrites;
mod secrets;
mod service;
mod tags;
mod tenants;
mod usage;
mod versions;
mod workflows;

use std::str::FromStr;

use axum::{
    Extension, Router,
    extract::{FromRequestParts, Path},
    http::{HeaderValue, request::Parts},
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use shared::{
    id::{JobId, KeyId, TenantId, WorkflowId},
    tenant::CredentialName,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::events::STREAMS_MAX;
use self::page::{Page, Stretch};
use crate::{
    Api,
    auth::{self, Needs},
    body, edge, openapi,
    problem::{Code, Problem},
};

/// Everything under its layers.
pub(crate) fn router(api: Api) -> Router {
    under_layers(api, &GROUPS)
}

/// These groups and what is in none, each under its layers: here they are put on, and nowhere else.
fn under_layers(api: Api, groups: &[Group]) -> Router {
    let document = service::Document::new(&openapi::served(&api.config));
    let keyed = groups.iter().map(|&(needs, group)| {
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
        .fallback(nothing)
        .merge(keyed.fold(Router::new(), Router::merge))
        .merge(uploads)
        .layer(from_fn_with_state(api.clone(), edge::edge))
        .with_state(api)
}

/// There is nothing at any other path, with a key or without.
async fn nothing() -> Problem {
    Problem::new(Code::NotFound, "There is nothing at this path.")
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

/// 1 s until it is worth asking again for a job that is not final.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
