//! The tenant's webhook secret: shown, and replaced with overlap.

use axum::{Extension, Json, extract::State};
use serde::Serialize;
use shared::{signing::Signers, store::Audited, time::Timestamp};
use utoipa::ToSchema;

use super::keys::{Rotation, overlap};
use crate::{Api, auth::Caller, body::OptionalJson, edge::RequestId, problem::Problem};

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
    let signers = api.store.webhook_secrets(caller.tenant(), &api.config.sealer).await?;
    Ok(Json(signers.into()))
}

/// Replace the secret your webhooks are signed with.
///
/// For a while both sign, each webhook carrying two signatures, so that receivers can change over.
#[utoipa::path(
    post, path = "/webhook-secret/rotate", operation_id = "rotateWebhookSecret", tag = "webhooks",
    request_body = Option<Rotation>,
    responses((status = 200, description = "The new secret, and the one before it", body = WebhookSecrets))
)]
pub(crate) async fn rotate_webhook_secret(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    OptionalJson(fields): OptionalJson,
) -> Result<Json<WebhookSecrets>, Problem> {
    let overlap = overlap(fields)?;
    let (actor, tenant) = (caller.actor(), caller.tenant());
    let entry = Audited {
        actor: &actor,
        action: "webhook_secret.rotate",
        tenant: tenant.as_str(),
        target: "webhook_secret",
        request_id: &request_id,
    };
    api.store.audit(&entry).await?;
    let signers = api.store.rotate_webhook_secret(tenant, &api.config.sealer, overlap).await?;
    Ok(Json(signers.into()))
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
