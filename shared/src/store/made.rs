//! What was made under an idempotency key, where that is no job: files and API keys. Jobs have theirs in `submit`.

use super::{Store, StoreError};
use crate::{id::TenantId, limits};

/// Kinds of things a client makes with an idempotency key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// An uploaded file.
    File,
    /// An API key.
    ApiKey,
}

impl Made {
    const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::ApiKey => "api_key",
        }
    }
}

impl Store {
    /// What was made under an idempotency key: the request's fingerprint and the thing's id.
    pub async fn made_under(
        &self,
        tenant: &TenantId,
        kind: Made,
        key: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        let (fingerprint, id): (Option<String>, Option<String>) = redis::cmd("HMGET")
            .arg(self.made_key(tenant, kind, key))
            .arg("fingerprint")
            .arg("id")
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(fingerprint.zip(id))
    }

    /// Notes what was made under an idempotency key.
    pub async fn note_made(
        &self,
        tenant: &TenantId,
        kind: Made,
        key: &str,
        (fingerprint, id): (&str, &str),
    ) -> Result<(), StoreError> {
        let name = self.made_key(tenant, kind, key);
        let kept = i64::try_from(limits::IDEMPOTENCY_TTL.as_secs()).unwrap_or(i64::MAX);
        redis::pipe()
            .atomic()
            .hset_multiple(&name, &[("fingerprint", fingerprint), ("id", id)])
            .expire(&name, kept)
            .query_async::<()>(&mut self.connection.clone())
            .await?;
        Ok(())
    }

    fn made_key(&self, tenant: &TenantId, kind: Made, key: &str) -> String {
        self.key(format_args!("made:{tenant}:{}:{key}", kind.as_str()))
    }
}
