//! Who changed keys, credentials, secrets and limits: a capped list, newest first.
//!
//! An entry is written before the change it tells of takes effect, so that no change is without one.

use std::collections::HashMap;

use redis::Value as Reply;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Page, Store, StoreError, state::unexpected};
use crate::time::Timestamp;

/// 10,000 entries: years of key changes, and a bound on what a script can fill.
const ENTRIES_MAX: usize = 10_000;

/// One change, or one that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Names it, and orders all of them.
    #[schema(example = "1764000000000-0")]
    pub id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: the id of a key, `operator` for `ADMIN_API_KEY`, `loopback` where no keys are required.
    #[schema(example = "operator")]
    pub actor: String,
    /// What.
    #[schema(example = "key.rotate")]
    pub action: String,
    /// Whose things were changed.
    #[schema(example = "acme")]
    pub tenant: String,
    /// Which thing was changed; never its value.
    #[schema(example = "key_019a1b2c3d4e7f60a1b2c3d4e5f60718")]
    pub target: String,
    /// The request, as in its answer and the logs.
    #[schema(example = "req_0192f0c1a5b87d10a3c4e5f60718293a")]
    pub request_id: String,
}

/// What to write down.
#[derive(Debug, Clone, Copy)]
pub struct Audited<'a> {
    /// Who.
    pub actor: &'a str,
    /// What.
    pub action: &'static str,
    /// Whose.
    pub tenant: &'a str,
    /// Which.
    pub target: &'a str,
    /// In which request.
    pub request_id: &'a str,
}

impl Store {
    /// Writes an entry.
    pub async fn audit(&self, entry: &Audited<'_>) -> Result<(), StoreError> {
        redis::cmd("XADD")
            .arg(self.key("audit"))
            .arg("MAXLEN")
            .arg("~")
            .arg(ENTRIES_MAX)
            .arg("*")
            .arg(&["actor", entry.actor, "action", entry.action, "tenant", entry.tenant])
            .arg(&["target", entry.target, "request_id", entry.request_id])
            .query_async::<String>(&mut self.connection.clone())
            .await?;
        Ok(())
    }

    /// Entries, newest first, those older than `after`.
    pub async fn audit_log(&self, after: Option<&str>, limit: usize) -> Result<Page<AuditEntry>, StoreError> {
        if after.is_some_and(|id| id.bytes().all(|byte| matches!(byte, b'0' | b'-'))) {
            return Ok(Page { items: Vec::new(), next: None }); // nothing is older, and Redis takes it for an error
        }
        let from = after.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let reply: Vec<Reply> = redis::cmd("XREVRANGE")
            .arg(self.key("audit"))
            .arg(from)
            .arg("-")
            .arg("COUNT")
            .arg(limit + 1)
            .query_async(&mut self.connection.clone())
            .await?;
        let mut items = reply.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(|entry| entry.id.clone()) } else { None };
        Ok(Page { items, next })
    }
}

fn entry(reply: Reply) -> Result<AuditEntry, StoreError> {
    let (id, mut fields): (String, HashMap<String, String>) =
        redis::FromRedisValue::from_redis_value(reply).map_err(|_| unexpected("an audit entry"))?;
    let at =
        id.split('-').next().and_then(|ms| ms.parse().ok()).ok_or_else(|| unexpected("an entry's id"))?;
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    Ok(AuditEntry {
        at: Timestamp::from_millis(at),
        actor: text("actor"),
        action: text("action"),
        tenant: text("tenant"),
        target: text("target"),
        request_id: text("request_id"),
        id,
    })
}
