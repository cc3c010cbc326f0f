//! Tenants: their records, and the credentials sealed in them.
//!
//! A record is the hash `tenant:<id>`; absent fields are the configuration's defaults. The scripts of the queue read
//! `running_max` and `queued_max` of it. Which tenants there are stands in the set `tenants`.

use secrecy::ExposeSecret as _;

use super::{Page, Shard, Store, StoreError, record::Fields, script};
use crate::{
    id::TenantId,
    seal::Sealer,
    tenant::{Credentials, Tenant, TenantLimits, credentials_place},
    time::Timestamp,
};

/// 8 tries to change sealed text that somebody else changes at the same time: each try loses only when another won.
const SWAPS_MAX: usize = 8;

/// What is to be changed of a tenant; none leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct TenantChange {
    /// Each limit that changes, by its name; none for the configuration's default.
    pub limits: Vec<(&'static str, Option<u64>)>,
    /// Which workspaces its programs may search; inner none for the operator's default.
    pub workspaces: Option<Option<Vec<i64>>>,
    /// Whether the operator's provider keys serve it.
    pub operator_credentials: Option<bool>,
}

impl Store {
    /// A tenant; one nobody set anything for has defaults only.
    pub async fn tenant(&self, id: &TenantId) -> Result<Tenant, StoreError> {
        let fields = self.hashes(std::iter::once(self.tenant_key(id))).await?.pop().unwrap_or_default();
        tenant(id.clone(), self.shard, &fields)
    }

    /// Notes that there is such a tenant. `false`: it was there.
    pub async fn add_tenant(&self, id: &TenantId) -> Result<bool, StoreError> {
        let key = self.tenant_key(id);
        let now = self.now().await?.as_millis();
        let (added, _): (i64, i64) = redis::pipe()
            .atomic()
            .hset_nx(&key, "created_at", now)
            .zadd(self.key("tenants"), id.as_str(), 0)
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(added == 1)
    }

    /// All tenants by name, those after `after`.
    pub async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Page<Tenant>, StoreError> {
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let mut names: Vec<String> = redis::cmd("ZRANGE")
            .arg(self.key("tenants"))
            .arg(from)
            .arg("+")
            .arg(&["BYLEX", "LIMIT", "0"])
            .arg(limit + 1)
            .query_async(&mut self.connection.clone())
            .await?;
        let more = names.len() > limit;
        names.truncate(limit);
        let next = if more { names.last().cloned() } else { None };
        let ids: Vec<TenantId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let records = self.hashes(ids.iter().map(|id| self.tenant_key(id))).await?;
        let items = ids.into_iter().zip(&records).map(|(id, fields)| tenant(id, self.shard, fields));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next })
    }

    /// Changes what is set for a tenant.
    pub async fn change_tenant(&self, id: &TenantId, change: &TenantChange) -> Result<(), StoreError> {
        let key = self.tenant_key(id);
        let mut pipe = redis::pipe();
        pipe.atomic().zadd(self.key("tenants"), id.as_str(), 0).ignore();
        let mut put = |name: &str, value: Option<String>| {
            match value {
                Some(value) => pipe.hset(&key, name, value).ignore(),
                None => pipe.hdel(&key, name).ignore(),
            };
        };
        for (name, value) in &change.limits {
            put(name, value.map(|value| value.to_string()));
        }
        if let Some(workspaces) = &change.workspaces {
            put("workspaces", workspaces.as_ref().map(|ids| format!("{ids:?}")));
        }
        if let Some(granted) = change.operator_credentials {
            put("operator_credentials", granted.then(|| "1".to_owned()));
        }
        pipe.query_async::<()>(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// Changes a tenant's credentials, as `change` does; answers what that answered.
    pub async fn change_credentials<T>(
        &self,
        id: &TenantId,
        sealer: &Sealer,
        mut change: impl FnMut(&mut Credentials) -> T,
    ) -> Result<T, StoreError> {
        for _ in 0..SWAPS_MAX {
            let tenant = self.tenant(id).await?;
            let mut credentials =
                tenant.credentials(sealer).map_err(|error| StoreError::Unreadable(error.to_string()))?;
            let answer = change(&mut credentials);
            let sealed = if credentials.is_empty() {
                String::new()
            } else {
                sealer.seal(&credentials_place(id), credentials.to_json().expose_secret())
            };
            let seen = tenant.sealed_credentials.as_deref().unwrap_or_default();
            if self.swap(&format!("tenant:{id}"), "credentials", seen, &sealed).await? {
                return Ok(answer);
            }
        }
        Err(StoreError::Unavailable("others keep changing the same credentials".to_owned()))
    }

    /// Seals a tenant's secrets with the newest key of `SECRETS_KEY`; answers how many an older one had sealed.
    pub async fn reseal(&self, id: &TenantId, sealer: &Sealer) -> Result<usize, StoreError> {
        let (credentials, webhook) = (credentials_place(id), webhook_place(id));
        let mut resealed = 0;
        for (record, field, place) in [
            (format!("tenant:{id}"), "credentials", &credentials),
            (format!("t:{id}:webhook_secret"), "sealed", &webhook),
            (format!("t:{id}:webhook_secret"), "previous", &webhook),
        ] {
            let sealed: Option<String> = redis::cmd("HGET")
                .arg(self.key(&record))
                .arg(field)
                .query_async(&mut self.connection.clone())
                .await?;
            let Some(sealed) = sealed else { continue };
            let anew = sealer.reseal(place, &sealed);
            let anew = anew.map_err(|error| StoreError::Unreadable(format!("{record} {field}: {error}")))?;
            if let Some(anew) = anew {
                // Somebody else who changed it meanwhile sealed it with the newest key, too.
                resealed += usize::from(self.swap(&record, field, &sealed, &anew).await?);
            }
        }
        Ok(resealed)
    }

    /// Changes a field of a hash when it still holds what was seen. `false`: it holds something else.
    pub(super) async fn swap(
        &self,
        record: &str,
        field: &str,
        seen: &str,
        put: &str,
    ) -> Result<bool, StoreError> {
        let mut call = script::SWAP.prepare_invoke();
        call.key(&self.prefix).arg(record).arg(field).arg(seen).arg(put);
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    /// The clock of Redis.
    pub(super) async fn now(&self) -> Result<Timestamp, StoreError> {
        let (seconds, micros): (i64, i64) =
            redis::cmd("TIME").query_async(&mut self.connection.clone()).await?;
        Ok(Timestamp::from_millis(seconds * 1000 + micros / 1000))
    }

    pub(super) fn tenant_key(&self, id: &TenantId) -> String {
        self.key(format_args!("tenant:{id}"))
    }
}

/// What a tenant's webhook secrets are bound to when they are sealed.
pub(super) fn webhook_place(tenant: &TenantId) -> String {
    format!("webhook_secret:{tenant}")
}

fn tenant(id: TenantId, shard: Shard, fields: &Fields) -> Result<Tenant, StoreError> {
    let workspaces = fields.text("workspaces").map(serde_json::from_str).transpose();
    Ok(Tenant {
        id,
        shard,
        created_at: fields.time("created_at"),
        limits: TenantLimits::from_named(|name| fields.optional(name))?,
        workspaces: workspaces.map_err(|_| StoreError::Unreadable("field `workspaces`".to_owned()))?,
        operator_credentials: fields.text("operator_credentials") == Some("1"),
        sealed_credentials: fields.text("credentials").map(str::to_owned),
    })
}
