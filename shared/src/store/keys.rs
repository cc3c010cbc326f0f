//! API keys: a digest of each, what it allows, and when it was last used.
//!
//! Keys have a tag of their own, because a key is looked up before its tenant is known. A revoked or expired key is gone
//! from the next request on: nothing is cached. An expired one is taken away by Redis, by its own clock.

use std::time::Duration;

use redis::AsyncCommands as _;
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use super::{
    MadeBefore, Once, Page, Shard, Store, StoreError,
    made::made_record,
    record::Fields,
    script,
    state::{millis, push_fields},
};
use crate::{
    api_key::{ApiKey, Scope},
    id::{KeyId, TenantId},
    limits,
    seal::Sealer,
    time::Timestamp,
};

/// The first part of all keys' keys.
pub(super) const PREFIX: &str = "{wf:keys}:";
/// 1 min: how exactly `last_used_at` is kept; a busy key costs one write a minute.
const LAST_USED_GRAIN_MS: i64 = 60_000;

/// An API key as its owner sees it, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyRecord {
    /// Names it.
    #[schema(value_type = String, example = "key_0192f0c1a5b87d10a3c4e5f60718293a")]
    pub id: KeyId,
    /// Always `api_key`.
    #[schema(example = "api_key")]
    pub object: &'static str,
    /// Whose things it opens.
    #[schema(value_type = String, example = "acme")]
    pub tenant: TenantId,
    /// What its owner calls it.
    #[schema(example = "nightly import")]
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The last four characters of the secret.
    #[schema(example = "2Fq4")]
    pub last4: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// Where its tenant's things are.
    #[serde(skip)]
    pub(super) shard: Shard,
}

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Whose things it opens.
    pub tenant: TenantId,
    /// What its owner calls it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// How long it lasts.
    pub expires_in: Option<Duration>,
    /// The key it replaces, and how long both are good.
    pub replaces: Option<(KeyId, Duration)>,
}

/// What became of the wish to make a key.
#[derive(Debug)]
pub enum KeyMade {
    /// It was made. Its text is nowhere but here.
    New(ApiKey, KeyRecord),
    /// One was made before under the same idempotency key.
    Before(MadeBefore),
    /// The key to replace does not exist.
    NothingToReplace,
}

impl Store {
    /// The same store where the keys are: in a cluster their tag may lie on another node than the shard's.
    fn at_keys(&self) -> Self {
        Self { connection: self.keys.clone(), ..self.clone() }
    }

