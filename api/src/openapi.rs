//! The description of the API, made from the same list as the router, and completed with what holds everywhere.

mod answers;
mod examples;

use axum::http::Method;
use utoipa::{
    OpenApi as _, PartialSchema as _,
    openapi::{
        Header, Object, OpenApi, RefOr, Required, Schema,
        extensions::Extensions,
        header::HeaderBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::{AdditionalProperties, SchemaType, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    auth::Needs,
    config::{Config, LIMIT_MAX},
    problem::{FieldError, ProblemBody},
    routes,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Workflow Automation API",
        description = "Describe a process in plain language; get a program that runs it, and run it.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    security(("bearer" = []), ("api_key" = [])),
    tags(
        (name = "workflows", description = "Descriptions and the programs made of them"),
        (name = "jobs", description = "What is asked of the system, and what became of it"),
        (name = "webhooks", description = "Being told instead of asking"),
        (name = "keys", description = "Who may ask (operator)"),
        (name = "tenants", description = "What holds for whom (operator)"),
        (name = "credentials", description = "A tenant's own keys of providers"),
        (name = "service", description = "Health and documentation")
    ),
    components(schemas(ProblemBody, FieldError))
)]
struct Base;

/// The whole description.
pub fn document() -> OpenApi {
    let mut document = Base::openapi();
    for (needs, group) in routes::GROUPS.into_iter().chain([routes::UPLOADS]) {
        let mut group = group().into_openapi();
        for item in group.paths.paths.values_mut() {
            name_scopes(item, needs);
        }
        document.merge(group);
    }
    document.merge(routes::public().into_openapi());
    add_security_schemes(&mut document);
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            answers::complete(path, operation);
        }
    }
    let shared = answers::shared().map(|(name, response)| (name, RefOr::T(response)));
    let components = document.components.get_or_insert_default();
    components.responses.extend(shared);
    components.headers.extend(answers::shared_headers().map(|(name, header)| (name, RefOr::T(header))));
    close_request_bodies(&mut document);
    examples::add(&mut document);
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
    all.into_iter().flatten()
}

/// The description as this process behaves: without keys there is nothing to authorise, and the longest run is as
/// configured.
pub(crate) fn served(config: &Config) -> OpenApi {
    let mut document = document();
    if !config.keys_required {
        document.security = None;
    }
    if let Some(RefOr::T(Schema::Object(timeout))) =
        request_body(&mut document, "NewRun").and_then(|body| body.properties.get_mut("timeout_ms"))
    {
        let most = u64::try_from(config.jobs.timeout_max.as_millis()).unwrap_or(u64::MAX);
        timeout.maximum = Some(most.into());
    }
    document
}

fn request_body<'a>(document: &'a mut OpenApi, name: &str) -> Option<&'a mut Object> {
    match document.components.as_mut()?.schemas.get_mut(name)? {
        RefOr::T(Schema::Object(body)) => Some(body),
        _ => None,
    }
}

fn add_security_schemes(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("wfk_…").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let api_key = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(api_key));
}

/// A header that counts seconds.
pub(crate) fn seconds(description: &str) -> Header {
    HeaderBuilder::new().schema(Some(u32::schema())).description(Some(description)).build()
}

/// Says which scope a key needs, for people and for programs.
fn name_scopes(item: &mut PathItem, needs: Needs) {
    for (method, operation) in [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ] {
        let Some(operation) = operation else { continue };
        let scope = needs.scope(&method);
        let description = operation.description.take().unwrap_or_default();
        operation.description = Some(format!("{description}\n\nScope: `{scope}`.").trim_start().to_owned());
        operation.extensions = Some(Extensions::from_iter([("x-scope", scope.as_str())]));
    }
}

/// A header that may be sent.
pub(crate) fn header_parameter(name: &str, description: &str, pattern: Option<&str>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description))
        .required(Required::False)
        .schema(Some(optional_text(pattern)))
        .build()
}

/// The parameter `Idempotency-Key`, with what it does here.
pub(crate) fn idempotency_key(description: &str) -> Parameter {
    let form = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~][ -~]{0,254})$"#;
    header_parameter("Idempotency-Key", description, Some(form))
}

/// A header of an answer.
pub(crate) fn text_header(description: &str) -> Header {
    HeaderBuilder::new().schema(Some(String::schema())).description(Some(description)).build()
}

/// The header of an answer to a request that was carried out before.
pub(crate) fn replayed(done: &str) -> Header {
    let description = format!("`true`: {done} before under the same key");
    HeaderBuilder::new().schema(Some(optional_text(None))).description(Some(description)).build()
}

fn optional_text(pattern: Option<&str>) -> Object {
    let either: SchemaType = [Type::String, Type::Null].into_iter().collect();
    Object::builder().schema_type(either).pattern(pattern).build()
}

/// Unknown fields are refused, so the schemas of bodies say so; also what else is refused and no attribute can say.
fn close_request_bodies(document: &mut OpenApi) {
    for name in [
        "NewWorkflow",
        "NewRun",
        "NewCode",
        "Regeneration",
        "Answers",
        "WorkflowPatch",
        "NewApiKey",
        "Rotation",
        "TenantSettings",
        "CredentialValue",
    ] {
        if let Some(body) = request_body(document, name) {
            close(body);
        }
    }
    for (name, list) in [("NewApiKey", "scopes"), ("TenantSettings", "workspaces")] {
        let field = request_body(document, name).and_then(|body| body.properties.get_mut(list));
        if let Some(RefOr::T(Schema::Array(items))) = field {
            items.unique_items = true;
        }
    }
    let settings =
        request_body(document, "TenantSettings").and_then(|body| body.properties.get_mut("limits"));
    for limit in settings.into_iter().flat_map(inner).flat_map(|limits| limits.properties.values_mut()) {
        if let RefOr::T(Schema::Object(limit)) = limit {
            limit.maximum = Some(LIMIT_MAX.into());
        }
    }
}

/// An object with fields has no others, nor have those in its fields; one without, such as `metadata`, is the client's own.
fn close(object: &mut Object) {
    if !object.properties.is_empty() {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
    object.properties.values_mut().flat_map(inner).for_each(close);
}

/// The objects a schema is made of.
fn inner(schema: &mut RefOr<Schema>) -> Vec<&mut Object> {
    match schema {
        RefOr::T(Schema::Object(object)) => vec![object],
        RefOr::T(Schema::OneOf(either)) => either.items.iter_mut().flat_map(inner).collect(),
        RefOr::T(_) | RefOr::Ref(_) => Vec::new(),
    }
}
