//! The secrets a tenant's webhooks are signed with: one, and for a while after a rotation the one before it.
//!
//! Both lie sealed in the hash `t:<tenant>:webhook_secret`.

use std::{collections::HashMap, time::Duration};

use secrecy::ExposeSecret as _;

use super::{Once, Store, StoreError, script, state::millis, tenants::webhook_place};
use crate::{
    id::TenantId,
    limits,
    seal::Sealer,
    signing::{Signers, WebhookSecret},
    time::Timestamp,
};

/// 8 tries to rotate while others do: each try loses only when another won.
const ROTATIONS_MAX: usize = 8;

impl Store {
    /// What a tenant's webhooks are signed with; made when it is first asked for.
    pub async fn webhook_secrets(&self, tenant: &TenantId, sealer: &Sealer) -> Result<Signers, StoreError> {
        self.sealed_secrets(tenant, sealer).await.map(|(_, signers)| signers)
    }

    /// Replaces a tenant's secret; the one before it goes on signing for `overlap`. `None`: it was replaced before under the
    /// same idempotency key.
    pub async fn rotate_webhook_secret(
        &self,
        tenant: &TenantId,
        sealer: &Sealer,
        overlap: Duration,
        once: Option<Once<'_>>,
    ) -> Result<Option<Signers>, StoreError> {
        let place = webhook_place(tenant);
        for _ in 0..ROTATIONS_MAX {
            let (seen, _) = self.sealed_secrets(tenant, sealer).await?;
            let anew = sealer.seal(&place, WebhookSecret::generate().expose());
            let words: Vec<String> = script::ROTATE_WEBHOOK_SECRET
                .key(&self.prefix)
                .arg(tenant.as_str())
                .arg(seen)
                .arg(anew)
                .arg(millis(overlap))
                .arg(once.map(|once| rotation_record(once.tenant, once.key)).unwrap_or_default())
                .arg(once.map(|once| once.fingerprint).unwrap_or_default())
                .arg(millis(limits::IDEMPOTENCY_TTL))
                .invoke_async(&mut self.connection.clone())
                .await?;
            match words.first().map(String::as_str) {
                Some("rotated") => return self.webhook_secrets(tenant, sealer).await.map(Some),
                Some("made") => return Ok(None),
                _ => {}
            }
        }
        Err(StoreError::Unavailable("others keep rotating the same secret".to_owned()))
    }

    /// The fingerprint of the rotation that was asked for under an idempotency key.
    pub async fn rotated_under(&self, tenant: &TenantId, key: &str) -> Result<Option<String>, StoreError> {
        Ok(redis::cmd("HGET")
            .arg(self.key(rotation_record(tenant, key)))
            .arg("fingerprint")
            .query_async(&mut self.connection.clone())
            .await?)
    }

    /// The current secret as it is sealed, and all that sign.
    async fn sealed_secrets(
        &self,
        tenant: &TenantId,
        sealer: &Sealer,
    ) -> Result<(String, Signers), StoreError> {
        let key = self.key(format_args!("t:{tenant}:webhook_secret"));
        let place = webhook_place(tenant);
        let candidate = sealer.seal(&place, WebhookSecret::generate().expose());
        let (_, mut fields, (seconds, _)): (i64, HashMap<String, String>, (i64, i64)) = redis::pipe()
            .hset_nx(&key, "sealed", candidate)
            .hgetall(&key)
            .cmd("TIME")
            .query_async(&mut self.connection.clone())
            .await?;
        let open = |sealed: &str| {
            let text = sealer.open(&place, sealed).map_err(|error| unreadable(&error))?;
            WebhookSecret::parse(text.expose_secret()).map_err(|error| unreadable(&error))
        };
        let sealed = fields.remove("sealed").unwrap_or_default();
        let expires_at = fields.get("previous_expires_at").and_then(|text| text.parse().ok());
        let previous = match (fields.get("previous"), expires_at.map(Timestamp::from_millis)) {
            (Some(sealed), Some(at)) if at.as_millis() > seconds * 1000 => Some((open(sealed)?, at)),
            _ => None,
        };
        let signers = Signers { current: open(&sealed)?, previous };
        Ok((sealed, signers))
    }
}

fn rotation_record(tenant: &TenantId, key: &str) -> String {
    format!("made:{tenant}:webhook_secret:{key}")
}

fn unreadable(error: &dyn std::error::Error) -> StoreError {
    StoreError::Unreadable(error.to_string())
}