    /// Makes a key: under an idempotency key at most one, whoever asks at the same time, and whoever dies meanwhile.
    pub async fn create_key(
        &self,
        new: &NewKey,
        once: Option<Once<'_>>,
        sealer: &Sealer,
    ) -> Result<KeyMade, StoreError> {
        let key = ApiKey::generate();
        let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.as_str()).collect();
        let digest = sealer.digests(key.expose()).next().map(|digest| hex(&digest)).unwrap_or_default();
        let fields = [
            ("name", new.name.clone()),
            ("scopes", scopes.join(",")),
            ("last4", key.last4().to_owned()),
            ("digest", digest),
        ];
        let (old, overlap) =
            new.replaces.map_or((String::new(), 0), |(id, overlap)| (id.to_string(), millis(overlap)));
        let mut call = script::CREATE_KEY.prepare_invoke();
        call.key(PREFIX)
            .arg(key.id().to_string())
            .arg(new.tenant.as_str())
            .arg(new.expires_in.map(|lasts| lasts.as_millis().to_string()).unwrap_or_default())
            .arg(old)
            .arg(overlap)
            .arg(once.map(|once| made_record(once.tenant, once.key)).unwrap_or_default())
            .arg(once.map(|once| once.fingerprint).unwrap_or_default())
            .arg(millis(limits::IDEMPOTENCY_TTL));
        push_fields(&mut call, &fields);
        let (stored, fingerprint, id): (i64, String, String) =
            call.invoke_async(&mut self.keys.clone()).await?;
        match stored {
            0 => return Ok(KeyMade::NothingToReplace),
            2 => return Ok(KeyMade::Before(MadeBefore { fingerprint, id })),
            _ => {}
        }
        let record = self.key_record(key.id()).await?;
        // A key that lives for a few milliseconds may be over by now.
        let record =
            record.ok_or_else(|| StoreError::Unreadable("the key expired as it was made".to_owned()))?;
        Ok(KeyMade::New(key, record))
    }

    /// The key a client sent, if it is one of ours; in a time that does not tell how much of it is right.
    pub async fn known_key(&self, key: &ApiKey, sealer: &Sealer) -> Result<Option<KeyRecord>, StoreError> {
        let fields =
            self.at_keys().hashes(std::iter::once(record_key(key.id()))).await?.pop().unwrap_or_default();
        let stored = fields.text("digest").unwrap_or_default().as_bytes().to_vec();
        let mut matching = None;
        for (at, digest) in sealer.digests(key.expose()).enumerate() {
            let same: bool = hex(&digest).as_bytes().ct_eq(&stored).into();
            matching = matching.or(same.then_some(at));
        }
        let Some(pepper) = matching else { return Ok(None) };
        let record = record(&fields)?;
        self.note_use(key, &record, pepper, sealer).await?;
        Ok(Some(record))
    }

    /// Notes that a key was used, and digests it anew when an older key of `SECRETS_KEY` peppered its digest.
    async fn note_use(
        &self,
        key: &ApiKey,
        record: &KeyRecord,
        pepper: usize,
        sealer: &Sealer,
    ) -> Result<(), StoreError> {
        let now = Timestamp::now().as_millis();
        let mut fields = Vec::new();
        if record.last_used_at.is_none_or(|at| now - at.as_millis() >= LAST_USED_GRAIN_MS) {
            fields.push(("last_used_at", now.to_string()));
        }
        if pepper > 0 {
            fields.extend(sealer.digests(key.expose()).next().map(|digest| ("digest", hex(&digest))));
        }
        if fields.is_empty() {
            return Ok(());
        }
        let mut call = script::TOUCH_KEY.prepare_invoke();
        call.key(PREFIX).arg(record.id.to_string());
        push_fields(&mut call, &fields);
        Ok(call.invoke_async(&mut self.keys.clone()).await?)
    }

    /// A key by its id.
    pub async fn key_record(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        let fields = self.at_keys().hashes(std::iter::once(record_key(id))).await?.pop().unwrap_or_default();
        if fields.0.is_empty() { Ok(None) } else { record(&fields).map(Some) }
    }

    /// Keys, newest first: all, or a tenant's. A page may be short where keys have expired.
    pub async fn keys(
        &self,
        tenant: Option<&TenantId>,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<KeyRecord>, StoreError> {
        let index = index(tenant);
        let after = after.map(|id| id.to_string());
        let mut ids = self.at_keys().index_page(&index, after.as_deref(), limit + 1).await?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = if more { ids.last().cloned() } else { None };
        let records = self.at_keys().hashes(ids.iter().map(record_key)).await?;
        let mut items = Vec::new();
        for (id, fields) in ids.iter().zip(&records) {
            if fields.0.is_empty() {
                let _: i64 = self.keys.clone().zrem(&index, id).await?;
            } else {
                items.push(record(fields)?);
            }
        }
        Ok(Page { items, next })
    }

    /// The shard on which a tenant lives; `None` for one that is not there, or was before there were several.
    pub(super) async fn shard_of(&self, tenant: &TenantId) -> Result<Option<Shard>, StoreError> {
        let shard: Option<u16> = self.keys.clone().hget(shards(), tenant.as_str()).await?;
        Ok(shard.map(Shard))
    }

    /// Keeps the shard of a tenant, for ever; answers the one that was kept before, if there was one.
    pub(super) async fn keep_shard_of(&self, tenant: &TenantId, shard: Shard) -> Result<Shard, StoreError> {
        let (kept,): (u16,) = redis::pipe()
            .atomic()
            .hset_nx(shards(), tenant.as_str(), shard.0)
            .ignore()
            .hget(shards(), tenant.as_str())
            .query_async(&mut self.keys.clone())
            .await?;
        Ok(Shard(kept))
    }

    /// Revokes a key: from the next request on it is unknown. `false`: it was.
    pub async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError> {
        let Some(record) = self.key_record(id).await? else { return Ok(false) };
        let (deleted, _, _): (i64, i64, i64) = redis::pipe()
            .atomic()
            .del(record_key(id))
            .zrem(index(None), id.to_string())
            .zrem(index(Some(&record.tenant)), id.to_string())
            .query_async(&mut self.keys.clone())
            .await?;
        Ok(deleted == 1)
    }
}

fn record_key(id: impl std::fmt::Display) -> String {
    format!("{PREFIX}key:{id}")
}

/// The shard of each tenant that was made since there are several; the script that makes keys reads it.
fn shards() -> String {
    format!("{PREFIX}shards")
}

fn index(tenant: Option<&TenantId>) -> String {
    tenant.map_or_else(|| format!("{PREFIX}keys"), |tenant| format!("{PREFIX}t:{tenant}:keys"))
}

fn record(fields: &Fields) -> Result<KeyRecord, StoreError> {
    let scopes = fields.text("scopes").unwrap_or_default().split(',').filter(|name| !name.is_empty());
    let scopes = scopes.map(str::parse).collect::<Result<_, _>>();
    let created_at = fields.time("created_at");
    let unreadable = |field: &str| StoreError::Unreadable(format!("field `{field}` of a key"));
    Ok(KeyRecord {
        id: fields.parsed("id")?,
        object: "api_key",
        tenant: fields.parsed("tenant")?,
        name: fields.text("name").unwrap_or_default().to_owned(),
        scopes: scopes.map_err(|_| unreadable("scopes"))?,
        last4: fields.text("last4").unwrap_or_default().to_owned(),
        created_at: created_at.ok_or_else(|| unreadable("created_at"))?,
        expires_at: fields.time("expires_at"),
        last_used_at: fields.time("last_used_at"),
        shard: Shard(fields.optional("shard")?.unwrap_or_default()),
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
