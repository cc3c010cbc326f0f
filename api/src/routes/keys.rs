//! API keys: made, listed, rotated, revoked. For the operator, for all tenants.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared::{
    api_key::{ApiKey, Scope},
    id::{KeyId, TenantId},
    limits,
    store::{Audited, KeyMade, KeyRecord, MadeBefore, NewKey, Once, SubmitError},
};
use utoipa::{
    ToSchema,
    openapi::path::{Parameter, ParameterIn},
};

use super::{Id, Page, Stretch};
use crate::{
    Api,
    auth::Caller,
    body::{JsonBody, OptionalJson},
    edge::RequestId,
    fields::Fields,
    idempotency::Idempotency,
    openapi::idempotency_key,
    problem::Problem,
};

/// What a key allows when its maker does not say: everything of its own tenant.
const SCOPES: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Manage];

/// A key with its secret: shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    key: KeyRecord,
    /// The key itself, `wfk_…`: it is stored nowhere and never shown again, not even under the same `Idempotency-Key`.
    #[schema(
        example = "wfk_0192f0c1a5b87d10a3c4e5f60718293a_3pQ8nB7xK2mV9tR4wY6zC1dF5gH0jL8sA3bN7cX2vM91u2Fq4"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
}

impl CreatedKey {
    fn into_response(self) -> Response {
        let location = format!("/keys/{}", self.key.id);
        let replayed = self.secret.is_none();
        let mut response = (StatusCode::CREATED, Json(self)).into_response();
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if replayed {
            let name = HeaderName::from_static("idempotent-replayed");
            response.headers_mut().insert(name, HeaderValue::from_static("true"));
        }
        response
    }
}

impl From<(ApiKey, KeyRecord)> for CreatedKey {
    fn from((key, record): (ApiKey, KeyRecord)) -> Self {
        Self { key: record, secret: Some(key.expose().to_owned()) }
    }
}

/// The parameter `Idempotency-Key` of what makes keys.
struct SameKey;

impl utoipa::IntoParams for SameKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency_key("The same key and body answer the same API key, without its secret")]
    }
}

/// Under which idempotency key the caller wants it done.
pub(super) fn once<'a>(caller: &'a Caller, Idempotency(asked): &'a Idempotency) -> Option<Once<'a>> {
    let (key, fingerprint) = asked.as_ref()?;
    Some(Once { tenant: caller.tenant(), key, fingerprint })
}

/// The key that was made before under the same `Idempotency-Key`, as it is now.
async fn made_before(api: &Api, once: Option<Once<'_>>) -> Result<Option<Response>, Problem> {
    let Some(once) = once else { return Ok(None) };
    match api.shards.key_made_under(once.tenant, once.key).await? {
        Some(before) => replayed(api, once, before).await.map(Some),
        None => Ok(None),
    }
}

async fn replayed(api: &Api, once: Once<'_>, before: MadeBefore) -> Result<Response, Problem> {
    if before.fingerprint != once.fingerprint {
        return Err(SubmitError::KeyReused.into());
    }
    let record = match before.id.parse() {
        Ok(id) => api.shards.key_record(id).await?,
        Err(_) => None,
    };
    let record = record.ok_or_else(|| Problem::no_such("key"))?;
    Ok(CreatedKey { key: record, secret: None }.into_response())
}

/// Makes a key, once.
async fn make(api: &Api, new: &NewKey, once: Option<Once<'_>>) -> Result<Response, Problem> {
    match (api.shards.create_key(new, once, &api.config.sealer).await?, once) {
        (KeyMade::New(key, record), _) => Ok(CreatedKey::from((key, record)).into_response()),
        (KeyMade::Before(before), Some(once)) => replayed(api, once, before).await,
        (KeyMade::Before(_) | KeyMade::NothingToReplace, _) => Err(Problem::no_such("key")),
    }
}

/// Body of `POST /keys`.
#[derive(Debug, ToSchema)]
pub(crate) struct NewApiKey {
    /// Whose things the key opens; made when there is no such tenant yet. `default`, the operator's own, when it is missing.
    #[schema(value_type = Option<String>, example = "acme", pattern = "^[a-z0-9_-]{1,40}$")]
    tenant: Option<TenantId>,
    /// What you call it; at most 200 bytes.
    #[schema(example = "nightly import")]
    name: Option<String>,
    /// What it allows; `read`, `write` and `manage` when it is missing.
    #[schema(value_type = Option<Vec<Scope>>, min_items = 1, example = json!(["read", "write"]))]
    scopes: Vec<Scope>,
    /// How long it lasts; for ever when it is missing.
    #[schema(rename = "expires_in_ms", value_type = Option<u64>, minimum = 1, maximum = 315_360_000_000_u64,
        example = json!(null))]
    expires_in: Option<Duration>,
}

