//! Uploaded files: whose they are, and what is kept of them: id, name, size, status. Their content is the provider's.
//!
//! All files of a tenant are one hash, so that a job's files are checked in one command.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, StoreError};
use crate::{id::TenantId, time::Timestamp};

/// What became of an uploaded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// Being read and indexed.
    Processing,
    /// Can be searched and analysed.
    Ready,
    /// Could not be read or indexed.
    Failed,
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct File {
    /// Its id, for `file_ids`; digits.
    #[schema(example = "4711")]
    pub id: String,
    /// Always `file`.
    #[schema(example = "file")]
    pub object: String,
    /// As it was uploaded.
    #[schema(example = "contract.pdf")]
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it can be searched yet.
    pub status: FileStatus,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Store {
    /// Keeps, or replaces, what is known of a file.
    pub async fn keep_file(&self, tenant: &TenantId, file: &File) -> Result<(), StoreError> {
        let json = serde_json::to_string(file).expect("plain data serialises");
        redis::cmd("HSET")
            .arg(self.files_key(tenant))
            .arg(&file.id)
            .arg(json)
            .query_async::<()>(&mut self.connection.clone())
            .await?;
        Ok(())
    }

    /// A file of this tenant. Another tenant's reads exactly as one that does not exist.
    pub async fn file(&self, tenant: &TenantId, id: &str) -> Result<Option<File>, StoreError> {
        let json: Option<String> = redis::cmd("HGET")
            .arg(self.files_key(tenant))
            .arg(id)
            .query_async(&mut self.connection.clone())
            .await?;
        let read = |json: String| serde_json::from_str(&json);
        json.map(read).transpose().map_err(|_| StoreError::Unreadable("a file".to_owned()))
    }

    /// Which of these files are the tenant's own, in their order.
    pub async fn own_files(&self, tenant: &TenantId, ids: &[String]) -> Result<Vec<String>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let known: Vec<Option<String>> = redis::cmd("HMGET")
            .arg(self.files_key(tenant))
            .arg(ids)
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(ids.iter().zip(known).filter(|(_, known)| known.is_some()).map(|(id, _)| id.clone()).collect())
    }

    /// How many files the tenant has.
    pub async fn file_count(&self, tenant: &TenantId) -> Result<usize, StoreError> {
        Ok(redis::cmd("HLEN").arg(self.files_key(tenant)).query_async(&mut self.connection.clone()).await?)
    }

    /// Forgets a file.
    pub async fn forget_file(&self, tenant: &TenantId, id: &str) -> Result<(), StoreError> {
        redis::cmd("HDEL")
            .arg(self.files_key(tenant))
            .arg(id)
            .query_async::<()>(&mut self.connection.clone())
            .await?;
        Ok(())
    }

    fn files_key(&self, tenant: &TenantId) -> String {
        self.key(format_args!("t:{tenant}:files"))
    }
}
