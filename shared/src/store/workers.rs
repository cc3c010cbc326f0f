//! Which workers are there: each tells of itself every few seconds; one that stopped telling is forgotten.
//!
//! For people and metrics only. Nothing is decided by it: leases say who holds a job.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, StoreError};
use crate::time::Timestamp;

/// 5 s between reports of a worker.
pub const REPORT_EVERY: Duration = Duration::from_secs(5);
/// 15 s without a report, and a worker is taken to be gone.
const REPORT_KEPT: Duration = Duration::from_secs(15);

/// What a worker tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerReport {
    /// Its name in job records and logs.
    #[schema(example = "worker-7f3a")]
    pub name: String,
    /// How strong its sandbox is: `A` or `B`.
    #[schema(example = "A")]
    pub sandbox_tier: String,
    /// The walls in force.
    #[schema(example = json!(["seccomp", "landlock"]))]
    pub sandbox_layers: Vec<String>,
    /// The Python it runs.
    #[schema(example = "3.11.2")]
    pub python_version: String,
    /// The queues it serves.
    #[schema(example = json!(["generate", "execute", "deliver"]))]
    pub queues: Vec<String>,
    /// Execute jobs it may have in flight.
    pub concurrency: u64,
    /// Jobs it has in flight.
    pub running: u64,
    /// Its cells.
    #[serde(default)]
    pub cells: Cells,
    /// When it reported, by its own clock.
    #[schema(value_type = String, format = DateTime)]
    pub reported_at: Timestamp,
}

/// The cells of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cells {
    /// Jailed and waiting for a program.
    pub ready: u64,
    /// Running one.
    pub busy: u64,
    /// Memory of all of them, at the last sample.
    pub memory_bytes: u64,
}

impl Store {
    /// Tells of a worker.
    pub async fn report_worker(&self, report: &WorkerReport) -> Result<(), StoreError> {
        let json = serde_json::to_string(report).expect("plain data serialises");
        redis::cmd("HSET")
            .arg(self.key("workers"))
            .arg(&report.name)
            .arg(json)
            .query_async::<i64>(&mut self.connection.clone())
            .await?;
        Ok(())
    }

    /// Forgets a worker that ends.
    pub async fn forget_worker(&self, name: &str) -> Result<(), StoreError> {
        let mut connection = self.connection.clone();
        redis::cmd("HDEL").arg(self.key("workers")).arg(name).query_async::<i64>(&mut connection).await?;
        Ok(())
    }

    /// The workers that reported lately; the others are forgotten on the way.
    pub async fn workers(&self) -> Result<Vec<WorkerReport>, StoreError> {
        let mut connection = self.connection.clone();
        let reports: HashMap<String, String> =
            redis::cmd("HGETALL").arg(self.key("workers")).query_async(&mut connection).await?;
        let now = Timestamp::now();
        let mut present = Vec::new();
        for (name, json) in reports {
            match serde_json::from_str::<WorkerReport>(&json) {
                Ok(report) if report.reported_at.plus(REPORT_KEPT) >= now => present.push(report),
                _ => self.forget_worker(&name).await?,
            }
        }
        present.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(present)
    }
}
