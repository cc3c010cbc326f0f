//! The tenant's webhook secret.

use axum::{Json, extract::State};
use serde::Serialize;
use shared::{signing::Signers, time::Timestamp};
use utoipa::ToSchema;

use crate::{Api, auth::Caller, problem::Problem};

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
