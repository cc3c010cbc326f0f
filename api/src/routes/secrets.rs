//! The tenant's webhook secret: shown, and replaced with overlap.

use axum::{
    Extension, Json,
    extract::State,
    http::HeaderName,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use shared::{
    signing::Signers,
    store::{Audited, Once, SubmitError},
    time::Timestamp,
};
use utoipa::{
    ToSchema,
    openapi::path::{Parameter, ParameterIn},
};

use super::keys::{Rotation, once, overlap};
use crate::{
    Api, auth::Caller, body::OptionalJson, edge::RequestId, idempotency::Idempotency,
    openapi::idempotency_key, problem::Problem,
};

/// What webhooks are signed with.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookSecrets {
    /// The secret, `whsec_…`; made when it is first asked for.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: String,
    /// The secret before the last rotation, while both sign.
    previous: Option<String>,
    /// When the previous secret stops to sign.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_expires_at: Option<Timestamp>,
}

/// The secret your webhooks are signed with, by Standard Webhooks 1.0.
#[utoipa::path(
    get, path = "/webhook-secret", operation_id = "getWebhookSecret", tag = "webhooks",
    responses((status = 200, description = "The secret", body = WebhookSecrets))
)]
pub(crate) async fn webhook_secret(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<WebhookSecrets>, Problem> {
    let signers = caller.store().webhook_secrets(caller.tenant(), &api.config.sealer).await?;
    Ok(Json(signers.into()))
}

/// Replace the secret your webhooks are signed with.
///
/// For a while both sign, each webhook carrying two signatures, so that receivers can change over.
#[utoipa::path(
    post, path = "/webhook-secret/rotate", operation_id = "rotateWebhookSecret", tag = "webhooks",
    request_body = Option<Rotation>, params(RotationKey),
    responses((status = 200, description = "The new secret, and the one before it", body = WebhookSecrets,
        headers(("Idempotent-Replayed" = Option<String>, description = "`true`: replaced before under the same key"))))
)]
pub(crate) async fn rotate_webhook_secret(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    idempotency: Idempotency,
    OptionalJson(fields): OptionalJson,
) -> Result<Response, Problem> {
    let (overlap, once) = (overlap(fields)?, once(&caller, &idempotency));
    let tenant = caller.tenant();
    if let Some(once) = once
        && let Some(before) = caller.store().rotated_under(tenant, once.key).await?
    {
        return replayed(&api, &caller, once, &before).await;
    }
    let actor = caller.actor();
    let entry = Audited {
        actor: &actor,
        action: "webhook_secret.rotate",
        tenant: tenant.as_str(),
        target: "webhook_secret",
        request_id: &request_id,
    };
    api.shards.audit(&entry).await?;
    let rotated = caller.store().rotate_webhook_secret(tenant, &api.config.sealer, overlap, once).await?;
    match (rotated, once) {
        (Some(signers), _) => Ok(Json(WebhookSecrets::from(signers)).into_response()),
        // The same was asked twice at once: the other was faster.
        (None, Some(once)) => {
            let before = caller.store().rotated_under(tenant, once.key).await?;
            replayed(&api, &caller, once, &before.unwrap_or_default()).await
        }
        (None, None) => Err(Problem::internal("a rotation under no key was one before")),
    }
}

/// The secrets as they are now.
async fn replayed(
    api: &Api,
    caller: &Caller,
    once: Once<'_>,
    fingerprint: &str,
) -> Result<Response, Problem> {
    if fingerprint != once.fingerprint {
        return Err(SubmitError::KeyReused.into());
    }
    let signers = caller.store().webhook_secrets(once.tenant, &api.config.sealer).await?;
    let replayed = [(HeaderName::from_static("idempotent-replayed"), "true")];
    Ok((replayed, Json(WebhookSecrets::from(signers))).into_response())
}

/// The parameter `Idempotency-Key` of a rotation.
struct RotationKey;

impl utoipa::IntoParams for RotationKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency_key(
            "The same key and body replace the secret once, and answer the secrets as they are",
        )]
    }
}

impl From<Signers> for WebhookSecrets {
    fn from(signers: Signers) -> Self {
        let (previous, previous_expires_at) = signers.previous.unzip();
        Self {
            secret: signers.current.expose().to_owned(),
            previous: previous.map(|secret| secret.expose().to_owned()),
            previous_expires_at,
        }
    }
}