impl NewApiKey {
    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let mut scopes = Vec::new();
        for (at, name) in fields.texts("scopes", Scope::ALL.len(), 10).into_iter().enumerate() {
            match name.parse() {
                Ok(scope) if !scopes.contains(&scope) => scopes.push(scope),
                Ok(_) => fields.fault_at("scopes", at, "is given twice"),
                Err(_) => fields.fault_at("scopes", at, "must be read, write, manage or admin"),
            }
        }
        let expires_in = fields.integer("expires_in_ms", 1..=millis(limits::KEY_EXPIRES_IN_MAX));
        let read = Self {
            tenant: fields.parsed("tenant", TENANT_NAME),
            name: fields.text("name", limits::NAME_BYTES_MAX),
            scopes: if scopes.is_empty() { SCOPES.to_vec() } else { scopes },
            expires_in: expires_in.map(Duration::from_millis),
        };
        fields.finish(read)
    }
}

/// What a tenant's name is.
pub(super) const TENANT_NAME: &str = "1 to 40 of a-z, 0-9, '-' and '_'";

/// Make an API key.
///
/// Its tenant is made with its first key. The answer holds the secret, which is stored nowhere and never shown again.
#[utoipa::path(
    post, path = "/keys", operation_id = "createKey", tag = "keys", request_body = NewApiKey, params(SameKey),
    responses((status = 201, description = "The key, with its secret", body = CreatedKey,
        headers(("Location" = String, description = "The key"), ("Idempotent-Replayed" = Option<String>, description = "`true`: made before under the same key"))))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    idempotency: Idempotency,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let (asked, once) = (NewApiKey::read(fields)?, once(&caller, &idempotency));
    if let Some(response) = made_before(&api, once).await? {
        return Ok(response);
    }
    let new = NewKey {
        tenant: asked.tenant.unwrap_or_else(|| caller.tenant().clone()),
        name: asked.name.unwrap_or_default(),
        scopes: asked.scopes,
        expires_in: asked.expires_in,
        replaces: None,
    };
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.as_str()).collect();
    let (actor, target) = (caller.actor(), scopes.join(" "));
    let entry = Audited {
        actor: &actor,
        action: "key.create",
        tenant: new.tenant.as_str(),
        target: &target,
        request_id: &request_id,
    };
    api.shards.audit(&entry).await?;
    api.shards.settle(&new.tenant).await?;
    make(&api, &new, once).await
}

/// Which keys.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `list` reads")]
pub(crate) struct ListQuery {
    /// Only of this tenant.
    #[param(pattern = "^[a-z0-9_-]{1,40}$")]
    tenant: Option<String>,
}

/// List API keys, newest first, without their secrets.
#[utoipa::path(
    get, path = "/keys", operation_id = "listKeys", tag = "keys", params(ListQuery, Stretch::<KeyId>),
    responses((status = 200, description = "A page of keys", body = Page<KeyRecord>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<KeyRecord>>, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let tenant: Option<TenantId> = fields.parsed("tenant", TENANT_NAME);
    let stretch = Stretch::take(&mut fields);
    let (tenant, Stretch { limit, after }) = fields.finish((tenant, stretch))?;
    Ok(Json(api.shards.keys(tenant.as_ref(), after, limit).await?.into()))
}

/// One API key, without its secret.
#[utoipa::path(
    get, path = "/keys/{id}", operation_id = "getKey", tag = "keys",
    params(("id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyRecord))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    _: Caller,
    Id(id): Id<KeyId>,
) -> Result<Json<KeyRecord>, Problem> {
    let key = api.shards.key_record(id).await?;
    key.map(Json).ok_or_else(|| Problem::no_such("key"))
}

/// Revoke an API key: from the next request on it is not known.
#[utoipa::path(
    delete, path = "/keys/{id}", operation_id = "revokeKey", tag = "keys",
    params(("id" = String, Path, description = "The key")),
    responses((status = 204, description = "It is not known any more"))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Id(id): Id<KeyId>,
) -> Result<StatusCode, Problem> {
    let key = api.shards.key_record(id).await?.ok_or_else(|| Problem::no_such("key"))?;
    audit(&api, &caller, "key.revoke", &key, &request_id).await?;
    // Unknown by now: somebody else was faster.
    let revoked = api.shards.revoke_key(id).await?;
    if revoked { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::no_such("key")) }
}

