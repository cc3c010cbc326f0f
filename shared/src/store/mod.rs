//! The store: the only place that knows Redis keys and scripts.
//!
//! All of a tenant's keys share one hash tag with a shard number, so every script touches one slot; a [`Store`] is one
//! shard, [`Shards`] knows who lives on which. Each script is one state change, of one job or of several that came
//! together (`together.rs`); nothing is ever written to a job outside of them. Reads are plain commands.
//! Redis being away is [`StoreError::Unavailable`]: the api answers 503, workers wait and go on.

mod audit;
mod claim;
mod deletion;
mod deliveries;
mod events;
mod files;
pub mod generation;
mod hub;
mod jobs;
mod keys;
mod link;
mod made;
mod measures;
mod peek;
mod quotas;
mod record;
mod replication;
mod retention;
mod script;
mod shards;
mod state;
mod submit;
mod system;
mod tenants;
mod together;
mod versions;
mod webhook_secrets;
mod workers;
mod workflows;

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    IntoConnectionInfo as _,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

pub use self::{
    audit::{AuditEntry, Audited},
    claim::{Claim, ClaimAnswer, Claimant, Room},
    deletion::EraseAnswer,
    deliveries::{Delivery, DeliveryAttempt, DeliveryStatus},
    events::{EventPage, JobEvent},
    files::{File, FileStatus},
    hub::{AllListener, Hub, Listener},
    jobs::{JobFilter, Page},
    keys::{KeyMade, KeyRecord, NewKey},
    made::{Hold, Holding, MadeBefore, Once},
    quotas::{DailyBudget, DailyLimits, DaySpent, Rate, Spending, Usage},
    shards::{Home, Shards},
    state::{CancelAnswer, Finish, Progress, ProgressAnswer, RenewAnswer},
    submit::{NewVersion, NewWorkflow, Submission, SubmitError, Submitted},
    tenants::TenantChange,
    versions::VersionView,
    workers::{Cells, REPORT_EVERY, WorkerReport},
    workflows::{ChangeAnswer, Labels, Version},
};
pub(crate) use self::{claim::Wake, together::until_still};
use crate::{limits, metrics::Counters};

/// 5 s: a peer that has acknowledged nothing for so long is gone; the connection is given up.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// What goes wrong between us and Redis.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Redis is away, starting, read-only or out of memory: try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A record does not read as this version of the program writes it: a bug, or a newer format.
    #[error("a record in the store is unreadable: {0}")]
    Unreadable(String),
}

impl From<redis::RedisError> for StoreError {
    fn from(error: redis::RedisError) -> Self {
        use redis::ErrorKind as Kind;
        match error.kind() {
            Kind::UnexpectedReturnType | Kind::Parse => Self::Unreadable(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// One shard of the store: all keys under its tag live in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

impl Shard {
    /// The first part of all its keys.
    pub fn prefix(self) -> String {
        format!("{{wf:{}}}:", self.0)
    }
}

/// How the store is reached and what it keeps.
#[derive(Clone)]
pub struct StoreConfig {
    /// `redis://`, `rediss://` or `redis+unix://`.
    pub url: String,
    /// Which part of the keys; [`Shards`] sees to it by itself.
    pub shard: Shard,
    /// Over how many shards new tenants are spread.
    pub shards: u16,
    /// How long a silent worker keeps its jobs.
    pub lease: Duration,
    /// How long finished jobs are kept.
    pub retention: Duration,
    /// Memory of Redis from which the oldest final jobs go, and then submits are refused; 0 for 80 % of its maxmemory.
    pub bytes_max: u64,
    /// A submit is acknowledged when so many replicas have it.
    pub wait_replicas: usize,
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("StoreConfig")
            .field("shard", &self.shard)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl StoreConfig {
    /// With defaults for everything but the address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            shard: Shard(0),
            shards: 1,
            lease: limits::LEASE,
            retention: limits::JOB_RETENTION,
            bytes_max: 0,
            wait_replicas: 0,
        }
    }
}

/// Requests leave at once, and a peer that is gone without a word is noticed: by its silence while something is
/// sent, by probes while a connection only listens.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(SILENCE_MAX).set_keepalive(
        TcpKeepalive::new().with_time(SILENCE_MAX).with_interval(SILENCE_MAX / 3).with_retries(3),
    )
}

/// A handle on one shard. Cheap to clone: clones share one multiplexed connection.
#[derive(Clone)]
pub struct Store {
    connection: link::Link,
    /// Made when an API key is looked up for the first time.
    keys: link::Link,
    shard: Shard,
    prefix: String,
    lease: Duration,
    retention: Duration,
    bytes_max: u64,
    replicated: replication::Replication,
    submits: together::Together,
    finishes: together::Together,
    writes: together::Together,
    clock: Arc<claim::RedisClock>,
    counters: Counters,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.prefix)
    }
}

impl Store {
    /// A handle that connects when it is first used, and again whenever the connection is lost.
    ///
    /// # Errors
    /// When the address is not a Redis URL. Redis being away is not an error here.
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let address = config.url.as_str().into_connection_info()?;
        let client = redis::Client::open(address.set_tcp_settings(tcp_settings()))?;
        let (connection, prefix) = (link::Link::new(client.clone()), config.shard.prefix());
        let together = |script, header| together::Together::new(connection.clone(), script, &prefix, header);
        Ok(Self {
            submits: together(&script::SUBMIT, submit::header(config.bytes_max)),
            finishes: together(&script::FINISH, Vec::new()),
            writes: together(&script::PROGRESS, Vec::new()),
            replicated: replication::Replication::new(
                client.clone(),
                format!("{prefix}replicated"),
                config.wait_replicas,
            ),
            keys: link::Link::new(client),
            connection,
            shard: config.shard,
            prefix,
            lease: config.lease,
            retention: config.retention,
            bytes_max: config.bytes_max,
            clock: Arc::default(),
            counters: Counters::default(),
        })
    }

    /// How long a silent worker keeps its jobs.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Answers when Redis does.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.connection.clone();
        redis::cmd("PING").query_async::<String>(&mut connection).await?;
        Ok(())
    }

    /// A connection of its own for commands that block; nothing else is sent on it.
    pub(crate) async fn blocking_connection(&self) -> Result<redis::aio::MultiplexedConnection, StoreError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limits::REDIS_RESPONSE_TIMEOUT))
            .set_response_timeout(Some(limits::WAKE_BLOCK_MAX + limits::REDIS_RESPONSE_TIMEOUT));
        Ok(self.connection.node().await.get_multiplexed_async_connection_with_config(&config).await?)
    }

    fn key(&self, name: impl fmt::Display) -> String {
        format!("{}{name}", self.prefix)
    }

    fn job_key(&self, id: impl fmt::Display) -> String {
        format!("{}job:{id}", self.prefix)
    }
}
