//! What is of no tenant: API keys, the audit log, which workers are there, what processes counted. It lies on shard 0 or
//! under the tag of the keys, and is reached through [`Shards`], which gives out no shard without a tenant.

use super::{
    AuditEntry, Audited, KeyMade, KeyRecord, MadeBefore, NewKey, Once, Page, Shards, StoreError, WorkerReport,
};
use crate::{
    api_key::ApiKey,
    id::{KeyId, TenantId},
    metrics::Counters,
    seal::Sealer,
};

impl Shards {
    /// See [`super::Store::create_key`]; the tenant was [settled](Shards::settle) before.
    pub async fn create_key(
        &self,
        new: &NewKey,
        once: Option<Once<'_>>,
        sealer: &Sealer,
    ) -> Result<KeyMade, StoreError> {
        self.first().create_key(new, once, sealer).await
    }

    /// See [`super::Store::key_made_under`].
    pub async fn key_made_under(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<MadeBefore>, StoreError> {
        self.first().key_made_under(tenant, key).await
    }

    /// See [`super::Store::known_key`].
    pub async fn known_key(&self, key: &ApiKey, sealer: &Sealer) -> Result<Option<KeyRecord>, StoreError> {
        self.first().known_key(key, sealer).await
    }

    /// See [`super::Store::key_record`].
    pub async fn key_record(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.first().key_record(id).await
    }

    /// See [`super::Store::keys`].
    pub async fn keys(
        &self,
        tenant: Option<&TenantId>,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<KeyRecord>, StoreError> {
        self.first().keys(tenant, after, limit).await
    }

    /// See [`super::Store::revoke_key`].
    pub async fn revoke_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.first().revoke_key(id).await
    }

    /// See [`super::Store::audit`].
    pub async fn audit(&self, entry: &Audited<'_>) -> Result<(), StoreError> {
        self.first().audit(entry).await
    }

    /// See [`super::Store::audit_log`].
    pub async fn audit_log(&self, after: Option<&str>, limit: usize) -> Result<Page<AuditEntry>, StoreError> {
        self.first().audit_log(after, limit).await
    }

    /// See [`super::Store::workers`].
    pub async fn workers(&self) -> Result<Vec<WorkerReport>, StoreError> {
        self.first().workers().await
    }

    /// See [`super::Store::report_worker`].
    pub async fn report_worker(&self, report: &WorkerReport) -> Result<(), StoreError> {
        self.first().report_worker(report).await
    }

    /// See [`super::Store::forget_worker`].
    pub async fn forget_worker(&self, name: &str) -> Result<(), StoreError> {
        self.first().forget_worker(name).await
    }

    /// See [`super::Store::counters`].
    pub fn counters(&self) -> Counters {
        self.first().counters().clone()
    }

    /// See [`super::Store::report_counters`].
    pub async fn report_counters(&self) -> Result<(), StoreError> {
        self.first().report_counters().await
    }
}