/// Body of a rotation.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what `overlap` reads")]
pub(crate) struct Rotation {
    /// How long the old one stays good beside the new one; a day when it is missing, 0 for not at all.
    #[schema(maximum = 604_800_000, example = 3_600_000)]
    overlap_ms: Option<u64>,
}

/// How long the old one stays good.
pub(super) fn overlap(mut fields: Fields) -> Result<Duration, Problem> {
    let overlap = fields.integer("overlap_ms", 0..=millis(limits::ROTATION_OVERLAP_MAX));
    fields.finish(overlap.map_or(limits::ROTATION_OVERLAP, Duration::from_millis))
}

/// Replace an API key by a new one with the same tenant, name and scopes.
///
/// The old one stays good for a while, so that it can be replaced where it is used. The new one does not expire by itself.
#[utoipa::path(
    post, path = "/keys/{id}/rotate", operation_id = "rotateKey", tag = "keys", request_body = Option<Rotation>,
    params(("id" = String, Path, description = "The key"), SameKey),
    responses((status = 201, description = "The new key, with its secret", body = CreatedKey,
        headers(("Location" = String, description = "The new key"), ("Idempotent-Replayed" = Option<String>, description = "`true`: made before under the same key"))))
)]
pub(crate) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Id(id): Id<KeyId>,
    idempotency: Idempotency,
    OptionalJson(fields): OptionalJson,
) -> Result<Response, Problem> {
    let (overlap, once) = (overlap(fields)?, once(&caller, &idempotency));
    // First the key to replace: one that is gone may have been replaced under the same idempotency key just now.
    let old = api.shards.key_record(id).await?;
    if let Some(response) = made_before(&api, once).await? {
        return Ok(response);
    }
    let old = old.ok_or_else(|| Problem::no_such("key"))?;
    audit(&api, &caller, "key.rotate", &old, &request_id).await?;
    let new = NewKey {
        tenant: old.tenant,
        name: old.name,
        scopes: old.scopes,
        expires_in: None,
        replaces: Some((id, overlap)),
    };
    make(&api, &new, once).await
}

async fn audit(
    api: &Api,
    caller: &Caller,
    action: &'static str,
    key: &KeyRecord,
    request_id: &str,
) -> Result<(), Problem> {
    let (actor, target) = (caller.actor(), key.id.to_string());
    let entry = Audited { actor: &actor, action, tenant: key.tenant.as_str(), target: &target, request_id };
    Ok(api.shards.audit(&entry).await?)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &serde_json::Value) -> Result<NewApiKey, Problem> {
        NewApiKey::read(Fields::of_json(body.to_string().as_bytes())?)
    }

    #[test]
    fn a_key_that_does_not_say_allows_everything_of_its_own_tenant_and_nothing_of_others() {
        let key = read(&json!({})).unwrap();
        assert_eq!(key.scopes, SCOPES);
        assert!(key.tenant.is_none() && key.expires_in.is_none());
        assert_eq!(read(&json!({"scopes": ["read"]})).unwrap().scopes, [Scope::Read]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, pointer) in [
            (json!({"tenant": "a:b"}), "/tenant"),
            (json!({"tenant": "A"}), "/tenant"),
            (json!({"scopes": ["root"]}), "/scopes/0"),
            (json!({"scopes": ["read", "read"]}), "/scopes/1"),
            (json!({"scopes": "read"}), "/scopes"),
            (json!({"expires_in_ms": 0}), "/expires_in_ms"),
            (json!({"secret": "mine"}), "/secret"),
        ] {
            assert!(format!("{:?}", read(&body).unwrap_err()).contains(pointer), "{body}");
        }
    }

    #[test]
    fn the_documented_bounds_are_those_that_are_read() {
        assert_eq!(millis(limits::KEY_EXPIRES_IN_MAX), 315_360_000_000);
        assert_eq!(millis(limits::ROTATION_OVERLAP_MAX), 604_800_000);
    }
}
