//! A tenant's own keys of providers: set, seen by their last characters, taken away. Nothing ever shows them again.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::StatusCode,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use shared::{
    id::TenantId,
    limits,
    store::{Audited, Home},
    tenant::{CredentialName, Credentials},
};
use utoipa::ToSchema;

use super::{Id, Page, keys::TENANT_NAME};
use crate::{Api, auth::Caller, body::JsonBody, edge::RequestId, fields::Fields, problem::Problem};

/// 16 characters: of a shorter key, the last four would be too much of it.
const SHOWN_CHARS_MIN: usize = 16;

/// That there is a key, and by what to know it again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Credential {
    /// Which provider's.
    name: CredentialName,
    /// Always `credential`.
    #[schema(example = "credential")]
    object: &'static str,
    /// The last four characters; null of a short one.
    #[schema(example = "x7Qk")]
    last4: Option<String>,
}

impl Credential {
    fn of(name: CredentialName, value: &SecretString) -> Self {
        let value = value.expose_secret();
        let last4 = (value.len() >= SHOWN_CHARS_MIN).then(|| value[value.len() - 4..].to_owned());
        Self { name, object: "credential", last4 }
    }
}

/// Whose credentials, when the operator asks for another tenant's.
async fn subject(api: &Api, caller: &Caller, query: Option<&str>) -> Result<Home, Problem> {
    let mut fields = Fields::of_query(query);
    let named = fields.parsed("tenant", TENANT_NAME);
    let named = fields.finish(named)?;
    caller.subject(api, named).await
}

/// The provider keys of the tenant, by their last characters.
#[utoipa::path(
    get, path = "/credentials", operation_id = "listCredentials", tag = "credentials",
    params(("tenant" = Option<String>, Query, description = "Another tenant's, with the scope `admin`", pattern = "^[a-z0-9_-]{1,40}$")),
    responses((status = 200, description = "All there are", body = Page<Credential>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<Credential>>, Problem> {
    let home = subject(&api, &caller, query.as_deref()).await?;
    let tenant = home.store().tenant(home.tenant()).await?;
    let credentials =
        tenant.credentials(&api.config.sealer).map_err(|error| Problem::internal(error.to_string()))?;
    let items = credentials.iter().map(|(name, value)| Credential::of(name, value)).collect();
    Ok(Json(Page::whole(items)))
}

/// Body of `PUT /credentials/{name}`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `value` reads")]
pub(crate) struct CredentialValue {
    /// The provider's key: 8 to 1,000 visible ASCII characters.
    #[schema(min_length = 8, max_length = 1000, pattern = "^[!-~]+$", example = "sk-ant-api03-example")]
    value: String,
}

fn value(mut fields: Fields) -> Result<SecretString, Problem> {
    let faults = fields.fault_count();
    let value = SecretString::from(fields.required_text("value", limits::CREDENTIAL_BYTES_MAX));
    let text = value.expose_secret();
    if fields.fault_count() == faults && (text.len() < 8 || !text.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        fields.fault("value", "must be 8 to 1,000 visible ASCII characters");
    }
    fields.finish(value)
}

/// Set the tenant's key of a provider.
///
/// It is stored sealed and never shown again. Jobs that start from then on use it; the provider bills its owner.
#[utoipa::path(
    put, path = "/credentials/{name}", operation_id = "putCredential", tag = "credentials",
    request_body = CredentialValue,
    params(
        ("name" = CredentialName, Path, description = "Which provider's"),
        ("tenant" = Option<String>, Query, description = "Another tenant's, with the scope `admin`", pattern = "^[a-z0-9_-]{1,40}$")
    ),
    responses((status = 200, description = "It is set", body = Credential))
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Id(name): Id<CredentialName>,
    RawQuery(query): RawQuery,
    JsonBody(fields): JsonBody,
) -> Result<Json<Credential>, Problem> {
    let value = value(fields)?;
    let home = subject(&api, &caller, query.as_deref()).await?;
    audit(&api, &caller, "credential.set", home.tenant(), name, &request_id).await?;
    let shown = Credential::of(name, &value);
    let set = |known: &mut Credentials| known.set(name, value.clone());
    home.store().change_credentials(home.tenant(), &api.config.sealer, set).await?;
    Ok(Json(shown))
}

/// Take the tenant's key of a provider away.
#[utoipa::path(
    delete, path = "/credentials/{name}", operation_id = "deleteCredential", tag = "credentials",
    params(
        ("name" = CredentialName, Path, description = "Which provider's"),
        ("tenant" = Option<String>, Query, description = "Another tenant's, with the scope `admin`", pattern = "^[a-z0-9_-]{1,40}$")
    ),
    responses((status = 204, description = "It is gone"))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Id(name): Id<CredentialName>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let home = subject(&api, &caller, query.as_deref()).await?;
    audit(&api, &caller, "credential.delete", home.tenant(), name, &request_id).await?;
    let remove = |known: &mut Credentials| known.remove(name);
    let removed = home.store().change_credentials(home.tenant(), &api.config.sealer, remove).await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::no_such("credential")) }
}

async fn audit(
    api: &Api,
    caller: &Caller,
    action: &'static str,
    tenant: &TenantId,
    name: CredentialName,
    request_id: &str,
) -> Result<(), Problem> {
    let actor = caller.actor();
    let entry = Audited { actor: &actor, action, tenant: tenant.as_str(), target: name.as_str(), request_id };
    Ok(api.shards.audit(&entry).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_known_by_its_end_unless_that_were_much_of_it() {
        let shown = |text: &str| {
            Credential::of(CredentialName::LightonApiKey, &SecretString::from(text.to_owned())).last4
        };
        assert_eq!(shown("0123456789abcdef").as_deref(), Some("cdef"));
        assert_eq!(shown("0123456789abcde"), None);
    }

    #[test]
    fn a_key_is_one_header_value_and_never_repeated_in_a_refusal() {
        let read =
            |text: &str| value(Fields::of_json(serde_json::json!({"value": text}).to_string().as_bytes())?);
        assert!(read("sk-ant-12345678").is_ok());
        for wrong in ["", "short", "two words here", "line\nbreak-break", "ключ-ключ-ключ", &"x".repeat(1001)]
        {
            let refused = format!("{:?}", read(wrong).unwrap_err());
            assert!(wrong.is_empty() || !refused.contains(wrong), "{refused}");
        }
    }
}
